#include "common/rpc/client/rpc_channel_internal.h"

/* How willingly an endpoint is given a call; 0: not at all. */
static unsigned
rpc_balancer_rank(const struct rpc_endpoint *endpoint, const struct rpc_endpoint *avoid)
{
	unsigned rank = 0;

	if (!endpoint->connected || !endpoint->was_connected) {
		return 0;
	}
	switch (endpoint->health) {
	case RPC_HEALTH_SERVING: rank = 5; break;
	case RPC_HEALTH_NOT_SERVING: rank = 3; break;
	case RPC_HEALTH_EJECTED: rank = 1; break;
	}
	return endpoint == avoid ? rank : rank + 1;
}

/* The number-th endpoint, from 0, of those with a rank. */
static struct rpc_endpoint *
rpc_balancer_find(
    struct rpc_channel *channel, const struct rpc_endpoint *avoid, unsigned rank, size_t number)
{
	for (size_t i = 0; i < channel->endpoint_count; i++) {
		struct rpc_endpoint *endpoint = channel->endpoints[i];

		if (rpc_balancer_rank(endpoint, avoid) == rank && number-- == 0) {
			return endpoint;
		}
	}
	return NULL;
}

/*
 * Where none is in the rotation, one that is not is tried after all: it may
 * be better than it seems, and the call is lost otherwise.
 */
struct rpc_endpoint *
rpc_balancer_pick(struct rpc_channel *channel, const struct rpc_endpoint *avoid)
{
	struct rpc_endpoint *one;
	struct rpc_endpoint *other;
	unsigned best = 0;
	size_t count = 0;
	size_t first;

	for (size_t i = 0; i < channel->endpoint_count; i++) {
		unsigned rank = rpc_balancer_rank(channel->endpoints[i], avoid);

		if (rank > best) {
			best = rank;
			count = 0;
		}
		count += rank == best;
	}
	if (best == 0) {
		return NULL;
	}
	first = rpc_channel_random(channel, count);
	one = rpc_balancer_find(channel, avoid, best, first);
	if (count == 1) {
		return one;
	}
	other = rpc_balancer_find(
	    channel, avoid, best, (first + 1 + rpc_channel_random(channel, count - 1)) % count);
	return other->load < one->load ? other : one;
}
