/* What a channel tells a service that nobody waits for any more, byte by byte. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "common/rpc/client/rpc_channel.h"
#include "common/rpc/net/rpc_transport.h"
#include "common/rpc/wire/rpc_envelope.h"
#include "tests/rpc_caller.h"
#include "tests/rpc_side.h"

#define LONG_MS 30000
#define CALLS   3

/* A service that answers nothing, and a channel to it. */
static struct side *service;
static struct rpc_channel *channel;

static size_t
calls_in(const struct side_message *message)
{
	struct rpc_span body = {message->body, message->len};
	struct rpc_call_view view;
	size_t calls;
	size_t cancels;

	assert_true(rpc_batch_count(body, &calls, &cancels));
	if (calls > 0) {
		assert_int_equal(rpc_batch_next(&body, &view), RPC_STEP_FOUND);
		if (memmem(view.method.data, view.method.len, "Health", 6) != NULL) {
			return 0;
		}
	}
	return calls;
}

static bool
is_cancel(const struct side_message *message, struct rpc_cancel_view *view)
{
	struct rpc_span body = {message->body, message->len};

	return rpc_batch_next_cancel(&body, view) == RPC_STEP_FOUND;
}

/* Waits for the message, health calls left out, of so many calls. Gives its id. */
static uint32_t
await_calls(size_t calls)
{
	for (size_t i = 0;; i++) {
		side_await_messages(service, i + 1);
		if (calls_in(&service->messages[i]) == calls) {
			return service->messages[i].id;
		}
	}
}

/* Waits for the number-th cancel, from 0. */
static struct rpc_cancel_view
await_cancel(size_t number)
{
	struct rpc_cancel_view view;

	for (size_t i = 0;; i++) {
		side_await_messages(service, i + 1);
		if (is_cancel(&service->messages[i], &view) && number-- == 0) {
			assert_int_equal(calls_in(&service->messages[i]), 0);
			return view;
		}
	}
}

static size_t
count_cancels(void)
{
	struct rpc_cancel_view view;
	size_t count = 0;

	for (size_t i = 0; i < service->count; i++) {
		count += is_cancel(&service->messages[i], &view);
	}
	return count;
}

static void
calls_are_taken_back_by_their_places_and_then_the_message(void **state)
{
	static const uint8_t places[CALLS - 1] = {1, 0};
	struct rpc_cork cork = TAILQ_HEAD_INITIALIZER(cork);
	const struct rpc_request request = {
	    .method = "t/Hold", .timeout_ms = LONG_MS, .flags = RPC_NO_SIDE_EFFECTS, .cork = &cork};
	struct caller *callers[CALLS];
	struct rpc_cancel_view view;
	uint32_t id;

	(void)state;
	side_await_messages(service, 1); /* the health call: the channel is connected */
	for (size_t i = 0; i < CALLS; i++) {
		callers[i] = caller_start_request(channel, &request);
	}
	rpc_channel_uncork(channel, &cork);
	id = await_calls(CALLS);
	for (size_t i = 0; i < CALLS - 1; i++) {
		caller_cancel(callers[places[i]]);
		caller_expect(callers[places[i]], STATUS_CANCELLED, "CANCELLED");
		view = await_cancel(i);
		assert_int_equal(view.request_id, id);
		assert_int_equal(view.calls.len, 1);
		assert_int_equal(view.calls.data[0], places[i]);
	}
	caller_cancel(callers[CALLS - 1]);
	caller_expect(callers[CALLS - 1], STATUS_CANCELLED, "CANCELLED");
	view = await_cancel(CALLS - 1);
	assert_int_equal(view.request_id, id);
	assert_int_equal(view.calls.len, 0);
}

static void
what_was_not_sent_or_ends_at_its_deadline_is_not_taken_back(void **state)
{
	struct rpc_cork cork = TAILQ_HEAD_INITIALIZER(cork);
	const struct rpc_request request = {.method = "t/Hold", .cork = &cork};
	struct caller *unsent = caller_start_request(channel, &request);

	(void)state;
	caller_cancel(unsent);
	caller_expect(unsent, STATUS_CANCELLED, "CANCELLED");
	side_await_messages(service, 1);
	caller_expect(caller_start(channel, "t/Hold", "", RPC_ALONE, 20), STATUS_DEADLINE_EXCEEDED,
	    "OUTCOME_UNKNOWN");
	/* What is sent next comes behind whatever was sent before. */
	unsent = caller_start(channel, "t/Hold", "", RPC_ALONE, LONG_MS);
	caller_cancel(unsent);
	caller_expect(unsent, STATUS_CANCELLED, "CANCELLED");
	await_cancel(0);
	assert_int_equal(count_cancels(), 1);
}

static int
set_up(void **state)
{
	const char *url;

	(void)state;
	service = side_open(RPC_ROLE_REP, NULL);
	service->echo = false;
	url = side_listen(service, "tcp://127.0.0.1:0", NULL);
	channel = caller_channel(url, (struct rpc_channel_options){0});
	return 0;
}

static int
tear_down(void **state)
{
	(void)state;
	rpc_channel_close(&channel);
	side_close(&service);
	return 0;
}

#define CASE(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

int
main(void)
{
	const struct CMUnitTest cases[] = {
	    CASE(calls_are_taken_back_by_their_places_and_then_the_message),
	    CASE(what_was_not_sent_or_ends_at_its_deadline_is_not_taken_back),
	};
	int failed = cmocka_run_group_tests(cases, NULL, NULL);

	rpc_fini();
	return failed;
}
