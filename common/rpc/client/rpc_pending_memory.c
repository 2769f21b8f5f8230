#include <stdlib.h>
#include <string.h>

#include "common/base/arena.h"
#include "common/rpc/client/rpc_channel_internal.h"

/* Spare calls and the memory of each that are kept. */
#define RPC_PENDING_SPARE_MAX  1024
#define RPC_PENDING_KEEP_BYTES 4096

/* Called with the lock. Gives a call that counts as allocated, without its members. */
static struct rpc_pending *
rpc_pending_new(struct rpc_channel *channel)
{
	struct rpc_pending *pending;

	if (!rpc_channel_reserve_timers(channel, 1)) {
		return NULL;
	}
	pending = calloc(1, sizeof(*pending));
	if (pending == NULL) {
		channel->timer_owners--;
		return NULL;
	}
	pending->channel = channel;
	pending->reply.owner = pending;
	pending->timer.fire = rpc_pending_fire;
	return pending;
}

void
rpc_pending_free(struct rpc_pending **pending)
{
	rpc_pending_reset_reply(*pending);
	arena_free(&(*pending)->arena);
	free((*pending)->memory);
	free(*pending);
	*pending = NULL;
}

struct rpc_pending *
rpc_pending_acquire(struct rpc_channel *channel)
{
	struct rpc_pending *pending = TAILQ_FIRST(&channel->spare);

	if (pending != NULL) {
		TAILQ_REMOVE(&channel->spare, pending, link);
		channel->spare_count--;
	} else {
		pending = rpc_pending_new(channel);
	}
	if (pending != NULL) {
		channel->live++;
		channel->lent++;
		pending->probe = false;
		pending->exchange = NULL;
	}
	return pending;
}

struct arena *
rpc_pending_arena(struct rpc_pending *pending)
{
	if (pending->arena == NULL) {
		/* The reply's size is limited already; texts and metadata take but a few times it. */
		pending->arena = arena_new(0);
	}
	return pending->arena;
}

void
rpc_pending_reset_reply(struct rpc_pending *pending)
{
	struct rpc_reply *reply = &pending->reply;

	rpc_block_release(&pending->block);
	if (pending->arena != NULL && arena_used(pending->arena) > RPC_PENDING_KEEP_BYTES) {
		arena_free(&pending->arena);
	} else if (pending->arena != NULL) {
		arena_reset(pending->arena);
	}
	/* Not all of the error, whose texts are large. */
	reply->error.code = STATUS_OK;
	reply->error.reason = NULL;
	reply->error.message[0] = reply->error.detail[0] = '\0';
	reply->error.retry_after_ms = 0;
	reply->error.violations = NULL;
	reply->error.violation_count = 0;
	reply->response = NULL;
	reply->len = 0;
	reply->metadata = NULL;
	reply->metadata_count = 0;
}

void
rpc_pending_set_error(
    struct rpc_pending *pending, enum status_code code, const char *reason, const char *message)
{
	rpc_pending_reset_reply(pending);
	error_set(&pending->reply.error, code, reason, "%s", message);
}

/* The one place in which a request stays in a channel, however its call ended. */
static void
rpc_pending_forget_request(struct rpc_pending *pending)
{
	if ((pending->flags & RPC_SECRET) != 0 && pending->packed_len > 0) {
		explicit_bzero(pending->memory + RPC_CALL_HEAD_MAX, pending->packed_len);
	}
	pending->packed_len = 0;
	if (pending->capacity > RPC_PENDING_KEEP_BYTES) {
		free(pending->memory);
		pending->memory = NULL;
		pending->capacity = 0;
	}
}

void
rpc_pending_release(struct rpc_pending *pending)
{
	struct rpc_channel *channel = pending->channel;
	bool last;

	rpc_pending_reset_reply(pending);
	rpc_pending_forget_request(pending);
	pthread_mutex_lock(&channel->lock);
	pending->state = RPC_PENDING_SPARE;
	if (channel->spare_count < RPC_PENDING_SPARE_MAX) {
		TAILQ_INSERT_HEAD(&channel->spare, pending, link);
		channel->spare_count++;
		pending = NULL;
	} else {
		channel->timer_owners--;
	}
	last = --channel->lent == 0 && channel->closed;
	pthread_mutex_unlock(&channel->lock);
	if (pending != NULL) {
		rpc_pending_free(&pending);
	}
	if (last) {
		rpc_channel_free(channel);
	}
}

bool
rpc_pending_pack(struct rpc_pending *pending, const struct rpc_request *request)
{
	const ProtobufCMessage *message = request->message;
	size_t request_len =
	    message == NULL ? request->len : protobuf_c_message_get_packed_size(message);
	size_t len =
	    rpc_call_size(request->method, request_len, request->metadata, request->metadata_count);
	size_t size = RPC_CALL_HEAD_MAX + len + RPC_CALL_TAIL_MAX;
	uint8_t *at;

	if (size > pending->capacity) {
		free(pending->memory);
		pending->memory = malloc(size);
		pending->capacity = pending->memory == NULL ? 0 : size;
		if (pending->memory == NULL) {
			return false;
		}
	}
	at = rpc_call_put(pending->memory + RPC_CALL_HEAD_MAX, request->method, request_len,
	    request->metadata, request->metadata_count);
	if (message != NULL) {
		protobuf_c_message_pack(message, at);
	} else if (request_len > 0) {
		memcpy(at, request->data, request_len);
	}
	pending->packed_len = len;
	return true;
}
