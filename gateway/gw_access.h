/* The access log: a line for each request, when it has ended. */
#ifndef GATEWAY_GW_ACCESS_H
#define GATEWAY_GW_ACCESS_H

#include <h2o.h>

void gw_access_register(h2o_pathconf_t *pathconf);

#endif
