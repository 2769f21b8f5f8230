#include "gateway/gw_reply.h"

#include <stdio.h>
#include <string.h>

#include "common/base/arena.h"
#include "common/json/json.h"
#include "common/rpc/client/rpc_channel.h"
#include "gateway/gw_access.h"
#include "gateway/gw_api.h"
#include "gateway/gw_bulk.h"
#include "gateway/gw_media.h"
#include "gateway/gw_problem.h"

/* A larger body is handed to the library with its memory rather than copied. */
#define GW_REPLY_COPY_MAX 65536

void
gw_reply_header(struct gw_request *request, const h2o_token_t *token, const char *value, size_t len)
{
	h2o_add_header(&request->req->pool, &request->req->res.headers, token, NULL, value, len);
}

static void
gw_reply_dispose_body(void *body)
{
	buf_fini(body);
}

/* True for a body in the loop's buffer that is worth copying. */
static bool
gw_reply_copies(const struct gw_request *request, const struct buf *body)
{
	return body == &request->loop->out && body->len <= GW_REPLY_COPY_MAX;
}

/* Gives the bytes of body a life as long as the request's. */
static h2o_iovec_t
gw_reply_keep(const struct gw_request *request, struct buf *body)
{
	h2o_req_t *req = request->req;
	struct buf *kept;

	if (gw_reply_copies(request, body)) {
		return h2o_strdup(&req->pool, body->data == NULL ? "" : body->data, body->len);
	}
	kept = h2o_mem_alloc_shared(&req->pool, sizeof(*kept), gw_reply_dispose_body);
	*kept = *body;
	*body = (struct buf){0};
	return h2o_iovec_init(kept->data, kept->len);
}

void
gw_reply_say_coding(struct gw_request *request, bool compressed)
{
	gw_reply_header(request, H2O_TOKEN_VARY, H2O_STRLIT("Accept-Encoding"));
	if (compressed) {
		gw_reply_header(request, H2O_TOKEN_CONTENT_ENCODING, H2O_STRLIT("gzip"));
	}
}

/* Gives the body as it will be sent: zipped, or as it is if that is too small or not wanted. */
static struct buf *
gw_reply_compress(struct gw_request *request, struct buf *body, struct buf *zipped)
{
	struct gw_gzip_body whole = {0};
	bool compressed = request->coding != GW_CODING_IDENTITY;

	if (body->len == 0 || (body->len < request->loop->options.api->gzip_min_bytes &&
				  request->coding != GW_CODING_GZIP_ALWAYS)) {
		return body;
	}
	compressed = compressed && gw_gzip_write(&request->loop->gzip, &whole, body->data,
				       body->len, true, zipped);
	gw_reply_say_coding(request, compressed);
	if (!compressed) {
		buf_fini(zipped);
		return body;
	}
	if (body->capacity > GW_REPLY_COPY_MAX) {
		buf_fini(body);
	}
	if (request->turn.held > 0) {
		gw_turn_settle(request, zipped->capacity);
	}
	return zipped;
}

void
gw_reply_send(struct gw_request *request, int status, const char *content_type, struct buf *body)
{
	static h2o_generator_t generator;
	h2o_req_t *req = request->req;
	struct buf zipped = {0};
	h2o_iovec_t bytes = gw_reply_keep(request, gw_reply_compress(request, body, &zipped));

	req->res.status = status;
	req->res.reason = gw_problem_title(status);
	if (status != 204) {
		req->res.content_length = bytes.len;
	}
	if (content_type != NULL) {
		gw_reply_header(
		    request, H2O_TOKEN_CONTENT_TYPE, content_type, strlen(content_type));
	}
	gw_request_move(request, GW_REQUEST_ANSWERED);
	h2o_start_response(req, &generator);
	h2o_send(req, &bytes, request->head_only || bytes.len == 0 ? 0 : 1, H2O_SEND_STATE_FINAL);
}

static void
gw_reply_retry_after(struct gw_request *request, int status, const struct error *error)
{
	uint32_t seconds = gw_problem_retry_after_s(status, error);
	char *text;

	if (seconds > 0) {
		text = h2o_mem_alloc_pool(&request->req->pool, sizeof(H2O_UINT32_LONGEST_STR));
		gw_reply_header(request, H2O_TOKEN_RETRY_AFTER, text,
		    (size_t)snprintf(text, sizeof(H2O_UINT32_LONGEST_STR), "%u", seconds));
	}
}

void
gw_reply_problem(struct gw_request *request, int status, const struct error *error)
{
	const struct route *route = request->match.route;
	struct buf *out = gw_loop_out(request->loop);
	const struct gw_problem problem = {.status = status,
	    .error = error,
	    .body_field = route == NULL || route->body == NULL ? NULL : route->body->json_name,
	    .path = request->path.data,
	    .path_len = request->path.len,
	    .request_id = request->id};

	gw_problem_write(out, &problem);
	gw_reply_retry_after(request, status, error);
	gw_reply_send(request, status, GW_MEDIA_PROBLEM, out);
}

void
gw_reply_error(struct gw_request *request, const struct error *error)
{
	const struct schema_method *method = request->match.route->method;
	int status = gw_problem_status(method, error->code, error->reason);

	if (status == 500) {
		gw_access_error(request, "request failed", error);
	} else if (status > 500) {
		gw_access_unserved(request, error);
	}
	gw_reply_problem(request, status, error);
}

ProtobufCMessage *
gw_reply_unpack(struct gw_request *request, const struct rpc_reply *reply, struct error *error)
{
	const struct schema_message *output = request->match.route->method->output;
	ProtobufCMessage *response;

	if (reply->error.code == STATUS_CANCELLED && request->loop->state == GW_LOOP_CUT) {
		bool harmless = request->match.route->method->no_side_effects;

		error_set(error, STATUS_UNAVAILABLE, harmless ? "NOT_ANSWERED" : "OUTCOME_UNKNOWN",
		    harmless ? "the gateway stops, and the answer did not come before"
			     : "the gateway stops: the request may have been carried out or not");
		return NULL;
	}
	if (reply->error.code != STATUS_OK) {
		*error = reply->error;
		return NULL;
	}
	response = protobuf_c_message_unpack(&output->wire,
	    arena_protobuf(gw_loop_scratch(request->loop)), reply->len, reply->response);
	if (response == NULL) {
		error_set(error, STATUS_INTERNAL, "MALFORMED_REPLY",
		    "the service gave an answer that is no %s, or is too large", output->wire.name);
	}
	return response;
}

static void
gw_reply_location(struct gw_request *request, const ProtobufCMessage *response)
{
	const struct route *route = request->match.route;
	struct buf *out = gw_loop_out(request->loop);
	h2o_iovec_t location;

	if (*route->method->rule->location != '\0' &&
	    json_write_template(
		out, route->method->rule->location, route->method->output, response) &&
	    !out->failed) {
		location = h2o_strdup(&request->req->pool, out->data, out->len);
		gw_reply_header(request, H2O_TOKEN_LOCATION, location.base, location.len);
	}
}

/* Writes the body of a success and gives its content type; *status is changed by bulks. */
static const char *
gw_reply_write(
    struct gw_request *request, const ProtobufCMessage *response, struct buf *out, int *status)
{
	const struct route *route = request->match.route;
	const struct schema_message *output = route->method->output;

	if (route->text != NULL) {
		buf_puts(out, *(char *const *)((const char *)response + route->text->wire->offset));
		return GW_MEDIA_TEXT "; charset=utf-8";
	}
	if (route->response_body != NULL) {
		json_write_field(out, route->response_body, response);
		return GW_MEDIA_JSON;
	}
	if (output->field_count == 0) {
		return NULL;
	}
	if (route->results != NULL) {
		*status = gw_bulk_write(out, route, response);
	} else {
		json_write(out, output, response, NULL);
	}
	return GW_MEDIA_JSON;
}

/*
 * Room for an answer as it is now: one that had room before may need more. False,
 * with error filled, when one that had none finds none.
 */
static bool
gw_reply_take_room(struct gw_request *request, const struct buf *out, struct error *error)
{
	size_t bytes = gw_reply_copies(request, out) ? out->len : out->capacity;

	if (request->turn.held > 0) {
		gw_turn_settle(request, bytes);
		return true;
	}
	if (gw_turn_take_late(request, bytes)) {
		return true;
	}
	if (request->match.route->method->no_side_effects) {
		error_set(error, STATUS_RESOURCE_EXHAUSTED, "ANSWERS_FULL",
		    "answers that their clients have not read take all memory that they may; try "
		    "again later");
	} else {
		error_set(error, STATUS_UNAVAILABLE, "OUTCOME_UNKNOWN",
		    "the request may have been carried out or not: there is no memory for its "
		    "answer, as others have not been read");
	}
	return false;
}

void
gw_reply_rpc(struct gw_request *request, const struct rpc_reply *reply)
{
	int status = (int)request->match.route->method->rule->success_status;
	ProtobufCMessage *response;
	const char *content_type;
	struct error error;
	struct buf *out;

	response = gw_reply_unpack(request, reply, &error);
	if (response == NULL) {
		gw_reply_error(request, &error);
		return;
	}
	status = status == 0 ? 200 : status;
	gw_reply_location(request, response);
	out = gw_loop_out(request->loop);
	content_type = gw_reply_write(request, response, out, &status);
	if (out->failed) {
		error_set(&error, STATUS_RESOURCE_EXHAUSTED, "OUT_OF_MEMORY",
		    "the gateway is short of memory; try again later");
		gw_reply_problem(request, 503, &error);
		return;
	}
	if (!gw_reply_take_room(request, out, &error)) {
		gw_reply_error(request, &error);
		return;
	}
	gw_reply_send(request, status, content_type, out);
}
