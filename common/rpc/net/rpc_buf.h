/* The bytes of messages that are sent or were received. */
#ifndef COMMON_RPC_BUF_H
#define COMMON_RPC_BUF_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/*
 * A message to be sent. It belongs to one thread at a time, which writes len
 * bytes to data, and may reduce len.
 */
struct rpc_buf {
	struct rpc_buf *next; /* for the list of whoever has it */
	uint8_t *data;
	size_t len;
	bool secret; /* to be set by who fills it: the bytes are wiped when it is freed */

	size_t capacity; /* the rest is for rpc_buf.c and rpc_conn_write.c */
	size_t head_len; /* of what stands right before data, once it is framed */
	uint64_t number;
};

/* Gives a buffer of len bytes, not initialized, or NULL without memory. */
struct rpc_buf *rpc_buf_new(size_t len);

/* Takes it and clears *buf; NULL is fine. */
void rpc_buf_free(struct rpc_buf **buf);

/*
 * Memory into which a connection reads. It can contain several messages; each
 * of them has a reference. Releasing the last reference wipes what was read,
 * because it may contain secrets, and frees the block. Any thread.
 */
struct rpc_block;

struct rpc_block *rpc_block_acquire(struct rpc_block *block);
void rpc_block_release(struct rpc_block **block); /* clears *block; NULL is fine */

/* A received message: all of it points into the block. */
struct rpc_frame {
	const uint8_t *route; /* what a reply must begin with: hops and the request id */
	size_t route_len;
	uint32_t id; /* of the request, with its high bit */
	const uint8_t *body;
	size_t len;
	struct rpc_block *block;
};

#endif
