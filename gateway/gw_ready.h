/* For the admin port: whether the gateway can serve, and what fails although it can. */
#ifndef GATEWAY_GW_READY_H
#define GATEWAY_GW_READY_H

#include <stdatomic.h>
#include <stdbool.h>

struct gw_api;
struct gw_catalog;

struct gw_ready {
	const struct gw_api *api;
	struct gw_catalog *catalog;
	atomic_bool draining;
	char text[256]; /* of the admin's thread */
};

/* For admin_options, with a struct gw_ready: one service is enough to be ready. */
const char *gw_ready_unready(void *closure);
const char *gw_ready_impaired(void *closure);

#endif
