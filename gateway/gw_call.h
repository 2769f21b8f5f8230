/*
 * A call to a service on behalf of a request. The channel's thread ends it and
 * posts it to the loop that made it. If the request ends earlier, its call is
 * dropped when it returns.
 */
#ifndef GATEWAY_GW_CALL_H
#define GATEWAY_GW_CALL_H

#include <protobuf-c/protobuf-c.h>

#include "gateway/gw_loop.h"

struct gw_request;
struct rpc_reply;

/*
 * Calls the request's method with message, or if that is NULL with packed, a
 * message that is packed already; both are borrowed during this function only.
 * gw_request_replied is called later, from the loop, unless the call is
 * abandoned. NULL when the call cannot be made: no memory, or the loop is CUT.
 */
struct gw_call *gw_call_start(
    struct gw_request *request, const ProtobufCMessage *message, const struct buf *packed);

/* Cancels the call, whose reply will be dropped, and clears *call. NULL is fine. */
void gw_call_abandon(struct gw_call **call);

/* Cancels the call, which returns as CANCELLED. */
void gw_call_cancel(struct gw_call *call);

/* Cancels all calls of a loop; they return as CANCELLED. */
void gw_call_cancel_all(struct gw_loop *loop);

/*
 * For rpc_channel_options.delivered: posts the calls that have ended, those of
 * one loop together.
 */
void gw_call_delivered(void *closure);

/* Passes replies to their requests. The callback of the loop's receiver. */
void gw_call_receive(h2o_multithread_receiver_t *receiver, h2o_linklist_t *messages);

#endif
