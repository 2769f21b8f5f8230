#include "services/accountd/accountd_adopt.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "common/base/arena.h"
#include "common/base/buf.h"
#include "services/accountd/user.h"
#include "services/accountd/user_text.h"

#define ACCOUNTD_ADOPT_KEY_BATCH  500
#define ACCOUNTD_ADOPT_HASH_BATCH 50
#define ACCOUNTD_ADOPT_TELL_ROWS  10000
#define ACCOUNTD_ADOPT_CLASHES    20
#define ACCOUNTD_ADOPT_HASH_BYTES 128 /* libsodium's crypto_pwhash_STRBYTES */
#define ACCOUNTD_ADOPT_UNFIT      20

/* A user's e-mail address, its key and the name, or the password and its hash; NULL as in SQL. */
struct accountd_adopt_cell {
	int64_t id;
	char *value;
	char *derived;
	char *name;
};

/* A line for people about how far the migration is. */
static void __attribute__((format(printf, 2, 3)))
store_tell(const struct accountd_adoption *adoption, const char *format, ...)
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

/*
 * Reports a user whose name or e-mail address no new user may have, and counts
 * it; only the first of them are reported. A name or address that is NULL is
 * missing.
 */
static void
store_tell_unfit(
    struct accountd_adoption *adoption, int64_t id, const char *name, const char *email)
{
	char of_name[USER_TEXT_PROBLEM_BYTES] = "";
	char of_email[USER_TEXT_PROBLEM_BYTES] = "";
	bool fit = name == NULL || user_text_is_name(name, of_name);

	fit = (email == NULL || user_text_is_email(email, of_email)) && fit;
	if (fit || adoption->unfit++ >= ACCOUNTD_ADOPT_UNFIT) {
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

static void
store_tell_all_unfit(const struct accountd_adoption *adoption)
{
	if (adoption->unfit > 0) {
		store_tell(adoption,
		    "%zu users are kept with a name or e-mail address that no new user may have",
		    adoption->unfit);
	}
}

static bool
accountd_adopt_copy_cell(struct sql_conn *conn, unsigned column, char **to)
{
	size_t len;
	const char *text = sql_string(conn, column, &len);

	if (text == NULL) {
		return true;
	}
	*to = arena_strndup(sql_scratch(conn), text, len);
	return *to != NULL;
}

/*
 * Gives the rows of the statement in sql_buf, which reads id, value, what is
 * derived and name; in scratch, which is emptied before.
 */
static enum sql_end
accountd_adopt_read_cells(struct sql_conn *conn, struct accountd_adopt_cell **cells, size_t *count)
{
	enum sql_end end = sql_built(conn);

	sql_clear_scratch(conn);
	*count = 0;
	if (end != SQL_OK) {
		return end;
	}
	*cells = arena_calloc(sql_scratch(conn), sql_row_count(conn), sizeof(**cells));
	while (*cells != NULL && sql_next(conn)) {
		struct accountd_adopt_cell *cell = &(*cells)[(*count)++];

		cell->id = sql_int(conn, 0);
		if (!accountd_adopt_copy_cell(conn, 1, &cell->value) ||
		    !accountd_adopt_copy_cell(conn, 2, &cell->derived) ||
		    !accountd_adopt_copy_cell(conn, 3, &cell->name)) {
			return sql_no_memory(conn);
		}
	}
	return *cells != NULL ? sql_ended(conn) : sql_no_memory(conn);
}

/* Sets the key of one row; most often there is nothing to change when run again. */
static enum sql_end
accountd_adopt_set_key(struct sql_conn *conn, const struct accountd_adoption *adoption,
    const struct accountd_adopt_cell *cell)
{
	static const char update[] = "UPDATE user SET emailKey = ? WHERE id = ?";
	char *key = cell->value == NULL ? NULL : user_email_key(cell->value, sql_scratch(conn));
	struct sql_value values[] = {{.type = SQL_NULL}, sql_int_value(cell->id)};

	if (cell->value != NULL && key == NULL) {
		return sql_no_memory(conn);
	}
	if (key == NULL ? cell->derived == NULL
			: cell->derived != NULL && strcmp(key, cell->derived) == 0) {
		return SQL_OK;
	}
	if (key != NULL) {
		values[0] = sql_bytes_value(key, strlen(key));
	}
	return sql_execute(
	    conn, adoption->slots + ACCOUNTD_ADOPT_KEY, update, sizeof(update) - 1, values, 2);
}

static enum sql_end
accountd_adopt_set_keys(struct sql_conn *conn, const struct accountd_adoption *adoption,
    const struct accountd_adopt_cell *cells, size_t count)
{
	enum sql_end end = sql_begin(conn);

	for (size_t i = 0; i < count && end == SQL_OK; i++) {
		end = accountd_adopt_set_key(conn, adoption, &cells[i]);
	}
	return end == SQL_OK ? sql_commit(conn) : end;
}

static enum sql_end
accountd_adopt_fill_keys(struct sql_conn *conn, struct accountd_adoption *adoption)
{
	struct accountd_adopt_cell *cells;
	size_t count, done = 0;
	int64_t after = INT32_MIN;
	enum sql_end end;

	do {
		buf_reset(sql_buf(conn));
		buf_puts(sql_buf(conn), "SELECT id, email, emailKey, name FROM user WHERE id > ");
		buf_put_int(sql_buf(conn), after);
		buf_printf(sql_buf(conn), " ORDER BY id LIMIT %d", ACCOUNTD_ADOPT_KEY_BATCH);
		end = accountd_adopt_read_cells(conn, &cells, &count);
		if (end == SQL_OK && count > 0) {
			after = cells[count - 1].id;
			end = accountd_adopt_set_keys(conn, adoption, cells, count);
		}
		for (size_t i = 0; end == SQL_OK && i < count; i++) {
			store_tell_unfit(adoption, cells[i].id, cells[i].name, cells[i].value);
		}
		done += count;
		if (count > 0 && done % ACCOUNTD_ADOPT_TELL_ROWS == 0) {
			store_tell(adoption, "%zu e-mail addresses read", done);
		}
	} while (end == SQL_OK && count > 0);
	sql_roll_back(conn);
	return end;
}

/* Tells all pairs of users with one address, and makes an error of the first. */
static enum status_code
accountd_adopt_check_clashes(
    struct sql_conn *conn, const struct accountd_adoption *adoption, struct error *error)
{
	int64_t first = 0, second = 0;
	enum sql_end end;

	buf_reset(sql_buf(conn));
	buf_printf(sql_buf(conn),
	    "SELECT MIN(id), MAX(id) FROM user WHERE emailKey IS NOT NULL"
	    " GROUP BY emailKey HAVING COUNT(*) > 1 ORDER BY 1 LIMIT %d",
	    ACCOUNTD_ADOPT_CLASHES);
	end = sql_built(conn);
	if (end != SQL_OK) {
		return sql_error(conn, end, error);
	}
	while (sql_next(conn)) {
		store_tell(adoption, "users %s and %s have the same e-mail address",
		    sql_string(conn, 0, NULL), sql_string(conn, 1, NULL));
		if (first == 0) {
			first = sql_int(conn, 0);
			second = sql_int(conn, 1);
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
enum status_code
accountd_adopt_emails(struct sql_conn *conn, void *closure, struct error *error)
{
	static const char unique[] = "ALTER TABLE user ADD UNIQUE KEY userEmailKey (emailKey)";
	struct accountd_adoption *adoption = closure;
	enum sql_end end = accountd_adopt_fill_keys(conn, adoption);
	enum status_code code;

	if (end != SQL_OK) {
		return sql_error(conn, end, error);
	}
	store_tell_all_unfit(adoption);
	code = accountd_adopt_check_clashes(conn, adoption, error);
	if (code != STATUS_OK) {
		return code;
	}
	return sql_error(conn, sql_change(conn, unique, sizeof(unique) - 1), error);
}

static enum sql_end
accountd_adopt_drop_index(struct sql_conn *conn, const char *name)
{
	struct buf *sql = sql_buf(conn);

	buf_reset(sql);
	buf_puts(sql, "ALTER TABLE user DROP INDEX `");
	for (; *name != '\0'; name++) {
		buf_puts(sql, *name == '`' ? "`" : "");
		buf_putc(sql, *name);
	}
	buf_putc(sql, '`');
	return sql->failed ? sql_no_memory(conn) : sql_change(conn, sql->data, sql->len);
}

/* The original's own key, whatever its name: unique, on email and nothing else. */
enum status_code
accountd_adopt_key(struct sql_conn *conn, void *closure, struct error *error)
{
	static const char find[] =
	    "SELECT index_name FROM information_schema.statistics"
	    " WHERE table_schema = DATABASE() AND table_name = 'user'"
	    " GROUP BY index_name HAVING MAX(non_unique) = 0 AND COUNT(*) = 1"
	    " AND MAX(column_name) = 'email' LIMIT 1";
	const struct accountd_adoption *adoption = closure;
	enum sql_end end;
	char name[256];

	do {
		name[0] = '\0';
		end = sql_text(conn, find);
		if (end == SQL_OK && sql_next(conn)) {
			snprintf(name, sizeof(name), "%s", sql_string(conn, 0, NULL));
			store_tell(
			    adoption, "dropping the key %s, which userEmailKey replaces", name);
			end = accountd_adopt_drop_index(conn, name);
		}
	} while (end == SQL_OK && name[0] != '\0');
	return sql_error(conn, end, error);
}

/* Replaces the clear text of one row, unless somebody else has meanwhile. */
static enum sql_end
accountd_adopt_set_password(struct sql_conn *conn, const struct accountd_adoption *adoption,
    const struct accountd_adopt_cell *cell)
{
	static const char update[] = "UPDATE user SET password = ? WHERE id = ? AND password <=> ?";
	const struct sql_value values[] = {
	    sql_text_value(cell->derived), sql_int_value(cell->id), sql_text_value(cell->value)};

	return sql_execute(
	    conn, adoption->slots + ACCOUNTD_ADOPT_PASSWORD, update, sizeof(update) - 1, values, 3);
}

static enum sql_end
accountd_adopt_set_passwords(struct sql_conn *conn, const struct accountd_adoption *adoption,
    const struct accountd_adopt_cell *cells, size_t count)
{
	enum sql_end end = sql_begin(conn);

	for (size_t i = 0; i < count && end == SQL_OK; i++) {
		end = accountd_adopt_set_password(conn, adoption, &cells[i]);
	}
	return end == SQL_OK ? sql_commit(conn) : end;
}

/* Hashes before any row is locked: it takes long, as it should. */
static bool
accountd_adopt_hash_cells(struct sql_conn *conn, const struct accountd_adoption *adoption,
    struct accountd_adopt_cell *cells, size_t count)
{
	for (size_t i = 0; i < count; i++) {
		struct accountd_adopt_cell *cell = &cells[i];

		if (cell->value == NULL || cell->value[0] == '\0') {
			cell->derived = USER_PASSWORD_UNUSABLE;
			continue;
		}
		cell->derived = arena_alloc(sql_scratch(conn), ACCOUNTD_ADOPT_HASH_BYTES);
		if (cell->derived == NULL ||
		    !adoption->hash(cell->value, cell->derived, adoption->closure)) {
			return false;
		}
	}
	return true;
}

static void
accountd_adopt_wipe_cells(struct accountd_adopt_cell *cells, size_t count)
{
	for (size_t i = 0; i < count; i++) {
		if (cells[i].value != NULL) {
			explicit_bzero(cells[i].value, strlen(cells[i].value));
		}
	}
}

/* Hashes the next batch after *after; *count is 0 at the end. */
static enum sql_end
accountd_adopt_hash_batch(
    struct sql_conn *conn, const struct accountd_adoption *adoption, int64_t *after, size_t *count)
{
	struct accountd_adopt_cell *cells;
	enum sql_end end;

	buf_reset(sql_buf(conn));
	buf_puts(sql_buf(conn), "SELECT id, password, NULL, NULL FROM user WHERE id > ");
	buf_put_int(sql_buf(conn), *after);
	buf_printf(sql_buf(conn),
	    " AND (password IS NULL OR password NOT LIKE '$argon2id$%%') ORDER BY id LIMIT %d",
	    ACCOUNTD_ADOPT_HASH_BATCH);
	end = accountd_adopt_read_cells(conn, &cells, count);
	if (end != SQL_OK || *count == 0) {
		return end;
	}
	*after = cells[*count - 1].id;
	end = accountd_adopt_hash_cells(conn, adoption, cells, *count)
		  ? accountd_adopt_set_passwords(conn, adoption, cells, *count)
		  : sql_no_memory(conn);
	accountd_adopt_wipe_cells(cells, *count);
	sql_roll_back(conn);
	return end;
}

enum status_code
accountd_adopt_passwords(struct sql_conn *conn, void *closure, struct error *error)
{
	const struct accountd_adoption *adoption = closure;
	int64_t after = INT32_MIN;
	size_t count, done = 0;
	enum sql_end end;

	do {
		end = accountd_adopt_hash_batch(conn, adoption, &after, &count);
		done += end == SQL_OK ? count : 0;
		if (count > 0) {
			store_tell(adoption, "%zu passwords hashed", done);
		}
	} while (end == SQL_OK && count > 0);
	return sql_error(conn, end, error);
}
