/*
 * Worker threads with bounded queues, one queue for each kind of call. A free
 * worker chooses the kind whose first call has waited longest, and takes all
 * waiting calls of that kind as one batch, up to the kind's batch_max. So calls
 * that wait together share a query or a transaction, and a single call does not
 * wait for others.
 *
 * A call is answered without being executed: with DEADLINE_EXCEEDED (reason
 * EXPIRED_IN_QUEUE) if its deadline has passed when a worker takes it, or is
 * nearer than the shortest time that recent batches of its kind took; with
 * CANCELLED (reason CANCELLED) if it was cancelled.
 */
#ifndef COMMON_RPC_POOL_H
#define COMMON_RPC_POOL_H

#include <stdbool.h>
#include <stddef.h>

#include "common/base/status.h"

struct rpc_call;
struct rpc_pool;

/* A row of the table of kinds. */
struct rpc_kind {
	const char *name;
	size_t queue_max; /* waiting calls; one more is refused */
	size_t batch_max; /* maximum number of calls in one batch; 1: no coalescing */
	unsigned
	    threads_max; /* maximum number of threads that work on this kind at a time; 0: all */

	/*
	 * Does the work: finishes each of the calls, or resubmits it. None of
	 * them has expired when this is called. May block.
	 */
	void (*run)(void *worker, struct rpc_call **calls, size_t count);
};

struct rpc_pool_options {
	const char *name; /* of the threads; at most 15 bytes */
	unsigned threads;
	const struct rpc_kind *kinds;
	size_t kind_count;

	/* Open and close what a thread keeps, in that thread; may be NULL. */
	void *(*worker_open)(void *closure);
	void (*worker_close)(void *worker);
	void *closure;
};

/*
 * Starts the threads, with all signals blocked. Except for the closure, what
 * options points to need not outlive this call.
 */
enum status_code rpc_pool_start(
    struct rpc_pool **pool, const struct rpc_pool_options *options, struct error *error);

/*
 * Queues the call and takes it. When the kind's queue is full, the call is
 * answered RESOURCE_EXHAUSTED with a retry_after_ms instead. Never blocks.
 */
void rpc_pool_submit(struct rpc_pool *pool, unsigned kind, struct rpc_call *call);

/* Like rpc_pool_submit, for a call that is already being worked on; never refused. */
void rpc_pool_resubmit(struct rpc_pool *pool, unsigned kind, struct rpc_call *call);

/*
 * Wakes a worker if there is work for one. To be called when all calls of a
 * message have been started (rpc_server_options.started). rpc_pool_submit does
 * not wake a worker, so that the worker finds them all.
 */
void rpc_pool_started(struct rpc_pool *pool);

/* Calls that wait in the queue of a kind. Any thread. */
size_t rpc_pool_queued(struct rpc_pool *pool, unsigned kind);

/*
 * Lets the workers finish what is queued, joins them, frees the pool and
 * clears *pool. Nothing may be submitted by others any more. NULL is fine.
 */
void rpc_pool_stop(struct rpc_pool **pool);

#endif
