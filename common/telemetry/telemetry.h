/*
 * What every program reports about itself: its metrics, which begin with those of
 * the process, its log and its spans, and where spans are sent.
 */
#ifndef COMMON_TELEMETRY_H
#define COMMON_TELEMETRY_H

#include <stdbool.h>
#include <stddef.h>

#include "common/base/status.h"
#include "common/telemetry/metric.h"
#include "common/telemetry/trace.h"

struct trace_exporter;

/* Texts are borrowed until telemetry_close. */
struct telemetry_options {
	const char *program;
	const char *version;
	const char *otlp_endpoint; /* "": spans are not exported */
	size_t otlp_queue_max;
	const char *sample_ratio; /* as trace_ratio_read takes it */
};

struct telemetry {
	struct metrics *metrics;
	struct metric_set *set;
	struct trace_exporter *exporter; /* NULL: spans are not exported */
	struct trace_ratio ratio;        /* none, then */
	struct telemetry_options options;
};

/* The rows that telemetry_open adds first, for the documentation. */
extern const struct metric_row telemetry_rows[];
extern const size_t telemetry_row_count;

/* For conf_program.check: whether the values of these keys are valid; error names the key. */
bool telemetry_check(const char *admin_listen, const char *otlp_endpoint, const char *sample_ratio,
    struct error *error);

/* Opens both; on failure nothing is left open. */
enum status_code telemetry_open(
    struct telemetry *telemetry, const struct telemetry_options *options, struct error *error);

/* Sends the spans that are left and frees everything. Nobody may count any more. Zeroed is fine. */
void telemetry_close(struct telemetry *telemetry);

#endif
