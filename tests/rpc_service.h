/*
 * For tests: an RPC server with a service "test.v1.Test" whose methods echo,
 * fail, or hold a call until the test finishes it. Their input is a
 * HealthCheckRequest, their output a GetFileDescriptorSetResponse, for want of
 * smaller messages with a text.
 */
#ifndef TESTS_RPC_SERVICE_H
#define TESTS_RPC_SERVICE_H

#include <pthread.h>
#include <stdatomic.h>

#include "common/rpc/server/rpc_server.h"
#include "tests/rpc_peer.h"

#define SERVICE_HELD_MAX          64
#define SERVICE_REQUEST_MAX_BYTES 100000
#define SERVICE_BATCH_MAX_CALLS   16

/* More than the memory of a call. */
#define SERVICE_LARGE_BYTES ((size_t)17 * 1024 * 1024)

/* Calls of the method Hold, which the test finishes. */
struct service_held {
	pthread_mutex_t lock;
	pthread_cond_t more;
	struct rpc_call *calls[SERVICE_HELD_MAX];
	size_t count;
};

extern struct service_held service_held;

/* What the server's health says. */
extern atomic_bool service_serving;

/* Calls that have ended, by code. */
extern atomic_uint service_observed[STATUS_UNAUTHENTICATED + 1];

/* Messages that the server observed, and the calls in them. */
extern atomic_size_t service_messages;
extern atomic_size_t service_messages_calls;

struct rpc_server_options service_options(const char *listen);
struct rpc_server *service_open(const char *listen);

/* For cmocka: a server in *state for each case, on a free port. */
int service_set_up(void **state);
int service_tear_down(void **state);

struct peer *service_connect(void **state);
void service_wait_for_held(size_t count);

/* Finishes a call with a text; with one of SERVICE_LARGE_BYTES. */
void service_answer(struct rpc_call *call, const char *text);
void service_answer_large(struct rpc_call *call, void *closure);

/* Makes a call that must end with code and, as it is OK or not, the text or reason. */
void service_ask(struct peer *peer, struct peer_call call, int code, const char *expected);

#endif
