/* Routes of the build's own descriptors, and of those with a binding changed. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include <cmocka.h>

#include "common/arena.h"
#include "gateway/route.h"
#include "tests/schema_file.h"

struct fixture {
	struct schema *users;
	struct schema *toys;
	struct route_table *table; /* of users */
	struct route_table *toy_table;
	struct arena *arena;
	const char *header; /* the value that the client sent of Bulk-Request, or NULL */

	/* Of the last search. */
	struct route_match match;
	const char *allow;
	struct error error;
};

static int
open_fixture(void **state)
{
	struct fixture *fixture = calloc(1, sizeof(*fixture));
	struct error error;

	assert_non_null(fixture);
	fixture->users = schema_file_load(SCHEMA_FILE_MOCKVIDEO);
	fixture->toys = schema_file_load(SCHEMA_FILE_TOY);
	fixture->arena = arena_new(0);
	assert_non_null(fixture->arena);
	assert_int_equal(route_table_new(&fixture->table, fixture->users, &error), STATUS_OK);
	assert_int_equal(route_table_new(&fixture->toy_table, fixture->toys, &error), STATUS_OK);
	*state = fixture;
	return 0;
}

static int
close_fixture(void **state)
{
	struct fixture *fixture = *state;

	route_table_free(&fixture->table);
	route_table_free(&fixture->toy_table);
	schema_free(&fixture->users);
	schema_free(&fixture->toys);
	arena_free(&fixture->arena);
	free(fixture);
	return 0;
}

static struct route_text
header(void *closure, const char *name)
{
	const struct fixture *fixture = closure;

	if (fixture->header == NULL || strcasecmp(name, "bulk-request") != 0) {
		return (struct route_text){NULL, 0};
	}
	return (struct route_text){fixture->header, strlen(fixture->header)};
}

/* Searches in memory of just the path's size, so that a sanitizer notices reading past it. */
static enum route_result
find_in(struct fixture *fixture, const struct route_table *table, const char *verb,
    const char *path, const char *bulk)
{
	struct route_text text = {NULL, strlen(path)};
	char *copy = malloc(text.len == 0 ? 1 : text.len); /* no NUL: reading on is an error */
	enum route_result result;

	assert_non_null(copy);
	text.data = memcpy(copy, path, text.len);
	fixture->header = bulk;
	fixture->allow = NULL;
	memset(&fixture->error, 0, sizeof(fixture->error));
	memset(&fixture->match, 0, sizeof(fixture->match));
	arena_reset(fixture->arena);
	result = route_find(table, (struct route_text){verb, strlen(verb)}, text, header, fixture,
	    fixture->arena, &fixture->match, &fixture->allow, &fixture->error);
	for (size_t i = 0; result == ROUTE_FOUND && i < fixture->match.route->param_count; i++) {
		struct route_text *param = &fixture->match.params[i];

		param->data = arena_strndup(fixture->arena, param->data, param->len);
	}
	free(copy);
	return result;
}

static enum route_result
find(struct fixture *fixture, const char *verb, const char *path)
{
	return find_in(fixture, fixture->table, verb, path, NULL);
}

static void
assert_method(
    struct fixture *fixture, const char *verb, const char *path, const char *bulk, const char *name)
{
	if (find_in(fixture, fixture->table, verb, path, bulk) != ROUTE_FOUND) {
		fail_msg("%s %s is not found", verb, path);
	}
	assert_string_equal(fixture->match.route->method->name, name);
}

static void
each_verb_of_a_path_has_its_method(void **state)
{
	assert_method(*state, "GET", "/users", NULL, "account.v1.UserService/ListUsers");
	assert_method(*state, "POST", "/users", NULL, "account.v1.UserService/CreateUser");
	assert_method(*state, "GET", "/users/42", NULL, "account.v1.UserService/GetUser");
	assert_method(*state, "PUT", "/users/42", NULL, "account.v1.UserService/ReplaceUser");
	assert_method(*state, "DELETE", "/users/42", NULL, "account.v1.UserService/DeleteUser");
	assert_method(*state, "GET", "/accountdhealth", NULL, "account.v1.UserService/CheckHealth");
}

static void
head_finds_what_get_does(void **state)
{
	assert_method(*state, "HEAD", "/users/42", NULL, "account.v1.UserService/GetUser");
	assert_method(*state, "HEAD", "/users", NULL, "account.v1.UserService/ListUsers");
}

static void
a_trailing_slash_is_ignored(void **state)
{
	assert_method(*state, "GET", "/users/", NULL, "account.v1.UserService/ListUsers");
	assert_method(*state, "GET", "/users/42/", NULL, "account.v1.UserService/GetUser");
}

static void
a_segment_in_braces_is_given_decoded(void **state)
{
	struct fixture *fixture = *state;

	assert_int_equal(find(fixture, "GET", "/users/a%20b+c%2Fd%2f%41"), ROUTE_FOUND);
	assert_int_equal(fixture->match.route->param_count, 1);
	assert_string_equal(fixture->match.route->params[0]->json_name, "id");
	assert_int_equal(fixture->match.params[0].len, 9);
	assert_string_equal(fixture->match.params[0].data, "a b+c/d/A");
}

static void
a_segment_that_goes_on_is_another_resource(void **state)
{
	struct fixture *fixture = *state;

	assert_int_equal(
	    find_in(fixture, fixture->toy_table, "GET", "/toys/7/name", NULL), ROUTE_FOUND);
	assert_string_equal(fixture->match.route->text->json_name, "name");
	assert_string_equal(fixture->match.params[0].data, "7");
	assert_int_equal(
	    find_in(fixture, fixture->toy_table, "GET", "/toys/7/price", NULL), ROUTE_NOT_FOUND);
}

static void
literals_are_compared_decoded_and_with_their_case(void **state)
{
	assert_method(*state, "GET", "/%75sers", NULL, "account.v1.UserService/ListUsers");
	assert_int_equal(find(*state, "GET", "/Users"), ROUTE_NOT_FOUND);
}

static void
an_encoded_slash_separates_nothing(void **state)
{
	assert_int_equal(find(*state, "GET", "/users%2F42"), ROUTE_NOT_FOUND);
	assert_int_equal(find(*state, "GET", "/%2Fusers"), ROUTE_NOT_FOUND);
}

static void
paths_of_no_resource_are_not_found(void **state)
{
	static const char *const paths[] = {"", "/", "//", "users", "*", "/xxx", "/user", "/userss",
	    "/users/1/2", "//users", "/users//", "/users//1", "/./users", "/users/1/..",
	    "/users/..", "/users/%2e%2e", "/users/.", "/../users",
	    "/a/a/a/a/a/a/a/a/a/a/a/a/a/a/a/a/a/a/a/a/a/a/a/a/a/a/a/a/a/a/a/a/a/a/a/a/a/a/a/a"};

	for (size_t i = 0; i < sizeof(paths) / sizeof(paths[0]); i++) {
		if (find(*state, "GET", paths[i]) != ROUTE_NOT_FOUND) {
			fail_msg("%s is found", paths[i]);
		}
	}
}

static void
a_broken_escape_is_malformed_wherever_it_is(void **state)
{
	static const char *const paths[] = {"/users/%zz", "/users/%", "/users/1%4", "/%g0sers",
	    "/xxx/%f", "//%",
	    "/a/a/a/a/a/a/a/a/a/a/a/a/a/a/a/a/a/a/a/a/a/a/a/a/a/a/a/a/a/a/a/a/a/a/a/a/a/a/%"};
	struct fixture *fixture = *state;

	for (size_t i = 0; i < sizeof(paths) / sizeof(paths[0]); i++) {
		assert_int_equal(find(fixture, "GET", paths[i]), ROUTE_MALFORMED);
		assert_string_equal(fixture->error.reason, "MALFORMED_PATH");
	}
}

static void
a_verb_that_is_not_offered_is_told_what_is(void **state)
{
	struct fixture *fixture = *state;

	assert_int_equal(find(fixture, "DELETE", "/users"), ROUTE_WRONG_VERB);
	assert_string_equal(fixture->allow, "GET, HEAD, POST, PUT, OPTIONS");
	assert_int_equal(find(fixture, "PATCH", "/users/1"), ROUTE_WRONG_VERB);
	assert_string_equal(fixture->allow, "GET, HEAD, PUT, DELETE, OPTIONS");
	assert_int_equal(find(fixture, "get", "/users"), ROUTE_WRONG_VERB);
	assert_int_equal(find(fixture, "", "/users"), ROUTE_WRONG_VERB);
	assert_int_equal(find(fixture, "OPTIONS", "/accountdhealth"), ROUTE_WRONG_VERB);
	assert_string_equal(fixture->allow, "GET, HEAD, OPTIONS");
}

static void
the_condition_chooses_among_bindings_of_a_verb(void **state)
{
	assert_method(*state, "POST", "/users", "true", "account.v1.UserService/CreateUsers");
	assert_method(*state, "POST", "/users", "TRUE", "account.v1.UserService/CreateUsers");
	assert_method(*state, "POST", "/users", "False", "account.v1.UserService/CreateUser");
	assert_method(*state, "PUT", "/users", "true", "account.v1.UserService/ReplaceUsers");
	assert_method(*state, "PUT", "/users/7", "true", "account.v1.UserService/ReplaceUsers");
	assert_method(*state, "PUT", "/users/x", "true", "account.v1.UserService/ReplaceUsers");
	assert_method(*state, "PUT", "/users/7", "false", "account.v1.UserService/ReplaceUser");
}

static void
a_condition_of_other_verbs_is_ignored(void **state)
{
	assert_method(*state, "GET", "/users", "true", "account.v1.UserService/ListUsers");
	assert_method(*state, "GET", "/users/1", "maybe", "account.v1.UserService/GetUser");
}

static void
a_segment_that_is_ignored_has_no_field(void **state)
{
	struct fixture *fixture = *state;

	assert_method(fixture, "PUT", "/users/7", "true", "account.v1.UserService/ReplaceUsers");
	assert_int_equal(fixture->match.route->param_count, 1);
	assert_null(fixture->match.route->params[0]);
}

static void
a_condition_is_true_or_false(void **state)
{
	static const char *const values[] = {"", "yes", "1", "true,false", "tru", "truely"};
	struct fixture *fixture = *state;

	for (size_t i = 0; i < sizeof(values) / sizeof(values[0]); i++) {
		assert_int_equal(find_in(fixture, fixture->table, "POST", "/users", values[i]),
		    ROUTE_WRONG_CONDITION);
		assert_non_null(strstr(fixture->error.message, "Bulk-Request"));
	}
}

static void
a_binding_whose_condition_is_not_met_names_the_header(void **state)
{
	struct fixture *fixture = *state;

	assert_int_equal(find(fixture, "PUT", "/users"), ROUTE_WRONG_CONDITION);
	assert_non_null(strstr(fixture->error.message, "Bulk-Request: true"));
	assert_int_equal(
	    find_in(fixture, fixture->table, "PUT", "/users", "false"), ROUTE_WRONG_CONDITION);
}

static void
what_a_binding_names_is_looked_up(void **state)
{
	struct fixture *fixture = *state;
	const struct route *route;

	assert_method(fixture, "POST", "/users", NULL, "account.v1.UserService/CreateUser");
	route = fixture->match.route;
	assert_string_equal(route->body->json_name, "user");
	assert_false(route->body_is_all);
	assert_int_equal(route->binding->success_status, 201);

	assert_method(fixture, "POST", "/users", "true", "account.v1.UserService/CreateUsers");
	route = fixture->match.route;
	assert_null(route->body);
	assert_true(route->body_is_all);
	assert_string_equal(route->items->json_name, "Users");
	assert_string_equal(route->results->json_name, "results");

	assert_method(fixture, "GET", "/users", NULL, "account.v1.UserService/ListUsers");
	route = fixture->match.route;
	assert_string_equal(route->pages->json_name, "Users");
	assert_string_equal(route->page_token->json_name, "page_token");
	assert_string_equal(route->next_page_token->json_name, "next_page_token");
}

static void
query_parameters_are_what_path_and_body_leave(void **state)
{
	struct fixture *fixture = *state;
	const struct route *route;

	assert_method(fixture, "GET", "/users", NULL, "account.v1.UserService/ListUsers");
	route = fixture->match.route;
	assert_ptr_equal(route_query_field(route, "page_size", 9), route->page_size);
	assert_string_equal(route_query_field(route, "accountid", 9)->json_name, "accountid");
	assert_string_equal(route_query_field(route, "account_id", 10)->json_name, "accountid");
	assert_null(route_query_field(route, "colour", 6));
	assert_null(route_query_field(route, "", 0));

	assert_method(fixture, "GET", "/users/1", NULL, "account.v1.UserService/GetUser");
	assert_null(route_query_field(fixture->match.route, "id", 2));
	assert_method(fixture, "POST", "/users", NULL, "account.v1.UserService/CreateUser");
	assert_null(route_query_field(fixture->match.route, "user", 4));
	assert_method(fixture, "POST", "/users", "true", "account.v1.UserService/CreateUsers");
	assert_null(route_query_field(fixture->match.route, "Users", 5));
}

/* A binding of the toy with a change that must be refused. */
typedef void change_fn(Mockvideo__Rest__V1__HttpBinding *binding);

static char *
text(const char *literal)
{
	return (char *)(uintptr_t)literal;
}

static void
assert_refused(struct fixture *fixture, const char *method, change_fn *change, const char *option)
{
	Mockvideo__Rest__V1__HttpBinding *binding =
	    schema_find_method(fixture->toys, method)->bindings[0];
	Mockvideo__Rest__V1__HttpBinding before = *binding;
	Mockvideo__Rest__V1__HeaderCondition when = {0};
	Mockvideo__Rest__V1__Bulk bulk = {0};
	struct route_table *table;
	struct error error;

	if (binding->bulk != NULL) {
		bulk = *binding->bulk;
		binding->bulk = &bulk;
	}
	if (binding->when != NULL) {
		when = *binding->when;
		binding->when = &when;
	}
	change(binding);
	assert_int_equal(route_table_new(&table, fixture->toys, &error), STATUS_INVALID_ARGUMENT);
	*binding = before;
	assert_null(table);
	assert_non_null(strstr(error.message, method));
	if (strstr(error.message, option) == NULL) {
		fail_msg("no '%s' in: %s", option, error.message);
	}
}

#define CHANGE(name, ...)                                                                          \
	static void name(Mockvideo__Rest__V1__HttpBinding *binding)                                \
	{                                                                                          \
		__VA_ARGS__;                                                                       \
	}

CHANGE(verb_brew, binding->verb = text("BREW"))
CHANGE(path_without_slash, binding->path = text("toys"))
CHANGE(path_with_empty_segment, binding->path = text("/toys//x"))
CHANGE(path_with_slash_at_end, binding->path = text("/toys/"))
CHANGE(path_with_blank, binding->path = text("/to ys"))
CHANGE(path_with_dots, binding->path = text("/toys/.."))
CHANGE(path_of_unknown_field, binding->path = text("/toys/{colour}"))
CHANGE(path_of_message, binding->path = text("/toys/{toy}"))
CHANGE(path_not_closed, binding->path = text("/toys/{id"))
CHANGE(path_of_field_twice, binding->path = text("/toys/{id}/{id}"))
CHANGE(path_of_many, binding->path = text("/*/*/*/*/*/*/*/*/*"))
CHANGE(path_of_another, binding->path = text("/toys/{id}/name"))
CHANGE(body_of_scalar, binding->body = text("id"))
CHANGE(body_of_nothing, binding->body = text("colour"))
CHANGE(body_of_get, binding->body = text("*"))
CHANGE(when_without_name, binding->when->name = text(""))
CHANGE(when_with_colon, binding->when->name = text("Bulk:"))
CHANGE(status_404, binding->success_status = 404)
CHANGE(location_of_nothing, binding->location = text("/toys/{colour_of}"))
CHANGE(text_of_number, binding->text = text("id"))
CHANGE(pages_of_toy, binding->all_pages = 1)
CHANGE(items_of_nothing, binding->bulk->items = text("colour"))
CHANGE(results_of_nothing, binding->bulk->results = text("colour"))
CHANGE(bulk_status_200, binding->bulk->failure_status = 200)
CHANGE(bulk_without_body, binding->body = text(""))

static void
bindings_that_do_not_fit_are_named(void **state)
{
	assert_refused(*state, "toy.v1.ToyService/GetToy", verb_brew, "verb");
	assert_refused(*state, "toy.v1.ToyService/GetToy", path_without_slash, "path");
	assert_refused(*state, "toy.v1.ToyService/GetToy", path_with_empty_segment, "path");
	assert_refused(*state, "toy.v1.ToyService/GetToy", path_with_slash_at_end, "path");
	assert_refused(*state, "toy.v1.ToyService/GetToy", path_with_blank, "path");
	assert_refused(*state, "toy.v1.ToyService/GetToy", path_with_dots, "path");
	assert_refused(*state, "toy.v1.ToyService/GetToy", path_of_unknown_field, "path");
	assert_refused(*state, "toy.v1.ToyService/ReplaceToy", path_of_message, "path");
	assert_refused(*state, "toy.v1.ToyService/GetToy", path_not_closed, "brace");
	assert_refused(*state, "toy.v1.ToyService/GetToy", path_of_field_twice, "twice");
	assert_refused(*state, "toy.v1.ToyService/GetToy", path_of_many, "too many");
	assert_refused(*state, "toy.v1.ToyService/GetToy", path_of_another, "the same");
	assert_refused(*state, "toy.v1.ToyService/ReplaceToy", body_of_scalar, "body");
	assert_refused(*state, "toy.v1.ToyService/ReplaceToy", body_of_nothing, "body");
	assert_refused(*state, "toy.v1.ToyService/GetToy", body_of_get, "body");
	assert_refused(*state, "toy.v1.ToyService/CreateToy", location_of_nothing, "location");
	assert_refused(*state, "toy.v1.ToyService/CreateToy", status_404, "success_status");
	assert_refused(*state, "toy.v1.ToyService/GetToy", text_of_number, "text");
	assert_refused(*state, "toy.v1.ToyService/GetToy", pages_of_toy, "all_pages");
}

static void
bulk_bindings_that_do_not_fit_are_named(void **state)
{
	assert_refused(*state, "toy.v1.ToyService/CreateToys", items_of_nothing, "bulk.items");
	assert_refused(*state, "toy.v1.ToyService/CreateToys", results_of_nothing, "bulk.results");
	assert_refused(*state, "toy.v1.ToyService/CreateToys", bulk_status_200, "failure_status");
	assert_refused(*state, "toy.v1.ToyService/CreateToys", bulk_without_body, "body");
}

static void
conditions_that_name_no_header_are_refused(void **state)
{
	assert_refused(*state, "toy.v1.ToyService/CreateToys", when_without_name, "when.name");
	assert_refused(*state, "toy.v1.ToyService/CreateToys", when_with_colon, "when.name");
}

static void
an_error_rule_needs_a_status_of_an_error(void **state)
{
	struct fixture *fixture = *state;
	Mockvideo__Rest__V1__ErrorRule *rule =
	    schema_find_method(fixture->toys, "toy.v1.ToyService/GetToy")->errors[0];
	uint32_t before = rule->status;
	struct route_table *table;
	struct error error;

	rule->status = 200;
	assert_int_equal(route_table_new(&table, fixture->toys, &error), STATUS_INVALID_ARGUMENT);
	assert_non_null(strstr(error.message, "error"));
	rule->status = before;
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(each_verb_of_a_path_has_its_method),
	    cmocka_unit_test(head_finds_what_get_does),
	    cmocka_unit_test(a_trailing_slash_is_ignored),
	    cmocka_unit_test(a_segment_in_braces_is_given_decoded),
	    cmocka_unit_test(a_segment_that_goes_on_is_another_resource),
	    cmocka_unit_test(literals_are_compared_decoded_and_with_their_case),
	    cmocka_unit_test(an_encoded_slash_separates_nothing),
	    cmocka_unit_test(paths_of_no_resource_are_not_found),
	    cmocka_unit_test(a_broken_escape_is_malformed_wherever_it_is),
	    cmocka_unit_test(a_verb_that_is_not_offered_is_told_what_is),
	    cmocka_unit_test(the_condition_chooses_among_bindings_of_a_verb),
	    cmocka_unit_test(a_condition_of_other_verbs_is_ignored),
	    cmocka_unit_test(a_segment_that_is_ignored_has_no_field),
	    cmocka_unit_test(a_condition_is_true_or_false),
	    cmocka_unit_test(a_binding_whose_condition_is_not_met_names_the_header),
	    cmocka_unit_test(what_a_binding_names_is_looked_up),
	    cmocka_unit_test(query_parameters_are_what_path_and_body_leave),
	    cmocka_unit_test(bindings_that_do_not_fit_are_named),
	    cmocka_unit_test(bulk_bindings_that_do_not_fit_are_named),
	    cmocka_unit_test(conditions_that_name_no_header_are_refused),
	    cmocka_unit_test(an_error_rule_needs_a_status_of_an_error),
	};

	return cmocka_run_group_tests(tests, open_fixture, close_fixture);
}
