/* Why a server refuses what it would do another time, and whether it has what statements name. */
#include <string.h>

#include "common/sql/sql_mysql.h"

/* Servers that are not ready, as a node of Galera, refuse reads too. */
#define SQL_MYSQL_NOT_READY 1047

/* What a layer before sharded servers says to a statement that it can't split. */
#define SQL_MYSQL_NOT_SUPPORTED 1235

/* Why the server failed a statement that another time it would do. Below 1000: of its files. */
static enum sql_cause
sql_mysql_cause_of_failure(const struct sql_mysql_conn *conn)
{
	switch (mysql_conn_error(conn->db)) {
	case 1021: /* disk full */
	case 1114: /* table full */ return SQL_CAUSE_FULL;
	case 3:    /* error writing file */
	case 1030: /* error of the engine */
		return strstr(mysql_conn_error_text(conn->db), "No space left") != NULL
			   ? SQL_CAUSE_FULL
			   : SQL_CAUSE_NONE;
	case 1036: /* table is read only, as of an engine in recovery */
	case 1874: /* InnoDB is in read only mode */
	case 3989: /* schema is in read only mode */ return SQL_CAUSE_READ_ONLY;
	default: return SQL_CAUSE_NONE;
	}
}

enum sql_cause
sql_mysql_cause(const struct sql_mysql_conn *conn, enum sql_end end)
{
	switch (end) {
	case SQL_REFUSED:
		return mysql_conn_error(conn->db) == SQL_MYSQL_NOT_READY ? SQL_CAUSE_AWAY
									 : SQL_CAUSE_READ_ONLY;
	case SQL_UNREACHABLE:
	case SQL_LOST:
	case SQL_TIMEOUT: return SQL_CAUSE_AWAY;
	case SQL_FAILED:
		return conn->base.no_memory || conn->base.why != NULL
			   ? SQL_CAUSE_NONE
			   : sql_mysql_cause_of_failure(conn);
	case SQL_OK:
	case SQL_DUPLICATE:
	case SQL_CONFLICT: break;
	}
	return SQL_CAUSE_NONE;
}

enum sql_end
sql_mysql_ping(struct sql_conn *base, void *call)
{
	(void)call;
	return sql_text(base, "DO 1");
}

/*
 * A server that is read-only refuses what would change nothing as well. What is
 * not supported for no row at all says nothing of other rows.
 */
enum sql_end
sql_mysql_try(struct sql_conn *base, const char *sql)
{
	const struct sql_mysql_conn *conn = (const struct sql_mysql_conn *)base;
	enum sql_end end = sql_text(base, sql);

	return end == SQL_FAILED && mysql_conn_error(conn->db) == SQL_MYSQL_NOT_SUPPORTED ? SQL_OK
											  : end;
}
