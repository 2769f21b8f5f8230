/*
 * The waiting calls of one kind in a pool, oldest first, and measurements of
 * the batches that were run. Only rpc_pool.c uses this; the pool's lock
 * protects all of it.
 */
#ifndef COMMON_RPC_QUEUE_H
#define COMMON_RPC_QUEUE_H

#include <stddef.h>
#include <stdint.h>

struct rpc_call;

struct rpc_queue {
	struct rpc_call *first;
	struct rpc_call **end;
	size_t count;
	unsigned running;    /* batches that are being worked on */
	int64_t measured_ns; /* when the next two were measured */
	int64_t run_ns;      /* the shortest time of a recent batch */
	int64_t per_call_ns; /* the time of a worker that one call takes */
};

void rpc_queue_push(struct rpc_queue *queue, struct rpc_call *call);
struct rpc_call *rpc_queue_pop(struct rpc_queue *queue);

/* Removes the cancelled calls and returns them, linked by queue_next; NULL: none. */
struct rpc_call *rpc_queue_take_cancelled(struct rpc_queue *queue);

/* The shortest time of a recent batch, or 0 when none was run recently. */
int64_t rpc_queue_run_ns(const struct rpc_queue *queue);

/*
 * Records how long a batch took. A batch that was delayed, because the process
 * or the database was, says little about later ones; it must not cause them to
 * be refused.
 */
void rpc_queue_measure(struct rpc_queue *queue, size_t count, int64_t begin_ns);

#endif
