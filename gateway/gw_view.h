/*
 * What all services offer at one moment, with one table of routes. A request
 * uses the same view from its beginning to its end. A view never changes after
 * it is made, so any thread may read it. Users hold it (reference counting);
 * releasing the last reference frees it.
 */
#ifndef GATEWAY_GW_VIEW_H
#define GATEWAY_GW_VIEW_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>

#include "gateway/route/route.h"

struct gw_offer;

/* The gateway's own resource; no service may use this path. */
#define GW_VIEW_HEALTH_PATH  "/healthz"
#define GW_VIEW_HEALTH_VERBS "GET, HEAD, OPTIONS"

struct gw_view {
	struct route_table *routes; /* their owners are offers */
	bool complete;              /* something is known of all services */
	atomic_uint holders;
	size_t count;
	struct gw_offer *offers[]; /* by the index of their backend; NULL: not known yet */
};

/*
 * Combines offers, which it holds; some may be NULL. The caller holds the view.
 * On failure, for example when two offers have the same paths, *view is NULL
 * and error says which.
 */
enum status_code gw_view_new(
    struct gw_view **view, struct gw_offer *const *offers, size_t count, struct error *error);

/* Adds a reference and returns the view. */
struct gw_view *gw_view_acquire(struct gw_view *view);

/* Drops a reference and clears *view. NULL is fine. */
void gw_view_release(struct gw_view **view);

/* The offer that a route belongs to. */
static inline const struct gw_offer *
gw_view_offer(const struct route *route)
{
	return route->owner;
}

#endif
