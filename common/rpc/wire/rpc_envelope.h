/*
 * The envelope of mockvideo/rpc.proto between its packed and its unpacked
 * form, for both sides. Any thread; what is made lives in the arena given.
 *
 * A server reads a CallBatch in place, without unpacking it: views point into
 * the message. Nothing here trusts the bytes it reads.
 */
#ifndef COMMON_RPC_ENVELOPE_H
#define COMMON_RPC_ENVELOPE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "mockvideo/rpc.pb-c.h"

struct arena;
struct error;

/* What a caller is told: error in arena as the message Status. Never NULL. */
Mockvideo__Rpc__V1__Status *rpc_status_of_error(struct arena *arena, const struct error *error);

/* The other way round; status NULL means OK. Texts and violations are in arena. */
void rpc_error_of_status(
    struct error *error, struct arena *arena, const Mockvideo__Rpc__V1__Status *status);

/* The value of a key in metadata, or NULL. */
const char *rpc_metadata_get(
    Mockvideo__Rpc__V1__Metadata *const *metadata, size_t count, const char *key);

/* Limits of what a Call may carry besides its request. */
#define RPC_METHOD_MAX_BYTES         256
#define RPC_METADATA_MAX             64
#define RPC_METADATA_KEY_MAX_BYTES   128
#define RPC_METADATA_VALUE_MAX_BYTES 8192

/* A run of bytes, borrowed from a message. */
struct rpc_span {
	const uint8_t *data;
	size_t len;
};

/* A packed Call, read in place. */
struct rpc_call_view {
	struct rpc_span packed; /* the whole Call */
	struct rpc_span method;
	struct rpc_span request;
	uint32_t timeout_ms;
	size_t metadata_count;
	const char *fault; /* what is against the limits or the rules of text; else NULL */
};

/* How a step through a message ended. */
enum rpc_step {
	RPC_STEP_FOUND,
	RPC_STEP_END,
	RPC_STEP_MALFORMED
};

/*
 * Counts the calls of a packed CallBatch. False when its outermost level is
 * malformed. Costs a few nanoseconds a call and no memory.
 */
bool rpc_batch_count(struct rpc_span batch, size_t *count);

/*
 * Reads the next Call off a packed CallBatch, down to its metadata. A fault of
 * the texts is no malformed batch: it is told in view->fault. Text is to be
 * UTF-8 without NUL; a method's name printable ASCII; a key lower-case letters,
 * digits, and "-_.".
 */
enum rpc_step rpc_batch_next(struct rpc_span *batch, struct rpc_call_view *view);

/* The value of a key in a Call that was read without a fault; data NULL: none. */
struct rpc_span rpc_call_view_metadata(const struct rpc_call_view *view, const char *key);

/* The two fields of a Reply that hold a message. */
enum rpc_reply_field {
	RPC_REPLY_STATUS = 1,
	RPC_REPLY_RESPONSE = 2
};

#define RPC_REPLY_HEAD_MAX 22

/*
 * Writes to head all that stands before a message of len bytes which is the
 * one field of a Reply in a ReplyBatch, and gives how many bytes that is. The
 * heads and messages of several replies, one after the other, are a packed
 * ReplyBatch.
 */
size_t rpc_reply_head(uint8_t head[RPC_REPLY_HEAD_MAX], enum rpc_reply_field field, size_t len);

#endif
