#include "gateway/gw_access.h"

#include "common/log.h"
#include "gateway/gw_api.h"
#include "gateway/gw_loop.h"

static double
gw_access_ms_since(const struct timeval *begin, const struct timeval *end)
{
	return (double)(end->tv_sec - begin->tv_sec) * 1e3 +
	       (double)(end->tv_usec - begin->tv_usec) / 1e3;
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
static void
gw_access_log(h2o_logger_t *logger, h2o_req_t *req)
{
	enum log_level level = gw_loop_of(req)->options.api->access_log ? LOG_INFO : LOG_DEBUG;
	const struct timeval *begin = req->timestamps.request_begin_at.tv_sec != 0
					  ? &req->timestamps.request_begin_at
					  : &req->processed_at.at; /* HTTP/2 */
	struct timeval now;
	size_t path_len;

	(void)logger;
	if (!log_enabled(level)) {
		return;
	}
	now = *h2o_get_timestamp(req->conn->ctx, NULL, NULL);
	for (path_len = 0; path_len < req->input.path.len && req->input.path.base[path_len] != '?';
	     path_len++) {
	}
	LOG_AT(level, req->res.status == 0 ? "request abandoned" : "request",
	    LOG_STRN("method", req->input.method.base, req->input.method.len),
	    LOG_STRN("path", req->input.path.base, path_len), LOG_INT("status", req->res.status),
	    LOG_DOUBLE("durationMs", gw_access_ms_since(begin, &now)),
	    LOG_INT("bytes", (int64_t)req->bytes_sent), gw_access_request_id(&req->res.headers));
}

void
gw_access_register(h2o_pathconf_t *pathconf)
{
	h2o_create_logger(pathconf, sizeof(h2o_logger_t))->log_access = gw_access_log;
}
