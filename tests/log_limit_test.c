#include "common/telemetry/log_limit.h"

#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#define SECOND_NS INT64_C(1000000000)

static void
the_first_line_is_let_through_and_then_one_each_interval(void **state)
{
	struct log_limit limit = {0};
	uint64_t left_out = 9;

	(void)state;
	assert_true(log_limit_pass(&limit, 5 * SECOND_NS, &left_out));
	assert_int_equal(left_out, 0);
	assert_false(log_limit_pass(&limit, 5 * SECOND_NS, &left_out));
	assert_false(log_limit_pass(&limit, 15 * SECOND_NS - 1, &left_out));
	assert_true(log_limit_pass(&limit, 15 * SECOND_NS, &left_out));
	assert_int_equal(left_out, 2);
	assert_true(log_limit_pass(&limit, 100 * SECOND_NS, &left_out));
	assert_int_equal(left_out, 0);
}

static struct log_limit shared;

static void *
pass_often(void *passed)
{
	uint64_t left_out;

	for (int i = 0; i < 10000; i++) {
		if (log_limit_pass(&shared, SECOND_NS, &left_out)) {
			++*(int *)passed;
		}
	}
	return NULL;
}

static void
one_of_several_threads_is_let_through_and_the_others_are_counted(void **state)
{
	pthread_t threads[4];
	int passed[4] = {0};
	uint64_t left_out;

	(void)state;
	for (int i = 0; i < 4; i++) {
		assert_int_equal(pthread_create(&threads[i], NULL, pass_often, &passed[i]), 0);
	}
	for (int i = 0; i < 4; i++) {
		pthread_join(threads[i], NULL);
	}
	assert_int_equal(passed[0] + passed[1] + passed[2] + passed[3], 1);
	assert_true(log_limit_pass(&shared, 100 * SECOND_NS, &left_out));
	assert_int_equal(left_out, 39999);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(the_first_line_is_let_through_and_then_one_each_interval),
	    cmocka_unit_test(one_of_several_threads_is_let_through_and_the_others_are_counted),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
