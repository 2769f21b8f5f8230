#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "common/address.h"

/* The address as it is printed, "none" when it can't be read. */
static const char *
read_and_print(const char *text, unsigned port)
{
	static char printed[ADDRESS_TEXT_MAX];
	struct address address;
	struct error error;

	if (address_read(&address, "adminListen", text, port, &error) != STATUS_OK) {
		assert_non_null(strstr(error.message, text));
		assert_non_null(strstr(error.message, "adminListen"));
		return "none";
	}
	return address_print(&address, printed);
}

static bool
is_loopback(const char *text)
{
	struct address address;
	struct error error;

	assert_int_equal(address_read(&address, "adminListen", text, 0, &error), STATUS_OK);
	return address_is_loopback(&address);
}

static void
addresses_are_host_and_port(void **state)
{
	(void)state;
	assert_string_equal(read_and_print("127.0.0.1:5000", 0), "127.0.0.1:5000");
	assert_string_equal(read_and_print("[::1]:80", 0), "[::1]:80");
	assert_string_equal(read_and_print(":0", 0), "0.0.0.0:0");
}

static void
a_port_replaces_that_of_the_address(void **state)
{
	(void)state;
	assert_string_equal(read_and_print("127.0.0.1:5000", 81), "127.0.0.1:81");
}

static void
other_text_is_no_address(void **state)
{
	(void)state;
	assert_string_equal(read_and_print("127.0.0.1", 0), "none");
	assert_string_equal(read_and_print("::1", 0), "none");
	assert_string_equal(read_and_print("::1:80", 0), "none");
	assert_string_equal(read_and_print("127.0.0.1:http", 0), "none");
	assert_string_equal(read_and_print("127.0.0.1:99999", 0), "none");
	assert_string_equal(read_and_print("tcp://127.0.0.1:80", 0), "none");
	assert_string_equal(read_and_print("", 0), "none");
}

static void
loopback_is_what_only_this_machine_reaches(void **state)
{
	(void)state;
	assert_true(is_loopback("127.0.0.1:0"));
	assert_true(is_loopback("127.9.9.9:0"));
	assert_true(is_loopback("[::1]:0"));
	assert_true(is_loopback("[::ffff:127.0.0.1]:0"));
	assert_false(is_loopback("0.0.0.0:0"));
	assert_false(is_loopback("[::]:0"));
	assert_false(is_loopback(":0"));
	assert_false(is_loopback("192.0.2.1:0"));
	assert_false(is_loopback("[::ffff:192.0.2.1]:0"));
	assert_false(is_loopback("[2001:db8::1]:0"));
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(addresses_are_host_and_port),
	    cmocka_unit_test(a_port_replaces_that_of_the_address),
	    cmocka_unit_test(other_text_is_no_address),
	    cmocka_unit_test(loopback_is_what_only_this_machine_reaches),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
