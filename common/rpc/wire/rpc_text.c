#include "common/rpc/wire/rpc_text.h"

#include "common/base/utf8.h"

bool
rpc_text_check(const ProtobufCMessageDescriptor *type, struct rpc_span packed,
    const ProtobufCFieldDescriptor **fault)
{
	struct rpc_field field;
	enum rpc_step step;

	*fault = NULL;
	while ((step = rpc_wire_next(&packed, &field)) == RPC_STEP_FOUND) {
		const ProtobufCFieldDescriptor *known =
		    field.type == RPC_WIRE_BYTES
			? protobuf_c_message_descriptor_get_field(type, field.number)
			: NULL;

		if (known == NULL) {
			continue;
		}
		if (known->type == PROTOBUF_C_TYPE_STRING &&
		    !utf8_is_text(field.bytes.data, field.bytes.len)) {
			*fault = known;
			return false;
		}
		if (known->type == PROTOBUF_C_TYPE_MESSAGE &&
		    !rpc_text_check(known->descriptor, field.bytes, fault)) {
			return false;
		}
	}
	return step == RPC_STEP_END;
}
