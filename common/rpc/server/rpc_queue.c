#include "common/rpc/server/rpc_queue.h"

#include "common/base/clock.h"
#include "common/rpc/server/rpc_server_internal.h"

/* How slowly the measured times follow what is worse than they say: by an eighth. */
#define RPC_POOL_SMOOTHING 8

/*
 * How long a measured time counts. After it calls are run whatever they take,
 * so that one slow run can not keep a kind from being tried again.
 */
#define RPC_POOL_TRUST_MS 2000

void
rpc_queue_push(struct rpc_queue *queue, struct rpc_call *call)
{
	call->queue_next = NULL;
	call->queued_ns = clock_now_ns();
	*queue->end = call;
	queue->end = &call->queue_next;
	queue->count++;
}

struct rpc_call *
rpc_queue_pop(struct rpc_queue *queue)
{
	struct rpc_call *call = queue->first;

	queue->first = call->queue_next;
	if (queue->first == NULL) {
		queue->end = &queue->first;
	}
	queue->count--;
	return call;
}

struct rpc_call *
rpc_queue_take_cancelled(struct rpc_queue *queue)
{
	struct rpc_call *cancelled = NULL;
	struct rpc_call **at = &queue->first;
	struct rpc_call *call;

	while ((call = *at) != NULL) {
		if (!rpc_call_cancelled(call)) {
			at = &call->queue_next;
			continue;
		}
		*at = call->queue_next;
		call->queue_next = cancelled;
		cancelled = call;
		queue->count--;
	}
	queue->end = at;
	return cancelled;
}

int64_t
rpc_queue_run_ns(const struct rpc_queue *queue)
{
	int64_t age_ns = clock_now_ns() - queue->measured_ns;

	return age_ns < RPC_POOL_TRUST_MS * CLOCK_NS_PER_MS ? queue->run_ns : 0;
}

/* Follows what is better at once, and what is worse by an eighth, but never to more than double. */
static void
rpc_queue_follow(int64_t *best_ns, int64_t ns)
{
	int64_t rise_ns = (ns - *best_ns) / RPC_POOL_SMOOTHING;

	if (*best_ns == 0 || ns < *best_ns) {
		*best_ns = ns;
	} else {
		*best_ns += rise_ns < *best_ns ? rise_ns : *best_ns;
	}
}

void
rpc_queue_measure(struct rpc_queue *queue, size_t count, int64_t begin_ns)
{
	int64_t end_ns = clock_now_ns();

	rpc_queue_follow(&queue->run_ns, end_ns - begin_ns);
	rpc_queue_follow(&queue->per_call_ns, (end_ns - begin_ns) / (int64_t)count);
	queue->measured_ns = end_ns;
}
