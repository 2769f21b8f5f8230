/*
 * How many connections each address has, so that none takes all. IPv6
 * addresses count by their network of 64 bits. Any thread.
 */
#ifndef COMMON_RPC_PEERS_H
#define COMMON_RPC_PEERS_H

#include <stdbool.h>
#include <stddef.h>
#include <sys/socket.h>

struct rpc_peers;
struct rpc_peer;

/* Gives an account that lets each address have at most max, or NULL without memory. */
struct rpc_peers *rpc_peers_new(size_t max);

/* Frees the account and clears *peers. All must have been released. NULL is fine. */
void rpc_peers_free(struct rpc_peers **peers);

/*
 * Counts a connection of an address. NULL when it has as many as it may, or
 * there is no memory.
 */
struct rpc_peer *rpc_peers_acquire(struct rpc_peers *peers, const struct sockaddr *address);

/* The connection is gone. Clears *peer. NULL is fine. */
void rpc_peers_release(struct rpc_peers *peers, struct rpc_peer **peer);

#endif
