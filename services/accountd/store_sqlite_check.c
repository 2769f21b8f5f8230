/* Whether the file has what the statements name, and takes changes. */
#include <errno.h>

#include "services/accountd/store_sqlite.h"

/* As much as some users take, so that it does not fit where they would not. */
#define STORE_SQLITE_CHECK_BYTES "65536"

/*
 * The system's error of an I/O error. A failed COMMIT notes it with the file
 * alone: the log of changes, or the database itself.
 */
static int
store_sqlite_errno(const struct store_sqlite_conn *conn)
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

enum store_cause
store_sqlite_cause(const struct store_sqlite_conn *conn, int result)
{
	switch (result & 0xff) {
	case SQLITE_CANTOPEN:
	case SQLITE_PERM:
	case SQLITE_PROTOCOL: return STORE_CAUSE_AWAY;
	case SQLITE_READONLY: return STORE_CAUSE_READ_ONLY;
	case SQLITE_FULL: return STORE_CAUSE_FULL;
	case SQLITE_IOERR: break;
	default: return STORE_CAUSE_NONE;
	}
	switch (store_sqlite_errno(conn)) {
	case ENOSPC:
	case EDQUOT:
	case EFBIG: return STORE_CAUSE_FULL;
	case EROFS: return STORE_CAUSE_READ_ONLY;
	default: return STORE_CAUSE_IO;
	}
}

/* Steps of it, too: that another process changed the tables is noticed then. */
static int
store_sqlite_try_read(struct store_sqlite_conn *conn, const char *sql)
{
	sqlite3_stmt *statement = NULL;
	int result = sqlite3_prepare_v2(conn->db, sql, -1, &statement, NULL);

	if (result == SQLITE_OK) {
		result = sqlite3_step(statement);
	}
	sqlite3_finalize(statement);
	return result == SQLITE_ROW || result == SQLITE_DONE ? SQLITE_OK : result;
}

static int
store_sqlite_do_check_tables(struct store_sqlite_conn *conn, void *call)
{
	int result = store_sqlite_try_read(conn, STORE_SQLITE_USER "WHERE id = 0");

	(void)call;
	if (result == SQLITE_OK) {
		result = store_sqlite_try_read(
		    conn, "SELECT 1 FROM user WHERE emailKey = x'' AND password = ''");
	}
	if (result == SQLITE_OK) {
		result =
		    store_sqlite_try_read(conn, "SELECT value FROM setting WHERE name = 'pageKey'");
	}
	return result;
}

enum status_code
store_sqlite_check_tables(struct store_conn *base, int64_t deadline_ns, struct error *error)
{
	return store_sqlite_run((struct store_sqlite_conn *)base, deadline_ns,
	    store_sqlite_do_check_tables, NULL, error);
}

/* The row is committed, since only then does it go to the disk; so is its removal. */
static int
store_sqlite_write_really(struct store_sqlite_conn *conn)
{
	static const char put[] = "INSERT OR REPLACE INTO setting (name, value) VALUES ('" //
	    STORE_SETTING_CHECK "', zeroblob(" STORE_SQLITE_CHECK_BYTES "))";
	static const char drop[] = "DELETE FROM setting WHERE name = '" STORE_SETTING_CHECK "'";
	int result = store_sqlite_do(conn, STORE_SQLITE_BEGIN_WRITE);

	if (result == SQLITE_OK) {
		result = sqlite3_exec(conn->db, put, NULL, NULL, NULL);
	}
	if (result == SQLITE_OK) {
		result = store_sqlite_commit(conn);
	}
	return result == SQLITE_OK ? sqlite3_exec(conn->db, drop, NULL, NULL, NULL) : result;
}

static int
store_sqlite_do_check_writes(struct store_sqlite_conn *conn, void *call)
{
	static const enum store_sqlite_statement writes[] = {
	    STORE_SQLITE_CREATE, STORE_SQLITE_REPLACE, STORE_SQLITE_DELETE};
	const bool *really = call;
	int result = store_sqlite_do_check_tables(conn, NULL);

	if (result == SQLITE_OK && sqlite3_db_readonly(conn->db, "main") == 1) {
		result = SQLITE_READONLY;
	}
	for (size_t i = 0; i < sizeof(writes) / sizeof(writes[0]) && result == SQLITE_OK; i++) {
		result = store_sqlite_try(conn, writes[i]);
	}
	return result == SQLITE_OK && *really ? store_sqlite_write_really(conn) : result;
}

enum status_code
store_sqlite_check_writes(
    struct store_conn *base, int64_t deadline_ns, bool really, struct error *error)
{
	return store_sqlite_run((struct store_sqlite_conn *)base, deadline_ns,
	    store_sqlite_do_check_writes, &really, error);
}

int
store_sqlite_find_runs_from(struct store_sqlite_conn *conn, bool *found)
{
	static const char find[] =
	    "SELECT 1 FROM pragma_table_info('schema_migration') WHERE name = 'runsFrom'";
	sqlite3_stmt *statement;
	int result = sqlite3_prepare_v2(conn->db, find, -1, &statement, NULL);

	if (result == SQLITE_OK) {
		result = sqlite3_step(statement);
	}
	*found = result == SQLITE_ROW;
	sqlite3_finalize(statement);
	return result == SQLITE_ROW || result == SQLITE_DONE ? SQLITE_OK : result;
}

struct store_sqlite_needed {
	int known;
	int64_t version;
};

/* Where the column is not there, nothing was recorded in it. */
static int
store_sqlite_read_needed(struct store_sqlite_conn *conn, void *call)
{
	static const char read[] =
	    "SELECT MAX(COALESCE(runsFrom, version)) FROM schema_migration WHERE version > ?";
	struct store_sqlite_needed *needed = call;
	sqlite3_stmt *statement;
	bool found;
	int result = store_sqlite_find_runs_from(conn, &found);

	if (result != SQLITE_OK || !found) {
		return result;
	}
	result = sqlite3_prepare_v2(conn->db, read, -1, &statement, NULL);
	if (result == SQLITE_OK) {
		sqlite3_bind_int(statement, 1, needed->known);
		result = sqlite3_step(statement);
	}
	if (result == SQLITE_ROW) {
		needed->version = sqlite3_column_int64(statement, 0);
	}
	sqlite3_finalize(statement);
	return result == SQLITE_ROW ? SQLITE_OK : result;
}

enum status_code
store_sqlite_needed(
    struct store_conn *base, int64_t deadline_ns, int known, int64_t *needed, struct error *error)
{
	struct store_sqlite_needed call = {known, *needed};
	enum status_code code = store_sqlite_run(
	    (struct store_sqlite_conn *)base, deadline_ns, store_sqlite_read_needed, &call, error);

	*needed = call.version;
	return code;
}
