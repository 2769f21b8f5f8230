/*
 * What is known of what the services offer, and the view of it by which requests
 * are answered.
 */
#ifndef GATEWAY_GW_CATALOG_H
#define GATEWAY_GW_CATALOG_H

#include <stdbool.h>

#include "common/status.h"

struct conf;
struct gw_api;
struct gw_catalog;
struct gw_view;

/* For conf_program: the configuration's descriptors, their routes, and the certificates. */
extern bool (*const gw_catalog_start_checks[])(
    const struct conf *conf, const char *command, struct error *error);

/*
 * Reads the descriptors that conf names. On failure *catalog is NULL and error says
 * what is wrong with them. api is borrowed until gw_catalog_close.
 */
enum status_code gw_catalog_open(struct gw_catalog **catalog, const struct gw_api *api,
    const struct conf *conf, struct error *error);

/* The view, which the caller holds from now on. Any thread. */
struct gw_view *gw_catalog_view(struct gw_catalog *catalog);

/* Clears *catalog. NULL is fine. */
void gw_catalog_close(struct gw_catalog **catalog);

#endif
