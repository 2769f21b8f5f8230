/* Clients in Go, Python and C, with those languages' own libraries, call accountd. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "integration/suite.h"

/* What interop/run ends with where a language's tools are missing. */
#define INTEROP_SKIPPED 77

static struct stack stack;

static void
run_client(const char *language)
{
	static const char *const steps[] = {
	    "create", "get", "list", "error with its reason", "batch of three", "garbage"};
	char url[64];
	char out[16384];
	const char *argv[] = {"integration/interop/run", language, url, NULL};
	int status;

	snprintf(url, sizeof(url), "tcp://127.0.0.1:%u", stack.accountd_ports[0]);
	status = process_run(argv, out, sizeof(out));
	if (status == INTEROP_SKIPPED) {
		print_message("%s", out);
		skip();
	}
	if (status != 0) {
		fail_msg("%s client: %s", language, out);
	}
	for (size_t i = 0; i < sizeof(steps) / sizeof(steps[0]); i++) {
		char line[64];

		snprintf(line, sizeof(line), "%s: ok\n", steps[i]);
		assert_non_null(strstr(out, line));
	}
}

static void
a_go_client_calls_accountd(void **state)
{
	(void)state;
	run_client("go");
}

static void
a_python_client_calls_accountd(void **state)
{
	(void)state;
	run_client("python");
}

/* NNG's own REQ socket. */
static void
plain_nng_calls_accountd(void **state)
{
	struct http *http = http_new(stack.url);
	const struct http_answer *answer;
	char url[64];
	char out[4096];
	const char *found[] = {"integration/interop/run", "c", url, NULL, NULL};
	char id[32];

	(void)state;
	snprintf(url, sizeof(url), "tcp://127.0.0.1:%u", stack.accountd_ports[0]);
	answer = http_send(http, "POST /users", NULL,
	    "{\"accountid\":1,\"name\":\"Plain\",\"email\":\"plain@example.com\","
	    "\"role\":1,\"password\":\"p\"}");
	assert_int_equal(answer->status, 201);
	snprintf(id, sizeof(id), "%s", strrchr(http_header(answer, "Location"), '/') + 1);
	found[3] = id;
	assert_int_equal(process_run(found, out, sizeof(out)), 0);
	assert_string_equal(out, "Plain <plain@example.com>\n");
	found[3] = "999999";
	assert_int_equal(process_run(found, out, sizeof(out)), 1);
	assert_string_equal(out, "user 999999 not found\n");
	http_free(&http);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(a_go_client_calls_accountd),
	    cmocka_unit_test(a_python_client_calls_accountd),
	    cmocka_unit_test(plain_nng_calls_accountd),
	};

	return suite_run(&(struct suite){
	    .stack = &stack, .tests = tests, .test_count = sizeof(tests) / sizeof(tests[0])});
}
