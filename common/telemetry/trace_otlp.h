/* Spans as OTLP in JSON. Only trace_export.c uses this. */
#ifndef COMMON_TRACE_OTLP_H
#define COMMON_TRACE_OTLP_H

#include "common/telemetry/trace_export.h"

struct buf;

/*
 * Appends an ExportTraceServiceRequest. unix_offset_ns is added to a time of
 * clock_now_ns to get Unix time.
 */
void trace_otlp_write(struct buf *out, const struct trace_exporter_options *options,
    const struct trace_span *spans, size_t count, int64_t unix_offset_ns);

#endif
