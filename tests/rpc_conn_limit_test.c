/* What connections allow to others: time, memory, number. */
#include "common/rpc/net/rpc_conn.h"

#include <arpa/inet.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cmocka.h>

#include "common/base/clock.h"
#include "common/rpc/net/rpc_transport.h"
#include "tests/rpc_side.h"

static const uint8_t request[] = "\0\0\0\0\0\0\0\x0a\x80\0\0\x01ghosts";
#define REQUEST_LEN (sizeof(request) - 1)

static void
what_does_not_come_in_time_ends_the_connection(void **state)
{
	struct rpc_net_options options = side_options(RPC_ROLE_REP);
	struct side *rep;
	const char *url;
	int mute;
	int slow;
	int idle;

	(void)state;
	options.handshake_timeout_ms = 200;
	options.receive_timeout_ms = 300;
	rep = side_open(RPC_ROLE_REP, &options);
	url = side_listen(rep, "tcp://127.0.0.1:0", NULL);
	idle = bare_connect(url);
	bare_greet(idle, RPC_ROLE_REQ);
	mute = bare_connect(url);
	bare_send(mute, "\0SP", 3);
	side_await_fault(rep, RPC_CAUSE_HANDSHAKE_TIMEOUT, 1);
	bare_expect(mute, "\0SP\0\0\x31\0\0", 8);
	bare_expect_end(mute);
	slow = bare_connect(url);
	bare_greet(slow, RPC_ROLE_REQ);
	bare_send(slow, request, REQUEST_LEN + 0);
	bare_send(slow, request, 5);
	bare_expect(slow, request, REQUEST_LEN);
	side_await_fault(rep, RPC_CAUSE_RECEIVE_TIMEOUT, 1);
	bare_expect_end(slow);

	/* Who owes nothing may be silent for longer than that. */
	bare_send(idle, request, REQUEST_LEN);
	bare_expect(idle, request, REQUEST_LEN);
	close(idle);
	side_close(&rep);
}

/* A byte now and then does not make a message's time longer. */
static void
a_message_that_trickles_in_has_no_more_time(void **state)
{
	struct rpc_net_options options = side_options(RPC_ROLE_REP);
	struct side *rep;
	int64_t begin_ns;
	int fd;

	(void)state;
	options.receive_timeout_ms = 300;
	rep = side_open(RPC_ROLE_REP, &options);
	fd = bare_connect(side_listen(rep, "tcp://127.0.0.1:0", NULL));
	bare_greet(fd, RPC_ROLE_REQ);
	begin_ns = clock_now_ns();
	bare_send(fd, "\0\0\0\0\0\0\1\0\x80\0\0\1", 12);
	while (rep->faults[RPC_CAUSE_RECEIVE_TIMEOUT] == 0 &&
	       clock_now_ns() - begin_ns < 20000 * CLOCK_NS_PER_MS) {
		struct timespec pause = {0, 100 * CLOCK_NS_PER_MS};

		(void)send(fd, "x", 1, MSG_NOSIGNAL);
		nanosleep(&pause, NULL);
	}
	assert_int_equal(rep->faults[RPC_CAUSE_RECEIVE_TIMEOUT], 1);
	close(fd);
	side_close(&rep);
}

static void
who_does_not_read_loses_its_connection(void **state)
{
	struct rpc_net_options options = side_options(RPC_ROLE_REP);
	struct side *rep;
	int fd;

	(void)state;
	options.send_timeout_ms = 300;
	rep = side_open(RPC_ROLE_REP, &options);
	rep->echo = false;
	fd = bare_connect(side_listen(rep, "tcp://127.0.0.1:0", NULL));
	bare_greet(fd, RPC_ROLE_REQ);
	bare_send(fd, request, REQUEST_LEN);
	bare_send(fd, request, REQUEST_LEN);
	side_await_messages(rep, 2);
	assert_true(side_answer(rep, 0, (size_t)32 * 1024 * 1024));
	side_await_closed(rep, 1);
	assert_int_equal(rep->cause, RPC_CAUSE_SEND_TIMEOUT);
	assert_int_equal(rep->faults[RPC_CAUSE_SEND_TIMEOUT], 1);
	assert_true(rpc_net_drain(rep->net, 0));
	assert_false(side_answer(rep, 1, 1));
	close(fd);
	side_close(&rep);
}

/* REP: at most two messages of a connection are worked on; the third comes when one is done. */
static void
no_more_is_read_than_may_be_worked_on(void **state)
{
	struct rpc_net_options options = side_options(RPC_ROLE_REP);
	struct side *rep;
	int fd;

	(void)state;
	options.work_max = 2;
	rep = side_open(RPC_ROLE_REP, &options);
	rep->echo = false;
	fd = bare_connect(side_listen(rep, "tcp://127.0.0.1:0", NULL));
	bare_greet(fd, RPC_ROLE_REQ);
	for (int i = 0; i < 10; i++) {
		bare_send(fd, request, REQUEST_LEN);
	}
	for (size_t i = 0; i < 10; i += 2) {
		side_await_messages(rep, i + 2);
		assert_int_equal(rep->count, i + 2);
		if (i < 4) {
			side_answer(rep, i, 1);
			side_answer(rep, i + 1, 1);
		} else {
			rpc_conn_skip(rep->conn, 2);
		}
	}
	for (int i = 0; i < 4; i++) {
		bare_expect(fd, "\0\0\0\0\0\0\0\5\x80\0\0\1r", 13);
	}
	close(fd);
	side_close(&rep);
}

static void
nothing_is_read_while_too_much_waits_to_be_written(void **state)
{
	struct rpc_net_options options = side_options(RPC_ROLE_REP);
	const size_t len = (size_t)8 * 1024 * 1024;
	uint8_t *expected = malloc(len + 12);
	struct side *rep;
	int fd;

	(void)state;
	options.conn_unsent_bytes = 1000;
	rep = side_open(RPC_ROLE_REP, &options);
	rep->echo = false;
	fd = bare_connect(side_listen(rep, "tcp://127.0.0.1:0", NULL));
	bare_greet(fd, RPC_ROLE_REQ);
	bare_send(fd, request, REQUEST_LEN);
	side_await_messages(rep, 1);
	side_answer(rep, 0, len);
	for (int i = 0; i < 3; i++) {
		bare_send(fd, request, REQUEST_LEN);
	}
	/* One read was under way, so that one may have brought up to three. */
	memset(expected, 'r', len + 12);
	memcpy(expected, "\0\0\0\0\0\x80\0\4\x80\0\0\1", 12);
	bare_expect(fd, expected, len + 12);
	side_await_messages(rep, 4);
	side_answer(rep, 3, 1);
	bare_expect(fd, "\0\0\0\0\0\0\0\5\x80\0\0\1r", 13);
	free(expected);
	close(fd);
	side_close(&rep);
}

static void
half_a_message_that_is_old_makes_room_for_others(void **state)
{
	struct rpc_net_options options = side_options(RPC_ROLE_REP);
	uint8_t *large = calloc(1, 40000);
	struct side *rep;
	const char *url;
	int old[8];
	int fd;

	(void)state;
	options.partial_max_bytes = 400000;
	rep = side_open(RPC_ROLE_REP, &options);
	url = side_listen(rep, "tcp://127.0.0.1:0", NULL);
	memcpy(large, "\0\0\0\0\0\1\0\0\x80\0\0\1", 12); /* 65536 are to come */
	for (size_t i = 0; i < 8; i++) {
		size_t before = side_partial_bytes(rep);

		old[i] = bare_connect(url);
		bare_greet(old[i], RPC_ROLE_REQ);
		bare_send(old[i], large, 40000);
		while (i < 6 && side_partial_bytes(rep) < before + 40000) {
			usleep(1000);
		}
	}
	side_await_fault(rep, RPC_CAUSE_PARTIAL_MEMORY, 1);
	bare_expect_end(old[0]);
	fd = bare_connect(url);
	bare_greet(fd, RPC_ROLE_REQ);
	bare_send(fd, request, REQUEST_LEN);
	bare_expect(fd, request, REQUEST_LEN);
	close(fd);
	for (size_t i = 1; i < 8; i++) {
		close(old[i]);
	}
	side_await_stat(rep, side_partial_bytes, 0);
	free(large);
	side_close(&rep);
}

static void
replies_that_nobody_reads_make_room_for_others(void **state)
{
	struct rpc_net_options options = side_options(RPC_ROLE_REP);
	struct side *rep;
	const char *url;
	int fds[3];

	(void)state;
	options.unsent_max_bytes = (size_t)40 * 1024 * 1024;
	rep = side_open(RPC_ROLE_REP, &options);
	rep->echo = false;
	url = side_listen(rep, "tcp://127.0.0.1:0", NULL);
	for (size_t i = 0; i < 3; i++) {
		fds[i] = bare_connect(url);
		bare_greet(fds[i], RPC_ROLE_REQ);
		bare_send(fds[i], request, REQUEST_LEN);
		side_await_messages(rep, i + 1);
		side_answer(rep, i, (size_t)16 * 1024 * 1024);
		assert_int_equal(i < 2 ? rep->faults[RPC_CAUSE_UNSENT_MEMORY] : 0, 0);
	}
	side_await_fault(rep, RPC_CAUSE_UNSENT_MEMORY, 1);
	for (size_t i = 0; i < 3; i++) {
		close(fds[i]);
	}
	side_close(&rep);
}

static void
connections_beyond_the_limit_are_refused(void **state)
{
	struct rpc_net_options options = side_options(RPC_ROLE_REP);
	struct side *rep;
	const char *url;
	int fds[3];

	(void)state;
	options.connections_max = 2;
	rep = side_open(RPC_ROLE_REP, &options);
	url = side_listen(rep, "tcp://127.0.0.1:0", NULL);
	for (size_t i = 0; i < 2; i++) {
		fds[i] = bare_connect(url);
		bare_greet(fds[i], RPC_ROLE_REQ);
	}
	fds[2] = bare_connect(url);
	bare_expect_end(fds[2]);
	assert_int_equal(rep->faults[RPC_CAUSE_CONNECTIONS], 1);
	close(fds[0]);
	side_await_stat(rep, side_connections, 1);
	fds[2] = bare_connect(url);
	bare_greet(fds[2], RPC_ROLE_REQ);
	bare_send(fds[2], request, REQUEST_LEN);
	bare_expect(fds[2], request, REQUEST_LEN);
	close(fds[1]);
	close(fds[2]);
	side_close(&rep);
}

static void
who_has_not_greeted_gives_way_at_the_limit(void **state)
{
	struct rpc_net_options options = side_options(RPC_ROLE_REP);
	struct side *rep;
	const char *url;
	char greeting[8];
	unsigned attempts = 0;
	bool greeted;
	int mute;
	int fd;

	(void)state;
	options.connections_max = 1;
	rep = side_open(RPC_ROLE_REP, &options);
	url = side_listen(rep, "tcp://127.0.0.1:0", NULL);
	mute = bare_connect(url);
	bare_expect(mute, "\0SP\0\0\x31\0\0", 8);
	do {
		fd = bare_connect(url);
		(void)send(fd, "\0SP\0\0\x30\0\0", 8, MSG_NOSIGNAL);
		greeted = recv(fd, greeting, sizeof(greeting), MSG_WAITALL) == sizeof(greeting);
		attempts++;
		if (!greeted) {
			close(fd);
			usleep(10000);
		}
	} while (!greeted);
	assert_in_range(attempts, 2, 1000);
	bare_expect_end(mute);
	close(fd);
	side_close(&rep);
}

static void
an_address_has_no_more_than_its_share(void **state)
{
	struct rpc_net_options options = side_options(RPC_ROLE_REP);
	struct side *rep;
	const char *url;
	int fds[2];

	(void)state;
	options.address_max = 1;
	rep = side_open(RPC_ROLE_REP, &options);
	url = side_listen(rep, "tcp://127.0.0.1:0", NULL);
	fds[0] = bare_connect(url);
	bare_greet(fds[0], RPC_ROLE_REQ);
	fds[1] = bare_connect(url);
	bare_expect_end(fds[1]);
	assert_int_equal(rep->faults[RPC_CAUSE_ADDRESS], 1);
	close(fds[0]);
	side_await_stat(rep, side_connections, 0);
	fds[0] = bare_connect(url);
	bare_greet(fds[0], RPC_ROLE_REQ);
	close(fds[0]);
	side_close(&rep);
}

int
main(void)
{
	const struct CMUnitTest cases[] = {
	    cmocka_unit_test(what_does_not_come_in_time_ends_the_connection),
	    cmocka_unit_test(a_message_that_trickles_in_has_no_more_time),
	    cmocka_unit_test(who_does_not_read_loses_its_connection),
	    cmocka_unit_test(no_more_is_read_than_may_be_worked_on),
	    cmocka_unit_test(nothing_is_read_while_too_much_waits_to_be_written),
	    cmocka_unit_test(half_a_message_that_is_old_makes_room_for_others),
	    cmocka_unit_test(replies_that_nobody_reads_make_room_for_others),
	    cmocka_unit_test(connections_beyond_the_limit_are_refused),
	    cmocka_unit_test(who_has_not_greeted_gives_way_at_the_limit),
	    cmocka_unit_test(an_address_has_no_more_than_its_share),
	};
	int failed = cmocka_run_group_tests(cases, NULL, NULL);

	rpc_fini();
	return failed;
}
