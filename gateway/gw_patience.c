#include "gateway/gw_patience.h"

#include "common/base/clock.h"

static int64_t
gw_patience_to_read(int64_t bytes)
{
	return bytes * (1000 * CLOCK_NS_PER_MS) / GW_PATIENCE_RATE;
}

bool
gw_patience_is_over(
    struct gw_patience *patience, bool waits, uint64_t taken, int64_t now_ns, int64_t timeout_ns)
{
	int64_t most_ns = now_ns + gw_patience_to_read(GW_PATIENCE_HELD_MAX);
	int64_t until_ns = patience->reading_until_ns;

	if (taken > patience->taken || !waits || until_ns == 0) {
		uint64_t more = taken > patience->taken ? taken - patience->taken : 0;

		until_ns = until_ns < now_ns ? now_ns : until_ns;
		until_ns = more > (uint64_t)GW_PATIENCE_HELD_MAX
			       ? most_ns
			       : until_ns + gw_patience_to_read((int64_t)more);
		patience->reading_until_ns = until_ns < most_ns ? until_ns : most_ns;
		patience->taken += more;
	}
	return waits && now_ns - patience->reading_until_ns > timeout_ns;
}
