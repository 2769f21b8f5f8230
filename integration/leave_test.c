/* A client on HTTP/1 that leaves while a service works for it: the call is given up at once. */
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdint.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "integration/stack.h"
#include "integration/wire.h"

#define ANSWER_MAX 8192

/* The deadline of a call is far beyond what process_await_log waits for. */
static struct stack stack = {
    .store = STACK_SQLITE,
    .gatewayd_flags = {"--request-timeout-ms=600000", "--log-level=debug"},
};

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
