#include "common/rpc/net/rpc_buf.h"

#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>

#include "common/rpc/net/rpc_net_internal.h"

struct rpc_buf *
rpc_buf_new(size_t len)
{
	struct rpc_buf *buf = malloc(sizeof(*buf) + RPC_BUF_FRONT + len);

	if (buf == NULL) {
		return NULL;
	}
	*buf = (struct rpc_buf){.len = len, .capacity = len};
	buf->data = (uint8_t *)(buf + 1) + RPC_BUF_FRONT;
	return buf;
}

void
rpc_buf_free(struct rpc_buf **buf)
{
	if (*buf != NULL && (*buf)->secret) {
		explicit_bzero((*buf)->data, (*buf)->capacity);
	}
	free(*buf);
	*buf = NULL;
}

struct rpc_block *
rpc_block_new(size_t capacity)
{
	struct rpc_block *block = malloc(sizeof(*block) + capacity);

	if (block != NULL) {
		atomic_init(&block->users, 1);
		block->capacity = capacity;
		block->filled = 0;
	}
	return block;
}

struct rpc_block *
rpc_block_acquire(struct rpc_block *block)
{
	atomic_fetch_add_explicit(&block->users, 1, memory_order_relaxed);
	return block;
}

void
rpc_block_release(struct rpc_block **block)
{
	struct rpc_block *released = *block;

	*block = NULL;
	if (released != NULL &&
	    atomic_fetch_sub_explicit(&released->users, 1, memory_order_acq_rel) == 1) {
		explicit_bzero(released->data, released->filled);
		free(released);
	}
}

bool
rpc_block_is_alone(struct rpc_block *block)
{
	return atomic_load_explicit(&block->users, memory_order_acquire) == 1;
}
