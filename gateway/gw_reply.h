/*
 * Sends answers. Each function that answers is the last one to be called for a
 * request, which may be freed when it returns. Thread of its loop.
 */
#ifndef GATEWAY_GW_REPLY_H
#define GATEWAY_GW_REPLY_H

#include "gateway/gw_request.h"

/* Adds a header whose value lives as long as the request. */
void gw_reply_header(
    struct gw_request *request, const h2o_token_t *token, const char *value, size_t len);

/* Adds headers to an answer that is compressed, or would be for another client. */
void gw_reply_say_coding(struct gw_request *request, bool compressed);

/* Answers with a body, which is compressed if the client wants that, and whose bytes are copied or taken; body may be empty. */
void gw_reply_send(
    struct gw_request *request, int status, const char *content_type, struct buf *body);

/* Answers with a problem document. */
void gw_reply_problem(struct gw_request *request, int status, const struct error *error);

/* Answers with the error of a call. */
void gw_reply_error(struct gw_request *request, const struct error *error);

/* Answers with the result of a call, as the request's binding defines. */
void gw_reply_rpc(struct gw_request *request, const struct rpc_reply *reply);

/*
 * Unpacks the output of a call in the loop's scratch arena. NULL, with error
 * filled, when the call failed or its output is not a valid message.
 */
ProtobufCMessage *gw_reply_unpack(
    struct gw_request *request, const struct rpc_reply *reply, struct error *error);

#endif
