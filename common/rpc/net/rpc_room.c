#include "common/rpc/net/rpc_room.h"

/*
 * NNG has one thread that frees, by lists: one of streams by TCP, one of those
 * by IPC, one of operations, and others. It goes around them and frees all that
 * it finds in each. An operation that is freed while it is in progress is
 * cancelled first, which calls us in that thread. This is a mark. When the
 * second of two is reached, which was put there at the first, the thread has
 * been once around: what was freed before the first is closed.
 */
#define RPC_ROOM_MARKS 2

void
rpc_room_init(struct rpc_room *room, size_t max)
{
	*room = (struct rpc_room){.max = max};
	pthread_mutex_init(&room->lock, NULL);
	pthread_cond_init(&room->changed, NULL);
	TAILQ_INIT(&room->waiters);
}

void
rpc_room_fini(struct rpc_room *room)
{
	pthread_mutex_lock(&room->lock);
	while (room->marks > 0) {
		pthread_cond_wait(&room->changed, &room->lock);
	}
	pthread_mutex_unlock(&room->lock);
	pthread_cond_destroy(&room->changed);
	pthread_mutex_destroy(&room->lock);
}

static bool
rpc_room_is_there(const struct rpc_room *room)
{
	return room->max == 0 || room->taken + room->still_open < room->max + RPC_ROOM_OPEN_MAX;
}

static void rpc_room_reached(nng_aio *aio, void *closure, int result);

/* Puts a mark; false without memory. With the lock. */
static bool
rpc_room_mark(struct rpc_room *room)
{
	nng_aio *aio;

	if (nng_aio_alloc(&aio, NULL, NULL) != 0) {
		return false;
	}
	if (nng_aio_begin(aio)) {
		nng_aio_defer(aio, rpc_room_reached, room);
	}
	nng_aio_reap(aio);
	return true;
}

/* Without memory they are taken for closed: then accepting fails, and is tried again. */
static void
rpc_room_settle(struct rpc_room *room)
{
	room->still_open -= room->marked;
	room->marked = 0;
	room->marks = 0;
	pthread_cond_broadcast(&room->changed);
}

/* Begins to find out what is closed, if somebody waits for it. With the lock. */
static void
rpc_room_look(struct rpc_room *room)
{
	if (room->marks > 0 || room->still_open == 0 || TAILQ_EMPTY(&room->waiters)) {
		return;
	}
	room->marked = room->still_open;
	room->marks = RPC_ROOM_MARKS;
	if (!rpc_room_mark(room)) {
		rpc_room_settle(room);
	}
}

/* With the lock. */
static void
rpc_room_wake(struct rpc_room *room)
{
	struct rpc_room_waiter *waiter;

	while (rpc_room_is_there(room) && (waiter = TAILQ_FIRST(&room->waiters)) != NULL) {
		TAILQ_REMOVE(&room->waiters, waiter, link);
		waiter->waiting = false;
		if (nng_aio_begin(waiter->aio)) {
			nng_aio_finish(waiter->aio, 0);
		}
	}
}

static void
rpc_room_reached(nng_aio *aio, void *closure, int result)
{
	struct rpc_room *room = closure;

	nng_aio_finish(aio, result);
	pthread_mutex_lock(&room->lock);
	if (--room->marks == 0 || !rpc_room_mark(room)) {
		rpc_room_settle(room);
		rpc_room_wake(room);
		rpc_room_look(room);
	}
	pthread_mutex_unlock(&room->lock);
}

void
rpc_room_take(struct rpc_room *room)
{
	pthread_mutex_lock(&room->lock);
	room->taken++;
	pthread_mutex_unlock(&room->lock);
}

void
rpc_room_give(struct rpc_room *room)
{
	pthread_mutex_lock(&room->lock);
	room->taken--;
	room->still_open += room->max > 0;
	rpc_room_look(room);
	pthread_mutex_unlock(&room->lock);
}

bool
rpc_room_ask(struct rpc_room *room, struct rpc_room_waiter *waiter)
{
	bool is_there;

	pthread_mutex_lock(&room->lock);
	is_there = rpc_room_is_there(room);
	if (!is_there) {
		TAILQ_INSERT_TAIL(&room->waiters, waiter, link);
		waiter->waiting = true;
		rpc_room_look(room);
		rpc_room_wake(room);
	}
	pthread_mutex_unlock(&room->lock);
	return is_there;
}

void
rpc_room_leave(struct rpc_room *room, struct rpc_room_waiter *waiter)
{
	pthread_mutex_lock(&room->lock);
	if (waiter->waiting) {
		TAILQ_REMOVE(&room->waiters, waiter, link);
		waiter->waiting = false;
	}
	pthread_mutex_unlock(&room->lock);
}
