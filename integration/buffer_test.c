/*
 * Answers that clients do not read: their memory stays within the limits however
 * many do so, others are answered meanwhile, and it is given back.
 */
#include <arpa/inet.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#include <cmocka.h>

#include "common/base/buf.h"
#include "common/base/clock.h"
#include "integration/frames.h"
#include "integration/scrape.h"
#include "integration/stack.h"
#include "integration/wire.h"

#define USERS   20000 /* a list of 4 MB, in pages of 200 KB */
#define BULK    5000

#define CONNS   60
#define STREAMS 100

/* Connections with one request each, which hold a page of 256 KiB. */
#define SLOW_CONNS  200
#define SLOW_BUFFER 4096

#define MIB         1024 /* KiB */
#define ANSWERS     32   /* MiB: answersMaxBytes */

/*
 * What a stream takes that waits; what is in memory for a moment beside what
 * waits, as messages in which some answers come; what may be left afterwards.
 */
#define STREAM_KIB    10
#define OTHER_KIB     (32 * MIB)
#define LEFT_KIB      (24 * MIB)

#define HONEST        3
#define WINDOW        65535
#define PATIENCE_MS   60000

#define HELD(what)    "mockvideo_http_held_bytes{what=\"" what "\"}"
#define ENDED(reason) "mockvideo_http_connections_ended_total{reason=\"" reason "\"}"

/* The sanitizers keep for a while what was freed. */
#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
#define MEMORY_IS_MEASURED false
#else
#define MEMORY_IS_MEASURED true
#endif

static struct stack stack = {.store = STACK_SQLITE};
static char admin_flag[64];
static struct http *admin;
static struct frames *attackers[CONNS];
static size_t user_len;
static size_t list_len;

/* A client of HTTP/2 that reads what it asks for. */
static void
expect_answer(const char *path, size_t len)
{
	struct frames *frames = frames_open(stack.port, WINDOW);
	struct frames_answer answer;

	frames_get(frames, 1, path);
	frames_let(frames, 1, 64 * 1048576);
	answer = frames_await(frames, 1, PATIENCE_MS);
	assert_true(answer.ended);
	assert_int_equal(answer.status, 200);
	assert_int_equal(answer.len, len);
	frames_close(&frames);
}

/* And one of HTTP/1. */
static void
expect_answer_of(struct http *http, const char *line, size_t len)
{
	const struct http_answer *answer = http_send(http, line, NULL, NULL);

	assert_int_equal(answer->curl_code, 0);
	assert_int_equal(answer->status, 200);
	assert_int_equal(answer->len, len);
}

static void
expect_service(void)
{
	struct http *http = http_new(stack.url);

	for (unsigned i = 0; i < HONEST; i++) {
		expect_answer("/users/1", user_len);
		expect_answer_of(http, "GET /users/1", user_len);
		expect_answer("/users", list_len);
		expect_answer_of(http, "GET /users", list_len);
	}
	http_free(&http);
}

static void
expect_peak_below(long before_kib, long most_kib)
{
	long peak_kib = process_peak_kib(&stack.gatewayd);

	print_message("%ld KiB before, at most %ld KiB\n", before_kib, peak_kib);
	if (MEMORY_IS_MEASURED) {
		assert_true(peak_kib - before_kib < most_kib);
	}
}

static void
await_memory_back(long before_kib)
{
	int64_t deadline_ns = clock_now_ns() + PATIENCE_MS * CLOCK_NS_PER_MS;

	scrape_await(admin, HELD("answers"), 0);
	scrape_await(admin, HELD("requests"), 0);
	while (MEMORY_IS_MEASURED && process_memory_kib(&stack.gatewayd) > before_kib + LEFT_KIB) {
		if (clock_now_ns() > deadline_ns) {
			fail_msg("%ld KiB before, %ld KiB afterwards", before_kib,
			    process_memory_kib(&stack.gatewayd));
		}
		nanosleep(&(struct timespec){.tv_nsec = 50 * CLOCK_NS_PER_MS}, NULL);
	}
	print_message("%ld KiB afterwards\n", process_memory_kib(&stack.gatewayd));
}

static void
attack_with_streams(const char *path)
{
	for (unsigned i = 0; i < CONNS; i++) {
		attackers[i] = frames_open(stack.port, 0);
		for (uint32_t n = 0; n < STREAMS; n++) {
			frames_get(attackers[i], 2 * n + 1, path);
		}
	}
}

static void
let_attackers_leave(void)
{
	for (unsigned i = 0; i < CONNS; i++) {
		frames_close(&attackers[i]);
	}
}

/* Much is held, but no more than may be. */
static void
expect_answers_held(void)
{
	int64_t deadline_ns = clock_now_ns() + PATIENCE_MS * CLOCK_NS_PER_MS;
	double held;

	do {
		held = scrape_value(admin, HELD("answers"));
		assert_true(clock_now_ns() < deadline_ns);
	} while (held < ANSWERS * 1048576.0 / 2);
	assert_true(held <= ANSWERS * 1048576.0);
}

/* Attackers may be cut meanwhile. */
static void
streams_that_nobody_reads_are_bounded(const char *path)
{
	long before_kib;

	expect_service();
	before_kib = process_memory_kib(&stack.gatewayd);
	attack_with_streams(path);
	expect_answers_held();
	expect_service();
	expect_answers_held();
	expect_peak_below(before_kib, ANSWERS * MIB + CONNS * STREAMS * STREAM_KIB + OTHER_KIB);
	let_attackers_leave();
	await_memory_back(before_kib);
	expect_service();
}

static void
lists_that_nobody_reads_are_bounded(void **state)
{
	(void)state;
	streams_that_nobody_reads_are_bounded("/users");
}

static void
pages_that_nobody_reads_are_bounded(void **state)
{
	(void)state;
	streams_that_nobody_reads_are_bounded("/users?page_size=1000");
}

/*
 * Those that hold an answer, and those that wait for a turn that does not come;
 * or their connections are cut.
 */
static void
all_streams_that_nobody_reads_are_reset(void **state)
{
	long before_kib = process_memory_kib(&stack.gatewayd);

	(void)state;
	attack_with_streams("/users");
	for (unsigned i = 0; i < CONNS; i++) {
		for (uint32_t n = 0; n < STREAMS; n++) {
			struct frames_answer answer =
			    frames_await(attackers[i], 2 * n + 1, PATIENCE_MS);

			assert_true(answer.reset || answer.closed);
		}
	}
	let_attackers_leave();
	await_memory_back(before_kib);
}

/* Streams take turns, and each list is whole. */
static void
many_lists_of_one_connection_are_sent_in_turns(void **state)
{
	struct frames *frames = frames_open(stack.port, 0x7fffffff);
	struct frames_answer answer;

	(void)state;
	for (uint32_t n = 0; n < STREAMS / 4; n++) {
		frames_get(frames, 2 * n + 1, "/users");
	}
	for (unsigned given = 0; given < STREAMS / 4 * 5; given++) {
		frames_await(frames, 1, 10);
		frames_let(frames, 0, 1048576);
	}
	for (uint32_t n = 0; n < STREAMS / 4; n++) {
		answer = frames_await(frames, 2 * n + 1, PATIENCE_MS);
		assert_true(answer.ended);
		assert_int_equal(answer.status, 200);
		assert_int_equal(answer.len, list_len);
	}
	frames_close(&frames);
}

static int
open_slow(void)
{
	static const char request[] = "GET /users HTTP/1.1\r\nHost: x\r\n\r\n";
	const int buffer = SLOW_BUFFER;
	struct sockaddr_in address = {.sin_family = AF_INET,
	    .sin_port = htons((uint16_t)stack.port),
	    .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
	int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);

	assert_true(fd >= 0);
	assert_int_equal(setsockopt(fd, SOL_SOCKET, SO_RCVBUF, &buffer, sizeof(buffer)), 0);
	assert_int_equal(connect(fd, (struct sockaddr *)&address, sizeof(address)), 0);
	wire_send(fd, request, strlen(request));
	return fd;
}

static void
connections_that_nobody_reads_make_room_for_others(void **state)
{
	double before = scrape_value(admin, ENDED("unread"));
	long before_kib = process_memory_kib(&stack.gatewayd);
	int fds[SLOW_CONNS];

	(void)state;
	for (unsigned i = 0; i < SLOW_CONNS; i++) {
		fds[i] = open_slow();
	}
	expect_service();
	assert_true(scrape_value(admin, HELD("answers")) <= ANSWERS * 1048576.0);
	assert_true(scrape_value(admin, ENDED("unread")) > before);
	assert_true(process_log_has(&stack.gatewayd, 0, "reads its answers slowly"));
	expect_peak_below(before_kib, ANSWERS * MIB + SLOW_CONNS * STREAM_KIB + OTHER_KIB);
	for (unsigned i = 0; i < SLOW_CONNS; i++) {
		close(fds[i]);
	}
	await_memory_back(before_kib);
}

static void
fill(void)
{
	struct http *http = http_new(stack.url);

	for (unsigned first = 0; first < USERS; first += BULK) {
		struct buf body = {0};

		for (unsigned i = first; i < first + BULK; i++) {
			buf_printf(&body,
			    "%s{\"accountid\":1,\"name\":\"%080u\",\"email\":\"%040u@example.com\","
			    "\"role\":1,\"password\":\"p\"}",
			    i == first ? "{\"Users\":[" : ",", i, i);
		}
		buf_puts(&body, "]}");
		assert_int_equal(
		    http_send_bytes(http, "POST /users", "Bulk-Request: true", body.data, body.len)
			->status,
		    201);
		buf_fini(&body);
	}
	user_len = http_send(http, "GET /users/1", NULL, NULL)->len;
	list_len = http_send(http, "GET /users", NULL, NULL)->len;
	assert_true(list_len > USERS * user_len);
	http_free(&http);
}

static int
start_gatewayd(const char *const *flags)
{
	unsigned port = process_free_port();
	bool first = stack.dir[0] == '\0';
	unsigned count = 0;
	char url[64];

	snprintf(admin_flag, sizeof(admin_flag), "--admin-listen=127.0.0.1:%u", port);
	snprintf(url, sizeof(url), "http://127.0.0.1:%u", port);
	admin = http_new(url);
	memset(stack.gatewayd_flags, 0, sizeof(stack.gatewayd_flags));
	stack.gatewayd_flags[count++] = admin_flag;
	stack.gatewayd_flags[count++] = "--http2=on";
	while (*flags != NULL) {
		stack.gatewayd_flags[count++] = *flags++;
	}
	if (first) {
		stack_start(&stack);
		fill();
	} else {
		stack_start_gatewayd(&stack);
		stack_await(&stack, "/accountdhealth", 200);
	}
	scrape_await_ready(admin, 200, "ready\n");
	return 0;
}

static int
start_patient(void **state)
{
	static const char *const flags[] = {"--answers-max-bytes=33554432",
	    "--answers-per-connection-max-bytes=1048576", "--send-timeout-ms=600000",
	    "--request-timeout-ms=60000", NULL};

	(void)state;
	return start_gatewayd(flags);
}

static int
start_impatient(void **state)
{
	static const char *const flags[] = {"--answers-max-bytes=33554432",
	    "--answers-per-connection-max-bytes=1048576", "--send-timeout-ms=1000", NULL};

	(void)state;
	return start_gatewayd(flags);
}

static int
stop_gatewayd(void **state)
{
	(void)state;
	http_free(&admin);
	return process_stop(&stack.gatewayd);
}

#define CASE(name, start) cmocka_unit_test_setup_teardown(name, start, stop_gatewayd)

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    CASE(lists_that_nobody_reads_are_bounded, start_patient),
	    CASE(pages_that_nobody_reads_are_bounded, start_patient),
	    CASE(all_streams_that_nobody_reads_are_reset, start_impatient),
	    CASE(many_lists_of_one_connection_are_sent_in_turns, start_patient),
	    CASE(connections_that_nobody_reads_make_room_for_others, start_patient),
	};
	int failed = cmocka_run_group_tests(tests, NULL, NULL);

	stack_stop(&stack);
	return failed;
}
