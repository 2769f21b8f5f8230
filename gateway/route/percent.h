/* Percent-encoding of URLs (RFC 3986 section 2.1). Any thread. */
#ifndef GATEWAY_PERCENT_H
#define GATEWAY_PERCENT_H

#include <stddef.h>

struct arena;

enum percent_result {
	PERCENT_DECODED,
	PERCENT_BROKEN,   /* a % without two hexadecimal digits */
	PERCENT_NO_MEMORY /* arena is used up */
};

enum percent_part {
	PERCENT_SEGMENT,  /* one segment of a path */
	PERCENT_SEGMENTS, /* several, in which %2F stays, as a slash would part them */
	PERCENT_QUERY     /* where a plus is a space */
};

/*
 * Replaces *text, of *len bytes, by what it stands for: itself when there is
 * nothing to decode, else text in arena.
 */
enum percent_result percent_decode(
    const char **text, size_t *len, enum percent_part part, struct arena *arena);

#endif
