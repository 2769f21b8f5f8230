/*
 * The HTTP server: some loop threads that each accept connections on the same
 * address (SO_REUSEPORT) and answer their requests.
 */
#ifndef GATEWAY_GW_SERVER_H
#define GATEWAY_GW_SERVER_H

#include <stdbool.h>

#include "common/base/status.h"

struct conf;
struct gw_api;
struct gw_server;
struct gw_telemetry;
struct gw_view;

/*
 * Listens as conf says and starts the threads. On failure *server is NULL and
 * error says why. Borrows conf, for the call, api, view and telemetry.
 */
enum status_code gw_server_start(struct gw_server **server, const struct conf *conf,
    const struct gw_api *api, struct gw_view *view, struct gw_telemetry *telemetry,
    struct error *error);

/* The address listened on, with the actual port if that was 0. */
const char *gw_server_address(const struct gw_server *server);

/*
 * Gives all threads another view, which requests use that begin from then on.
 * False without memory; then no thread has it. Not to be called while the
 * server is being stopped.
 */
bool gw_server_publish(struct gw_server *server, struct gw_view *view);

/*
 * Accepts nothing new, answers the requests in flight, at most for drainMs,
 * closes all connections, ends the threads, frees the server and clears
 * *server. The channels of api must still be open. NULL is fine.
 */
void gw_server_stop(struct gw_server **server);

#endif
