#include <fcntl.h>
#include <pthread.h>
#include <semaphore.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include <cmocka.h>

#include "common/base/buf.h"
#include "common/telemetry/log.h"
#include "common/telemetry/metric.h"
#include "common/telemetry/telemetry.h"

static struct telemetry telemetry;

static int
setup(void **state)
{
	const struct telemetry_options options = {
	    .program = "tester", .version = "1.2", .otlp_endpoint = "", .sample_ratio = "1"};
	struct error error;

	(void)state;
	return telemetry_open(&telemetry, &options, &error) == STATUS_OK ? 0 : -1;
}

static int
teardown(void **state)
{
	(void)state;
	telemetry_close(&telemetry);
	return 0;
}

/* The value of a series by its name with labels, in a new scrape. */
static double
value_of(const char *series)
{
	struct buf out = {0};
	char line[256];
	const char *at;
	double value;

	buf_putc(&out, '\n');
	metrics_write(telemetry.metrics, &out);
	buf_putc(&out, '\0');
	assert_false(out.failed);
	snprintf(line, sizeof(line), "\n%s ", series);
	at = strstr(out.data, line);
	if (at == NULL) {
		fail_msg("no %s in:%s", series, out.data);
	}
	value = strtod(at + strlen(line), NULL);
	buf_fini(&out);
	return value;
}

static void
the_program_is_told_with_its_version(void **state)
{
	(void)state;
	assert_true(value_of("mockvideo_build_info{program=\"tester\",version=\"1.2\"}") == 1);
}

static void
memory_and_time_are_those_of_the_process(void **state)
{
	double now = (double)time(NULL);
	double before = value_of("process_cpu_seconds_total");
	double started = value_of("process_start_time_seconds");

	(void)state;
	assert_true(started > now - 300 && started < now + 2);
	assert_true(value_of("process_resident_memory_bytes") > 100000);
	assert_true(
	    value_of("process_virtual_memory_bytes") >= value_of("process_resident_memory_bytes"));
	while (value_of("process_cpu_seconds_total") <= before) {
	}
	assert_true(value_of("process_start_time_seconds") == started);
}

/* The sanitizers have allocators of their own. */
#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
#define HEAP_BYTES 0
#else
#define HEAP_BYTES 1000000
#endif

static void
what_is_allocated_is_told(void **state)
{
	double before = value_of("process_heap_bytes");
	void *allocated = malloc(HEAP_BYTES + 1);

	(void)state;
	assert_non_null(allocated);
	assert_true(value_of("process_heap_bytes") >= before + HEAP_BYTES);
	free(allocated);
}

static void
descriptors_are_counted(void **state)
{
	double before = value_of("process_open_fds");
	int fd = open("/dev/null", O_RDONLY | O_CLOEXEC);

	(void)state;
	assert_true(fd >= 0);
	assert_true(value_of("process_open_fds") == before + 1);
	assert_true(value_of("process_max_fds") > before);
	close(fd);
	assert_true(value_of("process_open_fds") == before);
}

static void *
wait_for(void *closure)
{
	sem_wait(closure);
	return NULL;
}

/* A first thread may bring one of a sanitizer's with it. */
static void
threads_are_counted(void **state)
{
	pthread_t thread;
	double before;
	sem_t end;

	(void)state;
	sem_init(&end, 0, 1);
	assert_int_equal(pthread_create(&thread, NULL, wait_for, &end), 0);
	pthread_join(thread, NULL);
	before = value_of("process_threads");
	assert_int_equal(pthread_create(&thread, NULL, wait_for, &end), 0);
	assert_true(value_of("process_threads") == before + 1);
	sem_post(&end);
	pthread_join(thread, NULL);
}

static void
lines_of_the_log_are_counted(void **state)
{
	double before = value_of("mockvideo_log_lines_total{level=\"warn\"}");

	(void)state;
	log_warn("a line for the test");
	assert_true(value_of("mockvideo_log_lines_total{level=\"warn\"}") == before + 1);
	assert_true(value_of("mockvideo_log_lines_dropped_total") == 0);
}

static void
without_a_collector_no_trace_is_sampled(void **state)
{
	struct trace trace;

	(void)state;
	trace_begin(&trace, telemetry.ratio);
	assert_false(trace.sampled);
	assert_true(value_of("mockvideo_trace_spans_total{result=\"dropped\"}") == 0);
	assert_true(value_of("mockvideo_trace_spans_total{result=\"rejected\"}") == 0);
}

static void
values_that_do_not_fit_are_named_by_their_keys(void **state)
{
	struct error error;

	(void)state;
	assert_true(telemetry_check("off", "", "0.01", &error));
	assert_false(telemetry_check("7002", "", "0.01", &error));
	assert_non_null(strstr(error.message, "adminListen"));
	assert_false(telemetry_check("off", "otel", "0.01", &error));
	assert_non_null(strstr(error.message, "otlpEndpoint"));
	assert_false(telemetry_check("off", "", "5", &error));
	assert_non_null(strstr(error.message, "traceSampleRatio"));
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    TEST(the_program_is_told_with_its_version),
	    TEST(memory_and_time_are_those_of_the_process),
	    TEST(what_is_allocated_is_told),
	    TEST(descriptors_are_counted),
	    TEST(threads_are_counted),
	    TEST(lines_of_the_log_are_counted),
	    TEST(without_a_collector_no_trace_is_sampled),
	    TEST(values_that_do_not_fit_are_named_by_their_keys),
	};

	log_open("telemetrytest", LOG_WARN);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
