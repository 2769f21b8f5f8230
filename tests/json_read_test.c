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
assert_malformed(struct json_fixture *fixture, const char *json, size_t len, const char *expected)
{
	assert_null(json_fixture_read(fixture, json, len));
	assert_int_equal(fixture->error.code, STATUS_INVALID_ARGUMENT);
	assert_string_equal(fixture->error.reason, "MALFORMED_JSON");
	assert_string_equal(fixture->error.message, expected);
	assert_int_equal(fixture->error.violation_count, 0);
}

static void
an_empty_object_is_an_empty_message(void **state)
{
	struct json_fixture *fixture = *state;
	ProtobufCMessage *message = json_fixture_read(fixture, " { } \n", 6);

	assert_non_null(message);
	assert_int_equal(protobuf_c_message_get_packed_size(message), 0);
}

static void
every_kind_of_scalar_is_read(void **state)
{
	Toy__V1__Toy *toy = json_fixture_toy(*state,
	    "{\"id\":-5,\"name\":\"B\\u00e4r \\ud83d\\ude00 \\\"\\n\",\"color\":-1,\"kind\":9,"
	    "\"squeaks\":true,\"price\":-1.25e2,\"weight\":0.5,\"picture\":\"AP8=\","
	    "\"secret\":\"hush\",\"u32\":4294967295,\"u64\":18446744073709551615,"
	    "\"s32\":-2147483648,\"s64\":-9223372036854775808,\"f32\":1,\"f64\":2,"
	    "\"sf32\":-3,\"sf64\":-4,\"thirty-two\":32}");

	assert_int_equal(toy->id, -5);
	assert_string_equal(toy->name, "Bär 😀 \"\n");
	assert_int_equal(toy->color, TOY__V1__COLOR__COLOR_NONE);
	assert_int_equal(toy->kind, 9);
	assert_true(toy->squeaks);
	assert_true(toy->price == -125.0);
	assert_true(toy->weight == 0.5f);
	assert_int_equal(toy->picture.len, 2);
	assert_memory_equal(toy->picture.data, "\0\xff", 2);
	assert_string_equal(toy->secret, "hush");
	assert_int_equal(toy->u32, UINT32_MAX);
	assert_true(toy->u64 == UINT64_MAX);
	assert_int_equal(toy->s32, INT32_MIN);
	assert_true(toy->s64 == INT64_MIN);
	assert_int_equal(toy->f32, 1);
	assert_int_equal(toy->f64, 2);
	assert_int_equal(toy->sf32, -3);
	assert_int_equal(toy->sf64, -4);
	assert_int_equal(toy->i32, 32);
	toy__v1__toy__free_unpacked(toy, NULL);
}

static void
messages_and_lists_are_read(void **state)
{
	Toy__V1__Toy *toy = json_fixture_toy(*state,
	    "{\"mainPart\":{\"name\":\"arm\",\"tags\":[]},"
	    "\"parts\":[{\"name\":\"a\",\"tags\":[\"x\",\"\"]},{},{\"weightGrams\":3}],"
	    "\"tags\":[\"t\"],\"sizes\":[1,-2,3,4,5],\"looseSizes\":[7],\"colors\":[0,5],"
	    "\"pictures\":[\"\",\"aGk=\"],\"flags\":[true,false],\"prices\":[1,2.5]}");

	assert_string_equal(toy->main_part->name, "arm");
	assert_int_equal(toy->n_parts, 3);
	assert_int_equal(toy->parts[0]->n_tags, 2);
	assert_string_equal(toy->parts[0]->tags[0], "x");
	assert_string_equal(toy->parts[0]->tags[1], "");
	assert_string_equal(toy->parts[1]->name, "");
	assert_int_equal(toy->parts[2]->weight_grams, 3);
	assert_int_equal(toy->n_tags, 1);
	assert_int_equal(toy->n_sizes, 5);
	assert_int_equal(toy->sizes[1], -2);
	assert_int_equal(toy->sizes[4], 5);
	assert_int_equal(toy->n_loose_sizes, 1);
	assert_int_equal(toy->colors[1], 5);
	assert_int_equal(toy->pictures[0].len, 0);
	assert_memory_equal(toy->pictures[1].data, "hi", 2);
	assert_true(toy->flags[0]);
	assert_false(toy->flags[1]);
	assert_true(toy->prices[1] == 2.5);
	toy__v1__toy__free_unpacked(toy, NULL);
}

static void
maps_are_read_from_objects(void **state)
{
	Toy__V1__Toy *toy = json_fixture_toy(*state,
	    "{\"stock\":{\"Bonn\":3,\"\":0},\"spares\":{\"-7\":{\"name\":\"leg\"},\"8\":{}}}");

	assert_int_equal(toy->n_stock, 2);
	assert_string_equal(toy->stock[0]->key, "Bonn");
	assert_int_equal(toy->stock[0]->value, 3);
	assert_string_equal(toy->stock[1]->key, "");
	assert_int_equal(toy->n_spares, 2);
	assert_int_equal(toy->spares[0]->key, -7);
	assert_string_equal(toy->spares[0]->value->name, "leg");
	assert_int_equal(toy->spares[1]->key, 8);
	toy__v1__toy__free_unpacked(toy, NULL);
}

static void
a_document_that_is_no_object_is_refused(void **state)
{
	static const char *const documents[] = {"[]", "[{\"id\":1}]", "1", "\"x\"", "null", "true"};
	struct json_fixture *fixture = *state;

	for (size_t i = 0; i < sizeof(documents) / sizeof(*documents); i++) {
		assert_null(json_fixture_read(fixture, documents[i], strlen(documents[i])));
		assert_int_equal(fixture->error.code, STATUS_INVALID_ARGUMENT);
		assert_string_equal(fixture->error.message, "the body must be a JSON object");
	}
}

static void
text_that_is_no_json_is_told_with_its_place(void **state)
{
	static const struct {
		const char *json;
		const char *message;
	} rows[] = {
	    {"", "the body is empty: send a JSON object"},
	    {" \r\n\t ", "the body is empty: send a JSON object"},
	    {"{", "line 1, column 2: premature EOF"},
	    {"{\"id\":1", "line 1, column 8: premature EOF"},
	    {"{\"name\":\"x", "line 1, column 11: premature EOF"},
	    {"{\"id\":1}x", "line 1, column 9: trailing garbage"},
	    {"{\"id\":1}\n {}", "line 2, column 2: trailing garbage"},
	    {"{\"id\":1}{}", "line 1, column 9: trailing garbage"},
	    {"{'id':1}", "line 1, column 2: invalid char in json text."},
	    {"{\"id\":01}", "line 1, column 7: after key and value, inside map, "
			    "I expect ',' or '}'"},
	    {"{\"id\":+1}", "line 1, column 7: invalid char in json text."},
	    {"{\"id\":1,}", "line 1, column 9: invalid object key (must be a string)"},
	    {"{\"name\":\"a\nb\"}", "line 1, column 10: invalid character inside string."},
	    {"{\n\"name\": \"ü\", ?}", "line 2, column 14: invalid char in json text."},
	    {"{\"id\":1 /* one */}", "line 1, column 8: probable comment found in input text, "
				     "comments are not enabled."},
	    {"\xef\xbb\xbf{}", "line 1, column 1: invalid char in json text."},
	    {"{\"price\":NaN}", "line 1, column 10: invalid char in json text."},
	    {"{\"nobody\":1,\"id\":}",
		"line 1, column 18: unallowed token at this point in JSON text"},
	};

	for (size_t i = 0; i < sizeof(rows) / sizeof(*rows); i++) {
		assert_malformed(*state, rows[i].json, strlen(rows[i].json), rows[i].message);
	}
}

static void
text_that_is_no_utf8_is_refused(void **state)
{
	static const char *const faults[] = {
	    "\xff",             /* never in UTF-8 */
	    "\x80",             /* a continuation alone */
	    "\xc3",             /* cut */
	    "\xc0\xaf",         /* over-long */
	    "\xe0\x80\xaf",     /* over-long */
	    "\xf0\x80\x80\xaf", /* over-long */
	    "\xed\xa0\x80",     /* a surrogate */
	    "\xf4\x90\x80\x80", /* over U+10FFFF */
	    "\xf5\x80\x80\x80",
	};
	char json[64];

	for (size_t i = 0; i < sizeof(faults) / sizeof(*faults); i++) {
		snprintf(json, sizeof(json), "{\n\"name\":\"ü%s\"}", faults[i]);
		assert_malformed(*state, json, strlen(json), "line 2, column 10: not UTF-8");
	}
	snprintf(json, sizeof(json), "{\"%s\":1}", faults[0]);
	assert_malformed(*state, json, strlen(json), "line 1, column 3: not UTF-8");
}

static void
the_outermost_characters_of_utf8_are_taken(void **state)
{
	Toy__V1__Toy *toy = json_fixture_toy(
	    *state, "{\"name\":\"\x7f\xc2\x80\xed\x9f\xbf\xee\x80\x80\xf4\x8f\xbf\xbf\"}");

	assert_string_equal(toy->name, "\x7f\xc2\x80\xed\x9f\xbf\xee\x80\x80\xf4\x8f\xbf\xbf");
	toy__v1__toy__free_unpacked(toy, NULL);
}

static void
a_nul_is_refused_escaped_or_not(void **state)
{
	static const char raw[] = "{\"name\":\"a\0b\"}";

	assert_malformed(
	    *state, "{\"name\":\"a\\u0000\"}", 18, "line 1, column 11: U+0000 is not allowed");
	assert_malformed(*state, "{\"\\u0000\":1}", 12, "line 1, column 3: U+0000 is not allowed");
	assert_malformed(*state, raw, sizeof(raw) - 1, "line 1, column 11: U+0000 is not allowed");
	toy__v1__toy__free_unpacked(json_fixture_toy(*state, "{\"name\":\"\\\\u0000\"}"), NULL);
}

static void
half_of_a_surrogate_pair_is_refused(void **state)
{
	static const char *const faults[] = {"\\ud800", "\\udc00", "\\ud800\\ud800", "\\ud800x",
	    "\\uDBFF\\u0041", "\\ud800\\", "\\ud83d\\n"};
	char json[64];

	for (size_t i = 0; i < sizeof(faults) / sizeof(*faults); i++) {
		snprintf(json, sizeof(json), "{\"name\":\"%s\"}", faults[i]);
		assert_malformed(*state, json, strlen(json),
		    "line 1, column 10: half of a surrogate pair, which is no character");
	}
	toy__v1__toy__free_unpacked(json_fixture_toy(*state, "{\"name\":\"\\\\ud800\"}"), NULL);
}

static void
thirty_two_levels_are_taken_and_one_more_is_refused(void **state)
{
	struct json_fixture *fixture = *state;
	char json[128] = "{\"nobody\":";
	size_t start = strlen(json);

	memset(json + start, '[', 31);
	memset(json + start + 31, ']', 31);
	json[start + 62] = '}';
	json_fixture_violations(fixture, json, "nobody: is not known here\n");

	memset(json + start, '[', 32);
	memset(json + start + 32, ']', 32);
	json[start + 64] = '}';
	assert_malformed(
	    fixture, json, start + 65, "line 1, column 42: nested deeper than 32 levels");
}

static void
a_million_brackets_end_at_the_limit(void **state)
{
	enum {
		COUNT = 1000000
	};
	struct json_fixture *fixture = *state;
	char *json = malloc(COUNT);

	assert_non_null(json);
	memset(json, '[', COUNT);
	assert_malformed(fixture, json, COUNT, "line 1, column 33: nested deeper than 32 levels");
	free(json);
}

static void
what_does_not_fit_into_the_arena_is_refused_as_too_much(void **state)
{
	struct json_fixture *fixture = *state;
	static const char json[] = "{\"tags\":[\"a\",\"b\",\"c\",\"d\",\"e\"],\"name\":\"n\","
				   "\"parts\":[{},{},{}],\"stock\":{\"a\":1,\"b\":2}}";
	size_t limit = 0;
	enum status_code code;

	do {
		struct arena *arena = arena_new(++limit);
		ProtobufCMessage *message;

		code =
		    json_read(fixture->toy, json, strlen(json), arena, &message, &fixture->error);
		assert_int_equal(message == NULL, code != STATUS_OK);
		assert_true(code == STATUS_OK || code == STATUS_RESOURCE_EXHAUSTED);
		arena_free(&arena);
	} while (code != STATUS_OK);
	assert_true(limit > 100);
}

/* The fields that a merge patch gives, with commas; or those that it has wrong. */
static const char *
patch(struct json_fixture *fixture, const char *json, ProtobufCMessage **message)
{
	const struct schema_field **given;
	const char *names = "";
	size_t count = 0;

	if (json_read_patch(fixture->toy, json, strlen(json), fixture->arena, message, &given,
		&count, &fixture->error) != STATUS_OK) {
		return fixture->error.violations[0].field;
	}
	for (size_t i = 0; i < count; i++) {
		names = arena_printf(
		    fixture->arena, "%s%s%s", names, i == 0 ? "" : ",", given[i]->wire->name);
	}
	return names;
}

static void
a_patch_tells_what_it_gives_and_takes_null_for_nothing(void **state)
{
	struct json_fixture *fixture = *state;
	ProtobufCMessage *message;

	assert_string_equal(patch(fixture, "{}", &message), "");
	assert_string_equal(
	    patch(fixture, "{\"name\":\"Ted\",\"tags\":null,\"mainPart\":null}", &message),
	    "name,main_part,tags");
	assert_true(protobuf_c_message_get_packed_size(message) > 0);
	assert_string_equal(
	    patch(fixture, "{\"volts\":null,\"price\":null}", &message), "price,volts");
	assert_int_equal(protobuf_c_message_get_packed_size(message), 0);
	assert_string_equal(
	    patch(fixture, "{\"volts\":null,\"fuel\":\"\"}", &message), "volts,fuel");
	assert_string_equal(
	    patch(fixture, "{\"mainPart\":{\"name\":null}}", &message), "mainPart.name");
	assert_string_equal(patch(fixture, "{\"tags\":[null]}", &message), "tags[0]");
	assert_string_equal(patch(fixture, "{\"name\":1,\"href\":\"x\"}", &message), "name");
	assert_string_equal(patch(fixture, "{\"href\":\"x\"}", &message), "");
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(an_empty_object_is_an_empty_message),
	    cmocka_unit_test(every_kind_of_scalar_is_read),
	    cmocka_unit_test(messages_and_lists_are_read),
	    cmocka_unit_test(maps_are_read_from_objects),
	    cmocka_unit_test(a_document_that_is_no_object_is_refused),
	    cmocka_unit_test(text_that_is_no_json_is_told_with_its_place),
	    cmocka_unit_test(text_that_is_no_utf8_is_refused),
	    cmocka_unit_test(the_outermost_characters_of_utf8_are_taken),
	    cmocka_unit_test(a_nul_is_refused_escaped_or_not),
	    cmocka_unit_test(half_of_a_surrogate_pair_is_refused),
	    cmocka_unit_test(thirty_two_levels_are_taken_and_one_more_is_refused),
	    cmocka_unit_test(a_million_brackets_end_at_the_limit),
	    cmocka_unit_test(a_patch_tells_what_it_gives_and_takes_null_for_nothing),
	    cmocka_unit_test(what_does_not_fit_into_the_arena_is_refused_as_too_much),
	};

	return cmocka_run_group_tests(tests, json_fixture_open, json_fixture_close);
}
