/*
 * The server side of the RPC layer: one NNG REP socket on one or more URLs,
 * a table of methods, calls that are finished from any thread.
 *
 * A call is RECEIVED (its message is decoded in an NNG callback), STARTED (its
 * method's start has been called) and FINISHED (it was answered). The reply
 * message leaves when the last call of its batch is finished.
 */
#ifndef COMMON_RPC_SERVER_H
#define COMMON_RPC_SERVER_H

#include <protobuf-c/protobuf-c.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "common/status.h"

struct arena;
struct rpc_call;
struct rpc_server;
struct rpc_tls;

/* A row of the method table. */
struct rpc_method {
	const char *name; /* "account.v1.UserService/GetUser" */
	const ProtobufCMessageDescriptor *input;
	const ProtobufCMessageDescriptor *output;

	/*
	 * Takes the call and must see to it that it is finished exactly once, by
	 * any thread. Called in an NNG callback: must not block.
	 */
	void (*start)(struct rpc_call *call, void *closure);
	unsigned kind; /* for the service's own use, as the queue of rpc_pool */
	bool secret;   /* the request holds secrets: it is overwritten after the answer */
};

/*
 * What is done with each call besides its method. Neither function may block.
 * The server has rows of its own, before those of its user: "deadline" refuses
 * calls whose time is over, "principal" those that may not say for whom they are.
 */
struct rpc_interceptor {
	const char *name;

	/*
	 * In the order of the rows, before the call is started. False when it has
	 * failed the call, which is gone then. NULL: nothing.
	 */
	bool (*before)(struct rpc_call *call, void *closure);

	/*
	 * In the opposite order, once the call is finished and before its reply
	 * leaves; for calls that were refused, too. error is STATUS_OK when it was
	 * answered. NULL: nothing.
	 */
	void (*after)(const struct rpc_call *call, const struct error *error, void *closure);
};

/*
 * A message that is refused as a whole gets a ReplyBatch of one reply, however
 * many calls it holds, and none of them is executed: INVALID_ARGUMENT with
 * reason MALFORMED_ENVELOPE or EMPTY_BATCH, RESOURCE_EXHAUSTED with
 * MESSAGE_TOO_LARGE, BATCH_TOO_LARGE or OUT_OF_MEMORY, UNAVAILABLE with
 * SHUTTING_DOWN. Past twice request_max_bytes NNG closes the connection
 * instead, before it has read the message.
 *
 * All that is pointed to is borrowed until the server is closed, but for
 * listen.
 */
struct rpc_server_options {

	/*
	 * URLs with commas: tcp:// ipc:// inproc:// tls+tcp://. tcp://:PORT, with no
	 * host or *, is every address, of IPv4 and of IPv6 where there is one.
	 */
	const char *listen;
	const struct rpc_method *methods;
	size_t method_count;
	void *closure;               /* handed to each start */
	size_t request_max_bytes;    /* larger messages are refused as a whole */
	unsigned batch_max_calls;    /* of one message; more of them are refused as a whole */
	unsigned messages_max;       /* worked on at a time; further ones wait in the transport */
	uint32_t default_timeout_ms; /* of a call that says 0 */
	uint32_t timeout_max_ms;     /* longer ones are cut to this */

	/* For Health and Reflection, which the server answers by itself. */
	bool (*serving)(void *closure); /* may the whole be called SERVING? must not block */
	const char *const *services;    /* full names for Health, NULL-terminated */
	const uint8_t *descriptor_set;  /* packed; borrowed */
	size_t descriptor_set_len;

	/*
	 * Called when all calls of a message have been started, so that who
	 * shares their work out can do so knowing all of them. May be NULL; must
	 * not block.
	 */
	void (*started)(void *closure);

	/* Called for each message that was not refused, with the number of its calls. Likewise. */
	void (*observe_message)(size_t calls, void *closure);

	const struct rpc_interceptor *interceptors;
	size_t interceptor_count;
	void *observe_closure; /* handed to these two */

	struct rpc_tls *tls; /* of tls+tcp:// URLs; NULL: there may be none */

	/*
	 * Whose calls may say for whom they are made (metadata "principal"):
	 * names, with commas, that client certificates have as DNS or URI names,
	 * or as their common name where they have none of those. NULL or empty:
	 * everybody who can connect.
	 */
	const char *trusted;
};

/*
 * Binds every URL and begins to answer. On failure *server is NULL and error
 * names the URL and the reason.
 */
enum status_code rpc_server_open(
    struct rpc_server **server, const struct rpc_server_options *options, struct error *error);

/* The URLs bound, with commas, as in listen but with the true port where that was 0. */
const char *rpc_server_url(const struct rpc_server *server);

/* From now on health says NOT_SERVING; calls are still answered. */
void rpc_server_drain(struct rpc_server *server);

/* Calls received and not yet finished. */
size_t rpc_server_in_flight(const struct rpc_server *server);

/*
 * Refuses what comes from now on (UNAVAILABLE, reason SHUTTING_DOWN), waits
 * until every started call is finished and its reply written to its
 * connection, for which it allows half a second, frees the server and clears
 * *server. What finishes calls must still run. NULL is fine. Not to be called
 * in a callback.
 */
void rpc_server_close(struct rpc_server **server);

/*
 * What a call says of itself. Borrowed until the call is finished. The method
 * is NULL when it is unknown, which only interceptors can meet.
 */
const struct rpc_method *rpc_call_method(const struct rpc_call *call);
struct arena *rpc_call_arena(struct rpc_call *call);
int64_t rpc_call_deadline_ns(const struct rpc_call *call); /* on clock_now_ns */
int64_t rpc_call_received_ns(const struct rpc_call *call);
const char *rpc_call_metadata(const struct rpc_call *call, const char *key); /* or NULL */

/* How long the call has waited in queues of rpc_pool; -1 when it came to none. */
int64_t rpc_call_waited_ns(const struct rpc_call *call);

/*
 * The input message, unpacked in the call's arena on the first demand. NULL
 * when its bytes are no such message or exceed the arena, or when a string is
 * not UTF-8 or holds U+0000: then the call has been failed with
 * INVALID_ARGUMENT and is gone.
 */
const ProtobufCMessage *rpc_call_request(struct rpc_call *call);

/* A place for the service to keep what it knows of the call; NULL at first. */
void *rpc_call_data(const struct rpc_call *call);
void rpc_call_set_data(struct rpc_call *call, void *data);

/* Answers with response, which is packed at once. The call is gone after it. */
void rpc_call_finish(struct rpc_call *call, const ProtobufCMessage *response);

/* Answers with an error. The call is gone after it. */
void rpc_call_fail(struct rpc_call *call, const struct error *error);

/*
 * If the deadline has passed, fails the call with DEADLINE_EXCEEDED and
 * returns true; the call is gone then.
 */
bool rpc_call_drop_expired(struct rpc_call *call);

#endif
