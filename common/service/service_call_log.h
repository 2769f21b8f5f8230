/* The log of calls: those that fail by a fault of the service at error, all others at debug. Any thread. */
#ifndef COMMON_SERVICE_CALL_LOG_H
#define COMMON_SERVICE_CALL_LOG_H

#include <stdbool.h>

#include "common/rpc/server/rpc_server.h"

/* True when nobody can say whether the write was done. */
bool service_call_is_unknown(const struct error *error);

/* Logs a call that has ended: an interceptor, whose closure is not used. */
void service_call_log(const struct rpc_call *call, const struct error *error, void *closure);

#endif
