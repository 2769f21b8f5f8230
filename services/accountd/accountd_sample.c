#include "services/accountd/accountd_sample.h"

#include <string.h>

#include "common/base/arena.h"
#include "services/accountd/store.h"
#include "services/accountd/user_service.h"

#define SAMPLE_PASSWORD "alksdf98423)*(&#"

static const struct user sample_users[] = {
    {.account_id = 1, .name = "mickey dolenz", .email = "mickeyd@gmail.com", .role = 1},
    {.account_id = 1, .name = "peter tork", .email = "petertd@gmail.com", .role = 2},
    {.account_id = 1, .name = "davy jones", .email = "djonesI@gmail.com", .role = 2},
    {.account_id = 1, .name = "michael nesmith", .email = "joanne@gmail.com", .role = 2},
    {.account_id = 2, .name = "mama cass", .email = "mama@gmail.com", .role = 1},
};

#define SAMPLE_COUNT (sizeof(sample_users) / sizeof(sample_users[0]))

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
accountd_load_sample(struct service_process *process, struct sql_conn *conn, int64_t deadline_ns,
    const char **told, struct error *error)
{
	const struct password_cost cost = user_service_cost(service_process_conf(process));
	char hash[PASSWORD_HASH_BYTES];
	enum status_code status;
	bool empty = false;

	if (!password_hash(SAMPLE_PASSWORD, &cost, hash)) {
		return error_set(error, STATUS_RESOURCE_EXHAUSTED, NULL, "out of memory");
	}
	status = accountd_is_empty(conn, deadline_ns, &empty, error);
	if (status == STATUS_OK && empty) {
		status = accountd_insert_sample(conn, hash, deadline_ns, error);
	}
	*told = empty ? "added 5 sample users" : "there are users already";
	return status;
}
