/*
 * Where HTTP/1.1 requests end, by RFC 9112, for a fuzzer to compare the gateway's
 * guard with. Written without a look at it: all bytes are there at once, nothing is
 * changed, and the grammar is followed rule by rule.
 */
#ifndef TESTS_FUZZ_FRAMING_REFERENCE_H
#define TESTS_FUZZ_FRAMING_REFERENCE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* What the gateway has as limits, too. */
struct reference_limits {
	size_t head_max;
	size_t headers_max;
	size_t body_max;
	size_t line_max;       /* of a chunk's size, or of a trailer */
	size_t extensions_max; /* in all, beyond the length of the body */
	size_t trailers_max;
};

struct reference_request {
	size_t end;      /* of the request in the input */
	size_t body_len; /* decoded */
	bool persistent;
};

/*
 * Reads one request. False when it is not whole, or not as it must be. body is
 * filled with the decoded body and has room for len bytes.
 */
bool reference_read(const uint8_t *input, size_t len, const struct reference_limits *limits,
    struct reference_request *request, uint8_t *body);

#endif
