/*
 * A store that refuses changes, or lacks a table, under the running system: each
 * cause is logged and counted, health and readiness say so, reads go on where
 * they can, and it is over when the cause is.
 */
#include <setjmp.h>
#include <sqlite3.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "integration/http.h"
#include "integration/scrape.h"
#include "integration/stack.h"

#define POSTS_MAX 2000

static struct stack stack;
static struct http *http;
static struct http *admin; /* of accountd */
static char admin_flag[64];
static unsigned posted;

static const struct http_answer *
post(void)
{
	char body[512];

	snprintf(body, sizeof(body),
	    "{\"accountid\":1,\"name\":\"%0200u\",\"email\":\"u%u@example.com\",\"role\":1,"
	    "\"password\":\"p\"}",
	    posted, posted);
	posted++;
	return http_send(http, "POST /users", NULL, body);
}

static void
start(void)
{
	unsigned port = process_free_port();
	char url[64];

	snprintf(admin_flag, sizeof(admin_flag), "--admin-listen=127.0.0.1:%u", port);
	stack.accountd_flags[0] = admin_flag;
	stack_start(&stack);
	http = http_new(stack.url);
	snprintf(url, sizeof(url), "http://127.0.0.1:%u", port);
	admin = http_new(url);
	assert_int_equal(post()->status, 201);
}

static int
stop(void **state)
{
	(void)state;
	http_free(&http);
	http_free(&admin);
	stack_kill(&stack);
	memset(&stack, 0, sizeof(stack));
	return 0;
}

/* The gateway logs this once in ten seconds, and has perhaps done so while the stack started. */
static void
await_gateway_log(long mark)
{
	for (int i = 0; i < 1500; i++) {
		if (process_log_has(&stack.gatewayd, mark, "request not served")) {
			return;
		}
		usleep(20000);
		(void)post();
	}
	process_await_log(&stack.gatewayd, mark, "request not served");
}

/* From the first write that is refused on; mark_* are where the logs ended before. */
static void
check_refused(const char *cause, const char *words, long mark, long gateway_mark)
{
	const struct http_answer *answer;
	char text[128];

	process_await_log(&stack.accountd[0], mark, "the store did not take an operation");
	snprintf(text, sizeof(text), "\"cause\":\"%s\"", cause);
	assert_true(process_log_has(&stack.accountd[0], mark, text));
	assert_true(process_log_has(&stack.accountd[0], mark, words));
	process_await_log(&stack.accountd[0], mark, "the store refuses changes");
	await_gateway_log(gateway_mark);

	answer = http_send(http, "GET /accountdhealth", NULL, NULL);
	assert_int_equal(answer->status, 503);
	assert_non_null(strstr(answer->body, "the database refuses changes"));
	assert_null(strstr(answer->body, words));
	assert_int_equal(http_send(http, "GET /users/1", NULL, NULL)->status, 200);
	scrape_await_ready(admin, 200, "ready, but the store refuses changes\n");
	assert_true(scrape_value(admin, "mockvideo_store_writable") == 0);
	assert_true(scrape_value(admin, "mockvideo_store_up") == 1);
	snprintf(text, sizeof(text),
	    "mockvideo_store_unavailable_total{resource=\"user\",operation=\"create\",cause=\"%"
	    "s\"}",
	    cause);
	assert_true(scrape_value(admin, text) >= 1);
}

static void
check_taken_again(long mark)
{
	stack_await(&stack, "/accountdhealth", 200);
	scrape_await_ready(admin, 200, "ready\n");
	scrape_await(admin, "mockvideo_store_writable", 1);
	process_await_log(&stack.accountd[0], mark, "the store takes changes again");
	assert_int_equal(post()->status, 201);
}

/*
 * accountd's folder is a small file system, which grows when the file exists
 * that the variable names. "$$" is accountd once it has replaced the shell.
 */
static const char small_disk[] =
    "for arg in \"$@\"; do case $arg in --store=sqlite:*) dir=${arg#*:}; esac; done;"
    " mount -t tmpfs -o size=1m none \"${dir%/*}\";"
    " (while [ ! -e \"$REFUSAL_ROOM\" ] && kill -0 $$; do sleep 0.05; done;"
    "  mount -o remount,size=64m \"${dir%/*}\") & exec \"$@\"";

static void
a_full_disk_under_sqlite_is_told(void **state)
{
	const struct http_answer *answer;
	char room[PATH_MAX + 32];
	char dir[PATH_MAX];
	long gateway_mark;
	long mark;

	(void)state;
	if (system("unshare -Urm true") != 0) {
		print_message("SKIPPED: no file system can be mounted here\n");
		skip();
	}
	process_make_dir(dir);
	snprintf(room, sizeof(room), "%s/room", dir);
	setenv("REFUSAL_ROOM", room, 1);
	memcpy(stack.accountd_wrapper,
	    (const char *[]){"unshare", "-Urm", "sh", "-c", small_disk, "sh"}, 6 * sizeof(char *));
	start();
	mark = process_log_mark(&stack.accountd[0]);
	gateway_mark = process_log_mark(&stack.gatewayd);
	while ((answer = post())->status == 201 && posted < POSTS_MAX) {
	}
	assert_int_equal(answer->status, 503);
	assert_non_null(strstr(answer->body, "\"reason\":\"STORE_UNAVAILABLE\""));
	check_refused("full", "database or disk is full", mark, gateway_mark);
	mark = process_log_mark(&stack.accountd[0]);
	assert_int_equal(fclose(fopen(room, "we")), 0);
	check_taken_again(mark);
	stack_stop(&stack);
	process_remove_dir(dir);
}

/* What it may do with any database would let it write to one that is read-only. */
static const char plain_user[] =
    "REVOKE ALL, GRANT OPTION FROM " MARIADB_USER "@'%'; GRANT ALL ON " MARIADB_DATABASE
    ".* TO " MARIADB_USER "@'%';";

static void
a_read_only_mariadb_is_told(void **state)
{
	const struct http_answer *answer;
	long gateway_mark;
	long mark;

	(void)state;
	stack.store = STACK_MYSQL;
	stack.first_sql = plain_user;
	start();
	mark = process_log_mark(&stack.accountd[0]);
	gateway_mark = process_log_mark(&stack.gatewayd);
	assert_true(mariadb_sql(&stack.mariadb, NULL, "SET GLOBAL read_only = 1", NULL, 0));
	answer = post();
	assert_int_equal(answer->status, 503);
	assert_non_null(strstr(answer->body, "\"reason\":\"STORE_UNAVAILABLE\""));
	assert_non_null(http_header(answer, "retry-after"));
	check_refused("read_only", "1290", mark, gateway_mark);
	mark = process_log_mark(&stack.accountd[0]);
	assert_true(mariadb_sql(&stack.mariadb, NULL, "SET GLOBAL read_only = 0", NULL, 0));
	check_taken_again(mark);
	/* And where nobody writes: whoever watches sees it. */
	assert_true(mariadb_sql(&stack.mariadb, NULL, "SET GLOBAL read_only = 1", NULL, 0));
	stack_await(&stack, "/accountdhealth", 503);
	scrape_await_ready(admin, 200, "ready, but the store refuses changes\n");
	assert_true(mariadb_sql(&stack.mariadb, NULL, "SET GLOBAL read_only = 0", NULL, 0));
	stack_stop(&stack);
}

static void
sqlite_sql(const char *sql)
{
	char path[PATH_MAX + 32];
	char *message = NULL;
	sqlite3 *db;

	snprintf(path, sizeof(path), "%s/accountd.db", stack.dir);
	assert_int_equal(sqlite3_open(path, &db), SQLITE_OK);
	sqlite3_busy_timeout(db, 30000);
	if (sqlite3_exec(db, sql, NULL, NULL, &message) != SQLITE_OK) {
		fail_msg("%s: %s", sql, message);
	}
	sqlite3_close(db);
}

static void
mysql_sql(const char *sql)
{
	assert_true(mariadb_sql(&stack.mariadb, MARIADB_DATABASE, sql, NULL, 0));
}

/* No read is possible: then nobody should be sent here. */
static void
check_damage(
    void (*run)(const char *sql), const char *damage, const char *repair, const char *words)
{
	long mark = process_log_mark(&stack.accountd[0]);

	run(damage);
	stack_await(&stack, "/accountdhealth", 503);
	scrape_await_ready(admin, 503, "the store's tables are not as this program needs them\n");
	scrape_await(admin, "mockvideo_store_up", 0);
	process_await_log(&stack.accountd[0], mark, "the store cannot be used");
	process_await_log(&stack.accountd[0], mark, words);
	run(repair);
	stack_await(&stack, "/accountdhealth", 200);
	scrape_await_ready(admin, 200, "ready\n");
	assert_int_equal(http_send(http, "GET /users/1", NULL, NULL)->status, 200);
	assert_int_equal(post()->status, 201);
}

static void
check_damages(void (*run)(const char *sql), const char *missing)
{
	check_damage(
	    run, "ALTER TABLE user RENAME TO gone", "ALTER TABLE gone RENAME TO user", missing);
	check_damage(run, "ALTER TABLE user RENAME COLUMN name TO title",
	    "ALTER TABLE user RENAME COLUMN title TO name", "name");
	check_damage(run, "ALTER TABLE setting RENAME TO gone",
	    "ALTER TABLE gone RENAME TO setting", "setting");
}

static void
tables_that_change_under_sqlite_are_missed_and_found_again(void **state)
{
	(void)state;
	start();
	check_damages(sqlite_sql, "no such table: user");
	stack_stop(&stack);
}

static void
tables_that_change_under_mariadb_are_missed_and_found_again(void **state)
{
	(void)state;
	stack.store = STACK_MYSQL;
	start();
	check_damages(mysql_sql, "1146");
	/* A column that every new user would need is no fault of reads. */
	mysql_sql("ALTER TABLE user ADD COLUMN needed INT NOT NULL");
	stack_await(&stack, "/accountdhealth", 503);
	scrape_await_ready(admin, 200, "ready, but the store refuses changes\n");
	assert_int_equal(http_send(http, "GET /users/1", NULL, NULL)->status, 200);
	mysql_sql("ALTER TABLE user DROP COLUMN needed");
	stack_await(&stack, "/accountdhealth", 200);
	stack_stop(&stack);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test_teardown(a_full_disk_under_sqlite_is_told, stop),
	    cmocka_unit_test_teardown(a_read_only_mariadb_is_told, stop),
	    cmocka_unit_test_teardown(
		tables_that_change_under_sqlite_are_missed_and_found_again, stop),
	    cmocka_unit_test_teardown(
		tables_that_change_under_mariadb_are_missed_and_found_again, stop),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
