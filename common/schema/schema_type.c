#include "common/schema/schema_type.h"

#include <stdlib.h>
#include <string.h>

#include "common/base/arena.h"
#include "common/base/buf.h"
#include "common/schema/schema_layout.h"
#include "common/schema/schema_option.h"
#include "google/api/field_behavior.pb-c.h"

#define SCHEMA_REASON "BAD_DESCRIPTORS"

enum schema_type_state {
	SCHEMA_TYPE_LISTED,
	SCHEMA_TYPE_BUILDING,
	SCHEMA_TYPE_BUILT
};

/* A type goes from LISTED by BUILDING to BUILT; a message met while BUILDING contains itself. */
struct schema_type {
	const char *name; /* "account.v1.User" */
	const Google__Protobuf__FileDescriptorProto *file;
	const Google__Protobuf__DescriptorProto *message; /* or NULL */
	const Google__Protobuf__EnumDescriptorProto *enumeration;
	enum schema_type_state state;
	struct schema_message *built_message;
	ProtobufCEnumDescriptor *built_enum;
};

struct schema_types {
	struct arena *arena;
	struct schema_type *rows; /* by name */
	size_t count;
};

static const int schema_type_of_proto[] = {
#define SCHEMA_TYPE(name)                                                                          \
	[GOOGLE__PROTOBUF__FIELD_DESCRIPTOR_PROTO__TYPE__TYPE_##name] = PROTOBUF_C_TYPE_##name
    SCHEMA_TYPE(DOUBLE), SCHEMA_TYPE(FLOAT), SCHEMA_TYPE(INT64), SCHEMA_TYPE(UINT64),
    SCHEMA_TYPE(INT32), SCHEMA_TYPE(FIXED64), SCHEMA_TYPE(FIXED32), SCHEMA_TYPE(BOOL),
    SCHEMA_TYPE(STRING), [GOOGLE__PROTOBUF__FIELD_DESCRIPTOR_PROTO__TYPE__TYPE_GROUP] = -1,
    SCHEMA_TYPE(MESSAGE), SCHEMA_TYPE(BYTES), SCHEMA_TYPE(UINT32), SCHEMA_TYPE(ENUM),
    SCHEMA_TYPE(SFIXED32), SCHEMA_TYPE(SFIXED64), SCHEMA_TYPE(SINT32), SCHEMA_TYPE(SINT64)
#undef SCHEMA_TYPE
};

static void
schema_type_no_memory(struct error *error)
{
	error_set(error, STATUS_RESOURCE_EXHAUSTED, NULL, "no memory to build the types with");
}

/* List of types */

static size_t
schema_types_count(Google__Protobuf__DescriptorProto **messages, size_t count)
{
	size_t sum = count;

	for (size_t i = 0; i < count; i++) {
		sum += messages[i]->n_enum_type;
		sum += schema_types_count(messages[i]->nested_type, messages[i]->n_nested_type);
	}
	return sum;
}

static struct schema_type *
schema_types_add(struct schema_types *types, const Google__Protobuf__FileDescriptorProto *file,
    const char *scope, const char *name)
{
	struct schema_type *type = &types->rows[types->count];

	if (name == NULL) {
		return NULL;
	}
	type->name = scope[0] == '\0' ? name : arena_printf(types->arena, "%s.%s", scope, name);
	type->file = file;
	types->count++;
	return type->name == NULL ? NULL : type;
}

static bool
schema_types_add_enums(struct schema_types *types,
    const Google__Protobuf__FileDescriptorProto *file, const char *scope,
    Google__Protobuf__EnumDescriptorProto **enums, size_t count)
{
	for (size_t i = 0; i < count; i++) {
		struct schema_type *type = schema_types_add(types, file, scope, enums[i]->name);

		if (type == NULL) {
			return false;
		}
		type->enumeration = enums[i];
	}
	return true;
}

static bool
schema_types_add_messages(struct schema_types *types,
    const Google__Protobuf__FileDescriptorProto *file, const char *scope,
    Google__Protobuf__DescriptorProto **messages, size_t count)
{
	for (size_t i = 0; i < count; i++) {
		const Google__Protobuf__DescriptorProto *message = messages[i];
		struct schema_type *type = schema_types_add(types, file, scope, message->name);

		if (type == NULL) {
			return false;
		}
		type->message = message;
		if (!schema_types_add_enums(
			types, file, type->name, message->enum_type, message->n_enum_type) ||
		    !schema_types_add_messages(
			types, file, type->name, message->nested_type, message->n_nested_type)) {
			return false;
		}
	}
	return true;
}

static int
schema_type_compare(const void *a, const void *b)
{
	return strcmp(((const struct schema_type *)a)->name, ((const struct schema_type *)b)->name);
}

struct schema_types *
schema_types_new(
    const Google__Protobuf__FileDescriptorSet *set, struct arena *arena, struct error *error)
{
	struct schema_types *types = arena_calloc(arena, 1, sizeof(*types));
	size_t count = 0;

	for (size_t i = 0; i < set->n_file; i++) {
		count += set->file[i]->n_enum_type;
		count +=
		    schema_types_count(set->file[i]->message_type, set->file[i]->n_message_type);
	}
	if (types == NULL ||
	    (types->rows = arena_calloc(arena, count, sizeof(*types->rows))) == NULL) {
		schema_type_no_memory(error);
		return NULL;
	}
	types->arena = arena;
	for (size_t i = 0; i < set->n_file; i++) {
		const Google__Protobuf__FileDescriptorProto *file = set->file[i];
		const char *package = file->package == NULL ? "" : file->package;

		if (!schema_types_add_enums(
			types, file, package, file->enum_type, file->n_enum_type) ||
		    !schema_types_add_messages(
			types, file, package, file->message_type, file->n_message_type)) {
			error_set(error, STATUS_INVALID_ARGUMENT, SCHEMA_REASON,
			    "%s: a type has no name", file->name == NULL ? "?" : file->name);
			return NULL;
		}
	}
	if (types->count > 0) {
		qsort(types->rows, types->count, sizeof(*types->rows), schema_type_compare);
	}
	return types;
}

static struct schema_type *
schema_types_lookup(const struct schema_types *types, const char *name)
{
	struct schema_type key = {.name = name};

	if (types->count == 0) {
		return NULL;
	}
	return bsearch(&key, types->rows, types->count, sizeof(*types->rows), schema_type_compare);
}

const struct schema_message *
schema_types_find(const struct schema_types *types, const char *name)
{
	const struct schema_type *type = schema_types_lookup(types, name);

	return type == NULL || type->state != SCHEMA_TYPE_BUILT ? NULL : type->built_message;
}

/* The type that from refers to as ".account.v1.User". */
static struct schema_type *
schema_types_resolve(
    const struct schema_types *types, const char *name, const char *from, struct error *error)
{
	struct schema_type *type = NULL;

	if (name != NULL && name[0] == '.') {
		type = schema_types_lookup(types, name + 1);
	}
	if (type == NULL) {
		error_set(error, STATUS_INVALID_ARGUMENT, SCHEMA_REASON,
		    "%s: the type %s is not in the set: make it with protoc --include_imports",
		    from, name == NULL ? "(none)" : name);
	}
	return type;
}

/* Building of types */

static struct schema_message *schema_type_build(
    struct schema_types *types, struct schema_type *type, struct error *error);

static bool
schema_type_fault(
    const struct schema_type *type, const char *field, const char *what, struct error *error)
{
	error_set(error, STATUS_INVALID_ARGUMENT, SCHEMA_REASON, "%s: %s%s%s: %s",
	    type->file->name == NULL ? "?" : type->file->name, type->name, field == NULL ? "" : ".",
	    field == NULL ? "" : field, what);
	return false;
}

/* Fills name, number, type and label; where it is in memory follows by schema_layout. */
static bool
schema_type_wire(const struct schema_type *type,
    const Google__Protobuf__FieldDescriptorProto *proto, ProtobufCFieldDescriptor *wire,
    struct error *error)
{
	const size_t type_count = sizeof(schema_type_of_proto) / sizeof(*schema_type_of_proto);
	bool repeated =
	    proto->label == GOOGLE__PROTOBUF__FIELD_DESCRIPTOR_PROTO__LABEL__LABEL_REPEATED;

	if (proto->name == NULL || proto->number < 1) {
		return schema_type_fault(type, NULL, "a field has no name or number", error);
	}
	if (proto->has_oneof_index && (size_t)proto->oneof_index >= type->message->n_oneof_decl) {
		return schema_type_fault(
		    type, proto->name, "is in a oneof that is not there", error);
	}
	if ((size_t)proto->type >= type_count || schema_type_of_proto[proto->type] < 0) {
		return schema_type_fault(type, proto->name, "groups are not supported", error);
	}
	wire->name = proto->name;
	wire->id = (uint32_t)proto->number;
	wire->type = (ProtobufCType)schema_type_of_proto[proto->type];
	wire->label = repeated ? PROTOBUF_C_LABEL_REPEATED : PROTOBUF_C_LABEL_NONE;
	if (proto->has_oneof_index && !repeated) {
		wire->label = PROTOBUF_C_LABEL_OPTIONAL;
		wire->flags |= PROTOBUF_C_FIELD_FLAG_ONEOF;
	} else if (wire->type == PROTOBUF_C_TYPE_STRING && !repeated) {
		wire->default_value = protobuf_c_empty_string;
	}
	if (repeated && schema_layout_packable(wire->type) &&
	    !(proto->options != NULL && proto->options->has_packed && !proto->options->packed)) {
		wire->flags |= PROTOBUF_C_FIELD_FLAG_PACKED;
	}
	return true;
}

/* Points a field of an enum or message type at that type, which is built for it. */
static bool
schema_type_refer(struct schema_types *types, struct schema_type *type,
    const Google__Protobuf__FieldDescriptorProto *proto, ProtobufCFieldDescriptor *wire,
    struct error *error)
{
	struct schema_type *of;

	if (wire->type != PROTOBUF_C_TYPE_MESSAGE && wire->type != PROTOBUF_C_TYPE_ENUM) {
		return true;
	}
	of = schema_types_resolve(types, proto->type_name, type->name, error);
	if (of == NULL) {
		return false;
	}
	if ((of->message != NULL) != (wire->type == PROTOBUF_C_TYPE_MESSAGE)) {
		return schema_type_fault(type, proto->name, "is of another kind of type", error);
	}
	if (schema_type_build(types, of, error) == NULL && of->built_enum == NULL) {
		return false;
	}
	wire->descriptor = of->message != NULL ? (const void *)of->built_message : of->built_enum;
	return true;
}

static bool
schema_type_key(struct arena *arena, struct schema_field *field)
{
	struct buf buf = {0};

	buf_putc(&buf, ',');
	buf_put_json_string(&buf, field->json_name, field->json_name_len);
	buf_putc(&buf, ':');
	if (!buf.failed) {
		field->key = arena_strndup(arena, buf.data, buf.len);
		field->key_len = buf.len;
	}
	buf_fini(&buf);
	return field->key != NULL;
}

/* What JSON knows of a field: names and rules. */
static bool
schema_type_field(struct arena *arena, const struct schema_type *type,
    const Google__Protobuf__FieldDescriptorProto *proto, struct schema_field *field,
    struct error *error)
{
	const ProtobufCMessage *options = proto->options == NULL ? NULL : &proto->options->base;
	ProtobufCMessage *value;
	const Mockvideo__Rest__V1__FieldRule *rule;
	bool well;

	if (proto->json_name == NULL) {
		return schema_type_fault(
		    type, proto->name, "has no JSON name: make the set with protoc", error);
	}
	field->json_name = proto->json_name;
	field->json_name_len = strlen(proto->json_name);
	if (!schema_option_one(options, SCHEMA_OPTION_FIELD,
		&mockvideo__rest__v1__field_rule__descriptor, arena, &value)) {
		return schema_type_fault(
		    type, proto->name, "its option (mockvideo.rest.v1.field) can't be read", error);
	}
	field->input_only = schema_option_has(
	    options, SCHEMA_OPTION_BEHAVIOR, GOOGLE__API__FIELD_BEHAVIOR__INPUT_ONLY, &well);
	field->output_only = well && schema_option_has(options, SCHEMA_OPTION_BEHAVIOR,
					 GOOGLE__API__FIELD_BEHAVIOR__OUTPUT_ONLY, &well);
	if (!well) {
		return schema_type_fault(type, proto->name,
		    "its option (google.api.field_behavior) can't be read", error);
	}
	rule = (const Mockvideo__Rest__V1__FieldRule *)value;
	field->template = rule == NULL || rule->template_[0] == '\0' ? NULL : rule->template_;
	if (!schema_type_key(arena, field)) {
		schema_type_no_memory(error);
		return false;
	}
	return true;
}

/* Templates name other fields, so they are looked at once all are known. */
static bool
schema_type_check_templates(const struct schema_type *type, struct error *error)
{
	const struct schema_message *message = type->built_message;

	for (size_t i = 0; i < message->field_count; i++) {
		const struct schema_field *field = &message->fields[i];
		const char *problem;

		if (field->template == NULL) {
			continue;
		}
		problem = field->wire->type != PROTOBUF_C_TYPE_STRING ||
				  field->wire->label != PROTOBUF_C_LABEL_NONE
			      ? "a template is for a single string"
			      : schema_template_problem(message, field->template);
		if (problem != NULL) {
			return schema_type_fault(type, field->wire->name, problem, error);
		}
	}
	return true;
}

static bool
schema_type_check_entry(const struct schema_type *type, struct error *error)
{
	const struct schema_message *message = type->built_message;
	const ProtobufCFieldDescriptor *key = message->wire.fields;

	if (!message->map_entry) {
		return true;
	}
	if (message->field_count != 2 || message->fields[0].wire != &key[0] ||
	    key[0].label != PROTOBUF_C_LABEL_NONE || key[1].label != PROTOBUF_C_LABEL_NONE ||
	    key[0].type == PROTOBUF_C_TYPE_MESSAGE || key[0].type == PROTOBUF_C_TYPE_BYTES) {
		return schema_type_fault(type, NULL, "is no entry of a map", error);
	}
	return true;
}

static bool
schema_type_fields(struct schema_types *types, struct schema_type *type, struct error *error)
{
	const Google__Protobuf__DescriptorProto *proto = type->message;
	struct schema_message *message = type->built_message;
	ProtobufCFieldDescriptor *wires =
	    arena_calloc(types->arena, proto->n_field, sizeof(*wires));
	struct schema_field *fields = arena_calloc(types->arena, proto->n_field, sizeof(*fields));

	if (wires == NULL || fields == NULL) {
		schema_type_no_memory(error);
		return false;
	}
	for (size_t i = 0; i < proto->n_field; i++) {
		if (!schema_type_wire(type, proto->field[i], &wires[i], error) ||
		    !schema_type_refer(types, type, proto->field[i], &wires[i], error) ||
		    !schema_type_field(types->arena, type, proto->field[i], &fields[i], error)) {
			return false;
		}
		message->has_output_only = message->has_output_only || fields[i].output_only;
	}
	message->fields = fields;
	message->field_count = proto->n_field;
	if (!schema_layout_message(message, fields, wires, proto, types->arena)) {
		schema_type_no_memory(error);
		return false;
	}
	return schema_type_check_entry(type, error) && schema_type_check_templates(type, error);
}

static bool
schema_type_check_proto3(const struct schema_type *type, struct error *error)
{
	const char *syntax = type->file->syntax == NULL ? "proto2" : type->file->syntax;

	if (strcmp(syntax, "proto3") == 0) {
		return true;
	}
	return schema_type_fault(type, NULL,
	    "only types of proto3 files are supported: no required fields, groups, extensions",
	    error);
}

/* Gives NULL for an enum too: it is in type->built_enum. */
static struct schema_message *
schema_type_build(struct schema_types *types, struct schema_type *type, struct error *error)
{
	if (type->state == SCHEMA_TYPE_BUILT) {
		return type->built_message;
	}
	if (type->state == SCHEMA_TYPE_BUILDING) {
		schema_type_fault(
		    type, NULL, "contains itself: recursive messages are not supported", error);
		return NULL;
	}
	if (!schema_type_check_proto3(type, error)) {
		return NULL;
	}
	type->state = SCHEMA_TYPE_BUILDING;
	if (type->message == NULL) {
		type->built_enum = schema_layout_enum(type->enumeration, type->name, types->arena);
		if (type->built_enum == NULL) {
			schema_type_fault(type, NULL, "is no enum that can be built", error);
			return NULL;
		}
	} else {
		type->built_message = arena_calloc(types->arena, 1, sizeof(*type->built_message));
		if (type->built_message == NULL) {
			schema_type_no_memory(error);
			return NULL;
		}
		type->built_message->wire.name = type->name;
		type->built_message->map_entry = type->message->options != NULL &&
						 type->message->options->has_map_entry &&
						 type->message->options->map_entry;
		if (!schema_type_fields(types, type, error)) {
			return NULL;
		}
	}
	type->state = SCHEMA_TYPE_BUILT;
	return type->built_message;
}

const struct schema_message *
schema_types_message(struct schema_types *types, const char *name, struct error *error)
{
	struct schema_type *type = schema_types_resolve(types, name, "a method", error);

	if (type == NULL) {
		return NULL;
	}
	if (type->message == NULL) {
		schema_type_fault(type, NULL, "is an enum where a message must be", error);
		return NULL;
	}
	return schema_type_build(types, type, error);
}
