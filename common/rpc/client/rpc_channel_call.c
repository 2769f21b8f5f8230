#include <string.h>

#include "common/base/clock.h"
#include "common/rpc/client/rpc_channel_internal.h"
#include "common/rpc/net/rpc_fork.h"

#define RPC_CHANNEL_RETRY_AFTER_MS 100

/* Begins the call's life, or ends it at once. */
static void
rpc_channel_admit(struct rpc_pending *pending, bool packed, struct rpc_todo *todo)
{
	struct rpc_channel *channel = pending->channel;

	if (!channel->closing && packed && channel->in_flight < channel->options.in_flight_max) {
		rpc_pending_start(pending, todo);
		return;
	}
	channel->in_flight++; /* until it ends, which is now */
	if (channel->closing) {
		rpc_pending_fail(pending, todo, STATUS_CANCELLED, "CHANNEL_CLOSED",
		    "the channel is being closed");
	} else if (!packed) {
		rpc_pending_fail(pending, todo, STATUS_RESOURCE_EXHAUSTED, "OUT_OF_MEMORY",
		    "there is no memory to send the call");
	} else {
		rpc_pending_fail(pending, todo, STATUS_RESOURCE_EXHAUSTED, "CHANNEL_FULL",
		    "too many calls are in flight; try again later");
		pending->reply.error.retry_after_ms = RPC_CHANNEL_RETRY_AFTER_MS;
	}
}

struct rpc_pending *
rpc_channel_call(struct rpc_channel *channel, const struct rpc_request *request, rpc_done_fn *done,
    void *closure)
{
	uint32_t timeout_ms =
	    request->timeout_ms == 0 ? channel->options.default_timeout_ms : request->timeout_ms;
	struct rpc_pending *pending;
	struct rpc_todo todo;
	bool packed;

	if (rpc_forked()) {
		return NULL;
	}
	pthread_mutex_lock(&channel->lock);
	pending = rpc_pending_acquire(channel);
	pthread_mutex_unlock(&channel->lock);
	if (pending == NULL) {
		return NULL;
	}
	pending->done = done;
	pending->closure = closure;
	pending->flags = request->flags;
	packed = rpc_pending_pack(pending, request);
	pending->deadline_ns = clock_now_ns() + (int64_t)timeout_ms * CLOCK_NS_PER_MS;
	if (request->cork != NULL && packed) {
		pending->state = RPC_PENDING_CORKED;
		pending->cork = request->cork;
		TAILQ_INSERT_TAIL(request->cork, pending, link);
		return pending;
	}
	rpc_channel_lock(channel, &todo);
	rpc_channel_admit(pending, packed, &todo);
	rpc_channel_unlock_deferred(&todo);
	return pending;
}

void
rpc_channel_uncork(struct rpc_channel *channel, struct rpc_cork *cork)
{
	struct rpc_pending *pending;
	struct rpc_todo todo;

	if (TAILQ_EMPTY(cork) || rpc_forked()) {
		return;
	}
	rpc_channel_lock(channel, &todo);
	todo.holding = true;
	while ((pending = TAILQ_FIRST(cork)) != NULL) {
		TAILQ_REMOVE(cork, pending, link);
		pending->state = RPC_PENDING_SPARE;
		rpc_channel_admit(pending, true, &todo);
	}
	todo.holding = false;
	rpc_channel_each_endpoint(channel, &todo, rpc_endpoint_flush);
	rpc_channel_unlock_deferred(&todo);
}

void
rpc_channel_cancel(struct rpc_channel *channel, struct rpc_pending *pending)
{
	struct rpc_todo todo;

	if (rpc_forked()) {
		return;
	}
	rpc_channel_lock(channel, &todo);
	if (pending->state != RPC_PENDING_ENDED) {
		channel->in_flight += pending->state == RPC_PENDING_CORKED;
		rpc_pending_abandon(pending, true, &todo);
		rpc_pending_fail(pending, &todo, STATUS_CANCELLED, "CANCELLED",
		    "the caller gave up on the call");
	}
	rpc_channel_unlock_deferred(&todo);
}

void
rpc_reply_free(struct rpc_reply **reply)
{
	if (*reply != NULL && !rpc_forked()) {
		rpc_pending_release((*reply)->owner);
	}
	*reply = NULL;
}

static bool
rpc_channel_serving(const struct rpc_endpoint *endpoint)
{
	return endpoint->conn != NULL && endpoint->health == RPC_HEALTH_SERVING;
}

bool
rpc_channel_ready(struct rpc_channel *channel)
{
	bool ready = false;

	if (rpc_forked()) {
		return false;
	}
	pthread_mutex_lock(&channel->lock);
	for (size_t i = 0; i < channel->endpoint_count && !ready; i++) {
		ready = rpc_channel_serving(channel->endpoints[i]);
	}
	pthread_mutex_unlock(&channel->lock);
	return ready;
}

void
rpc_channel_get_stats(struct rpc_channel *channel, struct rpc_channel_stats *stats)
{
	if (rpc_forked()) {
		memset(stats, 0, sizeof(*stats));
		return;
	}
	pthread_mutex_lock(&channel->lock);
	*stats = channel->stats;
	stats->in_flight = channel->in_flight;
	stats->endpoints = channel->endpoint_count;
	for (size_t i = 0; i < channel->endpoint_count; i++) {
		stats->endpoints_connected += channel->endpoints[i]->conn != NULL;
		stats->endpoints_serving += rpc_channel_serving(channel->endpoints[i]);
	}
	pthread_mutex_unlock(&channel->lock);
}

static enum rpc_endpoint_state
rpc_channel_endpoint_state(const struct rpc_endpoint *endpoint)
{
	if (endpoint->conn == NULL) {
		return RPC_ENDPOINT_CONNECTING;
	}
	switch (endpoint->health) {
	case RPC_HEALTH_SERVING: return RPC_ENDPOINT_SERVING;
	case RPC_HEALTH_NOT_SERVING: return RPC_ENDPOINT_NOT_SERVING;
	case RPC_HEALTH_EJECTED: break;
	}
	return RPC_ENDPOINT_EJECTED;
}

void
rpc_channel_visit_endpoints(struct rpc_channel *channel,
    void (*visit)(const struct rpc_endpoint_status *status, void *closure), void *closure)
{
	if (rpc_forked()) {
		return;
	}
	pthread_mutex_lock(&channel->lock);
	for (size_t i = 0; i < channel->endpoint_count; i++) {
		const struct rpc_endpoint *endpoint = channel->endpoints[i];
		const struct rpc_endpoint_status status = {.url = endpoint->url,
		    .state = rpc_channel_endpoint_state(endpoint),
		    .in_flight = endpoint->load,
		    .descriptors_digest = endpoint->digest_known ? endpoint->digest : NULL};

		visit(&status, closure);
	}
	pthread_mutex_unlock(&channel->lock);
}
