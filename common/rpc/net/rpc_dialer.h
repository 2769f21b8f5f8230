/*
 * Keeps a connection to one endpoint up: dials, and dials again when it ends or
 * could not be made, after 50 ms, then after twice as long each time, up to a
 * second, each time shortened at random by up to a half.
 */
#ifndef COMMON_RPC_DIALER_H
#define COMMON_RPC_DIALER_H

#include "common/base/status.h"

struct rpc_dialer;
struct rpc_net;
struct rpc_tls;

struct rpc_dialer_options {
	const char *url;      /* tcp:// tls+tcp:// ipc://; copied */
	struct rpc_tls *tls;  /* of tls+tcp://; borrowed until the dialer is closed */
	const char *tls_name; /* whom the certificate must name; copied; NULL: the URL's host */
	void *user;           /* of its connections, and of the event unreached */
};

/* Begins to connect. On failure, as for a URL that can't be read, *dialer is NULL. */
enum status_code rpc_dialer_open(struct rpc_dialer **dialer, struct rpc_net *net,
    const struct rpc_dialer_options *options, struct error *error);

/*
 * Ends its connection, dials no more and clears *dialer. When this returns, no
 * event with its user is running or will be called. It waits only for events,
 * so it must not be called in an event, or with a lock that an event takes.
 * NULL is fine.
 */
void rpc_dialer_close(struct rpc_dialer **dialer);

#endif
