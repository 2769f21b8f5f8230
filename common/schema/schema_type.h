/*
 * The message and enum types of a FileDescriptorSet. Each is built when it is
 * first asked for, so that a type that no method uses costs nothing and need
 * not be supported.
 *
 * One thread while types are built; any thread afterwards.
 */
#ifndef COMMON_SCHEMA_TYPE_H
#define COMMON_SCHEMA_TYPE_H

#include "google/protobuf/descriptor.pb-c.h"

#include "common/schema/schema.h"

struct schema_types;

/*
 * Lists the types of a set. NULL, and error filled, when something has no name
 * or there is no memory. All is in arena; set must live as long.
 */
struct schema_types *schema_types_new(
    const Google__Protobuf__FileDescriptorSet *set, struct arena *arena, struct error *error);

/*
 * The message of a name as descriptors write it, ".account.v1.User", built
 * with all that it contains. NULL, and error filled, when it is not there or
 * can't be built.
 */
const struct schema_message *schema_types_message(
    struct schema_types *types, const char *name, struct error *error);

/* A message that was built, by "account.v1.User", or NULL. */
const struct schema_message *schema_types_find(const struct schema_types *types, const char *name);

#endif
