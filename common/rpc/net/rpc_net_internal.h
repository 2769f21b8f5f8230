/*
 * What the parts of a net share:
 *
 *	rpc_net.c         limits and events of all connections
 *	rpc_conn.c        a connection's life
 *	rpc_conn_read.c   from bytes to messages that are handed up
 *	rpc_conn_write.c  from messages to bytes
 *	rpc_tls_session.c the same bytes, encrypted
 *	rpc_listener.c    accepts connections
 *	rpc_dialer.c      makes one again and again
 *	rpc_budget.c      memory that connections share
 *	rpc_room.c        descriptors of those that were accepted
 *
 * Order of locks: first a dialer's, then a connection's, then the net's, the
 * room's or a budget's. No lock is held while an event is called.
 */
#ifndef COMMON_RPC_NET_INTERNAL_H
#define COMMON_RPC_NET_INTERNAL_H

#include <nng/nng.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>
#include <sys/queue.h>

#include "common/rpc/net/rpc_budget.h"
#include "common/rpc/net/rpc_buf.h"
#include "common/rpc/net/rpc_conn.h"
#include "common/rpc/net/rpc_frame.h"
#include "common/rpc/net/rpc_net.h"
#include "common/rpc/net/rpc_peers.h"
#include "common/rpc/net/rpc_room.h"

struct rpc_dialer;
struct rpc_tls;
struct rpc_tls_session;

/* Room for head and route before the data of a buffer. */
#define RPC_BUF_FRONT     48

#define RPC_PEER_TEXT_MAX 160
#define RPC_END_TEXT_MAX  128

struct rpc_block {
	atomic_uint users;
	size_t capacity;
	size_t filled; /* the reader's; after it has released the block, nobody changes it */
	uint8_t data[];
};

/* Gives an empty block that one has, or NULL without memory. */
struct rpc_block *rpc_block_new(size_t capacity);

/* True when nobody else has it, who could give it to others. */
bool rpc_block_is_alone(struct rpc_block *block);

/*
 * The state of a connection. One thread at a time reads, and one thread at a
 * time writes. The thread that has set the flag reading (or writing) owns the
 * members of the reader (or writer) until it clears the flag; these members
 * need no lock. While an operation of NNG is in flight, the operation owns
 * them.
 *
 *	GREETING -> OPEN -> CLOSING -> CLOSED
 *	    `-----------------^
 *
 * A connection becomes CLOSED, and the event closed is called, when it is
 * CLOSING and neither flag is set. Only the reader checks this, in its
 * callback, so that events are called in order. If the writer is the last to
 * finish, it wakes the reader for this.
 */
enum rpc_conn_state {
	RPC_CONN_GREETING,
	RPC_CONN_OPEN,
	RPC_CONN_CLOSING, /* the stream is closed: nothing more is submitted to it */
	RPC_CONN_CLOSED
};

struct rpc_conn {
	struct rpc_net *net;
	struct rpc_dialer *dialer; /* NULL: it was accepted */
	nng_stream *stream;
	bool ipc;
	char peer[RPC_PEER_TEXT_MAX];
	atomic_uint users; /* references: the net until it is CLOSED, and others */
	void *user;

	/* The reader's. */
	nng_aio *read_aio;
	struct rpc_block *block;
	size_t at;     /* bytes of the block that were handed up */
	size_t wanted; /* bytes of the message at that place, with its head; 0: not known yet */
	bool fresh;    /* that message began since the last read */
	bool greeted;
	bool hung_up;             /* a read found the end: another may find what came before it */
	size_t read_size;         /* of the next block */
	unsigned small_reads;     /* in a row */
	int64_t read_deadline_ns; /* for the greeting, or for the message at that place */
	int64_t last_read_ns;     /* when reading ends after a write has failed; 0: none has */
	struct rpc_budget_entry partial;

	/* The writer's. */
	nng_aio *try_aio;   /* finishes at once, or is cancelled */
	nng_aio *write_aio; /* waits until there is room */
	int64_t write_deadline_ns;

	TAILQ_ENTRY(rpc_conn) link; /* this and the next six are protected by the net's lock */
	bool ending;
	bool ended; /* CLOSED, but somebody still has a reference */
	TAILQ_ENTRY(rpc_conn) greeting_link;
	bool greeting; /* in net->greeting */
	int64_t since_ns;
	struct rpc_peer *counted; /* NULL: its address is not counted */

	pthread_mutex_t lock; /* guards all below */
	enum rpc_conn_state state;
	bool reading;
	bool writing;
	bool unwritten;  /* counted in net->unwritten */
	bool stalled;    /* the last write has to wait for room */
	bool unwritable; /* REQ: nothing more can be sent; replies that have come are still read */
	enum rpc_cause cause;
	char end_text[RPC_END_TEXT_MAX];
	struct rpc_tls_session *tls; /* NULL: none */
	struct rpc_buf *first;       /* to be written */
	struct rpc_buf **last;
	size_t written;      /* bytes of the first that are */
	size_t queued_bytes; /* of all of them */
	uint64_t taken;      /* messages */
	uint64_t begun;      /* the last of which something was written */
	unsigned working;    /* frames handed up and not replied to */
	struct rpc_budget_entry unsent;
};

struct rpc_net {
	struct rpc_net_options options;
	struct rpc_net_events events;
	struct rpc_peers *peers; /* NULL: addresses are not counted */
	struct rpc_budget partial;
	struct rpc_budget unsent;
	struct rpc_room room;
	atomic_size_t unwritten; /* connections with something to be written */

	pthread_mutex_t lock;   /* guards all below, and what says so in connections */
	pthread_cond_t changed; /* ending has fewer, or unwritten has become 0 */
	bool closing;
	size_t accepted;
	uint64_t random;
	TAILQ_HEAD(, rpc_conn) conns;    /* all that are not freed ... */
	TAILQ_HEAD(, rpc_conn) ending;   /* ... but for those that rpc_net_close has closed */
	TAILQ_HEAD(, rpc_conn) greeting; /* accepted ones in that state; the oldest is first */
};

/* How a connection is made. */
struct rpc_conn_options {
	nng_stream *stream;        /* taken in any case */
	struct rpc_dialer *dialer; /* NULL: it was accepted */
	void *user;
	struct rpc_tls *tls;  /* NULL: none */
	const char *tls_name; /* of the certificate of the other end; NULL: any */
};

/*
 * Begins the greeting. The events of the connection follow. If the connection
 * is refused, this is reported as a fault, the cause is returned, and there are
 * no events.
 */
enum rpc_cause rpc_conn_start(struct rpc_net *net, const struct rpc_conn_options *options);

/* What rpc_conn_start gives when it has started. */
#define RPC_STARTED RPC_CAUSES

/* Lets the connection in, or gives the cause why not. */
enum rpc_cause rpc_net_admit(struct rpc_net *net, struct rpc_conn *conn, const nng_sockaddr *from);
void rpc_net_greeted(struct rpc_net *net, struct rpc_conn *conn);
void rpc_net_ended(struct rpc_net *net, struct rpc_conn *conn);    /* no more of the accepted */
void rpc_net_released(struct rpc_net *net, struct rpc_conn *conn); /* nobody has it any more */

/* Counts connections that have something to be written. */
void rpc_net_unwritten(struct rpc_net *net, bool unwritten);

/* A number at random, below limit. */
uint64_t rpc_net_random(struct rpc_net *net, uint64_t limit);

/* Tells a fault, when the cause is one. */
void rpc_net_fault(struct rpc_net *net, const char *peer, enum rpc_cause cause, const char *text);

/*
 * Ends the connection, if it has not ended; text may be NULL. The second one is
 * for callers that hold its lock.
 */
void rpc_conn_end(struct rpc_conn *conn, enum rpc_cause cause, const char *text);
void rpc_conn_end_locked(struct rpc_conn *conn, enum rpc_cause cause, const char *text);

/* For a connection that was found in a list: false when it is about to be freed. */
bool rpc_conn_try_acquire(struct rpc_conn *conn);

/* The cause of a stream's result that is not 0. */
enum rpc_cause rpc_conn_cause(int result);

/*
 * Clears the reader's flag and returns true if the connection is CLOSING or has
 * read as much as it may; else returns false. After true the reader must not
 * touch the connection. A thread that makes room checks the flag under the same
 * lock, so that it cannot miss that the reader has stopped. To be called
 * without the lock.
 */
bool rpc_conn_stop_reading(struct rpc_conn *conn);

/* Makes the reader continue in its callback, unless it is running. With the lock. */
void rpc_conn_wake_reader(struct rpc_conn *conn);

/*
 * Frees a connection without references. Its stream, TLS session and block must
 * have been freed before.
 */
void rpc_conn_free(struct rpc_conn *conn);

/*
 * For the reader: passes on the complete messages and reads more. The caller
 * must not touch the connection afterwards.
 */
void rpc_conn_read(struct rpc_conn *conn);
void rpc_conn_read_event(void *conn);

/* False while too much of what came is not done with; again: to begin anew, after that. */
bool rpc_conn_may_read(const struct rpc_conn *conn, bool again);

/* Puts a buffer that is framed at the end of what is to be written. With the lock. */
void rpc_conn_queue(struct rpc_conn *conn, struct rpc_buf *buf);

/* Writes what waits, if no other thread does. With the lock, which is released meanwhile. */
void rpc_conn_write(struct rpc_conn *conn);
void rpc_conn_write_event(void *conn);

/* Counts what the connection holds of the two budgets; closes who must go. Without any lock. */
void rpc_conn_count_partial(struct rpc_conn *conn, bool anew);
void rpc_conn_count_unsent(struct rpc_conn *conn, bool anew);

/* A connection of the dialer has ended; opened: it had been. */
void rpc_dialer_ended(struct rpc_dialer *dialer, bool opened);

/* From then on none is let in; rpc_net_close_dialed ends the one that was. */
bool rpc_dialer_is_closing(const struct rpc_dialer *dialer);
void rpc_net_close_dialed(struct rpc_net *net, const struct rpc_dialer *dialer);

#endif
