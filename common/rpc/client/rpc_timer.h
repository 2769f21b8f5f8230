/*
 * Timers of a channel, in a heap: the earliest is found at once, and one is
 * set, moved or cleared in O(log n). The channel's lock protects them. A thread
 * of the channel sleeps until the earliest one and fires it.
 */
#ifndef COMMON_RPC_TIMER_H
#define COMMON_RPC_TIMER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* Embedded in what it is for. A zeroed one with fire set is valid and not set. */
struct rpc_timer {
	int64_t at_ns; /* on clock_now_ns */
	size_t place;  /* in the heap, from 1; 0: not set */
	void (*fire)(struct rpc_timer *timer, void *closure);
};

/* A zeroed one is valid and empty. */
struct rpc_timers {
	struct rpc_timer **heap;
	size_t count;
	size_t capacity;
};

/* Frees the heap; timers in it are forgotten. */
void rpc_timers_fini(struct rpc_timers *timers);

/* Makes room for count timers. False without memory. */
bool rpc_timers_reserve(struct rpc_timers *timers, size_t count);

/* Sets or moves the timer. There must be room for it. */
void rpc_timer_set(struct rpc_timers *timers, struct rpc_timer *timer, int64_t at_ns);

/* Clears the timer if it is set. */
void rpc_timer_clear(struct rpc_timers *timers, struct rpc_timer *timer);

/* When the earliest is due; CLOCK_NEVER_NS when none is set. */
int64_t rpc_timers_next_ns(const struct rpc_timers *timers);

/* Clears and fires each timer that is due at now_ns. A timer's fire may set and clear others. */
void rpc_timers_fire(struct rpc_timers *timers, int64_t now_ns, void *closure);

#endif
