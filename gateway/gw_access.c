#include "gateway/gw_access.h"

#include <string.h>

#include "common/base/clock.h"
#include "common/telemetry/log.h"
#include "gateway/gw_api.h"
#include "gateway/gw_request.h"
#include "gateway/gw_telemetry.h"

static int64_t
gw_access_ns_since(const struct timeval *begin, const struct timeval *end)
{
	int64_t us =
	    (int64_t)(end->tv_sec - begin->tv_sec) * 1000000 + end->tv_usec - begin->tv_usec;

	return us < 0 ? 0 : us * 1000;
}

/* Since the request was there whole; of one that never was, since its first byte. */
static int64_t
gw_access_duration_ns(h2o_req_t *req, const struct gw_request *request)
{
	if (request != NULL) {
		return clock_now_ns() - request->begin_ns;
	}
	return gw_access_ns_since(req->timestamps.request_begin_at.tv_sec != 0
				      ? &req->timestamps.request_begin_at
				      : &req->processed_at.at, /* HTTP/2 */
	    h2o_get_timestamp(req->conn->ctx, NULL, NULL));
}

static struct log_field
gw_access_request_id(const h2o_headers_t *headers)
{
	ssize_t index = h2o_find_header_by_str(headers, H2O_STRLIT("x-request-id"), -1);

	return index < 0 ? LOG_STR("requestId", NULL)
			 : LOG_STRN("requestId", headers->entries[index].value.base,
			       headers->entries[index].value.len);
}

/* The query is left out: what it holds may be nobody's business. */
static size_t
gw_access_path_len(const h2o_iovec_t *path)
{
	const char *mark = memchr(path->base, '?', path->len);

	return mark == NULL ? path->len : (size_t)(mark - path->base);
}

static void
gw_access_write(
    enum log_level level, h2o_req_t *req, const struct gw_request *request, int64_t duration_ns)
{
	char trace[TRACE_ID_LEN + 1] = "";

	if (request != NULL) {
		trace_write_hex(request->trace.id, TRACE_ID_BYTES, trace);
	}
	LOG_AT(level, req->res.status == 0 ? "request abandoned" : "request",
	    LOG_STRN("method", req->input.method.base, req->input.method.len),
	    LOG_STRN("path", req->input.path.base, gw_access_path_len(&req->input.path)),
	    LOG_STR("route", request == NULL ? GW_ROUTE_NONE : request->route),
	    LOG_INT("status", req->res.status), LOG_MS("durationMs", duration_ns),
	    LOG_MS("backendMs", request == NULL ? 0 : request->backend_ns),
	    LOG_INT("bytes", (int64_t)req->bytes_sent), gw_access_request_id(&req->res.headers),
	    LOG_STR("traceId", request == NULL ? NULL : trace));
}

static void
gw_access_count(h2o_req_t *req, const struct gw_request *request, int64_t duration_ns)
{
	int64_t now_ns = clock_now_ns();
	struct gw_telemetry_request ended = {.route = GW_ROUTE_NONE,
	    .verb = req->input.method.base,
	    .verb_len = req->input.method.len,
	    .status = req->res.status,
	    .begin_ns = now_ns - duration_ns,
	    .end_ns = now_ns};

	if (request != NULL) {
		ended.found = request->match.route;
		ended.route = request->route;
		ended.trace = &request->trace;
	}
	gw_telemetry_request_ended(gw_loop_of(req)->options.telemetry, &ended);
}

static void
gw_access_log(h2o_logger_t *logger, h2o_req_t *req)
{
	enum log_level level = gw_loop_of(req)->options.api->access_log ? LOG_INFO : LOG_DEBUG;
	const struct gw_request *request = gw_request_of(req);
	int64_t duration_ns = gw_access_duration_ns(req, request);

	(void)logger;
	gw_access_count(req, request, duration_ns);
	if (log_enabled(level)) {
		gw_access_write(level, req, request, duration_ns);
	}
}

static void
gw_access_write_error(const struct gw_request *request, const char *message,
    const struct error *error, const uint64_t *left_out)
{
	char trace[TRACE_ID_LEN + 1];

	trace_write_hex(request->trace.id, TRACE_ID_BYTES, trace);
	log_error(message, error,
	    (const struct log_field[]){LOG_STR("method", request->match.route->method->name),
		LOG_STR("requestId", request->id), LOG_STR("traceId", trace),
		LOG_INT("leftOut", left_out == NULL ? 0 : (int64_t)*left_out)},
	    left_out == NULL ? 3 : 4);
}

void
gw_access_refused(h2o_req_t *req, int status)
{
	req->res.status = status;
	gw_access_log(NULL, req);
}

void
gw_access_error(const struct gw_request *request, const char *message, const struct error *error)
{
	gw_access_write_error(request, message, error, NULL);
}

void
gw_access_unserved(const struct gw_request *request, const struct error *error)
{
	uint64_t left_out;

	if (gw_telemetry_may_log(request->loop->options.telemetry, error, &left_out)) {
		gw_access_write_error(request, "request not served", error, &left_out);
	}
}

void
gw_access_register(h2o_pathconf_t *pathconf)
{
	h2o_create_logger(pathconf, sizeof(h2o_logger_t))->log_access = gw_access_log;
}
