#include "common/service/service_call_log.h"

#include <string.h>

#include "common/base/clock.h"
#include "common/telemetry/log.h"
#include "common/telemetry/trace.h"

bool
service_call_is_unknown(const struct error *error)
{
	return error->reason != NULL && strcmp(error->reason, "OUTCOME_UNKNOWN") == 0;
}

/*
 * Calls that fail because of the store are no news: its causes are logged by
 * service_telemetry_unavailable and by who watches it. An unknown outcome is.
 */
static bool
service_is_at_fault(const struct error *error)
{
	return error->code == STATUS_INTERNAL || error->code == STATUS_UNKNOWN ||
	       error->code == STATUS_DATA_LOSS || service_call_is_unknown(error);
}

/* The id of the call's trace as text; false when it has none. */
static bool
service_trace_id(const struct rpc_call *call, char text[TRACE_ID_LEN + 1])
{
	const char *parent = rpc_call_metadata(call, "traceparent");
	struct trace trace;

	if (parent == NULL || !trace_continue(&trace, parent, strlen(parent))) {
		return false;
	}
	trace_write_hex(trace.id, TRACE_ID_BYTES, text);
	return true;
}

/* Says how the call ended: at error when the service is at fault, else at debug. */
static void
service_call_write(const struct rpc_call *call, const struct error *error, int64_t took_ns)
{
	const struct rpc_method *method = rpc_call_method(call);
	int64_t waited_ns = rpc_call_waited_ns(call) < 0 ? 0 : rpc_call_waited_ns(call);
	char trace[TRACE_ID_LEN + 1];
	bool traced = service_trace_id(call, trace);
	const struct log_field fields[] = {LOG_STR("method", method == NULL ? NULL : method->name),
	    LOG_STR("requestId", rpc_call_metadata(call, "request-id")),
	    LOG_STR("traceId", traced ? trace : NULL),
	    LOG_STR("principal", rpc_call_metadata(call, "principal")),
	    LOG_MS("durationMs", took_ns), LOG_MS("queueMs", waited_ns),
	    LOG_MS("workMs", took_ns - waited_ns), LOG_STR("code", status_name(error->code)),
	    LOG_STR("reason", error->reason),
	    LOG_STR("detail", error->detail[0] == '\0' ? NULL : error->detail)};

	if (service_is_at_fault(error)) {
		log_error("call failed", error, fields, sizeof(fields) / sizeof(fields[0]) - 3);
	} else {
		log_write(LOG_DEBUG, "call", fields, sizeof(fields) / sizeof(fields[0]));
	}
}

void
service_call_log(const struct rpc_call *call, const struct error *error, void *closure)
{
	(void)closure;
	if (log_enabled(LOG_DEBUG) || service_is_at_fault(error)) {
		service_call_write(call, error, clock_now_ns() - rpc_call_received_ns(call));
	}
}
