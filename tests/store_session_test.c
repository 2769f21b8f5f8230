/* Sessions of the MySQL store are their own, whatever the server's globals are. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "common/base/arena.h"
#include "common/sql/mysql_conn.h"
#include "common/sql/mysql_hosts.h"
#include "common/sql/mysql_login.h"
#include "common/sql/mysql_tls.h"
#include "tests/mariadb.h"
#include "tests/store_suite.h"

static struct mariadb mariadb;
static struct sql_options options;

/* A global that would harm us, and what a session has in spite of it. */
struct hostile {
	const char *name;
	const char *global; /* as in SQL; NULL: it can't be set while the server runs */
	const char *session;
};

static const struct hostile hostiles[] = {
    {"autocommit", "0", "1"},
    {"sql_mode",
	"'ORACLE,ANSI,NO_BACKSLASH_ESCAPES,EMPTY_STRING_IS_NULL,PAD_CHAR_TO_FULL_LENGTH,"
	"TRADITIONAL'",
	"STRICT_ALL_TABLES,ERROR_FOR_DIVISION_BY_ZERO,NO_ENGINE_SUBSTITUTION"},
    {"completion_type", "2", "NO_CHAIN"},
    {"character_set_client", "latin1", "utf8mb4"},
    {"character_set_results", "latin1", "utf8mb4"},
    {"character_set_connection", "latin1", "utf8mb4"},
    {"collation_connection", "latin1_german2_ci", "utf8mb4_bin"},
    {"time_zone", "'-05:30'", "+00:00"},
    {"sql_select_limit", "1", "18446744073709551615"},
    {"max_join_size", "1", "18446744073709551615"},
    {"sql_big_selects", "0", "1"},
    {"sql_safe_updates", "1", "0"},
    {"sql_auto_is_null", "1", "0"},
    {"foreign_key_checks", "0", "1"},
    {"unique_checks", "0", "1"},
    {"default_storage_engine", "MyISAM", "InnoDB"},
    {"group_concat_max_len", "4", "1048576"},
    {"max_sort_length", "64", "4096"},
    {"lock_wait_timeout", "31536000", "1"},
    {"innodb_lock_wait_timeout", "3600", "1"},
    {"wait_timeout", "1", "28800"},
    {"net_read_timeout", "1", "30"},
    {"net_write_timeout", "1", "60"},
    {"tx_isolation", "'SERIALIZABLE'", "READ-COMMITTED"},
    {"tx_read_only", "1", "0"},
    {"old_mode", "'UTF8_IS_UTF8MB3,NO_DUP_KEY_WARNINGS_WITH_IGNORE'", ""},
    {"query_cache_type", NULL, "OFF"},
    {"max_statement_time", "0.001", "0.000000"},
    {"wsrep_dirty_reads", "1", "0"},
    {"wsrep_osu_method", "'RSU'", "TOI"},
    {"check_constraint_checks", "0", "1"},
    {"idle_transaction_timeout", "3600", "1"},
    {"alter_algorithm", "'INSTANT'", "DEFAULT"},
    {"sql_if_exists", "1", "0"},
};

#define HOSTILES (sizeof(hostiles) / sizeof(hostiles[0]))

/* Whatever the globals are, what a test does behind the store's back is done. */
static const char sane[] =
    "SET SESSION autocommit = 1, sql_mode = '', sql_safe_updates = 0, completion_type = 0,"
    " tx_read_only = 0, max_statement_time = 0, sql_select_limit = 18446744073709551615,"
    " max_join_size = 18446744073709551615, sql_big_selects = 1;";

static void
test_query(const char *database, const char *sql, char *out, size_t size)
{
	char text[8192];

	snprintf(text, sizeof(text), "%s%s", sane, sql);
	assert_true(mariadb_sql(&mariadb, database, text, out, size));
}

static void
test_sql(const char *sql)
{
	test_query(MARIADB_DATABASE, sql, NULL, 0);
}

static void
test_set_global(const struct hostile *hostile)
{
	char sql[256];

	if (hostile->global != NULL) {
		snprintf(sql, sizeof(sql), "SET GLOBAL %s = %s", hostile->name, hostile->global);
		test_query(NULL, sql, NULL, 0);
	}
}

static void
test_reset_global(const struct hostile *hostile)
{
	char sql[256];

	if (hostile->global != NULL) {
		snprintf(sql, sizeof(sql), "SET GLOBAL %s = DEFAULT", hostile->name);
		test_query(NULL, sql, NULL, 0);
	}
}

static int
test_set_all(void **state)
{
	(void)state;
	for (size_t i = 0; i < HOSTILES; i++) {
		test_set_global(&hostiles[i]);
	}
	test_query(NULL,
	    "SET GLOBAL init_connect ="
	    " 'SET SESSION sql_select_limit = 0, autocommit = 0, character_set_results = latin1'",
	    NULL, 0);
	return 0;
}

static int
test_reset_all(void **state)
{
	(void)state;
	test_query(NULL, "SET GLOBAL init_connect = ''", NULL, 0);
	for (size_t i = 0; i < HOSTILES; i++) {
		test_reset_global(&hostiles[i]);
	}
	return 0;
}

static void
test_expect_session(struct mysql_conn *conn, const struct hostile *hostile)
{
	char sql[128], global[512];
	struct mysql_row row;

	snprintf(
	    sql, sizeof(sql), "SELECT @@SESSION.%s, @@GLOBAL.%s", hostile->name, hostile->name);
	assert_int_equal(mysql_conn_query(conn, sql, strlen(sql)), SQL_OK);
	assert_true(mysql_conn_next_row(conn, &row));
	if (strcmp(row.text[0], hostile->session) != 0) {
		fail_msg("%s is '%s' in the session", hostile->name, row.text[0]);
	}
	snprintf(global, sizeof(global), "%s", row.text[1]);
	if (hostile->global != NULL && strcmp(global, hostile->session) == 0) {
		fail_msg("%s is '%s' for all: the test shows nothing", hostile->name, global);
	}
}

static void
each_variable_is_set_for_the_session(void **state)
{
	struct error error = {.code = STATUS_OK};
	struct mysql_hosts *hosts = mysql_hosts_new(MARIADB_HOST, mariadb.port, &error);
	struct mysql_login *login = mysql_login_new(options.user, options.password);
	const struct mysql_tls plain = {SQL_TLS_OFF, "", "", ""};
	const struct mysql_target target = {.hosts = hosts,
	    .database = MARIADB_DATABASE,
	    .login = login,
	    .tls = &plain,
	    .connect_timeout_ms = 10000};
	struct mysql_conn *conn = mysql_conn_new(&target);

	(void)state;
	assert_int_equal(mysql_conn_open(conn, store_suite_soon()), SQL_OK);
	for (size_t i = 0; i < HOSTILES; i++) {
		test_expect_session(conn, &hostiles[i]);
	}
	mysql_conn_free(&conn);
	mysql_login_free(&login);
	mysql_hosts_free(&hosts);
}

/* Every kind of operation once, by a new connection. */
static void
test_use_store(void)
{
	const struct store_filter all = {.role = USER_ROLE_NONE};
	struct error error = {.code = STATUS_OK};
	struct sql_db *store = store_suite_open(&options);
	struct sql_conn *conn = sql_conn_open(store);
	struct arena *arena = arena_new(0);
	struct store_write writes[] = {store_suite_create("a", "a@x"),
	    store_suite_create("b", "A@X"), store_suite_create("\xc3\xa9", "c@x")};
	int64_t ids[3];
	struct user users[3], *rows;
	size_t count;

	test_sql("DELETE FROM user");
	store_suite_assert_ok(
	    store_user_write(conn, store_suite_soon(), writes, 3, &error), &error);
	assert_int_equal(writes[1].outcome, STORE_DUPLICATE);
	ids[0] = writes[2].user.id;
	ids[1] = writes[2].user.id + 1000;
	ids[2] = writes[0].user.id;
	store_suite_assert_ok(
	    store_user_get(conn, store_suite_soon(), ids, 3, arena, users, &error), &error);
	assert_int_equal(users[0].id, ids[0]);
	assert_string_equal(users[0].name, "\xc3\xa9");
	assert_int_equal(users[1].id, 0);
	assert_int_equal(users[2].id, ids[2]);
	store_suite_assert_ok(
	    store_user_list(conn, store_suite_soon(), &all, 0, 10, arena, &rows, &count, &error),
	    &error);
	assert_int_equal(count, 2);
	writes[0] = store_suite_replace(ids[2], "z", "z@x");
	writes[1] = (struct store_write){.verb = STORE_DELETE, .user = {.id = ids[0]}};
	store_suite_assert_ok(
	    store_user_write(conn, store_suite_soon(), writes, 2, &error), &error);
	assert_int_equal(store_suite_count(conn), 1);
	arena_free(&arena);
	sql_conn_close(&conn);
	sql_close(&store);
}

static void
test_remove_tables(void)
{
	test_sql("DROP TABLE IF EXISTS user, account, setting, schema_migration");
}

/* From an empty database on, so that the migrations meet it too. */
static void
no_global_alone_changes_a_result(void **state)
{
	(void)state;
	for (size_t i = 0; i < HOSTILES; i++) {
		test_set_global(&hostiles[i]);
		test_remove_tables();
		test_use_store();
		test_reset_global(&hostiles[i]);
	}
}

int
main(void)
{
	const struct CMUnitTest cases[] = {
	    cmocka_unit_test_setup_teardown(
		each_variable_is_set_for_the_session, test_set_all, test_reset_all),
	    cmocka_unit_test(no_global_alone_changes_a_result),
	};
	struct store_suite suite = {.sql = test_sql};
	int failed;

	if (!mariadb_start(&mariadb)) {
		mariadb_stop(&mariadb);
		return 1;
	}
	/* init_connect is not for those who may do anything. */
	suite.options = options = (struct sql_options){.url = "mysql",
	    .host = MARIADB_HOST,
	    .port = mariadb.port,
	    .database = MARIADB_DATABASE,
	    .user = "plain",
	    .password = "",
	    .connect_timeout_ms = 10000};
	test_query(NULL, "CREATE USER plain@'%'; GRANT ALL ON " MARIADB_DATABASE ".* TO plain@'%'",
	    NULL, 0);
	failed = cmocka_run_group_tests_name("globals of a server", cases, NULL, NULL);
	test_remove_tables();
	test_set_all(NULL);
	failed += store_suite_run(&suite);
	mariadb_stop(&mariadb);
	return failed != 0;
}
