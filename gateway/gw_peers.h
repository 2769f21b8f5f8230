/*
 * How many connections each address has, so that none takes all. IPv6
 * addresses count by their network of 64 bits. Any thread.
 */
#ifndef GATEWAY_GW_PEERS_H
#define GATEWAY_GW_PEERS_H

#include <stdbool.h>
#include <stddef.h>
#include <sys/socket.h>

struct gw_peers;
struct gw_peer;

/* Gives an account that lets each address have at most max, or NULL without memory. */
struct gw_peers *gw_peers_new(size_t max);

/* Frees the account and clears *peers. All must have been released. NULL is fine. */
void gw_peers_free(struct gw_peers **peers);

/*
 * Counts a connection of an address. NULL when it has as many as it may, or
 * there is no memory.
 */
struct gw_peer *gw_peers_acquire(struct gw_peers *peers, const struct sockaddr *address);

/* The connection is gone. Clears *peer. NULL is fine. */
void gw_peers_release(struct gw_peers *peers, struct gw_peer **peer);

#endif
