/* gatewayd: the REST gateway. Configure, open, run, close. */
#include <malloc.h>

#include "common/base/process.h"
#include "common/conf/conf.h"
#include "common/rpc/net/rpc_transport.h"
#include "common/telemetry/admin.h"
#include "common/telemetry/log.h"
#include "common/telemetry/telemetry.h"
#include "gateway/gw_api.h"
#include "gateway/gw_catalog.h"
#include "gateway/gw_conf.h"
#include "gateway/gw_ready.h"
#include "gateway/gw_reflect.h"
#include "gateway/gw_server.h"
#include "gateway/gw_telemetry.h"
#include "gateway/gw_view.h"

/*
 * What a thread's heap may keep at its end, and what is larger and therefore goes
 * back to the system when it is freed. By default both grow with the largest
 * message to some 30 MiB, for each thread, and malloc_trim does not help.
 */
#define HEAP_KEPT_BYTES  (2 << 20)
#define HEAP_LARGE_BYTES (1 << 20)

static void
bound_heaps(void)
{
	mallopt(M_TRIM_THRESHOLD, HEAP_KEPT_BYTES);
	mallopt(M_MMAP_THRESHOLD, HEAP_LARGE_BYTES);
}

/* What a reload is about. */
struct reload {
	struct conf *conf;
	struct gw_api *api;
};

static void
changed(void *closure, unsigned row, const struct conf_row *what, bool applied)
{
	const struct reload *reload = closure;

	log_info(applied ? "configuration changed" : "configuration change needs a restart",
	    LOG_STR("key", what->key));
	if (applied && row == GW_LOG_LEVEL) {
		log_set_level((enum log_level)conf_choice(reload->conf, GW_LOG_LEVEL));
	}
}

/* The certificates belong to the reload: with wrong ones nothing changes. */
static bool
accept_reload(void *closure, struct error *error)
{
	return gw_api_reload_tls(((struct reload *)closure)->api, error) == STATUS_OK;
}

static void
read_again(struct conf *conf, struct gw_api *api)
{
	struct reload reload = {conf, api};
	const struct conf_reload_options options = {
	    .accept = accept_reload, .changed = changed, .closure = &reload};
	struct error error;

	log_info("configuration is read again");
	if (conf_kept_file(conf) != NULL) {
		log_warn("the configuration file can be read once only: what it said stays",
		    LOG_STR("file", conf_kept_file(conf)));
	}
	if (!conf_reload(conf, &options, &error)) {
		log_error("configuration and certificates stay as they were", &error, NULL, 0);
	}
}

static void
run(struct conf *conf, struct gw_api *api)
{
	while (process_wait() == PROCESS_RELOAD) {
		read_again(conf, api);
	}
}

static enum status_code
open_telemetry(struct telemetry *telemetry, const struct conf *conf, struct error *error)
{
	const struct telemetry_options options = {.program = gw_program.name,
	    .version = gw_program.version,
	    .otlp_endpoint = conf_text(conf, GW_OTLP_ENDPOINT),
	    .otlp_queue_max = (size_t)conf_int(conf, GW_OTLP_QUEUE_MAX),
	    .sample_ratio = conf_text(conf, GW_TRACE_SAMPLE_RATIO)};

	return telemetry_open(telemetry, &options, error);
}

/* What serves. */
struct service {
	struct gw_api api;
	struct gw_catalog *catalog;
	struct gw_view *view;
	struct gw_telemetry *telemetry;
	struct gw_ready ready;
};

static enum status_code
serve(struct conf *conf, struct service *service, struct telemetry *telemetry, struct error *error)
{
	const struct admin_options administration = {.listen = conf_text(conf, GW_ADMIN_LISTEN),
	    .metrics = telemetry->metrics,
	    .unready = gw_ready_unready,
	    .impaired = gw_ready_impaired,
	    .closure = &service->ready};
	struct gw_reflect *reflect = NULL;
	struct gw_server *server = NULL;
	struct admin *admin = NULL;
	enum status_code status;

	status =
	    gw_server_start(&server, conf, &service->api, service->view, service->telemetry, error);
	if (status == STATUS_OK) {
		status = gw_reflect_start(&reflect, &service->api, service->catalog, server, error);
	}
	if (status == STATUS_OK) {
		status = admin_start(&admin, &administration, error);
	}
	if (status == STATUS_OK) {
		log_info("listening", LOG_STR("address", gw_server_address(server)));
		run(conf, &service->api);
		log_info("stopping", LOG_INT("drainMs", conf_int(conf, GW_DRAIN_MS)));
		atomic_store(&service->ready.draining, true);
	}
	gw_reflect_stop(&reflect);
	gw_server_stop(&server);
	admin_stop(&admin);
	return status;
}

static enum status_code
open_service(struct service *service, const struct conf *conf, struct telemetry *telemetry,
    struct error *error)
{
	enum status_code status = gw_api_open(&service->api, conf, error);

	if (status == STATUS_OK) {
		status = gw_catalog_open(&service->catalog, &service->api, conf, error);
	}
	if (status == STATUS_OK) {
		service->ready.api = &service->api;
		service->ready.catalog = service->catalog;
		service->view = gw_catalog_view(service->catalog);
		status = gw_api_connect(&service->api, conf, error);
	}
	if (status == STATUS_OK) {
		status = gw_telemetry_open(
		    &service->telemetry, telemetry, &service->api, service->catalog, error);
	}
	return status;
}

static enum status_code
open_and_serve(struct conf *conf, struct error *error)
{
	struct telemetry telemetry = {0};
	struct service service = {0};
	enum status_code status;

	status = open_telemetry(&telemetry, conf, error);
	if (status == STATUS_OK) {
		status = open_service(&service, conf, &telemetry, error);
	}
	if (status == STATUS_OK) {
		status = serve(conf, &service, &telemetry, error);
	}
	gw_telemetry_close(&service.telemetry);
	telemetry_close(&telemetry);
	gw_view_release(&service.view);
	gw_catalog_close(&service.catalog);
	gw_api_close(&service.api);
	return status;
}

int
main(int argc, char **argv)
{
	struct conf_program program = gw_program;
	struct conf *conf = NULL;
	enum conf_result result;
	enum status_code status;
	const char *command;
	struct error error;

	process_init();
	bound_heaps();
	program.start_checks = gw_catalog_start_checks;
	result = conf_load(&conf, &program, argc, argv, &command);
	if (result != CONF_RUN) {
		return result == CONF_EXIT ? 0 : 2;
	}
	log_open("gatewayd", (enum log_level)conf_choice(conf, GW_LOG_LEVEL));
	log_start();
	status = open_and_serve(conf, &error);
	if (status != STATUS_OK) {
		log_error("gatewayd cannot go on", &error, NULL, 0);
	}
	conf_free(&conf);
	rpc_fini();
	log_stop();
	return status == STATUS_OK ? 0 : 1;
}
