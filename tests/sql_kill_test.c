/* What a server still does when nobody waits for it any longer. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include <cmocka.h>

#include "common/base/clock.h"
#include "common/sql/mysql_conn.h"
#include "common/sql/mysql_hosts.h"
#include "common/sql/mysql_kill.h"
#include "common/sql/mysql_login.h"
#include "common/sql/mysql_tls.h"
#include "common/sql/sql.h"
#include "tests/mariadb.h"

#define PATIENCE_MS 20000

static struct mariadb mariadb;
static struct sql_db *db;
static struct error error;

static int64_t
in_ms(int64_t ms)
{
	return clock_now_ns() + ms * CLOCK_NS_PER_MS;
}

static long
ask(const char *sql)
{
	char out[64];

	assert_true(mariadb_sql(&mariadb, MARIADB_DATABASE, sql, out, sizeof(out)));
	return strtol(out, NULL, 10);
}

/* How many connections of the service's user run a statement that contains the word. */
static long
running(const char *word)
{
	char sql[256];

	snprintf(sql, sizeof(sql),
	    "SELECT COUNT(*) FROM information_schema.processlist"
	    " WHERE user = '" MARIADB_USER "' AND info LIKE '%%%s%%'",
	    word);
	return ask(sql);
}

/* Waits until so many do; false when they do not within PATIENCE_MS. */
static bool
await_running(const char *word, long count)
{
	int64_t deadline_ns = in_ms(PATIENCE_MS);

	while (running(word) != count) {
		if (clock_left_ms(deadline_ns) == 0) {
			return false;
		}
	}
	return true;
}

static enum status_code
run(struct sql_conn *conn, int64_t deadline_ns, enum sql_end (*step)(struct sql_conn *, void *),
    void *call)
{
	const struct sql_work work = {.step = step};

	memset(&error, 0, sizeof(error));
	return sql_run(conn, deadline_ns, &work, call, &error);
}

static enum sql_end
do_text(struct sql_conn *conn, void *call)
{
	return sql_text(conn, call);
}

/* MariaDB's SLEEP notices that its client has left; what computes does not. */
#define WORK "SHA2(REPEAT('x', 1000), 512)"

/* As a statement with parameters, too, which has another way through the client. */
static enum sql_end
do_work(struct sql_conn *conn, void *call)
{
	static const char work[] = "SELECT BENCHMARK(?, " WORK ") AS prepared_work";
	const struct sql_value value = sql_int_value(INT64_C(1000000000000));

	(void)call;
	return sql_execute(conn, SQL_ONCE, work, sizeof(work) - 1, &value, 1);
}

static void
a_statement_ends_on_the_server_after_its_deadline(void **state)
{
	char work[] = "SELECT BENCHMARK(1000000000000, " WORK ") AS plain_work";
	struct sql_conn *conn = sql_conn_open(db);

	(void)state;
	assert_int_equal(run(conn, in_ms(300), do_text, work), STATUS_DEADLINE_EXCEEDED);
	assert_true(await_running("plain_work", 0));
	assert_int_equal(run(conn, in_ms(300), do_work, NULL), STATUS_DEADLINE_EXCEEDED);
	assert_true(await_running("prepared_work", 0));
	assert_int_equal(sql_ping(conn, in_ms(PATIENCE_MS), &error), STATUS_OK);
	sql_conn_close(&conn);
}

/* Nobody waits any longer once the statement runs. */
static bool
leave_when_it_runs(void *closure)
{
	return running(closure) > 0;
}

static void
a_statement_ends_when_nobody_waits_for_it(void **state)
{
	char work[] = "SELECT BENCHMARK(1000000000000, " WORK ") AS lonely_work";
	struct sql_conn *conn = sql_conn_open(db);

	(void)state;
	sql_set_nobody(conn, leave_when_it_runs, (void *)(uintptr_t) "lonely_work");
	assert_int_equal(
	    run(conn, in_ms(60 * PATIENCE_MS), do_text, work), STATUS_DEADLINE_EXCEEDED);
	sql_set_nobody(conn, NULL, NULL);
	assert_true(await_running("lonely_work", 0));
	assert_int_equal(sql_ping(conn, in_ms(PATIENCE_MS), &error), STATUS_OK);
	sql_conn_close(&conn);
}

/* Longer than a service waits for locks, so that it is not the server that gives up. */
static enum sql_end
do_patient_update(struct sql_conn *conn, void *call)
{
	enum sql_end end = sql_text(conn, "SET SESSION innodb_lock_wait_timeout = 600");

	(void)call;
	if (end == SQL_OK) {
		end = sql_begin(conn);
	}
	return end == SQL_OK ? sql_text(conn, "UPDATE thing SET number = 2") : end;
}

/* What happened while the lock was held. */
struct held {
	enum status_code code;
	bool ended;
};

/* The connection with the lock is another's, which holds it until the end. */
static enum sql_end
do_hold(struct sql_conn *conn, void *call)
{
	struct held *held = call;
	struct sql_conn *waiting = sql_conn_open(db);

	assert_int_equal(sql_text(conn, "SET SESSION idle_transaction_timeout = 600"), SQL_OK);
	assert_int_equal(sql_begin(conn), SQL_OK);
	assert_int_equal(sql_text(conn, "UPDATE thing SET number = 1"), SQL_OK);
	held->code = run(waiting, in_ms(500), do_patient_update, NULL);
	held->ended = await_running("UPDATE thing", 0);
	sql_conn_close(&waiting);
	return sql_commit(conn);
}

static void
a_statement_that_waits_for_a_row_leaves_the_queue(void **state)
{
	struct sql_conn *holder = sql_conn_open(db);
	struct held held = {STATUS_OK, false};

	(void)state;
	assert_int_equal(run(holder, in_ms(4 * PATIENCE_MS), do_hold, &held), STATUS_OK);
	assert_int_equal(held.code, STATUS_DEADLINE_EXCEEDED);
	assert_true(held.ended);
	assert_int_equal(ask("SELECT number FROM thing"), 1);
	sql_conn_close(&holder);
}

/* A connection as a store has it, and what knows its server. */
struct direct {
	struct mysql_hosts *hosts;
	struct mysql_login *login;
	struct mysql_target target;
	struct mysql_conn *conn;
	unsigned long id;
	struct mysql_place place;
};

static const struct mysql_tls plain = {SQL_TLS_OFF, "", "", ""};

/* Of what SHOW gives, in its order: as the session reads it. */
static void
read_identity(struct direct *direct)
{
	static const char show[] = "SHOW SESSION VARIABLES WHERE Variable_name IN"
				   " ('hostname', 'port', 'server_id', 'server_uid',"
				   " 'server_uuid')";
	struct mysql_place *place = &direct->place;
	struct mysql_row row;

	place->identity[0] = '\0';
	assert_int_equal(mysql_conn_query(direct->conn, show, sizeof(show) - 1), SQL_OK);
	while (mysql_conn_next_row(direct->conn, &row)) {
		size_t len = strlen(place->identity);

		snprintf(place->identity + len, sizeof(place->identity) - len, "%s=%s ",
		    row.text[0], row.text[1]);
	}
}

static void
direct_open(struct direct *direct)
{
	static const char id[] = "SELECT CONNECTION_ID()";
	struct mysql_row row;

	memset(direct, 0, sizeof(*direct));
	direct->hosts = mysql_hosts_new(MARIADB_HOST, mariadb.port, &error);
	direct->login = mysql_login_new(MARIADB_USER, MARIADB_PASSWORD);
	direct->target = (struct mysql_target){.hosts = direct->hosts,
	    .database = MARIADB_DATABASE,
	    .login = direct->login,
	    .tls = &plain,
	    .connect_timeout_ms = PATIENCE_MS};
	direct->conn = mysql_conn_new(&direct->target);
	assert_int_equal(mysql_conn_open(direct->conn, in_ms(PATIENCE_MS)), SQL_OK);
	read_identity(direct);
	direct->place.port = mariadb.port;
	snprintf(direct->place.address, sizeof(direct->place.address), "%s", MARIADB_HOST);
	assert_int_equal(mysql_conn_query(direct->conn, id, sizeof(id) - 1), SQL_OK);
	assert_true(mysql_conn_next_row(direct->conn, &row));
	direct->id = strtoul(row.text[0], NULL, 10);
}

static void
direct_close(struct direct *direct)
{
	mysql_conn_free(&direct->conn);
	mysql_login_free(&direct->login);
	mysql_hosts_free(&direct->hosts);
}

static long
is_connected(unsigned long id)
{
	char sql[128];

	snprintf(sql, sizeof(sql),
	    "SELECT COUNT(*) FROM information_schema.processlist WHERE id = %lu", id);
	return ask(sql);
}

static void
no_connection_is_killed_on_another_server(void **state)
{
	struct direct spared, killed;
	struct mysql_kill *kill;
	struct mysql_place other;
	int64_t deadline_ns = in_ms(PATIENCE_MS);

	(void)state;
	direct_open(&spared);
	direct_open(&killed);
	kill = mysql_kill_new(&spared.target);
	other = spared.place;
	snprintf(other.identity, sizeof(other.identity), "hostname=another");
	mysql_kill_ask(kill, &other, spared.id);
	mysql_kill_ask(kill, &killed.place, killed.id);
	while (is_connected(killed.id) && clock_left_ms(deadline_ns) > 0) {
	}
	assert_int_equal(is_connected(killed.id), 0);
	assert_int_equal(is_connected(spared.id), 1);
	mysql_kill_free(&kill);
	direct_close(&spared);
	direct_close(&killed);
}

/* The asking thread never waits: what is more than the queue holds is left. */
static void
a_server_that_hangs_holds_nobody_up(void **state)
{
	struct direct direct;
	struct mysql_kill *kill;

	(void)state;
	direct_open(&direct);
	kill = mysql_kill_new(&direct.target);
	mariadb_pause(&mariadb);
	for (unsigned i = 0; i < 10 * MYSQL_KILL_MAX; i++) {
		mysql_kill_ask(kill, &direct.place, direct.id);
	}
	mysql_kill_free(&kill);
	mariadb_resume(&mariadb);
	direct_close(&direct);
	assert_int_equal(running("nothing"), 0);
}

static int
open_db(void **state)
{
	const struct sql_options options = {.url = "mysql",
	    .host = MARIADB_HOST,
	    .port = mariadb.port,
	    .database = MARIADB_DATABASE,
	    .user = MARIADB_USER,
	    .password = MARIADB_PASSWORD};

	(void)state;
	assert_true(mariadb_sql(&mariadb, MARIADB_DATABASE,
	    "CREATE OR REPLACE TABLE thing (id INT PRIMARY KEY, number INT) ENGINE = InnoDB;"
	    " INSERT INTO thing VALUES (1, 0)",
	    NULL, 0));
	assert_int_equal(sql_open(&db, &options, &error), STATUS_OK);
	return 0;
}

static int
close_db(void **state)
{
	(void)state;
	sql_close(&db);
	return 0;
}

int
main(void)
{
	const struct CMUnitTest cases[] = {
#define CASE(test) cmocka_unit_test_setup_teardown(test, open_db, close_db)
	    CASE(a_statement_ends_on_the_server_after_its_deadline),
	    CASE(a_statement_ends_when_nobody_waits_for_it),
	    CASE(a_statement_that_waits_for_a_row_leaves_the_queue),
	    CASE(no_connection_is_killed_on_another_server),
	    CASE(a_server_that_hangs_holds_nobody_up),
#undef CASE
	};
	int failed;

	if (!mariadb_start(&mariadb)) {
		return 1;
	}
	failed = cmocka_run_group_tests(cases, NULL, NULL);
	mariadb_stop(&mariadb);
	return failed;
}
