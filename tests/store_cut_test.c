/* A proxy that cuts results short, as some do to protect a database: no row that exists is missed. */
#include <arpa/inet.h>
#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cmocka.h>

#include "common/base/arena.h"
#include "tests/store_server.h"

#define PACKET_HEAD 4
#define PACKET_MAX  65536
#define COM_QUERY   3
#define NO_LIMIT    1000000

static struct store_server at;

/* One connection, whose results have at most rows_max rows. */
static struct proxy {
	int listener, client, server;
	unsigned port;
	pthread_t from_client, from_server;
	atomic_uint rows_max;
	atomic_bool asked; /* a query was passed on, its answer not yet begun */
} proxy;

enum answer {
	ANSWER_OTHER,
	ANSWER_COLUMNS,
	ANSWER_ROWS
};

static bool
proxy_read(int fd, void *data, size_t len)
{
	return len == 0 || recv(fd, data, len, MSG_WAITALL) == (ssize_t)len;
}

/* Reads a packet with its head; gives its length without, or -1. */
static ssize_t
proxy_read_packet(int fd, unsigned char *packet)
{
	size_t len;

	if (!proxy_read(fd, packet, PACKET_HEAD)) {
		return -1;
	}
	len = packet[0] | (size_t)packet[1] << 8 | (size_t)packet[2] << 16;
	return len <= PACKET_MAX && proxy_read(fd, packet + PACKET_HEAD, len) ? (ssize_t)len : -1;
}

static void
proxy_write_packet(int fd, const unsigned char *packet, ssize_t len)
{
	(void)!send(fd, packet, (size_t)len + PACKET_HEAD, MSG_NOSIGNAL);
}

static void *
proxy_run_from_client(void *closure)
{
	static unsigned char packet[PACKET_HEAD + PACKET_MAX];
	ssize_t len;

	(void)closure;
	while ((len = proxy_read_packet(proxy.client, packet)) >= 0) {
		if (packet[3] == 0 && len > 0 && packet[PACKET_HEAD] == COM_QUERY) {
			atomic_store(&proxy.asked, true);
		}
		proxy_write_packet(proxy.server, packet, len);
	}
	shutdown(proxy.server, SHUT_RDWR);
	return NULL;
}

/* What follows the first packet of an answer: a number of columns, or an end in itself. */
static enum answer
proxy_begin(unsigned char first, unsigned *columns)
{
	*columns = first;
	return first == 0x00 || first >= 0xfb ? ANSWER_OTHER : ANSWER_COLUMNS;
}

/* Packets are numbered, so that those after a row left out get lower numbers. */
static void *
proxy_run_from_server(void *closure)
{
	static unsigned char packet[PACKET_HEAD + PACKET_MAX];
	enum answer answer = ANSWER_OTHER;
	unsigned columns = 0, rows = 0, dropped = 0;
	ssize_t len;

	(void)closure;
	while ((len = proxy_read_packet(proxy.server, packet)) >= 0) {
		unsigned char first = packet[PACKET_HEAD];

		if (atomic_exchange(&proxy.asked, false)) {
			answer = proxy_begin(first, &columns);
			rows = dropped = 0;
		} else if (answer == ANSWER_COLUMNS && columns-- == 0) {
			answer = ANSWER_ROWS;
		} else if (answer == ANSWER_ROWS && first >= 0xfe && len < 9) {
			answer = ANSWER_OTHER;
		} else if (answer == ANSWER_ROWS && rows++ >= atomic_load(&proxy.rows_max)) {
			dropped++;
			continue;
		}
		packet[3] = (unsigned char)(packet[3] - dropped);
		dropped = answer == ANSWER_OTHER ? 0 : dropped;
		proxy_write_packet(proxy.client, packet, len);
	}
	shutdown(proxy.client, SHUT_RDWR);
	return NULL;
}

static struct sockaddr_in
proxy_address(unsigned port)
{
	return (struct sockaddr_in){.sin_family = AF_INET,
	    .sin_port = htons((uint16_t)port),
	    .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
}

static void
proxy_listen(void)
{
	struct sockaddr_in address = proxy_address(0);
	socklen_t len = sizeof(address);

	memset(&proxy, 0, sizeof(proxy));
	atomic_store(&proxy.rows_max, NO_LIMIT);
	proxy.listener = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
	assert_int_equal(bind(proxy.listener, (struct sockaddr *)&address, len), 0);
	assert_int_equal(listen(proxy.listener, 1), 0);
	assert_int_equal(getsockname(proxy.listener, (struct sockaddr *)&address, &len), 0);
	proxy.port = ntohs(address.sin_port);
}

static void *
proxy_run(void *closure)
{
	struct sockaddr_in address = proxy_address(at.mariadb.port);

	(void)closure;
	proxy.client = accept(proxy.listener, NULL, NULL);
	proxy.server = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
	if (connect(proxy.server, (struct sockaddr *)&address, sizeof(address)) == 0) {
		pthread_create(&proxy.from_server, NULL, proxy_run_from_server, NULL);
		proxy_run_from_client(NULL);
		pthread_join(proxy.from_server, NULL);
	}
	close(proxy.client);
	close(proxy.server);
	return NULL;
}

static struct sql_db *store;
static struct sql_conn *conn;
static int64_t ids[3];

/* Three users, and a connection through the proxy that does not cut yet. */
static int
test_setup(void **state)
{
	static const char *const emails[] = {"a@x", "b@x", "c@x"};
	char host[32];
	struct sql_options options;

	(void)state;
	store_server_open(&at);
	for (int i = 0; i < 3; i++) {
		ids[i] = store_suite_created(at.conn, "u", emails[i]);
	}
	proxy_listen();
	pthread_create(&proxy.from_client, NULL, proxy_run, NULL);
	snprintf(host, sizeof(host), "127.0.0.1:%u", proxy.port);
	options = store_server_options(&at, host);
	store_suite_assert_ok(store_open(&store, &options, &at.error), &at.error);
	conn = sql_conn_open(store);
	store_suite_assert_ok(sql_ping(conn, store_suite_soon(), &at.error), &at.error);
	return 0;
}

static int
test_teardown(void **state)
{
	(void)state;
	sql_conn_close(&conn);
	sql_close(&store);
	pthread_join(proxy.from_client, NULL);
	close(proxy.listener);
	store_server_close(&at);
	return 0;
}

static void
test_expect_cut(enum status_code code)
{
	assert_int_equal(code, STATUS_INTERNAL);
	assert_string_equal(at.error.reason, "STORE_FAILED");
	assert_non_null(strstr(at.error.detail, "rows of a result are missing"));
}

static void
a_user_whose_row_was_cut_off_is_not_missing(void **state)
{
	struct arena *arena = arena_new(0);
	struct user users[3];

	(void)state;
	for (unsigned most = 0; most < 2; most++) {
		atomic_store(&proxy.rows_max, most);
		test_expect_cut(
		    store_user_get(conn, store_suite_soon(), ids, 3, arena, users, &at.error));
	}
	atomic_store(&proxy.rows_max, 2);
	store_suite_assert_ok(
	    store_user_get(conn, store_suite_soon(), ids, 3, arena, users, &at.error), &at.error);
	for (int i = 0; i < 3; i++) {
		assert_int_equal(users[i].id, ids[i]);
	}
	ids[1] += 1000;
	store_suite_assert_ok(
	    store_user_get(conn, store_suite_soon(), ids, 3, arena, users, &at.error), &at.error);
	assert_int_equal(users[1].id, 0);
	arena_free(&arena);
}

/* Lists under a limit of rows: *count is 0 when the list was refused. */
static void
test_list(const struct store_filter *filter, unsigned most, size_t *count)
{
	struct arena *arena = arena_new(0);
	enum status_code code;
	struct user *rows;

	atomic_store(&proxy.rows_max, most);
	code = store_user_list(
	    conn, store_suite_soon(), filter, 0, 10, arena, &rows, count, &at.error);
	if (code != STATUS_OK) {
		test_expect_cut(code);
		assert_int_equal(*count, 0);
	}
	for (size_t i = 0; i < *count; i++) {
		assert_int_equal(rows[i].id, ids[i]);
	}
	arena_free(&arena);
}

/* Most often the second statement brings what the first one did not. */
static void
a_list_that_was_cut_off_is_not_complete(void **state)
{
	static const size_t expected[][5] = {{0, 0, 3, 3, 3}, {0, 0, 0, 0, 3}};
	const struct store_filter filters[] = {{.role = USER_ROLE_NONE}, {.role = USER_ROLE_ADMIN}};
	size_t count;

	(void)state;
	for (unsigned i = 0; i < 2; i++) {
		for (unsigned most = 0; most < 5; most++) {
			test_list(&filters[i], most, &count);
			assert_int_equal(count, expected[i][most]);
		}
	}
}

/* It would be taken for that of an empty database, and migrated again. */
static void
a_version_that_was_cut_off_is_not_none(void **state)
{
	(void)state;
	atomic_store(&proxy.rows_max, 0);
	test_expect_cut(sql_check_schema(conn, store_suite_soon(), &accountd_schema, &at.error));
	atomic_store(&proxy.rows_max, NO_LIMIT);
	store_suite_assert_ok(
	    sql_check_schema(conn, store_suite_soon(), &accountd_schema, &at.error), &at.error);
}

#define TEST_CASE(name) cmocka_unit_test_setup_teardown(name, test_setup, test_teardown)

int
main(void)
{
	const struct CMUnitTest cases[] = {
	    TEST_CASE(a_user_whose_row_was_cut_off_is_not_missing),
	    TEST_CASE(a_list_that_was_cut_off_is_not_complete),
	    TEST_CASE(a_version_that_was_cut_off_is_not_none),
	};
	int failed;

	if (!mariadb_start(&at.mariadb)) {
		mariadb_stop(&at.mariadb);
		return 1;
	}
	failed = cmocka_run_group_tests_name("cut results", cases, NULL, NULL);
	mariadb_stop(&at.mariadb);
	return failed != 0;
}
