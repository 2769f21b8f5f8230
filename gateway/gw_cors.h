/*
 * Lets pages of other origins read answers, by corsOrigins (the Fetch standard,
 * section "CORS protocol"). Without that key none of this does anything. Cookies
 * are not used, so credentials are never allowed. Thread of the loop.
 */
#ifndef GATEWAY_GW_CORS_H
#define GATEWAY_GW_CORS_H

struct gw_request;

/* Adds what every answer says; to be called once, before the request is looked at. */
void gw_cors_begin(struct gw_request *request);

/* Adds to the answer of OPTIONS what a preflight asks for; allow has the verbs of the path. */
void gw_cors_answer_preflight(struct gw_request *request, const char *allow);

#endif
