/* The set of the toy, changed in one place. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "common/base/arena.h"
#include "common/schema/schema.h"
#include "google/protobuf/descriptor.pb-c.h"
#include "tests/schema_file.h"

static int
arena_open(void **state)
{
	*state = arena_new(0);
	return *state == NULL ? -1 : 0;
}

static int
arena_close(void **state)
{
	struct arena *arena = *state;

	arena_free(&arena);
	return 0;
}

static Google__Protobuf__FileDescriptorSet *
toy_set(struct arena *arena, Google__Protobuf__FileDescriptorProto **file)
{
	size_t len;
	uint8_t *bytes = schema_file_read(SCHEMA_FILE_TOY, &len);
	Google__Protobuf__FileDescriptorSet *set =
	    google__protobuf__file_descriptor_set__unpack(arena_protobuf(arena), len, bytes);

	free(bytes);
	assert_non_null(set);
	*file = set->file[set->n_file - 1];
	assert_string_equal((*file)->package, "toy.v1");
	return set;
}

static Google__Protobuf__DescriptorProto *
proto_of(const Google__Protobuf__FileDescriptorProto *file, const char *name)
{
	for (size_t i = 0; i < file->n_message_type; i++) {
		if (strcmp(file->message_type[i]->name, name) == 0) {
			return file->message_type[i];
		}
	}
	fail_msg("no message %s", name);
	return NULL;
}

static void
assert_fault(
    struct arena *arena, const Google__Protobuf__FileDescriptorSet *set, const char *message)
{
	size_t len = google__protobuf__file_descriptor_set__get_packed_size(set);
	uint8_t *bytes = arena_alloc(arena, len);
	struct error error = {0};
	struct schema *schema;

	google__protobuf__file_descriptor_set__pack(set, bytes);
	assert_int_equal(schema_new(&schema, bytes, len, NULL, &error), STATUS_INVALID_ARGUMENT);
	assert_null(schema);
	assert_string_equal(error.message, message);
}

static void
a_recursive_message_is_refused(void **state)
{
	Google__Protobuf__FileDescriptorProto *file;
	Google__Protobuf__FileDescriptorSet *set = toy_set(*state, &file);
	Google__Protobuf__FieldDescriptorProto *field = proto_of(file, "Part")->field[2];

	field->type = GOOGLE__PROTOBUF__FIELD_DESCRIPTOR_PROTO__TYPE__TYPE_MESSAGE;
	field->type_name = ".toy.v1.Toy";
	assert_fault(*state, set,
	    "toy/toy.proto: toy.v1.Toy: contains itself: recursive messages are not supported");
}

static void
a_missing_type_is_named(void **state)
{
	Google__Protobuf__FileDescriptorProto *file;
	Google__Protobuf__FileDescriptorSet *set = toy_set(*state, &file);

	proto_of(file, "CreateToyRequest")->field[0]->type_name = ".toy.v1.Nothing";
	assert_fault(*state, set,
	    "toy.v1.CreateToyRequest: the type .toy.v1.Nothing is not in the set: "
	    "make it with protoc --include_imports");
}

static void
a_proto2_message_is_refused(void **state)
{
	Google__Protobuf__FileDescriptorProto *file;
	Google__Protobuf__FileDescriptorSet *set = toy_set(*state, &file);

	file->syntax = "proto2";
	assert_fault(*state, set,
	    "toy/toy.proto: toy.v1.GetToyRequest: only types of proto3 files are supported: "
	    "no required fields, groups, extensions");
}

static void
a_group_is_refused(void **state)
{
	Google__Protobuf__FileDescriptorProto *file;
	Google__Protobuf__FileDescriptorSet *set = toy_set(*state, &file);

	proto_of(file, "Part")->field[0]->type =
	    GOOGLE__PROTOBUF__FIELD_DESCRIPTOR_PROTO__TYPE__TYPE_GROUP;
	assert_fault(*state, set, "toy/toy.proto: toy.v1.Part.name: groups are not supported");
}

static void
a_streaming_method_is_refused(void **state)
{
	Google__Protobuf__FileDescriptorProto *file;
	Google__Protobuf__FileDescriptorSet *set = toy_set(*state, &file);

	file->service[0]->method[0]->has_server_streaming = 1;
	file->service[0]->method[0]->server_streaming = 1;
	assert_fault(*state, set, "toy.v1.ToyService/GetToy: streaming methods are not supported");
}

static void
a_template_that_names_no_field_is_refused(void **state)
{
	Google__Protobuf__FileDescriptorProto *file;
	Google__Protobuf__FileDescriptorSet *set = toy_set(*state, &file);
	Google__Protobuf__FieldDescriptorProto *field = proto_of(file, "Toy")->field[2];

	field->name = "label";
	field->json_name = "label";
	assert_fault(*state, set,
	    "toy/toy.proto: toy.v1.Toy.href: the template names a field that is not there");
}

static void
a_field_of_a_missing_oneof_is_refused(void **state)
{
	Google__Protobuf__FileDescriptorProto *file;
	Google__Protobuf__FileDescriptorSet *set = toy_set(*state, &file);

	proto_of(file, "Part")->field[1]->has_oneof_index = 1;
	proto_of(file, "Part")->field[1]->oneof_index = -1;
	assert_fault(*state, set,
	    "toy/toy.proto: toy.v1.Part.weight_grams: is in a oneof that is not there");
}

static void
an_unreadable_option_is_refused(void **state)
{
	Google__Protobuf__FileDescriptorProto *file;
	Google__Protobuf__FileDescriptorSet *set = toy_set(*state, &file);
	ProtobufCMessage *options = &file->service[0]->method[0]->options->base;

	assert_int_equal(options->unknown_fields[0].tag, 72295728);
	memset(options->unknown_fields[0].data + 1, 0xff, options->unknown_fields[0].len - 1);
	assert_fault(
	    *state, set, "toy.v1.ToyService/GetToy: its option (google.api.http) can't be read");
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(a_recursive_message_is_refused),
	    cmocka_unit_test(a_missing_type_is_named),
	    cmocka_unit_test(a_proto2_message_is_refused),
	    cmocka_unit_test(a_group_is_refused),
	    cmocka_unit_test(a_streaming_method_is_refused),
	    cmocka_unit_test(a_template_that_names_no_field_is_refused),
	    cmocka_unit_test(a_field_of_a_missing_oneof_is_refused),
	    cmocka_unit_test(an_unreadable_option_is_refused),
	};

	return cmocka_run_group_tests(tests, arena_open, arena_close);
}
