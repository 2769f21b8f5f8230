#include "common/rpc/client/rpc_stub.h"

#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "common/base/arena.h"
#include "common/rpc/client/rpc_sync.h"
#include "common/rpc/net/rpc_transport.h"
#include "tests/rpc_backend.h"
#include "tests/rpc_caller.h"
#include "tests/rpc_service.h"

#define COUNT(array) (sizeof(array) / sizeof((array)[0]))
#define TEXT_MAX     256

/* The services of rpc_service.h and rpc_backend.h, as protoc-c would describe them. */
#define METHOD(name_, input_, output_)                                                             \
	{                                                                                          \
		.name = name_, .input = &mockvideo__rpc__v1__##input_##__descriptor,               \
		.output = &mockvideo__rpc__v1__##output_##__descriptor                             \
	}

#define SERVICE(name_, methods_, by_name_)                                                         \
	{                                                                                          \
		.magic = PROTOBUF_C__SERVICE_DESCRIPTOR_MAGIC, .name = name_,                      \
		.n_methods = COUNT(methods_), .methods = methods_,                                 \
		.method_indices_by_name = by_name_                                                 \
	}

enum {
	TEST_DEADLINE,
	TEST_ECHO,
	TEST_FAIL,
	TEST_METADATA,
	TEST_UNKNOWN
};

enum {
	BACKEND_ECHO,
	BACKEND_ECHO_AS_HEALTH,
	BACKEND_ECHO_BYTES_AS_TEXT,
	BACKEND_HOLD
};

static const unsigned by_name[] = {0, 1, 2, 3, 4};

static const ProtobufCMethodDescriptor test_methods[] = {
    METHOD("Deadline", health_check_request, get_file_descriptor_set_response),
    METHOD("Echo", health_check_request, get_file_descriptor_set_response),
    METHOD("Fail", health_check_request, get_file_descriptor_set_response),
    METHOD("Metadata", health_check_request, get_file_descriptor_set_response),
    METHOD("Unknown", health_check_request, get_file_descriptor_set_response),
};

static const ProtobufCMethodDescriptor backend_methods[] = {
    METHOD("Echo", health_check_request, health_check_request),
    METHOD("EchoAsHealth", health_check_request, health_check_response),
    METHOD("EchoBytesAsText", get_file_descriptor_set_response, health_check_request),
    METHOD("Hold", health_check_request, health_check_request),
};

static const ProtobufCServiceDescriptor test_service =
    SERVICE("test.v1.Test", test_methods, by_name);
static const ProtobufCServiceDescriptor backend_service = SERVICE("t", backend_methods, by_name);

/* What a closure was given. */
struct ending {
	pthread_mutex_t lock; /* guards all below */
	pthread_cond_t more;
	unsigned count;
	bool output;
	char text[TEXT_MAX]; /* of the output */
	int number;
	struct error error; /* without what it borrows */
	char reason[TEXT_MAX];
	char violation[TEXT_MAX];
	struct rpc_stub *next; /* called by the closure, once */
};

#define ENDING                                                                                     \
	{                                                                                          \
		.lock = PTHREAD_MUTEX_INITIALIZER, .more = PTHREAD_COND_INITIALIZER                \
	}

static void
ending_read(struct ending *ending, const ProtobufCMessage *output)
{
	if (output->descriptor ==
	    &mockvideo__rpc__v1__get_file_descriptor_set_response__descriptor) {
		const ProtobufCBinaryData *bytes =
		    &((const Mockvideo__Rpc__V1__GetFileDescriptorSetResponse *)output)
			 ->file_descriptor_set;

		snprintf(ending->text, TEXT_MAX, "%.*s", (int)bytes->len, (char *)bytes->data);
	} else if (output->descriptor == &mockvideo__rpc__v1__health_check_request__descriptor) {
		snprintf(ending->text, TEXT_MAX, "%s",
		    ((const Mockvideo__Rpc__V1__HealthCheckRequest *)output)->service);
	} else {
		ending->number =
		    (int)((const Mockvideo__Rpc__V1__HealthCheckResponse *)output)->status;
	}
}

static void
ended(const ProtobufCMessage *output, void *closure)
{
	const struct error *error = rpc_stub_error();
	struct ending *ending = closure;

	pthread_mutex_lock(&ending->lock);
	ending->output = output != NULL;
	if (output != NULL) {
		ending_read(ending, output);
	}
	ending->error = *error;
	snprintf(ending->reason, TEXT_MAX, "%s", error->reason == NULL ? "" : error->reason);
	if (error->violation_count > 0) {
		snprintf(ending->violation, TEXT_MAX, "%s", error->violations[0].field);
	}
	ending->count++;
	pthread_cond_signal(&ending->more);
	pthread_mutex_unlock(&ending->lock);
}

static void
ending_wait(struct ending *ending, unsigned count)
{
	pthread_mutex_lock(&ending->lock);
	while (ending->count < count) {
		pthread_cond_wait(&ending->more, &ending->lock);
	}
	pthread_mutex_unlock(&ending->lock);
}

static void
expect_text(struct ending *ending, unsigned count, const char *text)
{
	ending_wait(ending, count);
	assert_string_equal(ending->error.message, "");
	assert_int_equal(ending->error.code, STATUS_OK);
	assert_true(ending->output);
	assert_string_equal(ending->text, text);
}

static void
expect_error(struct ending *ending, unsigned count, enum status_code code, const char *reason)
{
	ending_wait(ending, count);
	assert_false(ending->output);
	assert_string_equal(status_name(ending->error.code), status_name(code));
	assert_string_equal(ending->reason, reason);
	assert_true(ending->error.message[0] != '\0');
}

static void
call(struct rpc_stub *stub, unsigned method, const char *text, struct ending *ending)
{
	Mockvideo__Rpc__V1__HealthCheckRequest request =
	    MOCKVIDEO__RPC__V1__HEALTH_CHECK_REQUEST__INIT;

	request.service = (char *)(uintptr_t)text;
	stub->service.invoke(&stub->service, method, &request.base, ended, ending);
}

/* A channel to the server of the case, and a stub of its service. */
static struct rpc_channel *
connect_stub(struct rpc_stub *stub, void **state)
{
	struct rpc_channel *channel =
	    caller_channel(rpc_server_url(*state), (struct rpc_channel_options){0});

	rpc_stub_init(stub, channel, &test_service, NULL, 0);
	return channel;
}

static void
health_checked(const Mockvideo__Rpc__V1__HealthCheckResponse *response, void *closure)
{
	ended(response == NULL ? NULL : &response->base, closure);
}

static void
a_generated_function_makes_a_call(void **state)
{
	Mockvideo__Rpc__V1__HealthCheckRequest request =
	    MOCKVIDEO__RPC__V1__HEALTH_CHECK_REQUEST__INIT;
	struct rpc_channel *channel =
	    caller_channel(rpc_server_url(*state), (struct rpc_channel_options){0});
	static const struct rpc_stub_method methods[] = {{"Check", RPC_NO_SIDE_EFFECTS}};
	struct ending ending = ENDING;
	struct rpc_stub stub;

	rpc_stub_init(&stub, channel, &mockvideo__rpc__v1__health__descriptor, methods, 1);
	mockvideo__rpc__v1__health__check(&stub.service, &request, health_checked, &ending);
	expect_text(&ending, 1, "");
	assert_int_equal(
	    ending.number, MOCKVIDEO__RPC__V1__HEALTH_CHECK_RESPONSE__SERVING_STATUS__SERVING);
	request.service = (char *)(uintptr_t) "nobody";
	mockvideo__rpc__v1__health__check(&stub.service, &request, health_checked, &ending);
	expect_error(&ending, 2, STATUS_NOT_FOUND, "UNKNOWN_SERVICE");
	protobuf_c_service_destroy(&stub.service);
	rpc_channel_close(&channel);
}

static void
the_output_is_unpacked(void **state)
{
	struct ending ending = ENDING;
	struct rpc_stub stub;
	struct rpc_channel *channel = connect_stub(&stub, state);

	call(&stub, TEST_ECHO, "hello", &ending);
	expect_text(&ending, 1, "hello");
	assert_null(rpc_stub_error());
	rpc_channel_close(&channel);
}

static void
an_error_comes_with_all_that_it_says(void **state)
{
	struct ending ending = ENDING;
	struct rpc_stub stub;
	struct rpc_channel *channel = connect_stub(&stub, state);

	call(&stub, TEST_FAIL, "", &ending);
	expect_error(&ending, 1, STATUS_INVALID_ARGUMENT, "INVALID_FIELDS");
	assert_int_equal(ending.error.violation_count, 2);
	assert_string_equal(ending.violation, "email");
	assert_int_equal(ending.error.retry_after_ms, 1234);
	call(&stub, TEST_UNKNOWN, "", &ending);
	expect_error(&ending, 2, STATUS_UNIMPLEMENTED, "UNKNOWN_METHOD");
	rpc_channel_close(&channel);
}

static void
timeout_and_metadata_of_a_copy_are_its_own(void **state)
{
	static const struct rpc_metadata metadata[] = {{"principal", "mickey"}};
	struct ending ending = ENDING;
	struct rpc_stub stub;
	struct rpc_channel *channel = connect_stub(&stub, state);
	struct rpc_stub copy = stub;

	copy.metadata = metadata;
	copy.metadata_count = 1;
	copy.timeout_ms = 20000;
	call(&copy, TEST_METADATA, "", &ending);
	expect_text(&ending, 1, "mickey");
	call(&stub, TEST_METADATA, "", &ending);
	expect_text(&ending, 2, "(none)");
	call(&copy, TEST_DEADLINE, "", &ending);
	ending_wait(&ending, 3);
	assert_in_range(atoi(ending.text), 10000, 20000);
	call(&stub, TEST_DEADLINE, "", &ending);
	ending_wait(&ending, 4);
	assert_in_range(atoi(ending.text), 1, 5000);
	rpc_channel_close(&channel);
}

static void
call_again(const ProtobufCMessage *output, void *closure)
{
	struct ending *ending = closure;
	struct rpc_stub *next = ending->next;

	ending->next = NULL;
	assert_non_null(output);
	call(next, TEST_ECHO, "again", ending);
	assert_int_equal(rpc_stub_error()->code, STATUS_OK);
}

static void
a_closure_may_make_a_call(void **state)
{
	Mockvideo__Rpc__V1__HealthCheckRequest request =
	    MOCKVIDEO__RPC__V1__HEALTH_CHECK_REQUEST__INIT;
	struct ending ending = ENDING;
	struct rpc_stub stub;
	struct rpc_channel *channel = connect_stub(&stub, state);

	ending.next = &stub;
	stub.service.invoke(&stub.service, TEST_ECHO, &request.base, call_again, &ending);
	expect_text(&ending, 1, "again");
	rpc_channel_close(&channel);
}

static void
a_blocking_call_gives_its_output_in_an_arena(void **state)
{
	Mockvideo__Rpc__V1__HealthCheckRequest request =
	    MOCKVIDEO__RPC__V1__HEALTH_CHECK_REQUEST__INIT;
	Mockvideo__Rpc__V1__GetFileDescriptorSetResponse *response;
	struct arena *arena = arena_new(0);
	struct error error;
	struct rpc_stub stub;
	struct rpc_channel *channel = connect_stub(&stub, state);

	request.service = (char *)(uintptr_t) "hello";
	response = (void *)rpc_stub_call(&stub, "Echo", &request.base, arena, &error);
	assert_non_null(response);
	assert_int_equal(error.code, STATUS_OK);
	assert_int_equal(response->file_descriptor_set.len, 5);
	assert_null(rpc_stub_call(&stub, "Fail", &request.base, arena, &error));
	rpc_channel_close(&channel);
	assert_int_equal(error.code, STATUS_INVALID_ARGUMENT);
	assert_string_equal(error.reason, "INVALID_FIELDS");
	assert_int_equal(error.violation_count, 2);
	assert_string_equal(error.violations[1].field, "name");
	assert_string_equal(error.violations[1].description, "must not be empty");
	assert_memory_equal(response->file_descriptor_set.data, "hello", 5);
	arena_free(&arena);
}

static void
a_blocking_call_of_packed_bytes_gives_the_reply(void **state)
{
	struct rpc_channel *channel =
	    caller_channel(rpc_server_url(*state), (struct rpc_channel_options){0});
	struct rpc_request request = {.method = "mockvideo.rpc.v1.Health/Check"};
	struct rpc_reply *reply = rpc_sync_call(channel, &request);
	Mockvideo__Rpc__V1__HealthCheckResponse *response;

	assert_non_null(reply);
	assert_int_equal(reply->error.code, STATUS_OK);
	response =
	    mockvideo__rpc__v1__health_check_response__unpack(NULL, reply->len, reply->response);
	assert_non_null(response);
	assert_int_equal(
	    response->status, MOCKVIDEO__RPC__V1__HEALTH_CHECK_RESPONSE__SERVING_STATUS__SERVING);
	mockvideo__rpc__v1__health_check_response__free_unpacked(response, NULL);
	rpc_reply_free(&reply);
	rpc_channel_close(&channel);
}

/* A backend that holds, and a stub of its service. */
static struct rpc_channel *
connect_backend(struct rpc_stub *stub, struct backend **backend)
{
	static const struct rpc_stub_method methods[] = {{"Echo", RPC_NO_SIDE_EFFECTS}};
	struct rpc_channel *channel;

	*backend = backend_open("tcp://127.0.0.1:0");
	assert_non_null(*backend);
	channel = caller_channel(
	    backend_url(*backend), (struct rpc_channel_options){.batch_stall_ms = 60000});
	rpc_stub_init(stub, channel, &backend_service, methods, 1);
	return channel;
}

static void
an_answer_of_another_type_is_malformed(void **state)
{
	Mockvideo__Rpc__V1__GetFileDescriptorSetResponse bytes =
	    MOCKVIDEO__RPC__V1__GET_FILE_DESCRIPTOR_SET_RESPONSE__INIT;
	struct ending ending = ENDING;
	struct backend *backend;
	struct rpc_stub stub;
	struct rpc_channel *channel = connect_backend(&stub, &backend);

	(void)state;
	call(&stub, BACKEND_ECHO, "fits", &ending);
	expect_text(&ending, 1, "fits");
	call(&stub, BACKEND_ECHO_AS_HEALTH, "no status", &ending);
	expect_error(&ending, 2, STATUS_UNAVAILABLE, "MALFORMED_REPLY");
	bytes.file_descriptor_set = (ProtobufCBinaryData){2, (uint8_t *)(uintptr_t) "\xff\xfe"};
	stub.service.invoke(&stub.service, BACKEND_ECHO_BYTES_AS_TEXT, &bytes.base, ended, &ending);
	expect_error(&ending, 3, STATUS_UNAVAILABLE, "MALFORMED_REPLY");
	rpc_channel_close(&channel);
	backend_close(&backend);
}

/* Two messages in flight make those that may share one gather. */
static void
flags_are_those_of_the_method(void **state)
{
	struct ending held = ENDING;
	struct ending ending = ENDING;
	struct backend *backend;
	struct rpc_stub stub;
	struct rpc_channel *channel = connect_backend(&stub, &backend);
	const struct rpc_stub_method shared[] = {
	    {"Hold", RPC_NO_SIDE_EFFECTS}, {"Echo", RPC_NO_SIDE_EFFECTS}};

	(void)state;
	call(&stub, BACKEND_HOLD, "", &held);
	backend_wait(backend, 1);
	call(&stub, BACKEND_HOLD, "", &held);
	backend_wait(backend, 2);
	rpc_stub_init(&stub, channel, &backend_service, shared, COUNT(shared));
	call(&stub, BACKEND_HOLD, "", &held);
	backend_wait(backend, 3);
	call(&stub, BACKEND_HOLD, "", &held);
	backend_wait(backend, 4);
	for (int i = 0; i < 10; i++) {
		call(&stub, BACKEND_ECHO, "", &ending);
	}
	assert_int_equal(backend_counts(backend).messages, 4);
	backend_release(backend);
	ending_wait(&held, 4);
	ending_wait(&ending, 10);
	assert_int_equal(backend_counts(backend).largest, 10);
	rpc_channel_close(&channel);
	backend_close(&backend);
}

static void
closing_the_channel_ends_the_call(void **state)
{
	struct ending ending = ENDING;
	struct backend *backend;
	struct rpc_stub stub;
	struct rpc_channel *channel = connect_backend(&stub, &backend);

	(void)state;
	call(&stub, BACKEND_HOLD, "", &ending);
	backend_wait(backend, 1);
	rpc_channel_close(&channel);
	expect_error(&ending, 1, STATUS_CANCELLED, "CHANNEL_CLOSED");
	backend_close(&backend);
}

static void *
make_calls(void *stub)
{
	struct ending ending = ENDING;

	for (unsigned i = 0; i < 200; i++) {
		char text[16];

		snprintf(text, sizeof(text), "%u", i);
		call(stub, TEST_ECHO, text, &ending);
		ending_wait(&ending, i + 1);
		assert_string_equal(ending.text, text);
	}
	return NULL;
}

static void
threads_share_a_stub(void **state)
{
	pthread_t threads[4];
	struct rpc_stub stub;
	struct rpc_channel *channel = connect_stub(&stub, state);

	for (size_t i = 0; i < COUNT(threads); i++) {
		assert_int_equal(pthread_create(&threads[i], NULL, make_calls, &stub), 0);
	}
	for (size_t i = 0; i < COUNT(threads); i++) {
		pthread_join(threads[i], NULL);
	}
	rpc_channel_close(&channel);
}

#define SERVED(name) cmocka_unit_test_setup_teardown(name, service_set_up, service_tear_down)

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    SERVED(a_generated_function_makes_a_call),
	    SERVED(the_output_is_unpacked),
	    SERVED(an_error_comes_with_all_that_it_says),
	    SERVED(timeout_and_metadata_of_a_copy_are_its_own),
	    SERVED(a_closure_may_make_a_call),
	    SERVED(a_blocking_call_gives_its_output_in_an_arena),
	    SERVED(a_blocking_call_of_packed_bytes_gives_the_reply),
	    cmocka_unit_test(an_answer_of_another_type_is_malformed),
	    cmocka_unit_test(flags_are_those_of_the_method),
	    cmocka_unit_test(closing_the_channel_ends_the_call),
	    SERVED(threads_share_a_stub),
	};
	int failed = cmocka_run_group_tests(tests, NULL, NULL);

	rpc_fini();
	return failed;
}
