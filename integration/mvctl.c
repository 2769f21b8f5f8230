#include "integration/mvctl.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

struct stack mvctl_stack;
char mvctl_endpoint[64];
char mvctl_out[MVCTL_OUT_MAX];

static void
mvctl_prepare(void)
{
	snprintf(mvctl_endpoint, sizeof(mvctl_endpoint), "tcp://127.0.0.1:%u",
	    mvctl_stack.accountd_ports[0]);
	setenv("MVCTL_ENDPOINT", mvctl_endpoint, 1);
	assert_int_equal(MVCTL("call", MVCTL_CREATE,
			     "{\"user\":{\"accountid\":1,\"name\":\"Ann "
			     "{[\\\"]}\",\"email\":\"ann@example.com\","
			     "\"role\":1,\"password\":\"x\"}}"),
	    MVCTL_OK);
}

int
mvctl_run_tests(const struct CMUnitTest *tests, size_t count)
{
	mvctl_stack.accountd_flags[0] = "--log-level=debug";
	return suite_run(&(struct suite){
	    .stack = &mvctl_stack, .prepare = mvctl_prepare, .tests = tests, .test_count = count});
}

int
mvctl_run_at(const char *endpoint, const char *const words[MVCTL_WORDS_MAX])
{
	const char *argv[3 + MVCTL_WORDS_MAX + 1] = {
	    process_program("mvctl"), "--endpoint", endpoint};

	for (size_t i = 0; i < MVCTL_WORDS_MAX && words[i] != NULL; i++) {
		argv[3 + i] = words[i];
	}
	return process_run(argv, mvctl_out, sizeof(mvctl_out));
}

int
mvctl_bash(const char *line)
{
	const char *argv[] = {"bash", "-c", line, NULL};

	setenv("MVCTL", process_program("mvctl"), 1);
	return process_run(argv, mvctl_out, sizeof(mvctl_out));
}

void
mvctl_says(const char *text)
{
	if (strstr(mvctl_out, text) == NULL) {
		fail_msg("no '%s' in: %s", text, mvctl_out);
	}
}

void
mvctl_says_not(const char *text)
{
	if (strstr(mvctl_out, text) != NULL) {
		fail_msg("'%s' in: %s", text, mvctl_out);
	}
}

const char *
mvctl_file(const char *name, const char *text)
{
	static char at[PATH_MAX + 64];

	snprintf(at, sizeof(at), "@%s", process_write_file(mvctl_stack.dir, name, text));
	return at;
}
