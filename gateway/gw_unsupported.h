/*
 * Headers that change what a request means and that nothing here understands yet:
 * such a request is refused, as it would be carried out without its condition
 * otherwise. Thread of the request's loop.
 */
#ifndef GATEWAY_GW_UNSUPPORTED_H
#define GATEWAY_GW_UNSUPPORTED_H

struct error;
struct gw_request;

/*
 * Looks at the headers of a request that has a route. Gives 0, or the HTTP status
 * to answer with, 400, 412 or 415, for which error says why.
 */
int gw_unsupported_check(struct gw_request *request, struct error *error);

#endif
