#include "common/schema/schema_layout.h"

#include <stdlib.h>
#include <string.h>

#include "common/base/arena.h"

#define SCHEMA_ALIGN sizeof(uint64_t)

bool
schema_layout_packable(ProtobufCType type)
{
	return type != PROTOBUF_C_TYPE_STRING && type != PROTOBUF_C_TYPE_BYTES &&
	       type != PROTOBUF_C_TYPE_MESSAGE;
}

size_t
schema_layout_size(ProtobufCType type)
{
	switch (type) {
	case PROTOBUF_C_TYPE_INT32:
	case PROTOBUF_C_TYPE_SINT32:
	case PROTOBUF_C_TYPE_SFIXED32:
	case PROTOBUF_C_TYPE_UINT32:
	case PROTOBUF_C_TYPE_FIXED32:
	case PROTOBUF_C_TYPE_ENUM: return sizeof(uint32_t);
	case PROTOBUF_C_TYPE_INT64:
	case PROTOBUF_C_TYPE_SINT64:
	case PROTOBUF_C_TYPE_SFIXED64:
	case PROTOBUF_C_TYPE_UINT64:
	case PROTOBUF_C_TYPE_FIXED64: return sizeof(uint64_t);
	case PROTOBUF_C_TYPE_FLOAT: return sizeof(float);
	case PROTOBUF_C_TYPE_DOUBLE: return sizeof(double);
	case PROTOBUF_C_TYPE_BOOL: return sizeof(protobuf_c_boolean);
	case PROTOBUF_C_TYPE_BYTES: return sizeof(ProtobufCBinaryData);
	case PROTOBUF_C_TYPE_STRING:
	case PROTOBUF_C_TYPE_MESSAGE: break;
	}
	return sizeof(void *);
}

static size_t
schema_layout_round(size_t size)
{
	return (size + SCHEMA_ALIGN - 1) / SCHEMA_ALIGN * SCHEMA_ALIGN;
}

static bool
schema_layout_in_oneof(const ProtobufCFieldDescriptor *wire)
{
	return (wire->flags & PROTOBUF_C_FIELD_FLAG_ONEOF) != 0;
}

/* What needs the larger alignment comes first, so that there are no holes. */
static void
schema_layout_large(ProtobufCFieldDescriptor *wires, size_t count, size_t *size)
{
	for (size_t i = 0; i < count; i++) {
		if (wires[i].label == PROTOBUF_C_LABEL_REPEATED) {
			wires[i].quantifier_offset = (unsigned)*size;
			wires[i].offset = (unsigned)(*size + sizeof(size_t));
			*size += sizeof(size_t) + sizeof(void *);
		} else if (!schema_layout_in_oneof(&wires[i]) &&
			   schema_layout_size(wires[i].type) >= SCHEMA_ALIGN) {
			wires[i].offset = (unsigned)*size;
			*size += schema_layout_size(wires[i].type);
		}
	}
}

static void
schema_layout_small(ProtobufCFieldDescriptor *wires, size_t count, size_t *size)
{
	for (size_t i = 0; i < count; i++) {
		if (wires[i].label != PROTOBUF_C_LABEL_REPEATED &&
		    !schema_layout_in_oneof(&wires[i]) &&
		    schema_layout_size(wires[i].type) < SCHEMA_ALIGN) {
			wires[i].offset = (unsigned)*size;
			*size += schema_layout_size(wires[i].type);
		}
	}
}

/* A oneof is a place for its largest member, and the number of the one that is set. */
static void
schema_layout_oneof(ProtobufCFieldDescriptor *wires, const Google__Protobuf__DescriptorProto *proto,
    int32_t index, size_t *size)
{
	unsigned offset = (unsigned)*size;
	size_t largest = SCHEMA_ALIGN;

	for (size_t i = 0; i < proto->n_field; i++) {
		if (schema_layout_in_oneof(&wires[i]) && proto->field[i]->oneof_index == index &&
		    schema_layout_size(wires[i].type) > largest) {
			largest = schema_layout_size(wires[i].type);
		}
	}
	for (size_t i = 0; i < proto->n_field; i++) {
		if (schema_layout_in_oneof(&wires[i]) && proto->field[i]->oneof_index == index) {
			wires[i].offset = offset;
			wires[i].quantifier_offset = (unsigned)(offset + largest);
		}
	}
	*size += largest + SCHEMA_ALIGN;
}

static int
schema_layout_compare_numbers(const void *a, const void *b)
{
	const ProtobufCFieldDescriptor *left = a;
	const ProtobufCFieldDescriptor *right = b;

	return left->id < right->id ? -1 : left->id > right->id;
}

static void
schema_layout_sort(
    struct schema_field *fields, ProtobufCFieldDescriptor *wires, const uint32_t *ids, size_t count)
{
	if (count == 0) {
		return;
	}
	qsort(wires, count, sizeof(*wires), schema_layout_compare_numbers);
	for (size_t i = 0; i < count; i++) {
		ProtobufCFieldDescriptor key = {.id = ids[i]};

		fields[i].wire =
		    bsearch(&key, wires, count, sizeof(*wires), schema_layout_compare_numbers);
	}
}

struct schema_layout_name {
	const char *name;
	unsigned index;
};

static int
schema_layout_compare_names(const void *a, const void *b)
{
	return strcmp(((const struct schema_layout_name *)a)->name,
	    ((const struct schema_layout_name *)b)->name);
}

static unsigned *
schema_layout_by_name(const ProtobufCFieldDescriptor *wires, size_t count, struct arena *arena)
{
	struct schema_layout_name *names = arena_calloc(arena, count + 1, sizeof(*names));
	unsigned *indexes = arena_calloc(arena, count + 1, sizeof(*indexes));

	if (names == NULL || indexes == NULL) {
		return NULL;
	}
	for (size_t i = 0; i < count; i++) {
		names[i] = (struct schema_layout_name){wires[i].name, (unsigned)i};
	}
	qsort(names, count, sizeof(*names), schema_layout_compare_names);
	for (size_t i = 0; i < count; i++) {
		indexes[i] = names[i].index;
	}
	return indexes;
}

/* Runs of consecutive numbers, with a last one that is the end. */
static ProtobufCIntRange *
schema_layout_ranges(const int *numbers, size_t count, unsigned *range_count, struct arena *arena)
{
	ProtobufCIntRange *ranges = arena_calloc(arena, count + 1, sizeof(*ranges));
	unsigned n = 0;

	if (ranges == NULL) {
		return NULL;
	}
	for (size_t i = 0; i < count; i++) {
		if (i == 0 || (int64_t)numbers[i] != (int64_t)numbers[i - 1] + 1) {
			ranges[n++] = (ProtobufCIntRange){numbers[i], (unsigned)i};
		}
	}
	ranges[n].orig_index = (unsigned)count;
	*range_count = n;
	return ranges;
}

/* The members that protobuf-c looks fields up by; wires are sorted by number. */
static bool
schema_layout_tables(ProtobufCMessageDescriptor *wire, const ProtobufCFieldDescriptor *wires,
    size_t count, struct arena *arena)
{
	int *numbers = arena_calloc(arena, count, sizeof(*numbers));

	if (numbers == NULL) {
		return false;
	}
	for (size_t i = 0; i < count; i++) {
		numbers[i] = (int)wires[i].id;
	}
	wire->magic = PROTOBUF_C__MESSAGE_DESCRIPTOR_MAGIC;
	wire->short_name = wire->name;
	wire->c_name = wire->name;
	wire->package_name = "";
	wire->n_fields = (unsigned)count;
	wire->fields = wires;
	wire->fields_sorted_by_name = schema_layout_by_name(wires, count, arena);
	wire->field_ranges = schema_layout_ranges(numbers, count, &wire->n_field_ranges, arena);
	return wire->fields_sorted_by_name != NULL && wire->field_ranges != NULL;
}

static ProtobufCMessage *
schema_layout_initial(const ProtobufCMessageDescriptor *wire, struct arena *arena)
{
	char *initial = arena_calloc(arena, 1, wire->sizeof_message);

	if (initial == NULL) {
		return NULL;
	}
	((ProtobufCMessage *)initial)->descriptor = wire;
	for (unsigned i = 0; i < wire->n_fields; i++) {
		if (wire->fields[i].default_value != NULL) {
			*(const void **)(initial + wire->fields[i].offset) =
			    wire->fields[i].default_value;
		}
	}
	return (ProtobufCMessage *)initial;
}

bool
schema_layout_message(struct schema_message *message, struct schema_field *fields,
    ProtobufCFieldDescriptor *wires, const Google__Protobuf__DescriptorProto *proto,
    struct arena *arena)
{
	size_t count = proto->n_field;
	size_t size = schema_layout_round(sizeof(ProtobufCMessage));
	uint32_t *ids = arena_calloc(arena, count, sizeof(*ids));

	if (ids == NULL) {
		return false;
	}
	for (size_t i = 0; i < count; i++) {
		ids[i] = wires[i].id;
	}
	schema_layout_large(wires, count, &size);
	for (size_t i = 0; i < proto->n_oneof_decl; i++) {
		schema_layout_oneof(wires, proto, (int32_t)i, &size);
	}
	schema_layout_small(wires, count, &size);
	message->wire.sizeof_message = schema_layout_round(size);
	schema_layout_sort(fields, wires, ids, count);
	if (!schema_layout_tables(&message->wire, wires, count, arena)) {
		return false;
	}
	message->initial = schema_layout_initial(&message->wire, arena);
	return message->initial != NULL;
}

static int
schema_layout_compare_values(const void *a, const void *b)
{
	const ProtobufCEnumValue *left = a;
	const ProtobufCEnumValue *right = b;

	return left->value < right->value ? -1 : left->value > right->value;
}

static int
schema_layout_compare_value_names(const void *a, const void *b)
{
	return strcmp(
	    ((const ProtobufCEnumValueIndex *)a)->name, ((const ProtobufCEnumValueIndex *)b)->name);
}

/* Aliases keep their names but share the first value of their number. */
static bool
schema_layout_enum_names(
    ProtobufCEnumDescriptor *wire, ProtobufCEnumValue *values, size_t count, struct arena *arena)
{
	ProtobufCEnumValueIndex *names = arena_calloc(arena, count, sizeof(*names));
	int *numbers = arena_calloc(arena, count, sizeof(*numbers));
	unsigned distinct = 0;

	if (names == NULL || numbers == NULL) {
		return false;
	}
	for (size_t i = 0; i < count; i++) {
		names[i].name = values[i].name;
		if (distinct == 0 || values[distinct - 1].value != values[i].value) {
			values[distinct] = values[i];
			numbers[distinct++] = values[i].value;
		}
		names[i].index = distinct - 1;
	}
	qsort(names, count, sizeof(*names), schema_layout_compare_value_names);
	wire->values = values;
	wire->n_values = distinct;
	wire->values_by_name = names;
	wire->n_value_names = (unsigned)count;
	wire->value_ranges = schema_layout_ranges(numbers, distinct, &wire->n_value_ranges, arena);
	return wire->value_ranges != NULL;
}

ProtobufCEnumDescriptor *
schema_layout_enum(
    const Google__Protobuf__EnumDescriptorProto *proto, const char *name, struct arena *arena)
{
	ProtobufCEnumDescriptor *wire = arena_calloc(arena, 1, sizeof(*wire));
	ProtobufCEnumValue *values = arena_calloc(arena, proto->n_value, sizeof(*values));

	if (wire == NULL || values == NULL || proto->n_value == 0) {
		return NULL;
	}
	for (size_t i = 0; i < proto->n_value; i++) {
		if (proto->value[i]->name == NULL) {
			return NULL;
		}
		values[i].name = proto->value[i]->name;
		values[i].c_name = proto->value[i]->name;
		values[i].value = proto->value[i]->number;
	}
	qsort(values, proto->n_value, sizeof(*values), schema_layout_compare_values);
	wire->magic = PROTOBUF_C__ENUM_DESCRIPTOR_MAGIC;
	wire->name = name;
	wire->short_name = name;
	wire->c_name = name;
	wire->package_name = "";
	return schema_layout_enum_names(wire, values, proto->n_value, arena) ? wire : NULL;
}
