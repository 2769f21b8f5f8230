/*
 * The server side of the RPC layer: it listens on one or more URLs (rpc_net.h),
 * any NNG REQ socket can be a client, methods are rows of a table, and any
 * thread may finish a call.
 *
 * A call is RECEIVED (its message is decoded where it was read, in a thread of
 * NNG's), STARTED (its method's start has been called) and FINISHED (it was
 * answered). The reply message leaves when the last call of its batch is
 * finished.
 *
 * In addition a call can be CANCELLED, when nobody waits for it any more: its
 * connection has ended, or its client has cancelled it. If it waits in a queue
 * of rpc_pool it is not executed. A method that works on it can check this
 * (rpc_call_cancelled). The call must still be finished.
 */
#ifndef COMMON_RPC_SERVER_H
#define COMMON_RPC_SERVER_H

#include <protobuf-c/protobuf-c.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "common/base/status.h"
#include "common/rpc/net/rpc_net.h"

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
	 * Takes the call. It must be finished exactly once, by any thread.
	 * Called in one of NNG's threads, or in the one that resumed the call
	 * (rpc_call_resume): must not block.
	 */
	void (*start)(struct rpc_call *call, void *closure);
	void *closure;          /* for start; NULL: it gets that of rpc_server_options */
	unsigned kind;          /* for the service's own use, for example the queue of rpc_pool */
	bool secret;            /* the request holds secrets: it is overwritten after the answer */
	const char *permission; /* for the interceptors: what a caller needs; may be NULL */

	/*
	 * Set by the server, in the rows that rpc_call_method gives: the number of
	 * the method, below rpc_server_slots. That of a row of the table is its
	 * index there.
	 */
	unsigned slot;
};

/* What before of an interceptor has done with the call. */
enum rpc_before {
	RPC_BEFORE_PASS,   /* the next row is asked, or the call is started */
	RPC_BEFORE_FAILED, /* it has failed the call, which must not be used any more */
	RPC_BEFORE_WAITS   /* it resumes or fails the call later, or has done so already */
};

/*
 * What is done with each call besides its method. Neither function may block.
 * The server's own rows come before those of its user: "deadline" refuses calls
 * whose time is over, "principal" refuses calls that name a principal and may
 * not.
 */
struct rpc_interceptor {
	const char *name;

	/*
	 * Called in the order of the rows, before the call is started. One that
	 * must wait for something, as for the answer of another server, keeps
	 * the call, returns RPC_BEFORE_WAITS, and calls rpc_call_resume or
	 * rpc_call_fail later, in any thread, when the call's deadline passes
	 * at the latest. May be NULL.
	 */
	enum rpc_before (*before)(struct rpc_call *call, void *closure);

	/*
	 * Called in the opposite order, when the call is finished and before
	 * its reply leaves; for refused calls too. error is STATUS_OK when it
	 * was answered. May be NULL.
	 */
	void (*after)(const struct rpc_call *call, const struct error *error, void *closure);
	void *closure; /* for both; NULL: they get observe_closure of rpc_server_options */
};

/* What clients may use of the server; see rpc_net.h. 0: no limit; for times: the default. */
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
 * Everything that is pointed to is borrowed until the server is closed, except
 * listen.
 */
struct rpc_server_options {

	/*
	 * URLs, separated by commas: tcp:// ipc:// tls+tcp://. tcp://:PORT,
	 * without a host or with *, means every address: IPv4, and IPv6 if the
	 * system has it.
	 */
	const char *listen;
	const struct rpc_method *methods;
	size_t method_count;
	void *closure;               /* handed to the starts of methods that have none */
	size_t request_max_bytes;    /* larger messages are refused as a whole */
	unsigned batch_max_calls;    /* of one message; more of them are refused as a whole */
	unsigned messages_max;       /* of a connection, worked on at a time; further ones wait */
	uint32_t default_timeout_ms; /* of a call that says 0 */
	uint32_t timeout_max_ms;     /* longer ones are cut to this */
	struct rpc_server_limits limits;

	/* For Health and Reflection, which the server answers by itself. */
	bool (*serving)(void *closure); /* is the server SERVING as a whole? must not block */
	const char *const *services;    /* full names for Health, NULL-terminated */
	const uint8_t *descriptor_set;  /* packed; borrowed */
	size_t descriptor_set_len;

	/*
	 * Called when all calls of a message have been started, so that the
	 * work can be distributed knowing all of them. May be NULL; must not
	 * block.
	 */
	void (*started)(void *closure);

	/*
	 * Called for each message that was not refused, with the number of its
	 * calls. May be NULL; must not block.
	 */
	void (*observe_message)(size_t calls, void *closure);

	/*
	 * Called when a connection is ended because of a fault, or refused; see
	 * faulted of rpc_net.h.
	 */
	void (*observe_fault)(
	    const char *peer, enum rpc_cause cause, const char *text, void *closure);

	const struct rpc_interceptor *interceptors;
	size_t interceptor_count;
	void *observe_closure; /* passed to these three */

	struct rpc_tls *tls; /* of tls+tcp:// URLs; NULL: there may be none */

	/*
	 * The clients whose calls may name a principal (metadata "principal"):
	 * names, separated by commas, that client certificates have as DNS or
	 * URI names, or as their common name if they have none of those. NULL
	 * or empty: everybody who can connect.
	 */
	const char *trusted;
};

/*
 * Binds every URL and begins to answer. On failure *server is NULL and error
 * names the URL and the reason.
 */
enum status_code rpc_server_open(
    struct rpc_server **server, const struct rpc_server_options *options, struct error *error);

/* How many methods a server with these options has, with those that every server has. */
size_t rpc_server_slots(const struct rpc_server_options *options);

/* The bound URLs, separated by commas: as in listen, but with the actual port if that was 0. */
const char *rpc_server_url(const struct rpc_server *server);

/* From now on health says NOT_SERVING; calls are still answered. */
void rpc_server_drain(struct rpc_server *server);

/* Calls received and not yet finished. */
size_t rpc_server_in_flight(const struct rpc_server *server);

/* What clients currently use of the limits. */
struct rpc_server_stats {
	size_t connections;
	size_t partial_bytes;
	size_t working_bytes;
	size_t unsent_bytes;
};

void rpc_server_stats(struct rpc_server *server, struct rpc_server_stats *stats);

/*
 * Refuses new requests (UNAVAILABLE, reason SHUTTING_DOWN), waits until every
 * started call is finished, and at most half a second more until the replies
 * are written to their connections. Then frees the server and clears *server.
 * The threads that finish calls must still run. NULL is fine. Not to be called
 * in a callback.
 */
void rpc_server_close(struct rpc_server **server);

/*
 * The properties of a call. Borrowed until the call is finished. The method is
 * NULL when it is unknown; only interceptors see such calls.
 */
const struct rpc_method *rpc_call_method(const struct rpc_call *call);
struct arena *rpc_call_arena(struct rpc_call *call);
int64_t rpc_call_deadline_ns(const struct rpc_call *call); /* on clock_now_ns */
int64_t rpc_call_received_ns(const struct rpc_call *call);

/*
 * Whether the call has metadata of that key, and its value. NULL: it has none, or
 * there is no memory for it; so what is decided by metadata asks for the former.
 */
bool rpc_call_has_metadata(const struct rpc_call *call, const char *key);
const char *rpc_call_metadata(const struct rpc_call *call, const char *key);

/* How long the call has waited in queues of rpc_pool; -1 when it was in none. */
int64_t rpc_call_waited_ns(const struct rpc_call *call);

/* True once nobody waits for the call's answer any more. Any thread. */
bool rpc_call_cancelled(const struct rpc_call *call);

/*
 * The input message, unpacked in the call's arena when this is first called.
 * NULL when its bytes are not such a message or exceed the arena, or when a
 * string is not UTF-8 or contains U+0000. Then the call has been failed with
 * INVALID_ARGUMENT and must not be used any more.
 */
const ProtobufCMessage *rpc_call_request(struct rpc_call *call);

/* The closure of the options of the server that received the call. */
void *rpc_call_server_closure(const struct rpc_call *call);

/*
 * For an interceptor that has returned, or is about to return, RPC_BEFORE_WAITS:
 * goes on with the call, which must not be used afterwards, in this thread. A
 * call whose deadline has passed, or that was cancelled, is failed instead. Any
 * thread, but not within before.
 */
void rpc_call_resume(struct rpc_call *call);

/* A pointer that the service can attach to the call; NULL at first. */
void *rpc_call_data(const struct rpc_call *call);
void rpc_call_set_data(struct rpc_call *call, void *data);

/* Answers with response, which is packed immediately. The call must not be used afterwards. */
void rpc_call_finish(struct rpc_call *call, const ProtobufCMessage *response);

/* Answers with an error. The call must not be used afterwards. */
void rpc_call_fail(struct rpc_call *call, const struct error *error);

/*
 * If the deadline has passed, fails the call with DEADLINE_EXCEEDED and returns
 * true; the call must not be used then.
 */
bool rpc_call_drop_expired(struct rpc_call *call);

/*
 * Between the two calls, replies that this thread completes are kept back, to
 * leave with one write per connection. For a thread that finishes many calls in
 * a row and does not block meanwhile.
 */
void rpc_call_cork(void);
void rpc_call_uncork(void);

#endif
