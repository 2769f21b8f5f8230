/* Headers that change what a request means, and are not understood: refused, and nothing is written. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "integration/both.h"

#define PROBLEM "application/problem+json"
#define BULK    "Bulk-Request: true\n"
#define ADA     "{\"accountid\":1,\"name\":\"Ada\",\"email\":\"ada@x\",\"role\":1,\"password\":\"p\"}"
#define BOB     "{\"accountid\":1,\"name\":\"Bob\",\"email\":\"bob@x\",\"role\":1,\"password\":\"p\"}"
#define MANY    "{\"Users\":[" BOB "]}"
#define LISTED                                                                                     \
	"{\"Users\":[{\"accountid\":1,\"href\":\"/users/1\",\"id\":1,\"name\":\"Ada\",\"email\":"  \
	"\"ada@x\",\"role\":1}]}"

/* These see user 1, Ada, and would make her Bob, delete her or add him. */
static const struct rule rules[] = {
    {"PUT with If-Match is 412", "PUT /users/1", "If-Match: \"1\"", BOB, 412, PROBLEM,
	{"If-Match", "\"code\":\"FAILED_PRECONDITION\"", "\"reason\":\"PRECONDITION_FAILED\""}},
    {"PUT with If-Match: * is 412", "PUT /users/1", "If-Match: *", BOB, 412, PROBLEM, {"If-Match"}},
    {"DELETE with If-Match is 412", "DELETE /users/1", "If-Match: \"1\"", NULL, 412, PROBLEM,
	{"If-Match"}},
    {"POST with If-Match is 412", "POST /users", "If-Match: W/\"1\"", BOB, 412, PROBLEM,
	{"If-Match"}},
    {"PUT with If-None-Match is 412", "PUT /users/1", "If-None-Match: \"1\"", BOB, 412, PROBLEM,
	{"If-None-Match"}},
    {"PUT with If-None-Match: * is 412", "PUT /users/1", "if-none-match: *", BOB, 412, PROBLEM,
	{"If-None-Match"}},
    {"POST with If-None-Match: * is 412", "POST /users", "If-None-Match: *", BOB, 412, PROBLEM,
	{"If-None-Match"}},
    {"PUT with If-Unmodified-Since is 412", "PUT /users/1",
	"If-Unmodified-Since: Sun, 06 Nov 1994 08:49:37 GMT", BOB, 412, PROBLEM,
	{"If-Unmodified-Since"}},
    {"DELETE with If-Unmodified-Since is 412", "DELETE /users/1", "If-Unmodified-Since: yesterday",
	NULL, 412, PROBLEM, {"If-Unmodified-Since"}},
    {"a bulk with If-Match is 412", "POST /users", BULK "If-Match: \"1\"", MANY, 412, PROBLEM,
	{"If-Match"}},
    {"a bulk with If-None-Match is 412", "PUT /users", BULK "If-None-Match: *", MANY, 412, PROBLEM,
	{"If-None-Match"}},
    {"PUT of a part is 400", "PUT /users/1", "Content-Range: bytes 0-9/90", BOB, 400, PROBLEM,
	{"Content-Range", "\"reason\":\"PARTIAL_CONTENT\""}},
    {"POST of a part is 400", "POST /users", "Content-Range: bytes 0-9/90", BOB, 400, PROBLEM,
	{"Content-Range"}},
    {"POST of a body compressed by deflate is 415", "POST /users", "Content-Encoding: deflate", BOB,
	415, PROBLEM,
	{"accept-encoding: gzip, identity", "\"reason\":\"UNSUPPORTED_CONTENT_ENCODING\""}},
    {"PUT of a body compressed twice is 415", "PUT /users/1", "Content-Encoding: gzip, identity",
	BOB, 415, PROBLEM, {"accept-encoding: gzip, identity"}},
    {"a bulk that is compressed is 415", "POST /users", BULK "Content-Encoding: br", MANY, 415,
	PROBLEM, {"accept-encoding: gzip, identity"}},
    {"an encoding in a second header is 415", "POST /users",
	"Content-Encoding: identity\nContent-Encoding: deflate", BOB, 415, PROBLEM,
	{"accept-encoding: gzip, identity"}},
    {"another method in a header is 400", "POST /users", "X-HTTP-Method-Override: PUT", BOB, 400,
	PROBLEM, {"\"reason\":\"METHOD_OVERRIDE\""}},
    {"GET with If-Match of a tag is 412", "GET /users/1", "If-Match: \"1\"", NULL, 412, PROBLEM,
	{"If-Match"}},
    {"GET with If-Match: * is answered", "GET /users/1", "If-Match: *", NULL, 200, NULL, {"Ada"}},
    {"GET with If-None-Match is answered", "GET /users/1", "If-None-Match: \"1\"", NULL, 200, NULL,
	{"Ada"}},
    {"GET with dates is answered", "GET /users/1",
	"If-Modified-Since: Sun, 06 Nov 1994 08:49:37 GMT\n"
	"If-Unmodified-Since: Sun, 06 Nov 1994 08:49:37 GMT",
	NULL, 200, NULL, {"Ada"}},
    {"GET of a part is answered whole", "GET /users/1", "Range: bytes=0-3\nIf-Range: \"1\"", NULL,
	200, NULL, {"Ada"}},
    {"an unknown path comes before its conditions", "PUT /nothing", "If-Match: \"1\"", BOB, 404,
	PROBLEM, {0}},
    {"a wrong method comes before its conditions", "DELETE /users", "If-Match: \"1\"", NULL, 405,
	PROBLEM, {0}},
};

static void
nothing_was_written(void **state)
{
	(void)state;
	assert_string_equal(http_send(both_http, "GET /users", NULL, NULL)->body, LISTED);
}

/* By a connection of its own: libcurl 7.88 can't use one of prior knowledge twice. */
static int
status_on_http_2(const char *line, const char *headers, const char *body)
{
	struct http *http = http_new(both_stack.url);
	int status;

	http_use_http2(http);
	status = http_send(http, line, headers, body)->status;
	http_free(&http);
	return status;
}

static void
conditions_are_refused_on_http_2(void **state)
{
	assert_int_equal(status_on_http_2("PUT /users/1", "If-Match: \"1\"", BOB), 412);
	assert_int_equal(status_on_http_2("DELETE /users/1", "If-None-Match: *", NULL), 412);
	assert_int_equal(status_on_http_2("POST /users", "Content-Encoding: br", BOB), 415);
	assert_int_equal(status_on_http_2("POST /users", "Content-Range: bytes 0-1/2", BOB), 400);
	nothing_was_written(state);
}

static void
identity_is_no_encoding(void **state)
{
	(void)state;
	assert_int_equal(
	    http_send(both_http, "PUT /users/1", "Content-Encoding: Identity", BOB)->status, 200);
	assert_int_equal(http_send(both_http, "PUT /users/1",
			     "If-Modified-Since: Sun, 06 Nov 1994 08:49:37 GMT", ADA)
			     ->status,
	    200);
}

static const struct CMUnitTest tests[] = {
    cmocka_unit_test(nothing_was_written),
    cmocka_unit_test(conditions_are_refused_on_http_2),
    cmocka_unit_test(identity_is_no_encoding),
    cmocka_unit_test(nothing_was_written),
};

static void
configure(void)
{
	both_stack.gatewayd_flags[0] = "--http2=true";
}

static void
prepare(void)
{
	assert_int_equal(http_send(both_http, "POST /users", NULL, ADA)->status, 201);
}

int
main(void)
{
	return both_run(&(struct suite){.configure = configure,
	    .prepare = prepare,
	    .rules = rules,
	    .rule_count = sizeof(rules) / sizeof(rules[0]),
	    .tests = tests,
	    .test_count = sizeof(tests) / sizeof(tests[0])});
}
