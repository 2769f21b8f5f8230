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

#include "common/base/status.h"
#include "tests/conf_fixture.h"

static void
nothing_given_gives_the_defaults(void **state)
{
	struct conf_fixture *f = *state;

	assert_int_equal(conf_fixture_load(f, NULL), CONF_RUN);
	assert_int_equal(conf_int(f->conf, PORT), 5000);
	assert_int_equal(conf_choice(f->conf, LOG_LEVEL), 2);
	assert_string_equal(conf_text(f->conf, DB_HOST), "127.0.0.1");
	assert_string_equal(conf_text(f->conf, DB_NAME), "");
	assert_true(conf_bool(f->conf, BATCHING));
	assert_string_equal(conf_text(f->conf, DB_PASSWORD), "");
	assert_false(conf_given(f->conf, PORT));
	assert_null(f->command);
	assert_string_equal(f->err, "");
	assert_string_equal(f->out, "");
}

static void
a_file_is_read_line_by_line(void **state)
{
	struct conf_fixture *f = *state;

	conf_fixture_write_file(f,
	    "\xef\xbb\xbf# a comment\n\n  port =  7001 \r\n\t# dbHost=none\n"
	    "dbName=a=b # c\nlogLevel=WARN\nbatching=Off\ndbPassword=hunter2");
	assert_int_equal(conf_fixture_load(f, "--config", f->file, NULL), CONF_RUN);
	assert_int_equal(conf_int(f->conf, PORT), 7001);
	assert_true(conf_given(f->conf, PORT));
	assert_string_equal(conf_text(f->conf, DB_HOST), "127.0.0.1");
	assert_false(conf_given(f->conf, DB_HOST));
	assert_string_equal(conf_text(f->conf, DB_NAME), "a=b # c");
	assert_int_equal(conf_choice(f->conf, LOG_LEVEL), 1);
	assert_false(conf_bool(f->conf, BATCHING));
	assert_string_equal(conf_text(f->conf, DB_PASSWORD), "hunter2");
}

static void
later_sources_win(void **state)
{
	struct conf_fixture *f = *state;

	conf_fixture_write_file(
	    f, "port=1\ndbHost=file\ndbName=file\ndbUser=file\ndbPassword=file\n");
	conf_fixture_write_secret(f, "dbuser", "dir");
	conf_fixture_write_secret(f, "dbpassword", "dir");
	setenv("MOCKVIDEO_DB_PASSWORD", "env", 1);
	setenv("MOCKVIDEO_DB_NAME", "env", 1);
	setenv("MOCKVIDEO_PORT", "2", 1);
	assert_int_equal(conf_fixture_load(
			     f, "--port=3", "--config", f->file, "--secrets-dir", f->secrets, NULL),
	    CONF_RUN);
	assert_string_equal(conf_text(f->conf, DB_HOST), "file");
	assert_string_equal(conf_text(f->conf, DB_USER), "dir");
	assert_string_equal(conf_text(f->conf, DB_PASSWORD), "env");
	assert_string_equal(conf_text(f->conf, DB_NAME), "env");
	assert_int_equal(conf_int(f->conf, PORT), 3);
}

static void
a_flags_value_follows_it_or_an_equals_sign(void **state)
{
	struct conf_fixture *f = *state;

	assert_int_equal(conf_fixture_load(f, "--db-host", "one", "--db-name=", "--port", "1",
			     "--port=2", "--batching", "no", NULL),
	    CONF_RUN);
	assert_string_equal(conf_text(f->conf, DB_HOST), "one");
	assert_string_equal(conf_text(f->conf, DB_NAME), "");
	assert_true(conf_given(f->conf, DB_NAME));
	assert_int_equal(conf_int(f->conf, PORT), 2);
	assert_false(conf_bool(f->conf, BATCHING));
}

static void
a_flag_of_a_bool_alone_is_true(void **state)
{
	struct conf_fixture *f = *state;

	conf_fixture_write_file(f, "batching=false\n");
	assert_int_equal(
	    conf_fixture_load(f, "--config", f->file, "--batching", "migrate", NULL), CONF_RUN);
	assert_true(conf_bool(f->conf, BATCHING));
	assert_string_equal(f->command, "migrate");
	assert_int_equal(conf_fixture_load(f, "--config", f->file, "--batching", NULL), CONF_RUN);
	assert_true(conf_bool(f->conf, BATCHING));
	assert_null(f->command);
}

static void
spellings_of_the_original_are_taken(void **state)
{
	struct conf_fixture *f = *state;

	conf_fixture_write_file(f, "port=7\n");
	conf_fixture_write_secret(f, "dbpassword", "secret");
	assert_int_equal(
	    conf_fixture_load(f, "-configFile", f->file, "-secretsDir", f->secrets, NULL),
	    CONF_RUN);
	assert_int_equal(conf_int(f->conf, PORT), 7);
	assert_string_equal(conf_text(f->conf, DB_PASSWORD), "secret");
}

static void
a_choice_is_named_or_numbered(void **state)
{
	struct conf_fixture *f = *state;

	assert_int_equal(conf_fixture_load(f, "--log-level", "Error", NULL), CONF_RUN);
	assert_int_equal(conf_choice(f->conf, LOG_LEVEL), 0);
	assert_int_equal(conf_fixture_load(f, "--log-level", "1", NULL), CONF_RUN);
	assert_int_equal(conf_choice(f->conf, LOG_LEVEL), 1);
	assert_conf_fault(
	    f, conf_fixture_load(f, "--log-level", "3", NULL), "--log-level", "from 0 to 2");
	assert_conf_fault(
	    f, conf_fixture_load(f, "--log-level=", NULL), "--log-level", "from 0 to 2");
}

static void
a_secret_is_read_without_its_last_newline(void **state)
{
	struct conf_fixture *f = *state;

	conf_fixture_write_secret(f, "DBPASSWORD", "two\nlines\r\n");
	conf_fixture_write_secret(f, "dbUser", " spaces \n\n");
	assert_int_equal(conf_fixture_load(f, "--secrets-dir", f->secrets, NULL), CONF_RUN);
	assert_string_equal(conf_text(f->conf, DB_PASSWORD), "two\nlines");
	assert_string_equal(conf_text(f->conf, DB_USER), " spaces \n");
}

static void
secrets_are_found_as_kubernetes_mounts_them(void **state)
{
	struct conf_fixture *f = *state;
	char path[256];

	snprintf(path, sizeof(path), "%s/..2024_05_06", f->secrets);
	assert_int_equal(mkdir(path, 0700), 0);
	conf_fixture_write_secret(f, "..2024_05_06/dbpassword", "mounted");
	snprintf(path, sizeof(path), "%s/..data", f->secrets);
	assert_int_equal(symlink("..2024_05_06", path), 0);
	snprintf(path, sizeof(path), "%s/dbpassword", f->secrets);
	assert_int_equal(symlink("..data/dbpassword", path), 0);
	assert_int_equal(conf_fixture_load(f, "--secrets-dir", f->secrets, NULL), CONF_RUN);
	assert_string_equal(conf_text(f->conf, DB_PASSWORD), "mounted");
	assert_string_equal(f->err, "");
}

static void
check_config_prints_what_is_effective(void **state)
{
	struct conf_fixture *f = *state;
	char expected[1024];

	conf_fixture_write_file(f, "dbName=\ndbHost=db1\n");
	setenv("MOCKVIDEO_DB_PASSWORD", "hunter2", 1);
	assert_int_equal(
	    conf_fixture_load(f, "--check-config", "--config", f->file, "--batching=no", NULL),
	    CONF_EXIT);
	snprintf(expected, sizeof(expected),
	    "port=5000\n"
	    "logLevel=info\n"
	    "# from %s:2\n"
	    "dbHost=db1\n"
	    "# from %s:1\n"
	    "dbName=\n"
	    "# from --batching\n"
	    "batching=false\n"
	    "dbUser=(set)\n"
	    "# from MOCKVIDEO_DB_PASSWORD\n"
	    "dbPassword=(set)\n"
	    "configuration is valid\n",
	    f->file, f->file);
	assert_string_equal(f->out, expected);
	assert_string_equal(f->err, "");
	unsetenv("MOCKVIDEO_DB_PASSWORD");
	assert_int_equal(conf_fixture_load(f, "--check-config", NULL), CONF_EXIT);
	assert_contains(f->out, "dbPassword=(not set)\n");
}

static void
version_and_help_are_answered_whatever_else_is_wrong(void **state)
{
	struct conf_fixture *f = *state;

	assert_int_equal(conf_fixture_load(f, "--nonsense", "--version", NULL), CONF_EXIT);
	assert_string_equal(f->out, "accountd 1.2.3\n");
	assert_int_equal(conf_fixture_load(f, "--port=0", "--help", NULL), CONF_EXIT);
	assert_string_equal(f->err, "");
	for (unsigned i = 0; i < ROWS; i++) {
		assert_contains(f->out, conf_fixture_rows[i].help);
	}
	assert_contains(f->out, "--db-host=VALUE");
	assert_contains(f->out, "Takes a whole number from 1 to 65535; default 5000.");
	assert_contains(f->out, "MOCKVIDEO_DB_PASSWORD=SECRET");
	assert_null(strstr(f->out, "--db-password="));
	assert_contains(f->out, "migrate  bring the database up to date");
}

static void
an_answer_that_cannot_be_written_is_a_failure(void **state)
{
	struct conf_fixture *f = *state;
	FILE *err = tmpfile();
	FILE *full = fopen("/dev/full", "w");
	int saved_err = conf_fixture_capture(stderr, err);
	int saved_out = conf_fixture_capture(stdout, full);
	char *words[] = {"accountd", "--help", NULL};
	enum conf_result result = conf_load(&f->conf, &conf_fixture_program, 2, words, &f->command);

	assert_true(dup2(saved_out, STDOUT_FILENO) >= 0);
	close(saved_out);
	clearerr(stdout);
	fclose(full);
	conf_fixture_release(stderr, saved_err, err, f->err);
	assert_int_equal(result, CONF_FAILED);
	assert_contains(f->err, "No space left");
}

/* What start_checks were called with. */
static unsigned start_checks_called;
static const char *start_checks_command;

static bool
pass_start(const struct conf *conf, const char *command, struct error *error)
{
	(void)error;
	assert_int_equal(conf_int(conf, PORT), 7);
	start_checks_called++;
	start_checks_command = command;
	return true;
}

static bool
refuse_start(const struct conf *conf, const char *command, struct error *error)
{
	error_set(error, STATUS_INVALID_ARGUMENT, NULL, "no fault of %s to be told", command);
	return !pass_start(conf, command, error);
}

static void
a_start_is_checked_and_each_fault_told(void **state)
{
	static bool (*const checks[])(const struct conf *, const char *, struct error *) = {
	    refuse_start, pass_start, refuse_start, NULL};
	struct conf_program program = conf_fixture_program;
	struct conf_fixture *f = *state;

	program.start_checks = checks;
	f->program = &program;
	start_checks_called = 0;
	assert_int_equal(conf_fixture_load(f, "--port=7", "migrate", NULL), CONF_FAILED);
	assert_int_equal(start_checks_called, 3);
	assert_string_equal(start_checks_command, "migrate");
	assert_int_equal(conf_fixture_lines(f->err), 2);
	assert_contains(f->err, "accountd: configuration: no fault of migrate to be told\n");
	assert_int_equal(
	    conf_fixture_load(f, "--port=7", "migrate", "--check-config", NULL), CONF_FAILED);
	assert_int_equal(start_checks_called, 6);
	assert_int_equal(conf_fixture_load(f, "--port=x", NULL), CONF_FAILED);
	assert_int_equal(start_checks_called, 6);
}

/* What conf_reload called back with, in its order. */
struct changes {
	unsigned count;
	unsigned rows[ROWS];
	bool applied[ROWS];
};

static void
note_change(void *closure, unsigned row, const struct conf_row *what, bool applied)
{
	struct changes *changes = closure;

	assert_ptr_equal(what, &conf_fixture_rows[row]);
	assert_true(changes->count < ROWS);
	changes->rows[changes->count] = row;
	changes->applied[changes->count] = applied;
	changes->count++;
}

static bool
reload(struct conf_fixture *f, struct changes *changes, struct error *error)
{
	const struct conf_reload_options options = {.changed = note_change, .closure = changes};

	return conf_reload(f->conf, &options, error);
}

static void
reload_takes_what_is_reloadable_and_tells_the_rest(void **state)
{
	struct conf_fixture *f = *state;
	struct changes changes = {0};
	struct error error = {0};
	const char *host;

	conf_fixture_write_file(f, "port=1\nlogLevel=info\nbatching=yes\ndbHost=same\n");
	conf_fixture_write_secret(f, "dbpassword", "old");
	assert_int_equal(
	    conf_fixture_load(f, "--config", f->file, "--secrets-dir", f->secrets, NULL), CONF_RUN);
	host = conf_text(f->conf, DB_HOST);
	conf_fixture_write_file(f, "port=2\nlogLevel=warn\nbatching=on\ndbHost=same\n");
	conf_fixture_write_secret(f, "dbpassword", "new");
	assert_true(reload(f, &changes, &error));
	assert_int_equal(changes.count, 3);
	assert_int_equal(changes.rows[0], PORT);
	assert_false(changes.applied[0]);
	assert_int_equal(changes.rows[1], LOG_LEVEL);
	assert_true(changes.applied[1]);
	assert_int_equal(changes.rows[2], DB_PASSWORD);
	assert_true(changes.applied[2]);
	assert_int_equal(conf_int(f->conf, PORT), 1);
	assert_int_equal(conf_choice(f->conf, LOG_LEVEL), 1);
	assert_string_equal(conf_text(f->conf, DB_PASSWORD), "new");
	assert_ptr_equal(conf_text(f->conf, DB_HOST), host);
	assert_string_equal(host, "same");
}

static void
reload_keeps_flags_and_returns_to_defaults(void **state)
{
	struct conf_fixture *f = *state;
	struct changes changes = {0};
	struct error error = {0};

	conf_fixture_write_file(f, "logLevel=warn\nbatching=no\n");
	assert_int_equal(
	    conf_fixture_load(f, "--config", f->file, "--log-level=error", NULL), CONF_RUN);
	conf_fixture_write_file(f, "logLevel=info\n");
	assert_true(reload(f, &changes, &error));
	assert_int_equal(changes.count, 1);
	assert_int_equal(changes.rows[0], BATCHING);
	assert_true(conf_bool(f->conf, BATCHING));
	assert_false(conf_given(f->conf, BATCHING));
	assert_int_equal(conf_choice(f->conf, LOG_LEVEL), 0);
}

static void
a_failing_reload_changes_nothing(void **state)
{
	struct conf_fixture *f = *state;
	struct changes changes = {0};
	struct error error = {0};
	char message[256];

	conf_fixture_write_file(f, "logLevel=warn\n");
	assert_int_equal(conf_fixture_load(f, "--config", f->file, NULL), CONF_RUN);
	conf_fixture_write_file(f, "logLevel=error\nport=x\n");
	assert_false(reload(f, &changes, &error));
	snprintf(message, sizeof(message),
	    "%s:2: port must be a whole number from 1 to 65535, not \"x\"", f->file);
	assert_int_equal(error.code, STATUS_INVALID_ARGUMENT);
	assert_string_equal(error.message, message);
	conf_fixture_write_file(f, "nonsense\nport=x\n");
	assert_false(reload(f, &changes, &error));
	assert_contains(error.message, ":1: not of the form key=value");
	assert_contains(error.message, "the first of 2 faults");
	unlink(f->file);
	assert_false(reload(f, &changes, &error));
	assert_contains(error.message, "No such file");
	assert_int_equal(changes.count, 0);
	assert_int_equal(conf_choice(f->conf, LOG_LEVEL), 1);
}

static void
markdown_has_a_row_for_each_key(void **state)
{
	struct conf_fixture *f = *state;
	FILE *out = tmpfile();
	size_t len;

	conf_print_markdown(&conf_fixture_program, out);
	rewind(out);
	len = fread(f->out, 1, CONF_FIXTURE_TEXT_MAX - 1, out);
	f->out[len] = '\0';
	fclose(out);
	assert_int_equal(conf_fixture_lines(f->out), 2 + ROWS);
	assert_contains(f->out, "| `port` | `--port` | `MOCKVIDEO_PORT` | a whole number from 1 to "
				"65535 | `5000` | restart | Port to listen on. |\n");
	assert_contains(f->out, "| Host of the database \\| cluster. |\n");
	assert_contains(f->out,
	    "| `dbPassword` | secret | `MOCKVIDEO_DB_PASSWORD` | text of 0 to 64 "
	    "bytes | | SIGHUP | Its password. |\n");
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    CONF_CASE(nothing_given_gives_the_defaults),
	    CONF_CASE(a_file_is_read_line_by_line),
	    CONF_CASE(later_sources_win),
	    CONF_CASE(a_flags_value_follows_it_or_an_equals_sign),
	    CONF_CASE(a_flag_of_a_bool_alone_is_true),
	    CONF_CASE(spellings_of_the_original_are_taken),
	    CONF_CASE(a_choice_is_named_or_numbered),
	    CONF_CASE(a_secret_is_read_without_its_last_newline),
	    CONF_CASE(secrets_are_found_as_kubernetes_mounts_them),
	    CONF_CASE(check_config_prints_what_is_effective),
	    CONF_CASE(a_start_is_checked_and_each_fault_told),
	    CONF_CASE(version_and_help_are_answered_whatever_else_is_wrong),
	    CONF_CASE(an_answer_that_cannot_be_written_is_a_failure),
	    CONF_CASE(reload_takes_what_is_reloadable_and_tells_the_rest),
	    CONF_CASE(reload_keeps_flags_and_returns_to_defaults),
	    CONF_CASE(a_failing_reload_changes_nothing),
	    CONF_CASE(markdown_has_a_row_for_each_key),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
