/*
 * Reads an HTTP/1 connection. All bytes pass the guard (gw_guard.h), and the
 * library gets only whole requests: it never waits for the rest of one, sees no
 * chunks, and answers nothing by itself. A refused request is replaced by one
 * that the library can read, and the handler answers it. Thread of the
 * connection's loop.
 *
 *	IDLE -> HEAD -> BODY -> BUSY -> IDLE
 *
 * BUSY while the library has a request. Nothing is read then: what a client
 * sends in advance waits in its socket, except some KiB that arrived together
 * with the request.
 */
#ifndef GATEWAY_GW_INTAKE_H
#define GATEWAY_GW_INTAKE_H

#include <h2o.h>
#include <stdbool.h>

#include "gateway/gw_guard.h"

struct gw_conn;

struct gw_intake {
	h2o_buffer_t *raw; /* what the library has not received yet */
	h2o_socket_cb
	    library_read; /* the library's callback of the socket, used to pass requests to it */
	h2o_timeout_entry_t resume; /* linked when a request has ended */
	size_t held;                /* bytes of the budget, for the request */
	struct gw_guard guard;      /* of the request that is arriving, or that the library has */
	bool busy;
};

/* What a connection waits for from its client. */
enum gw_intake_phase {
	GW_INTAKE_IDLE, /* for a request */
	GW_INTAKE_HEAD, /* for the rest of its head */
	GW_INTAKE_BODY, /* for the rest of its body */
	GW_INTAKE_BUSY  /* for nothing: a request is being answered */
};

void gw_intake_init(struct gw_intake *intake);

/* Calling it twice is fine. */
void gw_intake_fini(struct gw_conn *conn);

/* Passes the connection's socket, with what was already read from it, to the library's HTTP/1. */
void gw_intake_begin(struct gw_conn *conn);

/* To be called when a request of the connection has ended: the next one may begin. */
void gw_intake_request_ended(struct gw_conn *conn);

enum gw_intake_phase gw_intake_phase(const struct gw_intake *intake);

#endif
