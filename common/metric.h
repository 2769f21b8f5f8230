/*
 * Metrics, as Prometheus scrapes them: what there is stands in tables of rows,
 * and each row has series, one for each combination of its labels' values.
 *
 *	metrics          all of a process
 *	  `- metric_set      a table of rows, and who is asked for some of them
 *	       `- metric_series  what is counted, found once and kept by who counts
 *
 * A series is either counted by its owner (metric_series, metric_add,
 * metric_observe) or told at each scrape by the set's collector (metric_put),
 * which suits what is known anyway, and what comes and goes.
 *
 * Counting costs a few relaxed atomic additions in memory that few threads
 * share: no lock, no allocation, no text. Any thread may call all of this,
 * unless it says otherwise.
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

/* What a histogram counts in; Prometheus is told seconds or plain numbers. */
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

/* Bounds for what takes from 100 µs to 10 s, and for how many share something: 1 to 1024. */
extern const int64_t metric_duration_bounds[];
extern const int64_t metric_share_bounds[];

/* Gives an empty collection, or NULL without memory. */
struct metrics *metrics_new(void);

/* Frees it with all its sets and series, which nobody may use any more, and clears *metrics. */
void metrics_free(struct metrics **metrics);

/* Adds a table, which is borrowed for good, to the end. NULL without memory. */
struct metric_set *metrics_add(
    struct metrics *metrics, const struct metric_row *rows, size_t count);

/*
 * Appends all in the text format of Prometheus, version 0.0.4: each row with
 * HELP and TYPE, then its series. One scrape at a time; a second one waits.
 */
void metrics_write(struct metrics *metrics, struct buf *out);

/* The value of the Content-Type of that. */
#define METRICS_CONTENT_TYPE "text/plain; version=0.0.4; charset=utf-8"

/*
 * The series of a row with these values of its labels, made if it is new; it
 * lives as long as its set. values are copied; NULL where the row has no
 * labels. It takes a lock and compares text: keep what it gives. NULL without
 * memory, which the functions below take for a series that counts nothing.
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
 * Has collect called at each scrape, to tell the series that are not counted
 * by metric_series. It must not block. With NULL nobody is called any more,
 * and once this returns nobody is being called.
 */
void metric_set_collect(struct metric_set *set,
    void (*collect)(struct metric_scrape *scrape, void *closure), void *closure);

/*
 * Tells the value of a series of a counter or gauge of the set whose collector
 * calls this; values as in metric_series.
 */
void metric_put(
    struct metric_scrape *scrape, unsigned row, double value, const char *const *values);

/* The rows as a Markdown table, for the documentation. */
void metric_print_markdown(const struct metric_row *rows, size_t count, FILE *out);

#endif
