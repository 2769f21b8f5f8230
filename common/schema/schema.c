#include "common/schema/schema.h"

#include <stdlib.h>
#include <string.h>

#include "common/base/arena.h"
#include "common/rpc/client/rpc_channel.h"
#include "common/schema/schema_http.h"
#include "common/schema/schema_layout.h"
#include "common/schema/schema_option.h"
#include "common/schema/schema_type.h"
#include "mockvideo/method.pb-c.h"

#define SCHEMA_REASON "BAD_DESCRIPTORS"

struct schema {
	struct arena *arena; /* holds all, the unpacked set too */
	struct schema_types *types;
	struct schema_method *methods;
	size_t method_count;
};

static enum status_code
schema_no_memory(struct error *error)
{
	return error_set(
	    error, STATUS_RESOURCE_EXHAUSTED, NULL, "no memory for the descriptor set");
}

/* Methods */

static bool
schema_method_fault(const struct schema_method *method, const char *what, struct error *error)
{
	error_set(error, STATUS_INVALID_ARGUMENT, SCHEMA_REASON, "%s: %s", method->name, what);
	return false;
}

static void
schema_method_level(struct schema_method *method, const Google__Protobuf__MethodOptions *options)
{
	switch (options->idempotency_level) {
	case GOOGLE__PROTOBUF__METHOD_OPTIONS__IDEMPOTENCY_LEVEL__NO_SIDE_EFFECTS:
		method->no_side_effects = true;
		method->call_flags = RPC_NO_SIDE_EFFECTS;
		break;
	case GOOGLE__PROTOBUF__METHOD_OPTIONS__IDEMPOTENCY_LEVEL__IDEMPOTENT:
		method->call_flags = RPC_IDEMPOTENT;
		break;
	default: break;
	}
}

/* A pace of a later version is that of a call that travels alone: that is always right. */
static bool
schema_method_traits(struct schema *schema, struct schema_method *method,
    const Google__Protobuf__MethodOptions *options, struct error *error)
{
	const Mockvideo__Method__V1__MethodTraits *traits;
	ProtobufCMessage *value;

	if (!schema_option_one(&options->base, SCHEMA_OPTION_TRAITS,
		&mockvideo__method__v1__method_traits__descriptor, schema->arena, &value)) {
		return schema_method_fault(
		    method, "its option (mockvideo.method.v1.traits) can't be read", error);
	}
	if (value == NULL) {
		return true;
	}
	traits = (const Mockvideo__Method__V1__MethodTraits *)value;
	switch (traits->pace) {
	case MOCKVIDEO__METHOD__V1__PACE__QUICK: break;
	case MOCKVIDEO__METHOD__V1__PACE__SLOW: method->call_flags |= RPC_SLOW; break;
	default: method->call_flags |= RPC_ALONE; break;
	}
	method->call_flags |= traits->secret ? RPC_SECRET : 0;
	return true;
}

static bool
schema_method_init(struct schema *schema, struct schema_method *method, const char *service,
    const Google__Protobuf__MethodDescriptorProto *proto, struct error *error)
{
	if (proto->name == NULL) {
		error_set(error, STATUS_INVALID_ARGUMENT, SCHEMA_REASON, "%s: a method has no name",
		    service);
		return false;
	}
	method->name = arena_printf(schema->arena, "%s/%s", service, proto->name);
	if (method->name == NULL) {
		schema_no_memory(error);
		return false;
	}
	if (proto->client_streaming || proto->server_streaming) {
		return schema_method_fault(method, "streaming methods are not supported", error);
	}
	method->input = schema_types_message(schema->types, proto->input_type, error);
	if (method->input == NULL) {
		return false;
	}
	method->output = schema_types_message(schema->types, proto->output_type, error);
	if (method->output == NULL) {
		return false;
	}
	if (proto->options != NULL) {
		schema_method_level(method, proto->options);
		if (!schema_method_traits(schema, method, proto->options, error)) {
			return false;
		}
	}
	return schema_http_read(method, proto->options, schema->arena, error);
}

static bool
schema_add_service(struct schema *schema, const char *package,
    const Google__Protobuf__ServiceDescriptorProto *proto, struct error *error)
{
	const ProtobufCMessage *options = proto->options == NULL ? NULL : &proto->options->base;
	ProtobufCMessage **errors;
	size_t error_count;
	const char *name;

	name = arena_printf(schema->arena, "%s%s%s", package, package[0] == '\0' ? "" : ".",
	    proto->name == NULL ? "" : proto->name);
	if (name == NULL) {
		schema_no_memory(error);
		return false;
	}
	if (!schema_option_all(options, SCHEMA_OPTION_ERROR,
		&mockvideo__rest__v1__error_rule__descriptor, schema->arena, &errors,
		&error_count)) {
		error_set(error, STATUS_INVALID_ARGUMENT, SCHEMA_REASON,
		    "%s: its option (mockvideo.rest.v1.error) can't be read", name);
		return false;
	}
	for (size_t i = 0; i < proto->n_method; i++) {
		struct schema_method *method = &schema->methods[schema->method_count];

		if (!schema_method_init(schema, method, name, proto->method[i], error)) {
			return false;
		}
		method->errors = (Mockvideo__Rest__V1__ErrorRule **)errors;
		method->error_count = error_count;
		schema->method_count++;
	}
	return true;
}

/* Schema */

static const char *
schema_package(const Google__Protobuf__FileDescriptorProto *file)
{
	return file->package == NULL ? "" : file->package;
}

static bool
schema_wants(const struct schema_options *options, const char *package)
{
	return options->wants == NULL || options->wants(package, options->closure);
}

static enum status_code
schema_add_services(struct schema *schema, const Google__Protobuf__FileDescriptorSet *set,
    const struct schema_options *options, struct error *error)
{
	size_t count = 0;

	for (size_t i = 0; i < set->n_file; i++) {
		for (size_t j = 0; j < set->file[i]->n_service; j++) {
			count += set->file[i]->service[j]->n_method;
		}
	}
	schema->methods = arena_calloc(schema->arena, count, sizeof(*schema->methods));
	if (schema->methods == NULL) {
		return schema_no_memory(error);
	}
	for (size_t i = 0; i < set->n_file; i++) {
		const Google__Protobuf__FileDescriptorProto *file = set->file[i];
		const char *package = schema_package(file);

		if (!schema_wants(options, package)) {
			continue;
		}
		for (size_t j = 0; j < file->n_service; j++) {
			if (!schema_add_service(schema, package, file->service[j], error)) {
				return error->code;
			}
		}
	}
	return STATUS_OK;
}

/* Rules */

ptrdiff_t
schema_selector_package(const char *selector)
{
	const char *method = strrchr(selector, '.');
	const char *service =
	    method == NULL ? NULL : memrchr(selector, '.', (size_t)(method - selector));

	return method == NULL ? -1 : service == NULL ? 0 : service - selector;
}

/* The method that a selector names: "a.B.C" is "a.B/C". */
static struct schema_method *
schema_select(const struct schema *schema, const char *selector)
{
	size_t service_len = (size_t)(strrchr(selector, '.') - selector);

	for (size_t i = 0; i < schema->method_count; i++) {
		const char *name = schema->methods[i].name;

		if (strncmp(name, selector, service_len) == 0 && name[service_len] == '/' &&
		    strcmp(name + service_len + 1, selector + service_len + 1) == 0) {
			return &schema->methods[i];
		}
	}
	return NULL;
}

static bool
schema_add_rule(struct schema *schema, const struct schema_options *options,
    const struct schema_rule *rule, struct error *error)
{
	ptrdiff_t package_len = schema_selector_package(rule->selector);
	struct schema_method *method;
	const char *package;

	package =
	    arena_strndup(schema->arena, rule->selector, package_len < 0 ? 0 : (size_t)package_len);
	if (package == NULL) {
		schema_no_memory(error);
		return false;
	}
	if (package_len >= 0 && !schema_wants(options, package)) {
		return true;
	}
	method = package_len < 0 ? NULL : schema_select(schema, rule->selector);
	if (method == NULL) {
		error_set(error, STATUS_INVALID_ARGUMENT, SCHEMA_REASON,
		    "%s: there is no method %s; a selector names one, as pkg.Service.Method",
		    rule->place, rule->selector);
		return false;
	}
	return schema_http_add(method, rule->http, rule->place, schema->arena, error);
}

static enum status_code
schema_add_rules(struct schema *schema, const struct schema_options *options, struct error *error)
{
	for (size_t i = 0; i < options->rule_count; i++) {
		if (!schema_add_rule(schema, options, &options->rules[i], error)) {
			return error->code;
		}
	}
	return STATUS_OK;
}

static enum status_code
schema_read(struct schema *schema, const uint8_t *bytes, size_t len,
    const struct schema_options *options, struct error *error)
{
	Google__Protobuf__FileDescriptorSet *set;

	set = google__protobuf__file_descriptor_set__unpack(
	    arena_protobuf(schema->arena), len, bytes);
	if (set == NULL || set->n_file == 0) {
		return error_set(error, STATUS_INVALID_ARGUMENT, SCHEMA_REASON,
		    "not a FileDescriptorSet: make one with protoc --descriptor_set_out "
		    "--include_imports");
	}
	schema->types = schema_types_new(set, schema->arena, error);
	if (schema->types == NULL) {
		return error->code;
	}
	if (schema_add_services(schema, set, options, error) != STATUS_OK) {
		return error->code;
	}
	return schema_add_rules(schema, options, error);
}

enum status_code
schema_new(struct schema **result, const uint8_t *set, size_t len,
    const struct schema_options *options, struct error *error)
{
	static const struct schema_options all;
	struct schema *schema = calloc(1, sizeof(*schema));
	enum status_code code;

	*result = NULL;
	if (schema == NULL || (schema->arena = arena_new(0)) == NULL) {
		free(schema);
		return schema_no_memory(error);
	}
	code = schema_read(schema, set, len, options == NULL ? &all : options, error);
	if (code != STATUS_OK) {
		schema_free(&schema);
		return code;
	}
	*result = schema;
	return STATUS_OK;
}

void
schema_free(struct schema **schema)
{
	if (*schema == NULL) {
		return;
	}
	arena_free(&(*schema)->arena);
	free(*schema);
	*schema = NULL;
}

size_t
schema_method_count(const struct schema *schema)
{
	return schema->method_count;
}

const struct schema_method *
schema_method(const struct schema *schema, size_t index)
{
	return &schema->methods[index];
}

const struct schema_method *
schema_find_method(const struct schema *schema, const char *name)
{
	for (size_t i = 0; i < schema->method_count; i++) {
		if (strcmp(schema->methods[i].name, name) == 0) {
			return &schema->methods[i];
		}
	}
	return NULL;
}

const struct schema_message *
schema_find_message(const struct schema *schema, const char *name)
{
	return schema_types_find(schema->types, name);
}

ProtobufCMessage *
schema_message_new(const struct schema_message *type, struct arena *arena)
{
	ProtobufCMessage *message = arena_alloc(arena, type->wire.sizeof_message);

	if (message != NULL) {
		memcpy(message, type->initial, type->wire.sizeof_message);
	}
	return message;
}

static void
schema_unset(const struct schema_message *type, const ProtobufCFieldDescriptor *wire,
    ProtobufCMessage *message)
{
	size_t *count = (size_t *)((char *)message + wire->quantifier_offset);
	uint32_t *which = (uint32_t *)((char *)message + wire->quantifier_offset);
	size_t size = schema_layout_size(wire->type);

	if ((wire->flags & PROTOBUF_C_FIELD_FLAG_ONEOF) != 0) {
		*which = *which == wire->id ? 0 : *which;
		return;
	}
	if (wire->label == PROTOBUF_C_LABEL_REPEATED) {
		*count = 0;
		size = sizeof(void *);
	}
	memcpy((char *)message + wire->offset, (const char *)type->initial + wire->offset, size);
}

void
schema_drop_output_only(const struct schema_message *type, ProtobufCMessage *message)
{
	for (size_t i = 0; i < type->field_count; i++) {
		if (type->fields[i].output_only) {
			schema_unset(type, type->fields[i].wire, message);
		}
	}
}

const struct schema_field *
schema_find_field(const struct schema_message *message, const char *name, size_t len)
{
	for (size_t i = 0; i < message->field_count; i++) {
		const struct schema_field *field = &message->fields[i];

		if (field->json_name_len == len && memcmp(field->json_name, name, len) == 0) {
			return field;
		}
	}
	for (size_t i = 0; i < message->field_count; i++) {
		const char *wire_name = message->fields[i].wire->name;

		if (strncmp(wire_name, name, len) == 0 && wire_name[len] == '\0') {
			return &message->fields[i];
		}
	}
	return NULL;
}

/* What protobuf-c takes for zero when it packs, and leaves out. */
bool
schema_field_is_lost(const struct schema_field *field, const ProtobufCMessage *message)
{
	static const char zero[sizeof(uint64_t)];
	const void *value = (const char *)message + field->wire->offset;

	if ((field->wire->flags & PROTOBUF_C_FIELD_FLAG_ONEOF) != 0 ||
	    field->wire->label == PROTOBUF_C_LABEL_REPEATED) {
		return false;
	}
	switch (field->wire->type) {
	case PROTOBUF_C_TYPE_FLOAT: return *(const float *)value == 0;
	case PROTOBUF_C_TYPE_DOUBLE: return *(const double *)value == 0;
	case PROTOBUF_C_TYPE_STRING: return **(const char *const *)value == '\0';
	case PROTOBUF_C_TYPE_BYTES: return ((const ProtobufCBinaryData *)value)->len == 0;
	case PROTOBUF_C_TYPE_MESSAGE: return *(const void *const *)value == NULL;
	default: return memcmp(value, zero, schema_layout_size(field->wire->type)) == 0;
	}
}

bool
schema_find_path(
    const struct schema_message *message, const char *name, size_t len, struct schema_path *path)
{
	const char *end = name + len;

	for (path->depth = 0; path->depth < SCHEMA_PATH_MAX; name++) {
		const char *dot = memchr(name, '.', (size_t)(end - name));
		const char *stop = dot == NULL ? end : dot;
		const struct schema_field *field =
		    schema_find_field(message, name, (size_t)(stop - name));

		if (field == NULL) {
			return false;
		}
		path->fields[path->depth++] = field;
		if (dot == NULL) {
			return true;
		}
		if (field->wire->type != PROTOBUF_C_TYPE_MESSAGE ||
		    field->wire->label != PROTOBUF_C_LABEL_NONE) {
			return false;
		}
		message = schema_field_message(field);
		name = stop;
	}
	return false;
}

ProtobufCMessage *
schema_path_reach(const struct schema_path *path, ProtobufCMessage *message, struct arena *arena)
{
	for (size_t i = 0; message != NULL && i + 1 < path->depth; i++) {
		ProtobufCMessage **place =
		    (ProtobufCMessage **)((char *)message + path->fields[i]->wire->offset);

		if (*place == NULL) {
			*place = schema_message_new(schema_field_message(path->fields[i]), arena);
		}
		message = *place;
	}
	return message;
}

bool
schema_field_is_map(const struct schema_field *field)
{
	return field->wire->type == PROTOBUF_C_TYPE_MESSAGE &&
	       schema_field_message(field)->map_entry;
}
