/*
 * The options of google/api, mockvideo/rest.proto and mockvideo/method.proto. The
 * generated code of descriptor.proto does not know them, so they arrive as
 * unknown fields of the options they extend.
 */
#ifndef COMMON_SCHEMA_OPTION_H
#define COMMON_SCHEMA_OPTION_H

#include <protobuf-c/protobuf-c.h>
#include <stdbool.h>
#include <stddef.h>

struct arena;

#define SCHEMA_OPTION_HTTP     72295728 /* of MethodOptions, google.api.HttpRule */
#define SCHEMA_OPTION_BEHAVIOR 1052     /* of FieldOptions, repeated google.api.FieldBehavior */
#define SCHEMA_OPTION_FIELD    50102    /* of FieldOptions, FieldRule */
#define SCHEMA_OPTION_ERROR    50103    /* of ServiceOptions, repeated ErrorRule */
#define SCHEMA_OPTION_METHOD   50104    /* of MethodOptions, MethodRule */
#define SCHEMA_OPTION_TRAITS   50105    /* of MethodOptions, MethodTraits */

/*
 * Unpacks each occurrence of an option into *values, in arena. options may be
 * NULL. False when there is no memory or a value is no message of the type.
 */
bool schema_option_all(const ProtobufCMessage *options, unsigned number,
    const ProtobufCMessageDescriptor *type, struct arena *arena, ProtobufCMessage ***values,
    size_t *count);

/*
 * As schema_option_all for an option that is not repeated: its occurrences are
 * parts of one message. *value is NULL when there is none.
 */
bool schema_option_one(const ProtobufCMessage *options, unsigned number,
    const ProtobufCMessageDescriptor *type, struct arena *arena, ProtobufCMessage **value);

/*
 * Whether an option that is a repeated enum, packed or not, has a value. False
 * in *well when its bytes are no such list.
 */
bool schema_option_has(
    const ProtobufCMessage *options, unsigned number, unsigned value, bool *well);

#endif
