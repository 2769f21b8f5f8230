/*
 * Routes of several services in one table: which paths of one take nothing from
 * the others, and which are refused. Each pair of bindings is tried in both orders.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "common/base/arena.h"
#include "gateway/route/route.h"
#include "tests/schema_file.h"

#define GET_TOY  "toy.v1.ToyService/GetToy"
#define GET_BOOK "shelf.v1.ShelfService/GetBook"

struct fixture {
	struct schema *toys;
	struct schema *shelf;
	struct schema_binding toy;
	struct schema_binding book;
};

/* The schema has this method alone, with this binding alone. */
static void
keep_only(struct schema *schema, const char *name, struct schema_binding *binding)
{
	for (size_t i = 0; i < schema_method_count(schema); i++) {
		struct schema_method *method =
		    (struct schema_method *)(uintptr_t)schema_method(schema, i);
		bool kept = strcmp(method->name, name) == 0;

		method->bindings = kept ? binding : NULL;
		method->binding_count = kept;
	}
	*binding = (struct schema_binding){"GET", "/", "", ""};
}

static int
open_fixture(void **state)
{
	static struct fixture fixture;

	fixture.toys = schema_file_load(SCHEMA_FILE_TOY);
	fixture.shelf = schema_file_load(SCHEMA_FILE_SHELF);
	keep_only(fixture.toys, GET_TOY, &fixture.toy);
	keep_only(fixture.shelf, GET_BOOK, &fixture.book);
	*state = &fixture;
	return 0;
}

static int
close_fixture(void **state)
{
	struct fixture *fixture = *state;

	schema_free(&fixture->toys);
	schema_free(&fixture->shelf);
	return 0;
}

/* Whether the two schemas go together; both orders must agree. */
static bool
fits(const struct fixture *fixture, bool one_owner, struct error *error)
{
	const void *other = one_owner ? fixture->toys : fixture->shelf;
	const struct route_source sources[][2] = {
	    {{fixture->toys, fixture->toys}, {fixture->shelf, other}},
	    {{fixture->shelf, other}, {fixture->toys, fixture->toys}},
	};
	enum status_code status[2];

	for (size_t i = 0; i < 2; i++) {
		struct route_table *table;

		status[i] = route_table_new(&table, sources[i], 2, error);
		route_table_free(&table);
	}
	assert_int_equal(status[0], status[1]);
	return status[0] == STATUS_OK;
}

static const struct row {
	const char *verb;
	const char *toy;
	const char *other_verb;
	const char *book;
	bool conflict;
} rows[] = {
    {"GET", "/a/{id}", "GET", "/a/{name}", true},
    {"GET", "/a/{id}", "GET", "/a/{name=*}", true},
    {"GET", "/a/{id}", "DELETE", "/a/{name}", false},
    {"GET", "/a/{id}", "*", "/a/{name}", true},
    {"GET", "/a/{id}", "GET", "/a/b", true},
    {"GET", "/a/{id}", "DELETE", "/a/b", true},
    {"GET", "/a/{id}", "GET", "/a", false},
    {"GET", "/a/{id}", "GET", "/a/{name}/b", false},
    {"GET", "/a/{id}/b", "GET", "/a/{name}/c", false},
    {"GET", "/a/{id}/b", "GET", "/a/x/{name}", true},
    {"GET", "/a/{id}", "GET", "/{name=a/*}", true},
    {"GET", "/a/{id}", "GET", "/{name=**}", true},
    {"GET", "/a/{id}", "GET", "/a/{name=**}", true},
    {"GET", "/a", "GET", "/a/{name=**}", true},
    {"GET", "/a/{id}", "GET", "/b/{name=**}", false},
    {"GET", "/a/{id}", "GET", "/a/{name}:sell", false},
    {"GET", "/a/{id}:sell", "GET", "/a/{name}:sell", true},
    {"GET", "/a/{id}:buy", "GET", "/a/{name}:sell", false},
    {"GET", "/", "GET", "/{name=**}", true},
    {"GET", "/", "GET", "/a", false},
};

static void
paths_that_two_services_have_are_refused(void **state)
{
	struct fixture *fixture = *state;

	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		struct error error;

		fixture->toy.verb = rows[i].verb;
		fixture->toy.path = rows[i].toy;
		fixture->book.verb = rows[i].other_verb;
		fixture->book.path = rows[i].book;
		if (fits(fixture, false, &error) == rows[i].conflict) {
			fail_msg("%s %s, %s %s", rows[i].verb, rows[i].toy, rows[i].other_verb,
			    rows[i].book);
		}
		if (rows[i].conflict) {
			assert_string_equal(error.reason, "CONFLICTING_BINDING");
			assert_non_null(strstr(error.message, GET_TOY));
			assert_non_null(strstr(error.message, GET_BOOK));
			assert_non_null(strstr(error.message, rows[i].toy));
			assert_non_null(strstr(error.message, rows[i].book));
		}
	}
}

static void
one_service_may_have_a_path_within_another(void **state)
{
	struct fixture *fixture = *state;
	struct error error;

	fixture->toy.verb = fixture->book.verb = "GET";
	fixture->toy.path = "/a/{id}";
	fixture->book.path = "/a/b";
	assert_true(fits(fixture, true, &error));
	fixture->book.path = "/a/{name}";
	assert_false(fits(fixture, true, &error));
	assert_string_equal(error.reason, "INVALID_BINDING");
}

static struct route_text
no_header(void *closure, const char *name)
{
	(void)closure;
	(void)name;
	return (struct route_text){NULL, 0};
}

static void
a_route_knows_whose_it_is(void **state)
{
	struct fixture *fixture = *state;
	const struct route_source sources[] = {
	    {fixture->toys, fixture->toys}, {fixture->shelf, fixture->shelf}};
	struct arena *arena = arena_new(0);
	struct route_table *table;
	struct route_match match;
	const char *allow;
	struct error error;

	fixture->toy.verb = "GET";
	fixture->toy.path = "/a/{id}";
	fixture->book.verb = "DELETE";
	fixture->book.path = "/a/{name}";
	assert_int_equal(route_table_new(&table, sources, 2, &error), STATUS_OK);
	assert_int_equal(
	    route_find(table, (struct route_text){"GET", 3}, (struct route_text){"/a/1", 4},
		no_header, NULL, arena, &match, &allow, &error),
	    ROUTE_FOUND);
	assert_ptr_equal(match.route->owner, fixture->toys);
	assert_int_equal(
	    route_find(table, (struct route_text){"DELETE", 6}, (struct route_text){"/a/1", 4},
		no_header, NULL, arena, &match, &allow, &error),
	    ROUTE_FOUND);
	assert_ptr_equal(match.route->owner, fixture->shelf);
	assert_string_equal(allow, "GET, HEAD, DELETE, OPTIONS");
	route_table_free(&table);
	arena_free(&arena);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(paths_that_two_services_have_are_refused),
	    cmocka_unit_test(one_service_may_have_a_path_within_another),
	    cmocka_unit_test(a_route_knows_whose_it_is),
	};

	return cmocka_run_group_tests(tests, open_fixture, close_fixture);
}
