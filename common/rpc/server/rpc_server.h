/*
 * The server side of the RPC layer: connections on one or more URLs (rpc_net.h),
 * any NNG REQ socket at their other end, a table of methods, calls that are
 * finished from any thread.
 *
 * A call is RECEIVED (its message is decoded where it was read, in a thread of
 * NNG's), STARTED (its method's start has been called) and FINISHED (it was
 * answered). The reply message leaves when the last call of its batch is
 * finished.
 *
 * A call is CANCELLED besides when nobody waits for it any more: its connection
 * has ended, or its client has said so. If it waits in a queue of rpc_pool it is
 * not executed; if it is being worked on, who does so may ask (rpc_call_cancelled).
 * It is to be finished all the same.
 */
#ifndef COMMON_RPC_SERVER_H
#define COMMON_RPC_SERVER_H

#include <protobuf-c/protobuf-c.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "common/rpc/net/rpc_net.h"
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
	 * any thread. Called in a thread of NNG's: must not block.
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

/* What clients may take of the server; see rpc_net.h. 0: no limit, or the default of a time. */
struct rpc_server_limits {
	unsigned connections_max;
	unsigned address_max;     /* connections of an address */
	size_t partial_max_bytes; /* memory of incomplete requests */
	size_t working_max_bytes; /* of requests worked on; further ones are refused */
	size_t unsent_max_bytes;  /* of replies that wait to be read */
	int handshake_timeout_ms; /* 10 s */
	int receive_timeout_ms;   /* 30 s */
	int send_timeout_ms;      /* 10 s */
};

/*
 * A message that is refused as a whole gets a ReplyBatch of one reply, however
 * many calls it holds, and none of them is executed: INVALID_ARGUMENT with
 * reason MALFORMED_ENVELOPE or EMPTY_BATCH, RESOURCE_EXHAUSTED with
 * MESSAGE_TOO_LARGE, BATCH_TOO_LARGE, SERVER_BUSY or OUT_OF_MEMORY, UNAVAILABLE
 * with SHUTTING_DOWN. Past twice request_max_bytes the connection is closed
 * instead, before the message is read. A message that holds only cancels is not
 * replied to.
 *
 * All that is pointed to is borrowed until the server is closed, but for
 * listen.
 */
struct rpc_server_options {

	/*
	 * URLs with commas: tcp:// ipc:// tls+tcp://. tcp://:PORT, with no
	 * host or *, is every address, of IPv4 and of IPv6 where there is one.
	 */
	const char *listen;
	const struct rpc_method *methods;
	size_t method_count;
	void *closure;               /* handed to each start */
	size_t request_max_bytes;    /* larger messages are refused as a whole */
	unsigned batch_max_calls;    /* of one message; more of them are refused as a whole */
	unsigned messages_max;       /* of a connection, worked on at a time; further ones wait */
	uint32_t default_timeout_ms; /* of a call that says 0 */
	uint32_t timeout_max_ms;     /* longer ones are cut to this */
	struct rpc_server_limits limits;

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

	/* Called when a connection is ended by a fault, or refused: as faulted of rpc_net.h. */
	void (*observe_fault)(
	    const char *peer, enum rpc_cause cause, const char *text, void *closure);

	const struct rpc_interceptor *interceptors;
	size_t interceptor_count;
	void *observe_closure; /* handed to these three */

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

/* What clients hold of the limits. */
struct rpc_server_stats {
	size_t connections;
	size_t partial_bytes;
	size_t working_bytes;
	size_t unsent_bytes;
};

void rpc_server_stats(struct rpc_server *server, struct rpc_server_stats *stats);

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

/* True once nobody waits for the call's answer any more. Any thread. */
bool rpc_call_cancelled(const struct rpc_call *call);

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

/*
 * Between the two, replies that this thread completes wait, to leave in one
 * write for each connection. For who finishes many calls in a row, without
 * waiting for anything meanwhile.
 */
void rpc_call_cork(void);
void rpc_call_uncork(void);

#endif
