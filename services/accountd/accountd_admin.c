#include "services/accountd/accountd_admin.h"

#include <stdio.h>
#include <string.h>

#include "common/base/arena.h"
#include "common/base/clock.h"
#include "common/telemetry/log.h"
#include "services/accountd/store.h"

#define SAMPLE_PASSWORD    "alksdf98423)*(&#"
#define SAMPLE_PATIENCE_NS (60000 * CLOCK_NS_PER_MS)

/* The users of the original's test data. */
static const struct user sample_users[] = {
    {.account_id = 1, .name = "mickey dolenz", .email = "mickeyd@gmail.com", .role = 1},
    {.account_id = 1, .name = "peter tork", .email = "petertd@gmail.com", .role = 2},
    {.account_id = 1, .name = "davy jones", .email = "djonesI@gmail.com", .role = 2},
    {.account_id = 1, .name = "michael nesmith", .email = "joanne@gmail.com", .role = 2},
    {.account_id = 2, .name = "mama cass", .email = "mama@gmail.com", .role = 1},
};

#define SAMPLE_COUNT (sizeof(sample_users) / sizeof(sample_users[0]))

static void
accountd_tell(const char *line)
{
	puts(line);
	fflush(stdout);
}

static void
accountd_tell_log(const char *line)
{
	log_info("migration", LOG_STR("step", line));
}

static bool
accountd_hash(const char *password, char *out, void *closure)
{
	return password_hash(password, closure, out);
}

enum status_code
accountd_migrate(
    struct sql_db *store, const struct password_cost *cost, bool told, struct error *error)
{
	struct password_cost copy = *cost;

	return store_migrate(
	    store, told ? accountd_tell : accountd_tell_log, accountd_hash, &copy, error);
}

static enum status_code
accountd_insert_sample(
    struct sql_conn *conn, const char *hash, int64_t deadline_ns, struct error *error)
{
	struct store_write writes[SAMPLE_COUNT];

	memset(writes, 0, sizeof(writes));
	for (size_t i = 0; i < SAMPLE_COUNT; i++) {
		writes[i].verb = STORE_CREATE;
		writes[i].user = sample_users[i];
		writes[i].user.password_hash = hash;
	}
	return store_user_write(conn, deadline_ns, writes, SAMPLE_COUNT, error);
}

/* True in *empty when there is no user. */
static enum status_code
accountd_is_empty(struct sql_conn *conn, int64_t deadline_ns, bool *empty, struct error *error)
{
	const struct store_filter all = {.role = -1};
	struct arena *arena = arena_new(0);
	enum status_code status;
	struct user *rows;
	size_t count = 0;

	if (arena == NULL) {
		return error_set(error, STATUS_RESOURCE_EXHAUSTED, NULL, "out of memory");
	}
	status = store_user_list(conn, deadline_ns, &all, 0, 1, arena, &rows, &count, error);
	*empty = count == 0;
	arena_free(&arena);
	return status;
}

enum status_code
accountd_load_sample(struct sql_db *store, const struct password_cost *cost, struct error *error)
{
	int64_t deadline_ns = clock_now_ns() + SAMPLE_PATIENCE_NS;
	struct sql_conn *conn = sql_conn_open(store);
	char hash[PASSWORD_HASH_BYTES];
	enum status_code status;
	bool empty = false;

	if (conn == NULL || !password_hash(SAMPLE_PASSWORD, cost, hash)) {
		sql_conn_close(&conn);
		return error_set(error, STATUS_RESOURCE_EXHAUSTED, NULL, "out of memory");
	}
	status = sql_check_schema(conn, deadline_ns, &store_schema, error);
	if (status == STATUS_OK) {
		status = accountd_is_empty(conn, deadline_ns, &empty, error);
	}
	if (status == STATUS_OK && empty) {
		status = accountd_insert_sample(conn, hash, deadline_ns, error);
	}
	if (status == STATUS_OK) {
		accountd_tell(empty ? "added 5 sample users" : "there are users already");
	}
	sql_conn_close(&conn);
	return status;
}
