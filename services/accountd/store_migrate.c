#include <stdarg.h>
#include <stdio.h>

#include "common/clock.h"
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

static enum status_code
store_migrate_newer(const struct store_conn *conn, int64_t version, struct error *error)
{
	return error_set(error, STATUS_FAILED_PRECONDITION, STORE_REASON_SCHEMA,
	    "the database's schema has version %lld, this program knows versions up to %d: run a "
	    "newer accountd",
	    (long long)version, store_migrate_newest(conn->ops->migrate));
}

static enum status_code
store_migrate_rows(
    struct store_conn *conn, struct store_adoption *adoption, int64_t version, struct error *error)
{
	const struct store_migrate_ops *ops = conn->ops->migrate;
	enum status_code code = STATUS_OK;

	if (version > store_migrate_newest(ops)) {
		code = store_migrate_newer(conn, version, error);
	}
	for (size_t i = 0; code == STATUS_OK && i < ops->count; i++) {
		if (ops->rows[i].version > version) {
			code = store_migrate_row(conn, &ops->rows[i], adoption, error);
		}
	}
	return code;
}

static enum status_code
store_migrate_locked(struct store_conn *conn, struct store_adoption *adoption, struct error *error)
{
	const struct store_migrate_ops *ops = conn->ops->migrate;
	enum status_code code, unlocked;
	int64_t version;

	code = ops->lock(conn, adoption, &version, error);
	if (code == STATUS_OK) {
		code = store_migrate_rows(conn, adoption, version, error);
	}
	unlocked = ops->unlock(conn, code == STATUS_OK, code == STATUS_OK ? error : NULL);
	return code == STATUS_OK ? unlocked : code;
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
	if (code == STATUS_OK && version != store_migrate_newest(conn->ops->migrate)) {
		code = store_migrate_locked(conn, &adoption, error);
	}
	if (code == STATUS_OK) {
		store_tell(&adoption, "the database is up to date: version %d",
		    store_migrate_newest(conn->ops->migrate));
	}
	store_conn_close(&conn);
	return code;
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
	if (version > newest) {
		return store_migrate_newer(conn, version, error);
	}
	if (version < newest) {
		return error_set(error, STATUS_FAILED_PRECONDITION, STORE_REASON_SCHEMA,
		    "the database's schema has version %lld, this program needs version %d: run "
		    "'accountd migrate' with the same configuration",
		    (long long)version, newest);
	}
	return STATUS_OK;
}
