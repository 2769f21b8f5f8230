/* Running statements, and reading their rows. */
#include <assert.h>
#include <stdlib.h>

#include "common/sql/sql_sqlite.h"

/* What was bound stays bound, and is bound anew before the statement runs again. */
void
sql_sqlite_discard(struct sql_sqlite_conn *conn)
{
	if (conn->current == NULL) {
		return;
	}
	if (conn->once) {
		sqlite3_finalize(conn->current);
	} else {
		sqlite3_reset(conn->current);
	}
	conn->current = NULL;
	conn->pending = false;
}

/* Ends the current statement, the error of which stays the connection's. */
static enum sql_end
sql_sqlite_finish(struct sql_sqlite_conn *conn, int result)
{
	conn->ended = sql_sqlite_end(conn, result);
	sql_sqlite_discard(conn);
	return conn->ended;
}

/* Gives where a statement is kept; NULL without memory. */
static sqlite3_stmt **
sql_sqlite_place(struct sql_sqlite_conn *conn, unsigned slot)
{
	sqlite3_stmt **slots;

	if (slot >= conn->slot_count) {
		slots = realloc(conn->slots, (slot + 1) * sizeof(sqlite3_stmt *));
		if (slots == NULL) {
			return NULL;
		}
		conn->slots = slots;
		while (conn->slot_count <= slot) {
			slots[conn->slot_count++] = NULL;
		}
	}
	return &conn->slots[slot];
}

/* Makes the statement the current one. */
static int
sql_sqlite_prepare(struct sql_sqlite_conn *conn, unsigned slot, const char *sql, size_t len)
{
	sqlite3_stmt **place = &conn->current;
	int result = SQLITE_OK;

	conn->once = slot == SQL_ONCE;
	if (conn->once) {
		return sqlite3_prepare_v2(conn->db, sql, (int)len, place, NULL);
	}
	place = sql_sqlite_place(conn, slot);
	if (place == NULL) {
		return SQLITE_NOMEM;
	}
	if (*place == NULL) {
		result = sqlite3_prepare_v3(
		    conn->db, sql, (int)len, SQLITE_PREPARE_PERSISTENT, place, NULL);
	}
	conn->current = *place;
	return result;
}

/* Of a text whose length was given, SQLite makes a copy with a NUL where a function reads it. */
static int
sql_sqlite_bind(sqlite3_stmt *statement, int index, const struct sql_value *value)
{
	switch (value->type) {
	case SQL_NULL: break;
	case SQL_INT: return sqlite3_bind_int64(statement, index, value->number);
	case SQL_REAL: return sqlite3_bind_double(statement, index, value->real);
	case SQL_TEXT: return sqlite3_bind_text(statement, index, value->data, -1, SQLITE_STATIC);
	case SQL_BYTES:
		return sqlite3_bind_blob(
		    statement, index, value->data, (int)value->len, SQLITE_STATIC);
	}
	return sqlite3_bind_null(statement, index);
}

static int
sql_sqlite_bind_all(struct sql_sqlite_conn *conn, const struct sql_value *values, size_t count)
{
	int result = SQLITE_OK;

	if ((size_t)sqlite3_bind_parameter_count(conn->current) != count ||
	    sqlite3_column_count(conn->current) > SQL_COLUMNS_MAX) {
		return SQLITE_RANGE;
	}
	for (size_t i = 0; i < count && result == SQLITE_OK; i++) {
		result = sql_sqlite_bind(conn->current, (int)i + 1, &values[i]);
	}
	return result;
}

enum sql_end
sql_sqlite_execute(struct sql_conn *base, unsigned slot, const char *sql, size_t len,
    const struct sql_value *values, size_t count)
{
	struct sql_sqlite_conn *conn = (struct sql_sqlite_conn *)base;
	int result;

	assert(count <= SQL_VALUES_MAX);
	sql_sqlite_discard(conn);
	result = sql_sqlite_prepare(conn, slot, sql, len);
	if (result == SQLITE_OK) {
		result = sql_sqlite_bind_all(conn, values, count);
	}
	if (result == SQLITE_OK) {
		result = sqlite3_step(conn->current);
	}
	conn->pending = result == SQLITE_ROW;
	if (conn->pending) {
		conn->ended = SQL_OK;
		return sql_sqlite_end(conn, result);
	}
	if (result == SQLITE_DONE) {
		conn->affected = (uint64_t)sqlite3_changes(conn->db);
		conn->insert_id = (uint64_t)sqlite3_last_insert_rowid(conn->db);
	}
	return sql_sqlite_finish(conn, result);
}

enum sql_end
sql_sqlite_text(struct sql_conn *base, const char *sql, size_t len)
{
	return sql_sqlite_execute(base, SQL_ONCE, sql, len, NULL, 0);
}

bool
sql_sqlite_next(struct sql_conn *base)
{
	struct sql_sqlite_conn *conn = (struct sql_sqlite_conn *)base;
	int result;

	if (conn->pending) {
		conn->pending = false;
		return true;
	}
	if (conn->current == NULL) {
		return false;
	}
	result = sqlite3_step(conn->current);
	if (result == SQLITE_ROW) {
		return true;
	}
	sql_sqlite_finish(conn, result);
	return false;
}

enum sql_end
sql_sqlite_ended(struct sql_conn *base)
{
	return ((const struct sql_sqlite_conn *)base)->ended;
}

int64_t
sql_sqlite_int(struct sql_conn *base, unsigned column)
{
	return sqlite3_column_int64(((const struct sql_sqlite_conn *)base)->current, (int)column);
}

double
sql_sqlite_real(struct sql_conn *base, unsigned column)
{
	return sqlite3_column_double(((const struct sql_sqlite_conn *)base)->current, (int)column);
}

/* As text a blob has the same bytes, and a NUL behind them. */
const char *
sql_sqlite_string(struct sql_conn *base, unsigned column, size_t *len)
{
	sqlite3_stmt *current = ((const struct sql_sqlite_conn *)base)->current;
	const unsigned char *text = sqlite3_column_text(current, (int)column);

	if (len != NULL) {
		*len = (size_t)sqlite3_column_bytes(current, (int)column);
	}
	return (const char *)text;
}

bool
sql_sqlite_is_null(struct sql_conn *base, unsigned column)
{
	return sqlite3_column_type(((const struct sql_sqlite_conn *)base)->current, (int)column) ==
	       SQLITE_NULL;
}
