#include "tests/store_suite.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "common/base/arena.h"

#define SUITE_BULK 10000

static struct store_fixture at;

static void
an_address_is_taken_whatever_its_case(void **state)
{
	static const struct {
		const char *email;
		enum store_outcome outcome;
	} cases[] = {{"\xc3\x89va@Stra\xc3\x9f"
		      "e.example",
			 STORE_DONE},
	    {"\xc3\xa9VA@STRASSE.EXAMPLE", STORE_DUPLICATE},
	    {"e\xcc\x81va@strasse.example", STORE_DUPLICATE}, {"eva@strasse.example", STORE_DONE},
	    {"EVA@strasse.example", STORE_DUPLICATE}, {"eva@strasse.example ", STORE_DONE}};

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		assert_int_equal(
		    store_fixture_write(&at, store_suite_create("Eva", cases[i].email)),
		    cases[i].outcome);
	}
	assert_int_equal(store_suite_count(at.conn), 3);
}

static void
in_a_batch_the_first_of_an_address_wins(void **state)
{
	struct store_write writes[] = {store_suite_create("first", "a@x"),
	    store_suite_create("second", "A@x"), store_suite_create("b", "b@x"),
	    store_suite_create("third", "a@X")};

	(void)state;
	store_fixture_write_all(&at, writes, 4);
	assert_int_equal(writes[0].outcome, STORE_DONE);
	assert_int_equal(writes[1].outcome, STORE_DUPLICATE);
	assert_int_equal(writes[1].user.id, 0);
	assert_int_equal(writes[2].outcome, STORE_DONE);
	assert_int_equal(writes[3].outcome, STORE_DUPLICATE);
	assert_string_equal(store_fixture_get(&at, writes[0].user.id).name, "first");
	assert_int_equal(store_suite_count(at.conn), 2);
}

static void
only_the_duplicates_of_a_bulk_fail(void **state)
{
	enum {
		COUNT = 333
	};
	struct store_write writes[COUNT];
	char emails[COUNT][32];

	(void)state;
	for (int i = 0; i < COUNT; i++) {
		snprintf(emails[i], sizeof(emails[i]), "u%d@x", i);
		writes[i] = store_suite_create(emails[i], emails[i]);
		if (i % 50 == 7) {
			store_suite_created(at.conn, "before", emails[i]);
		}
	}
	store_fixture_write_all(&at, writes, COUNT);
	for (int i = 0; i < COUNT; i++) {
		assert_int_equal(writes[i].outcome, i % 50 == 7 ? STORE_DUPLICATE : STORE_DONE);
		if (i % 50 != 7) {
			assert_string_equal(
			    store_fixture_get(&at, writes[i].user.id).email, emails[i]);
		}
	}
	assert_int_equal(store_suite_count(at.conn), COUNT);
}

static void
replace_tells_an_unchanged_user_from_an_unknown_one(void **state)
{
	int64_t id = store_suite_created(at.conn, "a", "a@x");

	(void)state;
	store_suite_created(at.conn, "b", "b@x");
	assert_int_equal(store_fixture_write(&at, store_suite_replace(id, "a", "a@x")), STORE_DONE);
	assert_int_equal(store_fixture_write(&at, store_suite_replace(id, "a", "A@X")), STORE_DONE);
	assert_string_equal(store_fixture_get(&at, id).email, "A@X");
	assert_int_equal(
	    store_fixture_write(&at, store_suite_replace(id, "a", "B@x")), STORE_DUPLICATE);
	assert_string_equal(store_fixture_get(&at, id).email, "A@X");
	assert_int_equal(
	    store_fixture_write(&at, store_suite_replace(id + 1000, "c", "c@x")), STORE_NOT_FOUND);
	assert_int_equal(store_suite_count(at.conn), 2);
}

static void
writes_of_a_batch_happen_in_order(void **state)
{
	int64_t a = store_suite_created(at.conn, "a", "a@x");
	int64_t b = store_suite_created(at.conn, "b", "b@x");
	struct store_write writes[] = {store_suite_delete(a), store_suite_create("new", "a@x"),
	    store_suite_replace(b, "b", "c@x"), store_suite_create("newer", "b@x"),
	    store_suite_replace(a, "gone", "z@x"), store_suite_delete(a), store_suite_delete(b),
	    store_suite_create("late", "c@x")};

	(void)state;
	store_fixture_write_all(&at, writes, 8);
	for (int i = 0; i < 8; i++) {
		assert_int_equal(writes[i].outcome, i == 4 ? STORE_NOT_FOUND : STORE_DONE);
	}
	assert_int_equal(store_fixture_get(&at, a).id, 0);
	assert_int_equal(store_fixture_get(&at, b).id, 0);
	assert_string_equal(store_fixture_get(&at, writes[7].user.id).email, "c@x");
	assert_int_equal(store_suite_count(at.conn), 3);
}

static void
the_id_of_a_deleted_user_is_not_given_again(void **state)
{
	int64_t id = store_suite_created(at.conn, "a", "a@x");

	(void)state;
	assert_int_equal(store_fixture_write(&at, store_suite_delete(id)), STORE_DONE);
	assert_int_equal(store_fixture_write(&at, store_suite_delete(id)), STORE_DONE);
	assert_int_equal(store_fixture_get(&at, id).id, 0);
	assert_true(store_suite_created(at.conn, "a", "a@x") > id);
}

static void
ten_thousand_users_are_written_at_once(void **state)
{
	struct store_write *writes = calloc(SUITE_BULK, sizeof(*writes));
	struct user *rows;
	char email[32];

	(void)state;
	for (int i = 0; i < SUITE_BULK; i++) {
		snprintf(email, sizeof(email), "bulk%d@x", i);
		writes[i] = store_suite_create("bulk", arena_strdup(at.arena, email));
	}
	store_fixture_write_all(&at, writes, SUITE_BULK);
	assert_int_equal(
	    store_fixture_list(&at, &store_suite_everybody, 0, 2 * SUITE_BULK, &rows), SUITE_BULK);
	for (int i = 0; i < SUITE_BULK; i++) {
		assert_int_equal(writes[i].outcome, STORE_DONE);
		assert_int_equal(writes[i].user.id, rows[i].id);
		assert_string_equal(writes[i].user.email, rows[i].email);
	}
	free(writes);
}

static void
past_the_deadline_nothing_is_done(void **state)
{
	struct store_write write = store_suite_create("late", "late@x");
	int64_t past = clock_now_ns() - 1;
	int64_t id = 1;
	struct user user;

	(void)state;
	assert_int_equal(
	    store_user_write(at.conn, past, &write, 1, &at.error), STATUS_DEADLINE_EXCEEDED);
	assert_int_equal(store_user_get(at.conn, past, &id, 1, at.arena, &user, &at.error),
	    STATUS_DEADLINE_EXCEEDED);
	assert_int_equal(sql_ping(at.conn, past, &at.error), STATUS_DEADLINE_EXCEEDED);
	store_suite_assert_ok(sql_ping(at.conn, store_suite_soon(), &at.error), &at.error);
	assert_int_equal(store_suite_count(at.conn), 0);
}

int
store_suite_run_writes(const struct store_suite *suite)
{
	const struct CMUnitTest cases[] = {
	    STORE_FIXTURE_CASE(an_address_is_taken_whatever_its_case, &at),
	    STORE_FIXTURE_CASE(in_a_batch_the_first_of_an_address_wins, &at),
	    STORE_FIXTURE_CASE(only_the_duplicates_of_a_bulk_fail, &at),
	    STORE_FIXTURE_CASE(replace_tells_an_unchanged_user_from_an_unknown_one, &at),
	    STORE_FIXTURE_CASE(writes_of_a_batch_happen_in_order, &at),
	    STORE_FIXTURE_CASE(the_id_of_a_deleted_user_is_not_given_again, &at),
	    STORE_FIXTURE_CASE(ten_thousand_users_are_written_at_once, &at),
	    STORE_FIXTURE_CASE(past_the_deadline_nothing_is_done, &at),
	};

	at.suite = suite;
	return cmocka_run_group_tests_name("writes", cases, NULL, NULL);
}
