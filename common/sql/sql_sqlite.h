/*
 * What the sources of the SQLite database share. The one file that includes
 * <sqlite3.h>; only sql_sqlite*.c include it.
 */
#ifndef COMMON_SQL_SQLITE_H
#define COMMON_SQL_SQLITE_H

#include <sqlite3.h>

#include "common/sql/sql_impl.h"
#include "common/sql/sql_migrate_impl.h"

/* Statements of this room that stay prepared, beside those in slots. */
enum sql_sqlite_kept {
	SQL_SQLITE_BEGIN,
	SQL_SQLITE_BEGIN_WRITE,
	SQL_SQLITE_COMMIT,
	SQL_SQLITE_KEPT
};

struct sql_sqlite_conn {
	struct sql_conn base;
	const char *path; /* the database's */
	sqlite3 *db;      /* NULL: closed */
	bool committing;  /* not to be interrupted; a failure leaves the outcome unknown */
	int result;       /* of the last call; of a step that ended otherwise than SQL_OK: why */

	sqlite3_stmt *kept[SQL_SQLITE_KEPT];
	sqlite3_stmt **slots; /* grows; those that are kept, or NULL */
	unsigned slot_count;

	sqlite3_stmt *current; /* with rows that may be read, or NULL; in a slot, or */
	bool once;             /* to be finalized */
	bool pending;          /* it stands at its first row, which was not taken yet */
	enum sql_end ended;    /* how the last statement with rows ended */
	uint64_t affected, insert_id;
};

/* Notes an SQLite result code, and gives what it means. */
enum sql_end sql_sqlite_end(struct sql_sqlite_conn *conn, int result);

/*
 * Opens the file if it is not open (with create it is created if missing), and
 * sets the deadline of what follows.
 */
enum sql_end sql_sqlite_connect(struct sql_sqlite_conn *conn, int64_t deadline_ns, bool create);
void sql_sqlite_disconnect(struct sql_sqlite_conn *conn);

/* Runs statements without parameters, whose rows nobody reads. */
enum sql_end sql_sqlite_exec(struct sql_sqlite_conn *conn, const char *sql);

/* Why result is UNAVAILABLE, or an unknown outcome. */
enum sql_cause sql_sqlite_cause(const struct sql_sqlite_conn *conn, int result);

/* The error for a path that can't be used. */
enum status_code sql_sqlite_bad_path(struct error *error, const char *path, const char *why);

/* OK when there can be a database at the path; what is wrong is told at the start, not by each call. */
enum status_code sql_sqlite_check_path(const char *path, struct error *error);

/* Resets, or finalizes, the current statement. */
void sql_sqlite_discard(struct sql_sqlite_conn *conn);

/* Statements and their rows, as in struct sql_ops. */
enum sql_end sql_sqlite_text(struct sql_conn *base, const char *sql, size_t len);
enum sql_end sql_sqlite_execute(struct sql_conn *base, unsigned slot, const char *sql, size_t len,
    const struct sql_value *values, size_t count);
bool sql_sqlite_next(struct sql_conn *base);
enum sql_end sql_sqlite_ended(struct sql_conn *base);
int64_t sql_sqlite_int(struct sql_conn *base, unsigned column);
double sql_sqlite_real(struct sql_conn *base, unsigned column);
const char *sql_sqlite_string(struct sql_conn *base, unsigned column, size_t *len);
bool sql_sqlite_is_null(struct sql_conn *base, unsigned column);

/* Checks, as in struct sql_ops. */
enum sql_end sql_sqlite_ping(struct sql_conn *base, void *call);
enum sql_end sql_sqlite_try_read(struct sql_conn *base, const char *sql);
enum sql_end sql_sqlite_try_write(struct sql_conn *base, const char *sql);
enum sql_end sql_sqlite_try_database(struct sql_conn *base);

/* Gives the schema's version; 0 where there is none. */
enum sql_end sql_sqlite_version(struct sql_conn *base, int64_t *version);

extern const struct sql_migrate_ops sql_sqlite_migrate;

#endif
