#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "gateway/gw_origin.h"

static struct gw_origins origins;
static struct error error;

static const char *
find(const char *origin)
{
	return gw_origins_find(&origins, origin, strlen(origin));
}

static void
an_empty_list_has_no_origin(void **state)
{
	(void)state;
	assert_int_equal(gw_origins_read(&origins, "", &error), STATUS_OK);
	assert_false(gw_origins_exist(&origins));
	assert_null(find("https://a.example"));
	assert_null(find(""));
	gw_origins_free(&origins);
}

static void
origins_are_found_as_they_are_written(void **state)
{
	static const char *const list[] = {"https://a.example", "http://localhost:3000",
	    "http://[::1]:8080", "capacitor://localhost", "http://192.0.2.1"};
	static const char *const others[] = {"https://a.example:443", "http://a.example",
	    "https://A.example", "https://a.example/", "https://b.a.example",
	    "https://a.example.evil", "null", "", "*", "http://localhost:3000,"};

	(void)state;
	assert_int_equal(gw_origins_read(&origins,
			     "https://a.example, http://localhost:3000 ,http://[::1]:8080,"
			     "capacitor://localhost,http://192.0.2.1",
			     &error),
	    STATUS_OK);
	assert_true(gw_origins_exist(&origins));
	for (size_t i = 0; i < sizeof(list) / sizeof(list[0]); i++) {
		assert_string_equal(find(list[i]), list[i]);
	}
	for (size_t i = 0; i < sizeof(others) / sizeof(others[0]); i++) {
		assert_null(find(others[i]));
	}
	assert_null(gw_origins_find(&origins, "https://a.example", 16));
	gw_origins_free(&origins);
	gw_origins_free(&origins);
}

static void
a_star_is_any_origin(void **state)
{
	(void)state;
	assert_int_equal(gw_origins_read(&origins, "*", &error), STATUS_OK);
	assert_true(gw_origins_exist(&origins));
	assert_string_equal(find("https://a.example"), "*");
	gw_origins_free(&origins);
}

static void
what_no_browser_sends_is_refused_by_its_place(void **state)
{
	static const struct {
		const char *entry;
		const char *says;
	} rows[] = {
	    {"a.example", "must begin with a scheme"},
	    {"HTTPS://a.example", "must begin with a scheme"},
	    {"://a.example", "must begin with a scheme"},
	    {"https:/a.example", "must begin with a scheme"},
	    {"https://A.example", "in lower case"},
	    {"https://", "its host"},
	    {"https://a b", "its host"},
	    {"https://user@a.example", "its host"},
	    {"https://*.a.example", "its host"},
	    {"https://[::1", "its host"},
	    {"https://[]", "its host"},
	    {"https://[a.example]", "its host"},
	    {"https://a.example/", "without a slash"},
	    {"https://a.example/path", "without a slash"},
	    {"https://a.example:8443/", "its port"},
	    {"https://a.example:", "its port"},
	    {"https://a.example:0", "its port"},
	    {"https://a.example:080", "its port"},
	    {"https://a.example:65536", "its port"},
	    {"https://a.example:123456", "its port"},
	    {"https://a.example:443", "leave it out"},
	    {"http://a.example:80", "leave it out"},
	    {"null", "any page"},
	    {"*", "stand alone"},
	};
	char list[128];

	(void)state;
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		strcpy(list, "http://ok.example,");
		strcat(list, rows[i].entry);
		assert_int_equal(gw_origins_read(&origins, list, &error), STATUS_INVALID_ARGUMENT);
		if (strstr(error.message, rows[i].says) == NULL ||
		    strstr(error.message, rows[i].entry) == NULL ||
		    strstr(error.message, "corsOrigins") == NULL) {
			fail_msg("%s: %s", rows[i].entry, error.message);
		}
		assert_null(origins.text);
	}
	assert_int_equal(
	    gw_origins_read(&origins, "http://a.example,", &error), STATUS_INVALID_ARGUMENT);
	assert_non_null(strstr(error.message, "take a comma away"));
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(an_empty_list_has_no_origin),
	    cmocka_unit_test(origins_are_found_as_they_are_written),
	    cmocka_unit_test(a_star_is_any_origin),
	    cmocka_unit_test(what_no_browser_sends_is_refused_by_its_place),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
