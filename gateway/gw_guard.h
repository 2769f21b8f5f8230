/*
 * The HTTP/1 framing guard: finds the end of a request exactly as RFC 9112
 * (sections 2 to 7) defines it, and refuses a request for which another server
 * on the way may have found a different end. The HTTP library accepts such
 * requests and does not show handlers what they look like. So it gets only what
 * the guard has found to be a whole request, and never sees chunks. Any thread.
 */
#ifndef GATEWAY_GW_GUARD_H
#define GATEWAY_GW_GUARD_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "gateway/gw_chunk.h"
#include "gateway/gw_line.h"

struct error;

/* Maximum number of headers of a request; the library accepts no more. */
#define GW_GUARD_HEADERS_MAX 100

/* A part of the request's bytes. */
struct gw_span {
	size_t at;
	size_t len; /* 0: there is none */
};

enum gw_guard_step {
	GW_GUARD_AT_REQUEST_LINE,
	GW_GUARD_AT_HEADERS,
	GW_GUARD_AT_BODY
};

enum gw_guard_framing {
	GW_GUARD_NO_BODY,
	GW_GUARD_LENGTH,
	GW_GUARD_CHUNKED
};

/* Why a request is refused. */
enum gw_guard_refusal {
	GW_GUARD_NOT_REFUSED,
	GW_GUARD_MALFORMED,           /* 400 */
	GW_GUARD_BODY_TOO_SLOW,       /* 408, of HTTP/2 */
	GW_GUARD_BODY_TOO_LARGE,      /* 413 */
	GW_GUARD_TARGET_TOO_LONG,     /* 414 */
	GW_GUARD_UNKNOWN_EXPECTATION, /* 417 */
	GW_GUARD_REQUESTS_FULL,       /* 429 */
	GW_GUARD_TOO_MANY_HEADERS,    /* 431 */
	GW_GUARD_HEAD_TOO_LARGE,      /* 431 */
	GW_GUARD_UNKNOWN_VERSION      /* 505 */
};

/* What is known of the request that is arriving. */
struct gw_guard {
	size_t head_max_bytes;
	size_t body_max_bytes; /* the caller sets it after GW_GUARD_HEAD */

	enum gw_guard_step step;
	enum gw_guard_refusal refusal;
	const char *problem; /* with GW_GUARD_MALFORMED */

	struct gw_span method;
	struct gw_span target;
	struct gw_span request_id; /* the value of the first X-Request-Id */
	bool http_1_0;
	bool persistent; /* the connection may go on after the answer (RFC 9112 section 9.3) */
	bool expects_continue; /* the client waits for 100 before it sends the body */
	enum gw_guard_framing framing;
	size_t length;   /* Content-Length */
	size_t head_len; /* with the empty line at its end */
	size_t size;     /* after GW_GUARD_WHOLE: of head and body, as the library may see them */

	/* Private to the guard. */
	bool line_skipped; /* an empty one, before the request */
	bool close;
	bool keep_alive;
	unsigned headers;
	unsigned hosts;
	unsigned lengths;
	unsigned encodings;
	unsigned expectations;
	struct gw_span encoding_line;
	struct gw_span expectation_line;
	size_t searched; /* see gw_line_read */
	struct gw_chunk chunk;
};

/* Before the first byte of a request. */
void gw_guard_init(struct gw_guard *guard, size_t head_max_bytes);

enum gw_guard_result {
	GW_GUARD_UNFINISHED, /* more bytes are needed */
	GW_GUARD_HEAD,       /* the head is whole: body_max_bytes is to be set; then go on */
	GW_GUARD_WHOLE,      /* the first size bytes are a request for the library */
	GW_GUARD_REFUSED     /* the connection must be closed after the answer */
};

/*
 * Checks a request as far as it has arrived. data has all bytes since
 * gw_guard_init, as the previous call left them, followed by new ones; *len
 * bytes in all. They are changed in place, and *len becomes smaller: chunks are
 * decoded, the header that announced them is replaced by Content-Length, and
 * Expect is removed.
 */
enum gw_guard_result gw_guard_read(struct gw_guard *guard, char *data, size_t *len);

/* The number of bytes of the body that are still missing; 0: none, or not known. */
size_t gw_guard_missing(const struct gw_guard *guard, size_t len);

/* After GW_GUARD_HEAD: the value of a header that occurs exactly once; otherwise data is NULL. */
struct gw_line gw_guard_header(const struct gw_guard *guard, const char *data, const char *name);

/* Fills error with the reason for the refusal and returns the HTTP status. */
int gw_guard_explain(const struct gw_guard *guard, struct error *error);

#endif
