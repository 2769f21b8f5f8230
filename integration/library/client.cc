// A client in C++ of the installed library: client URL. Prints the user that it created, and deletes it.
#include <account/v1/user.pb-c.h>
#include <common/base/arena.h>
#include <common/rpc/client/rpc_stub.h>
#include <common/rpc/net/rpc_transport.h>

#include <condition_variable>
#include <iostream>
#include <mutex>
#include <stdexcept>
#include <string>
#include <unistd.h>

namespace {

const rpc_stub_method methods[] = {{"GetUser", RPC_NO_SIDE_EFFECTS}};

// What a closure in a thread of the channel tells the one that waits.
class Answer {
public:
	void
	give(const std::string &text)
	{
		std::lock_guard<std::mutex> guard(lock_);
		text_ = text;
		given_ = true;
		condition_.notify_one();
	}

	std::string
	await()
	{
		std::unique_lock<std::mutex> guard(lock_);
		condition_.wait(guard, [this] { return given_; });
		return text_;
	}

private:
	std::mutex lock_;
	std::condition_variable condition_;
	bool given_ = false;
	std::string text_;
};

ProtobufCMessage *
call(rpc_stub &users, const char *method, const ProtobufCMessage &input, arena *memory)
{
	struct error failure;
	ProtobufCMessage *output = rpc_stub_call(&users, method, &input, memory, &failure);

	if (output == nullptr) {
		throw std::runtime_error(std::string(status_name(failure.code)) + ": " + failure.message);
	}
	return output;
}

void
run(rpc_stub &users, arena *memory)
{
	std::string email = "cpp." + std::to_string(getpid()) + "@example.com";
	std::string name = "Brian Wilson";
	Account__V1__User user;
	Account__V1__CreateUserRequest create;
	Account__V1__GetUserRequest get;
	Account__V1__DeleteUserRequest del;
	Answer answer;

	// Not the macros of protoc-c, in which an enum of a oneof begins with an int.
	account__v1__user__init(&user);
	account__v1__create_user_request__init(&create);
	account__v1__get_user_request__init(&get);
	account__v1__delete_user_request__init(&del);
	user.account_id = 7;
	user.name = &name[0];
	user.email = &email[0];
	user.role_presence_case = ACCOUNT__V1__USER__ROLE_PRESENCE_ROLE;
	user.password = &name[0];
	create.user = &user;
	get.id = del.id =
	    reinterpret_cast<Account__V1__User *>(call(users, "CreateUser", create.base, memory))->id;
	account__v1__user_service__get_user(
	    &users.service, &get,
	    [](const Account__V1__User *got, void *closure) {
		    static_cast<Answer *>(closure)->give(got == nullptr ? rpc_stub_error()->message : got->name);
	    },
	    &answer);
	std::cout << answer.await() << std::endl;
	call(users, "DeleteUser", del.base, memory);
}

} // namespace

int
main(int, char **argv)
{
	rpc_channel_options options = {};
	rpc_channel *channel = nullptr;
	struct error failure;
	arena *memory = arena_new(0);
	rpc_stub users;
	int status = 0;

	options.endpoints = argv[1];
	if (rpc_channel_open(&channel, &options, &failure) != STATUS_OK) {
		std::cerr << failure.message << std::endl;
		return 2;
	}
	rpc_stub_init(&users, channel, &account__v1__user_service__descriptor, methods, 1);
	try {
		run(users, memory);
	} catch (const std::exception &exception) {
		std::cerr << exception.what() << std::endl;
		status = 1;
	}
	rpc_channel_close(&channel);
	arena_free(&memory);
	rpc_fini();
	return status;
}
