/*
 * A list longer than the memory that it may take, to clients fast and slow, and
 * cut off. STREAM_USERS in the environment, a multiple of BULK, makes it longer yet.
 */
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

#include <curl/curl.h>
#include <yajl/yajl_parse.h>

#include "common/base/buf.h"
#include "common/base/clock.h"
#include "integration/both.h"

#define USERS           150000
#define USERS_SANITIZED 40000
#define BULK            5000
#define USER_BYTES      500 /* at least; all of them are more than PEAK_KIB */
#define PEAK_KIB        (64 * 1024)

#define SLOW_READERS    3
#define SLOW_BUFFER     (128 * 1024) /* of its socket */
/* With less, libcurl 7.88 may overlook the end of an HTTP/2 stream that it has received. */
#define PIECE     102400
#define SLOW_HOLD (12 << 20) /* bytes between two rests of a slow reader */

/* A client of GET /users, in a thread of its own. */
struct reader {
	pthread_t thread;
	CURL *curl;
	bool slow;
	yajl_handle json;
	bool valid; /* so far; at the end, that it is whole */
	unsigned depth;
	bool at_id; /* the next number is a user's id */
	long long last_id;
	size_t users;
	size_t bytes;
	size_t hold_at;
	CURLcode code;
	long status;

	pthread_mutex_t lock; /* guards what follows */
	pthread_cond_t changed;
	bool holding;
	bool done;
};

static size_t users;
static bool sanitized;

/* yajl's callbacks: 1 goes on, 0 ends. */

static int
reader_open(void *closure)
{
	((struct reader *)closure)->depth++;
	return 1;
}

static int
reader_close(void *closure)
{
	((struct reader *)closure)->depth--;
	return 1;
}

static int
reader_key(void *closure, const unsigned char *key, size_t len)
{
	struct reader *reader = closure;

	reader->at_id = reader->depth == 3 && len == 2 && memcmp(key, "id", 2) == 0;
	return 1;
}

static int
reader_integer(void *closure, long long value)
{
	struct reader *reader = closure;

	if (reader->at_id) {
		reader->users++;
		if (value <= reader->last_id) {
			return 0;
		}
		reader->last_id = value;
	}
	return 1;
}

static const yajl_callbacks reader_callbacks = {.yajl_start_map = reader_open,
    .yajl_end_map = reader_close,
    .yajl_start_array = reader_open,
    .yajl_end_array = reader_close,
    .yajl_map_key = reader_key,
    .yajl_integer = reader_integer};

/* Takes no more until reader_release. */
static void
reader_hold(struct reader *reader)
{
	pthread_mutex_lock(&reader->lock);
	reader->holding = true;
	pthread_cond_broadcast(&reader->changed);
	while (reader->holding) {
		pthread_cond_wait(&reader->changed, &reader->lock);
	}
	pthread_mutex_unlock(&reader->lock);
}

static size_t
reader_take(char *data, size_t size, size_t count, void *closure)
{
	struct reader *reader = closure;

	reader->bytes += size * count;
	reader->valid = reader->valid && yajl_parse(reader->json, (const unsigned char *)data,
					     size * count) == yajl_status_ok;
	if (reader->slow && reader->bytes >= reader->hold_at) {
		reader->hold_at = reader->bytes + SLOW_HOLD;
		reader_hold(reader);
	}
	return size * count;
}

static int
reader_set_socket(void *closure, curl_socket_t fd, curlsocktype purpose)
{
	int size = SLOW_BUFFER;

	(void)closure;
	(void)purpose;
	return setsockopt(fd, SOL_SOCKET, SO_RCVBUF, &size, sizeof(size)) == 0 ? CURL_SOCKOPT_OK
									       : CURL_SOCKOPT_ERROR;
}

static void *
reader_run(void *closure)
{
	struct reader *reader = closure;

	reader->code = curl_easy_perform(reader->curl);
	curl_easy_getinfo(reader->curl, CURLINFO_RESPONSE_CODE, &reader->status);
	reader->valid = reader->valid && yajl_complete_parse(reader->json) == yajl_status_ok;
	pthread_mutex_lock(&reader->lock);
	reader->done = true;
	pthread_cond_broadcast(&reader->changed);
	pthread_mutex_unlock(&reader->lock);
	return NULL;
}

static void
reader_start(struct reader *reader, long version, bool slow)
{
	char url[STACK_URL_MAX + 16];

	memset(reader, 0, sizeof(*reader));
	reader->slow = slow;
	reader->valid = true;
	reader->hold_at = 1;
	reader->json = yajl_alloc(&reader_callbacks, NULL, reader);
	reader->curl = curl_easy_init();
	assert_non_null(reader->json);
	assert_non_null(reader->curl);
	pthread_mutex_init(&reader->lock, NULL);
	pthread_cond_init(&reader->changed, NULL);
	snprintf(url, sizeof(url), "%s/users", both_stack.url);
	curl_easy_setopt(reader->curl, CURLOPT_URL, url);
	curl_easy_setopt(reader->curl, CURLOPT_NOSIGNAL, 1L);
	curl_easy_setopt(reader->curl, CURLOPT_HTTP_VERSION, version);
	curl_easy_setopt(reader->curl, CURLOPT_WRITEFUNCTION, reader_take);
	curl_easy_setopt(reader->curl, CURLOPT_WRITEDATA, reader);
	curl_easy_setopt(reader->curl, CURLOPT_BUFFERSIZE, (long)PIECE);
	if (slow) {
		curl_easy_setopt(reader->curl, CURLOPT_SOCKOPTFUNCTION, reader_set_socket);
	}
	assert_int_equal(pthread_create(&reader->thread, NULL, reader_run, reader), 0);
}

/* Waits until it holds, which gives true, or is done. */
static bool
reader_await(struct reader *reader)
{
	bool holding;

	pthread_mutex_lock(&reader->lock);
	while (!reader->holding && !reader->done) {
		pthread_cond_wait(&reader->changed, &reader->lock);
	}
	holding = reader->holding;
	pthread_mutex_unlock(&reader->lock);
	return holding;
}

static void
reader_release(struct reader *reader)
{
	pthread_mutex_lock(&reader->lock);
	reader->holding = false;
	pthread_cond_broadcast(&reader->changed);
	pthread_mutex_unlock(&reader->lock);
}

static void
reader_finish(struct reader *reader)
{
	pthread_join(reader->thread, NULL);
	curl_easy_cleanup(reader->curl);
	yajl_free(reader->json);
	pthread_mutex_destroy(&reader->lock);
	pthread_cond_destroy(&reader->changed);
}

static void
check_whole(const struct reader *reader)
{
	assert_int_equal(reader->code, CURLE_OK);
	assert_int_equal(reader->status, 200);
	assert_true(reader->valid);
	assert_int_equal(reader->users, users);
	assert_true(reader->bytes > users * USER_BYTES);
}

static void
check_cut(const struct reader *reader)
{
	assert_int_not_equal(reader->code, CURLE_OK);
	assert_int_equal(reader->status, 200);
	assert_false(reader->valid);
	assert_in_range(reader->users, 1, users - 1);
}

static void
check_peaks(void)
{
	long gatewayd = process_peak_kib(&both_stack.gatewayd);
	long accountd = process_peak_kib(&both_stack.accountd[0]);

	print_message("peaks: gatewayd %ld KiB, accountd %ld KiB\n", gatewayd, accountd);
	if (!sanitized) {
		assert_true((size_t)PEAK_KIB * 1024 < users * USER_BYTES);
		assert_in_range(gatewayd, 1, PEAK_KIB);
		assert_in_range(accountd, 1, PEAK_KIB);
	}
}

static void
await_stall(void)
{
	process_await_idle(
	    (struct process *[]){&both_stack.gatewayd, &both_stack.accountd[0], NULL});
}

/* Waits until no connection but our own has a statement or a transaction open. */
static void
check_database_is_free(void)
{
	char out[256] = "";

	if (both_stack.store == STACK_MYSQL) {
		assert_true(mariadb_sql(&both_stack.mariadb, NULL,
		    "SELECT (SELECT COUNT(*) FROM information_schema.processlist"
		    " WHERE user = '" MARIADB_USER "' AND command <> 'Sleep'),"
		    " (SELECT COUNT(*) FROM information_schema.innodb_trx)",
		    out, sizeof(out)));
		assert_string_equal(out, "0\t0\n");
	}
}

/* Reads and writes go on as if nobody read a list. */
static void
check_others_are_served(void)
{
	char body[128];
	static unsigned number;

	for (int i = 0; i < 50; i++) {
		assert_int_equal(http_send(both_http, "GET /users/1", NULL, NULL)->status, 200);
		assert_int_equal(
		    http_send(both_http, "GET /users?page_size=5", NULL, NULL)->status, 200);
		snprintf(body, sizeof(body),
		    "{\"accountid\":1,\"name\":\"n%u\",\"email\":\"one@example.com\",\"role\":1,"
		    "\"password\":\"p\"}",
		    number++);
		assert_int_equal(http_send(both_http, "PUT /users/1", NULL, body)->status, 200);
	}
}

static void
read_fast(long version)
{
	struct reader reader;

	reader_start(&reader, version, false);
	reader_finish(&reader);
	check_whole(&reader);
	check_peaks();
}

static void
read_slowly(long version)
{
	struct reader readers[SLOW_READERS];
	unsigned holding;
	unsigned rests = 0;

	for (int i = 0; i < SLOW_READERS; i++) {
		reader_start(&readers[i], version, true);
	}
	do {
		holding = 0;
		for (int i = 0; i < SLOW_READERS; i++) {
			holding += reader_await(&readers[i]);
		}
		if (holding > 0) {
			await_stall();
			check_database_is_free();
			check_others_are_served();
			rests++;
		}
		for (int i = 0; i < SLOW_READERS; i++) {
			reader_release(&readers[i]);
		}
	} while (holding > 0);
	assert_true(rests > 0);
	for (int i = 0; i < SLOW_READERS; i++) {
		reader_finish(&readers[i]);
		check_whole(&readers[i]);
	}
	check_peaks();
}

static void
read_and_kill(long version)
{
	pid_t gatewayd = both_stack.gatewayd.pid;
	struct reader reader;

	reader_start(&reader, version, true);
	assert_true(reader_await(&reader));
	await_stall();
	process_signal(&both_stack.accountd[0], SIGKILL);
	assert_int_equal(process_wait_exit(&both_stack.accountd[0], 10), 128 + SIGKILL);
	do {
		reader_release(&reader);
	} while (reader_await(&reader));
	reader_finish(&reader);
	check_cut(&reader);
	stack_start_accountd(&both_stack, 0);
	stack_await(&both_stack, "/accountdhealth", 200);
	assert_true(process_running(&both_stack.gatewayd));
	assert_int_equal(both_stack.gatewayd.pid, gatewayd);
	read_fast(version);
}

static void
a_fast_client_gets_all_users_in_bounded_memory(void **state)
{
	(void)state;
	read_fast(CURL_HTTP_VERSION_1_1);
}

static void
a_fast_client_gets_all_users_over_http2(void **state)
{
	(void)state;
	read_fast(CURL_HTTP_VERSION_2_PRIOR_KNOWLEDGE);
}

static void
slow_clients_get_all_users_and_hold_nothing(void **state)
{
	(void)state;
	read_slowly(CURL_HTTP_VERSION_1_1);
}

static void
slow_clients_get_all_users_over_http2_and_hold_nothing(void **state)
{
	(void)state;
	read_slowly(CURL_HTTP_VERSION_2_PRIOR_KNOWLEDGE);
}

static void
kill_9_of_accountd_cuts_the_list_off(void **state)
{
	(void)state;
	read_and_kill(CURL_HTTP_VERSION_1_1);
}

static void
kill_9_of_accountd_cuts_the_list_off_over_http2(void **state)
{
	(void)state;
	read_and_kill(CURL_HTTP_VERSION_2_PRIOR_KNOWLEDGE);
}

static void
configure(void)
{
	both_stack.gatewayd_flags[0] = "--http2=on";
	both_stack.gatewayd_flags[1] = "--send-timeout-ms=300000";
	both_stack.accountd_flags[0] = "--store-workers=2"; /* fewer than slow readers */
}

static void
fill_mysql(void)
{
	char sql[1024];

	snprintf(sql, sizeof(sql),
	    "INSERT INTO user (accountID, name, email, emailKey, role, password)"
	    " SELECT 1, RPAD(seq, 250, ' name'), CONCAT(RPAD(seq, 180, '_'), '@example.com'),"
	    " CONCAT(RPAD(seq, 180, '_'), '@example.com'), 1, 'none' FROM seq_1_to_%zu",
	    users);
	assert_true(mariadb_sql(&both_stack.mariadb, MARIADB_DATABASE, sql, NULL, 0));
}

static void
fill_by_bulks(void)
{
	char filling[201] = "";
	struct buf body = {0};

	memset(filling, '_', sizeof(filling) - 1);
	http_set_timeout(both_http, 120000);
	for (size_t done = 0; done < users; done += BULK) {
		buf_reset(&body);
		for (size_t i = done; i < done + BULK; i++) {
			buf_printf(&body,
			    "%s{\"accountid\":1,\"name\":\"%zu name %s\",\"email\":"
			    "\"%zu%s@example.com\",\"role\":1,\"password\":\"p\"}",
			    i == done ? "{\"Users\":[" : ",", i, filling, i, filling);
		}
		buf_puts(&body, "]}");
		assert_false(body.failed);
		assert_int_equal(http_send_bytes(both_http, "POST /users", "Bulk-Request: true",
				     body.data, body.len)
				     ->status,
		    201);
	}
	buf_fini(&body);
}

/* Fills the table and begins anew, so that the filling leaves no peaks behind. */
static void
prepare(void)
{
	const char *wanted = getenv("STREAM_USERS");

	sanitized = strstr(process_program(""), "san/") != NULL;
	users = wanted != NULL ? strtoul(wanted, NULL, 10) : sanitized ? USERS_SANITIZED : USERS;
	if (both_stack.store == STACK_MYSQL) {
		fill_mysql();
	} else {
		fill_by_bulks();
	}
	assert_int_equal(process_stop(&both_stack.gatewayd), 0);
	assert_int_equal(process_stop(&both_stack.accountd[0]), 0);
	stack_start_accountd(&both_stack, 0);
	stack_start_gatewayd(&both_stack);
	stack_await(&both_stack, "/accountdhealth", 200);
}

static const struct CMUnitTest tests[] = {
    cmocka_unit_test(a_fast_client_gets_all_users_in_bounded_memory),
    cmocka_unit_test(a_fast_client_gets_all_users_over_http2),
    cmocka_unit_test(slow_clients_get_all_users_and_hold_nothing),
    cmocka_unit_test(slow_clients_get_all_users_over_http2_and_hold_nothing),
    cmocka_unit_test(kill_9_of_accountd_cuts_the_list_off),
    cmocka_unit_test(kill_9_of_accountd_cuts_the_list_off_over_http2),
};

int
main(void)
{
	return both_run(&(struct suite){.configure = configure,
	    .prepare = prepare,
	    .tests = tests,
	    .test_count = sizeof(tests) / sizeof(tests[0])});
}
