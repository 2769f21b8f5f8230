#include <stdlib.h>
#include <string.h>

#include "common/base/clock.h"
#include "common/rpc/client/rpc_channel_internal.h"
#include "common/rpc/net/rpc_dialer.h"

#define RPC_ENDPOINT_TIMERS 2

static void rpc_endpoint_stalled(struct rpc_timer *timer, void *todo);

/* Opening and closing. */

static void
rpc_endpoint_free(struct rpc_endpoint *endpoint)
{
	struct rpc_exchange *exchange;

	while ((exchange = TAILQ_FIRST(&endpoint->spare)) != NULL) {
		TAILQ_REMOVE(&endpoint->spare, exchange, link);
		free(exchange);
	}
	free(endpoint->url);
	free(endpoint);
}

static struct rpc_endpoint *
rpc_endpoint_new(struct rpc_channel *channel, const char *url)
{
	struct rpc_endpoint *endpoint = calloc(1, sizeof(*endpoint));

	if (endpoint == NULL) {
		return NULL;
	}
	endpoint->channel = channel;
	endpoint->timer.fire = rpc_rotation_fire;
	endpoint->stall.fire = rpc_endpoint_stalled;
	TAILQ_INIT(&endpoint->in_flight);
	TAILQ_INIT(&endpoint->spare);
	for (size_t i = 0; i < RPC_GROUPS; i++) {
		TAILQ_INIT(&endpoint->groups[i].queue);
		endpoint->groups[i].slow = i >= RPC_GROUPS / 2;
	}
	endpoint->url = strdup(url);
	if (endpoint->url == NULL || !rpc_channel_reserve_timers(channel, RPC_ENDPOINT_TIMERS)) {
		rpc_endpoint_free(endpoint);
		return NULL;
	}
	return endpoint;
}

enum status_code
rpc_endpoint_open(struct rpc_endpoint **endpoint, struct rpc_channel *channel, const char *url,
    const char *name, struct error *error)
{
	struct rpc_endpoint *opened = rpc_endpoint_new(channel, url);
	const struct rpc_dialer_options options = {
	    .url = url, .tls = channel->options.tls, .tls_name = name, .user = opened};
	enum status_code code;

	*endpoint = NULL;
	if (opened == NULL) {
		return error_set(error, STATUS_RESOURCE_EXHAUSTED, "OUT_OF_MEMORY", "no memory");
	}
	code = rpc_dialer_open(&opened->dialer, channel->net, &options, error);
	if (code != STATUS_OK) {
		channel->timer_owners -= RPC_ENDPOINT_TIMERS;
		rpc_endpoint_free(opened);
		return code;
	}
	*endpoint = opened;
	return STATUS_OK;
}

void
rpc_endpoint_close(struct rpc_endpoint **endpoint)
{
	struct rpc_endpoint *closed = *endpoint;
	struct rpc_channel *channel = closed->channel;

	*endpoint = NULL;
	rpc_dialer_close(&closed->dialer);
	pthread_mutex_lock(&channel->lock);
	rpc_timer_clear(&channel->timers, &closed->timer);
	rpc_timer_clear(&channel->timers, &closed->stall);
	channel->timer_owners -= RPC_ENDPOINT_TIMERS;
	pthread_mutex_unlock(&channel->lock);
	rpc_endpoint_free(closed);
}

bool
rpc_endpoint_idle(const struct rpc_endpoint *endpoint)
{
	return endpoint->load == 0 && endpoint->probe == NULL;
}

/* What gathers, and when it leaves. */

struct rpc_group *
rpc_endpoint_group(struct rpc_endpoint *endpoint, const struct rpc_pending *pending)
{
	if (pending->probe || (pending->flags & RPC_ALONE) != 0 ||
	    endpoint->channel->options.batch_max_calls == 1) {
		return NULL;
	}
	return &endpoint->groups[((pending->flags & RPC_SLOW) != 0 ? RPC_GROUPS / 2 : 0) +
				 ((pending->flags & RPC_NO_SIDE_EFFECTS) != 0 ? 1 : 0)];
}

/*
 * How many calls may share a message. Of slow ones as many as the service
 * answers, by what it did of late, in the time after which no call waits for
 * others any more: where hashing a password takes a millisecond they share
 * messages, and where it takes ten each of them is answered by itself.
 */
static size_t
rpc_endpoint_calls_max(const struct rpc_endpoint *endpoint, const struct rpc_group *group)
{
	const struct rpc_channel_options *options = &endpoint->channel->options;
	double most = options->batch_max_calls;
	double answered;

	if (group == NULL || (group->slow && group->calls == 0)) {
		return 1;
	}
	answered = (double)(options->batch_stall_ms * CLOCK_NS_PER_MS) * group->calls;
	if (group->slow && answered < group->busy_ns * most) {
		most = answered / group->busy_ns;
	}
	return most < 2 ? 1 : (size_t)most;
}

/* Sends what the list begins with, or fails it. */
static void
rpc_endpoint_send(struct rpc_endpoint *endpoint, struct rpc_group *group,
    struct rpc_pending_list *calls, struct rpc_todo *todo)
{
	struct rpc_pending *first = TAILQ_FIRST(calls);

	if (!rpc_exchange_start(
		endpoint, group, calls, rpc_endpoint_calls_max(endpoint, group), todo)) {
		TAILQ_REMOVE(calls, first, link);
		if (group != NULL) {
			group->queued--;
		}
		endpoint->load--;
		rpc_pending_fail(first, todo, STATUS_RESOURCE_EXHAUSTED, "OUT_OF_MEMORY",
		    "there is no memory to send the call");
		return;
	}
	rpc_rotation_watch(endpoint, todo->now_ns);
}

/* From then on one more message of the group may leave. */
static int64_t
rpc_endpoint_stall_end_ns(const struct rpc_endpoint *endpoint, const struct rpc_group *group)
{
	return group->sent_ns + endpoint->channel->options.batch_stall_ms * CLOCK_NS_PER_MS;
}

/*
 * One message is always on its way, and a further one only when it is as large
 * as those on their way: so the work is shared out while there is much, and
 * is not cut small while there is little. Messages in flight may be slow ones,
 * behind which quick calls should not wait: so now and then one more leaves.
 * Slow calls that share no message have nothing to wait for.
 */
static bool
rpc_endpoint_may_send(
    const struct rpc_endpoint *endpoint, const struct rpc_group *group, int64_t now_ns)
{
	const struct rpc_channel_options *options = &endpoint->channel->options;

	if (group->calls > 0 && rpc_endpoint_calls_max(endpoint, group) == 1) {
		return true;
	}
	return group->in_flight == 0 ||
	       (group->in_flight < options->batch_in_flight &&
		   group->queued >= group->in_flight_calls) ||
	       now_ns >= rpc_endpoint_stall_end_ns(endpoint, group);
}

static void
rpc_endpoint_flush_group(
    struct rpc_endpoint *endpoint, struct rpc_group *group, struct rpc_todo *todo)
{
	if (endpoint->conn == NULL) {
		return;
	}
	while (
	    !TAILQ_EMPTY(&group->queue) && rpc_endpoint_may_send(endpoint, group, todo->now_ns)) {
		rpc_endpoint_send(endpoint, group, &group->queue, todo);
	}
	if (!TAILQ_EMPTY(&group->queue) && endpoint->stall.place == 0) {
		rpc_channel_set_timer(endpoint->channel, &endpoint->stall,
		    rpc_endpoint_stall_end_ns(endpoint, group));
	}
}

/* Fires for endpoint->stall. */
static void
rpc_endpoint_stalled(struct rpc_timer *timer, void *todo)
{
	struct rpc_endpoint *endpoint =
	    (struct rpc_endpoint *)((char *)timer - offsetof(struct rpc_endpoint, stall));

	rpc_endpoint_flush(endpoint, todo);
}

void
rpc_endpoint_flush(struct rpc_endpoint *endpoint, struct rpc_todo *todo)
{
	for (size_t i = 0; i < RPC_GROUPS; i++) {
		rpc_endpoint_flush_group(endpoint, &endpoint->groups[i], todo);
	}
}

void
rpc_endpoint_give(struct rpc_endpoint *endpoint, struct rpc_pending *pending, struct rpc_todo *todo)
{
	struct rpc_pending_list alone = TAILQ_HEAD_INITIALIZER(alone);
	struct rpc_group *group = rpc_endpoint_group(endpoint, pending);

	pending->endpoint = endpoint;
	pending->state = RPC_PENDING_QUEUED;
	endpoint->load++;
	if (group == NULL) {
		TAILQ_INSERT_TAIL(&alone, pending, link);
		rpc_endpoint_send(endpoint, NULL, &alone, todo);
		return;
	}
	TAILQ_INSERT_TAIL(&group->queue, pending, link);
	group->queued++;
	if (!todo->holding) {
		rpc_endpoint_flush_group(endpoint, group, todo);
	}
}

void
rpc_endpoint_move_queued(struct rpc_endpoint *endpoint, struct rpc_todo *todo)
{
	struct rpc_pending_list queued = TAILQ_HEAD_INITIALIZER(queued);
	struct rpc_pending *pending;

	for (size_t i = 0; i < RPC_GROUPS; i++) {
		while ((pending = TAILQ_FIRST(&endpoint->groups[i].queue)) != NULL) {
			rpc_pending_detach(pending);
			TAILQ_INSERT_TAIL(&queued, pending, link);
		}
	}
	while ((pending = TAILQ_FIRST(&queued)) != NULL) {
		TAILQ_REMOVE(&queued, pending, link);
		rpc_pending_place(pending, todo);
	}
}

void
rpc_endpoint_move_sent(struct rpc_endpoint *endpoint, struct rpc_todo *todo)
{
	struct rpc_exchange *exchange = TAILQ_FIRST(&endpoint->in_flight);

	while (exchange != NULL) {
		/* It ends with the last of its calls. */
		struct rpc_exchange *next = TAILQ_NEXT(exchange, link);
		size_t left = exchange->live;

		for (size_t i = 0; left > 0; i++) {
			if (exchange->calls[i] != NULL) {
				rpc_pending_move(exchange->calls[i], todo);
				left--;
			}
		}
		exchange = next;
	}
}

static void
rpc_endpoint_fail_call(struct rpc_pending *pending, struct rpc_todo *todo)
{
	rpc_pending_abandon(pending, false, todo);
	rpc_pending_fail(pending, todo, STATUS_CANCELLED, "CHANNEL_CLOSED",
	    "the channel was closed before the answer came");
}

void
rpc_endpoint_fail_calls(struct rpc_endpoint *endpoint, struct rpc_todo *todo)
{
	struct rpc_exchange *exchange;
	struct rpc_pending *pending;

	for (size_t i = 0; i < RPC_GROUPS; i++) {
		while ((pending = TAILQ_FIRST(&endpoint->groups[i].queue)) != NULL) {
			rpc_endpoint_fail_call(pending, todo);
		}
	}
	while ((exchange = TAILQ_FIRST(&endpoint->in_flight)) != NULL) {
		size_t left = exchange->live;

		for (size_t i = 0; left > 0; i++) {
			if (exchange->calls[i] != NULL) {
				rpc_endpoint_fail_call(exchange->calls[i], todo);
				left--;
			}
		}
	}
}

/*
 * What happens to the connection, told by its threads without any lock. A user of
 * these connections is an endpoint, which lives until its dialer is closed.
 */

static void
rpc_endpoint_opened(struct rpc_conn *conn, void *closure)
{
	struct rpc_endpoint *endpoint = rpc_conn_user(conn);
	struct rpc_todo todo;

	rpc_channel_lock(closure, &todo);
	endpoint->conn = rpc_conn_acquire(conn);
	for (size_t i = 0; i < RPC_GROUPS; i++) {
		/* Another process may be at the other end, or the same one with other settings. */
		endpoint->groups[i].calls = endpoint->groups[i].busy_ns = 0;
	}
	rpc_rotation_connected(endpoint, &todo);
	rpc_channel_place_waiting(endpoint->channel, &todo);
	rpc_channel_unlock(&todo);
}

static void
rpc_endpoint_received(struct rpc_conn *conn, struct rpc_frame *frames, size_t count, void *closure)
{
	struct rpc_endpoint *endpoint = rpc_conn_user(conn);
	struct rpc_todo todo;

	rpc_channel_lock(closure, &todo);
	endpoint->heard_ns = todo.now_ns;
	endpoint->timeouts = 0;
	for (size_t i = 0; i < count; i++) {
		struct rpc_exchange *exchange = rpc_exchange_find(endpoint, frames[i].id);

		if (exchange != NULL) {
			rpc_exchange_answered(exchange, &frames[i], &todo);
		}
	}
	rpc_channel_unlock(&todo);
	for (size_t i = 0; i < count; i++) {
		rpc_block_release(&frames[i].block);
	}
}

static void
rpc_endpoint_closed(struct rpc_conn *conn, const struct rpc_end *end, void *closure)
{
	struct rpc_endpoint *endpoint = rpc_conn_user(conn);
	struct rpc_channel *channel = closure;
	struct rpc_exchange *exchange;
	struct rpc_todo todo;

	rpc_channel_lock(channel, &todo);
	rpc_conn_release(&endpoint->conn);
	rpc_timer_clear(&channel->timers, &endpoint->timer);
	while ((exchange = TAILQ_FIRST(&endpoint->in_flight)) != NULL) {
		rpc_exchange_lost(exchange, exchange->number <= end->begun, &todo);
	}
	rpc_endpoint_move_queued(endpoint, &todo);
	rpc_resolver_kick(channel);
	rpc_channel_unlock(&todo);
}

const struct rpc_net_events rpc_endpoint_events = {
    .opened = rpc_endpoint_opened,
    .received = rpc_endpoint_received,
    .closed = rpc_endpoint_closed,
};
