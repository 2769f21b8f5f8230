/*
 * The tests of a program that run against the system, one after the other: it
 * is started before the first and stopped after the last.
 */
#ifndef INTEGRATION_SUITE_H
#define INTEGRATION_SUITE_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "integration/rule.h"
#include "integration/stack.h"

struct suite {
	const char *name;    /* of the group; NULL: the store's */
	struct stack *stack; /* as it is to be started; suite_run leaves it so again */

	/* Opened for the test's main thread while the system is up; NULL: not needed. */
	struct http **http;
	struct http **gatewayd_admin; /* the admin port, for which a free one is chosen */
	struct http **accountd_admin; /* likewise, of the first */

	/*
	 * Called before the start, when the system is up, and after it was
	 * stopped, even if something failed. The last releases whatever the
	 * others hold, which may be nothing. NULL: there is nothing to do.
	 */
	void (*configure)(void);
	void (*prepare)(void);
	void (*finish)(void);

	const struct rule *rules; /* before the tests */
	size_t rule_count;
	const struct CMUnitTest *tests;
	size_t test_count;
};

/*
 * Gives the number of failures. The start and the stop are tests too: what
 * fails there counts, and without the system nothing else is tried.
 */
int suite_run(const struct suite *suite);

#endif
