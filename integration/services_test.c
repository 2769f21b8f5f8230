/*
 * A gateway in front of two services: accountd, and the toy service in this test.
 * Its descriptors are given to it by a file.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "integration/http.h"
#include "integration/scrape.h"
#include "integration/stack.h"
#include "integration/toyd.h"

#define BULK "{\"toys\":[{\"name\":\"Rex\"},{\"price\":1}]}"

static char descriptors[PATH_MAX + 64];
static char backends[256];
static char admin_flag[64];
static struct stack stack = {.gatewayd_flags = {descriptors, admin_flag}, .backends = backends};
static struct rpc_server *toyd;
static unsigned toyd_port;
static struct http *http;
static struct http *admin;
static char dir[PATH_MAX];

static void
both_services_are_served(void **state)
{
	(void)state;
	assert_int_equal(http_send(http, "GET /toys/7", NULL, NULL)->status, 200);
	assert_int_equal(http_send(http, "GET /users", NULL, NULL)->status, 200);
	assert_int_equal(http_send(http, "GET /others", NULL, NULL)->status, 404);
	scrape_await_ready(admin, 200, "ready\n");
}

static void
each_service_has_its_rules_of_errors_pages_and_bulks(void **state)
{
	const struct http_answer *answer;

	(void)state;
	answer = http_send(http, "GET /toys/13", NULL, NULL);
	assert_int_equal(answer->status, 410);
	answer = http_send(http, "GET /toys", NULL, NULL);
	assert_int_equal(answer->status, 200);
	assert_non_null(strstr(answer->body, "\"id\":5"));
	answer = http_send(http, "POST /toys", "Bulk-Request: true", BULK);
	assert_int_equal(answer->status, 409);
	assert_non_null(
	    strstr(answer->body, "{\"overallstatus\":409,\"results\":[{\"httpstatus\":201"));
	assert_non_null(
	    strstr(answer->body, "\"httpstatus\":404,\"errmsg\":\"a toy needs a name\""));
	answer =
	    http_send(http, "POST /users", "Bulk-Request: true", "{\"Users\":[{\"name\":\"n\"}]}");
	assert_int_equal(answer->status, 409);
	assert_non_null(strstr(answer->body, "\"httpstatus\":400"));
}

static void
one_service_that_is_away_takes_its_own_paths_along(void **state)
{
	const struct http_answer *answer;

	(void)state;
	toyd_stop(&toyd);
	scrape_await_ready(admin, 200, "ready, but without toy.v1\n");
	answer = http_send(http, "GET /toys/7", NULL, NULL);
	assert_int_equal(answer->status, 503);
	assert_non_null(http_header(answer, "retry-after"));
	assert_int_equal(http_send(http, "GET /users", NULL, NULL)->status, 200);
	assert_int_equal(http_send(http, "GET /others", NULL, NULL)->status, 404);
	toyd = toyd_start(toyd_port, NULL, 0);
	scrape_await_ready(admin, 200, "ready\n");
	assert_int_equal(http_send(http, "GET /toys/7", NULL, NULL)->status, 200);
}

static void
metrics_tell_the_services_apart(void **state)
{
	(void)state;
	assert_true(
	    scrape_value(admin, "mockvideo_rpc_client_messages_total{backend=\"toy.v1\"}") > 0);
	assert_true(
	    scrape_value(admin, "mockvideo_rpc_client_messages_total{backend=\"default\"}") > 0);
	scrape_check(admin);
}

/* The sets of both services, one behind the other. */
static void
write_descriptors(void)
{
	static const char *const paths[] = {"build/gen/mockvideo.pb", "build/gen/toy.pb"};
	char path[PATH_MAX + 32];
	FILE *out;

	snprintf(path, sizeof(path), "%s/all.pb", dir);
	snprintf(descriptors, sizeof(descriptors), "--descriptors=%s", path);
	out = fopen(path, "w");
	assert_non_null(out);
	for (size_t i = 0; i < sizeof(paths) / sizeof(paths[0]); i++) {
		FILE *in = fopen(paths[i], "r");
		int c;

		assert_non_null(in);
		while ((c = getc(in)) != EOF) {
			putc(c, out);
		}
		fclose(in);
	}
	assert_int_equal(fclose(out), 0);
}

static int
start(void **state)
{
	unsigned admin_port = process_free_port();
	char url[64];

	(void)state;
	process_make_dir(dir);
	write_descriptors();
	toyd_port = process_free_port();
	stack.accountd_ports[0] = process_free_port();
	snprintf(backends, sizeof(backends), "toy.v1=tcp://127.0.0.1:%u,tcp://127.0.0.1:%u",
	    toyd_port, stack.accountd_ports[0]);
	snprintf(admin_flag, sizeof(admin_flag), "--admin-listen=127.0.0.1:%u", admin_port);
	snprintf(url, sizeof(url), "http://127.0.0.1:%u", admin_port);
	toyd = toyd_start(toyd_port, NULL, 0);
	stack_start(&stack);
	http = http_new(stack.url);
	admin = http_new(url);
	stack_await(&stack, "/toys/7", 200);
	return 0;
}

static void
the_system_stops_cleanly(void **state)
{
	(void)state;
	http_free(&http);
	http_free(&admin);
	stack_stop(&stack);
	toyd_stop(&toyd);
	process_remove_dir(dir);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(both_services_are_served),
	    cmocka_unit_test(each_service_has_its_rules_of_errors_pages_and_bulks),
	    cmocka_unit_test(one_service_that_is_away_takes_its_own_paths_along),
	    cmocka_unit_test(metrics_tell_the_services_apart),
	    cmocka_unit_test(the_system_stops_cleanly),
	};
	int failed = cmocka_run_group_tests(tests, start, NULL);

	stack_kill(&stack);
	return failed;
}
