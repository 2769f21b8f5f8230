/* Every row, status and rule of the REST contract, on both stores. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "integration/both.h"
#include "integration/json_get.h"

#define JSON    "application/json"
#define PROBLEM "application/problem+json"
#define BULK    "Bulk-Request: true"

#define USER(account, name, email)                                                                 \
	"{\"accountid\":" account ",\"name\":\"" name "\",\"email\":\"" email                      \
	"\",\"role\":1,\"password\":\"open-sesame\"}"
#define USER_WITH_ID(id, name, email)                                                              \
	"{\"accountid\":1,\"id\":" id ",\"name\":\"" name "\",\"email\":\"" email                  \
	"\",\"role\":2,\"password\":\"open-sesame\"}"

/* These see users 1 (ada) and 2 (bob) and change nothing. */
static const struct rule rules[] = {
    {"health answers in plain text", "GET /accountdhealth", NULL, NULL, 200, "text/plain",
	{"I'm Healthy!"}},
    {"one user is read", "GET /users/1", NULL, NULL, 200, JSON,
	{"{\"accountid\":1,\"href\":\"/users/1\",\"id\":1,\"name\":\"Ada\",\"email\":\"ada@"
	 "example.com\",\"role\":1}"}},
    {"a trailing slash means the same user", "GET /users/1/", NULL, NULL, 200, JSON,
	{"\"href\":\"/users/1\""}},
    {"all users are listed", "GET /users", NULL, NULL, 200, JSON,
	{"{\"Users\":[{", "\"id\":1,", "\"id\":2,", "}]}"}},
    {"a trailing slash means the same list", "GET /users/", NULL, NULL, 200, JSON,
	{"{\"Users\":[{"}},
    {"HEAD has the headers of GET", "HEAD /users/1", NULL, NULL, 200, JSON, {0}},
    {"HEAD of an unknown user is 404", "HEAD /users/999", NULL, NULL, 404, PROBLEM, {0}},
    {"OPTIONS names the verbs", "OPTIONS /users/1", NULL, NULL, 204, NULL,
	{"GET", "PUT", "DELETE"}},
    {"an unknown user is 404", "GET /users/999", NULL, NULL, 404, PROBLEM,
	{"\"code\":\"NOT_FOUND\"", "\"instance\":\"/users/999\""}},
    {"an id past 32 bits is an unknown user", "GET /users/4294967297", NULL, NULL, 404, PROBLEM,
	{0}},
    {"a word is no id", "GET /users/abc", NULL, NULL, 400, PROBLEM, {"\"field\":\"id\""}},
    {"0 is no id", "GET /users/0", NULL, NULL, 400, PROBLEM, {"\"field\":\"id\""}},
    {"a negative number is no id", "GET /users/-1", NULL, NULL, 400, PROBLEM, {"\"field\":\"id\""}},
    {"a fraction is no id", "GET /users/1.5", NULL, NULL, 400, PROBLEM, {"\"field\":\"id\""}},
    {"a number past 64 bits is no id", "GET /users/99999999999999999999", NULL, NULL, 400, PROBLEM,
	{"\"field\":\"id\""}},
    {"a blank is no id", "GET /users/%20", NULL, NULL, 400, PROBLEM, {"\"field\":\"id\""}},
    {"DELETE of 0 is refused", "DELETE /users/0", NULL, NULL, 400, PROBLEM, {"\"field\":\"id\""}},
    {"DELETE of an unknown user is OK", "DELETE /users/999", NULL, NULL, 200, NULL, {0}},
    {"PUT of an unknown user is 404", "PUT /users/999", NULL, USER("1", "No One", "no@example.com"),
	404, PROBLEM, {"\"code\":\"NOT_FOUND\""}},
    {"PUT with another id in the body is refused", "PUT /users/1", NULL,
	USER_WITH_ID("2", "Ada", "ada@example.com"), 400, PROBLEM, {"\"field\":\"id\""}},
    {"PUT of an incomplete body is refused", "PUT /users/1", NULL, "{\"accountid\":1}", 400,
	PROBLEM,
	{"\"field\":\"name\"", "\"field\":\"email\"", "\"field\":\"password\"",
	    "\"field\":\"role\""}},
    {"PUT to another's address is a duplicate", "PUT /users/1", NULL,
	USER("1", "Ada", "bob@example.com"), 400, PROBLEM,
	{"attempt to insert duplicate user", "DUPLICATE_EMAIL"}},
    {"POST with an id is refused", "POST /users", NULL, USER_WITH_ID("7", "New", "new@example.com"),
	400, PROBLEM, {"\"field\":\"id\""}},
    {"POST of a taken address is a duplicate", "POST /users", NULL,
	USER("1", "Ada", "ada@example.com"), 400, PROBLEM,
	{"\"detail\":\"attempt to insert duplicate user\"", "\"code\":\"ALREADY_EXISTS\""}},
    {"addresses are the same without regard to case", "POST /users", NULL,
	USER("1", "Ada", "ADA@Example.COM"), 400, PROBLEM, {"attempt to insert duplicate user"}},
    {"POST tells every fault at once", "POST /users", NULL,
	"{\"accountid\":0,\"name\":\"\",\"email\":\"nowhere\",\"role\":9,\"password\":\"\"}", 400,
	PROBLEM,
	{"\"field\":\"accountid\"", "\"field\":\"email\"", "\"field\":\"role\"",
	    "\"field\":\"password\""}},
    {"POST of an address with a line break is refused", "POST /users", NULL,
	USER("1", "New", "a@b\\r\\nBcc: x"), 400, PROBLEM,
	{"\"field\":\"email\"", "must not have U+000D"}},
    {"POST of an address with blanks around is refused", "POST /users", NULL,
	USER("1", "New", " ada@example.com"), 400, PROBLEM, {"\"field\":\"email\"", "U+0020"}},
    {"PUT of an address with an invisible character is refused", "PUT /users/1", NULL,
	USER("1", "Ada", "ada\\u200b@example.com"), 400, PROBLEM,
	{"\"field\":\"email\"", "U+200B"}},
    {"POST of an address that is no mailbox is refused", "POST /users", NULL,
	USER("1", "New", "Ada <ada@example.com>"), 400, PROBLEM, {"\"field\":\"email\""}},
    {"PUT of a name with a control character is refused", "PUT /users/1", NULL,
	USER("1", "Ada\\u0007", "ada@example.com"), 400, PROBLEM, {"\"field\":\"name\"", "U+0007"}},
    {"POST of a name of two lines is refused", "POST /users", NULL,
	USER("1", "New\\u2028er", "new@example.com"), 400, PROBLEM,
	{"\"field\":\"name\"", "U+2028"}},
    {"POST of an empty object tells what is missing", "POST /users", NULL, "{}", 400, PROBLEM,
	{"\"field\":\"accountid\"", "\"field\":\"name\"", "\"field\":\"email\"",
	    "\"field\":\"role\""}},
    {"an empty bulk is refused", "POST /users", BULK, "{\"Users\":[]}", 400, PROBLEM,
	{"\"field\":\"Users\""}},
    {"a bulk without its list is refused", "POST /users", BULK, "{}", 400, PROBLEM,
	{"\"field\":\"Users\""}},
    {"Bulk-Request is true or false", "POST /users", "Bulk-Request: yes",
	USER("1", "New", "new@example.com"), 400, PROBLEM, {"Bulk-Request"}},
    {"Bulk-Request must not be empty", "PUT /users/1", "Bulk-Request;",
	USER("1", "New", "new@example.com"), 400, PROBLEM, {"Bulk-Request"}},
    {"Bulk-Request false is a single request", "POST /users", "Bulk-Request: FALSE",
	"{\"Users\":[]}", 400, PROBLEM, {"\"field\":\"Users\""}},
    {"PUT of all users is for bulk requests", "PUT /users", NULL,
	USER("1", "New", "new@example.com"), 400, PROBLEM, {"Bulk-Request"}},
    {"too many sub-requests are 413", "POST /users", BULK,
	"{\"Users\":[{},{},{},{},{},{},{},{},{},{},{},{},{},{},{},{},{},{},{},{},{},{},{},{},{},"
	"{},{},{},{},{},{},{},{},{},{},{},{},{},{},{},{},{},{},{},{},{},{},{},{},{},{},{},{},{},{},"
	"{},{},{},{},{},{},{},{},{},{},{},{},{},{},{},{},{},{},{},{},{},{},{},{},{},{},{},{},{},{},"
	"{},{},{},{},{},{},{},{},{},{},{},{},{},{},{},{},{},{},{},{},{}]}",
	413, PROBLEM, {"100"}},
    {"an unknown path is 404", "GET /xxx", NULL, NULL, 404, PROBLEM, {"\"instance\":\"/xxx\""}},
    {"the root is 404", "GET /", NULL, NULL, 404, PROBLEM, {0}},
    {"a path that goes on is 404", "GET /users/1/2", NULL, NULL, 404, PROBLEM, {0}},
    {"another verb is 405 and told what is allowed", "PATCH /users", NULL, "{}", 405, PROBLEM,
	{"GET", "POST"}},
    {"a verb nobody knows is 405", "BREW /users/1", NULL, NULL, 405, PROBLEM, {"DELETE"}},
    {"DELETE of all users is 405", "DELETE /users", NULL, NULL, 405, PROBLEM, {"POST"}},
    {"an answer that is not wanted is 406", "GET /users/1", "Accept: text/html", NULL, 406, PROBLEM,
	{"application/json"}},
    {"an answer wanted with q=0 is 406", "GET /users/1", "Accept: application/json;q=0", NULL, 406,
	PROBLEM, {0}},
    {"any answer is wanted", "GET /users/1", "Accept: text/html, */*;q=0.1", NULL, 200, JSON, {0}},
    {"another content type is 415", "POST /users", "Content-Type: text/plain",
	USER("1", "New", "new@example.com"), 415, PROBLEM, {"application/json"}},
    {"no content type is 415", "POST /users", "Content-Type:", USER("1", "New", "new@example.com"),
	415, PROBLEM, {0}},
    {"a charset may be named", "POST /users", "Content-Type: application/json; charset=utf-8",
	USER("1", "Ada", "ada@example.com"), 400, PROBLEM, {"duplicate"}},
    {"an unknown query parameter is refused", "GET /users?colour=red", NULL, NULL, 400, PROBLEM,
	{"colour"}},
    {"a query parameter twice is refused", "GET /users?role=1&role=2", NULL, NULL, 400, PROBLEM,
	{"role"}},
    {"users are filtered by account", "GET /users?accountid=2", NULL, NULL, 200, JSON,
	{"{\"Users\":[{\"accountid\":2,", "\"id\":2,"}},
    {"a filter of zero is no filter left out", "GET /users?accountid=0", NULL, NULL, 400, PROBLEM,
	{"\"field\":\"accountid\"", "must be 1 to 2147483647"}},
    {"an empty filter is no filter left out", "GET /users?email=", NULL, NULL, 400, PROBLEM,
	{"\"field\":\"email\"", "must not be empty"}},
    {"every filter that is empty is named", "GET /users?email&name_prefix&page_size=1", NULL, NULL,
	400, PROBLEM, {"\"field\":\"email\"", "\"field\":\"name_prefix\""}},
    {"users are filtered by address", "GET /users?email=BOB%40example.com", NULL, NULL, 200, JSON,
	{"{\"Users\":[{\"accountid\":2,"}},
    {"users are filtered by role", "GET /users?role=2", NULL, NULL, 200, JSON, {"{\"Users\":[]}"}},
    {"users are filtered by the beginning of the name", "GET /users?name_prefix=Bo", NULL, NULL,
	200, JSON, {"{\"Users\":[{\"accountid\":2,"}},
    {"a page has a token of the next", "GET /users?page_size=1", NULL, NULL, 200, JSON,
	{"\"id\":1,", "\"next_page_token\":\""}},
    {"a page size past the limit is refused", "GET /users?page_size=1001", NULL, NULL, 400, PROBLEM,
	{"page_size"}},
    {"a made-up page token is refused", "GET /users?page_token=AAAA", NULL, NULL, 400, PROBLEM,
	{"page_token"}},
    {"the caller's request id comes back", "GET /users/1", "X-Request-Id: abc-123", NULL, 200, JSON,
	{": abc-123\r\n"}},
};

static void
create(const char *user)
{
	const struct http_answer *answer = http_send(both_http, "POST /users", NULL, user);

	if (answer->status != 201) {
		fail_msg("%d instead of 201: %s", answer->status, answer->body);
	}
}

/* Gives the id that a new user got. */
static long long
create_id(const char *user)
{
	const struct http_answer *answer = http_send(both_http, "POST /users", NULL, user);
	yajl_val json;
	long long id;

	assert_int_equal(answer->status, 201);
	json = json_parse(answer->body);
	id = json_int(json, "id");
	yajl_tree_free(json);
	return id;
}

static void
a_request_id_that_is_not_well_formed_is_replaced(void **state)
{
	const struct http_answer *answer =
	    http_send(both_http, "GET /users/1", "X-Request-Id: with blanks and \"quotes\"", NULL);

	(void)state;
	assert_int_equal(answer->status, 200);
	assert_null(strchr(http_header(answer, "x-request-id"), '"'));
	assert_true(strlen(http_header(answer, "x-request-id")) >= 16);
}

static void
a_user_is_created_read_replaced_and_deleted(void **state)
{
	const struct http_answer *answer;
	char line[64];
	char want[256];
	long long id;

	(void)state;
	answer =
	    http_send(both_http, "POST /users/", NULL, USER("1", "Brian", "brian@example.com"));
	assert_int_equal(answer->status, 201);
	assert_int_equal(sscanf(http_header(answer, "location"), "/users/%lld", &id), 1);
	snprintf(want, sizeof(want),
	    "{\"accountid\":1,\"href\":\"/users/%lld\",\"id\":%lld,\"name\":\"Brian\",\"email\":"
	    "\"brian@example.com\",\"role\":1}",
	    id, id);
	assert_string_equal(answer->body, want);

	snprintf(line, sizeof(line), "GET /users/%lld", id);
	assert_string_equal(http_send(both_http, line, NULL, NULL)->body, want);

	snprintf(line, sizeof(line), "PUT /users/%lld", id);
	answer = http_send(both_http, line, NULL, USER("1", "Beach Boy", "Brian@example.com"));
	assert_int_equal(answer->status, 200);
	assert_non_null(strstr(answer->body, "\"name\":\"Beach Boy\",\"email\":\"Brian@"));
	assert_null(http_header(answer, "location"));

	snprintf(line, sizeof(line), "DELETE /users/%lld", id);
	answer = http_send(both_http, line, NULL, NULL);
	assert_int_equal(answer->status, 200);
	assert_int_equal(answer->len, 0);
	assert_int_equal(http_send(both_http, line, NULL, NULL)->status, 200);
	snprintf(line, sizeof(line), "GET /users/%lld", id);
	assert_int_equal(http_send(both_http, line, NULL, NULL)->status, 404);
}

static void
replacing_a_user_by_itself_is_ok(void **state)
{
	long long id = create_id(USER("1", "Same", "same@example.com"));
	char line[64];

	(void)state;
	snprintf(line, sizeof(line), "PUT /users/%lld", id);
	for (int i = 0; i < 2; i++) {
		assert_int_equal(
		    http_send(both_http, line, NULL, USER("1", "Same", "same@example.com"))->status,
		    200);
	}
	snprintf(line, sizeof(line), "DELETE /users/%lld", id);
	assert_int_equal(http_send(both_http, line, NULL, NULL)->status, 200);
}

static void
any_unicode_comes_back_as_it_was_sent(void **state)
{
	const struct http_answer *answer =
	    http_send(both_http, "POST /users", NULL, USER("1", "Zoë 🎸 \\\"ß\\\"", "ZOË@ex.com"));

	(void)state;
	assert_int_equal(answer->status, 201);
	assert_non_null(strstr(answer->body, "Zoë 🎸 \\\"ß\\\""));
	answer = http_send(both_http, "POST /users", NULL, USER("1", "x", "zoë@ex.com"));
	assert_int_equal(answer->status, 400);
	assert_non_null(strstr(answer->body, "attempt to insert duplicate user"));
	answer = http_send(both_http, "POST /users", NULL, USER("1", "x", "zoe@ex.com"));
	assert_int_equal(answer->status, 201);
}

static void
a_bulk_creates_each_user_in_request_order(void **state)
{
	const struct http_answer *answer = http_send(both_http, "POST /users", "Bulk-Request: True",
	    "{\"users\":[" USER("1", "B1", "b1@example.com") "," USER(
		"1", "B2", "b2@example.com") "]}");
	yajl_val json;

	(void)state;
	assert_int_equal(answer->status, 201);
	assert_null(http_header(answer, "location"));
	assert_null(strstr(answer->body, "password"));
	json = json_parse(answer->body);
	assert_int_equal(json_int(json, "overallstatus"), 201);
	assert_int_equal(json_count(json, "results"), 2);
	for (int i = 0; i < 2; i++) {
		char path[64];

		snprintf(path, sizeof(path), "results.%d.httpstatus", i);
		assert_int_equal(json_int(json, path), 201);
		snprintf(path, sizeof(path), "results.%d.errmsg", i);
		assert_string_equal(json_text(json, path), "");
		snprintf(path, sizeof(path), "results.%d.user.id", i);
		assert_true(json_int(json, path) > 0);
	}
	assert_string_equal(json_text(json, "results.0.user.name"), "B1");
	assert_string_equal(json_text(json, "results.1.user.name"), "B2");
	yajl_tree_free(json);
}

static void
a_bulk_whose_rows_fail_leaves_the_others(void **state)
{
	const struct http_answer *answer = http_send(both_http, "POST /users", BULK,
	    "{\"Users\":[" USER("1", "C1", "c1@example.com") "," USER(
		"1", "C2", "ada@example.com") "," USER("1", "C3", "C1@example.com") "," USER("0",
		"C4", "c4@example.com") "," USER("1", "C5", "c5@example.com") "]}");
	static const int statuses[] = {201, 400, 400, 400, 201};
	yajl_val json;

	(void)state;
	assert_int_equal(answer->status, 409);
	assert_null(strstr(answer->body, "password"));
	json = json_parse(answer->body);
	assert_int_equal(json_int(json, "overallstatus"), 409);
	for (int i = 0; i < 5; i++) {
		char path[64];

		snprintf(path, sizeof(path), "results.%d.httpstatus", i);
		assert_int_equal(json_int(json, path), statuses[i]);
		snprintf(path, sizeof(path), "results.%d.user.id", i);
		assert_true(
		    statuses[i] == 201 ? json_int(json, path) > 0 : json_int(json, path) == -1);
	}
	assert_string_equal(
	    json_text(json, "results.1.errmsg"), "attempt to insert duplicate user");
	assert_string_equal(
	    json_text(json, "results.2.errmsg"), "attempt to insert duplicate user");
	assert_non_null(strstr(json_text(json, "results.3.errmsg"), "accountid"));
	yajl_tree_free(json);
}

static void
a_bulk_refuses_texts_row_by_row(void **state)
{
	const struct http_answer *answer = http_send(both_http, "POST /users", BULK,
	    "{\"Users\":[" USER("1", "New\\n", "t1@example.com") "," USER(
		"1", "New", "t2@example.com\\t") "," USER("1", "New", "t3@example.com") "]}");
	yajl_val json = json_parse(answer->body);

	(void)state;
	assert_int_equal(answer->status, 409);
	assert_int_equal(json_int(json, "results.0.httpstatus"), 400);
	assert_non_null(strstr(json_text(json, "results.0.errmsg"), "name: must not have U+000A"));
	assert_int_equal(json_int(json, "results.1.httpstatus"), 400);
	assert_non_null(strstr(json_text(json, "results.1.errmsg"), "email: must not have U+0009"));
	assert_int_equal(json_int(json, "results.2.httpstatus"), 201);
	yajl_tree_free(json);
}

static void
a_bulk_replaces_each_user_and_tells_unknown_ids(void **state)
{
	long long first = create_id(USER("1", "D1", "d1@example.com"));
	long long second = create_id(USER("1", "D2", "d2@example.com"));
	const char *lines[] = {"PUT /users", "PUT /users/1"};
	char body[1024];

	(void)state;
	for (int i = 0; i < 2; i++) {
		const struct http_answer *answer;
		yajl_val json;

		snprintf(body, sizeof(body),
		    "{\"Users\":[" USER_WITH_ID("%lld", "D1x", "d1@example.com") "," USER_WITH_ID(
			"%lld", "D2x", "d2@example.com") "]}",
		    first, second);
		answer = http_send(both_http, lines[i], BULK, body);
		assert_int_equal(answer->status, 200);
		json = json_parse(answer->body);
		assert_int_equal(json_int(json, "overallstatus"), 200);
		assert_int_equal(json_int(json, "results.1.user.id"), second);
		assert_string_equal(json_text(json, "results.1.user.name"), "D2x");
		yajl_tree_free(json);
	}
	snprintf(body, sizeof(body),
	    "{\"Users\":[" USER_WITH_ID("999999", "No", "no@example.com") "," USER_WITH_ID(
		"%lld", "D2y", "d2@example.com") "]}",
	    second);
	const struct http_answer *answer = http_send(both_http, "PUT /users", BULK, body);
	assert_int_equal(answer->status, 409);
	yajl_val json = json_parse(answer->body);
	assert_int_equal(json_int(json, "results.0.httpstatus"), 404);
	assert_int_equal(json_int(json, "results.0.user.id"), 999999);
	assert_int_equal(json_int(json, "results.1.httpstatus"), 200);
	yajl_tree_free(json);
}

static void
an_href_that_was_read_may_be_sent_back(void **state)
{
	const struct http_answer *answer = http_send(both_http, "PUT /users/1", NULL,
	    "{\"accountid\":1,\"href\":\"/users/1\",\"id\":1,\"name\":\"Ada\",\"email\":"
	    "\"ada@example.com\",\"role\":1,\"password\":\"open-sesame\"}");

	(void)state;
	assert_int_equal(answer->status, 200);
}

static void
pages_follow_each_other_to_the_end(void **state)
{
	char line[512] = "GET /users?page_size=1";
	size_t users = 0;
	size_t listed;
	yajl_val json;

	(void)state;
	json = json_parse(http_send(both_http, "GET /users", NULL, NULL)->body);
	listed = json_count(json, "Users");
	yajl_tree_free(json);
	for (;;) {
		const struct http_answer *answer = http_send(both_http, line, NULL, NULL);
		const char *token;

		assert_int_equal(answer->status, 200);
		json = json_parse(answer->body);
		users += json_count(json, "Users");
		token = json_text(json, "next_page_token");
		if (*token == '\0') {
			break;
		}
		snprintf(line, sizeof(line), "GET /users?page_size=1&page_token=%s", token);
		yajl_tree_free(json);
	}
	yajl_tree_free(json);
	assert_int_equal(users, listed);
}

static void
no_password_is_in_any_log(void **state)
{
	struct process *processes[] = {&both_stack.accountd[0], &both_stack.gatewayd};

	(void)state;
	for (int i = 0; i < 2; i++) {
		char *log = process_read_file(processes[i]->log);

		assert_true(strlen(log) > 0);
		assert_null(strstr(log, "open-sesame"));
		free(log);
	}
}

static const struct CMUnitTest tests[] = {
    cmocka_unit_test(a_request_id_that_is_not_well_formed_is_replaced),
    cmocka_unit_test(a_user_is_created_read_replaced_and_deleted),
    cmocka_unit_test(replacing_a_user_by_itself_is_ok),
    cmocka_unit_test(any_unicode_comes_back_as_it_was_sent),
    cmocka_unit_test(a_bulk_creates_each_user_in_request_order),
    cmocka_unit_test(a_bulk_whose_rows_fail_leaves_the_others),
    cmocka_unit_test(a_bulk_refuses_texts_row_by_row),
    cmocka_unit_test(a_bulk_replaces_each_user_and_tells_unknown_ids),
    cmocka_unit_test(an_href_that_was_read_may_be_sent_back),
    cmocka_unit_test(pages_follow_each_other_to_the_end),
    cmocka_unit_test(no_password_is_in_any_log),
};

static void
configure(void)
{
	both_stack.gatewayd_flags[0] = "--bulk-max-items=100";
	both_stack.gatewayd_flags[1] = "--log-level=6";
	both_stack.accountd_flags[0] = "--log-level=6";
}

static void
prepare(void)
{
	create(USER("1", "Ada", "ada@example.com"));
	create(USER("2", "Bob", "bob@example.com"));
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
