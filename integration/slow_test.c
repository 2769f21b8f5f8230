/* Clients that take their answers slowly, which are let, and those that do not take them, which are cut. */
#include <arpa/inet.h>
#include <poll.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#include <cmocka.h>

#include "common/base/buf.h"
#include "common/base/clock.h"
#include "integration/scrape.h"
#include "integration/stack.h"
#include "integration/suite.h"

#define USERS 5000 /* a list of 2.5 MB */

/*
 * The client's system takes ahead what the client reads in longer than
 * sendTimeoutMs, and then nothing until most of that was read.
 */
#define SLOW_BUFFER   131072
#define SLOW_PIECE    8192
#define SLOW_PAUSE_NS (125 * CLOCK_NS_PER_MS)
#define SLOW_FOR_NS   (10000 * CLOCK_NS_PER_MS)

#define STUCK_BUFFER  4096

static struct stack stack = {
    .store = STACK_SQLITE,
    .gatewayd_flags = {"--send-timeout-ms=2000", "--threads=1"},
};
static struct http *admin;

static int
open_client(int buffer)
{
	static const char request[] = "GET /users HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n";
	struct sockaddr_in address = {.sin_family = AF_INET,
	    .sin_port = htons((uint16_t)stack.port),
	    .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
	int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);

	assert_true(fd >= 0);
	assert_int_equal(setsockopt(fd, SOL_SOCKET, SO_RCVBUF, &buffer, sizeof(buffer)), 0);
	assert_int_equal(connect(fd, (struct sockaddr *)&address, sizeof(address)), 0);
	assert_int_equal(send(fd, request, strlen(request), 0), (ssize_t)strlen(request));
	return fd;
}

static void
a_client_that_reads_slowly_gets_all_of_its_answer(void **state)
{
	int64_t end_ns = clock_now_ns() + SLOW_FOR_NS;
	int fd = open_client(SLOW_BUFFER);
	char piece[SLOW_PIECE];
	char end[8] = "";
	size_t all = 0;
	ssize_t got;

	(void)state;
	while ((got = recv(fd, piece, sizeof(piece), 0)) > 0) {
		all += (size_t)got;
		if (got >= 7) {
			memcpy(end, piece + got - 7, 7);
		}
		if (clock_now_ns() < end_ns) {
			nanosleep(&(struct timespec){.tv_nsec = SLOW_PAUSE_NS}, NULL);
		}
	}
	assert_int_equal(got, 0);
	assert_true(all > (size_t)USERS * 400);
	assert_string_equal(end, "\r\n0\r\n\r\n");
	close(fd);
}

static void
a_client_that_takes_nothing_is_cut(void **state)
{
	int fd = open_client(STUCK_BUFFER);
	struct pollfd polled = {.fd = fd}; /* for POLLERR and POLLHUP alone */

	(void)state;
	scrape_await(admin, "mockvideo_http_connections", 1);
	assert_int_equal(poll(&polled, 1, 30000), 1);
	scrape_await(admin, "mockvideo_http_connections", 0);
	close(fd);
}

static void
fill(void)
{
	struct http *http = http_new(stack.url);
	struct buf body = {0};

	for (unsigned i = 0; i < USERS; i++) {
		buf_printf(&body,
		    "%s{\"accountid\":1,\"name\":\"%0200u\",\"email\":\"%0150u@example.com\","
		    "\"role\":1,"
		    "\"password\":\"p\"}",
		    i == 0 ? "{\"Users\":[" : ",", i, i);
	}
	buf_puts(&body, "]}");
	assert_int_equal(
	    http_send_bytes(http, "POST /users", "Bulk-Request: true", body.data, body.len)->status,
	    201);
	buf_fini(&body);
	http_free(&http);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(a_client_that_takes_nothing_is_cut),
	    cmocka_unit_test(a_client_that_reads_slowly_gets_all_of_its_answer),
	};

	return suite_run(&(struct suite){.name = "slow clients",
		   .stack = &stack,
		   .gatewayd_admin = &admin,
		   .prepare = fill,
		   .tests = tests,
		   .test_count = sizeof(tests) / sizeof(tests[0])}) != 0;
}
