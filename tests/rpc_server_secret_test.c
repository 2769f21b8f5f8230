/*
 * No copy of a secret request stays in the memory of the server, however the
 * request ends. The client is another process.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

#include "common/rpc/net/rpc_transport.h"
#include "common/rpc/server/rpc_pool.h"
#include "common/rpc/server/rpc_server.h"
#include "mockvideo/rpc.pb-c.h"
#include "tests/rpc_side.h"
#include "tests/secret_memory.h"

#define ID          0x80000000
#define METHOD      "test.v1.Test/Secret"
#define BODY_MAX    2000000
#define REQUEST_MAX 1100000

/* What the client sends. */
enum ask {
	ASK_ECHO,      /* the answer does not hold the secret */
	ASK_FAIL,      /* the method fails it */
	ASK_EXPIRED,   /* the interceptor does */
	ASK_REFUSED,   /* an interceptor of the user's does, after it has unpacked the request */
	ASK_MALFORMED, /* a good call, then bytes that are none */
	ASK_TOO_MANY,  /* more calls than a message may hold */
	ASK_TOO_LARGE,
	ASK_UNKNOWN, /* no method of that name */
	ASK_HALF,    /* the connection ends in the middle of the request */
	ASK_LEAVE,   /* ... and with the request in a queue */
	ASK_COUNT,
	ASK_STAY = ASK_COUNT /* as ASK_LEAVE, but the connection stays open */
};

/* To the client: one struct for each request, and a byte back when it is done. */
struct order {
	enum ask ask;
	char url[64];
	size_t padding;
	uint8_t secret[SECRET_BYTES]; /* masked */
};

static int orders[2];
static int answers[2];
static struct rpc_pool *pool;
static pthread_mutex_t gate = PTHREAD_MUTEX_INITIALIZER;

static uint8_t *
put_number(uint8_t *at, size_t number)
{
	while (number >= 0x80) {
		*at++ = (uint8_t)(number | 0x80);
		number >>= 7;
	}
	*at++ = (uint8_t)number;
	return at;
}

static size_t
number_size(size_t number)
{
	uint8_t bytes[10];

	return (size_t)(put_number(bytes, number) - bytes);
}

/* A call whose request is a HealthCheckRequest of the secret and padding. */
static uint8_t *
put_call(uint8_t *at, const char *method, const struct order *order, uint32_t timeout_ms)
{
	size_t text = SECRET_BYTES + order->padding;
	size_t request = 1 + number_size(text) + text;
	size_t call =
	    2 + strlen(method) + 1 + number_size(request) + request + 1 + number_size(timeout_ms);

	*at++ = 0x0a;
	at = put_number(at, call);
	*at++ = 0x0a;
	*at++ = (uint8_t)strlen(method);
	at = (uint8_t *)mempcpy(at, method, strlen(method));
	*at++ = 0x12;
	at = put_number(at, request);
	*at++ = 0x0a;
	at = put_number(at, text);
	for (size_t i = 0; i < SECRET_BYTES; i++) {
		*at++ = order->secret[i] ^ 0x5a;
	}
	memset(at, 'p', order->padding);
	at += order->padding;
	*at++ = 0x18;
	return put_number(at, timeout_ms);
}

static size_t
put_body(uint8_t *body, const struct order *order)
{
	static const char *const methods[ASK_COUNT + 1] = {[ASK_FAIL] = "test.v1.Test/Fail",
	    [ASK_REFUSED] = "test.v1.Test/Refused",
	    [ASK_LEAVE] = "test.v1.Test/Queue",
	    [ASK_STAY] = "test.v1.Test/Queue",
	    [ASK_UNKNOWN] = "test.v1.Test/None"};
	const char *method = methods[order->ask] == NULL ? METHOD : methods[order->ask];
	struct order large = *order;
	uint8_t *at = body;

	large.padding += order->ask == ASK_TOO_LARGE ? REQUEST_MAX : 0;
	for (unsigned i = 0; i < (order->ask == ASK_TOO_MANY ? 5u : 1u); i++) {
		at = put_call(at, method, &large, order->ask == ASK_EXPIRED ? 1 : 0);
	}
	if (order->ask == ASK_MALFORMED) {
		at = (uint8_t *)mempcpy(at, "\x0a\x7f", 2);
	}
	return (size_t)(at - body);
}

/* The client: a process of its own, so that its copies are not searched. */
static int
serve_orders(void)
{
	uint8_t *body = malloc(BODY_MAX);
	struct order order;

	while (read(orders[0], &order, sizeof(order)) == (ssize_t)sizeof(order)) {
		size_t len = put_body(body, &order);
		uint8_t head[12] = {0, 0, 0, 0, 0, (uint8_t)((len + 4) >> 16),
		    (uint8_t)((len + 4) >> 8), (uint8_t)(len + 4), 0x80, 0, 0, 1};
		int fd = bare_connect(order.url);

		bare_greet(fd, RPC_ROLE_REQ);
		bare_send(fd, head, sizeof(head));
		bare_send(fd, body, order.ask == ASK_HALF ? len - 3 : len);
		if (order.ask != ASK_HALF && order.ask != ASK_LEAVE && order.ask != ASK_STAY) {
			bare_skip(fd);
		}
		if (write(answers[1], "", 1) != 1) {
			return 1;
		}
		if (order.ask == ASK_HALF || order.ask == ASK_LEAVE) {
			close(fd); /* the others stay open, as those of clients do */
		}
	}
	free(body);
	return 0;
}

static void
answer(struct rpc_call *call)
{
	Mockvideo__Rpc__V1__GetFileDescriptorSetResponse response =
	    MOCKVIDEO__RPC__V1__GET_FILE_DESCRIPTOR_SET_RESPONSE__INIT;

	rpc_call_finish(call, &response.base);
}

static void
start_echo(struct rpc_call *call, void *closure)
{
	(void)closure;
	if (rpc_call_request(call) != NULL) {
		answer(call);
	}
}

static void
start_fail(struct rpc_call *call, void *closure)
{
	struct error error;

	(void)closure;
	if (rpc_call_request(call) != NULL) {
		error_set(&error, STATUS_INTERNAL, "FAILED", "it failed");
		rpc_call_fail(call, &error);
	}
}

static void
start_queue(struct rpc_call *call, void *closure)
{
	(void)closure;
	rpc_pool_submit(pool, 0, call);
}

static void
run(void *worker, struct rpc_call **calls, size_t count)
{
	(void)worker;
	pthread_mutex_lock(&gate);
	pthread_mutex_unlock(&gate);
	for (size_t i = 0; i < count; i++) {
		start_echo(calls[i], NULL);
	}
}

static enum rpc_before
refuse(struct rpc_call *call, void *closure)
{
	if (strcmp(rpc_call_method(call)->name, "test.v1.Test/Refused") != 0) {
		return RPC_BEFORE_PASS;
	}
	start_fail(call, closure);
	return RPC_BEFORE_FAILED;
}

static struct rpc_server *
open_server(void)
{
#define ROW(name_, start_)                                                                         \
	{                                                                                          \
		.name = "test.v1.Test/" name_,                                                     \
		.input = &mockvideo__rpc__v1__health_check_request__descriptor,                    \
		.output = &mockvideo__rpc__v1__get_file_descriptor_set_response__descriptor,       \
		.start = start_, .secret = true                                                    \
	}
	static const struct rpc_method methods[] = {ROW("Secret", start_echo),
	    ROW("Fail", start_fail), ROW("Refused", start_fail), ROW("Queue", start_queue)};
	static const struct rpc_interceptor interceptors[] = {{"refuse", refuse, NULL, NULL}};
	const struct rpc_server_options options = {
	    .listen = "tcp://127.0.0.1:0",
	    .methods = methods,
	    .method_count = sizeof(methods) / sizeof(methods[0]),
	    .request_max_bytes = REQUEST_MAX,
	    .batch_max_calls = 4,
	    .messages_max = 16,
	    .default_timeout_ms = 30000,
	    .timeout_max_ms = 30000,
	    .interceptors = interceptors,
	    .interceptor_count = 1,
	};
	struct rpc_server *server;
	struct error error;

	assert_int_equal(rpc_server_open(&server, &options, &error), STATUS_OK);
	return server;
}

static void
order(const struct rpc_server *server, enum ask ask, size_t padding)
{
	struct order order = {.ask = ask, .padding = padding};
	char byte;

	secret_choose();
	strncpy(order.url, rpc_server_url(server), sizeof(order.url) - 1);
	secret_write(order.secret);
	for (size_t i = 0; i < SECRET_BYTES; i++) {
		order.secret[i] ^= 0x5a;
	}
	assert_int_equal(write(orders[1], &order, sizeof(order)), sizeof(order));
	assert_int_equal(read(answers[0], &byte, 1), 1);
}

static void
a_secret_is_overwritten_however_its_request_ends(void **state)
{
	static const size_t paddings[] = {0, 1000, 10000, 1000000};
	static const struct rpc_kind kind = {"all", 8, 8, 0, run};
	const struct rpc_pool_options pool_options = {
	    .name = "worker", .threads = 1, .kinds = &kind, .kind_count = 1};
	struct rpc_server *server;
	struct error error;

	(void)state;
	assert_int_equal(rpc_pool_start(&pool, &pool_options, &error), STATUS_OK);
	server = open_server();
	for (size_t i = 0; i < sizeof(paddings) / sizeof(paddings[0]); i++) {
		for (enum ask ask = 0; ask < ASK_COUNT; ask++) {
			size_t padding = ask == ASK_TOO_MANY ? paddings[i] / 5 : paddings[i];

			if (ask == ASK_LEAVE) {
				pthread_mutex_lock(&gate);
			}
			order(server, ask, ask == ASK_TOO_LARGE ? 0 : padding);
			if (ask == ASK_LEAVE) {
				pthread_mutex_unlock(&gate);
			}
			print_message("padding %zu, way %d\n", padding, (int)ask);
			secret_await_none();
		}
	}
	rpc_server_close(&server);
	rpc_pool_stop(&pool);
}

/* While it is held, a request is found: the search works. */
static void
a_secret_is_found_while_its_request_waits(void **state)
{
	static const struct rpc_kind kind = {"all", 8, 8, 0, run};
	const struct rpc_pool_options pool_options = {
	    .name = "worker", .threads = 1, .kinds = &kind, .kind_count = 1};
	struct rpc_server *server;
	struct error error;

	(void)state;
	assert_int_equal(rpc_pool_start(&pool, &pool_options, &error), STATUS_OK);
	server = open_server();
	pthread_mutex_lock(&gate);
	order(server, ASK_STAY, 0);
	while (rpc_server_in_flight(server) == 0) {
		usleep(1000);
	}
	assert_int_equal(secret_copies(), 1);
	pthread_mutex_unlock(&gate);
	secret_await_none();
	rpc_server_close(&server);
	rpc_pool_stop(&pool);
}

int
main(void)
{
	const struct CMUnitTest cases[] = {
	    cmocka_unit_test(a_secret_is_found_while_its_request_waits),
	    cmocka_unit_test(a_secret_is_overwritten_however_its_request_ends),
	};
	int failed;
	pid_t client;

	if (pipe(orders) != 0 || pipe(answers) != 0) {
		return 1;
	}
	client = fork(); /* before NNG is used, which has threads */
	if (client == 0) {
		close(orders[1]);
		_exit(serve_orders());
	}
	close(orders[0]);
	failed = cmocka_run_group_tests(cases, NULL, NULL);
	close(orders[1]);
	waitpid(client, NULL, 0);
	rpc_fini();
	return failed;
}
