#include "services/accountd/store_watch.h"

#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "common/clock.h"
#include "common/log.h"
#include "services/accountd/store.h"

#define STORE_WATCH_INTERVAL_MS 1000
#define STORE_WATCH_AWAY_MS     100
#define STORE_WATCH_PATIENCE_MS 1000

struct store_watch {
	struct store_conn *conn;                /* the thread's own */
	uint8_t page_key[STORE_PAGE_KEY_BYTES]; /* of all threads once ready is true */
	atomic_bool ready;                      /* the schema fits */
	atomic_bool serving;       /* ready, and the store answered when it was asked last */
	char told[ERROR_TEXT_MAX]; /* what was last logged to be wrong; the thread's own */

	pthread_t thread;
	pthread_mutex_t lock; /* guards stopping */
	pthread_cond_t changed;
	bool stopping;
};

static bool
store_watch_prepare(struct store_watch *watch, struct error *error)
{
	int64_t deadline_ns = clock_now_ns() + STORE_WATCH_PATIENCE_MS * CLOCK_NS_PER_MS;

	if (store_check_schema(watch->conn, deadline_ns, error) != STATUS_OK ||
	    store_page_key(watch->conn, deadline_ns, watch->page_key, error) != STATUS_OK) {
		return false;
	}
	atomic_store(&watch->ready, true);
	return true;
}

static bool
store_watch_look(struct store_watch *watch, struct error *error)
{
	int64_t deadline_ns;

	if (!atomic_load(&watch->ready) && !store_watch_prepare(watch, error)) {
		return false;
	}
	deadline_ns = clock_now_ns() + STORE_WATCH_PATIENCE_MS * CLOCK_NS_PER_MS;
	return store_ping(watch->conn, deadline_ns, error) == STATUS_OK;
}

/* Logs what is new. */
static void
store_watch_tell(struct store_watch *watch, bool was, bool is, const struct error *error)
{
	if (is && !was) {
		log_info("the store answers");
		watch->told[0] = '\0';
	} else if (!is && strcmp(watch->told, error->message) != 0) {
		log_error("the store cannot be used: waiting for it", error, NULL, 0);
		memcpy(watch->told, error->message, sizeof(watch->told));
	}
}

/* Waits until the next look, or until the watch stops: false then. */
static bool
store_watch_wait(struct store_watch *watch, int64_t ms)
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
store_watch_run(void *closure)
{
	struct store_watch *watch = closure;
	bool is = false;

	pthread_setname_np(pthread_self(), "store-watch");
	do {
		struct error error = {0};
		bool was = is;

		is = store_watch_look(watch, &error);
		atomic_store(&watch->serving, is);
		store_watch_tell(watch, was, is, &error);
	} while (store_watch_wait(watch, is ? STORE_WATCH_INTERVAL_MS : STORE_WATCH_AWAY_MS));
	return NULL;
}

static void
store_watch_free(struct store_watch *watch)
{
	pthread_cond_destroy(&watch->changed);
	pthread_mutex_destroy(&watch->lock);
	store_conn_close(&watch->conn);
	free(watch);
}

static struct store_watch *
store_watch_new(struct store *store)
{
	struct store_watch *watch = calloc(1, sizeof(*watch));
	pthread_condattr_t monotonic;

	if (watch == NULL) {
		return NULL;
	}
	pthread_mutex_init(&watch->lock, NULL);
	pthread_condattr_init(&monotonic);
	pthread_condattr_setclock(&monotonic, CLOCK_MONOTONIC);
	pthread_cond_init(&watch->changed, &monotonic);
	pthread_condattr_destroy(&monotonic);
	watch->conn = store_conn_open(store);
	if (watch->conn == NULL) {
		store_watch_free(watch);
		return NULL;
	}
	return watch;
}

enum status_code
store_watch_start(struct store_watch **watch, struct store *store, struct error *error)
{
	struct store_watch *started = store_watch_new(store);
	sigset_t all;
	sigset_t before;
	int result;

	*watch = NULL;
	if (started == NULL) {
		return error_set(error, STATUS_RESOURCE_EXHAUSTED, "OUT_OF_MEMORY", "no memory");
	}
	sigfillset(&all);
	pthread_sigmask(SIG_SETMASK, &all, &before);
	result = pthread_create(&started->thread, NULL, store_watch_run, started);
	pthread_sigmask(SIG_SETMASK, &before, NULL);
	if (result != 0) {
		store_watch_free(started);
		return error_set(error, STATUS_RESOURCE_EXHAUSTED, "NO_THREAD",
		    "cannot start a thread to watch the store: %s", strerror(result));
	}
	*watch = started;
	return STATUS_OK;
}

const uint8_t *
store_watch_page_key(const struct store_watch *watch)
{
	return atomic_load(&watch->ready) ? watch->page_key : NULL;
}

bool
store_watch_serving(const struct store_watch *watch)
{
	return atomic_load(&watch->serving);
}

void
store_watch_stop(struct store_watch **watch)
{
	struct store_watch *stopped = *watch;

	if (stopped == NULL) {
		return;
	}
	pthread_mutex_lock(&stopped->lock);
	stopped->stopping = true;
	pthread_cond_signal(&stopped->changed);
	pthread_mutex_unlock(&stopped->lock);
	pthread_join(stopped->thread, NULL);
	store_watch_free(stopped);
	*watch = NULL;
}
