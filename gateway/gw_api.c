#include "gateway/gw_api.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "common/buf.h"
#include "common/conf.h"
#include "common/log.h"
#include "common/rpc/client/rpc_channel.h"
#include "common/rpc/net/rpc_tls.h"
#include "gateway/gw_call.h"
#include "gateway/gw_conf.h"

/* Holds a batch of full pages, whatever bulk requests are limited to. */
#define GW_REPLY_MAX_BYTES ((size_t)32 << 20)

/* Of build/gen/descriptors.c. */
extern const unsigned char descriptors[];
extern const size_t descriptors_len;

static enum status_code
gw_api_read_file(struct buf *bytes, const char *path, struct error *error)
{
	FILE *file = fopen(path, "rbe");
	size_t got = 1;
	bool failed;

	if (file == NULL) {
		return error_set(
		    error, STATUS_INVALID_ARGUMENT, "NO_DESCRIPTORS", "%s", strerror(errno));
	}
	while (got > 0 && buf_reserve(bytes, 65536)) {
		got = fread(bytes->data + bytes->len, 1, 65536, file);
		bytes->len += got;
	}
	failed = ferror(file) != 0 || bytes->failed;
	fclose(file);
	return !failed ? STATUS_OK
		       : error_set(error, STATUS_INVALID_ARGUMENT, "NO_DESCRIPTORS",
			     "cannot be read; is it a file?");
}

static enum status_code
gw_api_load_schema(struct gw_api *api, const char *path, struct error *error)
{
	enum status_code status;
	struct buf bytes = {0};

	if (*path == '\0') {
		return schema_new(&api->schema, descriptors, descriptors_len, error);
	}
	status = gw_api_read_file(&bytes, path, error);
	if (status == STATUS_OK) {
		status = schema_new(&api->schema, (const uint8_t *)bytes.data, bytes.len, error);
	}
	buf_fini(&bytes);
	return status == STATUS_OK ? status
				   : error_set(error, error->code, error->reason,
					 "descriptors %s: %s", path, error->message);
}

static void
gw_api_find_status(struct gw_api *api)
{
	struct gw_status_layout *layout = &api->status;

	layout->type = schema_find_message(api->schema, "mockvideo.rpc.v1.Status");
	if (layout->type != NULL) {
		layout->code = schema_find_field(layout->type, "code", 4);
		layout->reason = schema_find_field(layout->type, "reason", 6);
	}
}

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
	if (api->tls == NULL) {
		return STATUS_OK;
	}
	if (rpc_tls_reload(api->tls, error) != STATUS_OK) {
		return error->code;
	}
	log_info("certificates are read again", LOG_INT("expires", rpc_tls_expires_s(api->tls)));
	return STATUS_OK;
}

static enum status_code
gw_api_open_channel(struct gw_api *api, const struct conf *conf, struct error *error)
{
	size_t bulk_max_bytes = (size_t)conf_int(conf, GW_BULK_BODY_MAX_BYTES);
	const struct rpc_channel_options options = {.endpoints = conf_text(conf, GW_BACKENDS),
	    .default_timeout_ms = (uint32_t)conf_int(conf, GW_REQUEST_TIMEOUT_MS),
	    .reply_max_bytes = GW_REPLY_MAX_BYTES + 2 * bulk_max_bytes,
	    .batch_max_calls = (unsigned)conf_int(conf, GW_BATCH_MAX_CALLS),
	    .batch_in_flight = (unsigned)conf_int(conf, GW_BATCH_IN_FLIGHT),
	    .in_flight_max = (unsigned)conf_int(conf, GW_IN_FLIGHT_MAX),
	    .resolve_interval_ms = (uint32_t)conf_int(conf, GW_RESOLVE_INTERVAL_MS),
	    .delivered = gw_call_delivered,
	    .tls = api->tls,
	    .tls_name = conf_text(conf, GW_BACKEND_TLS_NAME)};

	return rpc_channel_open(&api->channel, &options, error);
}

static void
gw_api_read_limits(struct gw_api *api, const struct conf *conf)
{
	api->request_timeout_ms = (uint32_t)conf_int(conf, GW_REQUEST_TIMEOUT_MS);
	api->body_max_bytes = (size_t)conf_int(conf, GW_BODY_MAX_BYTES);
	api->bulk_body_max_bytes = (size_t)conf_int(conf, GW_BULK_BODY_MAX_BYTES);
	api->bulk_max_items = (size_t)conf_int(conf, GW_BULK_MAX_ITEMS);
	api->head_max_bytes = (size_t)conf_int(conf, GW_HEAD_MAX_BYTES);
	api->access_log = conf_bool(conf, GW_ACCESS_LOG);
}

/* All but the channel: what it takes is looked at, and nothing is connected to. */
static enum status_code
gw_api_prepare(struct gw_api *api, const struct conf *conf, struct error *error)
{
	enum status_code status;

	memset(api, 0, sizeof(*api));
	gw_api_read_limits(api, conf);
	status = gw_api_load_schema(api, conf_text(conf, GW_DESCRIPTORS), error);
	if (status == STATUS_OK) {
		gw_api_find_status(api);
		status = route_table_new(&api->routes, api->schema, error);
	}
	if (status == STATUS_OK) {
		status = gw_api_open_tls(api, conf, error);
	}
	return status;
}

enum status_code
gw_api_open(struct gw_api *api, const struct conf *conf, struct error *error)
{
	enum status_code status = gw_api_prepare(api, conf, error);

	if (status == STATUS_OK) {
		status = gw_api_open_channel(api, conf, error);
	}
	if (status != STATUS_OK) {
		gw_api_close(api);
	}
	return status;
}

static bool
gw_api_check(const struct conf *conf, const char *command, struct error *error)
{
	struct gw_api api;
	bool valid = gw_api_prepare(&api, conf, error) == STATUS_OK;

	(void)command;
	gw_api_close(&api);
	return valid;
}

bool (*const gw_api_start_checks[])(
    const struct conf *conf, const char *command, struct error *error) = {gw_api_check, NULL};

void
gw_api_close(struct gw_api *api)
{
	rpc_channel_close(&api->channel);
	rpc_tls_close(&api->tls);
	route_table_free(&api->routes);
	schema_free(&api->schema);
}
