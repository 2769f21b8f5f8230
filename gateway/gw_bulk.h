/* Answers to bulk requests: a row for each sub-request. Any thread. */
#ifndef GATEWAY_GW_BULK_H
#define GATEWAY_GW_BULK_H

#include <protobuf-c/protobuf-c.h>

struct buf;
struct route;

/* Writes the answer of a bulk binding and returns its overall HTTP status. */
int gw_bulk_write(struct buf *out, const struct route *route, const ProtobufCMessage *response);

#endif
