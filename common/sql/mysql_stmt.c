#include "common/sql/mysql_conn_impl.h"

#include <assert.h>
#include <errmsg.h>
#include <mysqld_error.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* Bytes of the packet that executes a statement, at most: before and for each value. */
#define MYSQL_PACKET_HEAD  16
#define MYSQL_PACKET_VALUE 11

static void
mysql_conn_discard(struct mysql_conn *conn)
{
	if (conn->result != NULL) {
		mysql_free_result(conn->result);
		conn->result = NULL;
	}
	if (conn->rows != NULL) {
		mysql_stmt_free_result(conn->rows);
		conn->rows = NULL;
	}
	if (conn->once != NULL) {
		mysql_stmt_close(conn->once);
		conn->once = NULL;
	}
	conn->row_count = conn->rows_read = 0;
}

static enum sql_end
mysql_conn_fail_query(struct mysql_conn *conn)
{
	return mysql_conn_fail(conn, mysql_errno(conn->mysql), mysql_error(conn->mysql));
}

static enum sql_end
mysql_conn_fail_stmt(struct mysql_conn *conn, MYSQL_STMT *stmt)
{
	return mysql_conn_fail(conn, mysql_stmt_errno(stmt), mysql_stmt_error(stmt));
}

/* What a server answers that has understood another statement than was sent. */
static enum sql_end
mysql_conn_fail_shape(struct mysql_conn *conn)
{
	return mysql_conn_fail(
	    conn, CR_MALFORMED_PACKET, "the server's answer does not fit the statement");
}

/* The server takes no longer packet, and closes the connection that brings one. */
static enum sql_end
mysql_conn_fail_length(struct mysql_conn *conn, size_t len)
{
	char text[128];

	snprintf(text, sizeof(text),
	    "a statement of %zu bytes is more than max_allowed_packet, %llu", len,
	    (unsigned long long)conn->packet_max);
	return mysql_conn_fail(conn, ER_NET_PACKET_TOO_LARGE, text);
}

enum sql_end
mysql_conn_query(struct mysql_conn *conn, const char *sql, size_t len)
{
	int result, status;

	mysql_conn_discard(conn);
	if (!mysql_conn_fits(conn, len)) {
		return mysql_conn_fail_length(conn, len);
	}
	conn->sent = true;
	status = mysql_real_query_start(&result, conn->mysql, sql, len);
	while (status != 0) {
		status = mysql_real_query_cont(
		    &result, conn->mysql, mysql_conn_wait(conn, conn->mysql, status));
	}
	if (result != 0) {
		return mysql_conn_fail_query(conn);
	}
	conn->affected = mysql_affected_rows(conn->mysql);
	conn->insert_id = mysql_insert_id(conn->mysql);
	conn->columns = mysql_field_count(conn->mysql);
	if (conn->columns == 0) {
		return SQL_OK;
	}
	if (conn->columns > SQL_COLUMNS_MAX) {
		return mysql_conn_fail_shape(conn);
	}
	status = mysql_store_result_start(&conn->result, conn->mysql);
	while (status != 0) {
		status = mysql_store_result_cont(
		    &conn->result, conn->mysql, mysql_conn_wait(conn, conn->mysql, status));
	}
	if (conn->result == NULL) {
		return mysql_conn_fail_query(conn);
	}
	conn->row_count = mysql_num_rows(conn->result);
	return SQL_OK;
}

static void
mysql_conn_bind_cells(struct mysql_conn *conn, MYSQL_STMT *stmt)
{
	MYSQL_BIND cells[SQL_COLUMNS_MAX];

	memset(cells, 0, conn->columns * sizeof(cells[0]));
	for (unsigned i = 0; i < conn->columns; i++) {
		cells[i].buffer_type = MYSQL_TYPE_STRING;
		cells[i].buffer = conn->cells[i];
		cells[i].buffer_length = MYSQL_CELL_BYTES - 1;
		cells[i].length = &conn->cell_len[i];
		cells[i].is_null = &conn->cell_null[i];
	}
	mysql_stmt_bind_result(stmt, cells);
}

/* Gives where a statement is kept; NULL without memory. */
static MYSQL_STMT **
mysql_conn_place(struct mysql_conn *conn, unsigned slot)
{
	MYSQL_STMT **slots;

	if (slot == SQL_ONCE) {
		return &conn->once;
	}
	if (slot >= conn->slot_count) {
		slots = realloc(conn->slots, (slot + 1) * sizeof(MYSQL_STMT *));
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

/* Gives the prepared statement in *stmt, which belongs to its slot or to conn->once. */
static enum sql_end
mysql_conn_prepare(
    struct mysql_conn *conn, unsigned slot, const char *sql, size_t len, MYSQL_STMT **stmt)
{
	MYSQL_STMT **place = mysql_conn_place(conn, slot);
	int result, status;
	enum sql_end end;

	*stmt = NULL;
	if (place == NULL) {
		return mysql_conn_fail(conn, CR_OUT_OF_MEMORY, "out of memory");
	}
	if (*place != NULL) {
		*stmt = *place;
		return SQL_OK;
	}
	*stmt = mysql_stmt_init(conn->mysql);
	if (*stmt == NULL) {
		return mysql_conn_fail(conn, CR_OUT_OF_MEMORY, "out of memory");
	}
	status = mysql_stmt_prepare_start(&result, *stmt, sql, len);
	while (status != 0) {
		status = mysql_stmt_prepare_cont(
		    &result, *stmt, mysql_conn_wait(conn, conn->mysql, status));
	}
	if (result != 0) {
		end = mysql_conn_fail_stmt(conn, *stmt);
		mysql_stmt_close(*stmt);
		return end;
	}
	*place = *stmt;
	return SQL_OK;
}

static void
mysql_conn_bind_params(struct mysql_conn *conn, const struct sql_value *values, size_t count)
{
	assert(count <= SQL_VALUES_MAX); /* the caller's, not the server's */
	memset(conn->params, 0, count * sizeof(conn->params[0]));
	for (size_t i = 0; i < count; i++) {
		MYSQL_BIND *param = &conn->params[i];

		switch (values[i].type) {
		case SQL_NULL: param->buffer_type = MYSQL_TYPE_NULL; continue;
		case SQL_INT:
			param->buffer_type = MYSQL_TYPE_LONGLONG;
			param->buffer = (void *)&values[i].number;
			continue;
		case SQL_REAL:
			param->buffer_type = MYSQL_TYPE_DOUBLE;
			param->buffer = (void *)&values[i].real;
			continue;
		case SQL_TEXT: param->buffer_type = MYSQL_TYPE_STRING; break;
		case SQL_BYTES: param->buffer_type = MYSQL_TYPE_BLOB; break;
		}
		param->buffer = (void *)values[i].data;
		param->buffer_length = values[i].len;
	}
}

static enum sql_end
mysql_conn_store_rows(struct mysql_conn *conn, MYSQL_STMT *stmt)
{
	int result, status;

	conn->rows = stmt;
	mysql_conn_bind_cells(conn, stmt);
	status = mysql_stmt_store_result_start(&result, stmt);
	while (status != 0) {
		status = mysql_stmt_store_result_cont(
		    &result, stmt, mysql_conn_wait(conn, conn->mysql, status));
	}
	if (result != 0) {
		return mysql_conn_fail_stmt(conn, stmt);
	}
	conn->row_count = mysql_stmt_num_rows(stmt);
	return SQL_OK;
}

enum sql_end
mysql_conn_execute(struct mysql_conn *conn, unsigned slot, const char *sql, size_t len,
    const struct sql_value *values, size_t count)
{
	MYSQL_STMT *stmt;
	enum sql_end end;
	int result, status;

	mysql_conn_discard(conn);
	if (!mysql_conn_fits(conn, mysql_conn_execute_bytes(len, values, count))) {
		return mysql_conn_fail_length(conn, mysql_conn_execute_bytes(len, values, count));
	}
	end = mysql_conn_prepare(conn, slot, sql, len, &stmt);
	if (end != SQL_OK) {
		return end;
	}
	if (mysql_stmt_param_count(stmt) != count) {
		return mysql_conn_fail_shape(conn);
	}
	mysql_conn_bind_params(conn, values, count);
	if (count > 0 && mysql_stmt_bind_param(stmt, conn->params) != 0) {
		return mysql_conn_fail_stmt(conn, stmt);
	}
	conn->sent = true;
	status = mysql_stmt_execute_start(&result, stmt);
	while (status != 0) {
		status = mysql_stmt_execute_cont(
		    &result, stmt, mysql_conn_wait(conn, conn->mysql, status));
	}
	if (result != 0) {
		return mysql_conn_fail_stmt(conn, stmt);
	}
	conn->affected = mysql_stmt_affected_rows(stmt);
	conn->insert_id = mysql_stmt_insert_id(stmt);
	conn->columns = mysql_stmt_field_count(stmt);
	if (conn->columns > SQL_COLUMNS_MAX) {
		return mysql_conn_fail_shape(conn);
	}
	return conn->columns == 0 ? SQL_OK : mysql_conn_store_rows(conn, stmt);
}

/* Reads a cell that is too long for its place; columns may be wider than ours. */
static bool
mysql_conn_fetch_wide(struct mysql_conn *conn, unsigned column)
{
	struct buf *wide = &conn->wide[column];
	MYSQL_BIND cell = {
	    .buffer_type = MYSQL_TYPE_STRING, .buffer_length = conn->cell_len[column] + 1};

	buf_reset(wide);
	if (!buf_reserve(wide, cell.buffer_length)) {
		return false;
	}
	cell.buffer = wide->data;
	return mysql_stmt_fetch_column(conn->rows, &cell, column, 0) == 0;
}

static bool
mysql_conn_next_cells(struct mysql_conn *conn, struct mysql_row *row)
{
	int status = mysql_stmt_fetch(conn->rows);

	if (status != 0 && status != MYSQL_DATA_TRUNCATED) {
		return false;
	}
	for (unsigned i = 0; i < conn->columns; i++) {
		unsigned long len = conn->cell_null[i] ? 0 : conn->cell_len[i];
		char *text = conn->cells[i];

		if (len >= MYSQL_CELL_BYTES) {
			if (!mysql_conn_fetch_wide(conn, i)) {
				return false;
			}
			text = conn->wide[i].data;
		}
		text[len] = '\0';
		row->text[i] = conn->cell_null[i] ? NULL : text;
		row->len[i] = len;
	}
	return true;
}

static bool
mysql_conn_next_text(struct mysql_conn *conn, struct mysql_row *row)
{
	MYSQL_ROW text = conn->result == NULL ? NULL : mysql_fetch_row(conn->result);
	unsigned long *len;

	if (text == NULL) {
		return false;
	}
	len = mysql_fetch_lengths(conn->result);
	for (unsigned i = 0; i < conn->columns; i++) {
		row->text[i] = text[i];
		row->len[i] = len[i];
	}
	return true;
}

bool
mysql_conn_next_row(struct mysql_conn *conn, struct mysql_row *row)
{
	bool got = conn->rows_read < conn->row_count &&
		   (conn->rows != NULL ? mysql_conn_next_cells(conn, row)
				       : mysql_conn_next_text(conn, row));

	conn->rows_read += got;
	return got;
}

bool
mysql_conn_has_read_all(const struct mysql_conn *conn)
{
	return conn->rows_read == conn->row_count;
}

size_t
mysql_conn_row_count(const struct mysql_conn *conn)
{
	return conn->row_count;
}

uint64_t
mysql_conn_affected(const struct mysql_conn *conn)
{
	return conn->affected;
}

uint64_t
mysql_conn_insert_id(const struct mysql_conn *conn)
{
	return conn->insert_id;
}

bool
mysql_conn_id_step_varies(const struct mysql_conn *conn)
{
	return conn->id_step_varies;
}

size_t
mysql_conn_execute_bytes(size_t sql_len, const struct sql_value *values, size_t count)
{
	size_t bytes = MYSQL_PACKET_HEAD + count / 8 + 1;

	for (size_t i = 0; i < count; i++) {
		bytes += MYSQL_PACKET_VALUE + values[i].len;
	}
	return bytes > sql_len ? bytes : sql_len;
}

/* With the byte before them that says what they are. Before the session is set up, no limit is known. */
bool
mysql_conn_fits(const struct mysql_conn *conn, size_t bytes)
{
	return conn->packet_max == 0 || bytes + 1 < conn->packet_max;
}

uint64_t
mysql_conn_id_step(const struct mysql_conn *conn)
{
	return conn->id_step;
}
