#include "services/accountd/store_sqlite.h"

#include <errno.h>
#include <libgen.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "common/base/clock.h"

#define STORE_SQLITE_BUSY_MS  5
#define STORE_SQLITE_PROGRESS 1000 /* steps of SQLite's machine between looks at the clock */

struct store_sqlite {
	struct store base;
	char *path;
};

static const struct store_ops store_sqlite_ops;

static const char *const store_sqlite_texts[] = {
#define STORE_SQLITE_TEXT(name, sql) sql,
    STORE_SQLITE_ROWS(STORE_SQLITE_TEXT)
#undef STORE_SQLITE_TEXT
};

static enum status_code
store_sqlite_bad_path(struct error *error, const char *path, const char *why)
{
	return error_set(error, STATUS_FAILED_PRECONDITION, "STORE_PATH",
	    "data file '%.200s': %s; name another by --store sqlite:PATH", path, why);
}

static enum status_code
store_sqlite_check_folder(const char *path, struct error *error)
{
	char copy[4096], why[4096 + 64];
	struct stat info;
	char *folder;

	if (snprintf(copy, sizeof(copy), "%s", path) >= (int)sizeof(copy)) {
		return store_sqlite_bad_path(error, path, "the path is too long");
	}
	folder = dirname(copy);
	if (stat(folder, &info) != 0) {
		snprintf(why, sizeof(why), "folder '%.200s': %s", folder, strerror(errno));
		return store_sqlite_bad_path(error, path, why);
	}
	if (!S_ISDIR(info.st_mode) || access(folder, W_OK | X_OK) != 0) {
		snprintf(why, sizeof(why), "folder '%.200s' can't be written to: %s", folder,
		    strerror(S_ISDIR(info.st_mode) ? errno : ENOTDIR));
		return store_sqlite_bad_path(error, path, why);
	}
	return STATUS_OK;
}

/* What is wrong with the path is told at the start, not by each call. */
static enum status_code
store_sqlite_check_path(const char *path, struct error *error)
{
	struct stat info;

	if (path[0] == '\0' || path[0] == ':') {
		return store_sqlite_bad_path(error, path, "a path is needed");
	}
	if (stat(path, &info) != 0) {
		return store_sqlite_check_folder(path, error);
	}
	if (!S_ISREG(info.st_mode)) {
		return store_sqlite_bad_path(error, path, "it is not a file");
	}
	if (access(path, R_OK | W_OK) != 0) {
		return store_sqlite_bad_path(error, path, strerror(errno));
	}
	return store_sqlite_check_folder(path, error);
}

enum status_code
store_sqlite_open(struct store **out, const char *path, struct error *error)
{
	enum status_code code = store_sqlite_check_path(path, error);
	struct store_sqlite *store;

	if (code != STATUS_OK) {
		return code;
	}
	store = calloc(1, sizeof(*store));
	if (store == NULL || (store->path = strdup(path)) == NULL) {
		free(store);
		return store_error_memory(error);
	}
	store->base.ops = &store_sqlite_ops;
	*out = &store->base;
	return STATUS_OK;
}

static void
store_sqlite_close(struct store *base)
{
	struct store_sqlite *store = (struct store_sqlite *)base;

	free(store->path);
	free(store);
}

static struct store_conn *
store_sqlite_conn_open(struct store *base)
{
	struct store_sqlite_conn *conn = calloc(1, sizeof(*conn));

	if (conn == NULL || (conn->scratch = arena_new(0)) == NULL) {
		free(conn);
		return NULL;
	}
	conn->base.ops = &store_sqlite_ops;
	conn->path = ((struct store_sqlite *)base)->path;
	return &conn->base;
}

static void
store_sqlite_disconnect(struct store_sqlite_conn *conn)
{
	for (unsigned i = 0; i < STORE_SQLITE_STATEMENTS; i++) {
		sqlite3_finalize(conn->statements[i]);
		conn->statements[i] = NULL;
	}
	sqlite3_close(conn->db);
	conn->db = NULL;
}

static void
store_sqlite_conn_close(struct store_conn *base)
{
	struct store_sqlite_conn *conn = (struct store_sqlite_conn *)base;

	store_sqlite_disconnect(conn);
	arena_free(&conn->scratch);
	buf_fini(&conn->sql);
	free(conn);
}

static bool
store_sqlite_conn_is_open(const struct store_conn *base)
{
	return ((const struct store_sqlite_conn *)base)->db != NULL;
}

static int
store_sqlite_on_busy(void *closure, int tries)
{
	struct store_sqlite_conn *conn = closure;
	int64_t left_ms = clock_left_ms(conn->deadline_ns);
	struct timespec nap = {0, CLOCK_NS_PER_MS};

	if (left_ms == 0) {
		return 0;
	}
	if (tries >= 10 && left_ms > STORE_SQLITE_BUSY_MS) {
		nap.tv_nsec *= STORE_SQLITE_BUSY_MS;
	}
	nanosleep(&nap, NULL);
	return 1;
}

static int
store_sqlite_on_progress(void *closure)
{
	struct store_sqlite_conn *conn = closure;

	return !conn->committing && clock_left_ms(conn->deadline_ns) == 0;
}

/* A file that was moved or removed under us is no longer the one to write to. */
static bool
store_sqlite_is_stale(struct store_sqlite_conn *conn)
{
	int moved = 0;

	sqlite3_file_control(conn->db, "main", SQLITE_FCNTL_HAS_MOVED, &moved);
	return moved != 0;
}

int
store_sqlite_connect(struct store_sqlite_conn *conn, int64_t deadline_ns, bool create)
{
	int flags = SQLITE_OPEN_READWRITE | SQLITE_OPEN_NOMUTEX | SQLITE_OPEN_EXRESCODE;
	int result;

	conn->deadline_ns = deadline_ns;
	if (conn->db != NULL && store_sqlite_is_stale(conn)) {
		store_sqlite_disconnect(conn);
	}
	if (conn->db != NULL) {
		return SQLITE_OK;
	}
	result =
	    sqlite3_open_v2(conn->path, &conn->db, flags | (create ? SQLITE_OPEN_CREATE : 0), NULL);
	if (result == SQLITE_OK) {
		sqlite3_busy_handler(conn->db, store_sqlite_on_busy, conn);
		sqlite3_progress_handler(
		    conn->db, STORE_SQLITE_PROGRESS, store_sqlite_on_progress, conn);
		result = sqlite3_exec(conn->db,
		    "PRAGMA journal_mode = WAL; PRAGMA synchronous = FULL", NULL, NULL, NULL);
	}
	if (result != SQLITE_OK) {
		store_sqlite_disconnect(conn);
	}
	return result;
}

int
store_sqlite_statement(
    struct store_sqlite_conn *conn, enum store_sqlite_statement which, sqlite3_stmt **statement)
{
	int result = SQLITE_OK;

	if (conn->statements[which] == NULL) {
		result = sqlite3_prepare_v3(conn->db, store_sqlite_texts[which], -1,
		    SQLITE_PREPARE_PERSISTENT, &conn->statements[which], NULL);
	}
	*statement = conn->statements[which];
	return result;
}

int
store_sqlite_try(struct store_sqlite_conn *conn, enum store_sqlite_statement which)
{
	sqlite3_stmt *statement = NULL;
	int result = sqlite3_prepare_v2(conn->db, store_sqlite_texts[which], -1, &statement, NULL);

	sqlite3_finalize(statement);
	return result;
}

int
store_sqlite_do(struct store_sqlite_conn *conn, enum store_sqlite_statement which)
{
	sqlite3_stmt *statement;
	int result = store_sqlite_statement(conn, which, &statement);

	if (result == SQLITE_OK) {
		result = sqlite3_step(statement);
		sqlite3_reset(statement);
	}
	return result == SQLITE_DONE ? SQLITE_OK : result;
}

int
store_sqlite_commit(struct store_sqlite_conn *conn)
{
	if (clock_left_ms(conn->deadline_ns) == 0) {
		return SQLITE_INTERRUPT;
	}
	conn->committing = true;
	return store_sqlite_do(conn, STORE_SQLITE_COMMIT);
}

enum status_code
store_sqlite_error(struct store_sqlite_conn *conn, int result, struct error *error)
{
	char detail[ERROR_TEXT_MAX];

	snprintf(detail, sizeof(detail), "%.200s: %d %.200s", conn->path, result,
	    conn->db == NULL ? sqlite3_errstr(result) : sqlite3_errmsg(conn->db));
	switch (result & 0xff) {
	case SQLITE_OK: return STATUS_OK;
	case SQLITE_BUSY:
	case SQLITE_LOCKED:
	case SQLITE_INTERRUPT: return store_error_deadline(error, detail);
	case SQLITE_NOMEM: return store_error_memory(error);
	case SQLITE_NOTADB: return store_sqlite_bad_path(error, conn->path, "it is not a database");
	case SQLITE_IOERR:
		/* What there was no room for is not written. */
		if (conn->committing && !(result == SQLITE_IOERR_WRITE &&
					    store_sqlite_cause(conn, result) == STORE_CAUSE_FULL)) {
			return store_error_unknown(error, detail);
		}
		return store_error_unavailable(error, detail);
	case SQLITE_CANTOPEN:
	case SQLITE_READONLY:
	case SQLITE_FULL:
	case SQLITE_PERM:
	case SQLITE_PROTOCOL: return store_error_unavailable(error, detail);
	default: return store_error_failed(error, detail);
	}
}

/* After these the connection is good for further use; after others a new one is opened. */
static bool
store_sqlite_is_usable(int result)
{
	switch (result & 0xff) {
	case SQLITE_OK:
	case SQLITE_BUSY:
	case SQLITE_LOCKED:
	case SQLITE_INTERRUPT:
	case SQLITE_NOMEM:
	case SQLITE_CONSTRAINT: return true;
	default: return false;
	}
}

static int
store_sqlite_attempt(struct store_sqlite_conn *conn, int64_t deadline_ns,
    int (*step)(struct store_sqlite_conn *conn, void *call), void *call, struct error *error)
{
	int result;

	conn->committing = false;
	if (clock_left_ms(deadline_ns) == 0) {
		store_error_deadline(error, "the deadline passed before the database was asked");
		return SQLITE_INTERRUPT;
	}
	result = store_sqlite_connect(conn, deadline_ns, false);
	if (result == SQLITE_OK) {
		result = step(conn, call);
	}
	store_sqlite_error(conn, result, error);
	conn->base.cause = store_sqlite_cause(conn, result);
	conn->committing = true;
	if (conn->db != NULL && !sqlite3_get_autocommit(conn->db) &&
	    sqlite3_exec(conn->db, "ROLLBACK", NULL, NULL, NULL) != SQLITE_OK) {
		store_sqlite_disconnect(conn);
	}
	if (!store_sqlite_is_usable(result)) {
		store_sqlite_disconnect(conn);
	}
	return result;
}

enum status_code
store_sqlite_run(struct store_sqlite_conn *conn, int64_t deadline_ns,
    int (*step)(struct store_sqlite_conn *conn, void *call), void *call, struct error *error)
{
	struct error mine = {.code = STATUS_OK};
	unsigned tries = 0;
	int result;

	for (;;) {
		result = store_sqlite_attempt(conn, deadline_ns, step, call, &mine);
		if (result == SQLITE_OK) {
			return STATUS_OK;
		}
		if ((result & 0xff) != SQLITE_BUSY || clock_left_ms(deadline_ns) == 0) {
			break;
		}
		store_back_off(tries++, deadline_ns);
	}
	if (error != NULL) {
		*error = mine;
	}
	return mine.code;
}

int
store_sqlite_read_version(struct store_sqlite_conn *conn, void *call)
{
	static const char find[] = "SELECT 1 FROM sqlite_schema WHERE name = 'schema_migration'";
	static const char read[] = "SELECT MAX(version) FROM schema_migration";
	int64_t *version = call;
	sqlite3_stmt *statement;
	int result = SQLITE_ROW;

	*version = 0;
	for (int i = 0; i < 2 && result == SQLITE_ROW; i++) {
		result = sqlite3_prepare_v2(conn->db, i == 0 ? find : read, -1, &statement, NULL);
		if (result == SQLITE_OK) {
			result = sqlite3_step(statement);
		}
		if (i == 1 && result == SQLITE_ROW) {
			*version = sqlite3_column_int64(statement, 0);
		}
		sqlite3_finalize(statement);
	}
	return result == SQLITE_ROW || result == SQLITE_DONE ? SQLITE_OK : result;
}

static enum status_code
store_sqlite_version(
    struct store_conn *base, int64_t deadline_ns, int64_t *version, struct error *error)
{
	struct store_sqlite_conn *conn = (struct store_sqlite_conn *)base;

	if (access(conn->path, F_OK) != 0 && errno == ENOENT) {
		*version = 0;
		return STATUS_OK;
	}
	return store_sqlite_run(conn, deadline_ns, store_sqlite_read_version, version, error);
}

static int
store_sqlite_do_ping(struct store_sqlite_conn *conn, void *call)
{
	int64_t version;

	(void)call;
	return store_sqlite_read_version(conn, &version);
}

static enum status_code
store_sqlite_ping(struct store_conn *base, int64_t deadline_ns, struct error *error)
{
	return store_sqlite_run(
	    (struct store_sqlite_conn *)base, deadline_ns, store_sqlite_do_ping, NULL, error);
}

/* SQLITE_ROW with the key, or SQLITE_DONE if there is none yet. */
static int
store_sqlite_read_key(struct store_sqlite_conn *conn, uint8_t *key)
{
	static const char read[] = "SELECT value FROM setting WHERE name = 'pageKey'";
	sqlite3_stmt *statement;
	int result = sqlite3_prepare_v2(conn->db, read, -1, &statement, NULL);

	if (result == SQLITE_OK) {
		result = sqlite3_step(statement);
	}
	if (result == SQLITE_ROW) {
		if (sqlite3_column_bytes(statement, 0) == STORE_PAGE_KEY_BYTES) {
			memcpy(key, sqlite3_column_blob(statement, 0), STORE_PAGE_KEY_BYTES);
		} else {
			result = SQLITE_CORRUPT;
		}
	}
	sqlite3_finalize(statement);
	return result;
}

static int
store_sqlite_insert_key(struct store_sqlite_conn *conn)
{
	static const char insert[] = "INSERT INTO setting (name, value) VALUES ('pageKey', ?)"
				     " ON CONFLICT DO NOTHING";
	uint8_t random[STORE_PAGE_KEY_BYTES];
	sqlite3_stmt *statement;
	int result;

	if (getrandom(random, sizeof(random), 0) != sizeof(random)) {
		return SQLITE_ERROR;
	}
	result = sqlite3_prepare_v2(conn->db, insert, -1, &statement, NULL);
	if (result == SQLITE_OK) {
		sqlite3_bind_blob(statement, 1, random, sizeof(random), SQLITE_STATIC);
		result = sqlite3_step(statement);
	}
	sqlite3_finalize(statement);
	return result;
}

/* Where two make the key at once, the first one's is everybody's. */
static int
store_sqlite_make_key(struct store_sqlite_conn *conn, void *call)
{
	int result = store_sqlite_read_key(conn, call);

	if (result == SQLITE_DONE) {
		result = store_sqlite_insert_key(conn);
		if (result == SQLITE_DONE) {
			result = store_sqlite_read_key(conn, call);
		}
	}
	return result == SQLITE_ROW ? SQLITE_OK : result;
}

static enum status_code
store_sqlite_page_key(struct store_conn *base, int64_t deadline_ns,
    uint8_t key[STORE_PAGE_KEY_BYTES], struct error *error)
{
	return store_sqlite_run(
	    (struct store_sqlite_conn *)base, deadline_ns, store_sqlite_make_key, key, error);
}

static const struct store_ops store_sqlite_ops = {
    .embedded = true,
    .migrate = &store_sqlite_migrate,
    .close = store_sqlite_close,
    .conn_open = store_sqlite_conn_open,
    .conn_close = store_sqlite_conn_close,
    .conn_is_open = store_sqlite_conn_is_open,
    .version = store_sqlite_version,
    .needed = store_sqlite_needed,
    .ping = store_sqlite_ping,
    .check_tables = store_sqlite_check_tables,
    .check_writes = store_sqlite_check_writes,
    .page_key = store_sqlite_page_key,
    .user_get = store_sqlite_user_get,
    .user_list = store_sqlite_user_list,
    .user_write = store_sqlite_user_write,
};
