/*
 * The envelope of mockvideo/rpc.proto between its packed and its unpacked
 * form, for both sides. Any thread; everything lives in the arena given.
 */
#ifndef COMMON_RPC_ENVELOPE_H
#define COMMON_RPC_ENVELOPE_H

#include <stddef.h>
#include <stdint.h>

#include "mockvideo/rpc.pb-c.h"

struct arena;
struct error;

/* What a caller is told: error in arena as the message Status. Never NULL. */
Mockvideo__Rpc__V1__Status *rpc_status_of_error(struct arena *arena, const struct error *error);

/* The other way round; status NULL means OK. Violations are in arena. */
void rpc_error_of_status(
    struct error *error, struct arena *arena, const Mockvideo__Rpc__V1__Status *status);

/* The value of a key in metadata, or NULL. */
const char *rpc_metadata_get(
    Mockvideo__Rpc__V1__Metadata *const *metadata, size_t count, const char *key);

#endif
