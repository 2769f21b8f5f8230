#include <arpa/inet.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cmocka.h>

#include "common/base/arena.h"
#include "tests/store_server.h"

static struct store_server at;

static int
test_setup(void **state)
{
	(void)state;
	store_server_open(&at);
	return 0;
}

static int
test_teardown(void **state)
{
	(void)state;
	store_server_close(&at);
	return 0;
}

static void
it_is_not_embedded(void **state)
{
	(void)state;
	assert_false(sql_is_embedded(at.store));
}

static void
ids_are_right_where_the_server_gives_every_third(void **state)
{
	struct store_write writes[100];
	char emails[100][32], out[32];
	char sql[128];

	(void)state;
	store_server_sql(
	    &at, "SET GLOBAL auto_increment_increment = 3; SET GLOBAL auto_increment_offset = 2");
	sql_conn_close(&at.conn);
	at.conn = sql_conn_open(at.store);
	for (int i = 0; i < 100; i++) {
		snprintf(emails[i], sizeof(emails[i]), "u%d@x", i);
		writes[i] = store_suite_create("u", emails[i]);
	}
	store_suite_assert_ok(store_server_write(&at, store_suite_soon(), writes, 100), &at.error);
	store_server_sql(
	    &at, "SET GLOBAL auto_increment_increment = 1; SET GLOBAL auto_increment_offset = 1");
	for (int i = 0; i < 100; i += 9) {
		snprintf(sql, sizeof(sql), "SELECT id FROM user WHERE email = 'u%d@x'", i);
		assert_true(mariadb_sql(&at.mariadb, MARIADB_DATABASE, sql, out, sizeof(out)));
		assert_int_equal(strtoll(out, NULL, 10), writes[i].user.id);
	}
}

static void
replacing_without_a_password_keeps_it(void **state)
{
	int64_t id = store_suite_created(at.conn, "a", "a@x");
	struct store_write writes[] = {
	    store_suite_replace(id, "b", "a@x"), store_suite_create("c", "c@x")};
	char out[64];

	(void)state;
	writes[0].user.password_hash = NULL;
	writes[1].user.password_hash = NULL;
	store_suite_assert_ok(store_server_write(&at, store_suite_soon(), writes, 2), &at.error);
	assert_true(mariadb_sql(&at.mariadb, MARIADB_DATABASE,
	    "SELECT name, password FROM user ORDER BY id", out, sizeof(out)));
	assert_string_equal(out, "b\t$argon2id$hash\nc\t$argon2id$unusable\n");
}

/* A socket that accepts but never speaks, and one that nobody listens on. */
static int
test_listen(unsigned *port, bool listening)
{
	struct sockaddr_in address = {
	    .sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
	socklen_t len = sizeof(address);
	int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);

	assert_int_equal(bind(fd, (struct sockaddr *)&address, len), 0);
	assert_int_equal(getsockname(fd, (struct sockaddr *)&address, &len), 0);
	if (listening) {
		assert_int_equal(listen(fd, 16), 0);
	}
	*port = ntohs(address.sin_port);
	return fd;
}

static enum status_code
test_ping_hosts(const char *hosts, int64_t deadline_ns)
{
	const struct sql_options options = store_server_options(&at, hosts);
	struct sql_db *other;
	struct sql_conn *by;
	enum status_code code;

	store_suite_assert_ok(store_open(&other, &options, &at.error), &at.error);
	by = sql_conn_open(other);
	code = sql_ping(by, deadline_ns, &at.error);
	if (code == STATUS_OK) {
		code = sql_ping(by, deadline_ns, &at.error);
	}
	sql_conn_close(&by);
	sql_close(&other);
	return code;
}

static void
the_first_host_that_answers_is_used(void **state)
{
	unsigned closed, silent;
	int closed_fd = test_listen(&closed, false);
	int silent_fd = test_listen(&silent, true);
	char hosts[256];

	(void)state;
	snprintf(hosts, sizeof(hosts), "127.0.0.1:%u, 127.0.0.1:%u,localhost:%u", closed, silent,
	    at.mariadb.port);
	store_suite_assert_ok(test_ping_hosts(hosts, store_suite_soon()), &at.error);
	snprintf(hosts, sizeof(hosts), "no-such-host.invalid,%s", at.mariadb.socket);
	store_suite_assert_ok(test_ping_hosts(hosts, store_suite_soon()), &at.error);
	snprintf(hosts, sizeof(hosts), "127.0.0.1:%u,[::1]:%u", closed, closed);
	assert_int_equal(test_ping_hosts(hosts, store_suite_soon()), STATUS_UNAVAILABLE);
	snprintf(hosts, sizeof(hosts), "127.0.0.1:%u", silent);
	assert_int_equal(test_ping_hosts(hosts, store_server_in_ms(100)), STATUS_DEADLINE_EXCEEDED);
	close(closed_fd);
	close(silent_fd);
}

static void
a_host_that_can_not_be_is_told_at_once(void **state)
{
	static const char *const hosts[] = {"a,b:c", "[::1]:0", "a:70000", "a:", "a,b:33061x"};

	(void)state;
	for (size_t i = 0; i < sizeof(hosts) / sizeof(hosts[0]); i++) {
		const struct sql_options options = store_server_options(&at, hosts[i]);
		struct sql_db *other;

		assert_int_equal(store_open(&other, &options, &at.error), STATUS_INVALID_ARGUMENT);
		assert_null(other);
		assert_non_null(strstr(at.error.message, "port"));
	}
}

static void
a_wrong_password_is_told_to_the_log_alone(void **state)
{
	struct sql_options options = store_server_options(&at, MARIADB_HOST);
	struct sql_db *other;
	struct sql_conn *by;

	(void)state;
	options.password = "wrong";
	store_suite_assert_ok(store_open(&other, &options, &at.error), &at.error);
	by = sql_conn_open(other);
	assert_int_equal(sql_ping(by, store_suite_soon(), &at.error), STATUS_UNAVAILABLE);
	assert_non_null(strstr(at.error.detail, "1045"));
	assert_null(strstr(at.error.message, MARIADB_USER));
	assert_null(strstr(at.error.detail, "wrong"));
	sql_conn_close(&by);
	sql_close(&other);
}

static void
a_read_only_server_takes_no_write_until_it_does(void **state)
{
	struct sql_options options = store_server_options(&at, MARIADB_HOST);
	struct store_write write = store_suite_create("a", "a@x");
	struct sql_db *other;
	struct sql_conn *by;

	(void)state;
	store_server_sql(&at, "CREATE USER IF NOT EXISTS plain@'%'; GRANT ALL ON " MARIADB_DATABASE
			      ".* TO plain@'%'; SET GLOBAL read_only = 1");
	options.user = "plain";
	options.password = "";
	store_suite_assert_ok(store_open(&other, &options, &at.error), &at.error);
	by = sql_conn_open(other);
	assert_int_equal(
	    store_user_write(by, store_suite_soon(), &write, 1, &at.error), STATUS_UNAVAILABLE);
	assert_string_equal(at.error.reason, "STORE_UNAVAILABLE");
	assert_int_equal(store_suite_count(by), 0);
	assert_int_equal(sql_refusal(other), SQL_CAUSE_READ_ONLY);
	store_suite_assert_ok(
	    sql_check_tables(by, store_suite_soon(), &store_checks, &at.error), &at.error);
	assert_int_equal(
	    sql_check_writes(by, store_suite_soon(), &store_checks, &at.error), STATUS_UNAVAILABLE);
	assert_non_null(strstr(at.error.detail, "1290"));
	assert_int_equal(sql_refusal(other), SQL_CAUSE_READ_ONLY);
	store_server_sql(&at, "SET GLOBAL read_only = 0");
	store_suite_assert_ok(
	    sql_check_writes(by, store_suite_soon(), &store_checks, &at.error), &at.error);
	assert_int_equal(sql_refusal(other), SQL_CAUSE_NONE);
	store_suite_assert_ok(
	    store_user_write(by, store_suite_soon(), &write, 1, &at.error), &at.error);
	assert_int_equal(store_suite_count(by), 1);
	sql_conn_close(&by);
	sql_close(&other);
}

static void
a_write_goes_on_to_the_host_that_takes_it(void **state)
{
	struct mariadb second = {.port = 0};
	struct sql_options options = store_server_options(&at, MARIADB_HOST);
	struct store_write write = store_suite_create("a", "a@x");
	struct sql_db *other;
	struct sql_conn *by;
	char hosts[64];

	(void)state;
	assert_true(mariadb_start(&second));
	options.port = second.port;
	other = store_suite_open(&options);
	sql_close(&other);
	snprintf(hosts, sizeof(hosts), "127.0.0.1:%u,127.0.0.1:%u", at.mariadb.port, second.port);
	store_server_sql(&at, "CREATE USER IF NOT EXISTS plain@'%'; GRANT ALL ON " MARIADB_DATABASE
			      ".* TO plain@'%'; SET GLOBAL read_only = 1");
	assert_true(mariadb_sql(&second, NULL,
	    "CREATE USER plain@'%'; GRANT ALL ON " MARIADB_DATABASE ".* TO plain@'%'", NULL, 0));
	options.host = hosts;
	options.user = "plain";
	options.password = "";
	store_suite_assert_ok(store_open(&other, &options, &at.error), &at.error);
	by = sql_conn_open(other);
	store_suite_assert_ok(
	    store_user_write(by, store_suite_soon(), &write, 1, &at.error), &at.error);
	store_server_sql(&at, "SET GLOBAL read_only = 0");
	assert_int_equal(store_suite_count(by), 1);
	assert_int_equal(store_suite_count(at.conn), 0);
	sql_conn_close(&by);
	sql_close(&other);
	mariadb_stop(&second);
}

/* It is noticed before anybody writes. */
static void
a_server_that_became_read_only_refuses_changes(void **state)
{
	struct sql_options options = store_server_options(&at, MARIADB_HOST);
	struct sql_db *other;
	struct sql_conn *by;

	(void)state;
	store_server_sql(&at, "CREATE USER IF NOT EXISTS plain@'%'; GRANT ALL ON " MARIADB_DATABASE
			      ".* TO plain@'%'");
	options.user = "plain";
	options.password = "";
	store_suite_assert_ok(store_open(&other, &options, &at.error), &at.error);
	by = sql_conn_open(other);
	store_suite_assert_ok(
	    sql_check_writes(by, store_suite_soon(), &store_checks, &at.error), &at.error);
	store_server_sql(&at, "SET GLOBAL read_only = 1");
	assert_int_equal(
	    sql_check_writes(by, store_suite_soon(), &store_checks, &at.error), STATUS_UNAVAILABLE);
	assert_int_equal(sql_refusal(other), SQL_CAUSE_READ_ONLY);
	store_server_sql(&at, "SET GLOBAL read_only = 0");
	sql_conn_close(&by);
	sql_close(&other);
}

/* So is a right that was taken away. */
static void
a_user_who_may_not_change_rows_refuses_changes(void **state)
{
	struct sql_options options = store_server_options(&at, MARIADB_HOST);
	struct sql_db *other;
	struct sql_conn *by;

	(void)state;
	store_server_sql(&at,
	    "CREATE OR REPLACE USER reader@'%'; GRANT SELECT, INSERT, UPDATE ON " MARIADB_DATABASE
	    ".* TO reader@'%'");
	options.user = "reader";
	options.password = "";
	store_suite_assert_ok(store_open(&other, &options, &at.error), &at.error);
	by = sql_conn_open(other);
	store_suite_assert_ok(
	    sql_check_tables(by, store_suite_soon(), &store_checks, &at.error), &at.error);
	assert_int_equal(
	    sql_check_writes(by, store_suite_soon(), &store_checks, &at.error), STATUS_INTERNAL);
	assert_non_null(strstr(at.error.detail, "DELETE command denied"));
	assert_int_equal(sql_refusal(other), SQL_CAUSE_FAILED);
	sql_conn_close(&by);
	sql_close(&other);
}

/* A table of a bounded size is full as one on a full disk is: error 1114. */
static void
a_table_without_room_refuses_changes(void **state)
{
	struct store_write write = store_suite_create("full", NULL);
	enum status_code code;

	(void)state;
	store_server_sql(&at, "SET max_heap_table_size = 16384; ALTER TABLE user ENGINE = MEMORY");
	for (int i = 0; i < 100 && (code = store_server_write(
					&at, store_suite_soon(), &write, 1)) == STATUS_OK;
	     i++) {
	}
	assert_int_equal(code, STATUS_UNAVAILABLE);
	assert_non_null(strstr(at.error.detail, "1114"));
	assert_int_equal(sql_refusal(at.store), SQL_CAUSE_FULL);
	assert_true(store_suite_count(at.conn) > 0);
	store_server_sql(&at, "ALTER TABLE user ENGINE = InnoDB");
	store_suite_created(at.conn, "room", "room@x");
	assert_int_equal(sql_refusal(at.store), SQL_CAUSE_NONE);
}

/* A statement that the server refuses leaves the connection as it was. */
static void
a_refused_statement_is_told_to_the_log_alone(void **state)
{
	struct store_write write = store_suite_create("a", "a@x");

	(void)state;
	store_server_sql(&at, "ALTER TABLE user RENAME COLUMN role TO roll");
	assert_int_equal(store_server_write(&at, store_suite_soon(), &write, 1), STATUS_INTERNAL);
	assert_string_equal(at.error.reason, "STORE_FAILED");
	assert_null(strstr(at.error.message, "role"));
	assert_non_null(strstr(at.error.detail, "role"));
	store_server_sql(&at, "ALTER TABLE user RENAME COLUMN roll TO role");
	store_suite_assert_ok(store_server_write(&at, store_suite_soon(), &write, 1), &at.error);
}

/* Columns that somebody has widened since hold more than our own statements would put there. */
static void
what_a_changed_column_holds_is_read(void **state)
{
	const struct store_filter filter = {.role = USER_ROLE_NONE, .email = "a@x"};
	int64_t id = store_suite_created(at.conn, "a", "a@x");
	struct arena *arena = arena_new(0);
	struct user user, *rows;
	size_t count;

	(void)state;
	store_server_sql(&at, "ALTER TABLE user MODIFY name MEDIUMTEXT, MODIFY role BIGINT;"
			      "UPDATE user SET name = REPEAT('n', 100000), role = 4294967296");
	store_suite_assert_ok(store_user_list(at.conn, store_suite_soon(), &filter, 0, 10, arena,
				  &rows, &count, &at.error),
	    &at.error);
	assert_int_equal(count, 1);
	assert_int_equal(strlen(rows[0].name), 100000);
	assert_int_equal(strspn(rows[0].name, "n"), 100000);
	assert_string_equal(rows[0].email, "a@x");
	assert_int_equal(rows[0].role, USER_ROLE_RESTRICTED);
	store_server_sql(&at, "UPDATE user SET name = NULL, accountID = NULL");
	store_suite_assert_ok(
	    store_user_get(at.conn, store_suite_soon(), &id, 1, arena, &user, &at.error),
	    &at.error);
	assert_string_equal(user.name, "");
	assert_int_equal(user.role, USER_ROLE_RESTRICTED);
	store_server_sql(&at, "DELETE FROM user; ALTER TABLE user MODIFY role INT, MODIFY name "
			      "VARCHAR(255) COLLATE utf8mb4_bin NOT NULL");
	arena_free(&arena);
}

#define TEST_MANY 300

/* The connection is made while the server takes so little. */
static void
test_reconnect_with_packets_of(unsigned bytes)
{
	char sql[96];

	sql_conn_close(&at.conn);
	snprintf(sql, sizeof(sql), "SET GLOBAL max_allowed_packet = %u", bytes);
	store_server_sql(&at, sql);
	at.conn = sql_conn_open(at.store);
	store_suite_assert_ok(sql_ping(at.conn, store_suite_soon(), &at.error), &at.error);
	store_server_sql(&at, "SET GLOBAL max_allowed_packet = DEFAULT");
}

static void
statements_are_as_long_as_the_server_takes(void **state)
{
	static struct store_write writes[TEST_MANY];
	static char names[TEST_MANY][256], emails[TEST_MANY][32];
	struct arena *arena = arena_new(0);
	struct user users[TEST_MANY];
	int64_t ids[TEST_MANY];

	(void)state;
	test_reconnect_with_packets_of(4096);
	for (int i = 0; i < TEST_MANY; i++) {
		memset(names[i], 'n', i % 256);
		snprintf(emails[i], sizeof(emails[i]), "u%d@x", i == 77 ? 76 : i);
		writes[i] = store_suite_create(names[i], emails[i]);
	}
	store_suite_assert_ok(
	    store_server_write(&at, store_suite_soon(), writes, TEST_MANY), &at.error);
	for (int i = 0; i < TEST_MANY; i++) {
		assert_int_equal(writes[i].outcome, i == 77 ? STORE_DUPLICATE : STORE_DONE);
		ids[i] = writes[i].user.id;
		writes[i].verb = STORE_DELETE;
	}
	test_reconnect_with_packets_of(1024);
	store_suite_assert_ok(
	    store_user_get(at.conn, store_suite_soon(), ids, TEST_MANY, arena, users, &at.error),
	    &at.error);
	for (int i = 0; i < TEST_MANY; i++) {
		assert_int_equal(users[i].id, ids[i]);
		assert_true(i == 77 || strlen(users[i].name) == (size_t)i % 256);
	}
	store_suite_assert_ok(
	    store_server_write(&at, store_suite_soon(), writes, TEST_MANY), &at.error);
	assert_int_equal(store_suite_count(at.conn), 0);
	arena_free(&arena);
}

/* It is told before it is sent, so that nothing is unknown and the connection stays. */
static void
a_row_that_no_statement_takes_is_refused(void **state)
{
	char name[256 * 4 + 1] = "";
	struct store_write write = store_suite_create(name, "a@x");

	(void)state;
	for (int i = 0; i < 255; i++) {
		strcat(name, "\xf0\x9f\x8d\x8b");
	}
	test_reconnect_with_packets_of(1024);
	assert_int_equal(store_server_write(&at, store_suite_soon(), &write, 1), STATUS_INTERNAL);
	assert_non_null(strstr(at.error.detail, "max_allowed_packet"));
	assert_int_equal(sql_conns_in(at.store, SQL_CONN_IDLE), 1);
	test_reconnect_with_packets_of(2048);
	store_suite_assert_ok(store_server_write(&at, store_suite_soon(), &write, 1), &at.error);
}

static void
test_suite_sql(const char *sql)
{
	store_server_sql(&at, sql);
}

#define TEST_CASE(name) cmocka_unit_test_setup_teardown(name, test_setup, test_teardown)

int
main(void)
{
	const struct CMUnitTest cases[] = {
	    TEST_CASE(it_is_not_embedded),
	    TEST_CASE(replacing_without_a_password_keeps_it),
	    TEST_CASE(ids_are_right_where_the_server_gives_every_third),
	    TEST_CASE(the_first_host_that_answers_is_used),
	    TEST_CASE(a_host_that_can_not_be_is_told_at_once),
	    TEST_CASE(a_wrong_password_is_told_to_the_log_alone),
	    TEST_CASE(a_read_only_server_takes_no_write_until_it_does),
	    TEST_CASE(a_server_that_became_read_only_refuses_changes),
	    TEST_CASE(a_user_who_may_not_change_rows_refuses_changes),
	    TEST_CASE(a_table_without_room_refuses_changes),
	    TEST_CASE(a_write_goes_on_to_the_host_that_takes_it),
	    TEST_CASE(a_refused_statement_is_told_to_the_log_alone),
	    TEST_CASE(what_a_changed_column_holds_is_read),
	    TEST_CASE(statements_are_as_long_as_the_server_takes),
	    TEST_CASE(a_row_that_no_statement_takes_is_refused),
	};
	struct store_suite suite = {.sql = test_suite_sql};
	int failed;

	if (!mariadb_start(&at.mariadb)) {
		mariadb_stop(&at.mariadb);
		return 1;
	}
	suite.options = store_server_options(&at, MARIADB_HOST);
	failed = store_suite_run(&suite);
	failed += cmocka_run_group_tests_name("mysql", cases, NULL, NULL);
	mariadb_stop(&at.mariadb);
	return failed != 0;
}
