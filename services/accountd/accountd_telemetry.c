#include "services/accountd/accountd_telemetry.h"

#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>

#include "common/base/clock.h"
#include "common/rpc/net/rpc_tls.h"
#include "common/rpc/server/rpc_server.h"
#include "common/telemetry/log.h"
#include "common/telemetry/log_limit.h"
#include "common/telemetry/telemetry.h"
#include "common/telemetry/trace_export.h"
#include "services/accountd/accountd_call_log.h"
#include "services/accountd/accountd_metric.h"
#include "services/accountd/user_service.h"

/* Methods that are told by name, the server's own too; there are fewer. */
#define ACCOUNTD_METHODS_MAX 32

#define ACCOUNTD_METHOD_NONE "none"

static const char *const accountd_operations[] = {[STORE_OPERATION_GET] = "get",
    [STORE_OPERATION_LIST] = "list",
    [STORE_OPERATION_CREATE] = "create",
    [STORE_OPERATION_REPLACE] = "replace",
    [STORE_OPERATION_DELETE] = "delete",
    [STORE_OPERATION_CHECK] = "check"};

#define ACCOUNTD_OPERATIONS (sizeof(accountd_operations) / sizeof(accountd_operations[0]))
#define ACCOUNTD_CODES      (STATUS_UNAUTHENTICATED + 1)

/* The series of a method, in the place that it took when it was first called. */
struct accountd_method {
	_Atomic(const struct rpc_method *) method;
	_Atomic(struct metric_series *) codes[ACCOUNTD_CODES];
};

struct accountd_telemetry {
	struct telemetry *telemetry;
	struct sql_db *store;
	struct metric_set *set;
	struct user_service *service; /* this and the next two are of the collector */
	struct rpc_server *server;
	struct rpc_tls *tls;

	struct metric_series *queue[USER_KINDS];
	struct metric_series *batch_calls;
	struct metric_series *hash_ns;
	struct metric_series *hash_wait_ns;
	struct metric_series *store_calls[ACCOUNTD_OPERATIONS];
	_Atomic(struct metric_series *) store_ns[ACCOUNTD_OPERATIONS][ACCOUNTD_CODES];
	struct metric_series *store_unknown[ACCOUNTD_OPERATIONS]; /* NULL for reads */
	_Atomic(struct metric_series *) store_unavailable[ACCOUNTD_OPERATIONS][SQL_CAUSES];
	struct log_limit unavailable_limit[SQL_CAUSES];
	struct metric_series *ended[RPC_CAUSES]; /* NULL: the cause is no fault */
	struct log_limit ended_limit[RPC_CAUSES];
	struct accountd_method methods[ACCOUNTD_METHODS_MAX];
	_Atomic(struct metric_series *) unknown[ACCOUNTD_CODES]; /* calls without a method */
};

static unsigned
accountd_code(enum status_code code)
{
	return (unsigned)code < ACCOUNTD_CODES ? code : STATUS_UNKNOWN;
}

/* The series in a place, made when it is first asked for. */
static struct metric_series *
accountd_series(struct accountd_telemetry *accountd, _Atomic(struct metric_series *) *place,
    enum accountd_metric row, const char *label, const char *result)
{
	struct metric_series *series = atomic_load_explicit(place, memory_order_acquire);

	if (series == NULL) {
		const char *labels[] = {label, result};

		series = metric_series(accountd->set, row, labels);
		atomic_store_explicit(place, series, memory_order_release);
	}
	return series;
}

/*
 * What the store did not take is counted and logged here, where its cause is
 * known. Of checks the log has what whoever watches the store makes of them.
 */
static void
accountd_telemetry_unavailable(struct accountd_telemetry *accountd, const struct sql_ended *ended)
{
	const char *operation = accountd_operations[ended->operation];
	const char *cause = sql_cause_name(ended->cause);
	uint64_t left_out;

	metric_add(
	    accountd_series(accountd, &accountd->store_unavailable[ended->operation][ended->cause],
		ACCOUNTD_STORE_UNAVAILABLE, operation, cause),
	    1);
	if (ended->operation != STORE_OPERATION_CHECK && ended->error != NULL &&
	    log_limit_pass(&accountd->unavailable_limit[ended->cause], clock_now_ns(), &left_out)) {
		log_error("the store did not take an operation", ended->error,
		    (const struct log_field[]){LOG_STR("operation", operation),
			LOG_STR("cause", cause), LOG_INT("leftOut", (int64_t)left_out)},
		    3);
	}
}

/* Called by whoever did the operation, with the accountd_telemetry. */
static void
accountd_telemetry_operation(void *closure, const struct sql_ended *ended)
{
	struct accountd_telemetry *accountd = closure;
	unsigned its = accountd_code(ended->code);

	metric_observe(accountd_series(accountd, &accountd->store_ns[ended->operation][its],
			   ACCOUNTD_STORE_DURATION, accountd_operations[ended->operation],
			   status_name((enum status_code)its)),
	    ended->took_ns);
	if (ended->cause != SQL_CAUSE_NONE) {
		accountd_telemetry_unavailable(accountd, ended);
	}
	if (ended->error != NULL && accountd_call_is_unknown(ended->error)) {
		metric_add(accountd->store_unknown[ended->operation], 1);
	}
}

static void
accountd_telemetry_collect_store(struct metric_scrape *scrape, const struct sql_db *store)
{
	static const char *const names[SQL_CONN_STATES] = {
	    [SQL_CONN_CLOSED] = "closed", [SQL_CONN_IDLE] = "idle", [SQL_CONN_BUSY] = "busy"};

	for (unsigned i = 0; i < SQL_CONN_STATES; i++) {
		metric_put(scrape, ACCOUNTD_STORE_CONNECTIONS,
		    sql_conns_in(store, (enum sql_conn_state)i), &names[i]);
	}
}

/* The parts of a file that end; there are none where it is 0. */
static void
accountd_telemetry_put_end(
    struct metric_scrape *scrape, const char *key, const char *part, int64_t end_s)
{
	if (end_s != 0) {
		metric_put(scrape, ACCOUNTD_TLS_ENDS, (double)end_s, (const char *[]){key, part});
	}
}

static void
accountd_telemetry_collect_tls(struct metric_scrape *scrape, struct rpc_tls *tls)
{
	struct rpc_tls_expiry expiry;

	rpc_tls_get_expiry(tls, &expiry);
	accountd_telemetry_put_end(scrape, "tlsCert", "certificate", expiry.own_s);
	accountd_telemetry_put_end(scrape, "tlsClientCa", "certificate", expiry.trusted_s);
	accountd_telemetry_put_end(scrape, "tlsClientCa", "revocations", expiry.revocations_s);
}

static void
accountd_telemetry_collect_queues(struct metric_scrape *scrape, struct user_service *service)
{
	for (unsigned kind = 0; kind < USER_KINDS; kind++) {
		const char *labels[] = {user_service_kind_name(kind)};

		metric_put(scrape, ACCOUNTD_QUEUE_LENGTH,
		    (double)user_service_queued(service, kind), labels);
		metric_put(
		    scrape, ACCOUNTD_QUEUE_LIMIT, (double)user_service_queue_max(service), labels);
	}
	metric_put(scrape, ACCOUNTD_HASH_QUEUE_LENGTH, (double)user_service_hashing(service), NULL);
	metric_put(
	    scrape, ACCOUNTD_HASH_QUEUE_LIMIT, (double)user_service_hashing_max(service), NULL);
}

static void
accountd_telemetry_collect_connections(struct metric_scrape *scrape, struct rpc_server *server)
{
	struct rpc_server_stats stats;

	rpc_server_stats(server, &stats);
	metric_put(scrape, ACCOUNTD_IN_FLIGHT, (double)rpc_server_in_flight(server), NULL);
	metric_put(scrape, ACCOUNTD_CONNECTIONS, (double)stats.connections, NULL);
	metric_put(scrape, ACCOUNTD_HELD_BYTES, (double)stats.partial_bytes,
	    (const char *[]){"incomplete"});
	metric_put(
	    scrape, ACCOUNTD_HELD_BYTES, (double)stats.working_bytes, (const char *[]){"working"});
	metric_put(
	    scrape, ACCOUNTD_HELD_BYTES, (double)stats.unsent_bytes, (const char *[]){"unsent"});
}

static void
accountd_telemetry_collect(struct metric_scrape *scrape, void *closure)
{
	struct accountd_telemetry *accountd = closure;
	struct user_service *service = accountd->service;

	accountd_telemetry_collect_store(scrape, accountd->store);
	if (service == NULL) {
		return;
	}
	accountd_telemetry_collect_connections(scrape, accountd->server);
	accountd_telemetry_collect_queues(scrape, service);
	if (accountd->tls != NULL) {
		accountd_telemetry_collect_tls(scrape, accountd->tls);
	}
	metric_put(scrape, ACCOUNTD_STORE_UP, user_service_serving(service), NULL);
	metric_put(scrape, ACCOUNTD_STORE_WRITABLE, user_service_writing(service), NULL);
}

void
accountd_telemetry_watch(struct accountd_telemetry *accountd, struct user_service *service,
    struct rpc_server *server, struct rpc_tls *tls)
{
	metric_set_collect(accountd->set, NULL, NULL);
	accountd->service = service;
	accountd->server = server;
	accountd->tls = tls;
	metric_set_collect(accountd->set, accountd_telemetry_collect, accountd);
}

/* What is counted often is made at once. */
static void
accountd_telemetry_make_series(struct accountd_telemetry *accountd)
{
	struct metric_set *set = accountd->set;

	for (unsigned kind = 0; kind < USER_KINDS; kind++) {
		accountd->queue[kind] = metric_series(
		    set, ACCOUNTD_QUEUE, (const char *[]){user_service_kind_name(kind)});
	}
	for (size_t i = 0; i < ACCOUNTD_OPERATIONS; i++) {
		accountd->store_calls[i] =
		    metric_series(set, ACCOUNTD_STORE_CALLS, &accountd_operations[i]);
		/* Made before they count anything, so that a rate sees their first. */
		for (unsigned cause = SQL_CAUSE_AWAY; cause < SQL_CAUSE_FAILED; cause++) {
			accountd_series(accountd, &accountd->store_unavailable[i][cause],
			    ACCOUNTD_STORE_UNAVAILABLE, accountd_operations[i],
			    sql_cause_name((enum sql_cause)cause));
		}
	}
	for (size_t i = RPC_CAUSE_LOST + 1; i < RPC_CAUSES; i++) {
		accountd->ended[i] = metric_series(set, ACCOUNTD_CONNECTIONS_ENDED,
		    (const char *[]){rpc_cause_name((enum rpc_cause)i)});
	}
	for (int verb = STORE_CREATE; verb <= STORE_DELETE; verb++) {
		enum store_operation operation = store_operation_of((enum store_verb)verb);

		accountd->store_unknown[operation] =
		    metric_series(set, ACCOUNTD_STORE_UNKNOWN, &accountd_operations[operation]);
	}
	accountd->batch_calls = metric_series(set, ACCOUNTD_BATCH_CALLS, NULL);
	accountd->hash_ns = metric_series(set, ACCOUNTD_HASH_DURATION, NULL);
	accountd->hash_wait_ns = metric_series(set, ACCOUNTD_HASH_QUEUE, NULL);
}

enum status_code
accountd_telemetry_open(struct accountd_telemetry **accountd, struct telemetry *telemetry,
    struct sql_db *store, struct error *error)
{
	struct accountd_telemetry *opened = calloc(1, sizeof(*opened));

	*accountd = opened;
	if (opened != NULL) {
		opened->set =
		    metrics_add(telemetry->metrics, accountd_metric_rows, ACCOUNTD_METRIC_COUNT);
	}
	if (opened == NULL || opened->set == NULL) {
		free(opened);
		*accountd = NULL;
		return error_set(error, STATUS_RESOURCE_EXHAUSTED, "OUT_OF_MEMORY", "no memory");
	}
	opened->telemetry = telemetry;
	opened->store = store;
	accountd_telemetry_make_series(opened);
	sql_set_observer(store, accountd_telemetry_operation, opened);
	metric_set_collect(opened->set, accountd_telemetry_collect, opened);
	return STATUS_OK;
}

void
accountd_telemetry_close(struct accountd_telemetry **accountd)
{
	if (*accountd == NULL) {
		return;
	}
	sql_set_observer((*accountd)->store, NULL, NULL);
	metric_set_collect((*accountd)->set, NULL, NULL);
	free(*accountd);
	*accountd = NULL;
}

struct metric_series *
accountd_telemetry_hash_ns(const struct accountd_telemetry *accountd)
{
	return accountd->hash_ns;
}

struct metric_series *
accountd_telemetry_hash_wait_ns(const struct accountd_telemetry *accountd)
{
	return accountd->hash_wait_ns;
}

void
accountd_telemetry_shared(void *closure, enum store_operation operation, size_t calls)
{
	const struct accountd_telemetry *accountd = closure;

	metric_observe(accountd->store_calls[operation], (int64_t)calls);
}

void
accountd_telemetry_connection(
    const char *peer, enum rpc_cause cause, const char *text, void *closure)
{
	struct accountd_telemetry *accountd = closure;
	uint64_t left_out;

	metric_add(accountd->ended[cause], 1);
	if (log_limit_pass(&accountd->ended_limit[cause], clock_now_ns(), &left_out)) {
		log_warn("a connection was ended or refused",
		    LOG_STR("reason", rpc_cause_name(cause)), LOG_STR("why", rpc_cause_text(cause)),
		    LOG_STR("detail", text[0] == '\0' ? NULL : text),
		    LOG_STR("peer", peer[0] == '\0' ? NULL : peer),
		    LOG_INT("leftOut", (int64_t)left_out));
	}
}

void
accountd_telemetry_message(size_t calls, void *closure)
{
	const struct accountd_telemetry *accountd = closure;

	metric_observe(accountd->batch_calls, (int64_t)calls);
}

/* The places of a method's series; it takes one when it is first called. */
static _Atomic(struct metric_series *) *
accountd_telemetry_codes(struct accountd_telemetry *accountd, const struct rpc_method *method)
{
	for (size_t i = 0; i < ACCOUNTD_METHODS_MAX && method != NULL; i++) {
		struct accountd_method *place = &accountd->methods[i];
		const struct rpc_method *there = atomic_load(&place->method);

		if (there == method ||
		    (there == NULL &&
			atomic_compare_exchange_strong(&place->method, &there, method)) ||
		    there == method) {
			return place->codes;
		}
	}
	return accountd->unknown;
}

static void
accountd_telemetry_count(struct accountd_telemetry *accountd, const struct rpc_call *call,
    enum status_code code, int64_t took_ns)
{
	const struct rpc_method *method = rpc_call_method(call);
	int64_t waited_ns = rpc_call_waited_ns(call);
	unsigned its = accountd_code(code);

	metric_observe(
	    accountd_series(accountd, &accountd_telemetry_codes(accountd, method)[its],
		ACCOUNTD_CALL_DURATION, method == NULL ? ACCOUNTD_METHOD_NONE : method->name,
		status_name((enum status_code)its)),
	    took_ns);
	if (waited_ns >= 0) {
		metric_observe(accountd->queue[method->kind], waited_ns);
	}
}

/* A method that every server has, as that by which each channel asks for its health. */
static bool
accountd_is_builtin(const char *method)
{
	static const char package[] = "mockvideo.rpc.v1.";

	return strncmp(method, package, sizeof(package) - 1) == 0;
}

/* By the semantic conventions for RPC servers. Health checks begin no traces. */
static void
accountd_telemetry_export(const struct accountd_telemetry *accountd, const struct rpc_call *call,
    const struct error *error, int64_t end_ns)
{
	const struct rpc_method *method = rpc_call_method(call);
	const char *name = method == NULL ? ACCOUNTD_METHOD_NONE : method->name;
	const char *parent = rpc_call_metadata(call, "traceparent");
	const char *slash = strchr(name, '/');
	struct trace_span span = {.begin_ns = rpc_call_received_ns(call),
	    .end_ns = end_ns,
	    .failed = error->code == STATUS_INTERNAL || error->code == STATUS_UNKNOWN ||
		      error->code == STATUS_DATA_LOSS || error->code == STATUS_UNAVAILABLE ||
		      error->code == STATUS_DEADLINE_EXCEEDED ||
		      error->code == STATUS_UNIMPLEMENTED};

	if (parent == NULL || !trace_continue(&span.trace, parent, strlen(parent))) {
		trace_begin(&span.trace, accountd->telemetry->ratio);
		span.trace.sampled &= !accountd_is_builtin(name);
	}
	if (!span.trace.sampled) {
		return;
	}
	strncpy(span.name, name, sizeof(span.name) - 1);
	trace_span_add_text(&span, "rpc.system", "nng", 3);
	if (slash != NULL) {
		trace_span_add_text(&span, "rpc.service", name, (size_t)(slash - name));
		trace_span_add_text(&span, "rpc.method", slash + 1, strlen(slash + 1));
	}
	trace_span_add_number(&span, "rpc.grpc.status_code", error->code);
	trace_export(accountd->telemetry->exporter, &span);
}

static void
accountd_telemetry_count_call(const struct rpc_call *call, const struct error *error, void *closure)
{
	accountd_telemetry_count(
	    closure, call, error->code, clock_now_ns() - rpc_call_received_ns(call));
}

static void
accountd_telemetry_trace_call(const struct rpc_call *call, const struct error *error, void *closure)
{
	const struct accountd_telemetry *accountd = closure;

	if (accountd->telemetry->exporter != NULL) {
		accountd_telemetry_export(accountd, call, error, clock_now_ns());
	}
}

const struct rpc_interceptor *
accountd_telemetry_interceptors(size_t *count)
{
	static const struct rpc_interceptor rows[] = {
	    {"log", NULL, accountd_call_log, NULL},
	    {"trace", NULL, accountd_telemetry_trace_call, NULL},
	    {"metrics", NULL, accountd_telemetry_count_call, NULL},
	};

	*count = sizeof(rows) / sizeof(rows[0]);
	return rows;
}
