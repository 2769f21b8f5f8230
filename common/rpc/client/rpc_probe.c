#include "common/clock.h"
#include "common/rpc/client/rpc_channel_internal.h"
#include "common/rpc/wire/rpc_envelope.h"

/* An endpoint that was sent something and has been silent for so long is probed. */
#define RPC_SILENCE_MS       250
#define RPC_PROBE_TIMEOUT_MS 250

/* So often is an endpoint probed that is out of the rotation. */
#define RPC_PROBE_EJECTED_MS 500

/* A connection that has been silent for so long, though probed, is given up for a new one. */
#define RPC_SILENCE_MAX_MS 5000

/* So many calls in a row without an answer eject an endpoint. */
#define RPC_TIMEOUTS_MAX 3

static int64_t
rpc_probe_after(int64_t now_ns, int64_t ms)
{
	return now_ns + ms * CLOCK_NS_PER_MS;
}

static void
rpc_probe_set_timer(struct rpc_endpoint *endpoint, int64_t at_ns)
{
	rpc_channel_set_timer(endpoint->channel, &endpoint->timer, at_ns);
}

static int64_t
rpc_probe_interval_ms(const struct rpc_endpoint *endpoint)
{
	int64_t interval_ms = endpoint->channel->options.probe_interval_ms;

	return endpoint->health == RPC_HEALTH_EJECTED && interval_ms > RPC_PROBE_EJECTED_MS
		   ? RPC_PROBE_EJECTED_MS
		   : interval_ms;
}

static void
rpc_probe_eject(struct rpc_endpoint *endpoint, struct rpc_todo *todo)
{
	if (endpoint->health == RPC_HEALTH_EJECTED || !endpoint->connected) {
		return;
	}
	endpoint->health = RPC_HEALTH_EJECTED;
	endpoint->channel->stats.ejections++;
	if (endpoint->probe == NULL) {
		rpc_probe_set_timer(
		    endpoint, rpc_probe_after(todo->now_ns, rpc_probe_interval_ms(endpoint)));
	}
	rpc_endpoint_move_queued(endpoint, todo);
	rpc_endpoint_move_sent(endpoint, todo);
}

/* The health that an answer to a probe speaks of; any answer tells that the endpoint lives. */
static enum rpc_health
rpc_probe_health(const struct rpc_reply *reply)
{
	Mockvideo__Rpc__V1__HealthCheckResponse *response;
	bool serving;

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
	mockvideo__rpc__v1__health_check_response__free_unpacked(response, NULL);
	return serving ? RPC_HEALTH_SERVING : RPC_HEALTH_NOT_SERVING;
}

/* The other end may not know the connection any more, and never say so. */
static void
rpc_probe_hang_up(const struct rpc_endpoint *endpoint, int64_t now_ns)
{
	nng_pipe pipe = {endpoint->pipe};

	if (now_ns - endpoint->heard_ns > RPC_SILENCE_MAX_MS * CLOCK_NS_PER_MS) {
		nng_pipe_close(pipe);
	}
}

static void
rpc_probe_done(struct rpc_reply *reply, void *closure)
{
	struct rpc_endpoint *endpoint = closure;
	struct rpc_todo todo;

	rpc_channel_lock(endpoint->channel, &todo);
	endpoint->probe = NULL;
	if (endpoint->connected && endpoint->was_connected) {
		if (endpoint->heard_ns >= endpoint->probe_ns) {
			endpoint->health = rpc_probe_health(reply);
		} else if (reply->error.code == STATUS_DEADLINE_EXCEEDED) {
			rpc_probe_eject(endpoint, &todo);
			rpc_probe_hang_up(endpoint, todo.now_ns);
		}
		rpc_probe_set_timer(
		    endpoint, rpc_probe_after(todo.now_ns, rpc_probe_interval_ms(endpoint)));
		if (!TAILQ_EMPTY(&endpoint->in_flight)) {
			rpc_probe_watch(endpoint, todo.now_ns);
		}
	}
	if (endpoint->removed) {
		rpc_resolver_sweep(endpoint->channel->resolver);
	}
	rpc_channel_unlock(&todo);
	rpc_reply_free(&reply);
}

static void
rpc_probe_make(struct rpc_endpoint *endpoint, struct rpc_todo *todo)
{
	static const struct rpc_request request = {.method = "mockvideo.rpc.v1.Health/Check"};
	struct rpc_pending *pending = rpc_pending_acquire(endpoint->channel);

	/* Without memory there are worse worries; the next interval brings another. */
	if (pending == NULL) {
		rpc_probe_set_timer(
		    endpoint, rpc_probe_after(todo->now_ns, rpc_probe_interval_ms(endpoint)));
		return;
	}
	endpoint->probe = pending;
	endpoint->probe_ns = todo->now_ns;
	pending->probe = true;
	pending->flags = 0;
	pending->done = rpc_probe_done;
	pending->closure = endpoint;
	pending->endpoint = endpoint;
	pending->deadline_ns = rpc_probe_after(todo->now_ns, RPC_PROBE_TIMEOUT_MS);
	if (rpc_pending_pack(pending, &request)) {
		rpc_pending_start(pending, todo);
	} else {
		rpc_pending_fail(pending, todo, STATUS_RESOURCE_EXHAUSTED, "OUT_OF_MEMORY",
		    "there is no memory to send the call");
	}
}

void
rpc_probe_start(struct rpc_endpoint *endpoint, struct rpc_todo *todo)
{
	endpoint->heard_ns = todo->now_ns - 1;
	endpoint->timeouts = 0;
	/* Due at once, however short ago an earlier connection was probed or the machine started. */
	endpoint->probe_ns = rpc_probe_after(todo->now_ns, -rpc_probe_interval_ms(endpoint));
	rpc_probe_set_timer(endpoint, todo->now_ns);
}

void
rpc_probe_timeout(struct rpc_endpoint *endpoint, int64_t sent_ns, struct rpc_todo *todo)
{
	if (endpoint->heard_ns < sent_ns && ++endpoint->timeouts >= RPC_TIMEOUTS_MAX) {
		rpc_probe_eject(endpoint, todo);
	}
}

void
rpc_probe_draining(struct rpc_endpoint *endpoint)
{
	if (endpoint->health == RPC_HEALTH_SERVING) {
		endpoint->health = RPC_HEALTH_NOT_SERVING;
	}
}

void
rpc_probe_watch(struct rpc_endpoint *endpoint, int64_t now_ns)
{
	int64_t at_ns = rpc_probe_after(now_ns, RPC_SILENCE_MS);

	if (endpoint->timer.place != 0 && endpoint->timer.at_ns > at_ns) {
		rpc_probe_set_timer(endpoint, at_ns);
	}
}

static bool
rpc_probe_silent(const struct rpc_endpoint *endpoint, int64_t now_ns)
{
	const struct rpc_exchange *oldest = TAILQ_FIRST(&endpoint->in_flight);
	int64_t since_ns = now_ns - RPC_SILENCE_MS * CLOCK_NS_PER_MS;

	return oldest != NULL && oldest->sent_ns <= since_ns && endpoint->heard_ns <= since_ns;
}

void
rpc_probe_fire(struct rpc_timer *timer, void *closure)
{
	struct rpc_endpoint *endpoint =
	    (struct rpc_endpoint *)((char *)timer - offsetof(struct rpc_endpoint, timer));
	struct rpc_todo *todo = closure;
	int64_t due_ns = rpc_probe_after(endpoint->probe_ns, rpc_probe_interval_ms(endpoint));

	if (endpoint->probe != NULL || endpoint->removed || !endpoint->connected ||
	    endpoint->channel->closing) {
		return;
	}
	if (due_ns <= todo->now_ns || rpc_probe_silent(endpoint, todo->now_ns)) {
		rpc_probe_make(endpoint, todo);
		return;
	}
	rpc_probe_set_timer(endpoint, due_ns);
	if (!TAILQ_EMPTY(&endpoint->in_flight)) {
		rpc_probe_watch(endpoint, todo->now_ns);
	}
}
