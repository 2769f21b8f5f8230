#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "gateway/gw_media.h"

static bool
is_json(const char *type)
{
	return gw_media_is_json(type, strlen(type));
}

static bool
accepts(const char *accept, const char *type)
{
	return gw_media_accepts(accept, strlen(accept), type);
}

static void
json_is_json_in_utf_8(void **state)
{
	(void)state;
	assert_true(is_json("application/json"));
	assert_true(is_json("Application/JSON"));
	assert_true(is_json(" application/json ; charset=UTF-8"));
	assert_true(is_json("application/json;charset=\"utf-8\""));
	assert_true(is_json("application/json; profile=\"a;charset=latin1\""));
	assert_true(is_json("application/json;"));
	assert_false(is_json("application/json; charset=latin1"));
	assert_false(is_json("application/json; profile=x; charset=utf-16"));
}

static void
other_types_are_not_json(void **state)
{
	(void)state;
	assert_false(is_json(""));
	assert_false(is_json("text/plain"));
	assert_false(is_json("application/jsonp"));
	assert_false(is_json("application/json-seq"));
	assert_false(is_json("application/problem+json"));
	assert_false(is_json("application/x-www-form-urlencoded"));
	assert_false(is_json("application/json, text/plain"));
}

static void
an_empty_accept_lets_everything_be(void **state)
{
	(void)state;
	assert_true(accepts("", GW_MEDIA_JSON));
	assert_true(accepts("  ", GW_MEDIA_TEXT));
}

static void
ranges_that_hold_the_type_let_it_be(void **state)
{
	(void)state;
	assert_true(accepts("*/*", GW_MEDIA_JSON));
	assert_true(accepts("application/*", GW_MEDIA_JSON));
	assert_true(accepts("APPLICATION/JSON", GW_MEDIA_JSON));
	assert_true(accepts("text/html, application/json;q=0.5", GW_MEDIA_JSON));
	assert_true(accepts("text/html , */* ; q=0.1", GW_MEDIA_JSON));
	assert_true(accepts("text/*", GW_MEDIA_TEXT));
	assert_true(accepts("application/json;x=\",\";q=1.000", GW_MEDIA_JSON));
	assert_true(accepts(",,application/json,,", GW_MEDIA_JSON));
}

static void
ranges_that_do_not_hold_the_type_do_not(void **state)
{
	(void)state;
	assert_false(accepts("text/html", GW_MEDIA_JSON));
	assert_false(accepts("text/*", GW_MEDIA_JSON));
	assert_false(accepts("application/problem+json", GW_MEDIA_JSON));
	assert_false(accepts("applications/*", GW_MEDIA_JSON));
	assert_false(accepts("application/", GW_MEDIA_JSON));
	assert_false(accepts("*", GW_MEDIA_JSON));
	assert_false(accepts(",", GW_MEDIA_JSON));
}

static void
the_most_specific_range_decides(void **state)
{
	(void)state;
	assert_false(accepts("application/json;q=0", GW_MEDIA_JSON));
	assert_false(accepts("application/json;q=0, */*", GW_MEDIA_JSON));
	assert_false(accepts("*/*, application/*;Q=0.000", GW_MEDIA_JSON));
	assert_true(accepts("*/*;q=0, application/json", GW_MEDIA_JSON));
	assert_true(accepts("application/*;q=0, application/json;q=0.001", GW_MEDIA_JSON));
	assert_false(accepts("*/*;q=0", GW_MEDIA_TEXT));
}

static enum gw_coding
coding(const char *value)
{
	struct gw_codings codings = {0};

	gw_media_read_codings(&codings, value, strlen(value));
	return gw_media_coding(&codings);
}

static void
gzip_is_used_where_it_is_allowed_and_not_liked_less(void **state)
{
	static const struct {
		const char *value;
		enum gw_coding coding;
	} rows[] = {
	    {"", GW_CODING_IDENTITY},
	    {"gzip", GW_CODING_GZIP},
	    {"GZip", GW_CODING_GZIP},
	    {"x-gzip", GW_CODING_GZIP},
	    {" gzip , deflate, br", GW_CODING_GZIP},
	    {"deflate, gzip;q=1.0, *;q=0.5", GW_CODING_GZIP},
	    {"gzip;q=0.001", GW_CODING_GZIP},
	    {"gzip; q=0.5, identity; q=0.5", GW_CODING_GZIP},
	    {"gzip;q=0.5, identity;q=0.6", GW_CODING_IDENTITY},
	    {"gzip;q=0.5, identity", GW_CODING_IDENTITY},
	    {"gzip;q=0", GW_CODING_IDENTITY},
	    {"gzip;q=0.000", GW_CODING_IDENTITY},
	    {"gzip;Q=0, *", GW_CODING_IDENTITY},
	    {"br, deflate", GW_CODING_IDENTITY},
	    {"gzipped", GW_CODING_IDENTITY},
	    {"identity", GW_CODING_IDENTITY},
	    {"*", GW_CODING_GZIP},
	    {"*;q=0, gzip", GW_CODING_GZIP_ALWAYS},
	    {"identity;q=0, gzip;q=0.1", GW_CODING_GZIP_ALWAYS},
	    {"identity;q=0, *", GW_CODING_GZIP_ALWAYS},
	    {"identity, *;q=0", GW_CODING_IDENTITY},
	    {"*;q=0", GW_CODING_NONE},
	    {"identity;q=0", GW_CODING_NONE},
	    {"identity;q=0, gzip;q=0, *", GW_CODING_NONE},
	    {"br, identity;q=0", GW_CODING_NONE},
	    {"gzip;q=2", GW_CODING_IDENTITY},
	    {"gzip;q=1.001", GW_CODING_IDENTITY},
	    {"gzip;q=-1", GW_CODING_IDENTITY},
	    {"gzip;q=", GW_CODING_IDENTITY},
	    {"gzip;q=0.5555", GW_CODING_IDENTITY},
	    {"gzip;level=9", GW_CODING_IDENTITY},
	    {"identity;q=x", GW_CODING_IDENTITY},
	    {",,gzip,", GW_CODING_GZIP},
	};

	(void)state;
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		if (coding(rows[i].value) != rows[i].coding) {
			fail_msg("%s: %d", rows[i].value, coding(rows[i].value));
		}
	}
}

static void
several_headers_are_one_list(void **state)
{
	struct gw_codings codings = {0};

	(void)state;
	gw_media_read_codings(&codings, "br", 2);
	gw_media_read_codings(&codings, "gzip", 4);
	gw_media_read_codings(&codings, "identity;q=0", 12);
	assert_int_equal(gw_media_coding(&codings), GW_CODING_GZIP_ALWAYS);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(json_is_json_in_utf_8),
	    cmocka_unit_test(other_types_are_not_json),
	    cmocka_unit_test(an_empty_accept_lets_everything_be),
	    cmocka_unit_test(ranges_that_hold_the_type_let_it_be),
	    cmocka_unit_test(ranges_that_do_not_hold_the_type_do_not),
	    cmocka_unit_test(the_most_specific_range_decides),
	    cmocka_unit_test(gzip_is_used_where_it_is_allowed_and_not_liked_less),
	    cmocka_unit_test(several_headers_are_one_list),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
