/* The part of clash.c that calls, with the library's headers. */
#include <account/v1/user.pb-c.h>
#include <common/base/arena.h>
#include <common/rpc/client/rpc_stub.h>
#include <common/rpc/net/rpc_transport.h>
#include <stdio.h>

int own_calls(const char *url);

int
own_calls(const char *url)
{
	const struct rpc_channel_options options = {.endpoints = url};
	Account__V1__GetUserRequest get = ACCOUNT__V1__GET_USER_REQUEST__INIT;
	struct arena *arena = arena_new(0);
	struct rpc_channel *channel;
	struct rpc_stub users;
	struct error error;

	if (arena == NULL || rpc_channel_open(&channel, &options, &error) != STATUS_OK) {
		return 3;
	}
	rpc_stub_init(&users, channel, &account__v1__user_service__descriptor, NULL, 0);
	get.id = 999999;
	if (rpc_stub_call(&users, "GetUser", &get.base, arena, &error) != NULL ||
	    error.code != STATUS_NOT_FOUND) {
		printf("%s: %s\n", status_name(error.code), error.message);
		return 4;
	}
	rpc_channel_close(&channel);
	arena_free(&arena);
	rpc_fini();
	puts("own");
	return 0;
}
