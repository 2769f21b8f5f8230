#include "services/accountd/hasher.h"

#include <pthread.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <unistd.h>

#include "common/base/clock.h"
#include "common/telemetry/metric.h"

#define HASHER_NICE         10
#define HASHER_RETRY_MIN_MS 1000
#define HASHER_RETRY_MAX_MS 60000

/* How slowly the measured time follows: by an eighth. */
#define HASHER_SMOOTHING 8

struct hasher {
	struct hasher_options options;
	pthread_t *threads;
	unsigned thread_count; /* that were started */

	pthread_mutex_t lock; /* guards all below */
	pthread_cond_t work;
	struct hasher_task *first; /* tasks with passwords to be claimed, linked by next */
	struct hasher_task **last;
	size_t tasks;    /* taken and not ended */
	size_t items;    /* of begun tasks, not yet claimed */
	int64_t item_ns; /* what a hash takes of late */
	bool stopping;
};

static void
hasher_push(struct hasher *hasher, struct hasher_task *task)
{
	task->next = NULL;
	task->queued = true;
	*hasher->last = task;
	hasher->last = &task->next;
	pthread_cond_signal(&hasher->work);
}

static struct hasher_task *
hasher_pop(struct hasher *hasher)
{
	struct hasher_task *task = hasher->first;

	if (task != NULL) {
		hasher->first = task->next;
		task->queued = false;
	}
	if (hasher->first == NULL) {
		hasher->last = &hasher->first;
	}
	return task;
}

/* Hashes a password, without the lock. */
static enum status_code
hasher_hash(struct hasher *hasher, const struct hasher_item *item)
{
	int64_t begin_ns = clock_now_ns();
	bool hashed = password_hash(item->password, &hasher->options.cost, item->hash);
	int64_t took_ns = clock_now_ns() - begin_ns;

	password_wipe(item->password);
	metric_observe(hasher->options.hash_ns, took_ns);
	pthread_mutex_lock(&hasher->lock);
	hasher->item_ns +=
	    (took_ns - hasher->item_ns) / (hasher->item_ns == 0 ? 1 : HASHER_SMOOTHING);
	pthread_mutex_unlock(&hasher->lock);
	return hashed ? STATUS_OK : STATUS_RESOURCE_EXHAUSTED;
}

/* Called with the lock held, which is not while the task is ended. */
static void
hasher_end(struct hasher *hasher, struct hasher_task *task)
{
	struct error error;

	hasher->items -= task->count - task->claimed;
	pthread_mutex_unlock(&hasher->lock);
	switch (task->status) {
	case STATUS_OK: task->end(task, NULL); break;
	case STATUS_DEADLINE_EXCEEDED:
		error_set(&error, STATUS_DEADLINE_EXCEEDED, "EXPIRED_IN_QUEUE",
		    "the deadline passed before the passwords were hashed; nothing was done");
		task->end(task, &error);
		break;
	default:
		error_set(&error, STATUS_RESOURCE_EXHAUSTED, "OUT_OF_MEMORY",
		    "there is no memory to hash a password; nothing was done");
		task->end(task, &error);
		break;
	}
	pthread_mutex_lock(&hasher->lock);
	hasher->tasks--;
}

/* Called with the lock held, which is not while the task begins. False: the task is gone. */
static bool
hasher_begin(struct hasher *hasher, struct hasher_task *task)
{
	bool goes_on;

	pthread_mutex_unlock(&hasher->lock);
	metric_observe(hasher->options.wait_ns, clock_now_ns() - task->submitted_ns);
	goes_on = task->begin(task);
	pthread_mutex_lock(&hasher->lock);
	if (goes_on) {
		task->begun = true;
		hasher->items += task->count;
	} else {
		hasher->tasks--;
	}
	return goes_on;
}

/* Takes the next password of the task, and lets other threads take those after it. */
static void
hasher_claim(struct hasher *hasher, struct hasher_task *task)
{
	const struct hasher_item *item = &task->items[task->claimed++];
	enum status_code status;

	hasher->items--;
	task->working++;
	if (task->claimed < task->count) {
		hasher_push(hasher, task);
	}
	pthread_mutex_unlock(&hasher->lock);
	status = hasher_hash(hasher, item);
	pthread_mutex_lock(&hasher->lock);
	task->working--;
	if (status != STATUS_OK) {
		task->status = status;
	}
}

/* The turn of a task that was popped. Called with the lock held. */
static void
hasher_turn(struct hasher *hasher, struct hasher_task *task)
{
	if (clock_now_ns() >= task->deadline_ns) {
		task->status = STATUS_DEADLINE_EXCEEDED;
	}
	if (task->status == STATUS_OK && !task->begun && !hasher_begin(hasher, task)) {
		return;
	}
	if (task->status == STATUS_OK && task->claimed < task->count) {
		hasher_claim(hasher, task);
	}
	if (!task->queued && task->working == 0) {
		hasher_end(hasher, task);
	}
}

static void *
hasher_run(void *closure)
{
	struct hasher *hasher = closure;

	pthread_setname_np(pthread_self(), "hash");
	setpriority(PRIO_PROCESS, (id_t)gettid(), HASHER_NICE);
	pthread_mutex_lock(&hasher->lock);
	for (;;) {
		struct hasher_task *task = hasher_pop(hasher);

		if (task != NULL) {
			hasher_turn(hasher, task);
		} else if (hasher->stopping && hasher->tasks == 0) {
			break;
		} else {
			pthread_cond_wait(&hasher->work, &hasher->lock);
		}
	}
	pthread_cond_broadcast(&hasher->work);
	pthread_mutex_unlock(&hasher->lock);
	return NULL;
}

/* When what is queued will have been hashed. */
static uint32_t
hasher_retry_ms(const struct hasher *hasher)
{
	int64_t hashes = (int64_t)(hasher->items + hasher->tasks);
	int64_t ms = hasher->item_ns / CLOCK_NS_PER_MS * hashes / hasher->options.threads;

	return (uint32_t)(ms < HASHER_RETRY_MIN_MS   ? HASHER_RETRY_MIN_MS
			  : ms > HASHER_RETRY_MAX_MS ? HASHER_RETRY_MAX_MS
						     : ms);
}

/*
 * Whether the task's turn comes while half of its time is left, so that it ends
 * in time although hashes take longer now and then: a hash that comes too late
 * takes the place of one that does not.
 */
static bool
hasher_has_time_for(const struct hasher *hasher, const struct hasher_task *task)
{
	int64_t left_ns = task->deadline_ns - clock_now_ns();
	int64_t wait_ns = hasher->item_ns * (int64_t)hasher->tasks / hasher->options.threads;

	return hasher->tasks < hasher->options.threads || wait_ns < left_ns / 2;
}

enum status_code
hasher_submit(struct hasher *hasher, struct hasher_task *task, struct error *error)
{
	uint32_t retry_ms = 0;

	task->items = NULL;
	task->submitted_ns = clock_now_ns();
	task->count = task->claimed = 0;
	task->working = 0;
	task->begun = false;
	task->status = STATUS_OK;
	pthread_mutex_lock(&hasher->lock);
	if (hasher->tasks < hasher->options.queue_max && hasher_has_time_for(hasher, task)) {
		hasher->tasks++;
		hasher_push(hasher, task);
	} else {
		retry_ms = hasher_retry_ms(hasher);
	}
	pthread_mutex_unlock(&hasher->lock);
	if (retry_ms == 0) {
		return STATUS_OK;
	}
	error_set(error, STATUS_RESOURCE_EXHAUSTED, "QUEUE_FULL",
	    "the server has too many passwords to hash; nothing was done");
	error->retry_after_ms = retry_ms;
	return STATUS_RESOURCE_EXHAUSTED;
}

size_t
hasher_queued(struct hasher *hasher)
{
	size_t tasks;

	pthread_mutex_lock(&hasher->lock);
	tasks = hasher->tasks;
	pthread_mutex_unlock(&hasher->lock);
	return tasks;
}

/* Signals are for the program's main thread. */
static int
hasher_start_threads(struct hasher *hasher)
{
	sigset_t all;
	sigset_t before;
	int result = 0;

	sigfillset(&all);
	pthread_sigmask(SIG_SETMASK, &all, &before);
	while (result == 0 && hasher->thread_count < hasher->options.threads) {
		result = pthread_create(
		    &hasher->threads[hasher->thread_count], NULL, hasher_run, hasher);
		hasher->thread_count += result == 0;
	}
	pthread_sigmask(SIG_SETMASK, &before, NULL);
	return result;
}

enum status_code
hasher_start(struct hasher **hasher, const struct hasher_options *options, struct error *error)
{
	struct hasher *started = calloc(1, sizeof(*started));
	int result;

	*hasher = NULL;
	if (started != NULL) {
		started->threads = calloc(options->threads, sizeof(*started->threads));
	}
	if (started == NULL || started->threads == NULL) {
		free(started);
		return error_set(error, STATUS_RESOURCE_EXHAUSTED, "OUT_OF_MEMORY", "no memory");
	}
	started->options = *options;
	started->last = &started->first;
	pthread_mutex_init(&started->lock, NULL);
	pthread_cond_init(&started->work, NULL);
	result = hasher_start_threads(started);
	if (result != 0) {
		hasher_stop(&started);
		return error_set(error, STATUS_RESOURCE_EXHAUSTED, "NO_THREAD",
		    "cannot start %u threads to hash passwords: %s", options->threads,
		    strerror(result));
	}
	*hasher = started;
	return STATUS_OK;
}

void
hasher_stop(struct hasher **hasher)
{
	struct hasher *stopped = *hasher;

	if (stopped == NULL) {
		return;
	}
	pthread_mutex_lock(&stopped->lock);
	stopped->stopping = true;
	pthread_cond_broadcast(&stopped->work);
	pthread_mutex_unlock(&stopped->lock);
	for (unsigned i = 0; i < stopped->thread_count; i++) {
		pthread_join(stopped->threads[i], NULL);
	}
	pthread_cond_destroy(&stopped->work);
	pthread_mutex_destroy(&stopped->lock);
	free(stopped->threads);
	free(stopped);
	*hasher = NULL;
}
