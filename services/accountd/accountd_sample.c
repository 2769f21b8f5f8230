#include "services/accountd/accountd_sample.h"

#include "account/v1/user.pb-c.h"
#include "common/base/arena.h"
#include "services/accountd/user.h"
#include "services/accountd/user_service.h"

#define SAMPLE_PASSWORD "alksdf98423)*(&#"

static const struct {
	int64_t account_id;
	const char *name, *email;
	Account__V1__Role role;
} sample_users[] = {
    {1, "mickey dolenz", "mickeyd@gmail.com", ACCOUNT__V1__ROLE__ROLE_ADMIN},
    {1, "peter tork", "petertd@gmail.com", ACCOUNT__V1__ROLE__ROLE_RESTRICTED},
    {1, "davy jones", "djonesI@gmail.com", ACCOUNT__V1__ROLE__ROLE_RESTRICTED},
    {1, "michael nesmith", "joanne@gmail.com", ACCOUNT__V1__ROLE__ROLE_RESTRICTED},
    {2, "mama cass", "mama@gmail.com", ACCOUNT__V1__ROLE__ROLE_ADMIN},
};

#define SAMPLE_COUNT (sizeof(sample_users) / sizeof(sample_users[0]))

static enum status_code
accountd_insert_sample(struct resource_bound *users, struct sql_conn *conn, const char *hash,
    int64_t deadline_ns, struct error *error)
{
	Account__V1__User rows[SAMPLE_COUNT];
	struct resource_write writes[SAMPLE_COUNT];

	for (size_t i = 0; i < SAMPLE_COUNT; i++) {
		account__v1__user__init(&rows[i]);
		rows[i].account_id = sample_users[i].account_id;
		rows[i].name = (char *)(uintptr_t)sample_users[i].name;
		rows[i].email = (char *)(uintptr_t)sample_users[i].email;
		rows[i].role_presence_case = ACCOUNT__V1__USER__ROLE_PRESENCE_ROLE;
		rows[i].role = sample_users[i].role;
		writes[i] = (struct resource_write){
		    .verb = RESOURCE_CREATE, .row = &rows[i].base, .secret = hash};
	}
	return resource_write(users, conn, deadline_ns, writes, SAMPLE_COUNT, error);
}

/* True in *empty when there is no user. */
static enum status_code
accountd_is_empty(struct resource_bound *users, struct sql_conn *conn, int64_t deadline_ns,
    bool *empty, struct error *error)
{
	static const struct resource_filter_value none[RESOURCE_FILTERS_MAX];
	struct arena *arena = arena_new(0);
	enum status_code status;
	ProtobufCMessage **rows;
	size_t count = 0;

	if (arena == NULL) {
		return error_set(error, STATUS_RESOURCE_EXHAUSTED, NULL, "out of memory");
	}
	status = resource_list(users, conn, deadline_ns, none, 0, 1, arena, &rows, &count, error);
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
	struct resource_bound *users = service_resource_bound(process, &user_resource);
	enum status_code status;
	bool empty = false;

	if (!password_hash(SAMPLE_PASSWORD, &cost, hash)) {
		return error_set(error, STATUS_RESOURCE_EXHAUSTED, NULL, "out of memory");
	}
	status = accountd_is_empty(users, conn, deadline_ns, &empty, error);
	if (status == STATUS_OK && empty) {
		status = accountd_insert_sample(users, conn, hash, deadline_ns, error);
	}
	*told = empty ? "added 5 sample users" : "there are users already";
	return status;
}
