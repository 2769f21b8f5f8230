#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#include "common/base/arena.h"
#include "common/schema/schema_option.h"
#include "google/api/field_behavior.pb-c.h"
#include "tools/mvctl/mvctl_catalog.h"
#include "tools/mvctl/mvctl_commands.h"
#include "tools/mvctl/mvctl_options.h"
#include "tools/mvctl/mvctl_remote.h"
#include "tools/mvctl/mvctl_report.h"
#include "tools/mvctl/mvctl_rule.h"

/* What is printed, and from what. */
struct mvctl_describing {
	const struct mvctl_catalog *catalog;
	struct arena *arena;
};

static void mvctl_describe_message(const struct mvctl_describing *describing,
    const Google__Protobuf__DescriptorProto *message, const char *name,
    const struct mvctl_place *place, int depth);

/* A peer may leave out what protoc would not. */
static const char *
mvctl_text(const char *text)
{
	return text == NULL ? "?" : text;
}

static void
mvctl_describe_comment(const struct mvctl_place *place, int depth)
{
	const char *comment = mvctl_place_comment(place);

	while (*comment != '\0') {
		size_t len = strcspn(comment, "\n");

		mvctl_rule_indent(depth);
		fputs("//", stdout);
		mvctl_print_chars(stdout, comment, len);
		putchar('\n');
		comment += len + (comment[len] == '\n');
	}
}

/* Enums */

static void
mvctl_describe_enum(const Google__Protobuf__EnumDescriptorProto *proto, const char *name,
    const struct mvctl_place *place, int depth)
{
	mvctl_describe_comment(place, depth);
	mvctl_rule_indent(depth);
	fputs("enum ", stdout);
	mvctl_print(stdout, name);
	fputs(" {\n", stdout);
	for (size_t i = 0; i < proto->n_value; i++) {
		const struct mvctl_place value = mvctl_place_within(place, MVCTL_TAG_ENUM_VALUE, i);

		mvctl_describe_comment(&value, depth + 1);
		mvctl_rule_indent(depth + 1);
		mvctl_print(stdout, mvctl_text(proto->value[i]->name));
		printf(" = %d;\n", (int)proto->value[i]->number);
	}
	mvctl_rule_indent(depth);
	puts("}");
}

/* Fields */

static const char *
mvctl_scalar_name(int type)
{
	static const char *const names[] = {
#define MVCTL_SCALAR(name, text)                                                                   \
	[GOOGLE__PROTOBUF__FIELD_DESCRIPTOR_PROTO__TYPE__TYPE_##name] = text
	    MVCTL_SCALAR(DOUBLE, "double"), MVCTL_SCALAR(FLOAT, "float"),
	    MVCTL_SCALAR(INT64, "int64"), MVCTL_SCALAR(UINT64, "uint64"),
	    MVCTL_SCALAR(INT32, "int32"), MVCTL_SCALAR(FIXED64, "fixed64"),
	    MVCTL_SCALAR(FIXED32, "fixed32"), MVCTL_SCALAR(BOOL, "bool"),
	    MVCTL_SCALAR(STRING, "string"), MVCTL_SCALAR(BYTES, "bytes"),
	    MVCTL_SCALAR(UINT32, "uint32"), MVCTL_SCALAR(SFIXED32, "sfixed32"),
	    MVCTL_SCALAR(SFIXED64, "sfixed64"), MVCTL_SCALAR(SINT32, "sint32"),
	    MVCTL_SCALAR(SINT64, "sint64")
#undef MVCTL_SCALAR
	};
	const int count = (int)(sizeof(names) / sizeof(names[0]));

	return type < 0 || type >= count || names[type] == NULL ? "?" : names[type];
}

/* The name of a type as describe takes it, without the dot before. */
static const char *
mvctl_type_name(const Google__Protobuf__FieldDescriptorProto *field)
{
	if (field->type_name == NULL) {
		return mvctl_scalar_name((int)field->type);
	}
	return field->type_name + (field->type_name[0] == '.');
}

/* The entries of a map as a message, or NULL when the field is none. */
static const Google__Protobuf__DescriptorProto *
mvctl_map_entry(
    const struct mvctl_describing *describing, const Google__Protobuf__FieldDescriptorProto *field)
{
	const struct mvctl_symbol *symbol =
	    field->type_name == NULL
		? NULL
		: mvctl_catalog_find(describing->catalog, MVCTL_MESSAGE, mvctl_type_name(field));
	const Google__Protobuf__DescriptorProto *entry = symbol == NULL ? NULL : symbol->message;

	return entry != NULL && entry->options != NULL && entry->options->map_entry &&
		       entry->n_field == 2
		   ? entry
		   : NULL;
}

/* Whether JSON knows a field by a name that does not follow from its own. */
static bool
mvctl_has_json_name(const Google__Protobuf__FieldDescriptorProto *field)
{
	const char *json = field->json_name;
	bool upper = false;

	if (json == NULL) {
		return false;
	}
	for (const char *name = mvctl_text(field->name); *name != '\0'; name++) {
		if (*name == '_') {
			upper = true;
			continue;
		}
		if (*json++ !=
		    (upper && *name >= 'a' && *name <= 'z' ? *name - 'a' + 'A' : *name)) {
			return true;
		}
		upper = false;
	}
	return *json != '\0';
}

static void
mvctl_describe_field_options(
    const struct mvctl_describing *describing, const Google__Protobuf__FieldDescriptorProto *field)
{
	const ProtobufCMessage *options = field->options == NULL ? NULL : &field->options->base;
	const char *separator = " [";
	ProtobufCMessage *value = NULL;
	const Mockvideo__Rest__V1__FieldRule *rule;

	if (mvctl_has_json_name(field)) {
		printf("%sjson_name = ", separator);
		mvctl_rule_string(field->json_name);
		separator = ", ";
	}
	schema_option_one(options, SCHEMA_OPTION_FIELD,
	    &mockvideo__rest__v1__field_rule__descriptor, describing->arena, &value);
	rule = (const Mockvideo__Rest__V1__FieldRule *)value;
	for (size_t i = 0; i < google__api__field_behavior__descriptor.n_values; i++) {
		const ProtobufCEnumValue *behavior =
		    &google__api__field_behavior__descriptor.values[i];
		bool well;

		if (schema_option_has(
			options, SCHEMA_OPTION_BEHAVIOR, (unsigned)behavior->value, &well)) {
			printf("%s(google.api.field_behavior) = %s", separator, behavior->name);
			separator = ", ";
		}
	}
	if (rule != NULL && rule->template_[0] != '\0') {
		printf("%s(mockvideo.rest.v1.field).template = ", separator);
		mvctl_rule_string(rule->template_);
		separator = ", ";
	}
	fputs(separator[0] == ',' ? "];\n" : ";\n", stdout);
}

static void
mvctl_describe_field(const struct mvctl_describing *describing,
    const Google__Protobuf__FieldDescriptorProto *field, const struct mvctl_place *place, int depth)
{
	const Google__Protobuf__DescriptorProto *entry = mvctl_map_entry(describing, field);

	mvctl_describe_comment(place, depth);
	mvctl_rule_indent(depth);
	if (entry != NULL) {
		printf("map<%s, ", mvctl_type_name(entry->field[0]));
		mvctl_print(stdout, mvctl_type_name(entry->field[1]));
		putchar('>');
	} else {
		fputs(
		    field->label == GOOGLE__PROTOBUF__FIELD_DESCRIPTOR_PROTO__LABEL__LABEL_REPEATED
			? "repeated "
		    : field->proto3_optional ? "optional "
					     : "",
		    stdout);
		mvctl_print(stdout, mvctl_type_name(field));
	}
	putchar(' ');
	mvctl_print(stdout, mvctl_text(field->name));
	printf(" = %d", (int)field->number);
	mvctl_describe_field_options(describing, field);
}

/* Messages */

/* Whether the field is in a oneof that the .proto has, and in which. */
static bool
mvctl_in_oneof(const Google__Protobuf__DescriptorProto *message,
    const Google__Protobuf__FieldDescriptorProto *field, size_t *index)
{
	*index = (size_t)field->oneof_index;
	return field->has_oneof_index && !field->proto3_optional && *index < message->n_oneof_decl;
}

static void
mvctl_describe_fields(const struct mvctl_describing *describing,
    const Google__Protobuf__DescriptorProto *message, const struct mvctl_place *place, int depth)
{
	bool open = false; /* a oneof is, of that index */
	size_t index = 0;

	for (size_t i = 0; i < message->n_field; i++) {
		const struct mvctl_place at = mvctl_place_within(place, MVCTL_TAG_MESSAGE_FIELD, i);
		size_t oneof;
		bool inside = mvctl_in_oneof(message, message->field[i], &oneof);

		if (open && (!inside || oneof != index)) {
			mvctl_rule_indent(depth);
			puts("}");
			open = false;
		}
		if (inside && !open) {
			mvctl_rule_indent(depth);
			fputs("oneof ", stdout);
			mvctl_print(stdout, mvctl_text(message->oneof_decl[oneof]->name));
			puts(" {");
			open = true;
			index = oneof;
		}
		mvctl_describe_field(describing, message->field[i], &at, depth + open);
	}
	if (open) {
		mvctl_rule_indent(depth);
		puts("}");
	}
}

/* The types in a message, but for the entries of its maps. */
static void
mvctl_describe_nested(const struct mvctl_describing *describing,
    const Google__Protobuf__DescriptorProto *message, const struct mvctl_place *place, int depth)
{
	for (size_t i = 0; i < message->n_enum_type; i++) {
		const struct mvctl_place at = mvctl_place_within(place, MVCTL_TAG_MESSAGE_ENUM, i);

		mvctl_describe_enum(
		    message->enum_type[i], mvctl_text(message->enum_type[i]->name), &at, depth);
	}
	for (size_t i = 0; i < message->n_nested_type; i++) {
		const Google__Protobuf__DescriptorProto *nested = message->nested_type[i];
		const struct mvctl_place at =
		    mvctl_place_within(place, MVCTL_TAG_MESSAGE_NESTED, i);

		if (nested->options == NULL || !nested->options->map_entry) {
			mvctl_describe_message(
			    describing, nested, mvctl_text(nested->name), &at, depth);
		}
	}
}

static void
mvctl_describe_message(const struct mvctl_describing *describing,
    const Google__Protobuf__DescriptorProto *message, const char *name,
    const struct mvctl_place *place, int depth)
{
	mvctl_describe_comment(place, depth);
	mvctl_rule_indent(depth);
	fputs("message ", stdout);
	mvctl_print(stdout, name);
	puts(" {");
	mvctl_describe_nested(describing, message, place, depth + 1);
	mvctl_describe_fields(describing, message, place, depth + 1);
	mvctl_rule_indent(depth);
	puts("}");
}

/* Services */

static void
mvctl_describe_method_options(const struct mvctl_describing *describing,
    const Google__Protobuf__MethodOptions *options, int depth)
{
	const ProtobufCEnumValue *level = protobuf_c_enum_descriptor_get_value(
	    &google__protobuf__method_options__idempotency_level__descriptor,
	    (int)options->idempotency_level);
	ProtobufCMessage *http = NULL;
	ProtobufCMessage *rule = NULL;
	ProtobufCMessage *traits = NULL;

	if (options->has_idempotency_level && level != NULL) {
		mvctl_rule_indent(depth);
		printf("option idempotency_level = %s;\n", level->name);
	}
	if (schema_option_one(&options->base, SCHEMA_OPTION_TRAITS,
		&mockvideo__method__v1__method_traits__descriptor, describing->arena, &traits) &&
	    traits != NULL) {
		mvctl_rule_traits((const Mockvideo__Method__V1__MethodTraits *)traits, depth);
	}
	if (schema_option_one(&options->base, SCHEMA_OPTION_HTTP,
		&google__api__http_rule__descriptor, describing->arena, &http) &&
	    http != NULL) {
		mvctl_rule_http((const Google__Api__HttpRule *)http, depth);
	}
	if (schema_option_one(&options->base, SCHEMA_OPTION_METHOD,
		&mockvideo__rest__v1__method_rule__descriptor, describing->arena, &rule) &&
	    rule != NULL && ((const Mockvideo__Rest__V1__MethodRule *)rule)->when != NULL) {
		mvctl_rule_when(((const Mockvideo__Rest__V1__MethodRule *)rule)->when, depth);
	}
}

/* A type of a method, without the dot before. */
static const char *
mvctl_method_type(const char *type)
{
	return type == NULL ? "?" : type + (type[0] == '.');
}

static void
mvctl_describe_method(const struct mvctl_describing *describing,
    const Google__Protobuf__MethodDescriptorProto *method, const char *name,
    const struct mvctl_place *place, int depth)
{
	mvctl_describe_comment(place, depth);
	mvctl_rule_indent(depth);
	fputs("rpc ", stdout);
	mvctl_print(stdout, name);
	fputs(method->client_streaming ? "(stream " : "(", stdout);
	mvctl_print(stdout, mvctl_method_type(method->input_type));
	fputs(method->server_streaming ? ") returns (stream " : ") returns (", stdout);
	mvctl_print(stdout, mvctl_method_type(method->output_type));
	if (method->options == NULL) {
		puts(");");
		return;
	}
	puts(") {");
	mvctl_describe_method_options(describing, method->options, depth + 1);
	mvctl_rule_indent(depth);
	puts("}");
}

static void
mvctl_describe_service(const struct mvctl_describing *describing, const struct mvctl_symbol *symbol)
{
	mvctl_describe_comment(&symbol->place, 0);
	fputs("service ", stdout);
	mvctl_print(stdout, symbol->name);
	puts(" {");
	for (size_t i = 0; i < symbol->service->n_method; i++) {
		const Google__Protobuf__MethodDescriptorProto *method = symbol->service->method[i];
		const struct mvctl_place at =
		    mvctl_place_within(&symbol->place, MVCTL_TAG_SERVICE_METHOD, i);

		mvctl_describe_method(describing, method, mvctl_text(method->name), &at, 1);
	}
	puts("}");
}

/* The message that a method takes or gives, after the method itself. */
static void
mvctl_describe_part(const struct mvctl_describing *describing, const char *type)
{
	const struct mvctl_symbol *symbol =
	    mvctl_catalog_find(describing->catalog, MVCTL_MESSAGE, mvctl_method_type(type));

	if (symbol != NULL) {
		putchar('\n');
		mvctl_describe_message(
		    describing, symbol->message, symbol->name, &symbol->place, 0);
	}
}

static void
mvctl_describe_symbol(const struct mvctl_describing *describing, const struct mvctl_symbol *symbol)
{
	switch (symbol->kind) {
	case MVCTL_SERVICE: mvctl_describe_service(describing, symbol); break;
	case MVCTL_METHOD:
		mvctl_describe_method(describing, symbol->method, symbol->name, &symbol->place, 0);
		mvctl_describe_part(describing, symbol->method->input_type);
		mvctl_describe_part(describing, symbol->method->output_type);
		break;
	case MVCTL_MESSAGE:
		mvctl_describe_message(
		    describing, symbol->message, symbol->name, &symbol->place, 0);
		break;
	case MVCTL_ENUM:
		mvctl_describe_enum(symbol->enumeration, symbol->name, &symbol->place, 0);
		break;
	case MVCTL_ANY: break;
	}
}

int
mvctl_describe(const struct mvctl_options *options)
{
	const struct mvctl_symbol *symbol;
	struct mvctl_catalog catalog;
	struct mvctl_remote remote;
	int status = mvctl_remote_open(&remote, options);

	if (status == MVCTL_EXIT_OK) {
		status = mvctl_catalog_make(&catalog, &remote);
	}
	if (status == MVCTL_EXIT_OK) {
		const struct mvctl_describing describing = {&catalog, remote.arena};

		symbol = mvctl_catalog_find(&catalog, MVCTL_ANY, options->operands[0]);
		if (symbol != NULL) {
			mvctl_describe_symbol(&describing, symbol);
		} else {
			mvctl_catalog_tell_unknown(&catalog, MVCTL_ANY, options->operands[0]);
			status = STATUS_NOT_FOUND;
		}
	}
	mvctl_remote_close(&remote);
	return status;
}
