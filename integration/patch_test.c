/* PATCH by JSON merge patch (RFC 7396), through both programs, on both databases. */
#include <pthread.h>
#include <stdio.h>
#include <string.h>

#include "integration/both.h"
#include "integration/json_get.h"

#define PROBLEM "application/problem+json"
#define PATCHED "Content-Type: application/merge-patch+json"
#define ROUNDS  40

static void
prepare(void)
{
	static const char ada[] = "{\"accountid\":1,\"name\":\"Ada\",\"email\":\"ada@example.com\","
				  "\"role\":1,\"password\":\"open-sesame\"}";
	static const char bob[] = "{\"accountid\":1,\"name\":\"Bob\",\"email\":\"bob@example.com\","
				  "\"role\":2,\"password\":\"open-sesame\"}";

	assert_int_equal(http_send(both_http, "POST /users", NULL, ada)->status, 201);
	assert_int_equal(http_send(both_http, "POST /users", NULL, bob)->status, 201);
}

/* In their order: each finds what those before it left. */
static const struct rule rules[] = {
    {"a member changes and the others stay", "PATCH /users/1", PATCHED, "{\"name\":\"Countess\"}",
	200, "application/json",
	{"{\"accountid\":1,\"href\":\"/users/1\",\"id\":1,\"name\":\"Countess\","
	 "\"email\":\"ada@example.com\",\"role\":1}"}},
    {"what was answered is read", "GET /users/1", NULL, NULL, 200, NULL,
	{"\"name\":\"Countess\",\"email\":\"ada@example.com\",\"role\":1}"}},
    {"JSON is taken too", "PATCH /users/1", NULL, "{\"role\":0}", 200, NULL,
	{"\"name\":\"Countess\"", "\"role\":0}"}},
    {"other types are refused", "PATCH /users/1", "Content-Type: application/json-patch+json", "{}",
	415, PROBLEM, {"application/merge-patch+json"}},
    {"a patch is for PATCH alone", "PUT /users/1", PATCHED, "{}", 415, PROBLEM, {NULL}},
    {"nothing changes nothing", "PATCH /users/1", NULL, "{}", 200, NULL,
	{"\"name\":\"Countess\",\"email\":\"ada@example.com\",\"role\":0}"}},
    {"null is as if it were not given, which the rules forbid", "PATCH /users/1", NULL,
	"{\"name\":null,\"role\":null}", 400, PROBLEM,
	{"\"field\":\"name\"", "\"field\":\"role\",\"detail\":\"must be given"}},
    {"only what is given is checked", "PATCH /users/1", NULL, "{\"email\":\"no address\"}", 400,
	PROBLEM, {"\"errors\":[{\"field\":\"email\","}},
    {"a password is checked before it is hashed", "PATCH /users/1", NULL, "{\"password\":\"\"}",
	400, PROBLEM, {"\"errors\":[{\"field\":\"password\","}},
    {"a password is changed and never answered", "PATCH /users/1", NULL,
	"{\"password\":\"another\",\"name\":\"Ada\"}", 200, NULL,
	{"\"name\":\"Ada\"", "\"role\":0}"}},
    {"an unknown member is refused", "PATCH /users/1", NULL, "{\"nick\":\"a\"}", 400, PROBLEM,
	{"\"field\":\"nick\""}},
    {"an id must be that of the path", "PATCH /users/1", NULL, "{\"id\":2,\"name\":\"x\"}", 400,
	PROBLEM, {"\"field\":\"id\""}},
    {"which may be given", "PATCH /users/1", NULL, "{\"id\":1,\"href\":\"x\",\"name\":\"A\"}", 200,
	NULL, {"\"href\":\"/users/1\",\"id\":1,\"name\":\"A\""}},
    {"another's address is a duplicate", "PATCH /users/1", NULL, "{\"email\":\"BOB@example.com\"}",
	400, PROBLEM, {"DUPLICATE_EMAIL"}},
    {"an unknown user is 404", "PATCH /users/99", NULL, "{\"name\":\"x\"}", 404, PROBLEM,
	{"USER_NOT_FOUND"}},
    {"a list is not patched", "PATCH /users", NULL, "{}", 405, PROBLEM, {NULL}},
};

/* A client that changes one member of user 2, again and again. */
struct patcher {
	const char *member;
	bool failed;
};

static void *
patcher_run(void *closure)
{
	struct patcher *patcher = closure;
	struct http *http = http_new(both_stack.url);
	char body[64];

	for (int i = 1; i <= ROUNDS; i++) {
		snprintf(body, sizeof(body), "{\"%s\":%d}", patcher->member,
		    strcmp(patcher->member, "role") == 0 ? i % 2 : i);
		patcher->failed |= http_send(http, "PATCH /users/2", NULL, body)->status != 200;
	}
	http_free(&http);
	return NULL;
}

static void
changes_of_different_members_both_last(void **state)
{
	struct patcher patchers[] = {{.member = "accountid"}, {.member = "role"}};
	pthread_t threads[2];
	yajl_val user;

	(void)state;
	for (int i = 0; i < 2; i++) {
		assert_int_equal(pthread_create(&threads[i], NULL, patcher_run, &patchers[i]), 0);
	}
	for (int i = 0; i < 2; i++) {
		pthread_join(threads[i], NULL);
		assert_false(patchers[i].failed);
	}
	user = json_parse(http_send(both_http, "GET /users/2", NULL, NULL)->body);
	assert_int_equal(json_int(user, "accountid"), ROUNDS);
	assert_int_equal(json_int(user, "role"), 0);
	assert_string_equal(json_text(user, "name"), "Bob");
	yajl_tree_free(user);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(changes_of_different_members_both_last),
	};
	const struct suite both = {.prepare = prepare,
	    .rules = rules,
	    .rule_count = sizeof(rules) / sizeof(rules[0]),
	    .tests = tests,
	    .test_count = sizeof(tests) / sizeof(tests[0])};

	return both_run(&both);
}
