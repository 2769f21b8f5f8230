#include "gateway/gw_cors.h"

#include <string.h>

#include "gateway/gw_api.h"
#include "gateway/gw_line.h"
#include "gateway/gw_reply.h"

/* Longer lists of headers are nobody's, and are not sent back. */
#define GW_CORS_HEADERS_MAX 1024

/* Headers of answers, beyond those that any page may read, that clients need. */
#define GW_CORS_EXPOSED "Accept-Encoding, Allow, Location, Retry-After, X-Request-Id"

static void
gw_cors_put(struct gw_request *request, const char *name, const char *value)
{
	h2o_req_t *req = request->req;

	h2o_add_header_by_str(
	    &req->pool, &req->res.headers, name, strlen(name), 0, NULL, value, strlen(value));
}

void
gw_cors_begin(struct gw_request *request)
{
	const struct gw_origins *origins = &request->loop->options.api->cors_origins;
	struct route_text origin;
	const char *allowed;

	if (!gw_origins_exist(origins)) {
		return;
	}
	if (!origins->all) {
		gw_reply_header(request, H2O_TOKEN_VARY, H2O_STRLIT("Origin"));
	}
	origin = gw_request_header(&request->req->headers, "origin");
	allowed = origin.data == NULL ? NULL : gw_origins_find(origins, origin.data, origin.len);
	if (allowed == NULL) {
		return;
	}
	request->cross_origin = true;
	gw_reply_header(request, H2O_TOKEN_ACCESS_CONTROL_ALLOW_ORIGIN, allowed, strlen(allowed));
	gw_cors_put(request, "access-control-expose-headers", GW_CORS_EXPOSED);
}

/* A list of names, of usual length. */
static bool
gw_cors_is_list(struct route_text text)
{
	struct gw_line list = {text.data, text.len};
	struct gw_line name;
	bool names = text.len > 0 && text.len <= GW_CORS_HEADERS_MAX;

	while (names && gw_line_next_element(&list, &name)) {
		names = gw_line_is_token(name.data, name.len);
	}
	return names;
}

/*
 * All headers are allowed that the page wants to send: which ones a service reads
 * is its own affair, and * would leave out Authorization.
 */
void
gw_cors_answer_preflight(struct gw_request *request, const char *allow)
{
	h2o_req_t *req = request->req;
	struct route_text headers;

	if (!request->cross_origin ||
	    gw_request_header(&req->headers, "access-control-request-method").data == NULL) {
		return;
	}
	gw_reply_header(request, H2O_TOKEN_VARY, H2O_STRLIT("Access-Control-Request-Headers"));
	gw_cors_put(request, "access-control-allow-methods", allow);
	headers = gw_request_header(&req->headers, "access-control-request-headers");
	if (headers.data != NULL && gw_cors_is_list(headers)) {
		gw_cors_put(request, "access-control-allow-headers",
		    h2o_strdup(&req->pool, headers.data, headers.len).base);
	}
	gw_cors_put(request, "access-control-max-age", request->loop->options.api->cors_max_age_s);
}
