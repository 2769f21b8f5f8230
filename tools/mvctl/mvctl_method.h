/* A method that is called with JSON, by what reflection says of it. Any thread once it is open. */
#ifndef TOOLS_MVCTL_METHOD_H
#define TOOLS_MVCTL_METHOD_H

#include "common/base/status.h"
#include "tools/mvctl/mvctl_remote.h"

struct arena;
struct buf;
struct rpc_reply;
struct rpc_request;
struct schema;
struct schema_method;

struct mvctl_method {
	struct mvctl_remote remote;
	struct schema *schema;
	const struct schema_method *method;
};

/*
 * Connects and finds the method that the options name. Gives the exit status;
 * on failure it was told why. method is to be closed in any case.
 */
int mvctl_method_open(struct mvctl_method *method, const struct mvctl_options *options);
void mvctl_method_close(struct mvctl_method *method);

/* Makes a request of JSON, in arena. The code is INVALID_ARGUMENT when it does not fit. */
enum status_code mvctl_method_pack(const struct mvctl_method *method, const char *json, size_t len,
    struct arena *arena, struct rpc_request *request, struct error *error);

/* Appends the answer as JSON on one line; arena is to work in. */
enum status_code mvctl_method_unpack(const struct mvctl_method *method,
    const struct rpc_reply *reply, struct arena *arena, struct buf *out, struct error *error);

#endif
