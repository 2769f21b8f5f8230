#include "common/service/service_resource.h"

#include <stdlib.h>
#include <string.h>

#include "common/base/arena.h"
#include "common/service/service_internal.h"

/* A resource of a process; the closure of all its methods, so that their calls share work. */
struct service_open_resource {
	struct service_open_resource *next;
	struct service_process *process;
	const struct resource *table;
	struct resource_bound *bound;
	size_t bulk_max_items;
	struct resource_method *methods;
	size_t first_slot; /* of methods[0] */
};

static enum status_code
service_resource_no_memory(struct error *error)
{
	return error_set(error, STATUS_RESOURCE_EXHAUSTED, "OUT_OF_MEMORY", "out of memory");
}

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
	struct error error;

	if (rows == NULL) {
		service_resource_no_memory(&error);
		service_fail_all(calls, count, &error);
		return;
	}
	service_share(resource->process, resource->table->name, RESOURCE_OPERATION_GET, count);
	if (resource_get(resource->bound, service_worker_conn(worker),
		service_latest_deadline_ns(calls, count), ids, count, arena, rows,
		&error) != STATUS_OK) {
		service_fail_all(calls, count, &error);
		return;
	}
	rpc_call_cork();
	for (size_t i = count; i-- > 0;) {
		service_get_answer(resource, calls[i], ids[i], rows[i]);
	}
	rpc_call_uncork();
}

static void
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
	if (resource_list(resource->bound, service_worker_conn(worker), rpc_call_deadline_ns(call),
		query.filters, query.after_id, query.page_size + 1, arena, &rows, &count,
		&error) != STATUS_OK) {
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

static void
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

static void
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

static enum service_kind
service_resource_kind(enum resource_action action)
{
	switch (action) {
	case RESOURCE_GET: return SERVICE_KIND_GET;
	case RESOURCE_LIST: return SERVICE_KIND_LIST;
	case RESOURCE_CREATE_MANY:
	case RESOURCE_REPLACE_MANY: return SERVICE_KIND_BULK;
	case RESOURCE_CREATE_ONE:
	case RESOURCE_REPLACE_ONE:
	case RESOURCE_DELETE_ONE: break;
	}
	return SERVICE_KIND_WRITE;
}

static struct service_method
service_resource_row(
    struct service_open_resource *resource, const struct service_resource_method *method)
{
	struct service_method row = {.name = method->name,
	    .input = method->input,
	    .output = method->output,
	    .kind = service_resource_kind(method->action),
	    .run = service_resource_write_run,
	    .start = method->start,
	    .closure = resource,
	    .secret = method->secret,
	    .permission = method->permission};

	if (method->action == RESOURCE_GET) {
		row.run = service_resource_get_run;
	} else if (method->action == RESOURCE_LIST) {
		row.run = service_resource_list_run;
	}
	return row;
}

static enum status_code
service_resource_add_methods(struct service_open_resource *resource,
    const struct service_resource_method *methods, size_t count, struct error *error)
{
	enum status_code status = STATUS_OK;

	resource->first_slot = resource->process->method_count;
	resource->methods = calloc(count, sizeof(*resource->methods));
	for (size_t i = 0; i < count && resource->methods != NULL && status == STATUS_OK; i++) {
		const struct service_method row = service_resource_row(resource, &methods[i]);

		status = resource_method_bind(&resource->methods[i], resource->bound,
		    methods[i].action, methods[i].input, methods[i].output, error);
		if (status == STATUS_OK && !service_add_methods(resource->process, &row, 1)) {
			status = service_resource_no_memory(error);
		}
	}
	return resource->methods == NULL ? service_resource_no_memory(error) : status;
}

/* What is done with the rows, for the metrics: bit n for enum resource_operation n. */
static unsigned
service_resource_operations(const struct service_resource *row)
{
	static const enum resource_operation of[] = {[RESOURCE_GET] = RESOURCE_OPERATION_GET,
	    [RESOURCE_LIST] = RESOURCE_OPERATION_LIST,
	    [RESOURCE_CREATE_ONE] = RESOURCE_OPERATION_CREATE,
	    [RESOURCE_CREATE_MANY] = RESOURCE_OPERATION_CREATE,
	    [RESOURCE_REPLACE_ONE] = RESOURCE_OPERATION_REPLACE,
	    [RESOURCE_REPLACE_MANY] = RESOURCE_OPERATION_REPLACE,
	    [RESOURCE_DELETE_ONE] = RESOURCE_OPERATION_DELETE};
	unsigned operations = 0;

	for (size_t i = 0; i < row->method_count; i++) {
		operations |= 1u << of[row->methods[i].action];
	}
	return operations;
}

static enum status_code
service_resource_add_checks(
    struct service_open_resource *resource, const struct service_resource *row, struct error *error)
{
	unsigned operations = service_resource_operations(row);
	const char *read = resource_check_read(resource->bound);
	const struct sql_checks checks = {
	    &read, 1, resource_check_writes(resource->bound), RESOURCE_CHECK_WRITES};

	return service_add_resource(resource->process, resource->table->name, operations) &&
		       service_add_checks(resource->process, &checks)
		   ? STATUS_OK
		   : service_resource_no_memory(error);
}

enum status_code
service_resource_open(
    struct service_process *process, const struct service_resource *row, struct error *error)
{
	struct service_open_resource *resource = calloc(1, sizeof(*resource));
	enum status_code status;

	if (resource == NULL) {
		return service_resource_no_memory(error);
	}
	resource->next = process->open_resources;
	process->open_resources = resource;
	resource->process = process;
	resource->table = row->resource;
	resource->bulk_max_items = (size_t)conf_int(process->conf, SERVICE_CONF_BULK_MAX_ITEMS);
	status = resource_bind(&resource->bound, row->resource, process->db, error);
	if (status == STATUS_OK) {
		status = service_resource_add_checks(resource, row, error);
	}
	if (status == STATUS_OK) {
		status =
		    service_resource_add_methods(resource, row->methods, row->method_count, error);
	}
	return status;
}

struct resource_bound *
service_resource_bound(const struct service_process *process, const struct resource *table)
{
	struct service_open_resource *resource = process->open_resources;

	while (resource->table != table) {
		resource = resource->next;
	}
	return resource->bound;
}

void
service_resources_close(struct service_process *process)
{
	while (process->open_resources != NULL) {
		struct service_open_resource *closed = process->open_resources;

		process->open_resources = closed->next;
		resource_unbind(&closed->bound);
		free(closed->methods);
		free(closed);
	}
}
