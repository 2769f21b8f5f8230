#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "common/base/arena.h"
#include "common/json/json.h"
#include "tests/json_fixture.h"

static void
floats_take_integers_and_the_special_values(void **state)
{
	Toy__V1__Toy *toy = json_fixture_toy(*state, "{\"price\":3,\"weight\":\"-Infinity\"}");

	assert_true(toy->price == 3.0);
	assert_true(isinf(toy->weight) && toy->weight < 0);
	toy__v1__toy__free_unpacked(toy, NULL);
	toy = json_fixture_toy(*state,
	    "{\"price\":\"NaN\",\"prices\":["
	    "0.100000000000000000000000000000000000000000000000000000000000"
	    "000000000000000000000000000000000000000000001]}");
	assert_true(isnan(toy->price));
	assert_true(toy->prices[0] == 0.1);
	toy__v1__toy__free_unpacked(toy, NULL);
}

static void
base64_is_taken_in_both_alphabets_with_padding_or_without(void **state)
{
	static const char *const texts[] = {"-_8=", "-_8", "+/8=", "+/8"};

	for (size_t i = 0; i < sizeof(texts) / sizeof(*texts); i++) {
		char json[64];
		Toy__V1__Toy *toy;

		snprintf(json, sizeof(json), "{\"picture\":\"%s\"}", texts[i]);
		toy = json_fixture_toy(*state, json);
		assert_int_equal(toy->picture.len, 2);
		assert_memory_equal(toy->picture.data, "\xfb\xff", 2);
		toy__v1__toy__free_unpacked(toy, NULL);
	}
}

static void
a_value_of_the_wrong_type_is_told_what_it_must_be(void **state)
{
	static const struct {
		const char *json;
		const char *violations;
	} rows[] = {
	    {"{\"id\":\"1\"}", "id: must be a whole number\n"},
	    {"{\"id\":true}", "id: must be a whole number\n"},
	    {"{\"id\":[1]}", "id: must be a whole number\n"},
	    {"{\"id\":{}}", "id: must be a whole number\n"},
	    {"{\"color\":\"COLOR_RED\"}", "color: must be a whole number\n"},
	    {"{\"name\":1}", "name: must be a string\n"},
	    {"{\"squeaks\":1}", "squeaks: must be true or false\n"},
	    {"{\"squeaks\":\"true\"}", "squeaks: must be true or false\n"},
	    {"{\"price\":\"1\"}", "price: must be a number\n"},
	    {"{\"price\":[]}", "price: must be a number\n"},
	    {"{\"picture\":7}", "picture: must be a string in base64\n"},
	    {"{\"picture\":\"a\"}", "picture: must be a string in base64\n"},
	    {"{\"picture\":\"ab=c\"}", "picture: must be a string in base64\n"},
	    {"{\"picture\":\"====\"}", "picture: must be a string in base64\n"},
	    {"{\"mainPart\":1}", "mainPart: must be an object\n"},
	    {"{\"mainPart\":[{}]}", "mainPart: must be an object\n"},
	    {"{\"parts\":{}}", "parts: must be an array\n"},
	    {"{\"parts\":\"x\"}", "parts: must be an array\n"},
	    {"{\"parts\":[[]]}", "parts[0]: must be an object\n"},
	    {"{\"sizes\":3}", "sizes: must be an array\n"},
	    {"{\"sizes\":[[1]]}", "sizes[0]: must be a whole number\n"},
	    {"{\"sizes\":[1,\"2\",3,{}]}",
		"sizes[1]: must be a whole number\nsizes[3]: must be a whole number\n"},
	    {"{\"stock\":[]}", "stock: must be an object\n"},
	    {"{\"stock\":1}", "stock: must be an object\n"},
	    {"{\"stock\":{\"a\":[]}}", "stock[\"a\"]: must be a whole number\n"},
	    {"{\"spares\":{\"x\":{\"name\":1}}}", "spares[\"x\"]: must be a whole number\n"},
	    {"{\"spares\":{\"1\":{\"name\":1}}}", "spares[\"1\"].name: must be a string\n"},
	};

	for (size_t i = 0; i < sizeof(rows) / sizeof(*rows); i++) {
		json_fixture_violations(*state, rows[i].json, rows[i].violations);
	}
}

static void
integers_keep_to_the_range_of_their_type(void **state)
{
	static const struct {
		const char *name;
		const char *text;
		const char *problem; /* NULL: fits */
	} rows[] = {
	    {"sizes", "2147483647", NULL},
	    {"sizes", "-2147483648", NULL},
	    {"sizes", "2147483648", "must be from -2147483648 to 2147483647"},
	    {"sizes", "-2147483649", "must be from -2147483648 to 2147483647"},
	    {"sizes", "4294967297", "must be from -2147483648 to 2147483647"},
	    {"sizes", "99999999999999999999999", "must be from -2147483648 to 2147483647"},
	    {"sizes", "-0", NULL},
	    {"sizes", "1.0", "must be a whole number, without fraction or exponent"},
	    {"sizes", "1e3", "must be a whole number, without fraction or exponent"},
	    {"sizes", "99999999999999999999999.5",
		"must be a whole number, without fraction or exponent"},
	    {"colors", "2147483648", "must be from -2147483648 to 2147483647"},
	};
	static const struct {
		const char *json;
		const char *problem;
	} singles[] = {
	    {"{\"u32\":4294967296}", "u32: must be from 0 to 4294967295\n"},
	    {"{\"u32\":-1}", "u32: must be from 0 to 4294967295\n"},
	    {"{\"f32\":-1}", "f32: must be from 0 to 4294967295\n"},
	    {"{\"u64\":18446744073709551616}", "u64: must be from 0 to 18446744073709551615\n"},
	    {"{\"u64\":-1}", "u64: must be from 0 to 18446744073709551615\n"},
	    {"{\"id\":9223372036854775808}",
		"id: must be from -9223372036854775808 to 9223372036854775807\n"},
	    {"{\"id\":-9223372036854775809}",
		"id: must be from -9223372036854775808 to 9223372036854775807\n"},
	    {"{\"price\":1e999}", "price: is out of the range of a double\n"},
	    {"{\"weight\":1e39}", "weight: is out of the range of a float\n"},
	};
	char json[128];
	char violation[128];

	for (size_t i = 0; i < sizeof(rows) / sizeof(*rows); i++) {
		snprintf(json, sizeof(json), "{\"%s\":[%s]}", rows[i].name, rows[i].text);
		if (rows[i].problem == NULL) {
			toy__v1__toy__free_unpacked(json_fixture_toy(*state, json), NULL);
			continue;
		}
		snprintf(
		    violation, sizeof(violation), "%s[0]: %s\n", rows[i].name, rows[i].problem);
		json_fixture_violations(*state, json, violation);
	}
	for (size_t i = 0; i < sizeof(singles) / sizeof(*singles); i++) {
		json_fixture_violations(*state, singles[i].json, singles[i].problem);
	}
}

static bool
read_text(struct json_fixture *fixture, const char *name, const char *text)
{
	ProtobufCMessage *message = schema_message_new(fixture->toy, fixture->arena);

	memset(&fixture->error, 0, sizeof(fixture->error));
	return json_read_text(schema_find_field(fixture->toy, name, strlen(name)), name, text,
	    strlen(text), fixture->arena, message, &fixture->error);
}

static void
plain_text_is_read_by_the_type_of_its_field(void **state)
{
	static const struct {
		const char *name;
		const char *text;
		const char *problem; /* NULL: fits */
	} rows[] = {
	    {"id", "42", NULL},
	    {"id", "-1", NULL},
	    {"id", "", "must be a whole number"},
	    {"id", "abc", "must be a whole number"},
	    {"id", "1x", "must be a whole number"},
	    {"id", "+1", "must be a whole number"},
	    {"id", " 1", "must be a whole number"},
	    {"id", "0x10", "must be a whole number"},
	    {"id", "007", "must be a whole number"},
	    {"id", "-", "must be a whole number"},
	    {"id", "true", "must be a whole number"},
	    {"id", "1.0", "must be a whole number, without fraction or exponent"},
	    {"id", "9223372036854775808",
		"must be from -9223372036854775808 to 9223372036854775807"},
	    {"color", "5", NULL},
	    {"squeaks", "true", NULL},
	    {"squeaks", "yes", "must be true or false"},
	    {"squeaks", "1", "must be true or false"},
	    {"price", "1.5e3", NULL},
	    {"price", "NaN", NULL},
	    {"price", "1.", "must be a number"},
	    {"price", "inf", "must be a number"},
	    {"price", "1e", "must be a number"},
	    {"name", "", NULL},
	    {"name", "42", NULL},
	    {"name", "true", NULL},
	    {"name", "\xff", "must be UTF-8"},
	    {"picture", "1234", NULL},
	    {"picture", "!", "must be a string in base64"},
	    {"battery", "AA", NULL},
	};
	struct json_fixture *fixture = *state;

	for (size_t i = 0; i < sizeof(rows) / sizeof(*rows); i++) {
		bool fits = read_text(fixture, rows[i].name, rows[i].text);

		if (rows[i].problem == NULL) {
			assert_true(fits);
			assert_int_equal(fixture->error.code, STATUS_OK);
			continue;
		}
		assert_false(fits);
		assert_int_equal(fixture->error.code, STATUS_INVALID_ARGUMENT);
		assert_int_equal(fixture->error.violation_count, 1);
		assert_string_equal(fixture->error.violations[0].field, rows[i].name);
		assert_string_equal(fixture->error.violations[0].description, rows[i].problem);
	}
}

static void
plain_text_with_a_nul_is_refused(void **state)
{
	struct json_fixture *fixture = *state;
	ProtobufCMessage *message = schema_message_new(fixture->toy, fixture->arena);

	memset(&fixture->error, 0, sizeof(fixture->error));
	assert_false(json_read_text(schema_find_field(fixture->toy, "name", 4), "name", "a\0b", 3,
	    fixture->arena, message, &fixture->error));
	assert_string_equal(fixture->error.violations[0].description, "must not have U+0000");
}

static void
plain_text_sets_a_member_of_a_oneof_once(void **state)
{
	struct json_fixture *fixture = *state;
	ProtobufCMessage *message = schema_message_new(fixture->toy, fixture->arena);
	const struct schema_field *volts = schema_find_field(fixture->toy, "volts", 5);
	const struct schema_field *battery = schema_find_field(fixture->toy, "battery", 7);

	memset(&fixture->error, 0, sizeof(fixture->error));
	assert_true(
	    json_read_text(volts, "volts", "0", 1, fixture->arena, message, &fixture->error));
	assert_true(protobuf_c_message_get_packed_size(message) > 0);
	assert_false(
	    json_read_text(battery, "battery", "AA", 2, fixture->arena, message, &fixture->error));
	assert_string_equal(fixture->error.violations[0].field, "battery");
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(floats_take_integers_and_the_special_values),
	    cmocka_unit_test(base64_is_taken_in_both_alphabets_with_padding_or_without),
	    cmocka_unit_test(a_value_of_the_wrong_type_is_told_what_it_must_be),
	    cmocka_unit_test(integers_keep_to_the_range_of_their_type),
	    cmocka_unit_test(plain_text_is_read_by_the_type_of_its_field),
	    cmocka_unit_test(plain_text_with_a_nul_is_refused),
	    cmocka_unit_test(plain_text_sets_a_member_of_a_oneof_once),
	};

	return cmocka_run_group_tests(tests, json_fixture_open, json_fixture_close);
}
