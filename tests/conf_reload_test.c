/* Reading the configuration again where that can't be done, or not as a whole. */
#include <fcntl.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "common/base/status.h"
#include "tests/conf_fixture.h"

/* What the reloads of a case came to. */
struct reloads {
	unsigned accepted;
	unsigned changed;
	bool refuse;
};

static bool
accept_reload(void *closure, struct error *error)
{
	struct reloads *reloads = closure;

	reloads->accepted++;
	if (reloads->refuse) {
		error_set(error, STATUS_INVALID_ARGUMENT, "BAD_CERTIFICATE", "no certificate");
	}
	return !reloads->refuse;
}

static void
note_change(void *closure, unsigned row, const struct conf_row *what, bool applied)
{
	(void)row, (void)what, (void)applied;
	((struct reloads *)closure)->changed++;
}

/* The alarm ends the test where a file would be waited for. */
static bool
reload(struct conf_fixture *f, struct reloads *reloads, struct error *error)
{
	const struct conf_reload_options options = {
	    .accept = accept_reload, .changed = note_change, .closure = reloads};
	bool result;

	alarm(30);
	result = conf_reload(f->conf, &options, error);
	alarm(0);
	return result;
}

static void
expect_refused(struct conf_fixture *f, const char *where, const char *what)
{
	struct reloads reloads = {0};
	struct error error = {0};

	assert_false(reload(f, &reloads, &error));
	assert_int_equal(error.code, STATUS_INVALID_ARGUMENT);
	assert_contains(error.message, where);
	assert_contains(error.message, what);
	assert_int_equal(reloads.accepted, 0);
	assert_int_equal(reloads.changed, 0);
}

static const char in_pipe[] = "logLevel=error\ndbPassword=kept\nbatching=no\n";

/* Writes to a FIFO as soon as it is read. */
static void *
write_fifo(void *path)
{
	int fd = open(path, O_WRONLY | O_CLOEXEC);

	if (fd < 0 || write(fd, in_pipe, sizeof(in_pipe) - 1) != sizeof(in_pipe) - 1) {
		abort();
	}
	close(fd);
	return NULL;
}

static void
assert_as_in_pipe(struct conf_fixture *f)
{
	assert_int_equal(conf_choice(f->conf, LOG_LEVEL), 0);
	assert_false(conf_bool(f->conf, BATCHING));
	assert_string_equal(conf_text(f->conf, DB_PASSWORD), "kept");
	assert_string_equal(conf_kept_file(f->conf), f->file);
}

/* What a reload does where the file is at its end, and the secrets change. */
static void
expect_kept(struct conf_fixture *f)
{
	struct reloads reloads = {0};
	struct error error = {0};

	assert_as_in_pipe(f);
	assert_true(reload(f, &reloads, &error));
	assert_int_equal(reloads.changed, 0);
	assert_as_in_pipe(f);
	conf_fixture_write_secret(f, "dbPassword", "of the folder");
	assert_true(reload(f, &reloads, &error));
	assert_int_equal(reloads.changed, 1);
	assert_string_equal(conf_text(f->conf, DB_PASSWORD), "of the folder");
	assert_int_equal(conf_choice(f->conf, LOG_LEVEL), 0);
	conf_fixture_write_secret(f, "dbPassword", "kept");
	assert_true(reload(f, &reloads, &error));
	assert_int_equal(reloads.changed, 2);
	assert_as_in_pipe(f);
}

static void
what_came_from_a_fifo_stays(void **state)
{
	struct conf_fixture *f = *state;
	pthread_t writer;

	assert_int_equal(mkfifo(f->file, 0600), 0);
	assert_int_equal(pthread_create(&writer, NULL, write_fifo, f->file), 0);
	assert_int_equal(
	    conf_fixture_load(f, "--config", f->file, "--secrets-dir", f->secrets, NULL), CONF_RUN);
	pthread_join(writer, NULL);
	expect_kept(f);
}

/* As the shell's <(…) is given. */
static void
what_came_from_a_pipe_of_the_shell_stays(void **state)
{
	struct conf_fixture *f = *state;
	int ends[2];

	assert_int_equal(pipe(ends), 0);
	assert_int_equal(write(ends[1], in_pipe, sizeof(in_pipe) - 1), sizeof(in_pipe) - 1);
	close(ends[1]);
	snprintf(f->file, sizeof(f->file), "/dev/fd/%d", ends[0]);
	assert_int_equal(
	    conf_fixture_load(f, "--config", f->file, "--secrets-dir", f->secrets, NULL), CONF_RUN);
	expect_kept(f);
	close(ends[0]);
	expect_kept(f);
}

static void
an_empty_device_stays_empty(void **state)
{
	struct conf_fixture *f = *state;
	struct reloads reloads = {0};
	struct error error = {0};

	assert_int_equal(conf_fixture_load(f, "--config", "/dev/null", NULL), CONF_RUN);
	assert_true(reload(f, &reloads, &error));
	assert_int_equal(reloads.changed, 0);
	assert_string_equal(conf_kept_file(f->conf), "/dev/null");
}

static void
a_file_that_has_become_a_fifo_is_refused(void **state)
{
	struct conf_fixture *f = *state;

	conf_fixture_write_file(f, "logLevel=warn\n");
	assert_int_equal(conf_fixture_load(f, "--config", f->file, NULL), CONF_RUN);
	assert_null(conf_kept_file(f->conf));
	unlink(f->file);
	assert_int_equal(mkfifo(f->file, 0600), 0);
	expect_refused(f, f->file, "cannot be read: it is no regular file");
	assert_int_equal(conf_choice(f->conf, LOG_LEVEL), 1);
}

static void
a_secret_that_is_a_fifo_is_refused(void **state)
{
	struct conf_fixture *f = *state;
	char path[160];

	assert_int_equal(conf_fixture_load(f, "--secrets-dir", f->secrets, NULL), CONF_RUN);
	snprintf(path, sizeof(path), "%s/dbPassword", f->secrets);
	assert_int_equal(mkfifo(path, 0600), 0);
	expect_refused(f, path, "cannot be read: it is no regular file");
	conf_free(&f->conf);
	alarm(30);
	assert_conf_fault(f, conf_fixture_load(f, "--secrets-dir", f->secrets, NULL), path,
	    "cannot be read: it is no regular file");
	alarm(0);
}

static void
a_secret_that_is_gone_or_empty_is_an_error_and_stays(void **state)
{
	struct conf_fixture *f = *state;
	struct reloads reloads = {0};
	struct error error = {0};
	char path[160];

	snprintf(path, sizeof(path), "%s/dbPassword", f->secrets);
	conf_fixture_write_secret(f, "dbPassword", "old");
	conf_fixture_write_file(f, "logLevel=warn\n");
	assert_int_equal(
	    conf_fixture_load(f, "--config", f->file, "--secrets-dir", f->secrets, NULL), CONF_RUN);
	conf_fixture_write_file(f, "logLevel=error\n");
	unlink(path);
	expect_refused(f, path, "dbPassword was set here and is not any more");
	conf_fixture_write_secret(f, "dbPassword", "\n");
	expect_refused(f, path, "dbPassword was set here and is not any more");
	assert_string_equal(conf_text(f->conf, DB_PASSWORD), "old");
	assert_int_equal(conf_choice(f->conf, LOG_LEVEL), 1);
	unlink(path);
	conf_fixture_write_file(f, "logLevel=error\ndbPassword=elsewhere\n");
	assert_true(reload(f, &reloads, &error));
	assert_string_equal(conf_text(f->conf, DB_PASSWORD), "elsewhere");
	conf_fixture_write_file(f, "logLevel=error\n");
	expect_refused(f, f->file, "dbPassword was set here and is not any more");
}

static void
a_secret_does_not_return_to_its_default(void **state)
{
	struct conf_fixture *f = *state;
	char path[160];

	snprintf(path, sizeof(path), "%s/dbuser", f->secrets);
	conf_fixture_write_secret(f, "dbuser", "somebody");
	assert_int_equal(conf_fixture_load(f, "--secrets-dir", f->secrets, NULL), CONF_RUN);
	unlink(path);
	expect_refused(f, path, "dbUser was set here and is not any more");
	assert_string_equal(conf_text(f->conf, DB_USER), "somebody");
}

static void
what_is_refused_beside_the_file_refuses_the_file(void **state)
{
	struct conf_fixture *f = *state;
	struct reloads reloads = {.refuse = true};
	struct error error = {0};

	conf_fixture_write_file(f, "logLevel=warn\n");
	assert_int_equal(conf_fixture_load(f, "--config", f->file, NULL), CONF_RUN);
	conf_fixture_write_file(f, "logLevel=error\nport=7\n");
	assert_false(reload(f, &reloads, &error));
	assert_string_equal(error.message, "no certificate");
	assert_int_equal(reloads.accepted, 1);
	assert_int_equal(reloads.changed, 0);
	assert_int_equal(conf_choice(f->conf, LOG_LEVEL), 1);
	reloads.refuse = false;
	assert_true(reload(f, &reloads, &error));
	assert_int_equal(reloads.changed, 2);
	assert_int_equal(conf_choice(f->conf, LOG_LEVEL), 0);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    CONF_CASE(what_came_from_a_fifo_stays),
	    CONF_CASE(what_came_from_a_pipe_of_the_shell_stays),
	    CONF_CASE(an_empty_device_stays_empty),
	    CONF_CASE(a_file_that_has_become_a_fifo_is_refused),
	    CONF_CASE(a_secret_that_is_a_fifo_is_refused),
	    CONF_CASE(a_secret_that_is_gone_or_empty_is_an_error_and_stays),
	    CONF_CASE(a_secret_does_not_return_to_its_default),
	    CONF_CASE(what_is_refused_beside_the_file_refuses_the_file),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
