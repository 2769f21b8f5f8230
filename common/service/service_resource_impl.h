/* What service_resource.c, which opens resources, and service_resource_run.c, which does their work, share. */
#ifndef COMMON_SERVICE_RESOURCE_IMPL_H
#define COMMON_SERVICE_RESOURCE_IMPL_H

#include "common/service/service_internal.h"
#include "common/service/service_resource.h"

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

enum status_code service_resource_no_memory(struct error *error);

/* The run of the methods with an action; see struct service_method. */
void service_resource_get_run(struct service_worker *worker, struct rpc_call **calls, size_t count);
void service_resource_get_many_run(
    struct service_worker *worker, struct rpc_call **calls, size_t count);
void service_resource_list_run(
    struct service_worker *worker, struct rpc_call **calls, size_t count);
void service_resource_write_run(
    struct service_worker *worker, struct rpc_call **calls, size_t count);

#endif
