/*
 * A channel is one object under one lock, rpc_channel.lock: the endpoints, the
 * calls and the messages in flight are parts of it. What each file is for:
 *
 *	rpc_channel.c   opening and closing, its lock and its thread
 *	rpc_channel_call.c  what its user does with it: calls, and how it stands
 *	rpc_pending.c   a call: placed, sent, retried, ended
 *	rpc_pending_memory.c  what it holds: its request, its reply, itself
 *	rpc_exchange.c  a message in flight, and what its reply says to each call
 *	rpc_endpoint.c  an endpoint: its connection, and the calls that wait for it
 *	rpc_rotation.c  which endpoints are in the rotation, and which is given a call
 *	rpc_resolver.c  endpoints by DNS
 *
 * While the lock is held, no done is called and nothing is written to a
 * connection. Whoever takes the lock has a struct rpc_todo, in which the calls
 * that end are collected; rpc_channel_unlock releases the lock and then calls
 * their dones. A message that is sent under the lock is only queued in its
 * connection, which writes it after the unlock. Order of locks: the channel's
 * lock first, then a connection's. The events of connections are called with
 * neither held.
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
 * The state of a call; it says where the call is.
 *
 *	SPARE -> CORKED -> WAITING -> QUEUED -> SENT -> ENDED -> SPARE
 *	                      ^---------'---------'  another attempt
 *
 * A call can become ENDED from each state. It is SPARE again when its reply is
 * freed. The channel's lock protects the call, with three exceptions: a CORKED
 * call belongs to the thread of its cork, an ENDED one to the receiver of its
 * reply, and one that is being filled in or emptied to the thread that does so.
 */
enum rpc_pending_state {
	RPC_PENDING_SPARE,   /* in channel->spare, or being filled in */
	RPC_PENDING_CORKED,  /* in the rpc_cork of its thread; no other thread touches it */
	RPC_PENDING_WAITING, /* in channel->waiting, for an endpoint or for its back-off */
	RPC_PENDING_QUEUED,  /* in the queue of a group of its endpoint */
	RPC_PENDING_SENT,    /* in exchange->calls */
	RPC_PENDING_ENDED    /* its reply is being delivered, or belongs to its receiver */
};

struct rpc_pending {
	struct rpc_reply reply;
	struct rpc_channel *channel;
	enum rpc_pending_state state;
	TAILQ_ENTRY(rpc_pending) link; /* of the list that the state names */
	struct rpc_cork *cork;         /* CORKED */
	rpc_done_fn *done;
	void *closure;
	struct rpc_timer
	    timer; /* deadline, or earlier: the end of the attempt or of the back-off */
	int64_t deadline_ns;
	int64_t not_before_ns; /* WAITING: end of the back-off */
	unsigned flags;
	unsigned attempts;
	bool was_sent;                 /* by an attempt before this one */
	bool probe;                    /* a health call: goes to its endpoint or fails */
	struct rpc_endpoint *endpoint; /* of this attempt, or of the last */
	struct rpc_exchange *exchange; /* SENT */
	size_t slot;                   /* in exchange->calls */
	uint8_t *memory;               /* RPC_CALL_HEAD_MAX, the packed Call, RPC_CALL_TAIL_MAX */
	size_t capacity;               /* of memory, which is kept for the next use */
	size_t packed_len;
	struct rpc_block *block; /* what reply.response points into */
	struct arena *arena;     /* of error texts and metadata; NULL until needed */
};

TAILQ_HEAD(rpc_pending_list, rpc_pending);

/*
 * A message in flight. It exists from when it is passed to the connection until
 * its reply has arrived, the connection has ended, or nobody waits for it any
 * more. A later reply finds no exchange with its id and is dropped. The
 * channel's lock protects it.
 */
struct rpc_exchange {
	struct rpc_endpoint *endpoint;
	TAILQ_ENTRY(rpc_exchange) link;       /* of endpoint->in_flight, or of the spare ones */
	LIST_ENTRY(rpc_exchange) bucket_link; /* of the bucket of its id */
	uint32_t id;                          /* of the request */
	uint64_t
	    number; /* in the connection's count; UINT64_MAX: the connection did not accept it */
	struct rpc_group *group; /* whose calls it has; NULL: of no group */
	int64_t sent_ns;
	size_t count;
	size_t live;                 /* calls that still wait for its reply */
	struct rpc_pending *calls[]; /* room for batch_max_calls; NULL: the call no longer waits */
};

TAILQ_HEAD(rpc_exchange_list, rpc_exchange);
LIST_HEAD(rpc_exchange_bucket, rpc_exchange);

/* Ids count up, so that those in flight are spread over all buckets. */
#define RPC_BUCKETS 128

/*
 * Calls that may share messages. Calls with side effects are separate from
 * those without, because they are retried differently. Slow calls are separate
 * from quick ones, because a message is answered when its last call is, so that
 * the quick ones would have to wait. The channel's lock protects it.
 */
struct rpc_group {
	struct rpc_pending_list queue; /* waiting calls */
	size_t queued;
	unsigned in_flight;     /* messages */
	size_t in_flight_calls; /* calls in these messages when they were sent */
	int64_t sent_ns;        /* when the last of them was sent */
	bool slow;              /* the members below are used for slow calls only */
	double calls;           /* recently answered calls; older ones count less */
	double
	    busy_ns; /* the time in which at least one call waited for its answer, weighted in the same way */
	int64_t answered_ns; /* when the last reply arrived */
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
	struct rpc_conn *conn;          /* a reference; NULL: it is not connected */
	bool stale;                     /* resolver: not in the newest answer */
	bool removed;                   /* takes no more calls; in channel->retired */
	TAILQ_ENTRY(rpc_endpoint) link; /* of channel->retired */
	enum rpc_health health;
	bool digest_known;            /* a health answer has arrived since it was connected */
	char digest[RPC_DIGEST_SIZE]; /* that was in it */
	size_t load;                  /* calls queued and sent */
	struct rpc_group groups[RPC_GROUPS];
	struct rpc_exchange_list in_flight; /* in the order in which they were sent */
	struct rpc_exchange_list spare;
	struct rpc_exchange_bucket buckets[RPC_BUCKETS];
	uint32_t last_id;
	int64_t connected_ns;
	int64_t heard_ns;       /* when the last reply arrived */
	unsigned timeouts;      /* in a row, without a reply between them */
	struct rpc_timer timer; /* the next check of it */
	struct rpc_timer
	    stall; /* when waiting calls may leave although slower ones are in flight */
	struct rpc_pending *probe; /* the health call in flight, until its done has run */
	int64_t probe_ns;          /* when it was made */
};

/* The value of asleep_ns while the thread is awake, and need not be woken. */
#define RPC_CHANNEL_AWAKE_NS INT64_MIN

struct rpc_channel {
	struct rpc_channel_options options; /* without its texts */
	char *tls_name;                     /* NULL: the host of each URL */
	struct rpc_urls urls;
	struct rpc_net *net;
	pthread_t thread;

	pthread_mutex_t lock; /* protects all below, and all endpoints, calls and exchanges */
	pthread_cond_t wake;  /* of the thread */
	pthread_cond_t idle;  /* of close: live has become 0 */
	bool kicked;          /* the thread has work besides its timers */
	bool closing;         /* no new calls */
	bool stopping;        /* the thread ends */
	bool closed;          /* the rest is freed with the last reply */
	int64_t asleep_ns;    /* until when the thread sleeps */
	int64_t settled_ns;   /* until when calls wait for the first endpoint */
	uint64_t random;
	double budget;       /* retries that may be made */
	size_t in_flight;    /* calls that have not ended */
	size_t live;         /* calls whose done has not returned */
	size_t lent;         /* replies not freed */
	size_t timer_owners; /* the number of timers for which there is room */
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
	struct rpc_reply_view
	    *views; /* of the reply that is being read; room for batch_max_calls */
	struct rpc_channel_stats stats;
};

/* What must be done when the lock is released. It belongs to the thread that holds the lock. */
struct rpc_todo {
	struct rpc_channel *channel;
	bool holding; /* waiting calls stay until all calls are placed */
	bool sent;    /* something was passed to a connection, which has not written it yet */
	int64_t now_ns;
	struct rpc_pending_list done;
};

/* Locks the channel and begins an empty todo. */
void rpc_channel_lock(struct rpc_channel *channel, struct rpc_todo *todo);

/* Unlocks the channel, writes what was sent and calls each done. */
void rpc_channel_unlock(struct rpc_todo *todo);

/* Like rpc_channel_unlock, but the channel's thread calls the dones. */
void rpc_channel_unlock_deferred(struct rpc_todo *todo);

/* Frees everything. For when the channel is closed and its last reply is freed. */
void rpc_channel_free(struct rpc_channel *channel);

/*
 * All functions below are called with the channel's lock held, unless their
 * comment says otherwise.
 */

/* Makes room for count more timers. False without memory. */
bool rpc_channel_reserve_timers(struct rpc_channel *channel, size_t count);

/* Wakes the channel's thread. */
void rpc_channel_kick(struct rpc_channel *channel);

/* Sets a timer, and wakes the thread if it is earlier than all others. */
void rpc_channel_set_timer(struct rpc_channel *channel, struct rpc_timer *timer, int64_t at_ns);

/* A random number below limit, which is not 0. */
uint64_t rpc_channel_random(struct rpc_channel *channel, uint64_t limit);

/* Places the waiting calls again, because an endpoint may be available for them. */
void rpc_channel_place_waiting(struct rpc_channel *channel, struct rpc_todo *todo);

/* Appends to channel->endpoints, and takes the endpoint. False without memory. */
bool rpc_channel_add_endpoint(struct rpc_channel *channel, struct rpc_endpoint *endpoint);

/* Calls act for each endpoint, including retired ones. */
void rpc_channel_each_endpoint(struct rpc_channel *channel, struct rpc_todo *todo,
    void (*act)(struct rpc_endpoint *endpoint, struct rpc_todo *todo));

/* Gives a call for the caller to fill in, or NULL. */
struct rpc_pending *rpc_pending_acquire(struct rpc_channel *channel);

/* Takes a call that its receiver no longer needs. Without the lock. */
void rpc_pending_release(struct rpc_pending *pending);
void rpc_pending_free(struct rpc_pending **pending);

/* Packs the request into the call. False without memory. No lock is needed. */
bool rpc_pending_pack(struct rpc_pending *pending, const struct rpc_request *request);

/* The fire function of a call's timer. */
void rpc_pending_fire(struct rpc_timer *timer, void *todo);

/* Starts the call: sets its timer and places it. */
void rpc_pending_start(struct rpc_pending *pending, struct rpc_todo *todo);

/* Gives the call to an endpoint, lets it wait for one, or fails it. The call must be in no list. */
void rpc_pending_place(struct rpc_pending *pending, struct rpc_todo *todo);

/* Removes the call from the list or exchange that it is in. */
void rpc_pending_detach(struct rpc_pending *pending);

/*
 * Likewise, for a call whose answer nobody waits for any more. With tell, a
 * service that the call was sent to is sent a Cancel, so that it need not
 * execute the call.
 */
void rpc_pending_abandon(struct rpc_pending *pending, bool tell, struct rpc_todo *todo);

/* Ends the call, which must be in no list; its reply says how it ended. */
void rpc_pending_end(struct rpc_pending *pending, struct rpc_todo *todo);

/* Likewise, with an error. */
void rpc_pending_fail(struct rpc_pending *pending, struct rpc_todo *todo, enum status_code code,
    const char *reason, const char *message);

/* Makes another attempt at a better endpoint, if there is one and the call may be retried. */
bool rpc_pending_move(struct rpc_pending *pending, struct rpc_todo *todo);

/* The attempt is lost: makes another one or fails the call, which must be in no list. */
void rpc_pending_lost(struct rpc_pending *pending, struct rpc_todo *todo, bool sent);

/* Empties the reply, so that the call can be used again. */
void rpc_pending_reset_reply(struct rpc_pending *pending);

/* Makes the reply an error, and nothing else. */
void rpc_pending_set_error(
    struct rpc_pending *pending, enum status_code code, const char *reason, const char *message);

/* The call's arena, or NULL without memory. */
struct arena *rpc_pending_arena(struct rpc_pending *pending);

/*
 * Creates an endpoint and begins to connect. With TLS the other end must have a
 * certificate for name (NULL: the host of the URL).
 */
enum status_code rpc_endpoint_open(struct rpc_endpoint **endpoint, struct rpc_channel *channel,
    const char *url, const char *name, struct error *error);

/* Closes its connection and frees the endpoint, which has no calls. Without the lock. */
void rpc_endpoint_close(struct rpc_endpoint **endpoint);

/* The events of the endpoints' connections. Called without the lock. */
extern const struct rpc_net_events rpc_endpoint_events;

/* True when nothing but the channel's list refers to the endpoint. */
bool rpc_endpoint_idle(const struct rpc_endpoint *endpoint);

/* Takes a call: sends it, or lets it wait for others. */
void rpc_endpoint_give(
    struct rpc_endpoint *endpoint, struct rpc_pending *pending, struct rpc_todo *todo);

/* The endpoint's group for the call; NULL: the call travels alone. */
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

/* To be called when the endpoint has connected: asks whether it serves. */
void rpc_rotation_connected(struct rpc_endpoint *endpoint, struct rpc_todo *todo);

/* To be called when what was sent at sent_ns was not answered: may eject the endpoint. */
void rpc_rotation_timeout(struct rpc_endpoint *endpoint, int64_t sent_ns, struct rpc_todo *todo);

/* To be called when the endpoint says that it takes no more calls. */
void rpc_rotation_draining(struct rpc_endpoint *endpoint);

/* To be called when something was sent to the endpoint: begins to watch for its answer. */
void rpc_rotation_watch(struct rpc_endpoint *endpoint, int64_t now_ns);

/* The fire function of an endpoint's timer. */
void rpc_rotation_fire(struct rpc_timer *timer, void *todo);

/* Begins to look up the names among the URLs, if there are any. */
enum status_code rpc_resolver_start(struct rpc_channel *channel, struct error *error);

/* Abandons the look-ups, without waiting for a name server. Without the lock. */
void rpc_resolver_stop(struct rpc_channel *channel);

/* Uses the results if all names have been looked up. Thread of the channel. */
void rpc_resolver_follow(struct rpc_channel *channel, struct rpc_todo *todo);

/* Makes the next look-up happen soon, if there are names. */
void rpc_resolver_kick(struct rpc_channel *channel);

#endif
