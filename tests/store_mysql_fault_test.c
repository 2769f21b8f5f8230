#include <pthread.h>
#include <sched.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "common/base/arena.h"
#include "tests/store_server.h"

static struct store_server at;

static int
test_setup(void **state)
{
	(void)state;
	store_server_open(&at);
	return 0;
}

static int
test_teardown(void **state)
{
	(void)state;
	store_server_close(&at);
	return 0;
}

static enum status_code
test_get(int64_t deadline_ns, int64_t id, int64_t *found)
{
	struct arena *arena = arena_new(0);
	struct user user;
	enum status_code code;

	memset(&at.error, 0, sizeof(at.error));
	code = store_user_get(at.conn, deadline_ns, &id, 1, arena, &user, &at.error);
	*found = user.id;
	arena_free(&arena);
	return code;
}

static void
a_database_that_is_away_is_told_and_found_again(void **state)
{
	int64_t id = store_suite_created(at.conn, "before", "before@x");
	struct store_write write = store_suite_create("while", "while@x");
	int64_t found;

	(void)state;
	mariadb_kill(&at.mariadb);
	assert_int_equal(test_get(store_suite_soon(), id, &found), STATUS_UNAVAILABLE);
	assert_string_equal(at.error.reason, "STORE_UNAVAILABLE");
	assert_null(strstr(at.error.message, MARIADB_HOST));
	assert_non_null(strstr(at.error.detail, MARIADB_HOST));
	assert_true(at.error.retry_after_ms > 0);
	assert_int_equal(
	    store_server_write(&at, store_suite_soon(), &write, 1), STATUS_UNAVAILABLE);
	assert_string_equal(at.error.reason, "STORE_UNAVAILABLE");
	assert_int_equal(sql_ping(at.conn, store_suite_soon(), &at.error), STATUS_UNAVAILABLE);
	assert_true(mariadb_start(&at.mariadb));
	store_suite_assert_ok(test_get(store_suite_soon(), id, &found), &at.error);
	assert_int_equal(found, id);
	assert_int_equal(store_suite_count(at.conn), 1);
}

/* The idle connection broke, which is noticed before anything is sent. */
static void
a_restart_between_two_calls_is_not_noticed(void **state)
{
	struct store_write write = store_suite_create("after", "after@x");
	struct store_write pair[] = {
	    store_suite_create("a", "a@x"), store_suite_create("b", "b@x")};

	(void)state;
	store_suite_created(at.conn, "before", "before@x");
	mariadb_kill(&at.mariadb);
	assert_true(mariadb_start(&at.mariadb));
	store_suite_assert_ok(store_server_write(&at, store_suite_soon(), &write, 1), &at.error);
	mariadb_kill(&at.mariadb);
	assert_true(mariadb_start(&at.mariadb));
	store_suite_assert_ok(store_server_write(&at, store_suite_soon(), pair, 2), &at.error);
	assert_int_equal(store_suite_count(at.conn), 4);
}

static void
a_server_that_hangs_costs_no_more_than_the_deadline(void **state)
{
	int64_t id = store_suite_created(at.conn, "a", "a@x");
	struct store_write one = store_suite_create("b", "b@x");
	struct store_write two[] = {store_suite_create("c", "c@x"), store_suite_create("d", "d@x")};
	int64_t found;

	(void)state;
	mariadb_pause(&at.mariadb);
	assert_int_equal(test_get(store_server_in_ms(200), id, &found), STATUS_DEADLINE_EXCEEDED);
	assert_int_equal(
	    store_server_write(&at, store_server_in_ms(200), two, 2), STATUS_DEADLINE_EXCEEDED);
	assert_int_equal(
	    sql_ping(at.conn, store_server_in_ms(200), &at.error), STATUS_DEADLINE_EXCEEDED);
	mariadb_resume(&at.mariadb);
	store_suite_created(at.conn, "e", "e@x");
	mariadb_pause(&at.mariadb);
	assert_int_equal(
	    store_server_write(&at, store_server_in_ms(200), &one, 1), STATUS_UNAVAILABLE);
	assert_string_equal(at.error.reason, "OUTCOME_UNKNOWN");
	mariadb_resume(&at.mariadb);
	found = (int64_t)store_suite_count(at.conn);
	assert_true(found == 2 || found == 3);
}

/* Runs SQL in the background that holds locks while it sleeps. */
static pthread_t test_holder_thread;

static void *
test_holder_run(void *sql)
{
	mariadb_sql(&at.mariadb, MARIADB_DATABASE, sql, NULL, 0);
	return NULL;
}

static void
test_hold(const char *sql)
{
	char out[32] = "";

	assert_int_equal(
	    pthread_create(&test_holder_thread, NULL, test_holder_run, (void *)sql), 0);
	while (strncmp(out, "1", 1) != 0) {
		assert_true(mariadb_sql(&at.mariadb, NULL,
		    "SELECT COUNT(*) FROM information_schema.processlist "
		    "WHERE state = 'User sleep'",
		    out, sizeof(out)));
	}
}

static void
a_lock_is_waited_for_longer_than_the_server_would(void **state)
{
	int64_t id = store_suite_created(at.conn, "a", "a@x");
	struct store_write writes[] = {
	    store_suite_create("b", "b@x"), store_suite_replace(id, "mine", "a@x")};

	(void)state;
	test_hold("BEGIN; UPDATE user SET name = 'theirs'; DO SLEEP(2.5); COMMIT");
	store_suite_assert_ok(store_server_write(&at, store_suite_soon(), writes, 2), &at.error);
	assert_int_equal(writes[0].outcome, STORE_DONE);
	assert_int_equal(writes[1].outcome, STORE_DONE);
	assert_int_equal(store_suite_count(at.conn), 2);
	pthread_join(test_holder_thread, NULL);
}

static void
a_lock_is_not_waited_for_past_the_deadline(void **state)
{
	int64_t id = store_suite_created(at.conn, "a", "a@x");
	struct store_write writes[] = {
	    store_suite_create("b", "b@x"), store_suite_replace(id, "mine", "a@x")};
	int64_t start_ns, waited_ms;

	(void)state;
	test_hold("BEGIN; UPDATE user SET name = 'theirs'; DO SLEEP(3); COMMIT");
	start_ns = clock_now_ns();
	assert_int_equal(
	    store_server_write(&at, store_server_in_ms(300), writes, 2), STATUS_DEADLINE_EXCEEDED);
	waited_ms = (clock_now_ns() - start_ns) / CLOCK_NS_PER_MS;
	assert_true(waited_ms >= 290);
	pthread_join(test_holder_thread, NULL);
	assert_int_equal(store_suite_count(at.conn), 1);
}

static void
a_commit_without_an_answer_is_of_unknown_outcome(void **state)
{
	struct store_write writes[] = {
	    store_suite_create("a", "a@x"), store_suite_create("b", "b@x")};
	size_t count;

	(void)state;
	test_hold("BACKUP STAGE START; BACKUP STAGE BLOCK_COMMIT; DO SLEEP(2); BACKUP STAGE END");
	assert_int_equal(
	    store_server_write(&at, store_server_in_ms(500), writes, 2), STATUS_UNAVAILABLE);
	assert_string_equal(at.error.reason, "OUTCOME_UNKNOWN");
	pthread_join(test_holder_thread, NULL);
	count = store_suite_count(at.conn);
	assert_true(count == 0 || count == 2);
}

/* A thread that writes one and two users in turns until the database fails it. */
struct test_writer {
	pthread_t thread;
	unsigned index;
	unsigned acknowledged;
	enum status_code code;
	bool unknown;
	size_t last; /* how many rows the failed write has */
};

static atomic_uint test_written;

static void *
test_writer_run(void *closure)
{
	struct test_writer *writer = closure;
	struct sql_conn *by = sql_conn_open(at.store);
	struct store_write writes[2];
	char emails[2][48];
	struct error mine = {.code = STATUS_OK};

	for (unsigned i = 0; writer->code == STATUS_OK; i++) {
		writer->last = 1 + i % 2;
		for (unsigned j = 0; j < writer->last; j++) {
			snprintf(emails[j], sizeof(emails[j]), "w%u-%u-%u@x", writer->index, i, j);
			writes[j] = store_suite_create("w", emails[j]);
		}
		writer->code =
		    store_user_write(by, store_suite_soon(), writes, writer->last, &mine);
		writer->acknowledged += writer->code == STATUS_OK ? writer->last : 0;
		atomic_fetch_add(&test_written, 1);
	}
	writer->unknown = mine.reason != NULL && strcmp(mine.reason, "OUTCOME_UNKNOWN") == 0;
	sql_conn_close(&by);
	return NULL;
}

static void
what_was_acknowledged_outlives_a_power_cut(void **state)
{
	enum {
		WRITERS = 4
	};
	struct test_writer writers[WRITERS] = {{.index = 0}};
	size_t least = 0, most = 0, count;

	(void)state;
	test_written = 0;
	for (unsigned i = 0; i < WRITERS; i++) {
		writers[i].index = i;
		pthread_create(&writers[i].thread, NULL, test_writer_run, &writers[i]);
	}
	while (atomic_load(&test_written) < 200) {
		sched_yield();
	}
	mariadb_kill(&at.mariadb);
	for (unsigned i = 0; i < WRITERS; i++) {
		pthread_join(writers[i].thread, NULL);
		assert_int_equal(writers[i].code, STATUS_UNAVAILABLE);
		least += writers[i].acknowledged;
		most += writers[i].acknowledged + (writers[i].unknown ? writers[i].last : 0);
	}
	assert_true(mariadb_start(&at.mariadb));
	count = store_suite_count(at.conn);
	assert_true(count >= least);
	assert_true(count <= most);
}

static void
a_long_list_is_ended_on_the_server_too(void **state)
{
	const struct store_filter filter = {.role = USER_ROLE_NONE, .name_prefix = "nobody"};
	struct arena *arena = arena_new(0);
	struct user *rows;
	char out[32] = "";
	size_t count;

	(void)state;
	store_server_sql(
	    &at, "INSERT INTO user (accountID, name, role) SELECT 1, 'u', 1 FROM seq_1_to_400000");
	assert_int_equal(store_user_list(at.conn, store_server_in_ms(20), &filter, 0, 10, arena,
			     &rows, &count, &at.error),
	    STATUS_DEADLINE_EXCEEDED);
	while (strcmp(out, "0\n") != 0) {
		assert_true(mariadb_sql(&at.mariadb, NULL,
		    "SELECT COUNT(*) FROM information_schema.processlist WHERE user = "
		    "'" MARIADB_USER "' AND command IN ('Query', 'Execute')",
		    out, sizeof(out)));
	}
	store_suite_assert_ok(store_user_list(at.conn, store_suite_soon(), &filter, 0, 10, arena,
				  &rows, &count, &at.error),
	    &at.error);
	assert_int_equal(count, 0);
	arena_free(&arena);
}

#define TEST_CASE(name) cmocka_unit_test_setup_teardown(name, test_setup, test_teardown)

int
main(void)
{
	const struct CMUnitTest cases[] = {
	    TEST_CASE(a_database_that_is_away_is_told_and_found_again),
	    TEST_CASE(a_restart_between_two_calls_is_not_noticed),
	    TEST_CASE(a_server_that_hangs_costs_no_more_than_the_deadline),
	    TEST_CASE(a_lock_is_waited_for_longer_than_the_server_would),
	    TEST_CASE(a_lock_is_not_waited_for_past_the_deadline),
	    TEST_CASE(a_commit_without_an_answer_is_of_unknown_outcome),
	    TEST_CASE(what_was_acknowledged_outlives_a_power_cut),
	    TEST_CASE(a_long_list_is_ended_on_the_server_too),
	};
	int failed;

	if (!mariadb_start(&at.mariadb)) {
		mariadb_stop(&at.mariadb);
		return 1;
	}
	failed = cmocka_run_group_tests_name("mysql faults", cases, NULL, NULL);
	mariadb_stop(&at.mariadb);
	return failed != 0;
}
