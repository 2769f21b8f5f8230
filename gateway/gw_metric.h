/* The metrics of gatewayd, beside those of common/telemetry/telemetry.h: a row for each. See common/telemetry/metric.h. */
#ifndef GATEWAY_GW_METRIC_H
#define GATEWAY_GW_METRIC_H

#include "common/telemetry/metric.h"

enum gw_metric {
	GW_HTTP_DURATION,
	GW_HTTP_IN_FLIGHT,
	GW_HTTP_CONNECTIONS,
	GW_HTTP_CONNECTIONS_LIMIT,
	GW_HTTP_ENDED,
	GW_RPC_DURATION,
	GW_RPC_UNKNOWN,
	GW_RPC_IN_FLIGHT,
	GW_RPC_IN_FLIGHT_LIMIT,
	GW_RPC_RETRIES,
	GW_RPC_RETRIES_REFUSED,
	GW_RPC_MESSAGES,
	GW_RPC_MESSAGES_CALLS,
	GW_RPC_EJECTIONS,
	GW_RPC_ENDPOINT_STATE,
	GW_RPC_ENDPOINT_IN_FLIGHT,
	GW_DESCRIPTORS_STATE,
	GW_DESCRIPTORS_ADOPTED,
	GW_DESCRIPTORS_REFUSED,
	GW_TLS_ENDS,
	GW_METRIC_COUNT
};

extern const struct metric_row gw_metric_rows[GW_METRIC_COUNT];

#endif
