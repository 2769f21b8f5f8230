#include "common/sql/sql_mysql.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/base/clock.h"
#include "common/sql/mysql_hosts.h"
#include "common/sql/mysql_kill.h"
#include "common/sql/mysql_login.h"
#include "common/sql/mysql_tls.h"

#define SQL_MYSQL_CONNECT_MS 2000
#define SQL_MYSQL_PORT       3306
#define SQL_MYSQL_SELECT_MS  3600000

struct sql_mysql {
	struct sql_db base;
	struct mysql_target target;
	struct mysql_hosts *hosts;
	struct mysql_login *login;
	struct mysql_tls tls;
	char *database, *ca_file, *cert_file, *key_file;
};

static const struct sql_ops sql_mysql_ops;

static void
sql_mysql_close(struct sql_db *base)
{
	struct sql_mysql *db = (struct sql_mysql *)base;

	mysql_kill_free(&db->target.kill);
	mysql_hosts_free(&db->hosts);
	mysql_login_free(&db->login);
	free(db->database);
	free(db->ca_file);
	free(db->cert_file);
	free(db->key_file);
	free(db);
}

static bool
sql_mysql_set_login(struct sql_db *base, const char *user, const char *password)
{
	return mysql_login_set(((struct sql_mysql *)base)->login, user, password);
}

/* NULL stands for the empty text. Gives NULL without memory. */
static char *
sql_mysql_copy(const char *text)
{
	return strdup(text == NULL ? "" : text);
}

/* False without memory. */
static bool
sql_mysql_copy_options(struct sql_mysql *db, const struct sql_options *options)
{
	db->database = sql_mysql_copy(options->database);
	db->ca_file = sql_mysql_copy(options->tls_ca_file);
	db->cert_file = sql_mysql_copy(options->tls_cert_file);
	db->key_file = sql_mysql_copy(options->tls_key_file);
	db->login = mysql_login_new(options->user, options->password);
	db->tls = (struct mysql_tls){options->tls, db->ca_file, db->cert_file, db->key_file};
	return db->database != NULL && db->ca_file != NULL && db->cert_file != NULL &&
	       db->key_file != NULL && db->login != NULL;
}

enum status_code
sql_mysql_open(struct sql_db **out, const struct sql_options *options, struct error *error)
{
	struct sql_mysql *db = calloc(1, sizeof(*db));

	if (db == NULL) {
		return sql_error_memory(error);
	}
	db->base.ops = &sql_mysql_ops;
	if (!sql_mysql_copy_options(db, options)) {
		sql_mysql_close(&db->base);
		return sql_error_memory(error);
	}
	if (mysql_tls_check(&db->tls, error)) {
		db->hosts = mysql_hosts_new(
		    options->host, options->port == 0 ? SQL_MYSQL_PORT : options->port, error);
	}
	if (db->hosts == NULL) {
		sql_mysql_close(&db->base);
		return error == NULL ? STATUS_INVALID_ARGUMENT : error->code;
	}
	db->base.reconnects_max = mysql_hosts_count(db->hosts);
	db->target = (struct mysql_target){
	    .hosts = db->hosts,
	    .database = db->database,
	    .login = db->login,
	    .tls = &db->tls,
	    .connect_timeout_ms = options->connect_timeout_ms == 0 ? SQL_MYSQL_CONNECT_MS
								   : options->connect_timeout_ms,
	};
	db->target.kill = mysql_kill_new(&db->target);
	if (db->target.kill == NULL) {
		sql_mysql_close(&db->base);
		return sql_error_memory(error);
	}
	*out = &db->base;
	return STATUS_OK;
}

static struct sql_conn *
sql_mysql_conn_open(struct sql_db *base)
{
	struct sql_mysql_conn *conn = calloc(1, sizeof(*conn));

	if (conn == NULL) {
		return NULL;
	}
	conn->db = mysql_conn_new(&((struct sql_mysql *)base)->target);
	if (conn->db == NULL) {
		free(conn);
		return NULL;
	}
	return &conn->base;
}

static void
sql_mysql_conn_close(struct sql_conn *base)
{
	struct sql_mysql_conn *conn = (struct sql_mysql_conn *)base;

	mysql_conn_free(&conn->db);
	free(conn);
}

static bool
sql_mysql_conn_is_open(const struct sql_conn *base)
{
	return mysql_conn_is_open(((const struct sql_mysql_conn *)base)->db);
}

enum sql_end
sql_mysql_text(struct sql_conn *base, const char *sql, size_t len)
{
	return mysql_conn_query(((struct sql_mysql_conn *)base)->db, sql, len);
}

static enum sql_end
sql_mysql_execute(struct sql_conn *base, unsigned slot, const char *sql, size_t len,
    const struct sql_value *values, size_t count)
{
	return mysql_conn_execute(
	    ((struct sql_mysql_conn *)base)->db, slot, sql, len, values, count);
}

static bool
sql_mysql_next(struct sql_conn *base)
{
	struct sql_mysql_conn *conn = (struct sql_mysql_conn *)base;

	return mysql_conn_next_row(conn->db, &conn->row);
}

static enum sql_end
sql_mysql_ended(struct sql_conn *base)
{
	const struct sql_mysql_conn *conn = (const struct sql_mysql_conn *)base;

	return mysql_conn_has_read_all(conn->db) ? SQL_OK : sql_no_memory(base);
}

static int64_t
sql_mysql_int(struct sql_conn *base, unsigned column)
{
	const char *text = ((const struct sql_mysql_conn *)base)->row.text[column];
	uint64_t number = 0;
	bool negative;

	if (text == NULL) {
		return 0;
	}
	/* The server's own decimal text; strtoll, which knows locales, takes a tenth of a list's time. */
	negative = *text == '-';
	for (text += negative; *text >= '0' && *text <= '9'; text++) {
		number = number * 10 + (uint64_t)(*text - '0');
	}
	return (int64_t)(negative ? 0 - number : number);
}

static double
sql_mysql_real(struct sql_conn *base, unsigned column)
{
	const char *text = ((const struct sql_mysql_conn *)base)->row.text[column];

	return text == NULL ? 0 : strtod(text, NULL);
}

static const char *
sql_mysql_string(struct sql_conn *base, unsigned column, size_t *len)
{
	const struct mysql_row *row = &((const struct sql_mysql_conn *)base)->row;

	if (len != NULL) {
		*len = row->len[column];
	}
	return row->text[column];
}

static bool
sql_mysql_is_null(struct sql_conn *base, unsigned column)
{
	return ((const struct sql_mysql_conn *)base)->row.text[column] == NULL;
}

static size_t
sql_mysql_row_count(const struct sql_conn *base)
{
	return mysql_conn_row_count(((const struct sql_mysql_conn *)base)->db);
}

static uint64_t
sql_mysql_affected(const struct sql_conn *base)
{
	return mysql_conn_affected(((const struct sql_mysql_conn *)base)->db);
}

static uint64_t
sql_mysql_insert_id(const struct sql_conn *base)
{
	return mysql_conn_insert_id(((const struct sql_mysql_conn *)base)->db);
}

static uint64_t
sql_mysql_id_step(const struct sql_conn *base)
{
	return mysql_conn_id_step(((const struct sql_mysql_conn *)base)->db);
}

static bool
sql_mysql_id_step_varies(const struct sql_conn *base)
{
	return mysql_conn_id_step_varies(((const struct sql_mysql_conn *)base)->db);
}

static bool
sql_mysql_fits(const struct sql_conn *base, size_t bytes)
{
	return mysql_conn_fits(((const struct sql_mysql_conn *)base)->db, bytes);
}

/* MariaDB gives up by the comment, MySQL by the hint. */
static void
sql_mysql_put_select(struct sql_conn *base, const char *before)
{
	int64_t left_ms = clock_left_ms(base->deadline_ns);

	if (left_ms > SQL_MYSQL_SELECT_MS) {
		left_ms = SQL_MYSQL_SELECT_MS;
	} else if (left_ms == 0) {
		left_ms = 1; /* 0 would be no limit */
	}
	buf_printf(&base->sql,
	    "/*M!100100 SET STATEMENT max_statement_time = %lld.%03lld FOR */"
	    " %sSELECT /*+ MAX_EXECUTION_TIME(%lld) */ ",
	    (long long)left_ms / 1000, (long long)left_ms % 1000, before, (long long)left_ms);
}

static enum sql_end
sql_mysql_begin(struct sql_conn *base)
{
	((struct sql_mysql_conn *)base)->in_transaction = true;
	return sql_text(base, "BEGIN");
}

static enum sql_end
sql_mysql_alone(struct sql_conn *base)
{
	((struct sql_mysql_conn *)base)->committing = true;
	return SQL_OK;
}

/* There is nothing to do where a statement alone has committed itself. */
static enum sql_end
sql_mysql_commit(struct sql_conn *base)
{
	struct sql_mysql_conn *conn = (struct sql_mysql_conn *)base;
	enum sql_end end;

	if (!conn->in_transaction) {
		return SQL_OK;
	}
	conn->committing = true;
	end = sql_text(base, "COMMIT");
	if (end == SQL_OK) {
		conn->in_transaction = false;
	} else if (end != SQL_CONFLICT) {
		mysql_conn_close(conn->db);
		end = SQL_LOST;
	}
	return end;
}

static void
sql_mysql_roll_back(struct sql_conn *base)
{
	struct sql_mysql_conn *conn = (struct sql_mysql_conn *)base;

	if (conn->in_transaction && mysql_conn_is_open(conn->db) &&
	    sql_text(base, "ROLLBACK") != SQL_OK) {
		mysql_conn_close(conn->db);
	}
	conn->in_transaction = false;
}

static enum status_code
sql_mysql_error(struct sql_conn *base, enum sql_end end, struct error *error)
{
	const struct sql_mysql_conn *conn = (const struct sql_mysql_conn *)base;
	char detail[ERROR_TEXT_MAX];

	if (end == SQL_OK) {
		return STATUS_OK;
	}
	snprintf(detail, sizeof(detail), "%u %.480s", mysql_conn_error(conn->db),
	    mysql_conn_error_text(conn->db));
	switch (end) {
	case SQL_OK:
	case SQL_REFUSED:
	case SQL_UNREACHABLE:
	case SQL_LOST: return sql_error_unavailable(error, detail);
	case SQL_TIMEOUT:
	case SQL_CONFLICT: return sql_error_deadline(error, detail);
	case SQL_DUPLICATE:
	case SQL_FAILED: break;
	}
	if (sql_mysql_cause(conn, end) != SQL_CAUSE_NONE) {
		return sql_error_unavailable(error, detail);
	}
	if (base->no_memory) {
		return sql_error_memory(error);
	}
	return sql_error_failed(error, base->why != NULL ? base->why : detail);
}

/* The error's words are noted before the rollback says something else. */
static enum status_code
sql_mysql_attempt(struct sql_conn *base, int64_t deadline_ns,
    enum sql_end (*step)(struct sql_conn *conn, void *call), void *call, enum sql_end *end,
    struct error *error)
{
	struct sql_mysql_conn *conn = (struct sql_mysql_conn *)base;
	enum status_code code;

	conn->in_transaction = false;
	conn->committing = false;
	mysql_conn_set_nobody(conn->db, base->nobody == NULL ? NULL : sql_is_for_nobody, base);
	*end = mysql_conn_open(conn->db, deadline_ns);
	if (*end == SQL_OK) {
		*end = step(base, call);
	}
	code = sql_mysql_error(base, *end, error);
	base->cause = sql_mysql_cause(conn, *end);
	if ((*end == SQL_LOST || *end == SQL_TIMEOUT) && conn->committing &&
	    mysql_conn_sent(conn->db)) {
		*end = SQL_FAILED;
		code = sql_error_unknown(error, mysql_conn_error_text(conn->db));
	}
	sql_mysql_roll_back(base);
	return code;
}

static const struct sql_ops sql_mysql_ops = {
    .dialect = SQL_MYSQL,
    .migrate = &sql_mysql_migrate,
    .close = sql_mysql_close,
    .set_login = sql_mysql_set_login,
    .conn_open = sql_mysql_conn_open,
    .conn_close = sql_mysql_conn_close,
    .conn_is_open = sql_mysql_conn_is_open,
    .attempt = sql_mysql_attempt,
    .error = sql_mysql_error,
    .text = sql_mysql_text,
    .execute = sql_mysql_execute,
    .next = sql_mysql_next,
    .ended = sql_mysql_ended,
    .get_int = sql_mysql_int,
    .get_real = sql_mysql_real,
    .get_string = sql_mysql_string,
    .is_null = sql_mysql_is_null,
    .row_count = sql_mysql_row_count,
    .affected = sql_mysql_affected,
    .insert_id = sql_mysql_insert_id,
    .id_step = sql_mysql_id_step,
    .id_step_varies = sql_mysql_id_step_varies,
    .fits = sql_mysql_fits,
    .execute_bytes = mysql_conn_execute_bytes,
    .put_select = sql_mysql_put_select,
    .begin = sql_mysql_begin,
    .alone = sql_mysql_alone,
    .commit = sql_mysql_commit,
    .roll_back = sql_mysql_roll_back,
    .ping = sql_mysql_ping,
    .try_read = sql_mysql_try,
    .try_write = sql_mysql_try,
};
