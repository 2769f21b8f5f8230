#include <stdlib.h>
#include <string.h>

#include "common/rpc/client/rpc_sync.h"
#include "mockvideo/rpc.pb-c.h"
#include "tools/mvctl/mvctl_commands.h"
#include "tools/mvctl/mvctl_options.h"
#include "tools/mvctl/mvctl_remote.h"
#include "tools/mvctl/mvctl_report.h"

#define MVCTL_HEALTH     "mockvideo.rpc.v1.Health/Check"
#define MVCTL_HEALTH_MAX 512

/* What a reply to a health call says, as a word. */
static const char *
mvctl_health_word(const struct rpc_reply *reply)
{
	Mockvideo__Rpc__V1__HealthCheckResponse *response =
	    mockvideo__rpc__v1__health_check_response__unpack(NULL, reply->len, reply->response);
	const ProtobufCEnumValue *value = NULL;

	if (response != NULL) {
		value = protobuf_c_enum_descriptor_get_value(
		    &mockvideo__rpc__v1__health_check_response__serving_status__descriptor,
		    (int)response->status);
		mockvideo__rpc__v1__health_check_response__free_unpacked(response, NULL);
	}
	return value == NULL ? "UNKNOWN_STATUS" : value->name;
}

static int
mvctl_health_ask(
    const struct mvctl_options *options, struct rpc_channel *channel, const char *endpoint)
{
	Mockvideo__Rpc__V1__HealthCheckRequest check =
	    MOCKVIDEO__RPC__V1__HEALTH_CHECK_REQUEST__INIT;
	struct rpc_request request = mvctl_request(options, MVCTL_HEALTH);
	uint8_t packed[MVCTL_HEALTH_MAX + 8];
	struct rpc_reply *reply;
	const char *word;
	int status;

	if (options->operands[0] != NULL) {
		check.service = (char *)(uintptr_t)options->operands[0];
	}
	request.data = packed;
	request.len = mockvideo__rpc__v1__health_check_request__pack(&check, packed);
	request.flags = RPC_NO_SIDE_EFFECTS;
	reply = rpc_sync_call(channel, &request);
	if (reply == NULL) {
		return mvctl_no_memory();
	}
	if (reply->error.code == STATUS_OK) {
		word = mvctl_health_word(reply);
		status = strcmp(word, "SERVING") == 0 ? MVCTL_EXIT_OK : STATUS_UNAVAILABLE;
	} else {
		word = status_name(reply->error.code);
		status = mvctl_tell_call(endpoint, &reply->error, endpoint);
	}
	printf("%s %s\n", endpoint, word);
	rpc_reply_free(&reply);
	return status;
}

/* Each endpoint is asked by a channel of its own: one of several would pick. */
static int
mvctl_health_of(const struct mvctl_options *options, const char *endpoint)
{
	struct rpc_channel *channel;
	int status = mvctl_channel_open(&channel, options, endpoint);

	if (status == MVCTL_EXIT_OK) {
		status = mvctl_health_ask(options, channel, endpoint);
		rpc_channel_close(&channel);
	}
	return status;
}

int
mvctl_health(const struct mvctl_options *options)
{
	char *endpoints = strdup(options->endpoints);
	char *rest = endpoints;
	const char *endpoint;
	int first = MVCTL_EXIT_OK;

	if (endpoints == NULL) {
		return mvctl_no_memory();
	}
	if (options->operands[0] != NULL && strlen(options->operands[0]) > MVCTL_HEALTH_MAX) {
		free(endpoints);
		return mvctl_usage("the name of the service is too long");
	}
	while ((endpoint = strsep(&rest, ",")) != NULL) {
		int status = mvctl_health_of(options, endpoint);

		first = first == MVCTL_EXIT_OK ? status : first;
	}
	free(endpoints);
	return first;
}
