#include "common/telemetry/metric.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

#include "common/telemetry/metric_internal.h"

#define METRIC_CACHE_LINE 64
#define METRIC_LINE_CELLS (METRIC_CACHE_LINE / sizeof(atomic_int_least64_t))

const int64_t metric_duration_bounds[] = {100000, 250000, 500000, 1000000, 2500000, 5000000,
    10000000, 25000000, 50000000, 100000000, 250000000, 500000000, 1000000000, 2500000000,
    5000000000, 10000000000, 0};
const int64_t metric_share_bounds[] = {1, 2, 4, 8, 16, 32, 64, 128, 256, 512, 1024, 0};

static atomic_uint metric_threads;
static _Thread_local unsigned metric_thread; /* its number, from 1; 0: it has none yet */

/* Threads are given shards in turn. */
static atomic_int_least64_t *
metric_shard(const struct metric_series *series)
{
	if (metric_thread == 0) {
		metric_thread = 1 + atomic_fetch_add(&metric_threads, 1);
	}
	return series->cells + metric_thread % METRIC_SHARDS * series->shard_size;
}

void
metric_add(struct metric_series *series, int64_t n)
{
	if (series != NULL) {
		atomic_fetch_add_explicit(metric_shard(series), n, memory_order_relaxed);
	}
}

void
metric_observe(struct metric_series *series, int64_t value)
{
	atomic_int_least64_t *cells;
	unsigned bucket = 0;

	if (series == NULL) {
		return;
	}
	while (bucket < series->bound_count && value > series->row->bounds[bucket]) {
		bucket++;
	}
	cells = metric_shard(series);
	atomic_fetch_add_explicit(&cells[bucket], 1, memory_order_relaxed);
	atomic_fetch_add_explicit(&cells[series->bound_count + 1], value, memory_order_relaxed);
}

int64_t
metric_cell(const struct metric_series *series, size_t cell)
{
	int64_t sum = 0;

	for (size_t shard = 0; shard < METRIC_SHARDS; shard++) {
		sum += atomic_load_explicit(
		    &series->cells[shard * series->shard_size + cell], memory_order_relaxed);
	}
	return sum;
}

int64_t
metric_read(const struct metric_series *series)
{
	int64_t sum = 0;

	for (size_t cell = 0; series != NULL && cell <= series->bound_count; cell++) {
		sum += metric_cell(series, cell);
	}
	return sum;
}

struct metrics *
metrics_new(void)
{
	struct metrics *metrics = calloc(1, sizeof(*metrics));

	if (metrics != NULL) {
		pthread_mutex_init(&metrics->scraping, NULL);
		pthread_mutex_init(&metrics->making, NULL);
	}
	return metrics;
}

static void
metric_set_free(struct metric_set *set)
{
	for (size_t i = 0; i < set->row_count; i++) {
		struct metric_series *series = atomic_load(&set->series[i]);

		while (series != NULL) {
			struct metric_series *next = atomic_load(&series->next);

			free(series->cells);
			free(series);
			series = next;
		}
	}
	free(set);
}

void
metrics_free(struct metrics **metrics)
{
	struct metric_set *set;

	if (*metrics == NULL) {
		return;
	}
	set = atomic_load(&(*metrics)->sets);
	while (set != NULL) {
		struct metric_set *next = atomic_load(&set->next);

		metric_set_free(set);
		set = next;
	}
	pthread_mutex_destroy(&(*metrics)->scraping);
	pthread_mutex_destroy(&(*metrics)->making);
	free(*metrics);
	*metrics = NULL;
}

struct metric_set *
metrics_add(struct metrics *metrics, const struct metric_row *rows, size_t count)
{
	struct metric_set *set = calloc(1, sizeof(*set) + count * sizeof(set->series[0]));
	_Atomic(struct metric_set *) *end = &metrics->sets;
	struct metric_set *last;

	if (set == NULL) {
		return NULL;
	}
	set->metrics = metrics;
	set->rows = rows;
	set->row_count = count;
	pthread_mutex_lock(&metrics->making);
	while ((last = atomic_load(end)) != NULL) {
		end = &last->next;
	}
	atomic_store(end, set);
	pthread_mutex_unlock(&metrics->making);
	return set;
}

void
metric_set_collect(struct metric_set *set,
    void (*collect)(struct metric_scrape *scrape, void *closure), void *closure)
{
	pthread_mutex_lock(&set->metrics->scraping);
	set->collect = collect;
	set->closure = closure;
	pthread_mutex_unlock(&set->metrics->scraping);
}

static struct metric_series *
metric_series_new(const struct metric_row *row, const char *labels, size_t len)
{
	struct metric_series *series = calloc(1, sizeof(*series) + len + 1);
	size_t cells = 1;
	size_t lines;

	if (series == NULL) {
		return NULL;
	}
	if (row->type == METRIC_HISTOGRAM) {
		while (row->bounds[series->bound_count] != 0) {
			series->bound_count++;
		}
		cells = series->bound_count + 2;
	}
	lines = (cells + METRIC_LINE_CELLS - 1) / METRIC_LINE_CELLS;
	series->row = row;
	series->shard_size = lines * METRIC_LINE_CELLS;
	series->cells = aligned_alloc(METRIC_CACHE_LINE, METRIC_SHARDS * lines * METRIC_CACHE_LINE);
	if (series->cells == NULL) {
		free(series);
		return NULL;
	}
	memset((void *)series->cells, 0, METRIC_SHARDS * lines * METRIC_CACHE_LINE);
	memcpy(series->labels, labels, len);
	return series;
}

/* The row's series with these labels; NULL, and the place for it in *end, when it is new. */
static struct metric_series *
metric_series_find(
    struct metric_set *set, unsigned row, const char *labels, _Atomic(struct metric_series *) **end)
{
	struct metric_series *series;

	*end = &set->series[row];
	while ((series = atomic_load(*end)) != NULL) {
		if (strcmp(series->labels, labels) == 0) {
			return series;
		}
		*end = &series->next;
	}
	return NULL;
}

struct metric_series *
metric_series(struct metric_set *set, unsigned row, const char *const *values)
{
	_Atomic(struct metric_series *) *end;
	struct metric_series *series = NULL;
	struct buf labels = {0};

	if (set == NULL) {
		return NULL;
	}
	assert(row < set->row_count);
	metric_put_labels(&labels, &set->rows[row], values);
	buf_putc(&labels, '\0');
	if (!labels.failed) {
		pthread_mutex_lock(&set->metrics->making);
		series = metric_series_find(set, row, labels.data, &end);
		if (series == NULL) {
			series = metric_series_new(&set->rows[row], labels.data, labels.len - 1);
			atomic_store(end, series);
		}
		pthread_mutex_unlock(&set->metrics->making);
	}
	buf_fini(&labels);
	return series;
}
