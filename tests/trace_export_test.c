#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include <cmocka.h>
#include <yajl/yajl_tree.h>

#include "common/base/clock.h"
#include "common/telemetry/log.h"
#include "common/telemetry/trace_export.h"
#include "tests/collector.h"
#include "tests/redirect.h"

#define PARENT "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"

static struct collector collector;
static struct trace_exporter *exporter;

static void
start(const char *endpoint, size_t queue_max)
{
	const struct trace_exporter_options options = {
	    .endpoint = endpoint, .queue_max = queue_max, .service = "tester", .version = "1.2"};
	struct error error;

	assert_int_equal(trace_exporter_start(&exporter, &options, &error), STATUS_OK);
}

/* A span of a second that ends now. */
static struct trace_span
span_of(const char *name)
{
	int64_t now_ns = clock_now_ns();
	struct trace_span span = {.begin_ns = now_ns - 1000 * CLOCK_NS_PER_MS, .end_ns = now_ns};

	assert_true(trace_continue(&span.trace, PARENT, strlen(PARENT)));
	strncpy(span.name, name, sizeof(span.name) - 1);
	return span;
}

static struct trace_export_stats
stats_now(void)
{
	struct trace_export_stats stats;

	trace_export_get_stats(exporter, &stats);
	return stats;
}

static const char *
text_at(yajl_val json, const char *name)
{
	const char *path[] = {name, NULL};
	yajl_val value = yajl_tree_get(json, path, yajl_t_string);

	assert_non_null(value);
	return YAJL_GET_STRING(value);
}

static yajl_val
list_at(yajl_val json, const char *name, size_t index)
{
	const char *path[] = {name, NULL};
	yajl_val list = yajl_tree_get(json, path, yajl_t_array);

	assert_non_null(list);
	assert_true(index < list->u.array.len);
	return list->u.array.values[index];
}

/* The span of a request that has one. */
static yajl_val
only_span(yajl_val request)
{
	return list_at(list_at(list_at(request, "resourceSpans", 0), "scopeSpans", 0), "spans", 0);
}

static void
a_span_is_sent_as_the_protocol_says(void **state)
{
	struct trace_span span = span_of("GET /users/{id}");
	int64_t before_s = time(NULL);
	yajl_val json;
	yajl_val sent;
	char *bodies;
	char hex[TRACE_ID_LEN + 1];

	(void)state;
	span.failed = true;
	trace_span_add_text(&span, "http.request.method", "GETTING", 3);
	trace_span_add_number(&span, "http.response.status_code", 500);
	start(collector.url, 16);
	trace_export(exporter, &span);
	bodies = collector_await_text(&collector, "GET /users/{id}", 1);
	trace_exporter_stop(&exporter);
	json = yajl_tree_parse(bodies, NULL, 0);
	assert_non_null(json);
	sent = only_span(json->u.array.values[0]);
	assert_string_equal(text_at(sent, "traceId"), "0af7651916cd43dd8448eb211c80319c");
	trace_write_hex(span.trace.span, TRACE_SPAN_BYTES, hex);
	assert_string_equal(text_at(sent, "spanId"), hex);
	assert_string_equal(text_at(sent, "parentSpanId"), "b7ad6b7169203331");
	assert_int_equal(
	    YAJL_GET_INTEGER(yajl_tree_get(sent, (const char *[]){"kind", NULL}, yajl_t_number)),
	    2);
	assert_int_equal(strtoll(text_at(sent, "endTimeUnixNano"), NULL, 10) -
			     strtoll(text_at(sent, "startTimeUnixNano"), NULL, 10),
	    1000000000);
	assert_in_range(strtoll(text_at(sent, "endTimeUnixNano"), NULL, 10) / 1000000000,
	    before_s - 1, time(NULL) + 1);
	assert_string_equal(text_at(list_at(sent, "attributes", 0), "key"), "http.request.method");
	assert_non_null(strstr(bodies, "{\"key\":\"http.request.method\",\"value\":{"
				       "\"stringValue\":\"GET\"}}"));
	assert_non_null(strstr(bodies, "{\"key\":\"http.response.status_code\",\"value\":{"
				       "\"intValue\":\"500\"}}"));
	assert_non_null(strstr(bodies, "\"status\":{\"code\":2}"));
	assert_non_null(strstr(bodies, "{\"key\":\"service.name\",\"value\":{"
				       "\"stringValue\":\"tester\"}}"));
	yajl_tree_free(json);
	free(bodies);
}

static void
a_span_without_a_caller_has_no_parent(void **state)
{
	struct trace_span span = span_of("alone");
	struct trace_ratio all = {UINT64_MAX};
	char *bodies;

	(void)state;
	trace_begin(&span.trace, all);
	start(collector.url, 16);
	trace_export(exporter, &span);
	bodies = collector_await_text(&collector, "\"alone\"", 1);
	assert_null(strstr(bodies, "parentSpanId"));
	assert_null(strstr(bodies, "\"status\""));
	free(bodies);
}

static void
what_waits_is_sent_when_the_exporter_stops(void **state)
{
	struct trace_span span = span_of("late");
	char *bodies;

	(void)state;
	start(collector.url, 4096);
	for (int i = 0; i < 1300; i++) {
		trace_export(exporter, &span);
	}
	trace_exporter_stop(&exporter);
	assert_null(exporter);
	bodies = collector_await_text(&collector, "\"late\"", 1300);
	assert_true(collector_requests(&collector) >= 3); /* of 512 at most */
	free(bodies);
}

static void
what_the_collector_refuses_is_counted_as_failed(void **state)
{
	struct trace_span span = span_of("refused");

	(void)state;
	collector_set_mood(&collector, COLLECTOR_REFUSES);
	start(collector.url, 16);
	trace_export(exporter, &span);
	while (stats_now().failed == 0) {
		nanosleep(&(struct timespec){.tv_nsec = CLOCK_NS_PER_MS}, NULL);
	}
	assert_int_equal(stats_now().exported, 0);
	collector_set_mood(&collector, COLLECTOR_TAKES);
	trace_export(exporter, &span);
	while (stats_now().exported == 0) {
		nanosleep(&(struct timespec){.tv_nsec = CLOCK_NS_PER_MS}, NULL);
	}
	assert_int_equal(stats_now().failed, 1);
	assert_int_equal(stats_now().dropped, 0);
}

static void
await_exported(uint64_t count)
{
	while (stats_now().exported < count) {
		nanosleep(&(struct timespec){.tv_nsec = CLOCK_NS_PER_MS}, NULL);
	}
}

static void
what_cannot_be_taken_now_is_sent_again(void **state)
{
	static const char *const answers[] = {"429 Too Many Requests", "502 Bad Gateway",
	    "503 Service Unavailable", "504 Gateway Timeout", NULL};
	struct trace_span span = span_of("again");
	uint64_t requests = 0;

	(void)state;
	start(collector.url, 16);
	for (size_t i = 0; i < sizeof(answers) / sizeof(answers[0]); i++) {
		collector_answer_with(&collector, 1, answers[i], "not now");
		trace_export(exporter, &span);
		await_exported(i + 1);
		requests += 2;
		assert_int_equal(collector_requests(&collector), requests);
	}
	assert_int_equal(stats_now().failed, 0);
	free(collector_await_text(&collector, "\"again\"", requests));
}

static void
it_is_sent_again_when_the_collector_says(void **state)
{
	struct trace_span span = span_of("later");

	(void)state;
	collector_answer_with(&collector, 1, "503 Service Unavailable\r\nRetry-After: 3", "");
	start(collector.url, 16);
	trace_export(exporter, &span);
	await_exported(1);
	assert_int_equal(collector_requests(&collector), 2);
	assert_true(collector_last_gap_ns(&collector) > 2000 * CLOCK_NS_PER_MS);
}

/* The alarm ends the test where that is waited for. */
static void
it_is_lost_when_the_collector_says_much_too_late(void **state)
{
	struct trace_span span = span_of("too late");

	(void)state;
	collector_answer_with(&collector, 1, "429 Too Many Requests\r\nRetry-After: 86400", "");
	start(collector.url, 16);
	alarm(50);
	trace_export(exporter, &span);
	while (stats_now().failed == 0) {
		nanosleep(&(struct timespec){.tv_nsec = CLOCK_NS_PER_MS}, NULL);
	}
	trace_exporter_stop(&exporter);
	alarm(0);
	assert_int_equal(collector_requests(&collector), 1);
}

static void
what_is_refused_is_not_sent_again(void **state)
{
	static const char *const answers[] = {"400 Bad Request", "401 Unauthorized",
	    "404 Not Found", "500 Internal Server Error", "501 Not Implemented", "301 Moved"};
	size_t count = sizeof(answers) / sizeof(answers[0]);
	struct trace_span span = span_of("refused");

	(void)state;
	for (size_t i = 0; i < count; i++) {
		collector_answer_with(&collector, 1, answers[i], "");
		start(collector.url, 16);
		trace_export(exporter, &span);
		while (stats_now().failed == 0) {
			nanosleep(&(struct timespec){.tv_nsec = CLOCK_NS_PER_MS}, NULL);
		}
		trace_exporter_stop(&exporter);
		assert_int_equal(collector_requests(&collector), i + 1);
	}
}

/* Sends so many spans, of which each is taken, or not, as the answer says. */
static void
expect_partial(unsigned spans, const char *answer, unsigned rejected)
{
	struct trace_span span = span_of("partial");
	struct trace_export_stats stats;
	size_t requests = collector_requests(&collector);

	collector_answer_with(&collector, 1, "200 OK", answer);
	start(collector.url, 16);
	for (unsigned i = 0; i < spans; i++) {
		trace_export(exporter, &span);
	}
	do {
		nanosleep(&(struct timespec){.tv_nsec = CLOCK_NS_PER_MS}, NULL);
		stats = stats_now();
	} while (stats.exported + stats.rejected + stats.failed < spans);
	trace_exporter_stop(&exporter);
	assert_int_equal(stats.rejected, rejected);
	assert_int_equal(stats.exported, spans - rejected);
	assert_int_equal(collector_requests(&collector), requests + 1);
}

static void
spans_that_are_taken_in_part_are_counted(void **state)
{
	(void)state;
	expect_partial(3, "{\"partialSuccess\":{\"rejectedSpans\":\"2\"}}", 2);
	expect_partial(3, "{\"partialSuccess\":{\"rejectedSpans\":1,\"errorMessage\":\"x\"}}", 1);
	expect_partial(3, "{\"partialSuccess\":{\"rejectedSpans\":\"9\"}}", 3);
	expect_partial(3, "{\"partialSuccess\":{\"rejectedSpans\":-9}}", 0);
	expect_partial(3, "{\"partialSuccess\":{\"errorMessage\":\"a warning\"}}", 0);
	expect_partial(3, "{\"partialSuccess\":[]}", 0);
	expect_partial(3, "{\"partialSuccess\":{\"rejectedSp", 0);
	expect_partial(3, "", 0);
}

/* What is logged from here to log_end. */
static void
log_begin(FILE *file)
{
	redirect_begin(fileno(file));
	log_set_level(LOG_INFO);
}

static char *
log_end(FILE *file)
{
	char *text = NULL;
	size_t size = 0;

	log_set_level(LOG_ERROR);
	redirect_end();
	rewind(file);
	assert_true(getdelim(&text, &size, '\0', file) > 0);
	fclose(file);
	return text;
}

static void
the_log_has_the_status_and_what_the_collector_says(void **state)
{
	struct trace_span span = span_of("told");
	FILE *file = tmpfile();
	char *text;

	(void)state;
	log_begin(file);
	start(collector.url, 16);
	collector_answer_with(&collector, 1, "503 Service Unavailable", "{\"message\":\"busy\"}");
	trace_export(exporter, &span);
	await_exported(1);
	collector_answer_with(&collector, 1, "403 Forbidden", "{\"code\":7}");
	trace_export(exporter, &span);
	while (stats_now().failed == 0) {
		nanosleep(&(struct timespec){.tv_nsec = CLOCK_NS_PER_MS}, NULL);
	}
	collector_answer_with(&collector, 1, "200 OK",
	    "{\"partialSuccess\":{\"rejectedSpans\":\"1\",\"errorMessage\":\"too old\"}}");
	trace_export(exporter, &span);
	while (stats_now().rejected == 0) {
		nanosleep(&(struct timespec){.tv_nsec = CLOCK_NS_PER_MS}, NULL);
	}
	trace_exporter_stop(&exporter);
	text = log_end(file);
	assert_non_null(strstr(text, "spans now: they are sent again\""));
	assert_non_null(strstr(text, "\"status\":503,\"error\":\"busy\""));
	assert_non_null(strstr(text, "takes spans again"));
	assert_non_null(strstr(text, "does not take spans: they are lost\""));
	assert_non_null(strstr(text, "\"status\":403}"));
	assert_non_null(strstr(text, "took a part of the spans alone\""));
	assert_non_null(strstr(text, "\"status\":200,\"rejected\":1,\"error\":\"too old\""));
	free(text);
}

/* Offers more than fits while nobody takes any; the alarm would end what waits. */
static void
offer_too_many(void)
{
	struct trace_span span = span_of("many");
	struct trace_export_stats stats;

	alarm(60);
	for (int i = 0; i < 5000; i++) {
		trace_export(exporter, &span);
	}
	stats = stats_now();
	assert_int_equal(stats.exported, 0);
	assert_true(stats.dropped >= 5000 - 512 - 100);
	trace_exporter_stop(&exporter);
	alarm(0);
}

static void
a_collector_that_hangs_costs_spans_and_no_time(void **state)
{
	struct trace_span span = span_of("first");

	(void)state;
	collector_set_mood(&collector, COLLECTOR_HANGS);
	start(collector.url, 100);
	trace_export(exporter, &span);
	collector_await_requests(&collector, 1);
	offer_too_many();
}

static void
so_does_one_that_is_not_there(void **state)
{
	char url[64];

	(void)state;
	memcpy(url, collector.url, sizeof(url));
	collector_stop(&collector);
	start(url, 100);
	offer_too_many();
	collector_start(&collector, COLLECTOR_TAKES);
}

static void
without_an_endpoint_nothing_is_done(void **state)
{
	struct trace_span span = span_of("none");

	(void)state;
	start("", 16);
	assert_null(exporter);
	trace_export(exporter, &span);
	assert_int_equal(stats_now().dropped, 0);
	trace_exporter_stop(&exporter);
}

static void
an_endpoint_is_a_url_of_http(void **state)
{
	static const char *const bad[] = {
	    "otel:4318", "ftp://otel/v1/traces", "http://", "/v1/traces", "http://a b/"};
	struct error error;

	(void)state;
	assert_true(trace_check_endpoint("", &error));
	assert_true(trace_check_endpoint("http://otel-collector:4318/v1/traces", &error));
	assert_true(trace_check_endpoint("https://[::1]:4318/v1/traces", &error));
	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		if (trace_check_endpoint(bad[i], &error)) {
			fail_msg("taken: %s", bad[i]);
		}
		assert_non_null(strstr(error.message, "otlpEndpoint"));
	}
}

static int
setup(void **state)
{
	(void)state;
	collector_start(&collector, COLLECTOR_TAKES);
	return 0;
}

static int
teardown(void **state)
{
	(void)state;
	trace_exporter_stop(&exporter);
	collector_stop(&collector);
	return 0;
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    TEST(a_span_is_sent_as_the_protocol_says),
	    TEST(a_span_without_a_caller_has_no_parent),
	    TEST(what_waits_is_sent_when_the_exporter_stops),
	    TEST(what_the_collector_refuses_is_counted_as_failed),
	    TEST(what_cannot_be_taken_now_is_sent_again),
	    TEST(it_is_sent_again_when_the_collector_says),
	    TEST(it_is_lost_when_the_collector_says_much_too_late),
	    TEST(what_is_refused_is_not_sent_again),
	    TEST(spans_that_are_taken_in_part_are_counted),
	    TEST(the_log_has_the_status_and_what_the_collector_says),
	    TEST(a_collector_that_hangs_costs_spans_and_no_time),
	    TEST(so_does_one_that_is_not_there),
	    TEST(without_an_endpoint_nothing_is_done),
	    TEST(an_endpoint_is_a_url_of_http),
	};

	signal(SIGPIPE, SIG_IGN);
	unsetenv("http_proxy");
	log_open("tracetest", LOG_ERROR);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
