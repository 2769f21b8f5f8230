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

static int
suite_setup(void **state)
{
	(void)state;
	store_fixture_open(&at);
	return 0;
}

static int
suite_teardown(void **state)
{
	(void)state;
	store_fixture_close(&at);
	return 0;
}

static struct store_write
suite_delete(int64_t id)
{
	return (struct store_write){.verb = STORE_DELETE, .user = {.id = id}};
}

static enum store_outcome
suite_write(struct store_write write)
{
	store_suite_assert_ok(
	    store_user_write(at.conn, store_suite_soon(), &write, 1, &at.error), &at.error);
	return write.outcome;
}

static void
suite_write_all(struct store_write *writes, size_t count)
{
	store_suite_assert_ok(
	    store_user_write(at.conn, store_suite_soon(), writes, count, &at.error), &at.error);
}

static struct user
suite_get(int64_t id)
{
	struct user user;

	store_suite_assert_ok(
	    store_user_get(at.conn, store_suite_soon(), &id, 1, at.arena, &user, &at.error),
	    &at.error);
	return user;
}

static const struct store_filter suite_everybody = {.role = USER_ROLE_NONE};

static size_t
suite_list(const struct store_filter *filter, int64_t after_id, size_t limit, struct user **rows)
{
	size_t count = 0;

	store_suite_assert_ok(store_user_list(at.conn, store_suite_soon(), filter, after_id, limit,
				  at.arena, rows, &count, &at.error),
	    &at.error);
	return count;
}

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
		    suite_write(store_suite_create("Eva", cases[i].email)), cases[i].outcome);
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
	suite_write_all(writes, 4);
	assert_int_equal(writes[0].outcome, STORE_DONE);
	assert_int_equal(writes[1].outcome, STORE_DUPLICATE);
	assert_int_equal(writes[1].user.id, 0);
	assert_int_equal(writes[2].outcome, STORE_DONE);
	assert_int_equal(writes[3].outcome, STORE_DUPLICATE);
	assert_string_equal(suite_get(writes[0].user.id).name, "first");
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
	suite_write_all(writes, COUNT);
	for (int i = 0; i < COUNT; i++) {
		assert_int_equal(writes[i].outcome, i % 50 == 7 ? STORE_DUPLICATE : STORE_DONE);
		if (i % 50 != 7) {
			assert_string_equal(suite_get(writes[i].user.id).email, emails[i]);
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
	assert_int_equal(suite_write(store_suite_replace(id, "a", "a@x")), STORE_DONE);
	assert_int_equal(suite_write(store_suite_replace(id, "a", "A@X")), STORE_DONE);
	assert_string_equal(suite_get(id).email, "A@X");
	assert_int_equal(suite_write(store_suite_replace(id, "a", "B@x")), STORE_DUPLICATE);
	assert_string_equal(suite_get(id).email, "A@X");
	assert_int_equal(suite_write(store_suite_replace(id + 1000, "c", "c@x")), STORE_NOT_FOUND);
	assert_int_equal(store_suite_count(at.conn), 2);
}

static void
writes_of_a_batch_happen_in_order(void **state)
{
	int64_t a = store_suite_created(at.conn, "a", "a@x");
	int64_t b = store_suite_created(at.conn, "b", "b@x");
	struct store_write writes[] = {suite_delete(a), store_suite_create("new", "a@x"),
	    store_suite_replace(b, "b", "c@x"), store_suite_create("newer", "b@x"),
	    store_suite_replace(a, "gone", "z@x"), suite_delete(a), suite_delete(b),
	    store_suite_create("late", "c@x")};

	(void)state;
	suite_write_all(writes, 8);
	for (int i = 0; i < 8; i++) {
		assert_int_equal(writes[i].outcome, i == 4 ? STORE_NOT_FOUND : STORE_DONE);
	}
	assert_int_equal(suite_get(a).id, 0);
	assert_int_equal(suite_get(b).id, 0);
	assert_string_equal(suite_get(writes[7].user.id).email, "c@x");
	assert_int_equal(store_suite_count(at.conn), 3);
}

static void
the_id_of_a_deleted_user_is_not_given_again(void **state)
{
	int64_t id = store_suite_created(at.conn, "a", "a@x");

	(void)state;
	assert_int_equal(suite_write(suite_delete(id)), STORE_DONE);
	assert_int_equal(suite_write(suite_delete(id)), STORE_DONE);
	assert_int_equal(suite_get(id).id, 0);
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
	suite_write_all(writes, SUITE_BULK);
	assert_int_equal(suite_list(&suite_everybody, 0, 2 * SUITE_BULK, &rows), SUITE_BULK);
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

#define SUITE_CASE(name) cmocka_unit_test_setup_teardown(name, suite_setup, suite_teardown)

int
store_suite_run_writes(const struct store_suite *suite)
{
	const struct CMUnitTest cases[] = {
	    SUITE_CASE(an_address_is_taken_whatever_its_case),
	    SUITE_CASE(in_a_batch_the_first_of_an_address_wins),
	    SUITE_CASE(only_the_duplicates_of_a_bulk_fail),
	    SUITE_CASE(replace_tells_an_unchanged_user_from_an_unknown_one),
	    SUITE_CASE(writes_of_a_batch_happen_in_order),
	    SUITE_CASE(the_id_of_a_deleted_user_is_not_given_again),
	    SUITE_CASE(ten_thousand_users_are_written_at_once),
	    SUITE_CASE(past_the_deadline_nothing_is_done),
	};

	at.suite = suite;
	return cmocka_run_group_tests_name("writes", cases, NULL, NULL);
}
