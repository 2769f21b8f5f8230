#include "tests/resource_suite.h"

#include <float.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "common/base/arena.h"
#include "tests/resource_fixture.h"

#define FILTERS 7

/* The filters of specimen.c, by their rows. */
enum filter {
	BY_NAME,
	BY_NOTE,
	BY_SMALL_MIN,
	BY_PRICE_MAX,
	BY_FOUND_AFTER,
	BY_KIND_PREFIX,
	BY_STATE
};

/* The ids of the rows that pass the filters, as text: "1 2 3". */
static const char *
list(const struct resource_filter_value *filters, int64_t after_id, size_t limit)
{
	char *ids = arena_strdup(resource_at.arena, "");
	ProtobufCMessage **rows;
	size_t count;

	resource_assert_ok(resource_list(resource_at.bound, resource_at.conn, resource_soon(),
	    filters, after_id, limit, resource_at.arena, &rows, &count, &resource_at.error));
	for (size_t i = 0; i < count; i++) {
		ids = arena_printf(resource_at.arena, "%s%s%lld", ids, i == 0 ? "" : " ",
		    (long long)resource_id(resource_at.bound, rows[i]));
	}
	return ids;
}

static const char *
list_by_text(enum filter filter, const char *text)
{
	struct resource_filter_value filters[FILTERS] = {{0}};

	filters[filter] = (struct resource_filter_value){.given = true, .text = text};
	return list(filters, 0, 100);
}

static const char *
list_by_number(enum filter filter, int64_t number)
{
	struct resource_filter_value filters[FILTERS] = {{0}};

	filters[filter] = (struct resource_filter_value){.given = true, .number = number};
	return list(filters, 0, 100);
}

static void
assert_same(const Specimen__V1__Specimen *is, const Specimen__V1__Specimen *should)
{
	assert_string_equal(is->name, should->name);
	assert_string_equal(is->kind, should->kind);
	assert_int_equal(is->small, should->small);
	assert_int_equal(is->large, should->large);
	assert_int_equal(is->natural, should->natural);
	assert_int_equal(is->flag, should->flag);
	assert_int_equal(is->state, should->state);
	assert_true(is->weight == should->weight);
	assert_int_equal(is->picture.len, should->picture.len);
	assert_memory_equal(is->picture.data, should->picture.data, should->picture.len);
	assert_string_equal(is->price, should->price);
	assert_string_equal(is->found_at, should->found_at);
	assert_string_equal(is->note, should->note);
	assert_int_equal(is->rank_presence_case, should->rank_presence_case);
	assert_int_equal(is->rank, should->rank);
	assert_string_equal(is->secret, "");
}

#define TEXT(text) ((char *)(uintptr_t)(text))

static void
a_row_of_every_type_is_read_back(void **state)
{
	uint8_t bytes[] = {0, 1, '\'', '\\', 0xff, 0};
	Specimen__V1__Specimen most = SPECIMEN__V1__SPECIMEN__INIT;
	Specimen__V1__Specimen least = SPECIMEN__V1__SPECIMEN__INIT;
	int64_t ids[2];

	(void)state;
	most.name = TEXT("\xc3\x89va 'the' \\ \xf0\x9f\x98\x80 \"one\"");
	most.kind = TEXT("moth");
	most.small = INT32_MAX;
	most.large = INT64_MAX;
	most.natural = UINT32_MAX;
	most.flag = true;
	most.state = SPECIMEN__V1__STATE__STATE_DRY;
	most.weight = 0.1;
	most.picture = (ProtobufCBinaryData){sizeof(bytes), bytes};
	most.price = TEXT("9999999999.99");
	most.found_at = TEXT("2026-02-28T23:59:59.123456Z");
	most.note = TEXT("a note");
	most.rank_presence_case = SPECIMEN__V1__SPECIMEN__RANK_PRESENCE_RANK;
	most.rank = -7;
	least.name = TEXT("least");
	least.small = INT32_MIN;
	least.large = INT64_MIN;
	least.weight = -DBL_MAX;
	least.price = TEXT("-0.01");
	least.picture.data = bytes;
	ids[0] = resource_create(&most);
	ids[1] = resource_create(&least);
	assert_same(resource_get_specimen(ids[0]), &most);
	assert_same(resource_get_specimen(ids[1]), &least);
	assert_string_equal(resource_get_specimen(ids[0])->origin, "here");
}

static void
decimals_and_times_have_one_form(void **state)
{
	static const struct {
		const char *price, *stored_price, *found_at, *stored_found_at;
	} cases[] = {
	    {"1", "1.00", "2026-01-31T10:00:00+02:00", "2026-01-31T08:00:00Z"},
	    {"12.9", "12.90", "2026-01-31t23:30:00.5-01:00", "2026-02-01T00:30:00.500000Z"},
	    {"0.05", "0.05", "", ""},
	};

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		Specimen__V1__Specimen specimen = specimen_named("x", "y");
		const Specimen__V1__Specimen *answer;
		int64_t id;

		specimen.name = arena_printf(resource_at.arena, "x%zu", i);
		specimen.small = (int32_t)i;
		specimen.price = TEXT(cases[i].price);
		specimen.found_at = TEXT(cases[i].found_at);
		id = resource_create(&specimen);
		answer = (const void *)resource_answer(
		    resource_at.bound, &specimen.base, id, resource_at.arena);
		assert_int_equal(answer->id, id);
		assert_string_equal(answer->price, cases[i].stored_price);
		assert_string_equal(answer->found_at, cases[i].stored_found_at);
		assert_same(resource_get_specimen(id), answer);
	}
}

static void
null_is_what_the_table_says(void **state)
{
	Specimen__V1__Specimen specimen = specimen_named("a", "b");
	const Specimen__V1__Specimen *is;
	int64_t id = resource_create(&specimen);

	(void)state;
	resource_at.suite->sql(
	    "UPDATE specimen SET state = NULL, note = NULL, `rank` = NULL, foundAt = NULL;\n");
	is = resource_get_specimen(id);
	assert_int_equal(is->state, SPECIMEN__V1__STATE__STATE_DRY);
	assert_string_equal(is->note, "");
	assert_string_equal(is->found_at, "");
	assert_int_equal(is->rank_presence_case, SPECIMEN__V1__SPECIMEN__RANK_PRESENCE__NOT_SET);
}

static void
each_unique_key_gives_its_reason(void **state)
{
	Specimen__V1__Specimen first = specimen_named("Ant", "insect");
	Specimen__V1__Specimen names[] = {specimen_named("ANT", "bird"),
	    specimen_named("Bee", "insect"), specimen_named("Bee", "bird")};
	struct resource_write writes[3];
	int64_t id = resource_create(&first);

	(void)state;
	for (size_t i = 0; i < 3; i++) {
		writes[i] = resource_creation(&names[i]);
	}
	resource_write_all(writes, 3);
	assert_int_equal(writes[0].outcome, RESOURCE_DUPLICATE);
	assert_string_equal(writes[0].broken->reason, "DUPLICATE_NAME");
	assert_int_equal(writes[1].outcome, RESOURCE_DUPLICATE);
	assert_string_equal(writes[1].broken->reason, "DUPLICATE_KIND");
	assert_int_equal(writes[2].outcome, RESOURCE_DONE);
	assert_true(writes[2].id > id);

	writes[0] = (struct resource_write){
	    .verb = RESOURCE_REPLACE, .id = writes[2].id, .row = &names[0].base};
	resource_write_all(writes, 1);
	assert_int_equal(writes[0].outcome, RESOURCE_DUPLICATE);
	assert_string_equal(writes[0].broken->reason, "DUPLICATE_NAME");
	assert_string_equal(resource_get_specimen(writes[2].id)->name, "Bee");
}

static void
a_replacement_keeps_what_is_fixed_and_the_secret(void **state)
{
	Specimen__V1__Specimen before = specimen_named("Ant", "insect");
	Specimen__V1__Specimen after = specimen_named("Bee", "bird");
	struct resource_write write = resource_creation(&before);
	struct resource_filter_value none[FILTERS] = {{0}};

	(void)state;
	write.secret = "hashed";
	resource_write_all(&write, 1);
	write =
	    (struct resource_write){.verb = RESOURCE_REPLACE, .id = write.id, .row = &after.base};
	resource_write_all(&write, 1);
	assert_int_equal(write.outcome, RESOURCE_DONE);
	assert_string_equal(resource_get_specimen(write.id)->kind, "insect");
	resource_at.suite->sql("DELETE FROM specimen WHERE hash <> 'hashed';\n");
	assert_string_not_equal(list(none, 0, 10), "");

	write.secret = "anew";
	resource_write_all(&write, 1);
	resource_at.suite->sql("DELETE FROM specimen WHERE hash = 'hashed';\n");
	assert_string_not_equal(list(none, 0, 10), "");
	write.id += 1000;
	resource_write_all(&write, 1);
	assert_int_equal(write.outcome, RESOURCE_NOT_FOUND);
}

static void
without_a_secret_the_table_says_what_is_stored(void **state)
{
	Specimen__V1__Specimen specimen = specimen_named("Ant", "insect");
	int64_t id = resource_create(&specimen);

	(void)state;
	resource_at.suite->sql("DELETE FROM specimen WHERE hash = 'none';\n");
	assert_null(resource_get_specimen(id));
}

static void
filters_compare_as_the_table_says(void **state)
{
	static const struct {
		const char *name, *kind, *note, *price, *found_at;
		int32_t small;
		Specimen__V1__State state;
	} rows[] = {
	    {"Ant", "insect", "", "2.00", "2026-01-01T00:00:00Z", 5, 0},
	    {"Bee", "insect_x", "n", "10.00", "2026-01-02T00:00:00Z", 6, 1},
	    {"Cat", "Insect", "N", "9.99", "", 7, 0},
	};
	int64_t first = 0;

	(void)state;
	for (size_t i = 0; i < 3; i++) {
		Specimen__V1__Specimen specimen = specimen_named(rows[i].name, rows[i].kind);
		int64_t id;

		specimen.note = TEXT(rows[i].note);
		specimen.price = TEXT(rows[i].price);
		specimen.found_at = TEXT(rows[i].found_at);
		specimen.small = rows[i].small;
		specimen.state = rows[i].state;
		id = resource_create(&specimen);
		first = i == 0 ? id : first;
	}
	assert_int_equal(first, 1);
	assert_string_equal(list_by_text(BY_NAME, "bEE"), "2");
	assert_string_equal(list_by_text(BY_NAME, "be"), "");
	assert_string_equal(list_by_text(BY_NOTE, "n"), "2");
	assert_string_equal(list_by_text(BY_PRICE_MAX, "9.99"), "1 3");
	assert_string_equal(list_by_text(BY_PRICE_MAX, "10"), "1 2 3");
	assert_string_equal(list_by_text(BY_FOUND_AFTER, "2026-01-02T01:00:00+01:00"), "2");
	assert_string_equal(list_by_text(BY_KIND_PREFIX, "insect"), "1 2");
	assert_string_equal(list_by_text(BY_KIND_PREFIX, "insect_"), "2");
	assert_string_equal(list_by_text(BY_KIND_PREFIX, "i%"), "");
	assert_string_equal(list_by_number(BY_SMALL_MIN, 6), "2 3");
	assert_string_equal(list_by_number(BY_STATE, 0), "1 3");
}

static void
pages_follow_each_other(void **state)
{
	struct resource_filter_value none[FILTERS] = {{0}};
	struct resource_filter_value dry[FILTERS] = {{0}};

	(void)state;
	dry[BY_STATE] = (struct resource_filter_value){.given = true, .number = 1};
	assert_string_equal(list(none, 0, 10), "");
	for (int32_t i = 1; i <= 7; i++) {
		Specimen__V1__Specimen specimen = specimen_named("x", "y");

		specimen.name = arena_printf(resource_at.arena, "x%d", i);
		specimen.small = i;
		specimen.state = i % 2 == 0;
		resource_create(&specimen);
	}
	assert_string_equal(list(none, 0, 3), "1 2 3");
	assert_string_equal(list(none, 3, 3), "4 5 6");
	assert_string_equal(list(none, 6, 3), "7");
	assert_string_equal(list(dry, 2, 2), "4 6");
	assert_string_equal(list(dry, 6, 2), "");
}

static void
ids_may_repeat_and_be_missing(void **state)
{
	enum {
		COUNT = 700
	};
	Specimen__V1__Specimen specimen = specimen_named("Ant", "insect");
	int64_t *ids = arena_calloc(resource_at.arena, COUNT, sizeof(*ids));
	ProtobufCMessage **rows =
	    arena_calloc(resource_at.arena, COUNT, sizeof(ProtobufCMessage *));
	int64_t id = resource_create(&specimen);

	(void)state;
	for (int i = 0; i < COUNT; i++) {
		ids[i] = i % 2 == 0 ? id : id + i;
	}
	resource_assert_ok(resource_get(resource_at.bound, resource_at.conn, resource_soon(), ids,
	    COUNT, resource_at.arena, rows, &resource_at.error));
	for (int i = 0; i < COUNT; i++) {
		assert_int_equal(rows[i] != NULL, i % 2 == 0);
	}
}

static void
writes_happen_in_order_and_fail_each(void **state)
{
	Specimen__V1__Specimen a = specimen_named("a", "k1");
	Specimen__V1__Specimen b = specimen_named("b", "k2");
	Specimen__V1__Specimen again = specimen_named("A", "k3");
	int64_t id = resource_create(&a);
	struct resource_write writes[] = {resource_creation(&again),
	    {.verb = RESOURCE_DELETE, .id = id}, {.verb = RESOURCE_DELETE, .id = id + 999},
	    resource_creation(&again), resource_creation(&b),
	    {.verb = RESOURCE_REPLACE, .id = id, .row = &a.base}};

	(void)state;
	resource_write_all(writes, 6);
	assert_int_equal(writes[0].outcome, RESOURCE_DUPLICATE);
	assert_int_equal(writes[0].id, 0);
	assert_int_equal(writes[1].outcome, RESOURCE_DONE);
	assert_int_equal(writes[2].outcome, RESOURCE_DONE);
	assert_int_equal(writes[3].outcome, RESOURCE_DONE);
	assert_int_equal(writes[4].outcome, RESOURCE_DONE);
	assert_int_equal(writes[5].outcome, RESOURCE_NOT_FOUND);
	assert_string_equal(resource_get_specimen(writes[3].id)->name, "A");
	assert_string_equal(resource_get_specimen(writes[4].id)->name, "b");
}

static void
many_rows_are_written_at_once(void **state)
{
	enum {
		COUNT = 1003
	};
	Specimen__V1__Specimen *rows = arena_calloc(resource_at.arena, COUNT, sizeof(*rows));
	struct resource_write *writes = arena_calloc(resource_at.arena, COUNT, sizeof(*writes));

	(void)state;
	for (int i = 0; i < COUNT; i++) {
		rows[i] =
		    specimen_named(arena_printf(resource_at.arena, "x%d", i == 500 ? 7 : i), "y");
		rows[i].small = i;
		writes[i] = resource_creation(&rows[i]);
	}
	resource_write_all(writes, COUNT);
	for (int i = 0; i < COUNT; i++) {
		assert_int_equal(writes[i].outcome, i == 500 ? RESOURCE_DUPLICATE : RESOURCE_DONE);
		assert_true(i == 500 || resource_get_specimen(writes[i].id)->small == i);
	}
}

/* What a service asks of the database at its start. */
static enum sql_end
run_text(struct sql_conn *on, void *call)
{
	return sql_text(on, call);
}

static void
its_checks_are_statements_of_the_database(void **state)
{
	struct sql_work work = {.step = run_text};

	(void)state;
	resource_assert_ok(sql_run(resource_at.conn, resource_soon(), &work,
	    (void *)(uintptr_t)resource_check_read(resource_at.bound), &resource_at.error));
	for (size_t i = 0; i < RESOURCE_CHECK_WRITES; i++) {
		resource_assert_ok(sql_run(resource_at.conn, resource_soon(), &work,
		    (void *)(uintptr_t)resource_check_writes(resource_at.bound)[i],
		    &resource_at.error));
	}
	resource_at.suite->sql("ALTER TABLE specimen RENAME COLUMN note TO remark;\n");
	assert_int_equal(
	    sql_run(resource_at.conn, resource_soon(), &work,
		(void *)(uintptr_t)resource_check_read(resource_at.bound), &resource_at.error),
	    STATUS_INTERNAL);
}

int
resource_suite_run(const struct resource_suite *which)
{
#define CASE(name)                                                                                 \
	cmocka_unit_test_setup_teardown(name, resource_fixture_open, resource_fixture_close)
	const struct CMUnitTest tests[] = {
	    CASE(a_row_of_every_type_is_read_back),
	    CASE(decimals_and_times_have_one_form),
	    CASE(null_is_what_the_table_says),
	    CASE(each_unique_key_gives_its_reason),
	    CASE(a_replacement_keeps_what_is_fixed_and_the_secret),
	    CASE(without_a_secret_the_table_says_what_is_stored),
	    CASE(filters_compare_as_the_table_says),
	    CASE(pages_follow_each_other),
	    CASE(ids_may_repeat_and_be_missing),
	    CASE(writes_happen_in_order_and_fail_each),
	    CASE(many_rows_are_written_at_once),
	    CASE(its_checks_are_statements_of_the_database),
	};

	resource_at.suite = which;
	return cmocka_run_group_tests_name("rows", tests, NULL, NULL) +
	       resource_suite_run_updates();
}
