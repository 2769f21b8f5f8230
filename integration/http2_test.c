/*
 * HTTP/2 by the letter of RFC 9113: what it calls malformed is refused, by 400 or
 * by an error of the stream, and does nothing to others of the connection.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "integration/frames.h"
#include "integration/scrape.h"
#include "integration/stack.h"
#include "integration/suite.h"

#define PATIENCE_MS    30000
#define WINDOW         65535
#define PROTOCOL_ERROR 1
#define NO_ERROR       0
#define REFUSED_STREAM 7

#define GET            ":method: GET", ":scheme: http", ":path: /users/1"
#define LOCALHOST      ":authority: localhost"
#define POST                                                                                       \
	":method: POST", ":scheme: http", ":path: /users", LOCALHOST,                              \
	    "content-type: application/json"

static struct stack stack = {.store = STACK_SQLITE,
    .gatewayd_flags = {"--http2=on", "--http2-streams-max=10", "--body-max-bytes=1000"}};
static struct http *admin;

/* A request without a body. */
struct malformed {
	const char *fields[12];
};

static const struct malformed malformed[] = {
    {{GET, LOCALHOST, "keep-alive: timeout=5", NULL}},
    {{GET, LOCALHOST, "proxy-connection: keep-alive", NULL}},
    {{GET, LOCALHOST, "connection: close", NULL}},
    {{GET, LOCALHOST, "transfer-encoding: chunked", NULL}},
    {{GET, LOCALHOST, "upgrade: h2c", NULL}},
    {{GET, LOCALHOST, "te: gzip", NULL}},
    {{GET, LOCALHOST, "X-Upper: case", NULL}},
    {{GET, LOCALHOST, "x y: a blank in the name", NULL}},
    {{GET, LOCALHOST, "x-blank:  leads", NULL}},
    {{GET, LOCALHOST, "x-blank: trails ", NULL}},
    {{GET, LOCALHOST, "x-line: a\r\nb: c", NULL}},
    {{GET, LOCALHOST, "x-line: a\nb", NULL}},
    {{GET, LOCALHOST, "content-length: 5", NULL}},
    {{GET, LOCALHOST, "content-length: 0", "content-length: 5", NULL}},
    {{GET, LOCALHOST, "content-length: -1", NULL}},
    {{GET, ":authority: user@localhost", NULL}},
    {{GET, ":authority: user:word@localhost", NULL}},
    {{GET, ":authority: local host", NULL}},
    {{GET, ":authority: localhost/x", NULL}},
    {{GET, ":authority: localhost", ":authority: localhost", NULL}},
    {{GET, LOCALHOST, "host: elsewhere", NULL}},
    {{GET, LOCALHOST, "host: localhost:81", NULL}},
    {{GET, LOCALHOST, "host: localhost", "host: localhost", NULL}},
    {{GET, "host: localhost", "host: elsewhere", NULL}},
    {{GET, "host: user@localhost", NULL}},
    {{GET, NULL}},
    {{GET, LOCALHOST, ":path: /users/2", NULL}},
    {{GET, LOCALHOST, ":unknown: pseudo-header", NULL}},
    {{GET, LOCALHOST, ":status: 200", NULL}},
    {{GET, "x-first: regular", LOCALHOST, NULL}},
    {{":scheme: http", ":path: /users/1", LOCALHOST, NULL}},
    {{":method: GET", ":path: /users/1", LOCALHOST, NULL}},
    {{":method: GET", ":scheme: http", LOCALHOST, NULL}},
    {{":method: GET", ":scheme: ftp", ":path: /users/1", LOCALHOST, NULL}},
    {{":method: GET", ":scheme: http", ":path: ", LOCALHOST, NULL}},
    {{":method: GET", ":scheme: http", ":path: users/1", LOCALHOST, NULL}},
    {{":method: GET", ":scheme: http", ":path: *", LOCALHOST, NULL}},
    {{":method: GET", ":scheme: http", ":path: /users /1", LOCALHOST, NULL}},
    {{":method: GET", ":scheme: http", ":path: http://localhost/users/1", LOCALHOST, NULL}},
    {{":method: G T", ":scheme: http", ":path: /users/1", LOCALHOST, NULL}},
    {{":method: CONNECT", ":scheme: http", ":path: /users/1", LOCALHOST, NULL}},
};

/* These are not. */
static const struct malformed sound[] = {
    {{GET, LOCALHOST, NULL}},
    {{GET, LOCALHOST, "te: trailers", NULL}},
    {{GET, LOCALHOST, "host: LocalHost", NULL}},
    {{GET, ":authority: localhost:80", "host: localhost", NULL}},
    {{GET, ":authority: [::1]:5000", "host: [::1]:5000", NULL}},
    {{GET, "host: localhost", NULL}},
    {{GET, LOCALHOST, "content-length: 0", NULL}},
    {{":method: GET", ":scheme: https", ":path: /users/1", LOCALHOST, NULL}},
};

static void
fail_case(const struct malformed *request, const struct frames_answer *answer)
{
	for (size_t i = 0; request->fields[i] != NULL; i++) {
		print_message("  %s\n", request->fields[i]);
	}
	fail_msg("status %d, reset %d, closed %d, error %u, %s", answer->status, answer->reset,
	    answer->closed, answer->error, answer->body);
}

static void
expect_served(struct frames *frames, uint32_t stream)
{
	struct frames_answer answer;

	frames_get(frames, stream, "/healthz");
	answer = frames_await(frames, stream, PATIENCE_MS);
	assert_int_equal(answer.status, 200);
	assert_true(answer.ended);
}

static void
expect_refusal(const struct malformed *request, const struct frames_answer *answer)
{
	bool refused = answer->status == 400 && answer->ended &&
		       strstr(answer->body, "MALFORMED_REQUEST") != NULL;
	bool reset = answer->status == 0 && answer->reset && answer->error == PROTOCOL_ERROR;

	if (answer->closed || (!refused && !reset)) {
		fail_case(request, answer);
	}
}

static void
malformed_requests_are_refused_one_by_one(void **state)
{
	(void)state;
	for (size_t i = 0; i < sizeof(malformed) / sizeof(malformed[0]); i++) {
		struct frames *frames = frames_open(stack.port, WINDOW);
		struct frames_answer answer;

		frames_send_fields(
		    frames, FRAME_END_STREAM | FRAME_END_HEADERS, 1, malformed[i].fields);
		answer = frames_await(frames, 1, PATIENCE_MS);
		expect_refusal(&malformed[i], &answer);
		expect_served(frames, 3);
		frames_close(&frames);
	}
}

static void
sound_requests_are_served(void **state)
{
	(void)state;
	for (size_t i = 0; i < sizeof(sound) / sizeof(sound[0]); i++) {
		struct frames *frames = frames_open(stack.port, WINDOW);
		struct frames_answer answer;

		frames_send_fields(
		    frames, FRAME_END_STREAM | FRAME_END_HEADERS, 1, sound[i].fields);
		answer = frames_await(frames, 1, PATIENCE_MS);
		if (!answer.ended || answer.status != 404) {
			fail_case(&sound[i], &answer);
		}
		frames_close(&frames);
	}
}

/* What was refused without an answer is counted and logged as if it had got one. */
static void
refusals_are_counted(void **state)
{
	static const struct malformed request = {{GET, LOCALHOST, "keep-alive: timeout=5", NULL}};
	static const char series[] = "mockvideo_http_request_duration_seconds_count{route=\"none\","
				     "method=\"GET\",code=\"400\"}";
	double before = scrape_value(admin, series);
	struct frames *frames = frames_open(stack.port, WINDOW);

	(void)state;
	frames_send_fields(frames, FRAME_END_STREAM | FRAME_END_HEADERS, 1, request.fields);
	assert_true(frames_await(frames, 1, PATIENCE_MS).reset);
	scrape_await(admin, series, before + 1);
	frames_close(&frames);
}

static void
a_body_of_another_length_than_said_is_refused(void **state)
{
	static const char *const fields[] = {POST, "content-length: 5", NULL};
	static const char *const parts[] = {"{}", "{    }"};

	(void)state;
	for (size_t i = 0; i < 2; i++) {
		struct frames *frames = frames_open(stack.port, WINDOW);
		struct frames_answer answer;

		frames_send_fields(frames, FRAME_END_HEADERS, 1, fields);
		frames_send(frames, FRAME_DATA, FRAME_END_STREAM, 1, parts[i], strlen(parts[i]));
		answer = frames_await(frames, 1, PATIENCE_MS);
		assert_true(answer.reset);
		assert_int_equal(answer.error, PROTOCOL_ERROR);
		assert_int_equal(answer.status, 0);
		expect_served(frames, 3);
		frames_close(&frames);
	}
}

static void
trailers_change_nothing(void **state)
{
	static const char *const fields[] = {POST, NULL};
	static const char *const trailers[] = {"bulk-request: true", "x-request-id: trailer", NULL};
	static const char *const pseudo[] = {":path: /users/1", NULL};
	struct frames *frames = frames_open(stack.port, WINDOW);
	struct frames_answer answer;

	(void)state;
	frames_send_fields(frames, FRAME_END_HEADERS, 1, fields);
	frames_send(frames, FRAME_DATA, 0, 1, "{}", 2);
	frames_send_fields(frames, FRAME_END_STREAM | FRAME_END_HEADERS, 1, trailers);
	answer = frames_await(frames, 1, PATIENCE_MS);
	assert_int_equal(answer.status, 400);
	assert_non_null(strstr(answer.body, "accountid"));
	assert_null(strstr(answer.body, "\"requestId\":\"trailer\""));

	frames_send_fields(frames, FRAME_END_HEADERS, 3, fields);
	frames_send(frames, FRAME_DATA, 0, 3, "{}", 2);
	frames_send_fields(frames, FRAME_END_STREAM | FRAME_END_HEADERS, 3, pseudo);
	answer = frames_await(frames, 3, PATIENCE_MS);
	assert_true(answer.reset);
	assert_int_equal(answer.error, PROTOCOL_ERROR);
	frames_close(&frames);
}

static void
a_body_past_the_limit_is_413_and_read_no_further(void **state)
{
	static const char *const announced[] = {POST, "content-length: 1001", NULL};
	static const char *const unknown[] = {POST, NULL};
	struct frames *frames = frames_open(stack.port, WINDOW);
	struct frames_answer answer;
	char part[600];

	(void)state;
	frames_send_fields(frames, FRAME_END_HEADERS, 1, announced);
	answer = frames_await(frames, 1, PATIENCE_MS);
	assert_int_equal(answer.status, 413);
	assert_non_null(strstr(answer.body, "BODY_TOO_LARGE"));

	memset(part, ' ', sizeof(part));
	frames_send_fields(frames, FRAME_END_HEADERS, 3, unknown);
	frames_send(frames, FRAME_DATA, 0, 3, part, sizeof(part));
	frames_send(frames, FRAME_DATA, 0, 3, part, sizeof(part));
	answer = frames_await(frames, 3, PATIENCE_MS);
	assert_int_equal(answer.status, 413);
	assert_true(answer.ended);
	expect_served(frames, 5);
	answer = frames_await(frames, 3, PATIENCE_MS);
	assert_true(answer.reset);
	assert_int_equal(answer.error, NO_ERROR);
	frames_close(&frames);
}

static void
who_expects_100_is_told_to_go_on(void **state)
{
	static const char *const fields[] = {POST, "expect: 100-continue", NULL};
	static const char *const announced[] = {
	    POST, "expect: 100-continue", "content-length: 1001", NULL};
	struct frames *frames = frames_open(stack.port, WINDOW);

	(void)state;
	frames_send_fields(frames, FRAME_END_HEADERS, 1, fields);
	while (frames_await(frames, 1, 10).status == 0) {
	}
	assert_int_equal(frames_await(frames, 1, 10).status, 100);
	frames_send(frames, FRAME_DATA, FRAME_END_STREAM, 1, "{}", 2);
	assert_int_equal(frames_await(frames, 1, PATIENCE_MS).status, 400);
	frames_send_fields(frames, FRAME_END_HEADERS, 3, announced);
	assert_int_equal(frames_await(frames, 3, PATIENCE_MS).status, 413);
	frames_close(&frames);
}

/*
 * As many as were announced are worked at. Who begins more before it can know is
 * refused that one, and can try again; who knows better ends its connection.
 */
static void
more_streams_than_were_announced_are_refused(void **state)
{
	static const char *const fields[] = {POST, NULL};

	(void)state;
	for (unsigned knows = 0; knows <= 1; knows++) {
		struct frames *frames = frames_open(stack.port, WINDOW);
		struct frames_answer answer;

		if (knows > 0) {
			expect_served(frames, 1);
			expect_served(frames, 3);
		}
		for (uint32_t i = 0; i < 10; i++) {
			frames_send_fields(frames, FRAME_END_HEADERS, 5 + 2 * i, fields);
		}
		frames_get(frames, 25, "/healthz");
		answer = frames_await(frames, 25, PATIENCE_MS);
		if (knows > 0) {
			assert_true(answer.closed);
			assert_int_equal(answer.error, PROTOCOL_ERROR);
		} else {
			assert_true(answer.reset);
			assert_int_equal(answer.error, REFUSED_STREAM);
			frames_send(frames, FRAME_DATA, FRAME_END_STREAM, 5, "{}", 2);
			assert_int_equal(frames_await(frames, 5, PATIENCE_MS).status, 400);
			expect_served(frames, 27);
		}
		frames_close(&frames);
	}
}

/* CVE-2023-44487 */
static void
who_resets_streams_to_make_work_is_cut(void **state)
{
	static const char series[] = "mockvideo_http_connections_ended_total{reason=\"resets\"}";
	double before = scrape_value(admin, series);
	struct frames *frames = frames_open(stack.port, WINDOW);
	uint8_t cancel[4] = {0, 0, 0, 8};

	(void)state;
	for (uint32_t i = 0; i < 200; i++) {
		frames_get(frames, 1 + 2 * i, "/users");
		frames_send(frames, FRAME_RST_STREAM, 0, 1 + 2 * i, cancel, sizeof(cancel));
	}
	assert_true(frames_await_end(frames, PATIENCE_MS));
	scrape_await(admin, series, before + 1);
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
	    cmocka_unit_test(malformed_requests_are_refused_one_by_one),
	    cmocka_unit_test(sound_requests_are_served),
	    cmocka_unit_test(refusals_are_counted),
	    cmocka_unit_test(a_body_of_another_length_than_said_is_refused),
	    cmocka_unit_test(trailers_change_nothing),
	    cmocka_unit_test(a_body_past_the_limit_is_413_and_read_no_further),
	    cmocka_unit_test(who_expects_100_is_told_to_go_on),
	    cmocka_unit_test(more_streams_than_were_announced_are_refused),
	    cmocka_unit_test(who_resets_streams_to_make_work_is_cut),
	};

	return suite_run(&(struct suite){.name = "HTTP/2",
		   .stack = &stack,
		   .gatewayd_admin = &admin,
		   .prepare = await_ready,
		   .tests = tests,
		   .test_count = sizeof(tests) / sizeof(tests[0])}) != 0;
}
