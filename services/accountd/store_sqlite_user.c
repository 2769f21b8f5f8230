#include <string.h>

#include "services/accountd/store_sqlite.h"

struct store_sqlite_get {
	const int64_t *ids;
	size_t count;
	struct arena *arena;
	struct user *rows;
};

struct store_sqlite_list {
	const struct store_filter *filter;
	const char *email_key;
	int64_t after_id;
	size_t limit;
	struct arena *arena;
	struct user *rows;
	size_t count, capacity;
};

struct store_sqlite_batch {
	struct store_write *writes;
	size_t count;
	char **keys;
};

static char *
store_sqlite_text(sqlite3_stmt *statement, int column, struct arena *arena)
{
	const unsigned char *text = sqlite3_column_text(statement, column);

	return text == NULL
		   ? NULL
		   : arena_strndup(arena, text, (size_t)sqlite3_column_bytes(statement, column));
}

static bool
store_sqlite_take_user(sqlite3_stmt *statement, struct arena *arena, struct user *user)
{
	user->id = sqlite3_column_int64(statement, 0);
	user->account_id = sqlite3_column_int64(statement, 1);
	user->name = store_sqlite_text(statement, 2, arena);
	user->email = store_sqlite_text(statement, 3, arena);
	user->role = store_role(sqlite3_column_int64(statement, 4));
	user->password_hash = NULL;
	return user->name != NULL && user->email != NULL;
}

static int
store_sqlite_get_one(
    struct store_sqlite_conn *conn, int64_t id, struct arena *arena, struct user *user)
{
	sqlite3_stmt *statement;
	int result = store_sqlite_statement(conn, STORE_SQLITE_GET, &statement);

	if (result != SQLITE_OK) {
		return result;
	}
	sqlite3_bind_int64(statement, 1, id);
	result = sqlite3_step(statement);
	if (result == SQLITE_ROW && !store_sqlite_take_user(statement, arena, user)) {
		result = SQLITE_NOMEM;
	}
	sqlite3_reset(statement);
	return result == SQLITE_ROW || result == SQLITE_DONE ? SQLITE_OK : result;
}

/* One transaction, so that all rows are of one moment. */
static int
store_sqlite_do_get(struct store_sqlite_conn *conn, void *call)
{
	struct store_sqlite_get *get = call;
	int result = get->count == 1 ? SQLITE_OK : store_sqlite_do(conn, STORE_SQLITE_BEGIN);

	for (size_t i = 0; i < get->count && result == SQLITE_OK; i++) {
		result = store_sqlite_get_one(conn, get->ids[i], get->arena, &get->rows[i]);
	}
	return result;
}

enum status_code
store_sqlite_user_get(struct store_conn *base, int64_t deadline_ns, const int64_t *ids,
    size_t count, struct arena *arena, struct user *rows, struct error *error)
{
	struct store_sqlite_get get = {ids, count, arena, rows};

	return store_sqlite_run(
	    (struct store_sqlite_conn *)base, deadline_ns, store_sqlite_do_get, &get, error);
}

static void
store_sqlite_put_list(struct buf *sql, const struct store_sqlite_list *list)
{
	const struct store_filter *filter = list->filter;

	buf_reset(sql);
	buf_puts(sql, STORE_SQLITE_USER "WHERE id > ");
	buf_put_int(sql, list->after_id);
	if (filter->account_id != 0) {
		buf_puts(sql, " AND accountID = ");
		buf_put_int(sql, filter->account_id);
	}
	if (filter->role != USER_ROLE_NONE) {
		buf_puts(sql, " AND role = ");
		buf_put_int(sql, filter->role);
	}
	if (filter->email != NULL) {
		buf_puts(sql, " AND emailKey = ?1");
	}
	if (filter->name_prefix != NULL) {
		buf_puts(sql, " AND substr(CAST(name AS BLOB), 1, length(?2)) = ?2");
	}
	buf_puts(sql, " ORDER BY id LIMIT ");
	buf_put_uint(sql, list->limit < INT32_MAX ? list->limit : INT32_MAX);
}

static int
store_sqlite_bind_blob(sqlite3_stmt *statement, int index, const char *text)
{
	return text == NULL || sqlite3_bind_parameter_count(statement) < index
		   ? SQLITE_OK
		   : sqlite3_bind_blob(statement, index, text, (int)strlen(text), SQLITE_STATIC);
}

static bool
store_sqlite_grow(struct store_sqlite_list *list)
{
	size_t capacity = list->capacity == 0 ? 16 : list->capacity * 2;
	struct user *rows;

	if (list->count < list->capacity) {
		return true;
	}
	rows = arena_alloc(list->arena, capacity * sizeof(*rows));
	if (rows == NULL) {
		return false;
	}
	if (list->count > 0) {
		memcpy(rows, list->rows, list->count * sizeof(*rows));
	}
	list->rows = rows;
	list->capacity = capacity;
	return true;
}

static int
store_sqlite_take_list(sqlite3_stmt *statement, struct store_sqlite_list *list)
{
	int result;

	while ((result = sqlite3_step(statement)) == SQLITE_ROW) {
		if (!store_sqlite_grow(list) ||
		    !store_sqlite_take_user(statement, list->arena, &list->rows[list->count++])) {
			return SQLITE_NOMEM;
		}
	}
	return result == SQLITE_DONE ? SQLITE_OK : result;
}

static int
store_sqlite_do_list(struct store_sqlite_conn *conn, void *call)
{
	struct store_sqlite_list *list = call;
	sqlite3_stmt *statement;
	int result;

	list->count = 0;
	store_sqlite_put_list(&conn->sql, list);
	if (conn->sql.failed) {
		return SQLITE_NOMEM;
	}
	result = sqlite3_prepare_v2(conn->db, conn->sql.data, (int)conn->sql.len, &statement, NULL);
	if (result == SQLITE_OK) {
		result = store_sqlite_bind_blob(statement, 1, list->email_key);
	}
	if (result == SQLITE_OK) {
		result = store_sqlite_bind_blob(statement, 2, list->filter->name_prefix);
	}
	if (result == SQLITE_OK) {
		result = store_sqlite_take_list(statement, list);
	}
	sqlite3_finalize(statement);
	return result;
}

enum status_code
store_sqlite_user_list(struct store_conn *base, int64_t deadline_ns,
    const struct store_filter *filter, int64_t after_id, size_t limit, struct arena *arena,
    struct user **rows, size_t *count, struct error *error)
{
	struct store_sqlite_conn *conn = (struct store_sqlite_conn *)base;
	struct store_sqlite_list list = {
	    .filter = filter, .after_id = after_id, .limit = limit, .arena = arena};
	enum status_code code;

	arena_reset(conn->scratch);
	if (filter->email != NULL) {
		list.email_key = user_email_key(filter->email, conn->scratch);
		if (list.email_key == NULL) {
			return STATUS_OK;
		}
	}
	code = store_sqlite_run(conn, deadline_ns, store_sqlite_do_list, &list, error);
	if (code == STATUS_OK) {
		*rows = list.rows;
		*count = list.count;
	}
	return code;
}

/* NULL binds SQL's. Failures to bind, for want of memory, show when the statement runs. */
static void
store_sqlite_bind_user(sqlite3_stmt *statement, const struct user *user, const char *key)
{
	sqlite3_bind_int64(statement, 1, user->account_id);
	sqlite3_bind_text(statement, 2, user->name == NULL ? "" : user->name, -1, SQLITE_STATIC);
	sqlite3_bind_text(statement, 3, user->email, -1, SQLITE_STATIC);
	if (key == NULL) {
		sqlite3_bind_null(statement, 4);
	} else {
		sqlite3_bind_blob(statement, 4, key, (int)strlen(key), SQLITE_STATIC);
	}
	sqlite3_bind_int64(statement, 5, user->role);
	sqlite3_bind_text(statement, 6, user->password_hash, -1, SQLITE_STATIC);
}

static int
store_sqlite_write_one(struct store_sqlite_conn *conn, struct store_write *write, const char *key)
{
	static const enum store_sqlite_statement statements[] = {
	    [STORE_CREATE] = STORE_SQLITE_CREATE,
	    [STORE_REPLACE] = STORE_SQLITE_REPLACE,
	    [STORE_DELETE] = STORE_SQLITE_DELETE};
	sqlite3_stmt *statement;
	int result = store_sqlite_statement(conn, statements[write->verb], &statement);

	if (result != SQLITE_OK) {
		return result;
	}
	if (write->verb != STORE_DELETE) {
		store_sqlite_bind_user(statement, &write->user, key);
	}
	if (write->verb != STORE_CREATE) {
		sqlite3_bind_int64(
		    statement, sqlite3_bind_parameter_count(statement), write->user.id);
	}
	result = sqlite3_step(statement);
	sqlite3_reset(statement);
	sqlite3_clear_bindings(statement);
	if (result == SQLITE_CONSTRAINT_UNIQUE) {
		write->outcome = STORE_DUPLICATE;
		return SQLITE_OK;
	}
	return result == SQLITE_DONE ? SQLITE_OK : result;
}

static void
store_sqlite_note_outcome(struct store_sqlite_conn *conn, struct store_write *write)
{
	if (write->outcome == STORE_DUPLICATE) {
		return;
	}
	if (write->verb == STORE_CREATE) {
		write->user.id = sqlite3_last_insert_rowid(conn->db);
	} else if (write->verb == STORE_REPLACE && sqlite3_changes(conn->db) == 0) {
		write->outcome = STORE_NOT_FOUND;
	}
}

static int
store_sqlite_do_write(struct store_sqlite_conn *conn, void *call)
{
	struct store_sqlite_batch *batch = call;
	int result;

	store_writes_reset(batch->writes, batch->count);
	result = store_sqlite_do(conn, STORE_SQLITE_BEGIN_WRITE);
	for (size_t i = 0; i < batch->count && result == SQLITE_OK; i++) {
		result = store_sqlite_write_one(conn, &batch->writes[i], batch->keys[i]);
		if (result == SQLITE_OK) {
			store_sqlite_note_outcome(conn, &batch->writes[i]);
		}
	}
	return result == SQLITE_OK ? store_sqlite_commit(conn) : result;
}

enum status_code
store_sqlite_user_write(struct store_conn *base, int64_t deadline_ns, struct store_write *writes,
    size_t count, struct error *error)
{
	struct store_sqlite_conn *conn = (struct store_sqlite_conn *)base;
	struct store_sqlite_batch batch = {.writes = writes, .count = count};

	arena_reset(conn->scratch);
	batch.keys = store_email_keys(writes, count, conn->scratch);
	if (batch.keys == NULL) {
		return store_error_failed(error, "an e-mail address has no key");
	}
	return store_sqlite_run(conn, deadline_ns, store_sqlite_do_write, &batch, error);
}
