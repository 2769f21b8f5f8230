#include <stdlib.h>
#include <string.h>

#include "common/service/service_internal.h"

#define SERVICE_PAGE_KEY "pageKey"

static const char *const service_kind_names[SERVICE_KIND_COUNT] = {[SERVICE_KIND_GET] = "get",
    [SERVICE_KIND_LIST] = "list",
    [SERVICE_KIND_HEALTH] = "health",
    [SERVICE_KIND_WRITE] = "write",
    [SERVICE_KIND_BULK] = "bulk"};

const char *
service_kind_name(unsigned kind)
{
	return service_kind_names[kind];
}

struct sql_conn *
service_worker_conn(const struct service_worker *worker)
{
	return worker->conn;
}

struct service_process *
service_worker_process(const struct service_worker *worker)
{
	return worker->process;
}

static const struct service_method *
service_method_of(const struct service_worker *worker, const struct rpc_call *call)
{
	return &worker->process->methods[rpc_call_method(call)->slot];
}

/*
 * Puts the calls that are run together with the first one in front; the order
 * is kept otherwise. Gives how many they are.
 */
static size_t
service_worker_gather(const struct service_worker *worker, struct rpc_call **calls, size_t count)
{
	const struct service_method *first = service_method_of(worker, calls[0]);
	size_t same = 1;

	for (size_t i = 1; i < count; i++) {
		const struct service_method *method = service_method_of(worker, calls[i]);
		struct rpc_call *call = calls[i];

		if (method->run != first->run || method->closure != first->closure) {
			continue;
		}
		memmove(calls + same + 1, calls + same, (i - same) * sizeof(*calls));
		calls[same++] = call;
	}
	return same;
}

/* The run of every kind: calls of one queue may be of methods that work differently. */
static void
service_worker_run(void *closure, struct rpc_call **calls, size_t count)
{
	struct service_worker *worker = closure;

	while (count > 0) {
		size_t same = service_worker_gather(worker, calls, count);

		service_method_of(worker, calls[0])->run(worker, calls, same);
		calls += same;
		count -= same;
	}
}

/* A thread of the pool takes the next worker, which is the process's to free. */
static void *
service_worker_take(void *closure)
{
	struct service_process *process = closure;

	return &process->worker_list[atomic_fetch_add(&process->workers_taken, 1)];
}

static bool
service_workers_open(struct service_process *process)
{
	process->worker_list = calloc(process->worker_count, sizeof(*process->worker_list));
	for (unsigned i = 0; i < process->worker_count && process->worker_list != NULL; i++) {
		process->worker_list[i].process = process;
		process->worker_list[i].conn = sql_conn_open(process->db);
		if (process->worker_list[i].conn == NULL) {
			return false;
		}
	}
	return process->worker_list != NULL;
}

static void
service_workers_close(struct service_process *process)
{
	for (unsigned i = 0; i < process->worker_count && process->worker_list != NULL; i++) {
		sql_conn_close(&process->worker_list[i].conn);
	}
	free(process->worker_list);
	process->worker_list = NULL;
}

/* SQLite has one writer at a time: more workers would but wait for each other. */
static unsigned
service_bulk_workers(const struct service_process *process)
{
	int64_t max = conf_int(process->conf, SERVICE_CONF_MAX_CONCURRENT_BULK_OPERATIONS);
	unsigned most = process->worker_count > 1 ? process->worker_count - 1 : 1;

	if (sql_is_embedded(process->db)) {
		return 1;
	}
	return max < most ? (unsigned)max : most;
}

static enum status_code
service_workers_start_pool(struct service_process *process, struct error *error)
{
	unsigned writers = sql_is_embedded(process->db) ? 1 : 0;
	size_t batch = (size_t)conf_int(process->conf, SERVICE_CONF_COALESCE_MAX);
	size_t queue = process->queue_max;
	const struct rpc_kind kinds[SERVICE_KIND_COUNT] = {
	    [SERVICE_KIND_GET] = {"get", queue, batch, 0, service_worker_run},
	    [SERVICE_KIND_LIST] = {"list", queue, 1, 0, service_worker_run},
	    [SERVICE_KIND_HEALTH] = {"health", queue, batch, 1, service_worker_run},
	    [SERVICE_KIND_WRITE] = {"write", queue, batch, writers, service_worker_run},
	    [SERVICE_KIND_BULK] = {"bulk", queue, 1, service_bulk_workers(process),
		service_worker_run},
	};
	const struct rpc_pool_options options = {"store", process->worker_count, kinds,
	    SERVICE_KIND_COUNT, service_worker_take, NULL, process};

	return rpc_pool_start(&process->workers, &options, error);
}

enum status_code
service_workers_start(struct service_process *process, struct error *error)
{
	const struct sql_watch_options watch = {.db = process->db,
	    .schema = process->service->schema,
	    .checks = process->checks,
	    .secret_name = SERVICE_PAGE_KEY,
	    .secret_bytes = SERVICE_PAGE_KEY_BYTES};

	process->worker_count = (unsigned)conf_int(process->conf, SERVICE_CONF_STORE_WORKERS);
	process->queue_max = (size_t)conf_int(process->conf, SERVICE_CONF_QUEUE_MAX);
	atomic_store(&process->workers_taken, 0);
	if (sql_watch_start(&process->watch, &watch, error) != STATUS_OK) {
		return error->code;
	}
	if (!service_workers_open(process)) {
		return error_set(error, STATUS_RESOURCE_EXHAUSTED, "OUT_OF_MEMORY", "no memory");
	}
	return service_workers_start_pool(process, error);
}

void
service_workers_started(void *closure)
{
	rpc_pool_started(((struct service_process *)closure)->workers);
}

void
service_workers_stop(struct service_process *process)
{
	rpc_pool_stop(&process->workers);
	sql_watch_stop(&process->watch);
	service_workers_close(process);
}
