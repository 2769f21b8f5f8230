/* Connections of our own on both ends, and bare sockets at one. */
#include "common/rpc/net/rpc_conn.h"

#include <arpa/inet.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include <cmocka.h>

#include "common/base/clock.h"
#include "common/rpc/net/rpc_transport.h"
#include "tests/rpc_side.h"

#define ID 0x80000000

/* An echo and who asks it, connected. */
struct pair {
	struct side *rep;
	struct side *req;
	char path[64];
};

static void
pair_open(struct pair *pair, const char *url)
{
	pair->rep = side_open(RPC_ROLE_REP, NULL);
	pair->req = side_open(RPC_ROLE_REQ, NULL);
	side_dial(pair->req, side_listen(pair->rep, url, NULL), NULL);
	side_await_opened(pair->req, 1);
	side_await_opened(pair->rep, 1);
}

static void
pair_open_ipc(struct pair *pair)
{
	snprintf(pair->path, sizeof(pair->path), "ipc:///tmp/rpc_conn_test.%d", (int)getpid());
	pair_open(pair, pair->path);
}

static void
pair_close(struct pair *pair)
{
	side_close(&pair->req);
	side_close(&pair->rep);
}

/* Around the sizes of blocks, and far above. */
static const size_t sizes[] = {0, 1, 100, 2027, 2028, 2029, 2030, 2031, 2032, 2033, 2048, 4096,
    16383, 16384, 16385, 65535, 65536, 1000000, 5000000};

#define SIZES (sizeof(sizes) / sizeof(sizes[0]))

static void
ask_all_sizes(struct pair *pair)
{
	size_t first = pair->req->count;

	for (size_t i = 0; i < SIZES; i++) {
		assert_true(side_ask(pair->req, ID + (uint32_t)i, sizes[i], (uint8_t)i, NULL));
	}
	for (size_t i = 0; i < SIZES; i++) {
		side_expect(pair->req, first + i, ID + (uint32_t)i, sizes[i], (uint8_t)i);
	}
}

static void
messages_of_all_sizes_come_back_by_tcp(void **state)
{
	struct pair pair;

	(void)state;
	pair_open(&pair, "tcp://127.0.0.1:0");
	ask_all_sizes(&pair);
	ask_all_sizes(&pair);
	assert_true(rpc_net_drain(pair.req->net, 30000));
	pair_close(&pair);
}

static void
messages_of_all_sizes_come_back_by_ipc(void **state)
{
	struct pair pair;

	(void)state;
	pair_open_ipc(&pair);
	ask_all_sizes(&pair);
	pair_close(&pair);
	assert_int_equal(access(pair.path + 6, F_OK), -1);
}

static const uint8_t request[] = "\0\0\0\0\0\0\0\x0a\x80\0\0\x01ghosts";
#define REQUEST_LEN (sizeof(request) - 1)

static void
a_request_that_comes_byte_by_byte_is_answered(void **state)
{
	static const uint8_t greeting[] = {0, 'S', 'P', 0, 0, 0x30, 0, 0};
	struct side *rep = side_open(RPC_ROLE_REP, NULL);
	int fd = bare_connect(side_listen(rep, "tcp://127.0.0.1:0", NULL));

	(void)state;
	for (size_t i = 0; i < sizeof(greeting); i++) {
		bare_send(fd, &greeting[i], 1);
	}
	bare_expect(fd, "\0SP\0\0\x31\0\0", 8);
	for (unsigned round = 0; round < 3; round++) {
		for (size_t i = 0; i < REQUEST_LEN; i++) {
			bare_send(fd, &request[i], 1);
		}
		bare_expect(fd, request, REQUEST_LEN);
	}
	close(fd);
	side_await_closed(rep, 1);
	assert_int_equal(rep->cause, RPC_CAUSE_PEER);
	side_close(&rep);
}

/* After so many bytes of the greeting and a request, the connection ends; what was whole counts. */
static void
a_connection_that_is_cut_at_any_byte_leaves_nothing(void **state)
{
	uint8_t bytes[8 + REQUEST_LEN] = {0, 'S', 'P', 0, 0, 0x30, 0, 0};
	struct side *rep = side_open(RPC_ROLE_REP, NULL);
	const char *url = side_listen(rep, "tcp://127.0.0.1:0", NULL);
	const struct linger reset = {.l_onoff = 1};
	unsigned opened = 0;

	(void)state;
	memcpy(bytes + 8, request, REQUEST_LEN);
	for (size_t cut = 0; cut <= sizeof(bytes); cut++) {
		for (int hard = 0; hard < 2; hard++) {
			int fd = bare_connect(url);

			bare_send(fd, bytes, cut);
			if (cut >= 8) {
				side_await_opened(rep, ++opened);
			}
			if (cut == sizeof(bytes)) {
				bare_expect(fd, "\0SP\0\0\x31\0\0", 8);
				bare_expect(fd, request, REQUEST_LEN);
			}
			if (hard == 1) {
				setsockopt(fd, SOL_SOCKET, SO_LINGER, &reset, sizeof(reset));
			}
			close(fd);
		}
	}
	side_await_closed(rep, opened);
	side_await_stat(rep, side_connections, 0);
	side_await_stat(rep, side_partial_bytes, 0);
	assert_int_equal(rep->closed, opened);
	assert_int_equal(rep->count, 2);
	side_close(&rep);
}

static void
expect_fault(const char *url, struct side *rep, const void *bytes, size_t len, enum rpc_cause cause)
{
	unsigned before = rep->faults[cause];
	int fd = bare_connect(url);

	bare_send(fd, "\0SP\0\0\x30\0\0", 8);
	bare_expect(fd, "\0SP\0\0\x31\0\0", 8);
	bare_send(fd, bytes, len);
	side_await_fault(rep, cause, before + 1);
	assert_non_null(
	    strstr(rep->peer, strncmp(url, "ipc", 3) == 0 ? "ipc://" : "tcp://127.0.0.1:"));
	bare_expect_end(fd);
}

static void
what_is_no_message_ends_the_connection_and_says_why(void **state)
{
	struct rpc_net_options options = side_options(RPC_ROLE_REP);
	char path[64];
	struct side *rep;
	struct side *local;
	const char *url;
	int fd;

	(void)state;
	options.message_max_bytes = 1000;
	rep = side_open(RPC_ROLE_REP, &options);
	url = side_listen(rep, "tcp://127.0.0.1:0", NULL);
	expect_fault(url, rep, "\0\0\0\0\0\0\0\x08\0\0\0\1last", 16, RPC_CAUSE_NO_ID);
	expect_fault(url, rep, "\0\0\0\0\0\0\0\x08\x7f\xff\xff\xff\0\0\0\0", 16, RPC_CAUSE_NO_ID);
	expect_fault(url, rep, "\0\0\0\0\0\0\0\x00", 8, RPC_CAUSE_NO_ID);
	expect_fault(url, rep, "\0\0\0\0\0\0\0\x03\x80\0\0", 11, RPC_CAUSE_NO_ID);
	expect_fault(url, rep, "\0\0\0\0\0\0\x03\xe9", 8, RPC_CAUSE_TOO_LONG);
	expect_fault(url, rep, "\xff\xff\xff\xff\xff\xff\xff\xff", 8, RPC_CAUSE_TOO_LONG);
	expect_fault(url, rep,
	    "\0\0\0\0\0\0\0\x28\0\0\0\1\0\0\0\2\0\0\0\3\0\0\0\4\0\0\0\5"
	    "\0\0\0\6\0\0\0\7\0\0\0\x08\0\0\0\x09\x80\0\0\1",
	    48, RPC_CAUSE_NO_ID);
	snprintf(path, sizeof(path), "ipc:///tmp/rpc_conn_test.%d", (int)getpid());
	local = side_open(RPC_ROLE_REP, &options);
	url = side_listen(local, path, NULL);
	expect_fault(url, local, "\2\0\0\0\0\0\0\0\4\x80\0\0\1", 13, RPC_CAUSE_FRAMING);
	fd = bare_connect(url);
	bare_send(fd, "GET / HTTP/1.1\r\n\r\n", 18);
	side_await_fault(local, RPC_CAUSE_GREETING, 1);
	bare_expect(fd, "\0SP\0\0\x31\0\0", 8);
	bare_expect_end(fd);
	fd = bare_connect(url);
	bare_send(fd, "\0SP\0\0\x31\0\0", 8); /* a REP, as it is one */
	side_await_fault(local, RPC_CAUSE_GREETING, 2);
	close(fd);
	assert_int_equal(rep->count, 0);
	side_close(&rep);
	side_close(&local);
}

static void
a_reply_goes_back_through_eight_devices(void **state)
{
	static const uint8_t bytes[] = "\0\0\0\0\0\0\0\x28\0\0\0\1\0\0\0\2\0\0\0\3\0\0\0\4\0\0\0\5"
				       "\0\0\0\6\0\0\0\7\0\0\0\x08\x80\0\0\1body";
	struct side *rep = side_open(RPC_ROLE_REP, NULL);
	int fd = bare_connect(side_listen(rep, "tcp://127.0.0.1:0", NULL));

	(void)state;
	bare_greet(fd, RPC_ROLE_REQ);
	bare_send(fd, bytes, 48);
	bare_expect(fd, bytes, 48);
	side_await_messages(rep, 1);
	assert_int_equal(rep->messages[0].id, ID + 1);
	assert_int_equal(rep->messages[0].len, 4);
	assert_memory_equal(rep->messages[0].body, "body", 4);
	close(fd);
	side_close(&rep);
}

static void
a_reply_that_leaves_in_pieces_arrives_whole(void **state)
{
	struct side *rep = side_open(RPC_ROLE_REP, NULL);
	const size_t len = (size_t)8 * 1024 * 1024;
	uint8_t *expected = malloc(len + 12);
	int fd;

	(void)state;
	rep->echo = false;
	fd = bare_connect(side_listen(rep, "tcp://127.0.0.1:0", NULL));
	bare_greet(fd, RPC_ROLE_REQ);
	for (int i = 0; i < 3; i++) {
		bare_send(fd, request, REQUEST_LEN);
	}
	side_await_messages(rep, 3);
	side_answer(rep, 0, len);
	side_answer(rep, 1, 5);
	side_answer(rep, 2, len);
	assert_false(rpc_net_drain(rep->net, 50));
	memset(expected, 'r', len + 12);
	memcpy(expected, "\0\0\0\0\0\x80\0\4\x80\0\0\1", 12);
	bare_expect(fd, expected, len + 12);
	bare_expect(fd, "\0\0\0\0\0\0\0\x09\x80\0\0\1rrrrr", 17);
	bare_expect(fd, expected, len + 12);
	assert_true(rpc_net_drain(rep->net, 30000));
	free(expected);
	close(fd);
	side_close(&rep);
}

static void
messages_that_are_not_read_are_surely_not_sent(void **state)
{
	const size_t len = (size_t)1024 * 1024;
	struct side *req = side_open(RPC_ROLE_REQ, NULL);
	uint64_t number = 0;
	char url[64];
	int listening = bare_listen(url);
	int fd;

	(void)state;
	side_dial(req, url, NULL);
	fd = bare_accept(listening);
	bare_greet(fd, RPC_ROLE_REP);
	side_await_opened(req, 1);
	for (uint32_t i = 0; i < 64; i++) {
		assert_true(side_ask(req, ID + i, len, 'q', &number));
		assert_int_equal(number, i + 1);
	}
	close(fd);
	side_await_closed(req, 1);
	assert_in_range(req->begun, 1, 63);
	close(listening);
	side_close(&req);
}

/* A service that answers and goes at once: its reply counts, whether or not it could be written to. */
static void
what_was_written_before_a_hang_up_is_handed_up(void **state)
{
	struct side *req = side_open(RPC_ROLE_REQ, NULL);
	struct sockaddr_un local = {.sun_family = AF_UNIX};
	int listening = socket(AF_UNIX, SOCK_STREAM, 0);
	char url[64];

	(void)state;
	snprintf(url, sizeof(url), "ipc:///tmp/rpc_conn_test.%d", (int)getpid());
	strncpy(local.sun_path, url + 6, sizeof(local.sun_path) - 1);
	assert_int_equal(bind(listening, (struct sockaddr *)&local, sizeof(local)), 0);
	assert_int_equal(listen(listening, 1), 0);
	side_dial(req, url, NULL);
	for (unsigned round = 1; round <= 8; round++) {
		int fd = bare_accept(listening);

		if (round % 2 == 0) {
			bare_greet(fd, RPC_ROLE_REP);
			side_await_opened(req, round);
			(void)side_ask(req, ID, 1000000, 'q', NULL);
		} else {
			bare_send(fd, "\0SP\0\0\x31\0\0", 8);
		}
		bare_send(fd, "\1\0\0\0\0\0\0\0\6\x80\0\0\1hi", 15);
		close(fd);
		side_await_closed(req, round);
		assert_int_equal(req->count, round);
	}
	side_close(&req);
	close(listening);
	assert_int_equal(unlink(local.sun_path), 0);
}

static void
close_it(struct side *side, struct rpc_conn *conn)
{
	(void)side;
	rpc_conn_close(conn, RPC_CAUSE_LOCAL);
}

static void
a_connection_can_be_closed_while_it_brings_messages(void **state)
{
	struct pair pair;

	(void)state;
	pair_open(&pair, "tcp://127.0.0.1:0");
	pair.rep->hook = close_it;
	for (uint32_t i = 0; i < 20; i++) {
		(void)side_ask(pair.req, ID + i, 1000, 'q', NULL);
	}
	side_await_closed(pair.rep, 1);
	side_await_closed(pair.req, 1);
	side_await_opened(pair.req, 2); /* it dials again */
	pair_close(&pair);
}

struct closer {
	struct side *side;
	atomic_bool stop;
};

static void *
close_often(void *closure)
{
	struct closer *closer = closure;

	while (!atomic_load(&closer->stop)) {
		struct rpc_conn *conn;

		pthread_mutex_lock(&closer->side->lock);
		conn = rpc_conn_acquire(closer->side->conn);
		pthread_mutex_unlock(&closer->side->lock);
		rpc_conn_close(conn, RPC_CAUSE_LOCAL);
		rpc_conn_release(&conn);
		usleep(500);
	}
	return NULL;
}

/* Each end is told once, and what was opened is closed. */
static void
closes_at_any_time_are_told_once(void **state)
{
	struct closer closers[2];
	pthread_t threads[2];
	struct pair pair;

	(void)state;
	pair_open(&pair, "tcp://127.0.0.1:0");
	closers[0].side = pair.rep;
	closers[1].side = pair.req;
	for (size_t i = 0; i < 2; i++) {
		atomic_init(&closers[i].stop, false);
		pthread_create(&threads[i], NULL, close_often, &closers[i]);
	}
	while (pair.req->opened < 8) {
		(void)side_ask(pair.req, ID, 100000, 'q', NULL);
	}
	for (size_t i = 0; i < 2; i++) {
		atomic_store(&closers[i].stop, true);
		pthread_join(threads[i], NULL);
	}
	rpc_dialer_close(&pair.req->dialer);
	side_await_stat(pair.rep, side_connections, 0);
	side_await_closed(pair.rep, pair.rep->opened);
	assert_int_equal(pair.req->closed, pair.req->opened);
	assert_int_equal(pair.rep->closed, pair.rep->opened);
	pair_close(&pair);
}

static void
what_is_corked_leaves_in_one_write(void **state)
{
	struct pair pair;

	(void)state;
	pair_open(&pair, "tcp://127.0.0.1:0");
	pair.rep->echo = false;
	rpc_conn_cork();
	for (uint32_t i = 0; i < 8; i++) {
		rpc_conn_cork();
		assert_true(side_ask(pair.req, ID + i, 10, (uint8_t)i, NULL));
		rpc_conn_uncork();
	}
	assert_false(rpc_net_drain(pair.req->net, 0));
	rpc_conn_uncork();
	side_await_messages(pair.rep, 8);
	assert_int_equal(atomic_load(&pair.rep->batches), 1);
	for (uint32_t i = 0; i < 8; i++) {
		side_expect(pair.rep, i, ID + i, 10, (uint8_t)i);
	}
	pair_close(&pair);
}

static void
a_dialer_waits_for_who_is_not_there_yet(void **state)
{
	struct side *req = side_open(RPC_ROLE_REQ, NULL);
	struct side *rep = side_open(RPC_ROLE_REP, NULL);
	char url[64];

	(void)state;
	close(bare_listen(url));
	side_dial(req, url, NULL);
	side_await_unreached(req, 2);
	assert_int_equal(req->cause, RPC_CAUSE_UNREACHABLE);
	side_listen(rep, url, NULL);
	side_await_opened(req, 1);
	assert_true(side_ask(req, ID, 3, 'q', NULL));
	side_expect(req, 0, ID, 3, 'q');
	side_close(&rep);
	side_await_closed(req, 1);
	side_close(&req);
}

static void
urls_that_can_not_be_read_are_refused(void **state)
{
	static const char *const urls[] = {
	    "tcp://", "inproc://x", "http://127.0.0.1:1", "nonsense", ""};
	struct side *rep = side_open(RPC_ROLE_REP, NULL);
	struct error error;

	(void)state;
	for (size_t i = 0; i < sizeof(urls) / sizeof(urls[0]); i++) {
		const struct rpc_dialer_options options = {.url = urls[i]};

		assert_int_not_equal(
		    rpc_listener_open(&rep->listener, rep->net, urls[i], NULL, &error), STATUS_OK);
		assert_null(rep->listener);
		assert_int_equal(rpc_dialer_open(&rep->dialer, rep->net, &options, &error),
		    STATUS_INVALID_ARGUMENT);
		assert_null(rep->dialer);
	}
	side_close(&rep);
}

int
main(void)
{
	const struct CMUnitTest cases[] = {
	    cmocka_unit_test(messages_of_all_sizes_come_back_by_tcp),
	    cmocka_unit_test(messages_of_all_sizes_come_back_by_ipc),
	    cmocka_unit_test(a_request_that_comes_byte_by_byte_is_answered),
	    cmocka_unit_test(a_connection_that_is_cut_at_any_byte_leaves_nothing),
	    cmocka_unit_test(what_is_no_message_ends_the_connection_and_says_why),
	    cmocka_unit_test(a_reply_goes_back_through_eight_devices),
	    cmocka_unit_test(a_reply_that_leaves_in_pieces_arrives_whole),
	    cmocka_unit_test(messages_that_are_not_read_are_surely_not_sent),
	    cmocka_unit_test(what_was_written_before_a_hang_up_is_handed_up),
	    cmocka_unit_test(a_connection_can_be_closed_while_it_brings_messages),
	    cmocka_unit_test(closes_at_any_time_are_told_once),
	    cmocka_unit_test(what_is_corked_leaves_in_one_write),
	    cmocka_unit_test(a_dialer_waits_for_who_is_not_there_yet),
	    cmocka_unit_test(urls_that_can_not_be_read_are_refused),
	};
	int failed = cmocka_run_group_tests(cases, NULL, NULL);

	rpc_fini();
	return failed;
}
