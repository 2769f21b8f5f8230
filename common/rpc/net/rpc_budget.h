/*
 * Memory that connections share, and which of them has to go when it is more
 * than allowed: the one that has been holding some for the longest time. Those
 * whose messages come and go at once are so never the ones.
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
	bool over;           /* it has to go, or is gone: it counts no more */
};

struct rpc_budget {
	pthread_mutex_t lock; /* guards all below, and entries but for bytes */
	size_t max;           /* 0: no limit */
	size_t held;
	TAILQ_HEAD(, rpc_budget_entry) entries; /* who began first is first */
};

void rpc_budget_init(struct rpc_budget *budget, size_t max);
void rpc_budget_fini(struct rpc_budget *budget);
size_t rpc_budget_held(struct rpc_budget *budget);

/*
 * Counts what the entry holds now; anew: since this moment, not since it was
 * counted first. Gives a connection that has to be closed, acquired, or NULL;
 * then call it again, since another may have to go too.
 */
struct rpc_conn *rpc_budget_update(
    struct rpc_budget *budget, struct rpc_budget_entry *entry, bool anew);

/* The connection is gone. */
void rpc_budget_leave(struct rpc_budget *budget, struct rpc_budget_entry *entry);

#endif
