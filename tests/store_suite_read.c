#include "tests/store_suite.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "common/base/arena.h"

static struct store_fixture at;

static void
a_created_user_is_read_as_it_was_written(void **state)
{
	struct store_write write = store_suite_create(
	    "Zo\xc3\xab \xf0\x9f\x8d\x8b %_'\"\\", "Zo\xc3\xab@\xf0\x9f\x8d\x8b.example");
	struct user user;

	(void)state;
	write.user.account_id = USER_ACCOUNT_ID_MAX;
	write.user.role = USER_ROLE_OWNER;
	store_fixture_write_all(&at, &write, 1);
	assert_int_equal(write.outcome, STORE_DONE);
	user = store_fixture_get(&at, write.user.id);
	assert_int_equal(user.id, write.user.id);
	assert_int_equal(user.account_id, USER_ACCOUNT_ID_MAX);
	assert_string_equal(user.name, write.user.name);
	assert_string_equal(user.email, write.user.email);
	assert_int_equal(user.role, USER_ROLE_OWNER);
	assert_null(user.password_hash);
}

static void
the_longest_texts_fit_and_longer_ones_change_nothing(void **state)
{
	char name[4 * 256 + 1] = "", email[4 * 255 + 1] = "";
	struct store_write writes[2];

	(void)state;
	for (int i = 0; i < 255; i++) {
		strcat(name, "\xf0\x9f\x8d\x8b");
		strcat(email, "\xce\x90"); /* folds to six bytes */
	}
	writes[0] = store_suite_create(name, email);
	store_fixture_write_all(&at, writes, 1);
	assert_string_equal(store_fixture_get(&at, writes[0].user.id).name, name);
	assert_string_equal(store_fixture_get(&at, writes[0].user.id).email, email);
	strcat(name, "x");
	writes[0] = store_suite_create("short", "short@x");
	writes[1] = store_suite_create(name, "long@x");
	assert_int_equal(
	    store_user_write(at.conn, store_suite_soon(), writes, 2, &at.error), STATUS_INTERNAL);
	assert_string_not_equal(at.error.detail, "");
	assert_int_equal(store_suite_count(at.conn), 1);
}

static void
get_gives_each_row_at_the_place_of_its_id(void **state)
{
	enum {
		COUNT = 700
	};
	struct store_write writes[COUNT];
	int64_t ids[2 * COUNT];
	struct user rows[2 * COUNT];
	char emails[COUNT][32];

	(void)state;
	for (int i = 0; i < COUNT; i++) {
		snprintf(emails[i], sizeof(emails[i]), "u%d@x", i);
		writes[i] = store_suite_create("u", emails[i]);
	}
	store_fixture_write_all(&at, writes, COUNT);
	for (int i = 0; i < 2 * COUNT; i++) {
		ids[i] = i % 3 == 2 ? 1000000 + i : writes[(i * 7) % COUNT].user.id;
	}
	store_suite_assert_ok(
	    store_user_get(at.conn, store_suite_soon(), ids, 2 * COUNT, at.arena, rows, &at.error),
	    &at.error);
	for (int i = 0; i < 2 * COUNT; i++) {
		assert_int_equal(rows[i].id, i % 3 == 2 ? 0 : ids[i]);
		if (i % 3 != 2) {
			assert_string_equal(rows[i].email, emails[(i * 7) % COUNT]);
		}
	}
}

static void
an_id_beyond_the_range_is_of_nobody(void **state)
{
	const int64_t ids[] = {INT64_C(1) << 31, INT64_MAX, INT64_MIN, -1, 0};
	struct user *rows;

	(void)state;
	store_suite_created(at.conn, "a", "a@x");
	for (size_t i = 0; i < sizeof(ids) / sizeof(ids[0]); i++) {
		assert_int_equal(store_fixture_get(&at, ids[i]).id, 0);
		assert_int_equal(store_fixture_write(&at, store_suite_replace(ids[i], "b", "b@x")),
		    STORE_NOT_FOUND);
		assert_int_equal(store_fixture_write(&at, store_suite_delete(ids[i])), STORE_DONE);
	}
	assert_int_equal(store_fixture_list(&at, &store_suite_everybody, INT64_MAX, 10, &rows), 0);
	assert_int_equal(store_fixture_list(&at, &store_suite_everybody, INT64_MIN, 10, &rows), 1);
}

static void
list_gives_page_after_page_by_id(void **state)
{
	struct user *rows;
	int64_t after = 0;
	size_t seen = 0, count;
	char email[32];
	int64_t ids[25];

	(void)state;
	for (int i = 0; i < 25; i++) {
		snprintf(email, sizeof(email), "u%d@x", i);
		ids[i] = store_suite_created(at.conn, "u", email);
	}
	store_fixture_write(&at, store_suite_delete(ids[10]));
	do {
		count = store_fixture_list(&at, &store_suite_everybody, after, 7, &rows);
		for (size_t i = 0; i < count; i++, seen++) {
			assert_int_equal(rows[i].id, ids[seen < 10 ? seen : seen + 1]);
			after = rows[i].id;
		}
	} while (count == 7);
	assert_int_equal(seen, 24);
	assert_int_equal(store_fixture_list(&at, &store_suite_everybody, after, 7, &rows), 0);
}

static void
list_filters_by_account_role_and_address(void **state)
{
	struct store_write writes[] = {store_suite_create("a", "\xc3\x89va@x"),
	    store_suite_create("b", "b@x"), store_suite_create("c", "c@x")};
	struct store_filter filter = store_suite_everybody;
	struct user *rows;

	(void)state;
	writes[1].user.account_id = 2;
	writes[2].user.account_id = 2;
	writes[2].user.role = USER_ROLE_OWNER;
	store_fixture_write_all(&at, writes, 3);
	filter.account_id = 2;
	assert_int_equal(store_fixture_list(&at, &filter, 0, 10, &rows), 2);
	assert_int_equal(rows[0].id, writes[1].user.id);
	filter.role = USER_ROLE_OWNER;
	assert_int_equal(store_fixture_list(&at, &filter, 0, 10, &rows), 1);
	assert_int_equal(rows[0].id, writes[2].user.id);
	filter = store_suite_everybody;
	filter.email = "\xc3\xa9VA@X";
	assert_int_equal(store_fixture_list(&at, &filter, 0, 10, &rows), 1);
	assert_int_equal(rows[0].id, writes[0].user.id);
	filter.account_id = 2;
	assert_int_equal(store_fixture_list(&at, &filter, 0, 10, &rows), 0);
	filter = (struct store_filter){.account_id = INT64_MAX, .role = USER_ROLE_NONE};
	assert_int_equal(store_fixture_list(&at, &filter, 0, 10, &rows), 0);
}

static void
list_compares_the_prefix_of_a_name_by_bytes(void **state)
{
	static const struct {
		const char *prefix;
		size_t found;
	} cases[] = {{"", 5}, {"A", 2}, {"Ad", 2}, {"a", 1}, {"Ada ", 1}, {"%", 1}, {"_", 0},
	    {"\xc3\x89", 1}, {"\xc3", 1}, {"E", 0}, {"Ada x", 0}};
	struct store_write writes[] = {store_suite_create("Ada", "1@x"),
	    store_suite_create("Ada ", "2@x"), store_suite_create("ada", "3@x"),
	    store_suite_create("%d", "4@x"), store_suite_create("\xc3\x89va", "5@x")};
	struct store_filter filter = store_suite_everybody;
	struct user *rows;

	(void)state;
	store_fixture_write_all(&at, writes, 5);
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		filter.name_prefix = cases[i].prefix;
		assert_int_equal(store_fixture_list(&at, &filter, 0, 10, &rows), cases[i].found);
	}
	filter.name_prefix = "Ada";
	filter.email = "2@X";
	filter.account_id = 1;
	filter.role = USER_ROLE_ADMIN;
	assert_int_equal(store_fixture_list(&at, &filter, 0, 10, &rows), 1);
	assert_string_equal(rows[0].name, "Ada ");
}

static void
rows_that_do_not_fit_the_arena_are_told(void **state)
{
	struct arena *small = arena_new(2000);
	struct user *rows;
	char email[32];
	size_t count;

	(void)state;
	for (int i = 0; i < 50; i++) {
		snprintf(email, sizeof(email), "u%d@x", i);
		store_suite_created(at.conn, "u", email);
	}
	assert_int_equal(store_user_list(at.conn, store_suite_soon(), &store_suite_everybody, 0, 50,
			     small, &rows, &count, &at.error),
	    STATUS_RESOURCE_EXHAUSTED);
	arena_free(&small);
	assert_int_equal(store_suite_count(at.conn), 50);
}

int
store_suite_run_reads(const struct store_suite *suite)
{
	const struct CMUnitTest cases[] = {
	    STORE_FIXTURE_CASE(a_created_user_is_read_as_it_was_written, &at),
	    STORE_FIXTURE_CASE(the_longest_texts_fit_and_longer_ones_change_nothing, &at),
	    STORE_FIXTURE_CASE(get_gives_each_row_at_the_place_of_its_id, &at),
	    STORE_FIXTURE_CASE(an_id_beyond_the_range_is_of_nobody, &at),
	    STORE_FIXTURE_CASE(list_gives_page_after_page_by_id, &at),
	    STORE_FIXTURE_CASE(list_filters_by_account_role_and_address, &at),
	    STORE_FIXTURE_CASE(list_compares_the_prefix_of_a_name_by_bytes, &at),
	    STORE_FIXTURE_CASE(rows_that_do_not_fit_the_arena_are_told, &at),
	};

	at.suite = suite;
	return cmocka_run_group_tests_name("reads", cases, NULL, NULL);
}
