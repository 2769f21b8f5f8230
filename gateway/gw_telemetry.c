#include "gateway/gw_telemetry.h"

#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/clock.h"
#include "common/log_limit.h"
#include "common/rpc/client/rpc_channel.h"
#include "common/telemetry.h"
#include "common/trace_export.h"
#include "gateway/gw_api.h"
#include "gateway/gw_metric.h"

/* Reasons that share a place in the log's limits are rare, and share its lines then. */
#define GW_REASONS 64

/* nginx's code for a client that left. */
#define GW_STATUS_CLIENT_LEFT 499

/* Methods that are told by name; others are _OTHER, so that clients can't make series. */
static const char *const gw_verbs[] = {
    "GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS", "_OTHER"};

#define GW_VERB_OTHER (sizeof(gw_verbs) / sizeof(gw_verbs[0]) - 1)

/* A series of requests, in the list of its method: found by numbers, not by texts. */
struct gw_http_series {
	struct gw_http_series *next;
	const char *route;
	size_t verb;
	int status;
	struct metric_series *series;
};

/* What is kept for each method of the schema; one more is for requests without. */
struct gw_method_series {
	_Atomic(struct gw_http_series *) http;
	_Atomic(struct metric_series *) calls[STATUS_UNAUTHENTICATED + 1];
};

struct gw_telemetry {
	const struct gw_api *api;
	struct telemetry *telemetry;
	struct metric_set *set;
	struct metric_series *in_flight;
	struct metric_series *connections;
	struct metric_series *ended[GW_CONN_END_COUNT];
	struct log_limit unserved[GW_REASONS]; /* by a hash of the reason */
	size_t method_count;
	struct gw_method_series methods[];
};

static void
gw_telemetry_tell_endpoint(const struct rpc_endpoint_status *status, void *closure)
{
	static const char *const names[] = {[RPC_ENDPOINT_CONNECTING] = "connecting",
	    [RPC_ENDPOINT_SERVING] = "serving",
	    [RPC_ENDPOINT_NOT_SERVING] = "not_serving",
	    [RPC_ENDPOINT_EJECTED] = "ejected"};
	const char *labels[] = {status->url, NULL};

	metric_put(closure, GW_RPC_ENDPOINT_IN_FLIGHT, (double)status->in_flight, labels);
	for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
		labels[1] = names[i];
		metric_put(closure, GW_RPC_ENDPOINT_STATE, status->state == i, labels);
	}
}

static void
gw_telemetry_collect(struct metric_scrape *scrape, void *closure)
{
	const struct gw_telemetry *gateway = closure;
	struct rpc_channel_stats stats = {0};

	rpc_channel_get_stats(gateway->api->channel, &stats);
	metric_put(scrape, GW_RPC_IN_FLIGHT, (double)stats.in_flight, NULL);
	metric_put(scrape, GW_RPC_RETRIES, (double)stats.retries, NULL);
	metric_put(scrape, GW_RPC_RETRIES_REFUSED, (double)stats.retries_refused, NULL);
	metric_put(scrape, GW_RPC_MESSAGES, (double)stats.messages, NULL);
	metric_put(scrape, GW_RPC_MESSAGES_CALLS, (double)stats.messages_calls, NULL);
	metric_put(scrape, GW_RPC_EJECTIONS, (double)stats.ejections, NULL);
	rpc_channel_visit_endpoints(gateway->api->channel, gw_telemetry_tell_endpoint, scrape);
}

static void
gw_telemetry_open_ended(struct gw_telemetry *gateway)
{
	static const char *const reasons[GW_CONN_END_COUNT] = {[GW_CONN_END_IDLE] = "idle",
	    [GW_CONN_END_HEAD] = "head",
	    [GW_CONN_END_BODY] = "body",
	    [GW_CONN_END_SEND] = "send",
	    [GW_CONN_END_RESETS] = "resets",
	    [GW_CONN_END_ROOM] = "room",
	    [GW_CONN_END_FULL] = "full",
	    [GW_CONN_END_ADDRESS] = "address"};

	for (size_t i = 0; i < GW_CONN_END_COUNT; i++) {
		gateway->ended[i] = metric_series(gateway->set, GW_HTTP_ENDED, &reasons[i]);
	}
}

enum status_code
gw_telemetry_open(struct gw_telemetry **gateway, struct telemetry *telemetry,
    const struct gw_api *api, struct error *error)
{
	size_t count = schema_method_count(api->schema);
	struct gw_telemetry *opened =
	    calloc(1, sizeof(*opened) + (count + 1) * sizeof(opened->methods[0]));

	*gateway = opened;
	if (opened != NULL) {
		opened->set = metrics_add(telemetry->metrics, gw_metric_rows, GW_METRIC_COUNT);
	}
	if (opened == NULL || opened->set == NULL) {
		free(opened);
		*gateway = NULL;
		return error_set(error, STATUS_RESOURCE_EXHAUSTED, "OUT_OF_MEMORY", "no memory");
	}
	opened->api = api;
	opened->telemetry = telemetry;
	opened->method_count = count;
	opened->in_flight = metric_series(opened->set, GW_HTTP_IN_FLIGHT, NULL);
	opened->connections = metric_series(opened->set, GW_HTTP_CONNECTIONS, NULL);
	gw_telemetry_open_ended(opened);
	metric_set_collect(opened->set, gw_telemetry_collect, opened);
	return STATUS_OK;
}

void
gw_telemetry_close(struct gw_telemetry **gateway)
{
	struct gw_telemetry *closed = *gateway;

	if (closed == NULL) {
		return;
	}
	metric_set_collect(closed->set, NULL, NULL);
	for (size_t i = 0; i <= closed->method_count; i++) {
		struct gw_http_series *series = atomic_load(&closed->methods[i].http);

		while (series != NULL) {
			struct gw_http_series *next = series->next;

			free(series);
			series = next;
		}
	}
	free(closed);
	*gateway = NULL;
}

struct trace_ratio
gw_telemetry_ratio(const struct gw_telemetry *gateway)
{
	return gateway->telemetry->ratio;
}

void
gw_telemetry_connection(struct gw_telemetry *gateway, int change)
{
	metric_add(gateway->connections, change);
}

void
gw_telemetry_connection_ended(struct gw_telemetry *gateway, enum gw_conn_end why)
{
	metric_add(gateway->ended[why], 1);
}

void
gw_telemetry_in_flight(struct gw_telemetry *gateway, int change)
{
	metric_add(gateway->in_flight, change);
}

static struct gw_method_series *
gw_telemetry_method(struct gw_telemetry *gateway, const struct schema_method *method)
{
	size_t index = method == NULL ? gateway->method_count
				      : (size_t)(method - schema_method(gateway->api->schema, 0));

	return &gateway->methods[index];
}

static size_t
gw_telemetry_verb(const char *verb, size_t len)
{
	size_t i = 0;

	while (i < GW_VERB_OTHER &&
	       (strlen(gw_verbs[i]) != len || memcmp(gw_verbs[i], verb, len) != 0)) {
		i++;
	}
	return i;
}

/* Adds to the list of the method, where another thread may just do the same: that harms nothing. */
static struct metric_series *
gw_telemetry_new_http(struct gw_telemetry *gateway, struct gw_method_series *method,
    const struct gw_http_series *wanted)
{
	struct gw_http_series *made = malloc(sizeof(*made));
	char code[16];
	const char *labels[] = {wanted->route, gw_verbs[wanted->verb], code};

	snprintf(code, sizeof(code), "%d", wanted->status);
	if (made == NULL) {
		return NULL;
	}
	*made = *wanted;
	made->series = metric_series(gateway->set, GW_HTTP_DURATION, labels);
	made->next = atomic_load(&method->http);
	while (!atomic_compare_exchange_weak(&method->http, &made->next, made)) {
	}
	return made->series;
}

static struct metric_series *
gw_telemetry_http(struct gw_telemetry *gateway, const struct schema_method *method,
    const struct gw_http_series *wanted)
{
	struct gw_method_series *list = gw_telemetry_method(gateway, method);
	const struct gw_http_series *series = atomic_load(&list->http);

	for (; series != NULL; series = series->next) {
		if (series->status == wanted->status && series->verb == wanted->verb &&
		    series->route == wanted->route) {
			return series->series;
		}
	}
	return gw_telemetry_new_http(gateway, list, wanted);
}

/* By the semantic conventions for HTTP servers. */
static void
gw_telemetry_export(const struct gw_telemetry *gateway, const struct gw_telemetry_request *request,
    const char *verb, int status)
{
	struct trace_span span = {.trace = *request->trace,
	    .begin_ns = request->begin_ns,
	    .end_ns = request->end_ns,
	    .failed = status >= 500};

	trace_span_add_text(&span, "http.request.method", verb, strlen(verb));
	trace_span_add_number(&span, "http.response.status_code", status);
	if (request->method == NULL) {
		snprintf(span.name, sizeof(span.name), "%s", verb);
	} else {
		trace_span_add_text(&span, "http.route", request->route, strlen(request->route));
		snprintf(span.name, sizeof(span.name), "%s %s", verb, request->route);
	}
	trace_export(gateway->telemetry->exporter, &span);
}

void
gw_telemetry_request_ended(struct gw_telemetry *gateway, const struct gw_telemetry_request *request)
{
	const struct gw_http_series wanted = {.route = request->route,
	    .verb = gw_telemetry_verb(request->verb, request->verb_len),
	    .status = request->status == 0 ? GW_STATUS_CLIENT_LEFT : request->status};

	metric_observe(gw_telemetry_http(gateway, request->method, &wanted),
	    request->end_ns - request->begin_ns);
	if (gateway->telemetry->exporter != NULL && request->trace != NULL &&
	    request->trace->sampled) {
		gw_telemetry_export(gateway, request, gw_verbs[wanted.verb], wanted.status);
	}
}

bool
gw_telemetry_may_log(struct gw_telemetry *gateway, const struct error *error, uint64_t *left_out)
{
	const char *reason = error->reason == NULL ? status_name(error->code) : error->reason;
	unsigned hash = 0;

	for (; *reason != '\0'; reason++) {
		hash = hash * 31 + (unsigned char)*reason;
	}
	return log_limit_pass(&gateway->unserved[hash % GW_REASONS], clock_now_ns(), left_out);
}

void
gw_telemetry_call_ended(struct gw_telemetry *gateway, const struct schema_method *method,
    enum status_code code, int64_t took_ns)
{
	unsigned its = (unsigned)code <= STATUS_UNAUTHENTICATED ? code : STATUS_UNKNOWN;
	_Atomic(struct metric_series *) *place = &gw_telemetry_method(gateway, method)->calls[its];
	struct metric_series *series = atomic_load_explicit(place, memory_order_acquire);

	if (series == NULL) {
		const char *labels[] = {method->name, status_name((enum status_code)its)};

		series = metric_series(gateway->set, GW_RPC_DURATION, labels);
		atomic_store_explicit(place, series, memory_order_release);
	}
	metric_observe(series, took_ns);
}
