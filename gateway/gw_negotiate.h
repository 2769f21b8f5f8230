/* What a client accepts as the body of its answer. Thread of the loop. */
#ifndef GATEWAY_GW_NEGOTIATE_H
#define GATEWAY_GW_NEGOTIATE_H

#include "common/base/status.h"

struct gw_request;

/*
 * Reads Accept and Accept-Encoding of a request whose route was found, and sets
 * its coding. Returns 0, or 406 when no answer would be accepted; error says why.
 */
int gw_negotiate(struct gw_request *request, struct error *error);

#endif
