/*
 * Descriptors for protobuf-c, laid out at run time as its compiler would lay
 * them out: where each field of a message is in memory, and the tables by
 * which fields and enum values are looked up.
 */
#ifndef COMMON_SCHEMA_LAYOUT_H
#define COMMON_SCHEMA_LAYOUT_H

#include "google/protobuf/descriptor.pb-c.h"

#include "common/schema/schema.h"

struct arena;

/* Whether repeated values of a type are packed unless the .proto says otherwise. */
bool schema_layout_packable(ProtobufCType type);

/* Bytes that a single value of a type takes in memory. */
size_t schema_layout_size(ProtobufCType type);

/*
 * Completes message, whose wire.name and map_entry are set: gives each of wires,
 * which are in the order of fields and of proto, its place, sorts them by
 * number, points fields at them, and makes message->initial. False when there
 * is no memory.
 */
bool schema_layout_message(struct schema_message *message, struct schema_field *fields,
    ProtobufCFieldDescriptor *wires, const Google__Protobuf__DescriptorProto *proto,
    struct arena *arena);

/* The descriptor of an enum, or NULL when a value has no name or there is no memory. */
ProtobufCEnumDescriptor *schema_layout_enum(
    const Google__Protobuf__EnumDescriptorProto *proto, const char *name, struct arena *arena);

#endif
