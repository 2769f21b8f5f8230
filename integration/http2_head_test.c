/* Heads of HTTP/2 requests, which the library reads: they are bounded like those of HTTP/1. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "integration/rule.h"
#include "integration/stack.h"

#define HEADERS_MAX 100
#define HEAD_MAX    2048

static struct stack stack = {
    .store = STACK_SQLITE, .gatewayd_flags = {"--http2=true", "--head-max-bytes=2048"}};

/* By a connection of its own: libcurl 7.88 can't use one of prior knowledge twice. */
static void
assert_answered(const char *line, const char *headers, int status, const char *text)
{
	struct http *http = http_new(stack.url);
	const struct http_answer *answer;

	http_use_http2(http);
	answer = http_send(http, line, headers, NULL);
	assert_int_equal(answer->curl_code, 0);
	assert_int_equal(answer->status, status);
	if (status >= 400) {
		rule_check_problem(answer, status);
	}
	assert_non_null(strstr(answer->body, text));
	http_free(&http);
}

/* Lines of headers: count times "x-1: ", with a value of so many bytes. */
static char *
write_headers(unsigned count, size_t value_len)
{
	char *headers = calloc(count, value_len + 16);
	char *at = headers;

	assert_non_null(headers);
	for (unsigned i = 0; i < count; i++) {
		at += sprintf(at, "x-%u: ", i);
		memset(at, 'c', value_len);
		at += value_len;
		*at++ = '\n';
	}
	return headers;
}

static void
more_headers_than_the_limit_are_431(void **state)
{
	char *some = write_headers(HEADERS_MAX - 10, 1);
	char *many = write_headers(HEADERS_MAX + 1, 1);

	(void)state;
	assert_answered("GET /users", some, 200, "Users");
	assert_answered("GET /users", many, 431, "TOO_MANY_HEADERS");
	free(some);
	free(many);
}

static void
headers_larger_than_the_limit_are_431(void **state)
{
	char *some = write_headers(4, HEAD_MAX / 5);
	char *large = write_headers(5, HEAD_MAX / 5);

	(void)state;
	assert_answered("GET /users", some, 200, "Users");
	assert_answered("GET /users", large, 431, "HEAD_TOO_LARGE");
	free(some);
	free(large);
}

static void
a_target_longer_than_the_limit_is_414(void **state)
{
	char line[HEAD_MAX + 64] = "GET /users?email=";

	(void)state;
	memset(line + strlen(line), 'c', HEAD_MAX);
	assert_answered(line, NULL, 414, "TARGET_TOO_LONG");
}

static void
an_unknown_expectation_is_417(void **state)
{
	(void)state;
	assert_answered("GET /users", "Expect: money", 417, "UNKNOWN_EXPECTATION");
	assert_answered("GET /users", "Expect: 100-Continue", 200, "Users");
}

static int
start(void **state)
{
	(void)state;
	stack_start(&stack);
	return 0;
}

static int
stop(void **state)
{
	(void)state;
	stack_stop(&stack);
	return 0;
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(more_headers_than_the_limit_are_431),
	    cmocka_unit_test(headers_larger_than_the_limit_are_431),
	    cmocka_unit_test(a_target_longer_than_the_limit_is_414),
	    cmocka_unit_test(an_unknown_expectation_is_417),
	};
	int failed = cmocka_run_group_tests(tests, start, stop);

	stack_kill(&stack);
	return failed;
}
