/* Percent-encoding of URLs (RFC 3986 section 2.1). Any thread. */
#ifndef GATEWAY_PERCENT_H
#define GATEWAY_PERCENT_H

#include <stdbool.h>
#include <stddef.h>

struct arena;

enum percent_result {
	PERCENT_DECODED,
	PERCENT_BROKEN,   /* a % without two hexadecimal digits */
	PERCENT_NO_MEMORY /* arena is used up */
};

/*
 * Replaces *text, of *len bytes, by what it stands for: itself when there is
 * nothing to decode, else text in arena. plus_is_space is for queries.
 */
enum percent_result percent_decode(
    const char **text, size_t *len, bool plus_is_space, struct arena *arena);

#endif
