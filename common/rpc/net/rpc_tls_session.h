/*
 * TLS between a connection's stream and its messages: bytes of either kind in
 * and out, in memory. It does no input or output, and belongs to one thread at
 * a time. For rpc_conn*.c alone.
 */
#ifndef COMMON_RPC_TLS_SESSION_H
#define COMMON_RPC_TLS_SESSION_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct rpc_tls;
struct rpc_tls_session;

enum rpc_tls_step {
	RPC_TLS_DONE,   /* something was read, or written */
	RPC_TLS_WAIT,   /* bytes must come, or leave, before */
	RPC_TLS_CLOSED, /* the other end has said that it ends */
	RPC_TLS_FAILED  /* rpc_tls_session_fault says why */
};

/*
 * By the certificates of this moment. The other end's certificate must be for
 * name, unless that is NULL. NULL without memory.
 */
struct rpc_tls_session *rpc_tls_session_new(struct rpc_tls *tls, const char *name);
void rpc_tls_session_free(struct rpc_tls_session **session);

/* Where encrypted bytes that come are to be put, at least one; then how many were. */
size_t rpc_tls_session_room(struct rpc_tls_session *session, uint8_t **at);
void rpc_tls_session_put(struct rpc_tls_session *session, size_t len);

/* Encrypted bytes that are to leave, 0: none; then how many have. */
size_t rpc_tls_session_waiting(struct rpc_tls_session *session, uint8_t **at);
void rpc_tls_session_left(struct rpc_tls_session *session, size_t len);

/* Both carry on the handshake first; what that wants to send waits then. */
enum rpc_tls_step rpc_tls_session_read(
    struct rpc_tls_session *session, uint8_t *data, size_t size, size_t *got);
enum rpc_tls_step rpc_tls_session_write(
    struct rpc_tls_session *session, const uint8_t *data, size_t len, size_t *put);

/* Says that this end ends. */
void rpc_tls_session_end(struct rpc_tls_session *session);

/* Why it failed, as static text. */
const char *rpc_tls_session_fault(struct rpc_tls_session *session);

/* See rpc_conn_refusal. */
const char *rpc_tls_session_refusal(struct rpc_tls_session *session, const char *list);

#endif
