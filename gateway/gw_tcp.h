/* What the kernel holds for a connection, and knows about it. Any thread. */
#ifndef GATEWAY_GW_TCP_H
#define GATEWAY_GW_TCP_H

#include <stdbool.h>
#include <stdint.h>

/* True when a client has connected to a listener and has not been accepted yet. */
bool gw_tcp_has_client(int listen_fd);

/* Limits what the kernel keeps for a client that does not read it. */
void gw_tcp_bound(int fd);

/* True while the client has not taken all bytes that were written. */
bool gw_tcp_is_taking(int fd);

/* The total number of bytes that the client has taken or is ready to take: grows when it reads. */
uint64_t gw_tcp_taken(int fd);

/* True when the client has sent bytes that were not read. */
bool gw_tcp_has_unread(int fd);

/* True when the connection has ended both ways, as after a reset. */
bool gw_tcp_is_dead(int fd);

/* Makes closing fd a reset: the client sees an error, and what it has not received is discarded. */
void gw_tcp_abort(int fd);

#endif
