/* Any bytes, straight to accountd's port: a status or a closed connection, never a crash. */
#include <arpa/inet.h>
#include <netinet/in.h>
#include <poll.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cmocka.h>

#include "account/v1/user.pb-c.h"
#include "integration/suite.h"
#include "tests/rpc_peer.h"

#define SERVICE       "account.v1.UserService/"
#define CONNECTIONS   200
#define MUTATIONS     3000
#define MANY          100000
#define MESSAGE_BYTES ((size_t)1 << 20) /* accountd is told to take no more */
#define BURST         8

enum code {
	OK = MOCKVIDEO__RPC__V1__CODE__OK,
	INVALID = MOCKVIDEO__RPC__V1__CODE__INVALID_ARGUMENT,
	DEADLINE = MOCKVIDEO__RPC__V1__CODE__DEADLINE_EXCEEDED,
	EXHAUSTED = MOCKVIDEO__RPC__V1__CODE__RESOURCE_EXHAUSTED,
	UNIMPLEMENTED = MOCKVIDEO__RPC__V1__CODE__UNIMPLEMENTED
};

static struct stack stack;
static struct peer *peer;

/* A CallBatch that is being put together. */
struct batch {
	uint8_t *data;
	size_t len;
	size_t size;
};

/* Appends a call, which is a CallBatch by itself. */
static void
batch_add(
    struct batch *batch, const char *method, const void *request, size_t len, uint32_t timeout_ms)
{
	Mockvideo__Rpc__V1__CallBatch message = MOCKVIDEO__RPC__V1__CALL_BATCH__INIT;
	Mockvideo__Rpc__V1__Call call = MOCKVIDEO__RPC__V1__CALL__INIT;
	Mockvideo__Rpc__V1__Call *calls[] = {&call};
	size_t need;

	call.method = (char *)(uintptr_t)method;
	call.request.data = (uint8_t *)(uintptr_t)request;
	call.request.len = len;
	call.timeout_ms = timeout_ms;
	message.n_calls = 1;
	message.calls = calls;
	need = batch->len + mockvideo__rpc__v1__call_batch__get_packed_size(&message);
	if (need > batch->size) {
		batch->size = 2 * need;
		batch->data = realloc(batch->data, batch->size);
		assert_non_null(batch->data);
	}
	batch->len += mockvideo__rpc__v1__call_batch__pack(&message, batch->data + batch->len);
}

static void
batch_add_create(struct batch *batch, unsigned number, uint32_t timeout_ms)
{
	Account__V1__CreateUserRequest request = ACCOUNT__V1__CREATE_USER_REQUEST__INIT;
	Account__V1__User user = ACCOUNT__V1__USER__INIT;
	uint8_t packed[256];
	char email[64];

	snprintf(email, sizeof(email), "%u@garbage.example", number);
	user.account_id = 1;
	user.name = (char *)(uintptr_t) "n";
	user.email = email;
	user.password = (char *)(uintptr_t) "p";
	user.role_presence_case = ACCOUNT__V1__USER__ROLE_PRESENCE_ROLE;
	user.role = ACCOUNT__V1__ROLE__ROLE_ADMIN;
	request.user = &user;
	batch_add(batch, SERVICE "CreateUser", packed,
	    account__v1__create_user_request__pack(&request, packed), timeout_ms);
}

static Mockvideo__Rpc__V1__ReplyBatch *
batch_exchange(const struct batch *batch)
{
	peer_send_bytes(peer, batch->data, batch->len);
	return peer_receive(peer);
}

static void
batch_fini(struct batch *batch)
{
	free(batch->data);
	memset(batch, 0, sizeof(*batch));
}

static int
reply_code(const Mockvideo__Rpc__V1__Reply *reply)
{
	return reply->status == NULL ? OK : (int)reply->status->code;
}

/* Sends a batch of one call and expects one reply of that code and reason (NULL: any). */
static void
expect_one(const char *method, const void *request, size_t len, int code, const char *reason)
{
	Mockvideo__Rpc__V1__ReplyBatch *replies;
	struct batch batch = {0};

	batch_add(&batch, method, request, len, 5000);
	replies = batch_exchange(&batch);
	assert_int_equal(replies->n_replies, 1);
	assert_int_equal(reply_code(replies->replies[0]), code);
	if (reason != NULL) {
		assert_string_equal(replies->replies[0]->status->reason, reason);
	}
	peer_free(replies);
	batch_fini(&batch);
}

/* For others, and for the one that has sent what it should not. */
static void
expect_alive(void)
{
	struct http *http = http_new(stack.url);

	expect_one("mockvideo.rpc.v1.Health/Check", "", 0, OK, NULL);
	assert_int_equal(http_send(http, "GET /accountdhealth", NULL, NULL)->status, 200);
	http_free(&http);
	assert_true(process_running(&stack.accountd[0]));
}

/* A connection without NNG. */
static int
raw_open(void)
{
	struct sockaddr_in address = {.sin_family = AF_INET};
	int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);

	address.sin_port = htons((uint16_t)stack.accountd_ports[0]);
	address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
	assert_true(fd >= 0);
	assert_int_equal(connect(fd, (struct sockaddr *)&address, sizeof(address)), 0);
	return fd;
}

/* Sends as far as the other side takes it: it may have closed the connection. */
static void
raw_send(int fd, const void *data, size_t len)
{
	(void)!send(fd, data, len, MSG_NOSIGNAL);
}

/* The greeting of a REQ socket. */
static void
raw_greet(int fd)
{
	static const uint8_t greeting[] = {0, 'S', 'P', 0, 0, 0x30, 0, 0};
	uint8_t answer[8];

	raw_send(fd, greeting, sizeof(greeting));
	assert_int_equal(recv(fd, answer, sizeof(answer), MSG_WAITALL), sizeof(answer));
	assert_int_equal(answer[5], 0x31);
}

static void
fill(uint8_t *data, size_t len)
{
	for (size_t i = 0; i < len; i++) {
		data[i] = (uint8_t)rand();
	}
}

static void
bytes_that_are_no_greeting_are_cut_off(void **state)
{
	uint8_t data[64];

	(void)state;
	for (unsigned i = 0; i < CONNECTIONS; i++) {
		size_t len = (size_t)rand() % sizeof(data);
		int fd = raw_open();

		fill(data, sizeof(data));
		raw_send(fd, data, len);
		close(fd);
	}
	expect_alive();
}

static void
frames_of_a_length_far_too_large_are_cut_off(void **state)
{
	static const uint8_t lengths[][8] = {{0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff},
	    {0x80}, {0x7f, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff}, {0, 0, 0, 1},
	    {0, 0, 0, 0, 0, 0x20, 0, 1}}; /* the last is a byte more than twice MESSAGE_BYTES */

	(void)state;
	for (size_t i = 0; i < sizeof(lengths) / sizeof(lengths[0]); i++) {
		int fd = raw_open();
		struct pollfd polled = {.fd = fd, .events = POLLIN};
		uint8_t byte;

		raw_greet(fd);
		raw_send(fd, lengths[i], sizeof(lengths[i]));
		assert_int_equal(poll(&polled, 1, 10000), 1);
		assert_true(recv(fd, &byte, 1, 0) <= 0);
		close(fd);
	}
	expect_alive();
}

static void
frames_of_any_bytes_harm_nothing(void **state)
{
	uint8_t frame[8 + 64] = {0};

	(void)state;
	for (unsigned i = 0; i < CONNECTIONS; i++) {
		int fd = raw_open();

		raw_greet(fd);
		for (unsigned j = 0; j < 8; j++) {
			frame[7] = (uint8_t)(rand() % 64);
			fill(frame + 8, frame[7]);
			frame[8] |= (uint8_t)(rand() % 2 << 7); /* the last of the request ids */
			raw_send(fd, frame, 8u + frame[7]);
		}
		frame[7] = 64;
		raw_send(fd, frame, (size_t)rand() % 64); /* cut short */
		close(fd);
	}
	expect_alive();
}

static void
messages_of_any_bytes_get_one_status(void **state)
{
	uint8_t data[256];

	(void)state;
	for (unsigned i = 0; i < MUTATIONS; i++) {
		size_t len = (size_t)rand() % sizeof(data);

		fill(data, len);
		peer_send_bytes(peer, data, len);
		peer_free(peer_receive(peer));
	}
	expect_alive();
}

static void
calls_with_some_bytes_changed_get_a_status_each(void **state)
{
	struct batch batch = {0};
	uint8_t *data;

	(void)state;
	batch_add_create(&batch, 1, 5000);
	batch_add(&batch, SERVICE "GetUser", "\x08\x01", 2, 5000);
	batch_add(&batch, SERVICE "ListUsers", "", 0, 5000);
	data = malloc(batch.len);
	assert_non_null(data);
	for (unsigned i = 0; i < MUTATIONS; i++) {
		memcpy(data, batch.data, batch.len);
		for (int changes = 1 + rand() % 4; changes > 0; changes--) {
			data[(size_t)rand() % batch.len] = (uint8_t)rand();
		}
		peer_send_bytes(peer, data, batch.len);
		peer_free(peer_receive(peer));
	}
	free(data);
	batch_fini(&batch);
	expect_alive();
}

static void
a_message_cut_anywhere_gets_a_status(void **state)
{
	struct batch batch = {0};

	(void)state;
	batch_add_create(&batch, 2, 5000);
	for (size_t len = 0; len < batch.len; len++) {
		Mockvideo__Rpc__V1__ReplyBatch *replies;

		peer_send_bytes(peer, batch.data, len);
		replies = peer_receive(peer);
		assert_int_equal(replies->n_replies, 1);
		assert_int_equal(reply_code(replies->replies[0]), INVALID);
		peer_free(replies);
	}
	batch_fini(&batch);
	expect_alive();
}

static void
a_method_that_is_none_is_named(void **state)
{
	(void)state;
	expect_one(SERVICE "NoSuchMethod", "", 0, UNIMPLEMENTED, "UNKNOWN_METHOD");
	expect_one("", "", 0, UNIMPLEMENTED, "UNKNOWN_METHOD");
	expect_one("GetUser", "", 0, UNIMPLEMENTED, "UNKNOWN_METHOD");
	expect_one(SERVICE "GetUser ", "", 0, INVALID, "MALFORMED_CALL");
	expect_one("\xc3\xa9", "", 0, INVALID, "MALFORMED_CALL");
	expect_alive();
}

static void
a_request_of_another_type_is_refused(void **state)
{
	static const char text_for_number[] = "\x0a\x03"
					      "one";
	static const char number_for_text[] = "\x0a\x02\x20\x01";
	static const char no_utf_8[] = "\x0a\x04\x22\x02\xff\xfe";

	(void)state;
	expect_one(SERVICE "GetUser", text_for_number, 5, INVALID, NULL);
	expect_one(SERVICE "CreateUser", number_for_text, 4, INVALID, NULL);
	expect_one(SERVICE "CreateUser", no_utf_8, 6, INVALID, NULL);
	expect_one(SERVICE "GetUser", "\xff", 1, INVALID, NULL);
	expect_alive();
}

static void
a_message_too_large_is_refused(void **state)
{
	struct batch batch = {0};
	uint8_t *request = calloc(1, MESSAGE_BYTES);

	(void)state;
	assert_non_null(request);
	batch_add(&batch, SERVICE "GetUser", request, MESSAGE_BYTES, 5000);
	peer_expect_refusal(batch_exchange(&batch), EXHAUSTED, "MESSAGE_TOO_LARGE");
	batch_fini(&batch);
	free(request);
	expect_alive();
}

static void
batch_add_many(struct batch *batch)
{
	for (unsigned i = 0; i < MANY; i++) {
		batch_add(batch,
		    i % 3 == 0   ? "mockvideo.rpc.v1.Health/Check"
		    : i % 3 == 1 ? SERVICE "NoSuchMethod"
				 : SERVICE "GetUser",
		    i % 3 == 2 ? "\x08\x01" : "", i % 3 == 2 ? 2 : 0, 20000);
	}
}

static void
a_batch_of_too_many_calls_gets_one_status(void **state)
{
	struct batch batch = {0};

	(void)state;
	batch_add_many(&batch);
	batch_add(&batch, SERVICE "GetUser", "", 0, 0);
	peer_expect_refusal(batch_exchange(&batch), EXHAUSTED, "BATCH_TOO_LARGE");
	batch_fini(&batch);
	expect_alive();
}

static void
a_hundred_thousand_calls_get_a_status_each_in_their_order(void **state)
{
	Mockvideo__Rpc__V1__ReplyBatch *replies;
	struct batch batch = {0};

	(void)state;
	batch_add_many(&batch);
	replies = batch_exchange(&batch);
	assert_int_equal(replies->n_replies, MANY);
	for (unsigned i = 0; i < MANY; i++) {
		int code = reply_code(replies->replies[i]);

		switch (i % 3) {
		case 0: assert_int_equal(code, OK); break;
		case 1: assert_int_equal(code, UNIMPLEMENTED); break;
		default: /* there is no such user, or the queue was full */
			assert_true(code == MOCKVIDEO__RPC__V1__CODE__NOT_FOUND ||
				    code == EXHAUSTED || code == DEADLINE);
			break;
		}
	}
	peer_free(replies);
	batch_fini(&batch);
	expect_alive();
}

static void
prepare(void)
{
	char url[STACK_URL_MAX];

	stack_accountd_url(&stack, 0, url);
	peer = peer_open(url);
}

static void
finish(void)
{
	if (peer != NULL) {
		peer_close(peer);
		peer = NULL;
	}
}

static int
run(const char *flag, const struct CMUnitTest *tests, size_t count)
{
	stack.accountd_flags[0] = flag;
	return suite_run(&(struct suite){.stack = &stack,
	    .prepare = prepare,
	    .finish = finish,
	    .tests = tests,
	    .test_count = count});
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(bytes_that_are_no_greeting_are_cut_off),
	    cmocka_unit_test(frames_of_a_length_far_too_large_are_cut_off),
	    cmocka_unit_test(frames_of_any_bytes_harm_nothing),
	    cmocka_unit_test(messages_of_any_bytes_get_one_status),
	    cmocka_unit_test(calls_with_some_bytes_changed_get_a_status_each),
	    cmocka_unit_test(a_message_cut_anywhere_gets_a_status),
	    cmocka_unit_test(a_method_that_is_none_is_named),
	    cmocka_unit_test(a_request_of_another_type_is_refused),
	    cmocka_unit_test(a_message_too_large_is_refused),
	};
	const struct CMUnitTest many[] = {
	    cmocka_unit_test(a_batch_of_too_many_calls_gets_one_status),
	    cmocka_unit_test(a_hundred_thousand_calls_get_a_status_each_in_their_order),
	};
	unsigned seed = (unsigned)getpid();
	int failed;

	print_message("srand(%u)\n", seed);
	srand(seed);
	failed = run("--request-max-bytes=1048576", tests, sizeof(tests) / sizeof(tests[0]));
	return failed + run("--batch-max-calls=100000", many, sizeof(many) / sizeof(many[0]));
}
