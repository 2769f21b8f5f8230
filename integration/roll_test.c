/* Two accountd under load, stopped and started again in turn: nobody notices. */
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>

#include <cmocka.h>

#include "integration/load.h"
#include "integration/suite.h"

#define CLIENTS 8
#define ROUNDS  10

static struct stack stack = {
    .store = STACK_MYSQL,
    .accountd_count = 2,
    .accountd_flags = {"--log-level=debug"},
};
static struct load *load;

/* Each of the two takes calls, also the one that was just started. */
static void
await_calls(unsigned index, long mark)
{
	process_await_log(&stack.accountd[index], mark, "\"method\":\"account.v1.UserService/");
}

static void
restarting_each_in_turn_fails_no_request(void **state)
{
	(void)state;
	load = load_start(stack.url, CLIENTS);
	await_calls(0, 0);
	await_calls(1, 0);
	for (unsigned i = 0; i < 2 * ROUNDS; i++) {
		struct process *accountd = &stack.accountd[i % 2];
		long mark;

		assert_int_equal(process_stop(accountd), 0);
		mark = process_log_mark(accountd);
		stack_start_accountd(&stack, i % 2);
		await_calls(i % 2, mark);
	}
	load_stop(load);
	load_print(load);
	load_check_none_failed(load);
	load_check(load);
}

static void
finish(void)
{
	load_free(&load);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(restarting_each_in_turn_fails_no_request),
	};

	return suite_run(&(struct suite){.stack = &stack,
	    .finish = finish,
	    .tests = tests,
	    .test_count = sizeof(tests) / sizeof(tests[0])});
}
