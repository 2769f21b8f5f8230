#include <string.h>

#include "common/base/clock.h"
#include "common/sql/sql_mysql.h"

/* One process a database at a time. Servers take names of 64 bytes; MySQL 9 has no MD5 any more. */
#define SQL_MYSQL_LOCK "CONCAT('mockvideo-migrate:', LEFT(SHA2(DATABASE(), 256), 32))"

static unsigned
sql_mysql_number(const struct sql_conn *base)
{
	return mysql_conn_error(((const struct sql_mysql_conn *)base)->db);
}

/* The number that a statement, which must give one row, has in its first column. */
static enum sql_end
sql_mysql_read_number(struct sql_conn *base, int64_t *number)
{
	if (!sql_next(base)) {
		return sql_cut(base);
	}
	*number = sql_int(base, 0);
	return SQL_OK;
}

static enum sql_end
sql_mysql_version(struct sql_conn *base, int64_t *version)
{
	enum sql_end end = sql_text(base, "SELECT MAX(version) FROM schema_migration");

	*version = 0;
	if (end == SQL_FAILED && sql_mysql_number(base) == MYSQL_ERROR_NO_TABLE) {
		return SQL_OK;
	}
	return end == SQL_OK ? sql_mysql_read_number(base, version) : end;
}

/* Where the column is not there, nothing was recorded in it. */
static enum sql_end
sql_mysql_needed(struct sql_conn *base, int known, int64_t *needed)
{
	enum sql_end end;

	buf_reset(&base->sql);
	buf_printf(&base->sql,
	    "SELECT MAX(COALESCE(runsFrom, version)) FROM schema_migration WHERE version > %d",
	    known);
	end = sql_built(base);
	if (end == SQL_FAILED && sql_mysql_number(base) == MYSQL_ERROR_NO_COLUMN) {
		return SQL_OK;
	}
	return end == SQL_OK ? sql_mysql_read_number(base, needed) : end;
}

/*
 * What a change that is there already is refused with. A statement changes
 * all or nothing, so one that was killed before it was noted as done is done.
 */
static bool
sql_mysql_is_done(unsigned error)
{
	return error == 1050 /* table exists */ || error == 1060 /* column exists */ ||
	       error == 1061 /* key exists */ || error == 1091 /* nothing there to drop */;
}

static enum sql_end
sql_mysql_change(struct sql_conn *base, const char *sql, size_t len)
{
	enum sql_end end = sql_mysql_text(base, sql, len);

	return end == SQL_FAILED && sql_mysql_is_done(sql_mysql_number(base)) ? SQL_OK : end;
}

static enum sql_end
sql_mysql_script(struct sql_conn *base, const char *script)
{
	enum sql_end end = SQL_OK;
	const char *stop;

	while (end == SQL_OK && (stop = strstr(script, ";\n")) != NULL) {
		end = sql_mysql_change(base, script, (size_t)(stop - script));
		script = stop + 2;
	}
	return end;
}

/* The session's lock waits are longer than a service's: other migrations and table locks take long. */
static enum sql_end
sql_mysql_prepare_migration(struct sql_conn *base)
{
	enum sql_end end = mysql_conn_open(((struct sql_mysql_conn *)base)->db, base->deadline_ns);

	if (end == SQL_OK) {
		end = sql_text(
		    base, "SET SESSION innodb_lock_wait_timeout = 60, lock_wait_timeout = 86400");
	}
	return end;
}

static enum sql_end
sql_mysql_get_lock(struct sql_conn *base, unsigned wait_s, bool *got)
{
	enum sql_end end;

	buf_reset(&base->sql);
	buf_printf(&base->sql, "SELECT GET_LOCK(" SQL_MYSQL_LOCK ", %u)", wait_s);
	end = sql_built(base);
	*got = end == SQL_OK && sql_next(base) && sql_int(base, 0) == 1;
	return end;
}

/* The table of migrations, with what it has not had from the beginning. */
static enum sql_end
sql_mysql_make_table(struct sql_conn *base)
{
	static const char column[] = "ALTER TABLE schema_migration ADD COLUMN runsFrom INT NULL";
	enum sql_end end = sql_text(base,
	    "CREATE TABLE IF NOT EXISTS schema_migration ("
	    "version INT NOT NULL PRIMARY KEY, name VARCHAR(255) NOT NULL,"
	    "appliedAt TIMESTAMP NOT NULL DEFAULT CURRENT_TIMESTAMP) ENGINE = InnoDB");

	return end == SQL_OK ? sql_mysql_change(base, column, sizeof(column) - 1) : end;
}

static enum sql_end
sql_mysql_lock(struct sql_conn *base, void (*tell)(const char *line))
{
	enum sql_end end = sql_mysql_prepare_migration(base);
	bool got = false;

	if (end == SQL_OK) {
		end = sql_mysql_get_lock(base, 0, &got);
	}
	while (end == SQL_OK && !got) {
		if (tell != NULL) {
			tell("another process migrates this database: waiting for it");
		}
		end = sql_mysql_get_lock(base, 60, &got);
	}
	return end == SQL_OK ? sql_mysql_make_table(base) : end;
}

static enum sql_end
sql_mysql_unlock(struct sql_conn *base, bool ok)
{
	(void)ok;
	return mysql_conn_is_open(((const struct sql_mysql_conn *)base)->db)
		   ? sql_text(base, "SELECT RELEASE_LOCK(" SQL_MYSQL_LOCK ")")
		   : SQL_OK;
}

const struct sql_migrate_ops sql_mysql_migrate = {
    .version = sql_mysql_version,
    .needed = sql_mysql_needed,
    .lock = sql_mysql_lock,
    .unlock = sql_mysql_unlock,
    .script = sql_mysql_script,
    .change = sql_mysql_change,
};
