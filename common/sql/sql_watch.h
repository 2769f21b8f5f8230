/*
 * Whether a database can be used: checks, and a thread that makes them.
 *
 * The thread watches whether the schema fits, whether the database answers,
 * still has the tables that are read, and accepts changes. It checks every
 * second, and more often while the database cannot be used; each change is
 * logged.
 *
 * A database that refuses changes still serves, because it answers reads; all
 * instances use the same database, so otherwise nobody would answer them.
 * sql_refusal says whether it refuses changes.
 */
#ifndef COMMON_SQL_WATCH_H
#define COMMON_SQL_WATCH_H

#include "common/sql/sql.h"
#include "common/sql/sql_setting.h"

struct sql_schema;
struct sql_watch;

/*
 * Statements that name what those of the program name, in SQL that both
 * dialects understand. The reads find no row, and the writes change none:
 *
 *	SELECT id, title FROM film WHERE id = 0
 *	INSERT INTO film (title) SELECT title FROM film WHERE FALSE
 *	UPDATE film SET title = '' WHERE FALSE
 *	DELETE FROM film WHERE FALSE
 *
 * Table setting need not be among them.
 */
struct sql_checks {
	const char *const *reads;
	size_t read_count;
	const char *const *writes;
	size_t write_count;
};

/*
 * OK when the tables have what the reads name; INTERNAL, with the database's
 * words in detail, when a table or column is missing.
 */
enum status_code sql_check_tables(struct sql_conn *conn, int64_t deadline_ns,
    const struct sql_checks *checks, struct error *error);

/*
 * OK when the database accepts changes. Normally this is checked without a
 * change; while sql_refusal has a cause, a row of table setting is written and
 * removed. The statuses are those of a write.
 */
enum status_code sql_check_writes(struct sql_conn *conn, int64_t deadline_ns,
    const struct sql_checks *checks, struct error *error);

struct sql_watch_options {
	struct sql_db *db;               /* borrowed, as is all that follows, until it stops */
	const struct sql_schema *schema; /* static */
	struct sql_checks checks;        /* what they name is static */
	const char *secret_name;         /* static; NULL: no secret is read */
	size_t secret_bytes;
};

/* Starts the thread, with all signals blocked. */
enum status_code sql_watch_start(
    struct sql_watch **watch, const struct sql_watch_options *options, struct error *error);

/* True once the schema is known to fit: before, no call may use the database. Never blocks. */
bool sql_watch_ready(const struct sql_watch *watch);

/* The secret, once ready; NULL before. Never blocks. */
const uint8_t *sql_watch_secret(const struct sql_watch *watch);

/* True while the database answers and has the tables that are read. Never blocks. */
bool sql_watch_serving(const struct sql_watch *watch);

/* Why it does not serve, as static text, or NULL. Never blocks. */
const char *sql_watch_problem(const struct sql_watch *watch);

/* Joins the thread and clears *watch. NULL is fine. */
void sql_watch_stop(struct sql_watch **watch);

#endif
