/*
 * What the parts of TLS share: rpc_tls.c (files, options, reloading),
 * rpc_tls_trust.c (who is trusted), rpc_tls_expiry.c (until when), rpc_tls_name.c
 * (whom a certificate names) and rpc_tls_session.c (what a connection sends and
 * receives).
 */
#ifndef COMMON_RPC_TLS_INTERNAL_H
#define COMMON_RPC_TLS_INTERNAL_H

#include <openssl/ssl.h>

#include "common/rpc/net/rpc_tls.h"

/*
 * Fills error and returns its code: file cannot be read, or holds no what, for
 * the reason that OpenSSL gave last.
 */
enum status_code rpc_tls_wrong(struct error *error, const char *file, const char *what);

/*
 * Makes context trust who is signed by a certificate of file and not revoked by
 * a list (CRL) of file. With a list in file, each authority between a peer and
 * its root needs one that has not ended; else the peer is refused.
 */
enum status_code rpc_tls_trust_load(SSL_CTX *context, const char *file, struct error *error);

/* When what context holds ends. */
void rpc_tls_expiry_of(SSL_CTX *context, struct rpc_tls_expiry *expiry);

/*
 * NULL when certificate is for one of the names of list, which has commas
 * between them; blanks around a name are not part of it. Otherwise why not, as
 * static text. The names of a certificate are its alternative names of the
 * types DNS and URI, or, when it has none, its common name. All bytes count,
 * and a certificate that can be read in two ways is for nobody: with a NUL in
 * a name or with several common names.
 */
const char *rpc_tls_name_refusal(const X509 *certificate, const char *list);

/* Holds tls, for a connection or a dialer, until rpc_tls_release. */
void rpc_tls_acquire(struct rpc_tls *tls);
void rpc_tls_release(struct rpc_tls *tls);

/* Gives a connection by the certificates of this moment, or NULL without memory. */
SSL *rpc_tls_connection(struct rpc_tls *tls);

/* A connection was not made, and why; NULL: one was made. */
void rpc_tls_tell(struct rpc_tls *tls, const char *why);

#endif
