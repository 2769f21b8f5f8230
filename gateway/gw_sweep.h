/*
 * Regular checks of the connections of a loop: those that have waited too long
 * for their client are cut. Thread of the loop.
 */
#ifndef GATEWAY_GW_SWEEP_H
#define GATEWAY_GW_SWEEP_H

#include "gateway/gw_loop.h"

/*
 * Cuts the connections of the loop that have been in their phase for too long,
 * or whose client has taken nothing of its answer for too long; while draining
 * also idle ones.
 */
void gw_sweep(struct gw_loop *loop);

/* Cuts all connections of the loop. They are closed when their sockets report that. */
void gw_sweep_all(struct gw_loop *loop);

#endif
