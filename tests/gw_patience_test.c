#include "gateway/gw_patience.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include "common/base/clock.h"

#define S       (1000 * CLOCK_NS_PER_MS)
#define TIMEOUT (30 * S)
#define BEGIN   (1000 * S)

/* Whether it is over at each second after BEGIN until end, of which the client takes nothing. */
static int64_t
ends_after(struct gw_patience *patience, uint64_t taken, int64_t end_s)
{
	for (int64_t s = 0; s < end_s; s++) {
		if (gw_patience_is_over(patience, true, taken, BEGIN + s * S, TIMEOUT)) {
			return s;
		}
	}
	return -1;
}

static void
who_never_took_anything_has_the_timeout(void **state)
{
	struct gw_patience patience = {0};

	(void)state;
	assert_false(gw_patience_is_over(&patience, false, 0, BEGIN, TIMEOUT));
	assert_int_equal(ends_after(&patience, 0, 100), 31);
}

static void
who_is_waited_for_from_the_beginning_has_it_too(void **state)
{
	struct gw_patience patience = {0};

	(void)state;
	assert_int_equal(ends_after(&patience, 0, 100), 31);
}

static void
who_took_something_has_the_time_to_read_it_besides(void **state)
{
	struct gw_patience patience = {0};

	(void)state;
	assert_int_equal(ends_after(&patience, 10 * GW_PATIENCE_RATE, 100), 41);
}

static void
no_more_than_a_system_holds_counts(void **state)
{
	struct gw_patience patience = {0};

	(void)state;
	assert_int_equal(
	    ends_after(&patience, UINT64_MAX, 1000), GW_PATIENCE_HELD_MAX / GW_PATIENCE_RATE + 31);
}

/* A client of 4 KiB/s whose system takes 128 KiB whenever it has read them, on and on. */
static void
who_reads_slowly_is_never_given_up(void **state)
{
	struct gw_patience patience = {0};

	(void)state;
	for (int64_t s = 0; s < 10000; s++) {
		uint64_t taken = ((uint64_t)s / 32 + 1) * 32 * GW_PATIENCE_RATE;

		assert_false(gw_patience_is_over(&patience, true, taken, BEGIN + s * S, S));
	}
}

static void
while_nothing_waits_no_time_passes(void **state)
{
	struct gw_patience patience = {0};

	(void)state;
	assert_int_equal(ends_after(&patience, 1, 30), -1);
	assert_false(gw_patience_is_over(&patience, false, 1, BEGIN + 900 * S, TIMEOUT));
	assert_false(gw_patience_is_over(&patience, true, 1, BEGIN + 929 * S, TIMEOUT));
	assert_true(gw_patience_is_over(&patience, true, 1, BEGIN + 931 * S, TIMEOUT));
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(who_never_took_anything_has_the_timeout),
	    cmocka_unit_test(who_is_waited_for_from_the_beginning_has_it_too),
	    cmocka_unit_test(who_took_something_has_the_time_to_read_it_besides),
	    cmocka_unit_test(no_more_than_a_system_holds_counts),
	    cmocka_unit_test(who_reads_slowly_is_never_given_up),
	    cmocka_unit_test(while_nothing_waits_no_time_passes),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
