/* Writing users. */
#include <string.h>

#include "common/base/arena.h"
#include "common/base/buf.h"
#include "services/accountd/user_store.h"

#define USER_STORE_VALUES 6 /* of a row */

struct user_store_batch {
	struct store_write *writes;
	size_t count;
	char **keys;
};

enum store_operation
store_operation_of(enum store_verb verb)
{
	switch (verb) {
	case STORE_CREATE: return STORE_OPERATION_CREATE;
	case STORE_REPLACE: return STORE_OPERATION_REPLACE;
	case STORE_DELETE: break;
	}
	return STORE_OPERATION_DELETE;
}

/* Clears outcomes and assigned ids, before writes are done (again). */
static void
user_store_reset(struct store_write *writes, size_t count)
{
	for (size_t i = 0; i < count; i++) {
		writes[i].outcome = STORE_DONE;
		if (writes[i].verb == STORE_CREATE) {
			writes[i].user.id = 0;
		}
	}
}

/*
 * The email key of each write, NULL for those without an address, in arena.
 * NULL without memory or when an address is no UTF-8.
 */
static char **
user_store_keys(const struct store_write *writes, size_t count, struct arena *arena)
{
	char **keys = arena_calloc(arena, count, sizeof(*keys));

	for (size_t i = 0; keys != NULL && i < count; i++) {
		const struct store_write *write = &writes[i];

		if (write->verb == STORE_DELETE || write->user.email == NULL) {
			continue;
		}
		keys[i] = user_email_key(write->user.email, arena);
		if (keys[i] == NULL) {
			return NULL;
		}
	}
	return keys;
}

/* A deletion, and a user that was refused as a duplicate, may have changed nothing at all. */
static bool
user_store_has_changed(const struct user_store_batch *batch)
{
	for (size_t i = 0; i < batch->count; i++) {
		if (batch->writes[i].verb != STORE_DELETE &&
		    batch->writes[i].outcome == STORE_DONE) {
			return true;
		}
	}
	return false;
}

/* accountID, name, email, emailKey, role, password: in the order of both statements. */
static void
user_store_values(const struct user *user, const char *key, struct sql_value *values)
{
	values[0] = sql_int_value(user->account_id);
	values[1] = sql_text_value(user->name == NULL ? "" : user->name);
	values[2] = sql_text_value(user->email);
	values[3] = sql_bytes_value(key, key == NULL ? 0 : strlen(key));
	values[4] = sql_int_value(user->role);
	values[5] = sql_text_value(user->password_hash);
}

/* An INSERT of so many rows, a power of two; gives the slot where it stays prepared. */
static unsigned
user_store_put_insert(struct buf *sql, size_t rows)
{
	buf_reset(sql);
	buf_puts(sql, "INSERT INTO user (accountID, name, email, emailKey, role, password) VALUES "
		      "(?,?,?,?,?,?)");
	for (size_t i = 1; i < rows; i++) {
		buf_puts(sql, ",(?,?,?,?,?,?)");
	}
	return USER_STORE_INSERT + (unsigned)__builtin_ctzl(rows);
}

/* The id of the row with a key that was inserted just now, in the same transaction. */
static enum sql_end
user_store_find_id(struct sql_conn *conn, const char *key, uint64_t *id)
{
	static const char select[] = "SELECT id FROM user WHERE emailKey = ?";
	const struct sql_value value = sql_bytes_value(key, strlen(key));
	enum sql_end end = sql_execute(conn, USER_STORE_ID, select, sizeof(select) - 1, &value, 1);

	if (end != SQL_OK) {
		return end;
	}
	if (!sql_next(conn)) {
		return sql_cut(conn);
	}
	*id = (uint64_t)sql_int(conn, 0);
	return SQL_OK;
}

/*
 * Gives the rows of the last statement their ids, which are in a row, a step
 * apart. Where the step changes while connections live, the last row tells it.
 */
static enum sql_end
user_store_take_ids(
    struct sql_conn *conn, struct user_store_batch *batch, size_t first, size_t count)
{
	uint64_t first_id = sql_insert_id(conn);
	uint64_t step = sql_id_step(conn);
	uint64_t last_id = first_id + (count - 1) * step;
	enum sql_end end = SQL_OK;

	if (count > 1 && sql_id_step_varies(conn)) {
		end = user_store_find_id(conn, batch->keys[first + count - 1], &last_id);
		step = (last_id - first_id) / (count - 1);
	}
	for (size_t i = 0; end == SQL_OK && i < count; i++) {
		batch->writes[first + i].user.id = (int64_t)(first_id + i * step);
	}
	return end;
}

/* *split: nothing was done, as the rows are too many for the server or one is a duplicate. */
static enum sql_end
user_store_insert(
    struct sql_conn *conn, struct user_store_batch *batch, size_t first, size_t count, bool *split)
{
	struct sql_value values[USER_STORE_INSERT_MAX * USER_STORE_VALUES];
	size_t value_count = count * USER_STORE_VALUES;
	struct buf *sql = sql_buf(conn);
	unsigned slot = user_store_put_insert(sql, count);
	enum sql_end end;

	for (size_t i = 0; i < count; i++) {
		struct sql_value *row = &values[i * USER_STORE_VALUES];
		const struct user *user = &batch->writes[first + i].user;

		user_store_values(user, batch->keys[first + i], row);
		if (user->password_hash == NULL) {
			row[5] = sql_text_value(STORE_PASSWORD_UNUSABLE);
		}
	}
	*split = count > 1 && !sql_execute_fits(conn, sql->len, values, value_count);
	if (*split) {
		return SQL_OK;
	}
	end = sql_execute(conn, slot, sql->data, sql->len, values, value_count);
	*split = count > 1 && end == SQL_DUPLICATE;
	return end == SQL_OK ? user_store_take_ids(conn, batch, first, count) : end;
}

/* Inserts a power of two of rows; if that can't be done at once, each half by itself. */
static enum sql_end
user_store_create(struct sql_conn *conn, struct user_store_batch *batch, size_t first, size_t count)
{
	bool split = false;
	enum sql_end end = user_store_insert(conn, batch, first, count, &split);

	if (split) {
		end = user_store_create(conn, batch, first, count / 2);
		if (end == SQL_OK) {
			end = user_store_create(conn, batch, first + count / 2, count / 2);
		}
	} else if (end == SQL_DUPLICATE) {
		batch->writes[first].outcome = STORE_DUPLICATE;
		end = SQL_OK;
	}
	return end;
}

static enum sql_end
user_store_replace(struct sql_conn *conn, struct user_store_batch *batch, size_t at)
{
	static const char update[] = "UPDATE user SET accountID = ?, name = ?, email = ?, "
				     "emailKey = ?, role = ?, password = COALESCE(?, password) "
				     "WHERE id = ?";
	struct store_write *write = &batch->writes[at];
	struct sql_value values[USER_STORE_VALUES + 1];
	enum sql_end end;

	user_store_values(&write->user, batch->keys[at], values);
	values[USER_STORE_VALUES] = sql_int_value(write->user.id);
	end = sql_execute(
	    conn, USER_STORE_REPLACE, update, sizeof(update) - 1, values, USER_STORE_VALUES + 1);
	if (end == SQL_DUPLICATE) {
		write->outcome = STORE_DUPLICATE;
		return SQL_OK;
	}
	if (end == SQL_OK && sql_affected(conn) == 0) {
		write->outcome = STORE_NOT_FOUND;
	}
	return end;
}

static enum sql_end
user_store_delete_one(struct sql_conn *conn, int64_t id)
{
	static const char delete[] = "DELETE FROM user WHERE id = ?";
	const struct sql_value value = sql_int_value(id);

	return sql_execute(conn, USER_STORE_DELETE, delete, sizeof(delete) - 1, &value, 1);
}

static enum sql_end
user_store_delete(struct sql_conn *conn, struct user_store_batch *batch, size_t first, size_t count)
{
	int64_t ids[SQL_IDS_MAX];
	enum sql_end end = SQL_OK;

	if (sql_dialect(conn) == SQL_SQLITE) {
		return user_store_delete_one(conn, batch->writes[first].user.id);
	}
	for (size_t i = 0; i < count; i++) {
		ids[i] = batch->writes[first + i].user.id;
	}
	for (size_t at = 0; at < count && end == SQL_OK;) {
		buf_reset(sql_buf(conn));
		buf_puts(sql_buf(conn), "DELETE FROM user WHERE id IN ");
		at += sql_put_ids(conn, &ids[at], count - at);
		end = sql_built(conn);
	}
	return end;
}

/* How many writes of a verb a statement takes. A file gains nothing by more than one. */
static size_t
user_store_run_max(const struct sql_conn *conn, enum store_verb verb)
{
	if (sql_dialect(conn) == SQL_SQLITE) {
		return 1;
	}
	switch (verb) {
	case STORE_CREATE: return USER_STORE_INSERT_MAX;
	case STORE_REPLACE: return 1;
	case STORE_DELETE: break;
	}
	return SQL_IDS_MAX;
}

/* How many writes of one verb follow from first on, as many as a statement takes. */
static size_t
user_store_run_length(
    const struct sql_conn *conn, const struct user_store_batch *batch, size_t first)
{
	enum store_verb verb = batch->writes[first].verb;
	size_t most = user_store_run_max(conn, verb);
	size_t len = 1;

	while (
	    len < most && first + len < batch->count && batch->writes[first + len].verb == verb) {
		len++;
	}
	if (verb == STORE_CREATE) {
		len = (size_t)1 << (63 - __builtin_clzl(len));
	}
	return len;
}

static enum sql_end
user_store_write_run(
    struct sql_conn *conn, struct user_store_batch *batch, size_t first, size_t count)
{
	switch (batch->writes[first].verb) {
	case STORE_CREATE: return user_store_create(conn, batch, first, count);
	case STORE_REPLACE: return user_store_replace(conn, batch, first);
	case STORE_DELETE: return user_store_delete(conn, batch, first, count);
	}
	return SQL_OK;
}

static enum sql_end
user_store_do_write(struct sql_conn *conn, void *call)
{
	struct user_store_batch *batch = call;
	enum sql_end end = batch->count == 1 ? sql_alone(conn) : sql_begin(conn);
	size_t len;

	user_store_reset(batch->writes, batch->count);
	for (size_t at = 0; at < batch->count && end == SQL_OK; at += len) {
		len = user_store_run_length(conn, batch, at);
		end = user_store_write_run(conn, batch, at, len);
	}
	if (end == SQL_OK && user_store_has_changed(batch)) {
		sql_changed(conn);
	}
	return end == SQL_OK ? sql_commit(conn) : end;
}

enum status_code
store_user_write(struct sql_conn *conn, int64_t deadline_ns, struct store_write *writes,
    size_t count, struct error *error)
{
	struct user_store_batch batch = {.writes = writes, .count = count};
	struct sql_work work = {
	    .resource = USER_STORE_RESOURCE, .writes = true, .step = user_store_do_write};

	if (count == 0) {
		return STATUS_OK;
	}
	for (size_t i = 0; i < count; i++) {
		work.operations |= 1u << store_operation_of(writes[i].verb);
	}
	batch.keys = user_store_keys(writes, count, sql_clear_scratch(conn));
	if (batch.keys == NULL) {
		return sql_error_failed(error, "an e-mail address has no key");
	}
	return sql_run(conn, deadline_ns, &work, &batch, error);
}
