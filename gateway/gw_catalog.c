#include "gateway/gw_catalog.h"

#include <stdlib.h>

#include "common/buf.h"
#include "common/conf.h"
#include "gateway/gw_api.h"
#include "gateway/gw_conf.h"
#include "gateway/gw_file.h"
#include "gateway/gw_offer.h"
#include "gateway/gw_view.h"

/* Of build/gen/descriptors.c. */
extern const unsigned char descriptors[];
extern const size_t descriptors_len;

struct gw_catalog {
	const struct gw_backends *backends;
	struct gw_view *view;
};

/* A set for all services. */
static enum status_code
gw_catalog_pin(struct gw_catalog *catalog, const uint8_t *set, size_t len, struct error *error)
{
	const struct gw_backends *backends = catalog->backends;
	struct gw_offer **offers = calloc(backends->count, sizeof(*offers));
	enum status_code status = STATUS_OK;

	if (offers == NULL) {
		return error_set(error, STATUS_RESOURCE_EXHAUSTED, "OUT_OF_MEMORY", "no memory");
	}
	for (size_t i = 0; status == STATUS_OK && i < backends->count; i++) {
		status = gw_offer_new(&offers[i], backends, &backends->list[i], set, len, error);
	}
	if (status == STATUS_OK) {
		status = gw_view_new(&catalog->view, offers, backends->count, error);
	}
	for (size_t i = 0; i < backends->count; i++) {
		gw_offer_release(&offers[i]);
	}
	free(offers);
	return status;
}

static enum status_code
gw_catalog_pin_file(struct gw_catalog *catalog, const char *path, struct error *error)
{
	struct buf bytes = {0};
	const char *problem = gw_file_read(&bytes, path);
	enum status_code status;

	status = problem != NULL
		     ? error_set(error, STATUS_INVALID_ARGUMENT, "NO_DESCRIPTORS", "%s", problem)
		     : gw_catalog_pin(catalog, (const uint8_t *)bytes.data, bytes.len, error);
	buf_fini(&bytes);
	return status == STATUS_OK ? status
				   : error_set(error, error->code, error->reason,
					 "descriptors %s: %s", path, error->message);
}

enum status_code
gw_catalog_open(struct gw_catalog **catalog, const struct gw_api *api, const struct conf *conf,
    struct error *error)
{
	const char *path = conf_text(conf, GW_DESCRIPTORS);
	enum status_code status;

	*catalog = calloc(1, sizeof(**catalog));
	if (*catalog == NULL) {
		return error_set(error, STATUS_RESOURCE_EXHAUSTED, "OUT_OF_MEMORY", "no memory");
	}
	(*catalog)->backends = &api->backends;
	status = *path == '\0' ? gw_catalog_pin(*catalog, descriptors, descriptors_len, error)
			       : gw_catalog_pin_file(*catalog, path, error);
	if (status != STATUS_OK) {
		gw_catalog_close(catalog);
	}
	return status;
}

struct gw_view *
gw_catalog_view(struct gw_catalog *catalog)
{
	return gw_view_acquire(catalog->view);
}

void
gw_catalog_close(struct gw_catalog **catalog)
{
	if (*catalog == NULL) {
		return;
	}
	gw_view_release(&(*catalog)->view);
	free(*catalog);
	*catalog = NULL;
}

static bool
gw_catalog_check(const struct conf *conf, const char *command, struct error *error)
{
	struct gw_catalog *catalog = NULL;
	struct gw_api api;
	bool valid = gw_api_open(&api, conf, error) == STATUS_OK &&
		     gw_catalog_open(&catalog, &api, conf, error) == STATUS_OK;

	(void)command;
	gw_catalog_close(&catalog);
	gw_api_close(&api);
	return valid;
}

bool (*const gw_catalog_start_checks[])(
    const struct conf *conf, const char *command, struct error *error) = {gw_catalog_check, NULL};
