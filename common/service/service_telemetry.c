#include "common/service/service_telemetry.h"

#include <assert.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>

#include "common/base/clock.h"
#include "common/rpc/net/rpc_tls.h"
#include "common/service/service_call_log.h"
#include "common/service/service_internal.h"
#include "common/service/service_metric.h"
#include "common/service/service_span.h"
#include "common/telemetry/log.h"
#include "common/telemetry/log_limit.h"

#define SERVICE_CODES (STATUS_UNAUTHENTICATED + 1)

/* The label of operations with no resource. */
#define SERVICE_RESOURCE_NONE "none"

/* Operations whose outcome can be unknown. */
#define SERVICE_WRITES                                                                             \
	(1U << RESOURCE_OPERATION_CREATE | 1U << RESOURCE_OPERATION_REPLACE |                      \
	    1U << RESOURCE_OPERATION_UPDATE | 1U << RESOURCE_OPERATION_DELETE)

static const char *const service_operation_names[RESOURCE_OPERATION_COUNT] = {
    [RESOURCE_OPERATION_CHECK] = "check",
    [RESOURCE_OPERATION_GET] = "get",
    [RESOURCE_OPERATION_LIST] = "list",
    [RESOURCE_OPERATION_CREATE] = "create",
    [RESOURCE_OPERATION_REPLACE] = "replace",
    [RESOURCE_OPERATION_UPDATE] = "update",
    [RESOURCE_OPERATION_DELETE] = "delete"};

/* The series of a method, by the codes of its calls. */
struct service_method_series {
	_Atomic(struct metric_series *) codes[SERVICE_CODES];
};

/* The series of operations with a resource. */
struct service_resource_series {
	const char *name;
	struct metric_series *calls[RESOURCE_OPERATION_COUNT];
	struct metric_series *unknown[RESOURCE_OPERATION_COUNT]; /* of writes */
	_Atomic(struct metric_series *) ns[RESOURCE_OPERATION_COUNT][SERVICE_CODES];
	_Atomic(struct metric_series *) unavailable[RESOURCE_OPERATION_COUNT][SQL_CAUSES];
};

struct service_telemetry {
	struct service_telemetry_options options;
	struct metric_set *set;
	struct metric_set *own;                /* of the service; NULL: it has no rows */
	const struct service_process *process; /* of the collectors */
	struct service_method_series
	    *methods; /* by slot; behind them those of calls without a method */
	struct service_resource_series *resources; /* the first is for no resource */
	size_t resource_count;

	struct metric_series *queue[SERVICE_KIND_COUNT];
	struct metric_series *batch_calls;
	struct log_limit unavailable_limit[SQL_CAUSES];
	struct metric_series *ended[RPC_CAUSES]; /* NULL: the cause is no fault */
	struct log_limit ended_limit[RPC_CAUSES];
};

static unsigned
service_code(enum status_code code)
{
	return (unsigned)code < SERVICE_CODES ? code : STATUS_UNKNOWN;
}

/* The series in a place, made when it is first asked for. */
static struct metric_series *
service_telemetry_series(struct service_telemetry *telemetry,
    _Atomic(struct metric_series *) *place, enum service_metric row, const char *const *labels)
{
	struct metric_series *series = atomic_load_explicit(place, memory_order_acquire);

	if (series == NULL) {
		series = metric_series(telemetry->set, row, labels);
		atomic_store_explicit(place, series, memory_order_release);
	}
	return series;
}

/* NULL, and a name that was not announced, are those of no resource. */
static struct service_resource_series *
service_telemetry_resource(const struct service_telemetry *telemetry, const char *name)
{
	for (size_t i = 1; i < telemetry->resource_count && name != NULL; i++) {
		if (telemetry->resources[i].name == name ||
		    strcmp(telemetry->resources[i].name, name) == 0) {
			return &telemetry->resources[i];
		}
	}
	return &telemetry->resources[0];
}

static struct metric_series *
service_telemetry_unavailable_series(struct service_telemetry *telemetry,
    struct service_resource_series *resource, unsigned operation, enum sql_cause cause)
{
	return service_telemetry_series(telemetry, &resource->unavailable[operation][cause],
	    SERVICE_METRIC_STORE_UNAVAILABLE,
	    (const char *[]){
		resource->name, service_operation_names[operation], sql_cause_name(cause)});
}

/*
 * What the store did not take is counted and logged here, where its cause is
 * known. Of checks the log has what whoever watches the store makes of them.
 */
static void
service_telemetry_unavailable(struct service_telemetry *telemetry,
    struct service_resource_series *resource, const struct sql_ended *ended)
{
	uint64_t left_out;

	metric_add(service_telemetry_unavailable_series(
		       telemetry, resource, ended->operation, ended->cause),
	    1);
	if (ended->operation != RESOURCE_OPERATION_CHECK && ended->error != NULL &&
	    log_limit_pass(
		&telemetry->unavailable_limit[ended->cause], clock_now_ns(), &left_out)) {
		log_error("the store did not take an operation", ended->error,
		    (const struct log_field[]){LOG_STR("resource", resource->name),
			LOG_STR("operation", service_operation_names[ended->operation]),
			LOG_STR("cause", sql_cause_name(ended->cause)),
			LOG_INT("leftOut", (int64_t)left_out)},
		    4);
	}
}

/* Called by whoever did the operation, with the service_telemetry. */
static void
service_telemetry_operation(void *closure, const struct sql_ended *ended)
{
	struct service_telemetry *telemetry = closure;
	struct service_resource_series *resource =
	    service_telemetry_resource(telemetry, ended->resource);
	unsigned operation = ended->operation;
	unsigned its = service_code(ended->code);

	assert(operation < RESOURCE_OPERATION_COUNT);
	metric_observe(service_telemetry_series(telemetry, &resource->ns[operation][its],
			   SERVICE_METRIC_STORE_DURATION,
			   (const char *[]){resource->name, service_operation_names[operation],
			       status_name((enum status_code)its)}),
	    ended->took_ns);
	if (ended->cause != SQL_CAUSE_NONE) {
		service_telemetry_unavailable(telemetry, resource, ended);
	}
	if (ended->error != NULL && service_call_is_unknown(ended->error)) {
		metric_add(resource->unknown[operation], 1);
	}
}

static void
service_telemetry_collect_store(struct metric_scrape *scrape, const struct sql_db *db)
{
	static const char *const names[SQL_CONN_STATES] = {
	    [SQL_CONN_CLOSED] = "closed", [SQL_CONN_IDLE] = "idle", [SQL_CONN_BUSY] = "busy"};

	for (unsigned i = 0; i < SQL_CONN_STATES; i++) {
		metric_put(scrape, SERVICE_METRIC_STORE_CONNECTIONS,
		    sql_conns_in(db, (enum sql_conn_state)i), &names[i]);
	}
}

/* The parts of a file that end; there are none where it is 0. */
static void
service_telemetry_put_end(
    struct metric_scrape *scrape, const char *key, const char *part, int64_t end_s)
{
	if (end_s != 0) {
		metric_put(
		    scrape, SERVICE_METRIC_TLS_ENDS, (double)end_s, (const char *[]){key, part});
	}
}

static void
service_telemetry_collect_tls(struct metric_scrape *scrape, struct rpc_tls *tls)
{
	struct rpc_tls_expiry expiry;

	rpc_tls_get_expiry(tls, &expiry);
	service_telemetry_put_end(scrape, "tlsCert", "certificate", expiry.own_s);
	service_telemetry_put_end(scrape, "tlsClientCa", "certificate", expiry.trusted_s);
	service_telemetry_put_end(scrape, "tlsClientCa", "revocations", expiry.revocations_s);
}

static void
service_telemetry_collect_queues(
    struct metric_scrape *scrape, const struct service_process *process)
{
	for (unsigned kind = 0; kind < SERVICE_KIND_COUNT; kind++) {
		const char *labels[] = {service_kind_name(kind)};

		metric_put(scrape, SERVICE_METRIC_QUEUE_LENGTH,
		    (double)rpc_pool_queued(process->workers, kind), labels);
		metric_put(scrape, SERVICE_METRIC_QUEUE_LIMIT, (double)process->queue_max, labels);
	}
}

static void
service_telemetry_collect_connections(struct metric_scrape *scrape, struct rpc_server *server)
{
	struct rpc_server_stats stats;

	rpc_server_stats(server, &stats);
	metric_put(scrape, SERVICE_METRIC_IN_FLIGHT, (double)rpc_server_in_flight(server), NULL);
	metric_put(scrape, SERVICE_METRIC_CONNECTIONS, (double)stats.connections, NULL);
	metric_put(scrape, SERVICE_METRIC_HELD_BYTES, (double)stats.partial_bytes,
	    (const char *[]){"incomplete"});
	metric_put(scrape, SERVICE_METRIC_HELD_BYTES, (double)stats.working_bytes,
	    (const char *[]){"working"});
	metric_put(scrape, SERVICE_METRIC_HELD_BYTES, (double)stats.unsent_bytes,
	    (const char *[]){"unsent"});
}

static void
service_telemetry_collect(struct metric_scrape *scrape, void *closure)
{
	const struct service_telemetry *telemetry = closure;
	const struct service_process *process = telemetry->process;

	service_telemetry_collect_store(scrape, telemetry->options.db);
	if (process == NULL) {
		return;
	}
	service_telemetry_collect_connections(scrape, process->server);
	service_telemetry_collect_queues(scrape, process);
	if (process->tls != NULL) {
		service_telemetry_collect_tls(scrape, process->tls);
	}
	metric_put(scrape, SERVICE_METRIC_STORE_UP, service_is_serving(process), NULL);
	metric_put(scrape, SERVICE_METRIC_STORE_WRITABLE, service_is_writable(process), NULL);
}

static void
service_telemetry_collect_own(struct metric_scrape *scrape, void *closure)
{
	const struct service_telemetry *telemetry = closure;
	const struct service_process *process = telemetry->process;

	if (process != NULL) {
		process->service->collect(scrape, process->state);
	}
}

void
service_telemetry_watch(struct service_telemetry *telemetry, const struct service_process *process)
{
	bool collects =
	    telemetry->own != NULL && process != NULL && process->service->collect != NULL;

	metric_set_collect(telemetry->set, NULL, NULL);
	if (telemetry->own != NULL) {
		metric_set_collect(telemetry->own, NULL, NULL);
	}
	telemetry->process = process;
	metric_set_collect(telemetry->set, service_telemetry_collect, telemetry);
	if (collects) {
		metric_set_collect(telemetry->own, service_telemetry_collect_own, telemetry);
	}
}

/* Made before they count anything, so that a rate sees their first. */
static void
service_telemetry_make_resource(struct service_telemetry *telemetry,
    struct service_resource_series *resource, unsigned operation)
{
	const char *labels[] = {resource->name, service_operation_names[operation]};

	resource->calls[operation] =
	    metric_series(telemetry->set, SERVICE_METRIC_STORE_CALLS, labels);
	for (unsigned cause = SQL_CAUSE_AWAY; cause < SQL_CAUSE_FAILED; cause++) {
		service_telemetry_unavailable_series(
		    telemetry, resource, operation, (enum sql_cause)cause);
	}
	if ((SERVICE_WRITES & 1U << operation) != 0) {
		resource->unknown[operation] =
		    metric_series(telemetry->set, SERVICE_METRIC_STORE_UNKNOWN, labels);
	}
}

/* What is counted often is made at once. */
static void
service_telemetry_make_series(struct service_telemetry *telemetry)
{
	struct metric_set *set = telemetry->set;

	for (unsigned kind = 0; kind < SERVICE_KIND_COUNT; kind++) {
		telemetry->queue[kind] = metric_series(
		    set, SERVICE_METRIC_QUEUE, (const char *[]){service_kind_name(kind)});
	}
	service_telemetry_make_resource(
	    telemetry, &telemetry->resources[0], RESOURCE_OPERATION_CHECK);
	for (size_t i = 1; i < telemetry->resource_count; i++) {
		unsigned operations = telemetry->options.resources[i - 1].operations;

		for (unsigned its = RESOURCE_OPERATION_GET; its < RESOURCE_OPERATION_COUNT; its++) {
			if ((operations & (1U << its)) != 0) {
				service_telemetry_make_resource(
				    telemetry, &telemetry->resources[i], its);
			}
		}
	}
	for (size_t i = RPC_CAUSE_LOST + 1; i < RPC_CAUSES; i++) {
		telemetry->ended[i] = metric_series(set, SERVICE_METRIC_CONNECTIONS_ENDED,
		    (const char *[]){rpc_cause_name((enum rpc_cause)i)});
	}
	telemetry->batch_calls = metric_series(set, SERVICE_METRIC_BATCH_CALLS, NULL);
}

/* False without memory. */
static bool
service_telemetry_init(
    struct service_telemetry *telemetry, const struct service_telemetry_options *options)
{
	struct metrics *metrics = options->telemetry->metrics;

	telemetry->options = *options;
	telemetry->resource_count = options->resource_count + 1;
	telemetry->methods = calloc(options->slots + 1, sizeof(*telemetry->methods));
	telemetry->resources = calloc(telemetry->resource_count, sizeof(*telemetry->resources));
	telemetry->set = metrics_add(metrics, service_metric_rows, SERVICE_METRIC_COUNT);
	if (options->own_row_count > 0) {
		telemetry->own = metrics_add(metrics, options->own_rows, options->own_row_count);
	}
	if (telemetry->methods == NULL || telemetry->resources == NULL || telemetry->set == NULL ||
	    (telemetry->own == NULL && options->own_row_count > 0)) {
		return false;
	}
	telemetry->resources[0].name = SERVICE_RESOURCE_NONE;
	for (size_t i = 1; i < telemetry->resource_count; i++) {
		telemetry->resources[i].name = options->resources[i - 1].name;
	}
	return true;
}

static void
service_telemetry_free(struct service_telemetry *telemetry)
{
	free(telemetry->resources);
	free(telemetry->methods);
	free(telemetry);
}

enum status_code
service_telemetry_open(struct service_telemetry **telemetry,
    const struct service_telemetry_options *options, struct error *error)
{
	struct service_telemetry *opened = calloc(1, sizeof(*opened));

	*telemetry = NULL;
	if (opened == NULL || !service_telemetry_init(opened, options)) {
		if (opened != NULL) {
			service_telemetry_free(opened);
		}
		return error_set(error, STATUS_RESOURCE_EXHAUSTED, "OUT_OF_MEMORY", "no memory");
	}
	service_telemetry_make_series(opened);
	sql_set_observer(options->db, service_telemetry_operation, opened);
	metric_set_collect(opened->set, service_telemetry_collect, opened);
	*telemetry = opened;
	return STATUS_OK;
}

void
service_telemetry_close(struct service_telemetry **telemetry)
{
	if (*telemetry == NULL) {
		return;
	}
	sql_set_observer((*telemetry)->options.db, NULL, NULL);
	metric_set_collect((*telemetry)->set, NULL, NULL);
	service_telemetry_free(*telemetry);
	*telemetry = NULL;
}

struct metric_series *
service_telemetry_own_series(
    const struct service_telemetry *telemetry, unsigned row, const char *const *values)
{
	return metric_series(telemetry->own, row, values);
}

void
service_telemetry_shared(const struct service_telemetry *telemetry, const char *resource,
    enum resource_operation operation, size_t calls)
{
	metric_observe(
	    service_telemetry_resource(telemetry, resource)->calls[operation], (int64_t)calls);
}

void
service_telemetry_connection(
    const char *peer, enum rpc_cause cause, const char *text, void *closure)
{
	struct service_telemetry *telemetry = closure;
	uint64_t left_out;

	metric_add(telemetry->ended[cause], 1);
	if (log_limit_pass(&telemetry->ended_limit[cause], clock_now_ns(), &left_out)) {
		log_warn("a connection was ended or refused",
		    LOG_STR("reason", rpc_cause_name(cause)), LOG_STR("why", rpc_cause_text(cause)),
		    LOG_STR("detail", text[0] == '\0' ? NULL : text),
		    LOG_STR("peer", peer[0] == '\0' ? NULL : peer),
		    LOG_INT("leftOut", (int64_t)left_out));
	}
}

void
service_telemetry_message(size_t calls, void *closure)
{
	const struct service_telemetry *telemetry = closure;

	metric_observe(telemetry->batch_calls, (int64_t)calls);
}

static void
service_telemetry_count(struct service_telemetry *telemetry, const struct rpc_call *call,
    enum status_code code, int64_t took_ns)
{
	const struct rpc_method *method = rpc_call_method(call);
	size_t slot = method == NULL ? telemetry->options.slots : method->slot;
	int64_t waited_ns = rpc_call_waited_ns(call);
	unsigned its = service_code(code);

	metric_observe(service_telemetry_series(telemetry, &telemetry->methods[slot].codes[its],
			   SERVICE_METRIC_CALL_DURATION,
			   (const char *[]){method == NULL ? SERVICE_METHOD_NONE : method->name,
			       status_name((enum status_code)its)}),
	    took_ns);
	if (waited_ns >= 0) {
		metric_observe(telemetry->queue[method->kind], waited_ns);
	}
}

static void
service_telemetry_count_call(const struct rpc_call *call, const struct error *error, void *closure)
{
	service_telemetry_count(
	    closure, call, error->code, clock_now_ns() - rpc_call_received_ns(call));
}

static void
service_telemetry_trace_call(const struct rpc_call *call, const struct error *error, void *closure)
{
	const struct service_telemetry *telemetry = closure;

	if (telemetry->options.telemetry->exporter != NULL) {
		service_span_export(telemetry->options.telemetry, call, error);
	}
}

const struct rpc_interceptor *
service_telemetry_interceptors(size_t *count)
{
	static const struct rpc_interceptor rows[] = {
	    {"log", NULL, service_call_log, NULL},
	    {"trace", NULL, service_telemetry_trace_call, NULL},
	    {"metrics", NULL, service_telemetry_count_call, NULL},
	};

	*count = sizeof(rows) / sizeof(rows[0]);
	return rows;
}
