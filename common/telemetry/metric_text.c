#include <assert.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "common/base/utf8.h"
#include "common/telemetry/metric_internal.h"

#define METRIC_NS_PER_S INT64_C(1000000000)

static const char *const metric_type_names[] = {
    [METRIC_COUNTER] = "counter", [METRIC_GAUGE] = "gauge", [METRIC_HISTOGRAM] = "histogram"};

/* What the format escapes in a label's value; what is not UTF-8 becomes question marks. */
static void
metric_put_escaped(struct buf *out, const char *text)
{
	size_t left = strlen(text);

	while (left > 0) {
		size_t len = utf8_sequence_len(text, left);

		if (len == 0) {
			buf_putc(out, '?');
			len = 1;
		} else if (*text == '\n') {
			buf_puts(out, "\\n");
		} else {
			if (*text == '"' || *text == '\\') {
				buf_putc(out, '\\');
			}
			buf_put(out, text, len);
		}
		text += len;
		left -= len;
	}
}

void
metric_put_labels(struct buf *out, const struct metric_row *row, const char *const *values)
{
	for (size_t i = 0; row->labels[i] != NULL; i++) {
		buf_printf(out, "%s%s=\"", i == 0 ? "" : ",", row->labels[i]);
		metric_put_escaped(out, values[i]);
		buf_putc(out, '"');
	}
}

/* In seconds, with as many digits as it needs, when the unit is nanoseconds. */
static void
metric_put_value(struct buf *out, enum metric_unit unit, int64_t value)
{
	int64_t fraction = value % METRIC_NS_PER_S;
	int digits = 9;

	if (unit == METRIC_NUMBER) {
		buf_put_int(out, value);
		return;
	}
	buf_put_int(out, value / METRIC_NS_PER_S);
	if (fraction == 0) {
		return;
	}
	for (; fraction % 10 == 0; fraction /= 10) {
		digits--;
	}
	buf_printf(out, ".%0*lld", digits, (long long)fraction);
}

static void
metric_put_head(struct buf *out, const struct metric_row *row)
{
	buf_printf(out, "# HELP %s %s\n# TYPE %s %s\n", row->name, row->help, row->name,
	    metric_type_names[row->type]);
}

/* The name with a suffix, the labels, and the blank before the value. */
static void
metric_put_name(struct buf *out, const struct metric_series *series, const char *suffix)
{
	buf_puts(out, series->row->name);
	buf_puts(out, suffix);
	if (*series->labels != '\0') {
		buf_printf(out, "{%s}", series->labels);
	}
	buf_putc(out, ' ');
}

static void
metric_put_bucket(struct buf *out, const struct metric_series *series, size_t bucket, int64_t count)
{
	buf_printf(out, "%s_bucket{%s%sle=\"", series->row->name, series->labels,
	    *series->labels == '\0' ? "" : ",");
	if (bucket < series->bound_count) {
		metric_put_value(out, series->row->unit, series->row->bounds[bucket]);
	} else {
		buf_puts(out, "+Inf");
	}
	buf_printf(out, "\"} %lld\n", (long long)count);
}

static void
metric_put_histogram(struct buf *out, const struct metric_series *series)
{
	int64_t count = 0;

	for (size_t bucket = 0; bucket <= series->bound_count; bucket++) {
		count += metric_cell(series, bucket);
		metric_put_bucket(out, series, bucket, count);
	}
	metric_put_name(out, series, "_sum");
	metric_put_value(out, series->row->unit, metric_cell(series, series->bound_count + 1));
	buf_putc(out, '\n');
	metric_put_name(out, series, "_count");
	buf_printf(out, "%lld\n", (long long)count);
}

static void
metric_put_series(struct buf *out, const struct metric_series *series)
{
	if (series->row->type == METRIC_HISTOGRAM) {
		metric_put_histogram(out, series);
		return;
	}
	metric_put_name(out, series, "");
	metric_put_value(out, series->row->unit, metric_cell(series, 0));
	buf_putc(out, '\n');
}

void
metric_put(struct metric_scrape *scrape, unsigned row, double value, const char *const *values)
{
	const struct metric_row *its = &scrape->set->rows[row];
	struct buf *out = &scrape->told[row];

	assert(row < scrape->set->row_count);
	assert(its->type != METRIC_HISTOGRAM);
	buf_puts(out, its->name);
	if (its->labels[0] != NULL) {
		buf_putc(out, '{');
		metric_put_labels(out, its, values);
		buf_putc(out, '}');
	}
	if (isnan(value)) {
		buf_puts(out, " NaN\n");
	} else if (isinf(value)) {
		buf_puts(out, value > 0 ? " +Inf\n" : " -Inf\n");
	} else {
		buf_printf(out, " %.15g\n", value);
	}
}

static void
metric_set_write(const struct metric_set *set, struct buf *out)
{
	struct buf *told = calloc(set->row_count, sizeof(*told));
	struct metric_scrape scrape = {set, told};

	if (told == NULL) {
		out->failed = true;
		return;
	}
	if (set->collect != NULL) {
		set->collect(&scrape, set->closure);
	}
	for (size_t i = 0; i < set->row_count; i++) {
		const struct metric_series *series = atomic_load(&set->series[i]);

		metric_put_head(out, &set->rows[i]);
		for (; series != NULL; series = atomic_load(&series->next)) {
			metric_put_series(out, series);
		}
		buf_put(out, told[i].data, told[i].len);
		out->failed |= told[i].failed;
		buf_fini(&told[i]);
	}
	free(told);
}

void
metrics_write(struct metrics *metrics, struct buf *out)
{
	const struct metric_set *set;

	pthread_mutex_lock(&metrics->scraping);
	set = atomic_load(&metrics->sets);
	for (; set != NULL; set = atomic_load(&set->next)) {
		metric_set_write(set, out);
	}
	pthread_mutex_unlock(&metrics->scraping);
}

static void
metric_print_labels(const struct metric_row *row, FILE *out)
{
	for (size_t i = 0; row->labels[i] != NULL; i++) {
		fprintf(out, "%s`%s`", i == 0 ? "" : ", ", row->labels[i]);
	}
}

void
metric_print_markdown(const struct metric_row *rows, size_t count, FILE *out)
{
	fputs("| metric | type | labels | what |\n|---|---|---|---|\n", out);
	for (size_t i = 0; i < count; i++) {
		fprintf(out, "| `%s` | %s | ", rows[i].name, metric_type_names[rows[i].type]);
		metric_print_labels(&rows[i], out);
		fprintf(out, " | %s |\n", rows[i].help);
	}
}
