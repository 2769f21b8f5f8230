/*
 * The client side of the RPC layer: a channel to a service, over any number of
 * endpoints. All threads may share a channel.
 */
#ifndef COMMON_RPC_CHANNEL_H
#define COMMON_RPC_CHANNEL_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "common/status.h"

struct arena;
struct rpc_channel;
struct rpc_pending;

struct rpc_channel_options {
	const char *endpoints; /* URLs with commas: tcp:// ipc:// inproc:// tls+tcp:// dns:/// */
	uint32_t connect_timeout_ms;
	uint32_t default_timeout_ms; /* of a call that says 0 */
	size_t reply_max_bytes;
	unsigned batch_max_calls; /* of one message; 1: each call travels alone */
	unsigned batch_in_flight; /* messages in flight to an endpoint above which calls gather */
	unsigned in_flight_max;   /* calls; one more is answered RESOURCE_EXHAUSTED */
};

enum rpc_request_flag {
	RPC_NO_SIDE_EFFECTS = 1, /* may share a message with others, may be retried */
	RPC_IDEMPOTENT = 2,      /* may be retried */
	RPC_WAIT_FOR_READY = 4   /* waits for an endpoint instead of failing at once */
};

struct rpc_metadata {
	const char *key;
	const char *value;
};

/* A call to be made. All of it is borrowed until rpc_channel_call returns. */
struct rpc_request {
	const char *method;  /* "account.v1.UserService/GetUser" */
	const uint8_t *data; /* the packed input message */
	size_t len;
	uint32_t timeout_ms; /* 0: the channel's default */
	unsigned flags;
	const struct rpc_metadata *metadata;
	size_t metadata_count;
};

/* How a call ended. Belongs to who was given it, until rpc_reply_free. */
struct rpc_reply {
	struct error error; /* code STATUS_OK: response holds the packed output message */
	const uint8_t *response;
	size_t len;
	const struct rpc_metadata *metadata;
	size_t metadata_count;
	void *owner; /* of the channel */
};

/* Gives reply to its receiver, who frees it by rpc_reply_free, in any thread. */
typedef void rpc_done_fn(struct rpc_reply *reply, void *closure);

/*
 * Gives a channel and begins to connect in the background. Fails only for a
 * list that is malformed, which error describes.
 */
enum status_code rpc_channel_open(
    struct rpc_channel **channel, const struct rpc_channel_options *options, struct error *error);

/* Fails what is in flight with CANCELLED, frees the channel and clears *channel. */
void rpc_channel_close(struct rpc_channel **channel);

/*
 * Makes a call. done is called exactly once, from a thread of the channel and
 * never within this function, and must not block. Gives a handle for
 * rpc_channel_cancel that is valid until done returns, or NULL without memory,
 * in which case done is not called.
 *
 * A call is never executed twice. UNAVAILABLE with reason OUTCOME_UNKNOWN
 * means that it may have been executed, UNAVAILABLE with another that it was
 * not; after DEADLINE_EXCEEDED it may have been.
 */
struct rpc_pending *rpc_channel_call(struct rpc_channel *channel, const struct rpc_request *request,
    rpc_done_fn *done, void *closure);

/*
 * Gives up on a call: done is called with CANCELLED unless the call has ended
 * already, and queued work is dropped. The caller sees to it that pending is
 * still valid, by a lock of its own that its done takes too.
 */
void rpc_channel_cancel(struct rpc_channel *channel, struct rpc_pending *pending);

/* Frees the reply and clears *reply. NULL is fine. */
void rpc_reply_free(struct rpc_reply **reply);

/* True when some endpoint is connected and in the rotation. */
bool rpc_channel_ready(struct rpc_channel *channel);

#endif
