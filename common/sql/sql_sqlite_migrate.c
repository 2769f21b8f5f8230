#include <errno.h>
#include <unistd.h>

#include "common/base/clock.h"
#include "common/sql/sql_sqlite.h"

static bool
sql_sqlite_is_absent(const struct sql_conn *base)
{
	return access(((const struct sql_sqlite_conn *)base)->path, F_OK) != 0 && errno == ENOENT;
}

enum sql_end
sql_sqlite_version(struct sql_conn *base, int64_t *version)
{
	enum sql_end end =
	    sql_text(base, "SELECT 1 FROM sqlite_schema WHERE name = 'schema_migration'");

	*version = 0;
	if (end != SQL_OK || !sql_next(base)) {
		return end;
	}
	end = sql_text(base, "SELECT MAX(version) FROM schema_migration");
	if (end == SQL_OK && sql_next(base)) {
		*version = sql_int(base, 0);
	}
	return end;
}

/* Gives in *found whether the table of migrations has the column runsFrom. */
static enum sql_end
sql_sqlite_find_runs_from(struct sql_conn *base, bool *found)
{
	enum sql_end end = sql_text(
	    base, "SELECT 1 FROM pragma_table_info('schema_migration') WHERE name = 'runsFrom'");

	*found = end == SQL_OK && sql_next(base);
	return end;
}

/* Where the column is not there, nothing was recorded in it. */
static enum sql_end
sql_sqlite_needed(struct sql_conn *base, int known, int64_t *needed)
{
	static const char read[] =
	    "SELECT MAX(COALESCE(runsFrom, version)) FROM schema_migration WHERE version > ?";
	const struct sql_value value = sql_int_value(known);
	bool found;
	enum sql_end end = sql_sqlite_find_runs_from(base, &found);

	if (end != SQL_OK || !found) {
		return end;
	}
	end = sql_execute(base, SQL_ONCE, read, sizeof(read) - 1, &value, 1);
	if (end == SQL_OK && sql_next(base)) {
		*needed = sql_int(base, 0);
	}
	return end;
}

/* The table of migrations, with what it has not had from the beginning. */
static enum sql_end
sql_sqlite_make_table(struct sql_conn *base)
{
	bool found = false;
	enum sql_end end =
	    sql_text(base, "CREATE TABLE IF NOT EXISTS schema_migration ("
			   "version INTEGER PRIMARY KEY, name TEXT NOT NULL,"
			   "appliedAt TEXT NOT NULL DEFAULT CURRENT_TIMESTAMP) STRICT");

	if (end == SQL_OK) {
		end = sql_sqlite_find_runs_from(base, &found);
	}
	if (end == SQL_OK && !found) {
		end = sql_text(base, "ALTER TABLE schema_migration ADD COLUMN runsFrom INTEGER");
	}
	return end;
}

/* All migrations are one transaction: one that is cut short leaves nothing. */
static enum sql_end
sql_sqlite_lock(struct sql_conn *base, void (*tell)(const char *line))
{
	struct sql_sqlite_conn *conn = (struct sql_sqlite_conn *)base;
	enum sql_end end;

	(void)tell;
	for (unsigned tries = 0;; tries++) {
		end = sql_sqlite_connect(conn, CLOCK_NEVER_NS, true);
		if (end == SQL_OK) {
			end = sql_sqlite_exec(conn, "BEGIN IMMEDIATE");
		}
		if (end != SQL_CONFLICT) {
			break;
		}
		sql_back_off(tries, CLOCK_NEVER_NS);
	}
	return end == SQL_OK ? sql_sqlite_make_table(base) : end;
}

static enum sql_end
sql_sqlite_unlock(struct sql_conn *base, bool ok)
{
	struct sql_sqlite_conn *conn = (struct sql_sqlite_conn *)base;

	if (!ok) {
		base->ops->roll_back(base);
		return SQL_OK;
	}
	return sql_sqlite_exec(conn, "COMMIT");
}

static enum sql_end
sql_sqlite_script(struct sql_conn *base, const char *script)
{
	return sql_sqlite_exec((struct sql_sqlite_conn *)base, script);
}

static enum sql_end
sql_sqlite_change(struct sql_conn *base, const char *sql, size_t len)
{
	return sql_sqlite_text(base, sql, len);
}

const struct sql_migrate_ops sql_sqlite_migrate = {
    .is_absent = sql_sqlite_is_absent,
    .version = sql_sqlite_version,
    .needed = sql_sqlite_needed,
    .lock = sql_sqlite_lock,
    .unlock = sql_sqlite_unlock,
    .script = sql_sqlite_script,
    .change = sql_sqlite_change,
};
