/*
 * Protobuf's wire format, a field at a time: the one reader and the one writer
 * of the RPC layer. Any thread. Nothing here trusts the bytes it reads.
 */
#ifndef COMMON_RPC_WIRE_H
#define COMMON_RPC_WIRE_H

#include <stddef.h>
#include <stdint.h>

/* A run of bytes, borrowed from a message. */
struct rpc_span {
	const uint8_t *data;
	size_t len;
};

enum rpc_wire_type {
	RPC_WIRE_VARINT = 0,
	RPC_WIRE_FIXED64 = 1,
	RPC_WIRE_BYTES = 2,
	RPC_WIRE_FIXED32 = 5
};

/* A field as it stands on the wire. */
struct rpc_field {
	uint32_t number;
	enum rpc_wire_type type;
	uint64_t value;        /* of RPC_WIRE_VARINT */
	struct rpc_span bytes; /* of all others: what the field holds, without its length */
};

/* How a step through a message ended. */
enum rpc_step {
	RPC_STEP_FOUND,
	RPC_STEP_END,
	RPC_STEP_MALFORMED
};

/* Takes the next field off the front of *rest. */
enum rpc_step rpc_wire_next(struct rpc_span *rest, struct rpc_field *field);

/* Takes the next number off the front of a packed repeated field. */
enum rpc_step rpc_wire_next_number(struct rpc_span *rest, uint64_t *value);

/* The value of a field of type RPC_WIRE_FIXED32. */
uint32_t rpc_wire_fixed32(const struct rpc_field *field);

/* Bytes that a number takes, and a field of len bytes with its tag and length. */
size_t rpc_wire_number_size(uint64_t value);
size_t rpc_wire_bytes_size(uint32_t field, size_t len);

/*
 * Each writes to at, which has the room, and gives the place behind it:
 * a number alone; a field of one; the tag and length of a field of len bytes;
 * such a field with its bytes.
 */
uint8_t *rpc_wire_put_number(uint8_t *at, uint64_t value);
uint8_t *rpc_wire_put_varint(uint8_t *at, uint32_t field, uint64_t value);
uint8_t *rpc_wire_put_fixed32(uint8_t *at, uint32_t field, uint32_t value);
uint8_t *rpc_wire_put_head(uint8_t *at, uint32_t field, size_t len);
uint8_t *rpc_wire_put_bytes(uint8_t *at, uint32_t field, const void *data, size_t len);

#endif
