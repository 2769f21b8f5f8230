#include "common/telemetry/log_limit.h"

#include "common/base/clock.h"

bool
log_limit_pass(struct log_limit *limit, int64_t now_ns, uint64_t *left_out)
{
	int64_t next_ns = atomic_load(&limit->next_ns);
	int64_t following_ns = now_ns + LOG_LIMIT_INTERVAL_S * 1000 * CLOCK_NS_PER_MS;

	/* Of two threads at once, one writes and the other is counted. */
	if (now_ns < next_ns ||
	    !atomic_compare_exchange_strong(&limit->next_ns, &next_ns, following_ns)) {
		atomic_fetch_add(&limit->left_out, 1);
		return false;
	}
	*left_out = atomic_exchange(&limit->left_out, 0);
	return true;
}
