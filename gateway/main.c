/* gatewayd: the REST gateway. Configure, open, run, close. */
#include "common/conf.h"
#include "common/log.h"
#include "common/process.h"
#include "common/rpc/rpc_transport.h"
#include "gateway/gw_api.h"
#include "gateway/gw_conf.h"
#include "gateway/gw_server.h"

static void
changed(void *closure, unsigned row, const struct conf_row *what, bool applied)
{
	const struct conf *conf = closure;

	log_info(applied ? "configuration changed" : "configuration change needs a restart",
	    LOG_STR("key", what->key));
	if (applied && row == GW_LOG_LEVEL) {
		log_set_level((enum log_level)conf_choice(conf, GW_LOG_LEVEL));
	}
}

static void
run(struct conf *conf, struct gw_api *api)
{
	while (process_wait() == PROCESS_RELOAD) {
		struct error error;

		log_info("configuration is read again");
		if (!conf_reload(conf, changed, conf, &error)) {
			log_error("configuration stays as it was", &error, NULL, 0);
		}
		gw_api_reload_tls(api);
	}
}

int
main(int argc, char **argv)
{
	struct gw_server *server = NULL;
	struct error error = {0};
	struct conf *conf = NULL;
	enum conf_result result;
	const char *command;
	struct gw_api api;
	int status = 1;

	process_init();
	result = conf_load(&conf, &gw_program, argc, argv, &command);
	if (result != CONF_RUN) {
		return result == CONF_EXIT ? 0 : 2;
	}
	log_open("gatewayd", (enum log_level)conf_choice(conf, GW_LOG_LEVEL));
	if (gw_api_open(&api, conf, &error) != STATUS_OK) {
		log_error("gatewayd cannot go on", &error, NULL, 0);
		goto free_conf;
	}
	if (gw_server_start(&server, conf, &api, &error) != STATUS_OK) {
		log_error("gatewayd cannot go on", &error, NULL, 0);
		goto close_api;
	}
	log_info("listening", LOG_STR("address", gw_server_address(server)));
	run(conf, &api);
	log_info("stopping", LOG_INT("drainMs", conf_int(conf, GW_DRAIN_MS)));
	gw_server_stop(&server);
	status = 0;

close_api:
	gw_api_close(&api);
free_conf:
	conf_free(&conf);
	rpc_fini();
	return status;
}
