#include "common/sql/sql_migrate.h"

#include <stdarg.h>
#include <stdio.h>

#include "common/base/clock.h"
#include "common/sql/sql_impl.h"
#include "common/sql/sql_migrate_impl.h"

/* A run of migrations. */
struct sql_migrate {
	const struct sql_schema *schema;
	const struct sql_migration *rows; /* of the dialect */
	size_t count;
	void (*tell)(const char *line);
	void *closure;
};

static struct sql_migrate
sql_migrate_of(const struct sql_conn *conn, const struct sql_schema *schema)
{
	enum sql_dialect dialect = sql_dialect(conn);

	return (struct sql_migrate){
	    .schema = schema, .rows = schema->rows[dialect], .count = schema->counts[dialect]};
}

static void __attribute__((format(printf, 2, 3)))
sql_migrate_tell(const struct sql_migrate *migrate, const char *format, ...)
{
	char line[ERROR_TEXT_MAX];
	va_list args;

	va_start(args, format);
	vsnprintf(line, sizeof(line), format, args);
	va_end(args);
	if (migrate->tell != NULL) {
		migrate->tell(line);
	}
}

enum sql_end
sql_change(struct sql_conn *conn, const char *sql, size_t len)
{
	return conn->ops->migrate->change(conn, sql, len);
}

void
sql_roll_back(struct sql_conn *conn)
{
	conn->ops->roll_back(conn);
}

enum status_code
sql_error(struct sql_conn *conn, enum sql_end end, struct error *error)
{
	return conn->ops->error(conn, end, error);
}

/* Says which migration failed; one that stopped with advice speaks for itself. */
static void
sql_migrate_blame(struct error *error, const struct sql_migration *row)
{
	char message[ERROR_TEXT_MAX];

	if (error == NULL || error->code == STATUS_FAILED_PRECONDITION) {
		return;
	}
	snprintf(message, sizeof(message), "migration %d (%s) failed: %.300s", row->version,
	    row->name, error->message);
	snprintf(error->message, sizeof(error->message), "%s", message);
}

/* Records that the migration was done. */
static enum status_code
sql_migrate_record(struct sql_conn *conn, const struct sql_migration *row, struct error *error)
{
	static const char insert[] =
	    "INSERT INTO schema_migration (version, name, runsFrom) VALUES (?, ?, ?)";
	const struct sql_value values[] = {
	    sql_int_value(row->version), sql_text_value(row->name), sql_int_value(row->runs_from)};

	return sql_error(
	    conn, sql_execute(conn, SQL_ONCE, insert, sizeof(insert) - 1, values, 3), error);
}

static enum status_code
sql_migrate_row(struct sql_conn *conn, const struct sql_migrate *migrate,
    const struct sql_migration *row, struct error *error)
{
	enum status_code code;

	sql_migrate_tell(migrate, "migration %d: %s", row->version, row->name);
	if (row->sql != NULL) {
		code = sql_error(
		    conn, conn->ops->migrate->script(conn, (const char *)row->sql), error);
	} else {
		code = row->step(conn, migrate->closure, error);
	}
	if (code == STATUS_OK) {
		code = sql_migrate_record(conn, row, error);
	}
	if (code != STATUS_OK) {
		sql_migrate_blame(error, row);
	}
	return code;
}

static int
sql_migrate_newest(const struct sql_migrate *migrate)
{
	return migrate->rows[migrate->count - 1].version;
}

static enum sql_end
sql_migrate_read_version(struct sql_conn *conn, void *call)
{
	return conn->ops->migrate->version(conn, call);
}

static enum status_code
sql_migrate_version(
    struct sql_conn *conn, int64_t deadline_ns, int64_t *version, struct error *error)
{
	static const struct sql_work work = {.step = sql_migrate_read_version};
	const struct sql_migrate_ops *ops = conn->ops->migrate;

	*version = 0;
	if (ops->is_absent != NULL && ops->is_absent(conn)) {
		return STATUS_OK;
	}
	return sql_run(conn, deadline_ns, &work, version, error);
}

struct sql_migrate_needed {
	int known;
	int64_t version;
};

static enum sql_end
sql_migrate_read_needed(struct sql_conn *conn, void *call)
{
	struct sql_migrate_needed *needed = call;

	return conn->ops->migrate->needed(conn, needed->known, &needed->version);
}

/* A schema that is newer than known fits when what has been migrated since says so. */
static enum status_code
sql_migrate_fits(struct sql_conn *conn, int64_t deadline_ns, const struct sql_migrate *migrate,
    int64_t version, struct error *error)
{
	static const struct sql_work work = {.step = sql_migrate_read_needed};
	int newest = sql_migrate_newest(migrate);
	struct sql_migrate_needed needed = {newest, version};
	enum status_code code =
	    version <= newest ? STATUS_OK : sql_run(conn, deadline_ns, &work, &needed, error);

	if (code != STATUS_OK || needed.version <= newest) {
		atomic_store(&conn->db->ahead, code == STATUS_OK && version > newest);
		return code;
	}
	return error_set(error, STATUS_FAILED_PRECONDITION, SQL_REASON_SCHEMA,
	    "the database's schema has version %lld, on which programs run that know version %lld; "
	    "this one knows versions up to %d: run a newer %s",
	    (long long)version, (long long)needed.version, newest, migrate->schema->program);
}

static enum status_code
sql_migrate_rows(
    struct sql_conn *conn, const struct sql_migrate *migrate, int64_t version, struct error *error)
{
	enum status_code code = STATUS_OK;

	for (size_t i = 0; code == STATUS_OK && i < migrate->count; i++) {
		if (migrate->rows[i].version > version) {
			code = sql_migrate_row(conn, migrate, &migrate->rows[i], error);
		}
	}
	return code;
}

/* Gives the version that was found, which another process may have changed meanwhile. */
static enum status_code
sql_migrate_locked(
    struct sql_conn *conn, const struct sql_migrate *migrate, int64_t *version, struct error *error)
{
	const struct sql_migrate_ops *ops = conn->ops->migrate;
	enum status_code code, unlocked;
	enum sql_end end;

	conn->deadline_ns = CLOCK_NEVER_NS;
	end = ops->lock(conn, migrate->tell);
	if (end == SQL_OK) {
		end = ops->version(conn, version);
	}
	code = sql_error(conn, end, error);
	if (code == STATUS_OK) {
		code = sql_migrate_rows(conn, migrate, *version, error);
	}
	end = ops->unlock(conn, code == STATUS_OK);
	unlocked = sql_error(conn, end, code == STATUS_OK ? error : NULL);
	return code == STATUS_OK ? unlocked : code;
}

static void
sql_migrate_tell_end(const struct sql_migrate *migrate, int64_t version)
{
	int newest = sql_migrate_newest(migrate);

	if (version > newest) {
		sql_migrate_tell(migrate,
		    "the database is newer than this program, which runs on it all the same: "
		    "version %lld, not %d",
		    (long long)version, newest);
	} else {
		sql_migrate_tell(migrate, "the database is up to date: version %d", newest);
	}
}

/* Where there is nothing to do, no lock is waited for. */
enum status_code
sql_migrate(struct sql_db *db, const struct sql_schema *schema, void (*tell)(const char *line),
    void *closure, struct error *error)
{
	struct sql_conn *conn = sql_conn_open(db);
	struct sql_migrate migrate;
	enum status_code code;
	int64_t version;

	if (conn == NULL) {
		return sql_error_memory(error);
	}
	migrate = sql_migrate_of(conn, schema);
	migrate.tell = tell;
	migrate.closure = closure;
	code = sql_migrate_version(conn, CLOCK_NEVER_NS, &version, error);
	if (code == STATUS_OK && version < sql_migrate_newest(&migrate)) {
		code = sql_migrate_locked(conn, &migrate, &version, error);
	}
	if (code == STATUS_OK) {
		code = sql_migrate_fits(conn, CLOCK_NEVER_NS, &migrate, version, error);
	}
	if (code == STATUS_OK) {
		sql_migrate_tell_end(&migrate, version);
	}
	sql_conn_close(&conn);
	return code;
}

bool
sql_is_ahead(const struct sql_db *db)
{
	return atomic_load(&db->ahead);
}

enum status_code
sql_check_schema(struct sql_conn *conn, int64_t deadline_ns, const struct sql_schema *schema,
    struct error *error)
{
	const struct sql_migrate migrate = sql_migrate_of(conn, schema);
	int newest = sql_migrate_newest(&migrate);
	int64_t version;
	enum status_code code = sql_migrate_version(conn, deadline_ns, &version, error);

	if (code != STATUS_OK) {
		return code;
	}
	if (version < newest) {
		return error_set(error, STATUS_FAILED_PRECONDITION, SQL_REASON_SCHEMA,
		    "the database's schema has version %lld, this program needs version %d: run "
		    "'%s migrate' with the same configuration",
		    (long long)version, newest, schema->program);
	}
	return sql_migrate_fits(conn, deadline_ns, &migrate, version, error);
}
