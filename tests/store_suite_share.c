#include "tests/store_suite.h"

#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "common/base/arena.h"

#define SUITE_THREADS 8

static struct store_fixture at;

/* One of several threads that do the same at once. */
struct suite_thread {
	pthread_t thread;
	unsigned index;
	unsigned created;
	unsigned failed;
	uint8_t key[STORE_PAGE_KEY_BYTES];
};

static void
suite_together(struct suite_thread *threads, void *(*run)(void *))
{
	for (unsigned i = 0; i < SUITE_THREADS; i++) {
		threads[i].index = i;
		assert_int_equal(pthread_create(&threads[i].thread, NULL, run, &threads[i]), 0);
	}
	for (unsigned i = 0; i < SUITE_THREADS; i++) {
		pthread_join(threads[i].thread, NULL);
		assert_int_equal(threads[i].failed, 0);
	}
}

/* Bulks of 20 addresses that all threads want, each in another order. */
static void *
suite_run_creates(void *closure)
{
	enum {
		BULKS = 10,
		ROWS = 20
	};
	struct suite_thread *thread = closure;
	struct sql_conn *mine = sql_conn_open(at.store);
	struct store_write writes[ROWS];
	char emails[ROWS][32];

	for (unsigned bulk = 0; bulk < BULKS; bulk++) {
		for (unsigned i = 0; i < ROWS; i++) {
			unsigned row = thread->index % 2 == 0 ? i : ROWS - 1 - i;

			snprintf(emails[i], sizeof(emails[i]), "u%u-%u@x", bulk, row);
			writes[i] = store_suite_create(emails[i], emails[i]);
		}
		if (store_user_write(mine, store_suite_soon(), writes, ROWS, NULL) != STATUS_OK) {
			thread->failed++;
		}
		for (unsigned i = 0; i < ROWS; i++) {
			thread->created += writes[i].outcome == STORE_DONE;
		}
	}
	sql_conn_close(&mine);
	return NULL;
}

static void
each_address_is_given_once_however_many_ask(void **state)
{
	struct suite_thread threads[SUITE_THREADS] = {{.index = 0}};
	unsigned created = 0;

	(void)state;
	suite_together(threads, suite_run_creates);
	for (unsigned i = 0; i < SUITE_THREADS; i++) {
		created += threads[i].created;
	}
	assert_int_equal(created, 200);
	assert_int_equal(store_suite_count(at.conn), 200);
}

static int64_t suite_pair[2];

/* Two users are replaced in either order, which deadlocks where rows are locked. */
static void *
suite_run_replaces(void *closure)
{
	struct suite_thread *thread = closure;
	struct sql_conn *mine = sql_conn_open(at.store);

	for (unsigned i = 0; i < 30; i++) {
		unsigned first = thread->index % 2;
		struct store_write writes[] = {
		    store_suite_replace(suite_pair[first], "name", first == 0 ? "a@x" : "b@x"),
		    store_suite_replace(suite_pair[!first], "name", first == 0 ? "b@x" : "a@x")};

		if (store_user_write(mine, store_suite_soon(), writes, 2, NULL) != STATUS_OK ||
		    writes[0].outcome != STORE_DONE || writes[1].outcome != STORE_DONE) {
			thread->failed++;
		}
	}
	sql_conn_close(&mine);
	return NULL;
}

static void
conflicts_are_resolved_by_trying_again(void **state)
{
	struct suite_thread threads[SUITE_THREADS] = {{.index = 0}};

	(void)state;
	suite_pair[0] = store_suite_created(at.conn, "a", "a@x");
	suite_pair[1] = store_suite_created(at.conn, "b", "b@x");
	suite_together(threads, suite_run_replaces);
}

static void *
suite_run_page_key(void *closure)
{
	struct suite_thread *thread = closure;
	struct sql_conn *mine = sql_conn_open(at.store);

	thread->failed = sql_setting_secret(mine, store_suite_soon(), STORE_PAGE_KEY_NAME,
			     thread->key, STORE_PAGE_KEY_BYTES, NULL) != STATUS_OK;
	sql_conn_close(&mine);
	return NULL;
}

static void
all_get_the_same_page_key(void **state)
{
	struct suite_thread threads[SUITE_THREADS] = {{.index = 0}};
	uint8_t key[STORE_PAGE_KEY_BYTES], none[STORE_PAGE_KEY_BYTES] = {0};

	(void)state;
	at.suite->sql("DELETE FROM setting;");
	suite_together(threads, suite_run_page_key);
	store_suite_assert_ok(sql_setting_secret(at.conn, store_suite_soon(), STORE_PAGE_KEY_NAME,
				  key, STORE_PAGE_KEY_BYTES, &at.error),
	    &at.error);
	assert_memory_not_equal(key, none, sizeof(key));
	for (unsigned i = 0; i < SUITE_THREADS; i++) {
		assert_memory_equal(threads[i].key, key, sizeof(key));
	}
}

static void *
suite_run_migrate(void *closure)
{
	struct suite_thread *thread = closure;
	struct sql_db *mine;

	if (store_open(&mine, &at.suite->options, NULL) != STATUS_OK) {
		thread->failed = 1;
		return NULL;
	}
	thread->failed = store_migrate(mine, NULL, store_suite_hash, NULL, NULL) != STATUS_OK;
	sql_close(&mine);
	return NULL;
}

static void
many_may_migrate_at_once(void **state)
{
	struct suite_thread threads[SUITE_THREADS] = {{.index = 0}};

	(void)state;
	at.suite->sql("DROP TABLE user; DROP TABLE account; DROP TABLE setting;"
		      "DROP TABLE schema_migration;");
	assert_int_equal(sql_check_schema(at.conn, store_suite_soon(), &accountd_schema, &at.error),
	    STATUS_FAILED_PRECONDITION);
	suite_together(threads, suite_run_migrate);
	store_suite_assert_ok(
	    sql_check_schema(at.conn, store_suite_soon(), &accountd_schema, &at.error), &at.error);
	store_suite_created(at.conn, "a", "a@x");
}

static void
migrating_again_changes_nothing(void **state)
{
	int64_t id = store_suite_created(at.conn, "a", "a@x");

	(void)state;
	store_suite_assert_ok(
	    store_migrate(at.store, NULL, store_suite_hash, NULL, &at.error), &at.error);
	assert_string_equal(store_fixture_get(&at, id).email, "a@x");
}

static void
an_older_schema_is_told_with_the_command_to_run(void **state)
{
	(void)state;
	at.suite->sql("UPDATE schema_migration SET version = -version;");
	assert_int_equal(sql_check_schema(at.conn, store_suite_soon(), &accountd_schema, &at.error),
	    STATUS_FAILED_PRECONDITION);
	assert_non_null(strstr(at.error.message, "accountd migrate"));
	at.suite->sql("UPDATE schema_migration SET version = -version;");
	store_suite_assert_ok(
	    sql_check_schema(at.conn, store_suite_soon(), &accountd_schema, &at.error), &at.error);
}

/* Whether this program may start on the schema, and whether migrate agrees. */
static void
suite_expect_schema(enum status_code code)
{
	memset(&at.error, 0, sizeof(at.error));
	assert_int_equal(
	    sql_check_schema(at.conn, store_suite_soon(), &accountd_schema, &at.error), code);
	assert_int_equal(store_migrate(at.store, NULL, store_suite_hash, NULL, &at.error), code);
	if (code != STATUS_OK) {
		assert_non_null(strstr(at.error.message, "run a newer accountd"));
	}
}

static void
a_newer_schema_is_told_and_left_alone(void **state)
{
	(void)state;
	at.suite->sql("INSERT INTO schema_migration (version, name) VALUES (9999, 'future');");
	suite_expect_schema(STATUS_FAILED_PRECONDITION);
	at.suite->sql("DELETE FROM schema_migration WHERE version = 9999;");
	suite_expect_schema(STATUS_OK);
}

/* The program is the one before: what it does not know says from which version on it can be run on. */
static void
a_newer_schema_that_says_so_is_run_on(void **state)
{
	(void)state;
	at.suite->sql(
	    "INSERT INTO schema_migration (version, name, runsFrom)"
	    " SELECT 10 + MAX(version), 'added a column', MAX(version) FROM schema_migration;");
	suite_expect_schema(STATUS_OK);
	store_suite_created(at.conn, "after", "after@x");
	assert_int_equal(store_suite_count(at.conn), 1);
	at.suite->sql(
	    "INSERT INTO schema_migration (version, name, runsFrom)"
	    " SELECT 1 + MAX(version), 'renamed it', MAX(version) FROM schema_migration;");
	suite_expect_schema(STATUS_FAILED_PRECONDITION);
	assert_non_null(strstr(at.error.message, "on which programs run that know version"));
	at.suite->sql("DELETE FROM schema_migration WHERE name = 'renamed it';");
	suite_expect_schema(STATUS_OK);
	at.suite->sql("DELETE FROM schema_migration WHERE name = 'added a column';");
}

/* As databases are that were migrated before it was recorded. */
static void
where_nothing_is_recorded_a_newer_schema_is_left_alone(void **state)
{
	(void)state;
	at.suite->sql("ALTER TABLE schema_migration DROP COLUMN runsFrom;");
	suite_expect_schema(STATUS_OK);
	at.suite->sql("INSERT INTO schema_migration (version, name) VALUES (9999, 'future');");
	suite_expect_schema(STATUS_FAILED_PRECONDITION);
	at.suite->sql("DELETE FROM schema_migration; DROP TABLE user; DROP TABLE account;"
		      "DROP TABLE setting;");
	store_suite_assert_ok(
	    store_migrate(at.store, NULL, store_suite_hash, NULL, &at.error), &at.error);
	at.suite->sql("INSERT INTO schema_migration (version, name, runsFrom)"
		      " SELECT 1 + MAX(version), 'future', MAX(version) FROM schema_migration"
		      " WHERE runsFrom > 0;");
	suite_expect_schema(STATUS_OK);
	at.suite->sql("DELETE FROM schema_migration WHERE name = 'future';");
}

int
store_suite_run_shared(const struct store_suite *suite)
{
	const struct CMUnitTest cases[] = {
	    STORE_FIXTURE_CASE(each_address_is_given_once_however_many_ask, &at),
	    STORE_FIXTURE_CASE(conflicts_are_resolved_by_trying_again, &at),
	    STORE_FIXTURE_CASE(all_get_the_same_page_key, &at),
	    STORE_FIXTURE_CASE(migrating_again_changes_nothing, &at),
	    STORE_FIXTURE_CASE(an_older_schema_is_told_with_the_command_to_run, &at),
	    STORE_FIXTURE_CASE(a_newer_schema_is_told_and_left_alone, &at),
	    STORE_FIXTURE_CASE(a_newer_schema_that_says_so_is_run_on, &at),
	    STORE_FIXTURE_CASE(where_nothing_is_recorded_a_newer_schema_is_left_alone, &at),
	    STORE_FIXTURE_CASE(many_may_migrate_at_once, &at),
	};

	at.suite = suite;
	return cmocka_run_group_tests_name("shared", cases, NULL, NULL);
}
