#include "common/rpc/server/rpc_pool.h"

#include <assert.h>
#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "common/base/clock.h"
#include "common/rpc/net/rpc_transport.h"
#include "common/rpc/server/rpc_server.h"
#include "tests/rpc_pool_fixture.h"
#include "tests/rpc_service.h"

static void
calls_that_wait_together_are_run_together(void **state)
{
	struct peer *first;
	struct peer *others;

	pool_start(1);
	gate_set(true);
	first = send_calls(state, "Read", 1, 0);
	gate_wait(1);
	others = send_calls(state, "Read", 11, 0);
	wait_for_queued(KIND_READ, 11);
	gate_set(false);
	assert_int_equal(receive(first, 1, 0, ""), 1);
	assert_int_equal(receive(others, 11, 0, ""), 11);
	assert_int_equal(gate.run_count, 3);
	assert_int_equal(gate.run_sizes[0], 1);
	assert_int_equal(gate.run_sizes[1], 8);
	assert_int_equal(gate.run_sizes[2], 3);
}

static void
the_calls_of_a_message_are_found_together(void **state)
{
	pool_start(4);
	for (unsigned i = 0; i < 100; i++) {
		assert_int_equal(receive(send_calls(state, "Read", 8, 0), 8, 0, ""), 8);
		assert_int_equal(gate.run_count, i + 1);
		assert_int_equal(gate.run_sizes[i], 8);
	}
}

static void
a_call_that_is_alone_does_not_wait_for_others(void **state)
{
	pool_start(2);
	for (int i = 0; i < 20; i++) {
		assert_int_equal(receive(send_calls(state, "Read", 1, 0), 1, 0, ""), 1);
	}
	assert_int_equal(gate.run_count, 20);
}

static void
calls_past_the_queue_are_refused_with_a_time_to_retry(void **state)
{
	struct peer *first;
	struct peer *others;

	pool_start(1);
	gate_set(true);
	first = send_calls(state, "Write", 1, 0);
	gate_wait(1);
	others = send_calls(state, "Write", 20, 0);
	wait_for_queued(KIND_WRITE, 12);
	assert_int_equal(
	    receive(send_calls(state, "Write", 1, 0), 1, STATUS_RESOURCE_EXHAUSTED, "QUEUE_FULL"),
	    0);
	gate_set(false);
	assert_int_equal(receive(first, 1, 0, ""), 1);
	assert_int_equal(receive(others, 20, STATUS_RESOURCE_EXHAUSTED, "QUEUE_FULL"), 12);
	assert_int_equal(gate.run_count, 13);
}

static void
calls_that_expire_in_the_queue_are_not_run(void **state)
{
	struct peer *first;
	struct peer *late;
	struct peer *patient;
	int64_t end_ns;

	pool_start(1);
	gate_set(true);
	first = send_calls(state, "Write", 1, 0);
	gate_wait(1);
	late = send_calls(state, "Read", 3, 30);
	patient = send_calls(state, "Read", 2, 0);
	wait_for_queued(KIND_READ, 5);
	end_ns = clock_now_ns() + 31 * CLOCK_NS_PER_MS;
	while (clock_now_ns() < end_ns) {
		usleep(1000);
	}
	gate_set(false);
	assert_int_equal(receive(first, 1, 0, ""), 1);
	assert_int_equal(receive(late, 3, STATUS_DEADLINE_EXCEEDED, "EXPIRED_IN_QUEUE"), 0);
	assert_int_equal(receive(patient, 2, 0, ""), 2);
	assert_int_equal(gate.run_count, 2);
	assert_int_equal(gate.run_sizes[1], 2);
}

static void
calls_without_time_for_even_a_quick_run_are_dropped_but_tried_again_later(void **state)
{
	size_t ok = 0;

	pool_start(1);
	gate.work_ms = 300;
	assert_int_equal(receive(send_calls(state, "Write", 1, 0), 1, 0, ""), 1);
	assert_int_equal(receive(send_calls(state, "Write", 8, 200), 8, STATUS_DEADLINE_EXCEEDED,
			     "EXPIRED_IN_QUEUE"),
	    0);
	assert_int_equal(gate.run_count, 1);
	gate.work_ms = 0;
	for (int i = 0; i < 3000 && ok == 0; i++) {
		usleep(10000);
		ok = receive(send_calls(state, "Write", 1, 200), 1, STATUS_DEADLINE_EXCEEDED,
		    "EXPIRED_IN_QUEUE");
	}
	assert_int_equal(ok, 1);
	assert_int_equal(gate.run_count, 2);
}

static void
of_a_burst_only_what_can_still_be_answered_is_run(void **state)
{
	size_t ok;

	pool_start(2);
	gate.work_ms = 300;
	ok = receive(
	    send_calls(state, "Write", 8, 500), 8, STATUS_DEADLINE_EXCEEDED, "EXPIRED_IN_QUEUE");
	assert_in_range(ok, 1, 2);
	assert_int_equal(gate.run_count, ok);
}

static void
the_kind_whose_first_call_waits_longest_comes_first(void **state)
{
	static const enum kind expected[] = {KIND_HASH, KIND_WRITE, KIND_READ, KIND_WRITE};
	struct peer *peers[4];

	pool_start(1);
	gate_set(true);
	peers[0] = send_calls(state, "Hash", 1, 0);
	gate_wait(1);
	peers[1] = send_calls(state, "Write", 1, 0);
	wait_for_queued(KIND_WRITE, 1);
	peers[2] = send_calls(state, "Read", 2, 0);
	wait_for_queued(KIND_READ, 2);
	peers[3] = send_calls(state, "Write", 1, 0);
	wait_for_queued(KIND_WRITE, 2);
	gate_set(false);
	for (size_t i = 0; i < 4; i++) {
		assert_int_equal(receive(peers[i], i == 2 ? 2 : 1, 0, ""), i == 2 ? 2 : 1);
	}
	assert_int_equal(gate.run_count, 4);
	assert_memory_equal(gate.run_kinds, expected, sizeof(expected));
}

static void
a_kind_does_not_take_more_threads_than_it_may(void **state)
{
	struct peer *hashes;
	struct peer *reads;

	pool_start(4);
	gate_set(true);
	hashes = send_calls(state, "Hash", 10, 0);
	gate_wait(1);
	wait_for_queued(KIND_HASH, 9);
	reads = send_calls(state, "Read", 1, 0);
	gate_wait(2);
	gate_set(false);
	assert_int_equal(receive(reads, 1, 0, ""), 1);
	assert_int_equal(receive(hashes, 10, 0, ""), 10);
	assert_int_equal(gate.at_once_max, 1);
}

static void
a_call_that_is_submitted_again_is_not_refused(void **state)
{
	struct peer *first;
	struct peer *others;
	struct peer *again;

	pool_start(1);
	gate_set(true);
	first = send_calls(state, "Again", 1, 0);
	gate_wait(1);
	again = send_calls(state, "Again", 20, 0);
	wait_for_queued(KIND_AGAIN, 20);
	others = send_calls(state, "Read", 12, 0);
	wait_for_queued(KIND_READ, 12);
	gate_set(false);
	assert_int_equal(receive(first, 1, 0, ""), 1);
	assert_int_equal(receive(again, 20, 0, ""), 20);
	assert_int_equal(receive(others, 12, 0, ""), 12);
}

static void
stop_finishes_what_is_queued_and_submitted_again(void **state)
{
	struct peer *first;
	struct peer *again;

	pool_start(3);
	gate_set(true);
	first = send_calls(state, "Write", 3, 0);
	gate_wait(3);
	again = send_calls(state, "Again", 20, 0);
	wait_for_queued(KIND_AGAIN, 20);
	gate_set(false);
	rpc_pool_stop(&pool);
	assert_null(pool);
	assert_int_equal(rpc_server_in_flight(*state), 0);
	assert_int_equal(receive(first, 3, 0, ""), 3);
	assert_int_equal(receive(again, 20, 0, ""), 20);
}

static void *
send_much(void *state)
{
	static const char *const methods[] = {"Read", "Write", "Hash", "Again"};

	for (int i = 0; i < 40; i++) {
		(void)receive(send_calls(state, methods[i % 4], 4, 0), 4, STATUS_RESOURCE_EXHAUSTED,
		    "QUEUE_FULL");
	}
	return NULL;
}

static void
no_call_is_lost_among_many_threads(void **state)
{
	pthread_t threads[8];

	pool_start(4);
	for (int i = 0; i < 8; i++) {
		assert_int_equal(pthread_create(&threads[i], NULL, send_much, state), 0);
	}
	for (int i = 0; i < 8; i++) {
		pthread_join(threads[i], NULL);
	}
	assert_int_equal(rpc_server_in_flight(*state), 0);
}

#define CASE(name) cmocka_unit_test_setup_teardown(name, pool_set_up, pool_tear_down)

int
main(void)
{
	const struct CMUnitTest cases[] = {
	    CASE(calls_that_wait_together_are_run_together),
	    CASE(the_calls_of_a_message_are_found_together),
	    CASE(a_call_that_is_alone_does_not_wait_for_others),
	    CASE(calls_past_the_queue_are_refused_with_a_time_to_retry),
	    CASE(calls_that_expire_in_the_queue_are_not_run),
	    CASE(calls_without_time_for_even_a_quick_run_are_dropped_but_tried_again_later),
	    CASE(of_a_burst_only_what_can_still_be_answered_is_run),
	    CASE(the_kind_whose_first_call_waits_longest_comes_first),
	    CASE(a_kind_does_not_take_more_threads_than_it_may),
	    CASE(a_call_that_is_submitted_again_is_not_refused),
	    CASE(stop_finishes_what_is_queued_and_submitted_again),
	    CASE(no_call_is_lost_among_many_threads),
	};
	int failed = cmocka_run_group_tests(cases, NULL, NULL);

	rpc_fini();
	return failed;
}
