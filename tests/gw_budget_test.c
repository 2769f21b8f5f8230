#include "gateway/gw_budget.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include "common/base/clock.h"

#define MIB   ((size_t)1 << 20)
#define MAX   (64 * MIB)
#define S     (1000 * CLOCK_NS_PER_MS)
#define NOW   (1000 * S)
#define MANY  1000
#define PIECE (64 * 1024)

static struct gw_budget budget;
static size_t held[MANY];

static int
setup(void **state)
{
	(void)state;
	gw_budget_init(&budget, MAX, MAX);
	for (size_t i = 0; i < MANY; i++) {
		held[i] = 0;
	}
	return 0;
}

/* Takes what it can, piece by piece. */
static void
take_all(size_t from, size_t to, size_t piece)
{
	bool any = true;

	while (any) {
		any = false;
		for (size_t i = from; i < to; i++) {
			any |= gw_budget_take(&budget, &held[i], piece);
		}
	}
}

static void
one_may_have_half_of_it(void **state)
{
	(void)state;
	take_all(0, 1, PIECE);
	assert_int_equal(held[0], MAX / 2);
	assert_int_equal(atomic_load(&budget.used), MAX / 2);
	assert_false(gw_budget_take(&budget, &held[0], 1));
	assert_true(gw_budget_take(&budget, &held[1], MAX / 2));
}

static void
something_is_left_for_who_has_nothing(void **state)
{
	(void)state;
	take_all(0, 60, PIECE);
	assert_in_range(held[0], MAX / 70, MAX / 60);
	assert_true(gw_budget_take(&budget, &held[60], MAX / 8 - PIECE));
}

static void
many_do_not_take_more_than_there_is(void **state)
{
	(void)state;
	take_all(0, MANY, 2 * PIECE);
	assert_true(atomic_load(&budget.used) <= MAX);
	assert_true(atomic_load(&budget.used) > MAX - 2 * PIECE);
	assert_false(gw_budget_take(&budget, &held[0], SIZE_MAX));
}

static void
what_is_given_back_can_be_taken(void **state)
{
	(void)state;
	assert_true(gw_budget_take(&budget, &held[0], MAX / 2));
	assert_true(gw_budget_take(&budget, &held[1], MAX / 2));
	assert_false(gw_budget_take(&budget, &held[2], 1));
	gw_budget_give(&budget, &held[0], MAX / 2);
	assert_int_equal(held[0], 0);
	assert_true(gw_budget_take(&budget, &held[2], 1));
}

static void
what_is_in_use_already_counts_beyond_the_limit(void **state)
{
	(void)state;
	gw_budget_add(&budget, &held[0], 2 * MAX);
	assert_false(gw_budget_take(&budget, &held[1], 1));
	gw_budget_give(&budget, &held[0], 2 * MAX);
	assert_true(gw_budget_take(&budget, &held[1], 1));
}

static void
want_is_remembered_for_a_moment(void **state)
{
	(void)state;
	assert_false(gw_budget_is_short(&budget, NOW));
	gw_budget_note_short(&budget, NOW);
	assert_true(gw_budget_is_short(&budget, NOW));
	assert_true(gw_budget_is_short(&budget, NOW + S));
	assert_false(gw_budget_is_short(&budget, NOW + 2 * S));
}

static void
a_fall_from_a_high_peak_is_told_once(void **state)
{
	(void)state;
	gw_budget_add(&budget, &held[0], MIB);
	gw_budget_give(&budget, &held[0], MIB);
	assert_false(gw_budget_has_fallen(&budget));
	gw_budget_add(&budget, &held[0], 16 * MIB);
	gw_budget_give(&budget, &held[0], 6 * MIB);
	assert_false(gw_budget_has_fallen(&budget));
	gw_budget_give(&budget, &held[0], 10 * MIB);
	assert_true(gw_budget_has_fallen(&budget));
	assert_false(gw_budget_has_fallen(&budget));
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test_setup(one_may_have_half_of_it, setup),
	    cmocka_unit_test_setup(something_is_left_for_who_has_nothing, setup),
	    cmocka_unit_test_setup(many_do_not_take_more_than_there_is, setup),
	    cmocka_unit_test_setup(what_is_given_back_can_be_taken, setup),
	    cmocka_unit_test_setup(what_is_in_use_already_counts_beyond_the_limit, setup),
	    cmocka_unit_test_setup(want_is_remembered_for_a_moment, setup),
	    cmocka_unit_test_setup(a_fall_from_a_high_peak_is_told_once, setup),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
