#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "common/base/arena.h"
#include "common/sql/sql.h"
#include "tests/specimen.h"

#define TEXT(text) ((char *)(uintptr_t)(text))

static struct arena *arena;
static struct sql_db *db;
static struct resource_bound *bound;
static struct resource_method methods[RESOURCE_ACTIONS];
static struct error error;
static Specimen__V1__Specimen rows[3];

static int
setup(void **state)
{
	const struct sql_options options = {.url = "sqlite:resource_query_test.db"};

	(void)state;
	arena = arena_new(0);
	assert_int_equal(sql_open(&db, &options, &error), STATUS_OK);
	assert_int_equal(resource_bind(&bound, &specimen_resource, db, &error), STATUS_OK);
	assert_int_equal(specimen_bind_methods(bound, methods, &error), STATUS_OK);
	for (size_t i = 0; i < 3; i++) {
		rows[i] = specimen_named("Ant", "insect");
	}
	return arena == NULL;
}

static int
teardown(void **state)
{
	(void)state;
	resource_unbind(&bound);
	sql_close(&db);
	arena_free(&arena);
	return 0;
}

/* The fields of the violations, with commas between. */
static const char *
faults(void)
{
	const char *text = "";

	for (size_t i = 0; i < error.violation_count; i++) {
		text = arena_printf(
		    arena, "%s%s%s", text, i == 0 ? "" : ",", error.violations[i].field);
	}
	return text;
}

static void
every_fault_of_a_list_is_told_at_once(void **state)
{
	static const uint8_t key[32] = {1};
	Specimen__V1__ListSpecimensRequest request = SPECIMEN__V1__LIST_SPECIMENS_REQUEST__INIT;
	struct resource_query query;

	(void)state;
	assert_true(resource_read_query(
	    &methods[RESOURCE_LIST], &request.base, key, &query, arena, &error));
	assert_int_equal(query.page_size, 1000);
	assert_int_equal(query.after_id, 0);
	assert_false(query.filters[6].given);

	request.page_size = 1001;
	request.page_token = TEXT("no");
	request.name_presence_case = SPECIMEN__V1__LIST_SPECIMENS_REQUEST__NAME_PRESENCE_NAME;
	request.name = TEXT("");
	request.price_max_presence_case =
	    SPECIMEN__V1__LIST_SPECIMENS_REQUEST__PRICE_MAX_PRESENCE_PRICE_MAX;
	request.price_max = TEXT("dear");
	request.found_after_presence_case =
	    SPECIMEN__V1__LIST_SPECIMENS_REQUEST__FOUND_AFTER_PRESENCE_FOUND_AFTER;
	request.found_after = TEXT("now");
	request.small_min_presence_case =
	    SPECIMEN__V1__LIST_SPECIMENS_REQUEST__SMALL_MIN_PRESENCE_SMALL_MIN;
	request.state_presence_case = SPECIMEN__V1__LIST_SPECIMENS_REQUEST__STATE_PRESENCE_STATE;
	assert_false(resource_read_query(
	    &methods[RESOURCE_LIST], &request.base, key, &query, arena, &error));
	assert_string_equal(faults(), "name,small_min,price_max,found_after,page_size,page_token");
	assert_true(query.filters[6].given);
}

static void
a_page_says_what_follows_it(void **state)
{
	static const uint8_t key[32] = {1};
	Specimen__V1__ListSpecimensRequest request = SPECIMEN__V1__LIST_SPECIMENS_REQUEST__INIT;
	ProtobufCMessage *found[] = {&rows[0].base, &rows[1].base, &rows[2].base};
	const Specimen__V1__ListSpecimensResponse *page;
	struct resource_query query;

	(void)state;
	rows[1].id = 12;
	request.page_size = 2;
	assert_true(resource_read_query(
	    &methods[RESOURCE_LIST], &request.base, key, &query, arena, &error));
	page = (const void *)resource_answer_query(
	    &methods[RESOURCE_LIST], &query, key, found, 2, arena);
	assert_int_equal(page->n_specimens, 2);
	assert_string_equal(page->next_page_token, "");
	page = (const void *)resource_answer_query(
	    &methods[RESOURCE_LIST], &query, key, found, 3, arena);
	assert_int_equal(page->n_specimens, 2);
	request.page_token = page->next_page_token;
	assert_true(resource_read_query(
	    &methods[RESOURCE_LIST], &request.base, key, &query, arena, &error));
	assert_int_equal(query.after_id, 12);
}

/* A mistake in a table, or in the messages of a method, is found when the program starts. */
static void
tables_that_do_not_fit_are_refused(void **state)
{
	const struct resource_column column = {.column = "id", .field = "nothing"};
	struct resource_column columns[2] = {specimen_resource.columns[0], column};
	struct resource wrong = specimen_resource;
	struct resource_bound *none;
	struct resource_method method;

	(void)state;
	wrong.columns = columns;
	wrong.column_count = 2;
	wrong.unique_count = wrong.filter_count = 0;
	assert_int_equal(resource_bind(&none, &wrong, db, &error), STATUS_INTERNAL);
	assert_non_null(strstr(error.message, "'nothing'"));
	assert_null(none);
	columns[1] = specimen_resource.columns[1];
	wrong.filter_count = 1;
	assert_int_equal(resource_bind(&none, &wrong, db, &error), STATUS_INTERNAL);
	assert_non_null(strstr(error.message, "'nameKey'"));
	assert_int_equal(
	    resource_method_bind(&method, bound, RESOURCE_REPLACE_ONE,
		methods[RESOURCE_CREATE_ONE].input, methods[RESOURCE_CREATE_ONE].output, &error),
	    STATUS_INTERNAL);
}

int
main(void)
{
#define CASE(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
	const struct CMUnitTest tests[] = {
	    CASE(every_fault_of_a_list_is_told_at_once),
	    CASE(a_page_says_what_follows_it),
	    CASE(tables_that_do_not_fit_are_refused),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
