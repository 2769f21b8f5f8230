#include "gateway/gw_pages.h"

#include <string.h>

#include "common/json/json.h"
#include "common/rpc/client/rpc_channel.h"
#include "common/schema/schema.h"
#include "gateway/gw_access.h"
#include "gateway/gw_api.h"
#include "gateway/gw_media.h"
#include "gateway/gw_problem.h"
#include "gateway/gw_reply.h"

bool
gw_pages_pack(struct buf *packed, const ProtobufCMessage *message)
{
	size_t size = protobuf_c_message_get_packed_size(message);

	if (!buf_reserve(packed, size)) {
		return false;
	}
	packed->len += protobuf_c_message_pack(message, (uint8_t *)packed->data + packed->len);
	return true;
}

bool
gw_pages_begin(struct gw_request *request, const ProtobufCMessage *message)
{
	request->paged = true;
	if (!gw_pages_pack(&request->pages.request, message)) {
		return false;
	}
	request->pages.base_len = request->pages.request.len;
	return !gw_turn_take(request, 0) || gw_request_call(request, NULL, &request->pages.request);
}

void
gw_pages_fini(struct gw_pages *pages)
{
	buf_fini(&pages->request);
	buf_fini(&pages->out);
}

void
gw_pages_fail(struct gw_request *request, const struct error *error)
{
	if (!request->pages.begun) {
		gw_reply_error(request, error);
		return;
	}
	gw_access_error(request, "list cut off", error);
	gw_request_move(request, GW_REQUEST_ANSWERED);
	h2o_send(request->req, NULL, 0, H2O_SEND_STATE_ERROR);
}

/* The client has taken the page before. */
static void
gw_pages_proceed(h2o_generator_t *generator, h2o_req_t *req)
{
	struct gw_request *request = (struct gw_request *)generator;

	(void)req;
	if (gw_turn_next(request)) {
		gw_request_resume(request);
	} else {
		buf_fini(&request->pages.out);
	}
}

/*
 * Sets up the request for the next page: fields that are packed later win, so
 * that the token can simply be appended. False without memory. The token is in
 * the scratch arena, which is therefore used as it is.
 */
static bool
gw_pages_set_token(struct gw_request *request, const char *token)
{
	const struct route *route = request->match.route;
	const ProtobufCFieldDescriptor *wire = route->page_token->wire;
	ProtobufCMessage *part = schema_message_new(route->method->input, request->loop->scratch);

	if (part == NULL) {
		return false;
	}
	*(const char **)((char *)part + wire->offset) = token;
	request->pages.request.len = request->pages.base_len;
	return gw_pages_pack(&request->pages.request, part);
}

/* Appends a page to what was sent; never nothing, which would look like the end. */
static void
gw_pages_write(struct gw_request *request, const ProtobufCMessage *response, bool last)
{
	const struct schema_field *list = request->match.route->pages;
	struct gw_pages *pages = &request->pages;
	size_t count = *(const size_t *)((const char *)response + list->wire->quantifier_offset);

	buf_reset(&pages->out);
	if (!pages->begun) {
		buf_putc(&pages->out, '{');
		buf_put_json_string(&pages->out, list->json_name, list->json_name_len);
		buf_puts(&pages->out, ":[");
	} else {
		buf_putc(&pages->out, pages->any && count > 0 ? ',' : ' ');
	}
	json_write_elements(&pages->out, list, response, NULL);
	if (last) {
		buf_puts(&pages->out, "]}");
	}
	pages->any |= count > 0;
}

/* A list in one page is compressed when it is sent; HEAD has nothing to compress. */
static void
gw_pages_compress(struct gw_request *request, bool last)
{
	struct gw_pages *pages = &request->pages;
	struct buf zipped = {0};

	if (request->coding == GW_CODING_IDENTITY || request->head_only ||
	    (last && !pages->begun) || pages->out.failed) {
		return;
	}
	if (!gw_gzip_write(&request->loop->gzip, &pages->gzip, pages->out.data, pages->out.len,
		last, &zipped)) {
		zipped.failed = true;
	}
	buf_fini(&pages->out);
	pages->out = zipped;
}

static void
gw_pages_start_answer(struct gw_request *request)
{
	h2o_req_t *req = request->req;

	req->res.status = 200;
	req->res.reason = gw_problem_title(200);
	gw_reply_header(request, H2O_TOKEN_CONTENT_TYPE, H2O_STRLIT(GW_MEDIA_JSON));
	if (request->loop->options.api->gzip_min_bytes != GW_API_NO_GZIP) {
		gw_reply_say_coding(request, request->coding != GW_CODING_IDENTITY);
	}
	if (req->version < 0x101) {
		req->http1_is_persistent = 0; /* the end of the connection is that of the list */
	}
	request->generator.proceed = gw_pages_proceed;
	h2o_start_response(req, &request->generator);
}

static void
gw_pages_send(struct gw_request *request, bool last)
{
	struct gw_pages *pages = &request->pages;
	h2o_iovec_t bytes = h2o_iovec_init(pages->out.data, pages->out.len);
	bool first = !pages->begun;

	if (first && last) {
		gw_reply_send(request, 200, GW_MEDIA_JSON, &pages->out);
		return;
	}
	pages->begun = true;
	gw_request_move(
	    request, last || request->head_only ? GW_REQUEST_ANSWERED : GW_REQUEST_STREAMING);
	if (first) {
		gw_pages_start_answer(request);
	}
	if (request->head_only) {
		h2o_send(request->req, NULL, 0, H2O_SEND_STATE_FINAL);
		return;
	}
	h2o_send(request->req, &bytes, 1, last ? H2O_SEND_STATE_FINAL : H2O_SEND_STATE_IN_PROGRESS);
}

void
gw_pages_replied(struct gw_request *request, const struct rpc_reply *reply)
{
	const struct route *route = request->match.route;
	ProtobufCMessage *response;
	struct error error;
	const char *token;
	bool last;

	response = gw_reply_unpack(request, reply, &error);
	if (response == NULL) {
		gw_pages_fail(request, &error);
		return;
	}
	token =
	    *(const char *const *)((const char *)response + route->next_page_token->wire->offset);
	last = token == NULL || *token == '\0';
	gw_pages_write(request, response, last);
	gw_pages_compress(request, last);
	if (request->pages.out.failed || (!last && !gw_pages_set_token(request, token))) {
		error_set(&error, STATUS_UNAVAILABLE, "OUT_OF_MEMORY",
		    "the gateway is short of memory; try again later");
		gw_pages_fail(request, &error);
		return;
	}
	gw_turn_settle(request, request->pages.out.capacity);
	gw_pages_send(request, last);
}
