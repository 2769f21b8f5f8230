#include <string.h>

#include "common/rpc/server/rpc_server_internal.h"

/* The whole server, which is the empty name, or one of its services. */
static bool
rpc_builtin_knows(const struct rpc_server_options *options, const char *service)
{
	const char *const *name = options->services;

	if (service[0] == '\0') {
		return true;
	}
	while (name != NULL && *name != NULL && strcmp(*name, service) != 0) {
		name++;
	}
	return name != NULL && *name != NULL;
}

static bool
rpc_builtin_serving(struct rpc_server *server)
{
	const struct rpc_server_options *options = &server->options;

	return !atomic_load(&server->draining) &&
	       (options->serving == NULL || options->serving(options->closure));
}

static void
rpc_builtin_health(struct rpc_call *call, void *closure)
{
	struct rpc_server *server = call->message->server;
	Mockvideo__Rpc__V1__HealthCheckResponse response =
	    MOCKVIDEO__RPC__V1__HEALTH_CHECK_RESPONSE__INIT;
	const Mockvideo__Rpc__V1__HealthCheckRequest *request =
	    (const Mockvideo__Rpc__V1__HealthCheckRequest *)rpc_call_request(call);
	struct error error;

	(void)closure;
	if (request == NULL) {
		return;
	}
	if (!rpc_builtin_knows(&server->options, request->service)) {
		error_set(&error, STATUS_NOT_FOUND, "UNKNOWN_SERVICE",
		    "this server has no service of that name");
		rpc_call_fail(call, &error);
		return;
	}
	response.status =
	    rpc_builtin_serving(server)
		? MOCKVIDEO__RPC__V1__HEALTH_CHECK_RESPONSE__SERVING_STATUS__SERVING
		: MOCKVIDEO__RPC__V1__HEALTH_CHECK_RESPONSE__SERVING_STATUS__NOT_SERVING;
	response.descriptors_digest = server->digest;
	rpc_call_finish(call, &response.base);
}

static void
rpc_builtin_reflection(struct rpc_call *call, void *closure)
{
	const struct rpc_server_options *options = &call->message->server->options;
	Mockvideo__Rpc__V1__GetFileDescriptorSetResponse response =
	    MOCKVIDEO__RPC__V1__GET_FILE_DESCRIPTOR_SET_RESPONSE__INIT;

	(void)closure;
	if (rpc_call_request(call) == NULL) {
		return;
	}
	response.file_descriptor_set.data = (uint8_t *)options->descriptor_set;
	response.file_descriptor_set.len = options->descriptor_set_len;
	rpc_call_finish(call, &response.base);
}

const struct rpc_method *
rpc_builtin_methods(size_t *count)
{
	static const struct rpc_method methods[] = {
	    {
		.name = "mockvideo.rpc.v1.Health/Check",
		.input = &mockvideo__rpc__v1__health_check_request__descriptor,
		.output = &mockvideo__rpc__v1__health_check_response__descriptor,
		.start = rpc_builtin_health,
	    },
	    {
		.name = "mockvideo.rpc.v1.Reflection/GetFileDescriptorSet",
		.input = &mockvideo__rpc__v1__get_file_descriptor_set_request__descriptor,
		.output = &mockvideo__rpc__v1__get_file_descriptor_set_response__descriptor,
		.start = rpc_builtin_reflection,
	    },
	};

	*count = sizeof(methods) / sizeof(methods[0]);
	return methods;
}
