/*
 * What a child of fork may do with the library: fork URL. First a process that
 * has no channel yet forks, then one that has. Prints "before", "child", "parent".
 */
#include <account/v1/user.pb-c.h>
#include <common/base/arena.h>
#include <common/rpc/client/rpc_stub.h>
#include <common/rpc/client/rpc_sync.h>
#include <common/rpc/net/rpc_transport.h>
#include <stdio.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

static const char *url;
static struct rpc_channel *channel;
static struct rpc_stub users;

#define EXPECT(condition)                                                                          \
	do {                                                                                       \
		if (!(condition)) {                                                                \
			fprintf(stderr, "%s:%d: %s\n", __FILE__, __LINE__, #condition);            \
			_exit(1);                                                                  \
		}                                                                                  \
	} while (0)

static void
is_refused(const struct error *error)
{
	EXPECT(error->code == STATUS_FAILED_PRECONDITION);
	EXPECT(strcmp(error->reason, "FORKED") == 0);
}

/* Asks for a user of whom there is none. */
static void
ask(struct error *error)
{
	Account__V1__GetUserRequest get = ACCOUNT__V1__GET_USER_REQUEST__INIT;
	struct arena *arena = arena_new(0);

	get.id = 999999;
	EXPECT(arena != NULL);
	EXPECT(rpc_stub_call(&users, "GetUser", &get.base, arena, error) == NULL);
	arena_free(&arena);
}

static void
open_channel(void)
{
	const struct rpc_channel_options options = {.endpoints = url};
	struct error error;

	EXPECT(rpc_channel_open(&channel, &options, &error) == STATUS_OK);
	rpc_stub_init(&users, channel, &account__v1__user_service__descriptor, NULL, 0);
	ask(&error);
	EXPECT(error.code == STATUS_NOT_FOUND);
}

static void
close_channel(void)
{
	rpc_channel_close(&channel);
	EXPECT(channel == NULL);
	rpc_fini();
}

static void
refused_closure(const Account__V1__User *user, void *called)
{
	EXPECT(user == NULL);
	is_refused(rpc_stub_error());
	*(int *)called = 1;
}

/* With the parent's channel, whose threads are not here. */
static void
be_child(void)
{
	const struct rpc_channel_options options = {.endpoints = url};
	const struct rpc_request request = {.method = "account.v1.UserService/GetUser"};
	Account__V1__GetUserRequest get = ACCOUNT__V1__GET_USER_REQUEST__INIT;
	struct rpc_cork cork = TAILQ_HEAD_INITIALIZER(cork);
	struct rpc_channel_stats stats;
	struct rpc_channel *another;
	struct error error;
	int called = 0;

	ask(&error);
	is_refused(&error);
	EXPECT(rpc_sync_call(channel, &request) == NULL);
	account__v1__user_service__get_user(&users.service, &get, refused_closure, &called);
	EXPECT(called);
	EXPECT(rpc_channel_open(&another, &options, &error) != STATUS_OK && another == NULL);
	is_refused(&error);
	EXPECT(!rpc_channel_ready(channel));
	rpc_channel_uncork(channel, &cork);
	rpc_channel_get_stats(channel, &stats);
	close_channel();
	puts("child");
	_exit(0); /* the channel is the parent's to free */
}

static void
await_child(pid_t child)
{
	int status;

	EXPECT(child > 0);
	EXPECT(waitpid(child, &status, 0) == child);
	EXPECT(status == 0);
}

int
main(int argc, char **argv)
{
	struct error error;
	pid_t child;

	EXPECT(argc == 2);
	url = argv[1];
	setvbuf(stdout, NULL, _IOLBF, 0);
	child = fork();
	if (child == 0) {
		open_channel();
		close_channel();
		puts("before");
		return 0;
	}
	await_child(child);
	open_channel();
	child = fork();
	if (child == 0) {
		be_child();
	}
	await_child(child);
	ask(&error);
	EXPECT(error.code == STATUS_NOT_FOUND);
	close_channel();
	puts("parent");
	return 0;
}
