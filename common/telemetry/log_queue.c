#include "common/telemetry/log_queue.h"

#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <string.h>
#include <time.h>

#include "common/base/buf.h"

#define LOG_QUEUE_BYTES ((size_t)1 << 20)

/* How long lines gather, so that a busy process wakes the thread seldom. */
#define LOG_QUEUE_GATHER_NS  2000000

#define LOG_QUEUE_PATIENCE_S 1

static struct log_queue {
	pthread_t thread;
	void (*write)(const char *lines, size_t len);
	atomic_bool open;

	pthread_mutex_t lock; /* guards all below */
	pthread_cond_t filled;
	struct buf waiting;
	bool stopping;
} log_queue = {.lock = PTHREAD_MUTEX_INITIALIZER, .filled = PTHREAD_COND_INITIALIZER};

/* Takes all that waits, in exchange for an empty buf; false at the end. */
static bool
log_queue_take(struct buf *lines)
{
	struct buf empty = *lines;

	pthread_mutex_lock(&log_queue.lock);
	while (log_queue.waiting.len == 0 && !log_queue.stopping) {
		pthread_cond_wait(&log_queue.filled, &log_queue.lock);
		if (!log_queue.stopping) {
			pthread_mutex_unlock(&log_queue.lock);
			nanosleep(&(struct timespec){.tv_nsec = LOG_QUEUE_GATHER_NS}, NULL);
			pthread_mutex_lock(&log_queue.lock);
		}
	}
	*lines = log_queue.waiting;
	log_queue.waiting = empty;
	pthread_mutex_unlock(&log_queue.lock);
	return lines->len > 0;
}

static void *
log_queue_run(void *closure)
{
	struct buf lines = {0};

	(void)closure;
	pthread_setname_np(pthread_self(), "log");
	while (log_queue_take(&lines)) {
		log_queue.write(lines.data, lines.len);
		buf_reset(&lines);
	}
	buf_fini(&lines);
	return NULL;
}

bool
log_queue_open(void (*write)(const char *lines, size_t len))
{
	sigset_t all;
	sigset_t before;
	int result;

	log_queue.write = write;
	log_queue.stopping = false;
	sigfillset(&all);
	pthread_sigmask(SIG_SETMASK, &all, &before);
	result = pthread_create(&log_queue.thread, NULL, log_queue_run, NULL);
	pthread_sigmask(SIG_SETMASK, &before, NULL);
	atomic_store(&log_queue.open, result == 0);
	return result == 0;
}

bool
log_queue_is_open(void)
{
	return atomic_load_explicit(&log_queue.open, memory_order_acquire);
}

bool
log_queue_put(const char *line, size_t len)
{
	bool taken;

	pthread_mutex_lock(&log_queue.lock);
	taken = !log_queue.stopping && log_queue.waiting.len + len <= LOG_QUEUE_BYTES;
	if (taken) {
		bool first = log_queue.waiting.len == 0;

		buf_put(&log_queue.waiting, line, len);
		taken = !log_queue.waiting.failed;
		log_queue.waiting.failed = false;
		if (first) {
			pthread_cond_signal(&log_queue.filled);
		}
	}
	pthread_mutex_unlock(&log_queue.lock);
	return taken;
}

/* A thread that hangs in a write is left behind with what it writes. */
void
log_queue_close(void)
{
	struct timespec until;

	if (!log_queue_is_open()) {
		return;
	}
	atomic_store(&log_queue.open, false);
	pthread_mutex_lock(&log_queue.lock);
	log_queue.stopping = true;
	pthread_cond_signal(&log_queue.filled);
	pthread_mutex_unlock(&log_queue.lock);
	clock_gettime(CLOCK_REALTIME, &until);
	until.tv_sec += LOG_QUEUE_PATIENCE_S;
	if (pthread_timedjoin_np(log_queue.thread, NULL, &until) != 0) {
		pthread_detach(log_queue.thread);
		return;
	}
	pthread_mutex_lock(&log_queue.lock);
	buf_fini(&log_queue.waiting);
	pthread_mutex_unlock(&log_queue.lock);
}
