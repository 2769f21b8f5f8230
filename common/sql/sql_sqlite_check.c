/* Why the file refuses what it would do another time, and whether it has what statements name. */
#include <errno.h>

#include "common/sql/sql_sqlite.h"

/*
 * The system's error of an I/O error. A failed COMMIT notes it with the file
 * alone: the log of changes, or the database itself.
 */
static int
sql_sqlite_errno(const struct sql_sqlite_conn *conn)
{
	sqlite3_file *journal = NULL;
	int of_journal = 0;
	int of_file = 0;

	if (conn->db == NULL) {
		return 0;
	}
	sqlite3_file_control(conn->db, "main", SQLITE_FCNTL_JOURNAL_POINTER, &journal);
	if (journal != NULL && journal->pMethods != NULL) {
		journal->pMethods->xFileControl(journal, SQLITE_FCNTL_LAST_ERRNO, &of_journal);
	}
	sqlite3_file_control(conn->db, "main", SQLITE_FCNTL_LAST_ERRNO, &of_file);
	return of_journal != 0 ? of_journal
	       : of_file != 0  ? of_file
			       : sqlite3_system_errno(conn->db);
}

enum sql_cause
sql_sqlite_cause(const struct sql_sqlite_conn *conn, int result)
{
	switch (result & 0xff) {
	case SQLITE_CANTOPEN:
	case SQLITE_PERM:
	case SQLITE_PROTOCOL: return SQL_CAUSE_AWAY;
	case SQLITE_READONLY: return SQL_CAUSE_READ_ONLY;
	case SQLITE_FULL: return SQL_CAUSE_FULL;
	case SQLITE_IOERR: break;
	default: return SQL_CAUSE_NONE;
	}
	switch (sql_sqlite_errno(conn)) {
	case ENOSPC:
	case EDQUOT:
	case EFBIG: return SQL_CAUSE_FULL;
	case EROFS: return SQL_CAUSE_READ_ONLY;
	default: return SQL_CAUSE_IO;
	}
}

/* Something must be read from the file. */
enum sql_end
sql_sqlite_ping(struct sql_conn *base, void *call)
{
	int64_t version;

	(void)call;
	return sql_sqlite_version(base, &version);
}

/* Steps of it, too: that another process changed the tables is noticed then. */
enum sql_end
sql_sqlite_try_read(struct sql_conn *base, const char *sql)
{
	return sql_text(base, sql);
}

/* A change that ran would wait for others' changes, even where it changes nothing. */
enum sql_end
sql_sqlite_try_write(struct sql_conn *base, const char *sql)
{
	struct sql_sqlite_conn *conn = (struct sql_sqlite_conn *)base;
	sqlite3_stmt *statement = NULL;
	int result;

	sql_sqlite_discard(conn);
	result = sqlite3_prepare_v2(conn->db, sql, -1, &statement, NULL);
	sqlite3_finalize(statement);
	return sql_sqlite_end(conn, result);
}

enum sql_end
sql_sqlite_try_database(struct sql_conn *base)
{
	struct sql_sqlite_conn *conn = (struct sql_sqlite_conn *)base;

	return sqlite3_db_readonly(conn->db, "main") == 1 ? sql_sqlite_end(conn, SQLITE_READONLY)
							  : SQL_OK;
}
