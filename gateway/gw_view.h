/*
 * What all services offer at a moment, with one table of routes: what a request is
 * answered by, from its beginning to its end. Never changes once it is made: any
 * thread. Those who use it hold it, and the last one frees it.
 */
#ifndef GATEWAY_GW_VIEW_H
#define GATEWAY_GW_VIEW_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>

#include "gateway/route.h"

struct gw_offer;

/* The gateway's own resource, which no service may have. */
#define GW_VIEW_HEALTH_PATH "/healthz"

struct gw_view {
	struct route_table *routes; /* their owners are offers */
	bool complete;              /* something is known of all services */
	atomic_uint holders;
	size_t count;
	struct gw_offer *offers[]; /* by the index of their backend; NULL: not known yet */
};

/*
 * Puts offers together, which it holds; some may be NULL. The caller holds the
 * view. On failure, as when two of them have the same paths, *view is NULL and
 * error says which.
 */
enum status_code gw_view_new(
    struct gw_view **view, struct gw_offer *const *offers, size_t count, struct error *error);

/* Holds it too, and gives it back. */
struct gw_view *gw_view_acquire(struct gw_view *view);

/* Holds it no longer, and clears *view. NULL is fine. */
void gw_view_release(struct gw_view **view);

/* The offer that a route is of. */
static inline const struct gw_offer *
gw_view_offer(const struct route *route)
{
	return route->owner;
}

#endif
