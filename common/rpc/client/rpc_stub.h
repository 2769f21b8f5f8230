/*
 * A channel as a ProtobufCService, so that the functions that protoc-c
 * generates for the methods of a service make calls over it:
 *
 *	static const struct rpc_stub_method methods[] = {
 *	    {"GetUser", RPC_NO_SIDE_EFFECTS}, {"ReplaceUser", RPC_IDEMPOTENT}};
 *
 *	rpc_stub_init(&users, channel, &account__v1__user_service__descriptor, methods, 2);
 *	account__v1__user_service__get_user(&users.service, &request, got_user, data);
 *
 * The closure, here got_user, is called once for each call, from a thread of
 * the channel, and must not block. If the call cannot be made at all, without
 * memory or in a child of fork, the closure is called in the caller's thread
 * before the generated function returns; so the caller must not hold a lock
 * that the closure takes. The closure borrows the output until it returns. NULL
 * means that the call failed; rpc_stub_error says how.
 *
 * All threads may share a stub once it is set up.
 */
#ifndef COMMON_RPC_STUB_H
#define COMMON_RPC_STUB_H

#include <protobuf-c/protobuf-c.h>
#include <stddef.h>
#include <stdint.h>

#include "common/rpc/client/rpc_channel.h"

#ifdef __cplusplus
extern "C" {
#endif

struct arena;

/*
 * What the descriptors of protoc-c lack: the idempotency_level of a method, as
 * enum rpc_request_flag.
 */
struct rpc_stub_method {
	const char *name; /* "GetUser" */
	unsigned flags;
};

/*
 * Contains nothing that must be freed. The generated functions borrow it only
 * until they return. For calls with another deadline or other metadata, copy a
 * stub and change the copy.
 */
struct rpc_stub {
	ProtobufCService service; /* for the generated functions */
	struct rpc_channel *channel;
	const struct rpc_stub_method *methods;
	size_t method_count;

	/* Of each call; zeroed by rpc_stub_init, for the user to set. Borrowed. */
	uint32_t timeout_ms; /* 0: the channel's default */
	const struct rpc_metadata *metadata;
	size_t metadata_count;
};

/*
 * Sets up a stub of the service that descriptor describes. methods names those
 * that have flags: the others are never executed twice, so not retried once
 * they were sent. A name that the service does not have is a bug. channel,
 * which stays the caller's to close, and methods must outlive the stub.
 */
void rpc_stub_init(struct rpc_stub *stub, struct rpc_channel *channel,
    const ProtobufCServiceDescriptor *descriptor, const struct rpc_stub_method *methods,
    size_t method_count);

/*
 * How the call ended whose closure is running in this thread; STATUS_OK when it
 * was answered. In addition to what rpc_channel_call lists: UNAVAILABLE with
 * reason MALFORMED_REPLY when the answer is not a message of the method's
 * output type. Borrowed until the closure returns; NULL outside of a closure.
 */
const struct error *rpc_stub_error(void);

/*
 * Calls a method, "GetUser", and waits for its end. Gives the output, in
 * arena, or NULL with error filled, whose reason and violations are in arena.
 * Not to be called in a closure.
 */
ProtobufCMessage *rpc_stub_call(const struct rpc_stub *stub, const char *method,
    const ProtobufCMessage *input, struct arena *arena, struct error *error);

#ifdef __cplusplus
}
#endif

#endif
