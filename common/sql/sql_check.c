/* The checks of sql_watch.h. */
#include "common/sql/sql_impl.h"
#include "common/sql/sql_watch.h"

/* The row of table setting that a change is tried with. */
#define SQL_CHECK_NAME "writeCheck"

struct sql_check {
	const struct sql_checks *checks;
	bool really;
};

static enum sql_end
sql_check_each(struct sql_conn *conn, enum sql_end (*check)(struct sql_conn *conn, const char *sql),
    const char *const *texts, size_t count)
{
	enum sql_end end = SQL_OK;

	for (size_t i = 0; i < count && end == SQL_OK; i++) {
		end = check(conn, texts[i]);
	}
	return end;
}

static enum sql_end
sql_check_do_tables(struct sql_conn *conn, void *call)
{
	const struct sql_checks *checks = ((const struct sql_check *)call)->checks;
	enum sql_end end =
	    sql_check_each(conn, conn->ops->try_read, checks->reads, checks->read_count);

	return end == SQL_OK
		   ? conn->ops->try_read(conn, "SELECT value FROM setting WHERE name = ''")
		   : end;
}

enum status_code
sql_check_tables(struct sql_conn *conn, int64_t deadline_ns, const struct sql_checks *checks,
    struct error *error)
{
	static const struct sql_work work = {.step = sql_check_do_tables};
	struct sql_check call = {.checks = checks};

	return sql_run(conn, deadline_ns, &work, &call, error);
}

/*
 * The row is committed, since only then does it go to the disk; so is its
 * removal. In SQLite it is as long as some rows are, so that it does not fit
 * where they would not.
 */
static enum sql_end
sql_check_really(struct sql_conn *conn)
{
	static const char *const puts[] = {
	    [SQL_MYSQL] = "REPLACE INTO setting (name, value) VALUES ('" SQL_CHECK_NAME
			  "', REPEAT('x', 1024))",
	    [SQL_SQLITE] = "REPLACE INTO setting (name, value) VALUES ('" SQL_CHECK_NAME
			   "', zeroblob(65536))"};
	bool embedded = sql_dialect(conn) == SQL_SQLITE;
	enum sql_end end = embedded ? sql_begin(conn) : SQL_OK;

	if (end == SQL_OK) {
		end = sql_text(conn, puts[sql_dialect(conn)]);
	}
	if (end == SQL_OK && embedded) {
		end = sql_commit(conn);
	}
	return end == SQL_OK
		   ? sql_text(conn, "DELETE FROM setting WHERE name = '" SQL_CHECK_NAME "'")
		   : end;
}

/* Where a write is compiled and no more, a read must first notice that tables were changed. */
static enum sql_end
sql_check_do_writes(struct sql_conn *conn, void *call)
{
	const struct sql_check *check = call;
	const struct sql_checks *checks = check->checks;
	enum sql_end end = SQL_OK;

	if (conn->ops->try_database != NULL) {
		end = sql_check_do_tables(conn, call);
		end = end == SQL_OK ? conn->ops->try_database(conn) : end;
	}
	if (end == SQL_OK) {
		end =
		    sql_check_each(conn, conn->ops->try_write, checks->writes, checks->write_count);
	}
	if (end == SQL_OK && check->really) {
		end = sql_check_really(conn);
	}
	sql_changed(conn);
	return end;
}

enum status_code
sql_check_writes(struct sql_conn *conn, int64_t deadline_ns, const struct sql_checks *checks,
    struct error *error)
{
	static const struct sql_work work = {.writes = true, .step = sql_check_do_writes};
	struct sql_check call = {checks, sql_refusal(conn->db) != SQL_CAUSE_NONE};
	enum status_code code = sql_run(conn, deadline_ns, &work, &call, error);

	if (code == STATUS_INTERNAL) {
		atomic_store(&conn->db->refusal, SQL_CAUSE_FAILED);
	}
	return code;
}
