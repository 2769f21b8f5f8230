#include "gateway/gw_budget.h"

#include <assert.h>

#include "common/base/clock.h"

/* How long a want of room is remembered. */
#define GW_BUDGET_SHORT_NS (1500 * CLOCK_NS_PER_MS)

/* Less is not worth a walk through the heap. */
#define GW_BUDGET_FALL_MIN ((size_t)4 << 20)

/* What is left for connections that hold nothing, so that they need not wait for others to be cut. */
#define GW_BUDGET_KEPT(max) ((max) / 8)

void
gw_budget_init(struct gw_budget *budget, size_t max, size_t conn_max)
{
	budget->max = max;
	budget->conn_max = conn_max;
	atomic_init(&budget->used, 0);
	atomic_init(&budget->peak, 0);
	atomic_init(&budget->short_ns, 0);
}

void
gw_budget_add(struct gw_budget *budget, size_t *held, size_t bytes)
{
	size_t used = atomic_fetch_add_explicit(&budget->used, bytes, memory_order_relaxed) + bytes;

	*held += bytes;
	/* Of two threads one may lose its peak, which hardly differs. */
	if (used > atomic_load_explicit(&budget->peak, memory_order_relaxed)) {
		atomic_store_explicit(&budget->peak, used, memory_order_relaxed);
	}
}

/* Threads that take at the same time may pass the limit together, by what each takes. */
bool
gw_budget_take(struct gw_budget *budget, size_t *held, size_t bytes)
{
	size_t used = atomic_load_explicit(&budget->used, memory_order_relaxed);
	size_t kept = GW_BUDGET_KEPT(budget->max);
	size_t leave = *held == 0 ? 0 : *held > kept ? *held : kept;

	if (used > budget->max || bytes > budget->max - used ||
	    leave > budget->max - used - bytes) {
		return false;
	}
	gw_budget_add(budget, held, bytes);
	return true;
}

void
gw_budget_give(struct gw_budget *budget, size_t *held, size_t bytes)
{
	assert(*held >= bytes);
	*held -= bytes;
	atomic_fetch_sub_explicit(&budget->used, bytes, memory_order_relaxed);
}

void
gw_budget_note_short(struct gw_budget *budget, int64_t now_ns)
{
	atomic_store_explicit(&budget->short_ns, now_ns, memory_order_relaxed);
}

bool
gw_budget_is_short(const struct gw_budget *budget, int64_t now_ns)
{
	int64_t short_ns = atomic_load_explicit(&budget->short_ns, memory_order_relaxed);

	return short_ns != 0 && now_ns - short_ns <= GW_BUDGET_SHORT_NS;
}

bool
gw_budget_has_fallen(struct gw_budget *budget)
{
	size_t used = atomic_load_explicit(&budget->used, memory_order_relaxed);
	size_t peak = atomic_load_explicit(&budget->peak, memory_order_relaxed);

	return peak > GW_BUDGET_FALL_MIN && used < peak / 2 &&
	       atomic_compare_exchange_strong(&budget->peak, &peak, used);
}
