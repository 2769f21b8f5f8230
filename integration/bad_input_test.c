/* Bad input is answered by a problem that names the place; both processes live on. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "integration/both.h"
#include "integration/wire.h"

#define PROBLEM "application/problem+json"
#define BULK    "Bulk-Request: true"
#define REST    "\"name\":\"n\",\"email\":\"e@x\",\"role\":1,\"password\":\"p\"}"

static const struct rule rules[] = {
    {"an empty body", "POST /users", NULL, "", 400, PROBLEM, {"body"}},
    {"a body of blanks", "POST /users", NULL, "  \n ", 400, PROBLEM, {0}},
    {"no JSON at all", "POST /users", NULL, "name=n", 400, PROBLEM, {"line 1, column"}},
    {"JSON that stops short", "POST /users", NULL, "{\"name\":\"n\"", 400, PROBLEM, {"line 1"}},
    {"a fault in the third line", "POST /users", NULL, "{\n\"name\":\"n\",\n  oops\n}", 400,
	PROBLEM, {"line 3"}},
    {"data after the JSON", "POST /users", NULL, "{\"accountid\":1," REST " {}", 400, PROBLEM,
	{"line 1"}},
    {"an array for an object", "POST /users", NULL, "[]", 400, PROBLEM, {"object"}},
    {"a number for an object", "POST /users", NULL, "7", 400, PROBLEM, {"object"}},
    {"null for an object", "POST /users", NULL, "null", 400, PROBLEM, {"object"}},
    {"an unknown member", "POST /users", NULL, "{\"accountid\":1,\"colour\":\"red\"," REST, 400,
	PROBLEM, {"\"field\":\"colour\""}},
    {"an unknown member in a bulk", "POST /users", BULK,
	"{\"Users\":[{\"accountid\":1," REST ",{\"accountid\":1,\"colour\":1," REST "]}", 400,
	PROBLEM, {"\"field\":\"Users[1].colour\""}},
    {"a member twice", "POST /users", NULL, "{\"accountid\":1,\"accountid\":2," REST, 400, PROBLEM,
	{"\"field\":\"accountid\""}},
    {"a list twice by its two names", "POST /users", BULK, "{\"Users\":[],\"users\":[]}", 400,
	PROBLEM, {"\"field\":\"users\""}},
    {"text for an integer", "POST /users", NULL, "{\"accountid\":\"1\"," REST, 400, PROBLEM,
	{"\"field\":\"accountid\""}},
    {"a fraction for an integer", "POST /users", NULL, "{\"accountid\":1.5," REST, 400, PROBLEM,
	{"\"field\":\"accountid\""}},
    {"an exponent for an integer", "POST /users", NULL, "{\"accountid\":1e3," REST, 400, PROBLEM,
	{"\"field\":\"accountid\""}},
    {"true for an integer", "POST /users", NULL, "{\"accountid\":true," REST, 400, PROBLEM,
	{"\"field\":\"accountid\""}},
    {"null for an integer", "POST /users", NULL, "{\"accountid\":null," REST, 400, PROBLEM,
	{"\"field\":\"accountid\""}},
    {"an object for text", "POST /users", NULL,
	"{\"accountid\":1,\"name\":{\"first\":\"n\"},\"email\":\"e@x\",\"role\":1,\"password\":"
	"\"p\"}",
	400, PROBLEM, {"\"field\":\"name\""}},
    {"a number for text", "POST /users", NULL,
	"{\"accountid\":1,\"name\":7,\"email\":\"e@x\",\"role\":1,\"password\":\"p\"}", 400,
	PROBLEM, {"\"field\":\"name\""}},
    {"several wrong types at once", "POST /users", NULL,
	"{\"accountid\":\"1\",\"name\":7,\"email\":false,\"role\":\"x\",\"password\":9}", 400,
	PROBLEM,
	{"\"field\":\"accountid\"", "\"field\":\"name\"", "\"field\":\"role\"",
	    "\"field\":\"password\""}},
    {"an account id of 2^31", "POST /users", NULL, "{\"accountid\":2147483648," REST, 400, PROBLEM,
	{"\"field\":\"accountid\""}},
    {"an account id past 64 bits", "POST /users", NULL, "{\"accountid\":99999999999999999999," REST,
	400, PROBLEM, {"\"field\":\"accountid\""}},
    {"a negative account id", "POST /users", NULL, "{\"accountid\":-1," REST, 400, PROBLEM,
	{"\"field\":\"accountid\""}},
    {"a role past the last", "POST /users", NULL,
	"{\"accountid\":1,\"name\":\"n\",\"email\":\"e@x\",\"role\":3,\"password\":\"p\"}", 400,
	PROBLEM, {"\"field\":\"role\""}},
    {"a negative role", "POST /users", NULL,
	"{\"accountid\":1,\"name\":\"n\",\"email\":\"e@x\",\"role\":-1,\"password\":\"p\"}", 400,
	PROBLEM, {"\"field\":\"role\""}},
    {"an address with two @", "POST /users", NULL,
	"{\"accountid\":1,\"name\":\"n\",\"email\":\"e@x@y\",\"role\":1,\"password\":\"p\"}", 400,
	PROBLEM, {"\"field\":\"email\""}},
    {"an address with nothing after the @", "POST /users", NULL,
	"{\"accountid\":1,\"name\":\"n\",\"email\":\"e@\",\"role\":1,\"password\":\"p\"}", 400,
	PROBLEM, {"\"field\":\"email\""}},
    {"an address with nothing before the @", "POST /users", NULL,
	"{\"accountid\":1,\"name\":\"n\",\"email\":\"@x\",\"role\":1,\"password\":\"p\"}", 400,
	PROBLEM, {"\"field\":\"email\""}},
    {"invalid UTF-8", "POST /users", NULL, "{\"accountid\":1,\"name\":\"\xff\xfe\"}", 400, PROBLEM,
	{"line 1"}},
    {"overlong UTF-8", "POST /users", NULL, "{\"accountid\":1,\"name\":\"\xc0\xaf\"}", 400, PROBLEM,
	{"line 1"}},
    {"U+0000 in text", "POST /users", NULL,
	"{\"accountid\":1,\"name\":\"a\\u0000b\",\"email\":\"e@x\",\"role\":1,\"password\":\"p\"}",
	400, PROBLEM, {"line 1"}},
    {"half a surrogate pair", "POST /users", NULL,
	"{\"accountid\":1,\"name\":\"\\ud800\",\"email\":\"e@x\",\"role\":1,\"password\":\"p\"}",
	400, PROBLEM, {"line 1"}},
    {"a control character in text", "POST /users", NULL, "{\"name\":\"a\tb\"}", 400, PROBLEM,
	{"line 1"}},
    {"a comment", "POST /users", NULL, "{/* hi */}", 400, PROBLEM, {"line 1"}},
    {"nesting past the limit", "POST /users", NULL,
	"{\"x\":[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[1]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]}",
	400, PROBLEM, {"32"}},
    {"a broken escape in the path", "GET /users/%zz", NULL, NULL, 400, PROBLEM, {0}},
    {"NUL in the path", "GET /users/1%00", NULL, NULL, 400, PROBLEM, {0}},
    {"a broken escape in the query", "GET /users?email=%f", NULL, NULL, 400, PROBLEM, {0}},
    {"invalid UTF-8 in the query", "GET /users?email=%ff", NULL, NULL, 400, PROBLEM, {"email"}},
    {"a word for a number in the query", "GET /users?page_size=many", NULL, NULL, 400, PROBLEM,
	{"page_size"}},
    {"a path that climbs", "GET /../../etc/passwd", NULL, NULL, 404, PROBLEM, {0}},
};

/* {"accountid":1,"name":"xxx…",…} with so many characters in one member. */
static const struct http_answer *
post_long(const char *member, size_t count, const char *character)
{
	struct {
		const char *name, *short_value;
	} members[] = {{"name", "n"}, {"email", "e@x"}, {"password", "p"}};
	size_t size = count * strlen(character) + 256;
	char *body = malloc(size);
	const struct http_answer *answer;
	size_t len;

	assert_non_null(body);
	len = (size_t)snprintf(body, size, "{\"accountid\":1,\"role\":1");
	for (size_t i = 0; i < 3; i++) {
		len += (size_t)snprintf(body + len, size - len, ",\"%s\":\"%s", members[i].name,
		    members[i].short_value);
		for (size_t n = 0; strcmp(members[i].name, member) == 0 &&
				   n < count - strlen(members[i].short_value);
		     n++) {
			len += (size_t)snprintf(body + len, size - len, "%s", character);
		}
		body[len++] = '"';
	}
	body[len++] = '}';
	answer = http_send_bytes(both_http, "POST /users", NULL, body, len);
	free(body);
	return answer;
}

static void
forget(const struct http_answer *answer)
{
	char line[128];

	assert_int_equal(answer->status, 201);
	snprintf(line, sizeof(line), "DELETE %s", http_header(answer, "location"));
	assert_int_equal(http_send(both_http, line, NULL, NULL)->status, 200);
}

static void
lengths_are_counted_in_characters(void **state)
{
	const char *members[] = {"name", "email"};

	(void)state;
	for (int i = 0; i < 2; i++) {
		forget(post_long(members[i], 255, "é"));
		assert_int_equal(post_long(members[i], 256, "é")->status, 400);
		assert_int_equal(post_long(members[i], 300, "x")->status, 400);
	}
}

static void
passwords_are_counted_in_bytes(void **state)
{
	const struct http_answer *answer;

	(void)state;
	forget(post_long("password", 1024, "x"));
	answer = post_long("password", 1025, "x");
	assert_int_equal(answer->status, 400);
	assert_non_null(strstr(answer->body, "\"field\":\"password\""));
	rule_check_problem(answer, 400);
}

static void
a_body_past_the_limit_is_413(void **state)
{
	const struct http_answer *answer = post_long("name", 1 << 20, "x");

	(void)state;
	assert_int_equal(answer->status, 413);
	rule_check_problem(answer, 413);
}

static void
a_bulk_body_past_the_limit_is_413(void **state)
{
	size_t len = (size_t)33 << 20;
	char *body = malloc(len);
	const struct http_answer *answer;

	(void)state;
	assert_non_null(body);
	memset(body, ' ', len);
	answer = http_send_bytes(both_http, "POST /users", BULK, body, len);
	free(body);
	assert_int_equal(answer->status, 413);
	rule_check_problem(answer, 413);
}

static void
nul_bytes_in_the_body_are_refused(void **state)
{
	static const char body[] = "{\"name\":\"a\0b\"}";
	const struct http_answer *answer =
	    http_send_bytes(both_http, "POST /users", NULL, body, sizeof(body) - 1);

	(void)state;
	assert_int_equal(answer->status, 400);
	rule_check_problem(answer, 400);
}

#define HEAD "POST /users HTTP/1.1\r\nContent-Type: application/json\r\n"

/* RFC 9112 sections 3.2, 5.2 and 6: what another proxy may read otherwise. */
static void
doubtful_framing_is_refused_and_the_connection_closed(void **state)
{
	static const char *const requests[] = {
	    HEAD "Host: a\r\nContent-Length: 2\r\nTransfer-Encoding: "
		 "chunked\r\n\r\n2\r\n{}\r\n0\r\n\r\n",
	    HEAD "Host: a\r\nContent-Length: 2\r\nContent-Length: 3\r\n\r\n{} ",
	    HEAD "Host: a\r\nContent-Length: +2\r\n\r\n{}",
	    HEAD "Content-Length: 2\r\n\r\n{}",
	    HEAD "Host: a\r\nHost: b\r\nContent-Length: 2\r\n\r\n{}",
	    HEAD "Host: a\r\nX-Folded: a\r\n b\r\nContent-Length: 2\r\n\r\n{}",
	    HEAD "Host: a\r\nTransfer-Encoding: gzip, chunked\r\n\r\n2\r\n{}\r\n0\r\n\r\n",
	    "GET /users/1 HTTP/1.1\r\n\r\n",
	    "\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03 tls to a plain port\r\n\r\n",
	    "GET\r\n\r\n",
	};

	(void)state;
	for (size_t i = 0; i < sizeof(requests) / sizeof(requests[0]); i++) {
		char answer[4096];

		wire_exchange(
		    both_stack.port, requests[i], strlen(requests[i]), answer, sizeof(answer));
		if (strncmp(answer, "HTTP/1.1 400", 12) != 0) {
			fail_msg("request %zu: %s", i, answer);
		}
	}
}

static void
both_processes_live_on(void **state)
{
	(void)state;
	assert_true(process_running(&both_stack.accountd[0]));
	assert_true(process_running(&both_stack.gatewayd));
	assert_int_equal(http_send(both_http, "GET /accountdhealth", NULL, NULL)->status, 200);
	assert_string_equal(http_send(both_http, "GET /users", NULL, NULL)->body, "{\"Users\":[]}");
}

static const struct CMUnitTest tests[] = {
    cmocka_unit_test(lengths_are_counted_in_characters),
    cmocka_unit_test(passwords_are_counted_in_bytes),
    cmocka_unit_test(a_body_past_the_limit_is_413),
    cmocka_unit_test(a_bulk_body_past_the_limit_is_413),
    cmocka_unit_test(nul_bytes_in_the_body_are_refused),
    cmocka_unit_test(doubtful_framing_is_refused_and_the_connection_closed),
    cmocka_unit_test(both_processes_live_on),
};

int
main(void)
{
	return both_run(&(struct suite){.rules = rules,
	    .rule_count = sizeof(rules) / sizeof(rules[0]),
	    .tests = tests,
	    .test_count = sizeof(tests) / sizeof(tests[0])});
}
