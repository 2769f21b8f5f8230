#include "services/accountd/accountd_run.h"

#include <stdatomic.h>
#include <time.h>
#include <unistd.h>

#include "common/base/clock.h"
#include "common/base/process.h"
#include "common/rpc/net/rpc_listener.h"
#include "common/rpc/net/rpc_tls.h"
#include "common/rpc/net/rpc_transport.h"
#include "common/rpc/server/rpc_server.h"
#include "common/service/descriptor.h"
#include "common/telemetry/admin.h"
#include "common/telemetry/log.h"
#include "common/telemetry/telemetry.h"
#include "services/accountd/accountd_conf.h"
#include "services/accountd/accountd_start.h"
#include "services/accountd/accountd_telemetry.h"
#include "services/accountd/store.h"
#include "services/accountd/user_service.h"

#define SCHEMA_PATIENCE_NS (3000 * CLOCK_NS_PER_MS)
#define HASH_THREADS_MAX   4

/* What connections of clients must leave: of a store worker, and of traces and files. */
#define DESCRIPTORS_PER_WORKER 4
#define DESCRIPTORS_OF_OTHERS  32

extern const unsigned char descriptors[];
extern const size_t descriptors_len;

static const char *const accountd_services[] = {"account.v1.UserService", NULL};

/* What readiness is about. */
struct accountd {
	struct user_service *service;
	struct accountd_telemetry *telemetry;
	struct metrics *metrics;
	struct sql_db *store;
	struct rpc_tls *tls; /* NULL: no certificate is configured */
	atomic_bool draining;
};

static const char *
accountd_unready(void *closure)
{
	struct accountd *accountd = closure;

	return atomic_load(&accountd->draining) ? "draining"
						: user_service_problem(accountd->service);
}

/* Reads go on, and another instance could write no better: this is no reason to be left out. */
static const char *
accountd_impaired(void *closure)
{
	const struct accountd *accountd = closure;

	return user_service_writing(accountd->service) ? NULL : "the store refuses changes";
}

/* What a reload is about. */
struct accountd_reload {
	struct conf *conf;
	const struct accountd *accountd;
};

static void
accountd_changed(void *closure, unsigned row, const struct conf_row *what, bool applied)
{
	const struct accountd_reload *reload = closure;

	log_info(applied ? "configuration changed" : "configuration change needs a restart",
	    LOG_STR("key", what->key));
	if (applied && row == SERVICE_CONF_LOG_LEVEL) {
		log_set_level((enum log_level)conf_choice(reload->conf, SERVICE_CONF_LOG_LEVEL));
	}
}

/* The certificates belong to the reload: with wrong ones nothing changes. */
static bool
accountd_accept(void *closure, struct error *error)
{
	struct rpc_tls *tls = ((const struct accountd_reload *)closure)->accountd->tls;
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

static void
accountd_reload(struct conf *conf, const struct accountd *accountd)
{
	struct accountd_reload reload = {conf, accountd};
	const struct conf_reload_options options = {
	    .accept = accountd_accept, .changed = accountd_changed, .closure = &reload};
	struct error error;

	log_info("configuration is read again");
	if (conf_kept_file(conf) != NULL) {
		log_warn("the configuration file can be read once only: what it said stays",
		    LOG_STR("file", conf_kept_file(conf)));
	}
	if (!conf_reload(conf, &options, &error)) {
		log_error("configuration and certificates stay as they were", &error, NULL, 0);
	} else if (!sql_set_login(accountd->store, conf_text(conf, SERVICE_CONF_DB_USER),
		       conf_text(conf, SERVICE_CONF_DB_PASSWORD))) {
		log_err("there is no memory for the user of the database");
	}
}

static void
accountd_wait(struct conf *conf, const struct accountd *accountd)
{
	while (process_wait() == PROCESS_RELOAD) {
		accountd_reload(conf, accountd);
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
accountd_service_options(const struct conf *conf, struct sql_db *store,
    const struct password_cost *cost, struct accountd_telemetry *telemetry)
{
	return (struct user_service_options){.store = store,
	    .store_workers = (unsigned)conf_int(conf, SERVICE_CONF_STORE_WORKERS),
	    .bulk_workers_max =
		(unsigned)conf_int(conf, SERVICE_CONF_MAX_CONCURRENT_BULK_OPERATIONS),
	    .queue_max = (size_t)conf_int(conf, SERVICE_CONF_QUEUE_MAX),
	    .coalesce_max = (size_t)conf_int(conf, SERVICE_CONF_COALESCE_MAX),
	    .hash_threads = accountd_hash_threads(conf),
	    .hash_queue_max = (size_t)conf_int(conf, ACCOUNTD_HASH_QUEUE_MAX),
	    .cost = *cost,
	    .bulk_max_items = (size_t)conf_int(conf, SERVICE_CONF_BULK_MAX_ITEMS),
	    .hash_ns = accountd_telemetry_hash_ns(telemetry),
	    .hash_wait_ns = accountd_telemetry_hash_wait_ns(telemetry),
	    .observe_shared = accountd_telemetry_shared,
	    .observe_closure = telemetry};
}

static struct rpc_server_limits
accountd_limits(const struct conf *conf)
{
	char text[ACCOUNTD_LISTEN_TEXT_MAX];
	size_t workers = (size_t)conf_int(conf, SERVICE_CONF_STORE_WORKERS);
	size_t connections = descriptor_room((size_t)conf_int(conf, SERVICE_CONF_CONNECTIONS_MAX),
	    rpc_listener_descriptors(accountd_listen(conf, text)) +
		workers * DESCRIPTORS_PER_WORKER + ADMIN_DESCRIPTORS_MAX + DESCRIPTORS_OF_OTHERS);

	return (struct rpc_server_limits){.connections_max = (unsigned)connections,
	    .address_max = (unsigned)conf_int(conf, SERVICE_CONF_CONNECTIONS_PER_ADDRESS_MAX),
	    .partial_max_bytes = (size_t)conf_int(conf, SERVICE_CONF_INCOMPLETE_MAX_BYTES),
	    .working_max_bytes = (size_t)conf_int(conf, SERVICE_CONF_WORKING_MAX_BYTES),
	    .unsent_max_bytes = (size_t)conf_int(conf, SERVICE_CONF_UNSENT_MAX_BYTES),
	    .handshake_timeout_ms = (int)conf_int(conf, SERVICE_CONF_HANDSHAKE_TIMEOUT_MS),
	    .receive_timeout_ms = (int)conf_int(conf, SERVICE_CONF_RECEIVE_TIMEOUT_MS),
	    .send_timeout_ms = (int)conf_int(conf, SERVICE_CONF_SEND_TIMEOUT_MS)};
}

static struct rpc_server_options
accountd_server_options(
    const struct conf *conf, const struct accountd *accountd, const char *listen)
{
	struct rpc_server_options options = {.listen = listen,
	    .closure = accountd->service,
	    .request_max_bytes = (size_t)conf_int(conf, SERVICE_CONF_REQUEST_MAX_BYTES),
	    .batch_max_calls = (unsigned)conf_int(conf, SERVICE_CONF_BATCH_MAX_CALLS),
	    .messages_max = (unsigned)conf_int(conf, SERVICE_CONF_MESSAGES_MAX),
	    .default_timeout_ms = (uint32_t)conf_int(conf, SERVICE_CONF_REQUEST_TIMEOUT_MS),
	    .timeout_max_ms = (uint32_t)conf_int(conf, SERVICE_CONF_TIMEOUT_MAX_MS),
	    .limits = accountd_limits(conf),
	    .serving = user_service_serving,
	    .started = user_service_started,
	    .services = accountd_services,
	    .descriptor_set = descriptors,
	    .descriptor_set_len = descriptors_len,
	    .observe_message = accountd_telemetry_message,
	    .observe_fault = accountd_telemetry_connection,
	    .observe_closure = accountd->telemetry,
	    .tls = accountd->tls,
	    .trusted = conf_text(conf, SERVICE_CONF_TLS_TRUSTED)};

	options.interceptors = accountd_telemetry_interceptors(&options.interceptor_count);
	options.methods = user_service_methods(&options.method_count);
	return options;
}

/* A schema that does not fit stops the start; a database that is away does not. */
static enum status_code
accountd_check_schema(struct sql_db *store, struct error *error)
{
	struct sql_conn *conn = sql_conn_open(store);
	enum status_code status;

	if (conn == NULL) {
		return error_set(error, STATUS_RESOURCE_EXHAUSTED, "OUT_OF_MEMORY", "no memory");
	}
	status = sql_check_schema(conn, clock_now_ns() + SCHEMA_PATIENCE_NS, &store_schema, error);
	sql_conn_close(&conn);
	if (sql_is_ahead(store)) {
		log_warn("the schema is newer than this program, and one that it can run on");
	}
	return status == STATUS_FAILED_PRECONDITION ? status : STATUS_OK;
}

/* Health and readiness say that it stops for this long before calls are refused. */
static void
accountd_drain(struct conf *conf, struct accountd *accountd, struct rpc_server *server)
{
	int64_t drain_ms = conf_int(conf, SERVICE_CONF_DRAIN_MS);

	log_info("stopping", LOG_INT("drainMs", drain_ms));
	atomic_store(&accountd->draining, true);
	rpc_server_drain(server);
	nanosleep(&(struct timespec){drain_ms / 1000, drain_ms % 1000 * CLOCK_NS_PER_MS}, NULL);
}

/* Leaves *tls NULL when no certificate is configured. */
static enum status_code
accountd_open_tls(struct rpc_tls **tls, const struct conf *conf, struct error *error)
{
	struct rpc_tls_options options;

	*tls = NULL;
	if (!accountd_tls_options(conf, &options)) {
		return STATUS_OK;
	}
	return rpc_tls_open(tls, &options, error);
}

static enum status_code
accountd_open_server(struct conf *conf, const struct accountd *accountd, struct rpc_server **server,
    struct error *error)
{
	char text[ACCOUNTD_LISTEN_TEXT_MAX];
	const struct rpc_server_options options =
	    accountd_server_options(conf, accountd, accountd_listen(conf, text));

	return rpc_server_open(server, &options, error);
}

static enum status_code
accountd_serve(struct conf *conf, struct accountd *accountd, struct error *error)
{
	const struct admin_options administration = {
	    .listen = conf_text(conf, SERVICE_CONF_ADMIN_LISTEN),
	    .metrics = accountd->metrics,
	    .unready = accountd_unready,
	    .impaired = accountd_impaired,
	    .closure = accountd};
	struct rpc_server *server = NULL;
	struct admin *admin = NULL;
	enum status_code status;

	status = accountd_open_tls(&accountd->tls, conf, error);
	if (status == STATUS_OK) {
		status = accountd_open_server(conf, accountd, &server, error);
	}
	if (status == STATUS_OK) {
		accountd_telemetry_watch(
		    accountd->telemetry, accountd->service, server, accountd->tls);
		status = admin_start(&admin, &administration, error);
	}
	if (status == STATUS_OK) {
		log_info("listening", LOG_STR("url", rpc_server_url(server)));
		accountd_wait(conf, accountd);
		accountd_drain(conf, accountd, server);
	}
	accountd_telemetry_watch(accountd->telemetry, NULL, NULL, NULL);
	rpc_server_close(&server);
	admin_stop(&admin);
	rpc_tls_close(&accountd->tls);
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

static enum status_code
accountd_open_telemetry(struct telemetry *telemetry, const struct conf *conf, struct error *error)
{
	const struct telemetry_options options = {.program = accountd_program.name,
	    .version = accountd_program.version,
	    .otlp_endpoint = conf_text(conf, SERVICE_CONF_OTLP_ENDPOINT),
	    .otlp_queue_max = (size_t)conf_int(conf, SERVICE_CONF_OTLP_QUEUE_MAX),
	    .sample_ratio = conf_text(conf, SERVICE_CONF_TRACE_SAMPLE_RATIO)};

	return telemetry_open(telemetry, &options, error);
}

/* Starts the service, has it serve until the process is told to stop, and stops it. */
static enum status_code
accountd_start_and_serve(struct conf *conf, struct sql_db *store, const struct password_cost *cost,
    struct accountd *accountd, struct error *error)
{
	const struct user_service_options options =
	    accountd_service_options(conf, store, cost, accountd->telemetry);
	enum status_code status = user_service_start(&accountd->service, &options, error);

	if (status == STATUS_OK) {
		status = accountd_serve(conf, accountd, error);
		user_service_stop(&accountd->service);
	}
	return status;
}

enum status_code
accountd_run(
    struct conf *conf, struct sql_db *store, const struct password_cost *cost, struct error *error)
{
	struct telemetry telemetry = {0};
	struct accountd accountd = {.store = store};
	enum status_code status;

	accountd_warn_of_cost(cost);
	status = accountd_check_schema(store, error);
	process_keep_signals();
	if (status == STATUS_OK) {
		status = accountd_open_telemetry(&telemetry, conf, error);
	}
	if (status == STATUS_OK) {
		accountd.metrics = telemetry.metrics;
		status = accountd_telemetry_open(&accountd.telemetry, &telemetry, store, error);
	}
	if (status == STATUS_OK) {
		status = accountd_start_and_serve(conf, store, cost, &accountd, error);
	}
	accountd_telemetry_close(&accountd.telemetry);
	telemetry_close(&telemetry);
	if (status == STATUS_OK) {
		log_info("stopped");
	}
	return status;
}
