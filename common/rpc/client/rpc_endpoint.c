#include <nng/nng.h>
#include <nng/protocol/reqrep0/req.h>
#include <stdlib.h>
#include <string.h>

#include "common/clock.h"
#include "common/rpc/client/rpc_channel_internal.h"
#include "common/rpc/net/rpc_tls_internal.h"
#include "common/rpc/net/rpc_transport.h"

#define RPC_RECONNECT_MIN_MS 50
#define RPC_RECONNECT_MAX_MS 1000

#define RPC_ENDPOINT_TIMERS  2

static void rpc_endpoint_stalled(struct rpc_timer *timer, void *todo);

/*
 * NNG tells of the connection's ups and downs, in threads of its own and not
 * always in their order: a pipe may be removed before it was told to be up.
 */
static void
rpc_endpoint_pipe_event(nng_pipe pipe, nng_pipe_ev event, void *closure)
{
	struct rpc_endpoint *endpoint = closure;
	struct rpc_channel *channel = endpoint->channel;
	uint32_t id = (uint32_t)nng_pipe_id(pipe);

	pthread_mutex_lock(&channel->lock);
	switch (event) {
	case NNG_PIPE_EV_ADD_PRE: endpoint->pipe = id; break;
	case NNG_PIPE_EV_ADD_POST: endpoint->connected = endpoint->pipe == id; break;
	case NNG_PIPE_EV_REM_POST:
		if (endpoint->pipe == id) {
			endpoint->pipe = 0;
			endpoint->lost = endpoint->lost || endpoint->connected;
			endpoint->connected = endpoint->was_connected = false;
		}
		break;
	default: break;
	}
	rpc_channel_kick(channel);
	pthread_mutex_unlock(&channel->lock);
}

static int
rpc_endpoint_set_socket_options(struct rpc_endpoint *endpoint)
{
	nng_socket socket = endpoint->socket;
	const struct rpc_channel_options *options = &endpoint->channel->options;
	int result;

	/* Each context takes the resend time when it is opened: a call must not be sent twice. */
	result = nng_socket_set_ms(socket, NNG_OPT_REQ_RESENDTIME, NNG_DURATION_INFINITE);
	if (result == 0) {
		result = nng_socket_set_size(socket, NNG_OPT_RECVMAXSZ, options->reply_max_bytes);
	}
	if (result == 0) {
		result = nng_socket_set_ms(socket, NNG_OPT_RECONNMINT, RPC_RECONNECT_MIN_MS);
	}
	if (result == 0) {
		result = nng_socket_set_ms(socket, NNG_OPT_RECONNMAXT, RPC_RECONNECT_MAX_MS);
	}
	for (int event = NNG_PIPE_EV_ADD_PRE; result == 0 && event <= NNG_PIPE_EV_REM_POST;
	     event++) {
		result =
		    nng_pipe_notify(socket, (nng_pipe_ev)event, rpc_endpoint_pipe_event, endpoint);
	}
	return result;
}

/* The host of tls+tcp://host:port, without the brackets of an address. NULL without memory. */
static char *
rpc_endpoint_host(const char *url)
{
	const char *host = strstr(url, "://") + 3;
	bool bracketed = *host == '[';

	host += bracketed;
	return strndup(host, strcspn(host, bracketed ? "]" : ":"));
}

static int
rpc_endpoint_set_tls(const struct rpc_endpoint *endpoint, nng_dialer dialer, const char *name)
{
	struct rpc_tls *tls = endpoint->channel->options.tls;
	char *host = name == NULL ? rpc_endpoint_host(endpoint->url) : strdup(name);
	nng_tls_config *config;
	int result = host == NULL ? NNG_ENOMEM : rpc_tls_engine_config(&config, tls, false, host);

	if (result == 0) {
		result = nng_dialer_set_ptr(dialer, NNG_OPT_TLS_CONFIG, config);
		nng_tls_config_free(config);
	}
	free(host);
	return result;
}

static int
rpc_endpoint_dial(struct rpc_endpoint *endpoint, const char *name)
{
	nng_dialer dialer;
	int result = nng_dialer_create(&dialer, endpoint->socket, endpoint->url);

	if (result != 0) {
		return result;
	}
	if (strstr(endpoint->url, "tcp://") != NULL) {
		result = nng_dialer_set_bool(dialer, NNG_OPT_TCP_NODELAY, true);
		if (result == 0) {
			result = nng_dialer_set_bool(dialer, NNG_OPT_TCP_KEEPALIVE, true);
		}
	}
	if (result == 0 && strncmp(endpoint->url, "tls+tcp:", 8) == 0) {
		result = rpc_endpoint_set_tls(endpoint, dialer, name);
	}
	return result == 0 ? nng_dialer_start(dialer, NNG_FLAG_NONBLOCK) : result;
}

static void
rpc_endpoint_free(struct rpc_endpoint **endpoint)
{
	struct rpc_channel *channel = (*endpoint)->channel;
	struct rpc_exchange *exchange;

	while ((exchange = TAILQ_FIRST(&(*endpoint)->spare)) != NULL) {
		TAILQ_REMOVE(&(*endpoint)->spare, exchange, link);
		rpc_exchange_free(&exchange);
	}
	pthread_mutex_lock(&channel->lock);
	rpc_timer_clear(&channel->timers, &(*endpoint)->timer);
	rpc_timer_clear(&channel->timers, &(*endpoint)->stall);
	channel->timer_owners -= RPC_ENDPOINT_TIMERS;
	pthread_mutex_unlock(&channel->lock);
	free((*endpoint)->url);
	free(*endpoint);
	*endpoint = NULL;
}

static struct rpc_endpoint *
rpc_endpoint_new(struct rpc_channel *channel, const char *url)
{
	struct rpc_endpoint *endpoint = calloc(1, sizeof(*endpoint));
	bool reserved;

	if (endpoint == NULL || (endpoint->url = strdup(url)) == NULL) {
		free(endpoint);
		return NULL;
	}
	pthread_mutex_lock(&channel->lock);
	reserved =
	    rpc_timers_reserve(&channel->timers, channel->timer_owners + RPC_ENDPOINT_TIMERS);
	channel->timer_owners += reserved ? RPC_ENDPOINT_TIMERS : 0;
	pthread_mutex_unlock(&channel->lock);
	if (!reserved) {
		free(endpoint->url);
		free(endpoint);
		return NULL;
	}
	endpoint->channel = channel;
	endpoint->timer.fire = rpc_probe_fire;
	endpoint->stall.fire = rpc_endpoint_stalled;
	for (size_t i = 0; i < RPC_GROUPS; i++) {
		TAILQ_INIT(&endpoint->groups[i].queue);
		endpoint->groups[i].slow = i >= RPC_GROUPS / 2;
	}
	TAILQ_INIT(&endpoint->in_flight);
	TAILQ_INIT(&endpoint->spare);
	return endpoint;
}

enum status_code
rpc_endpoint_open(struct rpc_endpoint **endpoint, struct rpc_channel *channel, const char *url,
    const char *name, struct error *error)
{
	int result;

	if (channel->options.tls == NULL && strncmp(url, "tls+tcp:", 8) == 0) {
		return error_set(error, STATUS_INVALID_ARGUMENT, "BAD_URL",
		    "cannot connect to %s: no certificate of who is trusted is configured", url);
	}
	*endpoint = rpc_endpoint_new(channel, url);
	if (*endpoint == NULL) {
		return error_set(error, STATUS_RESOURCE_EXHAUSTED, "OUT_OF_MEMORY", "no memory");
	}
	result = nng_req0_open(&(*endpoint)->socket);
	if (result != 0) {
		rpc_endpoint_free(endpoint);
		return rpc_transport_error(error, result, "open a socket for", url);
	}
	result = rpc_endpoint_set_socket_options(*endpoint);
	if (result == 0) {
		result = rpc_endpoint_dial(*endpoint, name);
	}
	if (result != 0) {
		rpc_endpoint_close(endpoint);
		return rpc_transport_error(error, result, "connect to", url);
	}
	return STATUS_OK;
}

void
rpc_endpoint_close(struct rpc_endpoint **endpoint)
{
	nng_close((*endpoint)->socket);
	rpc_endpoint_free(endpoint);
}

void
rpc_endpoint_abort(struct rpc_endpoint *endpoint)
{
	struct rpc_exchange *exchange;

	TAILQ_FOREACH(exchange, &endpoint->in_flight, link)
	{
		rpc_exchange_abort(exchange);
	}
}

bool
rpc_endpoint_idle(const struct rpc_endpoint *endpoint)
{
	for (size_t i = 0; i < RPC_GROUPS; i++) {
		if (!TAILQ_EMPTY(&endpoint->groups[i].queue)) {
			return false;
		}
	}
	return TAILQ_EMPTY(&endpoint->in_flight) && endpoint->probe == NULL;
}

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
	rpc_probe_watch(endpoint, todo->now_ns);
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
	struct rpc_exchange *exchange;

	TAILQ_FOREACH(exchange, &endpoint->in_flight, link)
	{
		for (size_t i = 0; i < exchange->count; i++) {
			if (exchange->calls[i] != NULL) {
				rpc_pending_move(exchange->calls[i], todo);
			}
		}
	}
}

/* What was handed to NNG but not sent must not wait there for the next connection. */
static void
rpc_endpoint_disconnected(struct rpc_endpoint *endpoint, struct rpc_todo *todo)
{
	struct rpc_exchange *exchange;

	rpc_timer_clear(&endpoint->channel->timers, &endpoint->timer);
	TAILQ_FOREACH(exchange, &endpoint->in_flight, link)
	{
		rpc_exchange_abort(exchange);
	}
	rpc_endpoint_move_queued(endpoint, todo);
	rpc_resolver_kick(endpoint->channel->resolver);
}

/* Another process may be at the other end, or the same one with other settings. */
static void
rpc_endpoint_forget_times(struct rpc_endpoint *endpoint)
{
	for (size_t i = 0; i < RPC_GROUPS; i++) {
		endpoint->groups[i].calls = endpoint->groups[i].busy_ns = 0;
	}
}

void
rpc_endpoint_follow(struct rpc_endpoint *endpoint, struct rpc_todo *todo)
{
	if (endpoint->lost) {
		endpoint->lost = false;
		rpc_endpoint_disconnected(endpoint, todo);
	}
	if (endpoint->connected && !endpoint->was_connected) {
		endpoint->was_connected = true;
		rpc_endpoint_forget_times(endpoint);
		endpoint->health = RPC_HEALTH_NOT_SERVING; /* until it says that it serves */
		rpc_probe_start(endpoint, todo);
		rpc_channel_place_waiting(endpoint->channel, todo);
	}
}

enum rpc_endpoint_state
rpc_endpoint_state_of(const struct rpc_endpoint *endpoint)
{
	if (!endpoint->connected || !endpoint->was_connected) {
		return RPC_ENDPOINT_CONNECTING;
	}
	switch (endpoint->health) {
	case RPC_HEALTH_SERVING: return RPC_ENDPOINT_SERVING;
	case RPC_HEALTH_NOT_SERVING: return RPC_ENDPOINT_NOT_SERVING;
	case RPC_HEALTH_EJECTED: break;
	}
	return RPC_ENDPOINT_EJECTED;
}
