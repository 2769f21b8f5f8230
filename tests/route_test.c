/* Routes of the build's own descriptors, and of those with a binding changed. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include <cmocka.h>

#include "common/base/arena.h"
#include "gateway/route/route.h"
#include "tests/schema_file.h"

struct fixture {
	struct schema *users;
	struct schema *toys;
	struct route_table *table; /* of users */
	struct route_table *toy_table;
	struct schema *shelf;
	struct route_table *shelf_table;
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
	fixture->shelf = schema_file_load(SCHEMA_FILE_SHELF);
	fixture->arena = arena_new(0);
	assert_non_null(fixture->arena);
	assert_int_equal(route_table_new(&fixture->table,
			     &(struct route_source){fixture->users, NULL}, 1, &error),
	    STATUS_OK);
	assert_int_equal(route_table_new(&fixture->toy_table,
			     &(struct route_source){fixture->toys, NULL}, 1, &error),
	    STATUS_OK);
	assert_int_equal(route_table_new(&fixture->shelf_table,
			     &(struct route_source){fixture->shelf, NULL}, 1, &error),
	    STATUS_OK);
	*state = fixture;
	return 0;
}

static int
close_fixture(void **state)
{
	struct fixture *fixture = *state;

	route_table_free(&fixture->table);
	route_table_free(&fixture->toy_table);
	route_table_free(&fixture->shelf_table);
	schema_free(&fixture->shelf);
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
	for (size_t i = 0;
	     result == ROUTE_FOUND && i < fixture->match.route->template.variable_count; i++) {
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
	assert_int_equal(fixture->match.route->template.variable_count, 1);
	assert_string_equal(schema_path_leaf(&fixture->match.route->params[0])->json_name, "id");
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
	assert_int_equal(find(fixture, "POST", "/users/1"), ROUTE_WRONG_VERB);
	assert_string_equal(fixture->allow, "GET, HEAD, PUT, PATCH, DELETE, OPTIONS");
	assert_int_equal(find(fixture, "get", "/users"), ROUTE_WRONG_VERB);
	assert_int_equal(find(fixture, "", "/users"), ROUTE_WRONG_VERB);
	assert_int_equal(find(fixture, "OPTIONS", "/accountdhealth"), ROUTE_WRONG_VERB);
	assert_string_equal(fixture->allow, "GET, HEAD, OPTIONS");
}

static void
options_finds_the_verbs_of_a_path_or_of_all(void **state)
{
	struct fixture *fixture = *state;

	assert_int_equal(find(fixture, "OPTIONS", "*"), ROUTE_WRONG_VERB);
	assert_string_equal(fixture->allow, "GET, HEAD, POST, PUT, PATCH, DELETE, OPTIONS");
	assert_int_equal(
	    find_in(fixture, fixture->shelf_table, "OPTIONS", "*", NULL), ROUTE_WRONG_VERB);
	assert_string_equal(
	    fixture->allow, "GET, HEAD, POST, PUT, PATCH, DELETE, ARCHIVE, OPTIONS");
	assert_int_equal(find_in(fixture, fixture->shelf_table, "OPTIONS", "/v1/archive/x/b", NULL),
	    ROUTE_WRONG_VERB);
	assert_string_equal(fixture->allow, "GET, HEAD, POST, PUT, PATCH, DELETE, OPTIONS");
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
	assert_int_equal(fixture->match.route->template.variable_count, 0);
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
	assert_int_equal(route->method->rule->success_status, 201);

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

static const struct schema_field *
query_field(const struct route *route, const char *name)
{
	struct schema_path path;

	return route_query_field(route, name, strlen(name), &path) ? schema_path_leaf(&path) : NULL;
}

static void
query_parameters_are_what_path_and_body_leave(void **state)
{
	struct fixture *fixture = *state;
	const struct route *route;

	assert_method(fixture, "GET", "/users", NULL, "account.v1.UserService/ListUsers");
	route = fixture->match.route;
	assert_ptr_equal(query_field(route, "page_size"), route->page_size);
	assert_string_equal(query_field(route, "accountid")->json_name, "accountid");
	assert_string_equal(query_field(route, "account_id")->json_name, "accountid");
	assert_null(query_field(route, "colour"));
	assert_null(query_field(route, ""));

	assert_method(fixture, "GET", "/users/1", NULL, "account.v1.UserService/GetUser");
	assert_null(query_field(fixture->match.route, "id"));
	assert_method(fixture, "POST", "/users", NULL, "account.v1.UserService/CreateUser");
	assert_null(query_field(fixture->match.route, "user"));
	assert_method(fixture, "POST", "/users", "true", "account.v1.UserService/CreateUsers");
	assert_null(query_field(fixture->match.route, "Users"));
}

static void
a_path_gives_each_variable_what_it_spans(void **state)
{
	static const struct {
		const char *verb;
		const char *path;
		const char *method;
		const char *name;
	} rows[] = {
	    {"GET", "/v1/shelves/a/books/b", "GetBook", "shelves/a/books/b"},
	    {"GET", "/v1/shelves/a%20b/books/c%2Fd", "GetBook", "shelves/a b/books/c%2Fd"},
	    {"GET", "/v1/books/c%2Fd", "GetBook", "c/d"},
	    {"GET", "/v1/books/a:b", "GetBook", "a:b"},
	    {"GET", "/v1/files", "GetBook", ""},
	    {"GET", "/v1/files/a/b%41/c/", "GetBook", "a/bA/c"},
	    {"HEAD", "/v1/files/a", "GetBook", "a"},
	    {"GET", "/v1/shelves/a/books", "ListBooks", "shelves/a"},
	    {"PATCH", "/v1/shelves/a/books/b", "UpdateBook", "shelves/a/books/b"},
	    {"POST", "/v1/shelves/a/books/b:archive", "ArchiveBook", "shelves/a/books/b"},
	    {"POST", "/v1/shelves/a/books/b%3Ac:archive", "ArchiveBook", "shelves/a/books/b:c"},
	    {"ARCHIVE", "/v1/shelves/a/books/b", "ArchiveBook", "shelves/a/books/b"},
	    {"BREW", "/v1/archive/x/b", "ArchiveBook", "b"},
	    {"GET", "/v1/archive/x/b", "ArchiveBook", "b"},
	};
	struct fixture *fixture = *state;

	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		char method[64];

		snprintf(method, sizeof(method), "shelf.v1.ShelfService/%s", rows[i].method);
		assert_int_equal(
		    find_in(fixture, fixture->shelf_table, rows[i].verb, rows[i].path, NULL),
		    ROUTE_FOUND);
		assert_string_equal(fixture->match.route->method->name, method);
		assert_int_equal(fixture->match.params[0].len, strlen(rows[i].name));
		assert_memory_equal(
		    fixture->match.params[0].data, rows[i].name, strlen(rows[i].name));
	}
}

static void
a_path_that_no_template_spans_is_not_found(void **state)
{
	static const char *const paths[] = {"/v1", "/v1/shelves", "/v1/shelves/a",
	    "/v1/shelves/a/books/b/c", "/v1/books", "/v1/books/a/b", "/v1/archive/a",
	    "/v1/books/a:archive/b", "/v2/files/a"};
	struct fixture *fixture = *state;

	for (size_t i = 0; i < sizeof(paths) / sizeof(paths[0]); i++) {
		assert_int_equal(
		    find_in(fixture, fixture->shelf_table, "GET", paths[i], NULL), ROUTE_NOT_FOUND);
	}
	assert_int_equal(
	    find_in(fixture, fixture->shelf_table, "GET", "/v1/shelves/a/books/b:archive", NULL),
	    ROUTE_WRONG_VERB);
	assert_string_equal(fixture->allow, "POST, OPTIONS");
	assert_int_equal(
	    find_in(fixture, fixture->shelf_table, "PUT", "/v1/shelves/a/books/b", NULL),
	    ROUTE_WRONG_VERB);
	assert_string_equal(fixture->allow, "GET, HEAD, PATCH, ARCHIVE, OPTIONS");
}

static void
parameters_of_messages_and_lists_are_found_by_their_path(void **state)
{
	struct fixture *fixture = *state;
	struct schema_path path;

	find_in(fixture, fixture->shelf_table, "GET", "/v1/shelves/a/books", NULL);
	assert_true(route_query_field(fixture->match.route, "page.size", 9, &path));
	assert_int_equal(path.depth, 2);
	assert_string_equal(schema_path_leaf(&path)->json_name, "size");
	assert_true(route_query_field(fixture->match.route, "years", 5, &path));
	assert_false(route_query_field(fixture->match.route, "page", 4, &path));
	assert_false(route_query_field(fixture->match.route, "page.", 5, &path));
	assert_false(route_query_field(fixture->match.route, "years.size", 10, &path));
	assert_false(route_query_field(fixture->match.route, "parent", 6, &path));

	find_in(fixture, fixture->shelf_table, "PATCH", "/v1/shelves/a/books/b", NULL);
	assert_true(route_query_field(fixture->match.route, "allowMissing", 12, &path));
	assert_false(route_query_field(fixture->match.route, "book.title", 10, &path));
	assert_false(route_query_field(fixture->match.route, "book.name", 9, &path));
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
	    cmocka_unit_test(options_finds_the_verbs_of_a_path_or_of_all),
	    cmocka_unit_test(the_condition_chooses_among_bindings_of_a_verb),
	    cmocka_unit_test(a_condition_of_other_verbs_is_ignored),
	    cmocka_unit_test(a_segment_that_is_ignored_has_no_field),
	    cmocka_unit_test(a_condition_is_true_or_false),
	    cmocka_unit_test(a_binding_whose_condition_is_not_met_names_the_header),
	    cmocka_unit_test(what_a_binding_names_is_looked_up),
	    cmocka_unit_test(query_parameters_are_what_path_and_body_leave),
	    cmocka_unit_test(a_path_gives_each_variable_what_it_spans),
	    cmocka_unit_test(a_path_that_no_template_spans_is_not_found),
	    cmocka_unit_test(parameters_of_messages_and_lists_are_found_by_their_path),
	};

	return cmocka_run_group_tests(tests, open_fixture, close_fixture);
}
