#include "common/rpc/server/rpc_pool.h"

#include <assert.h>
#include <pthread.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>

#include "common/base/clock.h"
#include "common/rpc/server/rpc_queue.h"
#include "common/rpc/server/rpc_server_internal.h"

/* The bounds of the retry_after_ms of a refused call. */
#define RPC_RETRY_MIN_MS 1000
#define RPC_RETRY_MAX_MS 60000

struct rpc_worker {
	pthread_t thread;
	struct rpc_pool *pool;
	struct rpc_call **calls; /* room for a batch */
};

struct rpc_pool {
	struct rpc_pool_options options;
	char name[16];
	struct rpc_kind *kinds;
	struct rpc_worker *workers;
	unsigned worker_count; /* threads that were started */

	pthread_mutex_t lock; /* guards all below */
	pthread_cond_t work;
	struct rpc_queue *queues;
	unsigned idle;
	unsigned running;
	bool waking; /* a worker is about to look for work */
	bool stopping;
};

/*
 * Wakes one worker at a time, who wakes the next if it leaves work behind: of
 * calls that come in a row, the first wakes a worker who then finds them all.
 */
static void
rpc_pool_wake(struct rpc_pool *pool)
{
	if (pool->idle > 0 && !pool->waking) {
		pool->waking = true;
		pthread_cond_signal(&pool->work);
	}
}

static bool
rpc_pool_runnable(const struct rpc_pool *pool, size_t kind)
{
	unsigned threads_max = pool->kinds[kind].threads_max;
	const struct rpc_queue *queue = &pool->queues[kind];

	return queue->first != NULL && (threads_max == 0 || queue->running < threads_max);
}

/* The kind whose first call waits longest of those that may be worked on, or kind_count. */
static size_t
rpc_pool_pick(const struct rpc_pool *pool)
{
	size_t picked = pool->options.kind_count;

	for (size_t i = 0; i < pool->options.kind_count; i++) {
		if (rpc_pool_runnable(pool, i) &&
		    (picked == pool->options.kind_count ||
			pool->queues[i].first->queued_ns < pool->queues[picked].first->queued_ns)) {
			picked = i;
		}
	}
	return picked;
}

static size_t
rpc_pool_gulp(struct rpc_pool *pool, size_t kind, struct rpc_call **calls)
{
	struct rpc_queue *queue = &pool->queues[kind];
	size_t count = 0;

	while (count < pool->kinds[kind].batch_max && queue->first != NULL) {
		calls[count++] = rpc_queue_pop(queue);
	}
	queue->running++;
	pool->running++;
	if (rpc_pool_pick(pool) < pool->options.kind_count) {
		rpc_pool_wake(pool);
	}
	return count;
}

/*
 * Fails the calls that nobody waits for any more, and those whose deadline has
 * passed, or will have before even a quick run ends: work that can no longer be
 * answered would take the place of work that can. Gives how many are left.
 */
static size_t
rpc_pool_drop_late(struct rpc_call **calls, size_t count, int64_t run_ns)
{
	int64_t now_ns = clock_now_ns();
	int64_t end_ns = now_ns + run_ns;
	size_t kept = 0;
	struct error error;

	rpc_call_cork();
	for (size_t i = 0; i < count; i++) {
		calls[i]->waited = true;
		calls[i]->waited_ns += now_ns - calls[i]->queued_ns;
		if (rpc_call_cancelled(calls[i])) {
			rpc_call_fail_cancelled(calls[i]);
			continue;
		}
		if (rpc_call_drop_expired(calls[i])) {
			continue;
		}
		if (rpc_call_deadline_ns(calls[i]) >= end_ns) {
			calls[kept++] = calls[i];
			continue;
		}
		error_set(&error, STATUS_DEADLINE_EXCEEDED, "EXPIRED_IN_QUEUE",
		    "the call waited until there was no time left to execute it");
		rpc_call_fail(calls[i], &error);
	}
	rpc_call_uncork();
	return kept;
}

/* Called with the lock held, which is not while the work is done. */
static void
rpc_pool_work(struct rpc_pool *pool, size_t kind, void *worker, struct rpc_call **calls)
{
	struct rpc_queue *queue = &pool->queues[kind];
	size_t count = rpc_pool_gulp(pool, kind, calls);
	int64_t run_ns = rpc_queue_run_ns(queue);
	int64_t begin_ns;

	pthread_mutex_unlock(&pool->lock);
	count = rpc_pool_drop_late(calls, count, run_ns);
	begin_ns = clock_now_ns();
	if (count > 0) {
		pool->kinds[kind].run(worker, calls, count);
	}
	pthread_mutex_lock(&pool->lock);
	if (count > 0) {
		rpc_queue_measure(queue, count, begin_ns);
	}
	queue->running--;
	pool->running--;
}

static void
rpc_pool_wait(struct rpc_pool *pool)
{
	pool->idle++;
	pthread_cond_wait(&pool->work, &pool->lock);
	pool->idle--;
	pool->waking = false;
}

static void
rpc_pool_loop(struct rpc_pool *pool, void *worker, struct rpc_call **calls)
{
	size_t kind;

	pthread_mutex_lock(&pool->lock);
	for (;;) {
		kind = rpc_pool_pick(pool);
		if (kind < pool->options.kind_count) {
			rpc_pool_work(pool, kind, worker, calls);
		} else if (pool->stopping && pool->running == 0) {
			break;
		} else {
			rpc_pool_wait(pool);
		}
	}
	pthread_cond_broadcast(&pool->work);
	pthread_mutex_unlock(&pool->lock);
}

static void *
rpc_pool_thread(void *closure)
{
	struct rpc_worker *self = closure;
	struct rpc_pool *pool = self->pool;
	const struct rpc_pool_options *options = &pool->options;
	void *worker = NULL;

	pthread_setname_np(pthread_self(), pool->name);
	if (options->worker_open != NULL) {
		worker = options->worker_open(options->closure);
	}
	rpc_pool_loop(pool, worker, self->calls);
	if (options->worker_close != NULL) {
		options->worker_close(worker);
	}
	return NULL;
}

/* Signals are for the program's main thread. */
static int
rpc_pool_start_thread(struct rpc_worker *worker)
{
	sigset_t all;
	sigset_t before;
	int result;

	sigfillset(&all);
	pthread_sigmask(SIG_SETMASK, &all, &before);
	result = pthread_create(&worker->thread, NULL, rpc_pool_thread, worker);
	pthread_sigmask(SIG_SETMASK, &before, NULL);
	return result;
}

static void
rpc_pool_free(struct rpc_pool *pool)
{
	for (unsigned i = 0; pool->workers != NULL && i < pool->options.threads; i++) {
		free(pool->workers[i].calls);
	}
	pthread_cond_destroy(&pool->work);
	pthread_mutex_destroy(&pool->lock);
	free(pool->workers);
	free(pool->queues);
	free(pool->kinds);
	free(pool);
}

static bool
rpc_pool_alloc_workers(struct rpc_pool *pool, size_t gulp_max)
{
	pool->workers = calloc(pool->options.threads, sizeof(*pool->workers));
	if (pool->workers == NULL) {
		return false;
	}
	for (unsigned i = 0; i < pool->options.threads; i++) {
		pool->workers[i].pool = pool;
		pool->workers[i].calls = calloc(gulp_max, sizeof(struct rpc_call *));
		if (pool->workers[i].calls == NULL) {
			return false;
		}
	}
	return true;
}

/* Gives a pool without threads, or NULL. */
static struct rpc_pool *
rpc_pool_new(const struct rpc_pool_options *options)
{
	struct rpc_pool *pool = calloc(1, sizeof(*pool));
	size_t gulp_max = 1;

	if (pool == NULL) {
		return NULL;
	}
	pool->options = *options;
	strncpy(pool->name, options->name, sizeof(pool->name) - 1);
	pthread_mutex_init(&pool->lock, NULL);
	pthread_cond_init(&pool->work, NULL);
	pool->kinds = calloc(options->kind_count, sizeof(*pool->kinds));
	pool->queues = calloc(options->kind_count, sizeof(*pool->queues));
	if (pool->kinds == NULL || pool->queues == NULL) {
		goto free_pool;
	}
	for (size_t i = 0; i < options->kind_count; i++) {
		assert(options->kinds[i].batch_max > 0);
		pool->kinds[i] = options->kinds[i];
		pool->queues[i].end = &pool->queues[i].first;
		if (pool->kinds[i].batch_max > gulp_max) {
			gulp_max = pool->kinds[i].batch_max;
		}
	}
	if (rpc_pool_alloc_workers(pool, gulp_max)) {
		return pool;
	}

free_pool:
	rpc_pool_free(pool);
	return NULL;
}

enum status_code
rpc_pool_start(struct rpc_pool **pool, const struct rpc_pool_options *options, struct error *error)
{
	int result = 0;

	assert(options->threads > 0 && options->kind_count > 0);
	*pool = rpc_pool_new(options);
	if (*pool == NULL) {
		return error_set(error, STATUS_RESOURCE_EXHAUSTED, "OUT_OF_MEMORY", "no memory");
	}
	for (unsigned i = 0; i < options->threads && result == 0; i++) {
		result = rpc_pool_start_thread(&(*pool)->workers[i]);
		(*pool)->worker_count += result == 0;
	}
	if (result != 0) {
		rpc_pool_stop(pool);
		return error_set(error, STATUS_RESOURCE_EXHAUSTED, "NO_THREAD",
		    "cannot start %u threads \"%s\": %s", options->threads, options->name,
		    strerror(result));
	}
	return STATUS_OK;
}

/* When a queue as long as that of kind will have been worked off. */
static uint32_t
rpc_pool_retry_ms(const struct rpc_pool *pool, unsigned kind)
{
	const struct rpc_queue *queue = &pool->queues[kind];
	unsigned threads = pool->kinds[kind].threads_max;
	int64_t ms;

	if (threads == 0 || threads > pool->worker_count) {
		threads = pool->worker_count;
	}
	ms = queue->per_call_ns * (int64_t)queue->count / threads / CLOCK_NS_PER_MS;
	return (uint32_t)(ms < RPC_RETRY_MIN_MS   ? RPC_RETRY_MIN_MS
			  : ms > RPC_RETRY_MAX_MS ? RPC_RETRY_MAX_MS
						  : ms);
}

/* Queues the call, unless that makes the queue longer than max. Gives 0, or when to retry. */
static uint32_t
rpc_pool_enqueue(struct rpc_pool *pool, unsigned kind, struct rpc_call *call, size_t max)
{
	uint32_t retry_ms = 0;

	assert(kind < pool->options.kind_count);
	pthread_mutex_lock(&pool->lock);
	if (pool->queues[kind].count < max) {
		rpc_queue_push(&pool->queues[kind], call);
		if (rpc_pool_runnable(pool, kind) && !rpc_session_is_starting) {
			rpc_pool_wake(pool);
		}
	} else {
		retry_ms = rpc_pool_retry_ms(pool, kind);
	}
	pthread_mutex_unlock(&pool->lock);
	return retry_ms;
}

/* Drops the calls of a queue that nobody waits for any more. False when there was none. */
static bool
rpc_pool_sweep(struct rpc_pool *pool, unsigned kind)
{
	struct rpc_call *dropped;
	struct rpc_call *call;
	bool swept;

	pthread_mutex_lock(&pool->lock);
	dropped = rpc_queue_take_cancelled(&pool->queues[kind]);
	pthread_mutex_unlock(&pool->lock);
	swept = dropped != NULL;
	while ((call = dropped) != NULL) {
		dropped = call->queue_next;
		rpc_call_fail_cancelled(call);
	}
	return swept;
}

void
rpc_pool_submit(struct rpc_pool *pool, unsigned kind, struct rpc_call *call)
{
	size_t queue_max = pool->kinds[kind].queue_max;
	uint32_t retry_ms = rpc_pool_enqueue(pool, kind, call, queue_max);
	struct error error;

	if (retry_ms > 0 && rpc_pool_sweep(pool, kind)) {
		retry_ms = rpc_pool_enqueue(pool, kind, call, queue_max);
	}
	if (retry_ms > 0) {
		error_set(&error, STATUS_RESOURCE_EXHAUSTED, "QUEUE_FULL",
		    "the server has too much to do; the call was not executed");
		error.retry_after_ms = retry_ms;
		rpc_call_fail(call, &error);
	}
}

void
rpc_pool_resubmit(struct rpc_pool *pool, unsigned kind, struct rpc_call *call)
{
	(void)rpc_pool_enqueue(pool, kind, call, SIZE_MAX);
}

void
rpc_pool_started(struct rpc_pool *pool)
{
	pthread_mutex_lock(&pool->lock);
	if (rpc_pool_pick(pool) < pool->options.kind_count) {
		rpc_pool_wake(pool);
	}
	pthread_mutex_unlock(&pool->lock);
}

size_t
rpc_pool_queued(struct rpc_pool *pool, unsigned kind)
{
	size_t count;

	pthread_mutex_lock(&pool->lock);
	count = pool->queues[kind].count;
	pthread_mutex_unlock(&pool->lock);
	return count;
}

void
rpc_pool_stop(struct rpc_pool **pool)
{
	struct rpc_pool *stopped = *pool;

	if (stopped == NULL) {
		return;
	}
	pthread_mutex_lock(&stopped->lock);
	stopped->stopping = true;
	pthread_cond_broadcast(&stopped->work);
	pthread_mutex_unlock(&stopped->lock);
	for (unsigned i = 0; i < stopped->worker_count; i++) {
		pthread_join(stopped->workers[i].thread, NULL);
	}
	rpc_pool_free(stopped);
	*pool = NULL;
}
