#include <stdlib.h>
#include <string.h>

#include "common/base/clock.h"
#include "common/base/version.h"
#include "common/rpc/net/rpc_listener.h"
#include "common/rpc/net/rpc_tls.h"
#include "common/service/descriptor.h"
#include "common/service/service_internal.h"
#include "common/service/service_start.h"
#include "common/telemetry/admin.h"
#include "common/telemetry/log.h"

#define SCHEMA_PATIENCE_NS (3000 * CLOCK_NS_PER_MS)
#define SAMPLE_PATIENCE_NS (60000 * CLOCK_NS_PER_MS)

/* What connections of clients must leave: of a worker, and of traces and files. */
#define DESCRIPTORS_PER_WORKER 4
#define DESCRIPTORS_OF_OTHERS  32

const struct conf *
service_process_conf(const struct service_process *process)
{
	return process->conf;
}

struct sql_db *
service_db(const struct service_process *process)
{
	return process->db;
}

void
service_set_state(struct service_process *process, void *state)
{
	process->state = state;
}

void *
service_state(const struct service_process *process)
{
	return process->state;
}

struct metric_series *
service_series(const struct service_process *process, unsigned row, const char *const *values)
{
	return process->reporting == NULL
		   ? NULL
		   : service_telemetry_own_series(process->reporting, row, values);
}

/* Appends to an array of pointers, of which there are *count. False without memory. */
static bool
service_append(const char ***list, size_t *count, const char *const *more, size_t more_count)
{
	const char **longer;

	if (more_count == 0) {
		return true;
	}
	longer = reallocarray(*list, *count + more_count, sizeof(**list));
	if (longer == NULL) {
		return false;
	}
	memcpy(longer + *count, more, more_count * sizeof(*more));
	*list = longer;
	*count += more_count;
	return true;
}

bool
service_add_methods(
    struct service_process *process, const struct service_method *methods, size_t count)
{
	struct service_method *more;

	if (count == 0) {
		return true;
	}
	more = reallocarray(process->methods, process->method_count + count, sizeof(*more));
	if (more == NULL) {
		return false;
	}
	memcpy(more + process->method_count, methods, count * sizeof(*methods));
	process->methods = more;
	process->method_count += count;
	return true;
}

bool
service_add_resource(struct service_process *process, const char *name, unsigned operations)
{
	struct service_telemetry_resource *more = reallocarray(
	    process->resources, process->resource_count + 1, sizeof(*process->resources));

	if (more == NULL) {
		return false;
	}
	more[process->resource_count++] = (struct service_telemetry_resource){name, operations};
	process->resources = more;
	return true;
}

bool
service_add_checks(struct service_process *process, const struct sql_checks *checks)
{
	bool added = service_append(&process->reads, &process->checks.read_count, checks->reads,
			 checks->read_count) &&
		     service_append(&process->writes, &process->checks.write_count, checks->writes,
			 checks->write_count);

	process->checks.reads = process->reads;
	process->checks.writes = process->writes;
	return added;
}

/* Opening */

static enum status_code
service_process_open_parts(struct service_process *process, struct error *error)
{
	const struct service *service = process->service;
	const struct sql_options options = service_sql_options(process->conf);
	enum status_code status = sql_open(&process->db, &options, error);

	if (status == STATUS_OK &&
	    !service_add_methods(process, service->methods, service->method_count)) {
		status = error_set(error, STATUS_RESOURCE_EXHAUSTED, "OUT_OF_MEMORY", "no memory");
	}
	for (size_t i = 0;
	     status == STATUS_OK && service->resources != NULL && service->resources[i] != NULL;
	     i++) {
		status = service_resource_open(process, service->resources[i], error);
	}
	if (status == STATUS_OK && service->open != NULL) {
		status = service->open(process, error);
	}
	process->opened = status == STATUS_OK;
	return status;
}

enum status_code
service_process_open(struct service_process **process, const struct service *service,
    struct conf *conf, struct error *error)
{
	enum status_code status;

	*process = calloc(1, sizeof(**process));
	if (*process == NULL) {
		return error_set(error, STATUS_RESOURCE_EXHAUSTED, "OUT_OF_MEMORY", "no memory");
	}
	(*process)->service = service;
	(*process)->conf = conf;
	status = service_process_open_parts(*process, error);
	if (status != STATUS_OK) {
		service_process_close(process);
	}
	return status;
}

void
service_process_close(struct service_process **process)
{
	struct service_process *closed = *process;

	if (closed == NULL) {
		return;
	}
	service_process_stop(closed);
	if (closed->opened && closed->service->close != NULL) {
		closed->service->close(closed);
	}
	service_resources_close(closed);
	sql_close(&closed->db);
	free(closed->methods);
	free(closed->resources);
	free(closed->reads);
	free(closed->writes);
	free(closed);
	*process = NULL;
}

/* Commands */

enum status_code
service_process_migrate(
    struct service_process *process, void (*tell)(const char *line), struct error *error)
{
	const struct service *service = process->service;
	void *closure =
	    service->migration == NULL ? process->state : service->migration(process, tell);

	return sql_migrate(process->db, service->schema, tell, closure, error);
}

enum status_code
service_process_load_sample(struct service_process *process, const char **told, struct error *error)
{
	int64_t deadline_ns = clock_now_ns() + SAMPLE_PATIENCE_NS;
	struct sql_conn *conn = sql_conn_open(process->db);
	enum status_code status;

	if (conn == NULL) {
		return error_set(error, STATUS_RESOURCE_EXHAUSTED, NULL, "out of memory");
	}
	status = sql_check_schema(conn, deadline_ns, process->service->schema, error);
	if (status == STATUS_OK) {
		status = process->service->load_sample(process, conn, deadline_ns, told, error);
	}
	sql_conn_close(&conn);
	return status;
}

enum status_code
service_process_check_schema(struct service_process *process, struct error *error)
{
	int64_t deadline_ns = clock_now_ns() + SCHEMA_PATIENCE_NS;
	struct sql_conn *conn = sql_conn_open(process->db);
	enum status_code status;

	if (conn == NULL) {
		return error_set(error, STATUS_RESOURCE_EXHAUSTED, "OUT_OF_MEMORY", "no memory");
	}
	status = sql_check_schema(conn, deadline_ns, process->service->schema, error);
	sql_conn_close(&conn);
	if (sql_is_ahead(process->db)) {
		log_warn("the schema is newer than this program, and one that it can run on");
	}
	return status == STATUS_FAILED_PRECONDITION ? status : STATUS_OK;
}

/* Starting */

static enum status_code
service_process_start_telemetry(struct service_process *process, struct error *error)
{
	const struct conf *conf = process->conf;
	const struct service *service = process->service;
	const struct rpc_server_options server = {.method_count = process->method_count};
	const struct telemetry_options options = {.program = service->name,
	    .version = MOCKVIDEO_VERSION,
	    .otlp_endpoint = conf_text(conf, SERVICE_CONF_OTLP_ENDPOINT),
	    .otlp_queue_max = (size_t)conf_int(conf, SERVICE_CONF_OTLP_QUEUE_MAX),
	    .sample_ratio = conf_text(conf, SERVICE_CONF_TRACE_SAMPLE_RATIO)};
	const struct service_telemetry_options reporting = {.telemetry = &process->telemetry,
	    .db = process->db,
	    .slots = rpc_server_slots(&server),
	    .resources = process->resources,
	    .resource_count = process->resource_count,
	    .own_rows = service->metric_rows,
	    .own_row_count = service->metric_row_count};
	enum status_code status = telemetry_open(&process->telemetry, &options, error);

	return status == STATUS_OK ? service_telemetry_open(&process->reporting, &reporting, error)
				   : status;
}

static enum status_code
service_process_start_work(struct service_process *process, struct error *error)
{
	enum status_code status = service_workers_start(process, error);

	if (status == STATUS_OK && process->service->start != NULL) {
		status = process->service->start(process, error);
	}
	process->started = status == STATUS_OK;
	return status;
}

/* The rows of the server; their slots are the places in process->methods. */
static enum status_code
service_process_list_methods(struct service_process *process, struct error *error)
{
	process->rows = calloc(process->method_count + 1, sizeof(*process->rows));
	if (process->rows == NULL) {
		return error_set(error, STATUS_RESOURCE_EXHAUSTED, "OUT_OF_MEMORY", "no memory");
	}
	for (size_t i = 0; i < process->method_count; i++) {
		const struct service_method *method = &process->methods[i];

		process->rows[i] = (struct rpc_method){.name = method->name,
		    .input = method->input,
		    .output = method->output,
		    .start = method->start == NULL ? service_start_queued : method->start,
		    .closure = method->closure,
		    .kind = method->kind,
		    .secret = method->secret,
		    .permission = method->permission};
	}
	return STATUS_OK;
}

static struct rpc_server_limits
service_process_limits(const struct conf *conf)
{
	char text[SERVICE_LISTEN_TEXT_MAX];
	size_t workers = (size_t)conf_int(conf, SERVICE_CONF_STORE_WORKERS);
	size_t connections = descriptor_room((size_t)conf_int(conf, SERVICE_CONF_CONNECTIONS_MAX),
	    rpc_listener_descriptors(service_listen(conf, text)) +
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

static bool
service_process_is_serving(void *process)
{
	return service_is_serving(process);
}

static enum status_code
service_process_start_server(struct service_process *process, struct error *error)
{
	const struct conf *conf = process->conf;
	const struct service *service = process->service;
	char text[SERVICE_LISTEN_TEXT_MAX];
	struct rpc_server_options options = {.listen = service_listen(conf, text),
	    .methods = process->rows,
	    .method_count = process->method_count,
	    .closure = process,
	    .request_max_bytes = (size_t)conf_int(conf, SERVICE_CONF_REQUEST_MAX_BYTES),
	    .batch_max_calls = (unsigned)conf_int(conf, SERVICE_CONF_BATCH_MAX_CALLS),
	    .messages_max = (unsigned)conf_int(conf, SERVICE_CONF_MESSAGES_MAX),
	    .default_timeout_ms = (uint32_t)conf_int(conf, SERVICE_CONF_REQUEST_TIMEOUT_MS),
	    .timeout_max_ms = (uint32_t)conf_int(conf, SERVICE_CONF_TIMEOUT_MAX_MS),
	    .limits = service_process_limits(conf),
	    .serving = service_process_is_serving,
	    .started = service_workers_started,
	    .services = service->services,
	    .descriptor_set = service->descriptors,
	    .descriptor_set_len = service->descriptors_len == NULL ? 0 : *service->descriptors_len,
	    .observe_message = service_telemetry_message,
	    .observe_fault = service_telemetry_connection,
	    .observe_closure = process->reporting,
	    .tls = process->tls,
	    .trusted = conf_text(conf, SERVICE_CONF_TLS_TRUSTED)};

	options.interceptors = service_telemetry_interceptors(&options.interceptor_count);
	return rpc_server_open(&process->server, &options, error);
}

/* Leaves the process without TLS when no certificate is configured. */
static enum status_code
service_process_start_tls(struct service_process *process, struct error *error)
{
	struct rpc_tls_options options;

	return service_tls_options(process->conf, &options)
		   ? rpc_tls_open(&process->tls, &options, error)
		   : STATUS_OK;
}

static const char *
service_process_admin_unready(void *process)
{
	return service_process_unready(process);
}

/* Reads go on, and another instance could write no better: this is no reason to be left out. */
static const char *
service_process_admin_impaired(void *process)
{
	return service_is_writable(process) ? NULL : "the store refuses changes";
}

static enum status_code
service_process_start_admin(struct service_process *process, struct error *error)
{
	const struct admin_options options = {
	    .listen = conf_text(process->conf, SERVICE_CONF_ADMIN_LISTEN),
	    .metrics = process->telemetry.metrics,
	    .unready = service_process_admin_unready,
	    .impaired = service_process_admin_impaired,
	    .closure = process};

	service_telemetry_watch(process->reporting, process);
	return admin_start(&process->admin, &options, error);
}

enum status_code
service_process_start(struct service_process *process, struct error *error)
{
	static enum status_code (*const steps[])(struct service_process *, struct error *) = {
	    service_process_list_methods, service_process_start_telemetry,
	    service_process_start_work, service_process_start_tls, service_process_start_server,
	    service_process_start_admin};

	for (size_t i = 0; i < sizeof(steps) / sizeof(steps[0]); i++) {
		if (steps[i](process, error) != STATUS_OK) {
			service_process_stop(process);
			return error->code;
		}
	}
	return STATUS_OK;
}

struct rpc_server *
service_process_server(const struct service_process *process)
{
	return process->server;
}

const char *
service_process_unready(const struct service_process *process)
{
	return atomic_load(&process->draining) ? "draining" : sql_watch_problem(process->watch);
}

void
service_process_drain(struct service_process *process)
{
	atomic_store(&process->draining, true);
	rpc_server_drain(process->server);
}

void
service_process_stop(struct service_process *process)
{
	if (process->reporting != NULL) {
		service_telemetry_watch(process->reporting, NULL);
	}
	rpc_server_close(&process->server);
	admin_stop(&process->admin);
	rpc_tls_close(&process->tls);
	if (process->started && process->service->stop != NULL) {
		process->service->stop(process);
	}
	process->started = false;
	service_workers_stop(process);
	service_telemetry_close(&process->reporting);
	telemetry_close(&process->telemetry);
	free(process->rows);
	process->rows = NULL;
}
