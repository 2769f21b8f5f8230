#include <assert.h>
#include <string.h>

#include "services/accountd/store_mysql.h"

#define STORE_MYSQL_COLUMNS  6
#define STORE_MYSQL_ROWS_MAX 64

struct store_mysql_batch {
	struct store_write *writes;
	size_t count;
	char **keys;
};

static struct mysql_value
store_mysql_text_value(const char *text)
{
	if (text == NULL) {
		return (struct mysql_value){.type = MYSQL_VALUE_NULL};
	}
	return (struct mysql_value){.type = MYSQL_VALUE_TEXT, .data = text, .len = strlen(text)};
}

/* accountID, name, email, emailKey, role, password: in the order of both statements. */
static void
store_mysql_user_values(const struct user *user, const char *key, struct mysql_value *values)
{
	values[0] = (struct mysql_value){.type = MYSQL_VALUE_INT, .number = user->account_id};
	values[1] = store_mysql_text_value(user->name == NULL ? "" : user->name);
	values[2] = store_mysql_text_value(user->email);
	values[3] = store_mysql_text_value(key);
	if (key != NULL) {
		values[3].type = MYSQL_VALUE_BYTES;
	}
	values[4] = (struct mysql_value){.type = MYSQL_VALUE_INT, .number = user->role};
	values[5] = store_mysql_text_value(user->password_hash);
}

/* An INSERT of so many rows, a power of two; *slot is where it stays prepared. */
static void
store_mysql_put_insert(struct buf *sql, size_t rows, int *slot)
{
	*slot = STORE_MYSQL_INSERT + __builtin_ctzl(rows);
	buf_reset(sql);
	buf_puts(sql, "INSERT INTO user (accountID, name, email, emailKey, role, password) VALUES "
		      "(?,?,?,?,?,?)");
	for (size_t i = 1; i < rows; i++) {
		buf_puts(sql, ",(?,?,?,?,?,?)");
	}
}

/* The id of the row with a key that was inserted just now, in the same transaction. */
static enum mysql_end
store_mysql_find_id(struct store_mysql_conn *conn, const char *key, uint64_t *id)
{
	static const char select[] = "SELECT id FROM user WHERE emailKey = ?";
	struct mysql_value value = {.type = MYSQL_VALUE_BYTES, .data = key, .len = strlen(key)};
	struct mysql_row row;
	enum mysql_end end =
	    mysql_conn_execute(conn->db, STORE_MYSQL_ID, select, sizeof(select) - 1, &value, 1);

	if (end != MYSQL_END_OK) {
		return end;
	}
	if (!mysql_conn_next_row(conn->db, &row)) {
		return store_mysql_cut(conn);
	}
	*id = (uint64_t)store_mysql_number(&row, 0);
	return MYSQL_END_OK;
}

/*
 * Gives the rows of the last statement their ids, which are in a row, a step
 * apart. Where the step changes while connections live, the last row tells it.
 */
static enum mysql_end
store_mysql_take_ids(
    struct store_mysql_conn *conn, struct store_mysql_batch *batch, size_t first, size_t count)
{
	uint64_t first_id = mysql_conn_insert_id(conn->db);
	uint64_t step = mysql_conn_id_step(conn->db);
	uint64_t last_id = first_id + (count - 1) * step;
	enum mysql_end end = MYSQL_END_OK;

	if (count > 1 && mysql_conn_id_step_varies(conn->db)) {
		end = store_mysql_find_id(conn, batch->keys[first + count - 1], &last_id);
		step = (last_id - first_id) / (count - 1);
	}
	for (size_t i = 0; end == MYSQL_END_OK && i < count; i++) {
		batch->writes[first + i].user.id = (int64_t)(first_id + i * step);
	}
	return end;
}

/* *split: nothing was done, as the rows are too many for the server or one is a duplicate. */
static enum mysql_end
store_mysql_insert_rows(struct store_mysql_conn *conn, struct store_mysql_batch *batch,
    size_t first, size_t count, bool *split)
{
	struct mysql_value values[STORE_MYSQL_ROWS_MAX * STORE_MYSQL_COLUMNS];
	size_t value_count = count * STORE_MYSQL_COLUMNS;
	enum mysql_end end;
	int slot;

	for (size_t i = 0; i < count; i++) {
		struct mysql_value *row = &values[i * STORE_MYSQL_COLUMNS];
		const struct user *user = &batch->writes[first + i].user;

		store_mysql_user_values(user, batch->keys[first + i], row);
		if (user->password_hash == NULL) {
			row[5] = store_mysql_text_value(STORE_PASSWORD_UNUSABLE);
		}
	}
	store_mysql_put_insert(&conn->sql, count, &slot);
	if (conn->sql.failed) {
		return store_mysql_no_memory(conn);
	}
	*split = count > 1 && !mysql_conn_fits(conn->db,
				  mysql_conn_execute_bytes(conn->sql.len, values, value_count));
	if (*split) {
		return MYSQL_END_OK;
	}
	end =
	    mysql_conn_execute(conn->db, slot, conn->sql.data, conn->sql.len, values, value_count);
	*split = count > 1 && end == MYSQL_END_DUPLICATE;
	return end == MYSQL_END_OK ? store_mysql_take_ids(conn, batch, first, count) : end;
}

/* Inserts a power of two of rows; if that can't be done at once, each half by itself. */
static enum mysql_end
store_mysql_create(
    struct store_mysql_conn *conn, struct store_mysql_batch *batch, size_t first, size_t count)
{
	bool split = false;
	enum mysql_end end = store_mysql_insert_rows(conn, batch, first, count, &split);

	if (split) {
		end = store_mysql_create(conn, batch, first, count / 2);
		if (end == MYSQL_END_OK) {
			end = store_mysql_create(conn, batch, first + count / 2, count / 2);
		}
	} else if (end == MYSQL_END_DUPLICATE) {
		batch->writes[first].outcome = STORE_DUPLICATE;
		end = MYSQL_END_OK;
	}
	return end;
}

static enum mysql_end
store_mysql_replace(struct store_mysql_conn *conn, struct store_mysql_batch *batch, size_t at)
{
	static const char update[] = "UPDATE user SET accountID = ?, name = ?, email = ?, "
				     "emailKey = ?, role = ?, password = COALESCE(?, password) "
				     "WHERE id = ?";
	struct store_write *write = &batch->writes[at];
	struct mysql_value values[STORE_MYSQL_COLUMNS + 1];
	enum mysql_end end;

	store_mysql_user_values(&write->user, batch->keys[at], values);
	values[STORE_MYSQL_COLUMNS] =
	    (struct mysql_value){.type = MYSQL_VALUE_INT, .number = write->user.id};
	end = mysql_conn_execute(conn->db, STORE_MYSQL_REPLACE, update, sizeof(update) - 1, values,
	    STORE_MYSQL_COLUMNS + 1);
	if (end == MYSQL_END_DUPLICATE) {
		write->outcome = STORE_DUPLICATE;
		return MYSQL_END_OK;
	}
	if (end == MYSQL_END_OK && mysql_conn_affected(conn->db) == 0) {
		write->outcome = STORE_NOT_FOUND;
	}
	return end;
}

static enum mysql_end
store_mysql_delete(
    struct store_mysql_conn *conn, struct store_mysql_batch *batch, size_t first, size_t count)
{
	int64_t ids[STORE_MYSQL_IDS_MAX];
	enum mysql_end end = MYSQL_END_OK;

	for (size_t i = 0; i < count; i++) {
		ids[i] = batch->writes[first + i].user.id;
	}
	for (size_t at = 0; at < count && end == MYSQL_END_OK;) {
		buf_reset(&conn->sql);
		buf_puts(&conn->sql, "DELETE FROM user WHERE id IN ");
		at += store_mysql_put_ids(conn, &ids[at], count - at);
		end = store_mysql_built(conn);
	}
	return end;
}

/* How many writes of one verb follow from first on, as many as a statement takes. */
static size_t
store_mysql_run_length(const struct store_mysql_batch *batch, size_t first)
{
	enum store_verb verb = batch->writes[first].verb;
	size_t most = verb == STORE_CREATE   ? STORE_MYSQL_ROWS_MAX
		      : verb == STORE_DELETE ? STORE_MYSQL_IDS_MAX
					     : 1;
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

static enum mysql_end
store_mysql_write_run(
    struct store_mysql_conn *conn, struct store_mysql_batch *batch, size_t first, size_t count)
{
	switch (batch->writes[first].verb) {
	case STORE_CREATE: return store_mysql_create(conn, batch, first, count);
	case STORE_REPLACE: return store_mysql_replace(conn, batch, first);
	case STORE_DELETE: return store_mysql_delete(conn, batch, first, count);
	}
	return MYSQL_END_OK;
}

/* A write alone is a statement alone, which commits itself and saves two round trips. */
static enum mysql_end
store_mysql_do_write(struct store_mysql_conn *conn, void *call)
{
	struct store_mysql_batch *batch = call;
	enum mysql_end end;
	size_t len;

	store_writes_reset(batch->writes, batch->count);
	if (batch->count == 1) {
		conn->committing = true;
		return store_mysql_write_run(conn, batch, 0, 1);
	}
	end = store_mysql_begin(conn);
	for (size_t at = 0; at < batch->count && end == MYSQL_END_OK; at += len) {
		len = store_mysql_run_length(batch, at);
		end = store_mysql_write_run(conn, batch, at, len);
	}
	return end == MYSQL_END_OK ? store_mysql_commit(conn) : end;
}

enum status_code
store_mysql_user_write(struct store_conn *base, int64_t deadline_ns, struct store_write *writes,
    size_t count, struct error *error)
{
	struct store_mysql_conn *conn = (struct store_mysql_conn *)base;
	struct store_mysql_batch batch = {.writes = writes, .count = count};

	arena_reset(conn->scratch);
	batch.keys = store_email_keys(writes, count, conn->scratch);
	if (batch.keys == NULL) {
		return store_error_failed(error, "an e-mail address has no key");
	}
	return store_mysql_run(conn, deadline_ns, store_mysql_do_write, &batch, error);
}
