/*
 * What a service offers: its compiled descriptors. It never changes after it is
 * made, so any thread may read it. Users hold it (reference counting);
 * releasing the last reference frees it.
 */
#ifndef GATEWAY_GW_OFFER_H
#define GATEWAY_GW_OFFER_H

#include <stdatomic.h>
#include <stddef.h>
#include <stdint.h>

#include "common/base/status.h"
#include "common/rpc/wire/rpc_digest.h"
#include "common/schema/schema.h"

struct gw_api;
struct gw_backend;
struct gw_series;

struct gw_offer {
	const struct gw_backend *backend;
	struct schema *schema;
	char digest[RPC_DIGEST_SIZE];        /* of the set */
	_Atomic(struct gw_series *) *series; /* of each method; NULL until gw_telemetry fills it */
	atomic_uint holders;
};

/*
 * Compiles those services of a FileDescriptorSet that a backend of api serves,
 * with the rules of api, which is borrowed. The caller holds the offer. On
 * failure *offer is NULL and error says why.
 */
enum status_code gw_offer_new(struct gw_offer **offer, const struct gw_api *api,
    const struct gw_backend *backend, const uint8_t *set, size_t len, struct error *error);

/* Adds a reference and returns the offer. NULL is fine. */
struct gw_offer *gw_offer_acquire(struct gw_offer *offer);

/* Drops a reference and clears *offer. NULL is fine. */
void gw_offer_release(struct gw_offer **offer);

/* Where the series of one of its methods are kept. */
static inline _Atomic(struct gw_series *) *
gw_offer_series(const struct gw_offer *offer, const struct schema_method *method)
{
	return &offer->series[method - schema_method(offer->schema, 0)];
}

#endif
