/*
 * What the files of the server side share: rpc_server.c (opening, closing,
 * memory), rpc_session.c (a connection and its requests), rpc_message.c (from
 * the bytes of a request to those of its reply), rpc_call.c (calls and their
 * answers), rpc_builtin.c, rpc_pool.c.
 */
#ifndef COMMON_RPC_SERVER_INTERNAL_H
#define COMMON_RPC_SERVER_INTERNAL_H

#include <pthread.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/queue.h>

#include "common/rpc/net/rpc_conn.h"
#include "common/rpc/net/rpc_listener.h"
#include "common/rpc/server/rpc_server.h"
#include "common/rpc/wire/rpc_digest.h"
#include "common/rpc/wire/rpc_envelope.h"

/* A connection. Lives as long as it is open or one of its messages is being worked on. */
struct rpc_session {
	struct rpc_server *server;
	struct rpc_conn *conn; /* acquired */
	atomic_uint users;     /* references: the connection while it is open, and each message */

	pthread_mutex_t lock; /* protects the list, and keeps the messages in it from being freed */
	TAILQ_HEAD(, rpc_message) messages; /* those being worked on */
};

/*
 * A request that is being worked on. It belongs to one thread at a time: first
 * to the thread that decodes it, later to the thread that finishes the last of
 * its calls (left becomes 0). Between the two nobody may touch it except
 * through its calls, or to cancel it with the session's lock.
 */
struct rpc_message {
	struct rpc_server *server;
	struct rpc_session *session;
	TAILQ_ENTRY(rpc_message) link;
	struct rpc_frame frame; /* calls borrow from its block */
	struct rpc_buf *reply;  /* of the only call, or combined from all */
	struct rpc_call *calls; /* in the order of the request */
	size_t call_count;
	atomic_size_t left; /* calls not finished, plus one for the decoder */
};

/*
 * A call is either in the server's list of spare calls (protected by the
 * server's lock) or in a message; then it belongs to the thread that works on
 * it. It keeps its arena for its whole life.
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
	unsigned intercepted;  /* interceptors that were asked */
	atomic_bool cancelled;

	struct rpc_call *queue_next; /* this and the next three belong to rpc_pool */
	int64_t queued_ns;
	int64_t waited_ns; /* in queues, once it was taken out of one */
	bool waited;
};

struct rpc_server {
	struct rpc_server_options options;
	struct rpc_net *net;
	struct rpc_listener *listener;
	struct rpc_method *methods;        /* by slot */
	const struct rpc_method **by_name; /* sorted */
	size_t method_count;
	size_t arena_max_bytes;
	char digest[RPC_DIGEST_SIZE]; /* of options.descriptor_set */
	atomic_bool draining;
	atomic_size_t in_flight;
	atomic_size_t working_bytes;

	pthread_mutex_t lock; /* protects all below */
	pthread_cond_t idle;  /* working has become 0 */
	bool closing;
	size_t working; /* messages */
	struct rpc_call *spare;
	size_t spare_count;
};

/* The result of rpc_server_take. */
enum rpc_taking {
	RPC_TAKING_DONE,
	RPC_TAKING_CLOSED, /* the server closes */
	RPC_TAKING_NO_MEMORY
};

/*
 * Counts one more message that is being worked on, and gives count linked calls
 * for it, from the spare ones or the heap. If the result is not
 * RPC_TAKING_DONE, nothing has changed.
 */
enum rpc_taking rpc_server_take(struct rpc_server *server, struct rpc_call **calls, size_t count);

/* Returns the calls, in any state, to the spare ones and clears *calls; counts one message less. */
void rpc_server_let_go(struct rpc_server *server, struct rpc_call **calls);

/* The events of connections. */
extern const struct rpc_net_events rpc_session_events;

void rpc_session_release(struct rpc_session **session);

/* From rpc_session_add to rpc_session_remove the message can be cancelled. */
void rpc_session_add(struct rpc_session *session, struct rpc_message *message);
void rpc_session_remove(struct rpc_session *session, struct rpc_message *message);

/*
 * Takes the frame and decodes it. Gives a message whose calls must be started;
 * or NULL, if it has replied to the frame itself or the frame needs no reply.
 */
struct rpc_message *rpc_message_receive(struct rpc_session *session, struct rpc_frame *frame);

/* Starts the calls of the message, which must not be used by the caller afterwards. */
void rpc_message_start(struct rpc_message *message);

/*
 * Cancels the calls at these places, which are packed numbers; empty: all
 * calls. With the session's lock.
 */
void rpc_message_cancel(struct rpc_message *message, struct rpc_span places);

/* Sends the reply of a message whose calls are all finished. */
void rpc_message_finish(struct rpc_message *message);

/*
 * True in a thread that starts calls. When it has started all calls that were
 * read together, it calls rpc_server_options.started once.
 */
extern _Thread_local bool rpc_session_is_starting;

/* Gives a call with an empty arena, or NULL. */
struct rpc_call *rpc_call_new(size_t arena_max_bytes);
void rpc_call_free(struct rpc_call **call);

/* Makes the call ready for another life. */
void rpc_call_reset(struct rpc_call *call);

/* Gives the call to its method, or fails it where there is none or an interceptor refuses it. */
void rpc_call_start(struct rpc_call *call);

/* Fails a call that nobody waits for any more. */
void rpc_call_fail_cancelled(struct rpc_call *call);

/*
 * Asks the interceptors that were not asked yet, the server's own first. False:
 * the call must not be used any more: it was failed, or one of them has it.
 */
bool rpc_intercept_before(struct rpc_call *call);
void rpc_intercept_after(const struct rpc_call *call, const struct error *error);

/* The rows of the methods that every server has, and their number. */
const struct rpc_method *rpc_builtin_methods(size_t *count);

#endif
