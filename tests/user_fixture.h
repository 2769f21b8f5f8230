/* For tests: the account service on an empty store, behind a real socket, and a client of it. */
#ifndef TESTS_USER_FIXTURE_H
#define TESTS_USER_FIXTURE_H

#include <stddef.h>

#include "account/v1/user.pb-c.h"
#include "tests/service_fixture.h"

struct user_fixture {
	struct service_fixture base;
	struct peer *peer; /* that of base */
};

/*
 * Starts all on an empty embedded store, with cheap hashes and few threads; fails
 * the test when it can't. flags, NULL-terminated, change that; NULL: nothing.
 */
void user_fixture_open(struct user_fixture *at, const char *const *flags);

/* The same in parts: a store without a schema first. */
void user_fixture_start(struct user_fixture *at);
void user_fixture_migrate(struct user_fixture *at);

void user_fixture_close(struct user_fixture *at);

/* A call of account.v1.UserService by the short name of its method. */
struct user_call {
	const char *method;
	const ProtobufCMessage *request;
	uint32_t timeout_ms;
};

/* Sends calls as one message. The reply is to be received, or waited for, by rpc_peer.h. */
void user_send(struct peer *peer, const struct user_call *calls, size_t count);

/* Makes one call; the reply is freed by peer_free. */
Mockvideo__Rpc__V1__ReplyBatch *user_ask(
    struct user_fixture *at, const char *method, const ProtobufCMessage *request);

/* Unpacks the response of a reply that must be well; freed by protobuf_c_message_free_unpacked. */
void *user_response(const Mockvideo__Rpc__V1__Reply *reply, const ProtobufCMessageDescriptor *type);

/* Checks and frees the reply to one call that failed, and the message of its status. */
void user_expect(Mockvideo__Rpc__V1__ReplyBatch *batch, enum status_code code, const char *reason,
    const char *message);

/* The fields of a status's violations, with commas; static memory. */
const char *user_violations(const Mockvideo__Rpc__V1__Status *status);

/* Checks and frees the reply to one call that failed for these fields. */
void user_expect_violations(Mockvideo__Rpc__V1__ReplyBatch *batch, const char *fields);

/* A sound user of account 1; strings are borrowed. */
Account__V1__User user_sample(const char *name, const char *email);

/* Creates it; gives its id. */
int64_t user_create(struct user_fixture *at, const char *name, const char *email);

/* Reads a user; NULL when there is none. Freed as user_response. */
Account__V1__User *user_get(struct user_fixture *at, int64_t id);

#endif
