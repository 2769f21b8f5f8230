/*
 * The services behind the gateway, and which proto packages each of them serves.
 * The list never changes after gw_backends_read: all threads read it.
 */
#ifndef GATEWAY_GW_BACKEND_H
#define GATEWAY_GW_BACKEND_H

#include <stdbool.h>
#include <stddef.h>

#include "common/base/status.h"

struct rpc_channel;

/* The name of the service without a package. */
#define GW_BACKEND_DEFAULT "default"

struct gw_backend {
	char *
	    package; /* this package and those below it; empty: all that belong to no other service */
	char *urls;                  /* with commas */
	size_t index;                /* in the list */
	struct rpc_channel *channel; /* of gw_api */
};

struct gw_backends {
	struct gw_backend *list;
	size_t count; /* at least 1 */
};

/*
 * Reads entries separated by commas, each a URL or PACKAGE=URL. Entries with
 * the same package belong to one service. On failure error names the entry and
 * what would be right, and *backends is empty.
 */
enum status_code gw_backends_read(
    struct gw_backends *backends, const char *text, struct error *error);

/* Frees the list. A zeroed list is fine. */
void gw_backends_free(struct gw_backends *backends);

/* For people: the package, or GW_BACKEND_DEFAULT. */
const char *gw_backend_name(const struct gw_backend *backend);

/* The service for a package such as "account.v1". NULL when there is none. */
const struct gw_backend *gw_backends_find(const struct gw_backends *backends, const char *package);

#endif
