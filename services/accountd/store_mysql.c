#include "services/accountd/store_mysql.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>

#include "common/base/clock.h"
#include "services/accountd/mysql_hosts.h"
#include "services/accountd/mysql_login.h"
#include "services/accountd/mysql_tls.h"

#define STORE_MYSQL_CONNECT_MS 2000
#define STORE_MYSQL_PORT       3306
#define STORE_MYSQL_SQL_REST   128 /* room for another id and what follows the ids */

struct store_mysql {
	struct store base;
	struct mysql_target target;
	struct mysql_hosts *hosts;
	struct mysql_login *login;
	struct mysql_tls tls;
	char *database, *ca_file, *cert_file, *key_file;
};

static const struct store_ops store_mysql_ops;

static void
store_mysql_close(struct store *base)
{
	struct store_mysql *store = (struct store_mysql *)base;

	mysql_hosts_free(&store->hosts);
	mysql_login_free(&store->login);
	free(store->database);
	free(store->ca_file);
	free(store->cert_file);
	free(store->key_file);
	free(store);
}

static bool
store_mysql_set_login(struct store *base, const char *user, const char *password)
{
	return mysql_login_set(((struct store_mysql *)base)->login, user, password);
}

/* NULL stands for the empty text. Gives NULL without memory. */
static char *
store_mysql_copy(const char *text)
{
	return strdup(text == NULL ? "" : text);
}

/* False without memory. */
static bool
store_mysql_copy_options(struct store_mysql *store, const struct store_options *options)
{
	store->database = store_mysql_copy(options->database);
	store->ca_file = store_mysql_copy(options->tls_ca_file);
	store->cert_file = store_mysql_copy(options->tls_cert_file);
	store->key_file = store_mysql_copy(options->tls_key_file);
	store->login = mysql_login_new(options->user, options->password);
	store->tls =
	    (struct mysql_tls){options->tls, store->ca_file, store->cert_file, store->key_file};
	return store->database != NULL && store->ca_file != NULL && store->cert_file != NULL &&
	       store->key_file != NULL && store->login != NULL;
}

enum status_code
store_mysql_open(struct store **out, const struct store_options *options, struct error *error)
{
	struct store_mysql *store = calloc(1, sizeof(*store));

	if (store == NULL) {
		return store_error_memory(error);
	}
	store->base.ops = &store_mysql_ops;
	if (!store_mysql_copy_options(store, options)) {
		store_mysql_close(&store->base);
		return store_error_memory(error);
	}
	if (mysql_tls_check(&store->tls, error)) {
		store->hosts = mysql_hosts_new(
		    options->host, options->port == 0 ? STORE_MYSQL_PORT : options->port, error);
	}
	if (store->hosts == NULL) {
		store_mysql_close(&store->base);
		return error == NULL ? STATUS_INVALID_ARGUMENT : error->code;
	}
	store->target = (struct mysql_target){
	    .hosts = store->hosts,
	    .database = store->database,
	    .login = store->login,
	    .tls = &store->tls,
	    .connect_timeout_ms = options->connect_timeout_ms == 0 ? STORE_MYSQL_CONNECT_MS
								   : options->connect_timeout_ms,
	};
	*out = &store->base;
	return STATUS_OK;
}

static void
store_mysql_conn_close(struct store_conn *base)
{
	struct store_mysql_conn *conn = (struct store_mysql_conn *)base;

	mysql_conn_free(&conn->db);
	arena_free(&conn->scratch);
	buf_fini(&conn->sql);
	free(conn);
}

static struct store_conn *
store_mysql_conn_open(struct store *base)
{
	struct store_mysql *store = (struct store_mysql *)base;
	struct store_mysql_conn *conn = calloc(1, sizeof(*conn));

	if (conn == NULL) {
		return NULL;
	}
	conn->base.ops = &store_mysql_ops;
	conn->scratch = arena_new(0);
	conn->db = mysql_conn_new(&store->target);
	conn->reconnects_max = mysql_hosts_count(store->hosts);
	if (conn->scratch == NULL || conn->db == NULL) {
		store_mysql_conn_close(&conn->base);
		return NULL;
	}
	return &conn->base;
}

static bool
store_mysql_conn_is_open(const struct store_conn *base)
{
	return mysql_conn_is_open(((const struct store_mysql_conn *)base)->db);
}

enum mysql_end
store_mysql_text(struct store_mysql_conn *conn, const char *sql)
{
	return mysql_conn_query(conn->db, sql, strlen(sql));
}

enum mysql_end
store_mysql_built(struct store_mysql_conn *conn)
{
	if (conn->sql.failed) {
		return store_mysql_no_memory(conn);
	}
	return mysql_conn_query(conn->db, conn->sql.data, conn->sql.len);
}

enum mysql_end
store_mysql_no_memory(struct store_mysql_conn *conn)
{
	conn->no_memory = true;
	return MYSQL_END_FAILED;
}

enum mysql_end
store_mysql_cut(struct store_mysql_conn *conn)
{
	conn->cut = true;
	return MYSQL_END_FAILED;
}

size_t
store_mysql_put_ids(struct store_mysql_conn *conn, const int64_t *ids, size_t count)
{
	size_t put = 0;

	while (put < count && put < STORE_MYSQL_IDS_MAX &&
	       (put == 0 || mysql_conn_fits(conn->db, conn->sql.len + STORE_MYSQL_SQL_REST))) {
		buf_putc(&conn->sql, put == 0 ? '(' : ',');
		buf_put_int(&conn->sql, ids[put++]);
	}
	buf_putc(&conn->sql, ')');
	return put;
}

enum mysql_end
store_mysql_begin(struct store_mysql_conn *conn)
{
	conn->in_transaction = true;
	return store_mysql_text(conn, "BEGIN");
}

enum mysql_end
store_mysql_commit(struct store_mysql_conn *conn)
{
	enum mysql_end end;

	conn->committing = true;
	end = store_mysql_text(conn, "COMMIT");
	if (end == MYSQL_END_OK) {
		conn->in_transaction = false;
	} else if (end != MYSQL_END_CONFLICT) {
		mysql_conn_close(conn->db);
		end = MYSQL_END_LOST;
	}
	return end;
}

void
store_mysql_roll_back(struct store_mysql_conn *conn)
{
	if (conn->in_transaction && mysql_conn_is_open(conn->db) &&
	    store_mysql_text(conn, "ROLLBACK") != MYSQL_END_OK) {
		mysql_conn_close(conn->db);
	}
	conn->in_transaction = false;
}

enum status_code
store_mysql_error(const struct store_mysql_conn *conn, enum mysql_end end, struct error *error)
{
	char detail[ERROR_TEXT_MAX];

	snprintf(detail, sizeof(detail), "%u %.480s", mysql_conn_error(conn->db),
	    mysql_conn_error_text(conn->db));
	switch (end) {
	case MYSQL_END_OK: return STATUS_OK;
	case MYSQL_END_REFUSED:
	case MYSQL_END_UNREACHABLE:
	case MYSQL_END_LOST: return store_error_unavailable(error, detail);
	case MYSQL_END_TIMEOUT:
	case MYSQL_END_CONFLICT: return store_error_deadline(error, detail);
	case MYSQL_END_DUPLICATE:
	case MYSQL_END_FAILED: break;
	}
	if (store_mysql_cause(conn, end) != STORE_CAUSE_NONE) {
		return store_error_unavailable(error, detail);
	}
	if (conn->no_memory) {
		return store_error_memory(error);
	}
	return store_error_failed(error,
	    conn->cut ? "rows of a result are missing: something between here and the database, or "
			"a setting of it, cuts results short"
		      : detail);
}

/* The error's words are noted before the rollback says something else. */
static enum status_code
store_mysql_attempt(struct store_mysql_conn *conn, int64_t deadline_ns,
    enum mysql_end (*step)(struct store_mysql_conn *conn, void *call), void *call,
    enum mysql_end *end, struct error *error)
{
	enum status_code code;

	conn->in_transaction = false;
	conn->committing = false;
	conn->no_memory = false;
	conn->cut = false;
	*end = mysql_conn_open(conn->db, deadline_ns);
	if (*end == MYSQL_END_OK) {
		*end = step(conn, call);
	}
	code = store_mysql_error(conn, *end, error);
	conn->base.cause = store_mysql_cause(conn, *end);
	if ((*end == MYSQL_END_LOST || *end == MYSQL_END_TIMEOUT) && conn->committing &&
	    mysql_conn_sent(conn->db)) {
		*end = MYSQL_END_FAILED;
		code = store_error_unknown(error, mysql_conn_error_text(conn->db));
	}
	store_mysql_roll_back(conn);
	return code;
}

enum status_code
store_mysql_run(struct store_mysql_conn *conn, int64_t deadline_ns,
    enum mysql_end (*step)(struct store_mysql_conn *conn, void *call), void *call,
    struct error *error)
{
	unsigned reconnects = 0;
	unsigned conflicts = 0;
	enum status_code code;
	enum mysql_end end;

	for (;;) {
		code = store_mysql_attempt(conn, deadline_ns, step, call, &end, error);
		if (end == MYSQL_END_OK) {
			if (error != NULL) {
				memset(error, 0, sizeof(*error));
			}
			return STATUS_OK;
		}
		if (end == MYSQL_END_CONFLICT) {
			store_back_off(conflicts++, deadline_ns);
			if (clock_left_ms(deadline_ns) == 0) {
				return code;
			}
		} else if ((end != MYSQL_END_LOST && end != MYSQL_END_REFUSED) ||
			   reconnects++ >= conn->reconnects_max) {
			return code;
		}
	}
}

int64_t
store_mysql_number(const struct mysql_row *row, unsigned column)
{
	return row->text[column] == NULL ? 0 : strtoll(row->text[column], NULL, 10);
}

enum mysql_end
store_mysql_read_version(struct store_mysql_conn *conn, void *call)
{
	int64_t *version = call;
	struct mysql_row row;
	enum mysql_end end;

	*version = 0;
	end = store_mysql_text(conn, "SELECT MAX(version) FROM schema_migration");
	if (end == MYSQL_END_FAILED && mysql_conn_error(conn->db) == MYSQL_ERROR_NO_TABLE) {
		return MYSQL_END_OK;
	}
	if (end != MYSQL_END_OK) {
		return end;
	}
	if (!mysql_conn_next_row(conn->db, &row)) {
		return store_mysql_cut(conn);
	}
	*version = store_mysql_number(&row, 0);
	return MYSQL_END_OK;
}

static enum status_code
store_mysql_version(
    struct store_conn *base, int64_t deadline_ns, int64_t *version, struct error *error)
{
	return store_mysql_run(
	    (struct store_mysql_conn *)base, deadline_ns, store_mysql_read_version, version, error);
}

static enum mysql_end
store_mysql_do_ping(struct store_mysql_conn *conn, void *call)
{
	(void)call;
	return store_mysql_text(conn, "DO 1");
}

static enum status_code
store_mysql_ping(struct store_conn *base, int64_t deadline_ns, struct error *error)
{
	return store_mysql_run(
	    (struct store_mysql_conn *)base, deadline_ns, store_mysql_do_ping, NULL, error);
}

static enum mysql_end
store_mysql_read_key(struct store_mysql_conn *conn, uint8_t *key, bool *found)
{
	struct mysql_row row;
	enum mysql_end end;

	*found = false;
	end = store_mysql_text(conn, "SELECT value FROM setting WHERE name = 'pageKey'");
	if (end == MYSQL_END_OK && mysql_conn_next_row(conn->db, &row) &&
	    row.len[0] == STORE_PAGE_KEY_BYTES) {
		memcpy(key, row.text[0], STORE_PAGE_KEY_BYTES);
		*found = true;
	}
	return end;
}

/* Where two make the key at once, the first one's is everybody's. */
static enum mysql_end
store_mysql_make_key(struct store_mysql_conn *conn, void *call)
{
	static const char insert[] = "INSERT INTO setting (name, value) VALUES ('pageKey', ?)";
	uint8_t random[STORE_PAGE_KEY_BYTES];
	struct mysql_value value = {
	    .type = MYSQL_VALUE_BYTES, .data = (const char *)random, .len = sizeof(random)};
	enum mysql_end end;
	bool found;

	end = store_mysql_read_key(conn, call, &found);
	if (end != MYSQL_END_OK || found) {
		return end;
	}
	if (getrandom(random, sizeof(random), 0) != sizeof(random)) {
		return MYSQL_END_FAILED;
	}
	end = mysql_conn_execute(conn->db, MYSQL_SLOT_NONE, insert, strlen(insert), &value, 1);
	if (end == MYSQL_END_OK || end == MYSQL_END_DUPLICATE) {
		end = store_mysql_read_key(conn, call, &found);
	}
	return end == MYSQL_END_OK && !found ? MYSQL_END_FAILED : end;
}

static enum status_code
store_mysql_page_key(struct store_conn *base, int64_t deadline_ns,
    uint8_t key[STORE_PAGE_KEY_BYTES], struct error *error)
{
	return store_mysql_run(
	    (struct store_mysql_conn *)base, deadline_ns, store_mysql_make_key, key, error);
}

static const struct store_ops store_mysql_ops = {
    .migrate = &store_mysql_migrate,
    .close = store_mysql_close,
    .set_login = store_mysql_set_login,
    .conn_open = store_mysql_conn_open,
    .conn_close = store_mysql_conn_close,
    .conn_is_open = store_mysql_conn_is_open,
    .version = store_mysql_version,
    .needed = store_mysql_needed,
    .ping = store_mysql_ping,
    .check_tables = store_mysql_check_tables,
    .check_writes = store_mysql_check_writes,
    .page_key = store_mysql_page_key,
    .user_get = store_mysql_user_get,
    .user_list = store_mysql_user_list,
    .user_write = store_mysql_user_write,
};
