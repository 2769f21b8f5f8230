/*
 * The client of a request that waits for a service, on HTTP/1: whether it is still
 * there. Thread of the connection's loop.
 *
 *	NONE -> WATCHED -> HALF_CLOSED -> PROBED -> the request is given up
 *
 * Each can end in NONE, when the request ends. A client that sends no more may have
 * left, or wait for its answer with its own half of the connection closed: both
 * look the same until it is sent something. So an answer that takes longer than a
 * moment is announced by 100 (Continue), which every client of HTTP/1.1 can read
 * (RFC 9110 section 15.2), and which the system of a client that has left rejects.
 */
#ifndef GATEWAY_GW_WATCH_H
#define GATEWAY_GW_WATCH_H

#include <stdint.h>

struct gw_conn;
struct gw_request;

enum gw_watch_state {
	GW_WATCH_NONE,        /* nobody waits, or the client has sent ahead */
	GW_WATCH_WATCHED,     /* it has sent nothing since */
	GW_WATCH_HALF_CLOSED, /* it has said that it sends no more */
	GW_WATCH_PROBED       /* and was sent something since */
};

struct gw_watch {
	enum gw_watch_state state;
	struct gw_request *request; /* NONE: NULL */
};

/*
 * Watches until the request ends: gw_request_gone is called when its client has
 * left. Nothing is read meanwhile. That the socket is watched also spares it to
 * stop polling and to begin again. The call is ignored on HTTP/2, whose
 * connections are always read, and while the connection is watched.
 */
void gw_watch_begin(struct gw_conn *conn, struct gw_request *request);

/* The request has ended, or will be answered at once. */
void gw_watch_end(struct gw_conn *conn);

/* To be called at regular times. */
void gw_watch_sweep(struct gw_conn *conn, int64_t now_ns);

#endif
