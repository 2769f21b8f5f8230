#include "common/rpc/client/rpc_channel.h"

#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "common/base/clock.h"
#include "common/rpc/net/rpc_transport.h"
#include "tests/rpc_backend.h"
#include "tests/rpc_caller.h"

#define READ     RPC_NO_SIDE_EFFECTS
#define WRITE    0
#define LONG_MS  30000
#define ANY_PORT "tcp://127.0.0.1:0"

/* A backend and a channel to it. */
struct fixture {
	struct backend *backend;
	struct rpc_channel *channel;
};

static struct fixture
connect_with(struct rpc_channel_options options)
{
	struct fixture fixture;

	fixture.backend = backend_open(ANY_PORT);
	assert_non_null(fixture.backend);
	fixture.channel = caller_channel(backend_url(fixture.backend), options);
	caller_wait_serving(fixture.channel, 1);
	return fixture;
}

static void
disconnect(struct fixture *fixture)
{
	rpc_channel_close(&fixture->channel);
	assert_null(fixture->channel);
	backend_close(&fixture->backend);
}

static void
a_call_is_answered(void **state)
{
	struct fixture fixture = connect_with((struct rpc_channel_options){0});

	(void)state;
	caller_expect_text(caller_start(fixture.channel, "t/Echo", "hello", WRITE, 0), "hello");
	caller_expect_text(caller_start(fixture.channel, "t/Echo", "hello", READ, 0), "hello");
	caller_expect_text(caller_start(fixture.channel, "t/Echo", "", READ, 0), "");
	disconnect(&fixture);
}

static void
a_call_made_at_once_waits_for_the_first_connection(void **state)
{
	struct backend *backend = backend_open(ANY_PORT);
	struct rpc_channel *channel =
	    caller_channel(backend_url(backend), (struct rpc_channel_options){0});

	(void)state;
	caller_expect_text(caller_start(channel, "t/Echo", "early", WRITE, 0), "early");
	rpc_channel_close(&channel);
	backend_close(&backend);
}

static void
an_error_arrives_with_all_that_it_says(void **state)
{
	struct fixture fixture = connect_with((struct rpc_channel_options){0});
	struct caller *caller = caller_start(fixture.channel, "t/Fail", "", WRITE, 0);
	const struct error *error = &caller_wait(caller)->error;

	(void)state;
	assert_int_equal(error->code, STATUS_ALREADY_EXISTS);
	assert_string_equal(error->reason, "DUPLICATE_EMAIL");
	assert_string_equal(error->message, "as the test asked");
	assert_int_equal(error->retry_after_ms, 77);
	assert_int_equal(error->violation_count, 1);
	assert_string_equal(error->violations[0].field, "email");
	assert_string_equal(error->violations[0].description, "is taken");
	caller_free(&caller);
	disconnect(&fixture);
}

static void
metadata_travels_both_ways(void **state)
{
	struct fixture fixture = connect_with((struct rpc_channel_options){0});
	struct caller *caller = caller_start(fixture.channel, "t/Metadata", "", WRITE, 0);
	const struct rpc_reply *reply = caller_wait(caller);

	(void)state;
	assert_int_equal(reply->metadata_count, 2);
	assert_string_equal(reply->metadata[0].key, "request-id");
	assert_string_equal(reply->metadata[0].value, "r-1");
	assert_string_equal(reply->metadata[1].key, "traceparent");
	assert_string_equal(reply->metadata[1].value, "00");
	caller_free(&caller);
	disconnect(&fixture);
}

static void
what_is_left_of_the_deadline_travels_with_the_call(void **state)
{
	struct fixture fixture =
	    connect_with((struct rpc_channel_options){.default_timeout_ms = 7000});
	static const uint32_t given[] = {0, 900};
	static const long most[] = {7000, 900};

	(void)state;
	for (size_t i = 0; i < 2; i++) {
		struct caller *caller =
		    caller_start(fixture.channel, "t/Timeout", "", WRITE, given[i]);
		const struct rpc_reply *reply = caller_wait(caller);
		char text[16] = "";

		memcpy(text, reply->response, reply->len);
		assert_in_range(strtol(text, NULL, 10), 1, most[i]);
		caller_free(&caller);
	}
	disconnect(&fixture);
}

static void
calls_without_side_effects_gather_while_messages_are_in_flight(void **state)
{
	struct fixture fixture = connect_with(
	    (struct rpc_channel_options){.batch_max_calls = 8, .batch_stall_ms = LONG_MS});
	struct caller *callers[22];

	(void)state;
	for (size_t i = 0; i < 22; i++) {
		char text[8];

		snprintf(text, sizeof(text), "%zu", i);
		callers[i] =
		    caller_start(fixture.channel, i < 2 ? "t/Hold" : "t/Echo", text, READ, LONG_MS);
	}
	backend_wait(fixture.backend, 2);
	backend_release(fixture.backend);
	for (size_t i = 0; i < 22; i++) {
		char text[8];

		snprintf(text, sizeof(text), "%zu", i);
		caller_expect_text(callers[i], text);
	}
	/* Two alone, then 8, 8 and 4. */
	assert_int_equal(backend_counts(fixture.backend).calls, 22);
	assert_int_equal(backend_counts(fixture.backend).messages, 5);
	assert_int_equal(backend_counts(fixture.backend).largest, 8);
	disconnect(&fixture);
}

static void
a_batch_is_bounded_in_bytes(void **state)
{
	struct fixture fixture = connect_with(
	    (struct rpc_channel_options){.batch_max_bytes = 2500, .batch_stall_ms = LONG_MS});
	struct caller *callers[12];
	char text[1001];

	(void)state;
	memset(text, 'x', 1000);
	text[1000] = '\0';
	for (size_t i = 0; i < 12; i++) {
		callers[i] =
		    caller_start(fixture.channel, i < 2 ? "t/Hold" : "t/Echo", text, READ, LONG_MS);
	}
	backend_wait(fixture.backend, 2);
	backend_release(fixture.backend);
	for (size_t i = 0; i < 12; i++) {
		caller_expect_text(callers[i], text);
	}
	assert_int_equal(backend_counts(fixture.backend).largest, 2);
	assert_int_equal(backend_counts(fixture.backend).messages, 7);
	disconnect(&fixture);
}

static void
calls_that_are_to_travel_alone_do_so_at_once(void **state)
{
	struct fixture fixture =
	    connect_with((struct rpc_channel_options){.batch_stall_ms = LONG_MS});
	struct caller *callers[10];

	(void)state;
	for (size_t i = 0; i < 10; i++) {
		callers[i] =
		    caller_start(fixture.channel, "t/Hold", "w", RPC_ALONE | RPC_SLOW, LONG_MS);
	}
	backend_wait(fixture.backend, 10);
	assert_int_equal(backend_counts(fixture.backend).messages, 10);
	backend_release(fixture.backend);
	for (size_t i = 0; i < 10; i++) {
		caller_expect_text(callers[i], "w");
	}
	disconnect(&fixture);
}

static void
with_batches_of_one_each_call_travels_alone_and_at_once(void **state)
{
	struct fixture fixture = connect_with((struct rpc_channel_options){.batch_max_calls = 1});
	struct caller *callers[10];

	(void)state;
	for (size_t i = 0; i < 10; i++) {
		callers[i] = caller_start(fixture.channel, "t/Hold", "r", READ, LONG_MS);
	}
	backend_wait(fixture.backend, 10);
	assert_int_equal(backend_counts(fixture.backend).messages, 10);
	backend_release(fixture.backend);
	for (size_t i = 0; i < 10; i++) {
		caller_expect_text(callers[i], "r");
	}
	disconnect(&fixture);
}

static void
a_call_that_is_not_answered_ends_at_its_deadline(void **state)
{
	struct fixture fixture = connect_with((struct rpc_channel_options){0});
	int64_t begun_ns = clock_now_ns();

	(void)state;
	caller_expect(caller_start(fixture.channel, "t/Hold", "", WRITE, 50),
	    STATUS_DEADLINE_EXCEEDED, "OUTCOME_UNKNOWN");
	assert_true(clock_now_ns() - begun_ns >= 50 * CLOCK_NS_PER_MS);
	assert_int_equal(backend_counts(fixture.backend).calls, 1);
	/* A read has no outcome. */
	caller_expect(caller_start(fixture.channel, "t/Hold", "", READ, 50),
	    STATUS_DEADLINE_EXCEEDED, "NOT_ANSWERED");
	caller_expect_text(caller_start(fixture.channel, "t/Echo", "on", WRITE, 0), "on");
	disconnect(&fixture);
}

static void
deadlines_end_calls_in_their_order(void **state)
{
	struct fixture fixture = connect_with((struct rpc_channel_options){0});
	struct caller *late = caller_start(fixture.channel, "t/Hold", "", WRITE, LONG_MS);
	struct caller *middle = caller_start(fixture.channel, "t/Hold", "", WRITE, 200);
	struct caller *early = caller_start(fixture.channel, "t/Hold", "", WRITE, 20);

	(void)state;
	caller_expect(early, STATUS_DEADLINE_EXCEEDED, "OUTCOME_UNKNOWN");
	caller_expect(middle, STATUS_DEADLINE_EXCEEDED, "OUTCOME_UNKNOWN");
	assert_false(caller_ended(late));
	backend_release(fixture.backend);
	caller_wait(late);
	caller_free(&late);
	disconnect(&fixture);
}

static void
a_call_that_expires_while_it_gathers_is_not_sent(void **state)
{
	struct fixture fixture = connect_with(
	    (struct rpc_channel_options){.batch_in_flight = 1, .batch_stall_ms = LONG_MS});
	struct caller *first = caller_start(fixture.channel, "t/Hold", "1", READ, LONG_MS);
	struct caller *second = caller_start(fixture.channel, "t/Echo", "2", READ, 5);

	(void)state;
	caller_expect(second, STATUS_DEADLINE_EXCEEDED, "NOT_SENT");
	backend_wait(fixture.backend, 1);
	backend_release(fixture.backend);
	caller_expect_text(first, "1");
	caller_expect_text(caller_start(fixture.channel, "t/Echo", "3", READ, 0), "3");
	assert_int_equal(backend_counts(fixture.backend).calls, 2);
	disconnect(&fixture);
}

static void
a_cancelled_call_ends_at_once_and_frees_its_place(void **state)
{
	struct fixture fixture = connect_with((struct rpc_channel_options){
	    .batch_in_flight = 1, .batch_stall_ms = LONG_MS, .in_flight_max = 2});
	struct caller *sent = caller_start(fixture.channel, "t/Hold", "1", READ, LONG_MS);
	struct caller *queued = caller_start(fixture.channel, "t/Echo", "2", READ, LONG_MS);

	(void)state;
	backend_wait(fixture.backend, 1);
	caller_cancel(queued);
	caller_expect(queued, STATUS_CANCELLED, "CANCELLED");
	caller_cancel(sent);
	caller_expect(sent, STATUS_CANCELLED, "CANCELLED");
	caller_expect_text(caller_start(fixture.channel, "t/Echo", "3", READ, LONG_MS), "3");
	assert_int_equal(backend_counts(fixture.backend).calls, 2);
	disconnect(&fixture);
}

static void
a_call_too_many_is_refused(void **state)
{
	struct fixture fixture = connect_with((struct rpc_channel_options){.in_flight_max = 2});
	struct caller *one = caller_start(fixture.channel, "t/Hold", "1", WRITE, LONG_MS);
	struct caller *two = caller_start(fixture.channel, "t/Hold", "2", WRITE, LONG_MS);
	struct caller *three = caller_start(fixture.channel, "t/Echo", "3", WRITE, LONG_MS);

	(void)state;
	assert_true(caller_wait(three)->error.retry_after_ms > 0);
	caller_expect(three, STATUS_RESOURCE_EXHAUSTED, "CHANNEL_FULL");
	backend_wait(fixture.backend, 2);
	backend_release(fixture.backend);
	caller_expect_text(one, "1");
	caller_expect_text(two, "2");
	caller_expect_text(caller_start(fixture.channel, "t/Echo", "4", WRITE, 0), "4");
	disconnect(&fixture);
}

static void
answers_that_cannot_be_read_fail_their_calls_alone(void **state)
{
	static const char *const methods[] = {"t/Garbage", "t/Missing", "t/Surplus"};
	struct fixture fixture = connect_with((struct rpc_channel_options){0});

	(void)state;
	for (size_t i = 0; i < sizeof(methods) / sizeof(methods[0]); i++) {
		caller_expect(caller_start(fixture.channel, methods[i], "", READ, 0),
		    STATUS_UNAVAILABLE, "MALFORMED_REPLY");
		caller_expect_text(caller_start(fixture.channel, "t/Echo", "on", READ, 0), "on");
	}
	disconnect(&fixture);
}

static void
a_refusal_of_a_whole_message_is_told_to_each_of_its_calls(void **state)
{
	struct fixture fixture = connect_with(
	    (struct rpc_channel_options){.batch_in_flight = 1, .batch_stall_ms = LONG_MS});
	struct caller *first = caller_start(fixture.channel, "t/Hold", "1", READ, LONG_MS);
	struct caller *callers[3];

	(void)state;
	for (size_t i = 0; i < 3; i++) {
		callers[i] = caller_start(fixture.channel, "t/Refuse", "", READ, LONG_MS);
	}
	backend_wait(fixture.backend, 1);
	backend_release(fixture.backend);
	caller_expect_text(first, "1");
	for (size_t i = 0; i < 3; i++) {
		caller_expect(callers[i], STATUS_INVALID_ARGUMENT, "REFUSED");
	}
	disconnect(&fixture);
}

static void
without_an_endpoint_a_call_fails_unless_it_waits(void **state)
{
	struct backend *backend = backend_open(ANY_PORT);
	struct rpc_channel *channel;
	struct caller *waiting;
	char url[64];

	(void)state;
	snprintf(url, sizeof(url), "%s", backend_url(backend));
	backend_close(&backend);
	channel = caller_channel(url, (struct rpc_channel_options){.connect_timeout_ms = 30});
	caller_expect(
	    caller_start(channel, "t/Echo", "", WRITE, 0), STATUS_UNAVAILABLE, "NO_ENDPOINT");
	assert_false(rpc_channel_ready(channel));
	caller_expect(caller_start(channel, "t/Echo", "", RPC_WAIT_FOR_READY, 30),
	    STATUS_DEADLINE_EXCEEDED, "NOT_SENT");
	waiting = caller_start(channel, "t/Echo", "late", RPC_WAIT_FOR_READY, LONG_MS);
	backend = backend_open(url);
	assert_non_null(backend);
	caller_expect_text(waiting, "late");
	caller_wait_serving(channel, 1); /* it is asked first */
	assert_true(rpc_channel_ready(channel));
	rpc_channel_close(&channel);
	backend_close(&backend);
}

static void
closing_the_channel_cancels_what_is_in_flight(void **state)
{
	struct fixture fixture = connect_with(
	    (struct rpc_channel_options){.batch_in_flight = 1, .batch_stall_ms = LONG_MS});
	struct caller *callers[20];

	(void)state;
	for (size_t i = 0; i < 20; i++) {
		callers[i] =
		    caller_start(fixture.channel, "t/Hold", "", i % 2 ? READ : RPC_ALONE, LONG_MS);
	}
	backend_wait(fixture.backend, 10);
	rpc_channel_close(&fixture.channel);
	for (size_t i = 0; i < 20; i++) {
		assert_true(caller_ended(callers[i]));
		caller_expect(callers[i], STATUS_CANCELLED, "CHANNEL_CLOSED");
	}
	backend_close(&fixture.backend);
}

static void
a_reply_outlives_its_channel(void **state)
{
	struct fixture fixture = connect_with((struct rpc_channel_options){0});
	struct caller *caller = caller_start(fixture.channel, "t/Large", "", READ, 0);
	const struct rpc_reply *reply = caller_wait(caller);

	(void)state;
	disconnect(&fixture);
	assert_int_equal(reply->len, 100000);
	assert_int_equal(reply->response[99999], 0);
	caller_free(&caller);
}

struct load {
	struct rpc_channel *channel;
	unsigned seed;
};

static void *
make_calls(void *closure)
{
	struct load *load = closure;
	struct caller *window[8] = {NULL};
	char text[8][16];

	for (unsigned i = 0; i < 2000; i++) {
		unsigned slot = i % 8;

		if (window[slot] != NULL) {
			caller_expect_text(window[slot], text[slot]);
		}
		snprintf(text[slot], sizeof(text[slot]), "%u/%u", load->seed, i);
		window[slot] = caller_start(
		    load->channel, "t/Echo", text[slot], i % 5 == 0 ? WRITE : READ, LONG_MS);
	}
	for (unsigned slot = 0; slot < 8; slot++) {
		caller_expect_text(window[slot], text[slot]);
	}
	return NULL;
}

static void
many_threads_each_get_their_own_answers(void **state)
{
	struct fixture fixture = connect_with((struct rpc_channel_options){0});
	struct rpc_channel_stats stats;
	struct load loads[8];
	pthread_t threads[8];

	(void)state;
	for (unsigned i = 0; i < 8; i++) {
		loads[i] = (struct load){fixture.channel, i};
		assert_int_equal(pthread_create(&threads[i], NULL, make_calls, &loads[i]), 0);
	}
	for (unsigned i = 0; i < 8; i++) {
		pthread_join(threads[i], NULL);
	}
	rpc_channel_get_stats(fixture.channel, &stats);
	assert_int_equal(stats.calls[STATUS_OK], 16000);
	assert_int_equal(stats.in_flight, 0);
	assert_int_equal(backend_counts(fixture.backend).calls, 16000);
	assert_true(backend_counts(fixture.backend).messages < 16000);
	disconnect(&fixture);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(a_call_is_answered),
	    cmocka_unit_test(a_call_made_at_once_waits_for_the_first_connection),
	    cmocka_unit_test(an_error_arrives_with_all_that_it_says),
	    cmocka_unit_test(metadata_travels_both_ways),
	    cmocka_unit_test(what_is_left_of_the_deadline_travels_with_the_call),
	    cmocka_unit_test(calls_without_side_effects_gather_while_messages_are_in_flight),
	    cmocka_unit_test(a_batch_is_bounded_in_bytes),
	    cmocka_unit_test(calls_that_are_to_travel_alone_do_so_at_once),
	    cmocka_unit_test(with_batches_of_one_each_call_travels_alone_and_at_once),
	    cmocka_unit_test(a_call_that_is_not_answered_ends_at_its_deadline),
	    cmocka_unit_test(deadlines_end_calls_in_their_order),
	    cmocka_unit_test(a_call_that_expires_while_it_gathers_is_not_sent),
	    cmocka_unit_test(a_cancelled_call_ends_at_once_and_frees_its_place),
	    cmocka_unit_test(a_call_too_many_is_refused),
	    cmocka_unit_test(answers_that_cannot_be_read_fail_their_calls_alone),
	    cmocka_unit_test(a_refusal_of_a_whole_message_is_told_to_each_of_its_calls),
	    cmocka_unit_test(without_an_endpoint_a_call_fails_unless_it_waits),
	    cmocka_unit_test(closing_the_channel_cancels_what_is_in_flight),
	    cmocka_unit_test(a_reply_outlives_its_channel),
	    cmocka_unit_test(many_threads_each_get_their_own_answers),
	};
	int failed = cmocka_run_group_tests(tests, NULL, NULL);

	rpc_fini();
	return failed;
}
