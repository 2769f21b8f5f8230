#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

#include "common/base/arena.h"
#include "common/sql/sql_sqlite.h"
#include "tests/store_suite.h"

static char folder[] = "/tmp/mockvideo-sqlite-XXXXXX";
static char path[64], url[80];
static struct error error;

static sqlite3 *
test_open(void)
{
	sqlite3 *db;

	assert_int_equal(sqlite3_open(path, &db), SQLITE_OK);
	sqlite3_busy_timeout(db, 10000);
	return db;
}

static void
test_exec(sqlite3 *db, const char *sql)
{
	char *message = NULL;

	if (sqlite3_exec(db, sql, NULL, NULL, &message) != SQLITE_OK) {
		print_error("%s: %s\n", sql, message);
		fail();
	}
}

static void
test_sql(const char *sql)
{
	sqlite3 *db = test_open();

	test_exec(db, sql);
	sqlite3_close(db);
}

static struct sql_db *
test_store(void)
{
	const struct sql_options options = {.url = url};

	return store_suite_open(&options);
}

static void
it_is_embedded(void **state)
{
	struct sql_db *store = test_store();

	(void)state;
	assert_true(sql_is_embedded(store));
	sql_close(&store);
}

static void
a_path_that_can_not_be_is_told_at_once(void **state)
{
	static const char *const urls[] = {"sqlite:/nowhere/at/all/db",
	    "sqlite:", "sqlite::memory:", "sqlite:/tmp", "sqlite:/dev/null/db"};
	static const char *const named[] = {
	    "/nowhere/at/all", "path", "path", "'/tmp'", "/dev/null"};

	(void)state;
	for (size_t i = 0; i < sizeof(urls) / sizeof(urls[0]); i++) {
		const struct sql_options options = {.url = urls[i]};
		struct sql_db *store;

		assert_int_equal(store_open(&store, &options, &error), STATUS_FAILED_PRECONDITION);
		assert_null(store);
		assert_non_null(strstr(error.message, named[i]));
		assert_non_null(strstr(error.message, "--store"));
	}
}

static void
an_unknown_kind_of_store_is_told_with_the_known_ones(void **state)
{
	const struct sql_options options = {.url = "postgres"};
	struct sql_db *store;

	(void)state;
	assert_int_equal(store_open(&store, &options, &error), STATUS_INVALID_ARGUMENT);
	assert_non_null(strstr(error.message, "'postgres'"));
	assert_non_null(strstr(error.message, "sqlite:PATH"));
}

static void
a_file_that_is_no_database_is_left_as_it_is(void **state)
{
	static const char text[] = "this is a letter to my grandmother, not a database, and it "
				   "is long enough that nobody takes it for an empty file. Yours.";
	char other[80], other_url[96], read[256] = "";
	const struct sql_options options = {.url = other_url};
	struct sql_db *store;
	FILE *file;

	(void)state;
	snprintf(other, sizeof(other), "%s/letter", folder);
	snprintf(other_url, sizeof(other_url), "sqlite:%s", other);
	file = fopen(other, "w");
	fputs(text, file);
	fclose(file);
	store_suite_assert_ok(store_open(&store, &options, &error), &error);
	assert_int_equal(
	    store_migrate(store, NULL, store_suite_hash, NULL, &error), STATUS_FAILED_PRECONDITION);
	assert_non_null(strstr(error.message, other));
	sql_close(&store);
	file = fopen(other, "r");
	assert_non_null(fgets(read, sizeof(read), file));
	fclose(file);
	assert_string_equal(read, text);
}

static void
replacing_without_a_password_keeps_it(void **state)
{
	struct sql_db *store = test_store();
	struct sql_conn *conn = sql_conn_open(store);
	int64_t id;
	struct store_write writes[2];

	(void)state;
	test_sql("DELETE FROM user");
	id = store_suite_created(conn, "a", "keeps@x");
	writes[0] = store_suite_replace(id, "b", "keeps@x");
	writes[1] = store_suite_create("c", "c@x");
	writes[0].user.password_hash = NULL;
	writes[1].user.password_hash = NULL;
	store_suite_assert_ok(
	    store_user_write(conn, store_suite_soon(), writes, 2, &error), &error);
	test_sql("DELETE FROM user WHERE (name, password) IN"
		 " (VALUES ('b', '$argon2id$hash'), ('c', '$argon2id$unusable'))");
	assert_int_equal(store_suite_count(conn), 0);
	sql_conn_close(&conn);
	sql_close(&store);
}

/* Another process may hold the file for writing longer than a call may wait. */
static void
a_write_waits_for_another_one_until_its_deadline(void **state)
{
	struct sql_db *store = test_store();
	struct sql_conn *conn = sql_conn_open(store);
	struct store_write write = store_suite_create("waits", "waits@x");
	int64_t id = store_suite_created(conn, "before", "before@x");
	int64_t start_ns = clock_now_ns();
	sqlite3 *db = test_open();
	struct arena *arena = arena_new(0);
	struct user user;

	(void)state;
	test_exec(db, "BEGIN IMMEDIATE");
	assert_int_equal(
	    store_user_write(conn, start_ns + 200 * CLOCK_NS_PER_MS, &write, 1, &error),
	    STATUS_DEADLINE_EXCEEDED);
	assert_true(clock_now_ns() - start_ns >= 190 * CLOCK_NS_PER_MS);
	store_suite_assert_ok(
	    store_user_get(conn, store_suite_soon(), &id, 1, arena, &user, &error), &error);
	assert_int_equal(user.id, id);
	test_exec(db, "COMMIT");
	sqlite3_close(db);
	store_suite_assert_ok(
	    store_user_write(conn, store_suite_soon(), &write, 1, &error), &error);
	assert_int_equal(write.outcome, STORE_DONE);
	arena_free(&arena);
	sql_conn_close(&conn);
	sql_close(&store);
}

static void
a_long_read_ends_at_its_deadline(void **state)
{
	const struct store_filter filter = {.role = USER_ROLE_NONE, .name_prefix = "nobody"};
	struct sql_db *store = test_store();
	struct sql_conn *conn = sql_conn_open(store);
	struct arena *arena = arena_new(0);
	enum status_code code = STATUS_OK;
	struct user *rows;
	size_t count;

	(void)state;
	test_sql("INSERT INTO user (accountID, name, role) WITH RECURSIVE n(i) AS "
		 "(SELECT 1 UNION ALL SELECT i + 1 FROM n LIMIT 200000) SELECT 1, 'u', 1 FROM n");
	code = store_user_list(conn, clock_now_ns() + 2 * CLOCK_NS_PER_MS, &filter, 0, 10, arena,
	    &rows, &count, &error);
	assert_int_equal(code, STATUS_DEADLINE_EXCEEDED);
	store_suite_assert_ok(
	    store_user_list(conn, store_suite_soon(), &filter, 0, 10, arena, &rows, &count, &error),
	    &error);
	assert_int_equal(count, 0);
	test_sql("DELETE FROM user");
	arena_free(&arena);
	sql_conn_close(&conn);
	sql_close(&store);
}

static void
a_file_that_was_taken_away_is_missed_and_found_again(void **state)
{
	struct sql_db *store = test_store();
	struct sql_conn *conn = sql_conn_open(store);
	struct store_write write = store_suite_create("lost", "lost@x");
	char away[80];

	(void)state;
	store_suite_created(conn, "here", "here@x");
	test_sql("PRAGMA wal_checkpoint(TRUNCATE)");
	snprintf(away, sizeof(away), "%s/away", folder);
	assert_int_equal(rename(path, away), 0);
	assert_int_equal(
	    store_user_write(conn, store_suite_soon(), &write, 1, &error), STATUS_UNAVAILABLE);
	assert_string_equal(error.reason, "STORE_UNAVAILABLE");
	assert_null(strstr(error.message, folder));
	assert_non_null(strstr(error.detail, path));
	assert_true(error.retry_after_ms > 0);
	assert_int_equal(rename(away, path), 0);
	store_suite_assert_ok(
	    store_user_write(conn, store_suite_soon(), &write, 1, &error), &error);
	assert_int_equal(write.outcome, STORE_DONE);
	sql_conn_close(&conn);
	sql_close(&store);
}

#define TEST_ROOM_BYTES (256 * 1024)

/* Causes of creates that were reported to the store's observer, in the order of enum sql_cause. */
static unsigned test_causes[SQL_CAUSES];

static void
test_observe(void *closure, const struct sql_ended *ended)
{
	(void)closure;
	if (ended->operation == RESOURCE_OPERATION_CREATE) {
		assert_int_equal(ended->code == STATUS_OK, ended->error == NULL);
		test_causes[ended->cause]++;
	}
}

static void
test_limit_files(rlim_t bytes)
{
	struct rlimit limit;

	assert_int_equal(getrlimit(RLIMIT_FSIZE, &limit), 0);
	limit.rlim_cur = bytes;
	assert_int_equal(setrlimit(RLIMIT_FSIZE, &limit), 0);
}

/*
 * Creates users until one is refused. A limit on the size of files fails a
 * write as a full disk does, and needs no file system of its own.
 */
static enum status_code
test_fill(struct sql_conn *conn)
{
	enum status_code code = STATUS_OK;

	test_limit_files(TEST_ROOM_BYTES);
	for (int i = 0; i < TEST_ROOM_BYTES / 100 && code == STATUS_OK; i++) {
		struct store_write write = store_suite_create("new", NULL);

		code = store_user_write(conn, store_suite_soon(), &write, 1, &error);
	}
	return code;
}

static void
without_room_changes_are_refused_and_reads_are_not(void **state)
{
	struct sql_db *store = test_store();
	struct sql_conn *conn = sql_conn_open(store);
	struct sql_conn *other = sql_conn_open(store);
	struct store_write none = {.verb = STORE_DELETE, .user = {.id = 999999}};

	(void)state;
	sql_set_observer(store, test_observe, NULL);
	memset(test_causes, 0, sizeof(test_causes));
	signal(SIGXFSZ, SIG_IGN);
	store_suite_assert_ok(sql_ping(other, store_suite_soon(), &error), &error);
	assert_int_equal(test_fill(conn), STATUS_UNAVAILABLE);
	assert_string_equal(error.reason, "STORE_UNAVAILABLE");
	assert_int_equal(test_causes[SQL_CAUSE_FULL], 1);
	assert_int_equal(sql_refusal(store), SQL_CAUSE_FULL);
	assert_true(store_suite_count(conn) > 0);
	store_suite_assert_ok(sql_ping(conn, store_suite_soon(), &error), &error);
	store_suite_assert_ok(
	    sql_check_tables(conn, store_suite_soon(), &store_checks, &error), &error);
	/* A deletion of nobody writes nothing, and shows nothing. */
	store_suite_assert_ok(store_user_write(conn, store_suite_soon(), &none, 1, &error), &error);
	assert_int_equal(sql_refusal(store), SQL_CAUSE_FULL);
	assert_int_equal(
	    sql_check_writes(conn, store_suite_soon(), &store_checks, &error), STATUS_UNAVAILABLE);
	assert_int_equal(sql_refusal(store), SQL_CAUSE_FULL);
	test_limit_files(RLIM_INFINITY);
	store_suite_assert_ok(
	    sql_check_writes(conn, store_suite_soon(), &store_checks, &error), &error);
	assert_int_equal(sql_refusal(store), SQL_CAUSE_NONE);
	/* What it wrote to see that is gone: only the key of pages may be there. */
	test_sql("CREATE TABLE t (a CHECK (a = 0)); INSERT INTO t SELECT COUNT(*) FROM setting "
		 "WHERE name <> 'pageKey'; DROP TABLE t");
	store_suite_created(conn, "after", "after@x");
	sql_conn_close(&conn);
	sql_conn_close(&other);
	sql_close(&store);
}

/* Connections that were made before go on, as the system has it. */
static void
a_file_that_is_opened_read_only_refuses_changes(void **state)
{
	struct sql_db *store = test_store();
	struct sql_conn *before = sql_conn_open(store);
	struct sql_conn *conn = sql_conn_open(store);

	(void)state;
	store_suite_assert_ok(sql_ping(before, store_suite_soon(), &error), &error);
	assert_int_equal(chmod(path, 0444), 0);
	/* For root any file can be written to. */
	if (access(path, W_OK) != 0) {
		store_suite_assert_ok(sql_ping(conn, store_suite_soon(), &error), &error);
		assert_int_equal(sql_check_writes(conn, store_suite_soon(), &store_checks, &error),
		    STATUS_UNAVAILABLE);
		assert_int_equal(sql_refusal(store), SQL_CAUSE_READ_ONLY);
	}
	store_suite_assert_ok(
	    sql_check_writes(before, store_suite_soon(), &store_checks, &error), &error);
	assert_int_equal(sql_refusal(store), SQL_CAUSE_NONE);
	assert_int_equal(chmod(path, 0644), 0);
	store_suite_assert_ok(
	    sql_check_writes(conn, store_suite_soon(), &store_checks, &error), &error);
	sql_conn_close(&before);
	sql_conn_close(&conn);
	sql_close(&store);
}

/* What our own statements would not put there, somebody else's may. */
static void
what_others_have_stored_is_read(void **state)
{
	struct sql_db *store = test_store();
	struct sql_conn *conn = sql_conn_open(store);
	struct arena *arena = arena_new(0);
	struct user user;
	int64_t id;

	(void)state;
	test_sql("DELETE FROM user");
	id = store_suite_created(conn, "a", "a@x");
	test_sql("PRAGMA ignore_check_constraints = 1;"
		 "UPDATE user SET name = hex(zeroblob(50000)), role = 4294967296");
	store_suite_assert_ok(
	    store_user_get(conn, store_suite_soon(), &id, 1, arena, &user, &error), &error);
	assert_int_equal(strspn(user.name, "0"), 100000);
	assert_int_equal(user.role, USER_ROLE_RESTRICTED);
	test_sql("DELETE FROM user");
	arena_free(&arena);
	sql_conn_close(&conn);
	sql_close(&store);
}

int
main(void)
{
	const struct store_suite suite = {.options = {.url = url}, .sql = test_sql};
	const struct CMUnitTest cases[] = {
	    cmocka_unit_test(it_is_embedded),
	    cmocka_unit_test(what_others_have_stored_is_read),
	    cmocka_unit_test(a_path_that_can_not_be_is_told_at_once),
	    cmocka_unit_test(an_unknown_kind_of_store_is_told_with_the_known_ones),
	    cmocka_unit_test(a_file_that_is_no_database_is_left_as_it_is),
	    cmocka_unit_test(replacing_without_a_password_keeps_it),
	    cmocka_unit_test(a_write_waits_for_another_one_until_its_deadline),
	    cmocka_unit_test(a_long_read_ends_at_its_deadline),
	    cmocka_unit_test(a_file_that_was_taken_away_is_missed_and_found_again),
	    cmocka_unit_test(without_room_changes_are_refused_and_reads_are_not),
	    cmocka_unit_test(a_file_that_is_opened_read_only_refuses_changes),
	};
	char command[64];
	int failed;

	if (mkdtemp(folder) == NULL) {
		perror(folder);
		return 1;
	}
	snprintf(path, sizeof(path), "%s/db", folder);
	snprintf(url, sizeof(url), "sqlite:%s", path);
	failed = store_suite_run(&suite);
	failed += cmocka_run_group_tests_name("sqlite", cases, NULL, NULL);
	snprintf(command, sizeof(command), "rm -rf %s", folder);
	return system(command) != 0 || failed != 0;
}
