/* What a step does on its connection, for whatever database it is. */
#include <string.h>

#include "common/base/arena.h"
#include "common/sql/sql_impl.h"

/* Room for another id and what follows the ids. */
#define SQL_REST_BYTES 128

struct sql_value
sql_int_value(int64_t number)
{
	return (struct sql_value){.type = SQL_INT, .number = number};
}

struct sql_value
sql_real_value(double real)
{
	return (struct sql_value){.type = SQL_REAL, .real = real};
}

struct sql_value
sql_text_value(const char *text)
{
	if (text == NULL) {
		return (struct sql_value){.type = SQL_NULL};
	}
	return (struct sql_value){.type = SQL_TEXT, .data = text, .len = strlen(text)};
}

struct sql_value
sql_bytes_value(const char *bytes, size_t len)
{
	if (bytes == NULL) {
		return (struct sql_value){.type = SQL_NULL};
	}
	return (struct sql_value){.type = SQL_BYTES, .data = bytes, .len = len};
}

enum sql_dialect
sql_dialect(const struct sql_conn *conn)
{
	return conn->ops->dialect;
}

int64_t
sql_deadline_ns(const struct sql_conn *conn)
{
	return conn->deadline_ns;
}

struct arena *
sql_scratch(struct sql_conn *conn)
{
	return conn->scratch;
}

struct arena *
sql_clear_scratch(struct sql_conn *conn)
{
	arena_reset(conn->scratch);
	return conn->scratch;
}

struct buf *
sql_buf(struct sql_conn *conn)
{
	return &conn->sql;
}

enum sql_end
sql_text(struct sql_conn *conn, const char *sql)
{
	return conn->ops->text(conn, sql, strlen(sql));
}

enum sql_end
sql_built(struct sql_conn *conn)
{
	return conn->sql.failed ? sql_no_memory(conn)
				: conn->ops->text(conn, conn->sql.data, conn->sql.len);
}

enum sql_end
sql_execute(struct sql_conn *conn, unsigned slot, const char *sql, size_t len,
    const struct sql_value *values, size_t count)
{
	return sql == conn->sql.data && conn->sql.failed
		   ? sql_no_memory(conn)
		   : conn->ops->execute(conn, slot, sql, len, values, count);
}

bool
sql_next(struct sql_conn *conn)
{
	return conn->ops->next(conn);
}

enum sql_end
sql_ended(struct sql_conn *conn)
{
	return conn->ops->ended(conn);
}

int64_t
sql_int(struct sql_conn *conn, unsigned column)
{
	return conn->ops->get_int(conn, column);
}

double
sql_real(struct sql_conn *conn, unsigned column)
{
	return conn->ops->get_real(conn, column);
}

const char *
sql_string(struct sql_conn *conn, unsigned column, size_t *len)
{
	return conn->ops->get_string(conn, column, len);
}

bool
sql_is_null(struct sql_conn *conn, unsigned column)
{
	return conn->ops->is_null(conn, column);
}

size_t
sql_row_count(const struct sql_conn *conn)
{
	return conn->ops->row_count == NULL ? 0 : conn->ops->row_count(conn);
}

uint64_t
sql_affected(const struct sql_conn *conn)
{
	return conn->ops->affected(conn);
}

uint64_t
sql_insert_id(const struct sql_conn *conn)
{
	return conn->ops->insert_id(conn);
}

uint64_t
sql_id_step(const struct sql_conn *conn)
{
	return conn->ops->id_step == NULL ? 1 : conn->ops->id_step(conn);
}

bool
sql_id_step_varies(const struct sql_conn *conn)
{
	return conn->ops->id_step_varies != NULL && conn->ops->id_step_varies(conn);
}

bool
sql_fits(const struct sql_conn *conn, size_t bytes)
{
	return conn->ops->fits == NULL || conn->ops->fits(conn, bytes);
}

bool
sql_execute_fits(
    const struct sql_conn *conn, size_t sql_len, const struct sql_value *values, size_t count)
{
	return conn->ops->fits == NULL ||
	       conn->ops->fits(conn, conn->ops->execute_bytes(sql_len, values, count));
}

size_t
sql_put_ids(struct sql_conn *conn, const int64_t *ids, size_t count)
{
	size_t put = 0;

	while (put < count && put < SQL_IDS_MAX &&
	       (put == 0 || sql_fits(conn, conn->sql.len + SQL_REST_BYTES))) {
		buf_putc(&conn->sql, put == 0 ? '(' : ',');
		buf_put_int(&conn->sql, ids[put++]);
	}
	buf_putc(&conn->sql, ')');
	return put;
}

void
sql_put_select(struct sql_conn *conn, const char *before)
{
	conn->ops->put_select(conn, before);
}

enum sql_end
sql_begin(struct sql_conn *conn)
{
	return conn->ops->begin(conn);
}

enum sql_end
sql_begin_read(struct sql_conn *conn)
{
	return conn->ops->begin_read == NULL ? SQL_OK : conn->ops->begin_read(conn);
}

enum sql_end
sql_alone(struct sql_conn *conn)
{
	return conn->ops->alone(conn);
}

enum sql_end
sql_commit(struct sql_conn *conn)
{
	return conn->ops->commit(conn);
}

void
sql_changed(struct sql_conn *conn)
{
	conn->changed = true;
}

enum sql_end
sql_no_memory(struct sql_conn *conn)
{
	conn->no_memory = true;
	return SQL_FAILED;
}

enum sql_end
sql_cut(struct sql_conn *conn)
{
	return sql_fail(conn, "rows of a result are missing: something between here and the "
			      "database, or a setting of it, cuts results short");
}

enum sql_end
sql_fail(struct sql_conn *conn, const char *why)
{
	conn->why = why;
	return SQL_FAILED;
}
