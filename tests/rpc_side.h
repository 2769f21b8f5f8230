/*
 * For tests of connections: one side of them, which remembers what happens, and
 * a bare socket that speaks to it byte by byte. What does not come within half
 * a minute fails the test.
 */
#ifndef TESTS_RPC_SIDE_H
#define TESTS_RPC_SIDE_H

#include <pthread.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "common/rpc/net/rpc_conn.h"
#include "common/rpc/net/rpc_dialer.h"
#include "common/rpc/net/rpc_listener.h"

#define SIDE_MESSAGES_MAX 4096

/* A message that came; body and route are copies. */
struct side_message {
	struct rpc_conn *conn; /* acquired; NULL when it came as the side was closed */
	uint8_t route[36];
	size_t route_len;
	uint32_t id;
	uint8_t *body;
	size_t len;
	bool answered;
};

struct side;

/* Called for each message that comes. */
typedef void side_hook(struct side *side, struct rpc_conn *conn);

struct side {
	struct rpc_net *net;
	struct rpc_listener *listener;
	struct rpc_dialer *dialer;
	atomic_bool echo;          /* REP: each message is replied to with its bytes at once */
	_Atomic(side_hook *) hook; /* called for each that comes, or NULL */
	atomic_size_t batches;     /* calls of received */

	pthread_mutex_t lock; /* guards all below but for what is atomic */
	pthread_cond_t changed;
	atomic_uint opened;
	atomic_uint closed;
	atomic_uint unreached;
	atomic_uint faults[RPC_CAUSES];
	_Atomic(enum rpc_cause) cause; /* of the last end */
	char text[128];
	char peer[160]; /* of the last fault */
	atomic_ullong begun;
	struct rpc_conn *conn; /* the last that was opened, acquired */
	bool closing;          /* no more connections are acquired, so that the net can be closed */
	struct side_message messages[SIDE_MESSAGES_MAX];
	atomic_size_t count;
};

/* Options with long timeouts and large limits. */
struct rpc_net_options side_options(enum rpc_role role);

/* Opens a net; options NULL: side_options. A REP echoes unless it is told not to. */
struct side *side_open(enum rpc_role role, const struct rpc_net_options *options);
void side_close(struct side **side);

/* Listens, and gives the URL; or dials, without waiting. */
const char *side_listen(struct side *side, const char *url, struct rpc_tls *tls);
void side_dial(struct side *side, const char *url, struct rpc_tls *tls);

void side_await_opened(struct side *side, unsigned count);
void side_await_closed(struct side *side, unsigned count);
void side_await_unreached(struct side *side, unsigned count);
void side_await_fault(struct side *side, enum rpc_cause cause, unsigned count);
void side_await_messages(struct side *side, size_t count);

/* Waits until *value, which is told by nobody, is that. */
void side_await_stat(struct side *side, size_t (*stat)(struct side *side), size_t value);
size_t side_connections(struct side *side);
size_t side_partial_bytes(struct side *side);

/* REQ: sends a request of len bytes, each of them fill. */
bool side_ask(struct side *side, uint32_t id, size_t len, uint8_t fill, uint64_t *number);

/* REP: replies to a message with len bytes. False when its connection has ended. */
bool side_answer(struct side *side, size_t message, size_t len);

/* Fails unless a message is len bytes that are all fill. */
void side_expect(struct side *side, size_t message, uint32_t id, size_t len, uint8_t fill);

/* A socket to what side_listen gave: tcp or ipc. */
int bare_connect(const char *url);

/* Listens on 127.0.0.1 and gives the socket and its URL; bare_accept gives a connection. */
int bare_listen(char url[64]);
int bare_accept(int fd);

void bare_send(int fd, const void *bytes, size_t len);
void bare_greet(
    int fd, enum rpc_role role); /* sends the greeting of that role, and reads the other */
void bare_expect(int fd, const void *bytes, size_t len);
void bare_skip(int fd);       /* a message of tcp, with its head */
void bare_expect_end(int fd); /* no more bytes, but the end */

#endif
