/*
 * What clients of accountd may hold: connections, half a handshake, half a
 * request, replies that they do not read. Others are answered meanwhile, the
 * log and the metrics say why connections were ended, and memory stays bounded.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cmocka.h>

#include "common/base/buf.h"
#include "common/base/clock.h"
#include "integration/scrape.h"
#include "integration/stack.h"
#include "tests/rpc_peer.h"
#include "tests/rpc_side.h"

#define MANY         10000
#define PART_BYTES   32768
#define LIMIT_KIB    (32 * 1024) /* of what is held in part */
#define EACH_KIB     16 /* what a connection takes besides: NNG's part, ours, a small block */
#define LISTS        256
#define UNSENT       "mockvideo_rpc_server_held_bytes{what=\"unsent\"}"
#define UNSENT_BYTES (96 * 1024 * 1024)
#define ENDED(cause) "mockvideo_rpc_server_connections_ended_total{reason=\"" cause "\"}"

/* The sanitizers keep for a while what was freed. */
#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
#define MEMORY_IS_MEASURED false
#else
#define MEMORY_IS_MEASURED true
#endif

static struct stack stack = {.store = STACK_SQLITE};
static char admin_flag[64];
static struct http *admin;
static char url[STACK_URL_MAX];
static long mark;

/* Starts with these flags besides, in a shell that limits open files; 0: not. */
static void
start(const char *const *flags, unsigned files)
{
	unsigned port = process_free_port();
	static char limit[32];
	static char base[64];

	stack = (struct stack){.store = STACK_SQLITE};
	snprintf(admin_flag, sizeof(admin_flag), "--admin-listen=127.0.0.1:%u", port);
	stack.accountd_flags[0] = admin_flag;
	for (size_t i = 0; flags[i] != NULL; i++) {
		stack.accountd_flags[i + 1] = flags[i];
	}
	if (files > 0) {
		snprintf(limit, sizeof(limit), "--nofile=%u:%u", files, files);
		stack.accountd_wrapper[0] = "prlimit";
		stack.accountd_wrapper[1] = limit;
		stack.accountd_wrapper[2] = "--";
	}
	stack_start(&stack);
	snprintf(base, sizeof(base), "http://127.0.0.1:%u", port);
	admin = http_new(base);
	stack_accountd_url(&stack, 0, url);
	mark = process_log_mark(&stack.accountd[0]);
}

static int
stop(void **state)
{
	(void)state;
	http_free(&admin);
	stack_stop(&stack);
	return 0;
}

static int
open_greeted(void)
{
	int fd = bare_connect(url);

	bare_greet(fd, RPC_ROLE_REQ);
	return fd;
}

/* Another client is answered as if nothing were. */
static void
expect_service(void)
{
	struct peer *peer = peer_open(url);
	struct peer_call health = PEER_CALL("mockvideo.rpc.v1.Health/Check", "");
	Mockvideo__Rpc__V1__ReplyBatch *batch;

	peer_send(peer, &health, 1);
	batch = peer_receive(peer);
	assert_int_equal(batch->n_replies, 1);
	assert_null(batch->replies[0]->status);
	peer_free(batch);
	peer_close(peer);
}

static void
await_ended(const char *series, const char *reason, double count)
{
	char line[128];

	scrape_await(admin, series, count);
	snprintf(line, sizeof(line), "\"reason\":\"%s\"", reason);
	process_await_log(&stack.accountd[0], mark, line);
}

static int
start_impatient(void **state)
{
	static const char *const flags[] = {"--handshake-timeout-ms=500",
	    "--receive-timeout-ms=700", "--send-timeout-ms=900", "--hash-mem-kib=8",
	    "--hash-passes=1", NULL};

	(void)state;
	start(flags, 0);
	return 0;
}

static void
who_stops_in_the_middle_is_disconnected(void **state)
{
	int mute = bare_connect(url);
	int half = open_greeted();

	(void)state;
	bare_send(mute, "\0S", 2);
	bare_send(half, "\0\0\0\0\0\x10\0\0\x80\0\0\1half", 16);
	await_ended(ENDED("handshake_timeout"), "handshake_timeout", 1);
	await_ended(ENDED("receive_timeout"), "receive_timeout", 1);
	bare_expect(mute, "\0SP\0\0\x31\0\0", 8);
	bare_expect_end(mute);
	bare_expect_end(half);
	assert_true(process_log_has(&stack.accountd[0], mark, "\"peer\":\"tcp://127.0.0.1:"));
	expect_service();
}

static void
what_is_no_request_is_closed_and_counted(void **state)
{
	int fd = open_greeted();

	(void)state;
	bare_send(fd, "\0\0\0\0\0\0\0\x04\0\0\0\1", 12);
	bare_expect_end(fd);
	await_ended(ENDED("no_id"), "no_id", 1);
	fd = bare_connect(url);
	bare_send(fd, "GET / HTTP/1.1\r\n\r\n", 18);
	await_ended(ENDED("greeting"), "greeting", 1);
	close(fd);
	expect_service();
}

/* A list of all users, in a message of its own; the id is the highest bit and number. */
static void
send_list(int fd, uint8_t number)
{
	static const char method[] = "account.v1.UserService/ListUsers";
	uint8_t bytes[8 + 4 + 4 + sizeof(method)] = {
	    0, 0, 0, 0, 0, 0, 0, 4 + 4 + 32, 0x80, 0, 0, number, 0x0a, 2 + 32, 0x0a, 32};

	assert_int_equal(strlen(method), 32);
	memcpy(bytes + 16, method, 32);
	(void)send(fd, bytes, 16 + 32, MSG_NOSIGNAL);
}

/* As many users as a page has, of half a kilobyte. */
static void
fill(void)
{
	struct http *http = http_new(stack.url);
	struct buf body = {0};

	for (unsigned i = 0; i < 1000; i++) {
		buf_printf(&body,
		    "%s{\"accountid\":1,\"name\":\"%0200u\",\"email\":\"%0150u@example.com\","
		    "\"role\":1,\"password\":\"p\"}",
		    i == 0 ? "{\"Users\":[" : ",", i, i);
	}
	buf_puts(&body, "]}");
	assert_int_equal(
	    http_send_bytes(http, "POST /users", "Bulk-Request: true", body.data, body.len)->status,
	    201);
	buf_fini(&body);
	http_free(&http);
}

/* All lists are sent at once by one who reads nothing; others ask for lists and get them. */
static void
who_never_reads_holds_nobody_up(void **state)
{
	int fd = open_greeted();
	int honest = open_greeted();
	double most = 0;

	(void)state;
	fill();
	for (unsigned i = 0; i < LISTS; i++) {
		send_list(fd, (uint8_t)i);
	}
	for (unsigned i = 0; i < 50; i++) {
		double held = scrape_value(admin, UNSENT);

		most = held > most ? held : most;
		send_list(honest, (uint8_t)i);
		bare_skip(honest);
		expect_service();
	}
	assert_in_range((unsigned)most, 0, UNSENT_BYTES);
	await_ended(ENDED("send_timeout"), "send_timeout", 1);
	scrape_await(admin, UNSENT, 0);
	send_list(honest, 1);
	bare_skip(honest);
	close(honest);
	close(fd);
}

static int
start_with_few_files(void **state)
{
	static const char *const flags[] = {NULL};

	(void)state;
	start(flags, 250);
	return 0;
}

/* Until that many connections are there or were refused. */
static void
await_connections(unsigned count)
{
	int64_t end_ns = clock_now_ns() + 30000 * CLOCK_NS_PER_MS;

	while ((unsigned)scrape_value(admin, "mockvideo_rpc_server_connections") +
		   (unsigned)scrape_value(admin, ENDED("connections")) <
	       count) {
		assert_true(clock_now_ns() < end_ns);
	}
}

static void
connections_leave_descriptors_for_health(void **state)
{
	char begin[2048];
	int fds[300];
	int fd = open_greeted();

	(void)state;
	for (size_t i = 0; i < 300; i++) {
		fds[i] = bare_connect(url);
		(void)send(fds[i], "\0SP\0\0\x30\0\0", 8, MSG_NOSIGNAL);
	}
	await_connections(301);
	process_await_log(&stack.accountd[0], mark, "\"reason\":\"connections\"");
	scrape_await_ready(admin, 200, "ready\n");
	assert_true(scrape_value(admin, ENDED("connections")) > 100);
	assert_int_equal((int)scrape_value(admin, ENDED("descriptors")), 0);
	send_list(fd, 1); /* one that was there before is answered */
	bare_skip(fd);
	snprintf(begin, sizeof(begin), "connectionsMax can not be held");
	assert_true(process_log_has(&stack.accountd[0], 0, begin));
	for (size_t i = 0; i < 300; i++) {
		close(fds[i]);
	}
	close(fd);
}

static int
start_with_little_memory(void **state)
{
	static const char *const flags[] = {"--incomplete-max-bytes=33554432",
	    "--request-max-bytes=16777216", "--connections-max=12000", NULL};

	(void)state;
	start(flags, 0);
	return 0;
}

static void
ten_thousand_halves_stay_within_the_limit(void **state)
{
	static uint8_t part[8 + PART_BYTES] = {0, 0, 0, 0, 0, 0x80, 0, 0, 0x80, 0, 0, 1};
	long before = process_peak_kib(&stack.accountd[0]);
	struct rlimit files;
	int *fds;
	long after;

	(void)state;
	getrlimit(RLIMIT_NOFILE, &files);
	files.rlim_cur = files.rlim_max;
	setrlimit(RLIMIT_NOFILE, &files);
	if (files.rlim_cur < MANY + 500) {
		print_message(
		    "the limit of open files, %lu, is too low\n", (unsigned long)files.rlim_cur);
		skip();
	}
	fds = calloc(MANY, sizeof(*fds));
	for (size_t i = 0; i < MANY; i++) {
		fds[i] = open_greeted();
		(void)send(fds[i], part, sizeof(part), MSG_NOSIGNAL);
	}
	assert_true(scrape_value(admin, ENDED("partial_memory")) > 0);
	assert_in_range(
	    (int)scrape_value(admin, "mockvideo_rpc_server_held_bytes{what=\"incomplete\"}"), 1,
	    LIMIT_KIB * 1024);
	expect_service();
	after = process_peak_kib(&stack.accountd[0]);
	print_message("%ld KiB before, %ld KiB with %d half requests\n", before, after, MANY);
	if (MEMORY_IS_MEASURED) {
		assert_true(after - before < LIMIT_KIB + (long)EACH_KIB * MANY);
	}
	for (size_t i = 0; i < MANY; i++) {
		close(fds[i]);
	}
	free(fds);
}

static void
limits_that_contradict_each_other_are_refused(void **state)
{
	const char *const argv[] = {process_program("accountd"), "--check-config",
	    "--store=sqlite:/tmp/x.db", "--incomplete-max-bytes=67108864", NULL};
	char out[4096];

	(void)state;
	assert_int_not_equal(process_run(argv, out, sizeof(out)), 0);
	assert_non_null(strstr(out, "incompleteMaxBytes must be at least requestMaxBytes"));
}

int
main(void)
{
	const struct CMUnitTest cases[] = {
	    cmocka_unit_test_setup_teardown(
		who_stops_in_the_middle_is_disconnected, start_impatient, stop),
	    cmocka_unit_test_setup_teardown(
		what_is_no_request_is_closed_and_counted, start_impatient, stop),
	    cmocka_unit_test_setup_teardown(who_never_reads_holds_nobody_up, start_impatient, stop),
	    cmocka_unit_test_setup_teardown(
		connections_leave_descriptors_for_health, start_with_few_files, stop),
	    cmocka_unit_test_setup_teardown(
		ten_thousand_halves_stay_within_the_limit, start_with_little_memory, stop),
	    cmocka_unit_test(limits_that_contradict_each_other_are_refused),
	};

	return cmocka_run_group_tests(cases, NULL, NULL);
}
