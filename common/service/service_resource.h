/*
 * The methods of a resource, in a service: requests are read, done by the
 * workers together with those that wait, and answered. See
 * common/resource/resource.h.
 *
 *	READ -> [prepared by the service's own threads] -> QUEUED -> done -> answered
 */
#ifndef COMMON_SERVICE_RESOURCE_H
#define COMMON_SERVICE_RESOURCE_H

#include "common/resource/resource_job.h"
#include "common/service/service.h"

/* A row of the table of a resource's methods. */
struct service_resource_method {
	const char *name; /* "account.v1.UserService/GetUser" */
	enum resource_action action;
	const ProtobufCMessageDescriptor *input, *output;
	bool secret;            /* as in rpc_method */
	const char *permission; /* as in rpc_method; may be NULL */

	/*
	 * Called instead of queueing the call, for work of the service's own
	 * threads on the rows before they are written; see
	 * service_resource_read. Must not block. NULL: none.
	 */
	void (*start)(struct rpc_call *call, void *closure);
};

/* A resource of a service, for struct service. */
struct service_resource {
	const struct resource *resource;
	const struct service_resource_method *methods;
	size_t method_count;
};

/*
 * The resource as it is bound to the database of the process, for hooks and methods
 * of the service's own. It must be one of struct service.
 */
struct resource_bound *service_resource_bound(
    const struct service_process *process, const struct resource *resource);

/*
 * For a start of the service's own, later and in any thread: reads and checks
 * the request. The job is in the call's arena; its rows have the secrets in
 * clear, and its writes want to have what is stored of them. Then the call is to be
 * queued by service_start_queued, or failed by service_resource_fail. NULL: the call
 * has been failed.
 */
struct resource_job *service_resource_read(struct rpc_call *call);

/* Overwrites the secrets that are left, and fails the call. */
void service_resource_fail(struct rpc_call *call, const struct error *error);

#endif
