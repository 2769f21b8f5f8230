/* Calls that nobody waits for any more: the end of a connection, and cancel messages, byte by byte. */
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
#include "tests/rpc_side.h"

#define ID 0x80000000

static int
connect_bare(void **state)
{
	int fd = bare_connect(rpc_server_url(*state));

	bare_greet(fd, RPC_ROLE_REQ);
	return fd;
}

/* Sends a message with its head and id. */
static void
send_body(int fd, uint32_t id, const void *body, size_t len)
{
	uint8_t head[12] = {0, 0, 0, 0, 0, 0, (uint8_t)((len + 4) >> 8), (uint8_t)(len + 4),
	    (uint8_t)(id >> 24), (uint8_t)(id >> 16), (uint8_t)(id >> 8), (uint8_t)id};

	bare_send(fd, head, sizeof(head));
	bare_send(fd, body, len);
}

/* A message of so many calls without a request. */
static void
send_calls_bare(int fd, uint32_t id, const char *method, size_t count)
{
	size_t len = strlen(method);
	uint8_t body[1024];
	uint8_t *at = body;

	for (size_t i = 0; i < count; i++) {
		*at++ = 0x0a;
		*at++ = (uint8_t)(len + 2);
		*at++ = 0x0a;
		*at++ = (uint8_t)len;
		memcpy(at, method, len);
		at += len;
	}
	send_body(fd, id, body, (size_t)(at - body));
}

/* As docs/rpc.md has it: request_id as fixed32, lowest byte first; calls packed. */
static void
send_cancel(int fd, uint32_t id, const char *places, size_t count)
{
	uint8_t body[32] = {0x12, (uint8_t)(5 + (count > 0 ? 2 + count : 0)), 0x0d, (uint8_t)id,
	    (uint8_t)(id >> 8), (uint8_t)(id >> 16), (uint8_t)(id >> 24), 0x12, (uint8_t)count};

	if (count > 0) {
		memcpy(body + 9, places, count);
	}
	send_body(fd, ID + 999, body, count > 0 ? 9 + count : 7);
}

static void
await_cancelled(size_t held)
{
	int64_t end_ns = clock_now_ns() + 30000 * CLOCK_NS_PER_MS;

	while (!rpc_call_cancelled(service_held.calls[held])) {
		assert_true(clock_now_ns() < end_ns);
		usleep(1000);
	}
}

/* The reply to a message: so many packed replies, each "done", or CANCELLED. */
static void
expect_reply(int fd, uint32_t id, size_t done)
{
	static const uint8_t reply[] = "\x0a\x08\x12\x06\x0a\x04"
				       "done";
	uint8_t bytes[12 + 8 * 10] = {0, 0, 0, 0, 0, 0, 0, (uint8_t)(4 + 10 * done),
	    (uint8_t)(id >> 24), (uint8_t)(id >> 16), (uint8_t)(id >> 8), (uint8_t)id};

	for (size_t i = 0; i < done; i++) {
		memcpy(bytes + 12 + 10 * i, reply, 10);
	}
	bare_expect(fd, bytes, 12 + 10 * done);
}

static void
the_end_of_a_connection_cancels_its_calls(void **state)
{
	int fd = connect_bare(state);
	int other = connect_bare(state);

	send_calls_bare(other, ID + 1, "test.v1.Test/Hold", 1);
	service_wait_for_held(1);
	send_calls_bare(fd, ID + 1, "test.v1.Test/Hold", 2);
	send_calls_bare(fd, ID + 2, "test.v1.Test/Hold", 1);
	service_wait_for_held(4);
	close(fd);
	for (size_t i = 1; i < 4; i++) {
		await_cancelled(i);
		service_answer(service_held.calls[i], "done");
	}
	assert_false(rpc_call_cancelled(service_held.calls[0]));
	service_answer(service_held.calls[0], "done");
	expect_reply(other, ID + 1, 1);
	close(other);
}

static void
a_cancel_is_for_calls_of_a_message_and_is_not_replied_to(void **state)
{
	int fd = connect_bare(state);

	send_calls_bare(fd, ID + 1, "test.v1.Test/Hold", 3);
	send_calls_bare(fd, ID + 2, "test.v1.Test/Hold", 1);
	service_wait_for_held(4);
	send_cancel(fd, ID + 77, NULL, 0);  /* there is none of that id */
	send_cancel(fd, ID + 1, "\x07", 1); /* nor a call at that place */
	send_cancel(fd, ID + 1, "\1", 1);
	await_cancelled(1);
	assert_false(rpc_call_cancelled(service_held.calls[0]));
	assert_false(rpc_call_cancelled(service_held.calls[2]));
	send_cancel(fd, ID + 1, NULL, 0);
	await_cancelled(0);
	await_cancelled(2);
	assert_false(rpc_call_cancelled(service_held.calls[3]));
	service_answer(service_held.calls[3], "done");
	expect_reply(fd, ID + 2, 1);
	for (size_t i = 0; i < 3; i++) {
		service_answer(service_held.calls[i], "done");
	}
	expect_reply(fd, ID + 1, 3);
	close(fd);
}

static void
a_message_can_cancel_and_ask(void **state)
{
	static const uint8_t body[] = "\x12\x05\x0d\x01\0\0\x80"
				      "\x0a\x13\x0a\x11test.v1.Test/Hold";
	int fd = connect_bare(state);

	send_calls_bare(fd, ID + 1, "test.v1.Test/Hold", 1);
	service_wait_for_held(1);
	send_body(fd, ID + 2, body, sizeof(body) - 1);
	service_wait_for_held(2);
	assert_true(rpc_call_cancelled(service_held.calls[0]));
	assert_false(rpc_call_cancelled(service_held.calls[1]));
	service_answer(service_held.calls[1], "done");
	expect_reply(fd, ID + 2, 1);
	service_answer(service_held.calls[0], "done");
	expect_reply(fd, ID + 1, 1);
	close(fd);
}

/* One of another connection has the same id. */
static void
a_cancel_is_for_its_own_connection(void **state)
{
	int fd = connect_bare(state);
	int other = connect_bare(state);

	send_calls_bare(fd, ID + 1, "test.v1.Test/Hold", 1);
	service_wait_for_held(1);
	send_cancel(other, ID + 1, NULL, 0);
	send_calls_bare(other, ID + 1, "test.v1.Test/Hold", 1);
	service_wait_for_held(2);
	assert_false(rpc_call_cancelled(service_held.calls[0]));
	for (size_t i = 0; i < 2; i++) {
		service_answer(service_held.calls[i], "done");
	}
	close(fd);
	close(other);
}

static void
what_is_cancelled_in_a_queue_is_not_executed(void **state)
{
	struct peer *first;
	int fd = connect_bare(state);

	pool_start(1);
	gate_set(true);
	first = send_calls(state, "Write", 1, 0);
	gate_wait(1);
	send_calls_bare(fd, ID + 1, "Write", 3);
	wait_for_queued(KIND_WRITE, 3);
	send_cancel(fd, ID + 1, "\0\2", 2);
	send_calls_bare(fd, ID + 2, "Read", 1); /* read after it */
	wait_for_queued(KIND_READ, 1);
	gate_set(false);
	assert_int_equal(receive(first, 1, 0, ""), 1);
	bare_skip(fd); /* the replies to both messages */
	bare_skip(fd);
	assert_int_equal(gate.run_count, 3);
	close(fd);
}

static void
what_is_cancelled_makes_room_in_a_full_queue(void **state)
{
	struct peer *first;
	int fd = connect_bare(state);

	pool_start(1);
	gate_set(true);
	first = send_calls(state, "Write", 1, 0);
	gate_wait(1);
	send_calls_bare(fd, ID + 1, "Write", 12);
	wait_for_queued(KIND_WRITE, 12);
	assert_int_equal(
	    receive(send_calls(state, "Write", 1, 0), 1, STATUS_RESOURCE_EXHAUSTED, "QUEUE_FULL"),
	    0);
	send_cancel(fd, ID + 1, NULL, 0);
	send_calls_bare(fd, ID + 2, "Write", 1); /* read after it */
	bare_skip(fd);                           /* the reply to those that were cancelled */
	wait_for_queued(KIND_WRITE, 1);
	gate_set(false);
	assert_int_equal(receive(first, 1, 0, ""), 1);
	expect_reply(fd, ID + 2, 1);
	assert_int_equal(gate.run_count, 2);
	close(fd);
}

#define SERVICE_CASE(name) cmocka_unit_test_setup_teardown(name, service_set_up, service_tear_down)
#define POOL_CASE(name)    cmocka_unit_test_setup_teardown(name, pool_set_up, pool_tear_down)

int
main(void)
{
	const struct CMUnitTest cases[] = {
	    SERVICE_CASE(the_end_of_a_connection_cancels_its_calls),
	    SERVICE_CASE(a_cancel_is_for_calls_of_a_message_and_is_not_replied_to),
	    SERVICE_CASE(a_message_can_cancel_and_ask),
	    SERVICE_CASE(a_cancel_is_for_its_own_connection),
	    POOL_CASE(what_is_cancelled_in_a_queue_is_not_executed),
	    POOL_CASE(what_is_cancelled_makes_room_in_a_full_queue),
	};
	int failed = cmocka_run_group_tests(cases, NULL, NULL);

	rpc_fini();
	return failed;
}
