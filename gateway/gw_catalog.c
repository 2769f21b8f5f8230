#include "gateway/gw_catalog.h"

#include <pthread.h>
#include <stdlib.h>
#include <string.h>

#include "common/base/buf.h"
#include "common/conf/conf.h"
#include "common/telemetry/log.h"
#include "gateway/gw_api.h"
#include "gateway/gw_cache.h"
#include "gateway/gw_conf.h"
#include "gateway/gw_file.h"
#include "gateway/gw_offer.h"
#include "gateway/gw_view.h"

struct gw_catalog_entry {
	struct gw_offer *offer; /* NULL: nothing is known */
	enum gw_catalog_state state;
	uint64_t adopted;
	uint64_t refused;
};

struct gw_catalog {
	const struct gw_api *api;
	const char *cache; /* empty: none */
	bool pinned;

	pthread_mutex_t lock; /* guards all below, which one thread alone changes */
	struct gw_view *view;
	struct gw_catalog_entry entries[]; /* by the index of their backend */
};

static enum status_code
gw_catalog_no_memory(struct error *error)
{
	return error_set(error, STATUS_RESOURCE_EXHAUSTED, "OUT_OF_MEMORY", "no memory");
}

/* The view of all offers, with one in place of what a backend has. */
static enum status_code
gw_catalog_make_view(const struct gw_catalog *catalog, struct gw_offer *offer,
    struct gw_view **view, struct error *error)
{
	size_t count = catalog->api->backends.count;
	struct gw_offer **offers = calloc(count, sizeof(*offers));
	enum status_code status;

	if (offers == NULL) {
		return gw_catalog_no_memory(error);
	}
	for (size_t i = 0; i < count; i++) {
		offers[i] = catalog->entries[i].offer;
	}
	if (offer != NULL) {
		offers[offer->backend->index] = offer;
	}
	status = gw_view_new(view, offers, count, error);
	free(offers);
	return status;
}

/* Takes both, in place of what was there. */
static void
gw_catalog_put(struct gw_catalog *catalog, struct gw_offer *offer, struct gw_view *view,
    enum gw_catalog_state state)
{
	struct gw_catalog_entry *entry = &catalog->entries[offer->backend->index];
	struct gw_offer *offer_before;
	struct gw_view *view_before;

	pthread_mutex_lock(&catalog->lock);
	offer_before = entry->offer;
	view_before = catalog->view;
	entry->offer = offer;
	entry->state = state;
	catalog->view = view;
	pthread_mutex_unlock(&catalog->lock);
	gw_offer_release(&offer_before);
	gw_view_release(&view_before);
}

static enum status_code
gw_catalog_take(struct gw_catalog *catalog, const struct gw_backend *backend, const uint8_t *set,
    size_t len, enum gw_catalog_state state, struct error *error)
{
	struct gw_offer *offer;
	struct gw_view *view;
	enum status_code status;

	status = gw_offer_new(&offer, catalog->api, backend, set, len, error);
	if (status != STATUS_OK) {
		return status;
	}
	status = gw_catalog_make_view(catalog, offer, &view, error);
	if (status != STATUS_OK) {
		gw_offer_release(&offer);
		return status;
	}
	gw_catalog_put(catalog, offer, view, state);
	return STATUS_OK;
}

/* From the file */

static enum status_code
gw_catalog_pin_all(struct gw_catalog *catalog, const struct buf *set, struct error *error)
{
	enum status_code status = STATUS_OK;

	for (size_t i = 0; status == STATUS_OK && i < catalog->api->backends.count; i++) {
		status = gw_catalog_take(catalog, &catalog->api->backends.list[i],
		    (const uint8_t *)set->data, set->len, GW_CATALOG_CURRENT, error);
	}
	return status;
}

static enum status_code
gw_catalog_pin(struct gw_catalog *catalog, const char *path, struct error *error)
{
	struct buf set = {0};
	const char *problem = gw_file_read(&set, path);
	enum status_code status;

	catalog->pinned = true;
	status = problem != NULL
		     ? error_set(error, STATUS_INVALID_ARGUMENT, "NO_DESCRIPTORS", "%s", problem)
		     : gw_catalog_pin_all(catalog, &set, error);
	buf_fini(&set);
	return status == STATUS_OK ? status
				   : error_set(error, error->code, error->reason,
					 "descriptors %s: %s", path, error->message);
}

/* From the cache */

/* What the cache has is no reason not to start: the service is asked anyway. */
static void
gw_catalog_load(struct gw_catalog *catalog, const struct gw_backend *backend)
{
	const char *name = gw_backend_name(backend);
	const char *problem;
	struct buf set = {0};
	struct error error;

	problem = gw_cache_load(catalog->cache, name, &set);
	if (problem == NULL && gw_catalog_take(catalog, backend, (const uint8_t *)set.data, set.len,
				   GW_CATALOG_CACHED, &error) != STATUS_OK) {
		problem = error.message;
	}
	buf_fini(&set);
	if (problem == NULL) {
		log_info("descriptors are taken from the cache", LOG_STR("backend", name));
	} else {
		log_info("the cache has no descriptors to begin with", LOG_STR("backend", name),
		    LOG_STR("why", problem));
	}
}

static void
gw_catalog_save(const struct gw_catalog *catalog, const struct gw_backend *backend,
    const uint8_t *set, size_t len)
{
	const char *name = gw_backend_name(backend);
	const char *problem;

	if (*catalog->cache == '\0') {
		return;
	}
	problem = gw_cache_save(catalog->cache, name, set, len);
	if (problem != NULL) {
		log_warn("descriptors could not be kept in the cache", LOG_STR("backend", name),
		    LOG_STR("why", problem));
	}
}

/* From the service */

enum status_code
gw_catalog_adopt(struct gw_catalog *catalog, const struct gw_backend *backend, const uint8_t *set,
    size_t len, struct error *error)
{
	struct gw_catalog_entry *entry = &catalog->entries[backend->index];
	char digest[RPC_DIGEST_SIZE];
	enum status_code status;

	rpc_digest(set, len, digest);
	if (entry->offer != NULL && strcmp(entry->offer->digest, digest) == 0) {
		gw_catalog_confirm(catalog, backend);
		return STATUS_OK;
	}
	status = gw_catalog_take(catalog, backend, set, len, GW_CATALOG_CURRENT, error);
	if (status == STATUS_INVALID_ARGUMENT) {
		pthread_mutex_lock(&catalog->lock);
		entry->state = GW_CATALOG_REFUSED;
		entry->refused++;
		pthread_mutex_unlock(&catalog->lock);
	} else if (status == STATUS_OK) {
		pthread_mutex_lock(&catalog->lock);
		entry->adopted++;
		pthread_mutex_unlock(&catalog->lock);
		log_info("descriptors of a service are adopted",
		    LOG_STR("backend", gw_backend_name(backend)), LOG_STR("digest", digest));
		gw_catalog_save(catalog, backend, set, len);
	}
	return status;
}

void
gw_catalog_confirm(struct gw_catalog *catalog, const struct gw_backend *backend)
{
	pthread_mutex_lock(&catalog->lock);
	catalog->entries[backend->index].state = GW_CATALOG_CURRENT;
	pthread_mutex_unlock(&catalog->lock);
}

/* Catalog */

static enum status_code
gw_catalog_fill(struct gw_catalog *catalog, const struct conf *conf, struct error *error)
{
	const char *pin = conf_text(conf, GW_DESCRIPTORS);
	enum status_code status = gw_catalog_make_view(catalog, NULL, &catalog->view, error);

	if (status != STATUS_OK || *pin != '\0') {
		return status == STATUS_OK ? gw_catalog_pin(catalog, pin, error) : status;
	}
	if (*catalog->cache == '\0') {
		return STATUS_OK;
	}
	status = gw_cache_open(catalog->cache, error);
	for (size_t i = 0; status == STATUS_OK && i < catalog->api->backends.count; i++) {
		gw_catalog_load(catalog, &catalog->api->backends.list[i]);
	}
	return status;
}

static struct gw_catalog *
gw_catalog_new(const struct gw_api *api, const struct conf *conf)
{
	size_t count = api->backends.count;
	struct gw_catalog *catalog =
	    calloc(1, sizeof(*catalog) + count * sizeof(catalog->entries[0]));

	if (catalog != NULL) {
		catalog->api = api;
		catalog->cache = conf_text(conf, GW_DESCRIPTOR_CACHE);
		pthread_mutex_init(&catalog->lock, NULL);
	}
	return catalog;
}

enum status_code
gw_catalog_open(struct gw_catalog **catalog, const struct gw_api *api, const struct conf *conf,
    struct error *error)
{
	enum status_code status;

	*catalog = gw_catalog_new(api, conf);
	if (*catalog == NULL) {
		return gw_catalog_no_memory(error);
	}
	status = gw_catalog_fill(*catalog, conf, error);
	if (status != STATUS_OK) {
		gw_catalog_close(catalog);
	}
	return status;
}

void
gw_catalog_close(struct gw_catalog **catalog)
{
	struct gw_catalog *closed = *catalog;

	if (closed == NULL) {
		return;
	}
	for (size_t i = 0; i < closed->api->backends.count; i++) {
		gw_offer_release(&closed->entries[i].offer);
	}
	gw_view_release(&closed->view);
	pthread_mutex_destroy(&closed->lock);
	free(closed);
	*catalog = NULL;
}

bool
gw_catalog_is_pinned(const struct gw_catalog *catalog)
{
	return catalog->pinned;
}

struct gw_view *
gw_catalog_view(struct gw_catalog *catalog)
{
	struct gw_view *view;

	pthread_mutex_lock(&catalog->lock);
	view = gw_view_acquire(catalog->view);
	pthread_mutex_unlock(&catalog->lock);
	return view;
}

void
gw_catalog_get_status(
    struct gw_catalog *catalog, const struct gw_backend *backend, struct gw_catalog_status *status)
{
	const struct gw_catalog_entry *entry = &catalog->entries[backend->index];

	memset(status, 0, sizeof(*status));
	pthread_mutex_lock(&catalog->lock);
	status->state = entry->state;
	status->adopted = entry->adopted;
	status->refused = entry->refused;
	if (entry->offer != NULL) {
		status->known = true;
		memcpy(status->digest, entry->offer->digest, sizeof(status->digest));
	}
	pthread_mutex_unlock(&catalog->lock);
}

/* What gw_catalog_open would do, without the folder that it makes. */
static bool
gw_catalog_check(const struct conf *conf, const char *command, struct error *error)
{
	const char *pin = conf_text(conf, GW_DESCRIPTORS);
	const char *cache = conf_text(conf, GW_DESCRIPTOR_CACHE);
	struct gw_catalog *catalog = NULL;
	struct gw_api api;
	bool valid = gw_api_open(&api, conf, error) == STATUS_OK;

	(void)command;
	if (valid && *pin != '\0') {
		valid = gw_catalog_open(&catalog, &api, conf, error) == STATUS_OK;
	} else if (valid && *cache != '\0') {
		valid = gw_cache_check(cache, error);
	}
	gw_catalog_close(&catalog);
	gw_api_close(&api);
	return valid;
}

bool (*const gw_catalog_start_checks[])(
    const struct conf *conf, const char *command, struct error *error) = {gw_catalog_check, NULL};
