#include "gateway/gw_stream.h"

#include <stdlib.h>
#include <string.h>

#include "common/base/clock.h"
#include "common/base/status.h"
#include "gateway/gw_access.h"
#include "gateway/gw_api.h"
#include "gateway/gw_conn.h"
#include "gateway/gw_hold.h"
#include "gateway/gw_http2.h"
#include "gateway/gw_request.h"
#include "gateway/gw_target.h"
#include "gateway/gw_view.h"

/* What a stream takes for itself: here, in the library and in nghttp2, and for its answer if that is small. */
#define GW_STREAM_BYTES ((size_t)8 * 1024)

/* Fields of an answer that are not among the library's headers: status, date and length. */
#define GW_STREAM_FIELDS 3

struct gw_stream *
gw_stream_of(const h2o_req_t *req)
{
	return H2O_STRUCT_FROM_MEMBER(struct gw_stream, req, req);
}

static void
gw_stream_move(struct gw_stream *stream, enum gw_stream_state state)
{
	stream->state = state;
	stream->since_ns = clock_now_ns();
}

/* The answer */

/* nghttp2 asks for up to len bytes. */
static ssize_t
gw_stream_read(nghttp2_session *session, int32_t id, uint8_t *to, size_t len, uint32_t *flags,
    nghttp2_data_source *source, void *closure)
{
	struct gw_stream *stream = source->ptr;
	size_t copied = 0;

	(void)session;
	(void)id;
	(void)closure;
	while (copied < len && stream->next < stream->bufs.size) {
		h2o_iovec_t *buf = &stream->bufs.entries[stream->next];
		size_t some = buf->len < len - copied ? buf->len : len - copied;

		memcpy(to + copied, buf->base, some);
		copied += some;
		buf->base += some;
		buf->len -= some;
		stream->next += buf->len == 0;
	}
	stream->waiting -= copied;
	stream->req.bytes_sent += copied;
	stream->http2->taken_bytes += copied;
	if (stream->waiting == 0 && stream->send_state == H2O_SEND_STATE_FINAL) {
		*flags |= NGHTTP2_DATA_FLAG_EOF;
		return (ssize_t)copied;
	}
	if (stream->waiting == 0 && !stream->asked) {
		gw_http2_taken(stream->http2, stream);
	}
	return copied > 0 ? (ssize_t)copied : NGHTTP2_ERR_DEFERRED;
}

static nghttp2_nv
gw_stream_field(const char *name, size_t name_len, const char *value, size_t value_len)
{
	return (nghttp2_nv){(uint8_t *)(uintptr_t)name, (uint8_t *)(uintptr_t)value, name_len,
	    value_len, NGHTTP2_NV_FLAG_NONE};
}

static void
gw_stream_begin_answer(struct gw_stream *stream, bool body)
{
	h2o_req_t *req = &stream->req;
	const h2o_headers_t *headers = &req->res.headers;
	nghttp2_nv *fields =
	    h2o_mem_alloc_pool(&req->pool, (headers->size + GW_STREAM_FIELDS) * sizeof(nghttp2_nv));
	char *status = h2o_mem_alloc_pool(&req->pool, 2 * sizeof(H2O_UINT64_LONGEST_STR));
	char *length = status + sizeof(H2O_UINT64_LONGEST_STR);
	nghttp2_data_provider provider = {{.ptr = stream}, gw_stream_read};
	h2o_timestamp_t now;
	size_t count = 0;

	h2o_get_timestamp(req->conn->ctx, &req->pool, &now);
	fields[count++] = gw_stream_field(
	    H2O_STRLIT(":status"), status, (size_t)sprintf(status, "%d", req->res.status));
	fields[count++] =
	    gw_stream_field(H2O_STRLIT("date"), now.str->rfc1123, H2O_TIMESTR_RFC1123_LEN);
	if (req->res.content_length != SIZE_MAX) {
		fields[count++] = gw_stream_field(H2O_STRLIT("content-length"), length,
		    (size_t)sprintf(length, "%zu", req->res.content_length));
	}
	for (size_t i = 0; i < headers->size; i++) {
		const h2o_header_t *header = &headers->entries[i];

		fields[count++] = gw_stream_field(
		    header->name->base, header->name->len, header->value.base, header->value.len);
	}
	stream->begun = true;
	nghttp2_submit_response(
	    stream->http2->session, stream->id, fields, count, body ? &provider : NULL);
}

/* The library hands over bytes, which stay where they are until more are asked for. */
static void
gw_stream_send(
    h2o_ostream_t *ostream, h2o_req_t *req, h2o_iovec_t *bufs, size_t count, h2o_send_state_t state)
{
	struct gw_stream *stream = H2O_STRUCT_FROM_MEMBER(struct gw_stream, ostream, ostream);

	stream->send_state = state;
	stream->asked = false;
	stream->bufs.size = 0;
	stream->next = 0;
	stream->waiting = 0;
	h2o_vector_reserve(&req->pool, &stream->bufs, count);
	for (size_t i = 0; i < count; i++) {
		if (bufs[i].len > 0) {
			stream->bufs.entries[stream->bufs.size++] = bufs[i];
			stream->waiting += bufs[i].len;
		}
	}
	if (state == H2O_SEND_STATE_ERROR) {
		nghttp2_submit_rst_stream(
		    stream->http2->session, NGHTTP2_FLAG_NONE, stream->id, NGHTTP2_INTERNAL_ERROR);
	} else if (stream->begun) {
		nghttp2_session_resume_data(stream->http2->session, stream->id);
	} else {
		gw_stream_begin_answer(
		    stream, stream->waiting > 0 || state == H2O_SEND_STATE_IN_PROGRESS);
	}
	gw_http2_wake(stream->http2);
}

void
gw_stream_proceed(struct gw_stream *stream)
{
	stream->asked = true;
	h2o_proceed_response(&stream->req);
}

/* The request */

/* Memory of the request. False when there is none left for it. */
static bool
gw_stream_take(struct gw_stream *stream, size_t bytes)
{
	struct gw_conn *conn = stream->http2->conn;

	if (!gw_budget_take(
		gw_conn_budget(conn, GW_BUDGET_REQUESTS), &conn->held[GW_BUDGET_REQUESTS], bytes)) {
		return false;
	}
	stream->held += bytes;
	return true;
}

static void
gw_stream_give(struct gw_stream *stream, size_t bytes)
{
	struct gw_conn *conn = stream->http2->conn;

	gw_budget_give(
	    gw_conn_budget(conn, GW_BUDGET_REQUESTS), &conn->held[GW_BUDGET_REQUESTS], bytes);
	stream->held -= bytes;
}

struct gw_stream *
gw_stream_new(struct gw_http2 *http2, int32_t id)
{
	struct gw_stream *stream = malloc(sizeof(*stream));

	if (stream == NULL) {
		return NULL;
	}
	memset(stream, 0, offsetof(struct gw_stream, req));
	stream->http2 = http2;
	if (!gw_stream_take(stream, GW_STREAM_BYTES)) {
		free(stream);
		return NULL;
	}
	stream->id = id;
	stream->ostream.do_send = gw_stream_send;
	gw_stream_move(stream, GW_STREAM_HEAD);
	h2o_init_request(&stream->req, &http2->super, NULL);
	stream->req.version = 0x200;
	stream->req._ostr_top = &stream->ostream;
	stream->req.input.scheme = &H2O_URL_SCHEME_HTTP;
	stream->req.timestamps.request_begin_at = *h2o_get_timestamp(http2->super.ctx, NULL, NULL);
	LIST_INSERT_HEAD(&http2->streams, stream, link);
	return stream;
}

/* What never came to be answered leaves its mark, too. */
static void
gw_stream_end_unanswered(struct gw_stream *stream)
{
	if (stream->state == GW_STREAM_ANSWERING) {
		return;
	}
	gw_conn_stream_ended(stream->http2->conn);
	if (stream->malformed && stream->req.input.method.base != NULL) {
		gw_access_refused(&stream->req, 400);
	}
}

void
gw_stream_free(struct gw_stream **stream)
{
	LIST_REMOVE(*stream, link);
	if ((*stream)->taken) {
		TAILQ_REMOVE(&(*stream)->http2->taken, *stream, taken_link);
	}
	gw_stream_end_unanswered(*stream);
	h2o_dispose_request(&(*stream)->req);
	buf_fini(&(*stream)->body);
	gw_stream_give(*stream, (*stream)->held);
	free(*stream);
	*stream = NULL;
}

static size_t
gw_stream_head_max(const struct gw_stream *stream)
{
	return stream->http2->conn->loop->options.api->head_max_bytes;
}

void
gw_stream_put_field(struct gw_stream *stream, h2o_iovec_t name, h2o_iovec_t value)
{
	gw_head_put(&stream->head, &stream->req, name, value, gw_stream_head_max(stream));
}

/* That of its route: larger for a bulk. */
static size_t
gw_stream_body_max(const struct gw_stream *stream)
{
	struct gw_loop *loop = stream->http2->conn->loop;
	const h2o_req_t *req = &stream->req;
	const struct route_text verb = {req->input.method.base, req->input.method.len};
	struct route_text path, query;
	struct route_match match;
	const char *allow;
	struct error error;

	gw_target_split(
	    (struct route_text){req->input.path.base, req->input.path.len}, &path, &query);
	return route_find(loop->hold->view->routes, verb, path, gw_request_header,
		   (void *)(uintptr_t)&req->headers, gw_loop_scratch(loop), &match, &allow,
		   &error) == ROUTE_FOUND
		   ? gw_api_body_max(loop->options.api, match.route)
		   : loop->options.api->body_max_bytes;
}

static void
gw_stream_answer(struct gw_stream *stream)
{
	h2o_req_t *req = &stream->req;

	gw_stream_move(stream, GW_STREAM_ANSWERING);
	if (stream->refusal == GW_GUARD_NOT_REFUSED) {
		req->entity = h2o_iovec_init(stream->body.data, stream->body.len);
	} else {
		gw_stream_give(stream, stream->body.len);
		buf_fini(&stream->body);
	}
	h2o_process_request(req);
}

static void
gw_stream_refuse(struct gw_stream *stream, enum gw_guard_refusal refusal)
{
	stream->refusal = refusal;
	gw_stream_answer(stream);
}

/* A request to tunnel has no path; what it asks for is not offered anyway. */
static void
gw_stream_check_head(struct gw_stream *stream)
{
	h2o_req_t *req = &stream->req;

	if (req->input.path.base == NULL) {
		req->input.path = req->input.authority;
	}
	stream->problem = gw_head_problem(&stream->head, req);
	stream->refusal = stream->problem != NULL
			      ? GW_GUARD_MALFORMED
			      : gw_head_refusal(&stream->head, req, gw_stream_head_max(stream));
	stream->body_max_bytes = gw_stream_body_max(stream);
	if (stream->refusal == GW_GUARD_NOT_REFUSED &&
	    stream->head.length > stream->body_max_bytes) {
		stream->refusal = GW_GUARD_BODY_TOO_LARGE;
	}
	if (stream->refusal == GW_GUARD_NOT_REFUSED && !gw_stream_take(stream, stream->head.size)) {
		stream->refusal = GW_GUARD_REQUESTS_FULL;
	}
}

void
gw_stream_end_head(struct gw_stream *stream)
{
	static const nghttp2_nv status = {
	    (uint8_t *)(uintptr_t) ":status", (uint8_t *)(uintptr_t) "100", 7, 3, 0};

	gw_stream_check_head(stream);
	if (stream->refusal != GW_GUARD_NOT_REFUSED) {
		gw_stream_answer(stream);
		return;
	}
	gw_stream_move(stream, GW_STREAM_BODY);
	if (stream->head.expects_continue) {
		nghttp2_submit_headers(
		    stream->http2->session, NGHTTP2_FLAG_NONE, stream->id, NULL, &status, 1, NULL);
	}
}

void
gw_stream_put_body(struct gw_stream *stream, const uint8_t *data, size_t len)
{
	if (stream->state != GW_STREAM_BODY) {
		return; /* it is answered already */
	}
	if (stream->body.len + len > stream->body_max_bytes) {
		gw_stream_refuse(stream, GW_GUARD_BODY_TOO_LARGE);
		return;
	}
	if (!gw_stream_take(stream, len)) {
		gw_stream_refuse(stream, GW_GUARD_REQUESTS_FULL);
		return;
	}
	stream->body.secret = true; /* it may hold a password */
	buf_put(&stream->body, data, len);
}

void
gw_stream_end(struct gw_stream *stream)
{
	if (stream->state == GW_STREAM_HEAD) {
		gw_stream_check_head(stream);
	}
	if (stream->state != GW_STREAM_ANSWERING) {
		gw_stream_answer(stream);
	}
}

/* Slowness */

/* Its client takes neither its answer nor, if it waits for others of the connection, those. */
static bool
gw_stream_takes_nothing(struct gw_stream *stream, int64_t now_ns)
{
	const struct gw_http2 *http2 = stream->http2;
	const struct gw_request *request = gw_request_of(&stream->req);
	int64_t timeout_ns = http2->conn->loop->options.send_timeout_ns;

	return gw_patience_is_over(&stream->patience, stream->waiting > 0, stream->req.bytes_sent,
		   now_ns, timeout_ns) ||
	       gw_patience_is_over(&stream->turn,
		   request != NULL && gw_turn_waits_for_client(request), http2->taken_bytes, now_ns,
		   timeout_ns);
}

void
gw_stream_sweep(struct gw_stream *stream, int64_t now_ns)
{
	const struct gw_loop_options *options = &stream->http2->conn->loop->options;
	int64_t state_ns = now_ns - stream->since_ns;

	switch (stream->state) {
	case GW_STREAM_HEAD:
		if (state_ns > options->header_timeout_ns) {
			gw_conn_end(stream->http2->conn, GW_CONN_END_HEAD);
		}
		break;
	case GW_STREAM_BODY:
		if (state_ns > options->body_timeout_ns) {
			gw_stream_refuse(stream, GW_GUARD_BODY_TOO_SLOW);
		}
		break;
	case GW_STREAM_ANSWERING:
		if (!stream->reset && gw_stream_takes_nothing(stream, now_ns)) {
			stream->reset = true;
			nghttp2_submit_rst_stream(
			    stream->http2->session, NGHTTP2_FLAG_NONE, stream->id, NGHTTP2_CANCEL);
		}
		break;
	}
}

int
gw_stream_explain(const h2o_req_t *req, struct error *error)
{
	const struct gw_stream *stream = gw_stream_of(req);
	const struct gw_guard guard = {.refusal = stream->refusal,
	    .head_max_bytes = gw_stream_head_max(stream),
	    .body_max_bytes = stream->body_max_bytes};

	if (stream->refusal == GW_GUARD_MALFORMED) {
		error_set(error, STATUS_INVALID_ARGUMENT, "MALFORMED_REQUEST",
		    "the request is not as RFC 9113 asks: %s", stream->problem);
		return 400;
	}
	return gw_guard_explain(&guard, error);
}
