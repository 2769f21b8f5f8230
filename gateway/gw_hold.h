/*
 * A loop's reference to a view. New requests use the current hold. An older one
 * is freed with the last request that began with it, so that replacing a view
 * does not disturb any request. Thread of its loop, unless a comment says
 * otherwise.
 */
#ifndef GATEWAY_GW_HOLD_H
#define GATEWAY_GW_HOLD_H

#include <h2o.h>
#include <stddef.h>

struct gw_loop;
struct gw_view;

struct gw_hold {
	h2o_multithread_message_t message; /* the first member: the way to the loop */
	struct gw_view *view;
	size_t requests;
};

/* A hold of the view, or NULL without memory. Any thread. */
struct gw_hold *gw_hold_new(struct gw_view *view);

/* Frees the hold and clears *hold; nobody may use it any more. NULL is fine. Any thread. */
void gw_hold_free(struct gw_hold **hold);

/* Returns the current hold, for a new request. */
struct gw_hold *gw_hold_take(struct gw_loop *loop);

/* To be called when the request has ended. */
void gw_hold_drop(struct gw_loop *loop, struct gw_hold *hold);

/* Makes a hold that was sent to the loop the current one. The callback of the loop's receiver. */
void gw_hold_receive(h2o_multithread_receiver_t *receiver, h2o_linklist_t *messages);

#endif
