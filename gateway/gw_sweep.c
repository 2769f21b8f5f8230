#include "gateway/gw_sweep.h"

#include "common/base/clock.h"
#include "gateway/gw_conn.h"
#include "gateway/gw_http2.h"
#include "gateway/gw_tcp.h"

/* While draining, how long a connection that has brought no request yet may wait with it. */
#define GW_SWEEP_FIRST_REQUEST_NS (500 * CLOCK_NS_PER_MS)

/* How long a client may go on sending after it was told that it is in vain. */
#define GW_SWEEP_LINGER_NS (2000 * CLOCK_NS_PER_MS)

static enum gw_conn_phase
gw_sweep_http1_phase(const struct gw_conn *conn)
{
	switch (gw_intake_phase(&conn->intake)) {
	case GW_INTAKE_IDLE: return GW_CONN_IDLE;
	case GW_INTAKE_HEAD: return GW_CONN_HEAD;
	case GW_INTAKE_BODY: return GW_CONN_BODY;
	case GW_INTAKE_BUSY: break;
	}
	return GW_CONN_BUSY;
}

static void
gw_sweep_note(struct gw_conn *conn, enum gw_conn_phase phase)
{
	if (conn->phase != phase || conn->phase_requests != conn->requests) {
		conn->phase = phase;
		conn->phase_requests = conn->requests;
		conn->phase_since_ns = clock_now_ns();
	}
}

static int
gw_sweep_note_http1(h2o_req_t *req, void *closure)
{
	const struct gw_loop *loop = closure;

	gw_sweep_note(gw_conn_of(req), gw_sweep_http1_phase(gw_conn_of(req)));
	if (loop->state != GW_LOOP_RUNNING) {
		req->http1_is_persistent = 0;
	}
	return 0;
}

static int64_t
gw_sweep_patience_ns(const struct gw_conn *conn)
{
	const struct gw_loop_options *options = &conn->loop->options;

	switch (conn->phase) {
	case GW_CONN_IDLE: return options->idle_timeout_ns;
	case GW_CONN_HEAD: return options->header_timeout_ns;
	case GW_CONN_BODY: return options->body_timeout_ns;
	case GW_CONN_LINGERING: return GW_SWEEP_LINGER_NS;
	case GW_CONN_BUSY: break;
	}
	return CLOCK_NEVER_NS;
}

/* While draining: nothing is asked for, and nothing was that has not been read yet. */
static bool
gw_sweep_is_needless(const struct gw_conn *conn, int64_t phase_ns)
{
	if (conn->loop->state == GW_LOOP_RUNNING || conn->phase != GW_CONN_IDLE ||
	    (conn->requests == 0 && phase_ns < GW_SWEEP_FIRST_REQUEST_NS)) {
		return false;
	}
	return !gw_tcp_has_unread(h2o_socket_get_fd(conn->sock));
}

/* Whatever the protocol is. */
static bool
gw_sweep_takes_nothing(struct gw_conn *conn, int64_t now_ns)
{
	int fd = h2o_socket_get_fd(conn->sock);
	bool waits = gw_tcp_is_taking(fd);

	return gw_patience_is_over(&conn->patience, waits,
	    waits ? gw_tcp_taken(fd) : conn->patience.taken, now_ns,
	    conn->loop->options.send_timeout_ns);
}

/* It has been in its phase for too long. */
static void
gw_sweep_end(struct gw_conn *conn)
{
	switch (conn->phase) {
	case GW_CONN_IDLE:
		if (gw_conn_is_idle(conn)) {
			gw_conn_end(conn, GW_CONN_END_IDLE);
		}
		break;
	case GW_CONN_HEAD: gw_conn_end(conn, GW_CONN_END_HEAD); break;
	case GW_CONN_BODY: gw_conn_end(conn, GW_CONN_END_BODY); break;
	case GW_CONN_BUSY:
	case GW_CONN_LINGERING: gw_conn_cut(conn); break;
	}
}

static void
gw_sweep_conn(struct gw_conn *conn, int64_t now_ns)
{
	int64_t phase_ns;

	if (gw_sweep_takes_nothing(conn, now_ns)) {
		gw_tcp_abort(h2o_socket_get_fd(conn->sock));
		gw_conn_end(conn, GW_CONN_END_SEND);
		return;
	}
	if (conn->http2 != NULL) {
		gw_http2_sweep(conn->http2, now_ns);
		return;
	}
	if (conn->sniffed) {
		gw_sweep_note(conn, conn->sock->input->size == 0 ? GW_CONN_IDLE : GW_CONN_HEAD);
	}
	gw_watch_sweep(conn, now_ns);
	phase_ns = now_ns - conn->phase_since_ns;
	if (phase_ns > gw_sweep_patience_ns(conn)) {
		gw_sweep_end(conn);
	} else if (gw_sweep_is_needless(conn, phase_ns)) {
		gw_conn_cut(conn);
	}
}

void
gw_sweep(struct gw_loop *loop)
{
	int64_t now_ns = clock_now_ns();
	struct gw_conn *conn;

	loop->options.globalconf->http1.callbacks.foreach_request(
	    &loop->context, gw_sweep_note_http1, loop);
	TAILQ_FOREACH(conn, &loop->conns, link)
	{
		gw_sweep_conn(conn, now_ns);
	}
}

void
gw_sweep_all(struct gw_loop *loop)
{
	struct gw_conn *conn;

	TAILQ_FOREACH(conn, &loop->conns, link)
	{
		gw_conn_cut(conn);
	}
}
