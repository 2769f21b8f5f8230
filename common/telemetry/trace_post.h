/* The connection to a collector of spans. Only trace_export.c uses this, in its thread. */
#ifndef COMMON_TRACE_POST_H
#define COMMON_TRACE_POST_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct trace_post;

/* The result of a message, by the rules of OTLP over HTTP. */
enum trace_outcome {
	TRACE_TAKEN,
	TRACE_AGAIN, /* not now: no answer, or 429, 502, 503, 504 */
	TRACE_REFUSED
};

struct trace_answer {
	enum trace_outcome outcome;
	long status;      /* of HTTP; 0: no answer came */
	int64_t rejected; /* spans of an accepted message that were rejected (partialSuccess) */
	int64_t after_ms; /* Retry-After; 0: not said */
	char why[256];    /* the text of the collector or of libcurl; may be empty */
};

/*
 * endpoint and end_ns (the time on clock_now_ns at which all sending ends) must
 * outlive it. NULL without memory.
 */
struct trace_post *trace_post_new(const char *endpoint, const atomic_int_fast64_t *end_ns);
void trace_post_free(struct trace_post **post);

/* Sends a message and waits for the answer, for at most timeout_ms. */
void trace_post_send(struct trace_post *post, const char *body, size_t len, int64_t timeout_ms,
    struct trace_answer *answer);

#endif
