/* The target of a request, taken apart. Any thread. */
#ifndef GATEWAY_GW_TARGET_H
#define GATEWAY_GW_TARGET_H

#include "gateway/route.h"

/*
 * Parts a target in origin form, or in absolute form, whose scheme and host are
 * left out (RFC 9112 section 3.2.2). path is never empty; query is without its
 * question mark.
 */
void gw_target_split(struct route_text target, struct route_text *path, struct route_text *query);

#endif
