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
a_long_list_takes_memory_in_proportion(void **state)
{
	enum {
		COUNT = 20000
	};
	struct json_fixture *fixture = *state;
	char *json = malloc(COUNT * 3 + 32);
	ProtobufCMessage *message;
	char *at = json;
	size_t used;

	assert_non_null(json);
	at += sprintf(at, "{\"sizes\":[0");
	for (size_t i = 1; i < COUNT; i++) {
		at += sprintf(at, ",%zu", i % 10);
	}
	at += sprintf(at, "]}");
	message = json_fixture_read(fixture, json, (size_t)(at - json));
	free(json);
	assert_non_null(message);
	used = arena_used(fixture->arena);
	assert_true(used < COUNT * sizeof(int32_t) * 5);
	assert_int_equal(
	    *(const size_t *)((const char *)message +
			      schema_find_field(fixture->toy, "sizes", 5)->wire->quantifier_offset),
	    COUNT);
}

static void
null_is_no_value(void **state)
{
	json_fixture_violations(*state,
	    "{\"id\":null,\"mainPart\":null,\"parts\":null,\"stock\":null,\"tags\":[null],"
	    "\"stock\":null}",
	    "id: must not be null\nmainPart: must not be null\nparts: must not be null\n"
	    "stock: must not be null\ntags[0]: must not be null\nstock: is given twice\n");
}

static void
unknown_members_are_told_and_their_values_skipped(void **state)
{
	json_fixture_violations(*state,
	    "{\"nobody\":{\"id\":[1,{\"a\":null}],\"b\":{}},\"parts\":[{\"nam\":1},{\"\":[[]]}],"
	    "\"ID\":1}",
	    "nobody: is not known here\nparts[0].nam: is not known here\n"
	    "parts[1].: is not known here\nID: is not known here\n");
}

static void
a_member_given_twice_is_told_by_either_name(void **state)
{
	json_fixture_violations(*state,
	    "{\"id\":1,\"id\":2,\"mainPart\":{\"name\":\"a\",\"name\":\"b\"},\"main_part\":{},"
	    "\"parts\":[{\"name\":\"a\"},{\"name\":\"b\"}]}",
	    "id: is given twice\nmainPart.name: is given twice\nmain_part: is given twice\n");
}

static void
a_map_key_given_twice_is_told(void **state)
{
	json_fixture_violations(*state,
	    "{\"stock\":{\"a\":1,\"b\":2,\"\\u0061\":3},\"spares\":{\"1\":{},\"2\":{},\"1\":{}}}",
	    "stock: has a key twice\nspares: has a key twice\n");
}

static void
two_members_of_a_oneof_exclude_each_other(void **state)
{
	json_fixture_violations(*state, "{\"battery\":\"AA\",\"volts\":3}",
	    "volts: excludes another member that is given too\n");
	json_fixture_violations(*state, "{\"battery\":1,\"motor\":{}}",
	    "battery: must be a string\nmotor: excludes another member that is given too\n");
}

static void
all_violations_are_told_at_once_with_names_as_the_client_spelled_them(void **state)
{
	json_fixture_violations(*state,
	    "{\"id\":1.5,\"main_part\":{\"weight_grams\":\"x\",\"tags\":[1]},"
	    "\"mainParts\":[],\"parts\":[{},{\"weightGrams\":true,\"tags\":[\"a\",{}]}]}",
	    "id: must be a whole number, without fraction or exponent\n"
	    "main_part.weight_grams: must be a whole number\n"
	    "main_part.tags[0]: must be a string\n"
	    "mainParts: is not known here\n"
	    "parts[1].weightGrams: must be a whole number\n"
	    "parts[1].tags[1]: must be a string\n");
}

static void
a_hundred_violations_are_enough(void **state)
{
	struct json_fixture *fixture = *state;
	char json[4096];
	char *at = json;

	at += sprintf(at, "{\"sizes\":[true");
	for (size_t i = 1; i < 500; i++) {
		at += sprintf(at, ",true");
	}
	at += sprintf(at, "]}");
	assert_null(json_fixture_read(fixture, json, (size_t)(at - json)));
	assert_int_equal(fixture->error.violation_count, 100);
	assert_string_equal(fixture->error.violations[99].field, "sizes[99]");
}

static void
a_long_name_is_cut_between_characters(void **state)
{
	struct json_fixture *fixture = *state;
	char json[512] = "{\"a";
	const char *field;

	for (size_t i = 0; i < 100; i++) {
		strcat(json, "ü");
	}
	strcat(json, "\":1}");
	assert_null(json_fixture_read(fixture, json, strlen(json)));
	field = fixture->error.violations[0].field;
	assert_int_equal(strlen(field), 1 + 31 * strlen("ü") + strlen("…"));
	assert_string_equal(field + strlen(field) - strlen("ü…"), "ü…");
}

static void
a_template_field_is_checked_and_ignored(void **state)
{
	struct json_fixture *fixture = *state;
	Toy__V1__Toy *toy = json_fixture_toy(fixture, "{\"href\":\"/toys/7\",\"id\":1}");

	assert_string_equal(toy->href, "");
	toy__v1__toy__free_unpacked(toy, NULL);
	json_fixture_violations(fixture, "{\"href\":7}", "href: must be a string\n");
	json_fixture_violations(fixture, "{\"href\":{}}", "href: must be a string\n");
}

static void
a_member_of_a_oneof_is_set_even_when_it_is_zero_or_empty(void **state)
{
	static const struct {
		const char *json;
		int which;
	} rows[] = {
	    {"{\"battery\":\"\"}", TOY__V1__TOY__POWER_BATTERY},
	    {"{\"volts\":0}", TOY__V1__TOY__POWER_VOLTS},
	    {"{\"motor\":{}}", TOY__V1__TOY__POWER_MOTOR},
	    {"{\"fuel\":\"\"}", TOY__V1__TOY__POWER_FUEL},
	};

	for (size_t i = 0; i < sizeof(rows) / sizeof(*rows); i++) {
		Toy__V1__Toy *toy = json_fixture_toy(*state, rows[i].json);

		assert_int_equal(toy->power_case, rows[i].which);
		toy__v1__toy__free_unpacked(toy, NULL);
	}
}

static void
members_are_known_by_their_json_name_and_their_proto_name(void **state)
{
	Toy__V1__Toy *toy = json_fixture_toy(
	    *state, "{\"main_part\":{\"weight_grams\":1},\"looseSizes\":[1],\"i32\":2}");

	assert_int_equal(toy->main_part->weight_grams, 1);
	assert_int_equal(toy->n_loose_sizes, 1);
	assert_int_equal(toy->i32, 2);
	toy__v1__toy__free_unpacked(toy, NULL);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(a_long_list_takes_memory_in_proportion),
	    cmocka_unit_test(null_is_no_value),
	    cmocka_unit_test(unknown_members_are_told_and_their_values_skipped),
	    cmocka_unit_test(a_member_given_twice_is_told_by_either_name),
	    cmocka_unit_test(a_map_key_given_twice_is_told),
	    cmocka_unit_test(two_members_of_a_oneof_exclude_each_other),
	    cmocka_unit_test(all_violations_are_told_at_once_with_names_as_the_client_spelled_them),
	    cmocka_unit_test(a_hundred_violations_are_enough),
	    cmocka_unit_test(a_long_name_is_cut_between_characters),
	    cmocka_unit_test(a_template_field_is_checked_and_ignored),
	    cmocka_unit_test(a_member_of_a_oneof_is_set_even_when_it_is_zero_or_empty),
	    cmocka_unit_test(members_are_known_by_their_json_name_and_their_proto_name),
	};

	return cmocka_run_group_tests(tests, json_fixture_open, json_fixture_close);
}
