/* What metric.c, which counts, and metric_text.c, which writes, share. */
#ifndef COMMON_METRIC_INTERNAL_H
#define COMMON_METRIC_INTERNAL_H

#include <pthread.h>
#include <stdatomic.h>

#include "common/base/buf.h"
#include "common/telemetry/metric.h"

/* Copies of each series, so that threads seldom write to the same memory. */
#define METRIC_SHARDS 8

/*
 * Cells of a histogram: one for each bucket, one for what is over the last
 * bound, and the sum. Of the others: the value.
 */
struct metric_series {
	_Atomic(struct metric_series *) next; /* of the row */
	const struct metric_row *row;
	unsigned bound_count;
	size_t shard_size; /* cells of a shard, a whole number of cache lines */
	atomic_int_least64_t *cells;
	char labels[]; /* as they are written, without braces */
};

struct metric_set {
	_Atomic(struct metric_set *) next;
	struct metrics *metrics;
	const struct metric_row *rows;
	size_t row_count;
	void (*collect)(struct metric_scrape *scrape, void *closure); /* guarded by scraping */
	void *closure;
	_Atomic(struct metric_series *) series[]; /* of each row, oldest first */
};

struct metrics {
	pthread_mutex_t scraping; /* held by a scrape */
	pthread_mutex_t making;   /* guards the appending of sets and series */
	_Atomic(struct metric_set *) sets;
};

/* What a collector tells, by row. */
struct metric_scrape {
	const struct metric_set *set;
	struct buf *told;
};

/* Appends name="value" pairs with commas, escaped. */
void metric_put_labels(struct buf *out, const struct metric_row *row, const char *const *values);

/* The sum of a cell over all shards. */
int64_t metric_cell(const struct metric_series *series, size_t cell);

#endif
