#include "gateway/gw_watch.h"

#include <errno.h>
#include <sys/socket.h>

#include "common/base/clock.h"
#include "gateway/gw_conn.h"
#include "gateway/gw_request.h"
#include "gateway/gw_tcp.h"

/* Answers that come before need no announcement. */
#define GW_WATCH_MOMENT_NS (1000 * CLOCK_NS_PER_MS)

static void
gw_watch_give_up(struct gw_conn *conn)
{
	struct gw_request *request = conn->watch.request;

	gw_watch_end(conn);
	gw_request_gone(request);
}

/* Something has come, which is left where it is until the request has ended. */
static void
gw_watch_peek(h2o_socket_t *sock, const char *err)
{
	struct gw_conn *conn = sock->on_close.data;
	char byte;
	ssize_t came = recv(h2o_socket_get_fd(sock), &byte, 1, MSG_PEEK | MSG_DONTWAIT);

	(void)err;
	if (came < 0 && (errno == EAGAIN || errno == EINTR)) {
		return;
	}
	h2o_socket_read_stop(sock);
	if (conn->watch.state == GW_WATCH_NONE) {
		return;
	}
	if (came < 0) {
		gw_watch_give_up(conn);
	} else if (came > 0) {
		gw_watch_end(conn);
	} else {
		conn->watch.state = GW_WATCH_HALF_CLOSED;
		conn->watch.request->req->http1_is_persistent &= conn->intake.raw->size > 0;
	}
}

void
gw_watch_begin(struct gw_conn *conn, struct gw_request *request)
{
	if (conn->http2 || conn->watch.state != GW_WATCH_NONE) {
		return;
	}
	conn->watch = (struct gw_watch){GW_WATCH_WATCHED, request};
	h2o_socket_read_start(conn->sock, gw_watch_peek);
}

void
gw_watch_end(struct gw_conn *conn)
{
	conn->watch = (struct gw_watch){GW_WATCH_NONE, NULL};
}

/* HTTP/1.0 has no such answers, and a list that has begun is probe enough. */
static bool
gw_watch_may_probe(const struct gw_request *request, int64_t now_ns)
{
	return request->state == GW_REQUEST_CALLING && !request->pages.begun &&
	       request->req->version >= 0x101 && now_ns - request->begin_ns >= GW_WATCH_MOMENT_NS;
}

/* Nothing else is being sent: what was before this request has gone to the system whole. */
static void
gw_watch_probe(struct gw_conn *conn)
{
	static const char interim[] = "HTTP/1.1 100 Continue\r\n\r\n";
	ssize_t sent = send(h2o_socket_get_fd(conn->sock), interim, sizeof(interim) - 1,
	    MSG_DONTWAIT | MSG_NOSIGNAL);

	if (sent == (ssize_t)sizeof(interim) - 1) {
		conn->watch.state = GW_WATCH_PROBED;
	} else if (sent >= 0 || (errno != EAGAIN && errno != EINTR)) {
		gw_watch_give_up(conn);
		gw_conn_cut(conn);
	}
}

void
gw_watch_sweep(struct gw_conn *conn, int64_t now_ns)
{
	switch (conn->watch.state) {
	case GW_WATCH_NONE:
	case GW_WATCH_WATCHED: break;
	case GW_WATCH_HALF_CLOSED:
		if (gw_watch_may_probe(conn->watch.request, now_ns)) {
			gw_watch_probe(conn);
		}
		break;
	case GW_WATCH_PROBED:
		if (gw_tcp_is_dead(h2o_socket_get_fd(conn->sock))) {
			gw_watch_give_up(conn);
		}
		break;
	}
}
