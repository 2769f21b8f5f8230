#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

#include "tests/conf_fixture.h"

static void
a_wrong_value_is_told_also_where_a_later_source_wins(void **state)
{
	struct conf_fixture *f = *state;
	char where[256];

	conf_fixture_write_file(f, "port=none\n");
	snprintf(where, sizeof(where), "%s:1", f->file);
	assert_conf_fault(
	    f, conf_fixture_load(f, "--port=3", "--config", f->file, NULL), where, "\"none\"");
}

static void
a_second_command_is_a_fault(void **state)
{
	struct conf_fixture *f = *state;

	assert_conf_fault(
	    f, conf_fixture_load(f, "migrate", "twice", NULL), "twice", "the command is migrate");
}

static void
a_command_is_a_fault_where_there_are_none(void **state)
{
	struct conf_fixture *f = *state;

	f->program = &conf_fixture_without_commands;
	assert_conf_fault(f, conf_fixture_load(f, "migrate", NULL), "migrate", "no commands");
}

static void
an_unknown_key_names_line_and_nearest_key(void **state)
{
	struct conf_fixture *f = *state;
	char where[256];

	conf_fixture_write_file(f, "port=1\n\ndbHsot=secret-value\n");
	snprintf(where, sizeof(where), "%s:3", f->file);
	assert_conf_fault(f, conf_fixture_load(f, "--config", f->file, NULL), where,
	    "unknown key dbHsot; did you mean dbHost?");
	assert_null(strstr(f->err, "secret-value"));
	conf_fixture_write_file(f, "\n\nDBHOST=x\n");
	assert_conf_fault(
	    f, conf_fixture_load(f, "--config", f->file, NULL), where, "did you mean dbHost?");
	conf_fixture_write_file(f, "\n\nelephants=x\n");
	assert_conf_fault(
	    f, conf_fixture_load(f, "--config", f->file, NULL), where, "accountd --help lists");
}

static void
an_unknown_flag_names_the_nearest_flag(void **state)
{
	struct conf_fixture *f = *state;

	assert_conf_fault(f, conf_fixture_load(f, "--db-hots", "x", NULL), "--db-hots",
	    "did you mean --db-host?");
	assert_conf_fault(
	    f, conf_fixture_load(f, "-dbHost", "x", NULL), "-dbHost", "did you mean --db-host?");
	assert_conf_fault(
	    f, conf_fixture_load(f, "--chek-config", NULL), "--chek-config", "--check-config?");
	assert_conf_fault(
	    f, conf_fixture_load(f, "--secret-dir=x", NULL), "--secret-dir", "--secrets-dir?");
	assert_conf_fault(
	    f, conf_fixture_load(f, "--elephants", NULL), "--elephants", "accountd --help lists");
}

static void
a_flag_without_its_value_is_a_fault(void **state)
{
	struct conf_fixture *f = *state;

	assert_conf_fault(f, conf_fixture_load(f, "--db-host", NULL), "--db-host", "needs a value");
	assert_conf_fault(
	    f, conf_fixture_load(f, "--db-host", "--port=1", NULL), "--db-host", "needs a value");
	assert_conf_fault(f, conf_fixture_load(f, "--config", NULL), "--config", "needs a value");
	assert_conf_fault(
	    f, conf_fixture_load(f, "--secrets-dir=", NULL), "--secrets-dir", "needs a value");
}

static void
an_unknown_variable_is_a_warning(void **state)
{
	struct conf_fixture *f = *state;

	setenv("MOCKVIDEO_DB_HSOT", "x", 1);
	assert_int_equal(conf_fixture_load(f, NULL), CONF_RUN);
	assert_string_equal(f->err, "accountd: warning: MOCKVIDEO_DB_HSOT: unknown variable; "
				    "did you mean MOCKVIDEO_DB_HOST?\n");
}

static void
every_fault_is_told_on_a_line_of_its_own(void **state)
{
	struct conf_fixture *f = *state;
	char where[256];

	conf_fixture_write_file(f, "port=70000\nnonsense\nlogLevel=loud\nbatching=perhaps\n");
	setenv("MOCKVIDEO_DB_HOST", "", 1);
	assert_int_equal(
	    conf_fixture_load(f, "--config", f->file, "--dbName=x", NULL), CONF_FAILED);
	assert_int_equal(conf_fixture_lines(f->err), 6);
	snprintf(where, sizeof(where),
	    "%s:1: port must be a whole number from 1 to 65535, not "
	    "\"70000\"",
	    f->file);
	assert_contains(f->err, where);
	snprintf(where, sizeof(where), "%s:2: not of the form key=value", f->file);
	assert_contains(f->err, where);
	assert_contains(f->err, "logLevel must be error, warn, info or a number from 0 to 2, not "
				"\"loud\"");
	assert_contains(f->err, "batching must be true or false, not \"perhaps\"");
	assert_contains(
	    f->err, "MOCKVIDEO_DB_HOST: dbHost must be text of 1 to 20 bytes, but has 0");
	assert_contains(f->err, "--dbName: unknown flag; did you mean --db-name?");
}

static void
numbers_must_be_whole_and_in_range(void **state)
{
	static const char *const wrong[] = {"--port=", "--port=0", "--port=65536", "--port=-1",
	    "--port=1.5", "--port=1e3", "--port=0x10", "--port= 1", "--port=+1", "--port=1 ",
	    "--port=99999999999999999999", "--port=5000ms"};
	struct conf_fixture *f = *state;

	for (size_t i = 0; i < sizeof(wrong) / sizeof(wrong[0]); i++) {
		assert_conf_fault(f, conf_fixture_load(f, wrong[i], NULL), "--port",
		    "must be a whole number from 1 to 65535");
	}
	assert_int_equal(conf_fixture_load(f, "--port=65535", NULL), CONF_RUN);
	assert_int_equal(conf_int(f->conf, PORT), 65535);
}

static void
text_that_is_too_long_is_refused(void **state)
{
	struct conf_fixture *f = *state;

	assert_int_equal(conf_fixture_load(f, "--db-host", "12345678901234567890", NULL), CONF_RUN);
	assert_conf_fault(f, conf_fixture_load(f, "--db-host", "123456789012345678901", NULL),
	    "--db-host", "has 21 bytes");
}

static void
a_key_given_twice_names_both_lines(void **state)
{
	struct conf_fixture *f = *state;
	char where[256];

	conf_fixture_write_file(f, "port=1\ndbName=x\nport=2\n");
	snprintf(where, sizeof(where), "%s:3", f->file);
	assert_conf_fault(
	    f, conf_fixture_load(f, "--config", f->file, NULL), where, "set in line 1 already");
}

static void
control_characters_do_not_reach_the_terminal(void **state)
{
	struct conf_fixture *f = *state;

	assert_conf_fault(
	    f, conf_fixture_load(f, "--port=\x1b[2J\n", NULL), "--port", "not \"?[2J?\"");
	assert_null(strchr(f->err, 0x1b));
}

static void
a_nul_byte_is_refused(void **state)
{
	struct conf_fixture *f = *state;
	char where[256];

	conf_fixture_write(f->file, "dbName=a\0b\n", 11);
	snprintf(where, sizeof(where), "%s:1", f->file);
	assert_conf_fault(f, conf_fixture_load(f, "--config", f->file, NULL), where, "NUL byte");
}

static void
a_file_that_cannot_be_read_is_a_fault(void **state)
{
	struct conf_fixture *f = *state;

	assert_conf_fault(f, conf_fixture_load(f, "--config", f->file, NULL), f->file,
	    "No such file or directory");
	assert_conf_fault(
	    f, conf_fixture_load(f, "--config", f->dir, NULL), f->dir, "Is a directory");
	assert_conf_fault(
	    f, conf_fixture_load(f, "--config", "/dev/zero", NULL), "/dev/zero", "at most 1 MiB");
}

static void
a_secrets_directory_that_cannot_be_read_is_a_fault(void **state)
{
	struct conf_fixture *f = *state;

	rmdir(f->secrets);
	assert_conf_fault(f, conf_fixture_load(f, "--secrets-dir", f->secrets, NULL), f->secrets,
	    "No such file or directory");
	conf_fixture_write_file(f, "");
	assert_conf_fault(
	    f, conf_fixture_load(f, "--secrets-dir", f->file, NULL), f->file, "Not a directory");
}

static void
an_unknown_secret_is_a_warning(void **state)
{
	struct conf_fixture *f = *state;

	conf_fixture_write_secret(f, "dbpasword", "hunter2");
	conf_fixture_write_secret(f, "dbhost", "not a secret");
	assert_int_equal(conf_fixture_load(f, "--secrets-dir", f->secrets, NULL), CONF_RUN);
	assert_string_equal(conf_text(f->conf, DB_HOST), "127.0.0.1");
	assert_int_equal(conf_fixture_lines(f->err), 2);
	assert_contains(f->err, "warning: ");
	assert_contains(f->err, "/dbpasword: no secret of this name is known; did you mean "
				"dbPassword?");
	assert_contains(f->err, "/dbhost: no secret of this name is known; ");
	assert_null(strstr(f->err, "hunter2"));
}

static void
two_files_of_one_secret_are_a_fault(void **state)
{
	struct conf_fixture *f = *state;

	conf_fixture_write_secret(f, "dbpassword", "one");
	conf_fixture_write_secret(f, "dbPassword", "two");
	assert_int_equal(conf_fixture_load(f, "--secrets-dir", f->secrets, NULL), CONF_FAILED);
	assert_int_equal(conf_fixture_lines(f->err), 1);
	assert_contains(f->err, "is the same secret; keep one of the two");
}

static void
a_secret_that_is_a_directory_is_a_fault(void **state)
{
	struct conf_fixture *f = *state;
	char path[256];

	snprintf(path, sizeof(path), "%s/dbpassword", f->secrets);
	assert_int_equal(mkdir(path, 0700), 0);
	assert_conf_fault(
	    f, conf_fixture_load(f, "--secrets-dir", f->secrets, NULL), path, "Is a directory");
}

static void
secrets_are_not_taken_from_flags_nor_repeated(void **state)
{
	struct conf_fixture *f = *state;

	assert_conf_fault(f, conf_fixture_load(f, "--db-password", "hunter2", NULL),
	    "--db-password", "MOCKVIDEO_DB_PASSWORD");
	assert_null(strstr(f->err, "hunter2"));
	assert_conf_fault(
	    f, conf_fixture_load(f, "--db-password=hunter2", NULL), "--db-password", "flags");
	assert_null(strstr(f->err, "hunter2"));
	assert_conf_fault(
	    f, conf_fixture_load(f, "--db-password", "-hunter2", NULL), "--db-password", "flags");
	assert_null(strstr(f->err, "hunter2"));
}

static void
a_wrong_secret_is_not_repeated(void **state)
{
	struct conf_fixture *f = *state;
	char secret[80] = "";

	memset(secret, 'z', 70);
	setenv("MOCKVIDEO_DB_PASSWORD", secret, 1);
	assert_conf_fault(f, conf_fixture_load(f, NULL), "MOCKVIDEO_DB_PASSWORD",
	    "dbPassword must be text of 0 to 64 bytes, but has 70 bytes");
	assert_null(strstr(f->err, "zz"));
}

static void
what_is_required_must_be_there(void **state)
{
	struct conf_fixture *f = *state;

	f->program = &conf_fixture_requiring;
	assert_int_equal(conf_fixture_load(f, NULL), CONF_FAILED);
	assert_int_equal(conf_fixture_lines(f->err), 2);
	assert_contains(f->err, "accountd: dbHost: is required: set MOCKVIDEO_DB_HOST, or "
				"--db-host, or dbHost= in the file\n");
	assert_contains(f->err, "accountd: dbPassword: is required: set MOCKVIDEO_DB_PASSWORD, or "
				"a file of the secrets directory named dbPassword");
	setenv("MOCKVIDEO_DB_PASSWORD", "x", 1);
	assert_int_equal(conf_fixture_load(f, "--db-host=x", NULL), CONF_RUN);
}

static void
what_is_required_and_wrong_is_told_once(void **state)
{
	struct conf_fixture *f = *state;

	f->program = &conf_fixture_requiring;
	setenv("MOCKVIDEO_DB_PASSWORD", "x", 1);
	assert_conf_fault(f, conf_fixture_load(f, "--db-host=123456789012345678901", NULL),
	    "--db-host", "21 bytes");
	assert_conf_fault(f, conf_fixture_load(f, "--db-host", NULL), "--db-host", "needs a value");
}

static void
check_config_tells_faults(void **state)
{
	struct conf_fixture *f = *state;

	assert_conf_fault(
	    f, conf_fixture_load(f, "--check-config", "--port=0", NULL), "--port", "1 to 65535");
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    CONF_CASE(a_wrong_value_is_told_also_where_a_later_source_wins),
	    CONF_CASE(a_second_command_is_a_fault),
	    CONF_CASE(a_command_is_a_fault_where_there_are_none),
	    CONF_CASE(an_unknown_key_names_line_and_nearest_key),
	    CONF_CASE(an_unknown_flag_names_the_nearest_flag),
	    CONF_CASE(a_flag_without_its_value_is_a_fault),
	    CONF_CASE(an_unknown_variable_is_a_warning),
	    CONF_CASE(every_fault_is_told_on_a_line_of_its_own),
	    CONF_CASE(numbers_must_be_whole_and_in_range),
	    CONF_CASE(text_that_is_too_long_is_refused),
	    CONF_CASE(a_key_given_twice_names_both_lines),
	    CONF_CASE(control_characters_do_not_reach_the_terminal),
	    CONF_CASE(a_nul_byte_is_refused),
	    CONF_CASE(a_file_that_cannot_be_read_is_a_fault),
	    CONF_CASE(a_secrets_directory_that_cannot_be_read_is_a_fault),
	    CONF_CASE(an_unknown_secret_is_a_warning),
	    CONF_CASE(two_files_of_one_secret_are_a_fault),
	    CONF_CASE(a_secret_that_is_a_directory_is_a_fault),
	    CONF_CASE(secrets_are_not_taken_from_flags_nor_repeated),
	    CONF_CASE(a_wrong_secret_is_not_repeated),
	    CONF_CASE(what_is_required_must_be_there),
	    CONF_CASE(what_is_required_and_wrong_is_told_once),
	    CONF_CASE(check_config_tells_faults),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
