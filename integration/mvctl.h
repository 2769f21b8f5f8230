/* What the tests of mvctl share: the system that it calls, and what it said last. */
#ifndef INTEGRATION_MVCTL_H
#define INTEGRATION_MVCTL_H

#include <stddef.h>

#include "integration/suite.h"

#define MVCTL_OUT_MAX   ((size_t)1 << 19)
#define MVCTL_WORDS_MAX 5

#define MVCTL_GET       "account.v1.UserService/GetUser"
#define MVCTL_CREATE    "account.v1.UserService/CreateUser"

/* Exit statuses: RPC codes, and what mvctl(1) says of the rest. */
enum {
	MVCTL_OK = 0,
	MVCTL_INVALID_ARGUMENT = 3,
	MVCTL_NOT_FOUND = 5,
	MVCTL_ALREADY_EXISTS = 6,
	MVCTL_UNIMPLEMENTED = 12,
	MVCTL_UNAVAILABLE = 14,
	MVCTL_USAGE = 64,
	MVCTL_DATA = 65,
	MVCTL_INPUT = 66,
	MVCTL_OUTPUT = 74
};

extern struct stack mvctl_stack;
extern char mvctl_endpoint[64];       /* of its accountd, and MVCTL_ENDPOINT in the environment */
extern char mvctl_out[MVCTL_OUT_MAX]; /* what was printed last, errors too */

/* Runs tests against the system, with the one user Ann {["]} of id 1; gives the failures. */
int mvctl_run_tests(const struct CMUnitTest *tests, size_t count);

/* Runs mvctl with words, NULL after the last, at an endpoint; gives its exit status. */
int mvctl_run_at(const char *endpoint, const char *const words[MVCTL_WORDS_MAX]);

#define MVCTL_AT(at, ...) mvctl_run_at((at), (const char *const[MVCTL_WORDS_MAX]){__VA_ARGS__})
#define MVCTL(...)        MVCTL_AT(mvctl_endpoint, __VA_ARGS__)

/* Runs a line of bash, in which $MVCTL is the program. */
int mvctl_bash(const char *line);

/* Fails the test unless text was printed; if it was. */
void mvctl_says(const char *text);
void mvctl_says_not(const char *text);

/*
 * Writes a file in the folder of the system and gives its path behind an @, in
 * static memory.
 */
const char *mvctl_file(const char *name, const char *text);

#endif
