#include "tools/mvctl/mvctl_remote.h"

#include <string.h>

#include "common/base/arena.h"
#include "common/rpc/client/rpc_sync.h"
#include "common/rpc/net/rpc_tls.h"
#include "mockvideo/rpc.pb-c.h"
#include "tools/mvctl/mvctl_options.h"
#include "tools/mvctl/mvctl_report.h"

#define MVCTL_REFLECTION     "mockvideo.rpc.v1.Reflection/GetFileDescriptorSet"
#define MVCTL_CONNECT_MAX_MS 1000

/* Leaves *tls NULL when nothing is said of it. */
static enum status_code
mvctl_tls_open(struct rpc_tls **tls, const struct mvctl_options *options, struct error *error)
{
	const struct rpc_tls_options wanted = {.ca_file = options->tls_ca,
	    .cert_file = options->tls_cert,
	    .key_file = options->tls_key};

	*tls = NULL;
	return wanted.ca_file == NULL && wanted.cert_file == NULL && wanted.key_file == NULL
		   ? STATUS_OK
		   : rpc_tls_open(tls, &wanted, error);
}

/* A call must learn that nobody is there before its deadline, which tells less. */
int
mvctl_channel_open(
    struct rpc_channel **channel, const struct mvctl_options *options, const char *endpoints)
{
	struct rpc_channel_options wanted = {.endpoints = endpoints,
	    .connect_timeout_ms = options->timeout_ms / 2,
	    .default_timeout_ms = options->timeout_ms,
	    .reply_max_bytes = (size_t)256 << 20,
	    .tls_name = options->tls_name};
	struct error error;

	if (wanted.connect_timeout_ms > MVCTL_CONNECT_MAX_MS) {
		wanted.connect_timeout_ms = MVCTL_CONNECT_MAX_MS;
	}
	if (mvctl_tls_open(&wanted.tls, options, &error) == STATUS_OK &&
	    rpc_channel_open(channel, &wanted, &error) == STATUS_OK) {
		rpc_tls_close(&wanted.tls);
		return MVCTL_EXIT_OK;
	}
	rpc_tls_close(&wanted.tls);
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
	status = mvctl_channel_open(&remote->channel, options, options->endpoints);
	return status == MVCTL_EXIT_OK ? mvctl_remote_reflect(remote) : status;
}

void
mvctl_remote_close(struct mvctl_remote *remote)
{
	rpc_channel_close(&remote->channel);
	arena_free(&remote->arena);
}
