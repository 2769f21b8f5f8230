/* The HTTP library as the gateway runs it, for a fuzzer to ask what it makes of a request. */
#ifndef TESTS_FUZZ_FRAMING_LIBRARY_H
#define TESTS_FUZZ_FRAMING_LIBRARY_H

#include <stddef.h>

struct library_request {
	const char *method;
	size_t method_len;
	const char *target;
	size_t target_len;
	const char *body;
	size_t body_len;
};

/*
 * Gives a connection of the library these bytes. Aborts unless it finds one request
 * in them, to their very last, with this method, target and body.
 */
void library_check(const char *bytes, size_t len, const struct library_request *expected);

#endif
