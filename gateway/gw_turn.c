#include "gateway/gw_turn.h"

#include "common/base/clock.h"
#include "common/telemetry/log.h"
#include "common/telemetry/log_limit.h"
#include "gateway/gw_api.h"
#include "gateway/gw_conn.h"
#include "gateway/gw_http2.h"
#include "gateway/gw_request.h"
#include "gateway/gw_tcp.h"

/* Connections that are looked at in a turn of the loop. */
#define GW_TURN_LOOK_MAX 64

/* Connections that are cut by a sweep of a loop, and what they leave of the room in use. */
#define GW_TURN_CUT_MAX     16
#define GW_TURN_CUT_TO(max) ((max) / 4 * 3)

/* Who reads less per second is slow, and may be cut for others after a while. */
#define GW_TURN_SLOW_RATE GW_PATIENCE_RATE
#define GW_TURN_SLOW_NS   (2000 * CLOCK_NS_PER_MS)

static struct gw_budget *
gw_turn_budget(const struct gw_loop *loop)
{
	return &loop->options.api->budgets[GW_BUDGET_ANSWERS];
}

static size_t *
gw_turn_held(struct gw_conn *conn)
{
	return &conn->held[GW_BUDGET_ANSWERS];
}

/* The connection's own limit is for what it holds besides: a page may be as large as it is. */
static bool
gw_turn_try(struct gw_request *request, size_t bytes)
{
	struct gw_conn *conn = request->conn;
	struct gw_budget *budget = gw_turn_budget(conn->loop);
	size_t *held = gw_turn_held(conn);

	if (*held > 0 && *held + bytes > budget->conn_max) {
		return false;
	}
	if (gw_budget_take(budget, held, bytes)) {
		request->turn.held += bytes;
		conn->starved_ns = 0;
		return true;
	}
	if (*held == 0) {
		int64_t now_ns = clock_now_ns();

		gw_budget_note_short(budget, now_ns);
		conn->starved_ns = conn->starved_ns == 0 ? now_ns : conn->starved_ns;
	}
	return false;
}

/* Of what it holds, so much is there for its client to read. */
static void
gw_turn_set_ready(struct gw_request *request, size_t bytes)
{
	request->conn->unread -= request->turn.ready;
	request->conn->unread += bytes;
	request->turn.ready = bytes;
}

static void
gw_turn_give(struct gw_request *request, size_t bytes)
{
	struct gw_conn *conn = request->conn;

	gw_budget_give(gw_turn_budget(conn->loop), gw_turn_held(conn), bytes);
	request->turn.held -= bytes;
	conn->loop->turns_due = true;
}

static void
gw_turn_wait(struct gw_request *request, size_t wanted)
{
	struct gw_conn *conn = request->conn;

	request->turn.wanted = wanted;
	request->turn.waits = true;
	if (TAILQ_EMPTY(&conn->turns)) {
		TAILQ_INSERT_TAIL(&conn->loop->hungry, conn, hungry_link);
		conn->loop->hungry_count++;
	}
	TAILQ_INSERT_TAIL(&conn->turns, request, turn.link);
	gw_request_wait(request);
}

static void
gw_turn_leave(struct gw_request *request)
{
	struct gw_conn *conn = request->conn;

	request->turn.waits = false;
	TAILQ_REMOVE(&conn->turns, request, turn.link);
	if (TAILQ_EMPTY(&conn->turns)) {
		TAILQ_REMOVE(&conn->loop->hungry, conn, hungry_link);
		conn->loop->hungry_count--;
		conn->starved_ns = 0;
	}
}

bool
gw_turn_take(struct gw_request *request, size_t bytes)
{
	size_t most = gw_turn_budget(request->loop)->conn_max;

	bytes = bytes < request->loop->answer_bytes ? request->loop->answer_bytes : bytes;
	bytes = bytes < most ? bytes : most;
	if (TAILQ_EMPTY(&request->conn->turns) && gw_turn_try(request, bytes)) {
		return true;
	}
	gw_turn_wait(request, bytes);
	return false;
}

bool
gw_turn_next(struct gw_request *request)
{
	size_t wanted = request->turn.held;

	gw_turn_set_ready(request, 0);
	if (TAILQ_EMPTY(&request->conn->turns)) {
		return true;
	}
	gw_turn_give(request, wanted);
	gw_turn_wait(request, wanted);
	return false;
}

/* The next estimate follows large answers at once, and small ones slowly. */
void
gw_turn_settle(struct gw_request *request, size_t bytes)
{
	struct gw_loop *loop = request->loop;

	if (bytes > request->turn.held) {
		gw_budget_add(
		    gw_turn_budget(loop), gw_turn_held(request->conn), bytes - request->turn.held);
		request->turn.held = bytes;
	} else if (bytes < request->turn.held) {
		gw_turn_give(request, request->turn.held - bytes);
	}
	gw_turn_set_ready(request, bytes);
	loop->answer_bytes = bytes > loop->answer_bytes
				 ? bytes
				 : loop->answer_bytes - (loop->answer_bytes - bytes) / 8;
}

bool
gw_turn_take_late(struct gw_request *request, size_t bytes)
{
	struct gw_budget *budget = gw_turn_budget(request->loop);

	if (bytes <= GW_BUDGET_SMALL || bytes <= request->turn.held) {
		return true;
	}
	if (!gw_budget_take(budget, gw_turn_held(request->conn), bytes - request->turn.held)) {
		gw_budget_note_short(budget, clock_now_ns());
		return false;
	}
	request->turn.held = bytes;
	gw_turn_set_ready(request, bytes);
	return true;
}

void
gw_turn_end(struct gw_request *request)
{
	if (request->turn.waits) {
		gw_turn_leave(request);
	}
	if (request->turn.held > 0) {
		gw_turn_set_ready(request, 0);
		gw_turn_give(request, request->turn.held);
	}
}

bool
gw_turn_waits_for_client(const struct gw_request *request)
{
	return request->turn.waits && request->conn->held[GW_BUDGET_ANSWERS] > 0;
}

/* Lets the first request of the connection go on. False when there is no room for it. */
static bool
gw_turn_pass_one(struct gw_conn *conn)
{
	struct gw_request *request = TAILQ_FIRST(&conn->turns);

	if (!gw_turn_try(request, request->turn.wanted)) {
		return false;
	}
	gw_turn_leave(request);
	gw_request_resume(request);
	return true;
}

/*
 * Looks at so many connections. When there is no room for one that holds
 * nothing, there is none for others either.
 */
static void
gw_turn_pass_to(struct gw_loop *loop, size_t look_max)
{
	struct gw_conn *conn;

	for (size_t i = 0; i < look_max && (conn = TAILQ_FIRST(&loop->hungry)) != NULL; i++) {
		if (!gw_turn_pass_one(conn) && *gw_turn_held(conn) == 0) {
			return;
		}
		if (!TAILQ_EMPTY(&conn->turns)) {
			TAILQ_REMOVE(&loop->hungry, conn, hungry_link);
			TAILQ_INSERT_TAIL(&loop->hungry, conn, hungry_link);
		}
	}
}

void
gw_turn_pass(struct gw_loop *loop)
{
	if (loop->turns_due) {
		loop->turns_due = false;
		gw_turn_pass_to(loop, GW_TURN_LOOK_MAX);
	}
}

/* Slowness */

static uint64_t
gw_turn_taken(const struct gw_conn *conn)
{
	return conn->http2 != NULL ? conn->http2->taken_bytes : conn->patience.taken;
}

/* Notes since when the client has read its answers slowly. */
static void
gw_turn_note_pace(struct gw_conn *conn, int64_t now_ns)
{
	uint64_t taken = gw_turn_taken(conn);
	int64_t enough =
	    (now_ns - conn->slow_since_ns) / CLOCK_NS_PER_MS * GW_TURN_SLOW_RATE / 1000;

	if (conn->unread == 0 || taken - conn->slow_taken >= (uint64_t)enough) {
		conn->slow_taken = taken;
		conn->slow_since_ns = now_ns;
	}
}

/* The connection whose client has been slow for longest, or NULL. */
static struct gw_conn *
gw_turn_slowest(struct gw_loop *loop, int64_t now_ns)
{
	struct gw_conn *slowest = NULL;
	struct gw_conn *conn;

	TAILQ_FOREACH(conn, &loop->conns, link)
	{
		if (!conn->cut && now_ns - conn->slow_since_ns > GW_TURN_SLOW_NS &&
		    (slowest == NULL || conn->slow_since_ns < slowest->slow_since_ns)) {
			slowest = conn;
		}
	}
	return slowest;
}

/* What they hold is given back when they are closed. */
static void
gw_turn_cut_slow(struct gw_loop *loop, int64_t now_ns)
{
	static struct log_limit limit;
	const struct gw_budget *budget = gw_turn_budget(loop);
	size_t freed = 0;
	struct gw_conn *conn;
	uint64_t left_out;

	for (unsigned i = 0; i < GW_TURN_CUT_MAX &&
			     atomic_load(&budget->used) > GW_TURN_CUT_TO(budget->max) + freed &&
			     (conn = gw_turn_slowest(loop, now_ns)) != NULL;
	     i++) {
		freed += conn->held[GW_BUDGET_ANSWERS];
		if (log_limit_pass(&limit, now_ns, &left_out)) {
			log_warn("connection cut: its client reads its answers slowly, and others "
				 "wait for their memory",
			    LOG_INT("bytes", (int64_t)conn->held[GW_BUDGET_ANSWERS]),
			    LOG_MS("slowMs", now_ns - conn->slow_since_ns),
			    LOG_INT("leftOut", (int64_t)left_out));
		}
		gw_tcp_abort(h2o_socket_get_fd(conn->sock));
		gw_conn_end(conn, GW_CONN_END_UNREAD);
	}
}

static void
gw_turn_refuse_all(struct gw_conn *conn)
{
	struct gw_request *request;

	while ((request = TAILQ_FIRST(&conn->turns)) != NULL) {
		gw_turn_leave(request);
		gw_request_no_room(request);
	}
}

static void
gw_turn_refuse_starved(struct gw_loop *loop, int64_t now_ns)
{
	int64_t most_ns = loop->options.api->request_timeout_ms * CLOCK_NS_PER_MS;
	struct gw_conn *conn = TAILQ_FIRST(&loop->hungry);

	while (conn != NULL) {
		struct gw_conn *next = TAILQ_NEXT(conn, hungry_link);

		if (conn->starved_ns != 0 && now_ns - conn->starved_ns > most_ns) {
			gw_turn_refuse_all(conn);
		}
		conn = next;
	}
}

void
gw_turn_sweep(struct gw_loop *loop, int64_t now_ns)
{
	struct gw_conn *conn;

	TAILQ_FOREACH(conn, &loop->conns, link)
	{
		gw_turn_note_pace(conn, now_ns);
	}
	if (gw_budget_is_short(gw_turn_budget(loop), now_ns)) {
		gw_turn_cut_slow(loop, now_ns);
	}
	gw_turn_pass_to(loop, loop->hungry_count);
	gw_turn_refuse_starved(loop, now_ns);
}
