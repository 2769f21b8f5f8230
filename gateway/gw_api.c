#include "gateway/gw_api.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/conf/conf.h"
#include "common/rpc/client/rpc_channel.h"
#include "common/rpc/net/rpc_tls.h"
#include "common/telemetry/log.h"
#include "gateway/gw_call.h"
#include "gateway/gw_conf.h"

/* Holds a batch of full pages, whatever bulk requests are limited to. */
#define GW_REPLY_MAX_BYTES ((size_t)32 << 20)

static void
gw_api_tls_failed(const char *why, void *closure)
{
	(void)closure;
	log_warn("a service could not be connected to by TLS", LOG_STR("why", why));
}

/* Leaves api->tls NULL when nobody is to be trusted. */
static enum status_code
gw_api_open_tls(struct gw_api *api, const struct conf *conf, struct error *error)
{
	const struct rpc_tls_options options = {.ca_file = conf_text(conf, GW_BACKEND_TLS_CA),
	    .cert_file = conf_text(conf, GW_BACKEND_TLS_CERT),
	    .key_file = conf_text(conf, GW_BACKEND_TLS_KEY),
	    .failed = gw_api_tls_failed};

	return options.ca_file[0] == '\0' && options.cert_file[0] == '\0' &&
		       options.key_file[0] == '\0'
		   ? STATUS_OK
		   : rpc_tls_open(&api->tls, &options, error);
}

enum status_code
gw_api_reload_tls(struct gw_api *api, struct error *error)
{
	struct rpc_tls_expiry expiry;

	if (api->tls == NULL) {
		return STATUS_OK;
	}
	if (rpc_tls_reload(api->tls, error) != STATUS_OK) {
		return error->code;
	}
	rpc_tls_get_expiry(api->tls, &expiry);
	log_info("certificates are read again", LOG_INT("expires", expiry.own_s));
	return STATUS_OK;
}

static void
gw_api_read_limits(struct gw_api *api, const struct conf *conf)
{
	api->request_timeout_ms = (uint32_t)conf_int(conf, GW_REQUEST_TIMEOUT_MS);
	api->body_max_bytes = (size_t)conf_int(conf, GW_BODY_MAX_BYTES);
	api->bulk_body_max_bytes = (size_t)conf_int(conf, GW_BULK_BODY_MAX_BYTES);
	api->bulk_max_items = (size_t)conf_int(conf, GW_BULK_MAX_ITEMS);
	api->head_max_bytes = (size_t)conf_int(conf, GW_HEAD_MAX_BYTES);
	api->in_flight_max = (size_t)conf_int(conf, GW_IN_FLIGHT_MAX);
	api->gzip_min_bytes = conf_int(conf, GW_GZIP_MIN_BYTES) == 0
				  ? GW_API_NO_GZIP
				  : (size_t)conf_int(conf, GW_GZIP_MIN_BYTES);
	api->access_log = conf_bool(conf, GW_ACCESS_LOG);
	snprintf(api->cors_max_age_s, sizeof(api->cors_max_age_s), "%d",
	    (int)conf_int(conf, GW_CORS_MAX_AGE_S));
}

static enum status_code
gw_api_open_budgets(struct gw_api *api, const struct conf *conf, struct error *error)
{
	api->budgets = calloc(GW_BUDGET_COUNT, sizeof(*api->budgets));
	if (api->budgets == NULL) {
		return error_set(
		    error, STATUS_RESOURCE_EXHAUSTED, "OUT_OF_MEMORY", "out of memory");
	}
	gw_budget_init(&api->budgets[GW_BUDGET_REQUESTS],
	    (size_t)conf_int(conf, GW_REQUESTS_MAX_BYTES), SIZE_MAX);
	gw_budget_init(&api->budgets[GW_BUDGET_ANSWERS],
	    (size_t)conf_int(conf, GW_ANSWERS_MAX_BYTES),
	    (size_t)conf_int(conf, GW_ANSWERS_PER_CONNECTION_MAX_BYTES));
	return STATUS_OK;
}

/* The packages of rules must be somebody's, or else they are for nothing. */
static enum status_code
gw_api_check_rules(const struct gw_api *api, struct error *error)
{
	for (size_t i = 0; i < api->rules.count; i++) {
		const struct schema_rule *rule = &api->rules.list[i];
		ptrdiff_t len = schema_selector_package(rule->selector);
		char package[256];

		snprintf(package, sizeof(package), "%.*s", len < 0 ? 0 : (int)len, rule->selector);
		if (len < 0 || gw_backends_find(&api->backends, package) == NULL) {
			return error_set(error, STATUS_INVALID_ARGUMENT, "BAD_RULES",
			    "%s: the selector %s is of no service that backends names; it must be "
			    "a method, as pkg.Service.Method",
			    rule->place, rule->selector);
		}
	}
	return STATUS_OK;
}

enum status_code
gw_api_open(struct gw_api *api, const struct conf *conf, struct error *error)
{
	enum status_code status;

	memset(api, 0, sizeof(*api));
	gw_api_read_limits(api, conf);
	status = gw_backends_read(&api->backends, conf_text(conf, GW_BACKENDS), error);
	if (status == STATUS_OK) {
		status =
		    gw_origins_read(&api->cors_origins, conf_text(conf, GW_CORS_ORIGINS), error);
	}
	if (status == STATUS_OK) {
		status = gw_rules_read(&api->rules, conf_text(conf, GW_HTTP_RULES), error);
	}
	if (status == STATUS_OK) {
		status = gw_api_check_rules(api, error);
	}
	if (status == STATUS_OK) {
		status = gw_api_open_budgets(api, conf, error);
	}
	if (status == STATUS_OK) {
		status = gw_api_open_tls(api, conf, error);
	}
	if (status != STATUS_OK) {
		gw_api_close(api);
	}
	return status;
}

enum status_code
gw_api_connect(struct gw_api *api, const struct conf *conf, struct error *error)
{
	struct rpc_channel_options options = {
	    .default_timeout_ms = (uint32_t)conf_int(conf, GW_REQUEST_TIMEOUT_MS),
	    .reply_max_bytes = GW_REPLY_MAX_BYTES + 2 * api->bulk_body_max_bytes,
	    .batch_max_calls = (unsigned)conf_int(conf, GW_BATCH_MAX_CALLS),
	    .batch_in_flight = (unsigned)conf_int(conf, GW_BATCH_IN_FLIGHT),
	    .in_flight_max = (unsigned)conf_int(conf, GW_IN_FLIGHT_MAX),
	    .resolve_interval_ms = (uint32_t)conf_int(conf, GW_RESOLVE_INTERVAL_MS),
	    .delivered = gw_call_delivered,
	    .tls = api->tls,
	    .tls_name = conf_text(conf, GW_BACKEND_TLS_NAME)};
	enum status_code status = STATUS_OK;

	for (size_t i = 0; status == STATUS_OK && i < api->backends.count; i++) {
		struct gw_backend *backend = &api->backends.list[i];

		options.endpoints = backend->urls;
		status = rpc_channel_open(&backend->channel, &options, error);
	}
	return status;
}

void
gw_api_close(struct gw_api *api)
{
	for (size_t i = 0; i < api->backends.count; i++) {
		rpc_channel_close(&api->backends.list[i].channel);
	}
	gw_backends_free(&api->backends);
	gw_rules_fini(&api->rules);
	gw_origins_free(&api->cors_origins);
	rpc_tls_close(&api->tls);
	free(api->budgets);
	api->budgets = NULL;
}
