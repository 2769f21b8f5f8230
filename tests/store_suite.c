#include "tests/store_suite.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "common/base/arena.h"

#define SUITE_SOON_S 60

int64_t
store_suite_soon(void)
{
	return clock_now_ns() + SUITE_SOON_S * 1000 * CLOCK_NS_PER_MS;
}

bool
store_suite_hash(const char *password, char *out, void *closure)
{
	(void)closure;
	snprintf(out, 128, "$argon2id$%.100s", password);
	return true;
}

void
store_suite_assert_ok(enum status_code code, const struct error *failure)
{
	if (code != STATUS_OK) {
		print_error("%s %s: %s (%s)\n", status_name(code), failure->reason,
		    failure->message, failure->detail);
	}
	assert_int_equal(code, STATUS_OK);
}

struct sql_db *
store_suite_open(const struct sql_options *options)
{
	struct error failure = {.code = STATUS_OK};
	struct sql_db *opened = NULL;

	store_suite_assert_ok(store_open(&opened, options, &failure), &failure);
	store_suite_assert_ok(
	    store_migrate(opened, NULL, store_suite_hash, NULL, &failure), &failure);
	return opened;
}

struct store_write
store_suite_create(const char *name, const char *email)
{
	return (struct store_write){.verb = STORE_CREATE,
	    .user = {.account_id = 1,
		.name = name,
		.email = email,
		.role = USER_ROLE_ADMIN,
		.password_hash = "$argon2id$hash"}};
}

struct store_write
store_suite_delete(int64_t id)
{
	return (struct store_write){.verb = STORE_DELETE, .user = {.id = id}};
}

struct store_write
store_suite_replace(int64_t id, const char *name, const char *email)
{
	struct store_write write = store_suite_create(name, email);

	write.verb = STORE_REPLACE;
	write.user.id = id;
	return write;
}

int64_t
store_suite_created(struct sql_conn *by, const char *name, const char *email)
{
	struct store_write write = store_suite_create(name, email);
	struct error error = {.code = STATUS_OK};

	store_suite_assert_ok(store_user_write(by, store_suite_soon(), &write, 1, &error), &error);
	assert_int_equal(write.outcome, STORE_DONE);
	assert_true(write.user.id > 0);
	return write.user.id;
}

size_t
store_suite_count(struct sql_conn *by)
{
	const struct store_filter everybody = {.role = USER_ROLE_NONE};
	struct error error = {.code = STATUS_OK};
	struct arena *mine = arena_new(0);
	struct user *rows;
	size_t count = 0;

	store_suite_assert_ok(store_user_list(by, store_suite_soon(), &everybody, 0, 1000000, mine,
				  &rows, &count, &error),
	    &error);
	arena_free(&mine);
	return count;
}

void
store_fixture_open(struct store_fixture *at)
{
	memset(&at->error, 0, sizeof(at->error));
	at->arena = arena_new(0);
	at->store = store_suite_open(&at->suite->options);
	at->suite->sql("DELETE FROM user;");
	at->conn = sql_conn_open(at->store);
	assert_non_null(at->conn);
}

void
store_fixture_close(struct store_fixture *at)
{
	sql_conn_close(&at->conn);
	sql_close(&at->store);
	arena_free(&at->arena);
	assert_null(at->conn);
	assert_null(at->store);
}

int
store_fixture_setup(void **state)
{
	store_fixture_open(*state);
	return 0;
}

int
store_fixture_teardown(void **state)
{
	store_fixture_close(*state);
	return 0;
}

enum store_outcome
store_fixture_write(struct store_fixture *at, struct store_write write)
{
	store_fixture_write_all(at, &write, 1);
	return write.outcome;
}

void
store_fixture_write_all(struct store_fixture *at, struct store_write *writes, size_t count)
{
	store_suite_assert_ok(
	    store_user_write(at->conn, store_suite_soon(), writes, count, &at->error), &at->error);
}

struct user
store_fixture_get(struct store_fixture *at, int64_t id)
{
	struct user user;

	store_suite_assert_ok(
	    store_user_get(at->conn, store_suite_soon(), &id, 1, at->arena, &user, &at->error),
	    &at->error);
	return user;
}

const struct store_filter store_suite_everybody = {.role = USER_ROLE_NONE};

size_t
store_fixture_list(struct store_fixture *at, const struct store_filter *filter, int64_t after_id,
    size_t limit, struct user **rows)
{
	size_t count = 0;

	store_suite_assert_ok(store_user_list(at->conn, store_suite_soon(), filter, after_id, limit,
				  at->arena, rows, &count, &at->error),
	    &at->error);
	return count;
}

int
store_suite_run(const struct store_suite *suite)
{
	return store_suite_run_reads(suite) + store_suite_run_writes(suite) +
	       store_suite_run_shared(suite) + store_suite_run_checks(suite);
}
