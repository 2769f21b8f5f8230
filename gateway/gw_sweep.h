/*
 * What is done about the connections of a loop at regular times: those that have
 * waited too long for their client are cut. Thread of the loop.
 */
#ifndef GATEWAY_GW_SWEEP_H
#define GATEWAY_GW_SWEEP_H

#include "gateway/gw_loop.h"

/*
 * Cuts connections of the loop that have been in their phase for too long, or
 * whose client has taken nothing of its answer for too long; while draining also
 * those that are idle.
 */
void gw_sweep(struct gw_loop *loop);

/* Cuts all connections of the loop. They are closed when their sockets tell so. */
void gw_sweep_all(struct gw_loop *loop);

#endif
