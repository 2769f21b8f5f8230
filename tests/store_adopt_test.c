/* Databases of the original, adopted: nothing lost, whatever they hold and whenever it is cut short. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "common/base/arena.h"
#include "tests/mariadb.h"
#include "tests/store_suite.h"

#define ORIGINAL_VERSIONS 9

static struct mariadb mariadb;
static struct error error;
static struct sql_options options;
static char database[32];

static void
test_sql(const char *sql)
{
	assert_true(mariadb_sql(&mariadb, database, sql, NULL, 0));
}

static void
test_assert_rows(const char *sql, const char *rows)
{
	char out[4096];

	assert_true(mariadb_sql(&mariadb, database, sql, out, sizeof(out)));
	assert_string_equal(out, rows);
}

/* The original's create.sql, and rows that it may hold after some years. */
static const char original_tables[] =
    "CREATE TABLE user (accountID INT, id INT AUTO_INCREMENT, name VARCHAR(255) NOT NULL,"
    " email VARCHAR(255), role INT, password VARCHAR(255), PRIMARY KEY (id), UNIQUE KEY (email));"
    "CREATE TABLE account (id INT AUTO_INCREMENT PRIMARY KEY,"
    " accountHolderName VARCHAR(255) NOT NULL, nickName VARCHAR(255),"
    " serviceAddress VARCHAR(255) NOT NULL, billingAddress VARCHAR(255) NOT NULL,"
    " email VARCHAR(255) NOT NULL UNIQUE, phone VARCHAR(10) NOT NULL);"
    "CREATE TABLE bundle (id INT PRIMARY KEY, name VARCHAR(255));"
    "CREATE TABLE accountUser (accountID INT, userID INT,"
    " FOREIGN KEY (userID) REFERENCES user (id));";

static const char original_rows[] =
    "INSERT INTO user (id, accountID, name, email, role, password) VALUES"
    " (1, 1, 'porgy tirebiter', 'porgytirebiter@email.com', 0, 'myawesomepassword'),"
    " (2, 1, 'mickey dolenz', 'Mickey@Email.com', 1, 'another'),"
    " (3, 1, 'betty davis', 'betty@email.com', 3, 'p'),"
    " (5, NULL, 'no account', 'noaccount@x', NULL, NULL),"
    " (6, 2, '', NULL, 2, ''),"
    " (7, 2, 'second without address', NULL, 7, 'secret'),"
    " (8, 2, 'Zo\xc3\xab', '\xc3\x89va@x', 1, 'gr\xc3\xbc\xc3\x9f'),"
    " (9, 2, 'hashed', 'hashed@x', 1, '$argon2id$before'),"
    " (40, 2, ' padded ', ' padded@x', 1, ' ');"
    "INSERT INTO bundle VALUES (1, 'gold'); INSERT INTO accountUser VALUES (1, 2);"
    "INSERT INTO account VALUES (1, 'a', 'b', 'c', 'd', 'e', 'f');";

static const char adopted_users[] =
    "SELECT id, COALESCE(accountID, 'NULL'), name, COALESCE(email, 'NULL'), role, password,"
    " COALESCE(emailKey, 'NULL') FROM user ORDER BY id";

static const char adopted_rows[] =
    "1\t1\tporgy tirebiter\tporgytirebiter@email.com\t0\t$argon2id$myawesomepassword"
    "\tporgytirebiter@email.com\n"
    "2\t1\tmickey dolenz\tMickey@Email.com\t1\t$argon2id$another\tmickey@email.com\n"
    "3\t1\tbetty davis\tbetty@email.com\t2\t$argon2id$p\tbetty@email.com\n"
    "5\tNULL\tno account\tnoaccount@x\t2\t$argon2id$unusable\tnoaccount@x\n"
    "6\t2\t\tNULL\t2\t$argon2id$unusable\tNULL\n"
    "7\t2\tsecond without address\tNULL\t2\t$argon2id$secret\tNULL\n"
    "8\t2\tZo\xc3\xab\t\xc3\x89va@x\t1\t$argon2id$gr\xc3\xbc\xc3\x9f\t\xc3\xa9va@x\n"
    "9\t2\thashed\thashed@x\t1\t$argon2id$before\thashed@x\n"
    "40\t2\t padded \t padded@x\t1\t$argon2id$ \t padded@x\n";

/* A new database of the original, in the character set and table options given. */
static void
test_original(const char *charset, const char *table_options)
{
	static unsigned number;
	char sql[256];

	snprintf(database, sizeof(database), "original%u", ++number);
	snprintf(sql, sizeof(sql), "CREATE DATABASE %s CHARACTER SET %s", database, charset);
	assert_true(mariadb_sql(&mariadb, NULL, sql, NULL, 0));
	options.database = database;
	test_sql(original_tables);
	snprintf(
	    sql, sizeof(sql), "SET foreign_key_checks = 0; ALTER TABLE user %s", table_options);
	if (*table_options != '\0') {
		test_sql("DROP TABLE accountUser; CREATE TABLE accountUser (a INT, u INT)");
		test_sql(sql);
	}
}

static enum status_code
test_migrate(void (*tell)(const char *line),
    bool (*hash)(const char *password, char *out, void *closure), void *closure)
{
	struct sql_db *store;
	enum status_code code;

	memset(&error, 0, sizeof(error));
	store_suite_assert_ok(store_open(&store, &options, &error), &error);
	code = store_migrate(store, tell, hash, closure, &error);
	sql_close(&store);
	return code;
}

static void
test_migrate_well(void)
{
	store_suite_assert_ok(test_migrate(NULL, store_suite_hash, NULL), &error);
}

static char told[8192];

static void
test_tell(const char *line)
{
	strncat(told, line, sizeof(told) - strlen(told) - 2);
	strcat(told, "\n");
}

static void
no_row_of_the_original_is_lost(void **state)
{
	(void)state;
	test_original("latin1", "");
	test_sql(original_rows);
	told[0] = '\0';
	store_suite_assert_ok(test_migrate(test_tell, store_suite_hash, NULL), &error);
	assert_non_null(strstr(told, "passwords hashed"));
	assert_null(strstr(told, "myawesomepassword"));
	test_assert_rows(adopted_users, adopted_rows);
	test_assert_rows("SELECT * FROM bundle", "1\tgold\n");
	test_assert_rows("SELECT * FROM accountUser", "1\t2\n");
	test_assert_rows("SELECT * FROM account", "1\ta\tb\tc\td\te\tf\n");
	test_assert_rows("SELECT index_name FROM information_schema.statistics WHERE table_name = "
			 "'user' AND table_schema = DATABASE() ORDER BY 1",
	    "PRIMARY\nuserAccountID\nuserEmailKey\n");
}

/* Whose name or address no new user may have is named, and stays as it was. */
static void
users_that_break_the_rules_of_text_are_kept_and_told(void **state)
{
	static const char rows[] = "91\tA\nB\ta@b\r\nBcc: x\n92\tC\t c@x\n";

	(void)state;
	test_original("utf8mb4", "");
	test_sql(original_rows);
	test_sql("INSERT INTO user (id, name, email, role) VALUES (91, 'A\nB', 'a@b\r\nBcc: x', 1),"
		 " (92, 'C', ' c@x', 1), (93, 'D', '\xf0\x9f\x8d\x8b@x', 1)");
	told[0] = '\0';
	store_suite_assert_ok(test_migrate(test_tell, store_suite_hash, NULL), &error);
	test_assert_rows("SELECT id, name, email FROM user WHERE id IN (91, 92) ORDER BY id", rows);
	assert_non_null(strstr(told, "user 91 is kept, but its name must not have U+000A:"));
	assert_non_null(
	    strstr(told, "user 91 is kept, but its e-mail address must not have U+000D:"));
	assert_non_null(
	    strstr(told, "user 92 is kept, but its e-mail address must not have U+0020:"));
	assert_non_null(strstr(told, "user 6 is kept, but its name must have 1 to 255 characters"));
	assert_null(strstr(told, "user 7 "));
	assert_null(strstr(told, "user 93 "));
	/* The query of docs/operating.md for those that this finds. */
	test_assert_rows(
	    "SELECT id FROM user WHERE email REGEXP '[\\\\p{C}\\\\p{Z}]' OR name REGEXP "
	    "'[\\\\p{Cc}\\\\p{Zl}\\\\p{Zp}]' ORDER BY id",
	    "40\n91\n92\n");
	/* 6, 40, 91 and 92. */
	assert_non_null(strstr(told, "4 users are kept with a name or e-mail address"));
}

/* The first are named, all are counted. */
static void
many_users_that_break_the_rules_are_counted(void **state)
{
	const char *at;
	size_t lines = 0;

	(void)state;
	test_original("utf8mb4", "");
	test_sql("INSERT INTO user (name, email, password) SELECT 'x', CONCAT(seq, ' @x'), "
		 "'$argon2id$x' FROM seq_1_to_1500");
	told[0] = '\0';
	store_suite_assert_ok(test_migrate(test_tell, store_suite_hash, NULL), &error);
	for (at = told; (at = strstr(at, " is kept, but")) != NULL; at++) {
		lines++;
	}
	assert_int_equal(lines, 20);
	assert_non_null(strstr(told, "1500 users are kept with"));
	test_assert_rows("SELECT COUNT(*) FROM user WHERE emailKey = email", "1500\n");
}

static void
tables_of_another_engine_and_format_are_adopted(void **state)
{
	static const char *const kinds[] = {"ENGINE = MyISAM", "ROW_FORMAT = COMPACT"};

	(void)state;
	for (size_t i = 0; i < sizeof(kinds) / sizeof(kinds[0]); i++) {
		test_original("utf8mb3", kinds[i]);
		test_sql(original_rows);
		test_migrate_well();
		test_assert_rows(adopted_users, adopted_rows);
		test_assert_rows("SELECT engine, row_format FROM information_schema.tables WHERE "
				 "table_name = 'user' AND table_schema = DATABASE()",
		    "InnoDB\tDynamic\n");
	}
}

static void
an_adopted_user_is_read_and_written(void **state)
{
	struct sql_db *store;
	struct sql_conn *conn;
	struct store_write write = store_suite_create("new", "MICKEY@email.com");
	struct arena *arena = arena_new(0);
	int64_t ids[] = {5, 6, 3};
	struct user users[3];

	(void)state;
	test_original("utf8mb4", "");
	test_sql(original_rows);
	store = store_suite_open(&options);
	conn = sql_conn_open(store);
	store_suite_assert_ok(
	    store_user_get(conn, store_suite_soon(), ids, 3, arena, users, &error), &error);
	assert_int_equal(users[0].account_id, 0);
	assert_int_equal(users[0].role, USER_ROLE_RESTRICTED);
	assert_string_equal(users[1].email, "");
	assert_int_equal(users[2].role, USER_ROLE_RESTRICTED);
	store_suite_assert_ok(
	    store_user_write(conn, store_suite_soon(), &write, 1, &error), &error);
	assert_int_equal(write.outcome, STORE_DUPLICATE);
	assert_true(store_suite_created(conn, "\xf0\x9f\x8d\x8b", "\xf0\x9f\x8d\x8b@x") > 40);
	arena_free(&arena);
	sql_conn_close(&conn);
	sql_close(&store);
}

/* As if killed after each step's work and before it was noted. */
static void
it_goes_on_wherever_it_was_killed(void **state)
{
	char sql[96];

	(void)state;
	test_original("latin1", "");
	test_sql(original_rows);
	test_migrate_well();
	for (int version = ORIGINAL_VERSIONS; version >= 1; version--) {
		snprintf(
		    sql, sizeof(sql), "DELETE FROM schema_migration WHERE version >= %d", version);
		test_sql(sql);
		test_migrate_well();
		test_assert_rows(adopted_users, adopted_rows);
	}
	test_assert_rows("SELECT COUNT(*), MAX(version) FROM schema_migration", "9\t9\n");
}

static bool
test_hash_some(const char *password, char *out, void *left)
{
	return (*(int *)left)-- > 0 && store_suite_hash(password, out, NULL);
}

static void
hashing_goes_on_where_it_was_cut_short(void **state)
{
	int left = 130;

	(void)state;
	test_original("latin1", "");
	test_sql("INSERT INTO user (name, password) SELECT seq, seq FROM seq_1_to_300");
	assert_int_not_equal(test_migrate(NULL, test_hash_some, &left), STATUS_OK);
	assert_non_null(strstr(error.message, "hashed passwords"));
	test_assert_rows("SELECT COUNT(*) FROM user WHERE password LIKE '$argon2id$%'", "100\n");
	left = 200;
	store_suite_assert_ok(test_migrate(NULL, test_hash_some, &left), &error);
	assert_int_equal(left, 0);
	test_assert_rows(
	    "SELECT COUNT(*) FROM user WHERE password = CONCAT('$argon2id$', name)", "300\n");
}

static void
two_users_of_one_address_stop_it_before_anything_is_lost(void **state)
{
	(void)state;
	test_original("latin1", "MODIFY email VARCHAR(255) COLLATE latin1_bin");
	test_sql(original_rows);
	test_sql("INSERT INTO user (id, name, email, password) VALUES (77, 'twin',"
		 " 'PORGYtirebiter@email.com', 'clear'), (78, 'twin', '\xc3\xa9VA@X', 'clear')");
	told[0] = '\0';
	assert_int_equal(
	    test_migrate(test_tell, store_suite_hash, NULL), STATUS_FAILED_PRECONDITION);
	assert_non_null(strstr(error.message, "users 1 and 77"));
	assert_non_null(strstr(error.message, "accountd migrate"));
	assert_non_null(strstr(told, "users 8 and 78"));
	test_assert_rows(
	    "SELECT password FROM user WHERE id IN (1, 77, 3)", "myawesomepassword\np\nclear\n");
	test_assert_rows("SELECT role FROM user WHERE id = 3", "3\n");
	test_assert_rows(
	    "SELECT COUNT(*) FROM information_schema.columns WHERE table_name = 'user' "
	    "AND table_schema = DATABASE() AND collation_name = 'latin1_bin'",
	    "1\n");
	test_sql(
	    "UPDATE user SET email = 'porgy2@x' WHERE id = 77; DELETE FROM user WHERE id = 78");
	test_migrate_well();
	test_sql("DELETE FROM user WHERE id = 77");
	test_assert_rows(adopted_users, adopted_rows);
}

static void
thousands_of_rows_are_adopted(void **state)
{
	(void)state;
	test_original("latin1", "");
	test_sql("INSERT INTO user (accountID, name, email, role, password) SELECT 1, seq, "
		 "CONCAT('U', seq, '@X'), 1, IF(seq % 10, '$argon2id$x', seq) FROM seq_1_to_12000");
	told[0] = '\0';
	store_suite_assert_ok(test_migrate(test_tell, store_suite_hash, NULL), &error);
	assert_non_null(strstr(told, "10000 e-mail addresses read"));
	test_assert_rows("SELECT COUNT(*) FROM user WHERE emailKey = LOWER(email)", "12000\n");
	test_assert_rows("SELECT COUNT(*) FROM user WHERE password LIKE '$argon2id$%'", "12000\n");
}

int
main(void)
{
	const struct CMUnitTest cases[] = {
	    cmocka_unit_test(no_row_of_the_original_is_lost),
	    cmocka_unit_test(users_that_break_the_rules_of_text_are_kept_and_told),
	    cmocka_unit_test(many_users_that_break_the_rules_are_counted),
	    cmocka_unit_test(tables_of_another_engine_and_format_are_adopted),
	    cmocka_unit_test(an_adopted_user_is_read_and_written),
	    cmocka_unit_test(it_goes_on_wherever_it_was_killed),
	    cmocka_unit_test(hashing_goes_on_where_it_was_cut_short),
	    cmocka_unit_test(two_users_of_one_address_stop_it_before_anything_is_lost),
	    cmocka_unit_test(thousands_of_rows_are_adopted),
	};
	int failed;

	if (!mariadb_start(&mariadb)) {
		mariadb_stop(&mariadb);
		return 1;
	}
	options = (struct sql_options){.url = "mysql",
	    .host = MARIADB_HOST,
	    .port = mariadb.port,
	    .user = MARIADB_USER,
	    .password = MARIADB_PASSWORD};
	failed = cmocka_run_group_tests_name("adopting", cases, NULL, NULL);
	mariadb_stop(&mariadb);
	return failed != 0;
}
