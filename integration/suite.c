#include "integration/suite.h"

#include <stdio.h>

static void
suite_open(struct http **http, unsigned port)
{
	char url[STACK_URL_MAX];

	if (http != NULL) {
		snprintf(url, sizeof(url), "http://127.0.0.1:%u", port);
		*http = http_new(url);
	}
}

static void
suite_close(const struct suite *suite)
{
	struct http **const opened[] = {suite->http, suite->gatewayd_admin, suite->accountd_admin};

	for (size_t i = 0; i < sizeof(opened) / sizeof(opened[0]); i++) {
		if (opened[i] != NULL) {
			http_free(opened[i]);
		}
	}
}

static void
the_system_starts(void **state)
{
	const struct suite *suite = *state;
	struct stack *stack = suite->stack;

	if (suite->gatewayd_admin != NULL) {
		stack->gatewayd_admin_port = process_free_port();
	}
	if (suite->accountd_admin != NULL) {
		stack->accountd_admin_port = process_free_port();
	}
	if (suite->configure != NULL) {
		suite->configure();
	}
	stack_start(stack);
	suite_open(suite->http, stack->port);
	suite_open(suite->gatewayd_admin, stack->gatewayd_admin_port);
	suite_open(suite->accountd_admin, stack->accountd_admin_port);
	if (suite->prepare != NULL) {
		suite->prepare();
	}
}

static void
the_system_stops_cleanly(void **state)
{
	const struct suite *suite = *state;

	suite_close(suite);
	stack_stop(suite->stack);
}

static int
suite_run_tests(const struct suite *suite, const char *name)
{
	void *state = (void *)(uintptr_t)suite;
	const struct CMUnitTest first[] = {cmocka_unit_test_prestate(the_system_starts, state)};
	const struct CMUnitTest last[] = {
	    cmocka_unit_test_prestate(the_system_stops_cleanly, state)};
	int failed = cmocka_run_group_tests_name(name, first, NULL, NULL);

	if (failed > 0) {
		return failed;
	}
	if (suite->rule_count > 0) {
		failed += rule_run_group(name, suite->stack, suite->rules, suite->rule_count);
	}
	failed += _cmocka_run_group_tests(name, suite->tests, suite->test_count, NULL, NULL);
	return failed + cmocka_run_group_tests_name(name, last, NULL, NULL);
}

int
suite_run(const struct suite *suite)
{
	const struct stack initial = *suite->stack;
	const char *store = initial.store == STACK_SQLITE ? "on SQLite" : "on MySQL";
	int failed = suite_run_tests(suite, suite->name == NULL ? store : suite->name);

	suite_close(suite);
	stack_kill(suite->stack);
	if (suite->finish != NULL) {
		suite->finish();
	}
	*suite->stack = initial;
	return failed;
}
