#include "common/base/spelling.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

static void
expect(const char *name, const char *known, unsigned distance)
{
	assert_int_equal(spelling_distance(name, strlen(name), known), distance);
}

static void
each_slip_counts_once(void **state)
{
	(void)state;
	expect("GetUser", "GetUser", 0);
	expect("GetUsr", "GetUser", 1);
	expect("GetUserr", "GetUser", 1);
	expect("GetUzer", "GetUser", 1);
	expect("GteUser", "GetUser", 1);
	expect("GteUzr", "GetUser", 3);
}

static void
case_and_separators_do_not_count(void **state)
{
	(void)state;
	expect("db_hots", "--dbHost", 1);
	expect("account.v1.userservice.getuser", "account.v1.UserService/GetUser", 0);
}

static void
another_word_is_far(void **state)
{
	(void)state;
	expect("DeleteUser", "GetUser", SPELLING_FAR);
	expect("port", "host", SPELLING_FAR);
	expect("prot", "port", 1);
	expect("", "port", SPELLING_FAR);
}

static void
only_the_bytes_given_are_read(void **state)
{
	(void)state;
	assert_int_equal(spelling_distance("hostage", 4, "host"), 0);
}

static void
names_of_any_length_are_taken(void **state)
{
	char name[500];

	(void)state;
	memset(name, 'x', sizeof(name) - 1);
	name[sizeof(name) - 1] = '\0';
	expect(name, name, 0);
	expect(name, "x", SPELLING_FAR);
	expect("x", name, SPELLING_FAR);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(each_slip_counts_once),
	    cmocka_unit_test(case_and_separators_do_not_count),
	    cmocka_unit_test(another_word_is_far),
	    cmocka_unit_test(only_the_bytes_given_are_read),
	    cmocka_unit_test(names_of_any_length_are_taken),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
