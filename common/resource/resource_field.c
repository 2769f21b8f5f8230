/* Fields of messages, by their descriptors. */
#include <string.h>

#include "common/resource/resource_impl.h"

static const void *
resource_field_at(const ProtobufCMessage *row, const ProtobufCFieldDescriptor *field)
{
	return (const char *)row + field->offset;
}

bool
resource_field_is_given(const ProtobufCMessage *row, const ProtobufCFieldDescriptor *field)
{
	uint32_t one;

	if ((field->flags & PROTOBUF_C_FIELD_FLAG_ONEOF) == 0) {
		return true;
	}
	memcpy(&one, (const char *)row + field->quantifier_offset, sizeof(one));
	return one == field->id;
}

bool
resource_type_is_number(ProtobufCType type)
{
	return type != PROTOBUF_C_TYPE_STRING && type != PROTOBUF_C_TYPE_BYTES &&
	       type != PROTOBUF_C_TYPE_MESSAGE && type != PROTOBUF_C_TYPE_DOUBLE &&
	       type != PROTOBUF_C_TYPE_FLOAT;
}

int64_t
resource_field_number(const ProtobufCMessage *row, const ProtobufCFieldDescriptor *field)
{
	const void *at = resource_field_at(row, field);

	switch (field->type) {
	case PROTOBUF_C_TYPE_INT64:
	case PROTOBUF_C_TYPE_SINT64:
	case PROTOBUF_C_TYPE_SFIXED64:
	case PROTOBUF_C_TYPE_UINT64:
	case PROTOBUF_C_TYPE_FIXED64: return *(const int64_t *)at;
	case PROTOBUF_C_TYPE_UINT32:
	case PROTOBUF_C_TYPE_FIXED32: return *(const uint32_t *)at;
	case PROTOBUF_C_TYPE_BOOL: return *(const protobuf_c_boolean *)at != 0;
	default: return *(const int32_t *)at;
	}
}

double
resource_field_real(const ProtobufCMessage *row, const ProtobufCFieldDescriptor *field)
{
	const void *at = resource_field_at(row, field);

	return field->type == PROTOBUF_C_TYPE_FLOAT ? (double)*(const float *)at
						    : *(const double *)at;
}

const char *
resource_field_text(const ProtobufCMessage *row, const ProtobufCFieldDescriptor *field)
{
	const char *text = *(const char *const *)resource_field_at(row, field);

	return text == NULL || !resource_field_is_given(row, field) ? "" : text;
}

static void
resource_field_give(ProtobufCMessage *row, const ProtobufCFieldDescriptor *field)
{
	if ((field->flags & PROTOBUF_C_FIELD_FLAG_ONEOF) != 0) {
		memcpy((char *)row + field->quantifier_offset, &field->id, sizeof(uint32_t));
	}
}

void
resource_field_set_number(
    ProtobufCMessage *row, const ProtobufCFieldDescriptor *field, int64_t number)
{
	void *at = (char *)row + field->offset;

	resource_field_give(row, field);
	switch (field->type) {
	case PROTOBUF_C_TYPE_INT64:
	case PROTOBUF_C_TYPE_SINT64:
	case PROTOBUF_C_TYPE_SFIXED64:
	case PROTOBUF_C_TYPE_UINT64:
	case PROTOBUF_C_TYPE_FIXED64: *(int64_t *)at = number; break;
	case PROTOBUF_C_TYPE_BOOL: *(protobuf_c_boolean *)at = number != 0; break;
	default: *(int32_t *)at = (int32_t)number; break;
	}
}

void
resource_field_set_real(ProtobufCMessage *row, const ProtobufCFieldDescriptor *field, double real)
{
	void *at = (char *)row + field->offset;

	resource_field_give(row, field);
	if (field->type == PROTOBUF_C_TYPE_FLOAT) {
		*(float *)at = (float)real;
	} else {
		*(double *)at = real;
	}
}

void
resource_field_set_text(
    ProtobufCMessage *row, const ProtobufCFieldDescriptor *field, const char *text)
{
	resource_field_give(row, field);
	*(const char **)(void *)((char *)row + field->offset) = text;
}

void
resource_field_set_list(ProtobufCMessage *message, const ProtobufCFieldDescriptor *field,
    ProtobufCMessage **list, size_t count)
{
	memcpy((char *)message + field->quantifier_offset, &count, sizeof(count));
	memcpy((char *)message + field->offset, &list, sizeof(ProtobufCMessage **));
}

bool
resource_field_holds(const ProtobufCFieldDescriptor *field, int64_t number)
{
	switch (field->type) {
	case PROTOBUF_C_TYPE_INT32:
	case PROTOBUF_C_TYPE_SINT32:
	case PROTOBUF_C_TYPE_SFIXED32:
	case PROTOBUF_C_TYPE_ENUM: return number >= INT32_MIN && number <= INT32_MAX;
	case PROTOBUF_C_TYPE_UINT32:
	case PROTOBUF_C_TYPE_FIXED32: return number >= 0 && number <= UINT32_MAX;
	default: return true;
	}
}

ProtobufCMessage *
resource_message_new(const ProtobufCMessageDescriptor *type, struct arena *arena)
{
	ProtobufCMessage *message = arena_alloc(arena, type->sizeof_message);

	if (message != NULL) {
		protobuf_c_message_init(type, message);
	}
	return message;
}
