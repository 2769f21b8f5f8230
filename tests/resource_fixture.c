#include "tests/resource_fixture.h"

#include <setjmp.h>
#include <stdarg.h>
#include <string.h>

#include <cmocka.h>

#include "common/base/arena.h"
#include "common/base/clock.h"

#define SUITE_SOON_S 60

struct resource_fixture resource_at;

int64_t
resource_soon(void)
{
	return clock_now_ns() + SUITE_SOON_S * 1000 * CLOCK_NS_PER_MS;
}

void
resource_assert_ok(enum status_code code)
{
	const struct error *error = &resource_at.error;

	if (code != STATUS_OK) {
		print_error("%s %s: %s (%s)\n", status_name(code), error->reason, error->message,
		    error->detail);
	}
	assert_int_equal(code, STATUS_OK);
}

int
resource_fixture_open(void **state)
{
	struct resource_fixture *at = &resource_at;

	(void)state;
	memset(&at->error, 0, sizeof(at->error));
	at->arena = arena_new(0);
	resource_assert_ok(sql_open(&at->db, &at->suite->options, &at->error));
	at->suite->sql("DROP TABLE IF EXISTS specimen;\n");
	at->suite->sql(specimen_tables[sql_is_embedded(at->db) ? SQL_SQLITE : SQL_MYSQL]);
	resource_assert_ok(resource_bind(&at->bound, &specimen_resource, at->db, &at->error));
	at->conn = sql_conn_open(at->db);
	assert_non_null(at->conn);
	return 0;
}

int
resource_fixture_close(void **state)
{
	struct resource_fixture *at = &resource_at;

	(void)state;
	sql_conn_close(&at->conn);
	resource_unbind(&at->bound);
	sql_close(&at->db);
	arena_free(&at->arena);
	return 0;
}

void
resource_write_all(struct resource_write *writes, size_t count)
{
	resource_assert_ok(resource_write(resource_at.bound, resource_at.conn, resource_soon(),
	    writes, count, &resource_at.error));
}

struct resource_write
resource_creation(Specimen__V1__Specimen *specimen)
{
	return (struct resource_write){.verb = RESOURCE_CREATE, .row = &specimen->base};
}

int64_t
resource_create(Specimen__V1__Specimen *specimen)
{
	struct resource_write write = resource_creation(specimen);

	resource_write_all(&write, 1);
	assert_int_equal(write.outcome, RESOURCE_DONE);
	assert_true(write.id > 0);
	return write.id;
}

const Specimen__V1__Specimen *
resource_get_specimen(int64_t id)
{
	ProtobufCMessage *row;

	resource_assert_ok(resource_get(resource_at.bound, resource_at.conn, resource_soon(), &id,
	    1, resource_at.arena, &row, &resource_at.error));
	return (const void *)row;
}
