/*
 * Memory that connections share, with a limit. If they use more, the connection
 * that has used some for the longest time must be closed. So a connection whose
 * messages come and go quickly is never chosen.
 */
#ifndef COMMON_RPC_BUDGET_H
#define COMMON_RPC_BUDGET_H

#include <pthread.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <sys/queue.h>

struct rpc_conn;

/* What a connection holds of a budget. */
struct rpc_budget_entry {
	TAILQ_ENTRY(rpc_budget_entry) link; /* in the budget's list while counted is not 0 */
	struct rpc_conn *conn;
	atomic_size_t bytes; /* what it holds; to be changed before rpc_budget_update */
	size_t counted;      /* as the budget knows it */
	bool over;           /* it must be closed or is closed; it is no longer counted */
};

struct rpc_budget {
	pthread_mutex_t lock; /* protects all below, and all members of entries except bytes */
	size_t max;           /* 0: no limit */
	size_t held;
	TAILQ_HEAD(, rpc_budget_entry)
	entries; /* the one that has used memory for the longest time is first */
};

void rpc_budget_init(struct rpc_budget *budget, size_t max);
void rpc_budget_fini(struct rpc_budget *budget);
size_t rpc_budget_held(struct rpc_budget *budget);

/*
 * Counts what the entry uses now. With anew its time starts now, and not when
 * it was first counted. Returns a connection that must be closed, as a
 * reference, or NULL. After closing one, call this again: another may have to
 * be closed too.
 */
struct rpc_conn *rpc_budget_update(
    struct rpc_budget *budget, struct rpc_budget_entry *entry, bool anew);

/* To be called when the connection has ended. */
void rpc_budget_leave(struct rpc_budget *budget, struct rpc_budget_entry *entry);

#endif
