/*
 * For tests of the pool: a server whose methods queue their calls in a pool,
 * with workers that the test holds at a gate.
 */
#ifndef TESTS_RPC_POOL_FIXTURE_H
#define TESTS_RPC_POOL_FIXTURE_H

#include <pthread.h>
#include <stdbool.h>

#include "common/rpc/server/rpc_pool.h"
#include "tests/rpc_peer.h"

#define RUNS_MAX 4096

/* The kinds of the pool under test; the methods Read, Write, Hash, Again queue in them. */
enum kind {
	KIND_READ,  /* coalesced */
	KIND_WRITE, /* one by one */
	KIND_HASH,  /* by one thread at a time */
	KIND_AGAIN, /* submits its calls to KIND_READ */
	KIND_COUNT
};

/* What the workers do, and how the test holds them. */
struct gate {
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
};

extern struct gate gate;
extern struct rpc_pool *pool;

void gate_set(bool closed);

/* Waits until so many runs have begun. */
void gate_wait(unsigned entered);

/* With the gate open and nothing counted. */
void pool_start(unsigned threads);
void wait_for_queued(enum kind kind, size_t count);

/* For cmocka: a server in *state. The second stops the pool too. */
int pool_set_up(void **state);
int pool_tear_down(void **state);

/* Sends one message of count calls. */
struct peer *send_calls(void **state, const char *method, size_t count, uint32_t timeout_ms);

/* Receives the replies, gives how many are OK; the others must have the code and reason. */
size_t receive(struct peer *peer, size_t count, int code, const char *reason);

#endif
