/*
 * TLS for the connections of servers and channels (tls+tcp://), with
 * certificates of both sides where they are wanted (mTLS): TLS 1.2 or newer,
 * by OpenSSL. Certificates are read again while connections live: those that
 * are made afterwards use the new ones, the others go on as they are.
 */
#ifndef COMMON_RPC_TLS_H
#define COMMON_RPC_TLS_H

#include <stdbool.h>
#include <stdint.h>

#include "common/base/status.h"

#ifdef __cplusplus
extern "C" {
#endif

struct rpc_tls;

/* Text is copied. All files are PEM; NULL or empty: there is none. */
struct rpc_tls_options {
	bool server; /* for listening; else for a channel */

	/*
	 * Who is trusted; a server then asks each client for a certificate. With
	 * lists of revoked certificates (CRL) in it, each authority needs one.
	 */
	const char *ca_file;
	const char *cert_file; /* own certificate, and the chain above it; a server needs one */
	const char *key_file;  /* its private key, without a passphrase */

	/*
	 * Told why a connection was not made, at most once a second: by a thread
	 * of the transport, so it must not block. May be NULL.
	 */
	void (*failed)(const char *why, void *closure);
	void *closure;
};

/*
 * Reads the files. On failure *tls is NULL and error names the file and what is
 * wrong with it. A channel needs ca_file.
 */
enum status_code rpc_tls_open(
    struct rpc_tls **tls, const struct rpc_tls_options *options, struct error *error);

/* Reads the files again. On failure all stays as it was. One thread at a time. */
enum status_code rpc_tls_reload(struct rpc_tls *tls, struct error *error);

/* When what was read last ends, in seconds since 1970; 0: there is none. */
struct rpc_tls_expiry {
	int64_t own_s;         /* the first of the own certificate and the chain above it */
	int64_t trusted_s;     /* the first certificate of who is trusted */
	int64_t revocations_s; /* the first list of revoked ones (CRL) */
};

/* Any thread. */
void rpc_tls_get_expiry(struct rpc_tls *tls, struct rpc_tls_expiry *expiry);

/*
 * Why the last connection was not made; empty when it was. For who is told that
 * a service can't be reached. Any thread.
 */
#define RPC_TLS_FAULT_MAX 128
void rpc_tls_fault(struct rpc_tls *tls, char fault[RPC_TLS_FAULT_MAX]);

/*
 * Gives it up and clears *tls. Connections may live on, but failed is told no
 * more once this has returned. NULL is fine.
 */
void rpc_tls_close(struct rpc_tls **tls);

#ifdef __cplusplus
}
#endif

#endif
