#include "services/accountd/accountd_metric.h"

const struct metric_row accountd_metric_rows[ACCOUNTD_METRIC_COUNT] = {
    [ACCOUNTD_HASH_QUEUE_LENGTH] = {"mockvideo_hash_queue_length", METRIC_GAUGE,
	"Calls whose passwords are being hashed or wait for it.", {NULL}, METRIC_NUMBER, NULL},
    [ACCOUNTD_HASH_QUEUE_LIMIT] = {"mockvideo_hash_queue_limit", METRIC_GAUGE,
	"Calls whose passwords may be hashed or wait for it; further ones are refused.", {NULL},
	METRIC_NUMBER, NULL},
    [ACCOUNTD_HASH_DURATION] = {"mockvideo_hash_duration_seconds", METRIC_HISTOGRAM,
	"Time to hash a password.", {NULL}, METRIC_NANOSECONDS, metric_duration_bounds},
    [ACCOUNTD_HASH_QUEUE] = {"mockvideo_hash_queue_seconds", METRIC_HISTOGRAM,
	"Time that calls waited before the hashing of their passwords began.", {NULL},
	METRIC_NANOSECONDS, metric_duration_bounds},
};
