#include "common/schema/schema_option.h"

#include <string.h>

#include "common/base/arena.h"

/* protobuf-c keeps an unknown field with its length before it. */
static bool
schema_option_payload(const ProtobufCMessageUnknownField *field, const uint8_t **data, size_t *len)
{
	size_t prefix = 0;

	if (field->wire_type != PROTOBUF_C_WIRE_TYPE_LENGTH_PREFIXED) {
		return false;
	}
	while (prefix < field->len && (field->data[prefix] & 0x80) != 0) {
		prefix++;
	}
	if (prefix == field->len) {
		return false;
	}
	*data = field->data + prefix + 1;
	*len = field->len - prefix - 1;
	return true;
}

bool
schema_option_all(const ProtobufCMessage *options, unsigned number,
    const ProtobufCMessageDescriptor *type, struct arena *arena, ProtobufCMessage ***values,
    size_t *count)
{
	*values = NULL;
	*count = 0;
	if (options == NULL || options->n_unknown_fields == 0) {
		return true;
	}
	*values = arena_calloc(arena, options->n_unknown_fields, sizeof(**values));
	if (*values == NULL) {
		return false;
	}
	for (unsigned i = 0; i < options->n_unknown_fields; i++) {
		const uint8_t *data;
		size_t len;

		if (options->unknown_fields[i].tag != number) {
			continue;
		}
		if (!schema_option_payload(&options->unknown_fields[i], &data, &len)) {
			return false;
		}
		(*values)[*count] =
		    protobuf_c_message_unpack(type, arena_protobuf(arena), len, data);
		if ((*values)[(*count)++] == NULL) {
			return false;
		}
	}
	return true;
}

bool
schema_option_one(const ProtobufCMessage *options, unsigned number,
    const ProtobufCMessageDescriptor *type, struct arena *arena, ProtobufCMessage **value)
{
	uint8_t *merged = NULL;
	size_t merged_len = 0;

	*value = NULL;
	for (unsigned i = 0; options != NULL && i < options->n_unknown_fields; i++) {
		const uint8_t *data;
		uint8_t *longer;
		size_t len;

		if (options->unknown_fields[i].tag != number) {
			continue;
		}
		if (!schema_option_payload(&options->unknown_fields[i], &data, &len) ||
		    (longer = arena_alloc(arena, merged_len + len)) == NULL) {
			return false;
		}
		if (merged_len > 0) {
			memcpy(longer, merged, merged_len);
		}
		memcpy(longer + merged_len, data, len);
		merged = longer;
		merged_len += len;
	}
	if (merged == NULL) {
		return true;
	}
	*value = protobuf_c_message_unpack(type, arena_protobuf(arena), merged_len, merged);
	return *value != NULL;
}

/* Takes a varint off the bytes. False when there is none. */
static bool
schema_option_varint(const uint8_t **data, size_t *len, uint64_t *value)
{
	*value = 0;
	for (size_t i = 0; i < *len && i < 10; i++) {
		*value |= (uint64_t)((*data)[i] & 0x7f) << (7 * i);
		if ((*data)[i] < 0x80) {
			*data += i + 1;
			*len -= i + 1;
			return true;
		}
	}
	return false;
}

bool
schema_option_has(const ProtobufCMessage *options, unsigned number, unsigned value, bool *well)
{
	bool has = false;

	*well = true;
	for (unsigned i = 0; options != NULL && i < options->n_unknown_fields; i++) {
		const ProtobufCMessageUnknownField *field = &options->unknown_fields[i];
		const uint8_t *data = field->data;
		size_t len = field->len;
		uint64_t found;

		if (field->tag != number) {
			continue;
		}
		if (field->wire_type != PROTOBUF_C_WIRE_TYPE_VARINT &&
		    !schema_option_payload(field, &data, &len)) {
			*well = false;
		}
		while (*well && len > 0) {
			*well = schema_option_varint(&data, &len, &found);
			has = has || (*well && found == value);
		}
	}
	return has && *well;
}
