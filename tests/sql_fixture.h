/*
 * For tests of common/sql: an empty database with two tables, thing and
 * setting, on SQLite and on a private MariaDB.
 */
#ifndef TESTS_SQL_FIXTURE_H
#define TESTS_SQL_FIXTURE_H

#include "common/sql/sql.h"
#include "common/sql/sql_migrate.h"
#include "tests/mariadb.h"

/* What a case works with. Zeroed when the database is opened. */
struct sql_fixture {
	struct sql_db *db;
	struct sql_conn *conn;
	struct error error;
};

extern struct sql_fixture at;
extern struct mariadb sql_fixture_mariadb;
extern const struct sql_schema sql_fixture_schema;

/* Runs cases on SQLite and then on MariaDB; gives what main returns. */
int sql_fixture_main(int (*run)(const char *name));

/* Set-up and tear-down of a case. */
int sql_fixture_open(void **state);
int sql_fixture_close(void **state);

/* Empties table thing. */
void sql_fixture_empty(void);

/* A deadline far enough for anything. */
int64_t sql_fixture_soon(void);

/* Fails the test, with what the error says, if the status is another. */
void sql_fixture_expect(enum status_code code, enum status_code wanted);

/* Runs a step; the error is at.error. */
enum status_code sql_fixture_run(
    enum sql_end (*step)(struct sql_conn *conn, void *call), void *call);

/* The number of rows in table thing. */
int64_t sql_fixture_count(void);

/* Inserts things with the numbers from 0 to 4; a step. */
enum sql_end sql_fixture_fill(struct sql_conn *conn, void *call);

#endif
