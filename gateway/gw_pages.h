/*
 * A list of any length as one document. Page after page is fetched, each when
 * the client has read the previous one. A failure before the first page is
 * answered with a problem. After it, the connection (HTTP/2: the stream) is
 * cut, so that no incomplete list looks complete. Thread of its loop.
 */
#ifndef GATEWAY_GW_PAGES_H
#define GATEWAY_GW_PAGES_H

#include "gateway/gw_request.h"

/* Fetches the first page for a request without a token, now or at its turn. False when that can't be. */
bool gw_pages_begin(struct gw_request *request, const ProtobufCMessage *message);

/* To be called when a page has arrived, or its call has failed; reply is borrowed. */
void gw_pages_replied(struct gw_request *request, const struct rpc_reply *reply);

/* Answers with the error; what is sent already must not look complete, and is cut. */
void gw_pages_fail(struct gw_request *request, const struct error *error);

/* Appends a packed message. False without memory. */
bool gw_pages_pack(struct buf *packed, const ProtobufCMessage *message);

/* Frees what is kept for pages. */
void gw_pages_fini(struct gw_pages *pages);

#endif
