/* Splits the target of a request. Any thread. */
#ifndef GATEWAY_GW_TARGET_H
#define GATEWAY_GW_TARGET_H

#include "gateway/route/route.h"

/*
 * Splits a target in origin form or in absolute form (RFC 9112 section 3.2.2);
 * scheme and host of the latter are ignored. path is never empty; query has no
 * question mark.
 */
void gw_target_split(struct route_text target, struct route_text *path, struct route_text *query);

#endif
