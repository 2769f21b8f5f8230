/* The programs where their surroundings fail them: a log that cannot be written. */
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "integration/process.h"
#include "integration/scrape.h"

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
	};

	return cmocka_run_group_tests(tests, make_dir, remove_dir);
}
