#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>
#include <time.h>

#include "common/base/clock.h"
#include "common/rpc/net/rpc_net_internal.h"

/* A connection that has not said within this what it is makes room when others come. */
#define RPC_GREETING_GRACE_NS (1000 * CLOCK_NS_PER_MS)

static const struct {
	const char *name;
	const char *text;
} rpc_causes[RPC_CAUSES] = {
#define RPC_CAUSE_ROW(cause, name, text) {name, text},
    RPC_CAUSE_ROWS(RPC_CAUSE_ROW)
#undef RPC_CAUSE_ROW
};

const char *
rpc_cause_name(enum rpc_cause cause)
{
	return rpc_causes[cause].name;
}

const char *
rpc_cause_text(enum rpc_cause cause)
{
	return rpc_causes[cause].text;
}

static void
rpc_net_init_locks(struct rpc_net *net)
{
	pthread_condattr_t attributes;

	pthread_condattr_init(&attributes);
	pthread_condattr_setclock(&attributes, CLOCK_MONOTONIC);
	pthread_cond_init(&net->changed, &attributes);
	pthread_condattr_destroy(&attributes);
	pthread_mutex_init(&net->lock, NULL);
}

static void
rpc_net_free(struct rpc_net *net)
{
	rpc_budget_fini(&net->partial);
	rpc_budget_fini(&net->unsent);
	rpc_peers_free(&net->peers);
	rpc_room_fini(&net->room);
	pthread_cond_destroy(&net->changed);
	pthread_mutex_destroy(&net->lock);
	free(net);
}

enum status_code
rpc_net_open(struct rpc_net **net, const struct rpc_net_options *options, struct error *error)
{
	struct rpc_net *opened = calloc(1, sizeof(*opened));

	*net = NULL;
	if (opened == NULL) {
		return error_set(error, STATUS_RESOURCE_EXHAUSTED, "OUT_OF_MEMORY", "no memory");
	}
	opened->options = *options;
	opened->events = *options->events;
	rpc_net_init_locks(opened);
	rpc_budget_init(&opened->partial, options->partial_max_bytes);
	rpc_budget_init(&opened->unsent, options->unsent_max_bytes);
	rpc_room_init(&opened->room, options->connections_max);
	TAILQ_INIT(&opened->conns);
	TAILQ_INIT(&opened->ending);
	TAILQ_INIT(&opened->greeting);
	if (getrandom(&opened->random, sizeof(opened->random), 0) < 0) {
		opened->random = (uint64_t)clock_now_ns();
	}
	if (options->address_max > 0 &&
	    (opened->peers = rpc_peers_new(options->address_max)) == NULL) {
		rpc_net_free(opened);
		return error_set(error, STATUS_RESOURCE_EXHAUSTED, "OUT_OF_MEMORY", "no memory");
	}
	*net = opened;
	return STATUS_OK;
}

void
rpc_net_stats(struct rpc_net *net, struct rpc_net_stats *stats)
{
	pthread_mutex_lock(&net->lock);
	stats->connections = net->accepted;
	pthread_mutex_unlock(&net->lock);
	stats->partial_bytes = rpc_budget_held(&net->partial);
	stats->unsent_bytes = rpc_budget_held(&net->unsent);
}

/* The generator of Marsaglia, xorshift64*: what it is for needs no better one. */
uint64_t
rpc_net_random(struct rpc_net *net, uint64_t limit)
{
	uint64_t number;

	pthread_mutex_lock(&net->lock);
	number = net->random | 1;
	number ^= number >> 12;
	number ^= number << 25;
	number ^= number >> 27;
	net->random = number;
	pthread_mutex_unlock(&net->lock);
	return number * UINT64_C(2685821657736338717) % limit;
}

void
rpc_net_fault(struct rpc_net *net, const char *peer, enum rpc_cause cause, const char *text)
{
	if (cause > RPC_CAUSE_LOST && net->events.faulted != NULL) {
		net->events.faulted(peer, cause, text, net->options.closure);
	}
}

/* False when the address has as many connections as it may. */
static bool
rpc_net_count_address(struct rpc_net *net, struct rpc_conn *conn, const nng_sockaddr *from)
{
	struct sockaddr_in four = {.sin_family = AF_INET};
	struct sockaddr_in6 six = {.sin6_family = AF_INET6};

	if (net->peers == NULL ||
	    (from->s_family != NNG_AF_INET && from->s_family != NNG_AF_INET6)) {
		return true;
	}
	if (from->s_family == NNG_AF_INET) {
		four.sin_addr.s_addr = from->s_in.sa_addr;
		conn->counted = rpc_peers_acquire(net->peers, (struct sockaddr *)&four);
	} else {
		memcpy(&six.sin6_addr, from->s_in6.sa_addr, sizeof(six.sin6_addr));
		conn->counted = rpc_peers_acquire(net->peers, (struct sockaddr *)&six);
	}
	return conn->counted != NULL;
}

/* The oldest of those that still owe their greeting, acquired, if it had time enough. */
static struct rpc_conn *
rpc_net_oldest_greeting(struct rpc_net *net, int64_t now_ns)
{
	struct rpc_conn *first = TAILQ_FIRST(&net->greeting);

	if (first == NULL || now_ns - first->since_ns < RPC_GREETING_GRACE_NS) {
		return NULL;
	}
	TAILQ_REMOVE(&net->greeting, first, greeting_link);
	first->greeting = false;
	return rpc_conn_acquire(first);
}

enum rpc_cause
rpc_net_admit(struct rpc_net *net, struct rpc_conn *conn, const nng_sockaddr *from)
{
	unsigned max = net->options.connections_max;
	struct rpc_conn *oldest = NULL;
	enum rpc_cause cause = RPC_STARTED;

	pthread_mutex_lock(&net->lock);
	conn->since_ns = clock_now_ns();
	if (net->closing || (conn->dialer != NULL && rpc_dialer_is_closing(conn->dialer))) {
		cause = RPC_CAUSE_LOCAL;
	} else if (conn->dialer == NULL && max > 0 && net->accepted >= max) {
		oldest = rpc_net_oldest_greeting(net, conn->since_ns);
		cause = oldest == NULL ? RPC_CAUSE_CONNECTIONS : RPC_STARTED;
	}
	if (cause == RPC_STARTED && conn->dialer == NULL &&
	    !rpc_net_count_address(net, conn, from)) {
		cause = RPC_CAUSE_ADDRESS;
	}
	if (cause == RPC_STARTED) {
		TAILQ_INSERT_TAIL(&net->conns, conn, link);
		if (conn->dialer == NULL) {
			net->accepted++;
			TAILQ_INSERT_TAIL(&net->greeting, conn, greeting_link);
			conn->greeting = true;
		}
	}
	pthread_mutex_unlock(&net->lock);
	if (oldest != NULL) {
		rpc_conn_close(oldest, RPC_CAUSE_CONNECTIONS);
		rpc_conn_release(&oldest);
	}
	return cause;
}

void
rpc_net_greeted(struct rpc_net *net, struct rpc_conn *conn)
{
	pthread_mutex_lock(&net->lock);
	if (conn->greeting) {
		TAILQ_REMOVE(&net->greeting, conn, greeting_link);
		conn->greeting = false;
	}
	pthread_mutex_unlock(&net->lock);
}

void
rpc_net_ended(struct rpc_net *net, struct rpc_conn *conn)
{
	rpc_net_greeted(net, conn);
	pthread_mutex_lock(&net->lock);
	conn->ended = true;
	net->accepted -= conn->dialer == NULL;
	rpc_peers_release(net->peers, &conn->counted);
	pthread_mutex_unlock(&net->lock);
	if (conn->dialer == NULL) {
		rpc_room_give(&net->room);
	}
}

void
rpc_net_released(struct rpc_net *net, struct rpc_conn *conn)
{
	pthread_mutex_lock(&net->lock);
	if (conn->ending) {
		TAILQ_REMOVE(&net->ending, conn, link);
	} else {
		TAILQ_REMOVE(&net->conns, conn, link);
	}
	rpc_conn_free(conn); /* before anybody can know, who may end NNG then */
	pthread_cond_broadcast(&net->changed);
	pthread_mutex_unlock(&net->lock);
}

void
rpc_net_unwritten(struct rpc_net *net, bool unwritten)
{
	if (unwritten) {
		atomic_fetch_add(&net->unwritten, 1);
	} else if (atomic_fetch_sub(&net->unwritten, 1) == 1) {
		pthread_mutex_lock(&net->lock);
		pthread_cond_broadcast(&net->changed);
		pthread_mutex_unlock(&net->lock);
	}
}

bool
rpc_net_drain(struct rpc_net *net, int limit_ms)
{
	int64_t end_ns = clock_now_ns() + limit_ms * CLOCK_NS_PER_MS;
	struct timespec until = {
	    end_ns / (1000 * CLOCK_NS_PER_MS), end_ns % (1000 * CLOCK_NS_PER_MS)};
	int result = 0;

	pthread_mutex_lock(&net->lock);
	while (atomic_load(&net->unwritten) > 0 && result != ETIMEDOUT) {
		result = pthread_cond_timedwait(&net->changed, &net->lock, &until);
	}
	pthread_mutex_unlock(&net->lock);
	return atomic_load(&net->unwritten) == 0;
}

void
rpc_net_close_dialed(struct rpc_net *net, const struct rpc_dialer *dialer)
{
	struct rpc_conn *conn;

	pthread_mutex_lock(&net->lock);
	TAILQ_FOREACH(conn, &net->conns, link)
	{
		if (conn->dialer == dialer && !conn->ended && rpc_conn_try_acquire(conn)) {
			break;
		}
	}
	pthread_mutex_unlock(&net->lock);
	if (conn != NULL) {
		rpc_conn_close(conn, RPC_CAUSE_LOCAL);
		rpc_conn_release(&conn);
	}
}

/* Those that come from now on are refused, so that none is added behind. */
static void
rpc_net_close_conns(struct rpc_net *net)
{
	struct rpc_conn *conn;

	pthread_mutex_lock(&net->lock);
	net->closing = true;
	while ((conn = TAILQ_FIRST(&net->conns)) != NULL) {
		TAILQ_REMOVE(&net->conns, conn, link);
		TAILQ_INSERT_TAIL(&net->ending, conn, link);
		conn->ending = true;
		if (rpc_conn_try_acquire(conn)) {
			pthread_mutex_unlock(&net->lock);
			rpc_conn_close(conn, RPC_CAUSE_LOCAL);
			rpc_conn_release(&conn);
			pthread_mutex_lock(&net->lock);
		}
	}
	while (!TAILQ_EMPTY(&net->ending)) {
		pthread_cond_wait(&net->changed, &net->lock);
	}
	pthread_mutex_unlock(&net->lock);
}

void
rpc_net_close(struct rpc_net **net)
{
	if (*net == NULL) {
		return;
	}
	rpc_net_close_conns(*net);
	rpc_net_free(*net);
	*net = NULL;
}
