/*
 * What every store must do, whichever it is: run by store_sqlite_test.c and
 * store_mysql_test.c.
 */
#ifndef TESTS_STORE_SUITE_H
#define TESTS_STORE_SUITE_H

#include <stdbool.h>
#include <stdint.h>

#include "common/base/clock.h"
#include "common/base/status.h"
#include "tests/user_store.h"

struct store_suite {
	struct sql_options options;   /* of a store that may be emptied and is nobody else's */
	void (*sql)(const char *sql); /* runs SQL behind the store's back */
};

/* Runs all cases; the number of those that failed. */
int store_suite_run(const struct store_suite *suite);

/* The parts of it. */
int store_suite_run_reads(const struct store_suite *suite);
int store_suite_run_writes(const struct store_suite *suite);
int store_suite_run_shared(const struct store_suite *suite);
int store_suite_run_checks(const struct store_suite *suite);

/* What a case works with: an empty store and a connection to it. */
struct store_fixture {
	const struct store_suite *suite; /* set before the rest is opened */
	struct sql_db *store;
	struct sql_conn *conn;
	struct arena *arena;
	struct error error;
};

/* Opens, migrates and empties the store; each fails the test when it can't. */
void store_fixture_open(struct store_fixture *at);
void store_fixture_close(struct store_fixture *at);

/* The same around a case whose state is the fixture. */
int store_fixture_setup(void **state);
int store_fixture_teardown(void **state);

#define STORE_FIXTURE_CASE(name, at)                                                               \
	cmocka_unit_test_prestate_setup_teardown(                                                  \
	    name, store_fixture_setup, store_fixture_teardown, at)

/* Writes or reads on the connection of at, which must succeed. Rows are in its arena. */
enum store_outcome store_fixture_write(struct store_fixture *at, struct store_write write);
void store_fixture_write_all(struct store_fixture *at, struct store_write *writes, size_t count);
struct user store_fixture_get(struct store_fixture *at, int64_t id);
size_t store_fixture_list(struct store_fixture *at, const struct store_filter *filter,
    int64_t after_id, size_t limit, struct user **rows);

/* The filter that lets every user through. */
extern const struct store_filter store_suite_everybody;

/* A deadline far enough for anything. */
int64_t store_suite_soon(void);

/* A stand-in for password hashing: "$argon2id$" and the password. Closure: NULL. */
bool store_suite_hash(const char *password, char *out, void *closure);

/* Opens and migrates; fails the test when that fails. */
struct sql_db *store_suite_open(const struct sql_options *options);

/* Fails the test, with what error says, unless code is STATUS_OK. */
void store_suite_assert_ok(enum status_code code, const struct error *error);

/* A write that creates, deletes or replaces a user of account 1. Strings are borrowed. */
struct store_write store_suite_create(const char *name, const char *email);
struct store_write store_suite_delete(int64_t id);
struct store_write store_suite_replace(int64_t id, const char *name, const char *email);

/* Creates one user, which must succeed, and gives its id. */
int64_t store_suite_created(struct sql_conn *conn, const char *name, const char *email);

/* Number of users with an id over 0. */
size_t store_suite_count(struct sql_conn *conn);

#endif
