/*
 * The envelope of mockvideo/rpc.proto between its packed and its unpacked
 * form, for both sides. Any thread; what is made lives in the arena given.
 *
 * A message is read in place, without unpacking it: views point into its
 * bytes. Nothing here trusts the bytes it reads.
 */
#ifndef COMMON_RPC_ENVELOPE_H
#define COMMON_RPC_ENVELOPE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "common/rpc/wire/rpc_metadata.h"
#include "common/rpc/wire/rpc_wire.h"
#include "mockvideo/rpc.pb-c.h"

struct arena;
struct error;

/* What a caller is told: error in arena as the message Status. Never NULL. */
Mockvideo__Rpc__V1__Status *rpc_status_of_error(struct arena *arena, const struct error *error);

/*
 * The other way round; status NULL means OK. Texts and violations are in arena.
 * False without memory for all of them.
 */
bool rpc_error_of_status(
    struct error *error, struct arena *arena, const Mockvideo__Rpc__V1__Status *status);

/* Limits of what a Call may carry besides its request. */
#define RPC_METHOD_MAX_BYTES         256
#define RPC_METADATA_MAX             64
#define RPC_METADATA_KEY_MAX_BYTES   128
#define RPC_METADATA_VALUE_MAX_BYTES 8192

/* So many metadata of a view are at hand; the others are looked up in its bytes. */
#define RPC_METADATA_KEPT 4

/* A Metadata, read in place. */
struct rpc_metadata_view {
	struct rpc_span key;
	struct rpc_span value;
};

/* A packed Call, read in place. */
struct rpc_call_view {
	struct rpc_span method;
	struct rpc_span request;
	uint32_t timeout_ms;
	size_t metadata_count;
	struct rpc_metadata_view metadata[RPC_METADATA_KEPT];
	struct rpc_span metadata_rest; /* the Call's bytes behind those kept */
	const char *fault; /* what is against the limits or the rules of text; else NULL */
};

/* A packed Cancel, read in place: calls that nobody waits for any more. */
struct rpc_cancel_view {
	uint32_t request_id;   /* of the message that they are in */
	struct rpc_span calls; /* for rpc_wire_next_number; empty: all of it */
};

/*
 * Counts the calls and the cancels of a packed CallBatch. False when its
 * outermost level is malformed. Costs a few nanoseconds a call and no memory.
 */
bool rpc_batch_count(struct rpc_span batch, size_t *calls, size_t *cancels);

/*
 * Reads the next Call off a packed CallBatch, down to its metadata. A fault of
 * the texts is no malformed batch: it is told in view->fault. Text is to be
 * UTF-8 without NUL; a method's name printable ASCII; a key lower-case letters,
 * digits, and "-_.".
 */
enum rpc_step rpc_batch_next(struct rpc_span *batch, struct rpc_call_view *view);

/* Reads the next Cancel off a packed CallBatch. */
enum rpc_step rpc_batch_next_cancel(struct rpc_span *batch, struct rpc_cancel_view *view);

/* The value of a key in a Call that was read without a fault; data NULL: none. */
struct rpc_span rpc_call_view_metadata(const struct rpc_call_view *view, const char *key);

/*
 * A Call is written once, all but what is known only when it leaves: room for
 * RPC_CALL_HEAD_MAX bytes is left before it, and for RPC_CALL_TAIL_MAX behind.
 */
#define RPC_CALL_HEAD_MAX 11
#define RPC_CALL_TAIL_MAX 11

/* Bytes of a Call without head and tail, whose request has request_len bytes. */
size_t rpc_call_size(const char *method, size_t request_len, const struct rpc_metadata *metadata,
    size_t metadata_count);

/* Writes them to at, but for those of the request, and gives the place of these. */
uint8_t *rpc_call_put(uint8_t *at, const char *method, size_t request_len,
    const struct rpc_metadata *metadata, size_t metadata_count);

/*
 * Completes the Call of len bytes at call as an element of a CallBatch: adds
 * timeout_ms and the head. Gives the whole of it.
 */
struct rpc_span rpc_call_seal(uint8_t *call, size_t len, uint32_t timeout_ms);

/* A CallBatch of one Cancel, of all calls of a message or of one of them, takes at most this. */
#define RPC_CANCEL_MAX 18

/* Writes it; call SIZE_MAX: of all. Gives how many bytes it has. */
size_t rpc_cancel_put(uint8_t at[RPC_CANCEL_MAX], uint32_t request_id, size_t call);

/* A packed Reply, read in place. */
struct rpc_reply_view {
	struct rpc_span packed; /* the whole Reply */
	struct rpc_span status; /* packed; data NULL: absent */
	struct rpc_span response;
	size_t metadata_count;
};

/*
 * Reads all replies of a packed ReplyBatch. False when it is malformed or has
 * more than max.
 */
bool rpc_replies_read(
    struct rpc_span batch, struct rpc_reply_view *views, size_t max, size_t *count);

/*
 * Reads the next metadata off rest, which is view->packed at first. Key and
 * value are not checked for what they hold.
 */
enum rpc_step rpc_reply_metadata_next(struct rpc_span *rest, struct rpc_metadata_view *view);

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
