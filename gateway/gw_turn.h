/*
 * Room for answers that can be large: pages of lists and results of bulks. A
 * request takes room before it calls the service, and waits while there is none:
 * because its connection has as much as it may, which its client has to read
 * first, or because all connections together have. Requests of a connection take
 * turns, page by page, and so do connections. Thread of the loop.
 */
#ifndef GATEWAY_GW_TURN_H
#define GATEWAY_GW_TURN_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/queue.h>

struct gw_conn;
struct gw_loop;
struct gw_request;

/* Of a request. Zeroed: it holds nothing. */
struct gw_turn {
	TAILQ_ENTRY(gw_request) link; /* of conn->turns; waits */
	size_t held;                  /* for its answer, in bytes */
	size_t ready;                 /* of them, those that its client can read */
	size_t wanted;                /* waits */
	bool waits;
};

TAILQ_HEAD(gw_turns, gw_request);

/*
 * Takes room for bytes, or for as many as the last answers of the loop had if
 * that is more. False when there is none: then the request waits, and
 * gw_request_resume is called at its turn.
 */
bool gw_turn_take(struct gw_request *request, size_t bytes);

/*
 * The client has taken a page. True when the request may go on with the room
 * that it has; otherwise it gave that back, and waits for its turn.
 */
bool gw_turn_next(struct gw_request *request);

/* The answer, or the page, has come, and takes so many bytes in fact. */
void gw_turn_settle(struct gw_request *request, size_t bytes);

/* Room for an answer that was not asked for before, and is there. False when there is none. */
bool gw_turn_take_late(struct gw_request *request, size_t bytes);

/* Gives back what the request has; it waits no longer. */
void gw_turn_end(struct gw_request *request);

/* True while the request waits for other answers of its connection to be read. */
bool gw_turn_waits_for_client(const struct gw_request *request);

/* To be called at the end of each turn of the loop: lets requests go on for which there is room. */
void gw_turn_pass(struct gw_loop *loop);

/*
 * To be called regularly. Refuses requests that have waited for too long while
 * their clients could do nothing about it. If that is for want of room, cuts
 * connections whose clients read slowly, those first that have done so for
 * longest.
 */
void gw_turn_sweep(struct gw_loop *loop, int64_t now_ns);

#endif
