#include "tests/rpc_service.h"

#include <assert.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "common/base/arena.h"
#include "common/base/clock.h"
#include "tests/rpc_peer.h"

struct service_held service_held = {PTHREAD_MUTEX_INITIALIZER, PTHREAD_COND_INITIALIZER, {NULL}, 0};

atomic_bool service_serving;
atomic_uint service_observed[STATUS_UNAUTHENTICATED + 1];
atomic_size_t service_messages;
atomic_size_t service_messages_calls;

void
service_answer(struct rpc_call *call, const char *text)
{
	Mockvideo__Rpc__V1__GetFileDescriptorSetResponse response =
	    MOCKVIDEO__RPC__V1__GET_FILE_DESCRIPTOR_SET_RESPONSE__INIT;

	response.file_descriptor_set.data = (uint8_t *)text;
	response.file_descriptor_set.len = strlen(text);
	rpc_call_finish(call, &response.base);
}

static void
start_echo(struct rpc_call *call, void *closure)
{
	const Mockvideo__Rpc__V1__HealthCheckRequest *request =
	    (const Mockvideo__Rpc__V1__HealthCheckRequest *)rpc_call_request(call);

	assert(closure == &service_held);
	if (request != NULL) {
		assert(rpc_call_request(call) == &request->base);
		service_answer(call, request->service);
	}
}

static void
start_hold(struct rpc_call *call, void *closure)
{
	(void)closure;
	pthread_mutex_lock(&service_held.lock);
	service_held.calls[service_held.count++] = call;
	pthread_cond_signal(&service_held.more);
	pthread_mutex_unlock(&service_held.lock);
}

static void
start_fail(struct rpc_call *call, void *closure)
{
	struct error error = {0};

	(void)closure;
	error_violation(&error, rpc_call_arena(call), "email", "must have an @");
	error_violation(&error, rpc_call_arena(call), "name", "must not be empty");
	error_detail(&error, "for the log alone");
	error.retry_after_ms = 1234;
	rpc_call_fail(call, &error);
}

static void
start_metadata(struct rpc_call *call, void *closure)
{
	size_t used = arena_used(rpc_call_arena(call));
	bool named = rpc_call_has_metadata(call, "principal");
	const char *principal;

	(void)closure;
	/* To know whether there is one takes no memory, which there may not be. */
	assert(arena_used(rpc_call_arena(call)) == used);
	principal = rpc_call_metadata(call, "principal");
	assert(named == (principal != NULL));
	assert(!rpc_call_has_metadata(call, "principa"));
	assert(rpc_call_metadata(call, "principa") == NULL);
	service_answer(call, principal == NULL ? "(none)" : principal);
}

static void
start_deadline(struct rpc_call *call, void *closure)
{
	int64_t timeout_ns = rpc_call_deadline_ns(call) - rpc_call_received_ns(call);

	(void)closure;
	assert(rpc_call_data(call) == NULL);
	rpc_call_set_data(call, closure);
	assert(rpc_call_data(call) == closure);
	service_answer(
	    call, arena_printf(rpc_call_arena(call), "%d", (int)(timeout_ns / CLOCK_NS_PER_MS)));
}

void
service_answer_large(struct rpc_call *call, void *closure)
{
	char *text = malloc(SERVICE_LARGE_BYTES + 1);

	(void)closure;
	assert(text != NULL);
	memset(text, 'x', SERVICE_LARGE_BYTES);
	text[SERVICE_LARGE_BYTES] = '\0';
	service_answer(call, text);
	free(text);
}

/* Its input is a CallBatch, the one type at hand that repeats a message. */
static void
start_rows(struct rpc_call *call, void *closure)
{
	(void)closure;
	if (rpc_call_request(call) != NULL) {
		service_answer(call, "unpacked");
	}
}

static void
start_expired(struct rpc_call *call, void *closure)
{
	(void)closure;
	while (!rpc_call_drop_expired(call)) {
		usleep(1000);
	}
}

#define ROW(name_, start_)                                                                         \
	{                                                                                          \
		.name = "test.v1.Test/" name_,                                                     \
		.input = &mockvideo__rpc__v1__health_check_request__descriptor,                    \
		.output = &mockvideo__rpc__v1__get_file_descriptor_set_response__descriptor,       \
		.start = start_,                                                                   \
	}

static const struct rpc_method methods[] = {
    ROW("Echo", start_echo),
    ROW("Hold", start_hold),
    ROW("Fail", start_fail),
    ROW("Metadata", start_metadata),
    ROW("Deadline", start_deadline),
    ROW("Large", service_answer_large),
    ROW("Expired", start_expired),
    {
	.name = "test.v1.Test/Rows",
	.input = &mockvideo__rpc__v1__call_batch__descriptor,
	.output = &mockvideo__rpc__v1__get_file_descriptor_set_response__descriptor,
	.start = start_rows,
    },
};

static bool
is_serving(void *closure)
{
	assert(closure == &service_held);
	return atomic_load(&service_serving);
}

static void
observe(const struct rpc_call *call, const struct error *error, void *closure)
{
	assert(closure == &service_observed);
	assert(error->code == STATUS_UNIMPLEMENTED || error->code == STATUS_INVALID_ARGUMENT ||
	       rpc_call_method(call) != NULL);
	atomic_fetch_add(&service_observed[error->code], 1);
}

static const struct rpc_interceptor interceptors[] = {{"observe", NULL, observe, NULL}};
static void
observe_message(size_t calls, void *closure)
{
	assert(closure == &service_observed);
	atomic_fetch_add(&service_messages, 1);
	atomic_fetch_add(&service_messages_calls, calls);
}

struct rpc_server_options
service_options(const char *listen)
{
	static const char *const services[] = {"test.v1.Test", NULL};

	return (struct rpc_server_options){
	    .listen = listen,
	    .methods = methods,
	    .method_count = sizeof(methods) / sizeof(methods[0]),
	    .closure = &service_held,
	    .request_max_bytes = SERVICE_REQUEST_MAX_BYTES,
	    .batch_max_calls = SERVICE_BATCH_MAX_CALLS,
	    .messages_max = 64,
	    .default_timeout_ms = 5000,
	    .timeout_max_ms = 60000,
	    .serving = is_serving,
	    .services = services,
	    .descriptor_set = (const uint8_t *)"descriptors",
	    .descriptor_set_len = 11,
	    .interceptors = interceptors,
	    .interceptor_count = 1,
	    .observe_message = observe_message,
	    .observe_closure = &service_observed,
	};
}

struct rpc_server *
service_open(const char *listen)
{
	struct rpc_server_options options = service_options(listen);
	struct rpc_server *server;
	struct error error = {0};

	rpc_server_open(&server, &options, &error);
	assert_string_equal(error.message, "");
	assert_non_null(server);
	return server;
}

/* Each case has a server of its own in *state, on a free port. */
int
service_set_up(void **state)
{
	atomic_store(&service_serving, true);
	for (size_t i = 0; i <= STATUS_UNAUTHENTICATED; i++) {
		atomic_store(&service_observed[i], 0);
	}
	atomic_store(&service_messages, 0);
	atomic_store(&service_messages_calls, 0);
	service_held.count = 0;
	*state = service_open("tcp://127.0.0.1:0");
	return 0;
}

int
service_tear_down(void **state)
{
	rpc_server_close((struct rpc_server **)state);
	return 0;
}

struct peer *
service_connect(void **state)
{
	return peer_open(rpc_server_url(*state));
}

void
service_wait_for_held(size_t count)
{
	pthread_mutex_lock(&service_held.lock);
	while (service_held.count < count) {
		pthread_cond_wait(&service_held.more, &service_held.lock);
	}
	pthread_mutex_unlock(&service_held.lock);
}

void
service_ask(struct peer *peer, struct peer_call call, int code, const char *expected)
{
	char *text = peer_ask(peer, &call, code, expected);

	if (code == 0) {
		assert_string_equal(text, expected);
	}
	free(text);
}
