#include "common/rpc/wire/rpc_text.h"

#include <stdbool.h>

#include "common/utf8.h"

struct rpc_text_span {
	const uint8_t *data;
	size_t len;
};

static bool
rpc_text_is_clean(struct rpc_text_span text)
{
	while (text.len > 0) {
		size_t sequence = *text.data == 0 ? 0 : utf8_sequence_len(text.data, text.len);

		if (sequence == 0) {
			return false;
		}
		text.data += sequence;
		text.len -= sequence;
	}
	return true;
}

static bool
rpc_text_take(struct rpc_text_span *rest, uint64_t len, struct rpc_text_span *taken)
{
	if (len > rest->len) {
		return false;
	}
	*taken = (struct rpc_text_span){rest->data, (size_t)len};
	rest->data += len;
	rest->len -= (size_t)len;
	return true;
}

static bool
rpc_text_take_varint(struct rpc_text_span *rest, uint64_t *value)
{
	struct rpc_text_span byte;

	*value = 0;
	for (unsigned shift = 0; shift < 64 && rpc_text_take(rest, 1, &byte); shift += 7) {
		*value |= (uint64_t)(*byte.data & 0x7f) << shift;
		if (*byte.data < 0x80) {
			return true;
		}
	}
	return false;
}

/* Takes a field. Its bytes are empty unless its length was said before them. */
static bool
rpc_text_take_field(struct rpc_text_span *rest, uint64_t *number, struct rpc_text_span *bytes)
{
	struct rpc_text_span skipped;
	uint64_t value;
	uint64_t tag;

	*bytes = (struct rpc_text_span){NULL, 0};
	if (!rpc_text_take_varint(rest, &tag)) {
		return false;
	}
	*number = tag >> 3;
	switch (tag & 7) {
	case PROTOBUF_C_WIRE_TYPE_VARINT: return rpc_text_take_varint(rest, &value);
	case PROTOBUF_C_WIRE_TYPE_64BIT: return rpc_text_take(rest, 8, &skipped);
	case PROTOBUF_C_WIRE_TYPE_32BIT: return rpc_text_take(rest, 4, &skipped);
	case PROTOBUF_C_WIRE_TYPE_LENGTH_PREFIXED:
		return rpc_text_take_varint(rest, &value) && rpc_text_take(rest, value, bytes);
	default: return false;
	}
}

const ProtobufCFieldDescriptor *
rpc_text_fault(const ProtobufCMessageDescriptor *type, const uint8_t *data, size_t len)
{
	struct rpc_text_span rest = {data, len};
	const ProtobufCFieldDescriptor *fault = NULL;
	struct rpc_text_span bytes;
	uint64_t number;

	while (fault == NULL && rest.len > 0 && rpc_text_take_field(&rest, &number, &bytes)) {
		const ProtobufCFieldDescriptor *field =
		    protobuf_c_message_descriptor_get_field(type, (unsigned)number);

		if (field == NULL || bytes.len == 0) {
			continue;
		}
		if (field->type == PROTOBUF_C_TYPE_STRING && !rpc_text_is_clean(bytes)) {
			fault = field;
		} else if (field->type == PROTOBUF_C_TYPE_MESSAGE) {
			fault = rpc_text_fault(field->descriptor, bytes.data, bytes.len);
		}
	}
	return fault;
}
