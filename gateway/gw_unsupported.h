/*
 * Headers that change the meaning of a request and that are not supported yet.
 * Such a request is refused, because otherwise it would be executed without its
 * condition. Thread of the request's loop.
 */
#ifndef GATEWAY_GW_UNSUPPORTED_H
#define GATEWAY_GW_UNSUPPORTED_H

struct error;
struct gw_request;

/*
 * Checks the headers of a request that has a route. Returns 0, or the HTTP
 * status to answer with (400, 412 or 415); error says why.
 */
int gw_unsupported_check(struct gw_request *request, struct error *error);

#endif
