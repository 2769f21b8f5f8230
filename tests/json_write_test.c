#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "common/base/arena.h"
#include "common/base/buf.h"
#include "common/json/json.h"
#include "mockvideo/rpc.pb-c.h"
#include "tests/golden.h"
#include "tests/schema_file.h"
#include "tests/toy/toy_sample.h"

struct fixture {
	struct schema *schema;
	const struct schema_message *toy;
	struct arena *arena;
	struct buf out;
};

static int
fixture_open(void **state)
{
	static struct fixture fixture;

	fixture.schema = schema_file_load(SCHEMA_FILE_TOY);
	fixture.toy = schema_find_message(fixture.schema, "toy.v1.Toy");
	fixture.arena = arena_new(0);
	*state = &fixture;
	return fixture.arena == NULL || fixture.toy == NULL ? -1 : 0;
}

static int
fixture_close(void **state)
{
	struct fixture *fixture = *state;

	schema_free(&fixture->schema);
	arena_free(&fixture->arena);
	buf_fini(&fixture->out);
	return 0;
}

/* A message of generated code as one of the schema's. */
static ProtobufCMessage *
message_of(struct fixture *fixture, const char *type, const ProtobufCMessage *generated)
{
	const struct schema_message *message = schema_find_message(fixture->schema, type);
	size_t len = protobuf_c_message_get_packed_size(generated);
	uint8_t *bytes = arena_alloc(fixture->arena, len);
	ProtobufCMessage *copy;

	assert_non_null(message);
	protobuf_c_message_pack(generated, bytes);
	copy =
	    protobuf_c_message_unpack(&message->wire, arena_protobuf(fixture->arena), len, bytes);
	assert_non_null(copy);
	return copy;
}

static ProtobufCMessage *
toy_message(struct fixture *fixture, const Toy__V1__Toy *toy)
{
	return message_of(fixture, "toy.v1.Toy", &toy->base);
}

/* Member "name" of a written toy as JSON, or "" when it is not there. */
static const char *
written_member(struct fixture *fixture, const Toy__V1__Toy *toy, const char *name)
{
	char *key = arena_printf(fixture->arena, "\"%s\":", name);
	const char *at;
	char *text;

	buf_reset(&fixture->out);
	json_write(&fixture->out, fixture->toy, toy_message(fixture, toy), NULL);
	assert_false(fixture->out.failed);
	text = arena_strndup(fixture->arena, fixture->out.data, fixture->out.len);
	at = strstr(text, key);
	if (at == NULL) {
		return "";
	}
	at += strlen(key);
	return arena_strndup(fixture->arena, at, strcspn(at, ",}"));
}

static void
a_toy_of_every_kind_of_field_is_written(void **state)
{
	struct fixture *fixture = *state;

	buf_reset(&fixture->out);
	json_write(&fixture->out, fixture->toy, toy_message(fixture, toy_sample()), NULL);
	golden_check("toy.json", fixture->out.data, fixture->out.len);
}

static void
an_empty_toy_has_its_scalars_and_lists_but_no_messages_or_oneofs(void **state)
{
	struct fixture *fixture = *state;
	Toy__V1__Toy toy = TOY__V1__TOY__INIT;

	buf_reset(&fixture->out);
	json_write(&fixture->out, fixture->toy, toy_message(fixture, &toy), NULL);
	golden_check("toy_empty.json", fixture->out.data, fixture->out.len);
}

static void
what_is_written_is_read_back_the_same(void **state)
{
	struct fixture *fixture = *state;
	Toy__V1__Toy toy = *toy_sample();
	struct error error;
	ProtobufCMessage *message;
	uint8_t *before;
	uint8_t *after;
	size_t len;

	toy.secret = "";
	before = toy_pack(&toy, &len);
	buf_reset(&fixture->out);
	json_write(&fixture->out, fixture->toy, toy_message(fixture, &toy), NULL);
	assert_int_equal(json_read(fixture->toy, fixture->out.data, fixture->out.len,
			     fixture->arena, &message, &error),
	    STATUS_OK);
	assert_int_equal(protobuf_c_message_get_packed_size(message), len);
	after = arena_alloc(fixture->arena, len);
	protobuf_c_message_pack(message, after);
	assert_memory_equal(before, after, len);
	free(before);
}

static void
a_member_of_a_oneof_is_written_when_it_is_set_to_zero(void **state)
{
	Toy__V1__Toy toy = TOY__V1__TOY__INIT;

	assert_string_equal(written_member(*state, &toy, "volts"), "");
	toy.power_case = TOY__V1__TOY__POWER_VOLTS;
	assert_string_equal(written_member(*state, &toy, "volts"), "0");
	assert_string_equal(written_member(*state, &toy, "battery"), "");
}

static void
input_only_fields_are_never_written(void **state)
{
	struct fixture *fixture = *state;
	Toy__V1__Toy toy = TOY__V1__TOY__INIT;

	toy.secret = "hush";
	assert_string_equal(written_member(fixture, &toy, "secret"), "");
	assert_null(memmem(fixture->out.data, fixture->out.len, "hush", 4));
}

static void
a_template_is_filled_with_encoded_fields_or_left_out(void **state)
{
	Toy__V1__Toy toy = TOY__V1__TOY__INIT;

	toy.href = "/from/the/service";
	toy.id = 7;
	assert_string_equal(written_member(*state, &toy, "href"), "");
	toy.name = "a b/ü?";
	assert_string_equal(
	    written_member(*state, &toy, "href"), "\"/toys/7?name=a%20b%2F%C3%BC%3F\"");
	toy.id = -1;
	assert_string_equal(written_member(*state, &toy, "href"), "");
	toy.id = 0;
	assert_string_equal(written_member(*state, &toy, "href"), "");
}

static void
a_template_that_can_not_be_filled_leaves_no_trace(void **state)
{
	struct fixture *fixture = *state;
	Toy__V1__Toy toy = TOY__V1__TOY__INIT;
	ProtobufCMessage *message;

	toy.id = 12;
	message = toy_message(fixture, &toy);
	buf_reset(&fixture->out);
	buf_puts(&fixture->out, "before");
	assert_false(
	    json_write_template(&fixture->out, "/toys/{id}/{name}", fixture->toy, message));
	assert_false(json_write_template(&fixture->out, "/toys/{nothing}", fixture->toy, message));
	assert_false(json_write_template(&fixture->out, "/toys/{volts}", fixture->toy, message));
	assert_int_equal(fixture->out.len, strlen("before"));
	assert_true(json_write_template(&fixture->out, "/toys/{id}/", fixture->toy, message));
	assert_int_equal(fixture->out.len, strlen("before/toys/12/"));
	assert_memory_equal(fixture->out.data, "before/toys/12/", fixture->out.len);
}

static void
floats_are_written_short_and_read_back_the_same(void **state)
{
	static const struct {
		double number;
		const char *text;
	} rows[] = {{0.1, "0.1"}, {1.0 / 3, "0.3333333333333333"},
	    {0.1 + 0.2, "0.30000000000000004"}, {1e300, "1e+300"},
	    {5e-324, "4.94065645841247e-324"}, {123456789, "123456789"}, {NAN, "\"NaN\""},
	    {INFINITY, "\"Infinity\""}, {-INFINITY, "\"-Infinity\""}};
	Toy__V1__Toy toy = TOY__V1__TOY__INIT;

	for (size_t i = 0; i < sizeof(rows) / sizeof(*rows); i++) {
		toy.price = rows[i].number;
		assert_string_equal(written_member(*state, &toy, "price"), rows[i].text);
	}
	toy.weight = 16777216.0f;
	assert_string_equal(written_member(*state, &toy, "weight"), "16777216");
	toy.weight = 0.3f;
	assert_string_equal(written_member(*state, &toy, "weight"), "0.3");
}

static void
strings_that_are_no_utf8_are_mended(void **state)
{
	Toy__V1__Toy toy = TOY__V1__TOY__INIT;

	toy.name = "a\xff";
	assert_string_equal(written_member(*state, &toy, "name"), "\"a\xef\xbf\xbd\"");
}

static void
an_entry_of_a_map_without_its_value_has_an_empty_one(void **state)
{
	static Toy__V1__Toy__SparesEntry spare = TOY__V1__TOY__SPARES_ENTRY__INIT;
	static Toy__V1__Toy__SparesEntry *spares[] = {&spare};
	static const char expected[] =
	    "\"spares\":{\"3\":{\"name\":\"\",\"weightGrams\":0,\"tags\":[]}}";
	struct fixture *fixture = *state;
	Toy__V1__Toy toy = TOY__V1__TOY__INIT;

	spare.key = 3;
	toy.n_spares = 1;
	toy.spares = spares;
	written_member(fixture, &toy, "spares");
	assert_non_null(memmem(fixture->out.data, fixture->out.len, expected, strlen(expected)));
}

static void
elements_are_written_without_brackets(void **state)
{
	struct fixture *fixture = *state;
	ProtobufCMessage *message = toy_message(fixture, toy_sample());
	const struct schema_field *sizes = schema_find_field(fixture->toy, "sizes", 5);

	buf_reset(&fixture->out);
	json_write_elements(&fixture->out, sizes, message, NULL);
	assert_int_equal(fixture->out.len, strlen("1,-1,0,2147483647,-2147483648"));
	assert_memory_equal(fixture->out.data, "1,-1,0,2147483647,-2147483648", fixture->out.len);
	buf_reset(&fixture->out);
	json_write_elements(
	    &fixture->out, sizes, schema_message_new(fixture->toy, fixture->arena), NULL);
	assert_int_equal(fixture->out.len, 0);
}

/* Bulk */

static uint32_t
http_status(const ProtobufCMessage *status, void *closure)
{
	const ProtobufCFieldDescriptor *code =
	    protobuf_c_message_descriptor_get_field_by_name(status->descriptor, "code");

	return *(const uint32_t *)closure +
	       *(const uint32_t *)((const char *)status + code->offset);
}

static void
results_of_a_bulk_request_have_httpstatus_and_errmsg(void **state)
{
	struct fixture *fixture = *state;
	uint32_t base = 400;
	const struct json_bulk bulk = {
	    .status_type = schema_find_message(fixture->schema, "mockvideo.rpc.v1.Status"),
	    .success_status = 201,
	    .http_status = http_status,
	    .closure = &base};
	Mockvideo__Rpc__V1__Violation violations[2] = {
	    MOCKVIDEO__RPC__V1__VIOLATION__INIT, MOCKVIDEO__RPC__V1__VIOLATION__INIT};
	Mockvideo__Rpc__V1__Violation *both[] = {&violations[0], &violations[1]};
	Mockvideo__Rpc__V1__Status taken = MOCKVIDEO__RPC__V1__STATUS__INIT;
	Mockvideo__Rpc__V1__Status invalid = MOCKVIDEO__RPC__V1__STATUS__INIT;
	Toy__V1__ToyResult results[3] = {
	    TOY__V1__TOY_RESULT__INIT, TOY__V1__TOY_RESULT__INIT, TOY__V1__TOY_RESULT__INIT};
	Toy__V1__ToyResult *all[] = {&results[0], &results[1], &results[2]};
	Toy__V1__CreateToysResponse response = TOY__V1__CREATE_TOYS_RESPONSE__INIT;
	Toy__V1__Toy toy = TOY__V1__TOY__INIT;

	assert_non_null(bulk.status_type);
	toy.id = 1;
	results[0].toy = &toy;
	taken.code = MOCKVIDEO__RPC__V1__CODE__ALREADY_EXISTS;
	taken.message = "name \"a\" is taken";
	results[1].status = &taken;
	results[1].toy = &toy;
	violations[0].field = "name";
	violations[0].description = "must have 1 to 255 \"characters\"";
	violations[1].field = "parts[0].tags";
	violations[1].description = "must be few";
	invalid.code = MOCKVIDEO__RPC__V1__CODE__INVALID_ARGUMENT;
	invalid.message = "some fields are not as they must be";
	invalid.n_violations = 2;
	invalid.violations = both;
	results[2].status = &invalid;
	response.n_results = 3;
	response.results = all;

	buf_reset(&fixture->out);
	json_write(&fixture->out, schema_find_message(fixture->schema, "toy.v1.CreateToysResponse"),
	    message_of(fixture, "toy.v1.CreateToysResponse", &response.base), &bulk);
	golden_check("toy_bulk.json", fixture->out.data, fixture->out.len);
}

static void
without_bulk_a_status_is_a_message_like_others(void **state)
{
	struct fixture *fixture = *state;
	Mockvideo__Rpc__V1__Status status = MOCKVIDEO__RPC__V1__STATUS__INIT;
	Toy__V1__ToyResult result = TOY__V1__TOY_RESULT__INIT;
	static const char expected[] =
	    "{\"status\":{\"code\":5,\"message\":\"\",\"reason\":\"TOY_LOST\","
	    "\"violations\":[],\"retryAfterMs\":0}}";

	status.code = MOCKVIDEO__RPC__V1__CODE__NOT_FOUND;
	status.reason = "TOY_LOST";
	result.status = &status;
	buf_reset(&fixture->out);
	json_write(&fixture->out, schema_find_message(fixture->schema, "toy.v1.ToyResult"),
	    message_of(fixture, "toy.v1.ToyResult", &result.base), NULL);
	assert_int_equal(fixture->out.len, strlen(expected));
	assert_memory_equal(fixture->out.data, expected, fixture->out.len);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(a_toy_of_every_kind_of_field_is_written),
	    cmocka_unit_test(an_empty_toy_has_its_scalars_and_lists_but_no_messages_or_oneofs),
	    cmocka_unit_test(what_is_written_is_read_back_the_same),
	    cmocka_unit_test(a_member_of_a_oneof_is_written_when_it_is_set_to_zero),
	    cmocka_unit_test(input_only_fields_are_never_written),
	    cmocka_unit_test(a_template_is_filled_with_encoded_fields_or_left_out),
	    cmocka_unit_test(a_template_that_can_not_be_filled_leaves_no_trace),
	    cmocka_unit_test(floats_are_written_short_and_read_back_the_same),
	    cmocka_unit_test(strings_that_are_no_utf8_are_mended),
	    cmocka_unit_test(an_entry_of_a_map_without_its_value_has_an_empty_one),
	    cmocka_unit_test(elements_are_written_without_brackets),
	    cmocka_unit_test(results_of_a_bulk_request_have_httpstatus_and_errmsg),
	    cmocka_unit_test(without_bulk_a_status_is_a_message_like_others),
	};

	return cmocka_run_group_tests(tests, fixture_open, fixture_close);
}
