/* What protobuf-c leaves unchecked: the text in packed messages. Any thread. */
#ifndef COMMON_RPC_TEXT_H
#define COMMON_RPC_TEXT_H

#include <protobuf-c/protobuf-c.h>
#include <stdbool.h>

#include "common/rpc/wire/rpc_wire.h"

/*
 * True when each field of type string, of the packed message and of those
 * within it, is UTF-8 without U+0000, at which protobuf-c would cut it. False:
 * *fault is the first that is not, or NULL when the bytes are no message (some
 * of which protobuf-c takes for one all the same).
 */
bool rpc_text_check(const ProtobufCMessageDescriptor *type, struct rpc_span packed,
    const ProtobufCFieldDescriptor **fault);

#endif
