/*
 * What the files of the server side share: rpc_server.c (socket and memory),
 * rpc_message.c (from the bytes of a request to those of its reply), rpc_call.c
 * (calls and their answers), rpc_builtin.c, rpc_pool.c.
 */
#ifndef COMMON_RPC_SERVER_INTERNAL_H
#define COMMON_RPC_SERVER_INTERNAL_H

#include <nng/nng.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "common/rpc/server/rpc_server.h"
#include "common/rpc/wire/rpc_envelope.h"

/*
 * Where a message is. One thread at a time has it, handed on by NNG, or by
 * the count of calls that are left.
 *
 *	RECEIVING -> WORKING -> SENDING -> RECEIVING ...
 *	    |           `--------^ refused as a whole
 *	    `-> CLOSED <----------' the socket is closed
 */
enum rpc_message_state {
	RPC_MESSAGE_CLOSED,
	RPC_MESSAGE_RECEIVING,
	RPC_MESSAGE_WORKING,
	RPC_MESSAGE_SENDING
};

/* A context of the socket, and the message that it works on. */
struct rpc_message {
	enum rpc_message_state state;
	struct rpc_server *server;
	nng_ctx ctx;
	nng_aio *aio;
	nng_pipe pipe;          /* whence the request came */
	nng_msg *request;       /* calls borrow from it */
	nng_msg *reply;         /* of the only call, or put together of all */
	struct rpc_call *calls; /* in the order of the request */
	size_t call_count;
	atomic_bool starting; /* more of its calls are about to be started */
	atomic_size_t left;   /* calls not finished, and one for the decoder */
};

/*
 * A call is in the server's list of spare ones, or in a message. It keeps its
 * arena for life.
 */
struct rpc_call {
	struct rpc_call *next; /* of the message or of the spare ones */
	struct rpc_message *message;
	struct arena *arena;
	struct rpc_call_view view;
	const struct rpc_method *method;
	ProtobufCMessage *input; /* NULL: not yet unpacked */
	void *data;
	int64_t received_ns;
	int64_t deadline_ns;
	struct rpc_span reply; /* its part of the ReplyBatch; set by who finishes it */

	struct rpc_call *queue_next; /* this and the next three are of rpc_pool */
	int64_t queued_ns;
	int64_t waited_ns; /* in queues, once it was taken out of one */
	bool waited;
};

struct rpc_server {
	struct rpc_server_options options;
	nng_socket socket;
	char *url;
	struct rpc_message *messages; /* messages_max of them */
	const struct rpc_method **methods;
	size_t method_count;
	size_t arena_max_bytes;
	atomic_bool draining;
	atomic_size_t in_flight;

	pthread_mutex_t lock; /* guards all below */
	pthread_cond_t idle;  /* working has become 0 */
	bool closing;
	size_t working; /* messages in that state */
	struct rpc_call *spare;
	size_t spare_count;
};

/*
 * Takes count calls, linked, out of the spare ones and the heap. On failure
 * *calls holds fewer, to be released all the same.
 */
bool rpc_server_acquire(struct rpc_server *server, struct rpc_call **calls, size_t count);

/* Puts the calls back, in whatever state they are, and clears *calls. */
void rpc_server_release(struct rpc_server *server, struct rpc_call **calls);

/* Waits for the next request. */
void rpc_message_receive(struct rpc_message *message);

/* The callback of the message's aio. */
void rpc_message_event(void *message);

/* Sends the answer of a message all whose calls are finished. */
void rpc_message_finish(struct rpc_message *message);

/* Gives a call with an empty arena, or NULL. */
struct rpc_call *rpc_call_new(size_t arena_max_bytes);
void rpc_call_free(struct rpc_call **call);

/* Makes the call ready for another life. */
void rpc_call_reset(struct rpc_call *call);

/* Gives the call to its method, or fails it where there is none or an interceptor refuses it. */
void rpc_call_start(struct rpc_call *call);

/* Runs the interceptors, the server's own first. False: the call was failed and is gone. */
bool rpc_intercept_before(struct rpc_call *call);
void rpc_intercept_after(const struct rpc_call *call, const struct error *error);

/* The rows of the methods that every server has, and their number. */
const struct rpc_method *rpc_builtin_methods(size_t *count);

#endif
