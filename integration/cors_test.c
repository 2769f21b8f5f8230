/*
 * Pages of other origins, as browsers ask for them: who may read, what a preflight
 * is told, and that nobody may unless it is configured.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "integration/suite.h"
#include "integration/wire.h"

#define LISTED   "Origin: https://a.example"
#define OTHER    "Origin: https://b.example"
#define MAY_READ "access-control-allow-origin: https://a.example\r\n"
#define VARIES   "vary: Origin\r\n"
#define EXPOSES                                                                                    \
	"access-control-expose-headers: Accept-Encoding, Allow, Location, Retry-After, "           \
	"X-Request-Id\r\n"
#define PREFLIGHT LISTED "\nAccess-Control-Request-Method: PUT"
#define PROBLEM   "application/problem+json"
#define USER                                                                                       \
	"{\"accountid\":1,\"name\":\"n\",\"email\":\"cors@example.com\",\"role\":1,"               \
	"\"password\":\"p\"}"

static struct stack stack = {
    .store = STACK_SQLITE, .gatewayd_flags = {"--http2=on", "--cors-max-age-s=60"}};
static struct http *http;

/* With origins configured. */
static const struct rule rules[] = {
    {"an answer may be read", "GET /users", LISTED, NULL, 200, "application/json",
	{MAY_READ, VARIES, EXPOSES}},
    {"an answer may be read by a page of another listed origin", "GET /users",
	"Origin: http://localhost:3000", NULL, 200, "application/json",
	{"access-control-allow-origin: http://localhost:3000\r\n", VARIES}},
    {"where something was created may be read", "POST /users", LISTED, USER, 201,
	"application/json", {MAY_READ, EXPOSES, "location: /users/"}},
    {"a problem may be read", "GET /users/999", LISTED, NULL, 404, PROBLEM, {MAY_READ, VARIES}},
    {"an unknown path may be read", "GET /xxx", LISTED, NULL, 404, PROBLEM, {MAY_READ}},
    {"a wrong verb may be read", "PATCH /users", LISTED, "{}", 405, PROBLEM, {MAY_READ, EXPOSES}},
    {"the gateway's own path may be read", "GET /healthz", LISTED, NULL, 200, NULL, {MAY_READ}},
    {"HEAD is as GET", "HEAD /users", LISTED, NULL, 200, NULL, {MAY_READ, VARIES}},
    {"an answer without an origin varies by it, too", "GET /users", NULL, NULL, 200, NULL,
	{VARIES}},
    {"an origin that is not listed is served, for its browser to hide", "GET /users", OTHER, NULL,
	200, NULL, {VARIES}},
    {"a preflight is told the verbs", "OPTIONS /users/1", PREFLIGHT, NULL, 204, NULL,
	{MAY_READ, "access-control-allow-methods: GET, HEAD, PUT, PATCH, DELETE, OPTIONS\r\n",
	    "access-control-max-age: 60\r\n", "allow: GET, HEAD, PUT, PATCH, DELETE, OPTIONS\r\n"}},
    {"a preflight is allowed the headers it names", "OPTIONS /users",
	PREFLIGHT "\nAccess-Control-Request-Headers: authorization,bulk-request, content-type",
	NULL, 204, NULL,
	{"access-control-allow-headers: authorization,bulk-request, content-type\r\n", VARIES,
	    "vary: Access-Control-Request-Headers\r\n"}},
    {"a preflight of an unknown path is 404", "OPTIONS /xxx", PREFLIGHT, NULL, 404, PROBLEM,
	{MAY_READ}},
};

static void
expect_none(const struct http_answer *answer)
{
	if (strcasestr(answer->headers, "\naccess-control-") != NULL) {
		fail_msg("%s", answer->headers);
	}
}

static void
what_is_not_the_listed_origin_may_not_read(void **state)
{
	static const char *const origins[] = {OTHER, "Origin: https://a.example:444",
	    "Origin: http://a.example", "Origin: https://A.example", "Origin: null", "Origin;",
	    "Origin: https://a.example/", "Origin: https://a.example.evil", "Origin: *",
	    LISTED "\n" OTHER, LISTED "\n" LISTED};

	(void)state;
	for (size_t i = 0; i < sizeof(origins) / sizeof(origins[0]); i++) {
		const struct http_answer *answer = http_send(http, "GET /users", origins[i], NULL);
		char preflight[256];

		assert_int_equal(answer->status, 200);
		assert_string_equal(http_header(answer, "vary"), "Origin");
		expect_none(answer);
		snprintf(preflight, sizeof(preflight), "%s\nAccess-Control-Request-Method: PUT",
		    origins[i]);
		answer = http_send(http, "OPTIONS /users", preflight, NULL);
		assert_int_equal(answer->status, 204);
		expect_none(answer);
	}
}

static void
credentials_are_never_allowed(void **state)
{
	(void)state;
	assert_null(http_header(http_send(http, "GET /users", LISTED "\nCookie: a=b", NULL),
	    "access-control-allow-credentials"));
	assert_null(http_header(http_send(http, "OPTIONS /users", PREFLIGHT, NULL),
	    "access-control-allow-credentials"));
}

static void
options_without_a_method_asked_for_are_no_preflight(void **state)
{
	const struct http_answer *answer = http_send(http, "OPTIONS /users", LISTED, NULL);

	(void)state;
	assert_int_equal(answer->status, 204);
	assert_string_equal(
	    http_header(answer, "access-control-allow-origin"), "https://a.example");
	assert_null(http_header(answer, "access-control-allow-methods"));
	assert_null(http_header(answer, "access-control-max-age"));
}

static void
a_list_of_headers_that_is_none_is_not_sent_back(void **state)
{
	char headers[2048] = PREFLIGHT "\nAccess-Control-Request-Headers: ";
	const struct http_answer *answer = http_send(
	    http, "OPTIONS /users", PREFLIGHT "\nAccess-Control-Request-Headers: a b", NULL);

	(void)state;
	assert_int_equal(answer->status, 204);
	assert_null(http_header(answer, "access-control-allow-headers"));
	memset(headers + strlen(headers), 'a', 1025);
	answer = http_send(http, "OPTIONS /users", headers, NULL);
	assert_int_equal(answer->status, 204);
	assert_null(http_header(answer, "access-control-allow-headers"));
}

/* By what the guard refuses before the library has seen it. */
static void
a_refusal_may_be_read(void **state)
{
	static const char *const requests[] = {"POST /users HTTP/1.1\r\nHost: a\r\n" LISTED
					       "\r\nContent-Length: 99999999\r\n\r\n",
	    "POST /users HTTP/1.1\r\n" LISTED "\r\nHost: a\r\nTransfer-Encoding: gzip\r\n\r\n"};
	char answer[4096];

	(void)state;
	for (size_t i = 0; i < sizeof(requests) / sizeof(requests[0]); i++) {
		wire_exchange(stack.port, requests[i], strlen(requests[i]), answer, sizeof(answer));
		assert_memory_equal(answer, "HTTP/1.1 4", 10);
		assert_non_null(strstr(answer, "\r\n" MAY_READ));
	}
}

static void
http2_says_the_same(void **state)
{
	struct http *http2 = http_new(stack.url);
	const struct http_answer *answer;

	(void)state;
	http_use_http2(http2);
	answer = http_send(http2, "GET /users", LISTED, NULL);
	assert_int_equal(answer->status, 200);
	assert_non_null(strstr(answer->headers, MAY_READ));
	assert_non_null(strstr(answer->headers, VARIES));
	answer = http_send(http2, "OPTIONS /users/1", PREFLIGHT, NULL);
	assert_int_equal(answer->status, 204);
	assert_string_equal(http_header(answer, "access-control-allow-methods"),
	    "GET, HEAD, PUT, PATCH, DELETE, OPTIONS");
	http_free(&http2);
}

static void
no_service_is_asked_about_a_preflight(void **state)
{
	(void)state;
	assert_int_equal(process_stop(&stack.accountd[0]), 0);
	assert_int_equal(http_send(http, "GET /users/1", LISTED, NULL)->status, 503);
	assert_non_null(strstr(http_send(http, "GET /users/1", LISTED, NULL)->headers, MAY_READ));
	assert_int_equal(http_send(http, "OPTIONS /users/1", PREFLIGHT, NULL)->status, 204);
	stack_start_accountd(&stack, 0);
	stack_await(&stack, "/accountdhealth", 200);
}

static void
all_origins_may_read_when_all_are_configured(void **state)
{
	const struct http_answer *answer = http_send(http, "GET /users", OTHER, NULL);

	(void)state;
	assert_int_equal(answer->status, 200);
	assert_string_equal(http_header(answer, "access-control-allow-origin"), "*");
	assert_null(http_header(answer, "access-control-allow-credentials"));
	assert_null(http_header(answer, "vary"));
	answer = http_send(http, "OPTIONS /users", PREFLIGHT, NULL);
	assert_string_equal(http_header(answer, "access-control-allow-origin"), "*");
	assert_non_null(http_header(answer, "access-control-allow-methods"));
	expect_none(http_send(http, "GET /users", NULL, NULL));
}

static void
nobody_may_read_when_nothing_is_configured(void **state)
{
	const struct http_answer *answer = http_send(http, "GET /users", LISTED, NULL);

	(void)state;
	assert_int_equal(answer->status, 200);
	expect_none(answer);
	assert_null(http_header(answer, "vary"));
	answer = http_send(http, "OPTIONS /users", PREFLIGHT, NULL);
	assert_int_equal(answer->status, 204);
	expect_none(answer);
	assert_null(http_header(answer, "vary"));
}

int
main(void)
{
	const struct CMUnitTest list[] = {
	    cmocka_unit_test(what_is_not_the_listed_origin_may_not_read),
	    cmocka_unit_test(credentials_are_never_allowed),
	    cmocka_unit_test(options_without_a_method_asked_for_are_no_preflight),
	    cmocka_unit_test(a_list_of_headers_that_is_none_is_not_sent_back),
	    cmocka_unit_test(a_refusal_may_be_read),
	    cmocka_unit_test(http2_says_the_same),
	    cmocka_unit_test(no_service_is_asked_about_a_preflight),
	};
	const struct CMUnitTest all[] = {
	    cmocka_unit_test(all_origins_may_read_when_all_are_configured)};
	const struct CMUnitTest closed[] = {
	    cmocka_unit_test(nobody_may_read_when_nothing_is_configured)};
	struct suite suite = {.name = "listed origins",
	    .stack = &stack,
	    .http = &http,
	    .rules = rules,
	    .rule_count = sizeof(rules) / sizeof(rules[0]),
	    .tests = list,
	    .test_count = sizeof(list) / sizeof(list[0])};
	int failed;

	stack.gatewayd_flags[2] = "--cors-origins=https://a.example, http://localhost:3000";
	failed = suite_run(&suite);
	suite.rule_count = 0;
	suite.test_count = 1;
	stack.gatewayd_flags[2] = "--cors-origins=*";
	suite.name = "all origins";
	suite.tests = all;
	failed += suite_run(&suite);
	stack.gatewayd_flags[2] = NULL;
	suite.name = "no origins";
	suite.tests = closed;
	return failed + suite_run(&suite) != 0;
}
