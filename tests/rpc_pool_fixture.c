#include "tests/rpc_pool_fixture.h"

#include <assert.h>
#include <setjmp.h>
#include <stdarg.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "common/rpc/server/rpc_server.h"
#include "tests/rpc_service.h"

struct gate gate = {.lock = PTHREAD_MUTEX_INITIALIZER, .changed = PTHREAD_COND_INITIALIZER};
struct rpc_pool *pool;

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

void
gate_set(bool closed)
{
	pthread_mutex_lock(&gate.lock);
	gate.closed = closed;
	pthread_cond_broadcast(&gate.changed);
	pthread_mutex_unlock(&gate.lock);
}

void
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

void
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

static void
started(void *closure)
{
	(void)closure;
	rpc_pool_started(pool);
}

int
pool_set_up(void **state)
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
	    .started = started,
	};
	struct error error;

	return rpc_server_open((struct rpc_server **)state, &options, &error) != STATUS_OK;
}

int
pool_tear_down(void **state)
{
	rpc_server_close((struct rpc_server **)state);
	rpc_pool_stop(&pool);
	assert_int_equal(gate.opened, 0);
	return 0;
}

struct peer *
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

size_t
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

void
wait_for_queued(enum kind kind, size_t count)
{
	while (rpc_pool_queued(pool, kind) < count) {
		usleep(1000);
	}
}
