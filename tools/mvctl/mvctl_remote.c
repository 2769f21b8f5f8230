#include "tools/mvctl/mvctl_remote.h"

#include <string.h>

#include "common/arena.h"
#include "common/rpc/rpc_sync.h"
#include "mockvideo/rpc.pb-c.h"
#include "tools/mvctl/mvctl_options.h"
#include "tools/mvctl/mvctl_report.h"

#define MVCTL_REFLECTION     "mockvideo.rpc.v1.Reflection/GetFileDescriptorSet"
#define MVCTL_CONNECT_MAX_MS 1000

/* A call must learn that nobody is there before its deadline, which tells less. */
int
mvctl_channel_open(struct rpc_channel **channel, const char *endpoints, uint32_t timeout_ms)
{
	struct rpc_channel_options options = {.endpoints = endpoints,
	    .connect_timeout_ms = timeout_ms / 2,
	    .default_timeout_ms = timeout_ms,
	    .reply_max_bytes = (size_t)256 << 20};
	struct error error;

	if (options.connect_timeout_ms > MVCTL_CONNECT_MAX_MS) {
		options.connect_timeout_ms = MVCTL_CONNECT_MAX_MS;
	}
	if (rpc_channel_open(channel, &options, &error) == STATUS_OK) {
		return MVCTL_EXIT_OK;
	}
	return error.code == STATUS_INVALID_ARGUMENT
		   ? mvctl_usage("%s", error.message)
		   : mvctl_tell_call(endpoints, &error, endpoints);
}

struct rpc_request
mvctl_request(const struct mvctl_options *options, const char *method)
{
	return (struct rpc_request){.method = method,
	    .timeout_ms = options->timeout_ms,
	    .metadata = options->metadata,
	    .metadata_count = options->metadata_count};
}

/* Unpacks the answer of the reflection service, which is copied into the arena by it. */
static int
mvctl_remote_unpack(struct mvctl_remote *remote, const struct rpc_reply *reply)
{
	ProtobufCAllocator *allocator = arena_protobuf(remote->arena);
	const Mockvideo__Rpc__V1__GetFileDescriptorSetResponse *response =
	    mockvideo__rpc__v1__get_file_descriptor_set_response__unpack(
		allocator, reply->len, reply->response);
	struct error error;

	if (response != NULL) {
		remote->packed = response->file_descriptor_set.data;
		remote->packed_len = response->file_descriptor_set.len;
		remote->set = google__protobuf__file_descriptor_set__unpack(
		    allocator, remote->packed_len, remote->packed);
	}
	if (remote->set != NULL && remote->set->n_file > 0) {
		return MVCTL_EXIT_OK;
	}
	error_set(&error, STATUS_UNAVAILABLE, "MALFORMED_REPLY",
	    "what the service says of itself can't be read");
	return mvctl_tell_call(MVCTL_REFLECTION, &error, remote->options->endpoints);
}

static int
mvctl_remote_reflect(struct mvctl_remote *remote)
{
	struct rpc_request request = mvctl_request(remote->options, MVCTL_REFLECTION);
	struct rpc_reply *reply;
	int status;

	request.flags = RPC_NO_SIDE_EFFECTS;
	reply = rpc_sync_call(remote->channel, &request);
	if (reply == NULL) {
		return mvctl_no_memory();
	}
	status = reply->error.code == STATUS_OK
		     ? mvctl_remote_unpack(remote, reply)
		     : mvctl_tell_call(MVCTL_REFLECTION, &reply->error, remote->options->endpoints);
	rpc_reply_free(&reply);
	return status;
}

int
mvctl_remote_open(struct mvctl_remote *remote, const struct mvctl_options *options)
{
	int status;

	memset(remote, 0, sizeof(*remote));
	remote->options = options;
	remote->arena = arena_new(0);
	if (remote->arena == NULL) {
		return mvctl_no_memory();
	}
	status = mvctl_channel_open(&remote->channel, options->endpoints, options->timeout_ms);
	return status == MVCTL_EXIT_OK ? mvctl_remote_reflect(remote) : status;
}

void
mvctl_remote_close(struct mvctl_remote *remote)
{
	rpc_channel_close(&remote->channel);
	arena_free(&remote->arena);
}
