/*
 * What the gateway knows about the services' offers, and the view that is made
 * from it, which requests use. A service's descriptor set comes from the file
 * that pins all of them, from the cache, or from the service itself
 * (gw_reflect.h). A set that does not compile, or that conflicts with the
 * offers of other services, is refused as a whole, and the previous one stays.
 *
 *	MISSING -> CURRENT <-> REFUSED
 *	CACHED  -> CURRENT
 */
#ifndef GATEWAY_GW_CATALOG_H
#define GATEWAY_GW_CATALOG_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "common/base/status.h"
#include "common/rpc/wire/rpc_digest.h"

struct conf;
struct gw_api;
struct gw_backend;
struct gw_catalog;
struct gw_view;

enum gw_catalog_state {
	GW_CATALOG_MISSING, /* nothing is known yet */
	GW_CATALOG_CACHED,  /* the last one that a gateway stored */
	GW_CATALOG_CURRENT, /* the one that the service or the pinning file has */
	GW_CATALOG_REFUSED, /* the newest was refused; the previous one is used, if there is one */
	GW_CATALOG_STATES
};

/* The state of a service's descriptors. */
struct gw_catalog_status {
	enum gw_catalog_state state;
	bool known;                   /* there is a set in use */
	char digest[RPC_DIGEST_SIZE]; /* of that */
	uint64_t adopted;             /* sets of the service, since the start */
	uint64_t refused;
};

/* For conf_program: the configuration's descriptors, cache, and certificates. */
extern bool (*const gw_catalog_start_checks[])(
    const struct conf *conf, const char *command, struct error *error);

/*
 * Reads the descriptors that conf names, or those in the cache. On failure
 * *catalog is NULL and error says what is wrong. api is borrowed until
 * gw_catalog_close.
 */
enum status_code gw_catalog_open(struct gw_catalog **catalog, const struct gw_api *api,
    const struct conf *conf, struct error *error);

/* Clears *catalog. NULL is fine. */
void gw_catalog_close(struct gw_catalog **catalog);

/* True when the descriptors are pinned by a file: the services are not asked. */
bool gw_catalog_is_pinned(const struct gw_catalog *catalog);

/* The current view; the caller must release it. Any thread. */
struct gw_view *gw_catalog_view(struct gw_catalog *catalog);

/* Any thread. */
void gw_catalog_get_status(
    struct gw_catalog *catalog, const struct gw_backend *backend, struct gw_catalog_status *status);

/*
 * Adopts the set that a service has. On success the view has changed, unless
 * the set was in use already. INVALID_ARGUMENT when the set is refused; error
 * says why. Other failures say nothing about the set. One thread at a time.
 */
enum status_code gw_catalog_adopt(struct gw_catalog *catalog, const struct gw_backend *backend,
    const uint8_t *set, size_t len, struct error *error);

/* Notes that the set in use is the one that the service has. */
void gw_catalog_confirm(struct gw_catalog *catalog, const struct gw_backend *backend);

#endif
