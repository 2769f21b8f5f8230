#include "common/rpc/rpc_pool.h"

#include <assert.h>
#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "common/clock.h"
#include "common/rpc/rpc_server.h"
#include "common/rpc/rpc_transport.h"
#include "tests/rpc_peer.h"
#include "tests/rpc_service.h"

#define RUNS_MAX 4096

/* The kinds of the pool under test. */
enum kind {
	KIND_READ,  /* coalesced */
	KIND_WRITE, /* one by one */
	KIND_HASH,  /* by one thread at a time */
	KIND_AGAIN, /* submits its calls to KIND_READ */
	KIND_COUNT
};

/* What the workers do, and how the test holds them. */
static struct {
	pthread_mutex_t lock;
	pthread_cond_t changed;
	bool closed;      /* runs wait while it is */
	unsigned work_ms; /* what a run takes */
	unsigned entered; /* runs that have begun */
	unsigned at_once; /* runs of KIND_HASH now, and the most there were */
	unsigned at_once_max;
	unsigned opened; /* workers */
	unsigned run_count;
	enum kind run_kinds[RUNS_MAX];
	size_t run_sizes[RUNS_MAX];
} gate = {.lock = PTHREAD_MUTEX_INITIALIZER, .changed = PTHREAD_COND_INITIALIZER};

static struct rpc_pool *pool;

static void
gate_pass(enum kind kind, size_t count)
{
	pthread_mutex_lock(&gate.lock);
	assert(gate.run_count < RUNS_MAX);
	gate.run_kinds[gate.run_count] = kind;
	gate.run_sizes[gate.run_count++] = count;
	gate.entered++;
	gate.at_once += kind == KIND_HASH;
	if (gate.at_once > gate.at_once_max) {
		gate.at_once_max = gate.at_once;
	}
	pthread_cond_broadcast(&gate.changed);
	while (gate.closed) {
		pthread_cond_wait(&gate.changed, &gate.lock);
	}
	pthread_mutex_unlock(&gate.lock);
	usleep(gate.work_ms * 1000);
	pthread_mutex_lock(&gate.lock);
	gate.at_once -= kind == KIND_HASH;
	pthread_mutex_unlock(&gate.lock);
}

static void
gate_set(bool closed)
{
	pthread_mutex_lock(&gate.lock);
	gate.closed = closed;
	pthread_cond_broadcast(&gate.changed);
	pthread_mutex_unlock(&gate.lock);
}

static void
gate_wait(unsigned entered)
{
	pthread_mutex_lock(&gate.lock);
	while (gate.entered < entered) {
		pthread_cond_wait(&gate.changed, &gate.lock);
	}
	pthread_mutex_unlock(&gate.lock);
}

static void
finish(enum kind kind, void *worker, struct rpc_call **calls, size_t count)
{
	char name[16];

	assert(worker == &pool);
	assert(pthread_getname_np(pthread_self(), name, sizeof(name)) == 0);
	assert(strcmp(name, "test-worker") == 0);
	gate_pass(kind, count);
	for (size_t i = 0; i < count; i++) {
		service_answer(calls[i], "done");
	}
}

static void
run_read(void *worker, struct rpc_call **calls, size_t count)
{
	finish(KIND_READ, worker, calls, count);
}

static void
run_write(void *worker, struct rpc_call **calls, size_t count)
{
	finish(KIND_WRITE, worker, calls, count);
}

static void
run_hash(void *worker, struct rpc_call **calls, size_t count)
{
	finish(KIND_HASH, worker, calls, count);
}

static void
run_again(void *worker, struct rpc_call **calls, size_t count)
{
	assert(worker == &pool);
	gate_pass(KIND_AGAIN, count);
	for (size_t i = 0; i < count; i++) {
		rpc_pool_resubmit(pool, KIND_READ, calls[i]);
	}
}

static void *
worker_open(void *closure)
{
	pthread_mutex_lock(&gate.lock);
	gate.opened++;
	pthread_mutex_unlock(&gate.lock);
	return closure;
}

static void
worker_close(void *worker)
{
	assert(worker == &pool);
	pthread_mutex_lock(&gate.lock);
	gate.opened--;
	pthread_mutex_unlock(&gate.lock);
}

static void
pool_start(unsigned threads)
{
	static const struct rpc_kind kinds[KIND_COUNT] = {
	    [KIND_READ] = {"read", 12, 8, 0, run_read},
	    [KIND_WRITE] = {"write", 12, 1, 0, run_write},
	    [KIND_HASH] = {"hash", 12, 1, 1, run_hash},
	    [KIND_AGAIN] = {"again", 20, 20, 0, run_again},
	};
	struct rpc_pool_options options = {
	    .name = "test-worker",
	    .threads = threads,
	    .kinds = kinds,
	    .kind_count = KIND_COUNT,
	    .worker_open = worker_open,
	    .worker_close = worker_close,
	    .closure = &pool,
	};
	struct error error;

	gate.entered = gate.at_once_max = gate.run_count = gate.work_ms = 0;
	assert_int_equal(rpc_pool_start(&pool, &options, &error), STATUS_OK);
}

static void
start(struct rpc_call *call, void *closure)
{
	(void)closure;
	rpc_pool_submit(pool, rpc_call_method(call)->kind, call);
}

#define ROW(name_, kind_)                                                                          \
	{                                                                                          \
		.name = name_, .input = &mockvideo__rpc__v1__health_check_request__descriptor,     \
		.output = &mockvideo__rpc__v1__get_file_descriptor_set_response__descriptor,       \
		.start = start, .kind = kind_                                                      \
	}

static int
set_up(void **state)
{
	static const struct rpc_method methods[] = {ROW("Read", KIND_READ),
	    ROW("Write", KIND_WRITE), ROW("Hash", KIND_HASH), ROW("Again", KIND_AGAIN)};
	struct rpc_server_options options = {
	    .listen = "tcp://127.0.0.1:0",
	    .methods = methods,
	    .method_count = KIND_COUNT,
	    .request_max_bytes = 100000,
	    .batch_max_calls = 64,
	    .messages_max = 64,
	    .default_timeout_ms = 60000,
	    .timeout_max_ms = 60000,
	};
	struct error error;

	return rpc_server_open((struct rpc_server **)state, &options, &error) != STATUS_OK;
}

static int
tear_down(void **state)
{
	rpc_server_close((struct rpc_server **)state);
	rpc_pool_stop(&pool);
	assert_int_equal(gate.opened, 0);
	return 0;
}

/* Sends one message of count calls. */
static struct peer *
send_calls(void **state, const char *method, size_t count, uint32_t timeout_ms)
{
	struct peer *peer = service_connect(state);
	struct peer_call calls[64];

	for (size_t i = 0; i < count; i++) {
		calls[i] = (struct peer_call){.method = method, .timeout_ms = timeout_ms};
	}
	peer_send(peer, calls, count);
	return peer;
}

/* Receives the replies, gives how many are OK; the others must have the code and reason. */
static size_t
receive(struct peer *peer, size_t count, int code, const char *reason)
{
	Mockvideo__Rpc__V1__ReplyBatch *batch = peer_receive(peer);
	size_t ok = 0;

	assert_int_equal(batch->n_replies, count);
	for (size_t i = 0; i < count; i++) {
		const Mockvideo__Rpc__V1__Status *status = batch->replies[i]->status;

		if (status == NULL) {
			ok++;
			continue;
		}
		assert_int_equal(status->code, code);
		assert_string_equal(status->reason, reason);
		if (code == STATUS_RESOURCE_EXHAUSTED) {
			assert_in_range(status->retry_after_ms, 1000, 60000);
		}
	}
	peer_free(batch);
	peer_close(peer);
	return ok;
}

static void
wait_for_queued(enum kind kind, size_t count)
{
	while (rpc_pool_queued(pool, kind) < count) {
		usleep(1000);
	}
}

static void
calls_that_wait_together_are_run_together(void **state)
{
	struct peer *first;
	struct peer *others;

	pool_start(1);
	gate_set(true);
	first = send_calls(state, "Read", 1, 0);
	gate_wait(1);
	others = send_calls(state, "Read", 11, 0);
	wait_for_queued(KIND_READ, 11);
	gate_set(false);
	assert_int_equal(receive(first, 1, 0, ""), 1);
	assert_int_equal(receive(others, 11, 0, ""), 11);
	assert_int_equal(gate.run_count, 3);
	assert_int_equal(gate.run_sizes[0], 1);
	assert_int_equal(gate.run_sizes[1], 8);
	assert_int_equal(gate.run_sizes[2], 3);
}

static void
a_call_that_is_alone_does_not_wait_for_others(void **state)
{
	pool_start(2);
	for (int i = 0; i < 20; i++) {
		assert_int_equal(receive(send_calls(state, "Read", 1, 0), 1, 0, ""), 1);
	}
	assert_int_equal(gate.run_count, 20);
}

static void
calls_past_the_queue_are_refused_with_a_time_to_retry(void **state)
{
	struct peer *first;
	struct peer *others;

	pool_start(1);
	gate_set(true);
	first = send_calls(state, "Write", 1, 0);
	gate_wait(1);
	others = send_calls(state, "Write", 20, 0);
	wait_for_queued(KIND_WRITE, 12);
	assert_int_equal(
	    receive(send_calls(state, "Write", 1, 0), 1, STATUS_RESOURCE_EXHAUSTED, "QUEUE_FULL"),
	    0);
	gate_set(false);
	assert_int_equal(receive(first, 1, 0, ""), 1);
	assert_int_equal(receive(others, 20, STATUS_RESOURCE_EXHAUSTED, "QUEUE_FULL"), 12);
	assert_int_equal(gate.run_count, 13);
}

static void
calls_that_expire_in_the_queue_are_not_run(void **state)
{
	struct peer *first;
	struct peer *late;
	struct peer *patient;
	int64_t end_ns;

	pool_start(1);
	gate_set(true);
	first = send_calls(state, "Write", 1, 0);
	gate_wait(1);
	late = send_calls(state, "Read", 3, 30);
	patient = send_calls(state, "Read", 2, 0);
	wait_for_queued(KIND_READ, 5);
	end_ns = clock_now_ns() + 31 * CLOCK_NS_PER_MS;
	while (clock_now_ns() < end_ns) {
		usleep(1000);
	}
	gate_set(false);
	assert_int_equal(receive(first, 1, 0, ""), 1);
	assert_int_equal(receive(late, 3, STATUS_DEADLINE_EXCEEDED, "EXPIRED_IN_QUEUE"), 0);
	assert_int_equal(receive(patient, 2, 0, ""), 2);
	assert_int_equal(gate.run_count, 2);
	assert_int_equal(gate.run_sizes[1], 2);
}

static void
calls_without_time_for_even_a_quick_run_are_dropped_but_tried_again_later(void **state)
{
	size_t ok = 0;

	pool_start(1);
	gate.work_ms = 300;
	assert_int_equal(receive(send_calls(state, "Write", 1, 0), 1, 0, ""), 1);
	assert_int_equal(receive(send_calls(state, "Write", 8, 200), 8, STATUS_DEADLINE_EXCEEDED,
			     "EXPIRED_IN_QUEUE"),
	    0);
	assert_int_equal(gate.run_count, 1);
	gate.work_ms = 0;
	for (int i = 0; i < 3000 && ok == 0; i++) {
		usleep(10000);
		ok = receive(send_calls(state, "Write", 1, 200), 1, STATUS_DEADLINE_EXCEEDED,
		    "EXPIRED_IN_QUEUE");
	}
	assert_int_equal(ok, 1);
	assert_int_equal(gate.run_count, 2);
}

static void
the_kind_whose_first_call_waits_longest_comes_first(void **state)
{
	static const enum kind expected[] = {KIND_HASH, KIND_WRITE, KIND_READ, KIND_WRITE};
	struct peer *peers[4];

	pool_start(1);
	gate_set(true);
	peers[0] = send_calls(state, "Hash", 1, 0);
	gate_wait(1);
	peers[1] = send_calls(state, "Write", 1, 0);
	wait_for_queued(KIND_WRITE, 1);
	peers[2] = send_calls(state, "Read", 2, 0);
	wait_for_queued(KIND_READ, 2);
	peers[3] = send_calls(state, "Write", 1, 0);
	wait_for_queued(KIND_WRITE, 2);
	gate_set(false);
	for (size_t i = 0; i < 4; i++) {
		assert_int_equal(receive(peers[i], i == 2 ? 2 : 1, 0, ""), i == 2 ? 2 : 1);
	}
	assert_int_equal(gate.run_count, 4);
	assert_memory_equal(gate.run_kinds, expected, sizeof(expected));
}

static void
a_kind_does_not_take_more_threads_than_it_may(void **state)
{
	struct peer *hashes;
	struct peer *reads;

	pool_start(4);
	gate_set(true);
	hashes = send_calls(state, "Hash", 10, 0);
	gate_wait(1);
	wait_for_queued(KIND_HASH, 9);
	reads = send_calls(state, "Read", 1, 0);
	gate_wait(2);
	gate_set(false);
	assert_int_equal(receive(reads, 1, 0, ""), 1);
	assert_int_equal(receive(hashes, 10, 0, ""), 10);
	assert_int_equal(gate.at_once_max, 1);
}

static void
a_call_that_is_submitted_again_is_not_refused(void **state)
{
	struct peer *first;
	struct peer *others;
	struct peer *again;

	pool_start(1);
	gate_set(true);
	first = send_calls(state, "Again", 1, 0);
	gate_wait(1);
	again = send_calls(state, "Again", 20, 0);
	wait_for_queued(KIND_AGAIN, 20);
	others = send_calls(state, "Read", 12, 0);
	wait_for_queued(KIND_READ, 12);
	gate_set(false);
	assert_int_equal(receive(first, 1, 0, ""), 1);
	assert_int_equal(receive(again, 20, 0, ""), 20);
	assert_int_equal(receive(others, 12, 0, ""), 12);
}

static void
stop_finishes_what_is_queued_and_submitted_again(void **state)
{
	struct peer *first;
	struct peer *again;

	pool_start(3);
	gate_set(true);
	first = send_calls(state, "Write", 3, 0);
	gate_wait(3);
	again = send_calls(state, "Again", 20, 0);
	wait_for_queued(KIND_AGAIN, 20);
	gate_set(false);
	rpc_pool_stop(&pool);
	assert_null(pool);
	assert_int_equal(rpc_server_in_flight(*state), 0);
	assert_int_equal(receive(first, 3, 0, ""), 3);
	assert_int_equal(receive(again, 20, 0, ""), 20);
}

static void *
send_much(void *state)
{
	static const char *const methods[] = {"Read", "Write", "Hash", "Again"};

	for (int i = 0; i < 40; i++) {
		(void)receive(send_calls(state, methods[i % 4], 4, 0), 4, STATUS_RESOURCE_EXHAUSTED,
		    "QUEUE_FULL");
	}
	return NULL;
}

static void
no_call_is_lost_among_many_threads(void **state)
{
	pthread_t threads[8];

	pool_start(4);
	for (int i = 0; i < 8; i++) {
		assert_int_equal(pthread_create(&threads[i], NULL, send_much, state), 0);
	}
	for (int i = 0; i < 8; i++) {
		pthread_join(threads[i], NULL);
	}
	assert_int_equal(rpc_server_in_flight(*state), 0);
}

#define CASE(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

int
main(void)
{
	const struct CMUnitTest cases[] = {
	    CASE(calls_that_wait_together_are_run_together),
	    CASE(a_call_that_is_alone_does_not_wait_for_others),
	    CASE(calls_past_the_queue_are_refused_with_a_time_to_retry),
	    CASE(calls_that_expire_in_the_queue_are_not_run),
	    CASE(calls_without_time_for_even_a_quick_run_are_dropped_but_tried_again_later),
	    CASE(the_kind_whose_first_call_waits_longest_comes_first),
	    CASE(a_kind_does_not_take_more_threads_than_it_may),
	    CASE(a_call_that_is_submitted_again_is_not_refused),
	    CASE(stop_finishes_what_is_queued_and_submitted_again),
	    CASE(no_call_is_lost_among_many_threads),
	};
	int failed = cmocka_run_group_tests(cases, NULL, NULL);

	rpc_fini();
	return failed;
}
