#include "common/rpc/wire/rpc_wire.h"

#include <stdbool.h>
#include <string.h>

#define RPC_WIRE_NUMBER_MAX 10

static bool
rpc_wire_take(struct rpc_span *rest, uint64_t len, struct rpc_span *taken)
{
	if (len > rest->len) {
		return false;
	}
	*taken = (struct rpc_span){rest->data, (size_t)len};
	rest->data += len;
	rest->len -= (size_t)len;
	return true;
}

static bool
rpc_wire_take_number(struct rpc_span *rest, uint64_t *value)
{
	*value = 0;
	for (size_t i = 0; i < RPC_WIRE_NUMBER_MAX && i < rest->len; i++) {
		*value |= (uint64_t)(rest->data[i] & 0x7f) << (7 * i);
		if (rest->data[i] < 0x80) {
			rest->data += i + 1;
			rest->len -= i + 1;
			return true;
		}
	}
	return false;
}

static bool
rpc_wire_take_value(struct rpc_span *rest, struct rpc_field *field)
{
	uint64_t len;

	switch (field->type) {
	case RPC_WIRE_VARINT: return rpc_wire_take_number(rest, &field->value);
	case RPC_WIRE_FIXED64: return rpc_wire_take(rest, 8, &field->bytes);
	case RPC_WIRE_FIXED32: return rpc_wire_take(rest, 4, &field->bytes);
	case RPC_WIRE_BYTES:
		return rpc_wire_take_number(rest, &len) && rpc_wire_take(rest, len, &field->bytes);
	}
	return false;
}

enum rpc_step
rpc_wire_next(struct rpc_span *rest, struct rpc_field *field)
{
	uint64_t tag;

	if (rest->len == 0) {
		return RPC_STEP_END;
	}
	if (!rpc_wire_take_number(rest, &tag) || tag > UINT32_MAX || tag >> 3 == 0) {
		return RPC_STEP_MALFORMED;
	}
	field->number = (uint32_t)(tag >> 3);
	field->type = (enum rpc_wire_type)(tag & 7);
	return rpc_wire_take_value(rest, field) ? RPC_STEP_FOUND : RPC_STEP_MALFORMED;
}

enum rpc_step
rpc_wire_next_number(struct rpc_span *rest, uint64_t *value)
{
	if (rest->len == 0) {
		return RPC_STEP_END;
	}
	return rpc_wire_take_number(rest, value) ? RPC_STEP_FOUND : RPC_STEP_MALFORMED;
}

uint32_t
rpc_wire_fixed32(const struct rpc_field *field)
{
	const uint8_t *at = field->bytes.data;

	return at[0] | (uint32_t)at[1] << 8 | (uint32_t)at[2] << 16 | (uint32_t)at[3] << 24;
}

size_t
rpc_wire_number_size(uint64_t value)
{
	size_t size = 1;

	while (value >= 0x80) {
		value >>= 7;
		size++;
	}
	return size;
}

static uint64_t
rpc_wire_tag(uint32_t field, enum rpc_wire_type type)
{
	return (uint64_t)field << 3 | type;
}

size_t
rpc_wire_bytes_size(uint32_t field, size_t len)
{
	return rpc_wire_number_size(rpc_wire_tag(field, RPC_WIRE_BYTES)) +
	       rpc_wire_number_size(len) + len;
}

uint8_t *
rpc_wire_put_number(uint8_t *at, uint64_t value)
{
	while (value >= 0x80) {
		*at++ = (uint8_t)(value | 0x80);
		value >>= 7;
	}
	*at++ = (uint8_t)value;
	return at;
}

uint8_t *
rpc_wire_put_varint(uint8_t *at, uint32_t field, uint64_t value)
{
	at = rpc_wire_put_number(at, rpc_wire_tag(field, RPC_WIRE_VARINT));
	return rpc_wire_put_number(at, value);
}

uint8_t *
rpc_wire_put_fixed32(uint8_t *at, uint32_t field, uint32_t value)
{
	at = rpc_wire_put_number(at, rpc_wire_tag(field, RPC_WIRE_FIXED32));
	for (int i = 0; i < 4; i++, value >>= 8) {
		*at++ = (uint8_t)value;
	}
	return at;
}

uint8_t *
rpc_wire_put_head(uint8_t *at, uint32_t field, size_t len)
{
	at = rpc_wire_put_number(at, rpc_wire_tag(field, RPC_WIRE_BYTES));
	return rpc_wire_put_number(at, len);
}

uint8_t *
rpc_wire_put_bytes(uint8_t *at, uint32_t field, const void *data, size_t len)
{
	at = rpc_wire_put_head(at, field, len);
	if (len > 0) {
		memcpy(at, data, len);
	}
	return at + len;
}
