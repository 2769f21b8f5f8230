/* Runs the same tests against the system on each of its stores. */
#ifndef INTEGRATION_BOTH_H
#define INTEGRATION_BOTH_H

#include "integration/suite.h"

/* The system that is up, and an http to it for the test's main thread. */
extern struct stack both_stack;
extern struct http *both_http;

/* Gives the exit status of the test program. The suite has no stack, http or name of its own. */
int both_run(const struct suite *suite);

#endif
