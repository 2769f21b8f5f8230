#include <arpa/inet.h>
#include <netinet/in.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "common/rpc/net/rpc_peers.h"

static struct rpc_peer *
acquire(struct rpc_peers *peers, const char *text)
{
	struct sockaddr_in four = {.sin_family = AF_INET};
	struct sockaddr_in6 six = {.sin6_family = AF_INET6};

	if (inet_pton(AF_INET, text, &four.sin_addr) == 1) {
		return rpc_peers_acquire(peers, (const struct sockaddr *)&four);
	}
	assert_int_equal(inet_pton(AF_INET6, text, &six.sin6_addr), 1);
	return rpc_peers_acquire(peers, (const struct sockaddr *)&six);
}

static void
an_address_has_at_most_as_many_as_it_may(void **state)
{
	struct rpc_peers *peers = rpc_peers_new(2);
	struct rpc_peer *first, *second, *other, *third;

	(void)state;
	assert_non_null(peers);
	first = acquire(peers, "192.0.2.1");
	second = acquire(peers, "192.0.2.1");
	other = acquire(peers, "192.0.2.2");
	assert_non_null(first);
	assert_non_null(second);
	assert_non_null(other);
	assert_null(acquire(peers, "192.0.2.1"));
	rpc_peers_release(peers, &first);
	assert_null(first);
	third = acquire(peers, "192.0.2.1");
	assert_non_null(third);
	rpc_peers_release(peers, &first);
	rpc_peers_release(peers, &second);
	rpc_peers_release(peers, &third);
	rpc_peers_release(peers, &other);
	rpc_peers_free(&peers);
	assert_null(peers);
}

static void
ipv6_counts_by_network_and_mapped_ipv4_as_ipv4(void **state)
{
	struct rpc_peers *peers = rpc_peers_new(1);
	struct rpc_peer *four, *six;

	(void)state;
	assert_non_null(peers);
	six = acquire(peers, "2001:db8::1");
	assert_non_null(six);
	assert_null(acquire(peers, "2001:db8::ffff:2"));
	four = acquire(peers, "::ffff:192.0.2.1");
	assert_non_null(four);
	assert_null(acquire(peers, "192.0.2.1"));
	rpc_peers_release(peers, &six);
	six = acquire(peers, "2001:db8::2");
	assert_non_null(six);
	rpc_peers_release(peers, &six);
	rpc_peers_release(peers, &four);
	rpc_peers_free(&peers);
}

static void
many_addresses_are_kept_apart(void **state)
{
	enum {
		COUNT = 10000
	};
	struct rpc_peers *peers = rpc_peers_new(1);
	struct rpc_peer **held = calloc(COUNT, sizeof(*held));
	char text[32];

	(void)state;
	assert_non_null(peers);
	assert_non_null(held);
	for (int i = 0; i < COUNT; i++) {
		snprintf(text, sizeof(text), "10.0.%d.%d", i / 256, i % 256);
		held[i] = acquire(peers, text);
		assert_non_null(held[i]);
	}
	assert_null(acquire(peers, "10.0.0.0"));
	for (int i = 0; i < COUNT; i++) {
		rpc_peers_release(peers, &held[i]);
	}
	held[0] = acquire(peers, "10.0.0.0");
	assert_non_null(held[0]);
	rpc_peers_release(peers, &held[0]);
	free(held);
	rpc_peers_free(&peers);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(an_address_has_at_most_as_many_as_it_may),
	    cmocka_unit_test(ipv6_counts_by_network_and_mapped_ipv4_as_ipv4),
	    cmocka_unit_test(many_addresses_are_kept_apart),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
