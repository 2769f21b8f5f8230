/* Who serves which proto packages, as the configuration says it. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "gateway/gw_backend.h"

static void
read_well(struct gw_backends *backends, const char *text)
{
	struct error error;

	if (gw_backends_read(backends, text, &error) != STATUS_OK) {
		fail_msg("%s: %s", text, error.message);
	}
}

static void
urls_alone_are_one_service_that_serves_all(void **state)
{
	struct gw_backends backends;

	(void)state;
	read_well(&backends, " tcp://a:1 ,\tdns:///b:2,ipc:///tmp/x=y");
	assert_int_equal(backends.count, 1);
	assert_string_equal(backends.list[0].package, "");
	assert_string_equal(backends.list[0].urls, "tcp://a:1,dns:///b:2,ipc:///tmp/x=y");
	assert_string_equal(gw_backend_name(&backends.list[0]), "default");
	assert_ptr_equal(gw_backends_find(&backends, "account.v1"), &backends.list[0]);
	assert_ptr_equal(gw_backends_find(&backends, ""), &backends.list[0]);
	gw_backends_free(&backends);
}

static void
entries_of_a_package_are_of_one_service(void **state)
{
	struct gw_backends backends;

	(void)state;
	read_well(
	    &backends, "account.v1=tcp://a:1, b_2 = tcp://b:1,tcp://c:1,account.v1=tcp://a:2");
	assert_int_equal(backends.count, 3);
	assert_string_equal(backends.list[0].urls, "tcp://a:1,tcp://a:2");
	assert_string_equal(gw_backend_name(&backends.list[0]), "account.v1");
	assert_string_equal(backends.list[1].package, "b_2");
	assert_string_equal(backends.list[1].urls, "tcp://b:1");
	assert_string_equal(backends.list[2].urls, "tcp://c:1");
	for (size_t i = 0; i < backends.count; i++) {
		assert_int_equal(backends.list[i].index, i);
	}
	gw_backends_free(&backends);
}

static void
the_nearest_package_serves_those_below_it(void **state)
{
	struct gw_backends backends;
	const struct gw_backend *list;

	(void)state;
	read_well(&backends, "a=tcp://a:1,a.b.c=tcp://b:1");
	list = backends.list;
	assert_ptr_equal(gw_backends_find(&backends, "a"), &list[0]);
	assert_ptr_equal(gw_backends_find(&backends, "a.b"), &list[0]);
	assert_ptr_equal(gw_backends_find(&backends, "a.b.c"), &list[1]);
	assert_ptr_equal(gw_backends_find(&backends, "a.b.c.d"), &list[1]);
	assert_ptr_equal(gw_backends_find(&backends, "a.b.cd"), &list[0]);
	assert_null(gw_backends_find(&backends, "ab"));
	assert_null(gw_backends_find(&backends, ""));
	gw_backends_free(&backends);
}

static void
what_is_no_entry_is_refused_by_its_name(void **state)
{
	static const struct {
		const char *text;
		const char *named;
	} rows[] = {
	    {"a.v1=nowhere", "nowhere"},
	    {"a.v1=tcp://a:1,a.v1=tcp://a:1", "tcp://a:1"},
	    {"=tcp://a:1", "\"=tcp://a:1\": must be a URL, or a proto package"},
	    {"a..b=tcp://a:1", "a..b=tcp://a:1"},
	    {"a.=tcp://a:1", "a.=tcp://a:1"},
	    {"1a=tcp://a:1", "1a=tcp://a:1"},
	    {"a b=tcp://a:1", "a b=tcp://a:1"},
	    {"a/b=tcp://a:1", "a/b=tcp://a:1"},
	    {"a.v1=", "empty entry"},
	    {"a.v1=tcp://a:1,", "empty entry"},
	    {"", "empty entry"},
	};

	(void)state;
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		struct gw_backends backends;
		struct error error;

		assert_int_equal(
		    gw_backends_read(&backends, rows[i].text, &error), STATUS_INVALID_ARGUMENT);
		assert_int_equal(backends.count, 0);
		if (strstr(error.message, rows[i].named) == NULL) {
			fail_msg("%s: %s", rows[i].text, error.message);
		}
	}
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(urls_alone_are_one_service_that_serves_all),
	    cmocka_unit_test(entries_of_a_package_are_of_one_service),
	    cmocka_unit_test(the_nearest_package_serves_those_below_it),
	    cmocka_unit_test(what_is_no_entry_is_refused_by_its_name),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
