#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "common/base/address.h"
#include "tests/netns.h"

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
	assert_string_equal(read_and_print(":0", 0), "[::]:0");
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

static bool
overlap(const char *a, const char *b)
{
	struct address first;
	struct address second;
	struct error error;

	assert_int_equal(address_read(&first, "listen", a, 0, &error), STATUS_OK);
	assert_int_equal(address_read(&second, "listen", b, 0, &error), STATUS_OK);
	assert_int_equal(address_overlaps(&first, &second), address_overlaps(&second, &first));
	return address_overlaps(&first, &second);
}

static void
addresses_overlap_by_port_and_host(void **state)
{
	(void)state;
	assert_true(overlap("127.0.0.1:80", "127.0.0.1:80"));
	assert_true(overlap("127.0.0.1:80", "0.0.0.0:80"));
	assert_true(overlap("127.0.0.1:80", ":80"));
	assert_true(overlap("[::1]:80", "[::]:80"));
	assert_true(overlap("0.0.0.0:80", "[::]:80"));
	assert_false(overlap("127.0.0.1:80", "127.0.0.1:81"));
	assert_false(overlap("127.0.0.1:80", "127.0.0.2:80"));
	assert_false(overlap("0.0.0.0:80", "[::1]:80"));
	assert_false(overlap("[::1]:80", "[::2]:80"));
	assert_false(overlap("127.0.0.1:0", "127.0.0.1:0"));
}

/* The port of a socket that listens where text says, whose descriptor is left open; 0: none does. */
static unsigned
listen_on(const char *text)
{
	struct address address;
	struct error error;
	int fd;

	if (address_read(&address, "listen", text, 0, &error) != STATUS_OK ||
	    (fd = address_bind(&address, false)) < 0 || listen(fd, 8) != 0 ||
	    !address_of_socket(&address, fd)) {
		return 0;
	}
	return (unsigned)atoi(
	    strrchr(address_print(&address, (char[ADDRESS_TEXT_MAX]){0}), ':') + 1);
}

static bool
is_reached(const char *host, unsigned port)
{
	char text[ADDRESS_TEXT_MAX];
	struct address address;
	struct error error;
	bool reached;
	int fd;

	snprintf(text, sizeof(text), "%s:%u", host, port);
	if (address_read(&address, "peer", text, 0, &error) != STATUS_OK) {
		return false;
	}
	fd = socket(address.storage.ss_family, SOCK_STREAM | SOCK_CLOEXEC, 0);
	reached = connect(fd, (const struct sockaddr *)&address.storage, address.len) == 0;
	close(fd);
	return reached;
}

static int
check_every_address(void)
{
	unsigned every = listen_on(":0");
	unsigned six = listen_on("[::]:0");
	unsigned four = listen_on("0.0.0.0:0");

	return every == 0                        ? 1
	       : !is_reached("127.0.0.1", every) ? 2
	       : !is_reached("[::1]", every)     ? 3
	       : six == 0                        ? 4
	       : !is_reached("127.0.0.1", six)   ? 5
	       : !is_reached("[::1]", six)       ? 6
	       : four == 0                       ? 7
	       : !is_reached("127.0.0.1", four)  ? 8
	       : is_reached("[::1]", four)       ? 9
						 : 0;
}

static void
a_port_alone_is_every_address_of_both_families(void **state)
{
	(void)state;
	netns_check(NETNS_BOTH, check_every_address);
	netns_check(NETNS_BOTH_ALONE, check_every_address);
}

static int
check_without_ipv6(void)
{
	unsigned every = listen_on(":0");

	return every == 0                        ? 1
	       : !is_reached("127.0.0.1", every) ? 2
	       : listen_on("[::]:0") != 0        ? 3
						 : 0;
}

static void
without_ipv6_a_port_alone_is_every_address_of_ipv4(void **state)
{
	(void)state;
	netns_check(NETNS_NO_IPV6, check_without_ipv6);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(addresses_are_host_and_port),
	    cmocka_unit_test(addresses_overlap_by_port_and_host),
	    cmocka_unit_test(a_port_replaces_that_of_the_address),
	    cmocka_unit_test(other_text_is_no_address),
	    cmocka_unit_test(loopback_is_what_only_this_machine_reaches),
	    cmocka_unit_test(a_port_alone_is_every_address_of_both_families),
	    cmocka_unit_test(without_ipv6_a_port_alone_is_every_address_of_ipv4),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
