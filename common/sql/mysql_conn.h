/*
 * A connection to a server with the MySQL protocol. Every call has a deadline
 * and returns when it passes; enum sql_end says how it ended. Only mysql_conn_impl.h includes <mysql.h>.
 *
 * A connection that breaks, or whose deadline passes while a statement runs, is
 * closed at once, so that no statement runs on a connection in an unknown
 * state; mysql_conn_open reopens it. In the second case the server is told to
 * end the statement; see mysql_kill.h. A connection belongs to one thread at a
 * time.
 */
#ifndef COMMON_SQL_MYSQL_CONN_H
#define COMMON_SQL_MYSQL_CONN_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "common/sql/sql.h"

struct mysql_conn;
struct mysql_hosts;
struct mysql_kill;
struct mysql_login;
struct mysql_place;
struct mysql_tls;

/* Where to connect to; must outlive the connection. */
struct mysql_target {
	const struct mysql_hosts *hosts; /* the first one that answers is used */
	const char *database;
	struct mysql_login *login; /* read for each connection */
	const struct mysql_tls *tls;
	uint32_t connect_timeout_ms;
	struct mysql_kill *kill; /* ends statements that are cut off; or NULL */
};

/* A row; integers are decimal text, SQL's NULL is NULL. Valid until the next call. */
struct mysql_row {
	const char *text[SQL_COLUMNS_MAX];
	unsigned long len[SQL_COLUMNS_MAX];
};

/* A new connection, not yet opened; NULL without memory. */
struct mysql_conn *mysql_conn_new(const struct mysql_target *target);

/* Closes and frees the connection, and clears *conn. NULL is fine. */
void mysql_conn_free(struct mysql_conn **conn);

/*
 * Connects if the connection is closed or was lost. To be called before each
 * operation; also sets the deadline for all calls until the next
 * mysql_conn_open.
 */
enum sql_end mysql_conn_open(struct mysql_conn *conn, int64_t deadline_ns);

/*
 * Connects to that very server and no other, on a closed connection; also as
 * mysql_conn_open. SQL_FAILED: another one has its address.
 */
enum sql_end mysql_conn_open_at(
    struct mysql_conn *conn, const struct mysql_place *place, int64_t deadline_ns);

/*
 * While nobody is set, statements end as at the deadline soon after
 * nobody(closure) is true. NULL: not any more.
 */
void mysql_conn_set_nobody(struct mysql_conn *conn, bool (*nobody)(void *closure), void *closure);

/* Closes the connection. The next mysql_conn_open connects again. */
void mysql_conn_close(struct mysql_conn *conn);

bool mysql_conn_is_open(const struct mysql_conn *conn);

/*
 * True when a statement was sent since mysql_conn_open: after
 * SQL_LOST and SQL_TIMEOUT, whether it can have taken effect.
 */
bool mysql_conn_sent(const struct mysql_conn *conn);

/* Runs a statement without parameters. */
enum sql_end mysql_conn_query(struct mysql_conn *conn, const char *sql, size_t len);

/*
 * Runs a statement with count parameters. It stays prepared in slot, which must
 * always get the same SQL; with SQL_ONCE it is prepared for this run
 * only.
 */
enum sql_end mysql_conn_execute(struct mysql_conn *conn, unsigned slot, const char *sql, size_t len,
    const struct sql_value *values, size_t count);

/*
 * The rows of the last statement; each is read once, in order. False at the
 * end, and when there is no memory for the next row; mysql_conn_has_read_all
 * distinguishes the two.
 */
size_t mysql_conn_row_count(const struct mysql_conn *conn);
bool mysql_conn_next_row(struct mysql_conn *conn, struct mysql_row *row);
bool mysql_conn_has_read_all(const struct mysql_conn *conn);

/*
 * Whether the server accepts a statement of that many bytes
 * (max_allowed_packet). A longer one ends with SQL_FAILED and is not
 * sent. mysql_conn_execute_bytes returns the size of a statement with
 * parameters, or a few bytes more.
 */
bool mysql_conn_fits(const struct mysql_conn *conn, size_t bytes);
size_t mysql_conn_execute_bytes(size_t sql_len, const struct sql_value *values, size_t count);

/*
 * The number of rows that the last statement matched for its change, and the
 * first id that it assigned.
 */
uint64_t mysql_conn_affected(const struct mysql_conn *conn);
uint64_t mysql_conn_insert_id(const struct mysql_conn *conn);

/*
 * The distance between ids that one statement assigns on this connection, as it
 * was when the connection was made; and whether it may have changed since, as
 * in a Galera cluster, where it is the number of nodes.
 */
uint64_t mysql_conn_id_step(const struct mysql_conn *conn);
bool mysql_conn_id_step_varies(const struct mysql_conn *conn);

/* The error numbers for a missing table and a missing column. */
#define MYSQL_ERROR_NO_TABLE  1146
#define MYSQL_ERROR_NO_COLUMN 1054

/* Number and text of the error that the last call ended with. For the log. */
unsigned mysql_conn_error(const struct mysql_conn *conn);
const char *mysql_conn_error_text(const struct mysql_conn *conn);

#endif
