#include "tests/user_fixture.h"

#include <setjmp.h>
#include <sodium.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "common/telemetry/log.h"

struct user_service_options
user_fixture_options(void)
{
	return (struct user_service_options){.store_workers = 3,
	    .bulk_workers_max = 10,
	    .queue_max = 1000,
	    .coalesce_max = 64,
	    .hash_threads = 2,
	    .hash_queue_max = 100,
	    .cost = {8, 1},
	    .bulk_max_items = 300};
}

void
user_fixture_open_store(struct user_fixture *at)
{
	struct sql_options options = {0};
	struct error error;
	char url[96];

	memset(at, 0, sizeof(*at));
	log_open("test", LOG_FATAL);
	assert_true(sodium_init() >= 0);
	snprintf(at->dir, sizeof(at->dir), "/tmp/mockvideo-user-XXXXXX");
	assert_non_null(mkdtemp(at->dir));
	snprintf(url, sizeof(url), "sqlite:%s/db", at->dir);
	options.url = url;
	if (store_open(&at->store, &options, &error) != STATUS_OK) {
		fail_msg("%s", error.message);
	}
}

static void
fixture_tell(const char *line)
{
	(void)line;
}

static bool
fixture_hash(const char *password, char *out, void *closure)
{
	return password_hash(password, closure, out);
}

void
user_fixture_migrate(struct user_fixture *at)
{
	struct password_cost cost = {8, 1};
	struct error error;

	if (store_migrate(at->store, fixture_tell, fixture_hash, &cost, &error) != STATUS_OK) {
		fail_msg("%s", error.message);
	}
}

void
user_fixture_start(struct user_fixture *at, const struct user_service_options *options)
{
	static const char *const services[] = {"account.v1.UserService", NULL};
	struct user_service_options with_store = *options;
	struct rpc_server_options server = {.listen = "tcp://127.0.0.1:0",
	    .request_max_bytes = (size_t)64 * 1024 * 1024,
	    .batch_max_calls = 1000,
	    .messages_max = 16,
	    .default_timeout_ms = 20000,
	    .timeout_max_ms = 20000,
	    .serving = user_service_serving,
	    .services = services};
	struct error error;

	with_store.store = at->store;
	if (user_service_start(&at->service, &with_store, &error) != STATUS_OK) {
		fail_msg("%s", error.message);
	}
	server.closure = at->service;
	server.methods = user_service_methods(&server.method_count);
	if (rpc_server_open(&at->server, &server, &error) != STATUS_OK) {
		fail_msg("%s", error.message);
	}
	at->peer = peer_open(rpc_server_url(at->server));
}

void
user_fixture_open(struct user_fixture *at, const struct user_service_options *options)
{
	user_fixture_open_store(at);
	user_fixture_migrate(at);
	user_fixture_start(at, options);
	while (!user_service_serving(at->service)) {
		usleep(1000);
	}
}

void
user_fixture_close(struct user_fixture *at)
{
	static const char *const files[] = {"db", "db-wal", "db-shm"};
	char path[128];

	peer_close(at->peer);
	rpc_server_close(&at->server);
	user_service_stop(&at->service);
	sql_close(&at->store);
	for (size_t i = 0; i < sizeof(files) / sizeof(files[0]); i++) {
		snprintf(path, sizeof(path), "%s/%s", at->dir, files[i]);
		unlink(path);
	}
	assert_int_equal(rmdir(at->dir), 0);
}

static void
user_pack(Mockvideo__Rpc__V1__Call *call, const struct user_call *from)
{
	mockvideo__rpc__v1__call__init(call);
	assert_true(asprintf(&call->method, "account.v1.UserService/%s", from->method) > 0);
	call->request.len = protobuf_c_message_get_packed_size(from->request);
	call->request.data = malloc(call->request.len + 1);
	assert_non_null(call->request.data);
	protobuf_c_message_pack(from->request, call->request.data);
	call->timeout_ms = from->timeout_ms;
}

void
user_send(struct peer *peer, const struct user_call *calls, size_t count)
{
	Mockvideo__Rpc__V1__CallBatch batch = MOCKVIDEO__RPC__V1__CALL_BATCH__INIT;
	size_t len;
	uint8_t *bytes;

	batch.n_calls = count;
	batch.calls = calloc(count, sizeof(*batch.calls));
	assert_non_null(batch.calls);
	for (size_t i = 0; i < count; i++) {
		batch.calls[i] = malloc(sizeof(**batch.calls));
		assert_non_null(batch.calls[i]);
		user_pack(batch.calls[i], &calls[i]);
	}
	len = mockvideo__rpc__v1__call_batch__get_packed_size(&batch);
	bytes = malloc(len);
	assert_non_null(bytes);
	mockvideo__rpc__v1__call_batch__pack(&batch, bytes);
	peer_send_bytes(peer, bytes, len);
	free(bytes);
	for (size_t i = 0; i < count; i++) {
		mockvideo__rpc__v1__call__free_unpacked(batch.calls[i], NULL);
	}
	free(batch.calls);
}

Mockvideo__Rpc__V1__ReplyBatch *
user_ask(struct user_fixture *at, const char *method, const ProtobufCMessage *request)
{
	const struct user_call call = {method, request, 0};
	Mockvideo__Rpc__V1__ReplyBatch *batch;

	user_send(at->peer, &call, 1);
	batch = peer_receive(at->peer);
	assert_int_equal(batch->n_replies, 1);
	return batch;
}

void *
user_response(const Mockvideo__Rpc__V1__Reply *reply, const ProtobufCMessageDescriptor *type)
{
	void *response;

	if (reply->status != NULL) {
		fail_msg("%s: %s", reply->status->reason, reply->status->message);
	}
	response = protobuf_c_message_unpack(type, NULL, reply->response.len, reply->response.data);
	assert_non_null(response);
	return response;
}

void
user_expect(Mockvideo__Rpc__V1__ReplyBatch *batch, enum status_code code, const char *reason,
    const char *message)
{
	const Mockvideo__Rpc__V1__Status *status = batch->replies[0]->status;

	assert_non_null(status);
	assert_string_equal(status->reason, reason);
	assert_int_equal(status->code, code);
	assert_string_equal(status->message, message);
	peer_free(batch);
}

const char *
user_violations(const Mockvideo__Rpc__V1__Status *status)
{
	static char fields[512];
	size_t at = 0;

	fields[0] = '\0';
	for (size_t i = 0; i < status->n_violations; i++) {
		at += (size_t)snprintf(fields + at, sizeof(fields) - at, "%s%s", i == 0 ? "" : ",",
		    status->violations[i]->field);
	}
	return fields;
}

void
user_expect_violations(Mockvideo__Rpc__V1__ReplyBatch *batch, const char *fields)
{
	const Mockvideo__Rpc__V1__Status *status = batch->replies[0]->status;

	assert_non_null(status);
	assert_int_equal(status->code, STATUS_INVALID_ARGUMENT);
	assert_string_equal(user_violations(status), fields);
	peer_free(batch);
}

Account__V1__User
user_sample(const char *name, const char *email)
{
	Account__V1__User user = ACCOUNT__V1__USER__INIT;

	user.account_id = 1;
	user.name = (char *)(uintptr_t)name;
	user.email = (char *)(uintptr_t)email;
	user.role_presence_case = ACCOUNT__V1__USER__ROLE_PRESENCE_ROLE;
	user.role = ACCOUNT__V1__ROLE__ROLE_RESTRICTED;
	user.password = (char *)(uintptr_t) "clear text";
	return user;
}

int64_t
user_create(struct user_fixture *at, const char *name, const char *email)
{
	Account__V1__CreateUserRequest request = ACCOUNT__V1__CREATE_USER_REQUEST__INIT;
	Account__V1__User user = user_sample(name, email);
	Mockvideo__Rpc__V1__ReplyBatch *batch;
	Account__V1__User *created;
	int64_t id;

	request.user = &user;
	batch = user_ask(at, "CreateUser", &request.base);
	created = user_response(batch->replies[0], &account__v1__user__descriptor);
	id = created->id;
	assert_true(id > 0);
	account__v1__user__free_unpacked(created, NULL);
	peer_free(batch);
	return id;
}

Account__V1__User *
user_get(struct user_fixture *at, int64_t id)
{
	Account__V1__GetUserRequest request = ACCOUNT__V1__GET_USER_REQUEST__INIT;
	Mockvideo__Rpc__V1__ReplyBatch *batch;
	Account__V1__User *user = NULL;

	request.id = id;
	batch = user_ask(at, "GetUser", &request.base);
	if (batch->replies[0]->status == NULL ||
	    batch->replies[0]->status->code != MOCKVIDEO__RPC__V1__CODE__NOT_FOUND) {
		user = user_response(batch->replies[0], &account__v1__user__descriptor);
	}
	peer_free(batch);
	return user;
}
