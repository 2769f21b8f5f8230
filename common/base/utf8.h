/* UTF-8 (RFC 3629). Any thread. */
#ifndef COMMON_UTF8_H
#define COMMON_UTF8_H

#include <stdbool.h>
#include <stddef.h>

/*
 * Length of the valid sequence at the beginning of text, which has left bytes
 * (at least 1); 0 when there is none.
 */
static inline size_t
utf8_sequence_len(const void *text, size_t left)
{
	const unsigned char *bytes = text;
	unsigned char first = bytes[0];
	unsigned char low = first == 0xe0 ? 0xa0 : first == 0xf0 ? 0x90 : 0x80;
	unsigned char high = first == 0xed ? 0x9f : first == 0xf4 ? 0x8f : 0xbf;
	size_t len = first < 0xe0 ? 2 : first < 0xf0 ? 3 : 4;

	if (first < 0x80) {
		return 1;
	}
	if (first < 0xc2 || first > 0xf4 || left < len || bytes[1] < low || bytes[1] > high) {
		return 0;
	}
	for (size_t i = 2; i < len; i++) {
		if ((bytes[i] & 0xc0) != 0x80) {
			return 0;
		}
	}
	return len;
}

/* True when all of text is UTF-8 without U+0000, at which a C string would end. */
static inline bool
utf8_is_text(const void *text, size_t len)
{
	const unsigned char *bytes = text;
	size_t at = 0;

	while (at < len) {
		size_t sequence = bytes[at] == 0 ? 0 : utf8_sequence_len(bytes + at, len - at);

		if (sequence == 0) {
			return false;
		}
		at += sequence;
	}
	return true;
}

/* The number of characters (code points) of text, which is UTF-8. */
static inline size_t
utf8_length(const char *text)
{
	size_t length = 0;

	for (; *text != '\0'; text++) {
		length += ((unsigned char)*text & 0xc0) != 0x80;
	}
	return length;
}

#endif
