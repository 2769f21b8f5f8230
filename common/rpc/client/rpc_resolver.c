#include <netdb.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

#include "common/base/clock.h"
#include "common/rpc/client/rpc_channel_internal.h"
#include "common/rpc/net/rpc_lookup.h"

/* Look-ups that are asked for, or are made again, are at least so far apart. */
#define RPC_RESOLVE_MIN_MS  1000

#define RPC_RESOLVE_URL_MAX 128

/* A name among the URLs. */
struct rpc_name {
	struct rpc_resolver *resolver;
	const struct rpc_url *url;
	struct rpc_lookup *lookup; /* that runs, or has found; the channel's thread closes it */
};

/* An address of a name. */
struct rpc_found {
	SLIST_ENTRY(rpc_found) link;
	const char *host; /* the name */
	char url[RPC_RESOLVE_URL_MAX];
};

/*
 * Looks all names up at a time, in threads of rpc_lookup; what they find is noted
 * with the channel's lock, which guards all of this. The channel's thread begins
 * look-ups, and acts when the last of them has ended.
 */
struct rpc_resolver {
	struct rpc_channel *channel;
	struct rpc_timer timer; /* the next look-up */
	int64_t begun_ns;
	unsigned running; /* look-ups that have not ended */
	bool finished;    /* the last has, and nobody has acted on it */
	bool failed;      /* some name could not be looked up */
	SLIST_HEAD(, rpc_found) found;
	size_t count;
	struct rpc_name names[];
};

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

/* The callback of a look-up. The channel's lock is the last thing that it touches. */
static void
rpc_resolver_found(const struct addrinfo *addresses, void *closure)
{
	const struct rpc_name *name = closure;
	struct rpc_resolver *resolver = name->resolver;
	struct rpc_channel *channel = resolver->channel;
	bool failed = addresses == NULL;

	pthread_mutex_lock(&channel->lock);
	for (; addresses != NULL; addresses = addresses->ai_next) {
		struct rpc_found *found = malloc(sizeof(*found));

		if (found == NULL || !rpc_resolver_format(addresses, channel->options.tls != NULL,
					 found->url, sizeof(found->url))) {
			failed = true;
			free(found);
			continue;
		}
		found->host = name->url->host;
		SLIST_INSERT_HEAD(&resolver->found, found, link);
	}
	resolver->failed = resolver->failed || failed;
	if (--resolver->running == 0) {
		resolver->finished = true;
		rpc_channel_kick(channel);
	}
	pthread_mutex_unlock(&channel->lock);
}

/* With the lock: of a look-up that has found all that is left is to return. */
static void
rpc_resolver_begin(struct rpc_resolver *resolver, int64_t now_ns)
{
	resolver->begun_ns = now_ns;
	resolver->failed = false;
	for (size_t i = 0; i < resolver->count; i++) {
		struct rpc_name *name = &resolver->names[i];

		rpc_lookup_close(&name->lookup);
		if (rpc_lookup_open(&name->lookup, name->url->host, name->url->port,
			rpc_resolver_found, name)) {
			resolver->running++;
		} else {
			resolver->failed = true;
		}
	}
	if (resolver->running == 0) {
		resolver->finished = true;
		rpc_channel_kick(resolver->channel);
	}
}

/* Fires for resolver->timer. */
static void
rpc_resolver_fire(struct rpc_timer *timer, void *todo)
{
	struct rpc_resolver *resolver =
	    (struct rpc_resolver *)((char *)timer - offsetof(struct rpc_resolver, timer));

	if (!resolver->channel->closing) {
		rpc_resolver_begin(resolver, ((struct rpc_todo *)todo)->now_ns);
	}
}

static int64_t
rpc_resolver_soon_ns(const struct rpc_resolver *resolver)
{
	int64_t interval_ms = resolver->channel->options.resolve_interval_ms;
	int64_t soon_ms = interval_ms < RPC_RESOLVE_MIN_MS ? interval_ms : RPC_RESOLVE_MIN_MS;

	return resolver->begun_ns + soon_ms * CLOCK_NS_PER_MS;
}

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

/* Adds the endpoint, unless the channel has it; it is not stale then. */
static void
rpc_resolver_add(struct rpc_channel *channel, const struct rpc_found *found)
{
	const char *name = channel->tls_name == NULL ? found->host : channel->tls_name;
	struct rpc_endpoint *endpoint;

	for (size_t i = 0; i < channel->endpoint_count; i++) {
		if (strcmp(channel->endpoints[i]->url, found->url) == 0) {
			channel->endpoints[i]->stale = false;
			return;
		}
	}
	if (rpc_endpoint_open(&endpoint, channel, found->url, name, NULL) == STATUS_OK &&
	    !rpc_channel_add_endpoint(channel, endpoint)) {
		endpoint->removed = true;
		TAILQ_INSERT_TAIL(&channel->retired, endpoint, link);
	}
}

/* Takes endpoints out that are no longer named; they finish what is in flight. */
static void
rpc_resolver_retire(struct rpc_channel *channel, struct rpc_todo *todo)
{
	size_t count = channel->endpoint_count;
	struct rpc_endpoint *endpoint;

	channel->endpoint_count = 0;
	for (size_t i = 0; i < count; i++) {
		endpoint = channel->endpoints[i];
		if (!endpoint->stale) {
			channel->endpoints[channel->endpoint_count++] = endpoint;
			continue;
		}
		endpoint->removed = true;
		rpc_timer_clear(&channel->timers, &endpoint->timer);
		TAILQ_INSERT_TAIL(&channel->retired, endpoint, link);
	}
	TAILQ_FOREACH(endpoint, &channel->retired, link)
	{
		rpc_endpoint_move_queued(endpoint, todo);
	}
}

/* A name that can't be looked up just now takes nothing away. */
void
rpc_resolver_follow(struct rpc_channel *channel, struct rpc_todo *todo)
{
	struct rpc_resolver *resolver = channel->resolver;
	struct rpc_found *found;

	if (resolver == NULL || !resolver->finished || channel->closing) {
		return;
	}
	resolver->finished = false;
	for (size_t i = 0; i < channel->endpoint_count; i++) {
		channel->endpoints[i]->stale = !resolver->failed && !rpc_resolver_is_static(channel,
									channel->endpoints[i]->url);
	}
	while ((found = SLIST_FIRST(&resolver->found)) != NULL) {
		SLIST_REMOVE_HEAD(&resolver->found, link);
		rpc_resolver_add(channel, found);
		free(found);
	}
	rpc_resolver_retire(channel, todo);
	rpc_channel_set_timer(channel, &resolver->timer,
	    resolver->failed
		? rpc_resolver_soon_ns(resolver)
		: resolver->begun_ns + channel->options.resolve_interval_ms * CLOCK_NS_PER_MS);
}

void
rpc_resolver_kick(struct rpc_channel *channel)
{
	struct rpc_resolver *resolver = channel->resolver;

	/* Without the timer names are being looked up already. */
	if (resolver != NULL && resolver->timer.place != 0 &&
	    rpc_resolver_soon_ns(resolver) < resolver->timer.at_ns) {
		rpc_channel_set_timer(channel, &resolver->timer, rpc_resolver_soon_ns(resolver));
	}
}

enum status_code
rpc_resolver_start(struct rpc_channel *channel, struct error *error)
{
	struct rpc_resolver *resolver;
	size_t count = 0;
	bool reserved;

	for (size_t i = 0; i < channel->urls.count; i++) {
		count += channel->urls.list[i].host != NULL;
	}
	if (count == 0) {
		return STATUS_OK;
	}
	resolver = calloc(1, sizeof(*resolver) + count * sizeof(struct rpc_name));
	pthread_mutex_lock(&channel->lock);
	reserved = resolver != NULL && rpc_channel_reserve_timers(channel, 1);
	if (reserved) {
		resolver->channel = channel;
		resolver->timer.fire = rpc_resolver_fire;
		SLIST_INIT(&resolver->found);
		for (size_t i = 0; i < channel->urls.count; i++) {
			if (channel->urls.list[i].host != NULL) {
				resolver->names[resolver->count++] = (struct rpc_name){
				    .resolver = resolver, .url = &channel->urls.list[i]};
			}
		}
		channel->resolver = resolver;
		rpc_resolver_begin(resolver, clock_now_ns());
	}
	pthread_mutex_unlock(&channel->lock);
	if (!reserved) {
		free(resolver);
		return error_set(error, STATUS_RESOURCE_EXHAUSTED, "OUT_OF_MEMORY", "no memory");
	}
	return STATUS_OK;
}

void
rpc_resolver_stop(struct rpc_channel *channel)
{
	struct rpc_resolver *resolver = channel->resolver;
	struct rpc_found *found;

	if (resolver == NULL) {
		return;
	}
	for (size_t i = 0; i < resolver->count; i++) {
		rpc_lookup_close(&resolver->names[i].lookup);
	}
	pthread_mutex_lock(&channel->lock);
	rpc_timer_clear(&channel->timers, &resolver->timer);
	channel->timer_owners--;
	channel->resolver = NULL;
	pthread_mutex_unlock(&channel->lock);
	while ((found = SLIST_FIRST(&resolver->found)) != NULL) {
		SLIST_REMOVE_HEAD(&resolver->found, link);
		free(found);
	}
	free(resolver);
}
