#include "common/telemetry/telemetry.h"

#include <dirent.h>
#include <malloc.h>
#include <pthread.h>
#include <stdio.h>
#include <string.h>
#include <sys/resource.h>
#include <time.h>
#include <unistd.h>

#include "common/telemetry/admin.h"
#include "common/telemetry/log.h"
#include "common/telemetry/metric.h"
#include "common/telemetry/trace_export.h"

#define TRACE_RATIO_KEY "traceSampleRatio"

enum telemetry_row {
	TELEMETRY_BUILD_INFO,
	TELEMETRY_CPU,
	TELEMETRY_RESIDENT,
	TELEMETRY_VIRTUAL,
	TELEMETRY_HEAP,
	TELEMETRY_OPEN_FDS,
	TELEMETRY_MAX_FDS,
	TELEMETRY_START_TIME,
	TELEMETRY_THREADS,
	TELEMETRY_LOG_LINES,
	TELEMETRY_LOG_DROPPED,
	TELEMETRY_SPANS,
	TELEMETRY_SPANS_WAITING,
	TELEMETRY_SPANS_LIMIT,
	TELEMETRY_ROW_COUNT
};

const struct metric_row telemetry_rows[TELEMETRY_ROW_COUNT] = {
    [TELEMETRY_BUILD_INFO] = {.name = "mockvideo_build_info",
	.type = METRIC_GAUGE,
	.help = "Always 1; the labels name the program and its version.",
	.labels = {"program", "version"}},
    [TELEMETRY_CPU] = {.name = "process_cpu_seconds_total",
	.type = METRIC_COUNTER,
	.help = "Processor time used by the program, and by the system for it."},
    [TELEMETRY_RESIDENT] = {.name = "process_resident_memory_bytes",
	.type = METRIC_GAUGE,
	.help = "Resident memory of the process."},
    [TELEMETRY_VIRTUAL] = {.name = "process_virtual_memory_bytes",
	.type = METRIC_GAUGE,
	.help = "Virtual memory of the process."},
    [TELEMETRY_HEAP] = {.name = "process_heap_bytes",
	.type = METRIC_GAUGE,
	.help = "Memory that is allocated and not freed. What was freed remains resident for a "
		"while."},
    [TELEMETRY_OPEN_FDS] = {.name = "process_open_fds",
	.type = METRIC_GAUGE,
	.help = "Number of open file descriptors."},
    [TELEMETRY_MAX_FDS] = {.name = "process_max_fds",
	.type = METRIC_GAUGE,
	.help = "Maximum number of open file descriptors."},
    [TELEMETRY_START_TIME] = {.name = "process_start_time_seconds",
	.type = METRIC_GAUGE,
	.help = "Start time of the process, in Unix time."},
    [TELEMETRY_THREADS] = {.name = "process_threads",
	.type = METRIC_GAUGE,
	.help = "Number of threads of the process."},
    [TELEMETRY_LOG_LINES] = {.name = "mockvideo_log_lines_total",
	.type = METRIC_COUNTER,
	.help = "Log lines written to standard error.",
	.labels = {"level"}},
    [TELEMETRY_LOG_DROPPED] = {.name = "mockvideo_log_lines_dropped_total",
	.type = METRIC_COUNTER,
	.help = "Log lines lost because standard error did not accept them, or not fast enough."},
    [TELEMETRY_SPANS] = {.name = "mockvideo_trace_spans_total",
	.type = METRIC_COUNTER,
	.help = "Spans by result: exported, rejected (the collector accepted their message without "
		"them), failed (it did not accept the message) or dropped (the queue was full).",
	.labels = {"result"}},
    [TELEMETRY_SPANS_WAITING] = {.name = "mockvideo_trace_queue_length",
	.type = METRIC_GAUGE,
	.help = "Spans that wait to be sent."},
    [TELEMETRY_SPANS_LIMIT] = {.name = "mockvideo_trace_queue_limit",
	.type = METRIC_GAUGE,
	.help = "Spans that may wait to be sent; further ones are dropped. 0 without a collector."},
};

const size_t telemetry_row_count = TELEMETRY_ROW_COUNT;

bool
telemetry_check(const char *admin_listen, const char *otlp_endpoint, const char *sample_ratio,
    struct error *error)
{
	struct trace_ratio ratio;

	return admin_check_listen(admin_listen, error) &&
	       trace_check_endpoint(otlp_endpoint, error) &&
	       trace_ratio_read(&ratio, TRACE_RATIO_KEY, sample_ratio, error);
}

/* Reads the first line of a file of /proc. */
static bool
telemetry_read(const char *path, char *text, int size)
{
	FILE *file = fopen(path, "re");
	bool read = file != NULL && fgets(text, size, file) != NULL;

	if (file != NULL) {
		fclose(file);
	}
	return read;
}

static void
telemetry_tell_memory(struct metric_scrape *scrape)
{
	const struct mallinfo2 heap = mallinfo2();
	double page = (double)sysconf(_SC_PAGESIZE);
	unsigned long resident;
	unsigned long virtual;
	char text[256];

	if (telemetry_read("/proc/self/statm", text, sizeof(text)) &&
	    sscanf(text, "%lu %lu", &virtual, &resident) == 2) {
		metric_put(scrape, TELEMETRY_VIRTUAL, (double)virtual * page, NULL);
		metric_put(scrape, TELEMETRY_RESIDENT, (double)resident * page, NULL);
	}
	metric_put(scrape, TELEMETRY_HEAP, (double)(heap.uordblks + heap.hblkhd), NULL);
}

/* Unix time of the machine's start, reckoned once: two clocks never agree to the nanosecond twice. */
static double telemetry_boot_s;
static pthread_once_t telemetry_boot_once = PTHREAD_ONCE_INIT;

static void
telemetry_reckon_boot(void)
{
	struct timespec unix_now;
	struct timespec up;

	clock_gettime(CLOCK_REALTIME, &unix_now);
	clock_gettime(CLOCK_BOOTTIME, &up);
	telemetry_boot_s =
	    (double)(unix_now.tv_sec - up.tv_sec) + (double)(unix_now.tv_nsec - up.tv_nsec) / 1e9;
}

/* Unix time of what happened so many clock ticks after the machine was started. */
static double
telemetry_unix_time(unsigned long long ticks)
{
	pthread_once(&telemetry_boot_once, telemetry_reckon_boot);
	return telemetry_boot_s + (double)ticks / (double)sysconf(_SC_CLK_TCK);
}

/* The program's name, which comes before in the line, may hold anything but ends with a bracket. */
static void
telemetry_tell_threads(struct metric_scrape *scrape)
{
	unsigned long long started;
	char text[1024];
	const char *end;
	long threads;

	if (telemetry_read("/proc/self/stat", text, sizeof(text)) &&
	    (end = strrchr(text, ')')) != NULL &&
	    sscanf(end + 1,
		" %*c %*d %*d %*d %*d %*d %*u %*u %*u %*u %*u %*u %*u %*d %*d %*d %*d %ld %*d "
		"%llu",
		&threads, &started) == 2) {
		metric_put(scrape, TELEMETRY_THREADS, (double)threads, NULL);
		metric_put(scrape, TELEMETRY_START_TIME, telemetry_unix_time(started), NULL);
	}
}

/* Without . and .. and the one that is open for reading the folder. */
static void
telemetry_tell_files(struct metric_scrape *scrape)
{
	DIR *dir = opendir("/proc/self/fd");
	struct rlimit limit;
	int count = -3;

	if (dir != NULL) {
		while (readdir(dir) != NULL) {
			count++;
		}
		closedir(dir);
		metric_put(scrape, TELEMETRY_OPEN_FDS, count, NULL);
	}
	if (getrlimit(RLIMIT_NOFILE, &limit) == 0) {
		metric_put(scrape, TELEMETRY_MAX_FDS, (double)limit.rlim_cur, NULL);
	}
}

static double
telemetry_seconds(const struct timeval *time)
{
	return (double)time->tv_sec + (double)time->tv_usec / 1e6;
}

static void
telemetry_tell_log(struct metric_scrape *scrape)
{
	struct log_stats stats;

	log_get_stats(&stats);
	for (unsigned level = 0; level <= LOG_TRACE; level++) {
		metric_put(scrape, TELEMETRY_LOG_LINES, (double)stats.lines[level],
		    (const char *[]){log_level_names[level]});
	}
	metric_put(scrape, TELEMETRY_LOG_DROPPED, (double)stats.dropped, NULL);
}

static void
telemetry_tell_spans(struct metric_scrape *scrape, struct trace_exporter *exporter)
{
	struct trace_export_stats stats;

	trace_export_get_stats(exporter, &stats);
	metric_put(scrape, TELEMETRY_SPANS, (double)stats.exported, (const char *[]){"exported"});
	metric_put(scrape, TELEMETRY_SPANS, (double)stats.rejected, (const char *[]){"rejected"});
	metric_put(scrape, TELEMETRY_SPANS, (double)stats.failed, (const char *[]){"failed"});
	metric_put(scrape, TELEMETRY_SPANS, (double)stats.dropped, (const char *[]){"dropped"});
	metric_put(scrape, TELEMETRY_SPANS_WAITING, (double)stats.waiting, NULL);
	metric_put(scrape, TELEMETRY_SPANS_LIMIT, (double)stats.limit, NULL);
}

static void
telemetry_collect(struct metric_scrape *scrape, void *closure)
{
	const struct telemetry *telemetry = closure;
	const char *build[] = {telemetry->options.program, telemetry->options.version};
	struct rusage usage;

	metric_put(scrape, TELEMETRY_BUILD_INFO, 1, build);
	if (getrusage(RUSAGE_SELF, &usage) == 0) {
		metric_put(scrape, TELEMETRY_CPU,
		    telemetry_seconds(&usage.ru_utime) + telemetry_seconds(&usage.ru_stime), NULL);
	}
	telemetry_tell_memory(scrape);
	telemetry_tell_threads(scrape);
	telemetry_tell_files(scrape);
	telemetry_tell_log(scrape);
	telemetry_tell_spans(scrape, telemetry->exporter);
}

static enum status_code
telemetry_open_exporter(struct telemetry *telemetry, struct error *error)
{
	const struct telemetry_options *options = &telemetry->options;
	const struct trace_exporter_options exporting = {.endpoint = options->otlp_endpoint,
	    .queue_max = options->otlp_queue_max,
	    .service = options->program,
	    .version = options->version};

	if (*options->otlp_endpoint == '\0') {
		return STATUS_OK;
	}
	if (!trace_ratio_read(&telemetry->ratio, TRACE_RATIO_KEY, options->sample_ratio, error)) {
		return error->code;
	}
	return trace_exporter_start(&telemetry->exporter, &exporting, error);
}

enum status_code
telemetry_open(
    struct telemetry *telemetry, const struct telemetry_options *options, struct error *error)
{
	enum status_code status;

	memset(telemetry, 0, sizeof(*telemetry));
	telemetry->options = *options;
	telemetry->metrics = metrics_new();
	if (telemetry->metrics != NULL) {
		telemetry->set =
		    metrics_add(telemetry->metrics, telemetry_rows, telemetry_row_count);
	}
	if (telemetry->set == NULL) {
		status = error_set(error, STATUS_RESOURCE_EXHAUSTED, "OUT_OF_MEMORY", "no memory");
	} else {
		status = telemetry_open_exporter(telemetry, error);
	}
	if (status != STATUS_OK) {
		telemetry_close(telemetry);
		return status;
	}
	metric_set_collect(telemetry->set, telemetry_collect, telemetry);
	return STATUS_OK;
}

void
telemetry_close(struct telemetry *telemetry)
{
	trace_exporter_stop(&telemetry->exporter);
	metrics_free(&telemetry->metrics);
	telemetry->set = NULL;
}
