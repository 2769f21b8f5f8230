#include "gateway/gw_offer.h"

#include <stdbool.h>
#include <stdlib.h>

#include "gateway/gw_api.h"

/* Whose the services of a package are. */
struct gw_offer_choice {
	const struct gw_api *api;
	const struct gw_backend *backend;
};

static bool
gw_offer_wants(const char *package, void *closure)
{
	const struct gw_offer_choice *choice = closure;

	return gw_backends_find(&choice->api->backends, package) == choice->backend;
}

static enum status_code
gw_offer_compile(struct gw_offer *offer, const struct gw_api *api, const uint8_t *set, size_t len,
    struct error *error)
{
	struct gw_offer_choice choice = {api, offer->backend};
	const struct schema_options options = {.wants = gw_offer_wants,
	    .closure = &choice,
	    .rules = api->rules.list,
	    .rule_count = api->rules.count};
	enum status_code status = schema_new(&offer->schema, set, len, &options, error);
	size_t count = status == STATUS_OK ? schema_method_count(offer->schema) : 0;

	if (status == STATUS_OK && count == 0 && *offer->backend->package != '\0') {
		return error_set(error, STATUS_INVALID_ARGUMENT, "BAD_DESCRIPTORS",
		    "no method is in the package %s, for which backends names this service",
		    offer->backend->package);
	}
	offer->series = calloc(count + 1, sizeof(*offer->series));
	return offer->series != NULL || status != STATUS_OK
		   ? status
		   : error_set(error, STATUS_RESOURCE_EXHAUSTED, "OUT_OF_MEMORY", "no memory");
}

enum status_code
gw_offer_new(struct gw_offer **offer, const struct gw_api *api, const struct gw_backend *backend,
    const uint8_t *set, size_t len, struct error *error)
{
	enum status_code status;

	*offer = calloc(1, sizeof(**offer));
	if (*offer == NULL) {
		return error_set(error, STATUS_RESOURCE_EXHAUSTED, "OUT_OF_MEMORY", "no memory");
	}
	atomic_init(&(*offer)->holders, 1);
	(*offer)->backend = backend;
	rpc_digest(set, len, (*offer)->digest);
	status = gw_offer_compile(*offer, api, set, len, error);
	if (status != STATUS_OK) {
		gw_offer_release(offer);
	}
	return status;
}

struct gw_offer *
gw_offer_acquire(struct gw_offer *offer)
{
	if (offer != NULL) {
		atomic_fetch_add(&offer->holders, 1);
	}
	return offer;
}

void
gw_offer_release(struct gw_offer **offer)
{
	struct gw_offer *released = *offer;

	*offer = NULL;
	if (released != NULL && atomic_fetch_sub(&released->holders, 1) == 1) {
		schema_free(&released->schema);
		free(released->series);
		free(released);
	}
}
