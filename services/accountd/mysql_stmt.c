#include "services/accountd/mysql_conn_impl.h"

#include <assert.h>
#include <errmsg.h>
#include <stdlib.h>
#include <string.h>

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
	conn->row_count = 0;
}

static enum mysql_end
mysql_conn_fail_query(struct mysql_conn *conn)
{
	return mysql_conn_fail(conn, mysql_errno(conn->mysql), mysql_error(conn->mysql));
}

static enum mysql_end
mysql_conn_fail_stmt(struct mysql_conn *conn, MYSQL_STMT *stmt)
{
	return mysql_conn_fail(conn, mysql_stmt_errno(stmt), mysql_stmt_error(stmt));
}

enum mysql_end
mysql_conn_query(struct mysql_conn *conn, const char *sql, size_t len)
{
	int result, status;

	mysql_conn_discard(conn);
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
	assert(conn->columns <= MYSQL_ROW_COLUMNS);
	if (conn->columns == 0) {
		return MYSQL_END_OK;
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
	return MYSQL_END_OK;
}

static void
mysql_conn_bind_cells(struct mysql_conn *conn, MYSQL_STMT *stmt)
{
	MYSQL_BIND cells[MYSQL_ROW_COLUMNS];

	memset(cells, 0, sizeof(cells));
	for (unsigned i = 0; i < MYSQL_ROW_COLUMNS; i++) {
		cells[i].buffer_type = MYSQL_TYPE_STRING;
		cells[i].buffer = conn->cells[i];
		cells[i].buffer_length = MYSQL_CELL_BYTES - 1;
		cells[i].length = &conn->cell_len[i];
		cells[i].is_null = &conn->cell_null[i];
	}
	mysql_stmt_bind_result(stmt, cells);
}

/* Gives the prepared statement in *stmt, which belongs to its slot or to conn->once. */
static enum mysql_end
mysql_conn_prepare(
    struct mysql_conn *conn, int slot, const char *sql, size_t len, MYSQL_STMT **stmt)
{
	MYSQL_STMT **place = slot == MYSQL_SLOT_NONE ? &conn->once : &conn->slots[slot];
	int result, status;
	enum mysql_end end;

	if (*place != NULL) {
		*stmt = *place;
		return MYSQL_END_OK;
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
	return MYSQL_END_OK;
}

static void
mysql_conn_bind_params(struct mysql_conn *conn, const struct mysql_value *values, size_t count)
{
	assert(count <= MYSQL_PARAMS_MAX);
	memset(conn->params, 0, count * sizeof(conn->params[0]));
	for (size_t i = 0; i < count; i++) {
		MYSQL_BIND *param = &conn->params[i];

		switch (values[i].type) {
		case MYSQL_VALUE_NULL: param->buffer_type = MYSQL_TYPE_NULL; continue;
		case MYSQL_VALUE_INT:
			param->buffer_type = MYSQL_TYPE_LONGLONG;
			param->buffer = (void *)&values[i].number;
			continue;
		case MYSQL_VALUE_TEXT: param->buffer_type = MYSQL_TYPE_STRING; break;
		case MYSQL_VALUE_BYTES: param->buffer_type = MYSQL_TYPE_BLOB; break;
		}
		param->buffer = (void *)values[i].data;
		param->buffer_length = values[i].len;
	}
}

static enum mysql_end
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
	return MYSQL_END_OK;
}

enum mysql_end
mysql_conn_execute(struct mysql_conn *conn, int slot, const char *sql, size_t len,
    const struct mysql_value *values, size_t count)
{
	MYSQL_STMT *stmt;
	enum mysql_end end;
	int result, status;

	mysql_conn_discard(conn);
	end = mysql_conn_prepare(conn, slot, sql, len, &stmt);
	if (end != MYSQL_END_OK) {
		return end;
	}
	assert(mysql_stmt_param_count(stmt) == count);
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
	assert(conn->columns <= MYSQL_ROW_COLUMNS);
	return conn->columns == 0 ? MYSQL_END_OK : mysql_conn_store_rows(conn, stmt);
}

static bool
mysql_conn_next_cells(struct mysql_conn *conn, struct mysql_row *row)
{
	int status = mysql_stmt_fetch(conn->rows);

	if (status != 0 && status != MYSQL_DATA_TRUNCATED) {
		return false;
	}
	for (unsigned i = 0; i < conn->columns; i++) {
		assert(conn->cell_len[i] < MYSQL_CELL_BYTES);
		conn->cells[i][conn->cell_null[i] ? 0 : conn->cell_len[i]] = '\0';
		row->text[i] = conn->cell_null[i] ? NULL : conn->cells[i];
		row->len[i] = conn->cell_null[i] ? 0 : conn->cell_len[i];
	}
	return true;
}

bool
mysql_conn_next_row(struct mysql_conn *conn, struct mysql_row *row)
{
	MYSQL_ROW text;
	unsigned long *len;

	if (conn->rows != NULL) {
		return mysql_conn_next_cells(conn, row);
	}
	if (conn->result == NULL || (text = mysql_fetch_row(conn->result)) == NULL) {
		return false;
	}
	len = mysql_fetch_lengths(conn->result);
	for (unsigned i = 0; i < conn->columns; i++) {
		row->text[i] = text[i];
		row->len[i] = len[i];
	}
	return true;
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

uint64_t
mysql_conn_id_step(const struct mysql_conn *conn)
{
	return conn->id_step;
}
