/* For tests of common/resource: an empty table of specimens in a database, and a connection to it. */
#ifndef TESTS_RESOURCE_FIXTURE_H
#define TESTS_RESOURCE_FIXTURE_H

#include "common/resource/resource_job.h"
#include "tests/resource_suite.h"
#include "tests/specimen.h"

/* What a case works with. */
struct resource_fixture {
	const struct resource_suite *suite; /* set before the rest is opened */
	struct sql_db *db;
	struct sql_conn *conn;
	struct resource_bound *bound;
	struct arena *arena;
	struct error error;
};

extern struct resource_fixture resource_at;

/* For cmocka; each fails the test when it can't. */
int resource_fixture_open(void **state);
int resource_fixture_close(void **state);

/* A deadline far enough for anything. */
int64_t resource_soon(void);

/* Fails the test, with what resource_at.error says, unless code is STATUS_OK. */
void resource_assert_ok(enum status_code code);

/* Does writes in one transaction, which must be committed. */
void resource_write_all(struct resource_write *writes, size_t count);

/* A write that creates the specimen; and does so: gives its id. */
struct resource_write resource_creation(Specimen__V1__Specimen *specimen);
int64_t resource_create(Specimen__V1__Specimen *specimen);

/* The specimen with the id; NULL: there is none. */
const Specimen__V1__Specimen *resource_get_specimen(int64_t id);

#endif
