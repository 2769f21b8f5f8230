/*
 * Metrics, as Prometheus scrapes them. Tables of rows list the metrics. Each
 * row has series, one for each combination of its labels' values.
 *
 *	metrics          all of a process
 *	  `- metric_set      a table of rows, and who is asked for some of them
 *	       `- metric_series  what is counted, found once and kept by who counts
 *
 * A series is either counted by its owner (metric_series, metric_add,
 * metric_observe) or reported at each scrape by the set's collector
 * (metric_put). The latter suits values that exist anyway, and series that come
 * and go.
 *
 * Counting costs a few relaxed atomic additions in memory that few threads
 * share: no lock, no allocation, no text. Any thread may call these functions
 * unless a comment says otherwise.
 */
#ifndef COMMON_METRIC_H
#define COMMON_METRIC_H

#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

struct buf;
struct metric_scrape;
struct metric_series;
struct metric_set;
struct metrics;

#define METRIC_LABELS_MAX 3

enum metric_type {
	METRIC_COUNTER,
	METRIC_GAUGE,
	METRIC_HISTOGRAM
};

/* The unit of a histogram; Prometheus gets seconds or plain numbers. */
enum metric_unit {
	METRIC_NUMBER,
	METRIC_NANOSECONDS
};

struct metric_row {
	const char *name;
	enum metric_type type;
	const char *help;                          /* a line */
	const char *labels[METRIC_LABELS_MAX + 1]; /* names, NULL-terminated */
	enum metric_unit unit;
	const int64_t
	    *bounds; /* METRIC_HISTOGRAM: of its buckets, in unit, ascending; 0 ends them */
};

/*
 * Bounds for durations from 100 µs to 10 s, and for the number of calls that
 * share something, 1 to 1024.
 */
extern const int64_t metric_duration_bounds[];
extern const int64_t metric_share_bounds[];

/* Gives an empty collection, or NULL without memory. */
struct metrics *metrics_new(void);

/* Frees it with all its sets and series, which nobody may use any more, and clears *metrics. */
void metrics_free(struct metrics **metrics);

/* Adds a table at the end; it must outlive metrics. NULL without memory. */
struct metric_set *metrics_add(
    struct metrics *metrics, const struct metric_row *rows, size_t count);

/*
 * Appends all metrics in the text format of Prometheus, version 0.0.4: each row
 * with HELP and TYPE, then its series. Only one scrape runs at a time; a second
 * one waits.
 */
void metrics_write(struct metrics *metrics, struct buf *out);

/* The value of the Content-Type of that. */
#define METRICS_CONTENT_TYPE "text/plain; version=0.0.4; charset=utf-8"

/*
 * The series of a row with these values of its labels, made if it is new; it
 * lives as long as its set. values are copied; NULL where the row has no
 * labels. It takes a lock and compares text, so keep the result. NULL without
 * memory; the functions below accept NULL and then count nothing.
 */
struct metric_series *metric_series(
    struct metric_set *set, unsigned row, const char *const *values);

/* Adds n to a counter, where n is not negative, or to a gauge. */
void metric_add(struct metric_series *series, int64_t n);

/* Counts a value, in the row's unit, in a histogram. */
void metric_observe(struct metric_series *series, int64_t value);

/* What was added to a series, or the number of values it observed. */
int64_t metric_read(const struct metric_series *series);

/*
 * Makes each scrape call collect, to report the series that are not counted by
 * metric_series. collect must not block. With NULL it is no longer called, and
 * no call of it is running when this returns.
 */
void metric_set_collect(struct metric_set *set,
    void (*collect)(struct metric_scrape *scrape, void *closure), void *closure);

/*
 * Reports the value of one series of a counter or gauge. To be called by the
 * collector of its set; values as in metric_series.
 */
void metric_put(
    struct metric_scrape *scrape, unsigned row, double value, const char *const *values);

/* The rows as a Markdown table, for the documentation. */
void metric_print_markdown(const struct metric_row *rows, size_t count, FILE *out);

#endif
