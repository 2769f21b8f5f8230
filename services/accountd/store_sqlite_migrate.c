#include <string.h>

#include "common/base/clock.h"
#include "services/accountd/store_sqlite.h"

extern const unsigned char migration_sqlite_0001_tables[];

static int
store_sqlite_exec(struct store_sqlite_conn *conn, const char *sql)
{
	return sqlite3_exec(conn->db, sql, NULL, NULL, NULL);
}

/* The table of migrations, with what it has not had from the beginning. */
static int
store_sqlite_make_table(struct store_sqlite_conn *conn)
{
	bool found = false;
	int result =
	    store_sqlite_exec(conn, "CREATE TABLE IF NOT EXISTS schema_migration ("
				    "version INTEGER PRIMARY KEY, name TEXT NOT NULL,"
				    "appliedAt TEXT NOT NULL DEFAULT CURRENT_TIMESTAMP) STRICT");

	if (result == SQLITE_OK) {
		result = store_sqlite_find_runs_from(conn, &found);
	}
	if (result == SQLITE_OK && !found) {
		result = store_sqlite_exec(
		    conn, "ALTER TABLE schema_migration ADD COLUMN runsFrom INTEGER");
	}
	return result;
}

/* All migrations are one transaction: one that is cut short leaves nothing. */
static enum status_code
store_sqlite_lock(
    struct store_conn *base, struct store_adoption *adoption, int64_t *version, struct error *error)
{
	struct store_sqlite_conn *conn = (struct store_sqlite_conn *)base;
	int result;

	(void)adoption;
	for (unsigned tries = 0;; tries++) {
		result = store_sqlite_connect(conn, CLOCK_NEVER_NS, true);
		if (result == SQLITE_OK) {
			result = store_sqlite_exec(conn, "BEGIN IMMEDIATE");
		}
		if ((result & 0xff) != SQLITE_BUSY) {
			break;
		}
		store_back_off(tries, CLOCK_NEVER_NS);
	}
	if (result == SQLITE_OK) {
		result = store_sqlite_make_table(conn);
	}
	if (result == SQLITE_OK) {
		result = store_sqlite_read_version(conn, version);
	}
	return store_sqlite_error(conn, result, error);
}

static enum status_code
store_sqlite_unlock(struct store_conn *base, bool ok, struct error *error)
{
	struct store_sqlite_conn *conn = (struct store_sqlite_conn *)base;

	return store_sqlite_error(conn, store_sqlite_exec(conn, ok ? "COMMIT" : "ROLLBACK"), error);
}

static enum status_code
store_sqlite_run_script(struct store_conn *base, const char *script, struct error *error)
{
	struct store_sqlite_conn *conn = (struct store_sqlite_conn *)base;

	return store_sqlite_error(conn, store_sqlite_exec(conn, script), error);
}

static enum status_code
store_sqlite_record(struct store_conn *base, const struct store_migration *row, struct error *error)
{
	struct store_sqlite_conn *conn = (struct store_sqlite_conn *)base;
	sqlite3_stmt *statement;
	int result = sqlite3_prepare_v2(conn->db,
	    "INSERT INTO schema_migration (version, name, runsFrom) VALUES (?, ?, ?)", -1,
	    &statement, NULL);

	if (result == SQLITE_OK) {
		sqlite3_bind_int64(statement, 1, row->version);
		sqlite3_bind_text(statement, 2, row->name, -1, SQLITE_STATIC);
		sqlite3_bind_int64(statement, 3, row->runs_from);
		result = sqlite3_step(statement);
	}
	sqlite3_finalize(statement);
	return store_sqlite_error(conn, result == SQLITE_DONE ? SQLITE_OK : result, error);
}

static const struct store_migration store_sqlite_migrations[] = {
    {1, 1, "tables", migration_sqlite_0001_tables, NULL},
};

const struct store_migrate_ops store_sqlite_migrate = {
    .rows = store_sqlite_migrations,
    .count = sizeof(store_sqlite_migrations) / sizeof(store_sqlite_migrations[0]),
    .lock = store_sqlite_lock,
    .unlock = store_sqlite_unlock,
    .run = store_sqlite_run_script,
    .record = store_sqlite_record,
};
