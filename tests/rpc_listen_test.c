/* Where a server listens. Each case has a process of its own, as NNG does not outlive a fork. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "common/rpc/server/rpc_server.h"
#include "tests/netns.h"
#include "tests/rpc_peer.h"
#include "tests/rpc_service.h"

/* Asks a server that listens on every address by one of them; NULL: there is none. */
static void
ask(struct rpc_server *server, const char *host)
{
	char url[64];
	struct peer *peer;

	snprintf(url, sizeof(url), "tcp://%s:%s", host, strrchr(rpc_server_url(server), ':') + 1);
	peer = peer_open(url);
	service_ask(peer, PEER_CALL("test.v1.Test/Echo", url), 0, url);
	peer_close(peer);
}

static int
check_every_address(void)
{
	static const char *const urls[] = {"tcp://:0", "tcp://*:0", "tcp://[::]:0", "tcp://:7001"};

	for (size_t i = 0; i < sizeof(urls) / sizeof(urls[0]); i++) {
		struct rpc_server *server = service_open(urls[i]);

		ask(server, "127.0.0.1");
		ask(server, "[::1]");
		rpc_server_close(&server);
	}
	return 0;
}

/* With bindv6only, [::] is what it says. */
static int
check_a_socket_for_each(void)
{
	struct rpc_server *server = service_open("tcp://:0");

	ask(server, "127.0.0.1");
	ask(server, "[::1]");
	rpc_server_close(&server);
	return 0;
}

static int
check_without_ipv6(void)
{
	struct rpc_server *server = service_open("tcp://:0");

	ask(server, "127.0.0.1");
	rpc_server_close(&server);
	return 0;
}

static int
check_a_taken_port(void)
{
	struct rpc_server *first = service_open("tcp://[::1]:7001");
	struct rpc_server_options options = service_options("tcp://:7001");
	struct rpc_server *second;
	struct error error;

	if (rpc_server_open(&second, &options, &error) != STATUS_UNAVAILABLE ||
	    strstr(error.message, "tcp://[::]:7001: Address in use") == NULL) {
		return 1;
	}
	rpc_server_close(&first);
	return 0;
}

static void
a_port_alone_is_every_address_of_both_families(void **state)
{
	(void)state;
	netns_check(NETNS_BOTH, check_every_address);
	netns_check(NETNS_BOTH_ALONE, check_a_socket_for_each);
}

static void
without_ipv6_a_port_alone_is_every_address_of_ipv4(void **state)
{
	(void)state;
	netns_check(NETNS_NO_IPV6, check_without_ipv6);
}

static void
a_port_that_is_taken_in_one_family_is_not_taken_in_the_other_alone(void **state)
{
	(void)state;
	netns_check(NETNS_BOTH, check_a_taken_port);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(a_port_alone_is_every_address_of_both_families),
	    cmocka_unit_test(without_ipv6_a_port_alone_is_every_address_of_ipv4),
	    cmocka_unit_test(a_port_that_is_taken_in_one_family_is_not_taken_in_the_other_alone),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
