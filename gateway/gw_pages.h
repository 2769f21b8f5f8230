/*
 * A list of any length as one document: page after page is fetched, each when
 * the client has taken the one before. What fails before the first page is
 * answered with a problem; after it, the connection (HTTP/2: the stream) is cut,
 * so that no list looks complete that is not. Thread of its loop.
 */
#ifndef GATEWAY_GW_PAGES_H
#define GATEWAY_GW_PAGES_H

#include "gateway/gw_request.h"

/* Fetches the first page for a request without a token. False as gw_request_call. */
bool gw_pages_begin(struct gw_request *request, const ProtobufCMessage *message);

/* A page has come, or its call failed; reply is borrowed. */
void gw_pages_replied(struct gw_request *request, const struct rpc_reply *reply);

/* Frees what is kept for pages. */
void gw_pages_fini(struct gw_pages *pages);

#endif
