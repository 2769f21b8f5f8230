/* What methods are made of. */
#include "common/service/service_internal.h"

#define SERVICE_RETRY_AFTER_MS 1000

struct service_process *
service_of_call(const struct rpc_call *call)
{
	return rpc_call_server_closure(call);
}

void *
service_call_closure(const struct rpc_call *call)
{
	return service_of_call(call)->methods[rpc_call_method(call)->slot].closure;
}

void
service_start_queued(struct rpc_call *call, void *closure)
{
	(void)closure;
	rpc_pool_submit(service_of_call(call)->workers, rpc_call_method(call)->kind, call);
}

void
service_start_health(struct rpc_call *call, void *closure)
{
	struct service_process *process = service_of_call(call);

	if (service_is_serving(process)) {
		service_start_queued(call, closure);
	} else {
		service_fail_unavailable(&call, 1);
	}
}

void
service_fail_all(struct rpc_call **calls, size_t count, const struct error *error)
{
	rpc_call_cork();
	for (size_t i = 0; i < count; i++) {
		rpc_call_fail(calls[i], error);
	}
	rpc_call_uncork();
}

void
service_finish_all(struct rpc_call **calls, size_t count, const ProtobufCMessage *response)
{
	rpc_call_cork();
	for (size_t i = 0; i < count; i++) {
		rpc_call_finish(calls[i], response);
	}
	rpc_call_uncork();
}

void
service_fail_unavailable(struct rpc_call **calls, size_t count)
{
	struct error error;

	error_set(&error, STATUS_UNAVAILABLE, "STORE_UNAVAILABLE",
	    "the database is not available: nothing was done, try again");
	error.retry_after_ms = SERVICE_RETRY_AFTER_MS;
	service_fail_all(calls, count, &error);
}

int64_t
service_latest_deadline_ns(struct rpc_call **calls, size_t count)
{
	int64_t latest_ns = 0;

	for (size_t i = 0; i < count; i++) {
		int64_t deadline_ns = rpc_call_deadline_ns(calls[i]);

		latest_ns = deadline_ns > latest_ns ? deadline_ns : latest_ns;
	}
	return latest_ns;
}

const uint8_t *
service_page_key(const struct service_process *process)
{
	return sql_watch_secret(process->watch);
}

bool
service_require_ready(const struct service_process *process, struct rpc_call **calls, size_t count)
{
	if (sql_watch_ready(process->watch)) {
		return true;
	}
	service_fail_unavailable(calls, count);
	return false;
}

bool
service_is_serving(const struct service_process *process)
{
	return sql_watch_serving(process->watch);
}

bool
service_is_writable(const struct service_process *process)
{
	return sql_refusal(process->db) == SQL_CAUSE_NONE;
}

void
service_share(const struct service_process *process, const char *resource,
    enum resource_operation operation, size_t calls)
{
	if (process->reporting != NULL && calls > 0) {
		service_telemetry_shared(process->reporting, resource, operation, calls);
	}
}

/* Whoever asks how the service is wants to know of its writes too; who chooses an instance does not. */
bool
service_check_health(struct service_worker *worker, struct rpc_call **calls, size_t count)
{
	const struct service_process *process = service_worker_process(worker);
	int64_t deadline_ns = service_latest_deadline_ns(calls, count);
	struct error error;

	if (!service_require_ready(process, calls, count)) {
		return false;
	}
	service_share(process, NULL, RESOURCE_OPERATION_CHECK, count);
	if (sql_ping(service_worker_conn(worker), deadline_ns, &error) == STATUS_OK) {
		if (service_is_writable(process)) {
			return true;
		}
		error_set(&error, STATUS_UNAVAILABLE, "STORE_UNAVAILABLE",
		    "the database refuses changes; reads are answered");
	}
	service_fail_all(calls, count, &error);
	return false;
}
