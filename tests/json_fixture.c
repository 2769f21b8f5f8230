#include "tests/json_fixture.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "common/base/arena.h"
#include "common/json/json.h"
#include "tests/schema_file.h"

int
json_fixture_open(void **state)
{
	static struct json_fixture fixture;

	fixture.schema = schema_file_load(SCHEMA_FILE_TOY);
	fixture.toy = schema_find_message(fixture.schema, "toy.v1.Toy");
	fixture.arena = arena_new(0);
	*state = &fixture;
	return fixture.arena == NULL || fixture.toy == NULL ? -1 : 0;
}

int
json_fixture_close(void **state)
{
	struct json_fixture *fixture = *state;

	schema_free(&fixture->schema);
	arena_free(&fixture->arena);
	return 0;
}

ProtobufCMessage *
json_fixture_read(struct json_fixture *fixture, const char *json, size_t len)
{
	char *copy = malloc(len == 0 ? 1 : len);
	ProtobufCMessage *message;
	enum status_code code;

	assert_non_null(copy);
	memcpy(copy, json, len);
	arena_reset(fixture->arena);
	code = json_read(fixture->toy, copy, len, fixture->arena, &message, &fixture->error);
	free(copy);
	assert_int_equal(code, fixture->error.code);
	assert_int_equal(message == NULL, code != STATUS_OK);
	return message;
}

Toy__V1__Toy *
json_fixture_toy(struct json_fixture *fixture, const char *json)
{
	ProtobufCMessage *message = json_fixture_read(fixture, json, strlen(json));
	Toy__V1__Toy *toy;
	uint8_t *bytes;
	size_t len;

	if (message == NULL) {
		fail_msg("%s: %s %s", json, fixture->error.message,
		    fixture->error.violation_count == 0 ? ""
							: fixture->error.violations[0].description);
	}
	assert_true(protobuf_c_message_check(message));
	len = protobuf_c_message_get_packed_size(message);
	bytes = arena_alloc(fixture->arena, len);
	protobuf_c_message_pack(message, bytes);
	toy = toy__v1__toy__unpack(NULL, len, bytes);
	assert_non_null(toy);
	return toy;
}

void
json_fixture_violations(struct json_fixture *fixture, const char *json, const char *expected)
{
	char *text;

	assert_null(json_fixture_read(fixture, json, strlen(json)));
	assert_int_equal(fixture->error.code, STATUS_INVALID_ARGUMENT);
	text = arena_strdup(fixture->arena, "");
	for (size_t i = 0; i < fixture->error.violation_count; i++) {
		text = arena_printf(fixture->arena, "%s%s: %s\n", text,
		    fixture->error.violations[i].field, fixture->error.violations[i].description);
	}
	assert_string_equal(text, expected);
	assert_string_equal(fixture->error.reason, "INVALID_FIELDS");
}
