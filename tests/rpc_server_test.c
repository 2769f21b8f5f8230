#include "common/rpc/server/rpc_server.h"

#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "common/rpc/net/rpc_transport.h"
#include "tests/rpc_peer.h"
#include "tests/rpc_service.h"

static void
a_call_is_answered_by_its_method(void **state)
{
	struct peer *peer = service_connect(state);

	service_ask(peer, PEER_CALL("test.v1.Test/Echo", "hello"), 0, "hello");
	service_ask(peer, PEER_CALL("test.v1.Test/Echo", ""), 0, "");
	assert_int_equal(atomic_load(&service_observed[STATUS_OK]), 2);
	assert_int_equal(atomic_load(&service_messages), 2);
	assert_int_equal(atomic_load(&service_messages_calls), 2);
	assert_int_equal(rpc_server_in_flight(*state), 0);
	peer_close(peer);
}

static void
replies_keep_the_order_of_the_calls_in_whichever_they_end(void **state)
{
	static const char *const expected[] = {"3", "echo", "2", "1", "0"};
	struct peer_call calls[] = {{.method = "test.v1.Test/Hold"},
	    {.method = "test.v1.Test/Echo", .text = "echo"}, {.method = "test.v1.Test/Hold"},
	    {.method = "test.v1.Test/Hold"}, {.method = "test.v1.Test/Hold"}};
	struct peer *peer = service_connect(state);
	Mockvideo__Rpc__V1__ReplyBatch *batch;

	peer_send(peer, calls, 5);
	service_wait_for_held(4);
	assert_int_equal(rpc_server_in_flight(*state), 4);
	for (int i = 0; i < 4; i++) {
		service_answer(service_held.calls[3 - i], (const char *[]){"0", "1", "2", "3"}[i]);
	}
	batch = peer_receive(peer);
	assert_int_equal(batch->n_replies, 5);
	for (int i = 0; i < 5; i++) {
		char *text = peer_text(batch->replies[i]);

		assert_string_equal(text, expected[i]);
		free(text);
	}
	peer_free(batch);
	peer_close(peer);
}

static void *
answer_one(void *call)
{
	service_answer(call, "by a thread");
	return NULL;
}

static void
calls_of_a_batch_can_be_finished_by_different_threads_at_once(void **state)
{
	struct peer_call calls[SERVICE_BATCH_MAX_CALLS];
	struct peer *peer = service_connect(state);
	pthread_t threads[SERVICE_BATCH_MAX_CALLS];
	Mockvideo__Rpc__V1__ReplyBatch *batch;

	for (size_t i = 0; i < SERVICE_BATCH_MAX_CALLS; i++) {
		calls[i] = (struct peer_call){.method = "test.v1.Test/Hold"};
	}
	peer_send(peer, calls, SERVICE_BATCH_MAX_CALLS);
	service_wait_for_held(SERVICE_BATCH_MAX_CALLS);
	for (size_t i = 0; i < SERVICE_BATCH_MAX_CALLS; i++) {
		assert_int_equal(
		    pthread_create(&threads[i], NULL, answer_one, service_held.calls[i]), 0);
	}
	for (size_t i = 0; i < SERVICE_BATCH_MAX_CALLS; i++) {
		pthread_join(threads[i], NULL);
	}
	batch = peer_receive(peer);
	assert_int_equal(batch->n_replies, SERVICE_BATCH_MAX_CALLS);
	peer_free(batch);
	peer_close(peer);
}

static void
an_error_arrives_whole_but_for_its_detail(void **state)
{
	struct peer *peer = service_connect(state);
	Mockvideo__Rpc__V1__ReplyBatch *batch;
	const Mockvideo__Rpc__V1__Status *status;

	peer_send(peer, &(struct peer_call){.method = "test.v1.Test/Fail"}, 1);
	batch = peer_receive(peer);
	status = batch->replies[0]->status;
	assert_int_equal(status->code, STATUS_INVALID_ARGUMENT);
	assert_string_equal(status->reason, "INVALID_FIELDS");
	assert_null(strstr(status->message, "log"));
	assert_int_equal(status->retry_after_ms, 1234);
	assert_int_equal(status->n_violations, 2);
	assert_string_equal(status->violations[1]->field, "name");
	assert_string_equal(status->violations[1]->description, "must not be empty");
	assert_int_equal(batch->replies[0]->response.len, 0);
	peer_free(batch);
	peer_close(peer);
}

static void
an_unknown_method_is_unimplemented_and_named(void **state)
{
	static const char *const names[] = {"", "test.v1.Test/Ech", "test.v1.Test/Echoo", "%s%n"};
	struct peer *peer = service_connect(state);

	for (size_t i = 0; i < 4; i++) {
		struct peer_call call = {.method = names[i]};
		char *text = peer_ask(peer, &call, STATUS_UNIMPLEMENTED, "UNKNOWN_METHOD");

		assert_non_null(strstr(text, names[i]));
		free(text);
	}
	assert_int_equal(atomic_load(&service_observed[STATUS_UNIMPLEMENTED]), 4);
	peer_close(peer);
}

static void
a_call_with_text_that_is_none_fails_alone(void **state)
{
	static const char message[] = "\x0a\x06\x0a\x04"
				      "a\0bc"
				      "\x0a\x13\x0a\x11test.v1.Test/Echo";
	struct peer *peer = service_connect(state);
	Mockvideo__Rpc__V1__ReplyBatch *batch;
	struct peer_call bad[] = {
	    {.method = "test.v1.Test/\xff"},
	    {.method = "test.v1.Test/Echo", .key = "Key", .value = ""},
	    {.method = "test.v1.Test/Echo", .key = "", .value = ""},
	    {.method = "test.v1.Test/Echo", .key = "key", .value = "\xc0\x80"},
	};

	peer_send_bytes(peer, message, sizeof(message) - 1);
	batch = peer_receive(peer);
	assert_int_equal(batch->n_replies, 2);
	assert_string_equal(batch->replies[0]->status->reason, "MALFORMED_CALL");
	assert_int_equal(batch->replies[0]->status->code, STATUS_INVALID_ARGUMENT);
	assert_null(batch->replies[1]->status);
	peer_free(batch);
	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		service_ask(peer, bad[i], STATUS_INVALID_ARGUMENT, "MALFORMED_CALL");
	}
	peer_close(peer);
}

static void
metadata_reaches_the_method(void **state)
{
	struct peer *peer = service_connect(state);
	struct peer_call call = {
	    .method = "test.v1.Test/Metadata", .key = "principal", .value = "Ann Øster"};

	service_ask(peer, call, 0, "Ann Øster");
	call.value = "";
	service_ask(peer, call, 0, "");
	call.key = "principal-2";
	service_ask(peer, call, 0, "(none)");
	call.key = NULL;
	service_ask(peer, call, 0, "(none)");
	peer_close(peer);
}

static void
more_metadata_than_the_limit_is_refused(void **state)
{
	static const char entry[] = "\x22\x06\x0a\x01k\x12\x01v";
	uint8_t call[19 + 65 * 8] = "\x0a\x11test.v1.Test/Echo";
	uint8_t message[3 + sizeof(call)] = {0x0a, (sizeof(call) & 0x7f) | 0x80, sizeof(call) >> 7};
	struct peer *peer = service_connect(state);

	for (size_t i = 0; i < 65; i++) {
		memcpy(call + 19 + i * 8, entry, 8);
	}
	memcpy(message + 3, call, sizeof(call));
	peer_send_bytes(peer, message, sizeof(message));
	peer_expect_refusal(peer_receive(peer), STATUS_INVALID_ARGUMENT, "MALFORMED_CALL");
	peer_close(peer);
}

static void
deadlines_have_a_default_and_a_maximum(void **state)
{
	struct peer *peer = service_connect(state);
	struct peer_call call = {.method = "test.v1.Test/Deadline", .timeout_ms = 250};

	service_ask(peer, call, 0, "250");
	call.timeout_ms = 0;
	service_ask(peer, call, 0, "5000");
	call.timeout_ms = UINT32_MAX;
	service_ask(peer, call, 0, "60000");
	call = (struct peer_call){.method = "test.v1.Test/Expired", .timeout_ms = 20};
	service_ask(peer, call, STATUS_DEADLINE_EXCEEDED, "EXPIRED_IN_QUEUE");
	peer_close(peer);
}

static void
bytes_that_are_no_envelope_get_one_reply(void **state)
{
	static const struct {
		const char *bytes;
		size_t len;
	} rows[] = {
	    {"\x0a", 1},        /* a tag alone */
	    {"\x0a\x05\x0a\x03" /* a call cut short */
	     "abc"
	     "\x0a\x05",
		9},
	    {"\x0b\x0c", 2},                 /* a group */
	    {"\x00\x00", 2},                 /* field 0 */
	    {"\x08\x01", 2},                 /* calls as a number */
	    {"\x0a\x02\x08\x01", 4},         /* method as a number */
	    {"\x0a\x02\x18", 3},             /* timeout without value */
	    {"\x0a\x04\x22\x02\x0a\x05", 6}, /* metadata cut short */
	    {"\x0a\xff\xff\xff\xff\xff\xff\xff\xff\xff\x01", 11},
	    {"\x0a\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\x01", 12},
	    {"\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff", 12},
	    {"GET / HTTP/1.1\r\n\r\n", 18},
	};
	struct peer *peer = service_connect(state);

	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		peer_send_bytes(peer, rows[i].bytes, rows[i].len);
		peer_expect_refusal(
		    peer_receive(peer), STATUS_INVALID_ARGUMENT, "MALFORMED_ENVELOPE");
	}
	peer_send_bytes(peer, "", 0);
	peer_expect_refusal(peer_receive(peer), STATUS_INVALID_ARGUMENT, "EMPTY_BATCH");
	peer_send_bytes(peer, "\x78\x01", 2); /* an unknown field alone */
	peer_expect_refusal(peer_receive(peer), STATUS_INVALID_ARGUMENT, "EMPTY_BATCH");
	service_ask(peer, PEER_CALL("test.v1.Test/Echo", "alive"), 0, "alive");
	peer_close(peer);
}

static void
an_envelope_cut_anywhere_executes_nothing_of_what_is_cut(void **state)
{
	static const char whole[] = "\x0a\x1a\x0a\x11test.v1.Test/Echo\x12\x05\x0a\x03"
				    "abc";
	size_t len = sizeof(whole) - 1;
	struct peer *peer = service_connect(state);

	for (size_t i = 1; i < len; i++) {
		peer_send_bytes(peer, whole, i);
		peer_expect_refusal(
		    peer_receive(peer), STATUS_INVALID_ARGUMENT, "MALFORMED_ENVELOPE");
	}
	assert_int_equal(atomic_load(&service_observed[STATUS_OK]), 0);
	peer_send_bytes(peer, whole, len);
	peer_free(peer_receive(peer));
	assert_int_equal(atomic_load(&service_observed[STATUS_OK]), 1);
	peer_close(peer);
}

static void
a_batch_of_too_many_calls_is_refused_as_a_whole(void **state)
{
	struct peer_call calls[SERVICE_BATCH_MAX_CALLS + 1];
	struct peer *peer = service_connect(state);
	uint8_t *tiny = calloc(1, SERVICE_REQUEST_MAX_BYTES);

	for (size_t i = 0; i <= SERVICE_BATCH_MAX_CALLS; i++) {
		calls[i] = (struct peer_call){.method = "test.v1.Test/Echo"};
	}
	peer_send(peer, calls, SERVICE_BATCH_MAX_CALLS + 1);
	peer_expect_refusal(peer_receive(peer), STATUS_RESOURCE_EXHAUSTED, "BATCH_TOO_LARGE");
	assert_non_null(tiny);
	for (size_t i = 0; i < SERVICE_REQUEST_MAX_BYTES; i += 2) {
		tiny[i] = 0x0a;
	}
	peer_send_bytes(peer, tiny, SERVICE_REQUEST_MAX_BYTES);
	peer_expect_refusal(peer_receive(peer), STATUS_RESOURCE_EXHAUSTED, "BATCH_TOO_LARGE");
	assert_int_equal(atomic_load(&service_observed[STATUS_OK]), 0);
	assert_int_equal(atomic_load(&service_messages), 0);
	free(tiny);
	peer_close(peer);
}

static void
a_message_that_is_too_large_is_refused_and_a_far_larger_one_not_read(void **state)
{
	uint8_t *bytes = calloc(3, SERVICE_REQUEST_MAX_BYTES);
	struct peer *peer = service_connect(state);

	assert_non_null(bytes);
	peer_send_bytes(peer, bytes, SERVICE_REQUEST_MAX_BYTES + 1);
	peer_expect_refusal(peer_receive(peer), STATUS_RESOURCE_EXHAUSTED, "MESSAGE_TOO_LARGE");
	peer_send_bytes(peer, bytes, (size_t)3 * SERVICE_REQUEST_MAX_BYTES);
	assert_true(peer_is_cut_off(peer));
	free(bytes);

	/* It has connected again by itself. */
	service_ask(peer, PEER_CALL("test.v1.Test/Echo", "alive"), 0, "alive");
	peer_close(peer);
}

/* A Rows call in message, with count empty rows; gives its length. */
static size_t
pack_rows(uint8_t *message, size_t count)
{
	uint8_t call[65000];
	size_t len = 0;

	memcpy(call, "\x0a\x11test.v1.Test/Rows\x12", 20);
	len = 20;
	call[len++] = (uint8_t)(count * 2 | 0x80);
	call[len++] = (uint8_t)(count * 2 >> 7 | 0x80);
	call[len++] = (uint8_t)(count * 2 >> 14);
	for (size_t i = 0; i < count; i++) {
		call[len++] = 0x0a;
		call[len++] = 0;
	}
	message[0] = 0x0a;
	message[1] = (uint8_t)(len | 0x80);
	message[2] = (uint8_t)(len >> 7 | 0x80);
	message[3] = (uint8_t)(len >> 14);
	memcpy(message + 4, call, len);
	return len + 4;
}

static void
a_request_that_is_no_message_or_unpacks_to_too_much_is_invalid(void **state)
{
	static const char truncated[] = "\x0a\x17\x0a\x11test.v1.Test/Echo\x12\x02\x0a\x05";
	uint8_t message[65536];
	struct peer *peer = service_connect(state);
	Mockvideo__Rpc__V1__ReplyBatch *batch;

	peer_send_bytes(peer, truncated, sizeof(truncated) - 1);
	peer_expect_refusal(peer_receive(peer), STATUS_INVALID_ARGUMENT, "MALFORMED_REQUEST");
	peer_send_bytes(peer, message, pack_rows(message, 100));
	batch = peer_receive(peer);
	assert_null(batch->replies[0]->status);
	peer_free(batch);
	peer_send_bytes(peer, message, pack_rows(message, 30000));
	peer_expect_refusal(peer_receive(peer), STATUS_INVALID_ARGUMENT, "MALFORMED_REQUEST");
	peer_close(peer);
}

static void
an_answer_for_which_there_is_no_room_becomes_an_error(void **state)
{
	struct peer_call calls[] = {
	    {.method = "test.v1.Test/Large"}, {.method = "test.v1.Test/Echo", .text = "small"}};
	struct peer *peer = service_connect(state);
	Mockvideo__Rpc__V1__ReplyBatch *batch;

	peer_send(peer, calls, 2);
	batch = peer_receive(peer);
	assert_int_equal(batch->n_replies, 2);
	assert_int_equal(batch->replies[0]->status->code, STATUS_RESOURCE_EXHAUSTED);
	assert_string_equal(batch->replies[0]->status->reason, "OUT_OF_MEMORY");
	assert_null(batch->replies[1]->status);
	/* Nor is it counted as answered. */
	assert_int_equal(atomic_load(&service_observed[STATUS_RESOURCE_EXHAUSTED]), 1);
	assert_int_equal(atomic_load(&service_observed[STATUS_OK]), 1);
	peer_free(batch);
	peer_close(peer);
}

#define CASE(name) cmocka_unit_test_setup_teardown(name, service_set_up, service_tear_down)

int
main(void)
{
	const struct CMUnitTest cases[] = {
	    CASE(a_call_is_answered_by_its_method),
	    CASE(replies_keep_the_order_of_the_calls_in_whichever_they_end),
	    CASE(calls_of_a_batch_can_be_finished_by_different_threads_at_once),
	    CASE(an_error_arrives_whole_but_for_its_detail),
	    CASE(an_unknown_method_is_unimplemented_and_named),
	    CASE(a_call_with_text_that_is_none_fails_alone),
	    CASE(metadata_reaches_the_method),
	    CASE(more_metadata_than_the_limit_is_refused),
	    CASE(deadlines_have_a_default_and_a_maximum),
	    CASE(bytes_that_are_no_envelope_get_one_reply),
	    CASE(an_envelope_cut_anywhere_executes_nothing_of_what_is_cut),
	    CASE(a_batch_of_too_many_calls_is_refused_as_a_whole),
	    CASE(a_message_that_is_too_large_is_refused_and_a_far_larger_one_not_read),
	    CASE(a_request_that_is_no_message_or_unpacks_to_too_much_is_invalid),
	    CASE(an_answer_for_which_there_is_no_room_becomes_an_error),
	};
	int failed = cmocka_run_group_tests(cases, NULL, NULL);

	rpc_fini();
	return failed;
}
