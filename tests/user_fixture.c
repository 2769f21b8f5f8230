#include "tests/user_fixture.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "services/accountd/accountd_conf.h"
#include "services/accountd/accountd_metric.h"
#include "services/accountd/accountd_schema.h"
#include "services/accountd/user_service.h"

static const char *const user_fixture_services[] = {"account.v1.UserService", NULL};

static const struct service_resource *const user_fixture_resources[] = {&user_service_users, NULL};

/* accountd, without its descriptors. */
static const struct service user_fixture_service = {.name = "accountd",
    .conf = &accountd_conf_own,
    .resources = user_fixture_resources,
    .methods = &user_service_health,
    .method_count = 1,
    .services = user_fixture_services,
    .schema = &accountd_schema,
    .migration = user_service_migration,
    .metric_rows = accountd_metric_rows,
    .metric_row_count = ACCOUNTD_METRIC_COUNT,
    .collect = user_service_collect,
    .open = user_service_open,
    .start = user_service_start,
    .stop = user_service_stop,
    .close = user_service_close};

/* A flag that comes later wins. */
static void
user_fixture_prepare(struct user_fixture *at, const char *const *flags)
{
	const char *all[SERVICE_FIXTURE_FLAGS_MAX] = {"--store-workers=3", "--queue-max=1000",
	    "--hash-threads=2", "--hash-queue-max=100", "--hash-mem-kib=8", "--hash-passes=1",
	    "--bulk-max-items=300", "--request-timeout-ms=20000", "--timeout-max-ms=20000"};
	size_t count = 0;

	while (all[count] != NULL) {
		count++;
	}
	for (size_t i = 0; flags != NULL && flags[i] != NULL; i++) {
		all[count++] = flags[i];
	}
	service_fixture_prepare(&at->base, &user_fixture_service, all);
}

void
user_fixture_start(struct user_fixture *at)
{
	user_fixture_prepare(at, NULL);
	service_fixture_start(&at->base);
	at->peer = at->base.peer;
}

void
user_fixture_migrate(struct user_fixture *at)
{
	service_fixture_migrate(&at->base);
	service_fixture_await_serving(&at->base);
}

void
user_fixture_open(struct user_fixture *at, const char *const *flags)
{
	user_fixture_prepare(at, flags);
	service_fixture_migrate(&at->base);
	service_fixture_start(&at->base);
	service_fixture_await_serving(&at->base);
	at->peer = at->base.peer;
}

void
user_fixture_close(struct user_fixture *at)
{
	service_fixture_close(&at->base);
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
