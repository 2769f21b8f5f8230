/* mvctl's command line: what it refuses, its manual, its completion by bash. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "integration/mvctl.h"

static void
a_wrong_command_line_is_refused_with_the_remedy(void **state)
{
	static const struct {
		const char *words[5];
		const char *says;
	} rows[] = {
	    {{NULL}, "--help"},
	    {{"lst"}, "did you mean list?"},
	    {{"frobnicate"}, "list, describe, call and health"},
	    {{"call"}, "call METHOD [REQUEST]"},
	    {{"list", "a", "b"}, "list [SERVICE]"},
	    {{"call", "a", "b", "c"}, "quotes"},
	    {{"list", "--edpoint=x"}, "did you mean --endpoint?"},
	    {{"list", "--frobnicate"}, "mvctl --help"},
	    {{"list", "-z"}, "'-z'"},
	    {{"list", "--all=yes"}, "--all takes no value"},
	    {{"--help=all"}, "--help takes no value"},
	    {{"--version=1"}, "--version takes no value"},
	    {{"list", "--timeout"}, "--timeout needs a value"},
	    {{"list", "--timeout", "soon"}, "5s"},
	    {{"list", "--timeout", "0"}, "5s"},
	    {{"list", "--timeout", "61m"}, "60m"},
	    {{"list", "--in-flight", "0"}, "1 to 1024"},
	    {{"list", "--metadata", "key"}, "KEY=VALUE"},
	    {{"list", "--metadata", "Key=x"}, "lower-case"},
	    {{"call", MVCTL_GET, "{}", "--batch"}, "@FILE"},
	};

	(void)state;
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		assert_int_equal(mvctl_run_at(mvctl_endpoint, rows[i].words), MVCTL_USAGE);
		mvctl_says(rows[i].says);
	}
}

static void
output_that_cannot_be_written_is_a_failure(void **state)
{
	(void)state;
	assert_int_equal(mvctl_bash("$MVCTL list >/dev/full"), MVCTL_OUTPUT);
	mvctl_says("No space left");
	for (int id = 1; id < 3; id++) { /* of whom there is none, so that each call fails, is 2 */
		char line[128];

		snprintf(line, sizeof(line),
		    "yes '{\"id\":%d}' | $MVCTL call --batch " MVCTL_GET " >/dev/full", id);
		assert_int_equal(mvctl_bash(line), MVCTL_OUTPUT);
		mvctl_says("cannot write to standard output: No space left");
	}
}

/* Even where a connection would take the descriptor's number. */
static void
so_it_is_where_there_is_no_standard_output(void **state)
{
	(void)state;
	assert_int_equal(mvctl_bash("$MVCTL list >&-"), MVCTL_OUTPUT);
	mvctl_says("Bad file descriptor");
	assert_int_equal(
	    mvctl_bash("echo '{\"id\":1}' | $MVCTL call --batch " MVCTL_GET " >&-"), MVCTL_OUTPUT);
	mvctl_says("Bad file descriptor");
	assert_int_equal(mvctl_bash("$MVCTL call " MVCTL_GET " '{\"id\":1}' <&- 2>&-"), MVCTL_OK);
}

static void
input_that_cannot_be_read_is_a_failure(void **state)
{
	(void)state;
	assert_int_equal(MVCTL("call", MVCTL_GET, "@/"), MVCTL_INPUT);
	mvctl_says("cannot read /: Is a directory");
	assert_int_equal(MVCTL("call", MVCTL_GET, "@/", "--batch"), MVCTL_INPUT);
	mvctl_says("cannot read /: Is a directory");
	assert_int_equal(mvctl_bash("$MVCTL call --batch " MVCTL_GET " <&-"), MVCTL_OK);
}

/* Whether text has a flag, with its hyphens as roff writes them or as they are. */
static bool
has_flag(const char *text, const char *flag, size_t len)
{
	char escaped[128];
	size_t at = 0;

	for (size_t i = 0; i < len && at < sizeof(escaped) - 3; i++) {
		if (flag[i] == '-') {
			escaped[at++] = '\\';
		}
		escaped[at++] = flag[i];
	}
	escaped[at] = '\0';
	return strstr(text, escaped) != NULL || memmem(text, strlen(text), flag, len) != NULL;
}

static void
manual_and_completion_know_every_flag_of_the_help(void **state)
{
	char *manual = process_read_file("tools/mvctl/mvctl.1");
	char *completion = process_read_file("tools/mvctl/completion.bash");
	unsigned flags = 0;

	(void)state;
	assert_int_equal(MVCTL("--help"), MVCTL_OK);
	for (const char *flag = strstr(mvctl_out, "--"); flag != NULL;
	     flag = strstr(flag + 2, "--")) {
		size_t len = 2 + strspn(flag + 2, "abcdefghijklmnopqrstuvwxyz-");

		if (!has_flag(manual, flag, len) || !has_flag(completion, flag, len)) {
			fail_msg("%.*s is missing", (int)len, flag);
		}
		flags++;
	}
	assert_true(flags >= 9);
	free(manual);
	free(completion);
	assert_int_equal(MVCTL("--version"), MVCTL_OK);
	assert_memory_equal(mvctl_out, "mvctl ", 6);
}

/* Has bash complete a line, which it parts into words at blanks, colons and =. */
static void
complete(const char *line)
{
	char script[PATH_MAX + 4096];

	snprintf(script, sizeof(script),
	    "source tools/mvctl/completion.bash\n"
	    "COMP_LINE=\"%s\"; COMP_POINT=${#COMP_LINE}\n"
	    "parted=${COMP_LINE//:/ : }; parted=${parted//=/ = }\n"
	    "read -ra COMP_WORDS <<<\"$parted\"\n"
	    "[[ $COMP_LINE != *' ' ]] || COMP_WORDS+=('')\n"
	    "COMP_CWORD=$((${#COMP_WORDS[@]} - 1))\n"
	    "_mvctl\n"
	    "printf '%%s\\n' \"${COMPREPLY[@]}\"\n",
	    line);
	assert_int_equal(mvctl_bash(script), 0);
}

static void
bash_completes_commands_and_flags(void **state)
{
	(void)state;
	complete("$MVCTL ");
	assert_string_equal(mvctl_out, "list\ndescribe\ncall\nhealth\n");
	complete("$MVCTL de");
	assert_string_equal(mvctl_out, "describe\n");
	complete("$MVCTL call --ba");
	assert_string_equal(mvctl_out, "--batch\n");
	complete("$MVCTL --timeout ");
	assert_string_equal(mvctl_out, "\n");
	complete("$MVCTL --endpoint tcp:");
	assert_string_equal(mvctl_out, "\n");
}

static void
bash_completes_names_by_asking_the_endpoint(void **state)
{
	(void)state;
	complete("$MVCTL call account.v1.UserService/Ge");
	assert_string_equal(mvctl_out, MVCTL_GET "\n");
	complete("$MVCTL list mockvideo.rpc.v1.H");
	assert_string_equal(mvctl_out, "mockvideo.rpc.v1.Health\n");
	complete("$MVCTL describe account.v1.Ro");
	assert_string_equal(mvctl_out, "account.v1.Role\n");
	unsetenv("MVCTL_ENDPOINT");
	setenv("AT", mvctl_endpoint, 1);
	complete("$MVCTL --timeout 5s --endpoint $AT call account.v1.UserService/Ge");
	assert_string_equal(mvctl_out, MVCTL_GET "\n");
	complete("$MVCTL --endpoint=$AT call account.v1.UserService/Ge");
	assert_string_equal(mvctl_out, MVCTL_GET "\n");
	setenv("MVCTL_ENDPOINT", "tcp://127.0.0.1:1", 1);
	complete("$MVCTL call account.v1.UserService/Ge");
	assert_string_equal(mvctl_out, "\n");
	setenv("MVCTL_ENDPOINT", mvctl_endpoint, 1);
}

static void
bash_completes_files_of_requests(void **state)
{
	char line[PATH_MAX + 64];
	char expected[PATH_MAX + 64];

	(void)state;
	mvctl_file("the-request", "{}");
	snprintf(line, sizeof(line), "$MVCTL call " MVCTL_GET " @%s/the-r", mvctl_stack.dir);
	complete(line);
	snprintf(expected, sizeof(expected), "@%s/the-request\n", mvctl_stack.dir);
	assert_string_equal(mvctl_out, expected);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(a_wrong_command_line_is_refused_with_the_remedy),
	    cmocka_unit_test(output_that_cannot_be_written_is_a_failure),
	    cmocka_unit_test(so_it_is_where_there_is_no_standard_output),
	    cmocka_unit_test(input_that_cannot_be_read_is_a_failure),
	    cmocka_unit_test(manual_and_completion_know_every_flag_of_the_help),
	    cmocka_unit_test(bash_completes_commands_and_flags),
	    cmocka_unit_test(bash_completes_names_by_asking_the_endpoint),
	    cmocka_unit_test(bash_completes_files_of_requests),
	};

	return mvctl_run_tests(tests, sizeof(tests) / sizeof(tests[0]));
}
