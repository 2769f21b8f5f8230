/* accountd migrate takes over a database of the original without losing a row. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "integration/http.h"
#include "integration/json_get.h"
#include "integration/suite.h"

#define PASSWORD "alksdf98423)*(&#"

/* The tables as the original's create.sql makes them, and rows as its users left them. */
static const char original[] =
    "CREATE TABLE user (accountID INT, id INT AUTO_INCREMENT, name VARCHAR(255) NOT NULL,"
    " email VARCHAR(255), role INT, password VARCHAR(255), PRIMARY KEY (id), UNIQUE KEY (email));"
    "CREATE TABLE account (id INT AUTO_INCREMENT, accountHolderName VARCHAR(255) NOT NULL,"
    " nickName VARCHAR(255), serviceAddress VARCHAR(255) NOT NULL, billingAddress VARCHAR(255)"
    " NOT NULL, email VARCHAR(255) NOT NULL, phone VARCHAR(10) NOT NULL, PRIMARY KEY (id),"
    " UNIQUE KEY (email));"
    "CREATE TABLE accountUser (accountID INT NOT NULL, userID INT NOT NULL,"
    " PRIMARY KEY (accountID, userID));"
    "INSERT INTO account (accountHolderName, nickName, serviceAddress, billingAddress, email,"
    " phone) VALUES ('mickey dolenz', 'mickey', '123 Laurel Canyon Drive',"
    " '123 Laurel Canyon Drive', 'mickeyd@gmail.com', '7132224512');"
    "INSERT INTO user (accountID, name, email, role, password) VALUES"
    " (1, 'mickey dolenz', 'mickeyd@gmail.com', 1, '" PASSWORD "'),"
    " (1, 'peter tork', 'petertd@gmail.com', 3, '" PASSWORD "'),"
    " (1, 'davy jones', 'djonesI@gmail.com', 3, '" PASSWORD "'),"
    " (1, 'michael nesmith', 'joanne@gmail.com', 2, '" PASSWORD "'),"
    " (2, 'mama cass', 'mama@gmail.com', 1, '" PASSWORD "'),"
    " (NULL, 'no account', 'none@gmail.com', NULL, NULL),"
    " (1, 'no address', NULL, 2, ''),"
    " (1, 'no address either', NULL, 0, '" PASSWORD "'),"
    " (1, 'two\nlines', 'a@b\r\nBcc: x', 1, '');"
    "INSERT INTO accountUser VALUES (1, 1), (2, 5);";

static struct stack stack = {.store = STACK_MYSQL, .first_sql = original};

static void
every_row_is_kept_and_served(void **state)
{
	struct http *http = http_new(stack.url);
	yajl_val users;

	(void)state;
	users = json_parse(http_send(http, "GET /users", NULL, NULL)->body);
	assert_int_equal(json_count(users, "Users"), 9);
	assert_string_equal(json_text(users, "Users.0.email"), "mickeyd@gmail.com");
	assert_int_equal(json_int(users, "Users.0.role"), 1);
	assert_int_equal(json_int(users, "Users.1.role"), 2);
	assert_int_equal(json_int(users, "Users.5.accountid"), 0);
	assert_int_equal(json_int(users, "Users.5.role"), 2);
	assert_string_equal(json_text(users, "Users.6.email"), "");
	assert_string_equal(json_text(users, "Users.8.name"), "two\nlines");
	assert_string_equal(json_text(users, "Users.8.email"), "a@b\r\nBcc: x");
	yajl_tree_free(users);
	http_free(&http);
}

static void
no_password_is_left_in_clear_text(void **state)
{
	char out[4096];

	(void)state;
	assert_true(mariadb_sql(&stack.mariadb, MARIADB_DATABASE,
	    "SELECT COUNT(*) FROM user WHERE password NOT LIKE '$argon2id$%' AND id <= 5", out,
	    sizeof(out)));
	assert_int_equal(atoi(out), 0);
	assert_true(mariadb_sql(&stack.mariadb, MARIADB_DATABASE,
	    "SELECT COUNT(*) FROM user WHERE password = '" PASSWORD "'", out, sizeof(out)));
	assert_int_equal(atoi(out), 0);
}

static void
other_tables_stay_as_they_were(void **state)
{
	char out[4096];

	(void)state;
	assert_true(mariadb_sql(&stack.mariadb, MARIADB_DATABASE,
	    "SELECT accountHolderName FROM account; SELECT COUNT(*) FROM accountUser", out,
	    sizeof(out)));
	assert_string_equal(out, "mickey dolenz\n2\n");
}

static void
addresses_of_adopted_users_are_taken(void **state)
{
	struct http *http = http_new(stack.url);
	const struct http_answer *answer = http_send(http, "POST /users", NULL,
	    "{\"accountid\":1,\"name\":\"n\",\"email\":\"DJONESi@gmail.com\",\"role\":1,"
	    "\"password\":\"p\"}");

	(void)state;
	assert_int_equal(answer->status, 400);
	assert_non_null(strstr(answer->body, "attempt to insert duplicate user"));
	http_free(&http);
}

/* It is found by the text that it has, and the first who replaces it must mend it. */
static void
a_user_with_text_that_no_new_one_may_have_can_be_mended(void **state)
{
	struct http *http = http_new(stack.url);
	const struct http_answer *answer =
	    http_send(http, "GET /users?email=A@b%0D%0ABcc:%20x", NULL, NULL);

	(void)state;
	assert_int_equal(answer->status, 200);
	assert_non_null(strstr(answer->body, "\"id\":9,"));
	answer = http_send(http, "PUT /users/9", NULL,
	    "{\"accountid\":1,\"name\":\"two\\nlines\",\"email\":\"a@b\\r\\nBcc: x\",\"role\":1,"
	    "\"password\":\"p\"}");
	assert_int_equal(answer->status, 400);
	assert_non_null(strstr(answer->body, "\"field\":\"name\""));
	assert_non_null(strstr(answer->body, "\"field\":\"email\""));
	answer = http_send(http, "PUT /users/9", NULL,
	    "{\"accountid\":1,\"name\":\"one line\",\"email\":\"a@b\",\"role\":1,"
	    "\"password\":\"p\"}");
	assert_int_equal(answer->status, 200);
	http_free(&http);
}

static void
migrating_again_changes_nothing(void **state)
{
	char before[8192];
	char after[8192];
	static const char all[] = "SELECT * FROM user ORDER BY id";

	(void)state;
	assert_true(mariadb_sql(&stack.mariadb, MARIADB_DATABASE, all, before, sizeof(before)));
	stack_migrate(&stack);
	assert_true(mariadb_sql(&stack.mariadb, MARIADB_DATABASE, all, after, sizeof(after)));
	assert_string_equal(before, after);
}

static void
sql(const char *text)
{
	assert_true(mariadb_sql(&stack.mariadb, MARIADB_DATABASE, text, NULL, 0));
}

/* As after a rollback: what is newer was migrated by a program that is gone. */
static void
the_version_before_runs_on_a_schema_that_says_so(void **state)
{
	struct process *accountd = &stack.accountd[0];
	long mark = process_log_mark(accountd);

	(void)state;
	sql("INSERT INTO schema_migration (version, name, runsFrom)"
	    " SELECT MAX(version) + 1, 'a column', MAX(version) FROM schema_migration;"
	    " ALTER TABLE user ADD COLUMN nickname VARCHAR(255) NULL");
	stack_migrate(&stack);
	assert_int_equal(process_stop(accountd), 0);
	stack_start_accountd(&stack, 0);
	stack_await(&stack, "/accountdhealth", 200);
	assert_true(process_log_has(accountd, mark, "newer than this program"));
	addresses_of_adopted_users_are_taken(state);
	sql("INSERT INTO schema_migration (version, name, runsFrom)"
	    " SELECT MAX(version) + 1, 'without it', MAX(version) + 1 FROM schema_migration");
	stack_await(&stack, "/accountdhealth", 200);
	assert_int_equal(process_stop(accountd), 0);
	mark = process_log_mark(accountd);
	stack_start_accountd(&stack, 0);
	assert_int_equal(process_wait_exit(accountd, 60), 1);
	assert_true(process_log_has(accountd, mark, "run a newer accountd"));
	sql("DELETE FROM schema_migration WHERE name = 'without it'");
	stack_start_accountd(&stack, 0);
	stack_await(&stack, "/accountdhealth", 200);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(every_row_is_kept_and_served),
	    cmocka_unit_test(no_password_is_left_in_clear_text),
	    cmocka_unit_test(other_tables_stay_as_they_were),
	    cmocka_unit_test(addresses_of_adopted_users_are_taken),
	    cmocka_unit_test(a_user_with_text_that_no_new_one_may_have_can_be_mended),
	    cmocka_unit_test(migrating_again_changes_nothing),
	    cmocka_unit_test(the_version_before_runs_on_a_schema_that_says_so),
	};

	return suite_run(&(struct suite){
	    .stack = &stack, .tests = tests, .test_count = sizeof(tests) / sizeof(tests[0])});
}
