/* A client on HTTP/1 that leaves while a service works for it: the call is given up at once. */
#include <arpa/inet.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cmocka.h>

#include "integration/stack.h"

#define ANSWER_MAX 8192

/* The deadline of a call is far beyond what process_await_log waits for. */
static struct stack stack = {
    .store = STACK_SQLITE,
    .gatewayd_flags = {"--request-timeout-ms=600000", "--log-level=debug"},
};

static int
send_request(const char *request)
{
	struct sockaddr_in address = {.sin_family = AF_INET,
	    .sin_port = htons((uint16_t)stack.port),
	    .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
	int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);

	assert_true(fd >= 0);
	assert_int_equal(connect(fd, (struct sockaddr *)&address, sizeof(address)), 0);
	assert_int_equal(
	    send(fd, request, strlen(request), MSG_NOSIGNAL), (ssize_t)strlen(request));
	return fd;
}

/* All that comes until the connection is closed, as text; closes it here too. */
static void
receive_all(int fd, char answer[ANSWER_MAX])
{
	size_t len = 0;
	ssize_t got;

	while ((got = recv(fd, answer + len, ANSWER_MAX - 1 - len, 0)) > 0) {
		len += (size_t)got;
	}
	answer[len] = '\0';
	close(fd);
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
	receive_all(fd, answer);
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
	assert_int_equal(send(fd, second, strlen(second), MSG_NOSIGNAL), (ssize_t)strlen(second));
	process_signal(&stack.accountd[0], SIGCONT);
	receive_all(fd, answer);
	assert_non_null(strstr(answer, "user 43 not found"));
	assert_non_null(strstr(answer, "user 44 not found"));
	assert_false(process_log_has(&stack.gatewayd, mark, "\"status\":499"));
}

static int
start(void **state)
{
	(void)state;
	stack_start(&stack);
	return 0;
}

static int
stop(void **state)
{
	(void)state;
	stack_stop(&stack);
	return 0;
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(the_call_of_a_client_that_leaves_is_given_up),
	    cmocka_unit_test(requests_that_are_sent_ahead_are_answered_in_turn),
	    cmocka_unit_test(a_request_that_comes_while_another_is_answered_is_read_after_it),
	};
	int failed = cmocka_run_group_tests(tests, start, stop);

	stack_kill(&stack);
	return failed;
}
