#include <stdio.h>

#include "common/base/clock.h"
#include "common/rpc/client/rpc_channel_internal.h"

/* An endpoint that was sent something and has been silent for so long is probed. */
#define RPC_SILENCE_MS       250
#define RPC_PROBE_TIMEOUT_MS 250

/* So often is an endpoint probed that is out of the rotation. */
#define RPC_PROBE_EJECTED_MS 500

/* A connection that has been silent for so long, though probed, is given up for a new one. */
#define RPC_SILENCE_MAX_MS 5000

/* So many calls in a row without an answer eject an endpoint. */
#define RPC_TIMEOUTS_MAX 3

/* Who is given a call. */

/* How willingly an endpoint is given a call; 0: not at all. */
static unsigned
rpc_rotation_rank(const struct rpc_endpoint *endpoint, const struct rpc_endpoint *avoid)
{
	unsigned rank = 0;

	if (endpoint->conn == NULL) {
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
rpc_rotation_find(
    struct rpc_channel *channel, const struct rpc_endpoint *avoid, unsigned rank, size_t number)
{
	for (size_t i = 0; i < channel->endpoint_count; i++) {
		struct rpc_endpoint *endpoint = channel->endpoints[i];

		if (rpc_rotation_rank(endpoint, avoid) == rank && number-- == 0) {
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
rpc_rotation_pick(struct rpc_channel *channel, const struct rpc_endpoint *avoid)
{
	struct rpc_endpoint *one;
	struct rpc_endpoint *other;
	unsigned best = 0;
	size_t count = 0;
	size_t first;

	for (size_t i = 0; i < channel->endpoint_count; i++) {
		unsigned rank = rpc_rotation_rank(channel->endpoints[i], avoid);

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
	one = rpc_rotation_find(channel, avoid, best, first);
	if (count == 1) {
		return one;
	}
	other = rpc_rotation_find(
	    channel, avoid, best, (first + 1 + rpc_channel_random(channel, count - 1)) % count);
	return other->load < one->load ? other : one;
}

/* Who is in the rotation. */

static int64_t
rpc_rotation_after(int64_t now_ns, int64_t ms)
{
	return now_ns + ms * CLOCK_NS_PER_MS;
}

static void
rpc_rotation_set_timer(struct rpc_endpoint *endpoint, int64_t at_ns)
{
	rpc_channel_set_timer(endpoint->channel, &endpoint->timer, at_ns);
}

static int64_t
rpc_rotation_interval_ms(const struct rpc_endpoint *endpoint)
{
	int64_t interval_ms = endpoint->channel->options.probe_interval_ms;

	return endpoint->health == RPC_HEALTH_EJECTED && interval_ms > RPC_PROBE_EJECTED_MS
		   ? RPC_PROBE_EJECTED_MS
		   : interval_ms;
}

static void
rpc_rotation_eject(struct rpc_endpoint *endpoint, struct rpc_todo *todo)
{
	if (endpoint->health == RPC_HEALTH_EJECTED || endpoint->conn == NULL) {
		return;
	}
	endpoint->health = RPC_HEALTH_EJECTED;
	endpoint->channel->stats.ejections++;
	if (endpoint->probe == NULL) {
		rpc_rotation_set_timer(
		    endpoint, rpc_rotation_after(todo->now_ns, rpc_rotation_interval_ms(endpoint)));
	}
	rpc_endpoint_move_queued(endpoint, todo);
	rpc_endpoint_move_sent(endpoint, todo);
}

/* The health that an answer to a probe speaks of; any answer tells that the endpoint lives. */
static enum rpc_health
rpc_rotation_health(struct rpc_endpoint *endpoint, const struct rpc_reply *reply)
{
	Mockvideo__Rpc__V1__HealthCheckResponse *response;
	bool serving;

	endpoint->digest_known = true;
	endpoint->digest[0] = '\0';
	if (reply->error.code != STATUS_OK) {
		return reply->error.code == STATUS_UNAVAILABLE ? RPC_HEALTH_NOT_SERVING
							       : RPC_HEALTH_SERVING;
	}
	response =
	    mockvideo__rpc__v1__health_check_response__unpack(NULL, reply->len, reply->response);
	if (response == NULL) {
		return RPC_HEALTH_NOT_SERVING;
	}
	serving =
	    response->status == MOCKVIDEO__RPC__V1__HEALTH_CHECK_RESPONSE__SERVING_STATUS__SERVING;
	snprintf(endpoint->digest, sizeof(endpoint->digest), "%s", response->descriptors_digest);
	mockvideo__rpc__v1__health_check_response__free_unpacked(response, NULL);
	return serving ? RPC_HEALTH_SERVING : RPC_HEALTH_NOT_SERVING;
}

/* The other end may not know the connection any more, and never say so. */
static void
rpc_rotation_hang_up(const struct rpc_endpoint *endpoint, int64_t now_ns)
{
	if (now_ns - endpoint->heard_ns > RPC_SILENCE_MAX_MS * CLOCK_NS_PER_MS) {
		rpc_conn_close(endpoint->conn, RPC_CAUSE_LOST);
	}
}

static void rpc_rotation_probe(struct rpc_endpoint *endpoint, struct rpc_todo *todo);

static void
rpc_rotation_done(struct rpc_reply *reply, void *closure)
{
	struct rpc_endpoint *endpoint = closure;
	struct rpc_todo todo;

	rpc_channel_lock(endpoint->channel, &todo);
	endpoint->probe = NULL;
	if (endpoint->conn == NULL || endpoint->channel->closing) {
		/* The next connection is looked at when it is there. */
	} else if (endpoint->probe_ns < endpoint->connected_ns) {
		rpc_rotation_probe(endpoint, &todo); /* this was of the connection before */
	} else {
		if (endpoint->heard_ns >= endpoint->probe_ns) {
			endpoint->health = rpc_rotation_health(endpoint, reply);
		} else if (reply->error.code == STATUS_DEADLINE_EXCEEDED) {
			rpc_rotation_eject(endpoint, &todo);
			rpc_rotation_hang_up(endpoint, todo.now_ns);
		}
		rpc_rotation_set_timer(
		    endpoint, rpc_rotation_after(todo.now_ns, rpc_rotation_interval_ms(endpoint)));
		if (!TAILQ_EMPTY(&endpoint->in_flight)) {
			rpc_rotation_watch(endpoint, todo.now_ns);
		}
	}
	if (endpoint->removed) {
		rpc_channel_kick(endpoint->channel); /* which may close it now */
	}
	rpc_channel_unlock(&todo);
	rpc_reply_free(&reply);
}

static void
rpc_rotation_probe(struct rpc_endpoint *endpoint, struct rpc_todo *todo)
{
	static const struct rpc_request request = {.method = "mockvideo.rpc.v1.Health/Check"};
	struct rpc_pending *pending = rpc_pending_acquire(endpoint->channel);

	/* Without memory there are worse worries; the next interval brings another. */
	if (pending == NULL) {
		rpc_rotation_set_timer(
		    endpoint, rpc_rotation_after(todo->now_ns, rpc_rotation_interval_ms(endpoint)));
		return;
	}
	endpoint->probe = pending;
	endpoint->probe_ns = todo->now_ns;
	pending->probe = true;
	pending->flags = 0;
	pending->done = rpc_rotation_done;
	pending->closure = endpoint;
	pending->endpoint = endpoint;
	pending->deadline_ns = rpc_rotation_after(todo->now_ns, RPC_PROBE_TIMEOUT_MS);
	if (rpc_pending_pack(pending, &request)) {
		rpc_pending_start(pending, todo);
	} else {
		rpc_pending_fail(pending, todo, STATUS_RESOURCE_EXHAUSTED, "OUT_OF_MEMORY",
		    "there is no memory to send the call");
	}
}

void
rpc_rotation_connected(struct rpc_endpoint *endpoint, struct rpc_todo *todo)
{
	endpoint->health = RPC_HEALTH_NOT_SERVING; /* until it says that it serves */
	endpoint->connected_ns = todo->now_ns;
	endpoint->heard_ns = todo->now_ns - 1;
	endpoint->timeouts = 0;
	endpoint->digest_known = false;
	if (endpoint->probe == NULL && !endpoint->removed && !endpoint->channel->closing) {
		rpc_rotation_probe(endpoint, todo);
	}
}

void
rpc_rotation_timeout(struct rpc_endpoint *endpoint, int64_t sent_ns, struct rpc_todo *todo)
{
	if (endpoint->heard_ns < sent_ns && ++endpoint->timeouts >= RPC_TIMEOUTS_MAX) {
		rpc_rotation_eject(endpoint, todo);
	}
}

void
rpc_rotation_draining(struct rpc_endpoint *endpoint)
{
	if (endpoint->health == RPC_HEALTH_SERVING) {
		endpoint->health = RPC_HEALTH_NOT_SERVING;
	}
}

void
rpc_rotation_watch(struct rpc_endpoint *endpoint, int64_t now_ns)
{
	int64_t at_ns = rpc_rotation_after(now_ns, RPC_SILENCE_MS);

	if (endpoint->timer.place != 0 && endpoint->timer.at_ns > at_ns) {
		rpc_rotation_set_timer(endpoint, at_ns);
	}
}

static bool
rpc_rotation_silent(const struct rpc_endpoint *endpoint, int64_t now_ns)
{
	const struct rpc_exchange *oldest = TAILQ_FIRST(&endpoint->in_flight);
	int64_t since_ns = now_ns - RPC_SILENCE_MS * CLOCK_NS_PER_MS;

	return oldest != NULL && oldest->sent_ns <= since_ns && endpoint->heard_ns <= since_ns;
}

void
rpc_rotation_fire(struct rpc_timer *timer, void *closure)
{
	struct rpc_endpoint *endpoint =
	    (struct rpc_endpoint *)((char *)timer - offsetof(struct rpc_endpoint, timer));
	struct rpc_todo *todo = closure;
	int64_t due_ns = rpc_rotation_after(endpoint->probe_ns, rpc_rotation_interval_ms(endpoint));

	if (endpoint->probe != NULL || endpoint->removed || endpoint->conn == NULL ||
	    endpoint->channel->closing) {
		return;
	}
	if (due_ns <= todo->now_ns || rpc_rotation_silent(endpoint, todo->now_ns)) {
		rpc_rotation_probe(endpoint, todo);
		return;
	}
	rpc_rotation_set_timer(endpoint, due_ns);
	if (!TAILQ_EMPTY(&endpoint->in_flight)) {
		rpc_rotation_watch(endpoint, todo->now_ns);
	}
}
