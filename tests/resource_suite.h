/*
 * What common/resource does, on every database: run by resource_sqlite_test.c
 * and resource_mysql_test.c, for the specimen of tests/specimen.h.
 */
#ifndef TESTS_RESOURCE_SUITE_H
#define TESTS_RESOURCE_SUITE_H

#include "common/sql/sql.h"

struct resource_suite {
	struct sql_options options;   /* of a database that may be changed and is nobody else's */
	void (*sql)(const char *sql); /* runs SQL behind the engine's back */
};

/* Runs all cases; the number of those that failed. */
int resource_suite_run(const struct resource_suite *suite);

/* The part of it about updates and revisions. */
int resource_suite_run_updates(void);

#endif
