/*
 * On HTTP/1, watches whether the client of a request that waits for a service
 * is still there. Thread of the connection's loop.
 *
 *	NONE -> WATCHED -> HALF_CLOSED -> PROBED -> the request is given up
 *
 * Each state can change to NONE, when the request ends. A client that sends no
 * more may have left, or it may wait for its answer with its own half of the
 * connection closed. The two look the same until something is sent to it. So
 * before an answer that takes longer than a moment the gateway sends 100
 * (Continue). Every client of HTTP/1.1 can read this (RFC 9110 section 15.2);
 * the system of a client that has left rejects it.
 */
#ifndef GATEWAY_GW_WATCH_H
#define GATEWAY_GW_WATCH_H

#include <stdint.h>

struct gw_conn;
struct gw_request;

enum gw_watch_state {
	GW_WATCH_NONE,        /* no request waits, or the client has sent more in advance */
	GW_WATCH_WATCHED,     /* the client has sent nothing since */
	GW_WATCH_HALF_CLOSED, /* the client has closed its half */
	GW_WATCH_PROBED       /* and something was sent to it since */
};

struct gw_watch {
	enum gw_watch_state state;
	struct gw_request *request; /* NONE: NULL */
};

/*
 * Watches until the request ends, and calls gw_request_gone when its client has
 * left. Nothing is read meanwhile. Watching the socket also avoids that its
 * polling stops and starts again. The call is ignored on HTTP/2, whose
 * connections are always read, and while the connection is already watched.
 */
void gw_watch_begin(struct gw_conn *conn, struct gw_request *request);

/* To be called when the request has ended, or will be answered at once. */
void gw_watch_end(struct gw_conn *conn);

/* To be called regularly. */
void gw_watch_sweep(struct gw_conn *conn, int64_t now_ns);

#endif
