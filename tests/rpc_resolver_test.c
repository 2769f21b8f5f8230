/* Names are looked up by a getaddrinfo of this test's own. */

#include <arpa/inet.h>
#include <netdb.h>
#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include <cmocka.h>

#include "common/rpc/client/rpc_channel.h"
#include "common/rpc/net/rpc_transport.h"
#include "tests/rpc_backend.h"
#include "tests/rpc_caller.h"

#define ANY_PORT "tcp://127.0.0.1:0"
#define LONG_MS  30000

/* What the name stands for; count 0: it can't be looked up. */
static struct {
	pthread_mutex_t lock;
	unsigned short ports[2];
	size_t count;
	size_t asked;   /* how often */
	bool silent;    /* no question is answered */
	size_t waiting; /* those who have asked and have no answer */
	pthread_cond_t changed;
} zone = {.lock = PTHREAD_MUTEX_INITIALIZER, .changed = PTHREAD_COND_INITIALIZER};

/* Address 127.0.0.LAST. */
static struct addrinfo *
loopback(unsigned char last, unsigned short port, struct addrinfo *next)
{
	struct addrinfo *info = calloc(1, sizeof(*info) + sizeof(struct sockaddr_in));
	struct sockaddr_in *address = (struct sockaddr_in *)(info + 1);

	address->sin_family = AF_INET;
	address->sin_port = htons(port);
	address->sin_addr.s_addr = htonl((uint32_t)127 << 24 | last);
	info->ai_family = AF_INET;
	info->ai_socktype = SOCK_STREAM;
	info->ai_addr = (struct sockaddr *)address;
	info->ai_addrlen = sizeof(*address);
	info->ai_next = next;
	return info;
}

/* The host "two" has two addresses, of which nobody listens at the first. */
int
getaddrinfo(
    const char *name, const char *service, const struct addrinfo *hints, struct addrinfo **result)
{
	(void)hints;
	*result = NULL;
	if (name != NULL && strcmp(name, "two") == 0) {
		unsigned short port = (unsigned short)strtoul(service, NULL, 10);

		*result = loopback(2, port, loopback(1, port, NULL));
		return 0;
	}
	if (name == NULL || inet_addr(name) != INADDR_NONE) {
		/* NNG asks it for addresses. */
		*result = loopback(1, (unsigned short)strtoul(service, NULL, 10), NULL);
		return 0;
	}
	pthread_mutex_lock(&zone.lock);
	zone.waiting++;
	pthread_cond_broadcast(&zone.changed);
	while (zone.silent) {
		pthread_cond_wait(&zone.changed, &zone.lock);
	}
	zone.waiting--;
	for (size_t i = 0; i < zone.count; i++) {
		*result = loopback(1, zone.ports[i], *result);
	}
	zone.asked++;
	pthread_cond_broadcast(&zone.changed);
	pthread_mutex_unlock(&zone.lock);
	return *result == NULL ? EAI_AGAIN : 0;
}

void
freeaddrinfo(struct addrinfo *info)
{
	while (info != NULL) {
		struct addrinfo *next = info->ai_next;

		free(info);
		info = next;
	}
}

static void
zone_set(struct backend *first, struct backend *second)
{
	struct backend *backends[2] = {first, second};

	pthread_mutex_lock(&zone.lock);
	zone.count = 0;
	for (size_t i = 0; i < 2; i++) {
		if (backends[i] != NULL) {
			const char *port = strrchr(backend_url(backends[i]), ':') + 1;

			zone.ports[zone.count++] = (unsigned short)strtoul(port, NULL, 10);
		}
	}
	pthread_mutex_unlock(&zone.lock);
}

/* Waits until the name has been looked up so often from now on. */
static void
zone_wait(size_t times)
{
	pthread_mutex_lock(&zone.lock);
	times += zone.asked;
	while (zone.asked < times) {
		pthread_cond_wait(&zone.changed, &zone.lock);
	}
	pthread_mutex_unlock(&zone.lock);
}

static struct rpc_channel *
open_channel(void)
{
	return caller_channel("dns:///backends:7001",
	    (struct rpc_channel_options){.resolve_interval_ms = 20, .connect_timeout_ms = LONG_MS});
}

static void
wait_for_endpoints(struct rpc_channel *channel, size_t count)
{
	struct rpc_channel_stats stats;

	for (unsigned tries = 0; tries < 3000; tries++) {
		rpc_channel_get_stats(channel, &stats);
		if (stats.endpoints == count) {
			return;
		}
		nanosleep(&(struct timespec){.tv_nsec = 10000000}, NULL);
	}
	fail_msg("there are %zu endpoints, not %zu", stats.endpoints, count);
}

static void
calls_reach_what_a_name_stands_for(void **state)
{
	struct backend *backend = backend_open(ANY_PORT);
	struct rpc_channel *channel;

	(void)state;
	zone_set(backend, NULL);
	channel = open_channel();
	caller_expect_text(caller_start(channel, "t/Echo", "hi", RPC_NO_SIDE_EFFECTS, 0), "hi");
	rpc_channel_close(&channel);
	backend_close(&backend);
}

static void
a_new_address_joins_and_an_old_one_finishes_what_is_in_flight(void **state)
{
	struct backend *old = backend_open(ANY_PORT);
	struct backend *new = backend_open(ANY_PORT);
	struct rpc_channel *channel;
	struct caller *caller;

	(void)state;
	zone_set(old, NULL);
	channel = open_channel();
	caller = caller_start(channel, "t/Hold", "slow", 0, LONG_MS);
	backend_wait(old, 1);
	zone_set(old, new);
	caller_wait_serving(channel, 2);
	zone_set(new, NULL);
	wait_for_endpoints(channel, 1);
	for (size_t i = 0; i < 20; i++) {
		caller_expect_text(caller_start(channel, "t/Echo", "w", 0, LONG_MS), "w");
	}
	assert_int_equal(backend_counts(new).calls, 20);
	assert_false(caller_ended(caller));
	backend_release(old);
	caller_expect_text(caller, "slow");
	rpc_channel_close(&channel);
	backend_close(&old);
	backend_close(&new);
}

static void
a_name_that_cannot_be_looked_up_any_more_changes_nothing(void **state)
{
	struct backend *backend = backend_open(ANY_PORT);
	struct rpc_channel_stats stats;
	struct rpc_channel *channel;

	(void)state;
	zone_set(backend, NULL);
	channel = open_channel();
	caller_wait_serving(channel, 1);
	zone_set(NULL, NULL);
	zone_wait(3);
	caller_expect_text(caller_start(channel, "t/Echo", "w", 0, LONG_MS), "w");
	rpc_channel_get_stats(channel, &stats);
	assert_int_equal(stats.endpoints_serving, 1);
	rpc_channel_close(&channel);
	backend_close(&backend);
}

static void
a_name_that_is_made_known_later_is_found(void **state)
{
	struct backend *backend = backend_open(ANY_PORT);
	struct rpc_channel *channel;
	struct caller *caller;

	(void)state;
	zone_set(NULL, NULL);
	channel = open_channel();
	caller = caller_start(channel, "t/Echo", "late", RPC_WAIT_FOR_READY, LONG_MS);
	zone_set(backend, NULL);
	caller_expect_text(caller, "late");
	rpc_channel_close(&channel);
	backend_close(&backend);
}

static void
each_address_of_a_host_is_tried(void **state)
{
	struct backend *backend = backend_open(ANY_PORT);
	struct rpc_channel *channel;
	char url[64];

	(void)state;
	snprintf(url, sizeof(url), "tcp://two:%s", strrchr(backend_url(backend), ':') + 1);
	channel = caller_channel(url, (struct rpc_channel_options){0});
	caller_expect_text(
	    caller_start(channel, "t/Echo", "second", RPC_WAIT_FOR_READY, LONG_MS), "second");
	rpc_channel_close(&channel);
	backend_close(&backend);
}

/* A name among the addresses, and one that is looked up, at a name server that says nothing. */
static void
open_and_close_silently(void)
{
	struct rpc_channel *channel;

	pthread_mutex_lock(&zone.lock);
	zone.silent = true;
	pthread_mutex_unlock(&zone.lock);
	channel = caller_channel(
	    "dns:///backends:7001, tcp://backend:7001", (struct rpc_channel_options){0});
	pthread_mutex_lock(&zone.lock);
	while (zone.waiting < 2) {
		pthread_cond_wait(&zone.changed, &zone.lock);
	}
	pthread_mutex_unlock(&zone.lock);
	rpc_channel_close(&channel);
}

static void
closing_waits_for_no_name_server(void **state)
{
	(void)state;
	open_and_close_silently();
	pthread_mutex_lock(&zone.lock);
	assert_int_equal(zone.waiting, 2); /* it was not the answers that let it go */
	zone.silent = false;
	pthread_cond_broadcast(&zone.changed);
	while (zone.waiting > 0) {
		pthread_cond_wait(&zone.changed, &zone.lock);
	}
	pthread_mutex_unlock(&zone.lock);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(calls_reach_what_a_name_stands_for),
	    cmocka_unit_test(a_new_address_joins_and_an_old_one_finishes_what_is_in_flight),
	    cmocka_unit_test(a_name_that_cannot_be_looked_up_any_more_changes_nothing),
	    cmocka_unit_test(a_name_that_is_made_known_later_is_found),
	    cmocka_unit_test(each_address_of_a_host_is_tried),
	    cmocka_unit_test(closing_waits_for_no_name_server),
	};
	int failed = cmocka_run_group_tests(tests, NULL, NULL);

	open_and_close_silently();
	rpc_fini(); /* nor does the end of the program wait */
	return failed;
}
