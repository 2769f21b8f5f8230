/* A service as mvctl meets it: a channel, and what reflection says. */
#ifndef TOOLS_MVCTL_REMOTE_H
#define TOOLS_MVCTL_REMOTE_H

#include <stdint.h>

#include "google/protobuf/descriptor.pb-c.h"

struct arena;
struct mvctl_options;
struct rpc_channel;
struct rpc_request;

struct mvctl_remote {
	const struct mvctl_options *options;
	struct rpc_channel *channel;
	struct arena *arena; /* of all that follows */
	const uint8_t *packed;
	size_t packed_len;
	const Google__Protobuf__FileDescriptorSet *set;
};

/* Opens a channel to endpoints. Gives the exit status; on failure it was told why. */
int mvctl_channel_open(
    struct rpc_channel **channel, const struct mvctl_options *options, const char *endpoints);

/* A request as the options say, with nothing to send yet. */
struct rpc_request mvctl_request(const struct mvctl_options *options, const char *method);

/* Connects and asks for the descriptors. Likewise; remote is to be closed in any case. */
int mvctl_remote_open(struct mvctl_remote *remote, const struct mvctl_options *options);
void mvctl_remote_close(struct mvctl_remote *remote);

#endif
