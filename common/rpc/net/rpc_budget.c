#include "common/rpc/net/rpc_budget.h"

#include "common/rpc/net/rpc_conn.h"

void
rpc_budget_init(struct rpc_budget *budget, size_t max)
{
	pthread_mutex_init(&budget->lock, NULL);
	budget->max = max;
	budget->held = 0;
	TAILQ_INIT(&budget->entries);
}

void
rpc_budget_fini(struct rpc_budget *budget)
{
	pthread_mutex_destroy(&budget->lock);
}

size_t
rpc_budget_held(struct rpc_budget *budget)
{
	size_t held;

	pthread_mutex_lock(&budget->lock);
	held = budget->held;
	pthread_mutex_unlock(&budget->lock);
	return held;
}

static void
rpc_budget_count(struct rpc_budget *budget, struct rpc_budget_entry *entry, size_t bytes)
{
	if (entry->counted == 0 && bytes > 0) {
		TAILQ_INSERT_TAIL(&budget->entries, entry, link);
	} else if (entry->counted > 0 && bytes == 0) {
		TAILQ_REMOVE(&budget->entries, entry, link);
	}
	budget->held += bytes - entry->counted;
	entry->counted = bytes;
}

struct rpc_conn *
rpc_budget_update(struct rpc_budget *budget, struct rpc_budget_entry *entry, bool anew)
{
	struct rpc_budget_entry *first;
	struct rpc_conn *conn = NULL;

	pthread_mutex_lock(&budget->lock);
	if (!entry->over) {
		if (anew) {
			rpc_budget_count(budget, entry, 0);
		}
		rpc_budget_count(budget, entry, atomic_load(&entry->bytes));
	}
	if (budget->max > 0 && budget->held > budget->max) {
		first = TAILQ_FIRST(&budget->entries);
		rpc_budget_count(budget, first, 0);
		first->over = true;
		conn = rpc_conn_acquire(first->conn);
	}
	pthread_mutex_unlock(&budget->lock);
	return conn;
}

void
rpc_budget_leave(struct rpc_budget *budget, struct rpc_budget_entry *entry)
{
	pthread_mutex_lock(&budget->lock);
	rpc_budget_count(budget, entry, 0);
	entry->over = true;
	pthread_mutex_unlock(&budget->lock);
}
