#include "tests/sql_fixture.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "common/base/clock.h"

struct mariadb sql_fixture_mariadb;
struct sql_fixture at;
static struct sql_options options; /* of the database that the cases run on */

static const struct sql_migration sqlite_rows[] = {
    {1, 1, "tables",
	(const unsigned char
		*)"CREATE TABLE thing (id INTEGER PRIMARY KEY AUTOINCREMENT,"
		  " number INTEGER, real_number REAL, word TEXT UNIQUE, raw BLOB);\n"
		  "CREATE TABLE setting (name TEXT PRIMARY KEY, value BLOB NOT NULL);\n",
	NULL},
};

static const struct sql_migration mysql_rows[] = {
    {1, 1, "tables",
	(const unsigned char *)"CREATE TABLE thing (id INTEGER PRIMARY KEY AUTO_INCREMENT,"
			       " number BIGINT, real_number DOUBLE, word VARCHAR(200) UNIQUE,"
			       " raw LONGBLOB);\n"
			       "CREATE TABLE setting (name VARCHAR(64) PRIMARY KEY,"
			       " value VARBINARY(1024) NOT NULL);\n",
	NULL},
};

const struct sql_schema sql_fixture_schema = {
    .program = "thingd",
    .rows = {[SQL_MYSQL] = mysql_rows, [SQL_SQLITE] = sqlite_rows},
    .counts = {[SQL_MYSQL] = 1, [SQL_SQLITE] = 1},
};

int64_t
sql_fixture_soon(void)
{
	return clock_now_ns() + 20000 * CLOCK_NS_PER_MS;
}

void
sql_fixture_expect(enum status_code code, enum status_code wanted)
{
	if (code != wanted) {
		fail_msg(
		    "status %d, not %d: %s: %s", code, wanted, at.error.message, at.error.detail);
	}
}

int
sql_fixture_open(void **state)
{
	(void)state;
	if (options.port == 0) {
		unlink(options.url + strlen("sqlite:"));
	} else {
		assert_true(mariadb_sql(&sql_fixture_mariadb, NULL,
		    "DROP DATABASE " MARIADB_DATABASE "; CREATE DATABASE " MARIADB_DATABASE, NULL,
		    0));
	}
	memset(&at, 0, sizeof(at));
	sql_fixture_expect(sql_open(&at.db, &options, &at.error), STATUS_OK);
	sql_fixture_expect(
	    sql_migrate(at.db, &sql_fixture_schema, NULL, NULL, &at.error), STATUS_OK);
	at.conn = sql_conn_open(at.db);
	assert_non_null(at.conn);
	return 0;
}

int
sql_fixture_close(void **state)
{
	(void)state;
	sql_conn_close(&at.conn);
	sql_close(&at.db);
	return 0;
}

enum status_code
sql_fixture_run(enum sql_end (*step)(struct sql_conn *conn, void *call), void *call)
{
	const struct sql_work work = {.step = step};

	memset(&at.error, 0, sizeof(at.error));
	return sql_run(at.conn, sql_fixture_soon(), &work, call, &at.error);
}

static enum sql_end
do_count(struct sql_conn *conn, void *call)
{
	enum sql_end end = sql_text(conn, "SELECT COUNT(*) FROM thing");

	if (end == SQL_OK && sql_next(conn)) {
		*(int64_t *)call = sql_int(conn, 0);
	}
	return end;
}

int64_t
sql_fixture_count(void)
{
	int64_t count = -1;

	sql_fixture_expect(sql_fixture_run(do_count, &count), STATUS_OK);
	return count;
}

enum sql_end
sql_fixture_fill(struct sql_conn *conn, void *call)
{
	(void)call;
	return sql_text(conn, "INSERT INTO thing (number) VALUES (0), (1), (2), (3), (4)");
}

static enum sql_end
do_empty(struct sql_conn *conn, void *call)
{
	(void)call;
	return sql_text(conn, "DELETE FROM thing");
}

void
sql_fixture_empty(void)
{
	sql_fixture_expect(sql_fixture_run(do_empty, NULL), STATUS_OK);
}

int
sql_fixture_main(int (*run)(const char *name))
{
	char folder[] = "/tmp/mockvideo-sql-XXXXXX";
	char url[80];
	int failed;

	if (mkdtemp(folder) == NULL || !mariadb_start(&sql_fixture_mariadb)) {
		return 1;
	}
	snprintf(url, sizeof(url), "sqlite:%s/data.db", folder);
	options = (struct sql_options){.url = url};
	failed = run("sqlite");
	options = (struct sql_options){.url = "mysql",
	    .host = MARIADB_HOST,
	    .port = sql_fixture_mariadb.port,
	    .database = MARIADB_DATABASE,
	    .user = MARIADB_USER,
	    .password = MARIADB_PASSWORD};
	failed += run("mysql");
	mariadb_stop(&sql_fixture_mariadb);
	unlink(url + strlen("sqlite:"));
	return rmdir(folder) != 0 || failed > 0;
}
