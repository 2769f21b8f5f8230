/*
 * Asks the services what they offer, at the start and again when their health
 * answers show a change. It has its own thread, which gives the server the
 * resulting view.
 */
#ifndef GATEWAY_GW_REFLECT_H
#define GATEWAY_GW_REFLECT_H

#include "common/base/status.h"

struct gw_api;
struct gw_catalog;
struct gw_reflect;
struct gw_server;

/*
 * Starts the thread, unless the catalog is pinned: then *reflect is NULL. All
 * arguments except error are borrowed until gw_reflect_stop. On failure
 * *reflect is NULL too.
 */
enum status_code gw_reflect_start(struct gw_reflect **reflect, const struct gw_api *api,
    struct gw_catalog *catalog, struct gw_server *server, struct error *error);

/* Ends the thread and clears *reflect. NULL is fine. */
void gw_reflect_stop(struct gw_reflect **reflect);

#endif
