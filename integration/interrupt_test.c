/* A signal ends what accountd does before it serves, whatever that waits for. */
#include <arpa/inet.h>
#include <fcntl.h>
#include <pthread.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>
#include <sqlite3.h>

#include "integration/process.h"
#include "tests/mariadb.h"

#define PATIENCE_S 20 /* of a machine that is busy; without the mend it would be for ever */

static char dir[PATH_MAX];
static struct mariadb mariadb;

/* Starts accountd on a database of a port, with a command or (NULL) to serve. */
static void
start(struct process *process, unsigned port, const char *command)
{
	static char log[PATH_MAX + 32], host[64];
	const char *argv[] = {process_program("accountd"), "--store=mysql", host,
	    "--db-connect-timeout-ms=60000", "--listen=tcp://127.0.0.1:0", "--admin-listen=off",
	    command, NULL};

	snprintf(host, sizeof(host), "--db-host=127.0.0.1:%u", port);
	snprintf(log, sizeof(log), "%s/log", dir);
	process_start(process, argv, log);
}

static void
expect_end(struct process *process, int signal_number, const char *words)
{
	process_signal(process, signal_number);
	assert_int_equal(process_wait_exit(process, PATIENCE_S), 128 + signal_number);
	if (words != NULL && !process_log_has(process, 0, words)) {
		process_print_log(process);
		fail();
	}
}

/* A listener that never says anything to who connects. */
static int
listen_silently(unsigned *port)
{
	struct sockaddr_in address = {
	    .sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
	socklen_t len = sizeof(address);
	int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);

	assert_int_equal(bind(fd, (struct sockaddr *)&address, len), 0);
	assert_int_equal(listen(fd, 16), 0);
	assert_int_equal(getsockname(fd, (struct sockaddr *)&address, &len), 0);
	*port = ntohs(address.sin_port);
	return fd;
}

static void
a_database_that_never_answers_does_not_hold_it(void **state)
{
	static const struct {
		const char *command;
		int signal_number;
		const char *words;
	} cases[] = {
	    {"migrate", SIGTERM, "migrate was stopped by a signal"},
	    {"migrate", SIGINT, "migrate was stopped by a signal"},
	    {"migrate", SIGHUP, "migrate was stopped by a signal"},
	    {"load-sample", SIGTERM, "load-sample was stopped by a signal"},
	    {NULL, SIGTERM, NULL},
	};
	unsigned port;
	int fd = listen_silently(&port);

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct process process = {.pid = 0};
		int accepted;

		start(&process, port, cases[i].command);
		accepted = accept(fd, NULL, NULL);
		assert_true(accepted >= 0);
		expect_end(&process, cases[i].signal_number, cases[i].words);
		close(accepted);
	}
	close(fd);
}

static void *
hold_table(void *closure)
{
	(void)closure;
	mariadb_sql(&mariadb, MARIADB_DATABASE, "LOCK TABLES user READ; DO SLEEP(300)", NULL, 0);
	return NULL;
}

/* Waits until one thread of the server is in a state. */
static void
await_state(const char *state)
{
	char sql[160], out[32] = "";

	snprintf(sql, sizeof(sql),
	    "SELECT COUNT(*) FROM information_schema.processlist WHERE state = '%s'", state);
	while (strcmp(out, "1\n") != 0) {
		assert_true(mariadb_sql(&mariadb, NULL, sql, out, sizeof(out)));
	}
}

/* A migration has no deadline: it waits for locks, and for a database that hangs. */
static void
a_database_that_hangs_does_not_hold_a_migration(void **state)
{
	struct process process = {.pid = 0};
	pthread_t holder;

	(void)state;
	assert_true(mariadb_start(&mariadb));
	start(&process, mariadb.port, "migrate");
	assert_int_equal(process_wait_exit(&process, 60), 0);
	assert_true(mariadb_sql(&mariadb, MARIADB_DATABASE,
	    "DELETE FROM schema_migration WHERE version = 9;"
	    " ALTER TABLE user DROP INDEX userAccountID",
	    NULL, 0));
	assert_int_equal(pthread_create(&holder, NULL, hold_table, NULL), 0);
	await_state("User sleep");
	start(&process, mariadb.port, "migrate");
	await_state("Waiting for table metadata lock");
	mariadb_pause(&mariadb);
	expect_end(&process, SIGTERM, "migrate was stopped by a signal");
	mariadb_kill(&mariadb);
	pthread_join(holder, NULL);
	assert_true(mariadb_start(&mariadb));
	start(&process, mariadb.port, "migrate");
	assert_int_equal(process_wait_exit(&process, 60), 0);
	assert_true(process_log_has(&process, 0, "migration 9"));
}

/* A file that another process keeps locked is waited for without a deadline, at each start. */
static void
a_file_that_is_locked_does_not_hold_it(void **state)
{
	static const char *const commands[] = {"migrate", NULL};
	char store[PATH_MAX + 32], log[PATH_MAX + 32];
	const char *argv[] = {process_program("accountd"), store, "--listen=tcp://127.0.0.1:0",
	    "--admin-listen=off", NULL, NULL};
	struct process process = {.pid = 0};
	sqlite3 *db;

	(void)state;
	snprintf(store, sizeof(store), "--store=sqlite:%s/db", dir);
	snprintf(log, sizeof(log), "%s/log", dir);
	assert_int_equal(sqlite3_open(store + strlen("--store=sqlite:"), &db), SQLITE_OK);
	assert_int_equal(
	    sqlite3_exec(db, "CREATE TABLE other (a); BEGIN EXCLUSIVE", NULL, NULL, NULL),
	    SQLITE_OK);
	for (int i = 0; i < 2; i++) {
		argv[4] = commands[i];
		process_start(&process, argv, log);
		expect_end(&process, SIGTERM, i == 0 ? "migrate was stopped" : NULL);
	}
	sqlite3_close(db);
	argv[4] = "migrate";
	process_start(&process, argv, log);
	assert_int_equal(process_wait_exit(&process, 60), 0);
}

/* A configuration that comes by a pipe may never end. */
static void
a_configuration_that_does_not_come_does_not_hold_it(void **state)
{
	static const char *const commands[] = {"migrate", NULL};
	char config[PATH_MAX + 32], log[PATH_MAX + 32];
	const char *argv[] = {process_program("accountd"), "--config", config, NULL, NULL};
	struct process process = {.pid = 0};

	(void)state;
	snprintf(config, sizeof(config), "%s/pipe", dir);
	snprintf(log, sizeof(log), "%s/log", dir);
	assert_int_equal(mkfifo(config, 0600), 0);
	for (int i = 0; i < 2; i++) {
		int fd;

		argv[3] = commands[i];
		process_start(&process, argv, log);
		fd = open(config, O_WRONLY | O_CLOEXEC); /* waits until it is read */
		assert_true(fd >= 0);
		expect_end(&process, SIGTERM, NULL);
		close(fd);
	}
}

static int
set_up(void **state)
{
	(void)state;
	process_make_dir(dir);
	setenv("MOCKVIDEO_DB_USER", MARIADB_USER, 1);
	setenv("MOCKVIDEO_DB_PASSWORD", MARIADB_PASSWORD, 1);
	return 0;
}

static int
tear_down(void **state)
{
	(void)state;
	mariadb_stop(&mariadb);
	process_remove_dir(dir);
	return 0;
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(a_database_that_never_answers_does_not_hold_it),
	    cmocka_unit_test(a_database_that_hangs_does_not_hold_a_migration),
	    cmocka_unit_test(a_file_that_is_locked_does_not_hold_it),
	    cmocka_unit_test(a_configuration_that_does_not_come_does_not_hold_it),
	};

	return cmocka_run_group_tests(tests, set_up, tear_down);
}
