/*
 * A connection: what the HTTP library does not keep of it. It is accepted here,
 * and cut when it is too slow or resets too many of its streams. Thread of its
 * loop.
 *
 *	SNIFFED -> HTTP/1 or HTTP/2 -> LINGERING -> freed when its socket is closed
 *
 * SNIFFED, while it is not yet known which of the two it is, exists only with
 * http2 on. LINGERING exists only after an error that was answered before the
 * whole request was read.
 */
#ifndef GATEWAY_GW_CONN_H
#define GATEWAY_GW_CONN_H

#include "gateway/gw_api.h"
#include "gateway/gw_budget.h"
#include "gateway/gw_intake.h"
#include "gateway/gw_loop.h"
#include "gateway/gw_patience.h"
#include "gateway/gw_telemetry.h"
#include "gateway/gw_turn.h"
#include "gateway/gw_watch.h"

/* What a connection waits for from its client. */
enum gw_conn_phase {
	GW_CONN_IDLE,     /* for a request */
	GW_CONN_HEAD,     /* for the rest of its head */
	GW_CONN_BODY,     /* for the rest of its body */
	GW_CONN_BUSY,     /* for nothing: a request is being answered */
	GW_CONN_LINGERING /* for the end of data that will be ignored */
};

struct gw_http2;

struct gw_conn {
	TAILQ_ENTRY(gw_conn) link; /* of loop->conns */
	struct gw_loop *loop;
	h2o_socket_t *sock;
	struct gw_intake intake; /* of HTTP/1 */
	struct rpc_peer *peer;   /* NULL: addresses are not counted */
	struct timeval connected_at;
	bool sniffed;
	struct gw_http2 *http2; /* NULL: HTTP/1, or not known yet */
	bool cut;               /* what still arrives is not answered */
	struct gw_watch watch;
	int linger_fd;        /* a second descriptor of the socket; -1: it does not linger */
	uint64_t requests;    /* that have ended */
	unsigned active;      /* requests that are being answered */
	unsigned resets;      /* streams that ended before their answer, less those answered */
	unsigned descriptors; /* that it has room for, see gw_room.h */

	size_t held[GW_BUDGET_COUNT];     /* bytes of the budgets */
	size_t unread;                    /* of answers: those that its client can read */
	struct gw_turns turns;            /* requests that wait for room for their answers */
	TAILQ_ENTRY(gw_conn) hungry_link; /* of loop->hungry, if there are any */
	int64_t
	    starved_ns; /* since when there has been no room for the first of them; 0: there is */
	int64_t slow_since_ns; /* since when its client has read its answers slowly */
	uint64_t slow_taken;   /* what it had taken then */

	/* What the last sweep found, and since when it has found that. */
	enum gw_conn_phase phase;
	uint64_t phase_requests;
	int64_t phase_since_ns;
	struct gw_patience patience; /* for its client to take what was written */
};

/* Accepts the connections that wait at the loop's listener. The callback of its socket. */
void gw_conn_accept(h2o_socket_t *listener, const char *err);

/* The connection of a request. */
struct gw_conn *gw_conn_of(const h2o_req_t *req);

/*
 * To be called when the handler begins to answer a request of the connection;
 * and when that request ends, answered or not.
 */
void gw_conn_request_begun(struct gw_conn *conn);
void gw_conn_request_ended(struct gw_conn *conn, bool answered);

/* To be called when a stream ends whose request never reached the handler. */
void gw_conn_stream_ended(struct gw_conn *conn);

/*
 * To be called before an error is answered while the client may still be
 * sending. When the library closes the connection, arriving data is read and
 * discarded for a moment. Closing with unread bytes would reset the connection,
 * and the client might never see the answer (RFC 9112 section 9.6).
 */
void gw_conn_linger(struct gw_conn *conn);

/* What it holds is taken from there. */
static inline struct gw_budget *
gw_conn_budget(const struct gw_conn *conn, enum gw_budget_what what)
{
	return &conn->loop->options.api->budgets[what];
}

/* Marks it as the most recently used connection of its loop. */
void gw_conn_touch(struct gw_conn *conn);

/* True when it waits for a request of which nothing has arrived. */
bool gw_conn_is_idle(const struct gw_conn *conn);

/* Ends the connection in any state. It is closed when its socket reports that. */
void gw_conn_cut(struct gw_conn *conn);

/* The same, and counts the reason. Does nothing if it was ended already. */
void gw_conn_end(struct gw_conn *conn, enum gw_conn_end why);

#endif
