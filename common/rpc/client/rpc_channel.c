#include "common/rpc/client/rpc_channel.h"

#include <stdlib.h>
#include <string.h>
#include <sys/random.h>

#include "common/base/clock.h"
#include "common/rpc/client/rpc_channel_internal.h"
#include "common/rpc/net/rpc_fork.h"
#include "common/rpc/net/rpc_tls_internal.h"

/* From dialing to the end of the greeting. */
#define RPC_CHANNEL_HANDSHAKE_MS 5000

/* A reply is to come to its end in this time, and some of a request to be taken. */
#define RPC_CHANNEL_RECEIVE_MS 30000
#define RPC_CHANNEL_SEND_MS    10000

/* The lock and what goes with it. */

void
rpc_channel_lock(struct rpc_channel *channel, struct rpc_todo *todo)
{
	todo->channel = channel;
	todo->holding = todo->sent = false;
	TAILQ_INIT(&todo->done);
	rpc_conn_cork();
	pthread_mutex_lock(&channel->lock);
	todo->now_ns = clock_now_ns();
}

void
rpc_channel_unlock(struct rpc_todo *todo)
{
	struct rpc_channel *channel = todo->channel;
	struct rpc_pending *pending;
	size_t count = 0;

	pthread_mutex_unlock(&channel->lock);
	rpc_conn_uncork();
	while ((pending = TAILQ_FIRST(&todo->done)) != NULL) {
		TAILQ_REMOVE(&todo->done, pending, link);
		pending->done(&pending->reply, pending->closure);
		count++;
	}
	if (count > 0) {
		if (channel->options.delivered != NULL) {
			channel->options.delivered(channel->options.closure);
		}
		pthread_mutex_lock(&channel->lock);
		channel->live -= count;
		if (channel->live == 0) {
			pthread_cond_broadcast(&channel->idle);
		}
		pthread_mutex_unlock(&channel->lock);
	}
}

void
rpc_channel_unlock_deferred(struct rpc_todo *todo)
{
	struct rpc_channel *channel = todo->channel;

	if (!TAILQ_EMPTY(&todo->done)) {
		TAILQ_CONCAT(&channel->ended, &todo->done, link);
		rpc_channel_kick(channel);
	}
	rpc_channel_unlock(todo);
}

void
rpc_channel_kick(struct rpc_channel *channel)
{
	channel->kicked = true;
	if (channel->asleep_ns != RPC_CHANNEL_AWAKE_NS) {
		pthread_cond_signal(&channel->wake);
	}
}

bool
rpc_channel_reserve_timers(struct rpc_channel *channel, size_t count)
{
	if (!rpc_timers_reserve(&channel->timers, channel->timer_owners + count)) {
		return false;
	}
	channel->timer_owners += count;
	return true;
}

void
rpc_channel_set_timer(struct rpc_channel *channel, struct rpc_timer *timer, int64_t at_ns)
{
	rpc_timer_set(&channel->timers, timer, at_ns);
	if (at_ns < channel->asleep_ns) {
		rpc_channel_kick(channel);
	}
}

/* xorshift64*; good enough to spread load. */
uint64_t
rpc_channel_random(struct rpc_channel *channel, uint64_t limit)
{
	channel->random ^= channel->random >> 12;
	channel->random ^= channel->random << 25;
	channel->random ^= channel->random >> 27;
	return (channel->random * UINT64_C(2685821657736338717) >> 11) % limit;
}

void
rpc_channel_place_waiting(struct rpc_channel *channel, struct rpc_todo *todo)
{
	struct rpc_pending_list waiting = TAILQ_HEAD_INITIALIZER(waiting);
	struct rpc_pending *pending;

	TAILQ_CONCAT(&waiting, &channel->waiting, link);
	todo->holding = true; /* they have waited together, and leave together */
	while ((pending = TAILQ_FIRST(&waiting)) != NULL) {
		TAILQ_REMOVE(&waiting, pending, link);
		if (pending->not_before_ns > todo->now_ns) {
			TAILQ_INSERT_TAIL(&channel->waiting, pending, link);
		} else {
			rpc_pending_place(pending, todo);
		}
	}
	todo->holding = false;
	rpc_channel_each_endpoint(channel, todo, rpc_endpoint_flush);
}

/* The thread: fires timers, delivers what ended elsewhere, lets retired endpoints go. */

/* Sleeps until the next timer is due or the thread is kicked. */
static void
rpc_channel_sleep(struct rpc_channel *channel)
{
	int64_t next_ns = rpc_timers_next_ns(&channel->timers);
	struct timespec until = {.tv_sec = next_ns / 1000000000, .tv_nsec = next_ns % 1000000000};

	if (channel->kicked) {
		return;
	}
	channel->asleep_ns = next_ns;
	if (next_ns == CLOCK_NEVER_NS) {
		pthread_cond_wait(&channel->wake, &channel->lock);
	} else {
		pthread_cond_timedwait(&channel->wake, &channel->lock, &until);
	}
	channel->asleep_ns = RPC_CHANNEL_AWAKE_NS;
}

/* Takes a retired endpoint that has nothing left to do; NULL: there is none. */
static struct rpc_endpoint *
rpc_channel_take_retired(struct rpc_channel *channel)
{
	struct rpc_endpoint *endpoint;

	TAILQ_FOREACH(endpoint, &channel->retired, link)
	{
		if (rpc_endpoint_idle(endpoint)) {
			TAILQ_REMOVE(&channel->retired, endpoint, link);
			break;
		}
	}
	return endpoint;
}

static void *
rpc_channel_run(void *closure)
{
	struct rpc_channel *channel = closure;
	struct rpc_endpoint *retired;
	struct rpc_todo todo;

	rpc_channel_lock(channel, &todo);
	while (!channel->stopping) {
		channel->kicked = false;
		rpc_resolver_follow(channel, &todo);
		rpc_timers_fire(&channel->timers, todo.now_ns, &todo);
		TAILQ_CONCAT(&todo.done, &channel->ended, link);
		retired = rpc_channel_take_retired(channel);
		if (retired == NULL && !todo.sent && TAILQ_EMPTY(&todo.done)) {
			rpc_channel_sleep(channel);
		}
		rpc_channel_unlock(&todo);
		if (retired != NULL) {
			rpc_endpoint_close(&retired);
		}
		rpc_channel_lock(channel, &todo);
	}
	rpc_channel_unlock(&todo);
	return NULL;
}

static void
rpc_channel_stop(struct rpc_channel *channel)
{
	pthread_mutex_lock(&channel->lock);
	channel->stopping = true;
	rpc_channel_kick(channel);
	pthread_mutex_unlock(&channel->lock);
	pthread_join(channel->thread, NULL);
}

/* Opening and closing. */

static void
rpc_channel_set_options(struct rpc_channel *channel, const struct rpc_channel_options *options)
{
	struct rpc_channel_options *set = &channel->options;

	*set = *options;
	set->endpoints = set->tls_name = NULL;
#define RPC_DEFAULT(option, value) set->option = set->option == 0 ? (value) : set->option
	RPC_DEFAULT(connect_timeout_ms, 1000);
	RPC_DEFAULT(default_timeout_ms, 5000);
	RPC_DEFAULT(probe_interval_ms, 1000);
	RPC_DEFAULT(resolve_interval_ms, 30000);
	RPC_DEFAULT(reply_max_bytes, (size_t)16 << 20);
	RPC_DEFAULT(batch_max_bytes, (size_t)256 << 10);
	RPC_DEFAULT(batch_max_calls, 64);
	RPC_DEFAULT(batch_in_flight, 2);
	RPC_DEFAULT(batch_stall_ms, 10);
	RPC_DEFAULT(in_flight_max, 4096);
#undef RPC_DEFAULT
	channel->budget = (double)set->in_flight_max;
}

static void
rpc_channel_init(struct rpc_channel *channel)
{
	pthread_condattr_t attributes;

	pthread_condattr_init(&attributes);
	pthread_condattr_setclock(&attributes, CLOCK_MONOTONIC);
	pthread_cond_init(&channel->wake, &attributes);
	pthread_condattr_destroy(&attributes);
	pthread_cond_init(&channel->idle, NULL);
	pthread_mutex_init(&channel->lock, NULL);
	TAILQ_INIT(&channel->retired);
	TAILQ_INIT(&channel->waiting);
	TAILQ_INIT(&channel->ended);
	TAILQ_INIT(&channel->spare);
	channel->asleep_ns = RPC_CHANNEL_AWAKE_NS;
	channel->settled_ns =
	    clock_now_ns() + (int64_t)channel->options.connect_timeout_ms * CLOCK_NS_PER_MS;
	if (getrandom(&channel->random, sizeof(channel->random), GRND_NONBLOCK) < 0) {
		channel->random = (uint64_t)clock_now_ns();
	}
	channel->random |= 1;
}

void
rpc_channel_free(struct rpc_channel *channel)
{
	struct rpc_pending *pending;

	while ((pending = TAILQ_FIRST(&channel->spare)) != NULL) {
		TAILQ_REMOVE(&channel->spare, pending, link);
		rpc_pending_free(&pending);
	}
	rpc_timers_fini(&channel->timers);
	if (channel->options.tls != NULL) {
		rpc_tls_release(channel->options.tls);
	}
	rpc_urls_fini(&channel->urls);
	pthread_mutex_destroy(&channel->lock);
	pthread_cond_destroy(&channel->wake);
	pthread_cond_destroy(&channel->idle);
	free(channel->views);
	free(channel->endpoints);
	free(channel->tls_name);
	free(channel);
}

bool
rpc_channel_add_endpoint(struct rpc_channel *channel, struct rpc_endpoint *endpoint)
{
	size_t capacity = channel->endpoint_capacity * 2 + 4;
	struct rpc_endpoint **endpoints = channel->endpoints;

	if (channel->endpoint_count == channel->endpoint_capacity) {
		endpoints = reallocarray(endpoints, capacity, sizeof(struct rpc_endpoint *));
		if (endpoints == NULL) {
			return false;
		}
		channel->endpoints = endpoints;
		channel->endpoint_capacity = capacity;
	}
	endpoints[channel->endpoint_count++] = endpoint;
	return true;
}

void
rpc_channel_each_endpoint(struct rpc_channel *channel, struct rpc_todo *todo,
    void (*act)(struct rpc_endpoint *endpoint, struct rpc_todo *todo))
{
	struct rpc_endpoint *endpoint;

	for (size_t i = 0; i < channel->endpoint_count; i++) {
		act(channel->endpoints[i], todo);
	}
	TAILQ_FOREACH(endpoint, &channel->retired, link)
	{
		act(endpoint, todo);
	}
}

static enum status_code
rpc_channel_no_memory(struct error *error)
{
	return error_set(error, STATUS_RESOURCE_EXHAUSTED, "OUT_OF_MEMORY", "no memory");
}

/* Copies what is pointed to, and opens the net that the connections belong to. */
static enum status_code
rpc_channel_prepare(
    struct rpc_channel *channel, const struct rpc_channel_options *options, struct error *error)
{
	const struct rpc_net_options net = {.role = RPC_ROLE_REQ,
	    .events = &rpc_endpoint_events,
	    .closure = channel,
	    .message_max_bytes = channel->options.reply_max_bytes,
	    .handshake_timeout_ms = RPC_CHANNEL_HANDSHAKE_MS,
	    .receive_timeout_ms = RPC_CHANNEL_RECEIVE_MS,
	    .send_timeout_ms = RPC_CHANNEL_SEND_MS};
	enum status_code code;

	channel->views = calloc(channel->options.batch_max_calls, sizeof(*channel->views));
	if (options->tls_name != NULL && options->tls_name[0] != '\0') {
		channel->tls_name = strdup(options->tls_name);
		if (channel->tls_name == NULL) {
			return rpc_channel_no_memory(error);
		}
	}
	if (channel->views == NULL) {
		return rpc_channel_no_memory(error);
	}
	code = rpc_urls_init(&channel->urls, options->endpoints, error);
	return code == STATUS_OK ? rpc_net_open(&channel->net, &net, error) : code;
}

/* Makes the endpoints whose addresses are known. */
static enum status_code
rpc_channel_open_endpoints(struct rpc_channel *channel, struct error *error)
{
	enum status_code code = STATUS_OK;

	pthread_mutex_lock(&channel->lock);
	for (size_t i = 0; i < channel->urls.count && code == STATUS_OK; i++) {
		struct rpc_endpoint *endpoint;

		if (channel->urls.list[i].host != NULL) {
			continue;
		}
		code = rpc_endpoint_open(
		    &endpoint, channel, channel->urls.list[i].text, channel->tls_name, error);
		if (code == STATUS_OK && !rpc_channel_add_endpoint(channel, endpoint)) {
			TAILQ_INSERT_TAIL(&channel->retired, endpoint, link);
			code = rpc_channel_no_memory(error);
		}
	}
	pthread_mutex_unlock(&channel->lock);
	return code;
}

static void
rpc_channel_close_endpoints(struct rpc_channel *channel)
{
	struct rpc_endpoint *endpoint;

	while ((endpoint = TAILQ_FIRST(&channel->retired)) != NULL) {
		TAILQ_REMOVE(&channel->retired, endpoint, link);
		rpc_endpoint_close(&endpoint);
	}
	while (channel->endpoint_count > 0) {
		rpc_endpoint_close(&channel->endpoints[--channel->endpoint_count]);
	}
	rpc_net_close(&channel->net);
}

enum status_code
rpc_channel_open(
    struct rpc_channel **channel, const struct rpc_channel_options *options, struct error *error)
{
	struct rpc_channel *opened = rpc_fork_watch() ? calloc(1, sizeof(*opened)) : NULL;
	enum status_code code;

	*channel = NULL;
	if (opened == NULL) {
		return rpc_fork_refuse(error);
	}
	rpc_channel_set_options(opened, options);
	rpc_channel_init(opened);
	if (options->tls != NULL) {
		rpc_tls_acquire(options->tls);
	}
	code = rpc_channel_prepare(opened, options, error);
	if (code != STATUS_OK) {
		goto free_channel;
	}
	code = rpc_channel_open_endpoints(opened, error);
	if (code == STATUS_OK) {
		code = rpc_resolver_start(opened, error);
	}
	if (code != STATUS_OK) {
		goto close_endpoints;
	}
	if (pthread_create(&opened->thread, NULL, rpc_channel_run, opened) != 0) {
		code = error_set(error, STATUS_RESOURCE_EXHAUSTED, "NO_THREAD",
		    "cannot start the thread of a channel");
		goto stop_resolver;
	}
	*channel = opened;
	return STATUS_OK;

stop_resolver:
	rpc_resolver_stop(opened);
close_endpoints:
	rpc_channel_close_endpoints(opened);
free_channel:
	rpc_channel_free(opened);
	return code;
}

/* Fails all calls, and waits until each done has returned. */
static void
rpc_channel_fail_calls(struct rpc_channel *channel)
{
	struct rpc_pending *pending;
	struct rpc_todo todo;

	rpc_channel_lock(channel, &todo);
	channel->closing = true;
	while ((pending = TAILQ_FIRST(&channel->waiting)) != NULL) {
		rpc_pending_detach(pending);
		rpc_pending_fail(pending, &todo, STATUS_CANCELLED, "CHANNEL_CLOSED",
		    "the channel was closed before the answer came");
	}
	rpc_channel_each_endpoint(channel, &todo, rpc_endpoint_fail_calls);
	rpc_channel_unlock_deferred(&todo);

	pthread_mutex_lock(&channel->lock);
	while (channel->live > 0) {
		pthread_cond_wait(&channel->idle, &channel->lock);
	}
	pthread_mutex_unlock(&channel->lock);
}

void
rpc_channel_close(struct rpc_channel **channel)
{
	struct rpc_channel *closed = *channel;
	bool last;

	*channel = NULL;
	if (closed == NULL || rpc_forked()) {
		return;
	}
	rpc_channel_fail_calls(closed);
	rpc_resolver_stop(closed);
	rpc_channel_stop(closed);
	rpc_channel_close_endpoints(closed);
	pthread_mutex_lock(&closed->lock);
	closed->closed = true;
	last = closed->lent == 0;
	pthread_mutex_unlock(&closed->lock);
	if (last) {
		rpc_channel_free(closed);
	}
}
