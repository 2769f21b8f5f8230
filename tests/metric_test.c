#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "common/base/buf.h"
#include "common/telemetry/metric.h"

enum {
	CALLS,
	WAITING,
	DURATION,
	SHARED,
	ENDPOINT,
	ROWS
};

static const int64_t few_bounds[] = {500000, 1000000000, 2500000000, 0};
static const int64_t share_bounds[] = {1, 8, 0};

static const struct metric_row rows[ROWS] = {
    [CALLS] = {"test_calls_total", METRIC_COUNTER, "Calls.", {"method", "code"}, 0, NULL},
    [WAITING] = {"test_waiting", METRIC_GAUGE, "Calls that wait.", {NULL}, 0, NULL},
    [DURATION] = {"test_duration_seconds", METRIC_HISTOGRAM, "Durations.", {"method"},
	METRIC_NANOSECONDS, few_bounds},
    [SHARED] = {"test_shared_calls", METRIC_HISTOGRAM, "Shares.", {NULL}, METRIC_NUMBER,
	share_bounds},
    [ENDPOINT] = {"test_endpoint_up", METRIC_GAUGE, "Endpoints.", {"endpoint"}, 0, NULL},
};

static struct metrics *metrics;
static struct metric_set *set;
static struct buf out;

static int
setup(void **state)
{
	(void)state;
	metrics = metrics_new();
	set = metrics == NULL ? NULL : metrics_add(metrics, rows, ROWS);
	return set == NULL ? -1 : 0;
}

static int
teardown(void **state)
{
	(void)state;
	metrics_free(&metrics);
	buf_fini(&out);
	return metrics == NULL ? 0 : -1;
}

/* What a scrape is given, NUL-terminated. */
static const char *
scrape(void)
{
	buf_reset(&out);
	metrics_write(metrics, &out);
	buf_putc(&out, '\0');
	assert_false(out.failed);
	return out.data;
}

static void
assert_has(const char *text)
{
	if (strstr(scrape(), text) == NULL) {
		fail_msg("no '%s' in:\n%s", text, out.data);
	}
}

static void
assert_once(const char *text)
{
	const char *first = strstr(scrape(), text);

	assert_non_null(first);
	assert_null(strstr(first + 1, text));
}

static void
each_row_is_described_once_in_the_order_of_the_table(void **state)
{
	(void)state;
	metric_add(metric_series(set, CALLS, (const char *[]){"a", "OK"}), 1);
	metric_add(metric_series(set, CALLS, (const char *[]){"b", "OK"}), 1);
	assert_once("# HELP test_calls_total Calls.\n# TYPE test_calls_total counter\n");
	assert_once("# TYPE test_waiting gauge\n");
	assert_once("# TYPE test_duration_seconds histogram\n");
	assert_true(
	    strstr(out.data, "# HELP test_calls") < strstr(out.data, "# HELP test_waiting"));
}

static void
a_counter_adds_up(void **state)
{
	const char *values[] = {"Get", "OK"};
	struct metric_series *series = metric_series(set, CALLS, values);

	(void)state;
	assert_has(
	    "# TYPE test_calls_total counter\ntest_calls_total{method=\"Get\",code=\"OK\"} 0\n");
	metric_add(series, 2);
	metric_add(series, 40);
	assert_has("test_calls_total{method=\"Get\",code=\"OK\"} 42\n");
	assert_int_equal(metric_read(series), 42);
}

static void
a_gauge_goes_up_and_down(void **state)
{
	struct metric_series *series = metric_series(set, WAITING, NULL);

	(void)state;
	metric_add(series, 3);
	metric_add(series, -5);
	assert_has("\ntest_waiting -2\n");
}

static void
the_same_values_are_the_same_series(void **state)
{
	const char *values[] = {"Get", "OK"};
	const char *others[] = {"Get", "NOT_FOUND"};

	(void)state;
	assert_ptr_equal(metric_series(set, CALLS, values), metric_series(set, CALLS, values));
	assert_ptr_not_equal(metric_series(set, CALLS, values), metric_series(set, CALLS, others));
}

static void
buckets_hold_what_is_not_over_their_bound_in_seconds(void **state)
{
	const char *values[] = {"Get"};
	struct metric_series *series = metric_series(set, DURATION, values);

	(void)state;
	metric_observe(series, 0);
	metric_observe(series, 500000);
	metric_observe(series, 500001);
	metric_observe(series, 2500000000);
	metric_observe(series, 60000000000);
	assert_has("test_duration_seconds_bucket{method=\"Get\",le=\"0.0005\"} 2\n"
		   "test_duration_seconds_bucket{method=\"Get\",le=\"1\"} 3\n"
		   "test_duration_seconds_bucket{method=\"Get\",le=\"2.5\"} 4\n"
		   "test_duration_seconds_bucket{method=\"Get\",le=\"+Inf\"} 5\n"
		   "test_duration_seconds_sum{method=\"Get\"} 62.501000001\n"
		   "test_duration_seconds_count{method=\"Get\"} 5\n");
	assert_int_equal(metric_read(series), 5);
}

static void
a_histogram_of_numbers_without_labels_is_as_simple(void **state)
{
	struct metric_series *series = metric_series(set, SHARED, NULL);

	(void)state;
	metric_observe(series, 1);
	metric_observe(series, 64);
	assert_has("test_shared_calls_bucket{le=\"1\"} 1\n"
		   "test_shared_calls_bucket{le=\"8\"} 1\n"
		   "test_shared_calls_bucket{le=\"+Inf\"} 2\n"
		   "test_shared_calls_sum 65\n"
		   "test_shared_calls_count 2\n");
}

static void
values_of_labels_are_escaped(void **state)
{
	const char *values[] = {"a\\b\"c\nd\xff\xc3\xa9", "OK"};

	(void)state;
	metric_add(metric_series(set, CALLS, values), 1);
	assert_has("{method=\"a\\\\b\\\"c\\nd?\xc3\xa9\",code=\"OK\"} 1\n");
}

static void
without_a_series_nothing_is_counted(void **state)
{
	(void)state;
	metric_add(NULL, 1);
	metric_observe(NULL, 1);
	assert_int_equal(metric_read(NULL), 0);
	assert_null(metric_series(NULL, CALLS, NULL));
}

static void
tell_endpoints(struct metric_scrape *scraped, void *closure)
{
	const double *up = closure;
	const char *first[] = {"tcp://a:1"};
	const char *second[] = {"tcp://b:1"};

	metric_put(scraped, ENDPOINT, *up, first);
	metric_put(scraped, WAITING, 0.25, NULL);
	metric_put(scraped, ENDPOINT, 1e15, second);
}

static void
a_collector_is_asked_at_each_scrape_until_it_is_taken_out(void **state)
{
	double up = 1;

	(void)state;
	metric_set_collect(set, tell_endpoints, &up);
	assert_has("# TYPE test_endpoint_up gauge\ntest_endpoint_up{endpoint=\"tcp://a:1\"} 1\n"
		   "test_endpoint_up{endpoint=\"tcp://b:1\"} 1e+15\n");
	assert_has("\ntest_waiting 0.25\n");
	up = 0;
	assert_has("test_endpoint_up{endpoint=\"tcp://a:1\"} 0\n");
	metric_set_collect(set, NULL, NULL);
	assert_null(strstr(scrape(), "tcp://a:1"));
	assert_non_null(strstr(out.data, "# TYPE test_endpoint_up gauge\n"));
}

static void
sets_follow_one_another(void **state)
{
	static const struct metric_row more[] = {
	    {"test_more_total", METRIC_COUNTER, "More.", {NULL}, 0, NULL}};

	(void)state;
	metric_add(metric_series(metrics_add(metrics, more, 1), 0, NULL), 7);
	assert_has("\ntest_more_total 7\n");
	assert_true(strstr(out.data, "test_calls_total") < strstr(out.data, "test_more_total"));
}

enum {
	THREADS = 12,
	ROUNDS = 20000
};

static atomic_bool counting;

/* Looks its series up at the same time as all others do. */
static void *
count(void *closure)
{
	const char *values[] = {"Get", "OK"};
	const char *method[] = {"Get"};
	struct metric_series *calls = metric_series(set, CALLS, values);
	struct metric_series *duration = metric_series(set, DURATION, method);

	(void)closure;
	for (int i = 0; i < ROUNDS; i++) {
		metric_add(calls, 1);
		metric_observe(duration, i % 2 == 0 ? 1 : 3000000000);
	}
	return NULL;
}

static void *
scrape_on(void *closure)
{
	struct buf text = {0};

	(void)closure;
	while (atomic_load(&counting)) {
		buf_reset(&text);
		metrics_write(metrics, &text);
	}
	buf_fini(&text);
	return NULL;
}

static void
nothing_is_lost_among_threads_while_others_scrape(void **state)
{
	pthread_t threads[THREADS];
	pthread_t scrapers[2];
	char line[128];

	(void)state;
	atomic_store(&counting, true);
	for (int i = 0; i < 2; i++) {
		assert_int_equal(pthread_create(&scrapers[i], NULL, scrape_on, NULL), 0);
	}
	for (int i = 0; i < THREADS; i++) {
		assert_int_equal(pthread_create(&threads[i], NULL, count, NULL), 0);
	}
	for (int i = 0; i < THREADS; i++) {
		pthread_join(threads[i], NULL);
	}
	atomic_store(&counting, false);
	for (int i = 0; i < 2; i++) {
		pthread_join(scrapers[i], NULL);
	}
	snprintf(line, sizeof(line), "test_calls_total{method=\"Get\",code=\"OK\"} %d\n",
	    THREADS * ROUNDS);
	assert_once(line);
	snprintf(line, sizeof(line),
	    "test_duration_seconds_bucket{method=\"Get\",le=\"0.0005\"} %d\n",
	    THREADS * ROUNDS / 2);
	assert_once(line);
}

/* With promtool, the format's own judge. */
static void
promtool_finds_no_fault(void **state)
{
	FILE *promtool;

	values_of_labels_are_escaped(state);
	buckets_hold_what_is_not_over_their_bound_in_seconds(state);
	a_histogram_of_numbers_without_labels_is_as_simple(state);
	if (system("command -v promtool >/dev/null") != 0) {
		print_message("SKIPPED: no promtool (package prometheus)\n");
		skip();
	}
	scrape();
	promtool = popen("promtool check metrics", "w");
	assert_non_null(promtool);
	assert_int_equal(fwrite(out.data, 1, out.len - 1, promtool), out.len - 1);
	assert_int_equal(pclose(promtool), 0);
}

static void
the_documentation_has_a_line_a_row(void **state)
{
	char text[2048] = "";
	FILE *file = fmemopen(text, sizeof(text), "w");

	(void)state;
	assert_non_null(file);
	metric_print_markdown(rows, 2, file);
	fclose(file);
	assert_string_equal(text, "| metric | type | labels | what |\n|---|---|---|---|\n"
				  "| `test_calls_total` | counter | `method`, `code` | Calls. |\n"
				  "| `test_waiting` | gauge |  | Calls that wait. |\n");
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    TEST(each_row_is_described_once_in_the_order_of_the_table),
	    TEST(a_counter_adds_up),
	    TEST(a_gauge_goes_up_and_down),
	    TEST(the_same_values_are_the_same_series),
	    TEST(buckets_hold_what_is_not_over_their_bound_in_seconds),
	    TEST(a_histogram_of_numbers_without_labels_is_as_simple),
	    TEST(values_of_labels_are_escaped),
	    TEST(without_a_series_nothing_is_counted),
	    TEST(a_collector_is_asked_at_each_scrape_until_it_is_taken_out),
	    TEST(sets_follow_one_another),
	    TEST(nothing_is_lost_among_threads_while_others_scrape),
	    TEST(promtool_finds_no_fault),
	    TEST(the_documentation_has_a_line_a_row),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
