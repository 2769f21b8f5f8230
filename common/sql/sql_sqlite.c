#include "common/sql/sql_sqlite.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "common/base/clock.h"

#define SQL_SQLITE_BUSY_MS  5
#define SQL_SQLITE_PROGRESS 1000 /* steps of SQLite's machine between looks at the clock */

struct sql_sqlite {
	struct sql_db base;
	char *path;
};

static const struct sql_ops sql_sqlite_ops;

enum status_code
sql_sqlite_open(struct sql_db **out, const char *path, struct error *error)
{
	enum status_code code = sql_sqlite_check_path(path, error);
	struct sql_sqlite *db;

	if (code != STATUS_OK) {
		return code;
	}
	db = calloc(1, sizeof(*db));
	if (db == NULL || (db->path = strdup(path)) == NULL) {
		free(db);
		return sql_error_memory(error);
	}
	db->base.ops = &sql_sqlite_ops;
	*out = &db->base;
	return STATUS_OK;
}

static void
sql_sqlite_close(struct sql_db *base)
{
	struct sql_sqlite *db = (struct sql_sqlite *)base;

	free(db->path);
	free(db);
}

static struct sql_conn *
sql_sqlite_conn_open(struct sql_db *base)
{
	struct sql_sqlite_conn *conn = calloc(1, sizeof(*conn));

	if (conn == NULL) {
		return NULL;
	}
	conn->path = ((struct sql_sqlite *)base)->path;
	return &conn->base;
}

void
sql_sqlite_disconnect(struct sql_sqlite_conn *conn)
{
	sql_sqlite_discard(conn);
	for (unsigned i = 0; i < SQL_SQLITE_KEPT; i++) {
		sqlite3_finalize(conn->kept[i]);
		conn->kept[i] = NULL;
	}
	for (unsigned i = 0; i < conn->slot_count; i++) {
		sqlite3_finalize(conn->slots[i]);
		conn->slots[i] = NULL;
	}
	sqlite3_close(conn->db);
	conn->db = NULL;
}

static void
sql_sqlite_conn_close(struct sql_conn *base)
{
	struct sql_sqlite_conn *conn = (struct sql_sqlite_conn *)base;

	sql_sqlite_disconnect(conn);
	free(conn->slots);
	free(conn);
}

static bool
sql_sqlite_conn_is_open(const struct sql_conn *base)
{
	return ((const struct sql_sqlite_conn *)base)->db != NULL;
}

enum sql_end
sql_sqlite_end(struct sql_sqlite_conn *conn, int result)
{
	conn->result = result;
	switch (result) {
	case SQLITE_OK:
	case SQLITE_ROW:
	case SQLITE_DONE: return SQL_OK;
	case SQLITE_CONSTRAINT_UNIQUE:
	case SQLITE_CONSTRAINT_PRIMARYKEY: return SQL_DUPLICATE;
	default: break;
	}
	switch (result & 0xff) {
	case SQLITE_BUSY: return SQL_CONFLICT;
	case SQLITE_LOCKED:
	case SQLITE_INTERRUPT: return SQL_TIMEOUT;
	default: return SQL_FAILED;
	}
}

static int
sql_sqlite_on_busy(void *closure, int tries)
{
	const struct sql_sqlite_conn *conn = closure;
	int64_t left_ms = clock_left_ms(conn->base.deadline_ns);
	struct timespec nap = {0, CLOCK_NS_PER_MS};

	if (left_ms == 0) {
		return 0;
	}
	if (tries >= 10 && left_ms > SQL_SQLITE_BUSY_MS) {
		nap.tv_nsec *= SQL_SQLITE_BUSY_MS;
	}
	nanosleep(&nap, NULL);
	return 1;
}

static int
sql_sqlite_on_progress(void *closure)
{
	struct sql_sqlite_conn *conn = closure;

	return !conn->committing &&
	       (clock_left_ms(conn->base.deadline_ns) == 0 || sql_is_for_nobody(&conn->base));
}

/* A file that was moved or removed under us is no longer the one to write to. */
static bool
sql_sqlite_is_stale(struct sql_sqlite_conn *conn)
{
	int moved = 0;

	sqlite3_file_control(conn->db, "main", SQLITE_FCNTL_HAS_MOVED, &moved);
	return moved != 0;
}

enum sql_end
sql_sqlite_connect(struct sql_sqlite_conn *conn, int64_t deadline_ns, bool create)
{
	int flags = SQLITE_OPEN_READWRITE | SQLITE_OPEN_NOMUTEX | SQLITE_OPEN_EXRESCODE;
	int result;

	conn->base.deadline_ns = deadline_ns;
	if (conn->db != NULL && sql_sqlite_is_stale(conn)) {
		sql_sqlite_disconnect(conn);
	}
	if (conn->db != NULL) {
		return SQL_OK;
	}
	result =
	    sqlite3_open_v2(conn->path, &conn->db, flags | (create ? SQLITE_OPEN_CREATE : 0), NULL);
	if (result == SQLITE_OK) {
		sqlite3_busy_handler(conn->db, sql_sqlite_on_busy, conn);
		sqlite3_progress_handler(
		    conn->db, SQL_SQLITE_PROGRESS, sql_sqlite_on_progress, conn);
		result = sqlite3_exec(conn->db,
		    "PRAGMA journal_mode = WAL; PRAGMA synchronous = FULL", NULL, NULL, NULL);
	}
	if (result != SQLITE_OK) {
		sql_sqlite_disconnect(conn);
	}
	return sql_sqlite_end(conn, result);
}

enum sql_end
sql_sqlite_exec(struct sql_sqlite_conn *conn, const char *sql)
{
	sql_sqlite_discard(conn);
	return sql_sqlite_end(conn, sqlite3_exec(conn->db, sql, NULL, NULL, NULL));
}

/* Runs one of the statements of this room. */
static enum sql_end
sql_sqlite_do(struct sql_sqlite_conn *conn, enum sql_sqlite_kept which)
{
	static const char *const texts[] = {[SQL_SQLITE_BEGIN] = "BEGIN",
	    [SQL_SQLITE_BEGIN_WRITE] = "BEGIN IMMEDIATE",
	    [SQL_SQLITE_COMMIT] = "COMMIT"};
	int result = SQLITE_OK;

	sql_sqlite_discard(conn);
	if (conn->kept[which] == NULL) {
		result = sqlite3_prepare_v3(conn->db, texts[which], -1, SQLITE_PREPARE_PERSISTENT,
		    &conn->kept[which], NULL);
	}
	if (result == SQLITE_OK) {
		result = sqlite3_step(conn->kept[which]);
		sqlite3_reset(conn->kept[which]);
	}
	return sql_sqlite_end(conn, result);
}

static enum sql_end
sql_sqlite_begin(struct sql_conn *base)
{
	return sql_sqlite_do((struct sql_sqlite_conn *)base, SQL_SQLITE_BEGIN_WRITE);
}

static enum sql_end
sql_sqlite_begin_read(struct sql_conn *base)
{
	return sql_sqlite_do((struct sql_sqlite_conn *)base, SQL_SQLITE_BEGIN);
}

/* After an I/O error it is not known whether the commit happened. */
static enum sql_end
sql_sqlite_commit(struct sql_conn *base)
{
	struct sql_sqlite_conn *conn = (struct sql_sqlite_conn *)base;

	if (clock_left_ms(base->deadline_ns) == 0) {
		return sql_sqlite_end(conn, SQLITE_INTERRUPT);
	}
	conn->committing = true;
	return sql_sqlite_do(conn, SQL_SQLITE_COMMIT);
}

static void
sql_sqlite_roll_back(struct sql_conn *base)
{
	struct sql_sqlite_conn *conn = (struct sql_sqlite_conn *)base;

	sql_sqlite_discard(conn);
	conn->committing = true;
	if (conn->db != NULL && !sqlite3_get_autocommit(conn->db) &&
	    sqlite3_exec(conn->db, "ROLLBACK", NULL, NULL, NULL) != SQLITE_OK) {
		sql_sqlite_disconnect(conn);
	}
}

/* The result code that stands for a step's end. */
static int
sql_sqlite_result(const struct sql_sqlite_conn *conn, enum sql_end end)
{
	if (end == SQL_OK) {
		return SQLITE_OK;
	}
	if (conn->base.no_memory) {
		return SQLITE_NOMEM;
	}
	if (conn->base.why == NULL && conn->result != SQLITE_OK && conn->result != SQLITE_ROW &&
	    conn->result != SQLITE_DONE) {
		return conn->result;
	}
	switch (end) {
	case SQL_CONFLICT: return SQLITE_BUSY;
	case SQL_TIMEOUT: return SQLITE_INTERRUPT;
	default: return SQLITE_ERROR;
	}
}

static enum status_code
sql_sqlite_error(struct sql_conn *base, enum sql_end end, struct error *error)
{
	struct sql_sqlite_conn *conn = (struct sql_sqlite_conn *)base;
	int result = sql_sqlite_result(conn, end);
	char detail[ERROR_TEXT_MAX];

	if (result == SQLITE_OK) {
		return STATUS_OK;
	}
	snprintf(detail, sizeof(detail), "%.200s: %d %.200s", conn->path, result,
	    base->why != NULL  ? base->why
	    : conn->db == NULL ? sqlite3_errstr(result)
			       : sqlite3_errmsg(conn->db));
	switch (result & 0xff) {
	case SQLITE_BUSY:
	case SQLITE_LOCKED:
	case SQLITE_INTERRUPT: return sql_error_deadline(error, detail);
	case SQLITE_NOMEM: return sql_error_memory(error);
	case SQLITE_NOTADB: return sql_sqlite_bad_path(error, conn->path, "it is not a database");
	case SQLITE_IOERR:
		/* What there was no room for is not written. */
		if (conn->committing && !(result == SQLITE_IOERR_WRITE &&
					    sql_sqlite_cause(conn, result) == SQL_CAUSE_FULL)) {
			return sql_error_unknown(error, detail);
		}
		return sql_error_unavailable(error, detail);
	case SQLITE_CANTOPEN:
	case SQLITE_READONLY:
	case SQLITE_FULL:
	case SQLITE_PERM:
	case SQLITE_PROTOCOL: return sql_error_unavailable(error, detail);
	default: return sql_error_failed(error, detail);
	}
}

/* After these the connection is good for further use; after others a new one is opened. */
static bool
sql_sqlite_is_usable(int result)
{
	switch (result & 0xff) {
	case SQLITE_OK:
	case SQLITE_BUSY:
	case SQLITE_LOCKED:
	case SQLITE_INTERRUPT:
	case SQLITE_NOMEM:
	case SQLITE_CONSTRAINT: return true;
	default: return false;
	}
}

static enum status_code
sql_sqlite_attempt(struct sql_conn *base, int64_t deadline_ns,
    enum sql_end (*step)(struct sql_conn *conn, void *call), void *call, enum sql_end *end,
    struct error *error)
{
	struct sql_sqlite_conn *conn = (struct sql_sqlite_conn *)base;
	enum status_code code;
	int result;

	conn->committing = false;
	conn->result = SQLITE_OK;
	if (clock_left_ms(deadline_ns) == 0) {
		*end = SQL_TIMEOUT;
		return sql_error_deadline(
		    error, "the deadline passed before the database was asked");
	}
	*end = sql_sqlite_connect(conn, deadline_ns, false);
	if (*end == SQL_OK) {
		*end = step(base, call);
	}
	result = sql_sqlite_result(conn, *end);
	code = sql_sqlite_error(base, *end, error);
	base->cause = sql_sqlite_cause(conn, result);
	sql_sqlite_roll_back(base);
	if (!sql_sqlite_is_usable(result)) {
		sql_sqlite_disconnect(conn);
	}
	return code;
}

static uint64_t
sql_sqlite_affected(const struct sql_conn *base)
{
	return ((const struct sql_sqlite_conn *)base)->affected;
}

static uint64_t
sql_sqlite_insert_id(const struct sql_conn *base)
{
	return ((const struct sql_sqlite_conn *)base)->insert_id;
}

static void
sql_sqlite_put_select(struct sql_conn *base, const char *before)
{
	buf_puts(&base->sql, before);
	buf_puts(&base->sql, "SELECT ");
}

static const struct sql_ops sql_sqlite_ops = {
    .dialect = SQL_SQLITE,
    .migrate = &sql_sqlite_migrate,
    .close = sql_sqlite_close,
    .conn_open = sql_sqlite_conn_open,
    .conn_close = sql_sqlite_conn_close,
    .conn_is_open = sql_sqlite_conn_is_open,
    .attempt = sql_sqlite_attempt,
    .error = sql_sqlite_error,
    .text = sql_sqlite_text,
    .execute = sql_sqlite_execute,
    .next = sql_sqlite_next,
    .ended = sql_sqlite_ended,
    .get_int = sql_sqlite_int,
    .get_real = sql_sqlite_real,
    .get_string = sql_sqlite_string,
    .is_null = sql_sqlite_is_null,
    .affected = sql_sqlite_affected,
    .insert_id = sql_sqlite_insert_id,
    .put_select = sql_sqlite_put_select,
    .begin = sql_sqlite_begin,
    .begin_read = sql_sqlite_begin_read,
    .alone = sql_sqlite_begin,
    .commit = sql_sqlite_commit,
    .roll_back = sql_sqlite_roll_back,
    .ping = sql_sqlite_ping,
    .try_read = sql_sqlite_try_read,
    .try_write = sql_sqlite_try_write,
    .try_database = sql_sqlite_try_database,
};
