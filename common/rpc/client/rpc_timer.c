#include "common/rpc/client/rpc_timer.h"

#include <assert.h>
#include <stdlib.h>

#include "common/base/clock.h"

void
rpc_timers_fini(struct rpc_timers *timers)
{
	free(timers->heap);
	*timers = (struct rpc_timers){NULL, 0, 0};
}

bool
rpc_timers_reserve(struct rpc_timers *timers, size_t count)
{
	size_t capacity = timers->capacity * 2 > count ? timers->capacity * 2 : count;
	struct rpc_timer **heap;

	if (count <= timers->capacity) {
		return true;
	}
	heap = reallocarray(timers->heap, capacity + 1, sizeof(struct rpc_timer *));
	if (heap == NULL) {
		return false;
	}
	timers->heap = heap;
	timers->capacity = capacity;
	return true;
}

static void
rpc_timers_put(struct rpc_timers *timers, size_t place, struct rpc_timer *timer)
{
	timers->heap[place] = timer;
	timer->place = place;
}

/* Moves the timer up from a free place, as far as it is earlier. */
static size_t
rpc_timers_rise(struct rpc_timers *timers, size_t place, const struct rpc_timer *timer)
{
	while (place > 1 && timer->at_ns < timers->heap[place / 2]->at_ns) {
		rpc_timers_put(timers, place, timers->heap[place / 2]);
		place /= 2;
	}
	return place;
}

static size_t
rpc_timers_sink(struct rpc_timers *timers, size_t place, const struct rpc_timer *timer)
{
	size_t child;

	while ((child = place * 2) <= timers->count) {
		if (child < timers->count &&
		    timers->heap[child + 1]->at_ns < timers->heap[child]->at_ns) {
			child++;
		}
		if (timer->at_ns <= timers->heap[child]->at_ns) {
			break;
		}
		rpc_timers_put(timers, place, timers->heap[child]);
		place = child;
	}
	return place;
}

/* Puts the timer where it belongs, beginning at a free place. */
static void
rpc_timers_settle(struct rpc_timers *timers, size_t place, struct rpc_timer *timer)
{
	place = rpc_timers_rise(timers, place, timer);
	place = rpc_timers_sink(timers, place, timer);
	rpc_timers_put(timers, place, timer);
}

void
rpc_timer_set(struct rpc_timers *timers, struct rpc_timer *timer, int64_t at_ns)
{
	timer->at_ns = at_ns;
	if (timer->place == 0) {
		assert(timers->count < timers->capacity);
		timer->place = ++timers->count;
	}
	rpc_timers_settle(timers, timer->place, timer);
}

void
rpc_timer_clear(struct rpc_timers *timers, struct rpc_timer *timer)
{
	size_t place = timer->place;
	struct rpc_timer *last;

	if (place == 0) {
		return;
	}
	timer->place = 0;
	last = timers->heap[timers->count--];
	if (last != timer) {
		rpc_timers_settle(timers, place, last);
	}
}

int64_t
rpc_timers_next_ns(const struct rpc_timers *timers)
{
	return timers->count == 0 ? CLOCK_NEVER_NS : timers->heap[1]->at_ns;
}

void
rpc_timers_fire(struct rpc_timers *timers, int64_t now_ns, void *closure)
{
	while (rpc_timers_next_ns(timers) <= now_ns) {
		struct rpc_timer *timer = timers->heap[1];

		rpc_timer_clear(timers, timer);
		timer->fire(timer, closure);
	}
}
