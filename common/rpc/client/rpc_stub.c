#include "common/rpc/client/rpc_stub.h"

#include <assert.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/base/arena.h"
#include "common/rpc/client/rpc_sync.h"
#include "common/rpc/net/rpc_fork.h"
#include "common/rpc/wire/rpc_envelope.h"
#include "common/rpc/wire/rpc_text.h"

/* A call in flight: what is needed when its answer comes. */
struct rpc_stub_call {
	const ProtobufCMessageDescriptor *output;
	ProtobufCClosure closure;
	void *data;
};

/* The request of a call, with what it borrows. */
struct rpc_stub_request {
	struct rpc_request request;
	char method[RPC_METHOD_MAX_BYTES + 1];
};

static _Thread_local const struct error *rpc_stub_ended;

const struct error *
rpc_stub_error(void)
{
	return rpc_stub_ended;
}

/* A closure may make a call that fails at once: then this is called within itself. */
static void
rpc_stub_deliver(
    const struct rpc_stub_call *call, const ProtobufCMessage *output, const struct error *error)
{
	const struct error *outer = rpc_stub_ended;

	rpc_stub_ended = error;
	call->closure(output, call->data);
	rpc_stub_ended = outer;
}

static enum status_code
rpc_stub_no_memory(struct error *error)
{
	return error_set(
	    error, STATUS_RESOURCE_EXHAUSTED, "OUT_OF_MEMORY", "there is no memory for the call");
}

static unsigned
rpc_stub_flags(const struct rpc_stub *stub, const char *method)
{
	for (size_t i = 0; i < stub->method_count; i++) {
		if (strcmp(stub->methods[i].name, method) == 0) {
			return stub->methods[i].flags;
		}
	}
	return 0;
}

static void
rpc_stub_request_init(struct rpc_stub_request *made, const struct rpc_stub *stub,
    const ProtobufCMethodDescriptor *method, const ProtobufCMessage *input)
{
	int written = snprintf(made->method, sizeof(made->method), "%s/%s",
	    stub->service.descriptor->name, method->name);

	assert(written > 0 && (size_t)written < sizeof(made->method));
	assert(input->descriptor == method->input);
	made->request = (struct rpc_request){.method = made->method,
	    .message = input,
	    .timeout_ms = stub->timeout_ms,
	    .flags = rpc_stub_flags(stub, method->name),
	    .metadata = stub->metadata,
	    .metadata_count = stub->metadata_count};
}

/* The output of a call that may have failed. NULL, and reply->error filled, when there is none. */
static ProtobufCMessage *
rpc_stub_unpack(
    struct rpc_reply *reply, const ProtobufCMessageDescriptor *type, struct arena *arena)
{
	const ProtobufCFieldDescriptor *fault;
	ProtobufCMessage *output;

	if (reply->error.code != STATUS_OK) {
		return NULL;
	}
	output =
	    protobuf_c_message_unpack(type, arena_protobuf(arena), reply->len, reply->response);
	if (output == NULL ||
	    !rpc_text_check(type, (struct rpc_span){reply->response, reply->len}, &fault)) {
		error_set(&reply->error, STATUS_UNAVAILABLE, "MALFORMED_REPLY",
		    "the service gave an answer that can't be read");
		return NULL;
	}
	return output;
}

static void
rpc_stub_done(struct rpc_reply *reply, void *closure)
{
	struct rpc_stub_call *call = closure;
	struct arena *arena = arena_new(0);
	ProtobufCMessage *output = NULL;

	if (arena == NULL) {
		rpc_stub_no_memory(&reply->error);
	} else {
		output = rpc_stub_unpack(reply, call->output, arena);
	}
	rpc_stub_deliver(call, output, &reply->error);
	arena_free(&arena);
	rpc_reply_free(&reply);
	free(call);
}

static bool
rpc_stub_start(const struct rpc_stub *stub, const ProtobufCMethodDescriptor *method,
    const ProtobufCMessage *input, const struct rpc_stub_call *made)
{
	struct rpc_stub_call *call = malloc(sizeof(*call));
	struct rpc_stub_request request;
	bool started;

	if (call == NULL) {
		return false;
	}
	rpc_stub_request_init(&request, stub, method, input);
	*call = *made;
	started = rpc_channel_call(stub->channel, &request.request, rpc_stub_done, call) != NULL;
	if (!started) {
		free(call);
	}
	return started;
}

static void
rpc_stub_invoke(ProtobufCService *service, unsigned index, const ProtobufCMessage *input,
    ProtobufCClosure closure, void *data)
{
	const struct rpc_stub *stub = (const struct rpc_stub *)service;
	const ProtobufCMethodDescriptor *method = &service->descriptor->methods[index];
	const struct rpc_stub_call call = {method->output, closure, data};

	if (!rpc_stub_start(stub, method, input, &call)) {
		struct error error;

		rpc_fork_refuse(&error);
		rpc_stub_deliver(&call, NULL, &error);
	}
}

/* For protobuf_c_service_destroy: a stub holds nothing. */
static void
rpc_stub_destroy(ProtobufCService *service)
{
	(void)service;
}

void
rpc_stub_init(struct rpc_stub *stub, struct rpc_channel *channel,
    const ProtobufCServiceDescriptor *descriptor, const struct rpc_stub_method *methods,
    size_t method_count)
{
	for (size_t i = 0; i < method_count; i++) {
		assert(protobuf_c_service_descriptor_get_method_by_name(
			   descriptor, methods[i].name) != NULL);
	}
	*stub = (struct rpc_stub){.service = {descriptor, rpc_stub_invoke, rpc_stub_destroy},
	    .channel = channel,
	    .methods = methods,
	    .method_count = method_count};
}

/* Makes error what from says, with all that it borrows copied into arena. */
static void
rpc_stub_copy_error(struct error *error, const struct error *from, struct arena *arena)
{
	*error = *from;
	error->reason = from->reason == NULL ? NULL : arena_strdup(arena, from->reason);
	error->violations = NULL;
	error->violation_count = 0;
	for (size_t i = 0; i < from->violation_count; i++) {
		error_violation(
		    error, arena, from->violations[i].field, "%s", from->violations[i].description);
	}
}

ProtobufCMessage *
rpc_stub_call(const struct rpc_stub *stub, const char *name, const ProtobufCMessage *input,
    struct arena *arena, struct error *error)
{
	const ProtobufCMethodDescriptor *method =
	    protobuf_c_service_descriptor_get_method_by_name(stub->service.descriptor, name);
	struct rpc_stub_request request;
	struct rpc_reply *reply;
	ProtobufCMessage *output;

	assert(method != NULL);
	rpc_stub_request_init(&request, stub, method, input);
	reply = rpc_sync_call(stub->channel, &request.request);
	if (reply == NULL) {
		rpc_fork_refuse(error);
		return NULL;
	}
	output = rpc_stub_unpack(reply, method->output, arena);
	rpc_stub_copy_error(error, &reply->error, arena);
	rpc_reply_free(&reply);
	return output;
}
