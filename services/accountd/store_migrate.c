#include <stdarg.h>
#include <stdio.h>

#include "common/base/clock.h"
#include "services/accountd/store_impl.h"
#include "services/accountd/user_text.h"

#define STORE_UNFIT_TOLD 20

void
store_tell(const struct store_adoption *adoption, const char *format, ...)
{
	char line[ERROR_TEXT_MAX];
	va_list args;

	va_start(args, format);
	vsnprintf(line, sizeof(line), format, args);
	va_end(args);
	if (adoption->tell != NULL) {
		adoption->tell(line);
	}
}

void
store_tell_unfit(struct store_adoption *adoption, int64_t id, const char *name, const char *email)
{
	char of_name[USER_TEXT_PROBLEM_BYTES] = "";
	char of_email[USER_TEXT_PROBLEM_BYTES] = "";
	bool fit = name == NULL || user_text_is_name(name, of_name);

	fit = (email == NULL || user_text_is_email(email, of_email)) && fit;
	if (fit || adoption->unfit++ >= STORE_UNFIT_TOLD) {
		return;
	}
	if (*of_name != '\0') {
		store_tell(adoption, "user %lld is kept, but its name %s", (long long)id, of_name);
	}
	if (*of_email != '\0') {
		store_tell(adoption, "user %lld is kept, but its e-mail address %s", (long long)id,
		    of_email);
	}
}

void
store_tell_all_unfit(const struct store_adoption *adoption)
{
	if (adoption->unfit > 0) {
		store_tell(adoption,
		    "%zu users are kept with a name or e-mail address that no new user may have",
		    adoption->unfit);
	}
}

/* Says which migration failed; one that stopped with advice speaks for itself. */
static void
store_migrate_blame(struct error *error, const struct store_migration *row)
{
	char message[ERROR_TEXT_MAX];

	if (error == NULL || error->code == STATUS_FAILED_PRECONDITION) {
		return;
	}
	snprintf(message, sizeof(message), "migration %d (%s) failed: %.300s", row->version,
	    row->name, error->message);
	snprintf(error->message, sizeof(error->message), "%s", message);
}

static enum status_code
store_migrate_row(struct store_conn *conn, const struct store_migration *row,
    struct store_adoption *adoption, struct error *error)
{
	const struct store_migrate_ops *ops = conn->ops->migrate;
	enum status_code code;

	store_tell(adoption, "migration %d: %s", row->version, row->name);
	if (row->sql != NULL) {
		code = ops->run(conn, (const char *)row->sql, error);
	} else {
		code = row->step(conn, adoption, error);
	}
	if (code == STATUS_OK) {
		code = ops->record(conn, row, error);
	}
	if (code != STATUS_OK) {
		store_migrate_blame(error, row);
	}
	return code;
}

static int
store_migrate_newest(const struct store_migrate_ops *ops)
{
	return ops->rows[ops->count - 1].version;
}

/* A schema that is newer than known fits when what has been migrated since says so. */
static enum status_code
store_migrate_fits(
    struct store_conn *conn, int64_t deadline_ns, int64_t version, struct error *error)
{
	int newest = store_migrate_newest(conn->ops->migrate);
	int64_t needed = version;
	enum status_code code = version <= newest
				    ? STATUS_OK
				    : conn->ops->needed(conn, deadline_ns, newest, &needed, error);

	if (code != STATUS_OK || needed <= newest) {
		atomic_store(&conn->store->ahead, code == STATUS_OK && version > newest);
		return code;
	}
	return error_set(error, STATUS_FAILED_PRECONDITION, STORE_REASON_SCHEMA,
	    "the database's schema has version %lld, on which programs run that know version %lld; "
	    "this one knows versions up to %d: run a newer accountd",
	    (long long)version, (long long)needed, newest);
}

static enum status_code
store_migrate_rows(
    struct store_conn *conn, struct store_adoption *adoption, int64_t version, struct error *error)
{
	const struct store_migrate_ops *ops = conn->ops->migrate;
	enum status_code code = STATUS_OK;

	for (size_t i = 0; code == STATUS_OK && i < ops->count; i++) {
		if (ops->rows[i].version > version) {
			code = store_migrate_row(conn, &ops->rows[i], adoption, error);
		}
	}
	return code;
}

/* Gives the version that was found, which another process may have changed meanwhile. */
static enum status_code
store_migrate_locked(
    struct store_conn *conn, struct store_adoption *adoption, int64_t *version, struct error *error)
{
	const struct store_migrate_ops *ops = conn->ops->migrate;
	enum status_code code, unlocked;

	code = ops->lock(conn, adoption, version, error);
	if (code == STATUS_OK) {
		code = store_migrate_rows(conn, adoption, *version, error);
	}
	unlocked = ops->unlock(conn, code == STATUS_OK, code == STATUS_OK ? error : NULL);
	return code == STATUS_OK ? unlocked : code;
}

static void
store_migrate_tell_end(
    const struct store_conn *conn, const struct store_adoption *adoption, int64_t version)
{
	int newest = store_migrate_newest(conn->ops->migrate);

	if (version > newest) {
		store_tell(adoption,
		    "the database is newer than this program, which runs on it all the same: "
		    "version %lld, not %d",
		    (long long)version, newest);
	} else {
		store_tell(adoption, "the database is up to date: version %d", newest);
	}
}

/* Where there is nothing to do, no lock is waited for. */
enum status_code
store_migrate(struct store *store, void (*tell)(const char *line),
    bool (*hash)(const char *password, char *out, void *closure), void *closure,
    struct error *error)
{
	struct store_adoption adoption = {tell, hash, closure, 0};
	struct store_conn *conn = store_conn_open(store);
	enum status_code code;
	int64_t version;

	if (conn == NULL) {
		return store_error_memory(error);
	}
	code = conn->ops->version(conn, CLOCK_NEVER_NS, &version, error);
	if (code == STATUS_OK && version < store_migrate_newest(conn->ops->migrate)) {
		code = store_migrate_locked(conn, &adoption, &version, error);
	}
	if (code == STATUS_OK) {
		code = store_migrate_fits(conn, CLOCK_NEVER_NS, version, error);
	}
	if (code == STATUS_OK) {
		store_migrate_tell_end(conn, &adoption, version);
	}
	store_conn_close(&conn);
	return code;
}

bool
store_is_ahead(const struct store *store)
{
	return atomic_load(&store->ahead);
}

enum status_code
store_check_schema(struct store_conn *conn, int64_t deadline_ns, struct error *error)
{
	int newest = store_migrate_newest(conn->ops->migrate);
	int64_t version;
	enum status_code code = conn->ops->version(conn, deadline_ns, &version, error);

	if (code != STATUS_OK) {
		return code;
	}
	if (version < newest) {
		return error_set(error, STATUS_FAILED_PRECONDITION, STORE_REASON_SCHEMA,
		    "the database's schema has version %lld, this program needs version %d: run "
		    "'accountd migrate' with the same configuration",
		    (long long)version, newest);
	}
	return store_migrate_fits(conn, deadline_ns, version, error);
}
