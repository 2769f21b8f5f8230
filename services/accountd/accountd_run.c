#include "services/accountd/accountd_run.h"

#include <stdio.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "common/clock.h"
#include "common/log.h"
#include "common/process.h"
#include "common/rpc/rpc_server.h"
#include "common/rpc/rpc_tls.h"
#include "common/rpc/rpc_transport.h"
#include "services/accountd/accountd_conf.h"
#include "services/accountd/store.h"
#include "services/accountd/user_service.h"

#define SCHEMA_PATIENCE_NS (3000 * CLOCK_NS_PER_MS)
#define HASH_THREADS_MAX   4

extern const unsigned char descriptors[];
extern const size_t descriptors_len;

static const char *const accountd_services[] = {"account.v1.UserService", NULL};

/*
 * Calls that fail because the store is away are no news: that is logged once,
 * by who watches the store. An unknown outcome is.
 */
static bool
accountd_is_at_fault(const struct error *error)
{
	return error->code == STATUS_INTERNAL || error->code == STATUS_UNKNOWN ||
	       error->code == STATUS_DATA_LOSS ||
	       (error->reason != NULL && strcmp(error->reason, "OUTCOME_UNKNOWN") == 0);
}

/* Says how each call ended: at error when the service is at fault, else at debug. */
static void
accountd_log_call(const struct rpc_call *call, const struct error *error, void *closure)
{
	const struct rpc_method *method = rpc_call_method(call);
	bool at_fault = accountd_is_at_fault(error);

	(void)closure;
	if (!at_fault && !log_enabled(LOG_DEBUG)) {
		return;
	}
	const struct log_field fields[] = {LOG_STR("method", method == NULL ? NULL : method->name),
	    LOG_STR("requestId", rpc_call_metadata(call, "request-id")),
	    LOG_DOUBLE("durationMs",
		(double)(clock_now_ns() - rpc_call_received_ns(call)) / CLOCK_NS_PER_MS),
	    LOG_STR("code", status_name(error->code)), LOG_STR("reason", error->reason)};

	if (at_fault) {
		log_error("call failed", error, fields, 3);
	} else {
		log_write(LOG_DEBUG, "call", fields, sizeof(fields) / sizeof(fields[0]));
	}
}

static const struct rpc_interceptor accountd_interceptors[] = {
    {"log", NULL, accountd_log_call},
};

static void
accountd_changed(void *closure, unsigned row, const struct conf_row *what, bool applied)
{
	struct conf *conf = closure;

	log_info(applied ? "configuration changed" : "configuration change needs a restart",
	    LOG_STR("key", what->key));
	if (applied && row == ACCOUNTD_LOG_LEVEL) {
		log_set_level((enum log_level)conf_choice(conf, ACCOUNTD_LOG_LEVEL));
	}
}

static void
accountd_reload_tls(struct rpc_tls *tls)
{
	struct error error;

	if (tls == NULL) {
		return;
	}
	if (rpc_tls_reload(tls, &error) == STATUS_OK) {
		log_info("certificates are read again", LOG_INT("expires", rpc_tls_expires_s(tls)));
	} else {
		log_error("certificates stay as they were", &error, NULL, 0);
	}
}

static void
accountd_wait(struct conf *conf, struct store *store, struct rpc_tls *tls)
{
	while (process_wait() == PROCESS_RELOAD) {
		struct error error;

		log_info("configuration is read again");
		if (!conf_reload(conf, accountd_changed, conf, &error)) {
			log_error("configuration stays as it was", &error, NULL, 0);
		}
		if (!store_set_login(store, conf_text(conf, ACCOUNTD_DB_USER),
			conf_text(conf, ACCOUNTD_DB_PASSWORD))) {
			log_err("there is no memory for the user of the database");
		}
		accountd_reload_tls(tls);
	}
}

static unsigned
accountd_hash_threads(const struct conf *conf)
{
	int64_t threads = conf_int(conf, ACCOUNTD_HASH_THREADS);
	long processors = sysconf(_SC_NPROCESSORS_ONLN);

	if (threads == 0) {
		threads = processors < 1 ? 1 : processors;
		threads = threads > HASH_THREADS_MAX ? HASH_THREADS_MAX : threads;
	}
	return (unsigned)threads;
}

static struct user_service_options
accountd_service_options(
    const struct conf *conf, struct store *store, const struct password_cost *cost)
{
	return (struct user_service_options){.store = store,
	    .store_workers = (unsigned)conf_int(conf, ACCOUNTD_STORE_WORKERS),
	    .bulk_workers_max = (unsigned)conf_int(conf, ACCOUNTD_MAX_CONCURRENT_BULK_OPERATIONS),
	    .queue_max = (size_t)conf_int(conf, ACCOUNTD_QUEUE_MAX),
	    .coalesce_max = (size_t)conf_int(conf, ACCOUNTD_COALESCE_MAX),
	    .hash_threads = accountd_hash_threads(conf),
	    .hash_queue_max = (size_t)conf_int(conf, ACCOUNTD_HASH_QUEUE_MAX),
	    .cost = *cost,
	    .bulk_max_items = (size_t)conf_int(conf, ACCOUNTD_BULK_MAX_ITEMS)};
}

static struct rpc_server_options
accountd_server_options(const struct conf *conf, struct user_service *service, const char *listen)
{
	struct rpc_server_options options = {.listen = listen,
	    .closure = service,
	    .request_max_bytes = (size_t)conf_int(conf, ACCOUNTD_REQUEST_MAX_BYTES),
	    .batch_max_calls = (unsigned)conf_int(conf, ACCOUNTD_BATCH_MAX_CALLS),
	    .messages_max = (unsigned)conf_int(conf, ACCOUNTD_MESSAGES_MAX),
	    .default_timeout_ms = (uint32_t)conf_int(conf, ACCOUNTD_REQUEST_TIMEOUT_MS),
	    .timeout_max_ms = (uint32_t)conf_int(conf, ACCOUNTD_TIMEOUT_MAX_MS),
	    .serving = user_service_serving,
	    .started = user_service_started,
	    .services = accountd_services,
	    .descriptor_set = descriptors,
	    .descriptor_set_len = descriptors_len,
	    .interceptors = accountd_interceptors,
	    .interceptor_count = sizeof(accountd_interceptors) / sizeof(accountd_interceptors[0]),
	    .trusted = conf_text(conf, ACCOUNTD_TLS_TRUSTED)};

	options.methods = user_service_methods(&options.method_count);
	return options;
}

/* A schema that does not fit stops the start; a database that is away does not. */
static enum status_code
accountd_check_schema(struct store *store, struct error *error)
{
	struct store_conn *conn = store_conn_open(store);
	enum status_code status;

	if (conn == NULL) {
		return error_set(error, STATUS_RESOURCE_EXHAUSTED, "OUT_OF_MEMORY", "no memory");
	}
	status = store_check_schema(conn, clock_now_ns() + SCHEMA_PATIENCE_NS, error);
	store_conn_close(&conn);
	return status == STATUS_FAILED_PRECONDITION ? status : STATUS_OK;
}

/* Health says NOT_SERVING for this long before calls are refused. */
static void
accountd_drain(struct conf *conf, struct rpc_server *server)
{
	int64_t drain_ms = conf_int(conf, ACCOUNTD_DRAIN_MS);

	log_info("stopping", LOG_INT("drainMs", drain_ms));
	rpc_server_drain(server);
	nanosleep(&(struct timespec){drain_ms / 1000, drain_ms % 1000 * CLOCK_NS_PER_MS}, NULL);
}

static void
accountd_tls_failed(const char *why, void *closure)
{
	(void)closure;
	log_warn("a client could not connect by TLS", LOG_STR("why", why));
}

/* Leaves *tls NULL when no certificate is configured. */
static enum status_code
accountd_open_tls(struct rpc_tls **tls, const struct conf *conf, struct error *error)
{
	const struct rpc_tls_options options = {.server = true,
	    .cert_file = conf_text(conf, ACCOUNTD_TLS_CERT),
	    .key_file = conf_text(conf, ACCOUNTD_TLS_KEY),
	    .ca_file = conf_text(conf, ACCOUNTD_TLS_CLIENT_CA),
	    .failed = accountd_tls_failed};

	*tls = NULL;
	return options.cert_file[0] == '\0' && options.key_file[0] == '\0'
		   ? STATUS_OK
		   : rpc_tls_open(tls, &options, error);
}

static enum status_code
accountd_serve(
    struct conf *conf, struct store *store, struct user_service *service, struct error *error)
{
	int64_t port = conf_int(conf, ACCOUNTD_PORT);
	struct rpc_server *server = NULL;
	struct rpc_server_options options;
	struct rpc_tls *tls;
	enum status_code status = accountd_open_tls(&tls, conf, error);
	char listen[64];

	snprintf(listen, sizeof(listen), "tcp://127.0.0.1:%d", (int)port);
	options = accountd_server_options(
	    conf, service, port == 0 ? conf_text(conf, ACCOUNTD_LISTEN) : listen);
	options.tls = tls;
	if (status == STATUS_OK) {
		status = rpc_server_open(&server, &options, error);
	}
	if (status == STATUS_OK) {
		log_info("listening", LOG_STR("url", rpc_server_url(server)));
		accountd_wait(conf, store, tls);
		accountd_drain(conf, server);
		rpc_server_close(&server);
		log_info("stopped");
	}
	rpc_tls_close(&tls);
	rpc_fini();
	return status;
}

static void
accountd_warn_of_cost(const struct password_cost *cost)
{
	if (cost->mem_kib < PASSWORD_MEM_KIB || cost->passes < PASSWORD_PASSES) {
		log_warn("passwords are hashed at a lower cost than is safe",
		    LOG_INT("hashMemKib", (int64_t)cost->mem_kib),
		    LOG_INT("hashPasses", cost->passes));
	}
}

enum status_code
accountd_run(
    struct conf *conf, struct store *store, const struct password_cost *cost, struct error *error)
{
	const struct user_service_options options = accountd_service_options(conf, store, cost);
	struct user_service *service = NULL;
	enum status_code status;

	accountd_warn_of_cost(cost);
	status = accountd_check_schema(store, error);
	if (status != STATUS_OK) {
		return status;
	}
	status = user_service_start(&service, &options, error);
	if (status != STATUS_OK) {
		return status;
	}
	status = accountd_serve(conf, store, service, error);
	user_service_stop(&service);
	return status;
}
