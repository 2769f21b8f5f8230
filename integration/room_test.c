/*
 * More connections than there is room for: those that are idle make room for new
 * ones, and the admin port answers whatever happens.
 */
#include <poll.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cmocka.h>

#include "integration/scrape.h"
#include "integration/stack.h"
#include "integration/wire.h"

#define OPEN_FILES    300
#define CLIENTS       500
#define FEW           8 /* connectionsMax of the second gateway */

#define ENDED(reason) "mockvideo_http_connections_ended_total{reason=\"" reason "\"}"
#define GET(path)     "GET " path " HTTP/1.1\r\nHost: x\r\n\r\n"

static struct stack stack = {.store = STACK_SQLITE};
static char admin_flag[64];
static char few_flag[32];
static struct http *admin;
static int clients[CLIENTS];

static void
close_clients(void)
{
	for (unsigned i = 0; i < CLIENTS; i++) {
		if (clients[i] >= 0) {
			close(clients[i]);
			clients[i] = -1;
		}
	}
	scrape_await(admin, "mockvideo_http_connections", 0);
}

static void
ask(int fd, const char *request, const char *status)
{
	char answer[2048];

	wire_send(fd, request, strlen(request));
	wire_await(fd, "\r\n\r\n", answer, sizeof(answer));
	if (strncmp(answer, status, strlen(status)) != 0) {
		fail_msg("not %s: %s", status, answer);
	}
}

/* True when the gateway has closed it, or does within the time. */
static bool
is_closed(int fd, int timeout_ms)
{
	struct pollfd polled = {.fd = fd, .events = POLLIN};
	char byte;

	return poll(&polled, 1, timeout_ms) == 1 && recv(fd, &byte, 1, MSG_PEEK) <= 0;
}

static void
idle_clients_take_nobodys_descriptors(void **state)
{
	(void)state;
	assert_true(process_log_has(&stack.gatewayd, 0, "connectionsMax can not be held"));
	for (unsigned i = 0; i < CLIENTS; i++) {
		clients[i] = wire_open(stack.port);
		assert_int_equal(http_send(admin, "GET /healthz", NULL, NULL)->status, 200);
	}
	assert_true(scrape_value(admin, "process_open_fds") < OPEN_FILES - 32);
	for (unsigned i = 0; i < 20; i++) {
		int fd = wire_open(stack.port);

		ask(fd, GET("/accountdhealth"), "HTTP/1.1 200");
		close(fd);
	}
	assert_true(scrape_value(admin, ENDED("room")) >= CLIENTS - OPEN_FILES);
	assert_true(scrape_value(admin, ENDED("full")) == 0);
	assert_false(process_log_has(&stack.gatewayd, 0, "no descriptor is left"));
	close_clients();
}

static void
fill_by_keep_alive(void)
{
	for (unsigned i = 0; i < FEW; i++) {
		clients[i] = wire_open(stack.port);
		ask(clients[i], GET("/healthz"), "HTTP/1.1 200");
	}
}

static void
who_is_idle_for_longest_makes_room(void **state)
{
	int fd;

	(void)state;
	fill_by_keep_alive();
	ask(clients[0], GET("/healthz"), "HTTP/1.1 200"); /* now the one at 1 has waited longest */
	fd = wire_open(stack.port);
	ask(fd, GET("/healthz"), "HTTP/1.1 200");
	assert_true(is_closed(clients[1], 30000));
	assert_false(is_closed(clients[0], 0));
	for (unsigned i = 2; i < FEW; i++) {
		assert_false(is_closed(clients[i], 0));
	}
	close(fd);
	close_clients();
}

static void
who_is_being_answered_is_left_alone_and_others_are_refused(void **state)
{
	double full = scrape_value(admin, ENDED("full"));
	int fd;

	(void)state;
	fill_by_keep_alive();
	process_signal(&stack.accountd[0], SIGSTOP);
	for (unsigned i = 0; i < FEW; i++) {
		wire_send(clients[i], GET("/users/1"), strlen(GET("/users/1")));
	}
	scrape_await(admin, "mockvideo_rpc_client_calls_in_flight{backend=\"default\"}", FEW);
	fd = wire_open(stack.port);
	wire_send(fd, GET("/healthz"), strlen(GET("/healthz")));
	assert_true(is_closed(fd, 30000));
	close(fd);
	scrape_await(admin, ENDED("full"), full + 1);
	process_signal(&stack.accountd[0], SIGCONT);
	for (unsigned i = 0; i < FEW; i++) {
		char answer[2048];

		wire_await(clients[i], "user 1 not found", answer, sizeof(answer));
	}
	fd = wire_open(stack.port);
	ask(fd, GET("/healthz"), "HTTP/1.1 200");
	close(fd);
	close_clients();
}

/* The kernel parts those that connect among the threads, evenly or not. */
static void
another_threads_idle_clients_make_room_too(void **state)
{
	(void)state;
	for (unsigned round = 0; round < 8; round++) {
		fill_by_keep_alive();
		for (unsigned i = 0; i < 4; i++) {
			int fd = wire_open(stack.port);

			ask(fd, GET("/healthz"), "HTTP/1.1 200");
			close(fd);
		}
		close_clients();
	}
	assert_true(scrape_value(admin, ENDED("full")) == 0);
}

static int
start_gatewayd(const char *threads, const char *connections)
{
	unsigned port = process_free_port();
	char url[64];

	snprintf(admin_flag, sizeof(admin_flag), "--admin-listen=127.0.0.1:%u", port);
	snprintf(few_flag, sizeof(few_flag), "--connections-max=%s", connections);
	snprintf(url, sizeof(url), "http://127.0.0.1:%u", port);
	admin = http_new(url);
	stack.gatewayd_flags[0] = admin_flag;
	stack.gatewayd_flags[1] = few_flag;
	stack.gatewayd_flags[2] = threads;
	stack.gatewayd_flags[3] = "--request-timeout-ms=600000";
	if (stack.dir[0] == '\0') {
		stack_start(&stack);
	} else {
		stack_start_gatewayd(&stack);
		stack_await(&stack, "/accountdhealth", 200);
	}
	scrape_await_ready(admin, 200, "ready\n");
	scrape_await(admin, "mockvideo_http_connections", 0);
	return 0;
}

static int
start_with_few_descriptors(void **state)
{
	static char limit[32];

	(void)state;
	snprintf(limit, sizeof(limit), "ulimit -n %d; exec \"$0\" \"$@\"", OPEN_FILES);
	stack.gatewayd_wrapper[0] = "sh";
	stack.gatewayd_wrapper[1] = "-c";
	stack.gatewayd_wrapper[2] = limit;
	return start_gatewayd("--threads=2", "10000");
}

static int
start_with_few_connections(void **state)
{
	(void)state;
	stack.gatewayd_wrapper[0] = NULL;
	return start_gatewayd("--threads=1", "8");
}

static int
start_with_threads(void **state)
{
	(void)state;
	return start_gatewayd("--threads=3", "8");
}

static int
stop_gatewayd(void **state)
{
	(void)state;
	http_free(&admin);
	process_signal(&stack.accountd[0], SIGCONT); /* in case the test has failed */
	return process_stop(&stack.gatewayd);
}

#define CASE(name, start) cmocka_unit_test_setup_teardown(name, start, stop_gatewayd)

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    CASE(idle_clients_take_nobodys_descriptors, start_with_few_descriptors),
	    CASE(who_is_idle_for_longest_makes_room, start_with_few_connections),
	    CASE(who_is_being_answered_is_left_alone_and_others_are_refused,
		start_with_few_connections),
	    CASE(another_threads_idle_clients_make_room_too, start_with_threads),
	};
	struct rlimit limit;
	int failed;

	memset(clients, -1, sizeof(clients));
	getrlimit(RLIMIT_NOFILE, &limit);
	limit.rlim_cur = limit.rlim_max;
	setrlimit(RLIMIT_NOFILE, &limit);
	if (limit.rlim_cur < CLIENTS + 100) {
		puts("1..0 # SKIP the limit of open files is too low for so many clients");
		return 0;
	}
	failed = cmocka_run_group_tests(tests, NULL, NULL);
	stack_stop(&stack);
	return failed;
}
