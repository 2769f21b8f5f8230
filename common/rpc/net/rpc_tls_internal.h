/* What rpc_tls.c (files and trust) and rpc_tls_engine.c (NNG's connections) share. */
#ifndef COMMON_RPC_TLS_INTERNAL_H
#define COMMON_RPC_TLS_INTERNAL_H

#include <nng/nng.h>
#include <nng/supplemental/tls/tls.h>
#include <openssl/ssl.h>

#include "common/rpc/net/rpc_tls.h"

#define RPC_TLS_SUBJECT_MAX 256

/* Holds tls, for a connection or a dialer, until rpc_tls_release. */
void rpc_tls_acquire(struct rpc_tls *tls);
void rpc_tls_release(struct rpc_tls *tls);

/* Gives a connection by the certificates of this moment, or NULL without memory. */
SSL *rpc_tls_connection(struct rpc_tls *tls);

/* A connection was not made, and why; NULL: one was made. */
void rpc_tls_tell(struct rpc_tls *tls, const char *why);

/*
 * Gives NNG's configuration of a listener, or of a dialer whose peer must have
 * a certificate for name (a host name or an IP address), for
 * nng_tls_config_free. A result of NNG.
 */
int rpc_tls_engine_config(
    nng_tls_config **config, struct rpc_tls *tls, bool server, const char *name);

/*
 * The common name in the certificate of a connection's other end. False when
 * it has shown none, as without TLS.
 */
bool rpc_tls_engine_subject(nng_pipe pipe, char subject[RPC_TLS_SUBJECT_MAX]);

#endif
