#include "common/telemetry/trace_otlp.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>
#include <yajl/yajl_gen.h>

#include "common/base/buf.h"

/* Of enum SpanKind and enum StatusCode. */
#define TRACE_OTLP_KIND_SERVER  2
#define TRACE_OTLP_STATUS_ERROR 2

static void
trace_otlp_put(void *closure, const char *text, size_t len)
{
	buf_put(closure, text, len);
}

static void
trace_otlp_string(yajl_gen json, const char *text)
{
	yajl_gen_string(json, (const unsigned char *)text, strlen(text));
}

static void
trace_otlp_member(yajl_gen json, const char *key, const char *text)
{
	trace_otlp_string(json, key);
	trace_otlp_string(json, text);
}

/* Opens {"key": [ of lists that hold one another. */
static void
trace_otlp_open_list(yajl_gen json, const char *key)
{
	trace_otlp_string(json, key);
	yajl_gen_array_open(json);
}

static void
trace_otlp_hex(yajl_gen json, const char *key, const uint8_t *bytes, size_t count)
{
	char text[TRACE_ID_LEN + 1];

	trace_write_hex(bytes, count, text);
	trace_otlp_member(json, key, text);
}

/* Protobuf's JSON writes numbers of 64 bits as strings. */
static void
trace_otlp_number(yajl_gen json, const char *key, int64_t number)
{
	char text[24];

	snprintf(text, sizeof(text), "%" PRId64, number);
	trace_otlp_member(json, key, text);
}

static void
trace_otlp_attribute(yajl_gen json, const struct trace_attribute *attribute)
{
	yajl_gen_map_open(json);
	trace_otlp_member(json, "key", attribute->key);
	trace_otlp_string(json, "value");
	yajl_gen_map_open(json);
	if (attribute->is_number) {
		trace_otlp_number(json, "intValue", attribute->number);
	} else {
		trace_otlp_member(json, "stringValue", attribute->text);
	}
	yajl_gen_map_close(json);
	yajl_gen_map_close(json);
}

static void
trace_otlp_attributes(yajl_gen json, const struct trace_attribute *list, size_t count)
{
	trace_otlp_open_list(json, "attributes");
	for (size_t i = 0; i < count; i++) {
		trace_otlp_attribute(json, &list[i]);
	}
	yajl_gen_array_close(json);
}

static bool
trace_otlp_has_parent(const struct trace *trace)
{
	static const uint8_t none[TRACE_SPAN_BYTES];

	return memcmp(trace->parent, none, sizeof(none)) != 0;
}

static void
trace_otlp_span(yajl_gen json, const struct trace_span *span, int64_t unix_offset_ns)
{
	yajl_gen_map_open(json);
	trace_otlp_hex(json, "traceId", span->trace.id, TRACE_ID_BYTES);
	trace_otlp_hex(json, "spanId", span->trace.span, TRACE_SPAN_BYTES);
	if (trace_otlp_has_parent(&span->trace)) {
		trace_otlp_hex(json, "parentSpanId", span->trace.parent, TRACE_SPAN_BYTES);
	}
	trace_otlp_member(json, "name", span->name);
	trace_otlp_string(json, "kind");
	yajl_gen_integer(json, TRACE_OTLP_KIND_SERVER);
	trace_otlp_number(json, "startTimeUnixNano", span->begin_ns + unix_offset_ns);
	trace_otlp_number(json, "endTimeUnixNano", span->end_ns + unix_offset_ns);
	trace_otlp_attributes(json, span->attributes, span->attribute_count);
	if (span->failed) {
		trace_otlp_string(json, "status");
		yajl_gen_map_open(json);
		trace_otlp_string(json, "code");
		yajl_gen_integer(json, TRACE_OTLP_STATUS_ERROR);
		yajl_gen_map_close(json);
	}
	yajl_gen_map_close(json);
}

/* Who gives the spans: one process of a service. */
static void
trace_otlp_resource(yajl_gen json, const struct trace_exporter_options *options)
{
	char host[TRACE_SPAN_TEXT_MAX] = "";
	struct trace_span resource = {0};

	gethostname(host, sizeof(host) - 1);
	trace_span_add_text(&resource, "service.name", options->service, strlen(options->service));
	trace_span_add_text(
	    &resource, "service.version", options->version, strlen(options->version));
	trace_span_add_text(&resource, "host.name", host, strlen(host));
	trace_span_add_number(&resource, "process.pid", getpid());
	trace_otlp_string(json, "resource");
	yajl_gen_map_open(json);
	trace_otlp_attributes(json, resource.attributes, resource.attribute_count);
	yajl_gen_map_close(json);
}

static void
trace_otlp_scope(yajl_gen json, const struct trace_exporter_options *options)
{
	trace_otlp_string(json, "scope");
	yajl_gen_map_open(json);
	trace_otlp_member(json, "name", "mockvideo");
	trace_otlp_member(json, "version", options->version);
	yajl_gen_map_close(json);
}

void
trace_otlp_write(struct buf *out, const struct trace_exporter_options *options,
    const struct trace_span *spans, size_t count, int64_t unix_offset_ns)
{
	yajl_gen json = yajl_gen_alloc(NULL);

	if (json == NULL) {
		out->failed = true;
		return;
	}
	yajl_gen_config(json, yajl_gen_print_callback, trace_otlp_put, out);
	yajl_gen_map_open(json);
	trace_otlp_open_list(json, "resourceSpans");
	yajl_gen_map_open(json);
	trace_otlp_resource(json, options);
	trace_otlp_open_list(json, "scopeSpans");
	yajl_gen_map_open(json);
	trace_otlp_scope(json, options);
	trace_otlp_open_list(json, "spans");
	for (size_t i = 0; i < count; i++) {
		trace_otlp_span(json, &spans[i], unix_offset_ns);
	}
	yajl_gen_array_close(json);
	yajl_gen_map_close(json);
	yajl_gen_array_close(json);
	yajl_gen_map_close(json);
	yajl_gen_array_close(json);
	yajl_gen_map_close(json);
	yajl_gen_free(json);
}
