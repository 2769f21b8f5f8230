/*
 * A channel is one object under one lock, rpc_channel.lock: the endpoints, the
 * calls and the messages in flight are parts of it. Its files are cut by what
 * they are about:
 *
 *	rpc_channel.c   opening and closing, its lock and its thread
 *	rpc_channel_call.c  what its user does with it: calls, and how it stands
 *	rpc_pending.c   a call: placed, sent, retried, ended
 *	rpc_pending_memory.c  what it holds: its request, its reply, itself
 *	rpc_exchange.c  a message in flight, and what its reply says to each call
 *	rpc_endpoint.c  an endpoint: its connection, and the calls that gather for it
 *	rpc_rotation.c  which endpoints are in the rotation, and which is given a call
 *	rpc_resolver.c  endpoints by DNS
 *
 * No done is called under the lock, nor is anything written: a struct rpc_todo
 * goes with the lock, in which is noted what ends, and rpc_channel_unlock does
 * it. What is sent under the lock is handed to its connection, which writes it
 * then. The connections' locks are taken within this one; what happens to
 * connections is told without any.
 */
#ifndef COMMON_RPC_CHANNEL_INTERNAL_H
#define COMMON_RPC_CHANNEL_INTERNAL_H

#include <pthread.h>
#include <stdbool.h>
#include <sys/queue.h>

#include "common/rpc/client/rpc_channel.h"
#include "common/rpc/client/rpc_timer.h"
#include "common/rpc/net/rpc_conn.h"
#include "common/rpc/net/rpc_net.h"
#include "common/rpc/net/rpc_url.h"
#include "common/rpc/wire/rpc_digest.h"
#include "common/rpc/wire/rpc_envelope.h"

struct rpc_dialer;
struct rpc_exchange;
struct rpc_resolver;

/*
 * Where a call is.
 *
 *	SPARE -> CORKED -> WAITING -> QUEUED -> SENT -> ENDED -> SPARE
 *	                      ^---------'---------'  another attempt
 *
 * It can end from each. It is SPARE again when its reply is freed. The channel's
 * lock guards all of it but what the state gives to somebody: a CORKED call to
 * the thread of its cork, an ENDED one to the receiver of its reply, and one that
 * is being filled in, or emptied, to who does so.
 */
enum rpc_pending_state {
	RPC_PENDING_SPARE,   /* in channel->spare, or being filled in */
	RPC_PENDING_CORKED,  /* in its thread's rpc_cork, which alone touches it */
	RPC_PENDING_WAITING, /* in channel->waiting, for an endpoint or for its back-off */
	RPC_PENDING_QUEUED,  /* in the queue of a group of its endpoint */
	RPC_PENDING_SENT,    /* in exchange->calls */
	RPC_PENDING_ENDED    /* its reply is on its way, or with its receiver */
};

struct rpc_pending {
	struct rpc_reply reply;
	struct rpc_channel *channel;
	enum rpc_pending_state state;
	TAILQ_ENTRY(rpc_pending) link; /* of the list that the state names */
	struct rpc_cork *cork;         /* CORKED */
	rpc_done_fn *done;
	void *closure;
	struct rpc_timer timer; /* deadline, or sooner: end of the attempt or of the back-off */
	int64_t deadline_ns;
	int64_t not_before_ns; /* WAITING: end of the back-off */
	unsigned flags;
	unsigned attempts;
	bool was_sent;                 /* by an attempt before this one */
	bool probe;                    /* goes to its endpoint or nowhere */
	struct rpc_endpoint *endpoint; /* of this attempt, or of the last */
	struct rpc_exchange *exchange; /* SENT */
	size_t slot;                   /* in exchange->calls */
	uint8_t *memory;               /* RPC_CALL_HEAD_MAX, the packed Call, RPC_CALL_TAIL_MAX */
	size_t capacity;               /* of memory, which is kept for the next life */
	size_t packed_len;
	struct rpc_block *block; /* what reply.response points into */
	struct arena *arena;     /* of error texts and metadata; NULL until needed */
};

TAILQ_HEAD(rpc_pending_list, rpc_pending);

/*
 * A message in flight: from when it was handed to the connection until its reply
 * has come, the connection has ended, or nobody waits for it any more. A reply
 * that comes later finds no exchange of its id.
 */
struct rpc_exchange {
	struct rpc_endpoint *endpoint;
	TAILQ_ENTRY(rpc_exchange) link;       /* of endpoint->in_flight, or of the spare ones */
	LIST_ENTRY(rpc_exchange) bucket_link; /* of the bucket of its id */
	uint32_t id;                          /* of the request */
	uint64_t number;         /* by the connection's count; UINT64_MAX: it did not take it */
	struct rpc_group *group; /* whose calls it has; NULL: none's */
	int64_t sent_ns;
	size_t count;
	size_t live;                 /* calls that still wait for it */
	struct rpc_pending *calls[]; /* batch_max_calls; NULL: gave up */
};

TAILQ_HEAD(rpc_exchange_list, rpc_exchange);
LIST_HEAD(rpc_exchange_bucket, rpc_exchange);

/* Ids count up, so that those in flight are spread over all buckets. */
#define RPC_BUCKETS 128

/*
 * Calls that may share messages. Those with side effects are apart from those
 * without, which are retried otherwise; and slow ones are apart from quick ones,
 * which would have to wait for them: a message is answered when its last call is.
 */
struct rpc_group {
	struct rpc_pending_list queue; /* calls that gather */
	size_t queued;
	unsigned in_flight;     /* messages */
	size_t in_flight_calls; /* in them when they were sent */
	int64_t sent_ns;        /* when the last of them was */
	bool slow;              /* the rest is of slow ones */
	double calls;           /* answered of late, of which what is long ago counts little */
	double busy_ns;         /* and the time in which there was one to be answered */
	int64_t answered_ns;    /* when the last reply came */
};

/* Quick and slow ones, with and without side effects. */
#define RPC_GROUPS 4

/*
 *	SERVING <-> NOT_SERVING   by what its health call says
 *	   |  ^           |
 *	   v  |           |
 *	EJECTED <---------'       it does not answer, until it answers a health call
 */
enum rpc_health {
	RPC_HEALTH_SERVING,
	RPC_HEALTH_NOT_SERVING,
	RPC_HEALTH_EJECTED
};

struct rpc_endpoint {
	struct rpc_channel *channel;
	char *url;
	struct rpc_dialer *dialer;
	struct rpc_conn *conn;          /* held; NULL: it is not connected */
	bool stale;                     /* resolver: not in the newest answer */
	bool removed;                   /* takes no more calls; in channel->retired */
	TAILQ_ENTRY(rpc_endpoint) link; /* of channel->retired */
	enum rpc_health health;
	bool digest_known;            /* a health answer has come since it was connected */
	char digest[RPC_DIGEST_SIZE]; /* that was in it */
	size_t load;                  /* calls queued and sent */
	struct rpc_group groups[RPC_GROUPS];
	struct rpc_exchange_list in_flight; /* in the order in which they were sent */
	struct rpc_exchange_list spare;
	struct rpc_exchange_bucket buckets[RPC_BUCKETS];
	uint32_t last_id;
	int64_t connected_ns;
	int64_t heard_ns;          /* when the last reply came */
	unsigned timeouts;         /* in a row, with nothing heard */
	struct rpc_timer timer;    /* next look after it */
	struct rpc_timer stall;    /* when calls that gather may leave behind slower ones */
	struct rpc_pending *probe; /* the health call in flight, until its done has run */
	int64_t probe_ns;          /* when it was made */
};

/* What the thread's asleep_ns says while it is awake: it need not be woken. */
#define RPC_CHANNEL_AWAKE_NS INT64_MIN

struct rpc_channel {
	struct rpc_channel_options options; /* without its texts */
	char *tls_name;                     /* NULL: the host of each URL */
	struct rpc_urls urls;
	struct rpc_net *net;
	pthread_t thread;

	pthread_mutex_t lock; /* guards all below, and endpoints, calls and exchanges */
	pthread_cond_t wake;  /* of the thread */
	pthread_cond_t idle;  /* of close: live has become 0 */
	bool kicked;          /* the thread has work besides its timers */
	bool closing;         /* no new calls */
	bool stopping;        /* the thread ends */
	bool closed;          /* what is left is to be freed with the last reply */
	int64_t asleep_ns;    /* till then the thread sleeps */
	int64_t settled_ns;   /* till then calls wait for the first endpoint */
	uint64_t random;
	double budget;       /* retries that may be made */
	size_t in_flight;    /* calls that have not ended */
	size_t live;         /* calls whose done has not returned */
	size_t lent;         /* replies not freed */
	size_t timer_owners; /* so many timers can be set */
	size_t spare_count;
	struct rpc_timers timers;
	struct rpc_resolver *resolver; /* NULL: no dns:/// */
	struct rpc_endpoint **endpoints;
	size_t endpoint_count;
	size_t endpoint_capacity;
	TAILQ_HEAD(, rpc_endpoint) retired;
	struct rpc_pending_list waiting;
	struct rpc_pending_list ended; /* to be delivered by the thread */
	struct rpc_pending_list spare;
	struct rpc_reply_view *views; /* of the reply that is being read: batch_max_calls */
	struct rpc_channel_stats stats;
};

/* What is to be done when the lock is no longer held. */
struct rpc_todo {
	struct rpc_channel *channel;
	bool holding; /* what gathers stays until all calls are placed */
	bool sent;    /* something was handed to a connection, which has yet to write it */
	int64_t now_ns;
	struct rpc_pending_list done;
};

/* Locks the channel and begins an empty todo. */
void rpc_channel_lock(struct rpc_channel *channel, struct rpc_todo *todo);

/* Unlocks the channel, writes what was sent and calls each done. */
void rpc_channel_unlock(struct rpc_todo *todo);

/* As rpc_channel_unlock, but leaves each done to the channel's thread. */
void rpc_channel_unlock_deferred(struct rpc_todo *todo);

/* Frees all when the channel is closed and its last reply freed. */
void rpc_channel_free(struct rpc_channel *channel);

/*
 * All functions below are called with the lock, unless they say otherwise.
 */

/* Makes room for count more timers to be set at a time. False without memory. */
bool rpc_channel_reserve_timers(struct rpc_channel *channel, size_t count);

/* Wakes the channel's thread. */
void rpc_channel_kick(struct rpc_channel *channel);

/* Sets a timer, and wakes the thread if it is earlier than all others. */
void rpc_channel_set_timer(struct rpc_channel *channel, struct rpc_timer *timer, int64_t at_ns);

/* A random number below limit, which is not 0. */
uint64_t rpc_channel_random(struct rpc_channel *channel, uint64_t limit);

/* The calls that wait are placed again, as an endpoint may be there for them. */
void rpc_channel_place_waiting(struct rpc_channel *channel, struct rpc_todo *todo);

/* Appends to channel->endpoints, and takes the endpoint. False without memory. */
bool rpc_channel_add_endpoint(struct rpc_channel *channel, struct rpc_endpoint *endpoint);

/* Calls act for each endpoint, those that are retired too. */
void rpc_channel_each_endpoint(struct rpc_channel *channel, struct rpc_todo *todo,
    void (*act)(struct rpc_endpoint *endpoint, struct rpc_todo *todo));

/* Gives a call that is to be filled in, or NULL. */
struct rpc_pending *rpc_pending_acquire(struct rpc_channel *channel);

/* Takes the call, whose receiver is done with it. Without the lock. */
void rpc_pending_release(struct rpc_pending *pending);
void rpc_pending_free(struct rpc_pending **pending);

/* Packs the request into the call. False without memory. No lock is needed. */
bool rpc_pending_pack(struct rpc_pending *pending, const struct rpc_request *request);

/* Fires for a call's timer. */
void rpc_pending_fire(struct rpc_timer *timer, void *todo);

/* Begins the call's life: sets its timer and places it. */
void rpc_pending_start(struct rpc_pending *pending, struct rpc_todo *todo);

/* Gives the call to an endpoint, lets it wait for one, or fails it. It is in no list. */
void rpc_pending_place(struct rpc_pending *pending, struct rpc_todo *todo);

/* Takes the call out of wherever it is. */
void rpc_pending_detach(struct rpc_pending *pending);

/*
 * Likewise, for a call whose answer nobody waits for any more. tell: if it was
 * sent, the service is told, which then need not execute it.
 */
void rpc_pending_abandon(struct rpc_pending *pending, bool tell, struct rpc_todo *todo);

/* Ends the call, which is in no list; its reply says how. */
void rpc_pending_end(struct rpc_pending *pending, struct rpc_todo *todo);

/* Likewise, with an error. */
void rpc_pending_fail(struct rpc_pending *pending, struct rpc_todo *todo, enum status_code code,
    const char *reason, const char *message);

/* Makes another attempt at a better endpoint, if there is one and the call may be retried. */
bool rpc_pending_move(struct rpc_pending *pending, struct rpc_todo *todo);

/* The attempt is lost, and the call in no list: makes another or fails it. */
void rpc_pending_lost(struct rpc_pending *pending, struct rpc_todo *todo, bool sent);

/* Empties the reply, so that the call can have another life. */
void rpc_pending_reset_reply(struct rpc_pending *pending);

/* Makes the reply an error, and nothing else. */
void rpc_pending_set_error(
    struct rpc_pending *pending, enum status_code code, const char *reason, const char *message);

/* The call's arena, or NULL without memory. */
struct arena *rpc_pending_arena(struct rpc_pending *pending);

/*
 * Makes an endpoint and begins to connect; by TLS the other end must have a
 * certificate for name (NULL: the host of the URL).
 */
enum status_code rpc_endpoint_open(struct rpc_endpoint **endpoint, struct rpc_channel *channel,
    const char *url, const char *name, struct error *error);

/* Closes its connection and frees the endpoint, which has no calls. Without the lock. */
void rpc_endpoint_close(struct rpc_endpoint **endpoint);

/* What happens to the connections of endpoints. Without the lock. */
extern const struct rpc_net_events rpc_endpoint_events;

/* True when nothing refers to the endpoint but the channel's list. */
bool rpc_endpoint_idle(const struct rpc_endpoint *endpoint);

/* Takes a call: sends it, or lets it gather. */
void rpc_endpoint_give(
    struct rpc_endpoint *endpoint, struct rpc_pending *pending, struct rpc_todo *todo);

/* The group of the endpoint that the call belongs to; NULL: it travels alone. */
struct rpc_group *rpc_endpoint_group(
    struct rpc_endpoint *endpoint, const struct rpc_pending *pending);

/* Sends what has gathered, as far as batch_in_flight allows. */
void rpc_endpoint_flush(struct rpc_endpoint *endpoint, struct rpc_todo *todo);

/* Places what has gathered once more, elsewhere if that is possible. */
void rpc_endpoint_move_queued(struct rpc_endpoint *endpoint, struct rpc_todo *todo);

/* Likewise with what was sent, as far as it may be retried. */
void rpc_endpoint_move_sent(struct rpc_endpoint *endpoint, struct rpc_todo *todo);

/* Fails all its calls, as the channel is being closed. */
void rpc_endpoint_fail_calls(struct rpc_endpoint *endpoint, struct rpc_todo *todo);

/*
 * Sends a message of the first calls of the list, which is that of the group
 * unless that is NULL, calls_max at most. The calls are SENT then. False without
 * memory; nothing has changed then.
 */
bool rpc_exchange_start(struct rpc_endpoint *endpoint, struct rpc_group *group,
    struct rpc_pending_list *calls, size_t calls_max, struct rpc_todo *todo);

/* The message in flight of that id, or NULL. */
struct rpc_exchange *rpc_exchange_find(struct rpc_endpoint *endpoint, uint32_t id);

/* Ends the calls of the message by its reply, and the exchange. */
void rpc_exchange_answered(
    struct rpc_exchange *exchange, const struct rpc_frame *frame, struct rpc_todo *todo);

/* No reply will come: makes other attempts at the calls or fails them. Ends the exchange. */
void rpc_exchange_lost(struct rpc_exchange *exchange, bool sent, struct rpc_todo *todo);

/*
 * The call in a slot no longer waits for the reply; the exchange ends with the
 * last of them. tell as for rpc_pending_abandon.
 */
void rpc_exchange_abandon(
    struct rpc_exchange *exchange, size_t slot, bool tell, struct rpc_todo *todo);

/* The less loaded of two random endpoints of the rotation, other than avoid if there are such. */
struct rpc_endpoint *rpc_rotation_pick(
    struct rpc_channel *channel, const struct rpc_endpoint *avoid);

/* The endpoint was connected: asks whether it serves. */
void rpc_rotation_connected(struct rpc_endpoint *endpoint, struct rpc_todo *todo);

/* No answer came to what was sent at sent_ns: the endpoint may be ejected. */
void rpc_rotation_timeout(struct rpc_endpoint *endpoint, int64_t sent_ns, struct rpc_todo *todo);

/* The endpoint says that it takes no more calls. */
void rpc_rotation_draining(struct rpc_endpoint *endpoint);

/* Something was sent to the endpoint, which must not stay silent now. */
void rpc_rotation_watch(struct rpc_endpoint *endpoint, int64_t now_ns);

/* Fires for an endpoint's timer. */
void rpc_rotation_fire(struct rpc_timer *timer, void *todo);

/* Begins to look up the names among the URLs, if there are any. */
enum status_code rpc_resolver_start(struct rpc_channel *channel, struct error *error);

/* Gives up what is being looked up, and waits for no name server. Without the lock. */
void rpc_resolver_stop(struct rpc_channel *channel);

/* Acts on what was found, if all names have been looked up. Thread of the channel. */
void rpc_resolver_follow(struct rpc_channel *channel, struct rpc_todo *todo);

/* Looks the names up soon, if there are any. */
void rpc_resolver_kick(struct rpc_channel *channel);

#endif
