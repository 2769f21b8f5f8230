/*
 * What is known of what the services offer, and the view of it by which requests
 * are answered. A service's set comes from the file that pins all of them, from the
 * cache, or from the service itself (gw_reflect.h); one that does not compile, or that
 * does not go together with what the others offer, is refused whole, and what was known
 * before stays.
 *
 *	MISSING -> CURRENT <-> REFUSED
 *	CACHED  -> CURRENT
 */
#ifndef GATEWAY_GW_CATALOG_H
#define GATEWAY_GW_CATALOG_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "common/rpc/wire/rpc_digest.h"
#include "common/status.h"

struct conf;
struct gw_api;
struct gw_backend;
struct gw_catalog;
struct gw_view;

enum gw_catalog_state {
	GW_CATALOG_MISSING, /* nothing is known yet */
	GW_CATALOG_CACHED,  /* as it was when a gateway heard of it last */
	GW_CATALOG_CURRENT, /* as the service or the pin says */
	GW_CATALOG_REFUSED, /* the newest was; what was known before serves on, if anything was */
	GW_CATALOG_STATES
};

/* How a service stands. */
struct gw_catalog_status {
	enum gw_catalog_state state;
	bool known;                   /* something serves */
	char digest[RPC_DIGEST_SIZE]; /* of that */
	uint64_t adopted;             /* sets of the service, since the start */
	uint64_t refused;
};

/* For conf_program: the configuration's descriptors, cache, and certificates. */
extern bool (*const gw_catalog_start_checks[])(
    const struct conf *conf, const char *command, struct error *error);

/*
 * Reads the descriptors that conf names, or what the cache has. On failure *catalog
 * is NULL and error says what is wrong. api is borrowed until gw_catalog_close.
 */
enum status_code gw_catalog_open(struct gw_catalog **catalog, const struct gw_api *api,
    const struct conf *conf, struct error *error);

/* Clears *catalog. NULL is fine. */
void gw_catalog_close(struct gw_catalog **catalog);

/* Whether the services are not to be asked. */
bool gw_catalog_is_pinned(const struct gw_catalog *catalog);

/* The view as it is now, which the caller holds from now on. Any thread. */
struct gw_view *gw_catalog_view(struct gw_catalog *catalog);

/* Any thread. */
void gw_catalog_get_status(
    struct gw_catalog *catalog, const struct gw_backend *backend, struct gw_catalog_status *status);

/*
 * Takes the set that a service has: then the view has changed, unless it is the one
 * that serves. INVALID_ARGUMENT when it is refused, for which error says why; other
 * failures say nothing of the set. One thread at a time.
 */
enum status_code gw_catalog_adopt(struct gw_catalog *catalog, const struct gw_backend *backend,
    const uint8_t *set, size_t len, struct error *error);

/* What serves is what the service has. */
void gw_catalog_confirm(struct gw_catalog *catalog, const struct gw_backend *backend);

#endif
