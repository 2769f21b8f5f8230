#include "integration/both.h"

#include <string.h>

struct stack both_stack;
struct http *both_http;

static const struct both *both_running;

static int
both_start(void **state)
{
	(void)state;
	stack_start(&both_stack);
	both_http = http_new(both_stack.url);
	if (both_running->prepare != NULL) {
		both_running->prepare();
	}
	return 0;
}

static void
the_system_stops_cleanly(void **state)
{
	(void)state;
	http_free(&both_http);
	stack_stop(&both_stack);
}

static void
the_system_starts(void **state)
{
	(void)state;
	assert_non_null(both_http);
}

static int
both_run_on(enum stack_store store, const char *name)
{
	const struct CMUnitTest first[] = {cmocka_unit_test_setup(the_system_starts, both_start)};
	const struct CMUnitTest last[] = {cmocka_unit_test(the_system_stops_cleanly)};
	int failed;

	memset(&both_stack, 0, sizeof(both_stack));
	both_stack.store = store;
	if (both_running->configure != NULL) {
		both_running->configure(&both_stack);
	}
	failed = cmocka_run_group_tests_name(name, first, NULL, NULL);
	if (failed == 0 && both_running->rule_count > 0) {
		failed += rule_run_group(
		    name, &both_stack, both_running->rules, both_running->rule_count);
	}
	if (both_http != NULL) {
		failed += _cmocka_run_group_tests(
		    name, both_running->tests, both_running->test_count, NULL, NULL);
		failed += cmocka_run_group_tests_name(name, last, NULL, NULL);
	}
	stack_kill(&both_stack);
	return failed;
}

int
both_run(const struct both *both)
{
	int failed;

	both_running = both;
	failed = both_run_on(STACK_SQLITE, "on SQLite");
	failed += both_run_on(STACK_MYSQL, "on MySQL");
	return failed != 0;
}
