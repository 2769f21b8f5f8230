/* The work of the methods of resources: requests that wait together share a statement or a transaction. */
#include <string.h>

#include "common/base/arena.h"
#include "common/service/service_resource_impl.h"

static struct service_open_resource *
service_resource_of(const struct rpc_call *call)
{
	return service_call_closure(call);
}

static const struct resource_method *
service_resource_method_of(
    const struct service_open_resource *resource, const struct rpc_call *call)
{
	return &resource->methods[rpc_call_method(call)->slot - resource->first_slot];
}

/* Keeps the calls whose request is sound, with their ids; gives how many. */
static size_t
service_get_prepare(const struct service_open_resource *resource, struct rpc_call **calls,
    size_t count, int64_t *ids)
{
	size_t kept = 0;

	for (size_t i = 0; i < count; i++) {
		struct rpc_call *call = calls[i];
		const ProtobufCMessage *request = rpc_call_request(call);
		struct error error;

		if (request == NULL) {
			continue;
		}
		if (resource_read_id(service_resource_method_of(resource, call), request,
			&ids[kept], rpc_call_arena(call), &error)) {
			calls[kept++] = call;
		} else {
			rpc_call_fail(call, &error);
		}
	}
	return kept;
}

/* The calls that an operation is for. */
struct service_calls {
	struct rpc_call **calls;
	size_t count;
};

static bool
service_is_for_nobody(void *closure)
{
	const struct service_calls *calls = closure;

	for (size_t i = 0; i < calls->count; i++) {
		if (!rpc_call_cancelled(calls->calls[i])) {
			return false;
		}
	}
	return true;
}

static void
service_get_answer(const struct service_open_resource *resource, struct rpc_call *call, int64_t id,
    const ProtobufCMessage *row)
{
	struct error error;

	if (row != NULL) {
		rpc_call_finish(call, row);
		return;
	}
	resource_not_found(resource->bound, id, &error);
	rpc_call_fail(call, &error);
}

/* Rows are in the arena of the first call, which is therefore answered last. */
static void
service_get_together(const struct service_open_resource *resource, struct service_worker *worker,
    struct rpc_call **calls, size_t count, const int64_t *ids)
{
	struct arena *arena = rpc_call_arena(calls[0]);
	ProtobufCMessage **rows = arena_calloc(arena, count, sizeof(*rows));
	struct service_calls these = {calls, count};
	enum status_code status;
	struct error error;

	if (rows == NULL) {
		service_resource_no_memory(&error);
		service_fail_all(calls, count, &error);
		return;
	}
	service_share(resource->process, resource->table->name, RESOURCE_OPERATION_GET, count);
	sql_set_nobody(service_worker_conn(worker), service_is_for_nobody, &these);
	status = resource_get(resource->bound, service_worker_conn(worker),
	    service_latest_deadline_ns(calls, count), ids, count, arena, rows, &error);
	sql_set_nobody(service_worker_conn(worker), NULL, NULL);
	if (status != STATUS_OK) {
		service_fail_all(calls, count, &error);
		return;
	}
	rpc_call_cork();
	for (size_t i = count; i-- > 0;) {
		service_get_answer(resource, calls[i], ids[i], rows[i]);
	}
	rpc_call_uncork();
}

void
service_resource_get_run(struct service_worker *worker, struct rpc_call **calls, size_t count)
{
	const struct service_open_resource *resource = service_resource_of(calls[0]);
	int64_t ids[SERVICE_COALESCE_MAX];

	if (!service_require_ready(resource->process, calls, count)) {
		return;
	}
	count = service_get_prepare(resource, calls, count, ids);
	if (count > 0) {
		service_get_together(resource, worker, calls, count, ids);
	}
}

static void
service_list_one(const struct service_open_resource *resource, struct service_worker *worker,
    struct rpc_call *call)
{
	const struct resource_method *method = service_resource_method_of(resource, call);
	const uint8_t *page_key = service_page_key(resource->process);
	const ProtobufCMessage *request = rpc_call_request(call);
	struct arena *arena = rpc_call_arena(call);
	struct resource_query query;
	ProtobufCMessage **rows;
	ProtobufCMessage *response;
	struct service_calls this = {&call, 1};
	enum status_code status;
	struct error error;
	size_t count;

	if (request == NULL) {
		return;
	}
	if (!resource_read_query(method, request, page_key, &query, arena, &error)) {
		rpc_call_fail(call, &error);
		return;
	}
	/* One row more than the page tells whether there is a next one. */
	service_share(resource->process, resource->table->name, RESOURCE_OPERATION_LIST, 1);
	sql_set_nobody(service_worker_conn(worker), service_is_for_nobody, &this);
	status =
	    resource_list(resource->bound, service_worker_conn(worker), rpc_call_deadline_ns(call),
		query.filters, query.after_id, query.page_size + 1, arena, &rows, &count, &error);
	sql_set_nobody(service_worker_conn(worker), NULL, NULL);
	if (status != STATUS_OK) {
		rpc_call_fail(call, &error);
		return;
	}
	response = resource_answer_query(method, &query, page_key, rows, count, arena);
	if (response != NULL) {
		rpc_call_finish(call, response);
	} else {
		service_resource_no_memory(&error);
		rpc_call_fail(call, &error);
	}
}

void
service_resource_list_run(struct service_worker *worker, struct rpc_call **calls, size_t count)
{
	const struct service_open_resource *resource = service_resource_of(calls[0]);

	if (!service_require_ready(resource->process, calls, count)) {
		return;
	}
	for (size_t i = 0; i < count; i++) {
		service_list_one(resource, worker, calls[i]);
	}
}

/* The first of the ids that has no row, or 0. */
static int64_t
service_missing_id(const int64_t *ids, ProtobufCMessage *const *rows, size_t count)
{
	for (size_t i = 0; i < count; i++) {
		if (rows[i] == NULL) {
			return ids[i];
		}
	}
	return 0;
}

/* All rows are there, or the call fails by the first that is not. */
static bool
service_get_many(const struct service_open_resource *resource, struct service_worker *worker,
    struct rpc_call *call, const ProtobufCMessage *request, struct error *error)
{
	const struct resource_method *method = service_resource_method_of(resource, call);
	struct arena *arena = rpc_call_arena(call);
	ProtobufCMessage **rows;
	ProtobufCMessage *response;
	const int64_t *ids;
	int64_t missing;
	size_t count;

	if (!resource_read_ids(
		method, request, RESOURCE_PAGE_ROWS_MAX, &ids, &count, arena, error)) {
		return false;
	}
	rows = arena_calloc(arena, count, sizeof(*rows));
	service_share(resource->process, resource->table->name, RESOURCE_OPERATION_GET, 1);
	if (rows == NULL) {
		service_resource_no_memory(error);
		return false;
	}
	if (resource_get(resource->bound, service_worker_conn(worker), rpc_call_deadline_ns(call),
		ids, count, arena, rows, error) != STATUS_OK) {
		return false;
	}
	missing = service_missing_id(ids, rows, count);
	if (missing != 0) {
		resource_not_found(resource->bound, missing, error);
		return false;
	}
	response = resource_answer_ids(method, rows, count, arena);
	if (response == NULL) {
		service_resource_no_memory(error);
		return false;
	}
	rpc_call_finish(call, response);
	return true;
}

void
service_resource_get_many_run(struct service_worker *worker, struct rpc_call **calls, size_t count)
{
	const struct service_open_resource *resource = service_resource_of(calls[0]);
	struct error error;

	if (!service_require_ready(resource->process, calls, count)) {
		return;
	}
	for (size_t i = 0; i < count; i++) {
		const ProtobufCMessage *request = rpc_call_request(calls[i]);

		if (request != NULL &&
		    !service_get_many(resource, worker, calls[i], request, &error)) {
			rpc_call_fail(calls[i], &error);
		}
	}
}

/* The job of a call that writes is the call's data, in its arena. */
void
service_resource_fail(struct rpc_call *call, const struct error *error)
{
	struct resource_job *job = rpc_call_data(call);

	if (job != NULL) {
		resource_job_wipe(job);
	}
	rpc_call_fail(call, error);
}

struct resource_job *
service_resource_read(struct rpc_call *call)
{
	const struct service_open_resource *resource = service_resource_of(call);
	struct resource_job *job = arena_calloc(rpc_call_arena(call), 1, sizeof(*job));
	const ProtobufCMessage *request;
	struct error error;

	if (job == NULL) {
		service_resource_no_memory(&error);
		rpc_call_fail(call, &error);
		return NULL;
	}
	request = rpc_call_request(call);
	if (request == NULL) {
		return NULL;
	}
	rpc_call_set_data(call, job);
	if (!resource_job_read(job, service_resource_method_of(resource, call), request,
		resource->bulk_max_items, rpc_call_arena(call), &error)) {
		service_resource_fail(call, &error);
		return NULL;
	}
	return job;
}

/* Answers each call, with its own part of the writes of all. */
static void
service_write_answer(struct rpc_call **calls, size_t count, const struct resource_write *writes)
{
	rpc_call_cork();
	for (size_t i = 0; i < count; i++) {
		struct resource_job *job = rpc_call_data(calls[i]);
		const ProtobufCMessage *answer;
		struct error error;

		if (writes != job->writes) {
			memcpy(job->writes, writes, job->write_count * sizeof(*writes));
		}
		writes += job->write_count;
		answer = resource_job_answer(job, rpc_call_arena(calls[i]), &error);
		if (answer != NULL) {
			rpc_call_finish(calls[i], answer);
		} else {
			rpc_call_fail(calls[i], &error);
		}
	}
	rpc_call_uncork();
}

/*
 * The writes of all calls, one after the other, in the arena of the last call,
 * which is answered last. NULL without memory.
 */
static struct resource_write *
service_write_gather(struct rpc_call **calls, size_t count, size_t *total)
{
	struct resource_write *writes;
	struct resource_write *at;

	*total = 0;
	for (size_t i = 0; i < count; i++) {
		*total += ((struct resource_job *)rpc_call_data(calls[i]))->write_count;
	}
	if (count == 1) {
		return ((struct resource_job *)rpc_call_data(calls[0]))->writes;
	}
	at = writes = arena_calloc(rpc_call_arena(calls[count - 1]), *total, sizeof(*writes));
	for (size_t i = 0; i < count && writes != NULL; i++) {
		const struct resource_job *job = rpc_call_data(calls[i]);

		memcpy(at, job->writes, job->write_count * sizeof(*at));
		at += job->write_count;
	}
	return writes;
}

/* Tells how many calls share the transaction, those of each kind by themselves. */
static void
service_write_share(
    const struct service_open_resource *resource, struct rpc_call **calls, size_t count)
{
	size_t of[RESOURCE_OPERATION_COUNT] = {0};

	for (size_t i = 0; i < count; i++) {
		const struct resource_job *job = rpc_call_data(calls[i]);

		if (job->write_count > 0) {
			of[resource_operation_of(job->writes[0].verb)]++;
		}
	}
	for (int i = 0; i < RESOURCE_OPERATION_COUNT; i++) {
		service_share(
		    resource->process, resource->table->name, (enum resource_operation)i, of[i]);
	}
}

/* Does all writes of all calls in one transaction and answers. */
static void
service_write_together(const struct service_open_resource *resource, struct service_worker *worker,
    struct rpc_call **calls, size_t count)
{
	struct resource_write *writes;
	struct error error;
	size_t total;

	writes = service_write_gather(calls, count, &total);
	if (writes == NULL) {
		service_resource_no_memory(&error);
		service_fail_all(calls, count, &error);
		return;
	}
	service_write_share(resource, calls, count);
	switch (resource_write(resource->bound, service_worker_conn(worker),
	    service_latest_deadline_ns(calls, count), writes, total, &error)) {
	case STATUS_OK: service_write_answer(calls, count, writes); return;
	case STATUS_INTERNAL:
		/* Nothing was done. What one call did wrong is not to fail the others. */
		if (count > 1) {
			for (size_t i = 0; i < count; i++) {
				service_write_together(resource, worker, &calls[i], 1);
			}
			return;
		}
		break;
	default: break;
	}
	service_fail_all(calls, count, &error);
}

void
service_resource_write_run(struct service_worker *worker, struct rpc_call **calls, size_t count)
{
	const struct service_open_resource *resource = service_resource_of(calls[0]);
	size_t kept = 0;

	for (size_t i = 0; i < count; i++) {
		/* What no thread of the service's worked on comes here as it was received. */
		if (rpc_call_data(calls[i]) != NULL ||
		    (service_require_ready(resource->process, &calls[i], 1) &&
			service_resource_read(calls[i]) != NULL)) {
			calls[kept++] = calls[i];
		}
	}
	if (kept > 0) {
		service_write_together(resource, worker, calls, kept);
	}
}
