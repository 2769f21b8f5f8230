/*
 * The position of a process in a trace: W3C Trace Context
 * (www.w3.org/TR/trace-context), headers traceparent and tracestate. Any
 * thread.
 */
#ifndef COMMON_TRACE_H
#define COMMON_TRACE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct error;

#define TRACE_ID_BYTES   16
#define TRACE_SPAN_BYTES 8

/* Lengths as text, without a NUL. */
#define TRACE_ID_LEN     (2 * TRACE_ID_BYTES)
#define TRACE_SPAN_LEN   (2 * TRACE_SPAN_BYTES)
#define TRACE_PARENT_LEN 55

/* A longer tracestate is not passed on. */
#define TRACE_STATE_MAX 512

struct trace {
	uint8_t id[TRACE_ID_BYTES];
	uint8_t span[TRACE_SPAN_BYTES];   /* of the work done here */
	uint8_t parent[TRACE_SPAN_BYTES]; /* of the caller; zeros: the trace begins here */
	bool sampled;                     /* spans of the trace are to be exported */
};

/* The share of the traces that begin here to be sampled. */
struct trace_ratio {
	uint64_t below; /* a trace is sampled when 63 bits of its id are below this */
};

/*
 * Reads a decimal number from 0 to 1, such as "0.01". False for anything else;
 * error names the key.
 */
bool trace_ratio_read(
    struct trace_ratio *ratio, const char *key, const char *text, struct error *error);

/*
 * Continues the trace of a traceparent of len bytes, in a new span. False if
 * the text is not a traceparent of version 00, or of a later version that
 * begins like it.
 */
bool trace_continue(struct trace *trace, const char *traceparent, size_t len);

/* Begins a new trace. */
void trace_begin(struct trace *trace, struct trace_ratio ratio);

/* Writes the traceparent for calls to others, and a NUL. */
void trace_write_parent(const struct trace *trace, char text[TRACE_PARENT_LEN + 1]);

/* Writes bytes as lower-case digits, and a NUL: the id of a trace or of a span. */
void trace_write_hex(const uint8_t *bytes, size_t count, char *text);

/* True for a tracestate that may be passed on: it is printable and not too long. */
bool trace_state_is_sound(const char *text, size_t len);

#endif
