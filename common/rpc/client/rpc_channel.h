/*
 * The client side of the RPC layer: a channel to a service, over any number of
 * endpoints. All threads may share a channel.
 *
 * After fork the channels, their calls and replies belong to the parent, where
 * they continue. The child must not use them or open others: in the child each
 * call, and rpc_channel_open, fails with FAILED_PRECONDITION and reason FORKED,
 * and the functions that close, cancel or free do nothing. The child may call
 * exec. If a process forks before it opens its first channel, the child may use
 * channels like any other process.
 */
#ifndef COMMON_RPC_CHANNEL_H
#define COMMON_RPC_CHANNEL_H

#include <protobuf-c/protobuf-c.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/queue.h>

#include "common/base/status.h"
#include "common/rpc/wire/rpc_metadata.h"

#ifdef __cplusplus
extern "C" {
#endif

struct arena;
struct rpc_channel;
struct rpc_pending;
struct rpc_tls;

/*
 * A zeroed option means the default, which is in brackets. An endpoint is in
 * the rotation while it is connected, answers, and reports SERVING.
 */
struct rpc_channel_options {
	const char *endpoints; /* URLs with commas: tcp:// ipc:// tls+tcp:// dns:/// */

	uint32_t connect_timeout_ms; /* how long calls wait for a channel just opened [1000] */
	uint32_t default_timeout_ms; /* of a call that says 0 [5000] */
	uint32_t
	    attempt_timeout_ms; /* after this a read is retried [1/3 of the time left, >= 200] */
	uint32_t probe_interval_ms;   /* between health calls to an endpoint [1000] */
	uint32_t resolve_interval_ms; /* between look-ups of a dns:/// name [30000] */
	size_t reply_max_bytes;       /* a longer message breaks the connection [16 MiB] */
	struct rpc_tls *tls;  /* of tls+tcp://, and then of dns:/// too; held while needed [none] */
	const char *tls_name; /* of their certificates; until opened [the URL's host] */
	unsigned in_flight_max; /* calls; one more is answered RESOURCE_EXHAUSTED [4096] */

	/*
	 * Called after a thread of the channel has called several dones in a
	 * row, for example for the calls of one message, so that a receiver can
	 * pass them on together. May be NULL; must not block.
	 */
	void (*delivered)(void *closure);
	void *closure;

	/*
	 * Calls wait and share messages while batch_in_flight messages are in
	 * flight to their endpoint.
	 */
	unsigned batch_max_calls; /* of one message; 1: each call travels alone [64] */
	size_t batch_max_bytes;   /* of a message with several calls [256 KiB] */
	unsigned batch_in_flight; /* [2] */
	uint32_t batch_stall_ms;  /* if none has left for this time, one more message may [10] */
};

enum rpc_request_flag {
	RPC_NO_SIDE_EFFECTS = 1, /* may be retried */
	RPC_IDEMPOTENT = 2,      /* may be retried once its connection is lost */
	RPC_WAIT_FOR_READY = 4,  /* waits for an endpoint instead of failing at once */
	RPC_SLOW = 8,            /* takes much longer than others, for example hashes a password */
	RPC_ALONE = 16,          /* shares no message, for example a bulk of many items */
	RPC_SECRET = 32          /* the request is overwritten wherever it was */
};

/*
 * Calls that a thread makes in a row, as an event loop does in one turn, and
 * that are kept back to leave together: they share messages from the first one
 * on. Initialize it with TAILQ_INIT. The cork and the calls in it belong to
 * that thread until rpc_channel_uncork.
 */
TAILQ_HEAD(rpc_cork, rpc_pending);

/* A call to be made. Everything except the cork is borrowed until rpc_channel_call returns. */
struct rpc_request {
	const char *method;              /* "account.v1.UserService/GetUser" */
	const ProtobufCMessage *message; /* the input; NULL: it is packed already, in data */
	const uint8_t *data;
	size_t len;
	uint32_t timeout_ms; /* 0: the channel's default */
	unsigned flags;
	const struct rpc_metadata *metadata;
	size_t metadata_count;
	struct rpc_cork *cork; /* NULL: the call leaves at once */
};

/* How a call ended. It belongs to the receiver until rpc_reply_free. */
struct rpc_reply {
	struct error error; /* code STATUS_OK: response holds the packed output message */
	const uint8_t *response;
	size_t len;
	const struct rpc_metadata *metadata;
	size_t metadata_count;
	void *owner; /* of the channel */
};

/* Gives reply to its receiver, who must free it with rpc_reply_free, in any thread. */
typedef void rpc_done_fn(struct rpc_reply *reply, void *closure);

/*
 * Gives a channel and begins to connect in the background. Fails only for a
 * malformed list, which error describes.
 */
enum status_code rpc_channel_open(
    struct rpc_channel **channel, const struct rpc_channel_options *options, struct error *error);

/*
 * Ends the calls in flight with CANCELLED, waits until each done has returned,
 * frees the channel and clears *channel. Replies may be freed later. NULL is
 * fine. Not to be called in a callback.
 */
void rpc_channel_close(struct rpc_channel **channel);

/*
 * Makes a call. done is called exactly once, from a thread of the channel and
 * never within this function, and must not block. Gives a handle for
 * rpc_channel_cancel that is valid until done returns, or NULL without memory
 * and in a child of fork, in which case done is not called.
 *
 * A call without RPC_NO_SIDE_EFFECTS or RPC_IDEMPOTENT is never executed twice.
 * How it ends when the channel, not the service, says so:
 *
 *	DEADLINE_EXCEEDED   NOT_SENT         it was not executed
 *	DEADLINE_EXCEEDED   OUTCOME_UNKNOWN  it may have been
 *	UNAVAILABLE         OUTCOME_UNKNOWN  it may have been: the connection was lost,
 *	                                     and no later attempt succeeded
 *	(either)            NOT_ANSWERED     as OUTCOME_UNKNOWN, of RPC_NO_SIDE_EFFECTS: it
 *	                                     makes no difference
 *	UNAVAILABLE         NOT_SENT         it was not
 *	UNAVAILABLE         NO_ENDPOINT      it was not: no endpoint is connected
 *	UNAVAILABLE         MALFORMED_REPLY  it may have been: the answer is garbage
 *	RESOURCE_EXHAUSTED  CHANNEL_FULL     it was not: in_flight_max; has retry_after_ms
 *	RESOURCE_EXHAUSTED  OUT_OF_MEMORY    it may have been, when the answer did not fit
 *	CANCELLED           CANCELLED        it may have been, if it was sent
 *	CANCELLED           CHANNEL_CLOSED   likewise
 *
 * A call with one of these flags is retried within its deadline and a budget of
 * one retry in ten calls: when its connection is lost, and with
 * RPC_NO_SIDE_EFFECTS also when its answer takes long. (A write that is still
 * on its way to a stuck endpoint might be executed there later, and overwrite
 * what was written since.) Use RPC_IDEMPOTENT for a call with an idempotency
 * key that the service supports.
 */
struct rpc_pending *rpc_channel_call(struct rpc_channel *channel, const struct rpc_request *request,
    rpc_done_fn *done, void *closure);

/* Sends all calls of the cork, which is empty afterwards. */
void rpc_channel_uncork(struct rpc_channel *channel, struct rpc_cork *cork);

/*
 * Cancels a call: done is called with CANCELLED unless the call has ended
 * already, and queued work is dropped. The caller must make sure that pending
 * is still valid, for example with its own lock, which its done takes too. A
 * corked call must be cancelled in the thread of its cork.
 */
void rpc_channel_cancel(struct rpc_channel *channel, struct rpc_pending *pending);

/* Frees the reply and clears *reply. NULL is fine. */
void rpc_reply_free(struct rpc_reply **reply);

/* True when some endpoint is connected and in the rotation. */
bool rpc_channel_ready(struct rpc_channel *channel);

/* What a channel has done since it was opened, and its current state. For metrics. */
struct rpc_channel_stats {
	uint64_t calls[STATUS_UNAUTHENTICATED + 1]; /* ended, by code */
	uint64_t retries;                           /* attempts after the first */
	uint64_t retries_refused;                   /* for want of budget */
	uint64_t messages;                          /* sent */
	uint64_t messages_calls;                    /* calls in them */
	uint64_t ejections;
	size_t in_flight; /* calls that have not ended */
	size_t endpoints; /* of which */
	size_t endpoints_connected;
	size_t endpoints_serving;
};

void rpc_channel_get_stats(struct rpc_channel *channel, struct rpc_channel_stats *stats);

/* The state of an endpoint: only SERVING ones are in the rotation. */
enum rpc_endpoint_state {
	RPC_ENDPOINT_CONNECTING,
	RPC_ENDPOINT_SERVING,
	RPC_ENDPOINT_NOT_SERVING, /* it says so itself */
	RPC_ENDPOINT_EJECTED      /* it does not answer */
};

struct rpc_endpoint_status {
	const char *url; /* borrowed for the visit */
	enum rpc_endpoint_state state;
	size_t in_flight; /* calls that wait for it or were sent to it */

	/*
	 * The digest of its descriptors from its health answers: empty when
	 * they have none, NULL while no answer has arrived. Borrowed for the
	 * visit.
	 */
	const char *descriptors_digest;
};

/* Calls visit for each endpoint, with the channel locked: it must neither block nor use it. */
void rpc_channel_visit_endpoints(struct rpc_channel *channel,
    void (*visit)(const struct rpc_endpoint_status *status, void *closure), void *closure);

#ifdef __cplusplus
}
#endif

#endif
