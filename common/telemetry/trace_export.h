/*
 * Spans on their way to a collector: OTLP over HTTP with JSON
 * (opentelemetry.io/docs/specs/otlp), sent by a separate thread. A span that
 * does not fit its queue is dropped, and one that the collector does not accept
 * is lost, because work must not wait for monitoring; both are counted. A
 * message that the collector cannot accept now is sent again for a minute, at
 * the times that the collector names.
 */
#ifndef COMMON_TRACE_EXPORT_H
#define COMMON_TRACE_EXPORT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "common/base/status.h"
#include "common/telemetry/trace.h"

struct trace_exporter;

#define TRACE_SPAN_NAME_MAX       96
#define TRACE_SPAN_TEXT_MAX       64
#define TRACE_SPAN_ATTRIBUTES_MAX 6

/* An attribute, by OpenTelemetry's semantic conventions. */
struct trace_attribute {
	const char *key; /* static */
	bool is_number;
	int64_t number;
	char text[TRACE_SPAN_TEXT_MAX];
};

/* A span of kind SERVER that has ended. */
struct trace_span {
	struct trace trace;
	char name[TRACE_SPAN_NAME_MAX];
	int64_t begin_ns, end_ns; /* on clock_now_ns */
	bool failed;              /* by the fault of the server */
	struct trace_attribute attributes[TRACE_SPAN_ATTRIBUTES_MAX];
	unsigned attribute_count;
};

/* Add an attribute. Texts and names that are too long are cut, by bytes. */
void trace_span_add_text(struct trace_span *span, const char *key, const char *text, size_t len);
void trace_span_add_number(struct trace_span *span, const char *key, int64_t number);

struct trace_exporter_options {
	const char *endpoint; /* the collector's URL; "" when nothing is exported */
	size_t queue_max;     /* spans that wait */
	const char *service;  /* service.name; outlives the exporter */
	const char *version;  /* service.version; likewise */
};

/* For conf_program.check: whether endpoint is "" or a URL. error names the key, otlpEndpoint. */
bool trace_check_endpoint(const char *endpoint, struct error *error);

/*
 * Starts the thread, with all signals blocked. Does not connect yet. Without an
 * endpoint *exporter is NULL. On failure it is NULL too, and error says why.
 */
enum status_code trace_exporter_start(struct trace_exporter **exporter,
    const struct trace_exporter_options *options, struct error *error);

/* Takes a copy of the span. exporter NULL is fine. Any thread; never blocks. */
void trace_export(struct trace_exporter *exporter, const struct trace_span *span);

/* The numbers of spans by result. All zero for NULL. Any thread. */
struct trace_export_stats {
	uint64_t exported; /* the collector took them */
	uint64_t rejected; /* it took the message that they were in, but not them */
	uint64_t failed;   /* it did not take the message */
	uint64_t dropped;  /* the queue was full */
	size_t waiting;    /* in the queue */
	size_t limit;      /* of the queue */
};

void trace_export_get_stats(struct trace_exporter *exporter, struct trace_export_stats *stats);

/*
 * Sends the waiting spans, for which it gives the collector a second or two,
 * ends the thread and clears *exporter. NULL is fine.
 */
void trace_exporter_stop(struct trace_exporter **exporter);

#endif
