/*
 * The programs where their surroundings fail them: a log that cannot be written,
 * a configuration that cannot be read again.
 */
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include <cmocka.h>

#include "integration/process.h"
#include "integration/scrape.h"
#include "tests/certificate.h"

static char dir[PATH_MAX];
static char store[PATH_MAX + 32];
static char admin_flag[64];
static struct http *admin;
static struct process accountd;

/* Waits until the admin port answers. */
static void
await_admin(void)
{
	while (http_send(admin, "GET /healthz", NULL, NULL)->status != 200) {
		assert_true(process_running(&accountd));
	}
}

static void
start(const char *const *argv)
{
	char log[PATH_MAX + 16];

	snprintf(log, sizeof(log), "%s/log", dir);
	process_start(&accountd, argv, log);
	await_admin();
}

static void
a_log_on_a_full_disk_is_told_by_the_metrics(void **state)
{
	const char *argv[] = {"sh", "-c", "exec \"$0\" \"$@\" 2>/dev/full",
	    process_program("accountd"), "--listen=tcp://127.0.0.1:0", store, admin_flag, NULL};

	(void)state;
	start(argv);
	while (scrape_value(admin, "mockvideo_log_lines_dropped_total") < 1) {
		assert_true(process_running(&accountd));
	}
	assert_true(scrape_value(admin, "mockvideo_log_lines_total{level=\"info\"}") == 0);
	assert_int_equal(process_stop(&accountd), 0);
}

/* Has the program read its configuration again, and waits until it says text. */
static long
reload(const char *text)
{
	long mark = process_log_mark(&accountd);

	process_signal(&accountd, SIGHUP);
	process_await_log(&accountd, mark, text);
	return mark;
}

static void
expect_the_pipe_is_kept(const char *command)
{
	const char *argv[] = {"bash", "-c", command, process_program("accountd"),
	    "--listen=tcp://127.0.0.1:0", store, admin_flag, NULL};
	long mark = 0;

	start(argv);
	for (int i = 0; i < 2; i++) {
		mark = reload("the configuration file can be read once only: what it said stays");
	}
	assert_int_equal(process_stop(&accountd), 0);
	assert_false(process_log_has(&accountd, mark, "configuration changed"));
	assert_false(process_log_has(&accountd, mark, "stay as they were"));
}

static void
a_configuration_from_a_pipe_stays_on_sighup(void **state)
{
	(void)state;
	expect_the_pipe_is_kept("exec \"$0\" \"$@\" --config <(echo logLevel=debug)");
}

static void
a_configuration_from_a_fifo_stays_on_sighup(void **state)
{
	char command[PATH_MAX + 128];

	(void)state;
	snprintf(command, sizeof(command),
	    "cd '%s' && mkfifo fifo && { echo logLevel=debug >fifo & } && exec \"$0\" \"$@\" "
	    "--config fifo",
	    dir);
	expect_the_pipe_is_kept(command);
}

#define ENDS "mockvideo_tls_ends_timestamp_seconds{key=\"tlsCert\",part=\"certificate\"}"

static void
a_reload_is_done_as_a_whole_or_not_at_all(void **state)
{
	struct certificate_authority *authority = certificate_authority_new(dir, "authority");
	char command[4 * PATH_MAX];
	const char *argv[] = {
	    "bash", "-c", command, process_program("accountd"), store, admin_flag, NULL};
	double ends_s;
	long mark;

	(void)state;
	certificate_issue(authority, dir, "accountd", "accountd.test", 3600);
	snprintf(command, sizeof(command),
	    "cd '%s' && mkdir secrets && echo one >secrets/dbpassword && echo logLevel=info >conf "
	    "&& "
	    "exec \"$0\" \"$@\" --config conf --secrets-dir secrets --listen=tls+tcp://127.0.0.1:0 "
	    "--tls-cert=accountd.pem --tls-key=accountd.key",
	    dir);
	start(argv);
	ends_s = scrape_value(admin, ENDS);
	assert_true(ends_s > (double)time(NULL) && ends_s <= (double)time(NULL) + 3600);
	process_write_file(dir, "conf", "logLevel=debug\n");
	process_write_file(dir, "accountd.pem", "no certificate\n");
	mark = reload("accountd.pem holds no certificate");
	assert_false(process_log_has(&accountd, mark, "configuration changed"));
	certificate_issue(authority, dir, "accountd", "accountd.test", 9000);
	process_write_file(dir, "secrets/dbpassword", "");
	mark = reload("dbPassword was set here and is not any more");
	assert_false(process_log_has(&accountd, mark, "configuration changed"));
	assert_false(process_log_has(&accountd, mark, "certificates are read again"));
	assert_true(scrape_value(admin, ENDS) == ends_s);
	process_write_file(dir, "secrets/dbpassword", "two\n");
	mark = reload("certificates are read again");
	process_await_log(&accountd, mark, "\"key\":\"logLevel\"");
	process_await_log(&accountd, mark, "\"key\":\"dbPassword\"");
	assert_true(scrape_value(admin, ENDS) >= ends_s + 5000);
	assert_int_equal(process_stop(&accountd), 0);
	certificate_authority_free(&authority);
}

static int
make_dir(void **state)
{
	unsigned port = process_free_port();
	char url[64];

	(void)state;
	process_make_dir(dir);
	snprintf(store, sizeof(store), "--store=sqlite:%s/users.db", dir);
	snprintf(admin_flag, sizeof(admin_flag), "--admin-listen=127.0.0.1:%u", port);
	snprintf(url, sizeof(url), "http://127.0.0.1:%u", port);
	admin = http_new(url);
	return 0;
}

static int
stop(void **state)
{
	(void)state;
	if (accountd.pid != 0) {
		process_print_log(&accountd);
		process_signal(&accountd, SIGKILL);
		process_wait_exit(&accountd, 60);
	}
	return 0;
}

static int
remove_dir(void **state)
{
	(void)state;
	http_free(&admin);
	process_remove_dir(dir);
	return 0;
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test_teardown(a_log_on_a_full_disk_is_told_by_the_metrics, stop),
	    cmocka_unit_test_teardown(a_configuration_from_a_pipe_stays_on_sighup, stop),
	    cmocka_unit_test_teardown(a_configuration_from_a_fifo_stays_on_sighup, stop),
	    cmocka_unit_test_teardown(a_reload_is_done_as_a_whole_or_not_at_all, stop),
	};

	return cmocka_run_group_tests(tests, make_dir, remove_dir);
}
