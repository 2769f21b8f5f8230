#include "common/rpc/client/rpc_timer.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>

#include <cmocka.h>

#include "common/base/clock.h"

#define TIMERS 500

/* A timer that notes its turn. */
struct alarm {
	struct rpc_timer timer;
	unsigned turn; /* 0: has not fired */
};

static struct rpc_timers timers;
static struct alarm alarms[TIMERS];
static unsigned turns;

static void
note_turn(struct rpc_timer *timer, void *closure)
{
	(void)closure;
	assert_int_equal(timer->place, 0);
	((struct alarm *)timer)->turn = ++turns;
}

static void
set_again(struct rpc_timer *timer, void *closure)
{
	note_turn(timer, closure);
	if (turns < 5) {
		rpc_timer_set(&timers, timer, timer->at_ns + 10);
	}
}

static int
set_up(void **state)
{
	(void)state;
	turns = 0;
	for (size_t i = 0; i < TIMERS; i++) {
		alarms[i] = (struct alarm){.timer = {.fire = note_turn}};
	}
	return rpc_timers_reserve(&timers, TIMERS) ? 0 : 1;
}

static int
tear_down(void **state)
{
	(void)state;
	rpc_timers_fini(&timers);
	return 0;
}

/* Sets all timers in a mixed order: alarm i is due at i + 1. */
static void
set_all(void)
{
	for (size_t i = 0; i < TIMERS; i++) {
		size_t mixed = i * 193 % TIMERS;

		rpc_timer_set(&timers, &alarms[mixed].timer, (int64_t)mixed + 1);
	}
}

static void
no_timer_is_never_due(void **state)
{
	(void)state;
	assert_true(rpc_timers_next_ns(&timers) == CLOCK_NEVER_NS);
	rpc_timers_fire(&timers, CLOCK_NEVER_NS - 1, NULL);
	assert_int_equal(turns, 0);
}

static void
timers_fire_in_the_order_of_their_times(void **state)
{
	(void)state;
	set_all();
	assert_int_equal(rpc_timers_next_ns(&timers), 1);
	rpc_timers_fire(&timers, TIMERS, NULL);
	for (size_t i = 0; i < TIMERS; i++) {
		assert_int_equal(alarms[i].turn, i + 1);
	}
	assert_true(rpc_timers_next_ns(&timers) == CLOCK_NEVER_NS);
}

static void
only_what_is_due_fires(void **state)
{
	(void)state;
	set_all();
	rpc_timers_fire(&timers, 100, NULL);
	assert_int_equal(turns, 100);
	assert_int_equal(rpc_timers_next_ns(&timers), 101);
}

static void
a_cleared_timer_does_not_fire(void **state)
{
	(void)state;
	set_all();
	for (size_t i = 0; i < TIMERS; i += 2) {
		rpc_timer_clear(&timers, &alarms[i].timer);
		rpc_timer_clear(&timers, &alarms[i].timer);
	}
	rpc_timers_fire(&timers, TIMERS, NULL);
	for (size_t i = 0; i < TIMERS; i++) {
		assert_int_equal(alarms[i].turn, i % 2 == 0 ? 0 : (i + 1) / 2);
	}
}

static void
a_timer_can_be_moved_either_way(void **state)
{
	(void)state;
	set_all();
	for (size_t i = 0; i < TIMERS; i++) {
		rpc_timer_set(&timers, &alarms[i].timer, (int64_t)(TIMERS - i));
	}
	rpc_timers_fire(&timers, TIMERS, NULL);
	for (size_t i = 0; i < TIMERS; i++) {
		assert_int_equal(alarms[i].turn, TIMERS - i);
	}
}

static void
a_timer_can_set_itself_again(void **state)
{
	(void)state;
	alarms[0].timer.fire = set_again;
	rpc_timer_set(&timers, &alarms[0].timer, 10);
	rpc_timers_fire(&timers, 35, NULL);
	assert_int_equal(turns, 3);
	assert_int_equal(rpc_timers_next_ns(&timers), 40);
	rpc_timers_fire(&timers, 1000, NULL);
	assert_int_equal(turns, 5);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test_setup_teardown(no_timer_is_never_due, set_up, tear_down),
	    cmocka_unit_test_setup_teardown(
		timers_fire_in_the_order_of_their_times, set_up, tear_down),
	    cmocka_unit_test_setup_teardown(only_what_is_due_fires, set_up, tear_down),
	    cmocka_unit_test_setup_teardown(a_cleared_timer_does_not_fire, set_up, tear_down),
	    cmocka_unit_test_setup_teardown(a_timer_can_be_moved_either_way, set_up, tear_down),
	    cmocka_unit_test_setup_teardown(a_timer_can_set_itself_again, set_up, tear_down),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
