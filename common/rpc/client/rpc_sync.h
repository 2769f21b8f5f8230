/* Synchronous calls, for threads that may block. Any thread. */
#ifndef COMMON_RPC_SYNC_H
#define COMMON_RPC_SYNC_H

#include "common/rpc/client/rpc_channel.h"

#ifdef __cplusplus
extern "C" {
#endif

/*
 * Makes a call and waits for its end, which its deadline bounds. Gives its
 * reply, for rpc_reply_free, or NULL without memory and in a child of fork. Not to be called in a
 * callback of a channel, nor while the channel is being closed.
 */
struct rpc_reply *rpc_sync_call(struct rpc_channel *channel, const struct rpc_request *request);

#ifdef __cplusplus
}
#endif

#endif
