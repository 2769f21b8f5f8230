/*
 * What the files of the client side share:
 *
 *	rpc_channel.c   the channel: opening, closing, calling
 *	rpc_channel_loop.c  its lock and its thread
 *	rpc_pending.c   a call: placed, sent, retried, ended
 *	rpc_balancer.c  which endpoint is given a call
 *	rpc_endpoint.c  an endpoint: socket, connection, gathering
 *	rpc_exchange.c  a message in flight and its reply
 *	rpc_probe.c     which endpoints are in the rotation
 *	rpc_reply.c     what a call's receiver is given
 *	rpc_resolver.c  endpoints by DNS
 *
 * One lock guards all of a channel. Nothing is sent and no done is called
 * under it: functions that take a struct rpc_todo note there what is to be
 * done, and rpc_channel_unlock does it.
 */
#ifndef COMMON_RPC_CHANNEL_INTERNAL_H
#define COMMON_RPC_CHANNEL_INTERNAL_H

#include <nng/nng.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <sys/queue.h>

#include "common/rpc/client/rpc_channel.h"
#include "common/rpc/client/rpc_timer.h"
#include "common/rpc/net/rpc_url.h"
#include "common/rpc/wire/rpc_envelope.h"

struct rpc_exchange;
struct rpc_resolver;

/*
 * Where a call is.
 *
 *	SPARE -> CORKED -> WAITING -> QUEUED -> SENT -> ENDED -> SPARE
 *	                      ^---------'---------'  another attempt
 *
 * It can end from each. It is SPARE again when its reply is freed.
 */
enum rpc_pending_state {
	RPC_PENDING_SPARE,   /* in channel->spare, or being filled in */
	RPC_PENDING_CORKED,  /* in its thread's rpc_cork, which alone touches it */
	RPC_PENDING_WAITING, /* in channel->waiting, for an endpoint or for its back-off */
	RPC_PENDING_QUEUED,  /* in the queue of a group of its endpoint */
	RPC_PENDING_SENT,    /* in exchange->calls */
	RPC_PENDING_ENDED    /* its reply is on its way, or with its receiver */
};

/* A reply message that several calls borrow from. */
struct rpc_reply_body {
	atomic_uint users;
	nng_msg *message;
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
	struct rpc_reply_body *body; /* what reply.response borrows from */
	struct arena *arena;         /* of error texts and metadata; NULL until needed */
};

TAILQ_HEAD(rpc_pending_list, rpc_pending);

/* A context of an endpoint's socket, and the message that is in flight on it. */
struct rpc_exchange {
	struct rpc_endpoint *endpoint;
	TAILQ_ENTRY(rpc_exchange) link; /* of endpoint->in_flight or endpoint->spare */
	struct rpc_exchange *send_next; /* of rpc_todo */
	nng_ctx ctx;
	bool open;               /* ctx is; an aborted exchange closes it to be rid of the reply */
	nng_aio *send;           /* without a callback: its result is read when receive ends */
	nng_aio *receive;        /* ends exactly once for each message */
	struct rpc_group *group; /* whose calls it has; NULL: none's */
	bool counts;             /* among the messages in flight of its group */
	int64_t sent_ns;
	size_t count;
	size_t live; /* calls that still wait for it */
	bool abandoned;
	struct rpc_reply_view *views; /* of the reply, while it is read: batch_max_calls */
	struct rpc_pending *calls[];  /* batch_max_calls; NULL: gave up */
};

TAILQ_HEAD(rpc_exchange_list, rpc_exchange);

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
	nng_socket socket;
	bool stale;                     /* resolver: not in the newest answer */
	bool removed;                   /* takes no more calls; in channel->retired */
	TAILQ_ENTRY(rpc_endpoint) link; /* of channel->retired */
	uint32_t pipe;                  /* its connection, up or coming up; 0: none */
	bool connected;                 /* as the pipe events say */
	bool was_connected;             /* as the channel's thread has acted on */
	bool lost;                      /* a connection was lost since it acted */
	enum rpc_health health;
	size_t load; /* calls queued and sent */
	struct rpc_exchange_list in_flight;
	struct rpc_exchange_list spare;
	struct rpc_group groups[RPC_GROUPS];
	unsigned abandoned;        /* exchanges in flight that nobody waits for */
	int64_t heard_ns;          /* when the last reply came */
	unsigned timeouts;         /* in a row, with nothing heard */
	struct rpc_timer timer;    /* next look after it */
	struct rpc_timer stall;    /* when calls that gather may leave behind slower ones */
	struct rpc_pending *probe; /* the health call in flight */
	int64_t probe_ns;          /* when it was made */
};

/* What the thread's asleep_ns says while it is awake: it need not be woken. */
#define RPC_CHANNEL_AWAKE_NS INT64_MIN

struct rpc_channel {
	struct rpc_channel_options options; /* without its texts */
	char *tls_name;                     /* NULL: the host of each URL */
	struct rpc_urls urls;
	pthread_t thread;
	struct rpc_resolver *resolver; /* NULL: no dns:/// */

	pthread_mutex_t lock; /* guards all below and all in endpoints, calls and exchanges */
	pthread_cond_t wake;  /* of the thread */
	pthread_cond_t idle;  /* of close: live, lent or exchanges have changed */
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
	size_t timer_owners; /* calls and endpoints: so many timers can be set */
	size_t spare_count;
	struct rpc_timers timers;
	struct rpc_endpoint **endpoints;
	size_t endpoint_count;
	size_t endpoint_capacity;
	TAILQ_HEAD(, rpc_endpoint) retired;
	struct rpc_pending_list waiting;
	struct rpc_pending_list ended; /* to be delivered by the thread */
	struct rpc_pending_list spare;
	struct rpc_channel_stats stats;
};

/* What is to be done when the lock is no longer held. */
struct rpc_todo {
	struct rpc_channel *channel;
	bool holding; /* what gathers stays until all calls are placed */
	int64_t now_ns;
	struct rpc_exchange *send;
	struct rpc_exchange **send_end;
	struct rpc_pending_list done;
};

/* Locks the channel and begins an empty todo. */
void rpc_channel_lock(struct rpc_channel *channel, struct rpc_todo *todo);

/* Unlocks the channel, sends what is to be sent and calls each done. */
void rpc_channel_unlock(struct rpc_todo *todo);

/* As rpc_channel_unlock, but leaves each done to the channel's thread. */
void rpc_channel_unlock_deferred(struct rpc_todo *todo);

/* The channel's thread. */
enum status_code rpc_channel_start(struct rpc_channel *channel, struct error *error);
void rpc_channel_stop(struct rpc_channel *channel);

/* Appends to channel->endpoints. With the lock. False without memory. */
bool rpc_channel_add_endpoint(struct rpc_channel *channel, struct rpc_endpoint *endpoint);

/* Frees all when the channel is closed and its last reply freed. */
void rpc_channel_free(struct rpc_channel *channel);

/* Wakes the channel's thread, which looks at connections and the calls that wait. */
void rpc_channel_kick(struct rpc_channel *channel);

/* Sets a timer, and wakes the thread if it is earlier than all others. */
void rpc_channel_set_timer(struct rpc_channel *channel, struct rpc_timer *timer, int64_t at_ns);

/* A random number below limit, which is not 0. */
uint64_t rpc_channel_random(struct rpc_channel *channel, uint64_t limit);

/* The calls that wait are placed again, as an endpoint may be there for them. */
void rpc_channel_place_waiting(struct rpc_channel *channel, struct rpc_todo *todo);

/* The less loaded of two random endpoints of the rotation, other than avoid if there are such. */
struct rpc_endpoint *rpc_balancer_pick(
    struct rpc_channel *channel, const struct rpc_endpoint *avoid);

/* Gives a call that is to be filled in, or NULL. With the lock. */
struct rpc_pending *rpc_pending_acquire(struct rpc_channel *channel);

/* Takes the call, whose receiver is done with it. Without the lock. */
void rpc_pending_release(struct rpc_pending *pending);
void rpc_pending_free(struct rpc_pending **pending);

/* Packs the request into the call. False without memory. */
bool rpc_pending_pack(struct rpc_pending *pending, const struct rpc_request *request);

/* Begins the call's life: sets its timer and places it. */
void rpc_pending_start(struct rpc_pending *pending, struct rpc_todo *todo);

/* Gives the call to an endpoint, lets it wait for one, or fails it. It is in no list. */
void rpc_pending_place(struct rpc_pending *pending, struct rpc_todo *todo);

/* Takes the call out of wherever it is. */
void rpc_pending_detach(struct rpc_pending *pending);

/* Likewise; a message none of whose calls is waited for any more makes room for another. */
void rpc_pending_abandon(struct rpc_pending *pending, struct rpc_todo *todo);

/* Ends the call, which is in no list; its reply says how. */
void rpc_pending_end(struct rpc_pending *pending, struct rpc_todo *todo);

/* Likewise, with an error. */
void rpc_pending_fail(struct rpc_pending *pending, struct rpc_todo *todo, enum status_code code,
    const char *reason, const char *message);

/* Makes another attempt at a better endpoint, if there is one and the call may be retried. */
bool rpc_pending_move(struct rpc_pending *pending, struct rpc_todo *todo);

/* The attempt is lost, and the call in no list: makes another or fails it. */
void rpc_pending_lost(struct rpc_pending *pending, struct rpc_todo *todo, bool sent);

/*
 * Opens the socket and begins to connect; by TLS the other end must have a
 * certificate for name (NULL: the host of the URL). Takes no lock.
 */
enum status_code rpc_endpoint_open(struct rpc_endpoint **endpoint, struct rpc_channel *channel,
    const char *url, const char *name, struct error *error);

/* Closes the socket, which blocks, and frees the endpoint: nothing may be in flight. No lock. */
void rpc_endpoint_close(struct rpc_endpoint **endpoint);

/* Takes a call: sends it, or lets it gather. */
void rpc_endpoint_give(
    struct rpc_endpoint *endpoint, struct rpc_pending *pending, struct rpc_todo *todo);

/* The group of the endpoint that the call belongs to; NULL: it travels alone. */
struct rpc_group *rpc_endpoint_group(
    struct rpc_endpoint *endpoint, const struct rpc_pending *pending);

/* Sends what has gathered, as far as batch_in_flight allows. */
void rpc_endpoint_flush(struct rpc_endpoint *endpoint, struct rpc_todo *todo);

/* Acts on what the pipe events told. Thread of the channel. */
void rpc_endpoint_follow(struct rpc_endpoint *endpoint, struct rpc_todo *todo);

/* Places what has gathered once more, elsewhere if that is possible. */
void rpc_endpoint_move_queued(struct rpc_endpoint *endpoint, struct rpc_todo *todo);

/* Likewise with what was sent, as far as it may be retried. */
void rpc_endpoint_move_sent(struct rpc_endpoint *endpoint, struct rpc_todo *todo);

/* Ends what nobody waits for any more. */
void rpc_endpoint_abort(struct rpc_endpoint *endpoint);

/* True when nothing refers to the endpoint but the channel's list. */
bool rpc_endpoint_idle(const struct rpc_endpoint *endpoint);

/* How it stands, for rpc_channel_visit_endpoints. */
enum rpc_endpoint_state rpc_endpoint_state_of(const struct rpc_endpoint *endpoint);

/*
 * Takes an exchange, with a message of the first calls of the list, which is
 * that of the group unless that is NULL, calls_max at most, and notes it to be
 * sent. The calls are SENT then. False without memory; nothing has changed then.
 */
bool rpc_exchange_start(struct rpc_endpoint *endpoint, struct rpc_group *group,
    struct rpc_pending_list *calls, size_t calls_max, struct rpc_todo *todo);

/* Hands the message to NNG. No lock. */
void rpc_exchange_send(struct rpc_exchange *exchange);

/*
 * None of its calls waits any more. The exchange stays in flight until the
 * reply comes, which tells that the endpoint lives; a few may do so, then the
 * oldest is aborted.
 */
void rpc_exchange_abandon(struct rpc_exchange *exchange, struct rpc_todo *todo);

/* The reply is no longer waited for: receive ends soon. */
void rpc_exchange_abort(struct rpc_exchange *exchange);
void rpc_exchange_free(struct rpc_exchange **exchange);

/* Ends the exchange's calls by the reply message, which is taken. */
void rpc_reply_read(struct rpc_exchange *exchange, nng_msg *message, struct rpc_todo *todo);

/* Frees what the reply refers to, so that the call can have another life. */
void rpc_reply_reset(struct rpc_pending *pending);

/* Fills in the reply of a call that the channel itself ends. */
void rpc_reply_set_error(
    struct rpc_pending *pending, enum status_code code, const char *reason, const char *message);

/* The endpoint was connected: begins to look after it. */
void rpc_probe_start(struct rpc_endpoint *endpoint, struct rpc_todo *todo);

/* No answer came to what was sent at sent_ns: the endpoint may be ejected. */
void rpc_probe_timeout(struct rpc_endpoint *endpoint, int64_t sent_ns, struct rpc_todo *todo);

/* The endpoint says that it takes no more calls. */
void rpc_probe_draining(struct rpc_endpoint *endpoint);

/* Something was sent to the endpoint, which must not stay silent now. */
void rpc_probe_watch(struct rpc_endpoint *endpoint, int64_t now_ns);

/* Fires for an endpoint's timer. */
void rpc_probe_fire(struct rpc_timer *timer, void *todo);

/* Begins to look up the names among the URLs, if there are any. */
enum status_code rpc_resolver_start(struct rpc_channel *channel, struct error *error);
void rpc_resolver_stop(struct rpc_channel *channel);

/* Looks the names up soon. With the lock. resolver NULL is fine. */
void rpc_resolver_kick(struct rpc_resolver *resolver);

/* Some retired endpoint may be idle and can be closed. Likewise. */
void rpc_resolver_sweep(struct rpc_resolver *resolver);

#endif
