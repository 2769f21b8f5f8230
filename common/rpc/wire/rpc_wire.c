#include "common/rpc/wire/rpc_wire.h"

#include <string.h>

#include "common/rpc/client/rpc_channel.h"

enum rpc_wire_type {
	RPC_WIRE_VARINT = 0,
	RPC_WIRE_FIXED64 = 1,
	RPC_WIRE_BYTES = 2,
	RPC_WIRE_FIXED32 = 5
};

/* A field as it stands on the wire. */
struct rpc_wire_field {
	uint32_t number;
	enum rpc_wire_type type;
	uint64_t value;        /* of RPC_WIRE_VARINT */
	struct rpc_span bytes; /* of all others */
};

static size_t
rpc_wire_varint_size(uint64_t value)
{
	size_t size = 1;

	while (value >= 0x80) {
		value >>= 7;
		size++;
	}
	return size;
}

static uint8_t *
rpc_wire_put_varint(uint8_t *at, uint64_t value)
{
	while (value >= 0x80) {
		*at++ = (uint8_t)(value | 0x80);
		value >>= 7;
	}
	*at++ = (uint8_t)value;
	return at;
}

static size_t
rpc_wire_bytes_size(size_t len)
{
	return 1 + rpc_wire_varint_size(len) + len;
}

static uint8_t *
rpc_wire_put_head(uint8_t *at, unsigned field, size_t len)
{
	*at++ = (uint8_t)(field << 3 | RPC_WIRE_BYTES);
	return rpc_wire_put_varint(at, len);
}

static uint8_t *
rpc_wire_put_bytes(uint8_t *at, unsigned field, const void *data, size_t len)
{
	at = rpc_wire_put_head(at, field, len);
	if (len > 0) {
		memcpy(at, data, len);
	}
	return at + len;
}

static size_t
rpc_metadata_size(const struct rpc_metadata *metadata)
{
	return rpc_wire_bytes_size(strlen(metadata->key)) +
	       rpc_wire_bytes_size(strlen(metadata->value));
}

size_t
rpc_request_size(const struct rpc_request *request)
{
	size_t size =
	    rpc_wire_bytes_size(strlen(request->method)) + rpc_wire_bytes_size(request->len);

	for (size_t i = 0; i < request->metadata_count; i++) {
		size += rpc_wire_bytes_size(rpc_metadata_size(&request->metadata[i]));
	}
	return size;
}

void
rpc_request_pack(const struct rpc_request *request, uint8_t *to)
{
	to = rpc_wire_put_bytes(to, 1, request->method, strlen(request->method));
	to = rpc_wire_put_bytes(to, 2, request->data, request->len);
	for (size_t i = 0; i < request->metadata_count; i++) {
		const struct rpc_metadata *metadata = &request->metadata[i];

		to = rpc_wire_put_head(to, 4, rpc_metadata_size(metadata));
		to = rpc_wire_put_bytes(to, 1, metadata->key, strlen(metadata->key));
		to = rpc_wire_put_bytes(to, 2, metadata->value, strlen(metadata->value));
	}
}

uint8_t *
rpc_batch_put(uint8_t *to, const uint8_t *packed, size_t len, uint32_t timeout_ms)
{
	to = rpc_wire_put_head(to, 1, len + 1 + rpc_wire_varint_size(timeout_ms));
	memcpy(to, packed, len);
	to += len;
	*to++ = 3 << 3 | RPC_WIRE_VARINT;
	return rpc_wire_put_varint(to, timeout_ms);
}

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
rpc_wire_take_varint(struct rpc_span *rest, uint64_t *value)
{
	*value = 0;
	for (size_t i = 0; i < 10 && i < rest->len; i++) {
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
rpc_wire_take_value(struct rpc_span *rest, struct rpc_wire_field *field)
{
	uint64_t len;

	switch (field->type) {
	case RPC_WIRE_VARINT: return rpc_wire_take_varint(rest, &field->value);
	case RPC_WIRE_FIXED64: return rpc_wire_take(rest, 8, &field->bytes);
	case RPC_WIRE_FIXED32: return rpc_wire_take(rest, 4, &field->bytes);
	case RPC_WIRE_BYTES:
		return rpc_wire_take_varint(rest, &len) && rpc_wire_take(rest, len, &field->bytes);
	}
	return false;
}

static enum rpc_step
rpc_wire_next(struct rpc_span *rest, struct rpc_wire_field *field)
{
	uint64_t tag;

	if (rest->len == 0) {
		return RPC_STEP_END;
	}
	if (!rpc_wire_take_varint(rest, &tag) || tag > UINT32_MAX || tag >> 3 == 0) {
		return RPC_STEP_MALFORMED;
	}
	field->number = (uint32_t)(tag >> 3);
	field->type = (enum rpc_wire_type)(tag & 7);
	return rpc_wire_take_value(rest, field) ? RPC_STEP_FOUND : RPC_STEP_MALFORMED;
}

static bool
rpc_reply_view_read(struct rpc_reply_view *view, struct rpc_span packed)
{
	struct rpc_wire_field field;
	enum rpc_step step;

	memset(view, 0, sizeof(*view));
	view->packed = packed;
	view->response.data = (const uint8_t *)"";
	while ((step = rpc_wire_next(&packed, &field)) == RPC_STEP_FOUND) {
		if (field.number > 3) {
			continue;
		}
		if (field.type != RPC_WIRE_BYTES) {
			return false;
		}
		switch (field.number) {
		case 1: view->status = field.bytes; break;
		case 2: view->response = field.bytes; break;
		default: view->metadata_count++; break;
		}
	}
	return step == RPC_STEP_END;
}

enum rpc_step
rpc_reply_next(struct rpc_span *batch, struct rpc_reply_view *view)
{
	struct rpc_wire_field field;
	enum rpc_step step;

	while ((step = rpc_wire_next(batch, &field)) == RPC_STEP_FOUND) {
		if (field.number == 1) {
			return field.type == RPC_WIRE_BYTES &&
				       rpc_reply_view_read(view, field.bytes)
				   ? RPC_STEP_FOUND
				   : RPC_STEP_MALFORMED;
		}
	}
	return step;
}

enum rpc_step
rpc_reply_metadata_next(struct rpc_span *rest, struct rpc_span *key, struct rpc_span *value)
{
	struct rpc_wire_field field;
	struct rpc_span packed;
	enum rpc_step step;

	do {
		step = rpc_wire_next(rest, &field);
	} while (step == RPC_STEP_FOUND && field.number != 3);
	if (step != RPC_STEP_FOUND) {
		return step;
	}
	packed = field.bytes;
	*key = *value = (struct rpc_span){(const uint8_t *)"", 0};
	while ((step = rpc_wire_next(&packed, &field)) == RPC_STEP_FOUND) {
		if (field.type == RPC_WIRE_BYTES && field.number <= 2) {
			*(field.number == 1 ? key : value) = field.bytes;
		}
	}
	return step == RPC_STEP_END ? RPC_STEP_FOUND : RPC_STEP_MALFORMED;
}
