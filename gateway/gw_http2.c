#include "gateway/gw_http2.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "common/base/clock.h"
#include "gateway/gw_api.h"
#include "gateway/gw_conn.h"

/* How much is gathered for one write, and taken by one read. */
#define GW_HTTP2_OUT_BYTES  (64 * 1024)
#define GW_HTTP2_READ_BYTES (16 * 1024)

/* What a client may send ahead of a stream, and of all of them. */
#define GW_HTTP2_STREAM_WINDOW     (256 * 1024)
#define GW_HTTP2_CONNECTION_WINDOW (1024 * 1024)

/* Answers to PING and SETTINGS that may wait for a client, which asks for them without end. */
#define GW_HTTP2_ACKS_MAX 64

/* How long a client may take to learn that it should begin no more streams. */
#define GW_HTTP2_NOTICE_NS (500 * CLOCK_NS_PER_MS)

static void gw_http2_flush(struct gw_http2 *http2);

/* The library's view of it */

static socklen_t
gw_http2_sockname(h2o_conn_t *super, struct sockaddr *address)
{
	return h2o_socket_getsockname(((struct gw_http2 *)super)->conn->sock, address);
}

static socklen_t
gw_http2_peername(h2o_conn_t *super, struct sockaddr *address)
{
	return h2o_socket_getpeername(((struct gw_http2 *)super)->conn->sock, address);
}

static h2o_socket_t *
gw_http2_socket(h2o_conn_t *super)
{
	return ((struct gw_http2 *)super)->conn->sock;
}

static const h2o_conn_callbacks_t gw_http2_callbacks = {.get_sockname = gw_http2_sockname,
    .get_peername = gw_http2_peername,
    .get_socket = gw_http2_socket};

/* What nghttp2 tells. None of these may run it again. */

static struct gw_stream *
gw_http2_stream(nghttp2_session *session, int32_t id)
{
	return nghttp2_session_get_stream_user_data(session, id);
}

static bool
gw_http2_is_request(const nghttp2_frame *frame)
{
	return frame->hd.type == NGHTTP2_HEADERS && frame->headers.cat == NGHTTP2_HCAT_REQUEST;
}

static int
gw_http2_on_begin_headers(nghttp2_session *session, const nghttp2_frame *frame, void *closure)
{
	static const nghttp2_extpri fair = {.urgency = NGHTTP2_EXTPRI_DEFAULT_URGENCY, .inc = 1};
	struct gw_http2 *http2 = closure;
	struct gw_stream *stream;

	if (!gw_http2_is_request(frame)) {
		return 0;
	}
	stream = gw_stream_new(http2, frame->hd.stream_id);
	if (stream == NULL) {
		nghttp2_submit_rst_stream(
		    session, NGHTTP2_FLAG_NONE, frame->hd.stream_id, NGHTTP2_REFUSED_STREAM);
		return NGHTTP2_ERR_TEMPORAL_CALLBACK_FAILURE;
	}
	nghttp2_session_set_stream_user_data(session, frame->hd.stream_id, stream);
	nghttp2_session_change_extpri_stream_priority(session, frame->hd.stream_id, &fair, 1);
	return 0;
}

/* Trailers say nothing to anybody here. */
static int
gw_http2_on_header(nghttp2_session *session, const nghttp2_frame *frame, const uint8_t *name,
    size_t name_len, const uint8_t *value, size_t value_len, uint8_t flags, void *closure)
{
	struct gw_stream *stream = gw_http2_stream(session, frame->hd.stream_id);

	(void)flags;
	(void)closure;
	if (stream != NULL && gw_http2_is_request(frame)) {
		gw_stream_put_field(
		    stream, h2o_iovec_init(name, name_len), h2o_iovec_init(value, value_len));
	}
	return 0;
}

static int
gw_http2_on_frame(nghttp2_session *session, const nghttp2_frame *frame, void *closure)
{
	struct gw_stream *stream = NULL;

	(void)closure;
	if (frame->hd.type == NGHTTP2_HEADERS || frame->hd.type == NGHTTP2_DATA) {
		stream = gw_http2_stream(session, frame->hd.stream_id);
	}
	if (stream != NULL && (frame->hd.flags & NGHTTP2_FLAG_END_STREAM) != 0) {
		gw_stream_end(stream);
	} else if (stream != NULL && gw_http2_is_request(frame)) {
		gw_stream_end_head(stream);
	}
	return 0;
}

static int
gw_http2_on_data(nghttp2_session *session, uint8_t flags, int32_t id, const uint8_t *data,
    size_t len, void *closure)
{
	struct gw_stream *stream = gw_http2_stream(session, id);

	(void)flags;
	(void)closure;
	if (stream != NULL) {
		gw_stream_put_body(stream, data, len);
	}
	return 0;
}

static int
gw_http2_on_invalid(
    nghttp2_session *session, const nghttp2_frame *frame, int problem, void *closure)
{
	struct gw_stream *stream = gw_http2_stream(session, frame->hd.stream_id);

	(void)problem;
	(void)closure;
	if (stream != NULL) {
		stream->malformed = true;
	}
	return 0;
}

/* What was answered before it was whole is not read on. */
static int
gw_http2_on_sent(nghttp2_session *session, const nghttp2_frame *frame, void *closure)
{
	int32_t id = frame->hd.stream_id;

	(void)closure;
	if ((frame->hd.type == NGHTTP2_HEADERS || frame->hd.type == NGHTTP2_DATA) &&
	    (frame->hd.flags & NGHTTP2_FLAG_END_STREAM) != 0 &&
	    nghttp2_session_get_stream_remote_close(session, id) == 0) {
		nghttp2_submit_rst_stream(session, NGHTTP2_FLAG_NONE, id, NGHTTP2_NO_ERROR);
	}
	return 0;
}

static int
gw_http2_on_stream_close(nghttp2_session *session, int32_t id, uint32_t error, void *closure)
{
	struct gw_http2 *http2 = closure;
	struct gw_stream *stream = gw_http2_stream(session, id);

	(void)error;
	if (stream != NULL) {
		gw_stream_free(&stream);
		http2->idle_since_ns = clock_now_ns();
	}
	return 0;
}

static bool
gw_http2_open_session(struct gw_http2 *http2)
{
	nghttp2_session_callbacks *callbacks = NULL;
	nghttp2_option *option = NULL;
	bool opened = false;

	if (nghttp2_session_callbacks_new(&callbacks) == 0 && nghttp2_option_new(&option) == 0) {
		nghttp2_session_callbacks_set_on_begin_headers_callback(
		    callbacks, gw_http2_on_begin_headers);
		nghttp2_session_callbacks_set_on_header_callback(callbacks, gw_http2_on_header);
		nghttp2_session_callbacks_set_on_frame_recv_callback(callbacks, gw_http2_on_frame);
		nghttp2_session_callbacks_set_on_data_chunk_recv_callback(
		    callbacks, gw_http2_on_data);
		nghttp2_session_callbacks_set_on_invalid_frame_recv_callback(
		    callbacks, gw_http2_on_invalid);
		nghttp2_session_callbacks_set_on_frame_send_callback(callbacks, gw_http2_on_sent);
		nghttp2_session_callbacks_set_on_stream_close_callback(
		    callbacks, gw_http2_on_stream_close);
		nghttp2_option_set_max_outbound_ack(option, GW_HTTP2_ACKS_MAX);
		opened =
		    nghttp2_session_server_new2(&http2->session, callbacks, http2, option) == 0;
	}
	nghttp2_option_del(option);
	nghttp2_session_callbacks_del(callbacks);
	return opened;
}

static void
gw_http2_settle(struct gw_http2 *http2)
{
	const struct gw_loop_options *options = &http2->conn->loop->options;
	const nghttp2_settings_entry settings[] = {
	    {NGHTTP2_SETTINGS_MAX_CONCURRENT_STREAMS, options->http2_streams_max},
	    {NGHTTP2_SETTINGS_INITIAL_WINDOW_SIZE, GW_HTTP2_STREAM_WINDOW},
	    {NGHTTP2_SETTINGS_MAX_HEADER_LIST_SIZE, (uint32_t)options->api->head_max_bytes},
	    {NGHTTP2_SETTINGS_NO_RFC7540_PRIORITIES, 1}};

	nghttp2_submit_settings(
	    http2->session, NGHTTP2_FLAG_NONE, settings, sizeof(settings) / sizeof(settings[0]));
	nghttp2_session_set_local_window_size(
	    http2->session, NGHTTP2_FLAG_NONE, 0, GW_HTTP2_CONNECTION_WINDOW);
}

/* Reading and writing */

/* What is written at once hardly counts; what the client does not read stays. */
static void
gw_http2_hold_out(struct gw_http2 *http2)
{
	if (http2->out.capacity > GW_BUDGET_SMALL) {
		http2->out_held = http2->out.capacity;
		gw_budget_add(gw_conn_budget(http2->conn, GW_BUDGET_ANSWERS),
		    &http2->conn->held[GW_BUDGET_ANSWERS], http2->out_held);
	}
}

static void
gw_http2_free_out(struct gw_http2 *http2)
{
	buf_fini(&http2->out);
	if (http2->out_held > 0) {
		gw_budget_give(gw_conn_budget(http2->conn, GW_BUDGET_ANSWERS),
		    &http2->conn->held[GW_BUDGET_ANSWERS], http2->out_held);
		http2->out_held = 0;
		http2->conn->loop->turns_due = true;
	}
}

/* The connection is freed with its socket. */
static void
gw_http2_close(struct gw_http2 *http2)
{
	h2o_socket_t *sock = http2->conn->sock;
	struct gw_stream *stream;

	http2->closing = true;
	while ((stream = LIST_FIRST(&http2->streams)) != NULL) {
		gw_stream_free(&stream);
	}
	http2->conn->http2 = NULL;
	nghttp2_session_del(http2->session);
	h2o_timeout_unlink(&http2->wake);
	gw_http2_free_out(http2);
	free(http2);
	h2o_socket_close(sock);
}

/* Gives nghttp2 what has come, and overwrites it: there may be a password in it. */
static void
gw_http2_take(struct gw_http2 *http2, void *data, size_t len)
{
	ssize_t taken;

	http2->inside = true;
	taken = nghttp2_session_mem_recv(http2->session, data, len);
	http2->inside = false;
	explicit_bzero(data, len);
	if (taken < 0) {
		gw_http2_close(http2);
	} else {
		gw_http2_flush(http2);
	}
}

/* Something has come; it was not read yet, since gw_http2_begin has seen to that. */
static void
gw_http2_read(h2o_socket_t *sock, const char *err)
{
	static _Thread_local uint8_t bytes[GW_HTTP2_READ_BYTES];
	struct gw_conn *conn = sock->on_close.data;
	ssize_t got = err != NULL ? 0 : read(h2o_socket_get_fd(sock), bytes, sizeof(bytes));

	if (got > 0) {
		gw_http2_take(conn->http2, bytes, (size_t)got);
	} else if (got == 0 || (errno != EAGAIN && errno != EINTR)) {
		gw_http2_close(conn->http2);
	}
}

static void
gw_http2_written(h2o_socket_t *sock, const char *err)
{
	struct gw_conn *conn = sock->on_close.data;
	struct gw_http2 *http2 = conn->http2;

	http2->writing = false;
	gw_http2_free_out(http2);
	if (err != NULL) {
		gw_http2_close(http2);
	} else {
		gw_http2_flush(http2);
	}
}

/* Gathers what nghttp2 has to say. False when it is at its end. */
static bool
gw_http2_gather(struct gw_http2 *http2)
{
	const uint8_t *data;
	ssize_t len = 0;

	http2->inside = true;
	while (http2->out.len < GW_HTTP2_OUT_BYTES &&
	       (len = nghttp2_session_mem_send(http2->session, &data)) > 0) {
		buf_put(&http2->out, data, (size_t)len);
	}
	http2->inside = false;
	return len >= 0 && !http2->out.failed;
}

static void
gw_http2_ask_for_more(struct gw_http2 *http2)
{
	struct gw_stream *stream;

	while ((stream = TAILQ_FIRST(&http2->taken)) != NULL) {
		TAILQ_REMOVE(&http2->taken, stream, taken_link);
		stream->taken = false;
		gw_stream_proceed(stream);
	}
}

/* Writes what there is, unless something is being written. May close the connection. */
static void
gw_http2_flush(struct gw_http2 *http2)
{
	h2o_iovec_t out;

	h2o_timeout_unlink(&http2->wake);
	if (http2->writing) {
		return;
	}
	if (!gw_http2_gather(http2)) {
		gw_http2_close(http2);
		return;
	}
	gw_http2_ask_for_more(http2);
	if (http2->out.len > 0) {
		out = h2o_iovec_init(http2->out.data, http2->out.len);
		http2->writing = true;
		gw_http2_hold_out(http2);
		h2o_socket_write(http2->conn->sock, &out, 1, gw_http2_written);
	} else if (nghttp2_session_want_read(http2->session) == 0 &&
		   nghttp2_session_want_write(http2->session) == 0) {
		gw_http2_close(http2);
	}
}

static void
gw_http2_on_wake(h2o_timeout_entry_t *entry)
{
	gw_http2_flush(H2O_STRUCT_FROM_MEMBER(struct gw_http2, wake, entry));
}

void
gw_http2_wake(struct gw_http2 *http2)
{
	h2o_context_t *context = http2->super.ctx;

	if (!http2->closing && !h2o_timeout_is_linked(&http2->wake)) {
		h2o_timeout_link(context->loop, &context->zero_timeout, &http2->wake);
	}
}

void
gw_http2_taken(struct gw_http2 *http2, struct gw_stream *stream)
{
	if (!stream->taken) {
		stream->taken = true;
		TAILQ_INSERT_TAIL(&http2->taken, stream, taken_link);
	}
}

/* What the library has read of it, to find that it is HTTP/2. */
static void
gw_http2_take_first(struct gw_conn *conn)
{
	h2o_buffer_t *input = conn->sock->input;

	h2o_buffer_init(&conn->sock->input, &h2o_socket_buffer_prototype);
	gw_http2_take(conn->http2, input->bytes, input->size);
	h2o_buffer_dispose(&input);
}

void
gw_http2_begin(struct gw_conn *conn)
{
	struct gw_http2 *http2 =
	    (struct gw_http2 *)h2o_create_connection(sizeof(*http2), &conn->loop->context,
		conn->loop->options.globalconf->hosts, conn->connected_at, &gw_http2_callbacks);

	memset((char *)http2 + sizeof(http2->super), 0, sizeof(*http2) - sizeof(http2->super));
	http2->conn = conn;
	LIST_INIT(&http2->streams);
	TAILQ_INIT(&http2->taken);
	http2->wake.cb = gw_http2_on_wake;
	http2->idle_since_ns = clock_now_ns();
	if (!gw_http2_open_session(http2)) {
		free(http2);
		h2o_socket_close(conn->sock);
		return;
	}
	conn->http2 = http2;
	gw_http2_settle(http2);
	h2o_socket_dont_read(conn->sock, 1);
	h2o_socket_read_start(conn->sock, gw_http2_read);
	gw_http2_take_first(conn);
}

/* Ends */

bool
gw_http2_is_idle(const struct gw_http2 *http2)
{
	return LIST_EMPTY(&http2->streams);
}

void
gw_http2_part(struct gw_http2 *http2)
{
	if (http2->inside || http2->writing || http2->closing) {
		return;
	}
	http2->parted = true;
	nghttp2_session_terminate_session(http2->session, NGHTTP2_NO_ERROR);
	if (gw_http2_gather(http2) && http2->out.len > 0) {
		h2o_iovec_t out = h2o_iovec_init(http2->out.data, http2->out.len);

		http2->writing = true;
		h2o_socket_write(http2->conn->sock, &out, 1, gw_http2_written);
	}
}

/* First a notice, so that no stream is lost which the client has begun meanwhile. */
static void
gw_http2_drain(struct gw_http2 *http2, int64_t now_ns)
{
	nghttp2_session *session = http2->session;

	if (http2->notice_ns == 0) {
		http2->notice_ns = now_ns;
		nghttp2_submit_shutdown_notice(session);
	} else if (!http2->parted && now_ns - http2->notice_ns > GW_HTTP2_NOTICE_NS) {
		http2->parted = true;
		nghttp2_submit_goaway(session, NGHTTP2_FLAG_NONE,
		    nghttp2_session_get_last_proc_stream_id(session), NGHTTP2_NO_ERROR, NULL, 0);
	}
}

void
gw_http2_sweep(struct gw_http2 *http2, int64_t now_ns)
{
	const struct gw_loop *loop = http2->conn->loop;
	struct gw_stream *stream;

	http2->inside = true; /* so that none is freed meanwhile */
	LIST_FOREACH(stream, &http2->streams, link)
	{
		gw_stream_sweep(stream, now_ns);
	}
	http2->inside = false;
	if (LIST_EMPTY(&http2->streams) &&
	    now_ns - http2->idle_since_ns > loop->options.idle_timeout_ns) {
		gw_conn_end(http2->conn, GW_CONN_END_IDLE);
	} else if (loop->state != GW_LOOP_RUNNING) {
		gw_http2_drain(http2, now_ns);
	}
	gw_http2_wake(http2);
}
