/*
 * gzip of answers: for whom, of what, and that what comes is what comes without
 * it, by HTTP/1 and HTTP/2, also of a list that streams.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "common/base/buf.h"
#include "integration/suite.h"
#include "integration/wire.h"
#include "integration/zip.h"

#define USERS   2500 /* two pages and a half */
#define LARGE   "GET /users?page_size=100"
#define SMALL   "GET /users/1"
#define JSON    "application/json"
#define PROBLEM "application/problem+json"
#define VARIES  "vary: Accept-Encoding\r\n"
#define ENCODED "content-encoding: gzip\r\n"
#define GZIP    "Accept-Encoding: gzip"

static struct stack stack = {.store = STACK_SQLITE, .gatewayd_flags = {"--http2=on"}};
static struct http *clients[2]; /* HTTP/1 and HTTP/2 */

static const struct rule rules[] = {
    {"a large answer is compressed", LARGE, GZIP, NULL, 200, JSON, {ENCODED, VARIES}},
    {"a large answer to others says that it varies", LARGE, NULL, NULL, 200, JSON,
	{VARIES, "{\"Users\":["}},
    {"what is liked less than identity is not used", LARGE,
	"Accept-Encoding: gzip;q=0.5, identity;q=0.8", NULL, 200, JSON, {VARIES, "{\"Users\":["}},
    {"* is gzip, too", LARGE, "Accept-Encoding: *;q=0.1", NULL, 200, JSON, {ENCODED}},
    {"several headers are one", LARGE, "Accept-Encoding: br\nAccept-Encoding: gzip", NULL, 200,
	JSON, {ENCODED}},
    {"a small answer is not compressed", SMALL, GZIP, NULL, 200, JSON, {"\"id\":1,"}},
    {"a small answer is compressed where nothing else will do", SMALL,
	"Accept-Encoding: gzip, identity;q=0", NULL, 200, JSON, {ENCODED, VARIES}},
    {"nothing accepted is 406", SMALL, "Accept-Encoding: identity;q=0", NULL, 406, PROBLEM,
	{"Accept-Encoding"}},
    {"406 changes nothing", "DELETE /users/1", "Accept-Encoding: *;q=0", NULL, 406, PROBLEM, {0}},
    {"so that it is still there", SMALL, "Accept-Encoding: br", NULL, 200, JSON, {"\"id\":1,"}},
    {"a list that streams is compressed", "GET /users", GZIP, NULL, 200, JSON, {ENCODED, VARIES}},
    {"a list that streams varies", "GET /users", NULL, NULL, 200, JSON, {VARIES}},
    {"HEAD of a list that streams says so", "HEAD /users", GZIP, NULL, 200, JSON,
	{ENCODED, VARIES}},
    {"HEAD of a large answer says so", "HEAD /users?page_size=100", GZIP, NULL, 200, JSON,
	{ENCODED, VARIES}},
};

static void
what_comes_compressed_is_what_comes_without(void **state)
{
	static const char *const lines[] = {
	    LARGE, "GET /users", "GET /users?page_size=1000", "GET /users?name_prefix=nobody"};

	(void)state;
	for (size_t i = 0; i < 2 * sizeof(lines) / sizeof(lines[0]); i++) {
		const struct http_answer *answer =
		    http_send(clients[i % 2], lines[i / 2], NULL, NULL);
		struct buf plain = {0};
		struct buf unzipped = {0};

		assert_int_equal(answer->curl_code, 0);
		buf_put(&plain, answer->body, answer->len);
		answer = http_send(clients[i % 2], lines[i / 2], GZIP, NULL);
		assert_int_equal(answer->curl_code, 0);
		if (plain.len >= 1024) {
			assert_string_equal(http_header(answer, "content-encoding"), "gzip");
			assert_true(answer->len < plain.len / 4);
			assert_true(unzip(answer->body, answer->len, &unzipped));
		} else {
			assert_null(http_header(answer, "content-encoding"));
			buf_put(&unzipped, answer->body, answer->len);
		}
		assert_int_equal(unzipped.len, plain.len);
		assert_memory_equal(unzipped.data, plain.data, plain.len);
		buf_fini(&plain);
		buf_fini(&unzipped);
	}
}

static void
head_says_the_length_of_what_get_compresses(void **state)
{
	const struct http_answer *answer = http_send(clients[0], LARGE, GZIP, NULL);
	char length[32];

	(void)state;
	snprintf(length, sizeof(length), "%zu", answer->len);
	assert_string_equal(http_header(answer, "content-length"), length);
	answer = http_send(clients[0], "HEAD /users?page_size=100", GZIP, NULL);
	assert_string_equal(http_header(answer, "content-length"), length);
	assert_int_equal(answer->len, 0);
}

static void
what_is_never_compressed_does_not_vary(void **state)
{
	static const char *const lines[] = {SMALL, "GET /users/999999", "GET /healthz",
	    "GET /accountdhealth", "DELETE /users/999999", "OPTIONS /users"};

	(void)state;
	for (size_t i = 0; i < sizeof(lines) / sizeof(lines[0]); i++) {
		const struct http_answer *answer = http_send(clients[0], lines[i], GZIP, NULL);

		assert_null(http_header(answer, "vary"));
		assert_null(http_header(answer, "content-encoding"));
	}
}

static void
a_problem_that_is_large_is_compressed(void **state)
{
	const struct http_answer *answer;
	struct buf unzipped = {0};
	struct buf body = {0};

	(void)state;
	for (int i = 0; i < 20; i++) {
		buf_printf(&body, "%c\"nobody_knows_this_field_%d\":1", i == 0 ? '{' : ',', i);
	}
	buf_putc(&body, '}');
	answer = http_send_bytes(clients[0], "POST /users", GZIP, body.data, body.len);
	assert_int_equal(answer->status, 400);
	assert_string_equal(http_header(answer, "content-type"), PROBLEM);
	assert_string_equal(http_header(answer, "content-encoding"), "gzip");
	assert_true(unzip(answer->body, answer->len, &unzipped));
	buf_putc(&unzipped, '\0');
	assert_non_null(strstr(unzipped.data, "\"field\":\"nobody_knows_this_field_19\""));
	buf_fini(&unzipped);
	buf_fini(&body);
}

/* The first page can be read whole while the client takes nothing more. */
static void
a_list_streams_page_by_page(void **state)
{
	static const char request[] = "GET /users HTTP/1.0\r\nHost: a\r\n" GZIP "\r\n\r\n";
	static char answer[1 << 20];
	struct buf unzipped = {0};
	size_t len = wire_exchange(stack.port, request, strlen(request), answer, sizeof(answer));
	const char *body = strstr(answer, "\r\n\r\n");
	const char *mark = "\x00\x00\xff\xff"; /* ends a part that can be read without the next */
	const char *end;

	(void)state;
	assert_non_null(body);
	body += 4;
	end = memmem(body, len - (size_t)(body - answer), mark, 4);
	assert_non_null(end);
	assert_false(unzip(body, (size_t)(end + 4 - body), &unzipped));
	buf_putc(&unzipped, '\0');
	assert_non_null(strstr(unzipped.data, "\"id\":1000,"));
	assert_null(strstr(unzipped.data, "\"id\":1001,"));
	buf_reset(&unzipped);
	assert_true(unzip(body, len - (size_t)(body - answer), &unzipped));
	buf_fini(&unzipped);
}

static void
create_users(void)
{
	const struct http_answer *answer;
	struct buf body = {0};

	for (int i = 0; i < USERS; i++) {
		buf_printf(&body,
		    "%s{\"accountid\":1,\"name\":\"n\",\"email\":\"u%d@example.com\",\"role\":1,"
		    "\"password\":\"p\"}",
		    i == 0 ? "{\"Users\":[" : ",", i);
	}
	buf_puts(&body, "]}");
	answer =
	    http_send_bytes(clients[0], "POST /users", "Bulk-Request: true", body.data, body.len);
	assert_int_equal(answer->status, 201);
	buf_fini(&body);
}

static void
nothing_is_compressed_when_that_is_off(void **state)
{
	static const char *const lines[] = {LARGE, "GET /users", SMALL};

	(void)state;
	for (size_t i = 0; i < sizeof(lines) / sizeof(lines[0]); i++) {
		const struct http_answer *answer =
		    http_send(clients[0], lines[i], "Accept-Encoding: gzip, identity;q=0", NULL);

		assert_int_equal(answer->status, 200);
		assert_null(http_header(answer, "vary"));
		assert_null(http_header(answer, "content-encoding"));
	}
}

static void
prepare(void)
{
	clients[0] = http_new(stack.url);
	clients[1] = http_new(stack.url);
	http_use_http2(clients[1]);
	create_users();
}

static void
finish(void)
{
	http_free(&clients[0]);
	http_free(&clients[1]);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(what_comes_compressed_is_what_comes_without),
	    cmocka_unit_test(head_says_the_length_of_what_get_compresses),
	    cmocka_unit_test(what_is_never_compressed_does_not_vary),
	    cmocka_unit_test(a_problem_that_is_large_is_compressed),
	    cmocka_unit_test(a_list_streams_page_by_page),
	};
	const struct CMUnitTest off[] = {cmocka_unit_test(nothing_is_compressed_when_that_is_off)};
	struct suite suite = {.name = "gzip",
	    .stack = &stack,
	    .prepare = prepare,
	    .finish = finish,
	    .rules = rules,
	    .rule_count = sizeof(rules) / sizeof(rules[0]),
	    .tests = tests,
	    .test_count = sizeof(tests) / sizeof(tests[0])};
	int failed = suite_run(&suite);

	stack.gatewayd_flags[1] = "--gzip-min-bytes=0";
	suite.name = "without gzip";
	suite.rule_count = 0;
	suite.tests = off;
	suite.test_count = 1;
	return failed + suite_run(&suite) != 0;
}
