#include "gateway/gw_conn.h"

#include <assert.h>
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "common/base/clock.h"
#include "common/rpc/net/rpc_peers.h"
#include "common/telemetry/log.h"
#include "gateway/gw_http2.h"
#include "gateway/gw_request.h"
#include "gateway/gw_room.h"
#include "gateway/gw_tcp.h"

/*
 * Streams of a connection that may end before their answer, beyond those that
 * were answered: a client that resets streams to make work (CVE-2023-44487), or
 * makes the server reset them (CVE-2025-8671), passes it at once.
 */
#define GW_CONN_RESETS_MAX 100

/* Sweeps that who connects waits for room. */
#define GW_CONN_ROOM_SWEEPS 2

#define GW_HTTP2_PREFACE    "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"

static void gw_conn_closed(void *data);

/* What has come is in the socket's buffer. */
static void
gw_conn_throw_away(h2o_socket_t *sock, const char *err)
{
	if (err != NULL) {
		h2o_socket_close(sock);
		return;
	}
	h2o_buffer_consume(&sock->input, sock->input->size);
}

/* The library has closed its socket; ours, on the second descriptor, takes its place. */
static void
gw_conn_begin_to_linger(struct gw_conn *conn)
{
	h2o_socket_t *sock = h2o_evloop_socket_create(
	    conn->loop->context.loop, conn->linger_fd, H2O_SOCKET_FLAG_IS_ACCEPTED_CONNECTION);

	shutdown(conn->linger_fd, SHUT_WR);
	conn->linger_fd = -1;
	conn->sock = sock;
	conn->phase = GW_CONN_LINGERING;
	conn->phase_since_ns = clock_now_ns();
	sock->on_close.cb = gw_conn_closed;
	sock->on_close.data = conn;
	h2o_socket_read_start(sock, gw_conn_throw_away);
}

void
gw_conn_linger(struct gw_conn *conn)
{
	if (conn->http2 || conn->linger_fd >= 0 || !gw_room_take(conn)) {
		return;
	}
	conn->linger_fd = fcntl(h2o_socket_get_fd(conn->sock), F_DUPFD_CLOEXEC, STDERR_FILENO + 1);
	if (conn->linger_fd < 0) {
		gw_room_give(conn, 1);
	}
}

static void
gw_conn_closed(void *data)
{
	struct gw_conn *conn = data;

	gw_intake_fini(conn);
	if (conn->linger_fd >= 0) {
		gw_room_give(conn, 1);
		gw_conn_begin_to_linger(conn);
		return;
	}
	assert(conn->held[GW_BUDGET_REQUESTS] == 0 && conn->held[GW_BUDGET_ANSWERS] == 0);
	TAILQ_REMOVE(&conn->loop->conns, conn, link);
	gw_telemetry_connection(conn->loop->options.telemetry, -1);
	rpc_peers_release(conn->loop->options.peers, &conn->peer);
	gw_room_closed(conn);
	free(conn);
}

/* The socket tells the library, which then closes the connection its own way. */
void
gw_conn_cut(struct gw_conn *conn)
{
	conn->cut = true;
	if (conn->http2 != NULL) {
		gw_http2_part(conn->http2);
	}
	shutdown(h2o_socket_get_fd(conn->sock), SHUT_RDWR);
}

void
gw_conn_end(struct gw_conn *conn, enum gw_conn_end why)
{
	if (!conn->cut) {
		gw_telemetry_connection_ended(conn->loop->options.telemetry, why);
		gw_conn_cut(conn);
	}
}

void
gw_conn_touch(struct gw_conn *conn)
{
	TAILQ_REMOVE(&conn->loop->conns, conn, link);
	TAILQ_INSERT_TAIL(&conn->loop->conns, conn, link);
}

bool
gw_conn_is_idle(const struct gw_conn *conn)
{
	bool waits = conn->phase == GW_CONN_LINGERING ? true
		     : conn->sniffed                  ? conn->sock->input->size == 0
		     : conn->http2 != NULL            ? gw_http2_is_idle(conn->http2)
					   : gw_intake_phase(&conn->intake) == GW_INTAKE_IDLE;

	return waits && !gw_tcp_has_unread(h2o_socket_get_fd(conn->sock));
}

static void
gw_conn_begin(struct gw_conn *conn, bool http2)
{
	conn->sniffed = false;
	if (http2) {
		gw_http2_begin(conn);
	} else {
		gw_intake_begin(conn);
	}
}

/* The preface is coming, and maybe more: what is no more than that may be read. */
static void
gw_conn_read_preface(h2o_socket_t *sock, const char *err)
{
	static const char preface[] = GW_HTTP2_PREFACE;
	struct gw_conn *conn = sock->on_close.data;
	size_t len = sock->input->size;
	bool alike;

	if (err != NULL) {
		h2o_socket_close(sock);
		return;
	}
	len = len < sizeof(preface) - 1 ? len : sizeof(preface) - 1;
	alike = memcmp(sock->input->bytes, preface, len) == 0;
	if (alike && len < sizeof(preface) - 1) {
		return;
	}
	h2o_socket_read_stop(sock);
	gw_conn_begin(conn, alike);
}

/*
 * Decides by the first bytes, and leaves them where they are: a password in them
 * is read by who knows to overwrite it. The library could decide too, but would
 * then also take an Upgrade from HTTP/1.1, whose first request escapes the guard.
 */
static void
gw_conn_sniff(h2o_socket_t *sock, const char *err)
{
	static const char preface[] = GW_HTTP2_PREFACE;
	struct gw_conn *conn = sock->on_close.data;
	char bytes[sizeof(preface) - 1];
	ssize_t len = recv(h2o_socket_get_fd(sock), bytes, sizeof(bytes), MSG_PEEK);

	if (len < 0 && (errno == EAGAIN || errno == EINTR)) {
		return;
	}
	if (err != NULL || len <= 0) {
		h2o_socket_close(sock);
		return;
	}
	h2o_socket_read_stop(sock);
	h2o_socket_dont_read(sock, 0);
	if (memcmp(bytes, preface, (size_t)len) == 0) {
		h2o_socket_read_start(sock, gw_conn_read_preface);
	} else {
		gw_conn_begin(conn, false);
	}
}

/* Counts the connection with those of its address. False when there are too many. */
static bool
gw_conn_count_peer(struct gw_conn *conn)
{
	struct sockaddr_storage address = {.ss_family = AF_UNSPEC};

	if (conn->loop->options.peers == NULL) {
		return true;
	}
	h2o_socket_getpeername(conn->sock, (struct sockaddr *)&address);
	conn->peer =
	    rpc_peers_acquire(conn->loop->options.peers, (const struct sockaddr *)&address);
	return conn->peer != NULL;
}

static struct gw_conn *
gw_conn_new(struct gw_loop *loop, h2o_socket_t *sock)
{
	struct gw_conn *conn = calloc(1, sizeof(*conn));

	if (conn == NULL) {
		return NULL;
	}
	conn->loop = loop;
	conn->sock = sock;
	conn->linger_fd = -1;
	/* What was found when it was accepted, another loop may have taken. */
	while (!gw_room_take(conn)) {
		if (!gw_room_make(loop)) {
			gw_telemetry_connection_ended(loop->options.telemetry, GW_CONN_END_FULL);
			free(conn);
			return NULL;
		}
	}
	return conn;
}

static void
gw_conn_open(struct gw_loop *loop, h2o_socket_t *sock)
{
	struct gw_conn *conn = gw_conn_new(loop, sock);

	if (conn == NULL) {
		h2o_socket_close(sock);
		return;
	}
	gw_intake_init(&conn->intake);
	TAILQ_INIT(&conn->turns);
	conn->slow_since_ns = clock_now_ns();
	conn->connected_at = *h2o_get_timestamp(&loop->context, NULL, NULL);
	conn->phase_since_ns = clock_now_ns();
	TAILQ_INSERT_TAIL(&loop->conns, conn, link);
	gw_telemetry_connection(loop->options.telemetry, 1);
	sock->on_close.cb = gw_conn_closed;
	sock->on_close.data = conn;
	if (!gw_conn_count_peer(conn)) {
		gw_telemetry_connection_ended(loop->options.telemetry, GW_CONN_END_ADDRESS);
		h2o_socket_close(sock);
		return;
	}
	gw_tcp_bound(h2o_socket_get_fd(sock));
	if (loop->options.http2) {
		conn->sniffed = true;
		h2o_socket_dont_read(sock, 1);
		h2o_socket_read_start(sock, gw_conn_sniff);
	} else {
		gw_conn_begin(conn, false);
	}
}

static void
gw_conn_pause(struct gw_loop *loop)
{
	h2o_socket_read_stop(loop->listener);
	loop->listener_paused = true;
}

/*
 * Without room, who connects waits until all loops were swept and have cut what
 * is idle with them. Who waits in vain is refused, as are all after it until
 * there is room again.
 */
static bool
gw_conn_may_accept(struct gw_loop *loop)
{
	if (gw_room_is_there(loop->options.room)) {
		loop->room_sweeps = 0;
		return true;
	}
	if (!gw_tcp_has_client(h2o_socket_get_fd(loop->listener)) ||
	    !gw_room_can_be_made(loop->options.room)) {
		return false;
	}
	if (gw_room_make(loop)) {
		loop->room_sweeps = 0;
		return true;
	}
	if (loop->room_sweeps < GW_CONN_ROOM_SWEEPS) {
		loop->room_sweeps++;
		gw_conn_pause(loop);
		return false;
	}
	return true;
}

void
gw_conn_accept(h2o_socket_t *listener, const char *err)
{
	struct gw_loop *loop = listener->data;
	h2o_socket_t *sock;

	if (err != NULL) {
		return;
	}
	errno = 0;
	while (gw_conn_may_accept(loop) && (sock = h2o_evloop_socket_accept(listener)) != NULL) {
		gw_conn_open(loop, sock);
	}
	if (!loop->listener_paused &&
	    (errno == EMFILE || errno == ENFILE || errno == ENOBUFS || errno == ENOMEM)) {
		log_warn("no descriptor is left for a connection; others wait for a second",
		    LOG_STR("error", strerror(errno)));
		gw_conn_pause(loop);
	}
}

struct gw_conn *
gw_conn_of(const h2o_req_t *req)
{
	return req->conn->callbacks->get_socket(req->conn)->on_close.data;
}

static void
gw_conn_count_reset(struct gw_conn *conn)
{
	conn->resets++;
	if (conn->http2 != NULL && conn->resets > GW_CONN_RESETS_MAX && !conn->cut) {
		log_warn("connection cut: too many of its streams were reset");
		gw_conn_end(conn, GW_CONN_END_RESETS);
	}
}

void
gw_conn_request_begun(struct gw_conn *conn)
{
	conn->active++;
	gw_conn_touch(conn);
}

void
gw_conn_request_ended(struct gw_conn *conn, bool answered)
{
	conn->requests++;
	conn->active--;
	gw_conn_touch(conn);
	gw_watch_end(conn);
	if (!conn->http2) {
		gw_intake_request_ended(conn);
	}
	if (answered) {
		conn->resets -= conn->resets > 0;
	} else {
		gw_conn_count_reset(conn);
	}
}

void
gw_conn_stream_ended(struct gw_conn *conn)
{
	gw_conn_count_reset(conn);
}
