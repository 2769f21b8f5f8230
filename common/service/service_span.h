/* The spans of calls. Any thread. */
#ifndef COMMON_SERVICE_SPAN_H
#define COMMON_SERVICE_SPAN_H

#include "common/rpc/server/rpc_server.h"
#include "common/telemetry/telemetry.h"

/* The name of the method of a call that has none. */
#define SERVICE_METHOD_NONE "none"

/* Exports the span of a call that has ended, if its trace is sampled. There must be an exporter. */
void service_span_export(
    const struct telemetry *telemetry, const struct rpc_call *call, const struct error *error);

#endif
