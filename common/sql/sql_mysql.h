/*
 * What the sources of the MySQL database share: its connection, and how it is
 * used. Only sql_mysql*.c include this.
 */
#ifndef COMMON_SQL_MYSQL_H
#define COMMON_SQL_MYSQL_H

#include "common/sql/mysql_conn.h"
#include "common/sql/sql_impl.h"
#include "common/sql/sql_migrate_impl.h"

struct sql_mysql_conn {
	struct sql_conn base;
	struct mysql_conn *db;
	struct mysql_row row; /* the current one */
	bool in_transaction;
	bool committing; /* the current statement may take effect even if its answer is lost */
};

/* Why end is UNAVAILABLE. */
enum sql_cause sql_mysql_cause(const struct sql_mysql_conn *conn, enum sql_end end);

/* Steps and parts of them, as in struct sql_ops. */
enum sql_end sql_mysql_text(struct sql_conn *base, const char *sql, size_t len);
enum sql_end sql_mysql_ping(struct sql_conn *base, void *call);
enum sql_end sql_mysql_try(struct sql_conn *base, const char *sql);

extern const struct sql_migrate_ops sql_mysql_migrate;

#endif
