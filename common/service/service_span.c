#include "common/service/service_span.h"

#include <string.h>

#include "common/base/clock.h"
#include "common/telemetry/trace_export.h"

/* A method that every server has, as that by which each channel asks for its health. */
static bool
service_span_is_builtin(const char *method)
{
	static const char package[] = "mockvideo.rpc.v1.";

	return strncmp(method, package, sizeof(package) - 1) == 0;
}

/* By the semantic conventions for RPC servers. Health checks begin no traces. */
void
service_span_export(
    const struct telemetry *telemetry, const struct rpc_call *call, const struct error *error)
{
	const struct rpc_method *method = rpc_call_method(call);
	const char *name = method == NULL ? SERVICE_METHOD_NONE : method->name;
	const char *parent = rpc_call_metadata(call, "traceparent");
	const char *slash = strchr(name, '/');
	struct trace_span span = {.begin_ns = rpc_call_received_ns(call),
	    .end_ns = clock_now_ns(),
	    .failed = error->code == STATUS_INTERNAL || error->code == STATUS_UNKNOWN ||
		      error->code == STATUS_DATA_LOSS || error->code == STATUS_UNAVAILABLE ||
		      error->code == STATUS_DEADLINE_EXCEEDED ||
		      error->code == STATUS_UNIMPLEMENTED};

	if (parent == NULL || !trace_continue(&span.trace, parent, strlen(parent))) {
		trace_begin(&span.trace, telemetry->ratio);
		span.trace.sampled &= !service_span_is_builtin(name);
	}
	if (!span.trace.sampled) {
		return;
	}
	strncpy(span.name, name, sizeof(span.name) - 1);
	trace_span_add_text(&span, "rpc.system", "nng", 3);
	if (slash != NULL) {
		trace_span_add_text(&span, "rpc.service", name, (size_t)(slash - name));
		trace_span_add_text(&span, "rpc.method", slash + 1, strlen(slash + 1));
	}
	trace_span_add_number(&span, "rpc.grpc.status_code", error->code);
	trace_export(telemetry->exporter, &span);
}
