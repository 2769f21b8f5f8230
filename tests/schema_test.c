#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "account/v1/user.pb-c.h"
#include "common/base/arena.h"
#include "common/rpc/client/rpc_channel.h"
#include "common/schema/schema.h"
#include "google/protobuf/descriptor.pb-c.h"
#include "tests/schema_file.h"
#include "tests/toy/toy_sample.h"

struct fixture {
	struct schema *mockvideo;
	struct schema *toy;
	struct arena *arena;
};

static int
fixture_open(void **state)
{
	static struct fixture fixture;

	fixture.mockvideo = schema_file_load(SCHEMA_FILE_MOCKVIDEO);
	fixture.toy = schema_file_load(SCHEMA_FILE_TOY);
	fixture.arena = arena_new(0);
	*state = &fixture;
	return fixture.arena == NULL ? -1 : 0;
}

static int
fixture_close(void **state)
{
	struct fixture *fixture = *state;

	schema_free(&fixture->mockvideo);
	schema_free(&fixture->toy);
	arena_free(&fixture->arena);
	return 0;
}

static const struct schema_field *
field_of(const struct schema_message *message, const char *name)
{
	const struct schema_field *field = schema_find_field(message, name, strlen(name));

	assert_non_null(field);
	return field;
}

/* Methods */

static void
methods_have_their_types_and_bindings(void **state)
{
	const struct fixture *fixture = *state;
	const struct schema_method *method =
	    schema_find_method(fixture->mockvideo, "account.v1.UserService/CreateUsers");

	assert_non_null(method);
	assert_string_equal(method->input->wire.name, "account.v1.CreateUsersRequest");
	assert_string_equal(method->output->wire.name, "account.v1.BulkUsersResponse");
	assert_int_equal(method->binding_count, 1);
	assert_string_equal(method->bindings[0].verb, "POST");
	assert_string_equal(method->bindings[0].path, "/users");
	assert_string_equal(method->bindings[0].body, "*");
	assert_string_equal(method->rule->when->name, "Bulk-Request");
	assert_true(method->rule->when->value);
	assert_int_equal(method->rule->success_status, 201);
	assert_string_equal(method->rule->bulk->items, "users");
	assert_int_equal(method->rule->bulk->failure_status, 409);
}

static void
a_method_may_have_several_bindings(void **state)
{
	const struct fixture *fixture = *state;
	const struct schema_method *method =
	    schema_find_method(fixture->mockvideo, "account.v1.UserService/ReplaceUsers");

	assert_int_equal(method->binding_count, 2);
	assert_string_equal(method->bindings[0].path, "/users");
	assert_string_equal(method->bindings[1].path, "/users/*");
}

static void
methods_without_bindings_are_there_too(void **state)
{
	const struct fixture *fixture = *state;
	const struct schema_method *method =
	    schema_find_method(fixture->mockvideo, "mockvideo.rpc.v1.Health/Check");

	assert_non_null(method);
	assert_int_equal(method->binding_count, 0);
	assert_int_equal(method->error_count, 0);
}

static void
methods_know_their_idempotency(void **state)
{
	const struct fixture *fixture = *state;
	const struct schema *schema = fixture->toy;
	const struct schema_method *get = schema_find_method(schema, "toy.v1.ToyService/GetToy");
	const struct schema_method *put =
	    schema_find_method(schema, "toy.v1.ToyService/ReplaceToy");
	const struct schema_method *post =
	    schema_find_method(schema, "toy.v1.ToyService/CreateToy");

	assert_true(get->no_side_effects);
	assert_int_equal(get->call_flags, RPC_NO_SIDE_EFFECTS);
	assert_false(put->no_side_effects);
	assert_int_equal(put->call_flags, RPC_IDEMPOTENT);
	assert_false(post->no_side_effects);
	assert_int_equal(post->call_flags & (RPC_NO_SIDE_EFFECTS | RPC_IDEMPOTENT), 0);
}

static void
methods_know_their_pace_and_whether_they_are_secret(void **state)
{
	const struct fixture *fixture = *state;
	const struct schema *schema = fixture->toy;

	assert_int_equal(schema_find_method(schema, "toy.v1.ToyService/CreateToy")->call_flags,
	    RPC_SLOW | RPC_SECRET);
	assert_int_equal(
	    schema_find_method(schema, "toy.v1.ToyService/CreateToys")->call_flags, RPC_ALONE);
}

static void
methods_have_the_error_rules_of_their_service(void **state)
{
	const struct fixture *fixture = *state;
	const struct schema_method *method =
	    schema_find_method(fixture->toy, "toy.v1.ToyService/GetToyName");

	assert_int_equal(method->error_count, 2);
	assert_string_equal(method->errors[0]->reason, "TOY_BROKEN");
	assert_int_equal(method->errors[0]->status, 410);
	assert_string_equal(method->errors[1]->reason, "TOY_LOST");
	assert_int_equal(method->errors[1]->status, 404);
}

static void
methods_are_listed_and_found_by_name(void **state)
{
	const struct fixture *fixture = *state;
	size_t count = schema_method_count(fixture->toy);

	assert_true(count >= 7);
	for (size_t i = 0; i < count; i++) {
		const struct schema_method *method = schema_method(fixture->toy, i);

		assert_ptr_equal(schema_find_method(fixture->toy, method->name), method);
	}
	assert_null(schema_find_method(fixture->toy, "toy.v1.ToyService/Get"));
}

/* Messages */

static void
only_messages_of_methods_are_found(void **state)
{
	const struct fixture *fixture = *state;

	assert_non_null(schema_find_message(fixture->mockvideo, "account.v1.User"));
	assert_non_null(schema_find_message(fixture->mockvideo, "mockvideo.rpc.v1.Status"));
	assert_null(schema_find_message(fixture->mockvideo, "account.v1.Role"));
	assert_null(schema_find_message(fixture->mockvideo, "account.v1.Nobody"));
	assert_null(schema_find_message(fixture->mockvideo, "google.protobuf.DescriptorProto"));
}

static void
fields_are_in_the_order_of_the_proto(void **state)
{
	const struct fixture *fixture = *state;
	const struct schema_message *toy = schema_find_message(fixture->toy, "toy.v1.Toy");

	assert_string_equal(toy->fields[0].wire->name, "id");
	assert_string_equal(toy->fields[1].wire->name, "href");
	assert_string_equal(toy->fields[2].wire->name, "name");
	assert_int_equal(toy->fields[0].wire->id, 7);
	for (unsigned i = 1; i < toy->wire.n_fields; i++) {
		assert_true(toy->wire.fields[i - 1].id < toy->wire.fields[i].id);
	}
}

static void
fields_are_found_by_either_name_and_by_the_whole_name_only(void **state)
{
	const struct fixture *fixture = *state;
	const struct schema_message *user =
	    schema_find_message(fixture->mockvideo, "account.v1.User");

	assert_ptr_equal(field_of(user, "accountid"), field_of(user, "account_id"));
	assert_string_equal(field_of(user, "accountid")->json_name, "accountid");
	assert_null(schema_find_field(user, "accounti", 8));
	assert_null(schema_find_field(user, "accountid2", 10));
	assert_null(schema_find_field(user, "accountId", 9));
	assert_null(schema_find_field(user, "", 0));
}

static void
fields_have_their_rules_and_keys(void **state)
{
	const struct fixture *fixture = *state;
	const struct schema_message *user =
	    schema_find_message(fixture->mockvideo, "account.v1.User");
	const struct schema_field *field = field_of(user, "account_id");

	assert_string_equal(field->key, ",\"accountid\":");
	assert_int_equal(field->key_len, strlen(field->key));
	assert_false(field->input_only);
	assert_null(field->template);
	assert_true(field_of(user, "password")->input_only);
	assert_string_equal(field_of(user, "href")->template, "/users/{id}");
}

static void
a_new_message_has_empty_strings_and_zeroes(void **state)
{
	const struct fixture *fixture = *state;
	const struct schema_message *type =
	    schema_find_message(fixture->mockvideo, "account.v1.User");
	ProtobufCMessage *message = schema_message_new(type, fixture->arena);
	const char *at = (const char *)message;

	assert_ptr_equal(message->descriptor, &type->wire);
	assert_string_equal(*(const char *const *)(at + field_of(type, "name")->wire->offset), "");
	assert_int_equal(*(const int64_t *)(at + field_of(type, "id")->wire->offset), 0);
	assert_int_equal(protobuf_c_message_get_packed_size(message), 0);
	assert_true(protobuf_c_message_check(message));
}

static void
protobuf_c_finds_fields_by_name_and_number(void **state)
{
	const struct fixture *fixture = *state;
	const struct schema_message *toy = schema_find_message(fixture->toy, "toy.v1.Toy");

	for (unsigned i = 0; i < toy->wire.n_fields; i++) {
		const ProtobufCFieldDescriptor *field = &toy->wire.fields[i];

		assert_ptr_equal(
		    protobuf_c_message_descriptor_get_field(&toy->wire, field->id), field);
		assert_ptr_equal(
		    protobuf_c_message_descriptor_get_field_by_name(&toy->wire, field->name),
		    field);
	}
	assert_null(protobuf_c_message_descriptor_get_field(&toy->wire, 26));
	assert_null(protobuf_c_message_descriptor_get_field(&toy->wire, 1001));
}

static void
enums_have_their_values_with_aliases(void **state)
{
	const struct fixture *fixture = *state;
	const struct schema_message *toy = schema_find_message(fixture->toy, "toy.v1.Toy");
	const ProtobufCEnumDescriptor *color = field_of(toy, "color")->wire->descriptor;

	assert_string_equal(color->name, "toy.v1.Color");
	assert_int_equal(color->n_values, 4);
	assert_int_equal(color->n_value_names, 5);
	assert_int_equal(
	    protobuf_c_enum_descriptor_get_value_by_name(color, "COLOR_NAVY")->value, 5);
	assert_int_equal(
	    protobuf_c_enum_descriptor_get_value_by_name(color, "COLOR_NONE")->value, -1);
	assert_string_equal(protobuf_c_enum_descriptor_get_value(color, 1)->name, "COLOR_RED");
	assert_null(protobuf_c_enum_descriptor_get_value(color, 2));
}

/* The same bytes as generated code */

static void
assert_same_bytes(const struct fixture *fixture, const struct schema_message *type,
    const uint8_t *bytes, size_t len)
{
	ProtobufCMessage *message =
	    protobuf_c_message_unpack(&type->wire, arena_protobuf(fixture->arena), len, bytes);
	uint8_t *packed = arena_alloc(fixture->arena, len);

	assert_non_null(message);
	assert_true(protobuf_c_message_check(message));
	assert_int_equal(protobuf_c_message_get_packed_size(message), len);
	assert_int_equal(protobuf_c_message_pack(message, packed), len);
	assert_memory_equal(packed, bytes, len);
}

static void
a_user_has_the_bytes_of_generated_code(void **state)
{
	const struct fixture *fixture = *state;
	Account__V1__User user = ACCOUNT__V1__USER__INIT;
	uint8_t bytes[256];

	user.account_id = 2147483647;
	user.id = INT64_MIN;
	user.name = "Jörg";
	user.email = "j@example.com";
	user.role_presence_case = ACCOUNT__V1__USER__ROLE_PRESENCE_ROLE;
	user.role = ACCOUNT__V1__ROLE__ROLE_OWNER;
	user.password = "secret";
	assert_same_bytes(fixture, schema_find_message(fixture->mockvideo, "account.v1.User"),
	    bytes, account__v1__user__pack(&user, bytes));
}

static void
a_list_of_users_has_the_bytes_of_generated_code(void **state)
{
	const struct fixture *fixture = *state;
	Account__V1__User first = ACCOUNT__V1__USER__INIT;
	Account__V1__User second = ACCOUNT__V1__USER__INIT;
	Account__V1__User *users[] = {&first, &second};
	Account__V1__ListUsersResponse list = ACCOUNT__V1__LIST_USERS_RESPONSE__INIT;
	uint8_t bytes[256];

	first.id = 1;
	second.name = "two";
	list.n_users = 2;
	list.users = users;
	list.next_page_token = "next";
	assert_same_bytes(fixture,
	    schema_find_message(fixture->mockvideo, "account.v1.ListUsersResponse"), bytes,
	    account__v1__list_users_response__pack(&list, bytes));
}

static void
a_toy_of_every_kind_of_field_has_the_bytes_of_generated_code(void **state)
{
	const struct fixture *fixture = *state;
	size_t len;
	uint8_t *bytes = toy_pack(toy_sample(), &len);

	assert_same_bytes(fixture, schema_find_message(fixture->toy, "toy.v1.Toy"), bytes, len);
	free(bytes);
}

static void
each_member_of_a_oneof_has_the_bytes_of_generated_code(void **state)
{
	const struct fixture *fixture = *state;
	const struct schema_message *type = schema_find_message(fixture->toy, "toy.v1.Toy");
	Toy__V1__Toy toys[3];
	size_t len;

	for (size_t i = 0; i < 3; i++) {
		uint8_t *bytes;

		toy__v1__toy__init(&toys[i]);
		toys[i].power_case = i == 0   ? TOY__V1__TOY__POWER_BATTERY
				     : i == 1 ? TOY__V1__TOY__POWER_VOLTS
					      : TOY__V1__TOY__POWER_FUEL;
		if (i == 0) {
			toys[i].battery = "AA";
		} else if (i == 2) {
			toys[i].fuel = (ProtobufCBinaryData){3, (uint8_t *)"oil"};
		}
		bytes = toy_pack(&toys[i], &len);
		assert_true(len > 0);
		assert_same_bytes(fixture, type, bytes, len);
		free(bytes);
	}
}

static void
unknown_fields_are_kept(void **state)
{
	const struct fixture *fixture = *state;
	static const uint8_t bytes[] = {0x08, 0x01, 0xfa, 0x7f, 0x02, 'h', 'i'};

	assert_same_bytes(fixture,
	    schema_find_message(fixture->mockvideo, "account.v1.GetUserRequest"), bytes,
	    sizeof(bytes));
}

/* Faults */

static void
bytes_that_are_no_set_are_refused(void **state)
{
	static const uint8_t garbage[] = {0xff, 0xff, 0xff};
	struct error error = {0};
	struct schema *schema;

	(void)state;
	assert_int_equal(
	    schema_new(&schema, garbage, sizeof(garbage), NULL, &error), STATUS_INVALID_ARGUMENT);
	assert_non_null(strstr(error.message, "not a FileDescriptorSet"));
	assert_int_equal(schema_new(&schema, NULL, 0, NULL, &error), STATUS_INVALID_ARGUMENT);
	assert_null(schema);
}

static void
a_set_cut_anywhere_is_refused_or_read(void **state)
{
	size_t len;
	uint8_t *bytes = schema_file_read(SCHEMA_FILE_TOY, &len);
	size_t refused = 0;

	(void)state;
	for (size_t cut = 0; cut < len; cut += 997) {
		struct error error = {0};
		struct schema *schema;

		if (schema_new(&schema, bytes, cut, NULL, &error) != STATUS_OK) {
			assert_null(schema);
			assert_true(error.message[0] != '\0');
			refused++;
		}
		schema_free(&schema);
	}
	assert_true(refused > 0);
	free(bytes);
}

static void
templates_are_checked(void **state)
{
	const struct fixture *fixture = *state;
	const struct schema_message *toy = schema_find_message(fixture->toy, "toy.v1.Toy");

	assert_null(schema_template_problem(toy, "/toys/{id}/{name}?color={color}"));
	assert_null(schema_template_problem(toy, ""));
	assert_non_null(schema_template_problem(toy, "/toys/{id"));
	assert_non_null(schema_template_problem(toy, "/toys/{}"));
	assert_non_null(schema_template_problem(toy, "/toys/{secret}"));
	assert_non_null(schema_template_problem(toy, "/toys/{href}"));
	assert_non_null(schema_template_problem(toy, "/toys/{tags}"));
	assert_non_null(schema_template_problem(toy, "/toys/{price}"));
	assert_non_null(schema_template_problem(toy, "/to ys"));
	assert_non_null(schema_template_problem(toy, "/\"toys\""));
	assert_non_null(schema_template_problem(toy, "/toys}"));
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(methods_have_their_types_and_bindings),
	    cmocka_unit_test(a_method_may_have_several_bindings),
	    cmocka_unit_test(methods_without_bindings_are_there_too),
	    cmocka_unit_test(methods_know_their_idempotency),
	    cmocka_unit_test(methods_know_their_pace_and_whether_they_are_secret),
	    cmocka_unit_test(methods_have_the_error_rules_of_their_service),
	    cmocka_unit_test(methods_are_listed_and_found_by_name),
	    cmocka_unit_test(only_messages_of_methods_are_found),
	    cmocka_unit_test(fields_are_in_the_order_of_the_proto),
	    cmocka_unit_test(fields_are_found_by_either_name_and_by_the_whole_name_only),
	    cmocka_unit_test(fields_have_their_rules_and_keys),
	    cmocka_unit_test(a_new_message_has_empty_strings_and_zeroes),
	    cmocka_unit_test(protobuf_c_finds_fields_by_name_and_number),
	    cmocka_unit_test(enums_have_their_values_with_aliases),
	    cmocka_unit_test(a_user_has_the_bytes_of_generated_code),
	    cmocka_unit_test(a_list_of_users_has_the_bytes_of_generated_code),
	    cmocka_unit_test(a_toy_of_every_kind_of_field_has_the_bytes_of_generated_code),
	    cmocka_unit_test(each_member_of_a_oneof_has_the_bytes_of_generated_code),
	    cmocka_unit_test(unknown_fields_are_kept),
	    cmocka_unit_test(bytes_that_are_no_set_are_refused),
	    cmocka_unit_test(a_set_cut_anywhere_is_refused_or_read),
	    cmocka_unit_test(templates_are_checked),
	};

	return cmocka_run_group_tests(tests, fixture_open, fixture_close);
}
