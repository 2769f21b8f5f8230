/*
 * Errors that the HTTP library answers by itself, before any handler is asked:
 * a body past the limit, a broken chunk, an unknown expectation. They become
 * problem documents like all others.
 */
#ifndef GATEWAY_GW_STRAY_H
#define GATEWAY_GW_STRAY_H

#include <h2o.h>

void gw_stray_register(h2o_pathconf_t *pathconf);

#endif
