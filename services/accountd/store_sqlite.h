/*
 * What the sources of the SQLite store share. The one file that includes
 * <sqlite3.h>; only store_sqlite*.c include it.
 */
#ifndef ACCOUNTD_STORE_SQLITE_H
#define ACCOUNTD_STORE_SQLITE_H

#include <sqlite3.h>

#include "common/base/arena.h"
#include "common/base/buf.h"
#include "services/accountd/store_impl.h"

/* The statements that stay prepared. NULLs that are read are the original's. */
#define STORE_SQLITE_ROWS(ROW)                                                                     \
	ROW(BEGIN, "BEGIN")                                                                        \
	ROW(BEGIN_WRITE, "BEGIN IMMEDIATE")                                                        \
	ROW(COMMIT, "COMMIT")                                                                      \
	ROW(GET, STORE_SQLITE_USER "WHERE id = ?")                                                 \
	ROW(CREATE, "INSERT INTO user (accountID, name, email, emailKey, role, password)"          \
		    " VALUES (?, ?, ?, ?, ?, COALESCE(?, '" STORE_PASSWORD_UNUSABLE "'))")         \
	ROW(REPLACE, "UPDATE user SET accountID = ?, name = ?, email = ?, emailKey = ?, role = ?," \
		     " password = COALESCE(?, password) WHERE id = ?")                             \
	ROW(DELETE, "DELETE FROM user WHERE id = ?")

#define STORE_SQLITE_USER                                                                          \
	"SELECT id, COALESCE(accountID, 0), COALESCE(name, ''), COALESCE(email, ''),"              \
	" COALESCE(role, 2) FROM user "

enum store_sqlite_statement {
#define STORE_SQLITE_ENUM(name, sql) STORE_SQLITE_##name,
	STORE_SQLITE_ROWS(STORE_SQLITE_ENUM)
#undef STORE_SQLITE_ENUM
	STORE_SQLITE_STATEMENTS
};

struct store_sqlite_conn {
	struct store_conn base;
	const char *path; /* the store's */
	sqlite3 *db;      /* NULL: closed */
	sqlite3_stmt *statements[STORE_SQLITE_STATEMENTS];
	struct arena *scratch; /* for the operation that runs */
	struct buf sql;
	int64_t deadline_ns;
	bool committing; /* not to be interrupted; a failure leaves the outcome unknown */
};

/*
 * Opens the file if it is not open (with create it is created if missing), and
 * sets the deadline of what follows. Returns an SQLite result code, like all
 * functions below that return int.
 */
int store_sqlite_connect(struct store_sqlite_conn *conn, int64_t deadline_ns, bool create);

/* Gives a statement that is kept, reset and ready to be bound. */
int store_sqlite_statement(
    struct store_sqlite_conn *conn, enum store_sqlite_statement which, sqlite3_stmt **statement);

/* Runs a statement without parameters and rows. */
int store_sqlite_do(struct store_sqlite_conn *conn, enum store_sqlite_statement which);

/* Compiles a statement again, to check whether the tables have what it names. */
int store_sqlite_try(struct store_sqlite_conn *conn, enum store_sqlite_statement which);

/* Commits. After an I/O error it is not known whether the commit happened. */
int store_sqlite_commit(struct store_sqlite_conn *conn);

/*
 * Runs step, and runs it again while the file is busy and the deadline has not
 * passed. Rolls back what it leaves open.
 */
enum status_code store_sqlite_run(struct store_sqlite_conn *conn, int64_t deadline_ns,
    int (*step)(struct store_sqlite_conn *conn, void *call), void *call, struct error *error);

/* Fills error with what result means, and returns its status; closes the file if it must be reopened. */
enum status_code store_sqlite_error(
    struct store_sqlite_conn *conn, int result, struct error *error);

/* Why result is UNAVAILABLE, or an unknown outcome. */
enum store_cause store_sqlite_cause(const struct store_sqlite_conn *conn, int result);

/* Reads the schema's version into *call, an int64_t; a step. */
int store_sqlite_read_version(struct store_sqlite_conn *conn, void *call);

enum status_code store_sqlite_check_tables(
    struct store_conn *base, int64_t deadline_ns, struct error *error);
enum status_code store_sqlite_check_writes(
    struct store_conn *base, int64_t deadline_ns, bool really, struct error *error);
enum status_code store_sqlite_user_get(struct store_conn *base, int64_t deadline_ns,
    const int64_t *ids, size_t count, struct arena *arena, struct user *rows, struct error *error);
enum status_code store_sqlite_user_list(struct store_conn *base, int64_t deadline_ns,
    const struct store_filter *filter, int64_t after_id, size_t limit, struct arena *arena,
    struct user **rows, size_t *count, struct error *error);
enum status_code store_sqlite_user_write(struct store_conn *base, int64_t deadline_ns,
    struct store_write *writes, size_t count, struct error *error);

enum status_code store_sqlite_needed(
    struct store_conn *base, int64_t deadline_ns, int known, int64_t *needed, struct error *error);

/* Gives in *found whether the table of migrations has the column runsFrom. */
int store_sqlite_find_runs_from(struct store_sqlite_conn *conn, bool *found);

extern const struct store_migrate_ops store_sqlite_migrate;

#endif
