/*
 * Traces through the running system: spans of both programs at a collector,
 * their parents, what is not sampled, and that a collector which hangs or is
 * not there slows nothing.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "integration/json_get.h"
#include "integration/scrape.h"
#include "integration/suite.h"
#include "tests/collector.h"

#define TRACE_ID  "0af7651916cd43dd8448eb211c80319c"
#define PARENT_ID "b7ad6b7169203331"
#define REQUESTS  300

static struct collector collector;
static struct stack stack;
static struct http *http;
static struct http *admin; /* of gatewayd */
static char otlp_flag[96];

/* The span with this name in a request; trace_id NULL: of any trace. NULL when there is none. */
static yajl_val
find_span_in(yajl_val scope, const char *name, const char *trace_id)
{
	char path[32];

	for (size_t i = 0; i < json_count(scope, "spans"); i++) {
		yajl_val span;

		snprintf(path, sizeof(path), "spans.%u", (unsigned)i);
		span = json_at(scope, path);
		if (strcmp(json_text(span, "name"), name) == 0 &&
		    (trace_id == NULL || strcmp(json_text(span, "traceId"), trace_id) == 0)) {
			return span;
		}
	}
	return NULL;
}

/* The span of a service in all that the collector got; fails the test when there is none. */
static yajl_val
find_span(yajl_val requests, const char *service, const char *name, const char *trace_id)
{
	char index[32];

	for (size_t i = 0; i < json_count(requests, ""); i++) {
		yajl_val request;
		yajl_val span;

		snprintf(index, sizeof(index), "%u.resourceSpans.0", (unsigned)i);
		request = json_at(requests, index);
		if (strcmp(json_text(request, "resource.attributes.0.value.stringValue"),
			service) == 0 &&
		    (span = find_span_in(json_at(request, "scopeSpans.0"), name, trace_id)) !=
			NULL) {
			return span;
		}
	}
	fail_msg("there is no span %s of %s", name, service);
	return NULL;
}

/* The value of an attribute as it stands, "" where there is none. */
static const char *
attribute(yajl_val span, const char *key)
{
	char path[64];

	for (size_t i = 0; i < json_count(span, "attributes"); i++) {
		snprintf(path, sizeof(path), "attributes.%u.key", (unsigned)i);
		if (strcmp(json_text(span, path), key) == 0) {
			snprintf(path, sizeof(path), "attributes.%u.value.intValue", (unsigned)i);
			if (!json_has(span, path)) {
				snprintf(path, sizeof(path), "attributes.%u.value.stringValue",
				    (unsigned)i);
			}
			return json_text(span, path);
		}
	}
	return "";
}

/* All that the collector has when text has come so many times, parsed. */
static yajl_val
await_spans(const char *text, size_t times)
{
	char *bodies = collector_await_text(&collector, text, times);
	yajl_val requests = json_parse(bodies);

	free(bodies);
	return requests;
}

static void
spans_of_both_programs_are_one_trace(void **state)
{
	yajl_val requests;
	yajl_val gateway;
	yajl_val accountd;

	(void)state;
	assert_int_equal(
	    http_send(http, "GET /users/7", "traceparent: 00-" TRACE_ID "-" PARENT_ID "-01", NULL)
		->status,
	    404);
	requests = await_spans(TRACE_ID, 2);
	gateway = find_span(requests, "gatewayd", "GET /users/{id}", TRACE_ID);
	accountd = find_span(requests, "accountd", "account.v1.UserService/GetUser", TRACE_ID);
	assert_string_equal(json_text(gateway, "parentSpanId"), PARENT_ID);
	assert_string_equal(json_text(accountd, "parentSpanId"), json_text(gateway, "spanId"));
	assert_string_not_equal(json_text(accountd, "spanId"), json_text(gateway, "spanId"));
	assert_string_equal(attribute(gateway, "http.request.method"), "GET");
	assert_string_equal(attribute(gateway, "http.route"), "/users/{id}");
	assert_string_equal(attribute(gateway, "http.response.status_code"), "404");
	assert_string_equal(attribute(accountd, "rpc.service"), "account.v1.UserService");
	assert_string_equal(attribute(accountd, "rpc.method"), "GetUser");
	assert_string_equal(attribute(accountd, "rpc.grpc.status_code"), "5");
	assert_string_not_equal(attribute(accountd, "rpc.system"), "");
	assert_int_equal(json_int(gateway, "kind"), 2);
	assert_true(strtoll(json_text(gateway, "startTimeUnixNano"), NULL, 10) <=
		    strtoll(json_text(accountd, "startTimeUnixNano"), NULL, 10));
	assert_true(strtoll(json_text(gateway, "endTimeUnixNano"), NULL, 10) >=
		    strtoll(json_text(accountd, "endTimeUnixNano"), NULL, 10));
	yajl_tree_free(requests);
}

static void
the_lines_of_both_logs_have_the_trace(void **state)
{
	static const char id[] = "\"traceId\":\"1af7651916cd43dd8448eb211c80319c\"";

	(void)state;
	http_send(http, "GET /users/7?x",
	    "traceparent: 00-1af7651916cd43dd8448eb211c80319c-" PARENT_ID "-00", NULL);
	http_send(http, "GET /users/7",
	    "traceparent: 00-1af7651916cd43dd8448eb211c80319c-" PARENT_ID
	    "-00\nX-Request-Id: logged-1",
	    NULL);
	process_await_log(&stack.gatewayd, 0, id);
	process_await_log(&stack.accountd[0], 0, id);
	process_await_log(&stack.gatewayd, 0, "\"requestId\":\"logged-1\"");
	process_await_log(&stack.accountd[0], 0, "\"requestId\":\"logged-1\"");
	process_await_log(
	    &stack.gatewayd, 0, "\"route\":\"/users/{id}\",\"status\":404,\"durationMs\":");
	process_await_log(&stack.gatewayd, 0, "\"backendMs\":");
	process_await_log(&stack.accountd[0], 0, "\"queueMs\":");
	process_await_log(&stack.accountd[0], 0, "\"workMs\":");
}

/* A sampled one after them shows that they would have come by now. */
static void
what_the_caller_does_not_sample_is_not_exported(void **state)
{
	static const char marker[] = "2bf7651916cd43dd8448eb211c80319c";
	char *bodies;

	(void)state;
	for (int i = 0; i < 5; i++) {
		http_send(http, "GET /users/7",
		    "traceparent: 00-2af7651916cd43dd8448eb211c80319c-" PARENT_ID "-00", NULL);
	}
	http_send(http, "GET /users/7",
	    "traceparent: 00-2bf7651916cd43dd8448eb211c80319c-" PARENT_ID "-01", NULL);
	bodies = collector_await_text(&collector, marker, 2);
	assert_null(strstr(bodies, "2af7651916cd43dd8448eb211c80319c"));
	free(bodies);
}

static void
a_trace_begins_here_when_the_callers_is_no_trace(void **state)
{
	yajl_val requests;
	yajl_val gateway;
	yajl_val accountd;

	(void)state;
	http_send(http, "DELETE /users/7",
	    "traceparent: 00-3AF7651916CD43DD8448EB211C80319C-" PARENT_ID "-01", NULL);
	requests = await_spans("account.v1.UserService/DeleteUser", 1);
	yajl_tree_free(requests);
	requests = await_spans("DELETE /users/{id}", 1);
	gateway = find_span(requests, "gatewayd", "DELETE /users/{id}", NULL);
	accountd = find_span(requests, "accountd", "account.v1.UserService/DeleteUser",
	    json_text(gateway, "traceId"));
	assert_false(json_has(gateway, "parentSpanId"));
	assert_string_equal(json_text(accountd, "parentSpanId"), json_text(gateway, "spanId"));
	yajl_tree_free(requests);
}

static void
send_many(void)
{
	for (int i = 0; i < REQUESTS; i++) {
		assert_int_equal(http_send(http, "GET /users/7", NULL, NULL)->status, 404);
	}
}

/* Requests go on while more spans wait than may; the rest is dropped and counted. */
static void
a_collector_that_hangs_slows_nothing(void **state)
{
	size_t requests;

	(void)state;
	collector_set_mood(&collector, COLLECTOR_HANGS);
	requests = collector_requests(&collector);
	send_many();
	collector_await_requests(&collector, requests + 1);
	do {
		send_many();
	} while (scrape_value(admin, "mockvideo_trace_spans_total{result=\"dropped\"}") == 0);
}

static void
a_collector_that_is_gone_slows_neither_requests_nor_the_end(void **state)
{
	(void)state;
	collector_stop(&collector);
	send_many();
	scrape_await(admin, "mockvideo_http_requests_in_flight", 0);
	http_free(&admin);
	http_free(&http);
	stack_stop(&stack);
}

static void
configure(void)
{
	collector_start(&collector, COLLECTOR_TAKES);
	snprintf(otlp_flag, sizeof(otlp_flag), "--otlp-endpoint=%s", collector.url);
	stack.accountd_flags[0] = stack.gatewayd_flags[0] = otlp_flag;
	stack.accountd_flags[1] = stack.gatewayd_flags[1] = "--trace-sample-ratio=1";
	stack.accountd_flags[2] = stack.gatewayd_flags[2] = "--log-level=debug";
	stack.accountd_flags[3] = stack.gatewayd_flags[3] = "--otlp-queue-max=200";
	stack.accountd_flags[4] = "--drain-ms=100";
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(spans_of_both_programs_are_one_trace),
	    cmocka_unit_test(the_lines_of_both_logs_have_the_trace),
	    cmocka_unit_test(what_the_caller_does_not_sample_is_not_exported),
	    cmocka_unit_test(a_trace_begins_here_when_the_callers_is_no_trace),
	    cmocka_unit_test(a_collector_that_hangs_slows_nothing),
	    cmocka_unit_test(a_collector_that_is_gone_slows_neither_requests_nor_the_end),
	};

	return suite_run(&(struct suite){.stack = &stack,
	    .http = &http,
	    .gatewayd_admin = &admin,
	    .configure = configure,
	    .tests = tests,
	    .test_count = sizeof(tests) / sizeof(tests[0])});
}
