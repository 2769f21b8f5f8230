/*
 * What the sources of the MySQL store share: its connection, and how an
 * operation is run on it until it ends. Only store_mysql*.c include this.
 */
#ifndef ACCOUNTD_STORE_MYSQL_H
#define ACCOUNTD_STORE_MYSQL_H

#include "common/base/arena.h"
#include "common/base/buf.h"
#include "services/accountd/mysql_conn.h"
#include "services/accountd/store_impl.h"

struct store_mysql_conn {
	struct store_conn base;
	struct mysql_conn *db;
	unsigned reconnects_max; /* as many as there are hosts */
	struct arena *scratch;   /* for the operation that runs */
	struct buf sql;          /* the statement that is put together */
	bool in_transaction;
	bool committing; /* the current statement may take effect even if its answer is lost */
	bool no_memory;  /* why a step ended with MYSQL_END_FAILED; or */
	bool cut;        /* rows of a result did not come */
};

/* A row of the statements kept prepared, see mysql_conn_execute. */
enum store_mysql_slot {
	STORE_MYSQL_INSERT, /* of 1 user; then of 2, 4, … 64 */
	STORE_MYSQL_REPLACE = STORE_MYSQL_INSERT + 7,
	STORE_MYSQL_ID,
	STORE_MYSQL_SET_KEY,
	STORE_MYSQL_SET_PASSWORD,
	STORE_MYSQL_SLOTS
};

/* Runs a constant statement, or the one in conn->sql. */
enum mysql_end store_mysql_text(struct store_mysql_conn *conn, const char *sql);
enum mysql_end store_mysql_built(struct store_mysql_conn *conn);

enum mysql_end store_mysql_begin(struct store_mysql_conn *conn);

/* Anything but MYSQL_END_OK and MYSQL_END_CONFLICT means that the outcome is not known. */
enum mysql_end store_mysql_commit(struct store_mysql_conn *conn);

/* Rolls back if a transaction is open on an open connection. */
void store_mysql_roll_back(struct store_mysql_conn *conn);

/* Ends a step without memory. */
enum mysql_end store_mysql_no_memory(struct store_mysql_conn *conn);

/* Ends a step whose result has fewer rows than it must have. */
enum mysql_end store_mysql_cut(struct store_mysql_conn *conn);

/* Maximum number of ids in one statement. */
#define STORE_MYSQL_IDS_MAX 256

/*
 * Appends "(1,2,3)" to conn->sql: as many of the ids, from the first one on, as
 * the statement may have and the server accepts. Returns how many.
 */
size_t store_mysql_put_ids(struct store_mysql_conn *conn, const int64_t *ids, size_t count);

/*
 * Connects if necessary and runs step. Runs it again after a conflict until the
 * deadline, and after a lost connection as long as nothing can have been
 * committed. Rolls back what a step leaves open.
 */
enum status_code store_mysql_run(struct store_mysql_conn *conn, int64_t deadline_ns,
    enum mysql_end (*step)(struct store_mysql_conn *conn, void *call), void *call,
    struct error *error);

/* Fills error with what end means, and returns its status. */
enum status_code store_mysql_error(
    const struct store_mysql_conn *conn, enum mysql_end end, struct error *error);

/* Why end is UNAVAILABLE. */
enum store_cause store_mysql_cause(const struct store_mysql_conn *conn, enum mysql_end end);

/* Reads the schema's version into *call, an int64_t; a step. */
enum mysql_end store_mysql_read_version(struct store_mysql_conn *conn, void *call);

/* The number in a column; 0 for NULL. */
int64_t store_mysql_number(const struct mysql_row *row, unsigned column);

enum status_code store_mysql_check_tables(
    struct store_conn *base, int64_t deadline_ns, struct error *error);
enum status_code store_mysql_check_writes(
    struct store_conn *base, int64_t deadline_ns, bool really, struct error *error);
enum status_code store_mysql_user_get(struct store_conn *base, int64_t deadline_ns,
    const int64_t *ids, size_t count, struct arena *arena, struct user *rows, struct error *error);
enum status_code store_mysql_user_list(struct store_conn *base, int64_t deadline_ns,
    const struct store_filter *filter, int64_t after_id, size_t limit, struct arena *arena,
    struct user **rows, size_t *count, struct error *error);
enum status_code store_mysql_user_write(struct store_conn *base, int64_t deadline_ns,
    struct store_write *writes, size_t count, struct error *error);

enum status_code store_mysql_needed(
    struct store_conn *base, int64_t deadline_ns, int known, int64_t *needed, struct error *error);

extern const struct store_migrate_ops store_mysql_migrate;

#endif
