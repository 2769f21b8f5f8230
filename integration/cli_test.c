/* The programs' command lines: help, version, configuration, and what is wrong with it. */
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

#include "integration/process.h"

static const char *const programs[] = {"accountd", "gatewayd"};

#define EACH_PROGRAM(p) for (int p = 0; p < 2; p++)

static char dir[PATH_MAX];
static char out[65536];

/* Runs a program with up to four arguments. */
static int
run(const char *program, const char *a, const char *b, const char *c, const char *d)
{
	const char *argv[] = {process_program(program), a, b, c, d, NULL};

	return process_run(argv, out, sizeof(out));
}

static void
assert_says(const char *text)
{
	if (strstr(out, text) == NULL) {
		fail_msg("no '%s' in: %s", text, out);
	}
}

static void
help_names_every_kind_of_flag(void **state)
{
	(void)state;
	EACH_PROGRAM(p)
	{
		assert_int_equal(run(programs[p], "--help", NULL, NULL, NULL), 0);
		assert_says("--config");
		assert_says("--secrets-dir");
		assert_says("--check-config");
		assert_says("--listen");
		assert_says("--log-level");
	}
	assert_int_equal(run("accountd", "--help", NULL, NULL, NULL), 0);
	assert_says("migrate");
	assert_says("--db-host");
	assert_int_equal(run("gatewayd", "--help", NULL, NULL, NULL), 0);
	assert_says("--backends");
	assert_says("--threads");
}

static void
version_is_a_line_with_the_name(void **state)
{
	(void)state;
	EACH_PROGRAM(p)
	{
		assert_int_equal(run(programs[p], "--version", NULL, NULL, NULL), 0);
		assert_memory_equal(out, programs[p], strlen(programs[p]));
		assert_ptr_equal(strchr(out, '\n'), out + strlen(out) - 1);
	}
}

static void
the_originals_configuration_file_is_taken(void **state)
{
	const char *path = process_write_file(dir, "config",
	    "port=5000\nlogLevel=5\ndbHost=10.0.0.223\ndbPort=6603\ndbName=mockvideo\n"
	    "maxConcurrentBulkOperations=10\n");

	(void)state;
	assert_int_equal(run("accountd", "-configFile", path, "--check-config", NULL), 0);
	assert_says("10.0.0.223");
	assert_says("6603");
}

static void
an_unknown_key_is_named_with_file_line_and_the_nearest(void **state)
{
	const char *path = process_write_file(dir, "config", "# a comment\n\ndbHots=db\n");

	(void)state;
	assert_int_equal(run("accountd", "--config", path, "--check-config", NULL), 2);
	assert_says(":3");
	assert_says("dbHots");
	assert_says("dbHost");
}

static void
a_value_out_of_range_is_named_with_its_limits(void **state)
{
	(void)state;
	assert_int_equal(run("accountd", "--db-port=70000", "--check-config", NULL, NULL), 2);
	assert_says("--db-port");
	assert_says("65535");
	assert_int_equal(run("gatewayd", "--threads=many", "--check-config", NULL, NULL), 2);
	assert_says("--threads");
}

static void
a_missing_file_is_named(void **state)
{
	(void)state;
	EACH_PROGRAM(p)
	{
		assert_int_equal(run(programs[p], "--config", "/nowhere/at/all", NULL, NULL), 2);
		assert_says("/nowhere/at/all");
		assert_says("No such file");
	}
}

static void
a_flag_that_takes_no_value_refuses_one(void **state)
{
	static const char *const flags[] = {"--help", "--version", "--check-config"};

	(void)state;
	EACH_PROGRAM(p)
	{
		for (size_t i = 0; i < sizeof(flags) / sizeof(flags[0]); i++) {
			char flag[64];
			char expected[64];

			snprintf(flag, sizeof(flag), "%s=false", flags[i]);
			snprintf(expected, sizeof(expected), "%s: takes no value", flags[i]);
			assert_int_equal(run(programs[p], flag, NULL, NULL, NULL), 2);
			assert_says(expected);
		}
	}
}

static void
an_unknown_flag_and_an_unknown_command_are_refused(void **state)
{
	(void)state;
	EACH_PROGRAM(p)
	{
		assert_int_equal(run(programs[p], "--lsten=x", NULL, NULL, NULL), 2);
		assert_says("--listen");
		assert_int_equal(run(programs[p], "frobnicate", NULL, NULL, NULL), 2);
		assert_says("frobnicate");
	}
}

static void
secrets_are_read_from_files_and_never_shown(void **state)
{
	(void)state;
	process_write_file(dir, "dbuser", "admin\n");
	process_write_file(dir, "dbpassword", "hush-hush\n");
	unlink(process_write_file(dir, "config", ""));
	assert_int_equal(run("accountd", "-secretsDir", dir, "--store=mysql", "--check-config"), 0);
	assert_null(strstr(out, "hush-hush"));
	assert_says("dbpassword");
}

static void
a_public_address_needs_an_explicit_word(void **state)
{
	(void)state;
	assert_int_not_equal(run("gatewayd", "--listen=0.0.0.0:0", NULL, NULL, NULL), 0);
	assert_says("--insecure-no-auth");
}

static void
a_taken_address_is_named(void **state)
{
	struct process first = {0};
	char listen[64];
	char store[PATH_MAX + 32];
	char log[PATH_MAX + 8];
	const char *argv[] = {NULL, listen, store, NULL};

	(void)state;
	snprintf(listen, sizeof(listen), "--listen=tcp://127.0.0.1:%u", process_free_port());
	snprintf(store, sizeof(store), "--store=sqlite:%s/a.db", dir);
	snprintf(log, sizeof(log), "%s/log", dir);
	argv[0] = process_program("accountd");
	process_start(&first, argv, log);
	for (char *text = NULL; text == NULL || strstr(text, "listening") == NULL;) {
		free(text);
		assert_true(process_running(&first));
		text = process_read_file(log);
		if (strstr(text, "listening") != NULL) {
			free(text);
			break;
		}
	}
	assert_int_not_equal(run("accountd", listen, store, NULL, NULL), 0);
	assert_says(strchr(listen, '=') + 1);
	assert_says("in use");
	assert_int_equal(process_stop(&first), 0);
}

static void
what_does_not_fit_telemetry_is_named_by_its_key(void **state)
{
	(void)state;
	EACH_PROGRAM(p)
	{
		assert_int_equal(
		    run(programs[p], "--admin-listen=7002", "--check-config", NULL, NULL), 2);
		assert_says("adminListen");
		assert_int_equal(
		    run(programs[p], "--otlp-endpoint=otel", "--check-config", NULL, NULL), 2);
		assert_says("otlpEndpoint");
		assert_int_equal(
		    run(programs[p], "--trace-sample-ratio=50%", "--check-config", NULL, NULL), 2);
		assert_says("traceSampleRatio");
		assert_int_equal(
		    run(programs[p], "--admin-listen=off", "--check-config", NULL, NULL), 0);
	}
}

static void
an_unwritable_store_is_named(void **state)
{
	(void)state;
	assert_int_not_equal(run("accountd", "--store=sqlite:/nowhere/at/all.db",
				 "--listen=tcp://127.0.0.1:0", NULL, NULL),
	    0);
	assert_says("/nowhere/at/all.db");
}

static int
make_dir(void **state)
{
	(void)state;
	process_make_dir(dir);
	return 0;
}

static int
remove_dir(void **state)
{
	(void)state;
	process_remove_dir(dir);
	return 0;
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(help_names_every_kind_of_flag),
	    cmocka_unit_test(version_is_a_line_with_the_name),
	    cmocka_unit_test(the_originals_configuration_file_is_taken),
	    cmocka_unit_test(an_unknown_key_is_named_with_file_line_and_the_nearest),
	    cmocka_unit_test(a_value_out_of_range_is_named_with_its_limits),
	    cmocka_unit_test(a_missing_file_is_named),
	    cmocka_unit_test(a_flag_that_takes_no_value_refuses_one),
	    cmocka_unit_test(an_unknown_flag_and_an_unknown_command_are_refused),
	    cmocka_unit_test(secrets_are_read_from_files_and_never_shown),
	    cmocka_unit_test(a_public_address_needs_an_explicit_word),
	    cmocka_unit_test(a_taken_address_is_named),
	    cmocka_unit_test(what_does_not_fit_telemetry_is_named_by_its_key),
	    cmocka_unit_test(an_unwritable_store_is_named),
	};

	return cmocka_run_group_tests(tests, make_dir, remove_dir);
}
