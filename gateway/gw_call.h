/*
 * A call to a service on behalf of a request. The channel's thread ends it and
 * posts it to the loop that made it; a request that ends before leaves its call
 * behind, which is dropped when it comes back.
 */
#ifndef GATEWAY_GW_CALL_H
#define GATEWAY_GW_CALL_H

#include <protobuf-c/protobuf-c.h>

#include "gateway/gw_loop.h"

struct gw_request;
struct rpc_reply;

/*
 * Calls the request's method with message, or where that is NULL with what is
 * packed already; both are borrowed for the call only. gw_request_replied is
 * called later, from the loop, unless the call is abandoned. NULL when it can't
 * be made: no memory, or the loop is cut.
 */
struct gw_call *gw_call_start(
    struct gw_request *request, const ProtobufCMessage *message, const struct buf *packed);

/* Gives up on the call and clears *call. NULL is fine. */
void gw_call_abandon(struct gw_call **call);

/* Gives up on the call, which comes back as CANCELLED. */
void gw_call_cancel(struct gw_call *call);

/* Gives up on all calls of a loop; their replies come back as CANCELLED. */
void gw_call_cancel_all(struct gw_loop *loop);

/* For rpc_channel_options.delivered: posts the calls that have ended, all of a loop at once. */
void gw_call_delivered(void *closure);

/* Hands replies to their requests. The callback of the loop's receiver. */
void gw_call_receive(h2o_multithread_receiver_t *receiver, h2o_linklist_t *messages);

#endif
