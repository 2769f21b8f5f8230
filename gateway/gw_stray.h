/*
 * Errors that the HTTP library answers by itself, before any handler is asked, on
 * HTTP/2: a body past the limit, a malformed request. They become problem documents
 * like all others. On HTTP/1 the library is given no request that it would refuse
 * (gw_intake.h).
 */
#ifndef GATEWAY_GW_STRAY_H
#define GATEWAY_GW_STRAY_H

#include <h2o.h>

void gw_stray_register(h2o_pathconf_t *pathconf);

#endif
