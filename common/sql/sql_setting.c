#include "common/sql/sql_setting.h"

#include <assert.h>
#include <string.h>
#include <sys/random.h>

struct sql_setting {
	const char *name;
	uint8_t *secret;
	size_t len;
};

/* SQL_OK with *found, or without it if there is none yet. */
static enum sql_end
sql_setting_read(struct sql_conn *conn, const struct sql_setting *setting, bool *found)
{
	static const char read[] = "SELECT value FROM setting WHERE name = ?";
	const struct sql_value name = sql_text_value(setting->name);
	enum sql_end end = sql_execute(conn, SQL_ONCE, read, sizeof(read) - 1, &name, 1);
	const char *value;
	size_t len;

	*found = end == SQL_OK && sql_next(conn);
	if (!*found) {
		return end;
	}
	value = sql_string(conn, 0, &len);
	if (value == NULL || len != setting->len) {
		return sql_fail(conn, "a secret in table setting has another length");
	}
	memcpy(setting->secret, value, len);
	return SQL_OK;
}

/* Where two make it at once, the first one's is everybody's. */
static enum sql_end
sql_setting_do_secret(struct sql_conn *conn, void *call)
{
	static const char insert[] = "INSERT INTO setting (name, value) VALUES (?, ?)";
	const struct sql_setting *setting = call;
	char random[SQL_SECRET_MAX];
	const struct sql_value values[] = {
	    sql_text_value(setting->name), sql_bytes_value(random, setting->len)};
	bool found;
	enum sql_end end = sql_setting_read(conn, setting, &found);

	if (end != SQL_OK || found) {
		return end;
	}
	if (getrandom(random, setting->len, 0) != (ssize_t)setting->len) {
		return sql_fail(conn, "there are no random bytes for a secret");
	}
	end = sql_execute(conn, SQL_ONCE, insert, sizeof(insert) - 1, values, 2);
	explicit_bzero(random, sizeof(random));
	if (end == SQL_OK || end == SQL_DUPLICATE) {
		end = sql_setting_read(conn, setting, &found);
		if (end == SQL_OK && !found) {
			end = sql_fail(
			    conn, "a secret that was written to table setting is not there");
		}
	}
	return end;
}

enum status_code
sql_setting_secret(struct sql_conn *conn, int64_t deadline_ns, const char *name, uint8_t *secret,
    size_t len, struct error *error)
{
	static const struct sql_work work = {.step = sql_setting_do_secret};
	struct sql_setting setting = {name, secret, len};

	assert(len <= SQL_SECRET_MAX);
	return sql_run(conn, deadline_ns, &work, &setting, error);
}
