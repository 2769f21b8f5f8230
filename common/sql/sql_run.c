/* How an operation runs, until it ends and its end is noted and observed. */
#include <string.h>

#include "common/base/arena.h"
#include "common/base/clock.h"
#include "common/sql/sql_impl.h"

static void
sql_conn_move(struct sql_conn *conn, enum sql_conn_state state)
{
	atomic_fetch_sub_explicit(&conn->db->conns[conn->state], 1, memory_order_relaxed);
	atomic_fetch_add_explicit(&conn->db->conns[state], 1, memory_order_relaxed);
	conn->state = state;
}

static enum status_code
sql_run_attempt(struct sql_conn *conn, int64_t deadline_ns, const struct sql_work *work, void *call,
    enum sql_end *end, struct error *error)
{
	conn->deadline_ns = deadline_ns;
	conn->writes = work->writes;
	conn->cause = SQL_CAUSE_NONE;
	conn->no_memory = false;
	conn->why = NULL;
	conn->changed = false;
	return conn->ops->attempt(conn, deadline_ns, work->step, call, end, error);
}

static enum status_code
sql_run_attempts(struct sql_conn *conn, int64_t deadline_ns, const struct sql_work *work,
    void *call, struct error *error)
{
	unsigned reconnects = 0;
	unsigned conflicts = 0;
	enum status_code code;
	enum sql_end end;

	for (;;) {
		code = sql_run_attempt(conn, deadline_ns, work, call, &end, error);
		if (code == STATUS_OK) {
			if (error != NULL && reconnects + conflicts > 0) {
				memset(error, 0, sizeof(*error));
			}
			return STATUS_OK;
		}
		if (end == SQL_CONFLICT) {
			sql_back_off(conflicts++, deadline_ns);
			if (clock_left_ms(deadline_ns) == 0) {
				return code;
			}
		} else if ((end != SQL_LOST && end != SQL_REFUSED) ||
			   reconnects++ >= conn->db->reconnects_max) {
			return code;
		}
	}
}

/*
 * Notes what the attempt at a change says of the database. One that was cut
 * off, lost its connection or changed nothing says nothing.
 */
static void
sql_note_write(struct sql_conn *conn, enum status_code code)
{
	if (code == STATUS_OK && conn->changed) {
		atomic_store(&conn->db->refusal, SQL_CAUSE_NONE);
	} else if (code == STATUS_UNAVAILABLE && conn->cause != SQL_CAUSE_NONE &&
		   conn->cause != SQL_CAUSE_AWAY) {
		atomic_store(&conn->db->refusal, conn->cause);
	}
}

static void
sql_observe(const struct sql_db *db, unsigned operations, struct sql_ended *ended)
{
	for (unsigned i = 0; db->observe != NULL && operations >> i != 0; i++) {
		if ((operations >> i & 1) != 0) {
			ended->operation = i;
			db->observe(db->observe_closure, ended);
		}
	}
}

enum status_code
sql_run(struct sql_conn *conn, int64_t deadline_ns, const struct sql_work *work, void *call,
    struct error *error)
{
	int64_t begin_ns = clock_now_ns();
	struct sql_ended ended = {.resource = work->resource};

	sql_conn_move(conn, SQL_CONN_BUSY);
	ended.code = sql_run_attempts(conn, deadline_ns, work, call, error);
	if (work->writes) {
		sql_note_write(conn, ended.code);
	}
	ended.cause = ended.code == STATUS_UNAVAILABLE ? conn->cause : SQL_CAUSE_NONE;
	ended.error = ended.code == STATUS_OK ? NULL : error;
	ended.took_ns = clock_now_ns() - begin_ns;
	arena_reset(conn->scratch);
	sql_conn_move(conn, conn->ops->conn_is_open(conn) ? SQL_CONN_IDLE : SQL_CONN_CLOSED);
	sql_observe(conn->db, work->operations, &ended);
	return ended.code;
}

void
sql_set_nobody(struct sql_conn *conn, bool (*nobody)(void *closure), void *closure)
{
	conn->nobody = nobody;
	conn->nobody_closure = closure;
}

bool
sql_is_for_nobody(void *closure)
{
	const struct sql_conn *conn = closure;

	return conn->nobody != NULL && !conn->writes && conn->nobody(conn->nobody_closure);
}

enum status_code
sql_ping(struct sql_conn *conn, int64_t deadline_ns, struct error *error)
{
	const struct sql_work work = {
	    .operations = 1u << SQL_OPERATION_CHECK, .step = conn->ops->ping};

	return sql_run(conn, deadline_ns, &work, NULL, error);
}
