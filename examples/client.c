/*
 * A client of accountd: creates a user, reads it, lists all, is refused, and
 * deletes the user, so that it can be run again.
 *
 *	client [URL[,URL...]]
 *
 * The functions that protoc-c generated for the methods of UserService return
 * at once; each ends in a closure, in a thread of the channel. Where a thread
 * may wait, rpc_stub_call does without a closure.
 */
#include <account/v1/user.pb-c.h>
#include <common/base/arena.h>
#include <common/rpc/client/rpc_stub.h>
#include <common/rpc/net/rpc_transport.h>
#include <inttypes.h>
#include <pthread.h>
#include <stdio.h>
#include <time.h>
#include <unistd.h>

/* What rpc_stub cannot know from generated code: which methods may be retried. */
static const struct rpc_stub_method user_methods[] = {
    {"GetUser", RPC_NO_SIDE_EFFECTS},
    {"ListUsers", RPC_NO_SIDE_EFFECTS},
    {"DeleteUser", RPC_IDEMPOTENT},
};

/* Calls that have not ended, and what main waits to learn from them. */
struct calls {
	pthread_mutex_t lock; /* guards all below */
	pthread_cond_t ended;
	unsigned left;
	unsigned failed;
	int64_t id; /* of the user that was created */
};

static void
calls_start(struct calls *calls, unsigned count)
{
	pthread_mutex_lock(&calls->lock);
	calls->left += count;
	pthread_mutex_unlock(&calls->lock);
}

static void
calls_wait(struct calls *calls)
{
	pthread_mutex_lock(&calls->lock);
	while (calls->left > 0) {
		pthread_cond_wait(&calls->ended, &calls->lock);
	}
	pthread_mutex_unlock(&calls->lock);
}

/* Ends a call in its closure; id 0 leaves the id as it was. */
static void
calls_end(struct calls *calls, int succeeded, int64_t id)
{
	const struct error *error = rpc_stub_error();

	if (!succeeded) {
		printf("failed: %s: %s\n", status_name(error->code), error->message);
	}
	pthread_mutex_lock(&calls->lock);
	calls->failed += succeeded ? 0 : 1;
	calls->id = id == 0 ? calls->id : id;
	calls->left--;
	pthread_cond_signal(&calls->ended);
	pthread_mutex_unlock(&calls->lock);
}

static void
created(const Account__V1__User *user, void *calls)
{
	if (user != NULL) {
		printf("created: user %" PRId64 ", %s\n", user->id, user->name);
	}
	calls_end(calls, user != NULL, user == NULL ? 0 : user->id);
}

static void
got(const Account__V1__User *user, void *calls)
{
	if (user != NULL) {
		printf("got: user %" PRId64 ", %s <%s>\n", user->id, user->name, user->email);
	}
	calls_end(calls, user != NULL, 0);
}

static void
listed(const Account__V1__ListUsersResponse *response, void *calls)
{
	if (response != NULL) {
		printf("listed: %zu of account 7\n", response->n_users);
	}
	calls_end(calls, response != NULL, 0);
}

static void
create_then_read(
    struct rpc_stub *users, struct calls *calls, const Account__V1__CreateUserRequest *create)
{
	Account__V1__GetUserRequest get = ACCOUNT__V1__GET_USER_REQUEST__INIT;
	Account__V1__ListUsersRequest list = ACCOUNT__V1__LIST_USERS_REQUEST__INIT;

	calls_start(calls, 1);
	account__v1__user_service__create_user(&users->service, create, created, calls);
	calls_wait(calls);
	if (calls->failed > 0) {
		return;
	}

	/* Two calls in flight at a time, which end in any order. */
	calls_start(calls, 2);
	get.id = calls->id;
	account__v1__user_service__get_user(&users->service, &get, got, calls);
	list.account_id_presence_case =
	    ACCOUNT__V1__LIST_USERS_REQUEST__ACCOUNT_ID_PRESENCE_ACCOUNT_ID;
	list.account_id = 7;
	account__v1__user_service__list_users(&users->service, &list, listed, calls);
	calls_wait(calls);
}

/* The same user again: the address is taken. */
static int
create_twice(struct rpc_stub *users, const Account__V1__CreateUserRequest *create)
{
	struct arena *arena = arena_new(0);
	struct error error;
	int refused;

	if (arena == NULL) {
		return 0;
	}
	refused = rpc_stub_call(users, "CreateUser", &create->base, arena, &error) == NULL;
	if (refused) {
		printf("refused: %s, reason %s: %s\n", status_name(error.code),
		    error.reason == NULL ? "none" : error.reason, error.message);
	}
	arena_free(&arena);
	return refused;
}

static int
delete_user(struct rpc_stub *users, int64_t id)
{
	Account__V1__DeleteUserRequest request = ACCOUNT__V1__DELETE_USER_REQUEST__INIT;
	struct arena *arena = arena_new(0);
	struct error error;
	int deleted;

	if (arena == NULL) {
		return 0;
	}
	request.id = id;
	deleted = rpc_stub_call(users, "DeleteUser", &request.base, arena, &error) != NULL;
	printf(deleted ? "deleted: user %" PRId64 "\n" : "failed to delete user %" PRId64 "\n", id);
	arena_free(&arena);
	return deleted;
}

int
main(int argc, char **argv)
{
	struct rpc_channel_options options = {
	    .endpoints = argc > 1 ? argv[1] : "tcp://127.0.0.1:7001"};
	struct calls calls = {PTHREAD_MUTEX_INITIALIZER, PTHREAD_COND_INITIALIZER, 0, 0, 0};
	Account__V1__CreateUserRequest create = ACCOUNT__V1__CREATE_USER_REQUEST__INIT;
	Account__V1__User user = ACCOUNT__V1__USER__INIT;
	struct rpc_channel *channel;
	struct rpc_stub users;
	struct error error;
	char email[64];
	int done = 0;

	if (rpc_channel_open(&channel, &options, &error) != STATUS_OK) {
		fprintf(stderr, "client: %s\n", error.message);
		return 2;
	}
	rpc_stub_init(&users, channel, &account__v1__user_service__descriptor, user_methods,
	    sizeof(user_methods) / sizeof(user_methods[0]));
	user.account_id = 7;
	user.name = "Brian Wilson";
	/* An address that nobody has, not even a run of this that was broken off. */
	snprintf(email, sizeof(email), "brian.%lld.%ld@example.com", (long long)time(NULL),
	    (long)getpid());
	user.email = email;
	user.role_presence_case = ACCOUNT__V1__USER__ROLE_PRESENCE_ROLE;
	user.role = ACCOUNT__V1__ROLE__ROLE_ADMIN;
	user.password = "helpmerhonda";
	create.user = &user;
	create_then_read(&users, &calls, &create);
	if (calls.failed == 0) {
		done = create_twice(&users, &create);
		done &= delete_user(&users, calls.id);
	}
	rpc_channel_close(&channel);
	rpc_fini();
	return calls.failed == 0 && done ? 0 : 1;
}
