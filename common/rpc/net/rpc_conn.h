/*
 * One connection, of a listener or of a dialer. It reads ahead: all complete
 * messages of one read are passed on together, in place. It writes all waiting
 * messages together, in the thread that sends.
 *
 *	GREETING -> OPEN -> CLOSING -> (CLOSED: told, then reused)
 *	    `-----------------^
 *
 * After the event opened, any thread may call these functions, as long as the
 * call begins before the event closed returns. Later a thread may call them
 * only if it has acquired the connection (a reference); they then do nothing.
 */
#ifndef COMMON_RPC_CONN_H
#define COMMON_RPC_CONN_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "common/rpc/net/rpc_buf.h"
#include "common/rpc/net/rpc_net.h"

struct rpc_conn *rpc_conn_acquire(struct rpc_conn *conn);
void rpc_conn_release(struct rpc_conn **conn); /* clears *conn */

/* A pointer for the receiver of the events; at first that of the dialer, or NULL. */
void *rpc_conn_user(const struct rpc_conn *conn);
void rpc_conn_set_user(struct rpc_conn *conn, void *user); /* in an event only */

/* "tcp://192.0.2.1:4711", or "ipc://": as text for logs, and alike for one peer. */
const char *rpc_conn_peer(const struct rpc_conn *conn);

/*
 * NULL when the other end has presented a certificate for one of the names of
 * list; otherwise static text that says why not. See rpc_tls_name_refusal.
 */
const char *rpc_conn_refusal(struct rpc_conn *conn, const char *list);

/*
 * Sends a message: the route, which is copied, and after it the bytes of buf,
 * which is taken in any case. The route of a request is its id, with the high
 * bit, as 4 bytes, the highest first; that of a reply is the request's.
 *
 * Never blocks: what the transport does not accept immediately waits in the
 * connection and is written when there is room. number, unless NULL, is set to
 * the number of the message (see struct rpc_end). False when the connection has
 * ended: the message was certainly not sent.
 *
 * In the role REP, this is the reply to one of the frames that were passed on.
 */
bool rpc_conn_send(struct rpc_conn *conn, const uint8_t *route, size_t route_len,
    struct rpc_buf *buf, uint64_t *number);

/* REP: says that count of the frames that were passed on will get no reply. */
void rpc_conn_skip(struct rpc_conn *conn, unsigned count);

/*
 * Between the two calls, what this thread sends waits in its connections; the
 * second call writes it. So many messages share a write. Pairs may be nested.
 */
void rpc_conn_cork(void);
void rpc_conn_uncork(void);

/*
 * Ends the connection for a cause. It is closed when the event closed was
 * called. Any thread, any time.
 */
void rpc_conn_close(struct rpc_conn *conn, enum rpc_cause cause);

#endif
