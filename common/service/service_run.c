#include "common/service/service_run.h"

#include <time.h>

#include "common/base/clock.h"
#include "common/base/process.h"
#include "common/rpc/net/rpc_tls.h"
#include "common/rpc/net/rpc_transport.h"
#include "common/service/service_internal.h"
#include "common/telemetry/log.h"

static void
service_changed(void *closure, unsigned row, const struct conf_row *what, bool applied)
{
	const struct service_process *process = closure;

	log_info(applied ? "configuration changed" : "configuration change needs a restart",
	    LOG_STR("key", what->key));
	if (applied && row == SERVICE_CONF_LOG_LEVEL) {
		log_set_level((enum log_level)conf_choice(process->conf, SERVICE_CONF_LOG_LEVEL));
	}
}

/* The certificates belong to the reload: with wrong ones nothing changes. */
static bool
service_accept(void *closure, struct error *error)
{
	struct rpc_tls *tls = ((const struct service_process *)closure)->tls;
	struct rpc_tls_expiry expiry;

	if (tls != NULL && rpc_tls_reload(tls, error) != STATUS_OK) {
		return false;
	}
	if (tls != NULL) {
		rpc_tls_get_expiry(tls, &expiry);
		log_info("certificates are read again", LOG_INT("expires", expiry.own_s));
	}
	return true;
}

void
service_process_reload(struct service_process *process)
{
	struct conf *conf = process->conf;
	const struct conf_reload_options options = {
	    .accept = service_accept, .changed = service_changed, .closure = process};
	struct error error;

	log_info("configuration is read again");
	if (conf_kept_file(conf) != NULL) {
		log_warn("the configuration file can be read once only: what it said stays",
		    LOG_STR("file", conf_kept_file(conf)));
	}
	if (!conf_reload(conf, &options, &error)) {
		log_error("configuration and certificates stay as they were", &error, NULL, 0);
	} else if (!sql_set_login(process->db, conf_text(conf, SERVICE_CONF_DB_USER),
		       conf_text(conf, SERVICE_CONF_DB_PASSWORD))) {
		log_err("there is no memory for the user of the database");
	}
}

/* Health and readiness say that it stops for this long before calls are refused. */
static void
service_drain(struct service_process *process)
{
	int64_t drain_ms = conf_int(process->conf, SERVICE_CONF_DRAIN_MS);

	log_info("stopping", LOG_INT("drainMs", drain_ms));
	service_process_drain(process);
	nanosleep(&(struct timespec){drain_ms / 1000, drain_ms % 1000 * CLOCK_NS_PER_MS}, NULL);
}

enum status_code
service_run(struct service_process *process, struct error *error)
{
	enum status_code status = service_process_check_schema(process, error);

	process_keep_signals();
	if (status != STATUS_OK) {
		return status;
	}
	status = service_process_start(process, error);
	if (status == STATUS_OK) {
		log_info("listening", LOG_STR("url", rpc_server_url(process->server)));
		while (process_wait() == PROCESS_RELOAD) {
			service_process_reload(process);
		}
		service_drain(process);
		service_process_stop(process);
		log_info("stopped");
	}
	rpc_fini();
	return status;
}
