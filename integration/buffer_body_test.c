/*
 * Requests that clients do not finish: the memory of their bodies stays within
 * the limit however many do so, and others are answered meanwhile.
 */
#include <poll.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "common/base/clock.h"
#include "integration/frames.h"
#include "integration/scrape.h"
#include "integration/stack.h"
#include "integration/suite.h"
#include "integration/wire.h"

#define BODY           1000000 /* bodyMaxBytes is 1 MiB */
#define CONNS          12
#define BODIES         4 /* of a connection */
#define REQUESTS       8 /* MiB: requestsMaxBytes */

#define WINDOW         65535
#define PATIENCE_MS    60000
#define REFUSED_STREAM 7

#define HELD           "mockvideo_http_held_bytes{what=\"requests\"}"

static struct stack stack = {.store = STACK_SQLITE,
    .gatewayd_flags = {"--http2=on", "--requests-max-bytes=8388608",
	"--bulk-body-max-bytes=1048576", "--body-timeout-ms=600000"}};
static struct http *admin;

static const char *const post[] = {":method: POST", ":scheme: http", ":path: /users",
    ":authority: localhost", "content-type: application/json", NULL};

static void
expect_creation(unsigned number)
{
	struct http *http = http_new(stack.url);
	char body[256];

	snprintf(body, sizeof(body),
	    "{\"accountid\":1,\"name\":\"n\",\"email\":\"new%u@example.com\",\"role\":1,"
	    "\"password\":\"p\"}",
	    number);
	assert_int_equal(http_send(http, "POST /users", NULL, body)->status, 201);
	http_free(&http);
}

static void
send_unfinished_body(struct frames *frames, uint32_t stream)
{
	static const char blanks[FRAME_MAX];
	size_t left = BODY;

	frames_send_fields(frames, FRAME_END_HEADERS, stream, post);
	while (left > 0) {
		size_t some = left < FRAME_MAX ? left : FRAME_MAX;

		frames_send(frames, FRAME_DATA, 0, stream, blanks, some);
		left -= some;
		frames_await(frames, stream, 0); /* so that what comes is read */
	}
}

/* How many of the connection's requests were refused: when they began, or in their bodies. */
static unsigned
count_refused(struct frames *frames)
{
	unsigned refused = 0;

	for (uint32_t n = 0; n < BODIES; n++) {
		struct frames_answer answer = frames_await(frames, 2 * n + 3, 0);

		assert_false(answer.closed);
		if (answer.status != 0) {
			assert_int_equal(answer.status, 429);
			assert_true(answer.ended);
			assert_non_null(strstr(answer.body, "REQUESTS_FULL"));
		} else if (answer.reset) {
			assert_int_equal(answer.error, REFUSED_STREAM);
		}
		refused += answer.status != 0 || answer.reset;
	}
	return refused;
}

static void
expect_health(struct frames *frames, uint32_t stream)
{
	frames_get(frames, stream, "/healthz");
	assert_true(frames_await(frames, stream, PATIENCE_MS).ended);
}

static void
bodies_that_nobody_ends_are_bounded(void **state)
{
	struct frames *frames[CONNS];
	unsigned refused = 0;

	(void)state;
	for (unsigned i = 0; i < CONNS; i++) {
		frames[i] = frames_open(stack.port, WINDOW);
		expect_health(frames[i], 1); /* so that the settings are exchanged before */
		for (uint32_t n = 0; n < BODIES; n++) {
			send_unfinished_body(frames[i], 2 * n + 3);
		}
		/* When the second comes, all has come that was answered before. */
		expect_health(frames[i], 2 * BODIES + 3);
		expect_health(frames[i], 2 * BODIES + 5);
		refused += count_refused(frames[i]);
		assert_true(scrape_value(admin, HELD) <= REQUESTS * 1048576.0);
		expect_creation(i);
	}
	assert_in_range(refused, CONNS * BODIES - REQUESTS, CONNS * BODIES - 1);
	for (unsigned i = 0; i < CONNS; i++) {
		frames_close(&frames[i]);
	}
	scrape_await(admin, HELD, 0);
}

/* Waits until len bytes more than held are held, or there is an answer; false: an answer. */
static bool
await_held_or_answer(int fd, double held, size_t len)
{
	struct pollfd readable = {.fd = fd, .events = POLLIN};
	int64_t deadline_ns = clock_now_ns() + PATIENCE_MS * CLOCK_NS_PER_MS;

	while (clock_left_ms(deadline_ns) > 0) {
		if (poll(&readable, 1, 5) > 0) {
			return false;
		}
		if (scrape_value(admin, HELD) >= held + (double)len) {
			return true;
		}
	}
	fail_msg("neither held nor answered");
	return false;
}

/* Each connection has one. */
static void
bodies_of_connections_are_bounded_too(void **state)
{
	static const char head[] = "POST /users HTTP/1.1\r\nHost: x\r\nContent-Type: "
				   "application/json\r\nContent-Length: 1000001\r\n\r\n";
	const size_t len = sizeof(head) - 1 + BODY;
	char *bytes = malloc(len);
	int fds[CONNS * BODIES];
	unsigned refused = 0;
	unsigned held = 0;
	char answer[4096];

	(void)state;
	assert_non_null(bytes);
	memset(bytes, ' ', len);
	memcpy(bytes, head, sizeof(head) - 1);
	for (unsigned i = 0; i < CONNS * BODIES; i++) {
		fds[i] = wire_open(stack.port);
		wire_send(fds[i], bytes, len);
		held += await_held_or_answer(fds[i], (double)held * (double)len, len);
		assert_true(scrape_value(admin, HELD) <= REQUESTS * 1048576.0);
	}
	free(bytes);
	expect_creation(CONNS);
	for (unsigned i = 0; i < CONNS * BODIES; i++) {
		wire_send(fds[i], "x", 1);
		wire_await(fds[i], "\r\n\r\n", answer, sizeof(answer));
		refused += strncmp(answer, "HTTP/1.1 429 ", 13) == 0;
		close(fds[i]);
	}
	assert_int_equal(refused, CONNS * BODIES - held);
	assert_in_range(held, 1, REQUESTS);
	scrape_await(admin, HELD, 0);
}

static void
await_ready(void)
{
	scrape_await_ready(admin, 200, "ready\n");
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(bodies_that_nobody_ends_are_bounded),
	    cmocka_unit_test(bodies_of_connections_are_bounded_too),
	};

	return suite_run(&(struct suite){.name = "bodies that nobody ends",
		   .stack = &stack,
		   .gatewayd_admin = &admin,
		   .prepare = await_ready,
		   .tests = tests,
		   .test_count = sizeof(tests) / sizeof(tests[0])}) != 0;
}
