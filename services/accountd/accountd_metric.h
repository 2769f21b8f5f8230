/* The metrics of accountd, beside those of common/telemetry.h: a row for each. See common/metric.h. */
#ifndef ACCOUNTD_METRIC_H
#define ACCOUNTD_METRIC_H

#include "common/metric.h"

enum accountd_metric {
	ACCOUNTD_CALL_DURATION,
	ACCOUNTD_QUEUE,
	ACCOUNTD_IN_FLIGHT,
	ACCOUNTD_QUEUE_LENGTH,
	ACCOUNTD_BATCH_CALLS,
	ACCOUNTD_STORE_DURATION,
	ACCOUNTD_STORE_CALLS,
	ACCOUNTD_STORE_UP,
	ACCOUNTD_STORE_CONNECTIONS,
	ACCOUNTD_HASH_QUEUE_LENGTH,
	ACCOUNTD_HASH_DURATION,
	ACCOUNTD_HASH_QUEUE,
	ACCOUNTD_METRIC_COUNT
};

extern const struct metric_row accountd_metric_rows[ACCOUNTD_METRIC_COUNT];

#endif
