/*
 * Bringing the tables of a database up to date. Which migrations were done is
 * recorded in its table schema_migration.
 */
#ifndef COMMON_SQL_MIGRATE_H
#define COMMON_SQL_MIGRATE_H

#include "common/sql/sql.h"

/*
 * One migration: SQL, each statement of which ends with ";\n", or a function if
 * SQL is not enough. Both must do no harm when they run again after they were
 * killed half-way. A server has done with what is there already: a table or
 * column that exists is no failure.
 *
 * runs_from is the oldest version whose programs can run on the schema as it
 * is afterwards: version itself when they can't, the one before when they miss
 * nothing. It is recorded, so that programs that do not know the migration, as
 * after a rollback, know whether they may start.
 */
struct sql_migration {
	int version, runs_from;
	const char *name;
	const unsigned char *sql; /* NULL: step */

	/*
	 * Runs on the connection that migrates, outside sql_run and without a
	 * deadline. closure is sql_migrate's.
	 */
	enum status_code (*step)(struct sql_conn *conn, void *closure, struct error *error);
};

/* The migrations of a program, in the order of their versions, for each dialect. */
struct sql_schema {
	const char *program; /* that a person runs with "migrate" */
	const struct sql_migration *rows[SQL_DIALECTS];
	size_t counts[SQL_DIALECTS];
};

/*
 * Brings the schema up to date, one process at a time. tell is called with a
 * line for people at each step; it may be NULL.
 */
enum status_code sql_migrate(struct sql_db *db, const struct sql_schema *schema,
    void (*tell)(const char *line), void *closure, struct error *error);

/*
 * FAILED_PRECONDITION, with a message that names the command to run, when the
 * schema is older than this program needs, or newer than it knows and not one
 * of those on which the version before can still run.
 */
enum status_code sql_check_schema(struct sql_conn *conn, int64_t deadline_ns,
    const struct sql_schema *schema, struct error *error);

/* True when the schema was seen to be newer than the program, and to fit. Any thread. */
bool sql_is_ahead(const struct sql_db *db);

/*
 * For steps of migrations.
 */

/* Runs a change of tables; one that a server has done already is SQL_OK. */
enum sql_end sql_change(struct sql_conn *conn, const char *sql, size_t len);

/* Rolls back if a transaction is open on an open connection. */
void sql_roll_back(struct sql_conn *conn);

/* Fills error with what end means on this connection, and returns its status. */
enum status_code sql_error(struct sql_conn *conn, enum sql_end end, struct error *error);

#endif
