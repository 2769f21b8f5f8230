#include "tests/user_store.h"

#include <pthread.h>
#include <stdlib.h>
#include <string.h>

#include "account/v1/user.pb-c.h"
#include "common/base/arena.h"

struct sql_checks store_checks;

/*
 * The users of each dialect; their statements have the same numbers in all
 * databases that are opened here, since they are the first.
 */
static struct resource_bound *bounds[SQL_DIALECTS];
static const char *checks_read;

static void
user_store_free(void)
{
	for (size_t i = 0; i < SQL_DIALECTS; i++) {
		resource_unbind(&bounds[i]);
	}
}

static void
user_store_set_checks(const struct resource_bound *bound)
{
	checks_read = resource_check_read(bound);
	store_checks = (struct sql_checks){
	    &checks_read, 1, resource_check_writes(bound), RESOURCE_CHECK_WRITES};
}

enum status_code
store_open(struct sql_db **store, const struct sql_options *options, struct error *error)
{
	static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
	enum status_code code = sql_open(store, options, error);
	struct resource_bound *bound = NULL;
	enum sql_dialect dialect;

	if (code != STATUS_OK) {
		return code;
	}
	pthread_mutex_lock(&lock);
	dialect = sql_is_embedded(*store) ? SQL_SQLITE : SQL_MYSQL;
	code = resource_bind(&bound, &user_resource, *store, error);
	if (code == STATUS_OK && bounds[dialect] == NULL) {
		if (bounds[SQL_MYSQL] == NULL && bounds[SQL_SQLITE] == NULL) {
			atexit(user_store_free);
		}
		bounds[dialect] = bound;
		bound = NULL;
	}
	if (bounds[dialect] != NULL) {
		user_store_set_checks(bounds[dialect]);
	}
	resource_unbind(&bound);
	pthread_mutex_unlock(&lock);
	return code;
}

enum status_code
store_migrate(struct sql_db *store, void (*tell)(const char *line),
    bool (*hash)(const char *password, char *out, void *closure), void *closure,
    struct error *error)
{
	struct accountd_adoption adoption = {.tell = tell,
	    .hash = hash,
	    .closure = closure,
	    .slots = sql_slots(store, ACCOUNTD_ADOPT_SLOTS)};

	return sql_migrate(store, &accountd_schema, tell, &adoption, error);
}

static struct user
user_of_row(const ProtobufCMessage *row)
{
	const Account__V1__User *user = (const void *)row;

	if (user == NULL) {
		return (struct user){0};
	}
	return (struct user){.id = user->id,
	    .account_id = user->account_id,
	    .name = user->name,
	    .email = user->email,
	    .role = (int32_t)user->role};
}

/* The row in arena; NULL without memory. Its strings are borrowed. */
static ProtobufCMessage *
user_to_row(const struct user *user, struct arena *arena)
{
	Account__V1__User *row = arena_alloc(arena, sizeof(*row));

	if (row == NULL) {
		return NULL;
	}
	account__v1__user__init(row);
	row->account_id = user->account_id;
	row->name = (char *)(uintptr_t)(user->name == NULL ? "" : user->name);
	row->email = (char *)(uintptr_t)(user->email == NULL ? "" : user->email);
	row->role_presence_case = ACCOUNT__V1__USER__ROLE_PRESENCE_ROLE;
	row->role = (Account__V1__Role)user->role;
	return &row->base;
}

static struct resource_bound *
user_store_bound(struct sql_conn *conn)
{
	return bounds[sql_dialect(conn)];
}

enum status_code
store_user_get(struct sql_conn *conn, int64_t deadline_ns, const int64_t *ids, size_t count,
    struct arena *arena, struct user *users, struct error *error)
{
	ProtobufCMessage **rows = calloc(count + 1, sizeof(ProtobufCMessage *));
	enum status_code code =
	    resource_get(user_store_bound(conn), conn, deadline_ns, ids, count, arena, rows, error);

	for (size_t i = 0; i < count; i++) {
		users[i] = user_of_row(code == STATUS_OK ? rows[i] : NULL);
	}
	free(rows);
	return code;
}

/* In the order of user_resource.filters. */
static void
user_store_filters(const struct store_filter *filter, struct resource_filter_value *values)
{
	values[0] = (struct resource_filter_value){
	    .given = filter->account_id != 0, .number = filter->account_id};
	values[1] =
	    (struct resource_filter_value){.given = filter->email != NULL, .text = filter->email};
	values[2] = (struct resource_filter_value){
	    .given = filter->role != USER_ROLE_NONE, .number = filter->role};
	values[3] = (struct resource_filter_value){
	    .given = filter->name_prefix != NULL, .text = filter->name_prefix};
}

enum status_code
store_user_list(struct sql_conn *conn, int64_t deadline_ns, const struct store_filter *filter,
    int64_t after_id, size_t limit, struct arena *arena, struct user **users, size_t *count,
    struct error *error)
{
	struct resource_filter_value values[RESOURCE_FILTERS_MAX] = {{0}};
	ProtobufCMessage **rows;
	enum status_code code;

	user_store_filters(filter, values);
	code = resource_list(user_store_bound(conn), conn, deadline_ns, values, after_id, limit,
	    arena, &rows, count, error);
	*users = arena_calloc(arena, *count, sizeof(**users));
	for (size_t i = 0; i < *count && *users != NULL; i++) {
		(*users)[i] = user_of_row(rows[i]);
	}
	return code == STATUS_OK && *users == NULL ? sql_error_memory(error) : code;
}

static void
user_store_take_outcomes(
    struct store_write *writes, const struct resource_write *done, size_t count)
{
	for (size_t i = 0; i < count; i++) {
		writes[i].outcome = (enum store_outcome)done[i].outcome;
		writes[i].user.id = done[i].id;
	}
}

enum status_code
store_user_write(struct sql_conn *conn, int64_t deadline_ns, struct store_write *writes,
    size_t count, struct error *error)
{
	struct arena *arena = arena_new(0);
	struct resource_write *todo = arena_calloc(arena, count, sizeof(*todo));
	enum status_code code;

	for (size_t i = 0; i < count; i++) {
		todo[i] = (struct resource_write){.verb = (enum resource_verb)writes[i].verb,
		    .id = writes[i].user.id,
		    .row =
			writes[i].verb == STORE_DELETE ? NULL : user_to_row(&writes[i].user, arena),
		    .secret = writes[i].user.password_hash};
	}
	code = resource_write(user_store_bound(conn), conn, deadline_ns, todo, count, error);
	user_store_take_outcomes(writes, todo, count);
	arena_free(&arena);
	return code;
}
