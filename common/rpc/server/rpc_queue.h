/*
 * The calls of a kind that wait in a pool, oldest first, and what was measured of
 * those that were run. For rpc_pool.c alone, whose lock guards it.
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
	unsigned running;    /* gulps that are being worked on */
	int64_t measured_ns; /* when the next two were */
	int64_t run_ns;      /* what a gulp takes at the best of late */
	int64_t per_call_ns; /* what a call takes of a worker's time */
};

void rpc_queue_push(struct rpc_queue *queue, struct rpc_call *call);
struct rpc_call *rpc_queue_pop(struct rpc_queue *queue);

/* Takes out the calls that nobody waits for any more, linked by queue_next; NULL: none. */
struct rpc_call *rpc_queue_take_cancelled(struct rpc_queue *queue);

/* What a gulp takes at least, or 0 when none has been run of late. */
int64_t rpc_queue_run_ns(const struct rpc_queue *queue);

/*
 * Notes how long a gulp took. One that was held up, with the process or the
 * database, says little of those that come: it must not keep them out.
 */
void rpc_queue_measure(struct rpc_queue *queue, size_t count, int64_t begin_ns);

#endif
