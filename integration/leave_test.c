/*
 * A client on HTTP/1 that leaves while a service works for it: the call is given up.
 * One that has only closed its half of the connection gets its answer.
 */
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cmocka.h>

#include "integration/scrape.h"
#include "integration/suite.h"
#include "integration/wire.h"

#define ANSWER_MAX 8192

/* The deadline of a call is far beyond what process_await_log waits for. */
static struct stack stack = {
    .store = STACK_SQLITE,
    .gatewayd_flags = {"--request-timeout-ms=600000", "--log-level=debug"},
};

static struct http *admin;

static int
send_request(const char *request)
{
	int fd = wire_open(stack.port);

	wire_send(fd, request, strlen(request));
	return fd;
}

static void
the_call_of_a_client_that_leaves_is_given_up(void **state)
{
	long mark = process_log_mark(&stack.gatewayd);
	int fd;

	(void)state;
	process_signal(&stack.accountd[0], SIGSTOP);
	fd = send_request("GET /users/41 HTTP/1.1\r\nHost: x\r\nX-Request-Id: left\r\n\r\n");
	close(fd);
	process_await_log(&stack.gatewayd, mark, "\"status\":499");
	process_await_log(&stack.gatewayd, mark, "\"requestId\":\"left\"");
	process_signal(&stack.accountd[0], SIGCONT);
	stack_await(&stack, "/accountdhealth", 200);
}

/* As when it is killed, with an answer unread or by choice: the system says so at once. */
static void
the_call_of_a_client_whose_connection_is_reset_is_given_up(void **state)
{
	const struct linger at_once = {.l_onoff = 1, .l_linger = 0};
	long mark = process_log_mark(&stack.gatewayd);
	int fd;

	(void)state;
	process_signal(&stack.accountd[0], SIGSTOP);
	fd = send_request("GET /users/41 HTTP/1.1\r\nHost: x\r\nX-Request-Id: reset\r\n\r\n");
	scrape_await(admin, "mockvideo_http_requests_in_flight", 1);
	setsockopt(fd, SOL_SOCKET, SO_LINGER, &at_once, sizeof(at_once));
	close(fd);
	process_await_log(&stack.gatewayd, mark, "\"requestId\":\"reset\"");
	assert_true(process_log_has(&stack.gatewayd, mark, "\"status\":499"));
	process_signal(&stack.accountd[0], SIGCONT);
	stack_await(&stack, "/accountdhealth", 200);
}

static void
a_client_that_closes_its_half_is_answered(void **state)
{
	static const char *const requests[] = {
	    "GET /users/41 HTTP/1.1\r\nHost: x\r\n\r\n",
	    "GET /users/41 HTTP/1.0\r\nConnection: keep-alive\r\n\r\n",
	};
	char answer[ANSWER_MAX];

	(void)state;
	for (size_t i = 0; i < sizeof(requests) / sizeof(requests[0]); i++) {
		int fd;

		process_signal(&stack.accountd[0], SIGSTOP);
		fd = send_request(requests[i]);
		shutdown(fd, SHUT_WR);
		process_signal(&stack.accountd[0], SIGCONT);
		wire_receive_all(fd, answer, sizeof(answer));
		assert_non_null(strstr(answer, "HTTP/1.1 404 "));
		assert_non_null(strstr(answer, "user 41 not found"));
	}
}

/* An answer that takes long is announced, which tells such a client from one that has left. */
static void
a_client_that_closes_its_half_is_told_that_its_answer_takes_long(void **state)
{
	char answer[ANSWER_MAX];
	int fd;

	(void)state;
	process_signal(&stack.accountd[0], SIGSTOP);
	fd = send_request("GET /users/41 HTTP/1.1\r\nHost: x\r\n\r\n");
	shutdown(fd, SHUT_WR);
	wire_await(fd, "\r\n\r\n", answer, sizeof(answer));
	assert_string_equal(answer, "HTTP/1.1 100 Continue\r\n\r\n");
	process_signal(&stack.accountd[0], SIGCONT);
	wire_receive_all(fd, answer, sizeof(answer));
	assert_int_equal(strncmp(answer, "HTTP/1.1 404 ", 13), 0);
	assert_non_null(strstr(answer, "\r\nConnection: close\r\n"));
	assert_non_null(strstr(answer, "user 41 not found"));
}

static void
requests_before_the_half_was_closed_are_all_answered(void **state)
{
	static const char both[] = "GET /users/41 HTTP/1.1\r\nHost: x\r\n\r\n"
				   "GET /users/42 HTTP/1.1\r\nHost: x\r\n\r\n";
	char answer[ANSWER_MAX];
	int fd = send_request(both);

	(void)state;
	shutdown(fd, SHUT_WR);
	wire_receive_all(fd, answer, sizeof(answer));
	assert_non_null(strstr(answer, "user 41 not found"));
	assert_non_null(strstr(strstr(answer, "user 41 not found"), "user 42 not found"));
}

/* The second request waits in the socket, unread, and is answered after the first. */
static void
requests_that_are_sent_ahead_are_answered_in_turn(void **state)
{
	static const char both[] = "GET /users/41 HTTP/1.1\r\nHost: x\r\n\r\n"
				   "GET /users/42 HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n";
	char answer[ANSWER_MAX];
	int fd;

	(void)state;
	process_signal(&stack.accountd[0], SIGSTOP);
	fd = send_request(both);
	process_signal(&stack.accountd[0], SIGCONT);
	wire_receive_all(fd, answer, sizeof(answer));
	assert_non_null(strstr(answer, "user 41 not found"));
	assert_non_null(strstr(strstr(answer, "user 41 not found"), "user 42 not found"));
}

/* As above, with the second request sent while the first is being answered. */
static void
a_request_that_comes_while_another_is_answered_is_read_after_it(void **state)
{
	static const char first[] = "GET /users/43 HTTP/1.1\r\nHost: x\r\n\r\n";
	static const char second[] =
	    "GET /users/44 HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n";
	long mark = process_log_mark(&stack.gatewayd);
	char answer[ANSWER_MAX];
	int fd;

	(void)state;
	process_signal(&stack.accountd[0], SIGSTOP);
	fd = send_request(first);
	wire_send(fd, second, strlen(second));
	process_signal(&stack.accountd[0], SIGCONT);
	wire_receive_all(fd, answer, sizeof(answer));
	assert_non_null(strstr(answer, "user 43 not found"));
	assert_non_null(strstr(answer, "user 44 not found"));
	assert_false(process_log_has(&stack.gatewayd, mark, "\"status\":499"));
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(the_call_of_a_client_that_leaves_is_given_up),
	    cmocka_unit_test(the_call_of_a_client_whose_connection_is_reset_is_given_up),
	    cmocka_unit_test(a_client_that_closes_its_half_is_answered),
	    cmocka_unit_test(a_client_that_closes_its_half_is_told_that_its_answer_takes_long),
	    cmocka_unit_test(requests_before_the_half_was_closed_are_all_answered),
	    cmocka_unit_test(requests_that_are_sent_ahead_are_answered_in_turn),
	    cmocka_unit_test(a_request_that_comes_while_another_is_answered_is_read_after_it),
	};

	return suite_run(&(struct suite){.stack = &stack,
	    .gatewayd_admin = &admin,
	    .tests = tests,
	    .test_count = sizeof(tests) / sizeof(tests[0])});
}
