/*
 * A gateway that runs already, in front of accountd; further services come, go,
 * and come back with something else, while nobody who asks for users notices. They
 * run in this test, on real RPC servers; what they offer is in their reflection.
 */
#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "integration/http.h"
#include "integration/load.h"
#include "integration/mvctl.h"
#include "integration/scrape.h"
#include "integration/set.h"
#include "integration/suite.h"
#include "integration/toyd.h"

#define CLIENTS      4
#define BULK         "{\"toys\":[{\"name\":\"Rex\"},{\"price\":1}]}"

#define STATE(state) "mockvideo_gateway_descriptors_state{backend=\"toy.v1\",state=\"" state "\"}"
#define ADOPTED      "mockvideo_gateway_descriptors_adopted_total{backend=\"toy.v1\"}"
#define REFUSED      "mockvideo_gateway_descriptors_refused_total{backend=\"toy.v1\"}"

static char backends[256];
static char cache_flag[PATH_MAX + 32];
static char pin_flag[PATH_MAX + 32];
static char rules_flag[PATH_MAX + 32];
static struct stack stack = {.gatewayd_flags = {cache_flag, rules_flag}, .backends = backends};
static struct set toys, fewer_toys, clash, shelf, all;
static struct rpc_server *toyd;
static unsigned toyd_port, second_port, shelfd_port;
static struct http *http;
static struct http *admin;
static struct load *load;
static char dir[PATH_MAX];

static void
expect(const char *line, int status)
{
	const struct http_answer *answer = http_send(http, line, NULL, NULL);

	if (answer->status != status) {
		fail_msg("%s: %d, not %d: %s", line, answer->status, status, answer->body);
	}
	if (status == 503) {
		assert_non_null(http_header(answer, "retry-after"));
	}
}

/* Starts the toy service anew, with what it offers now. */
static void
restart_toyd(const struct set *set)
{
	toyd_stop(&toyd);
	toyd = toyd_start(toyd_port, set->bytes, set->len);
}

static void
what_a_service_never_seen_has_is_not_known_yet(void **state)
{
	(void)state;
	scrape_await_ready(admin, 200, "ready, but without toy.v1, default\n");
	scrape_await(admin, STATE("missing"), 1);
	expect("GET /toys/7", 503);
	expect("GET /others", 503);
	expect("GET /users", 200);
	expect("DELETE /users", 405);
}

static void
a_service_that_comes_is_served(void **state)
{
	(void)state;
	toyd = toyd_start(toyd_port, fewer_toys.bytes, fewer_toys.len);
	stack_await(&stack, "/toys/7", 200);
	scrape_await(admin, STATE("current"), 1);
	scrape_await_ready(admin, 200, "ready, but without default\n");
	expect("GET /toys/7/name", 503); /* of the third service, perhaps */
}

static void
each_service_has_its_rules_of_errors_pages_and_bulks(void **state)
{
	const struct http_answer *answer;

	(void)state;
	expect("GET /toys/13", 410);
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
mvctl_calls_any_service(void **state)
{
	char url[64];
	char out[4096];
	const char *argv[] = {process_program("mvctl"), "--endpoint", url, "--compact", "call",
	    "toy.v1.ToyService/GetToy", "{\"id\":7}", NULL};

	(void)state;
	snprintf(url, sizeof(url), "tcp://127.0.0.1:%u", toyd_port);
	assert_int_equal(process_run(argv, out, sizeof(out)), 0);
	assert_non_null(strstr(out, "\"name\":\"Ted\""));
}

static void *
get_held(void *closure)
{
	struct http *own = http_new(stack.url);
	const struct http_answer *answer = http_send(own, "GET /toys/99", NULL, NULL);
	int *status = closure;

	*status =
	    strstr(answer->body, "\"href\":\"/toys/99?name=Ted\"") == NULL ? -1 : answer->status;
	http_free(&own);
	return NULL;
}

/* The shelf's server knows none of its methods: that it is asked shows the route. */
static void
a_request_that_has_begun_is_answered_by_what_it_began_with(void **state)
{
	struct rpc_server *shelfd;
	pthread_t thread;
	int status = 0;

	(void)state;
	assert_int_equal(pthread_create(&thread, NULL, get_held, &status), 0);
	toyd_await_held();
	shelfd = toyd_start(shelfd_port, shelf.bytes, shelf.len);
	stack_await(&stack, "/v1/books/b", 501);
	scrape_await_ready(admin, 200, "ready\n");
	toyd_release();
	pthread_join(thread, NULL);
	assert_int_equal(status, 200);
	expect("GET /others", 404);
	expect("GET /toys/7/name", 404);
	toyd_stop(&shelfd);
	scrape_await_ready(admin, 200, "ready, but without default\n");
	expect("GET /v1/books/b", 503);
	expect("GET /others", 404);
}

static void
a_service_that_is_away_takes_its_own_paths_along(void **state)
{
	(void)state;
	toyd_stop(&toyd);
	scrape_await_ready(admin, 200, "ready, but without toy.v1, default\n");
	expect("GET /toys/7", 503);
	expect("GET /users", 200);
	expect("GET /others", 404);
}

static void
a_service_that_comes_back_with_more_is_served_with_that(void **state)
{
	(void)state;
	restart_toyd(&toys);
	stack_await(&stack, "/toys/7/name", 200);
	expect("GET /toys/7", 200);
}

static void
a_set_with_anothers_paths_is_refused_whole(void **state)
{
	long mark = process_log_mark(&stack.gatewayd);

	(void)state;
	restart_toyd(&clash);
	scrape_await(admin, STATE("refused"), 1);
	process_await_log(&stack.gatewayd, mark, "descriptors of a service are refused");
	assert_true(process_log_has(&stack.gatewayd, mark, "toy.v1.ClashService/GetClash"));
	assert_true(process_log_has(&stack.gatewayd, mark, "account.v1.UserService/GetUser"));
	assert_true(scrape_value(admin, REFUSED) == 1);
	stack_await(&stack, "/toys/7/name", 200);
	expect("GET /users", 200);
	scrape_check(admin);
}

static void
a_set_that_is_none_is_refused(void **state)
{
	const struct set garbage = {(uint8_t *)(uintptr_t) "\xff\xff\xff", 3};

	(void)state;
	restart_toyd(&garbage);
	scrape_await(admin, REFUSED, 2);
	stack_await(&stack, "/toys/7/name", 200);
	restart_toyd(&toys);
	scrape_await(admin, STATE("current"), 1);
	scrape_await(admin, STATE("refused"), 0);
	assert_true(scrape_value(admin, REFUSED) == 2);
}

static void
await_second(const char *state_name)
{
	char series[256];

	snprintf(series, sizeof(series),
	    "mockvideo_rpc_client_endpoint_state{backend=\"toy.v1\",endpoint=\"tcp://"
	    "127.0.0.1:%u\",state=\"%s\"}",
	    second_port, state_name);
	scrape_await(admin, series, 1);
}

static void
two_versions_at_once_change_nothing_until_one_is_left(void **state)
{
	double adopted = scrape_value(admin, ADOPTED);
	struct rpc_server *second;

	(void)state;
	second = toyd_start(second_port, fewer_toys.bytes, fewer_toys.len);
	await_second("serving");
	for (unsigned i = 0; i < 50; i++) {
		expect("GET /toys/7/name", 200);
	}
	assert_true(scrape_value(admin, ADOPTED) == adopted);
	toyd_stop(&toyd);
	stack_await(&stack, "/toys/7/name", 404);
	assert_true(scrape_value(admin, ADOPTED) == adopted + 1);
	toyd = toyd_start(toyd_port, toys.bytes, toys.len);
	toyd_stop(&second);
	stack_await(&stack, "/toys/7/name", 200);
}

static void
nobody_who_asked_for_users_was_failed(void **state)
{
	(void)state;
	load_stop(load);
	load_print(load);
	load_check_none_failed(load);
	load_check(load);
	load_free(&load);
}

static void
restart_gatewayd(void)
{
	assert_int_equal(process_stop(&stack.gatewayd), 0);
	stack_start_gatewayd(&stack);
}

static void
a_gateway_starts_with_what_it_was_told_last(void **state)
{
	(void)state;
	toyd_stop(&toyd);
	restart_gatewayd();
	scrape_await_ready(admin, 200, "ready, but without toy.v1, default\n");
	scrape_await(admin, STATE("cached"), 1);
	expect("GET /toys/7/name", 503);
	expect("GET /v1/books/b", 503);
	expect("GET /others", 404);
	expect("GET /users", 200);
	toyd = toyd_start(toyd_port, toys.bytes, toys.len);
	stack_await(&stack, "/toys/7/name", 200);
	scrape_await(admin, STATE("current"), 1);
}

static void
write_file(const char *path, const struct set *set)
{
	FILE *file = fopen(path, "w");

	assert_non_null(file);
	assert_int_equal(fwrite(set->bytes, 1, set->len, file), set->len);
	assert_int_equal(fclose(file), 0);
}

static void
what_is_no_set_in_the_cache_is_passed_over(void **state)
{
	const struct set garbage = {(uint8_t *)(uintptr_t) "garbage", 7};
	char path[PATH_MAX + 64];

	(void)state;
	snprintf(path, sizeof(path), "%s/cache/toy.v1.pb", dir);
	write_file(path, &garbage);
	restart_gatewayd();
	stack_await(&stack, "/toys/7/name", 200);
	expect("GET /users", 200);
}

static void
a_pinned_gateway_asks_nobody(void **state)
{
	char path[PATH_MAX + 16];

	(void)state;
	snprintf(path, sizeof(path), "%s/all.pb", dir);
	write_file(path, &all);
	snprintf(pin_flag, sizeof(pin_flag), "--descriptors=%s", path);
	stack.gatewayd_flags[2] = pin_flag;
	restart_gatewayd();
	stack_await(&stack, "/toys/7", 200);
	expect("GET /toys/7/name", 404); /* which the service has, and the file has not */
	expect("GET /users", 200);
	expect("GET /v1/books/b", 503);
	scrape_await(admin, STATE("current"), 1);
}

/* Rules */

static void
write_rules(const char *name, const char *selector)
{
	char path[PATH_MAX + 16];
	FILE *file;

	snprintf(path, sizeof(path), "%s/%s", dir, name);
	file = fopen(path, "w");
	assert_non_null(file);
	fprintf(file,
	    "type: google.api.Service\nconfig_version: 3\nhttp:\n  rules:\n"
	    "  - selector: %s\n    get: /playthings/{id}\n",
	    selector);
	assert_int_equal(fclose(file), 0);
}

static void
a_rule_of_the_file_is_a_path_of_its_service(void **state)
{
	const struct http_answer *answer;

	(void)state;
	answer = http_send(http, "GET /playthings/7", NULL, NULL);
	assert_int_equal(answer->status, 200);
	assert_non_null(strstr(answer->body, "\"href\":\"/toys/7?name=Ted\""));
}

/* What a start with such a rule ends with. */
static void
expect_refusal(const char *selector, const char *why)
{
	char out[4096];
	char flags[3][PATH_MAX + 32];
	const char *argv[] = {process_program("gatewayd"), flags[0], flags[1], flags[2],
	    "--backends=toy.v1=tcp://127.0.0.1:1", NULL};

	write_rules("wrong.yaml", selector);
	snprintf(flags[0], sizeof(flags[0]), "--http-rules=%s/wrong.yaml", dir);
	snprintf(flags[1], sizeof(flags[1]), "--descriptors=%s/all.pb", dir);
	snprintf(flags[2], sizeof(flags[2]), "--listen=127.0.0.1:%u", process_free_port());
	assert_int_equal(process_run(argv, out, sizeof(out)), 2);
	if (strstr(out, "wrong.yaml:5: ") == NULL || strstr(out, why) == NULL) {
		fail_msg("%s: %s", selector, out);
	}
}

static void
a_selector_of_nothing_stops_the_start(void **state)
{
	(void)state;
	expect_refusal("toy.v1.ToyService.GetToi", "there is no method");
	expect_refusal("foy.v1.ToyService.GetToy", "is of no service that backends names");
}

/* Sets */

static void
make_sets(void)
{
	struct set users = set_read("build/gen/mockvideo.pb");
	struct set clashing = set_read("build/gen/clash.pb");
	struct set two;

	toys = set_read("build/gen/toy.pb");
	shelf = set_read("build/gen/shelf.pb");
	fewer_toys = set_drop_last_method(&toys);
	clash = set_join(&toys, &clashing);
	two = set_join(&users, &fewer_toys);
	all = set_join(&two, &shelf);
	free(users.bytes);
	free(clashing.bytes);
	free(two.bytes);
}

static void
configure(void)
{
	make_sets();
	process_make_dir(dir);
	toyd_port = process_free_port();
	second_port = process_free_port();
	shelfd_port = process_free_port();
	stack.accountd_ports[0] = process_free_port();
	snprintf(backends, sizeof(backends),
	    "account.v1=tcp://127.0.0.1:%u,toy.v1=tcp://127.0.0.1:%u,toy.v1=tcp://127.0.0.1:%u,"
	    "tcp://127.0.0.1:%u",
	    stack.accountd_ports[0], toyd_port, second_port, shelfd_port);
	snprintf(cache_flag, sizeof(cache_flag), "--descriptor-cache=%s/cache", dir);
	write_rules("rules.yaml", "toy.v1.ToyService.GetToy");
	snprintf(rules_flag, sizeof(rules_flag), "--http-rules=%s/rules.yaml", dir);
}

static void
prepare(void)
{
	load = load_start(stack.url, CLIENTS);
}

static void
finish(void)
{
	load_free(&load);
	toyd_stop(&toyd);
	process_remove_dir(dir);
	free(toys.bytes);
	free(fewer_toys.bytes);
	free(clash.bytes);
	free(shelf.bytes);
	free(all.bytes);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(what_a_service_never_seen_has_is_not_known_yet),
	    cmocka_unit_test(a_service_that_comes_is_served),
	    cmocka_unit_test(each_service_has_its_rules_of_errors_pages_and_bulks),
	    cmocka_unit_test(mvctl_calls_any_service),
	    cmocka_unit_test(a_rule_of_the_file_is_a_path_of_its_service),
	    cmocka_unit_test(a_request_that_has_begun_is_answered_by_what_it_began_with),
	    cmocka_unit_test(a_service_that_is_away_takes_its_own_paths_along),
	    cmocka_unit_test(a_service_that_comes_back_with_more_is_served_with_that),
	    cmocka_unit_test(a_set_with_anothers_paths_is_refused_whole),
	    cmocka_unit_test(a_set_that_is_none_is_refused),
	    cmocka_unit_test(two_versions_at_once_change_nothing_until_one_is_left),
	    cmocka_unit_test(nobody_who_asked_for_users_was_failed),
	    cmocka_unit_test(a_gateway_starts_with_what_it_was_told_last),
	    cmocka_unit_test(what_is_no_set_in_the_cache_is_passed_over),
	    cmocka_unit_test(a_pinned_gateway_asks_nobody),
	    cmocka_unit_test(a_selector_of_nothing_stops_the_start),
	};

	return suite_run(&(struct suite){.stack = &stack,
	    .http = &http,
	    .gatewayd_admin = &admin,
	    .configure = configure,
	    .prepare = prepare,
	    .finish = finish,
	    .tests = tests,
	    .test_count = sizeof(tests) / sizeof(tests[0])});
}
