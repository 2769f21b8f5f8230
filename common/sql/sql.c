#include "common/sql/sql.h"

#include <stdlib.h>
#include <string.h>

#include "common/base/arena.h"
#include "common/sql/sql_impl.h"

#define SQL_SQLITE_URL "sqlite:"

enum status_code
sql_open(struct sql_db **db, const struct sql_options *options, struct error *error)
{
	const char *url = options->url == NULL ? "" : options->url;

	*db = NULL;
	if (strcmp(url, "mysql") == 0) {
		return sql_mysql_open(db, options, error);
	}
	if (strncmp(url, SQL_SQLITE_URL, strlen(SQL_SQLITE_URL)) == 0) {
		return sql_sqlite_open(db, url + strlen(SQL_SQLITE_URL), error);
	}
	return error_set(error, STATUS_INVALID_ARGUMENT, "STORE_URL",
	    "store '%.200s' is not known: use mysql or sqlite:PATH", url);
}

void
sql_close(struct sql_db **db)
{
	if (*db != NULL) {
		(*db)->ops->close(*db);
		*db = NULL;
	}
}

bool
sql_set_login(struct sql_db *db, const char *user, const char *password)
{
	return db->ops->set_login == NULL || db->ops->set_login(db, user, password);
}

bool
sql_is_embedded(const struct sql_db *db)
{
	return db->ops->dialect == SQL_SQLITE;
}

const char *
sql_cause_name(enum sql_cause cause)
{
	switch (cause) {
	case SQL_CAUSE_AWAY: return "away";
	case SQL_CAUSE_READ_ONLY: return "read_only";
	case SQL_CAUSE_FULL: return "full";
	case SQL_CAUSE_IO: return "io";
	case SQL_CAUSE_FAILED: return "failed";
	case SQL_CAUSE_NONE:
	case SQL_CAUSES: break;
	}
	return "none";
}

enum sql_cause
sql_refusal(const struct sql_db *db)
{
	return atomic_load(&db->refusal);
}

void
sql_set_observer(
    struct sql_db *db, void (*observe)(void *closure, const struct sql_ended *ended), void *closure)
{
	db->observe = observe;
	db->observe_closure = closure;
}

unsigned
sql_slots(struct sql_db *db, unsigned count)
{
	return atomic_fetch_add(&db->slots, count);
}

unsigned
sql_conns_in(const struct sql_db *db, enum sql_conn_state state)
{
	return atomic_load_explicit(&db->conns[state], memory_order_relaxed);
}

struct sql_conn *
sql_conn_open(struct sql_db *db)
{
	struct sql_conn *conn = db->ops->conn_open(db);

	if (conn == NULL) {
		return NULL;
	}
	conn->ops = db->ops;
	conn->db = db;
	conn->state = SQL_CONN_CLOSED;
	conn->scratch = arena_new(0);
	if (conn->scratch == NULL) {
		conn->ops->conn_close(conn);
		return NULL;
	}
	atomic_fetch_add(&db->conns[SQL_CONN_CLOSED], 1);
	return conn;
}

void
sql_conn_close(struct sql_conn **conn)
{
	if (*conn == NULL) {
		return;
	}
	atomic_fetch_sub(&(*conn)->db->conns[(*conn)->state], 1);
	arena_free(&(*conn)->scratch);
	buf_fini(&(*conn)->sql);
	(*conn)->ops->conn_close(*conn);
	*conn = NULL;
}
