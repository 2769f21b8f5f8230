/*
 * What the gateway knows of its configuration: the services, the channel to
 * each, limits. Does not change between gw_api_connect and gw_api_close, so
 * that all threads may read it.
 */
#ifndef GATEWAY_GW_API_H
#define GATEWAY_GW_API_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "common/base/status.h"
#include "gateway/gw_backend.h"
#include "gateway/gw_budget.h"
#include "gateway/gw_origin.h"
#include "gateway/gw_rules.h"
#include "gateway/route/route.h"

struct conf;
struct rpc_tls;

#define GW_API_NO_GZIP SIZE_MAX

struct gw_api {
	struct gw_backends backends;
	struct rpc_tls *tls; /* of their channels; NULL: no TLS */
	struct gw_rules rules;

	uint32_t request_timeout_ms;
	size_t in_flight_max; /* calls of the channel */
	size_t body_max_bytes;
	size_t bulk_body_max_bytes;
	size_t bulk_max_items;
	size_t head_max_bytes;
	size_t gzip_min_bytes; /* of an answer, not compressed; GW_API_NO_GZIP: none */
	bool access_log;
	struct gw_origins cors_origins;
	char cors_max_age_s[12];   /* as a header says it */
	struct gw_budget *budgets; /* GW_BUDGET_COUNT; the one thing here that changes */
};

/*
 * Reads conf and the certificates; does not connect yet. On failure nothing is
 * left open and error says what is wrong.
 */
enum status_code gw_api_open(struct gw_api *api, const struct conf *conf, struct error *error);

/* Connects to the services in the background. gw_api_close must be called after a failure too. */
enum status_code gw_api_connect(struct gw_api *api, const struct conf *conf, struct error *error);

/* Reads the certificates again. On failure nothing changes. Main thread only. */
enum status_code gw_api_reload_tls(struct gw_api *api, struct error *error);

/* Maximum size of the body of a request for route. */
static inline size_t
gw_api_body_max(const struct gw_api *api, const struct route *route)
{
	return route->method->rule->bulk != NULL ? api->bulk_body_max_bytes : api->body_max_bytes;
}

/* Closes the channels first: no thread may make calls any more. A zeroed api is fine. */
void gw_api_close(struct gw_api *api);

#endif
