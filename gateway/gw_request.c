#include "gateway/gw_request.h"

#include <string.h>
#include <strings.h>

#include "common/base/arena.h"
#include "common/base/clock.h"
#include "common/rpc/client/rpc_channel.h"
#include "gateway/gw_api.h"
#include "gateway/gw_call.h"
#include "gateway/gw_conn.h"
#include "gateway/gw_cors.h"
#include "gateway/gw_hold.h"
#include "gateway/gw_input.h"
#include "gateway/gw_media.h"
#include "gateway/gw_negotiate.h"
#include "gateway/gw_pages.h"
#include "gateway/gw_problem.h"
#include "gateway/gw_reply.h"
#include "gateway/gw_stream.h"
#include "gateway/gw_target.h"
#include "gateway/gw_telemetry.h"
#include "gateway/gw_unsupported.h"
#include "gateway/gw_view.h"

#define GW_REQUEST_NEW_ID_BYTES 16

void
gw_request_move(struct gw_request *request, enum gw_request_state state)
{
	assert(request->state != GW_REQUEST_ANSWERED);
	assert((state == GW_REQUEST_CALLING) == (request->call != NULL));
	request->state = state;
}

bool
gw_request_call(
    struct gw_request *request, const ProtobufCMessage *message, const struct buf *packed)
{
	request->call = gw_call_start(request, message, packed);
	if (request->call == NULL) {
		return false;
	}
	gw_request_move(request, GW_REQUEST_CALLING);
	gw_watch_begin(request->conn, request);
	return true;
}

/* Its call comes back as CANCELLED, and the answer to that ends the connection. */
void
gw_request_gone(struct gw_request *request)
{
	struct error error;

	request->req->http1_is_persistent = 0;
	if (request->call != NULL) {
		gw_call_cancel(request->call);
	} else if (request->state == GW_REQUEST_WAITING) {
		gw_turn_end(request);
		error_set(&error, STATUS_CANCELLED, "CLIENT_LEFT", "the client has left");
		gw_pages_fail(request, &error);
	}
}

void
gw_request_wait(struct gw_request *request)
{
	gw_request_move(request, GW_REQUEST_WAITING);
	gw_watch_begin(request->conn, request);
}

static enum status_code
gw_request_cannot_call(struct error *error)
{
	return error_set(error, STATUS_UNAVAILABLE, "NO_CALL",
	    "the gateway is stopping or short of memory; try again later");
}

void
gw_request_resume(struct gw_request *request)
{
	struct error error;

	if (!gw_request_call(request, NULL, &request->pages.request)) {
		gw_request_cannot_call(&error);
		gw_pages_fail(request, &error);
	}
}

void
gw_request_no_room(struct gw_request *request)
{
	struct error error;

	error_set(&error, STATUS_RESOURCE_EXHAUSTED, "ANSWERS_FULL",
	    "answers that their clients have not read take all memory that they may; try again "
	    "later");
	gw_pages_fail(request, &error);
}

void
gw_request_replied(struct gw_request *request, const struct rpc_reply *reply)
{
	request->call = NULL;
	if (request->paged) {
		gw_pages_replied(request, reply);
	} else {
		gw_reply_rpc(request, reply);
	}
}

static void
gw_request_dispose(void *data)
{
	struct gw_request *request = data;

	gw_call_abandon(&request->call);
	gw_pages_fini(&request->pages);
	gw_turn_end(request);
	gw_hold_drop(request->loop, request->hold);
	gw_telemetry_in_flight(request->loop->options.telemetry, -1);
	gw_conn_request_ended(request->conn, request->state == GW_REQUEST_ANSWERED);
}

static bool
gw_request_is_id(const char *text, size_t len)
{
	for (size_t i = 0; i < len; i++) {
		char c = text[i];

		if (!((c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') ||
			c == '.' || c == '_' || c == '-')) {
			return false;
		}
	}
	return len >= 1 && len <= GW_REQUEST_ID_MAX;
}

void
gw_request_id(h2o_req_t *req, char id[GW_REQUEST_ID_MAX + 1])
{
	static const char digits[] = "0123456789abcdef";
	ssize_t index = h2o_find_header_by_str(&req->headers, H2O_STRLIT("x-request-id"), -1);
	uint8_t random[GW_REQUEST_NEW_ID_BYTES];

	if (index >= 0) {
		h2o_iovec_t given = req->headers.entries[index].value;

		if (gw_request_is_id(given.base, given.len)) {
			memcpy(id, given.base, given.len);
			id[given.len] = '\0';
			return;
		}
	}
	gw_loop_random(gw_loop_of(req), random, sizeof(random));
	for (size_t i = 0; i < sizeof(random); i++) {
		*id++ = digits[random[i] >> 4];
		*id++ = digits[random[i] & 15];
	}
	*id = '\0';
}

/* The value of a header that is there once. */
static bool
gw_request_only_header(const h2o_req_t *req, const char *name, size_t len, h2o_iovec_t *value)
{
	ssize_t index = h2o_find_header_by_str(&req->headers, name, len, -1);

	if (index < 0 || h2o_find_header_by_str(&req->headers, name, len, index) >= 0) {
		return false;
	}
	*value = req->headers.entries[index].value;
	return true;
}

/* Goes on with the caller's trace, or begins one. */
static void
gw_request_join_trace(struct gw_request *request)
{
	const h2o_req_t *req = request->req;
	h2o_iovec_t value;

	if (!gw_request_only_header(req, H2O_STRLIT("traceparent"), &value) ||
	    !trace_continue(&request->trace, value.base, value.len)) {
		trace_begin(&request->trace, gw_telemetry_ratio(request->loop->options.telemetry));
	} else if (gw_request_only_header(req, H2O_STRLIT("tracestate"), &value) &&
		   trace_state_is_sound(value.base, value.len)) {
		request->tracestate = h2o_strdup(&request->req->pool, value.base, value.len).base;
	}
}

/* Kept as a variable of the request's environment. */
static h2o_iovec_t *
gw_request_place(h2o_req_t *req, int make)
{
	return h2o_req_getenv(req, H2O_STRLIT("gateway.request"), make);
}

struct gw_request *
gw_request_of(h2o_req_t *req)
{
	const h2o_iovec_t *place = gw_request_place(req, 0);

	return place == NULL ? NULL : (struct gw_request *)(void *)place->base;
}

static struct gw_request *
gw_request_new(h2o_req_t *req)
{
	struct gw_request *request =
	    h2o_mem_alloc_shared(&req->pool, sizeof(*request), gw_request_dispose);

	memset(request, 0, offsetof(struct gw_request, id));
	request->req = req;
	request->loop = gw_loop_of(req);
	request->hold = gw_hold_take(request->loop);
	request->conn = gw_conn_of(req);
	gw_conn_request_begun(request->conn);
	request->route = GW_ROUTE_NONE;
	request->begin_ns = clock_now_ns();
	gw_telemetry_in_flight(request->loop->options.telemetry, 1);
	*gw_request_place(req, 1) = h2o_iovec_init(request, sizeof(*request));
	gw_request_join_trace(request);
	request->head_only = h2o_memis(req->method.base, req->method.len, H2O_STRLIT("HEAD"));
	gw_target_split((struct route_text){req->input.path.base, req->input.path.len},
	    &request->path, &request->query);
	gw_request_id(req, request->id);
	h2o_add_header_by_str(&req->pool, &req->res.headers, H2O_STRLIT("x-request-id"), 0,
	    "X-Request-Id", request->id, strlen(request->id));
	gw_cors_begin(request);
	return request;
}

/* The steps below give 0, or the HTTP status to answer with, and fill error then. */

static int
gw_request_guard(struct gw_request *request, struct error *error)
{
	const struct gw_guard *guard = &request->conn->intake.guard;

	if (request->conn->cut) {
		error_set(
		    error, STATUS_UNAVAILABLE, "CONNECTION_CUT", "the connection is being closed");
		return 503;
	}
	if (request->conn->http2) {
		return gw_stream_explain(request->req, error);
	}
	request->req->http1_is_persistent = guard->refusal == GW_GUARD_NOT_REFUSED &&
					    guard->persistent &&
					    !request->loop->context.shutdown_requested;
	return gw_guard_explain(guard, error);
}

struct route_text
gw_request_header(void *closure, const char *name)
{
	const h2o_headers_t *headers = closure;
	struct route_text found = {NULL, 0};

	for (size_t i = 0; i < headers->size; i++) {
		const h2o_header_t *header = &headers->entries[i];

		if (header->name->len != strlen(name) ||
		    strncasecmp(header->name->base, name, header->name->len) != 0) {
			continue;
		}
		if (found.data != NULL) {
			return (struct route_text){"", 0};
		}
		found = (struct route_text){header->value.base, header->value.len};
	}
	return found;
}

static bool
gw_request_is_health(const struct gw_request *request)
{
	return h2o_memis(request->path.data, request->path.len, H2O_STRLIT(GW_VIEW_HEALTH_PATH));
}

/* OPTIONS is answered here, whatever has the path. */
static int
gw_request_wrong_verb(struct gw_request *request, const char *allow, struct error *error)
{
	h2o_iovec_t verb = request->req->method;

	gw_reply_header(request, H2O_TOKEN_ALLOW, allow, strlen(allow));
	if (h2o_memis(verb.base, verb.len, H2O_STRLIT("OPTIONS"))) {
		gw_cors_answer_preflight(request, allow);
		return 204;
	}
	error_set(error, STATUS_UNIMPLEMENTED, "METHOD_NOT_ALLOWED",
	    "%.*s is not offered here; %s are", verb.len > 32 ? 32 : (int)verb.len, verb.base,
	    allow);
	return 405;
}

static int
gw_request_route(struct gw_request *request, struct error *error)
{
	const h2o_iovec_t *method = &request->req->method;
	const struct route_text verb = {method->base, method->len};
	const char *allow = NULL;

	switch (route_find(request->hold->view->routes, verb, request->path, gw_request_header,
	    &request->req->headers, request->loop->scratch, &request->match, &allow, error)) {
	case ROUTE_FOUND: request->route = request->match.route->binding->path; return 0;
	case ROUTE_WRONG_VERB: return gw_request_wrong_verb(request, allow, error);
	case ROUTE_MALFORMED:
	case ROUTE_WRONG_CONDITION: return 400;
	case ROUTE_NOT_FOUND: break;
	}
	if (gw_request_is_health(request)) {
		return gw_request_wrong_verb(request, GW_VIEW_HEALTH_VERBS, error);
	}
	if (!request->hold->view->complete) {
		error_set(error, STATUS_UNAVAILABLE, "UNKNOWN_YET",
		    "not all services have said yet what they offer; try again later");
		return 503;
	}
	error_set(error, STATUS_NOT_FOUND, "UNKNOWN_PATH", "there is no such resource");
	return 404;
}

static struct route_text
gw_request_content_type(const struct gw_request *request)
{
	const h2o_headers_t *headers = &request->req->headers;
	ssize_t index = h2o_find_header(headers, H2O_TOKEN_CONTENT_TYPE, -1);

	if (index < 0 || h2o_find_header(headers, H2O_TOKEN_CONTENT_TYPE, index) >= 0) {
		return (struct route_text){NULL, 0};
	}
	return (struct route_text){
	    headers->entries[index].value.base, headers->entries[index].value.len};
}

static bool
gw_request_is_secret(const struct gw_request *request)
{
	const struct route *route = request->match.route;

	return route != NULL && (route->method->call_flags & RPC_SECRET) != 0;
}

/* The results of a bulk are about as long as what it was sent as. */
static bool
gw_request_call_once(struct gw_request *request, const ProtobufCMessage *message)
{
	const struct route *route = request->match.route;

	if ((route->pages == NULL && route->results == NULL) ||
	    gw_turn_take(request, request->body_bytes)) {
		return gw_request_call(request, message, NULL);
	}
	request->pages.request.secret = gw_request_is_secret(request);
	return gw_pages_pack(&request->pages.request, message);
}

/* Calls the method with the message, now or at the request's turn. */
static int
gw_request_send(struct gw_request *request, const ProtobufCMessage *message, bool page_given,
    struct error *error)
{
	bool called = request->match.route->pages != NULL && !page_given
			  ? gw_pages_begin(request, message)
			  : gw_request_call_once(request, message);

	if (!called) {
		gw_turn_end(request);
		gw_request_cannot_call(error);
	}
	return called ? 0 : 503;
}

static int
gw_request_process(struct gw_request *request, struct error *error)
{
	struct gw_input input = {.match = &request->match,
	    .query = request->query,
	    .content_type = gw_request_content_type(request),
	    .body = {request->req->entity.base, request->req->entity.len}};
	struct buf unzipped = {.secret = true};
	ProtobufCMessage *message;
	bool page_given;
	int status;

	gw_loop_scratch(request->loop);
	status = gw_request_route(request, error);
	if (status == 0) {
		status = gw_negotiate(request, error);
	}
	if (status == 0) {
		status = gw_unsupported_check(request, error);
	}
	if (status == 0) {
		input.unzipped = request->zipped ? &unzipped : NULL;
		status = gw_input_read(&input, request->loop->options.api, request->loop->scratch,
		    &message, &page_given, error);
	}
	if (status == 0) {
		request->body_bytes = request->zipped ? unzipped.len : input.body.len;
		status = gw_request_send(request, message, page_given, error);
	}
	if (gw_request_is_secret(request) && input.body.len > 0) {
		explicit_bzero(request->req->entity.base, request->req->entity.len);
	}
	buf_fini(&unzipped);
	return status;
}

static bool
gw_request_reads_health(const struct gw_request *request)
{
	const h2o_iovec_t *verb = &request->req->method;

	return (request->head_only || h2o_memis(verb->base, verb->len, H2O_STRLIT("GET"))) &&
	       gw_request_is_health(request);
}

static int
gw_request_begin(h2o_handler_t *handler, h2o_req_t *req)
{
	struct gw_request *request = gw_request_new(req);
	struct gw_loop *loop = request->loop;
	struct error error;
	bool secret;
	int status = gw_request_guard(request, &error);

	(void)handler;
	if (status == 0 && gw_request_reads_health(request)) {
		struct buf *out = gw_loop_out(request->loop);

		request->route = GW_VIEW_HEALTH_PATH;
		buf_puts(out, "ok");
		gw_reply_send(request, 200, GW_MEDIA_TEXT, out);
		return 0;
	}
	if (status == 0) {
		status = gw_request_process(request, &error);
	}
	secret = gw_request_is_secret(request);
	if (status == 204) {
		gw_reply_send(request, status, NULL, gw_loop_out(loop));
	} else if (status != 0) {
		gw_reply_problem(request, status, &error);
	}
	if (secret) {
		arena_wipe(loop->scratch); /* the message, and what was said of it */
	}
	return 0;
}

void
gw_request_register(h2o_pathconf_t *pathconf)
{
	h2o_create_handler(pathconf, sizeof(h2o_handler_t))->on_req = gw_request_begin;
}
