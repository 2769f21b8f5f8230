#include <dirent.h>
#include <netinet/in.h>
#include <sched.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <unistd.h>

#include <cmocka.h>

#include "common/base/address.h"
#include "common/telemetry/admin.h"
#include "common/telemetry/log.h"
#include "common/telemetry/metric.h"

#define ANSWER_MAX 65536

static const struct metric_row rows[] = {
    {"test_answers_total", METRIC_COUNTER, "Answers.", {NULL}, METRIC_NUMBER, NULL}};

static struct metrics *metrics;
static struct admin *admin;
static _Atomic(const char *) trouble; /* why it is not ready */
static _Atomic(const char *) lesser;  /* what fails although it is */
static char answer[ANSWER_MAX];

static const char *
unready(void *closure)
{
	(void)closure;
	return atomic_load(&trouble);
}

static const char *
impaired(void *closure)
{
	(void)closure;
	return atomic_load(&lesser);
}

static enum status_code
start(struct admin **started, const char *listen, struct error *error)
{
	const struct admin_options options = {
	    .listen = listen, .metrics = metrics, .unready = unready, .impaired = impaired};

	return admin_start(started, &options, error);
}

static int
setup(void **state)
{
	struct metric_set *set;
	struct error error;

	(void)state;
	metrics = metrics_new();
	set = metrics_add(metrics, rows, 1);
	metric_add(metric_series(set, 0, NULL), 42);
	atomic_store(&trouble, NULL);
	atomic_store(&lesser, NULL);
	return start(&admin, "127.0.0.1:0", &error) == STATUS_OK ? 0 : -1;
}

static int
teardown(void **state)
{
	(void)state;
	admin_stop(&admin);
	metrics_free(&metrics);
	return admin == NULL ? 0 : -1;
}

/* A connection to the admin port, which gives up on an answer after 20 s. */
static int
dial(void)
{
	const struct timeval patience = {.tv_sec = 20};
	struct address address;
	struct error error;
	int fd;

	assert_int_equal(
	    address_read(&address, "admin", admin_address(admin), 0, &error), STATUS_OK);
	fd = socket(address.storage.ss_family, SOCK_STREAM | SOCK_CLOEXEC, 0);
	assert_true(fd >= 0);
	assert_int_equal(connect(fd, (struct sockaddr *)&address.storage, address.len), 0);
	setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof(patience));
	return fd;
}

/* Sends bytes and nothing more, and reads until the other side closes. */
static const char *
send_bytes(const void *bytes, size_t len)
{
	int fd = dial();
	size_t got = 0;
	ssize_t n;

	(void)send(fd, bytes, len, MSG_NOSIGNAL);
	shutdown(fd, SHUT_WR);
	while (got < sizeof(answer) - 1 &&
	       (n = recv(fd, answer + got, sizeof(answer) - 1 - got, 0)) > 0) {
		got += (size_t)n;
	}
	answer[got] = '\0';
	close(fd);
	return answer;
}

/* Sends "GET /path" as a request. */
static const char *
ask(const char *line)
{
	char request[256];
	int len = snprintf(
	    request, sizeof(request), "%s HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n", line);

	return send_bytes(request, (size_t)len);
}

static void
assert_status(int status)
{
	char begin[32];

	snprintf(begin, sizeof(begin), "HTTP/1.1 %d ", status);
	if (strncmp(answer, begin, strlen(begin)) != 0) {
		fail_msg("no %d but: %s", status, answer);
	}
}

static void
assert_body(const char *body)
{
	const char *end = strstr(answer, "\r\n\r\n");

	assert_non_null(end);
	assert_string_equal(end + 4, body);
}

static void
metrics_are_text_of_version_0_0_4(void **state)
{
	(void)state;
	ask("GET /metrics");
	assert_status(200);
	assert_non_null(
	    strstr(answer, "Content-Type: text/plain; version=0.0.4; charset=utf-8\r\n"));
	assert_body("# HELP test_answers_total Answers.\n# TYPE test_answers_total counter\n"
		    "test_answers_total 42\n");
}

static void
a_process_that_lives_is_healthy(void **state)
{
	(void)state;
	atomic_store(&trouble, "draining");
	ask("GET /healthz");
	assert_status(200);
	assert_body("ok\n");
}

static void
readiness_says_why_not(void **state)
{
	(void)state;
	ask("GET /readyz");
	assert_status(200);
	assert_body("ready\n");
	atomic_store(&lesser, "one wheel is flat");
	ask("GET /readyz");
	assert_status(200);
	assert_body("ready, but one wheel is flat\n");
	atomic_store(&trouble, "the store does not answer");
	ask("GET /readyz");
	assert_status(503);
	assert_body("the store does not answer\n");
}

static void
head_is_get_without_the_body(void **state)
{
	(void)state;
	ask("HEAD /healthz");
	assert_status(200);
	assert_non_null(strstr(answer, "Content-Length: 3\r\n"));
	assert_body("");
	atomic_store(&trouble, "draining");
	ask("HEAD /readyz");
	assert_status(503);
	assert_body("");
}

static void
other_paths_and_verbs_are_refused(void **state)
{
	(void)state;
	ask("GET /");
	assert_status(404);
	ask("GET /metrics/more");
	assert_status(404);
	ask("GET /healthz?verbose=1");
	assert_status(200);
	ask("DELETE /metrics");
	assert_status(405);
	assert_non_null(strstr(answer, "Allow: GET, HEAD\r\n"));
	send_bytes("POST /readyz HTTP/1.1\r\nHost: x\r\nContent-Length: 3\r\n\r\nabc", 57);
	assert_status(405);
}

static void
a_connection_serves_many_requests(void **state)
{
	static const char request[] = "GET /healthz HTTP/1.1\r\nHost: x\r\n\r\n";
	int fd = dial();

	(void)state;
	for (int i = 0; i < 3; i++) {
		ssize_t got;

		assert_int_equal(send(fd, request, sizeof(request) - 1, 0), sizeof(request) - 1);
		for (got = 0; got < 3 || memcmp(answer + got - 3, "ok\n", 3) != 0;) {
			ssize_t n = recv(fd, answer + got, sizeof(answer) - (size_t)got, 0);

			assert_true(n > 0);
			got += n;
		}
	}
	close(fd);
}

static void
a_taken_port_is_named_with_its_key(void **state)
{
	struct admin *second;
	struct error error;

	(void)state;
	assert_int_equal(start(&second, admin_address(admin), &error), STATUS_UNAVAILABLE);
	assert_null(second);
	assert_non_null(strstr(error.message, admin_address(admin)));
	assert_non_null(strstr(error.message, "adminListen"));
	assert_non_null(strstr(error.message, "in use"));
}

static void
what_is_no_address_is_refused_by_its_key(void **state)
{
	struct admin *second;
	struct error error;

	(void)state;
	assert_false(admin_check_listen("7002", &error));
	assert_non_null(strstr(error.message, "adminListen"));
	assert_int_equal(start(&second, "nonsense", &error), STATUS_INVALID_ARGUMENT);
	assert_true(admin_check_listen("127.0.0.1:7002", &error));
	assert_true(admin_check_listen("[::1]:7002", &error));
	assert_true(admin_check_listen("off", &error));
}

static void
it_can_be_off(void **state)
{
	struct admin *second = admin;
	struct error error;

	(void)state;
	assert_int_equal(start(&second, "off", &error), STATUS_OK);
	assert_null(second);
	admin_stop(&second);
}

static size_t
open_files(void)
{
	DIR *dir = opendir("/proc/self/fd");
	size_t count = 0;

	assert_non_null(dir);
	while (readdir(dir) != NULL) {
		count++;
	}
	closedir(dir);
	return count;
}

static const char *const garbage[] = {"", "\r\n", "\r\n\r\n", "\n", "GET", "GET ",
    "GET /%41 HTTP/1.1\r\nHost: x\r\n\r\n", "GET /%4 HTTP/1.1\r\nHost: x\r\n\r\n",
    "GET /%00%zz% HTTP/1.1\r\nHost: x\r\n\r\n", "GET  HTTP/1.1\r\n\r\n",
    "GET /metrics HTTP/9.9\r\n\r\n", "GET /metrics\r\n\r\n", "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n",
    "\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03",
    "POST /metrics HTTP/1.1\r\nHost: x\r\nContent-Length: -1\r\n\r\n",
    "POST /metrics HTTP/1.1\r\nHost: x\r\nContent-Length: 99999999999999999999\r\n\r\n",
    "POST /metrics HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n",
    "GET /metrics HTTP/1.1\r\nHost\r\n: x\r\n  folded\r\n\r\n",
    "GET http:// HTTP/1.1\r\nHost: x\r\n\r\n", "\xff\xfe\xfd"};

static void
garbage_harms_nothing(void **state)
{
	static char large[200000];
	size_t files;
	uint32_t seed = 1;

	(void)state;
	files = open_files();
	for (size_t i = 0; i < sizeof(garbage) / sizeof(garbage[0]); i++) {
		send_bytes(garbage[i], strlen(garbage[i]));
	}
	send_bytes("GET /\0healthz HTTP/1.1\r\n\r\n", 26);
	memset(large, 'a', sizeof(large));
	send_bytes(large, sizeof(large));
	memcpy(large, "GET /", 5);
	send_bytes(large, sizeof(large));
	memcpy(large, "GET / HTTP/1.1\r\nA:", 18);
	send_bytes(large, sizeof(large));
	for (int i = 0; i < 200; i++) {
		for (size_t j = 0; j < 300; j++) {
			seed = seed * 1664525 + 1013904223;
			large[j] = (char)(seed >> 24);
		}
		send_bytes(large, 300);
	}
	ask("GET /healthz");
	assert_status(200);
	while (open_files() > files) {
		sched_yield(); /* the server closes a moment after its client */
	}
}

/* More than are let in, none of which says a word. */
static void
silent_connections_keep_nobody_from_stopping(void **state)
{
	int fds[100];

	(void)state;
	for (size_t i = 0; i < sizeof(fds) / sizeof(fds[0]); i++) {
		fds[i] = dial();
		(void)send(fds[i], "GET /met", i % 9, MSG_NOSIGNAL);
	}
	admin_stop(&admin);
	assert_null(admin);
	for (size_t i = 0; i < sizeof(fds) / sizeof(fds[0]); i++) {
		close(fds[i]);
	}
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    TEST(metrics_are_text_of_version_0_0_4),
	    TEST(a_process_that_lives_is_healthy),
	    TEST(readiness_says_why_not),
	    TEST(head_is_get_without_the_body),
	    TEST(other_paths_and_verbs_are_refused),
	    TEST(a_connection_serves_many_requests),
	    TEST(a_taken_port_is_named_with_its_key),
	    TEST(what_is_no_address_is_refused_by_its_key),
	    TEST(it_can_be_off),
	    TEST(garbage_harms_nothing),
	    TEST(silent_connections_keep_nobody_from_stopping),
	};

	log_open("admintest", LOG_WARN);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
