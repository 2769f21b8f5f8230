#include "gateway/gw_intake.h"

#include <assert.h>
#include <errno.h>
#include <h2o/http1.h>
#include <string.h>
#include <unistd.h>

#include "gateway/gw_api.h"
#include "gateway/gw_conn.h"
#include "gateway/gw_hold.h"
#include "gateway/gw_target.h"
#include "gateway/gw_view.h"

/* Least room for what is read, and most that is read at a time. */
#define GW_INTAKE_ROOM_MIN 4096
#define GW_INTAKE_READ_MAX 65536

/* Stands for a method or a target that could not be read. */
#define GW_INTAKE_UNREAD "-"

_Static_assert(GW_GUARD_HEADERS_MAX <= H2O_MAX_HEADERS, "the library takes what the guard lets by");

/* Without the files that the library's own buffers go to when they are large. */
static __thread h2o_buffer_prototype_t gw_intake_prototype = {.allocator = {.max = 16},
    ._initial_buf = {.capacity = H2O_SOCKET_INITIAL_INPUT_BUFFER_SIZE * 2}};

static void gw_intake_read(h2o_socket_t *sock, const char *err);

void
gw_intake_init(struct gw_intake *intake)
{
	h2o_buffer_init(&intake->raw, &gw_intake_prototype);
}

/* A request may hold a password: what it has left in a buffer is overwritten. */

/* Takes the first bytes out of the buffer. */
static void
gw_intake_drop(h2o_buffer_t **buffer, size_t len)
{
	if (len > 0) {
		explicit_bzero((*buffer)->bytes, len);
		h2o_buffer_consume(buffer, len);
	}
}

/* A buffer keeps what it has grown to while a large request was in it. */
static void
gw_intake_free_empty(h2o_buffer_t **buffer)
{
	if ((*buffer)->size == 0 &&
	    (*buffer)->capacity > gw_intake_prototype._initial_buf.capacity) {
		h2o_buffer_dispose(buffer);
		h2o_buffer_init(buffer, &gw_intake_prototype);
	}
}

/* As h2o_buffer_reserve, which would leave a copy where the buffer was when it grows. */
static h2o_iovec_t
gw_intake_reserve(h2o_buffer_t **buffer, size_t len)
{
	h2o_buffer_t *old = *buffer;
	size_t size = old->size;
	size_t room = old->bytes == NULL ? 0 : old->capacity - (size_t)(old->bytes - old->_buf);

	if (size > 0 && size + len > room) {
		h2o_buffer_init(buffer, &gw_intake_prototype);
		memcpy(h2o_buffer_reserve(buffer, size + (size > len ? size : len)).base,
		    old->bytes, size);
		(*buffer)->size = size;
		explicit_bzero(old->bytes, size);
		h2o_buffer_dispose(&old);
	}
	return h2o_buffer_reserve(buffer, len);
}

/* Takes memory of the budget for what was read. False when there is none left. */
static bool
gw_intake_take(struct gw_conn *conn)
{
	struct gw_intake *intake = &conn->intake;
	size_t bytes = intake->raw->size;

	if (bytes <= GW_BUDGET_SMALL || bytes <= intake->held) {
		return true;
	}
	if (!gw_budget_take(gw_conn_budget(conn, GW_BUDGET_REQUESTS),
		&conn->held[GW_BUDGET_REQUESTS], bytes - intake->held)) {
		return false;
	}
	intake->held = bytes;
	return true;
}

static void
gw_intake_give(struct gw_conn *conn)
{
	if (conn->intake.held > 0) {
		gw_budget_give(gw_conn_budget(conn, GW_BUDGET_REQUESTS),
		    &conn->held[GW_BUDGET_REQUESTS], conn->intake.held);
		conn->intake.held = 0;
	}
}

void
gw_intake_fini(struct gw_conn *conn)
{
	struct gw_intake *intake = &conn->intake;

	gw_intake_give(conn);
	h2o_timeout_unlink(&intake->resume);
	if (intake->raw != NULL) {
		gw_intake_drop(&intake->raw, intake->raw->size);
		h2o_buffer_dispose(&intake->raw);
	}
}

enum gw_intake_phase
gw_intake_phase(const struct gw_intake *intake)
{
	return intake->busy                             ? GW_INTAKE_BUSY
	       : intake->guard.step == GW_GUARD_AT_BODY ? GW_INTAKE_BODY
	       : intake->raw->size > 0                  ? GW_INTAKE_HEAD
							: GW_INTAKE_IDLE;
}

/* Handing over */

static void
gw_intake_put(h2o_buffer_t **buffer, const void *data, size_t len)
{
	h2o_iovec_t room = gw_intake_reserve(buffer, len);

	memcpy(room.base, data, len);
	(*buffer)->size += len;
}

/* The library reads what its socket's buffer has, answers, and stops reading. */
static void
gw_intake_hand_over(struct gw_conn *conn)
{
	conn->intake.busy = true;
	conn->intake.library_read(conn->sock, NULL);
}

/* Gives the library the request with which raw begins; nothing is copied if no more came. */
static void
gw_intake_pass(struct gw_conn *conn)
{
	h2o_buffer_t **raw = &conn->intake.raw;
	h2o_buffer_t **input = &conn->sock->input;
	size_t size = conn->intake.guard.size;

	assert((*input)->size == 0);
	if ((*raw)->size == size) {
		h2o_buffer_dispose(input);
		*input = *raw;
		h2o_buffer_init(raw, &gw_intake_prototype);
	} else {
		gw_intake_put(input, (*raw)->bytes, size);
		gw_intake_drop(raw, size);
	}
	gw_intake_hand_over(conn);
}

static void
gw_intake_put_span(struct gw_conn *conn, struct gw_span span)
{
	gw_intake_put(&conn->sock->input, conn->intake.raw->bytes + span.at, span.len);
}

/* A page may read why it was refused. */
static void
gw_intake_put_origin(struct gw_conn *conn)
{
	const struct gw_intake *intake = &conn->intake;
	struct gw_line origin = {NULL, 0};

	if (gw_origins_exist(&conn->loop->options.api->cors_origins)) {
		origin = gw_guard_header(&intake->guard, intake->raw->bytes, "origin");
	}
	if (origin.len > 0) {
		gw_intake_put(&conn->sock->input, H2O_STRLIT("origin: "));
		gw_intake_put(&conn->sock->input, origin.data, origin.len);
		gw_intake_put(&conn->sock->input, H2O_STRLIT("\r\n"));
	}
}

/*
 * The library gets the request line alone, as far as it was read, and the id for
 * the answer and the log. The handler sees the guard's refusal and answers by it.
 */
static void
gw_intake_refuse(struct gw_conn *conn)
{
	h2o_buffer_t **input = &conn->sock->input;
	const struct gw_guard *guard = &conn->intake.guard;

	assert((*input)->size == 0);
	if (guard->target.len > 0) {
		gw_intake_put_span(conn, guard->method);
		gw_intake_put(input, " ", 1);
		gw_intake_put_span(conn, guard->target);
	} else {
		gw_intake_put(input, H2O_STRLIT(GW_INTAKE_UNREAD " " GW_INTAKE_UNREAD));
	}
	gw_intake_put(input, H2O_STRLIT(" HTTP/1.1\r\n"));
	if (guard->request_id.len > 0) {
		gw_intake_put(input, H2O_STRLIT("x-request-id: "));
		gw_intake_put_span(conn, guard->request_id);
		gw_intake_put(input, H2O_STRLIT("\r\n"));
	}
	gw_intake_put_origin(conn);
	gw_intake_put(input, H2O_STRLIT("\r\n"));
	gw_intake_drop(&conn->intake.raw, conn->intake.raw->size);
	gw_intake_free_empty(&conn->intake.raw);
	gw_intake_give(conn);
	gw_conn_linger(conn);
	gw_intake_hand_over(conn);
}

/* Taking in */

static void
gw_intake_invited(h2o_socket_t *sock, const char *err)
{
	struct gw_conn *conn = sock->on_close.data;

	if (err != NULL) {
		conn->intake.library_read(sock, err);
		return;
	}
	h2o_socket_read_start(sock, gw_intake_read);
}

/* Says 100, unless the client has not waited for it (RFC 9110 section 10.1.1). */
static void
gw_intake_invite(struct gw_conn *conn)
{
	static h2o_iovec_t answer = {H2O_STRLIT("HTTP/1.1 100 Continue\r\n\r\n")};
	struct gw_guard *guard = &conn->intake.guard;

	if (!guard->expects_continue || guard->step != GW_GUARD_AT_BODY) {
		return;
	}
	guard->expects_continue = false;
	if (conn->intake.raw->size == guard->head_len) {
		h2o_socket_read_stop(conn->sock);
		h2o_socket_write(conn->sock, &answer, 1, gw_intake_invited);
	}
}

static struct route_text
gw_intake_header(void *closure, const char *name)
{
	const struct gw_intake *intake = closure;
	struct gw_line value = gw_guard_header(&intake->guard, intake->raw->bytes, name);

	return (struct route_text){value.data, value.len};
}

/* The limit of the request's body, which is larger for a bulk. */
static size_t
gw_intake_body_max(const struct gw_conn *conn)
{
	const struct gw_api *api = conn->loop->options.api;
	const struct gw_guard *guard = &conn->intake.guard;
	const char *bytes = conn->intake.raw->bytes;
	const struct route_text verb = {bytes + guard->method.at, guard->method.len};
	struct route_text path;
	struct route_text query;
	struct route_match match;
	const char *allow;
	struct error error;

	if (guard->framing != GW_GUARD_CHUNKED && guard->length <= api->body_max_bytes) {
		return api->body_max_bytes;
	}
	gw_target_split(
	    (struct route_text){bytes + guard->target.at, guard->target.len}, &path, &query);
	return route_find(conn->loop->hold->view->routes, verb, path, gw_intake_header,
		   (void *)&conn->intake, gw_loop_scratch(conn->loop), &match, &allow,
		   &error) == ROUTE_FOUND
		   ? gw_api_body_max(api, match.route)
		   : api->body_max_bytes;
}

/* Chunks are put together in place: what they leave behind the body is overwritten. */
static enum gw_guard_result
gw_intake_guard(struct gw_intake *intake)
{
	h2o_buffer_t *raw = intake->raw;
	size_t before = raw->size;
	enum gw_guard_result result = gw_guard_read(&intake->guard, raw->bytes, &raw->size);

	explicit_bzero(raw->bytes + raw->size, before - raw->size);
	return result;
}

static void
gw_intake_advance(struct gw_conn *conn)
{
	struct gw_intake *intake = &conn->intake;
	enum gw_guard_result result;

	if (intake->raw->size == 0) {
		return;
	}
	if (!gw_intake_take(conn)) {
		intake->guard.refusal = GW_GUARD_REQUESTS_FULL;
		gw_intake_refuse(conn);
		return;
	}
	result = gw_intake_guard(intake);
	if (result == GW_GUARD_HEAD) {
		intake->guard.body_max_bytes = gw_intake_body_max(conn);
		result = gw_intake_guard(intake);
	}
	switch (result) {
	case GW_GUARD_HEAD:
	case GW_GUARD_UNFINISHED: gw_intake_invite(conn); break;
	case GW_GUARD_WHOLE: gw_intake_pass(conn); break;
	case GW_GUARD_REFUSED: gw_intake_refuse(conn); break;
	}
}

/* Something has come; it was not read yet, since gw_intake_begin has seen to that. */
static void
gw_intake_read(h2o_socket_t *sock, const char *err)
{
	struct gw_conn *conn = sock->on_close.data;
	struct gw_intake *intake = &conn->intake;
	size_t missing = gw_guard_missing(&intake->guard, intake->raw->size);
	size_t want = missing == 0 || missing > GW_INTAKE_READ_MAX ? GW_INTAKE_READ_MAX : missing;
	h2o_iovec_t room = gw_intake_reserve(
	    &intake->raw, missing < GW_INTAKE_ROOM_MIN ? GW_INTAKE_ROOM_MIN : want);
	ssize_t got = read(h2o_socket_get_fd(sock), room.base, room.len < want ? room.len : want);

	(void)err;
	if (got < 0 && (errno == EAGAIN || errno == EINTR)) {
		return;
	}
	if (got <= 0) {
		intake->library_read(sock, h2o_socket_error_closed);
		return;
	}
	intake->raw->size += (size_t)got;
	gw_intake_advance(conn);
}

/*
 * The library has begun to read again, by its own callback, which is replaced: by
 * h2o_socket_read_start, as the library would do it. Its callback is the one thing
 * that is taken from a field of the socket that has no function to get it; the
 * header has inline functions that use the same field, so that it is part of the
 * library's ABI. With h2o_socket_dont_read, the socket tells that something has
 * come and leaves it where it is: should the library's callback be called in
 * between, it finds nothing.
 */
static void
gw_intake_listen(struct gw_conn *conn)
{
	struct gw_intake *intake = &conn->intake;

	gw_guard_init(&intake->guard, conn->loop->options.api->head_max_bytes);
	gw_intake_free_empty(&conn->sock->input);
	gw_intake_give(conn);
	intake->busy = false;
	intake->library_read = conn->sock->_cb.read;
	h2o_socket_read_start(conn->sock, gw_intake_read);
	gw_intake_advance(conn);
}

static void
gw_intake_resume(h2o_timeout_entry_t *entry)
{
	struct gw_intake *intake = H2O_STRUCT_FROM_MEMBER(struct gw_intake, resume, entry);

	gw_intake_listen(H2O_STRUCT_FROM_MEMBER(struct gw_conn, intake, intake));
}

void
gw_intake_begin(struct gw_conn *conn)
{
	h2o_accept_ctx_t accept = {
	    .ctx = &conn->loop->context, .hosts = conn->loop->options.globalconf->hosts};

	conn->intake.raw = conn->sock->input;
	h2o_buffer_init(&conn->sock->input, &gw_intake_prototype);
	conn->intake.resume.cb = gw_intake_resume;
	h2o_socket_dont_read(conn->sock, 1);
	h2o_http1_accept(&accept, conn->sock, conn->connected_at);
	gw_intake_listen(conn);
}

/* Called before the library reads again; the timeout expires in this turn of the loop, after that. */
void
gw_intake_request_ended(struct gw_conn *conn)
{
	h2o_context_t *context = &conn->loop->context;

	if (!h2o_timeout_is_linked(&conn->intake.resume)) {
		h2o_timeout_link(context->loop, &context->zero_timeout, &conn->intake.resume);
	}
}
