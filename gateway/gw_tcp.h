/* What the kernel has for a connection, and knows of it. Any thread. */
#ifndef GATEWAY_GW_TCP_H
#define GATEWAY_GW_TCP_H

#include <stdbool.h>
#include <stdint.h>

/* True when somebody has connected to a listener and was not accepted yet. */
bool gw_tcp_has_client(int listen_fd);

/* Bounds what the kernel keeps for a client that does not take it. */
void gw_tcp_bound(int fd);

/* True when the client has yet to take bytes that were written. */
bool gw_tcp_is_taking(int fd);

/* How many bytes the client has taken, or is ready to take, in all: grows when it reads. */
uint64_t gw_tcp_taken(int fd);

/* True when the client has sent bytes that were not read. */
bool gw_tcp_has_unread(int fd);

/* True when the connection has ended both ways, as after a reset. */
bool gw_tcp_is_dead(int fd);

/* Makes closing fd a reset: the client sees an error, and what it has not received is discarded. */
void gw_tcp_abort(int fd);

#endif
