#include "common/sql/sql_watch.h"

#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "common/base/clock.h"
#include "common/sql/sql_migrate.h"
#include "common/telemetry/log.h"

#define SQL_WATCH_INTERVAL_MS 1000
#define SQL_WATCH_AWAY_MS     100
#define SQL_WATCH_PATIENCE_MS 1000

#define SQL_WATCH_AWAY        "the store does not answer"

struct sql_watch {
	struct sql_watch_options options;
	struct sql_conn *conn;          /* the thread's own */
	uint8_t secret[SQL_SECRET_MAX]; /* of all threads once ready is true */
	atomic_bool ready;              /* the schema fits */
	_Atomic(const char *) problem;  /* what the last look found, or NULL */

	/* The thread's own: what was last logged to be wrong, or empty. */
	char told[ERROR_TEXT_MAX];
	char told_refusal[ERROR_TEXT_MAX];

	pthread_t thread;
	pthread_mutex_t lock; /* guards stopping */
	pthread_cond_t changed;
	bool stopping;
};

static int64_t
sql_watch_soon_ns(void)
{
	return clock_now_ns() + SQL_WATCH_PATIENCE_MS * CLOCK_NS_PER_MS;
}

static bool
sql_watch_prepare(struct sql_watch *watch, struct error *error)
{
	int64_t deadline_ns = sql_watch_soon_ns();
	const struct sql_watch_options *options = &watch->options;

	if (sql_check_schema(watch->conn, deadline_ns, options->schema, error) != STATUS_OK) {
		return false;
	}
	if (options->secret_name != NULL &&
	    sql_setting_secret(watch->conn, deadline_ns, options->secret_name, watch->secret,
		options->secret_bytes, error) != STATUS_OK) {
		return false;
	}
	atomic_store(&watch->ready, true);
	return true;
}

/*
 * Asks for what reads need. A table that is locked is there: where the store
 * answers, a check that was cut off finds no fault.
 */
static enum status_code
sql_watch_look(struct sql_watch *watch, struct error *error)
{
	enum status_code code;

	if (!atomic_load(&watch->ready) && !sql_watch_prepare(watch, error)) {
		return error->code;
	}
	code = sql_ping(watch->conn, sql_watch_soon_ns(), error);
	if (code == STATUS_OK) {
		code = sql_check_tables(
		    watch->conn, sql_watch_soon_ns(), &watch->options.checks, error);
		code = code == STATUS_DEADLINE_EXCEEDED ? STATUS_OK : code;
	}
	return code;
}

static const char *
sql_watch_problem_of(enum status_code code)
{
	switch (code) {
	case STATUS_OK: return NULL;
	case STATUS_UNAVAILABLE:
	case STATUS_DEADLINE_EXCEEDED: return SQL_WATCH_AWAY;
	default: return "the store's tables are not as this program needs them";
	}
}

/* True when what is wrong is not what was logged last, which it is from now on. */
static bool
sql_watch_is_news(char told[ERROR_TEXT_MAX], const struct error *error)
{
	char now[ERROR_TEXT_MAX];

	snprintf(now, sizeof(now), "%.250s %.250s", error->message, error->detail);
	if (strcmp(told, now) == 0) {
		return false;
	}
	memcpy(told, now, sizeof(now));
	return true;
}

static void
sql_watch_tell(struct sql_watch *watch, const char *was, const struct error *error)
{
	const char *is = atomic_load(&watch->problem);

	if (is == NULL && was != NULL) {
		log_info("the store answers");
		watch->told[0] = '\0';
	} else if (is != NULL && sql_watch_is_news(watch->told, error)) {
		log_error("the store cannot be used: waiting for it", error, NULL, 0);
	}
}

/* What it finds is known by sql_refusal. */
static void
sql_watch_look_at_writes(struct sql_watch *watch)
{
	struct error error = {0};
	enum status_code code =
	    sql_check_writes(watch->conn, sql_watch_soon_ns(), &watch->options.checks, &error);
	enum sql_cause cause = sql_refusal(watch->options.db);

	if (cause == SQL_CAUSE_NONE && watch->told_refusal[0] != '\0') {
		log_info("the store takes changes again");
		watch->told_refusal[0] = '\0';
	} else if (cause != SQL_CAUSE_NONE && code != STATUS_OK &&
		   sql_watch_is_news(watch->told_refusal, &error)) {
		log_error("the store refuses changes: only reads are answered", &error,
		    (const struct log_field[]){LOG_STR("cause", sql_cause_name(cause))}, 1);
	}
}

/* Waits until the next look, or until the watch stops: false then. */
static bool
sql_watch_wait(struct sql_watch *watch, int64_t ms)
{
	struct timespec until;
	bool stopping;

	clock_gettime(CLOCK_MONOTONIC, &until);
	until.tv_nsec += ms % 1000 * CLOCK_NS_PER_MS;
	until.tv_sec += ms / 1000 + until.tv_nsec / 1000000000;
	until.tv_nsec %= 1000000000;
	pthread_mutex_lock(&watch->lock);
	while (!watch->stopping &&
	       pthread_cond_timedwait(&watch->changed, &watch->lock, &until) == 0) {
	}
	stopping = watch->stopping;
	pthread_mutex_unlock(&watch->lock);
	return !stopping;
}

static void *
sql_watch_run(void *closure)
{
	struct sql_watch *watch = closure;
	bool serving;

	pthread_setname_np(pthread_self(), "store-watch");
	do {
		const char *was = atomic_load(&watch->problem);
		struct error error = {0};

		atomic_store(&watch->problem, sql_watch_problem_of(sql_watch_look(watch, &error)));
		sql_watch_tell(watch, was, &error);
		serving = sql_watch_serving(watch);
		if (serving) {
			sql_watch_look_at_writes(watch);
		}
	} while (sql_watch_wait(watch, serving ? SQL_WATCH_INTERVAL_MS : SQL_WATCH_AWAY_MS));
	return NULL;
}

static void
sql_watch_free(struct sql_watch *watch)
{
	pthread_cond_destroy(&watch->changed);
	pthread_mutex_destroy(&watch->lock);
	sql_conn_close(&watch->conn);
	free(watch);
}

static struct sql_watch *
sql_watch_new(const struct sql_watch_options *options)
{
	struct sql_watch *watch = calloc(1, sizeof(*watch));
	pthread_condattr_t monotonic;

	if (watch == NULL) {
		return NULL;
	}
	pthread_mutex_init(&watch->lock, NULL);
	pthread_condattr_init(&monotonic);
	pthread_condattr_setclock(&monotonic, CLOCK_MONOTONIC);
	pthread_cond_init(&watch->changed, &monotonic);
	pthread_condattr_destroy(&monotonic);
	watch->options = *options;
	atomic_store(&watch->problem, SQL_WATCH_AWAY);
	watch->conn = sql_conn_open(options->db);
	if (watch->conn == NULL) {
		sql_watch_free(watch);
		return NULL;
	}
	return watch;
}

enum status_code
sql_watch_start(
    struct sql_watch **watch, const struct sql_watch_options *options, struct error *error)
{
	struct sql_watch *started = sql_watch_new(options);
	sigset_t all;
	sigset_t before;
	int result;

	*watch = NULL;
	if (started == NULL) {
		return error_set(error, STATUS_RESOURCE_EXHAUSTED, "OUT_OF_MEMORY", "no memory");
	}
	sigfillset(&all);
	pthread_sigmask(SIG_SETMASK, &all, &before);
	result = pthread_create(&started->thread, NULL, sql_watch_run, started);
	pthread_sigmask(SIG_SETMASK, &before, NULL);
	if (result != 0) {
		sql_watch_free(started);
		return error_set(error, STATUS_RESOURCE_EXHAUSTED, "NO_THREAD",
		    "cannot start a thread to watch the store: %s", strerror(result));
	}
	*watch = started;
	return STATUS_OK;
}

bool
sql_watch_ready(const struct sql_watch *watch)
{
	return atomic_load(&watch->ready);
}

const uint8_t *
sql_watch_secret(const struct sql_watch *watch)
{
	return sql_watch_ready(watch) ? watch->secret : NULL;
}

bool
sql_watch_serving(const struct sql_watch *watch)
{
	return sql_watch_problem(watch) == NULL;
}

const char *
sql_watch_problem(const struct sql_watch *watch)
{
	return atomic_load(&watch->problem);
}

void
sql_watch_stop(struct sql_watch **watch)
{
	struct sql_watch *stopped = *watch;

	if (stopped == NULL) {
		return;
	}
	pthread_mutex_lock(&stopped->lock);
	stopped->stopping = true;
	pthread_cond_signal(&stopped->changed);
	pthread_mutex_unlock(&stopped->lock);
	pthread_join(stopped->thread, NULL);
	sql_watch_free(stopped);
	*watch = NULL;
}
