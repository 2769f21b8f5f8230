/*
 * Room for the connections that listeners accept. NNG closes a descriptor in a
 * thread of its own, some time after its stream was freed. Until then it counts:
 * while many are not closed yet, no connection is accepted, so that a burst of
 * connections that are refused leaves descriptors to others. Any thread.
 */
#ifndef COMMON_RPC_ROOM_H
#define COMMON_RPC_ROOM_H

#include <nng/nng.h>
#include <pthread.h>
#include <stdbool.h>
#include <stddef.h>
#include <sys/queue.h>

/* Descriptors beyond the limit of connections: of those that are refused or have ended. */
#define RPC_ROOM_OPEN_MAX 32

/* Somebody who accepts, and waits for room. */
struct rpc_room_waiter {
	TAILQ_ENTRY(rpc_room_waiter) link;
	bool waiting;
	nng_aio *aio; /* finished with 0 when there may be room */
};

struct rpc_room {
	size_t max; /* 0: no limit, and nothing is counted */

	pthread_mutex_t lock;   /* guards all below, and the waiters */
	pthread_cond_t changed; /* marks has become 0 */
	size_t taken;           /* streams that are not freed */
	size_t still_open;      /* streams that are, and whose descriptors may be open */
	size_t marked;          /* of these, those that were freed before the first mark */
	unsigned marks;         /* that NNG has yet to come to */
	TAILQ_HEAD(, rpc_room_waiter) waiters;
};

void rpc_room_init(struct rpc_room *room, size_t max);

/* Waits for NNG's thread, never for another end. All must have been given back. */
void rpc_room_fini(struct rpc_room *room);

/* A stream was accepted. */
void rpc_room_take(struct rpc_room *room);

/* The stream was passed to nng_stream_free. */
void rpc_room_give(struct rpc_room *room);

/*
 * True when there is room for one more. False: the waiter's operation, which
 * must not be in use, will be finished, and is then to ask again.
 */
bool rpc_room_ask(struct rpc_room *room, struct rpc_room_waiter *waiter);

/* The waiter waits no longer, if it did. */
void rpc_room_leave(struct rpc_room *room, struct rpc_room_waiter *waiter);

#endif
