/* What protobuf-c leaves unchecked: the text in packed messages. Any thread. */
#ifndef COMMON_RPC_TEXT_H
#define COMMON_RPC_TEXT_H

#include <protobuf-c/protobuf-c.h>
#include <stddef.h>
#include <stdint.h>

/*
 * The first field of type string, of the packed message or of one within it,
 * that is not UTF-8 or holds U+0000, at which protobuf-c would cut it. NULL
 * when there is none, or when the bytes are no message of the type.
 */
const ProtobufCFieldDescriptor *rpc_text_fault(
    const ProtobufCMessageDescriptor *type, const uint8_t *data, size_t len);

#endif
