#include <stdlib.h>

#include "common/service/service_resource_impl.h"

enum status_code
service_resource_no_memory(struct error *error)
{
	return error_set(error, STATUS_RESOURCE_EXHAUSTED, "OUT_OF_MEMORY", "out of memory");
}

static enum service_kind
service_resource_kind(enum resource_action action)
{
	switch (action) {
	case RESOURCE_GET: return SERVICE_KIND_GET;
	case RESOURCE_LIST:
	case RESOURCE_GET_MANY: return SERVICE_KIND_LIST;
	case RESOURCE_CREATE_MANY:
	case RESOURCE_REPLACE_MANY:
	case RESOURCE_DELETE_MANY: return SERVICE_KIND_BULK;
	case RESOURCE_CREATE_ONE:
	case RESOURCE_REPLACE_ONE:
	case RESOURCE_UPDATE_ONE:
	case RESOURCE_DELETE_ONE:
	case RESOURCE_ACTIONS: break;
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
	} else if (method->action == RESOURCE_GET_MANY) {
		row.run = service_resource_get_many_run;
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
	    [RESOURCE_UPDATE_ONE] = RESOURCE_OPERATION_UPDATE,
	    [RESOURCE_GET_MANY] = RESOURCE_OPERATION_GET,
	    [RESOURCE_DELETE_ONE] = RESOURCE_OPERATION_DELETE,
	    [RESOURCE_DELETE_MANY] = RESOURCE_OPERATION_DELETE};
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
