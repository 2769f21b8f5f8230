/* Accepts connections at one or more URLs. */
#ifndef COMMON_RPC_LISTENER_H
#define COMMON_RPC_LISTENER_H

#include <stddef.h>

#include "common/base/status.h"

struct rpc_listener;
struct rpc_net;
struct rpc_tls;

/*
 * Binds each of the URLs, which have commas between, and begins to accept. tls,
 * which is borrowed until the listener is closed, is for those that are
 * tls+tcp://; NULL: there may be none. On failure *listener is NULL and error
 * names the URL and the reason.
 */
enum status_code rpc_listener_open(struct rpc_listener **listener, struct rpc_net *net,
    const char *urls, struct rpc_tls *tls, struct error *error);

/*
 * How many descriptors the listener of these URLs needs at most, besides those of
 * the connections that its net allows: sockets that listen, connections that are
 * just accepted, and connections that have ended or were refused but are not
 * closed yet.
 */
size_t rpc_listener_descriptors(const char *urls);

/* What was bound, with commas: the true port where it was 0. */
const char *rpc_listener_url(const struct rpc_listener *listener);

/* Accepts no more and clears *listener. Its connections go on. Not in an event. NULL is fine. */
void rpc_listener_close(struct rpc_listener **listener);

#endif
