/*
 * One interface to a database, which is a MySQL or MariaDB server or a file of
 * SQLite. A sql_db is the database, shared by all threads. A sql_conn is a
 * connection to it and belongs to one thread. This room knows no table but
 * schema_migration (sql_migrate.h) and setting (sql_setting.h).
 *
 * Everything is done by sql_run, which runs a step of the caller's: a function
 * that runs statements and takes their rows. A step may be run more than once,
 * so it begins by forgetting what it did before. It returns how the statements
 * ended; what it leaves open is rolled back. An example:
 *
 *	static enum sql_end
 *	film_do_rename(struct sql_conn *conn, void *call)
 *	{
 *		static const char update[] = "UPDATE film SET title = ? WHERE id = ?";
 *		struct film_rename *rename = call;
 *		const struct sql_value values[] = {
 *		    sql_text_value(rename->title), sql_int_value(rename->id)};
 *		enum sql_end end = sql_alone(conn);
 *
 *		if (end == SQL_OK) {
 *			end = sql_execute(conn, rename->slot, update, sizeof(update) - 1,
 *			    values, 2);
 *		}
 *		rename->found = end == SQL_OK && sql_affected(conn) > 0;
 *		return end == SQL_OK ? sql_commit(conn) : end;
 *	}
 *
 * An operation has a deadline (on clock_now_ns) and ends with
 *
 *	OK                  done and, if a write, committed and durable
 *	UNAVAILABLE         not done: the database is away, or refuses it now: see
 *	                    enum sql_cause. Reason STORE_UNAVAILABLE
 *	UNAVAILABLE         with reason OUTCOME_UNKNOWN: a commit was sent and not answered
 *	DEADLINE_EXCEEDED   not done in time
 *	RESOURCE_EXHAUSTED  there is no memory, as a step said by sql_no_memory
 *	INTERNAL            a statement failed; error's detail has the database's words
 *
 * The next operation reopens a connection that broke.
 */
#ifndef COMMON_SQL_H
#define COMMON_SQL_H

#include <limits.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "common/base/status.h"

struct arena;
struct buf;
struct sql_db;
struct sql_conn;

/* How a statement, or a step, ended. */
enum sql_end {
	SQL_OK,
	SQL_DUPLICATE,   /* a unique key is taken; the statement did nothing */
	SQL_CONFLICT,    /* deadlock, lock timeout, busy file: sql_run runs the step again */
	SQL_REFUSED,     /* the server can't do it now (read-only, not ready); closed */
	SQL_UNREACHABLE, /* no server could be connected to; nothing was sent */
	SQL_LOST,        /* broke while a statement ran: it may have taken effect; closed */
	SQL_TIMEOUT,     /* the deadline passed, else as SQL_LOST */
	SQL_FAILED       /* the database gave an error; the statement did nothing */
};

/* How connections to a database by TCP are encrypted. */
enum sql_tls {
	SQL_TLS_OFF,
	SQL_TLS_PREFERRED, /* if the server offers it */
	SQL_TLS_REQUIRED,  /* without checking who the server is */
	SQL_TLS_VERIFY_CA, /* its certificate is signed by the authority */
	SQL_TLS_VERIFY     /* and contains the name of the host */
};

struct sql_options {
	const char *url;  /* "mysql" or "sqlite:PATH" */
	const char *host; /* the rest is for mysql */
	unsigned port;
	const char *database;
	const char *user;
	const char *password;
	uint32_t connect_timeout_ms;
	enum sql_tls tls;
	const char *tls_ca_file; /* PEM files; NULL or empty: none */
	const char *tls_cert_file;
	const char *tls_key_file;
};

/*
 * Creates a database; does not connect yet. options is copied. The error names
 * a wrong url, host or path and what would be right.
 */
enum status_code sql_open(
    struct sql_db **db, const struct sql_options *options, struct error *error);

/* Frees the database and clears *db; its connections must be closed. NULL is fine. */
void sql_close(struct sql_db **db);

/*
 * Sets the credentials for later connections; open ones stay. False without
 * memory; then nothing has changed. Does nothing for the embedded database.
 * Any thread.
 */
bool sql_set_login(struct sql_db *db, const char *user, const char *password);

/* Which SQL it speaks: for statements that can't be the same for both. */
enum sql_dialect {
	SQL_MYSQL,
	SQL_SQLITE,
	SQL_DIALECTS
};

/* True for the embedded database, a file that is this machine's own. */
bool sql_is_embedded(const struct sql_db *db);

/* Why an operation ended UNAVAILABLE, or why the database refuses changes. */
enum sql_cause {
	SQL_CAUSE_NONE,
	SQL_CAUSE_AWAY,      /* it can't be reached, or the connection broke */
	SQL_CAUSE_READ_ONLY, /* for example a replica, or a file system after an error */
	SQL_CAUSE_FULL,      /* no space is left */
	SQL_CAUSE_IO,        /* its file can't be read or written */
	SQL_CAUSE_FAILED,    /* a statement that any change needs fails; not UNAVAILABLE */
	SQL_CAUSES
};

/* "away", "read_only" and so on; "none". */
const char *sql_cause_name(enum sql_cause cause);

/*
 * Why the database refuses changes, although it may answer reads;
 * SQL_CAUSE_NONE when the last change, or the last sql_check_writes, succeeded.
 * Any thread.
 */
enum sql_cause sql_refusal(const struct sql_db *db);

/* An operation that has ended. */
struct sql_ended {
	const char *resource; /* of the sql_work; NULL for a ping */
	unsigned operation;   /* one of those of the sql_work */
	enum status_code code;
	enum sql_cause cause;      /* where code is UNAVAILABLE */
	const struct error *error; /* NULL when code is OK, or when the caller did not request it */
	int64_t took_ns;
};

/* The operation that a ping is to the observer. Those of callers are 1 to 31. */
#define SQL_OPERATION_CHECK 0

/*
 * Makes each operation with a number, and each ping, call observe at its end,
 * in the thread of the operation; observe must not block. To be set before the
 * first connection is opened.
 */
void sql_set_observer(struct sql_db *db,
    void (*observe)(void *closure, const struct sql_ended *ended), void *closure);

/*
 * Gives the first of count new numbers for statements that stay prepared; see
 * sql_execute. Each user of the database asks once, when it is set up. Any
 * thread.
 */
unsigned sql_slots(struct sql_db *db, unsigned count);

/* The state of a connection to the database. */
enum sql_conn_state {
	SQL_CONN_CLOSED, /* before its first operation, and while the database is away */
	SQL_CONN_IDLE,
	SQL_CONN_BUSY,
	SQL_CONN_STATES
};

/* Connections to the database that are in a state. Any thread. */
unsigned sql_conns_in(const struct sql_db *db, enum sql_conn_state state);

/* Gives a connection, which connects when first used; NULL without memory. */
struct sql_conn *sql_conn_open(struct sql_db *db);

/* Closes it and clears *conn. NULL is fine. */
void sql_conn_close(struct sql_conn **conn);

/* What an operation does, and what it is to the observer. */
struct sql_work {
	const char *resource; /* static text */
	unsigned operations;  /* bit n: operation n; each is observed once. 0: none */
	bool writes; /* it changes rows: how it ends says whether the database takes them */
	enum sql_end (*step)(struct sql_conn *conn, void *call);
};

/*
 * Connects if necessary and runs the step with call. Runs it again after
 * SQL_CONFLICT until the deadline, and after SQL_REFUSED and SQL_LOST as long
 * as nothing can have been committed and there are hosts to try. Empties the
 * scratch arena at the end. error may be NULL; it stays as it was, or is cleared,
 * when the result is OK.
 */
enum status_code sql_run(struct sql_conn *conn, int64_t deadline_ns, const struct sql_work *work,
    void *call, struct error *error);

/*
 * While nobody is set, an operation that does not write ends as at its deadline
 * soon after nobody(closure) is true: for what nobody waits for any longer. It is
 * called in the thread of the operation, some ten times a second, and must not
 * block. NULL: not any more.
 */
void sql_set_nobody(struct sql_conn *conn, bool (*nobody)(void *closure), void *closure);

/* OK when the database answers. */
enum status_code sql_ping(struct sql_conn *conn, int64_t deadline_ns, struct error *error);

/* The errors of sql_run, for what is found before it is called. */
enum status_code sql_error_memory(struct error *error);
enum status_code sql_error_failed(struct error *error, const char *detail);

/*
 * The rest is for steps, and for the steps of migrations.
 */

/* The type of a parameter. */
enum sql_type {
	SQL_NULL,
	SQL_INT,
	SQL_REAL,
	SQL_TEXT, /* UTF-8 without a NUL, but with one behind its len bytes */
	SQL_BYTES
};

/* The value of a parameter. data is borrowed until the next statement. */
struct sql_value {
	enum sql_type type;
	int64_t number;   /* SQL_INT */
	double real;      /* SQL_REAL */
	const char *data; /* SQL_TEXT and SQL_BYTES */
	size_t len;
};

/* Makes one; a text that is NULL is SQL's NULL. */
struct sql_value sql_int_value(int64_t number);
struct sql_value sql_real_value(double real);
struct sql_value sql_text_value(const char *text);
struct sql_value sql_bytes_value(const char *bytes, size_t len);

/* What a connection speaks, and the deadline of the operation. */
enum sql_dialect sql_dialect(const struct sql_conn *conn);
int64_t sql_deadline_ns(const struct sql_conn *conn);

/*
 * Of the connection: an arena that is emptied when sql_run ends, and a buffer
 * for sql_built. sql_clear_scratch empties the arena before it gives it: for
 * what is prepared before sql_run.
 */
struct arena *sql_scratch(struct sql_conn *conn);
struct arena *sql_clear_scratch(struct sql_conn *conn);
struct buf *sql_buf(struct sql_conn *conn);

/* Runs a constant statement without parameters. */
enum sql_end sql_text(struct sql_conn *conn, const char *sql);

/* Runs the statement that is in sql_buf, without parameters; SQL_FAILED if the buffer failed. */
enum sql_end sql_built(struct sql_conn *conn);

#define SQL_ONCE       UINT_MAX
#define SQL_VALUES_MAX 512 /* parameters of a statement */

/*
 * Runs a statement with count parameters. It stays prepared on the connection
 * in slot, which must always get the same SQL: a number that sql_slots gave; or
 * SQL_ONCE. sql may be sql_buf's.
 */
enum sql_end sql_execute(struct sql_conn *conn, unsigned slot, const char *sql, size_t len,
    const struct sql_value *values, size_t count);

/*
 * Steps to the next row of the last statement: the first one, at first. False
 * at the end, and when reading failed, which sql_ended distinguishes.
 */
bool sql_next(struct sql_conn *conn);

/* SQL_OK when all rows of the last statement have been read, or why they can't be. */
enum sql_end sql_ended(struct sql_conn *conn);

#define SQL_COLUMNS_MAX 32 /* a statement with more fails */

/*
 * The columns of the current row, from 0. SQL's NULL is 0, and the string NULL.
 * A string is valid until the next call of sql_next or the next statement; it
 * has a NUL behind its end, which *len does not count. len may be NULL.
 */
int64_t sql_int(struct sql_conn *conn, unsigned column);
double sql_real(struct sql_conn *conn, unsigned column);
const char *sql_string(struct sql_conn *conn, unsigned column, size_t *len);
bool sql_is_null(struct sql_conn *conn, unsigned column);

/* How many rows the last statement has; 0 where it is not known, as with SQLite. */
size_t sql_row_count(const struct sql_conn *conn);

/*
 * The number of rows that the last statement matched for its change, and the
 * first id that it assigned.
 */
uint64_t sql_affected(const struct sql_conn *conn);
uint64_t sql_insert_id(const struct sql_conn *conn);

/*
 * The distance between ids that one statement assigns on this connection, as it
 * was when the connection was made; and whether it may have changed since, as
 * in a Galera cluster, where it is the number of nodes.
 */
uint64_t sql_id_step(const struct sql_conn *conn);
bool sql_id_step_varies(const struct sql_conn *conn);

/*
 * Whether the server accepts a statement of that many bytes, or one with these
 * parameters. A longer one ends with SQL_FAILED and is not sent. Always true
 * for SQLite.
 */
bool sql_fits(const struct sql_conn *conn, size_t bytes);
bool sql_execute_fits(
    const struct sql_conn *conn, size_t sql_len, const struct sql_value *values, size_t count);

#define SQL_IDS_MAX 256 /* in one statement */

/*
 * Appends "(1,2,3)" to sql_buf: as many of the ids, from the first one on, as a
 * statement may have and the server accepts. Returns how many.
 */
size_t sql_put_ids(struct sql_conn *conn, const int64_t *ids, size_t count);

/*
 * Appends before and "SELECT " to sql_buf, so that the server itself gives up
 * at the deadline, as nobody waits any longer; for the begin of a statement
 * that may take long. before is "(" or "".
 */
void sql_put_select(struct sql_conn *conn, const char *before);

/*
 * Transactions. What writes is one of
 *
 *	sql_begin, statements, sql_commit
 *	sql_alone, one statement, sql_commit
 *
 * where with sql_alone the statement is the whole change: a server commits it
 * by itself, which saves two round trips. A statement outside both commits
 * itself too, but is run again where its connection is lost, so it must do no
 * harm then.
 *
 * What sql_commit ends with is to be returned by the step: anything but
 * SQL_OK and SQL_CONFLICT means that the outcome is not known.
 */
enum sql_end sql_begin(struct sql_conn *conn);
enum sql_end sql_alone(struct sql_conn *conn);
enum sql_end sql_commit(struct sql_conn *conn);

/*
 * Makes the statements that follow, which only read, see one moment where that
 * costs nothing: in SQLite. Servers show each statement what is committed.
 */
enum sql_end sql_begin_read(struct sql_conn *conn);

/*
 * Says that the step changed a row for which the database needs space: when it
 * ends OK, sql_refusal becomes SQL_CAUSE_NONE.
 */
void sql_changed(struct sql_conn *conn);

/* Each ends a step with SQL_FAILED: without memory, */
enum sql_end sql_no_memory(struct sql_conn *conn);

/* when a result has fewer rows than it must have, */
enum sql_end sql_cut(struct sql_conn *conn);

/* and for any other reason, which is static text for the log. */
enum sql_end sql_fail(struct sql_conn *conn, const char *why);

#endif
