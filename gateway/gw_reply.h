/*
 * Answers. Each of these functions is the last that is done for a request:
 * it may be freed when they return. Thread of its loop.
 */
#ifndef GATEWAY_GW_REPLY_H
#define GATEWAY_GW_REPLY_H

#include "gateway/gw_request.h"

/* Adds a header whose value lives as long as the request. */
void gw_reply_header(
    struct gw_request *request, const h2o_token_t *token, const char *value, size_t len);

/* Answers with a body, whose bytes are copied or taken; body may be empty. */
void gw_reply_send(
    struct gw_request *request, int status, const char *content_type, struct buf *body);

/* Answers with a problem document. */
void gw_reply_problem(struct gw_request *request, int status, const struct error *error);

/* Answers with an error that a call ended with. */
void gw_reply_error(struct gw_request *request, const struct error *error);

/* Answers with what a call gave, as the request's binding says. */
void gw_reply_rpc(struct gw_request *request, const struct rpc_reply *reply);

/*
 * Unpacks the output of a call in the loop's scratch arena. NULL, and error
 * filled, when the call failed or its answer is none.
 */
ProtobufCMessage *gw_reply_unpack(
    struct gw_request *request, const struct rpc_reply *reply, struct error *error);

#endif
