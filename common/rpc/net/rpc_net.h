/*
 * Connections that carry NNG's request-reply protocol over NNG's byte streams
 * (nng_stream): tcp://, ipc:// and tls+tcp://. The bytes are those of NNG's REQ
 * and REP sockets, so that either end may be one of those.
 *
 * A net is the owner of the connections of one server or of one channel. It
 * has what they share: their limits and who receives their events. Listeners
 * (rpc_listener.h) and dialers (rpc_dialer.h) make the connections (rpc_conn.h).
 *
 *	rpc_net
 *	  |- rpc_listener  accepts them
 *	  |- rpc_dialer    keeps one of them up
 *	  `- rpc_conn      greeting, framing, queues, timeouts, TLS
 *
 * This layer knows messages: what is in them is for the client and the server.
 */
#ifndef COMMON_RPC_NET_H
#define COMMON_RPC_NET_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "common/base/status.h"

struct rpc_conn;
struct rpc_frame;
struct rpc_net;

/* Which of the two protocols this end speaks. The numbers are those of the greeting. */
enum rpc_role {
	RPC_ROLE_REQ = 0x30, /* sends requests: a channel */
	RPC_ROLE_REP = 0x31  /* answers them: a server */
};

/*
 * Why a connection ended, or was not made. The names are for metrics, the texts
 * for people. The first three are no faults.
 */
#define RPC_CAUSE_ROWS(ROW)                                                                        \
	ROW(LOCAL, "local", "closed by this end")                                                  \
	ROW(PEER, "peer", "closed by the other end")                                               \
	ROW(LOST, "lost", "the connection was lost")                                               \
	ROW(HANDSHAKE_TIMEOUT, "handshake_timeout", "no complete handshake within the time limit") \
	ROW(RECEIVE_TIMEOUT, "receive_timeout",                                                    \
	    "a message was not completed within the time limit")                                   \
	ROW(SEND_TIMEOUT, "send_timeout", "the other end did not read within the time limit")      \
	ROW(TLS, "tls", "the TLS handshake failed")                                                \
	ROW(GREETING, "greeting", "the other end does not speak the protocol")                     \
	ROW(FRAMING, "framing", "a message is framed in an unknown way")                           \
	ROW(TOO_LONG, "too_long", "a message is longer than allowed")                              \
	ROW(NO_ID, "no_id", "a message has no request id")                                         \
	ROW(PARTIAL_MEMORY, "partial_memory", "incomplete messages hold too much memory")          \
	ROW(UNSENT_MEMORY, "unsent_memory", "replies that nobody reads hold too much memory")      \
	ROW(CONNECTIONS, "connections", "there are too many connections")                          \
	ROW(ADDRESS, "address", "there are too many connections from this address")                \
	ROW(DESCRIPTORS, "descriptors", "out of file descriptors")                                 \
	ROW(NO_MEMORY, "no_memory", "out of memory")                                               \
	ROW(UNREACHABLE, "unreachable", "the address can't be reached")

enum rpc_cause {
#define RPC_CAUSE_ENUM(name, word, text) RPC_CAUSE_##name,
	RPC_CAUSE_ROWS(RPC_CAUSE_ENUM)
#undef RPC_CAUSE_ENUM
	RPC_CAUSES
};

const char *rpc_cause_name(enum rpc_cause cause); /* "send_timeout" */
const char *rpc_cause_text(enum rpc_cause cause);

/* How a connection ended. Borrowed while the event is told. */
struct rpc_end {
	enum rpc_cause cause;
	const char *text; /* what is known beyond the cause, as "certificate has expired" */

	/*
	 * Messages are numbered in the order in which rpc_conn_send took them. Those
	 * after this number were surely not sent, not even in part.
	 */
	uint64_t begun;
};

/*
 * What happens to connections. Called in NNG's threads and without any lock:
 * functions must not block, and may call anything of this layer that does not
 * say otherwise. The events of one connection come one after the other, in the
 * order opened, received ..., closed. Any of the functions may be NULL.
 */
struct rpc_net_events {
	/* The greetings are exchanged: from now on it can be sent on. */
	void (*opened)(struct rpc_conn *conn, void *closure);

	/*
	 * Messages have come, all that one read brought. The array is borrowed;
	 * each frame's block is given, for rpc_block_release.
	 */
	void (*received)(
	    struct rpc_conn *conn, struct rpc_frame *frames, size_t count, void *closure);

	/*
	 * It has ended: told exactly once for each connection that was opened, as
	 * its last event.
	 */
	void (*closed)(struct rpc_conn *conn, const struct rpc_end *end, void *closure);

	/*
	 * An attempt of a dialer failed, before opened; the next follows by itself.
	 * user is that of the dialer.
	 */
	void (*unreached)(void *user, const struct rpc_end *end, void *closure);

	/*
	 * A connection ended by a fault, or was refused, whether it was opened or
	 * not: for logs and metrics. peer is text, "" when it is not known.
	 */
	void (*faulted)(const char *peer, enum rpc_cause cause, const char *text, void *closure);
};

/* Limits are of all connections of the net together unless they say otherwise. */
struct rpc_net_options {
	enum rpc_role role;
	const struct rpc_net_events *events; /* borrowed until the net is closed */
	void *closure;                       /* handed to each event */

	size_t message_max_bytes; /* longer ones end their connection */
	size_t partial_max_bytes; /* memory of incomplete messages; 0: no limit */
	size_t unsent_max_bytes;  /* memory of messages to be sent; 0: no limit */
	unsigned connections_max; /* accepted ones; 0: no limit */
	unsigned address_max;     /* of these from one address (IPv6: from one /64); 0: no limit */
	unsigned work_max; /* REP: requests of one connection that wait for replies; 0: no limit */
	size_t
	    conn_unsent_bytes; /* REP: when as much waits to be sent, it is not read from; 0: no limit */
	int handshake_timeout_ms; /* from connecting to the end of the greeting */
	int receive_timeout_ms;   /* from the first byte of a message to its last */
	int send_timeout_ms;      /* in which something must be taken by the other end */
};

/* What holds memory and descriptors at the moment. */
struct rpc_net_stats {
	size_t connections;   /* accepted ones */
	size_t partial_bytes; /* memory of incomplete messages */
	size_t unsent_bytes;  /* of messages that wait to be sent */
};

/* Opens a net without connections. */
enum status_code rpc_net_open(
    struct rpc_net **net, const struct rpc_net_options *options, struct error *error);

/* Any thread. */
void rpc_net_stats(struct rpc_net *net, struct rpc_net_stats *stats);

/*
 * Waits, at most limit_ms, until all that was given to rpc_conn_send is written
 * or its connection has ended. False when the time was over first.
 */
bool rpc_net_drain(struct rpc_net *net, int limit_ms);

/*
 * Closes the connections, waits until their last events have been told and those
 * acquired by others are released, frees the net and clears *net. Its listeners
 * and dialers must have been closed. What it waits for is never the other end.
 * Not in an event, nor with a lock that an event takes. NULL is fine.
 */
void rpc_net_close(struct rpc_net **net);

#endif
