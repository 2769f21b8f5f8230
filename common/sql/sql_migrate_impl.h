/*
 * What sql_migrate.c needs from a kind of database. What runs between lock and
 * unlock runs on one connection, without a deadline.
 */
#ifndef COMMON_SQL_MIGRATE_IMPL_H
#define COMMON_SQL_MIGRATE_IMPL_H

#include "common/sql/sql_migrate.h"

struct sql_migrate_ops {
	/* True where there is nothing to connect to yet, and so no version. */
	bool (*is_absent)(const struct sql_conn *conn);

	/* Gives the schema's version, 0 where there is none. */
	enum sql_end (*version)(struct sql_conn *conn, int64_t *version);

	/*
	 * For a schema that is newer than known: gives the version that a program
	 * must know to run on it; *needed stays where nothing was recorded.
	 */
	enum sql_end (*needed)(struct sql_conn *conn, int known, int64_t *needed);

	/* Connects, waits until no other process migrates and makes the table of migrations. */
	enum sql_end (*lock)(struct sql_conn *conn, void (*tell)(const char *line));

	/* Ends what lock began. With ok, what was done and not yet committed is kept. */
	enum sql_end (*unlock)(struct sql_conn *conn, bool ok);

	/* Runs the statements of script, each of which ends with ";\n". */
	enum sql_end (*script)(struct sql_conn *conn, const char *script);

	/* See sql_change. */
	enum sql_end (*change)(struct sql_conn *conn, const char *sql, size_t len);
};

#endif
