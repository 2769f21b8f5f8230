/*
 * The bytes that NNG's request-reply protocol puts around messages. Nothing
 * here trusts what it reads, or keeps anything.
 *
 *	greeting  00 'S' 'P' 00, the role as 16 bits, 00 00; both ends, once
 *	head      ipc: 01; always: the number of bytes that follow, as 64 bits
 *	route     hops (32 bits each, the highest bit 0), request id (highest bit 1)
 *	body
 *
 * All numbers have their highest byte first.
 */
#ifndef COMMON_RPC_FRAME_H
#define COMMON_RPC_FRAME_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "common/rpc/net/rpc_buf.h"
#include "common/rpc/net/rpc_net.h"

#define RPC_GREETING_BYTES 8
#define RPC_HEAD_MAX       9

/* Devices that a request may come through, as NNG has it; and the longest route so. */
#define RPC_HOPS_MAX  8
#define RPC_ROUTE_MAX (4 * (RPC_HOPS_MAX + 1))

void rpc_greeting_write(uint8_t greeting[RPC_GREETING_BYTES], enum rpc_role role);

/* True when it is what the other end of a connection has to send to one of that role. */
bool rpc_greeting_fits(const uint8_t greeting[RPC_GREETING_BYTES], enum rpc_role role);

/* How long a head is. */
size_t rpc_head_len(bool ipc);

/* Writes the head of a message whose route and body take len bytes. */
void rpc_head_write(uint8_t *head, bool ipc, uint64_t len);

/* Reads it. False when it is none. */
bool rpc_head_read(const uint8_t *head, bool ipc, uint64_t *len);

/*
 * Finds route and body in what follows a head; the block is left to the caller.
 * False when there is no request id where one must be: in a reply at once.
 */
bool rpc_frame_read(
    struct rpc_frame *frame, enum rpc_role role, const uint8_t *payload, size_t len);

#endif
