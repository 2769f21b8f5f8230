#include "common/rpc/client/rpc_channel.h"

#include <stdlib.h>
#include <string.h>
#include <sys/random.h>

#include "common/clock.h"
#include "common/rpc/client/rpc_channel_internal.h"
#include "common/rpc/net/rpc_fork.h"
#include "common/rpc/net/rpc_tls_internal.h"

#define RPC_CHANNEL_RETRY_AFTER_MS 100

/*
 * So long does close wait for replies that nobody waits for any more: NNG can
 * hang for ever when a connection is closed while a message comes in.
 */
#define RPC_CHANNEL_QUIET_MS 250

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
	pthread_cond_init(&channel->idle, &attributes);
	pthread_condattr_destroy(&attributes);
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
	rpc_channel_kick(channel);
	return true;
}

static enum status_code
rpc_channel_open_endpoints(struct rpc_channel *channel, struct error *error)
{
	for (size_t i = 0; i < channel->urls.count; i++) {
		struct rpc_endpoint *endpoint;
		enum status_code code;
		bool added;

		if (channel->urls.list[i].host != NULL) {
			continue;
		}
		code = rpc_endpoint_open(
		    &endpoint, channel, channel->urls.list[i].text, channel->tls_name, error);
		if (code != STATUS_OK) {
			return code;
		}
		pthread_mutex_lock(&channel->lock);
		added = rpc_channel_add_endpoint(channel, endpoint);
		pthread_mutex_unlock(&channel->lock);
		if (!added) {
			rpc_endpoint_close(&endpoint);
			return error_set(
			    error, STATUS_RESOURCE_EXHAUSTED, "OUT_OF_MEMORY", "no memory");
		}
	}
	return STATUS_OK;
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
	if (options->tls_name != NULL && options->tls_name[0] != '\0' &&
	    (opened->tls_name = strdup(options->tls_name)) == NULL) {
		code = error_set(error, STATUS_RESOURCE_EXHAUSTED, "OUT_OF_MEMORY", "no memory");
		goto free_channel;
	}
	code = rpc_urls_init(&opened->urls, options->endpoints, error);
	if (code != STATUS_OK) {
		goto free_channel;
	}
	code = rpc_channel_open_endpoints(opened, error);
	if (code == STATUS_OK) {
		code = rpc_channel_start(opened, error);
	}
	if (code != STATUS_OK) {
		goto close_endpoints;
	}
	code = rpc_resolver_start(opened, error);
	if (code != STATUS_OK) {
		goto stop_thread;
	}
	*channel = opened;
	return STATUS_OK;

stop_thread:
	rpc_channel_stop(opened);
close_endpoints:
	rpc_channel_close_endpoints(opened);
free_channel:
	rpc_channel_free(opened);
	return code;
}

static void
rpc_channel_fail_call(struct rpc_pending *pending, struct rpc_todo *todo)
{
	if (!pending->probe) {
		rpc_pending_detach(pending);
		rpc_pending_fail(pending, todo, STATUS_CANCELLED, "CHANNEL_CLOSED",
		    "the channel was closed before the answer came");
	}
}

static void
rpc_channel_fail_list(struct rpc_pending_list *list, struct rpc_todo *todo)
{
	struct rpc_pending *pending;

	while ((pending = TAILQ_FIRST(list)) != NULL) {
		rpc_channel_fail_call(pending, todo);
	}
}

static void
rpc_channel_fail_endpoint(struct rpc_endpoint *endpoint, struct rpc_todo *todo)
{
	struct rpc_exchange *exchange;

	for (size_t i = 0; i < RPC_GROUPS; i++) {
		rpc_channel_fail_list(&endpoint->groups[i].queue, todo);
	}
	TAILQ_FOREACH(exchange, &endpoint->in_flight, link)
	{
		for (size_t i = 0; i < exchange->count; i++) {
			if (exchange->calls[i] != NULL) {
				rpc_channel_fail_call(exchange->calls[i], todo);
			}
		}
	}
}

static void
rpc_channel_abort_endpoint(struct rpc_endpoint *endpoint, struct rpc_todo *todo)
{
	(void)todo;
	rpc_endpoint_abort(endpoint);
}

static void
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

static bool
rpc_channel_busy(const struct rpc_channel *channel)
{
	const struct rpc_endpoint *endpoint;

	for (size_t i = 0; i < channel->endpoint_count; i++) {
		if (!rpc_endpoint_idle(channel->endpoints[i])) {
			return true;
		}
	}
	TAILQ_FOREACH(endpoint, &channel->retired, link)
	{
		if (!rpc_endpoint_idle(endpoint)) {
			return true;
		}
	}
	return channel->live > 0;
}

/* Waits until nothing is left of the calls but their replies. */
static void
rpc_channel_quiesce(struct rpc_channel *channel)
{
	int64_t until_ns = clock_now_ns() + RPC_CHANNEL_QUIET_MS * CLOCK_NS_PER_MS;
	struct timespec until = {.tv_sec = until_ns / 1000000000, .tv_nsec = until_ns % 1000000000};

	pthread_mutex_lock(&channel->lock);
	while (rpc_channel_busy(channel) && clock_now_ns() < until_ns) {
		pthread_cond_timedwait(&channel->idle, &channel->lock, &until);
	}
	rpc_channel_each_endpoint(channel, NULL, rpc_channel_abort_endpoint);
	while (rpc_channel_busy(channel)) {
		pthread_cond_wait(&channel->idle, &channel->lock);
	}
	pthread_mutex_unlock(&channel->lock);
}

static void
rpc_channel_fail_calls(struct rpc_channel *channel)
{
	struct rpc_todo todo;

	rpc_channel_lock(channel, &todo);
	channel->closing = true;
	rpc_channel_fail_list(&channel->waiting, &todo);
	rpc_channel_each_endpoint(channel, &todo, rpc_channel_fail_endpoint);
	rpc_channel_unlock_deferred(&todo);
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
	rpc_resolver_stop(closed);
	rpc_channel_fail_calls(closed);
	rpc_channel_quiesce(closed);
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

/* Begins the call's life, or ends it at once. */
static void
rpc_channel_admit(struct rpc_pending *pending, bool packed, struct rpc_todo *todo)
{
	struct rpc_channel *channel = pending->channel;

	if (channel->closing || !packed || channel->in_flight >= channel->options.in_flight_max) {
		channel->in_flight++;
	} else {
		rpc_pending_start(pending, todo);
		return;
	}
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
		rpc_pending_abandon(pending, &todo);
		rpc_pending_fail(pending, &todo, STATUS_CANCELLED, "CANCELLED",
		    "the caller gave up on the call");
	}
	rpc_channel_unlock_deferred(&todo);
}

static bool
rpc_channel_serving(const struct rpc_endpoint *endpoint)
{
	return endpoint->connected && endpoint->was_connected &&
	       endpoint->health == RPC_HEALTH_SERVING;
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
		stats->endpoints_connected += channel->endpoints[i]->connected;
		stats->endpoints_serving += rpc_channel_serving(channel->endpoints[i]);
	}
	pthread_mutex_unlock(&channel->lock);
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
		    .state = rpc_endpoint_state_of(endpoint),
		    .in_flight = endpoint->load};

		visit(&status, closure);
	}
	pthread_mutex_unlock(&channel->lock);
}
