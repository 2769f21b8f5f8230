/* The distance of two names, for "did you mean". Any thread. */
#ifndef COMMON_SPELLING_H
#define COMMON_SPELLING_H

#include <stddef.h>

/* Letters beyond this number are ignored. */
#define SPELLING_MAX 96

/* The distance of a name that cannot be meant. */
#define SPELLING_FAR 4

/*
 * The number of letters to insert, delete, replace or swap with their neighbour
 * that turns the len bytes at name into known. Case is ignored, and so is all
 * but letters and digits. SPELLING_FAR when it is more than 3, or more than 1
 * if name is short.
 */
unsigned spelling_distance(const char *name, size_t len, const char *known);

#endif
