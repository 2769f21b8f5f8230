#include <stdio.h>
#include <string.h>

#include "common/base/clock.h"
#include "services/accountd/store_mysql.h"

#define STORE_MYSQL_KEY_BATCH  500
#define STORE_MYSQL_HASH_BATCH 50
#define STORE_MYSQL_TELL_ROWS  10000
#define STORE_MYSQL_CLASHES    20
#define STORE_MYSQL_HASH_BYTES 128 /* libsodium's crypto_pwhash_STRBYTES */

/* One process a database at a time. Servers take names of 64 bytes; MySQL 9 has no MD5 any more. */
#define STORE_MYSQL_LOCK "CONCAT('mockvideo-migrate:', LEFT(SHA2(DATABASE(), 256), 32))"

extern const unsigned char migration_mysql_0001_original_tables[];
extern const unsigned char migration_mysql_0002_setting[];
extern const unsigned char migration_mysql_0003_email_key[];
extern const unsigned char migration_mysql_0005_unicode[];
extern const unsigned char migration_mysql_0007_roles[];
extern const unsigned char migration_mysql_0009_account_index[];

/* A user's e-mail address, its key and the name, or the password and its hash; NULL as in SQL. */
struct store_mysql_cell {
	int64_t id;
	char *value;
	char *derived;
	char *name;
};

/*
 * What a change that is there already is refused with. A statement changes
 * all or nothing, so one that was killed before it was noted as done is done.
 */
static bool
store_mysql_is_done(unsigned error)
{
	return error == 1050 /* table exists */ || error == 1060 /* column exists */ ||
	       error == 1061 /* key exists */ || error == 1091 /* nothing there to drop */;
}

static enum mysql_end
store_mysql_change(struct store_mysql_conn *conn, const char *sql, size_t len)
{
	enum mysql_end end = mysql_conn_query(conn->db, sql, len);

	if (end == MYSQL_END_FAILED && store_mysql_is_done(mysql_conn_error(conn->db))) {
		end = MYSQL_END_OK;
	}
	return end;
}

/* The session's lock waits are longer than a service's: other migrations and table locks take long. */
static enum mysql_end
store_mysql_prepare_migration(struct store_mysql_conn *conn)
{
	enum mysql_end end = mysql_conn_open(conn->db, CLOCK_NEVER_NS);

	if (end == MYSQL_END_OK) {
		end = store_mysql_text(
		    conn, "SET SESSION innodb_lock_wait_timeout = 60, lock_wait_timeout = 86400");
	}
	return end;
}

static enum mysql_end
store_mysql_get_lock(struct store_mysql_conn *conn, unsigned wait_s, bool *got)
{
	struct mysql_row row;
	enum mysql_end end;

	buf_reset(&conn->sql);
	buf_printf(&conn->sql, "SELECT GET_LOCK(" STORE_MYSQL_LOCK ", %u)", wait_s);
	end = store_mysql_built(conn);
	*got = end == MYSQL_END_OK && mysql_conn_next_row(conn->db, &row) &&
	       store_mysql_number(&row, 0) == 1;
	return end;
}

/* The table of migrations, with what it has not had from the beginning. */
static enum mysql_end
store_mysql_make_table(struct store_mysql_conn *conn)
{
	static const char column[] = "ALTER TABLE schema_migration ADD COLUMN runsFrom INT NULL";
	enum mysql_end end = store_mysql_text(conn,
	    "CREATE TABLE IF NOT EXISTS schema_migration ("
	    "version INT NOT NULL PRIMARY KEY, name VARCHAR(255) NOT NULL,"
	    "appliedAt TIMESTAMP NOT NULL DEFAULT CURRENT_TIMESTAMP) ENGINE = InnoDB");

	return end == MYSQL_END_OK ? store_mysql_change(conn, column, sizeof(column) - 1) : end;
}

static enum status_code
store_mysql_lock(
    struct store_conn *base, struct store_adoption *adoption, int64_t *version, struct error *error)
{
	struct store_mysql_conn *conn = (struct store_mysql_conn *)base;
	enum mysql_end end;
	bool got = false;

	end = store_mysql_prepare_migration(conn);
	if (end == MYSQL_END_OK) {
		end = store_mysql_get_lock(conn, 0, &got);
	}
	while (end == MYSQL_END_OK && !got) {
		store_tell(adoption, "another process migrates this database: waiting for it");
		end = store_mysql_get_lock(conn, 60, &got);
	}
	if (end == MYSQL_END_OK) {
		end = store_mysql_make_table(conn);
	}
	if (end == MYSQL_END_OK) {
		end = store_mysql_read_version(conn, version);
	}
	return store_mysql_error(conn, end, error);
}

static enum status_code
store_mysql_unlock(struct store_conn *base, bool ok, struct error *error)
{
	struct store_mysql_conn *conn = (struct store_mysql_conn *)base;

	(void)ok;
	if (!mysql_conn_is_open(conn->db)) {
		return STATUS_OK;
	}
	return store_mysql_error(
	    conn, store_mysql_text(conn, "SELECT RELEASE_LOCK(" STORE_MYSQL_LOCK ")"), error);
}

static enum status_code
store_mysql_run_script(struct store_conn *base, const char *script, struct error *error)
{
	struct store_mysql_conn *conn = (struct store_mysql_conn *)base;
	enum mysql_end end = MYSQL_END_OK;
	const char *stop;

	while (end == MYSQL_END_OK && (stop = strstr(script, ";\n")) != NULL) {
		end = store_mysql_change(conn, script, (size_t)(stop - script));
		script = stop + 2;
	}
	return store_mysql_error(conn, end, error);
}

static enum status_code
store_mysql_record(struct store_conn *base, const struct store_migration *row, struct error *error)
{
	static const char insert[] =
	    "INSERT INTO schema_migration (version, name, runsFrom) VALUES (?, ?, ?)";
	struct store_mysql_conn *conn = (struct store_mysql_conn *)base;
	struct mysql_value values[] = {{.type = MYSQL_VALUE_INT, .number = row->version},
	    {.type = MYSQL_VALUE_TEXT, .data = row->name, .len = strlen(row->name)},
	    {.type = MYSQL_VALUE_INT, .number = row->runs_from}};

	return store_mysql_error(conn,
	    mysql_conn_execute(conn->db, MYSQL_SLOT_NONE, insert, sizeof(insert) - 1, values, 3),
	    error);
}

static bool
store_mysql_copy_cell(
    struct store_mysql_conn *conn, const struct mysql_row *row, unsigned column, char **to)
{
	if (row->text[column] == NULL) {
		return true;
	}
	*to = arena_strndup(conn->scratch, row->text[column], row->len[column]);
	return *to != NULL;
}

/*
 * Gives the rows of the statement in conn->sql, which reads id, value, what is
 * derived and name; in scratch, which is emptied before.
 */
static enum mysql_end
store_mysql_read_cells(
    struct store_mysql_conn *conn, struct store_mysql_cell **cells, size_t *count)
{
	enum mysql_end end = store_mysql_built(conn);
	struct mysql_row row;

	arena_reset(conn->scratch);
	*count = 0;
	if (end != MYSQL_END_OK) {
		return end;
	}
	*cells = arena_calloc(conn->scratch, mysql_conn_row_count(conn->db), sizeof(**cells));
	while (*cells != NULL && mysql_conn_next_row(conn->db, &row)) {
		struct store_mysql_cell *cell = &(*cells)[(*count)++];

		cell->id = store_mysql_number(&row, 0);
		if (!store_mysql_copy_cell(conn, &row, 1, &cell->value) ||
		    !store_mysql_copy_cell(conn, &row, 2, &cell->derived) ||
		    !store_mysql_copy_cell(conn, &row, 3, &cell->name)) {
			return store_mysql_no_memory(conn);
		}
	}
	return *cells != NULL && mysql_conn_has_read_all(conn->db) ? MYSQL_END_OK
								   : store_mysql_no_memory(conn);
}

/* Sets the key of one row; most often there is nothing to change when run again. */
static enum mysql_end
store_mysql_set_key(struct store_mysql_conn *conn, const struct store_mysql_cell *cell)
{
	static const char update[] = "UPDATE user SET emailKey = ? WHERE id = ?";
	char *key = cell->value == NULL ? NULL : user_email_key(cell->value, conn->scratch);
	struct mysql_value values[2] = {
	    {.type = MYSQL_VALUE_NULL}, {.type = MYSQL_VALUE_INT, .number = cell->id}};

	if (cell->value != NULL && key == NULL) {
		return store_mysql_no_memory(conn);
	}
	if (key == NULL ? cell->derived == NULL
			: cell->derived != NULL && strcmp(key, cell->derived) == 0) {
		return MYSQL_END_OK;
	}
	if (key != NULL) {
		values[0] = (struct mysql_value){
		    .type = MYSQL_VALUE_BYTES, .data = key, .len = strlen(key)};
	}
	return mysql_conn_execute(
	    conn->db, STORE_MYSQL_SET_KEY, update, sizeof(update) - 1, values, 2);
}

static enum mysql_end
store_mysql_set_keys(
    struct store_mysql_conn *conn, const struct store_mysql_cell *cells, size_t count)
{
	enum mysql_end end = store_mysql_begin(conn);

	for (size_t i = 0; i < count && end == MYSQL_END_OK; i++) {
		end = store_mysql_set_key(conn, &cells[i]);
	}
	return end == MYSQL_END_OK ? store_mysql_commit(conn) : end;
}

static enum mysql_end
store_mysql_fill_keys(struct store_mysql_conn *conn, struct store_adoption *adoption)
{
	struct store_mysql_cell *cells;
	size_t count, done = 0;
	int64_t after = INT32_MIN;
	enum mysql_end end;

	do {
		buf_reset(&conn->sql);
		buf_puts(&conn->sql, "SELECT id, email, emailKey, name FROM user WHERE id > ");
		buf_put_int(&conn->sql, after);
		buf_printf(&conn->sql, " ORDER BY id LIMIT %d", STORE_MYSQL_KEY_BATCH);
		end = store_mysql_read_cells(conn, &cells, &count);
		if (end == MYSQL_END_OK && count > 0) {
			after = cells[count - 1].id;
			end = store_mysql_set_keys(conn, cells, count);
		}
		for (size_t i = 0; end == MYSQL_END_OK && i < count; i++) {
			store_tell_unfit(adoption, cells[i].id, cells[i].name, cells[i].value);
		}
		done += count;
		if (count > 0 && done % STORE_MYSQL_TELL_ROWS == 0) {
			store_tell(adoption, "%zu e-mail addresses read", done);
		}
	} while (end == MYSQL_END_OK && count > 0);
	store_mysql_roll_back(conn);
	return end;
}

/* Tells all pairs of users with one address, and makes an error of the first. */
static enum status_code
store_mysql_check_clashes(
    struct store_mysql_conn *conn, const struct store_adoption *adoption, struct error *error)
{
	int64_t first = 0, second = 0;
	struct mysql_row row;
	enum mysql_end end;

	buf_reset(&conn->sql);
	buf_printf(&conn->sql,
	    "SELECT MIN(id), MAX(id) FROM user WHERE emailKey IS NOT NULL"
	    " GROUP BY emailKey HAVING COUNT(*) > 1 ORDER BY 1 LIMIT %d",
	    STORE_MYSQL_CLASHES);
	end = store_mysql_built(conn);
	if (end != MYSQL_END_OK) {
		return store_mysql_error(conn, end, error);
	}
	while (mysql_conn_next_row(conn->db, &row)) {
		store_tell(adoption, "users %s and %s have the same e-mail address", row.text[0],
		    row.text[1]);
		if (first == 0) {
			first = store_mysql_number(&row, 0);
			second = store_mysql_number(&row, 1);
		}
	}
	if (first == 0) {
		return STATUS_OK;
	}
	return error_set(error, STATUS_FAILED_PRECONDITION, "DUPLICATE_EMAIL",
	    "users %lld and %lld have the same e-mail address but for case: change or delete one "
	    "of them in table user, then run 'accountd migrate' again",
	    (long long)first, (long long)second);
}

/* No password and no text has been touched yet when this stops for a clash. */
static enum status_code
store_mysql_unique_emails(
    struct store_conn *base, struct store_adoption *adoption, struct error *error)
{
	static const char unique[] = "ALTER TABLE user ADD UNIQUE KEY userEmailKey (emailKey)";
	struct store_mysql_conn *conn = (struct store_mysql_conn *)base;
	enum mysql_end end = store_mysql_fill_keys(conn, adoption);
	enum status_code code;

	if (end != MYSQL_END_OK) {
		return store_mysql_error(conn, end, error);
	}
	store_tell_all_unfit(adoption);
	code = store_mysql_check_clashes(conn, adoption, error);
	if (code != STATUS_OK) {
		return code;
	}
	return store_mysql_error(conn, store_mysql_change(conn, unique, sizeof(unique) - 1), error);
}

static enum mysql_end
store_mysql_drop_index(struct store_mysql_conn *conn, const char *name)
{
	buf_reset(&conn->sql);
	buf_puts(&conn->sql, "ALTER TABLE user DROP INDEX `");
	for (; *name != '\0'; name++) {
		buf_put(&conn->sql, "``", *name == '`' ? 2 : 1);
		if (*name != '`') {
			conn->sql.data[conn->sql.len - 1] = *name;
		}
	}
	buf_putc(&conn->sql, '`');
	return conn->sql.failed ? store_mysql_no_memory(conn)
				: store_mysql_change(conn, conn->sql.data, conn->sql.len);
}

/* The original's own key, whatever its name: unique, on email and nothing else. */
static enum status_code
store_mysql_drop_old_key(
    struct store_conn *base, struct store_adoption *adoption, struct error *error)
{
	static const char find[] =
	    "SELECT index_name FROM information_schema.statistics"
	    " WHERE table_schema = DATABASE() AND table_name = 'user'"
	    " GROUP BY index_name HAVING MAX(non_unique) = 0 AND COUNT(*) = 1"
	    " AND MAX(column_name) = 'email' LIMIT 1";
	struct store_mysql_conn *conn = (struct store_mysql_conn *)base;
	struct mysql_row row;
	enum mysql_end end;
	char name[256];

	do {
		name[0] = '\0';
		end = store_mysql_text(conn, find);
		if (end == MYSQL_END_OK && mysql_conn_next_row(conn->db, &row)) {
			snprintf(name, sizeof(name), "%s", row.text[0]);
			store_tell(
			    adoption, "dropping the key %s, which userEmailKey replaces", name);
			end = store_mysql_drop_index(conn, name);
		}
	} while (end == MYSQL_END_OK && name[0] != '\0');
	return store_mysql_error(conn, end, error);
}

/* Replaces the clear text of one row, unless somebody else has meanwhile. */
static enum mysql_end
store_mysql_set_password(struct store_mysql_conn *conn, const struct store_mysql_cell *cell)
{
	static const char update[] = "UPDATE user SET password = ? WHERE id = ? AND password <=> ?";
	struct mysql_value values[3] = {
	    {.type = MYSQL_VALUE_TEXT, .data = cell->derived, .len = strlen(cell->derived)},
	    {.type = MYSQL_VALUE_INT, .number = cell->id}, {.type = MYSQL_VALUE_NULL}};

	if (cell->value != NULL) {
		values[2] = (struct mysql_value){
		    .type = MYSQL_VALUE_TEXT, .data = cell->value, .len = strlen(cell->value)};
	}
	return mysql_conn_execute(
	    conn->db, STORE_MYSQL_SET_PASSWORD, update, sizeof(update) - 1, values, 3);
}

static enum mysql_end
store_mysql_set_passwords(
    struct store_mysql_conn *conn, const struct store_mysql_cell *cells, size_t count)
{
	enum mysql_end end = store_mysql_begin(conn);

	for (size_t i = 0; i < count && end == MYSQL_END_OK; i++) {
		end = store_mysql_set_password(conn, &cells[i]);
	}
	return end == MYSQL_END_OK ? store_mysql_commit(conn) : end;
}

/* Hashes before any row is locked: it takes long, as it should. */
static bool
store_mysql_hash_cells(struct store_mysql_conn *conn, const struct store_adoption *adoption,
    struct store_mysql_cell *cells, size_t count)
{
	for (size_t i = 0; i < count; i++) {
		struct store_mysql_cell *cell = &cells[i];

		if (cell->value == NULL || cell->value[0] == '\0') {
			cell->derived = STORE_PASSWORD_UNUSABLE;
			continue;
		}
		cell->derived = arena_alloc(conn->scratch, STORE_MYSQL_HASH_BYTES);
		if (cell->derived == NULL ||
		    !adoption->hash(cell->value, cell->derived, adoption->closure)) {
			return false;
		}
	}
	return true;
}

static void
store_mysql_wipe_cells(struct store_mysql_cell *cells, size_t count)
{
	for (size_t i = 0; i < count; i++) {
		if (cells[i].value != NULL) {
			explicit_bzero(cells[i].value, strlen(cells[i].value));
		}
	}
}

/* Hashes the next batch after *after; *count is 0 at the end. */
static enum mysql_end
store_mysql_hash_batch(struct store_mysql_conn *conn, const struct store_adoption *adoption,
    int64_t *after, size_t *count)
{
	struct store_mysql_cell *cells;
	enum mysql_end end;

	buf_reset(&conn->sql);
	buf_puts(&conn->sql, "SELECT id, password, NULL, NULL FROM user WHERE id > ");
	buf_put_int(&conn->sql, *after);
	buf_printf(&conn->sql,
	    " AND (password IS NULL OR password NOT LIKE '$argon2id$%%') ORDER BY id LIMIT %d",
	    STORE_MYSQL_HASH_BATCH);
	end = store_mysql_read_cells(conn, &cells, count);
	if (end != MYSQL_END_OK || *count == 0) {
		return end;
	}
	*after = cells[*count - 1].id;
	end = store_mysql_hash_cells(conn, adoption, cells, *count)
		  ? store_mysql_set_passwords(conn, cells, *count)
		  : store_mysql_no_memory(conn);
	store_mysql_wipe_cells(cells, *count);
	store_mysql_roll_back(conn);
	return end;
}

static enum status_code
store_mysql_hash_passwords(
    struct store_conn *base, struct store_adoption *adoption, struct error *error)
{
	struct store_mysql_conn *conn = (struct store_mysql_conn *)base;
	int64_t after = INT32_MIN;
	size_t count, done = 0;
	enum mysql_end end;

	do {
		end = store_mysql_hash_batch(conn, adoption, &after, &count);
		done += end == MYSQL_END_OK ? count : 0;
		if (count > 0) {
			store_tell(adoption, "%zu passwords hashed", done);
		}
	} while (end == MYSQL_END_OK && count > 0);
	return store_mysql_error(conn, end, error);
}

/* Up to "unique e-mails" nothing is changed that the original would miss. */
static const struct store_migration store_mysql_migrations[] = {
    {1, 1, "original tables", migration_mysql_0001_original_tables, NULL},
    {2, 2, "setting", migration_mysql_0002_setting, NULL},
    {3, 3, "e-mail key", migration_mysql_0003_email_key, NULL},
    {4, 4, "unique e-mails", NULL, store_mysql_unique_emails},
    {5, 5, "unicode", migration_mysql_0005_unicode, NULL},
    {6, 6, "drop the old key of e-mails", NULL, store_mysql_drop_old_key},
    {7, 7, "roles", migration_mysql_0007_roles, NULL},
    {8, 8, "hashed passwords", NULL, store_mysql_hash_passwords},
    {9, 8, "index of accounts", migration_mysql_0009_account_index, NULL},
};

const struct store_migrate_ops store_mysql_migrate = {
    .rows = store_mysql_migrations,
    .count = sizeof(store_mysql_migrations) / sizeof(store_mysql_migrations[0]),
    .lock = store_mysql_lock,
    .unlock = store_mysql_unlock,
    .run = store_mysql_run_script,
    .record = store_mysql_record,
};
