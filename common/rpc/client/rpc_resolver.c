#include <netdb.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

#include "common/clock.h"
#include "common/rpc/client/rpc_channel_internal.h"

/* Look-ups that are asked for are at least so far apart. */
#define RPC_RESOLVE_MIN_MS  1000

#define RPC_RESOLVE_URL_MAX 128

/* Looks names up, and opens and closes the endpoints: all of which may block. */
struct rpc_resolver {
	struct rpc_channel *channel;
	pthread_t thread;
	pthread_cond_t wake; /* with the channel's lock, which guards all below */
	bool stopping;
	bool kicked;
	bool sweep;
};

static bool
rpc_resolver_is_static(const struct rpc_channel *channel, const char *url)
{
	for (size_t i = 0; i < channel->urls.count; i++) {
		if (strcmp(channel->urls.list[i].text, url) == 0) {
			return true;
		}
	}
	return false;
}

static void
rpc_resolver_mark(struct rpc_channel *channel)
{
	pthread_mutex_lock(&channel->lock);
	for (size_t i = 0; i < channel->endpoint_count; i++) {
		channel->endpoints[i]->stale =
		    !rpc_resolver_is_static(channel, channel->endpoints[i]->url);
	}
	pthread_mutex_unlock(&channel->lock);
}

/* True when the channel has the endpoint; it is not stale then. */
static bool
rpc_resolver_keep(struct rpc_channel *channel, const char *url)
{
	bool found = false;

	pthread_mutex_lock(&channel->lock);
	for (size_t i = 0; i < channel->endpoint_count && !found; i++) {
		found = strcmp(channel->endpoints[i]->url, url) == 0;
		if (found) {
			channel->endpoints[i]->stale = false;
		}
	}
	pthread_mutex_unlock(&channel->lock);
	return found;
}

static void
rpc_resolver_add(struct rpc_channel *channel, const char *url, const char *host)
{
	const char *name = channel->tls_name == NULL ? host : channel->tls_name;
	struct rpc_endpoint *endpoint;
	bool added;

	if (rpc_resolver_keep(channel, url) ||
	    rpc_endpoint_open(&endpoint, channel, url, name, NULL) != STATUS_OK) {
		return;
	}
	pthread_mutex_lock(&channel->lock);
	added = rpc_channel_add_endpoint(channel, endpoint);
	pthread_mutex_unlock(&channel->lock);
	if (!added) {
		rpc_endpoint_close(&endpoint);
	}
}

static bool
rpc_resolver_format(const struct addrinfo *address, bool tls, char *url, size_t size)
{
	char host[NI_MAXHOST];
	char port[NI_MAXSERV];

	if (getnameinfo(address->ai_addr, address->ai_addrlen, host, sizeof(host), port,
		sizeof(port), NI_NUMERICHOST | NI_NUMERICSERV) != 0) {
		return false;
	}
	return (size_t)snprintf(url, size,
		   address->ai_family == AF_INET6 ? "%stcp://[%s]:%s" : "%stcp://%s:%s",
		   tls ? "tls+" : "", host, port) < size;
}

/* Adds the addresses of a name. False when it could not be looked up. */
static bool
rpc_resolver_look_up(struct rpc_channel *channel, const struct rpc_url *name)
{
	struct addrinfo hints = {.ai_socktype = SOCK_STREAM, .ai_flags = AI_ADDRCONFIG};
	struct addrinfo *addresses;
	char url[RPC_RESOLVE_URL_MAX];

	if (getaddrinfo(name->host, name->port, &hints, &addresses) != 0) {
		return false;
	}
	for (struct addrinfo *at = addresses; at != NULL; at = at->ai_next) {
		if (rpc_resolver_format(at, channel->options.tls != NULL, url, sizeof(url))) {
			rpc_resolver_add(channel, url, name->host);
		}
	}
	freeaddrinfo(addresses);
	return true;
}

/* Takes endpoints out that are no longer named; they finish what is in flight. */
static void
rpc_resolver_retire(struct rpc_channel *channel)
{
	struct rpc_todo todo;
	size_t kept = 0;
	size_t count;

	rpc_channel_lock(channel, &todo);
	count = channel->endpoint_count;
	for (size_t i = 0; i < count; i++) {
		struct rpc_endpoint *endpoint = channel->endpoints[i];

		if (!endpoint->stale) {
			channel->endpoints[kept++] = endpoint;
			continue;
		}
		endpoint->removed = true;
		rpc_timer_clear(&channel->timers, &endpoint->timer);
		TAILQ_INSERT_TAIL(&channel->retired, endpoint, link);
	}
	channel->endpoint_count = kept;
	if (kept < count) {
		struct rpc_endpoint *endpoint;

		TAILQ_FOREACH(endpoint, &channel->retired, link)
		{
			rpc_endpoint_move_queued(endpoint, &todo);
		}
	}
	rpc_channel_unlock(&todo);
}

/* A name that can't be looked up just now changes nothing. */
static void
rpc_resolver_update(struct rpc_channel *channel)
{
	bool complete = true;

	rpc_resolver_mark(channel);
	for (size_t i = 0; i < channel->urls.count; i++) {
		if (channel->urls.list[i].host != NULL &&
		    !rpc_resolver_look_up(channel, &channel->urls.list[i])) {
			complete = false;
		}
	}
	if (complete) {
		rpc_resolver_retire(channel);
	}
}

/* Called with the lock, which is released meanwhile. */
static void
rpc_resolver_close_retired(struct rpc_channel *channel)
{
	struct rpc_endpoint *endpoint = TAILQ_FIRST(&channel->retired);

	while (endpoint != NULL) {
		if (!rpc_endpoint_idle(endpoint)) {
			if (endpoint->load == 0) {
				rpc_endpoint_abort(endpoint);
			}
			endpoint = TAILQ_NEXT(endpoint, link);
			continue;
		}
		TAILQ_REMOVE(&channel->retired, endpoint, link);
		pthread_mutex_unlock(&channel->lock);
		rpc_endpoint_close(&endpoint);
		pthread_mutex_lock(&channel->lock);
		endpoint = TAILQ_FIRST(&channel->retired);
	}
}

static void
rpc_resolver_wait(struct rpc_resolver *resolver, int64_t until_ns)
{
	struct timespec until = {.tv_sec = until_ns / 1000000000, .tv_nsec = until_ns % 1000000000};

	pthread_cond_timedwait(&resolver->wake, &resolver->channel->lock, &until);
}

static void *
rpc_resolver_run(void *closure)
{
	struct rpc_resolver *resolver = closure;
	struct rpc_channel *channel = resolver->channel;
	int64_t interval_ns = channel->options.resolve_interval_ms * CLOCK_NS_PER_MS;
	int64_t min_ns = interval_ns < RPC_RESOLVE_MIN_MS * CLOCK_NS_PER_MS
			     ? interval_ns
			     : RPC_RESOLVE_MIN_MS * CLOCK_NS_PER_MS;

	pthread_mutex_lock(&channel->lock);
	while (!resolver->stopping) {
		int64_t begun_ns = clock_now_ns();

		resolver->kicked = false;
		pthread_mutex_unlock(&channel->lock);
		rpc_resolver_update(channel);
		pthread_mutex_lock(&channel->lock);
		resolver->sweep = true;
		for (;;) {
			int64_t due_ns = begun_ns + (resolver->kicked ? min_ns : interval_ns);

			if (resolver->stopping || clock_now_ns() >= due_ns) {
				break;
			}
			if (resolver->sweep) {
				resolver->sweep = false;
				rpc_resolver_close_retired(channel);
				continue;
			}
			rpc_resolver_wait(resolver, due_ns);
		}
	}
	pthread_mutex_unlock(&channel->lock);
	return NULL;
}

void
rpc_resolver_kick(struct rpc_resolver *resolver)
{
	if (resolver != NULL && !resolver->kicked) {
		resolver->kicked = true;
		pthread_cond_signal(&resolver->wake);
	}
}

void
rpc_resolver_sweep(struct rpc_resolver *resolver)
{
	if (resolver != NULL && !resolver->sweep) {
		resolver->sweep = true;
		pthread_cond_signal(&resolver->wake);
	}
}

static void
rpc_resolver_free(struct rpc_channel *channel)
{
	struct rpc_resolver *resolver = channel->resolver;

	pthread_mutex_lock(&channel->lock);
	channel->resolver = NULL;
	pthread_mutex_unlock(&channel->lock);
	pthread_cond_destroy(&resolver->wake);
	free(resolver);
}

static bool
rpc_resolver_needed(const struct rpc_channel *channel)
{
	for (size_t i = 0; i < channel->urls.count; i++) {
		if (channel->urls.list[i].host != NULL) {
			return true;
		}
	}
	return false;
}

enum status_code
rpc_resolver_start(struct rpc_channel *channel, struct error *error)
{
	struct rpc_resolver *resolver;
	pthread_condattr_t attributes;

	if (!rpc_resolver_needed(channel)) {
		return STATUS_OK;
	}
	resolver = calloc(1, sizeof(*resolver));
	if (resolver == NULL) {
		return error_set(error, STATUS_RESOURCE_EXHAUSTED, "OUT_OF_MEMORY", "no memory");
	}
	resolver->channel = channel;
	pthread_condattr_init(&attributes);
	pthread_condattr_setclock(&attributes, CLOCK_MONOTONIC);
	pthread_cond_init(&resolver->wake, &attributes);
	pthread_condattr_destroy(&attributes);
	pthread_mutex_lock(&channel->lock);
	channel->resolver = resolver;
	pthread_mutex_unlock(&channel->lock);
	if (pthread_create(&resolver->thread, NULL, rpc_resolver_run, resolver) != 0) {
		rpc_resolver_free(channel);
		return error_set(error, STATUS_RESOURCE_EXHAUSTED, "NO_THREAD",
		    "cannot start the thread that looks endpoints up");
	}
	return STATUS_OK;
}

void
rpc_resolver_stop(struct rpc_channel *channel)
{
	struct rpc_resolver *resolver = channel->resolver;

	if (resolver == NULL) {
		return;
	}
	pthread_mutex_lock(&channel->lock);
	resolver->stopping = true;
	pthread_cond_signal(&resolver->wake);
	pthread_mutex_unlock(&channel->lock);
	pthread_join(resolver->thread, NULL);
	rpc_resolver_free(channel);
}
