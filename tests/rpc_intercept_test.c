/* What is done with calls besides their methods, by interceptors that may wait. */
#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "common/base/clock.h"
#include "common/rpc/net/rpc_transport.h"
#include "tests/rpc_peer.h"
#include "tests/rpc_service.h"

/* Calls that an interceptor lets wait: those with metadata of its key. */
struct waiting {
	const char *key;
	pthread_mutex_t lock;
	pthread_cond_t more;
	struct rpc_call *calls[8];
	size_t count;
	atomic_uint asked;
};

static struct waiting first = {
    .key = "wait", .lock = PTHREAD_MUTEX_INITIALIZER, .more = PTHREAD_COND_INITIALIZER};
static struct waiting second = {
    .key = "other", .lock = PTHREAD_MUTEX_INITIALIZER, .more = PTHREAD_COND_INITIALIZER};
static atomic_uint started;
static char named[] = "a closure of its own";

static void *
resume(void *call)
{
	rpc_call_resume(call);
	return NULL;
}

/* The value "at once" is resumed before this returns. */
static enum rpc_before
wait_for_it(struct rpc_call *call, void *closure)
{
	struct waiting *waiting = closure;
	const char *value = rpc_call_metadata(call, waiting->key);
	pthread_t thread;

	atomic_fetch_add(&waiting->asked, 1);
	if (value == NULL) {
		return RPC_BEFORE_PASS;
	}
	if (strcmp(value, "at once") == 0) {
		assert_int_equal(pthread_create(&thread, NULL, resume, call), 0);
		pthread_join(thread, NULL);
		return RPC_BEFORE_WAITS;
	}
	pthread_mutex_lock(&waiting->lock);
	waiting->calls[waiting->count++] = call;
	pthread_cond_signal(&waiting->more);
	pthread_mutex_unlock(&waiting->lock);
	return RPC_BEFORE_WAITS;
}

static struct rpc_call *
await(struct waiting *waiting, size_t count)
{
	struct rpc_call *call;

	pthread_mutex_lock(&waiting->lock);
	while (waiting->count < count) {
		pthread_cond_wait(&waiting->more, &waiting->lock);
	}
	call = waiting->calls[count - 1];
	pthread_mutex_unlock(&waiting->lock);
	return call;
}

static void
start_named(struct rpc_call *call, void *closure)
{
	atomic_fetch_add(&started, 1);
	service_answer(call, closure == &service_held ? "the server's" : closure);
}

static void
start_slot(struct rpc_call *call, void *closure)
{
	char text[] = "0";

	(void)closure;
	assert_ptr_equal(rpc_call_server_closure(call), &service_held);
	text[0] = (char)('0' + rpc_call_method(call)->slot);
	service_answer(call, text);
}

#define ROW(name_, start_, closure_)                                                               \
	{                                                                                          \
		.name = "test.v1.Test/" name_,                                                     \
		.input = &mockvideo__rpc__v1__health_check_request__descriptor,                    \
		.output = &mockvideo__rpc__v1__get_file_descriptor_set_response__descriptor,       \
		.start = start_, .closure = closure_                                               \
	}

static const struct rpc_method methods[] = {
    ROW("Zero", start_slot, NULL),
    ROW("Named", start_named, named),
    ROW("Shared", start_named, NULL),
    ROW("Apple", start_slot, NULL),
};

static int
set_up(void **state)
{
	struct rpc_server_options options = service_options("tcp://127.0.0.1:0");
	const struct rpc_interceptor rows[] = {options.interceptors[0],
	    {"first", wait_for_it, NULL, &first}, {"second", wait_for_it, NULL, &second}};
	static struct rpc_interceptor interceptors[3];
	struct rpc_server *server;
	struct error error;

	memcpy(interceptors, rows, sizeof(rows));
	options.interceptors = interceptors;
	options.interceptor_count = 3;
	options.methods = methods;
	options.method_count = sizeof(methods) / sizeof(methods[0]);
	for (size_t i = 0; i <= STATUS_UNAUTHENTICATED; i++) {
		atomic_store(&service_observed[i], 0);
	}
	first.count = second.count = 0;
	first.asked = second.asked = started = 0;
	assert_int_equal(rpc_server_open(&server, &options, &error), STATUS_OK);
	assert_int_equal(rpc_server_slots(&options), options.method_count + 2);
	*state = server;
	return 0;
}

static void
send_waiting(struct peer *peer, const char *key, const char *value, uint32_t timeout_ms)
{
	const struct peer_call call = {"test.v1.Test/Named", "", timeout_ms, key, value};

	peer_send(peer, &call, 1);
}

static void
expect_answer(struct peer *peer)
{
	Mockvideo__Rpc__V1__ReplyBatch *batch = peer_receive(peer);
	char *text;

	assert_int_equal(batch->n_replies, 1);
	assert_null(batch->replies[0]->status);
	text = peer_text(batch->replies[0]);
	assert_string_equal(text, named);
	free(text);
	peer_free(batch);
}

static void
a_call_waits_until_it_is_resumed(void **state)
{
	struct peer *peer = service_connect(state);
	struct rpc_call *call;

	send_waiting(peer, "wait", "", 0);
	call = await(&first, 1);
	assert_int_equal(started, 0);
	assert_int_equal(second.asked, 0);
	assert_int_equal(rpc_server_in_flight(*state), 1);
	rpc_call_resume(call);
	expect_answer(peer);
	assert_int_equal(second.asked, 1);
	assert_int_equal(first.asked, 1);
	peer_close(peer);
}

static void
each_row_may_wait(void **state)
{
	struct peer *peer = service_connect(state);

	send_waiting(peer, "wait", "at once", 0);
	expect_answer(peer);
	send_waiting(peer, "other", "", 0);
	rpc_call_resume(await(&second, 1));
	expect_answer(peer);
	assert_int_equal(started, 2);
	peer_close(peer);
}

static void
others_of_its_message_do_not_wait_for_it(void **state)
{
	const struct peer_call calls[] = {
	    {"test.v1.Test/Named", "", 0, "wait", ""}, {"test.v1.Test/Named", "", 0, NULL, NULL}};
	struct peer *peer = service_connect(state);
	Mockvideo__Rpc__V1__ReplyBatch *batch;
	struct rpc_call *call;

	peer_send(peer, calls, 2);
	call = await(&first, 1);
	while (atomic_load(&started) == 0) {
		usleep(1000);
	}
	rpc_call_resume(call);
	batch = peer_receive(peer);
	assert_int_equal(batch->n_replies, 2);
	assert_null(batch->replies[0]->status);
	assert_null(batch->replies[1]->status);
	peer_free(batch);
	peer_close(peer);
}

static void
who_lets_a_call_wait_may_fail_it(void **state)
{
	struct peer *peer = service_connect(state);
	struct error error;

	send_waiting(peer, "wait", "", 0);
	error_set(&error, STATUS_UNAUTHENTICATED, "NOBODY", "who are you?");
	rpc_call_fail(await(&first, 1), &error);
	peer_expect_refusal(peer_receive(peer), STATUS_UNAUTHENTICATED, "NOBODY");
	assert_int_equal(second.asked, 0);
	assert_int_equal(started, 0);
	assert_int_equal(service_observed[STATUS_UNAUTHENTICATED], 1);
	peer_close(peer);
}

static void
a_call_whose_deadline_passes_meanwhile_is_not_started(void **state)
{
	struct peer *peer = service_connect(state);
	struct rpc_call *call;

	send_waiting(peer, "wait", "", 1);
	call = await(&first, 1);
	while (clock_now_ns() < rpc_call_deadline_ns(call)) {
		usleep(1000);
	}
	rpc_call_resume(call);
	peer_expect_refusal(peer_receive(peer), STATUS_DEADLINE_EXCEEDED, "EXPIRED_IN_QUEUE");
	assert_int_equal(started, 0);
	peer_close(peer);
}

static void
a_call_that_is_cancelled_meanwhile_is_not_started(void **state)
{
	struct peer *peer = service_connect(state);
	struct rpc_call *call;

	send_waiting(peer, "wait", "", 0);
	call = await(&first, 1);
	assert_false(rpc_call_cancelled(call));
	peer_close(peer);
	while (!rpc_call_cancelled(call)) {
		usleep(1000);
	}
	rpc_call_resume(call);
	assert_int_equal(service_observed[STATUS_CANCELLED], 1);
	assert_int_equal(started, 0);
}

static void *
close_server(void *state)
{
	rpc_server_close(state);
	return NULL;
}

static void
close_waits_for_calls_that_wait(void **state)
{
	struct peer *peer = service_connect(state);
	struct rpc_call *call;
	pthread_t closer;

	send_waiting(peer, "wait", "", 0);
	call = await(&first, 1);
	assert_int_equal(pthread_create(&closer, NULL, close_server, state), 0);
	rpc_call_resume(call);
	expect_answer(peer);
	pthread_join(closer, NULL);
	assert_null(*state);
	peer_close(peer);
}

static void
a_method_has_a_closure_or_gets_that_of_the_server(void **state)
{
	struct peer *peer = service_connect(state);

	service_ask(peer, PEER_CALL("test.v1.Test/Named", ""), 0, named);
	service_ask(peer, PEER_CALL("test.v1.Test/Shared", ""), 0, "the server's");
	peer_close(peer);
}

/* Those of the server itself come after them. */
static void
methods_are_numbered_in_their_order(void **state)
{
	struct peer *peer = service_connect(state);

	service_ask(peer, PEER_CALL("test.v1.Test/Zero", ""), 0, "0");
	service_ask(peer, PEER_CALL("test.v1.Test/Apple", ""), 0, "3");
	peer_close(peer);
}

#define CASE(test) cmocka_unit_test_setup_teardown(test, set_up, service_tear_down)

static int
end(void **state)
{
	(void)state;
	rpc_fini();
	return 0;
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    CASE(a_call_waits_until_it_is_resumed),
	    CASE(each_row_may_wait),
	    CASE(others_of_its_message_do_not_wait_for_it),
	    CASE(who_lets_a_call_wait_may_fail_it),
	    CASE(a_call_whose_deadline_passes_meanwhile_is_not_started),
	    CASE(a_call_that_is_cancelled_meanwhile_is_not_started),
	    CASE(close_waits_for_calls_that_wait),
	    CASE(a_method_has_a_closure_or_gets_that_of_the_server),
	    CASE(methods_are_numbered_in_their_order),
	};

	return cmocka_run_group_tests(tests, NULL, end);
}
