/* What whoever watches a store learns of its tables and of changes. */
#include "tests/store_suite.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

static struct store_fixture at;

static enum status_code
suite_check_tables(void)
{
	return sql_check_tables(at.conn, store_suite_soon(), &store_checks, &at.error);
}

static enum status_code
suite_check_writes(void)
{
	return sql_check_writes(at.conn, store_suite_soon(), &store_checks, &at.error);
}

static void
suite_assert_sound(void)
{
	store_suite_assert_ok(suite_check_tables(), &at.error);
	store_suite_assert_ok(suite_check_writes(), &at.error);
	assert_int_equal(sql_refusal(at.store), SQL_CAUSE_NONE);
}

/* Also with a row of the id 0, which checks look for. */
static void
a_sound_store_is_left_as_it_is(void **state)
{
	(void)state;
	store_suite_created(at.conn, "a", "a@x");
	suite_assert_sound();
	at.suite->sql("UPDATE user SET id = -1 WHERE id > 0;");
	at.suite->sql("UPDATE user SET id = 0 WHERE id = -1;");
	suite_assert_sound();
	at.suite->sql("UPDATE user SET id = 7 WHERE id = 0;");
	assert_int_equal(store_suite_count(at.conn), 1);
}

/* Changes one of the tables behind the back of a store that is in use, and back again. */
static void
suite_tell_damage(const char *damage, const char *repair, bool reads, const char *named)
{
	store_suite_created(at.conn, "a", "a@x");
	suite_assert_sound();
	at.suite->sql(damage);
	if (reads) {
		assert_int_equal(suite_check_tables(), STATUS_INTERNAL);
		assert_non_null(strstr(at.error.detail, named));
		assert_null(strstr(at.error.message, named));
	} else {
		store_suite_assert_ok(suite_check_tables(), &at.error);
	}
	assert_int_equal(suite_check_writes(), STATUS_INTERNAL);
	assert_non_null(strstr(at.error.detail, named));
	assert_int_equal(sql_refusal(at.store), SQL_CAUSE_FAILED);
	at.suite->sql(repair);
	suite_assert_sound();
	at.suite->sql("DELETE FROM user;");
}

static void
a_table_that_is_missing_is_told(void **state)
{
	(void)state;
	suite_tell_damage(
	    "ALTER TABLE user RENAME TO gone;", "ALTER TABLE gone RENAME TO user;", true, "user");
}

static void
a_column_that_is_missing_is_told(void **state)
{
	(void)state;
	suite_tell_damage("ALTER TABLE user RENAME COLUMN name TO title;",
	    "ALTER TABLE user RENAME COLUMN title TO name;", true, "name");
	suite_tell_damage("ALTER TABLE user RENAME COLUMN emailKey TO gone;",
	    "ALTER TABLE user RENAME COLUMN gone TO emailKey;", true, "emailKey");
}

static void
the_table_of_settings_belongs_to_it(void **state)
{
	(void)state;
	at.suite->sql("ALTER TABLE setting RENAME TO gone;");
	assert_int_equal(suite_check_tables(), STATUS_INTERNAL);
	assert_non_null(strstr(at.error.detail, "setting"));
	at.suite->sql("ALTER TABLE gone RENAME TO setting;");
	suite_assert_sound();
}

int
store_suite_run_checks(const struct store_suite *suite)
{
	const struct CMUnitTest cases[] = {
	    STORE_FIXTURE_CASE(a_sound_store_is_left_as_it_is, &at),
	    STORE_FIXTURE_CASE(a_table_that_is_missing_is_told, &at),
	    STORE_FIXTURE_CASE(a_column_that_is_missing_is_told, &at),
	    STORE_FIXTURE_CASE(the_table_of_settings_belongs_to_it, &at),
	};

	at.suite = suite;
	return cmocka_run_group_tests_name("checks", cases, NULL, NULL);
}
