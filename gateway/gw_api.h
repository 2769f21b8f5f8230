/*
 * What the gateway offers, and how: services by their descriptors, routes, the
 * channel to the backends, limits. Never changes between gw_api_open and
 * gw_api_close: all threads read it.
 */
#ifndef GATEWAY_GW_API_H
#define GATEWAY_GW_API_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "common/status.h"
#include "gateway/route.h"

struct conf;
struct rpc_channel;
struct rpc_tls;

/* Of mockvideo.rpc.v1.Status as the rows of bulk answers hold it. */
struct gw_status_layout {
	const struct schema_message *type; /* NULL: no method answers with it */
	const struct schema_field *code;
	const struct schema_field *reason;
};

struct gw_api {
	struct schema *schema;
	struct route_table *routes;
	struct rpc_tls *tls; /* of the channel; NULL: without */
	struct rpc_channel *channel;
	struct gw_status_layout status;

	uint32_t request_timeout_ms;
	size_t body_max_bytes;
	size_t bulk_body_max_bytes;
	size_t bulk_max_items;
	size_t head_max_bytes;
	bool access_log;
};

/* For conf_program: the descriptors, their routes, and the certificates. */
extern bool (*const gw_api_start_checks[])(
    const struct conf *conf, const char *command, struct error *error);

/*
 * Reads the descriptors that conf names and connects to its backends, in the
 * background. On failure nothing is left open and error says what is wrong.
 */
enum status_code gw_api_open(struct gw_api *api, const struct conf *conf, struct error *error);

/* Reads the certificates again. On failure all stays as it was. Thread of main. */
enum status_code gw_api_reload_tls(struct gw_api *api, struct error *error);

/* The most bytes that the body of a request for route may have. */
static inline size_t
gw_api_body_max(const struct gw_api *api, const struct route *route)
{
	return route->method->rule->bulk != NULL ? api->bulk_body_max_bytes : api->body_max_bytes;
}

/* Closes the channel first: no thread may make calls any more. */
void gw_api_close(struct gw_api *api);

#endif
