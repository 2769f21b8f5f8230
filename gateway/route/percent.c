#include "gateway/route/percent.h"

#include <stdbool.h>
#include <string.h>

#include "common/base/arena.h"

static int
percent_digit(char c)
{
	if (c >= '0' && c <= '9') {
		return c - '0';
	}
	c |= 0x20;
	return c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

enum percent_result
percent_decode(const char **text, size_t *len, enum percent_part part, struct arena *arena)
{
	bool plus_is_space = part == PERCENT_QUERY;
	const char *from = *text;
	const char *end = from + *len;
	char *decoded;
	char *to;

	if (memchr(from, '%', *len) == NULL &&
	    (!plus_is_space || memchr(from, '+', *len) == NULL)) {
		return PERCENT_DECODED;
	}
	decoded = to = arena_alloc(arena, *len);
	if (decoded == NULL) {
		return PERCENT_NO_MEMORY;
	}
	while (from < end) {
		if (*from != '%') {
			*to++ = *from == '+' && plus_is_space ? ' ' : *from;
			from++;
			continue;
		}
		if (end - from < 3 || percent_digit(from[1]) < 0 || percent_digit(from[2]) < 0) {
			return PERCENT_BROKEN;
		}
		*to = (char)(percent_digit(from[1]) * 16 + percent_digit(from[2]));
		if (part == PERCENT_SEGMENTS && *to == '/') {
			memcpy(to, from, 3);
			to += 2;
		}
		to++;
		from += 3;
	}
	*text = decoded;
	*len = (size_t)(to - decoded);
	return PERCENT_DECODED;
}
