/* What is done with a database besides statements: observing, settings, migrations and checks. */
#include <setjmp.h>
#include <stdarg.h>
#include <string.h>

#include <cmocka.h>

#include "common/sql/sql_setting.h"
#include "common/sql/sql_watch.h"
#include "tests/sql_fixture.h"

static enum sql_end
do_fail(struct sql_conn *conn, void *call)
{
	(void)call;
	return sql_fail(conn, "it is Sunday");
}

static struct sql_ended seen[8];
static unsigned seen_count;

static void
observe(void *closure, const struct sql_ended *ended)
{
	assert_ptr_equal(closure, &at);
	if (seen_count < sizeof(seen) / sizeof(seen[0])) {
		seen[seen_count++] = *ended;
	}
}

static void
the_observer_is_told_resource_and_operations(void **state)
{
	const struct sql_work work = {
	    .resource = "thing", .operations = 1u << 3 | 1u << 5, .step = do_fail};

	(void)state;
	seen_count = 0;
	sql_set_observer(at.db, observe, &at);
	assert_int_equal(
	    sql_run(at.conn, sql_fixture_soon(), &work, NULL, &at.error), STATUS_INTERNAL);
	sql_fixture_expect(sql_ping(at.conn, sql_fixture_soon(), &at.error), STATUS_OK);
	assert_int_equal(sql_fixture_count(), 0);
	assert_int_equal(seen_count, 3);
	assert_string_equal(seen[0].resource, "thing");
	assert_int_equal(seen[0].operation, 3);
	assert_int_equal(seen[0].code, STATUS_INTERNAL);
	assert_ptr_equal(seen[0].error, &at.error);
	assert_int_equal(seen[1].operation, 5);
	assert_null(seen[2].resource);
	assert_int_equal(seen[2].operation, SQL_OPERATION_CHECK);
	assert_int_equal(seen[2].code, STATUS_OK);
	assert_null(seen[2].error);
}

static void
secrets_are_made_once_and_apart(void **state)
{
	uint8_t first[32], again[32], other[SQL_SECRET_MAX];

	(void)state;
	sql_fixture_expect(
	    sql_setting_secret(at.conn, sql_fixture_soon(), "a", first, 32, &at.error), STATUS_OK);
	sql_fixture_expect(
	    sql_setting_secret(at.conn, sql_fixture_soon(), "a", again, 32, &at.error), STATUS_OK);
	sql_fixture_expect(
	    sql_setting_secret(at.conn, sql_fixture_soon(), "b", other, 64, &at.error), STATUS_OK);
	assert_memory_equal(first, again, 32);
	assert_memory_not_equal(first, other, 32);
	sql_fixture_expect(
	    sql_setting_secret(at.conn, sql_fixture_soon(), "a", other, 64, &at.error),
	    STATUS_INTERNAL);
	assert_non_null(strstr(at.error.detail, "another length"));
}

static void
a_schema_that_is_not_as_needed_is_told_with_the_program(void **state)
{
	struct sql_migration rows[2];
	struct sql_schema newer = sql_fixture_schema;

	(void)state;
	sql_fixture_expect(
	    sql_check_schema(at.conn, sql_fixture_soon(), &sql_fixture_schema, &at.error),
	    STATUS_OK);
	rows[0] = sql_fixture_schema.rows[sql_dialect(at.conn)][0];
	rows[1] = (struct sql_migration){
	    2, 2, "more", (const unsigned char *)"CREATE TABLE more (id INTEGER);\n", NULL};
	newer.rows[sql_dialect(at.conn)] = rows;
	newer.counts[sql_dialect(at.conn)] = 2;
	sql_fixture_expect(sql_check_schema(at.conn, sql_fixture_soon(), &newer, &at.error),
	    STATUS_FAILED_PRECONDITION);
	assert_non_null(strstr(at.error.message, "'thingd migrate'"));
	sql_fixture_expect(sql_migrate(at.db, &newer, NULL, NULL, &at.error), STATUS_OK);
	sql_fixture_expect(
	    sql_check_schema(at.conn, sql_fixture_soon(), &newer, &at.error), STATUS_OK);
	sql_fixture_expect(
	    sql_check_schema(at.conn, sql_fixture_soon(), &sql_fixture_schema, &at.error),
	    STATUS_FAILED_PRECONDITION);
	assert_non_null(strstr(at.error.message, "run a newer thingd"));
}

static void
tables_are_checked_by_the_statements_of_the_program(void **state)
{
	static const char *const good[] = {"SELECT id, word FROM thing WHERE id = 0"};
	static const char *const bad[] = {"SELECT id, nonsense FROM thing WHERE id = 0"};
	static const char *const writes[] = {
	    "INSERT INTO thing (word) SELECT word FROM thing WHERE FALSE",
	    "UPDATE thing SET word = '' WHERE FALSE", "DELETE FROM thing WHERE FALSE"};
	static const char *const bad_writes[] = {"UPDATE thing SET nonsense = '' WHERE FALSE"};
	struct sql_checks checks = {good, 1, writes, 3};

	(void)state;
	sql_fixture_expect(sql_fixture_run(sql_fixture_fill, NULL), STATUS_OK);
	sql_fixture_expect(
	    sql_check_tables(at.conn, sql_fixture_soon(), &checks, &at.error), STATUS_OK);
	sql_fixture_expect(
	    sql_check_writes(at.conn, sql_fixture_soon(), &checks, &at.error), STATUS_OK);
	checks.writes = bad_writes;
	checks.write_count = 1;
	sql_fixture_expect(
	    sql_check_writes(at.conn, sql_fixture_soon(), &checks, &at.error), STATUS_INTERNAL);
	assert_int_equal(sql_refusal(at.db), SQL_CAUSE_FAILED);
	checks.writes = writes;
	checks.write_count = 3;
	sql_fixture_expect(
	    sql_check_writes(at.conn, sql_fixture_soon(), &checks, &at.error), STATUS_OK);
	assert_int_equal(sql_refusal(at.db), SQL_CAUSE_NONE);
	checks.reads = bad;
	sql_fixture_expect(
	    sql_check_tables(at.conn, sql_fixture_soon(), &checks, &at.error), STATUS_INTERNAL);
	assert_int_equal(sql_fixture_count(), 5);
}

static int
run_cases(const char *name)
{
	const struct CMUnitTest cases[] = {
#define CASE(test) cmocka_unit_test_setup_teardown(test, sql_fixture_open, sql_fixture_close)
	    CASE(the_observer_is_told_resource_and_operations),
	    CASE(secrets_are_made_once_and_apart),
	    CASE(a_schema_that_is_not_as_needed_is_told_with_the_program),
	    CASE(tables_are_checked_by_the_statements_of_the_program),
#undef CASE
	};

	return cmocka_run_group_tests_name(name, cases, NULL, NULL);
}

int
main(void)
{
	return sql_fixture_main(run_cases);
}
