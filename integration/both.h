/* Runs the same tests against the system on each of its stores. */
#ifndef INTEGRATION_BOTH_H
#define INTEGRATION_BOTH_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "integration/rule.h"
#include "integration/stack.h"

/* The system that is up, and an http to it for the test's main thread. */
extern struct stack both_stack;
extern struct http *both_http;

struct both {
	void (*configure)(struct stack *stack); /* before the start; may be NULL */
	void (*prepare)(void);                  /* after it; may be NULL */
	const struct rule *rules;
	size_t rule_count;
	const struct CMUnitTest *tests;
	size_t test_count;
};

/* Gives the exit status of the test program. */
int both_run(const struct both *both);

#endif
