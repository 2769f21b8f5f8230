#include "common/rpc/net/rpc_frame.h"

#include <string.h>

static void
rpc_frame_put(uint8_t *to, unsigned bytes, uint64_t number)
{
	while (bytes-- > 0) {
		to[bytes] = (uint8_t)number;
		number >>= 8;
	}
}

static uint64_t
rpc_frame_get(const uint8_t *from, unsigned bytes)
{
	uint64_t number = 0;

	for (unsigned i = 0; i < bytes; i++) {
		number = number << 8 | from[i];
	}
	return number;
}

void
rpc_greeting_write(uint8_t greeting[RPC_GREETING_BYTES], enum rpc_role role)
{
	memcpy(greeting, "\0SP\0\0\0\0\0", RPC_GREETING_BYTES);
	rpc_frame_put(greeting + 4, 2, role);
}

bool
rpc_greeting_fits(const uint8_t greeting[RPC_GREETING_BYTES], enum rpc_role role)
{
	uint8_t wanted[RPC_GREETING_BYTES];

	rpc_greeting_write(wanted, role == RPC_ROLE_REQ ? RPC_ROLE_REP : RPC_ROLE_REQ);
	return memcmp(greeting, wanted, RPC_GREETING_BYTES) == 0;
}

size_t
rpc_head_len(bool ipc)
{
	return ipc ? 9 : 8;
}

void
rpc_head_write(uint8_t *head, bool ipc, uint64_t len)
{
	if (ipc) {
		*head++ = 1;
	}
	rpc_frame_put(head, 8, len);
}

bool
rpc_head_read(const uint8_t *head, bool ipc, uint64_t *len)
{
	if (ipc && *head++ != 1) {
		return false;
	}
	*len = rpc_frame_get(head, 8);
	return true;
}

bool
rpc_frame_read(struct rpc_frame *frame, enum rpc_role role, const uint8_t *payload, size_t len)
{
	size_t route_max = role == RPC_ROLE_REQ ? 4 : RPC_ROUTE_MAX;
	size_t at = 0;

	do {
		if (at + 4 > len || at + 4 > route_max) {
			return false;
		}
		frame->id = (uint32_t)rpc_frame_get(payload + at, 4);
		at += 4;
	} while ((frame->id & 0x80000000) == 0);
	frame->route = payload;
	frame->route_len = at;
	frame->body = payload + at;
	frame->len = len - at;
	return true;
}
