/*
 * HEAD and OPTIONS wherever another verb is, by HTTP/1 and by HTTP/2: HEAD has the
 * status and headers of GET and no body; Allow says the same for OPTIONS and 405.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include <cmocka.h>

#include "common/base/buf.h"
#include "integration/scrape.h"
#include "integration/suite.h"
#include "integration/wire.h"

#define USERS 1500 /* more than a page */

static struct stack stack = {.store = STACK_SQLITE, .gatewayd_flags = {"--http2=on"}};
static struct http *admin;
static struct http *clients[2]; /* HTTP/1 and HTTP/2 */

/* Of what OPTIONS answers, by HTTP/1. */
static const struct rule rules[] = {
    {"the verbs of a list", "OPTIONS /users", NULL, NULL, 204, NULL,
	{"allow: GET, HEAD, POST, PUT, OPTIONS\r\n"}},
    {"the verbs of one", "OPTIONS /users/1", NULL, NULL, 204, NULL,
	{"allow: GET, HEAD, PUT, PATCH, DELETE, OPTIONS\r\n"}},
    {"an id need not be there, or be one", "OPTIONS /users/abc", NULL, NULL, 204, NULL,
	{"allow: GET, HEAD, PUT, PATCH, DELETE, OPTIONS\r\n"}},
    {"a slash at the end changes nothing", "OPTIONS /users/", NULL, NULL, 204, NULL,
	{"allow: GET, HEAD, POST, PUT, OPTIONS\r\n"}},
    {"the verbs of what has only GET", "OPTIONS /accountdhealth", NULL, NULL, 204, NULL,
	{"allow: GET, HEAD, OPTIONS\r\n"}},
    {"the verbs of the gateway's own path", "OPTIONS /healthz", NULL, NULL, 204, NULL,
	{"allow: GET, HEAD, OPTIONS\r\n"}},
    {"neither query nor Accept nor body matter", "OPTIONS /users?a=b", "Accept: image/png", "{",
	204, NULL, {"allow: GET, HEAD, POST, PUT, OPTIONS\r\n"}},
    {"an unknown path is 404", "OPTIONS /xxx", NULL, NULL, 404, "application/problem+json",
	{"UNKNOWN_PATH"}},
    {"a broken path is 400", "OPTIONS /users/%", NULL, NULL, 400, "application/problem+json",
	{"MALFORMED_PATH"}},
    {"405 says the same verbs", "PATCH /users", NULL, "{}", 405, "application/problem+json",
	{"allow: GET, HEAD, POST, PUT, OPTIONS\r\n", "GET, HEAD, POST, PUT, OPTIONS are"}},
    {"405 of the gateway's own path", "POST /healthz", NULL, "{}", 405, "application/problem+json",
	{"allow: GET, HEAD, OPTIONS\r\n"}},
};

/* What differs from one request to the next, or says how a body is framed, which HEAD has none of. */
static bool
is_of_one_answer(const char *line)
{
	static const char *const names[] = {"date:", "x-request-id:", "transfer-encoding:"};
	bool is = false;

	for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
		is |= strncasecmp(line, names[i], strlen(names[i])) == 0;
	}
	return is;
}

/* The head without those lines. */
static void
note_head(const struct http_answer *answer, char *head, size_t size)
{
	size_t used = 0;

	for (const char *line = answer->headers; *line != '\0';) {
		const char *end = strchr(line, '\n');

		assert_non_null(end);
		if (!is_of_one_answer(line)) {
			assert_true(used + (size_t)(end + 1 - line) < size);
			memcpy(head + used, line, (size_t)(end + 1 - line));
			used += (size_t)(end + 1 - line);
		}
		line = end + 1;
	}
	head[used] = '\0';
}

static void
head_has_the_head_of_get_and_no_body(void **state)
{
	static const struct {
		const char *path;
		const char *headers;
	} rows[] = {{"/users/1", NULL}, {"/users/1/", NULL}, {"/users", NULL},
	    {"/users?page_size=2", NULL}, {"/users?name_prefix=none", NULL},
	    {"/users?colour=red", NULL}, {"/users/999999", NULL}, {"/users/abc", NULL},
	    {"/users/1", "Accept: image/png"}, {"/users/1", "If-Match: \"1\""},
	    {"/users/1?a=%", NULL}, {"/accountdhealth", NULL}, {"/healthz", NULL}, {"/xxx", NULL},
	    {"/", NULL}};
	char wanted[4096];
	char head[4096];
	char line[128];

	(void)state;
	for (size_t i = 0; i < 2 * sizeof(rows) / sizeof(rows[0]); i++) {
		const struct http_answer *answer;
		size_t row = i / 2;

		snprintf(line, sizeof(line), "GET %s", rows[row].path);
		answer = http_send(clients[i % 2], line, rows[row].headers, NULL);
		assert_int_equal(answer->curl_code, 0);
		assert_true(answer->len > 0);
		note_head(answer, wanted, sizeof(wanted));
		snprintf(line, sizeof(line), "HEAD %s", rows[row].path);
		answer = http_send(clients[i % 2], line, rows[row].headers, NULL);
		assert_int_equal(answer->curl_code, 0);
		assert_int_equal(answer->len, 0);
		note_head(answer, head, sizeof(head));
		assert_string_equal(head, wanted);
	}
}

/* Only a list that streams has no length. */
static void
head_says_the_length_that_get_has(void **state)
{
	(void)state;
	for (size_t i = 0; i < 2; i++) {
		const struct http_answer *answer =
		    http_send(clients[i], "GET /users?page_size=1000", NULL, NULL);
		char length[32];

		snprintf(length, sizeof(length), "%zu", answer->len);
		answer = http_send(clients[i], "HEAD /users?page_size=1000", NULL, NULL);
		assert_string_equal(http_header(answer, "content-length"), length);
		answer = http_send(clients[i], "HEAD /users", NULL, NULL);
		assert_int_equal(answer->status, 200);
		assert_null(http_header(answer, "content-length"));
	}
}

/* By the bytes of HTTP/1: the next answer follows the head of the first. */
static void
no_byte_of_a_body_follows_a_head(void **state)
{
	static const char *const paths[] = {"/users/1", "/users", "/xxx", "/healthz"};
	char request[256];
	char answer[8192];

	(void)state;
	for (size_t i = 0; i < sizeof(paths) / sizeof(paths[0]); i++) {
		const char *end;

		snprintf(request, sizeof(request),
		    "HEAD %s HTTP/1.1\r\nHost: a\r\n\r\n"
		    "OPTIONS * HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n",
		    paths[i]);
		wire_exchange(stack.port, request, strlen(request), answer, sizeof(answer));
		end = strstr(answer, "\r\n\r\n");
		assert_non_null(end);
		assert_memory_equal(end + 4, "HTTP/1.1 204 ", 13);
	}
}

static void
a_verb_that_is_not_offered_is_405_by_both(void **state)
{
	(void)state;
	for (size_t i = 0; i < 2; i++) {
		const struct http_answer *answer =
		    http_send(clients[i], "PATCH /users", NULL, "{}");

		assert_int_equal(answer->status, 405);
		assert_string_equal(http_header(answer, "allow"), "GET, HEAD, POST, PUT, OPTIONS");
	}
}

static void
options_of_the_server_are_the_verbs_of_all_paths(void **state)
{
	static const char request[] =
	    "OPTIONS * HTTP/1.1\r\nHost: a\r\nX-Request-Id: mine\r\nConnection: close\r\n\r\n";
	char answer[4096];

	(void)state;
	wire_exchange(stack.port, request, strlen(request), answer, sizeof(answer));
	assert_memory_equal(answer, "HTTP/1.1 204 No Content\r\n", 25);
	assert_non_null(
	    strstr(answer, "\r\nallow: GET, HEAD, POST, PUT, PATCH, DELETE, OPTIONS\r\n"));
	assert_non_null(strstr(answer, "\r\nX-Request-Id: mine\r\n"));
	assert_null(strcasestr(answer, "\r\ncontent-length:"));
}

static void
options_are_the_same_by_http2(void **state)
{
	const struct http_answer *answer = http_send(clients[1], "OPTIONS /users/1", NULL, NULL);

	(void)state;
	assert_int_equal(answer->status, 204);
	assert_int_equal(answer->len, 0);
	assert_string_equal(http_header(answer, "allow"), "GET, HEAD, PUT, PATCH, DELETE, OPTIONS");
	answer = http_send(clients[1], "OPTIONS /xxx", NULL, NULL);
	assert_int_equal(answer->status, 404);
	rule_check_problem(answer, 404);
}

static void
both_are_counted_by_their_names(void **state)
{
	static const char *const series[] = {
	    "mockvideo_http_request_duration_seconds_count{route=\"/users/{id}\",method=\"HEAD\","
	    "code=\"200\"}",
	    "mockvideo_http_request_duration_seconds_count{route=\"none\",method=\"OPTIONS\","
	    "code=\"204\"}"};
	double before[2];

	(void)state;
	for (size_t i = 0; i < 2; i++) {
		before[i] = scrape_value(admin, series[i]);
	}
	assert_int_equal(http_send(clients[0], "HEAD /users/1", NULL, NULL)->status, 200);
	assert_int_equal(http_send(clients[0], "OPTIONS /users/1", NULL, NULL)->status, 204);
	for (size_t i = 0; i < 2; i++) {
		scrape_await(admin, series[i], before[i] + 1);
	}
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

static const struct CMUnitTest tests[] = {
    cmocka_unit_test(head_has_the_head_of_get_and_no_body),
    cmocka_unit_test(head_says_the_length_that_get_has),
    cmocka_unit_test(no_byte_of_a_body_follows_a_head),
    cmocka_unit_test(a_verb_that_is_not_offered_is_405_by_both),
    cmocka_unit_test(options_of_the_server_are_the_verbs_of_all_paths),
    cmocka_unit_test(options_are_the_same_by_http2),
    cmocka_unit_test(both_are_counted_by_their_names),
};

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
	return suite_run(&(struct suite){.name = "HEAD and OPTIONS",
		   .stack = &stack,
		   .gatewayd_admin = &admin,
		   .prepare = prepare,
		   .finish = finish,
		   .rules = rules,
		   .rule_count = sizeof(rules) / sizeof(rules[0]),
		   .tests = tests,
		   .test_count = sizeof(tests) / sizeof(tests[0])}) != 0;
}
