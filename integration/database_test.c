/* The database under two accountd dies, or stands still, under load. */
#include <pthread.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "common/base/clock.h"
#include "integration/load.h"
#include "integration/suite.h"

#define CLIENTS     8
#define KILLS       3
#define DEADLINE_MS 1500
#define SLACK_MS    2000 /* for a machine that is busy with other tests */

/* The first success is to come within 1 s. */
#define RECOVERY_MAX_NS ((1000 + SLACK_MS) * CLOCK_NS_PER_MS)

static struct stack stack = {
    .store = STACK_MYSQL,
    .accountd_count = 2,
    .gatewayd_flags = {"--request-timeout-ms=1500"},
};
static struct load *load;

/* How long after now the first request succeeds. */
static int64_t
first_success_ns(void)
{
	int64_t begin_ns = clock_now_ns();

	load_await(load, 1);
	return clock_now_ns() - begin_ns;
}

/* What failed says that it was not done, or that nobody knows. */
static void
check_failures(void)
{
	const struct load_failure *failures;
	size_t count = load_failures(load, &failures);

	assert_true(count > 0);
	for (size_t i = 0; i < count; i++) {
		assert_true(failures[i].status == 503 || failures[i].status == 504);
		assert_string_not_equal(failures[i].reason, "");
	}
	assert_true(load_slowest_s(load) * 1000 < DEADLINE_MS + SLACK_MS);
	assert_true(process_running(&stack.accountd[0]));
	assert_true(process_running(&stack.accountd[1]));
	assert_true(process_running(&stack.gatewayd));
}

static void
kill_9_loses_nothing_acknowledged_and_does_nothing_refused(void **state)
{
	(void)state;
	load = load_start(stack.url, CLIENTS);
	for (unsigned i = 0; i < KILLS; i++) {
		int64_t took_ns;

		load_await(load, 500);
		mariadb_kill(&stack.mariadb);
		stack_await(&stack, "/accountdhealth", 503);
		assert_true(mariadb_start(&stack.mariadb));
		took_ns = first_success_ns();
		print_message(
		    "first success after %lld ms\n", (long long)(took_ns / CLOCK_NS_PER_MS));
		assert_true(took_ns < RECOVERY_MAX_NS);
	}
	load_await(load, 500);
	load_stop(load);
	load_print(load);
	check_failures();
	load_check(load);
}

static void
one_that_stands_still_holds_no_request_past_its_deadline(void **state)
{
	int64_t took_ns;

	(void)state;
	load = load_start(stack.url, CLIENTS);
	load_await(load, 500);
	mariadb_pause(&stack.mariadb);
	stack_await(&stack, "/accountdhealth", 503);
	load_await_failures(load, 1);
	mariadb_resume(&stack.mariadb);
	took_ns = first_success_ns();
	print_message("first success after %lld ms\n", (long long)(took_ns / CLOCK_NS_PER_MS));
	assert_true(took_ns < RECOVERY_MAX_NS);
	load_await(load, 500);
	load_stop(load);
	load_print(load);
	check_failures();
	load_check(load);
}

static void *
lock_table(void *closure)
{
	(void)closure;
	return (void *)(intptr_t)mariadb_sql(&stack.mariadb, MARIADB_DATABASE,
	    "LOCK TABLES user WRITE; DO SLEEP(4); UNLOCK TABLES", NULL, 0);
}

/* Whoever notices the deadline first: a read was never perhaps done. */
static void
a_read_of_a_locked_table_has_no_outcome(void **state)
{
	struct http *http = http_new(stack.url);
	pthread_t locker;
	char out[32] = "";
	void *locked;

	(void)state;
	assert_int_equal(pthread_create(&locker, NULL, lock_table, NULL), 0);
	while (strcmp(out, "1\n") != 0) {
		assert_true(mariadb_sql(&stack.mariadb, NULL,
		    "SELECT COUNT(*) FROM information_schema.processlist"
		    " WHERE state = 'User sleep'",
		    out, sizeof(out)));
	}
	for (int i = 0; i < 2; i++) {
		const struct http_answer *answer =
		    http_send(http, i == 0 ? "GET /users/1" : "GET /users?page_size=1", NULL, NULL);

		assert_int_equal(answer->status, 504);
		if (strstr(answer->body, "\"reason\":\"DEADLINE\"") == NULL &&
		    strstr(answer->body, "\"reason\":\"EXPIRED_IN_QUEUE\"") == NULL &&
		    strstr(answer->body, "\"reason\":\"NOT_ANSWERED\"") == NULL) {
			fail_msg("%s", answer->body);
		}
	}
	pthread_join(locker, &locked);
	assert_non_null(locked);
	stack_await(&stack, "/accountdhealth", 200);
	http_free(&http);
}

static void
set_password(const char *password)
{
	char sql[256];
	char path[PATH_MAX + 32];
	FILE *file;

	snprintf(
	    sql, sizeof(sql), "SET PASSWORD FOR " MARIADB_USER "@'%%' = PASSWORD('%s')", password);
	assert_true(mariadb_sql(&stack.mariadb, NULL, sql, NULL, 0));
	snprintf(path, sizeof(path), "%s/secrets/dbpassword", stack.dir);
	file = fopen(path, "we");
	assert_non_null(file);
	fprintf(file, "%s\n", password);
	assert_int_equal(fclose(file), 0);
	for (unsigned i = 0; i < 2; i++) {
		long mark = process_log_mark(&stack.accountd[i]);

		process_signal(&stack.accountd[i], SIGHUP);
		process_await_log(&stack.accountd[i], mark, "\"key\":\"dbPassword\"");
		assert_false(process_log_has(&stack.accountd[i], mark, password));
	}
}

/* Connections that live go on; those that are made afterwards use it. */
static void
a_new_password_is_taken_while_requests_are_answered(void **state)
{
	(void)state;
	load = load_start(stack.url, CLIENTS);
	load_await(load, 200);
	set_password("a new secret");
	load_await(load, 200);
	load_stop(load);
	load_check_none_failed(load);
	assert_true(mariadb_sql(&stack.mariadb, NULL, "KILL USER " MARIADB_USER, NULL, 0));
	stack_await(&stack, "/accountdhealth", 200);
	load_check(load);
	set_password(MARIADB_PASSWORD);
}

static int
free_load(void **state)
{
	(void)state;
	load_free(&load);
	return 0;
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test_teardown(
		kill_9_loses_nothing_acknowledged_and_does_nothing_refused, free_load),
	    cmocka_unit_test_teardown(
		one_that_stands_still_holds_no_request_past_its_deadline, free_load),
	    cmocka_unit_test(a_read_of_a_locked_table_has_no_outcome),
	    cmocka_unit_test_teardown(
		a_new_password_is_taken_while_requests_are_answered, free_load),
	};

	return suite_run(&(struct suite){
	    .stack = &stack, .tests = tests, .test_count = sizeof(tests) / sizeof(tests[0])});
}
