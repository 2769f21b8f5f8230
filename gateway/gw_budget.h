/*
 * Bounds the memory that is held because of clients: of requests that arrive or
 * are being answered, and of answers that were not taken. Any thread.
 *
 * A connection that holds something already may take more only if as much is
 * left then for all others, and at least an eighth of all. So one connection can
 * have half of the memory, sixty can have about a sixtieth each, and there is
 * something left for those that hold nothing yet.
 */
#ifndef GATEWAY_GW_BUDGET_H
#define GATEWAY_GW_BUDGET_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum gw_budget_what {
	GW_BUDGET_REQUESTS,
	GW_BUDGET_ANSWERS,
	GW_BUDGET_COUNT
};

/* Less than this is not counted for an HTTP/1 request or for an answer: it is a connection's due. */
#define GW_BUDGET_SMALL 4096

/* All numbers are bytes. */
struct gw_budget {
	size_t max;
	size_t conn_max; /* of a connection, for what can wait; see gw_turn.h */
	atomic_size_t used;
	atomic_size_t peak; /* the most that was used since gw_budget_has_fallen was true */
	atomic_int_fast64_t
	    short_ns; /* when there was last nothing left for one that held nothing */
};

void gw_budget_init(struct gw_budget *budget, size_t max, size_t conn_max);

/*
 * Takes bytes for a connection that holds *held, which is changed. False when
 * there are not as many. *held belongs to the caller's thread.
 */
bool gw_budget_take(struct gw_budget *budget, size_t *held, size_t bytes);

/* The same without asking, for memory that is in use already. */
void gw_budget_add(struct gw_budget *budget, size_t *held, size_t bytes);

/* Gives bytes back that were taken. */
void gw_budget_give(struct gw_budget *budget, size_t *held, size_t bytes);

/* Notes that there was nothing left for a connection that held nothing. */
void gw_budget_note_short(struct gw_budget *budget, int64_t now_ns);

/* True for a moment after that: long enough for each loop to sweep once. */
bool gw_budget_is_short(const struct gw_budget *budget, int64_t now_ns);

/* True, once, when much was given back: then the heap has holes that the system can have. */
bool gw_budget_has_fallen(struct gw_budget *budget);

#endif
