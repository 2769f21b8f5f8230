/* The listening sockets of an RPC server. For rpc_server.c alone. */
#ifndef COMMON_RPC_LISTEN_H
#define COMMON_RPC_LISTEN_H

#include <nng/nng.h>

#include "common/status.h"

struct rpc_server_options;

/*
 * Binds each URL of options->listen to socket and gives in *url what was
 * bound, with commas, for the caller to free. On failure error names the URL
 * and the reason, and the socket is to be closed.
 */
enum status_code rpc_listen(
    nng_socket socket, const struct rpc_server_options *options, char **url, struct error *error);

/*
 * Waits, at most limit_ms, until each request that the socket's connections
 * have received has its reply written to the connection. NNG does not linger
 * on close, and tells that a reply is sent as soon as it has taken it.
 */
void rpc_listen_flush(nng_socket socket, int limit_ms);

#endif
