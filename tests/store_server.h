/*
 * A MariaDB of a test program's own and a store on it, for the cases of the
 * MySQL store.
 */
#ifndef TESTS_STORE_SERVER_H
#define TESTS_STORE_SERVER_H

#include "tests/mariadb.h"
#include "tests/store_suite.h"

struct store_server {
	struct mariadb mariadb;
	struct sql_db *store; /* of the case that runs, and a connection to its empty table */
	struct sql_conn *conn;
	struct error error;
};

/* Options of a store on the server by other names of its host. */
struct sql_options store_server_options(const struct store_server *at, const char *hosts);

/* Runs SQL as root in the store's database; fails the test when that fails. */
void store_server_sql(const struct store_server *at, const char *sql);

/* Opens, migrates and empties the store of a case. */
void store_server_open(struct store_server *at);

/* Closes it, and wakes or starts the server that a failed case left asleep or dead. */
void store_server_close(struct store_server *at);

/* Writes by the case's connection. */
enum status_code store_server_write(
    struct store_server *at, int64_t deadline_ns, struct store_write *writes, size_t count);

/* A deadline so many milliseconds from now. */
int64_t store_server_in_ms(int64_t ms);

#endif
