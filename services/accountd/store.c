#include "services/accountd/store.h"

#include <string.h>
#include <time.h>

#include "common/base/arena.h"
#include "common/base/clock.h"
#include "services/accountd/store_impl.h"

#define STORE_SQLITE         "sqlite:"
#define STORE_RETRY_AFTER_MS 1000
#define STORE_BACK_OFF_MS    64

enum status_code
store_open(struct store **store, const struct store_options *options, struct error *error)
{
	const char *url = options->url == NULL ? "" : options->url;

	*store = NULL;
	if (strcmp(url, "mysql") == 0) {
		return store_mysql_open(store, options, error);
	}
	if (strncmp(url, STORE_SQLITE, strlen(STORE_SQLITE)) == 0) {
		return store_sqlite_open(store, url + strlen(STORE_SQLITE), error);
	}
	return error_set(error, STATUS_INVALID_ARGUMENT, "STORE_URL",
	    "store '%.200s' is not known: use mysql or sqlite:PATH", url);
}

void
store_close(struct store **store)
{
	if (*store != NULL) {
		(*store)->ops->close(*store);
		*store = NULL;
	}
}

bool
store_set_login(struct store *store, const char *user, const char *password)
{
	return store->ops->set_login == NULL || store->ops->set_login(store, user, password);
}

const char *
store_cause_name(enum store_cause cause)
{
	switch (cause) {
	case STORE_CAUSE_AWAY: return "away";
	case STORE_CAUSE_READ_ONLY: return "read_only";
	case STORE_CAUSE_FULL: return "full";
	case STORE_CAUSE_IO: return "io";
	case STORE_CAUSE_FAILED: return "failed";
	case STORE_CAUSE_NONE:
	case STORE_CAUSES: break;
	}
	return "none";
}

void
store_set_observer(struct store *store,
    void (*observe)(void *closure, const struct store_ended *ended), void *closure)
{
	store->observe = observe;
	store->observe_closure = closure;
}

unsigned
store_conns_in(const struct store *store, enum store_conn_state state)
{
	return atomic_load_explicit(&store->conns[state], memory_order_relaxed);
}

static void
store_conn_move(struct store_conn *conn, enum store_conn_state state)
{
	atomic_fetch_sub_explicit(&conn->store->conns[conn->state], 1, memory_order_relaxed);
	atomic_fetch_add_explicit(&conn->store->conns[state], 1, memory_order_relaxed);
	conn->state = state;
}

struct store_conn *
store_conn_open(struct store *store)
{
	struct store_conn *conn = store->ops->conn_open(store);

	if (conn != NULL) {
		conn->store = store;
		conn->state = STORE_CONN_CLOSED;
		atomic_fetch_add(&store->conns[STORE_CONN_CLOSED], 1);
	}
	return conn;
}

void
store_conn_close(struct store_conn **conn)
{
	if (*conn != NULL) {
		atomic_fetch_sub(&(*conn)->store->conns[(*conn)->state], 1);
		(*conn)->ops->conn_close(*conn);
		*conn = NULL;
	}
}

/* Each operation is between these two: the first gives when it began. */
static int64_t
store_begin(struct store_conn *conn)
{
	store_conn_move(conn, STORE_CONN_BUSY);
	conn->cause = STORE_CAUSE_NONE;
	return clock_now_ns();
}

static enum status_code
store_end(struct store_conn *conn, int64_t begin_ns, unsigned operations, enum status_code code,
    const struct error *error)
{
	const struct store *store = conn->store;
	struct store_ended ended = {.code = code,
	    .cause = code == STATUS_UNAVAILABLE ? conn->cause : STORE_CAUSE_NONE,
	    .error = code == STATUS_OK ? NULL : error,
	    .took_ns = clock_now_ns() - begin_ns};

	store_conn_move(conn, conn->ops->conn_is_open(conn) ? STORE_CONN_IDLE : STORE_CONN_CLOSED);
	for (unsigned i = 0; store->observe != NULL && operations >> i != 0; i++) {
		if ((operations >> i & 1) != 0) {
			ended.operation = (enum store_operation)i;
			store->observe(store->observe_closure, &ended);
		}
	}
	return code;
}

/*
 * Notes what the attempt at a change says of the store. One that was cut off,
 * or lost its connection, says nothing.
 */
static void
store_note_write(struct store_conn *conn, enum status_code code)
{
	if (code == STATUS_OK) {
		atomic_store(&conn->store->refusal, STORE_CAUSE_NONE);
	} else if (code == STATUS_UNAVAILABLE && conn->cause != STORE_CAUSE_NONE &&
		   conn->cause != STORE_CAUSE_AWAY) {
		atomic_store(&conn->store->refusal, conn->cause);
	}
}

/* A deletion, and a user that was refused as a duplicate, may have changed nothing at all. */
static bool
store_has_changed(const struct store_write *writes, size_t count)
{
	for (size_t i = 0; i < count; i++) {
		if (writes[i].verb != STORE_DELETE && writes[i].outcome == STORE_DONE) {
			return true;
		}
	}
	return false;
}

enum store_cause
store_refusal(const struct store *store)
{
	return atomic_load(&store->refusal);
}

bool
store_is_embedded(const struct store *store)
{
	return store->ops->embedded;
}

enum status_code
store_ping(struct store_conn *conn, int64_t deadline_ns, struct error *error)
{
	int64_t begin_ns = store_begin(conn);

	return store_end(conn, begin_ns, 1u << STORE_OPERATION_CHECK,
	    conn->ops->ping(conn, deadline_ns, error), error);
}

enum status_code
store_check_tables(struct store_conn *conn, int64_t deadline_ns, struct error *error)
{
	int64_t begin_ns = store_begin(conn);

	return store_end(
	    conn, begin_ns, 0, conn->ops->check_tables(conn, deadline_ns, error), error);
}

enum status_code
store_check_writes(struct store_conn *conn, int64_t deadline_ns, struct error *error)
{
	bool really = store_refusal(conn->store) != STORE_CAUSE_NONE;
	int64_t begin_ns = store_begin(conn);
	enum status_code code = conn->ops->check_writes(conn, deadline_ns, really, error);

	store_note_write(conn, code);
	if (code == STATUS_INTERNAL) {
		atomic_store(&conn->store->refusal, STORE_CAUSE_FAILED);
	}
	return store_end(conn, begin_ns, 0, code, error);
}

enum status_code
store_page_key(struct store_conn *conn, int64_t deadline_ns, uint8_t key[STORE_PAGE_KEY_BYTES],
    struct error *error)
{
	return conn->ops->page_key(conn, deadline_ns, key, error);
}

enum status_code
store_user_get(struct store_conn *conn, int64_t deadline_ns, const int64_t *ids, size_t count,
    struct arena *arena, struct user *rows, struct error *error)
{
	int64_t begin_ns;

	memset(rows, 0, count * sizeof(*rows));
	if (count == 0) {
		return STATUS_OK;
	}
	begin_ns = store_begin(conn);
	return store_end(conn, begin_ns, 1u << STORE_OPERATION_GET,
	    conn->ops->user_get(conn, deadline_ns, ids, count, arena, rows, error), error);
}

enum status_code
store_user_list(struct store_conn *conn, int64_t deadline_ns, const struct store_filter *filter,
    int64_t after_id, size_t limit, struct arena *arena, struct user **rows, size_t *count,
    struct error *error)
{
	int64_t begin_ns = store_begin(conn);

	*rows = NULL;
	*count = 0;
	return store_end(conn, begin_ns, 1u << STORE_OPERATION_LIST,
	    conn->ops->user_list(
		conn, deadline_ns, filter, after_id, limit, arena, rows, count, error),
	    error);
}

enum store_operation
store_operation_of(enum store_verb verb)
{
	switch (verb) {
	case STORE_CREATE: return STORE_OPERATION_CREATE;
	case STORE_REPLACE: return STORE_OPERATION_REPLACE;
	case STORE_DELETE: break;
	}
	return STORE_OPERATION_DELETE;
}

enum status_code
store_user_write(struct store_conn *conn, int64_t deadline_ns, struct store_write *writes,
    size_t count, struct error *error)
{
	unsigned operations = 0;
	enum status_code code;
	int64_t begin_ns;

	if (count == 0) {
		return STATUS_OK;
	}
	for (size_t i = 0; i < count; i++) {
		operations |= 1u << store_operation_of(writes[i].verb);
	}
	begin_ns = store_begin(conn);
	code = conn->ops->user_write(conn, deadline_ns, writes, count, error);
	if (code != STATUS_OK || store_has_changed(writes, count)) {
		store_note_write(conn, code);
	}
	return store_end(conn, begin_ns, operations, code, error);
}

enum status_code
store_error_unavailable(struct error *error, const char *detail)
{
	error_set(error, STATUS_UNAVAILABLE, STORE_REASON_UNAVAILABLE,
	    "the database is not available: nothing was done, try again");
	error_detail(error, "%s", detail);
	if (error != NULL) {
		error->retry_after_ms = STORE_RETRY_AFTER_MS;
	}
	return STATUS_UNAVAILABLE;
}

enum status_code
store_error_unknown(struct error *error, const char *detail)
{
	error_set(error, STATUS_UNAVAILABLE, STORE_REASON_UNKNOWN,
	    "the database did not confirm the change: it may or may not be done");
	error_detail(error, "%s", detail);
	return STATUS_UNAVAILABLE;
}

enum status_code
store_error_deadline(struct error *error, const char *detail)
{
	error_set(error, STATUS_DEADLINE_EXCEEDED, STORE_REASON_DEADLINE,
	    "the database took longer than the deadline allows: nothing was done");
	error_detail(error, "%s", detail);
	return STATUS_DEADLINE_EXCEEDED;
}

enum status_code
store_error_failed(struct error *error, const char *detail)
{
	error_set(error, STATUS_INTERNAL, STORE_REASON_FAILED, "the database refused a statement");
	error_detail(error, "%s", detail);
	return STATUS_INTERNAL;
}

enum status_code
store_error_memory(struct error *error)
{
	return error_set(error, STATUS_RESOURCE_EXHAUSTED, "MEMORY",
	    "there is not enough memory for this many rows");
}

void
store_back_off(unsigned tries, int64_t deadline_ns)
{
	int64_t most_ns = (tries < 6 ? 1 << tries : STORE_BACK_OFF_MS) * CLOCK_NS_PER_MS;
	int64_t now_ns = clock_now_ns();
	int64_t sleep_ns = most_ns / 2 + now_ns % most_ns;
	struct timespec time;

	if (sleep_ns > deadline_ns - now_ns) {
		sleep_ns = deadline_ns - now_ns;
	}
	if (sleep_ns > 0) {
		time.tv_sec = sleep_ns / 1000000000;
		time.tv_nsec = sleep_ns % 1000000000;
		nanosleep(&time, NULL);
	}
}

int32_t
store_role(int64_t stored)
{
	return stored >= INT32_MIN && stored <= INT32_MAX ? (int32_t)stored : USER_ROLE_RESTRICTED;
}

void
store_writes_reset(struct store_write *writes, size_t count)
{
	for (size_t i = 0; i < count; i++) {
		writes[i].outcome = STORE_DONE;
		if (writes[i].verb == STORE_CREATE) {
			writes[i].user.id = 0;
		}
	}
}

char **
store_email_keys(const struct store_write *writes, size_t count, struct arena *arena)
{
	char **keys = arena_calloc(arena, count, sizeof(*keys));

	for (size_t i = 0; keys != NULL && i < count; i++) {
		const struct store_write *write = &writes[i];

		if (write->verb == STORE_DELETE || write->user.email == NULL) {
			continue;
		}
		keys[i] = user_email_key(write->user.email, arena);
		if (keys[i] == NULL) {
			return NULL;
		}
	}
	return keys;
}
