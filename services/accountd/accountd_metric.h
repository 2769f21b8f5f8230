/* The metrics of accountd beside those of all services (common/service/service_metric.h): a row for each. */
#ifndef ACCOUNTD_METRIC_H
#define ACCOUNTD_METRIC_H

#include "common/telemetry/metric.h"

enum accountd_metric {
	ACCOUNTD_HASH_QUEUE_LENGTH,
	ACCOUNTD_HASH_QUEUE_LIMIT,
	ACCOUNTD_HASH_DURATION,
	ACCOUNTD_HASH_QUEUE,
	ACCOUNTD_METRIC_COUNT
};

extern const struct metric_row accountd_metric_rows[ACCOUNTD_METRIC_COUNT];

#endif
