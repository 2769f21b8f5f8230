#include "common/sql/mysql_kill.h"

#include <inttypes.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/base/clock.h"
#include "common/telemetry/log.h"
#include "common/telemetry/log_limit.h"

/* For the connection and what is said by it. */
#define MYSQL_KILL_MS 1000

/* What is asked for longer ago is left: the server may have started again, and counted again. */
#define MYSQL_KILL_AGE_MS 5000

/* The server has no connection of that number. */
#define MYSQL_ERROR_NO_THREAD 1094

struct mysql_kill_request {
	struct mysql_place place;
	unsigned long id;
	int64_t asked_ns;
};

struct mysql_kill {
	struct mysql_target target;
	struct log_limit limit;

	pthread_mutex_t lock; /* guards what follows */
	pthread_cond_t changed;
	struct mysql_kill_request requests[MYSQL_KILL_MAX];
	size_t count;
	bool stopping;
	bool started; /* the thread is there: from the first request on */
	pthread_t thread;
};

/* The thread's own. */
struct mysql_kill_run {
	struct mysql_kill *kill;
	struct mysql_conn *conn;
	struct mysql_kill_request requests[MYSQL_KILL_MAX];
	size_t count;
};

struct mysql_kill *
mysql_kill_new(const struct mysql_target *target)
{
	struct mysql_kill *kill = calloc(1, sizeof(*kill));

	if (kill != NULL) {
		kill->target = *target;
		kill->target.kill = NULL;
		pthread_mutex_init(&kill->lock, NULL);
		pthread_cond_init(&kill->changed, NULL);
	}
	return kill;
}

void
mysql_kill_free(struct mysql_kill **kill)
{
	struct mysql_kill *freed = *kill;
	bool started;

	if (freed == NULL) {
		return;
	}
	pthread_mutex_lock(&freed->lock);
	freed->stopping = true;
	started = freed->started;
	pthread_cond_signal(&freed->changed);
	pthread_mutex_unlock(&freed->lock);
	if (started) {
		pthread_join(freed->thread, NULL);
	}
	pthread_cond_destroy(&freed->changed);
	pthread_mutex_destroy(&freed->lock);
	free(freed);
	*kill = NULL;
}

/* Waits for requests and takes them all. False when the thread is to end. */
static bool
mysql_kill_take(struct mysql_kill_run *run)
{
	struct mysql_kill *kill = run->kill;
	bool stopping;

	pthread_mutex_lock(&kill->lock);
	while (kill->count == 0 && !kill->stopping) {
		pthread_cond_wait(&kill->changed, &kill->lock);
	}
	stopping = kill->stopping;
	run->count = kill->count;
	memcpy(run->requests, kill->requests, kill->count * sizeof(kill->requests[0]));
	kill->count = 0;
	pthread_mutex_unlock(&kill->lock);
	return !stopping;
}

static enum sql_end
mysql_kill_do(struct mysql_conn *conn, unsigned long id)
{
	char sql[48];
	int len = snprintf(sql, sizeof(sql), "KILL %lu", id);
	enum sql_end end = mysql_conn_query(conn, sql, (size_t)len);

	return end == SQL_FAILED && mysql_conn_error(conn) == MYSQL_ERROR_NO_THREAD ? SQL_OK : end;
}

static void
mysql_kill_tell(struct mysql_kill_run *run, const char *why)
{
	uint64_t left_out;

	if (log_limit_pass(&run->kill->limit, clock_now_ns(), &left_out)) {
		log_warn("a statement that nobody waits for could not be ended on the database",
		    LOG_STR("why", why), LOG_INT("leftOut", (int64_t)left_out));
	}
}

static bool
mysql_kill_is_same(const struct mysql_place *a, const struct mysql_place *b)
{
	return a->host == b->host && a->port == b->port && strcmp(a->address, b->address) == 0 &&
	       strcmp(a->identity, b->identity) == 0;
}

/* Does the requests for the server of the first one, over one connection. */
static void
mysql_kill_at_place(struct mysql_kill_run *run, const struct mysql_kill_request *first)
{
	const struct mysql_kill_request *end = run->requests + run->count;
	int64_t deadline_ns = clock_now_ns() + MYSQL_KILL_MS * CLOCK_NS_PER_MS;
	enum sql_end result = mysql_conn_open_at(run->conn, &first->place, deadline_ns);

	for (const struct mysql_kill_request *at = first; at < end && result == SQL_OK; at++) {
		if (mysql_kill_is_same(&at->place, &first->place)) {
			result = mysql_kill_do(run->conn, at->id);
		}
	}
	if (result != SQL_OK) {
		mysql_kill_tell(run, mysql_conn_error_text(run->conn));
	}
	mysql_conn_close(run->conn);
}

/* Each server once, and none that was asked for long ago. */
static void
mysql_kill_all(struct mysql_kill_run *run)
{
	for (size_t i = 0; i < run->count; i++) {
		const struct mysql_kill_request *request = &run->requests[i];
		bool done =
		    clock_now_ns() - request->asked_ns > MYSQL_KILL_AGE_MS * CLOCK_NS_PER_MS;

		for (size_t before = 0; before < i && !done; before++) {
			done = mysql_kill_is_same(&run->requests[before].place, &request->place);
		}
		if (!done) {
			mysql_kill_at_place(run, request);
		}
	}
}

static void *
mysql_kill_run(void *closure)
{
	struct mysql_kill_run *run = calloc(1, sizeof(*run));

	pthread_setname_np(pthread_self(), "sql-kill");
	if (run == NULL) {
		return NULL;
	}
	run->kill = closure;
	run->conn = mysql_conn_new(&run->kill->target);
	while (run->conn != NULL && mysql_kill_take(run)) {
		mysql_kill_all(run);
	}
	mysql_conn_free(&run->conn);
	free(run);
	return NULL;
}

/* With all signals blocked. */
static bool
mysql_kill_start(struct mysql_kill *kill)
{
	sigset_t all, before;
	int result;

	sigfillset(&all);
	pthread_sigmask(SIG_SETMASK, &all, &before);
	result = pthread_create(&kill->thread, NULL, mysql_kill_run, kill);
	pthread_sigmask(SIG_SETMASK, &before, NULL);
	return result == 0;
}

void
mysql_kill_ask(struct mysql_kill *kill, const struct mysql_place *place, unsigned long id)
{
	pthread_mutex_lock(&kill->lock);
	if (kill->count < MYSQL_KILL_MAX && !kill->stopping) {
		kill->requests[kill->count++] =
		    (struct mysql_kill_request){*place, id, clock_now_ns()};
		kill->started = kill->started || mysql_kill_start(kill);
		pthread_cond_signal(&kill->changed);
	}
	pthread_mutex_unlock(&kill->lock);
}
