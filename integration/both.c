#include "integration/both.h"

struct stack both_stack;
struct http *both_http;

int
both_run(const struct suite *suite)
{
	struct suite one = *suite;
	int failed;

	one.stack = &both_stack;
	one.http = &both_http;
	both_stack.store = STACK_SQLITE;
	failed = suite_run(&one);
	both_stack.store = STACK_MYSQL;
	failed += suite_run(&one);
	return failed != 0;
}
