/* How far apart two names are, for "did you mean". Any thread. */
#ifndef COMMON_SPELLING_H
#define COMMON_SPELLING_H

#include <stddef.h>

/* Letters past these are not looked at. */
#define SPELLING_MAX 96

/* So far is a name that can't be meant. */
#define SPELLING_FAR 4

/*
 * Letters to put in, leave out, replace or swap with their neighbour to make
 * known of the len bytes at name, where case and all but letters and digits do
 * not count. SPELLING_FAR when it is more than 3, or 1 where name is short.
 */
unsigned spelling_distance(const char *name, size_t len, const char *known);

#endif
