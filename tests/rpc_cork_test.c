/* Which calls of a channel share a message. */
#include <pthread.h>
#include <sched.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "common/base/clock.h"
#include "common/rpc/client/rpc_channel.h"
#include "common/rpc/net/rpc_transport.h"
#include "tests/rpc_backend.h"
#include "tests/rpc_caller.h"

#define LONG_MS   30000
#define CALLS_MAX 32
#define CALLS_FEW 5
#define IN_FLIGHT 2

static struct backend *backend;
static struct rpc_channel *channel;
static struct rpc_cork cork;
static struct caller *callers[CALLS_MAX];
static size_t caller_count;
static atomic_uint deliveries;

static void
delivered(void *closure)
{
	atomic_fetch_add((atomic_uint *)closure, 1);
}

/* Opens a channel, in place of the one before. */
static void
open_channel(uint32_t stall_ms)
{
	rpc_channel_close(&channel);
	channel = caller_channel(
	    backend_url(backend), (struct rpc_channel_options){.batch_in_flight = IN_FLIGHT,
				      .batch_stall_ms = stall_ms,
				      .delivered = delivered,
				      .closure = &deliveries});
	caller_wait_serving(channel, 1);
}

static void
start(const char *method, unsigned flags, struct rpc_cork *in)
{
	const struct rpc_request request = {.method = method,
	    .data = (const uint8_t *)"x",
	    .len = 1,
	    .timeout_ms = LONG_MS,
	    .flags = flags,
	    .cork = in};

	callers[caller_count++] = caller_start_request(channel, &request);
}

static struct caller *
start_text(const char *text, unsigned flags, struct rpc_cork *in)
{
	const struct rpc_request request = {.method = "t/Echo",
	    .data = (const uint8_t *)text,
	    .len = strlen(text),
	    .timeout_ms = LONG_MS,
	    .flags = flags,
	    .cork = in};

	return caller_start_request(channel, &request);
}

static void
expect_all(void)
{
	for (size_t i = 0; i < caller_count; i++) {
		caller_expect_text(callers[i], "x");
	}
	caller_count = 0;
}

static void
corked_calls_leave_together_when_they_are_let_go(void **state)
{
	(void)state;
	for (unsigned i = 0; i < CALLS_FEW; i++) {
		start("t/Echo", RPC_NO_SIDE_EFFECTS, &cork);
	}
	start("t/Echo", RPC_NO_SIDE_EFFECTS, NULL);
	caller_expect_text(callers[--caller_count], "x");
	assert_int_equal(backend_counts(backend).calls, 1);
	atomic_store(&deliveries, 0);
	rpc_channel_uncork(channel, &cork);
	expect_all();
	assert_int_equal(backend_counts(backend).messages, 2);
	assert_int_equal(backend_counts(backend).largest, CALLS_FEW);
	rpc_channel_uncork(channel, &cork);
	assert_int_equal(backend_counts(backend).messages, 2);
}

static void
calls_share_messages_with_those_of_their_kind_alone(void **state)
{
	static const struct {
		const char *text;
		unsigned flags;
		size_t messages;
	} kinds[] = {
	    {"read", RPC_NO_SIDE_EFFECTS, 1},
	    {"write", 0, 1},
	    {"slow read", RPC_NO_SIDE_EFFECTS | RPC_SLOW, 1},
	    {"slow write", RPC_SLOW, 1},
	    {"bulk", RPC_ALONE | RPC_SLOW, CALLS_FEW},
	};
	size_t count = sizeof(kinds) / sizeof(kinds[0]);
	size_t messages = count;

	(void)state;
	for (size_t i = 0; i < count; i++) {
		/* From the first one on it is known how fast the slow ones are answered. */
		caller_expect_text(start_text(kinds[i].text, kinds[i].flags, NULL), kinds[i].text);
	}
	for (size_t i = 0; i < CALLS_FEW * count; i++) {
		callers[i] = start_text(kinds[i % count].text, kinds[i % count].flags, &cork);
	}
	rpc_channel_uncork(channel, &cork);
	for (size_t i = 0; i < CALLS_FEW * count; i++) {
		caller_expect_text(callers[i], kinds[i % count].text);
	}
	for (size_t i = 0; i < count; i++) {
		messages += kinds[i].messages;
	}
	assert_int_equal(backend_counts(backend).messages, messages);
	assert_int_equal(backend_counts(backend).largest, CALLS_FEW);
	assert_int_equal(backend_counts(backend).mixed, 0);
}

/* The first one is held until it has taken ten times as long as a message of slow calls may. */
static void
slow_calls_share_no_message_while_they_are_answered_slowly(void **state)
{
	int64_t until_ns;

	(void)state;
	open_channel(2);
	until_ns = clock_now_ns() + 20 * CLOCK_NS_PER_MS;
	start("t/Hold", RPC_SLOW, NULL);
	backend_wait(backend, 1);
	while (clock_now_ns() < until_ns) {
		sched_yield();
	}
	backend_release(backend);
	expect_all();
	for (unsigned i = 0; i < CALLS_FEW; i++) {
		start("t/Hold", RPC_SLOW, &cork);
	}
	rpc_channel_uncork(channel, &cork);
	expect_all();
	assert_int_equal(backend_counts(backend).messages, 1 + CALLS_FEW);
}

/* Nothing happens that could let the last of the three go, but time. */
static void
what_gathers_behind_slow_messages_leaves_in_the_end(void **state)
{
	static const unsigned flags[] = {RPC_NO_SIDE_EFFECTS, 0, RPC_SLOW};

	(void)state;
	open_channel(1);
	for (size_t i = 0; i < sizeof(flags) / sizeof(flags[0]); i++) {
		for (size_t j = 0; j < 3; j++) {
			start("t/Hold", flags[i], NULL);
		}
	}
	backend_wait(backend, 9);
	backend_release(backend);
	expect_all();
}

static void
what_waits_for_a_connection_leaves_together(void **state)
{
	char url[64];

	(void)state;
	snprintf(url, sizeof(url), "%s", backend_url(backend));
	backend_close(&backend);
	caller_wait_serving(channel, 0);
	for (unsigned i = 0; i < CALLS_FEW; i++) {
		start("t/Echo", RPC_NO_SIDE_EFFECTS | RPC_WAIT_FOR_READY, NULL);
	}
	backend = backend_open(url);
	assert_non_null(backend);
	expect_all();
	assert_int_equal(backend_counts(backend).messages, 1);
}

static void
one_answer_is_not_taken_for_that_of_each_call(void **state)
{
	(void)state;
	for (unsigned i = 0; i < CALLS_FEW; i++) {
		start("t/One", RPC_NO_SIDE_EFFECTS, &cork);
	}
	rpc_channel_uncork(channel, &cork);
	for (unsigned i = 0; i < CALLS_FEW; i++) {
		caller_expect(callers[i], STATUS_UNAVAILABLE, "MALFORMED_REPLY");
	}
	caller_count = 0;
}

static void
a_corked_call_can_be_cancelled(void **state)
{
	struct rpc_channel_stats stats;

	(void)state;
	start("t/Echo", RPC_NO_SIDE_EFFECTS, &cork);
	start("t/Echo", RPC_NO_SIDE_EFFECTS, &cork);
	caller_cancel(callers[0]);
	caller_expect(callers[0], STATUS_CANCELLED, "CANCELLED");
	callers[0] = callers[1];
	caller_count = 1;
	rpc_channel_uncork(channel, &cork);
	expect_all();
	assert_int_equal(backend_counts(backend).calls, 1);
	rpc_channel_get_stats(channel, &stats);
	assert_int_equal(stats.in_flight, 0);
}

static void
a_second_message_leaves_when_it_is_as_large_as_the_first(void **state)
{
	(void)state;
	for (unsigned i = 0; i < CALLS_FEW; i++) {
		start("t/Hold", RPC_NO_SIDE_EFFECTS, &cork);
	}
	rpc_channel_uncork(channel, &cork);
	backend_wait(backend, CALLS_FEW);
	for (unsigned i = 1; i < CALLS_FEW; i++) {
		start("t/Echo", RPC_NO_SIDE_EFFECTS, NULL);
	}
	assert_int_equal(backend_counts(backend).messages, 1);
	start("t/Echo", RPC_NO_SIDE_EFFECTS, NULL); /* the fifth */
	caller_expect_text(callers[--caller_count], "x");
	assert_int_equal(backend_counts(backend).messages, 2);
	backend_release(backend);
	expect_all();
	assert_int_equal(backend_counts(backend).messages, 2);
}

static void
who_is_told_of_deliveries_is_told_after_the_calls_of_a_message(void **state)
{
	(void)state;
	for (unsigned i = 0; i < CALLS_MAX; i++) {
		start("t/Echo", RPC_NO_SIDE_EFFECTS, &cork);
	}
	atomic_store(&deliveries, 0);
	rpc_channel_uncork(channel, &cork);
	expect_all();
	rpc_channel_close(&channel); /* all deliveries are over */
	assert_in_range(atomic_load(&deliveries), 1, 3);
}

static int
set_up(void **state)
{
	(void)state;
	TAILQ_INIT(&cork);
	backend = backend_open("tcp://127.0.0.1:0");
	open_channel(LONG_MS);
	return 0;
}

static int
tear_down(void **state)
{
	(void)state;
	rpc_channel_close(&channel);
	backend_close(&backend);
	return 0;
}

#define CASE(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

int
main(void)
{
	const struct CMUnitTest cases[] = {
	    CASE(corked_calls_leave_together_when_they_are_let_go),
	    CASE(calls_share_messages_with_those_of_their_kind_alone),
	    CASE(slow_calls_share_no_message_while_they_are_answered_slowly),
	    CASE(what_gathers_behind_slow_messages_leaves_in_the_end),
	    CASE(what_waits_for_a_connection_leaves_together),
	    CASE(one_answer_is_not_taken_for_that_of_each_call),
	    CASE(a_corked_call_can_be_cancelled),
	    CASE(a_second_message_leaves_when_it_is_as_large_as_the_first),
	    CASE(who_is_told_of_deliveries_is_told_after_the_calls_of_a_message),
	};
	int failed = cmocka_run_group_tests(cases, NULL, NULL);

	rpc_fini();
	return failed;
}
