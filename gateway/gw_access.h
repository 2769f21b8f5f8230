/* The end of each request: a line of the access log, metrics, a span. */
#ifndef GATEWAY_GW_ACCESS_H
#define GATEWAY_GW_ACCESS_H

#include <h2o.h>

struct error;
struct gw_request;

/* Logs what went wrong with a request that has a route. */
void gw_access_error(
    const struct gw_request *request, const char *message, const struct error *error);

/* The same for a request that nobody could serve now (503, 504): only some of them are logged. */
void gw_access_unserved(const struct gw_request *request, const struct error *error);

/* Logs and counts a request that was refused with status before the handler was called. */
void gw_access_refused(h2o_req_t *req, int status);

void gw_access_register(h2o_pathconf_t *pathconf);

#endif
