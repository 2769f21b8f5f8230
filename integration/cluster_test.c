/* Two accountd under load, one of which is killed, or stands still. */
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "common/base/clock.h"
#include "integration/load.h"
#include "integration/suite.h"

#define CLIENTS     8
#define KILLS       6
#define DEADLINE_MS 1500
#define SLACK_MS    2000 /* for a machine that is busy with other tests */

/* Errors are to be over after 2 s. */
#define ERRORS_MAX_NS ((2000 + SLACK_MS) * CLOCK_NS_PER_MS)

static struct stack stack = {
    .store = STACK_MYSQL,
    .accountd_count = 2,
    .accountd_flags = {"--log-level=debug"},
    .gatewayd_flags = {"--request-timeout-ms=1500"},
};
static struct load *load;

static void
await_calls(unsigned index, long mark)
{
	process_await_log(&stack.accountd[index], mark, "\"method\":\"account.v1.UserService/");
}

/* The numbers of the creations that a process says it has executed; gives how many. */
static size_t
read_executed(const char *log, char ***ids, size_t count)
{
	char *text = process_read_file(log);
	char *rest = text;

	for (char *line; (line = strsep(&rest, "\n")) != NULL;) {
		char *id = strstr(line, "\"requestId\":\"" LOAD_CREATE_ID);

		if (id != NULL) {
			id += strlen("\"requestId\":\"");
			*ids = reallocarray(*ids, count + 1, sizeof(**ids));
			assert_non_null(*ids);
			(*ids)[count++] = strndup(id, strcspn(id, "\""));
		}
	}
	free(text);
	return count;
}

static int
compare_texts(const void *a, const void *b)
{
	return strcmp(*(char *const *)a, *(char *const *)b);
}

/* Rows cannot tell, as the second time would fail for the address; the logs do. */
static void
no_creation_was_executed_twice(void)
{
	char **ids = NULL;
	size_t count = read_executed(stack.accountd[0].log, &ids, 0);

	assert_true(count > 0);
	count = read_executed(stack.accountd[1].log, &ids, count);
	qsort(ids, count, sizeof(*ids), compare_texts);
	for (size_t i = 1; i < count; i++) {
		assert_string_not_equal(ids[i - 1], ids[i]);
	}
	for (size_t i = 0; i < count; i++) {
		free(ids[i]);
	}
	free(ids);
}

/* A write that was on its way when one of the processes was killed, and says what is known. */
static void
check_was_in_flight(const struct load_failure *failure, const int64_t *kills_ns)
{
	bool in_flight = false;

	assert_int_not_equal(failure->kind, LOAD_READ);
	assert_int_equal(failure->status, 503);
	assert_string_equal(failure->reason, "OUTCOME_UNKNOWN");
	for (unsigned i = 0; i < KILLS; i++) {
		in_flight |= failure->ended_ns >= kills_ns[i] &&
			     failure->begun_ns <= kills_ns[i] + SLACK_MS * CLOCK_NS_PER_MS;
	}
	assert_true(in_flight);
}

static void
kill_9_fails_no_read_and_of_the_writes_only_those_in_flight(void **state)
{
	const struct load_failure *failures;
	int64_t kills_ns[KILLS];
	size_t count;

	(void)state;
	load = load_start(stack.url, CLIENTS);
	await_calls(0, 0);
	await_calls(1, 0);
	for (unsigned i = 0; i < KILLS; i++) {
		struct process *accountd = &stack.accountd[i % 2];
		long mark;

		kills_ns[i] = clock_now_ns();
		process_signal(accountd, SIGKILL);
		assert_int_equal(process_wait_exit(accountd, 10), 128 + SIGKILL);
		load_await(load, 200);
		mark = process_log_mark(accountd);
		stack_start_accountd(&stack, i % 2);
		await_calls(i % 2, mark);
	}
	load_stop(load);
	load_print(load);
	count = load_failures(load, &failures);
	assert_true(count <= (size_t)KILLS * CLIENTS);
	for (size_t i = 0; i < count; i++) {
		check_was_in_flight(&failures[i], kills_ns);
	}
	load_check(load);
	no_creation_was_executed_twice();
}

static int
free_load(void **state)
{
	(void)state;
	load_free(&load);
	return 0;
}

/* Lets the load go on for so long. */
static void
run_until(int64_t end_ns)
{
	while (clock_now_ns() < end_ns) {
		load_await(load, CLIENTS);
	}
}

static void
check_errors_stopped(int64_t stopped_ns)
{
	const struct load_failure *failures;
	size_t count = load_failures(load, &failures);
	int64_t last_ns = 0;

	for (size_t i = 0; i < count; i++) {
		const struct load_failure *failure = &failures[i];

		assert_string_equal(failure->reason,
		    failure->kind == LOAD_READ ? "NOT_ANSWERED" : "OUTCOME_UNKNOWN");
		if (failure->ended_ns - stopped_ns > last_ns) {
			last_ns = failure->ended_ns - stopped_ns;
		}
	}
	print_message(
	    "the last error came after %lld ms\n", (long long)(last_ns / CLOCK_NS_PER_MS));
	assert_true(last_ns <= ERRORS_MAX_NS);
}

static void
one_that_stands_still_costs_little_and_comes_back_by_itself(void **state)
{
	int64_t stopped_ns;
	long mark;

	(void)state;
	mark = process_log_mark(&stack.accountd[0]);
	load = load_start(stack.url, CLIENTS);
	await_calls(0, mark);
	stopped_ns = clock_now_ns();
	process_signal(&stack.accountd[0], SIGSTOP);
	run_until(stopped_ns + ERRORS_MAX_NS + SLACK_MS * CLOCK_NS_PER_MS);
	process_signal(&stack.accountd[0], SIGCONT);
	load_await(load, 200); /* what had come to it is done by now, or dropped */
	mark = process_log_mark(&stack.accountd[0]);
	await_calls(0, mark);
	load_stop(load);
	load_print(load);
	assert_int_equal(load_count(load, LOAD_READ, 0, NULL), 0);
	check_errors_stopped(stopped_ns);
	assert_true(load_slowest_s(load) * 1000 < DEADLINE_MS + SLACK_MS);
	load_check(load);
}

/* Its connections end in the middle of messages; accountd is to stay fit and to stop in time. */
static void
a_gateway_that_is_killed_leaves_accountd_fit(void **state)
{
	const struct load_failure *failures;
	size_t count;
	long mark;

	(void)state;
	load = load_start(stack.url, CLIENTS);
	for (unsigned i = 0; i < KILLS; i++) {
		load_await(load, 200);
		process_signal(&stack.gatewayd, SIGKILL);
		assert_int_equal(process_wait_exit(&stack.gatewayd, 10), 128 + SIGKILL);
		stack_start_gatewayd(&stack);
	}
	load_await(load, 200);
	load_stop(load);
	load_print(load);
	count = load_failures(load, &failures);
	for (size_t i = 0; i < count; i++) {
		/* A gateway that just began has not yet read the descriptors: readiness says so. */
		if (strcmp(failures[i].reason, "UNKNOWN_YET") != 0) {
			assert_int_equal(failures[i].status, 0);
		}
	}
	load_check(load);
	assert_int_equal(process_stop(&stack.accountd[0]), 0);
	mark = process_log_mark(&stack.accountd[0]);
	stack_start_accountd(&stack, 0);
	process_await_log(&stack.accountd[0], mark, "\"listening\"");
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test_teardown(
		kill_9_fails_no_read_and_of_the_writes_only_those_in_flight, free_load),
	    cmocka_unit_test_teardown(
		one_that_stands_still_costs_little_and_comes_back_by_itself, free_load),
	    cmocka_unit_test_teardown(a_gateway_that_is_killed_leaves_accountd_fit, free_load),
	};

	return suite_run(&(struct suite){
	    .stack = &stack, .tests = tests, .test_count = sizeof(tests) / sizeof(tests[0])});
}
