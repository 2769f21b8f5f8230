/* Both programs on every address, IPv4 and IPv6, in a network that nobody else reaches. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>

#include <cmocka.h>

#include "integration/scrape.h"
#include "integration/suite.h"
#include "tests/netns.h"

static const char *const loopbacks[] = {"127.0.0.1", "[::1]"};

static struct stack stack;
static char backends[128];

static void
expect_200(const char *host, unsigned port, const char *line)
{
	char base[64];
	struct http *http;

	snprintf(base, sizeof(base), "http://%s:%u", host, port);
	http = http_new(base);
	assert_int_equal(http_send(http, line, NULL, NULL)->status, 200);
	http_free(&http);
}

static void
every_port_answers_on_both_families(void **state)
{
	(void)state;
	for (size_t i = 0; i < 2; i++) {
		expect_200(loopbacks[i], stack.port, "GET /accountdhealth");
		expect_200(loopbacks[i], 5001, "GET /healthz");
		expect_200(loopbacks[i], 7002, "GET /healthz");
	}
}

/* With one of the two addresses as its only backend. */
static void
calls_are_answered_on_both_families(void **state)
{
	(void)state;
	for (size_t i = 0; i < 2; i++) {
		snprintf(backends, sizeof(backends), "tcp://%s:%u", loopbacks[i],
		    stack.accountd_ports[0]);
		assert_int_equal(process_stop(&stack.gatewayd), 0);
		stack_start_gatewayd(&stack);
		stack_await(&stack, "/accountdhealth", 200);
	}
}

static void
configure(void)
{
	stack.accountd_hosts[0] = "";
	stack.gatewayd_host = "";
	stack.gatewayd_flags[0] = "--admin-listen=:5001";
	stack.gatewayd_flags[1] = "--insecure-no-auth";
	stack.accountd_flags[0] = "--admin-listen=:7002";
	stack.accountd_ports[0] = process_free_port();
	snprintf(backends, sizeof(backends), "tcp://[::1]:%u", stack.accountd_ports[0]);
	stack.backends = backends;
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(every_port_answers_on_both_families),
	    cmocka_unit_test(calls_are_answered_on_both_families),
	};

	if (!netns_enter(NETNS_BOTH)) {
		puts("1..0 # SKIP a network of one's own is not permitted");
		return 0;
	}
	return suite_run(&(struct suite){.stack = &stack,
	    .configure = configure,
	    .tests = tests,
	    .test_count = sizeof(tests) / sizeof(tests[0])});
}
