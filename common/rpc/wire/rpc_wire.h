/*
 * The packed form of a Call and of a ReplyBatch, as the channel writes and
 * reads them: straight into and out of message bodies. Any thread. Nothing
 * here trusts the bytes it reads.
 */
#ifndef COMMON_RPC_WIRE_H
#define COMMON_RPC_WIRE_H

#include <stddef.h>
#include <stdint.h>

#include "common/rpc/wire/rpc_envelope.h"

struct rpc_request;

/* What stands around a packed Call in a CallBatch, timeout_ms included, takes at most this. */
#define RPC_CALL_FRAME_MAX 22

/* Bytes of the request as a packed Call without its timeout_ms. */
size_t rpc_request_size(const struct rpc_request *request);

/* Writes them to to. */
void rpc_request_pack(const struct rpc_request *request, uint8_t *to);

/*
 * Writes a Call as an element of a CallBatch: packed is what rpc_request_pack
 * wrote, to which timeout_ms is added. Gives the place behind it. to has room
 * for len + RPC_CALL_FRAME_MAX bytes.
 */
uint8_t *rpc_batch_put(uint8_t *to, const uint8_t *packed, size_t len, uint32_t timeout_ms);

/* A packed Reply, read in place. */
struct rpc_reply_view {
	struct rpc_span packed; /* the whole Reply */
	struct rpc_span status; /* packed; data NULL: absent */
	struct rpc_span response;
	size_t metadata_count;
};

/* Reads the next Reply off a packed ReplyBatch. */
enum rpc_step rpc_reply_next(struct rpc_span *batch, struct rpc_reply_view *view);

/*
 * Reads the next metadata off rest, which is view->packed at first. Key and
 * value are not checked for what they hold.
 */
enum rpc_step rpc_reply_metadata_next(
    struct rpc_span *rest, struct rpc_span *key, struct rpc_span *value);

#endif
