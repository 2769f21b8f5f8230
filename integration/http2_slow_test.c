/*
 * Clients of HTTP/2 that are slow in any way that they can be, with the shortest
 * timeouts there are: each is ended, whatever else it sends meanwhile.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "integration/frames.h"
#include "integration/scrape.h"
#include "integration/stack.h"
#include "integration/suite.h"

#define PATIENCE_MS   30000
#define PAUSE_MS      100 /* between two signs of life */
#define SIGNS         (PATIENCE_MS / PAUSE_MS)
#define WINDOW        65535
#define CANCEL        8

#define ENDED(reason) "mockvideo_http_connections_ended_total{reason=\"" reason "\"}"

static const char *const post[] = {":method: POST", ":scheme: http", ":path: /users",
    ":authority: localhost", "content-type: application/json", NULL};

static struct stack stack = {.store = STACK_SQLITE,
    .gatewayd_flags = {"--http2=on", "--header-timeout-ms=1000", "--body-timeout-ms=2000",
	"--send-timeout-ms=1000", "--idle-timeout-ms=2000"}};
static struct http *admin;

static void
an_unfinished_head_is_given_up(void **state)
{
	double before = scrape_value(admin, ENDED("head"));
	struct frames *frames = frames_open(stack.port, WINDOW);
	unsigned signs = 0;

	(void)state;
	frames_get(frames, 1, "/healthz"); /* so that the settings are exchanged before */
	assert_int_equal(frames_await(frames, 1, PATIENCE_MS).status, 200);
	frames_send_fields(frames, 0, 3, post);
	while (!frames_await_end(frames, 4 * PAUSE_MS) && signs < SIGNS / 4) {
		frames_send(frames, FRAME_CONTINUATION, 0, 3, NULL, 0);
		signs++;
	}
	assert_true(frames_await_end(frames, 0));
	scrape_await(admin, ENDED("head"), before + 1);
	frames_close(&frames);
}

static void
an_unfinished_body_is_408_and_others_of_the_connection_go_on(void **state)
{
	struct frames *frames = frames_open(stack.port, WINDOW);
	struct frames_answer answer;
	uint32_t signs = 0;

	(void)state;
	frames_send_fields(frames, FRAME_END_HEADERS, 1, post);
	do {
		frames_send(frames, FRAME_DATA, 0, 1, " ", 1);
		frames_get(frames, 3 + 2 * signs, "/healthz");
		assert_int_equal(frames_await(frames, 3 + 2 * signs, PATIENCE_MS).status, 200);
		answer = frames_await(frames, 1, PAUSE_MS);
	} while (!answer.ended && !answer.closed && ++signs < SIGNS);
	assert_int_equal(answer.status, 408);
	assert_non_null(strstr(answer.body, "BODY_TOO_SLOW"));
	frames_close(&frames);
}

static void
pings_do_not_keep_a_connection(void **state)
{
	static const char data[8] = "pingping";
	double before = scrape_value(admin, ENDED("idle"));
	struct frames *frames = frames_open(stack.port, WINDOW);
	unsigned signs = 0;

	(void)state;
	while (!frames_await_end(frames, PAUSE_MS) && signs < SIGNS) {
		frames_send(frames, FRAME_PING, 0, 0, data, sizeof(data));
		signs++;
	}
	assert_true(frames_await_end(frames, 0));
	scrape_await(admin, ENDED("idle"), before + 1);
	frames_close(&frames);
}

/* An answer waits for a window that stays closed; others of the connection are taken. */
static void
an_answer_that_is_not_taken_is_reset(void **state)
{
	struct frames *frames = frames_open(stack.port, 0);
	struct frames_answer answer;
	uint32_t signs = 0;

	(void)state;
	frames_get(frames, 1, "/users/1");
	do {
		frames_get(frames, 3 + 2 * signs, "/healthz");
		frames_let(frames, 3 + 2 * signs, 100);
		assert_true(frames_await(frames, 3 + 2 * signs, PATIENCE_MS).ended);
		answer = frames_await(frames, 1, PAUSE_MS);
	} while (!answer.ended && !answer.reset && !answer.closed && ++signs < SIGNS);
	assert_int_equal(answer.status, 404);
	assert_true(answer.reset);
	assert_int_equal(answer.error, CANCEL);
	assert_int_equal(answer.len, 0);
	frames_close(&frames);
}

static void
an_answer_that_is_taken_slowly_is_sent_whole(void **state)
{
	struct frames *frames = frames_open(stack.port, 0);
	struct frames_answer answer;
	unsigned taken = 0;

	(void)state;
	frames_get(frames, 1, "/users/1");
	do {
		frames_let(frames, 1, 10);
		answer = frames_await(frames, 1, 2 * PAUSE_MS);
		taken++;
	} while (!answer.ended && !answer.reset && !answer.closed);
	assert_int_equal(answer.status, 404);
	assert_true(answer.ended);
	assert_true(taken > 15); /* longer than the timeout */
	frames_close(&frames);
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
	    cmocka_unit_test(an_unfinished_head_is_given_up),
	    cmocka_unit_test(an_unfinished_body_is_408_and_others_of_the_connection_go_on),
	    cmocka_unit_test(pings_do_not_keep_a_connection),
	    cmocka_unit_test(an_answer_that_is_not_taken_is_reset),
	    cmocka_unit_test(an_answer_that_is_taken_slowly_is_sent_whole),
	};

	return suite_run(&(struct suite){.name = "slow HTTP/2",
		   .stack = &stack,
		   .gatewayd_admin = &admin,
		   .prepare = await_ready,
		   .tests = tests,
		   .test_count = sizeof(tests) / sizeof(tests[0])}) != 0;
}
