#include "gateway/gw_telemetry.h"

#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/base/clock.h"
#include "common/rpc/client/rpc_channel.h"
#include "common/rpc/net/rpc_tls.h"
#include "common/telemetry/log_limit.h"
#include "common/telemetry/telemetry.h"
#include "common/telemetry/trace_export.h"
#include "gateway/gw_api.h"
#include "gateway/gw_catalog.h"
#include "gateway/gw_metric.h"
#include "gateway/gw_offer.h"
#include "gateway/gw_series.h"
#include "gateway/gw_view.h"

/* Reasons that share a place in the log's limits are rare, and share its lines then. */
#define GW_REASONS 64

/* nginx's code for a client that left. */
#define GW_STATUS_CLIENT_LEFT 499

/* Methods that are told by name; others are _OTHER, so that clients can't make series. */
static const char *const gw_verbs[] = {
    "GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS", "_OTHER"};

#define GW_VERB_OTHER (sizeof(gw_verbs) / sizeof(gw_verbs[0]) - 1)

struct gw_telemetry {
	const struct gw_api *api;
	struct gw_catalog *catalog;
	struct telemetry *telemetry;
	struct metric_set *set;
	struct metric_series *in_flight;
	struct metric_series *connections;
	struct metric_series *ended[GW_CONN_END_COUNT];
	struct log_limit unserved[GW_REASONS]; /* by a hash of the reason */
	struct gw_series_list series;
};

/* A scrape, and the backend that it is at. */
struct gw_telemetry_visit {
	struct metric_scrape *scrape;
	const char *backend;
};

static void
gw_telemetry_tell_endpoint(const struct rpc_endpoint_status *status, void *closure)
{
	static const char *const names[] = {[RPC_ENDPOINT_CONNECTING] = "connecting",
	    [RPC_ENDPOINT_SERVING] = "serving",
	    [RPC_ENDPOINT_NOT_SERVING] = "not_serving",
	    [RPC_ENDPOINT_EJECTED] = "ejected"};
	const struct gw_telemetry_visit *visit = closure;
	const char *labels[] = {visit->backend, status->url, NULL};

	metric_put(visit->scrape, GW_RPC_ENDPOINT_IN_FLIGHT, (double)status->in_flight, labels);
	for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
		labels[2] = names[i];
		metric_put(visit->scrape, GW_RPC_ENDPOINT_STATE, status->state == i, labels);
	}
}

static void
gw_telemetry_tell_backend(
    struct metric_scrape *scrape, const struct gw_backend *backend, size_t in_flight_max)
{
	struct gw_telemetry_visit visit = {scrape, gw_backend_name(backend)};
	const char *labels[] = {visit.backend};
	struct rpc_channel_stats stats = {0};

	rpc_channel_get_stats(backend->channel, &stats);
	metric_put(scrape, GW_RPC_IN_FLIGHT, (double)stats.in_flight, labels);
	metric_put(scrape, GW_RPC_IN_FLIGHT_LIMIT, (double)in_flight_max, labels);
	metric_put(scrape, GW_RPC_RETRIES, (double)stats.retries, labels);
	metric_put(scrape, GW_RPC_RETRIES_REFUSED, (double)stats.retries_refused, labels);
	metric_put(scrape, GW_RPC_MESSAGES, (double)stats.messages, labels);
	metric_put(scrape, GW_RPC_MESSAGES_CALLS, (double)stats.messages_calls, labels);
	metric_put(scrape, GW_RPC_EJECTIONS, (double)stats.ejections, labels);
	rpc_channel_visit_endpoints(backend->channel, gw_telemetry_tell_endpoint, &visit);
}

static void
gw_telemetry_tell_offer(
    struct metric_scrape *scrape, struct gw_catalog *catalog, const struct gw_backend *backend)
{
	static const char *const names[GW_CATALOG_STATES] = {[GW_CATALOG_MISSING] = "missing",
	    [GW_CATALOG_CACHED] = "cached",
	    [GW_CATALOG_CURRENT] = "current",
	    [GW_CATALOG_REFUSED] = "refused"};
	const char *labels[] = {gw_backend_name(backend), NULL};
	struct gw_catalog_status status;

	gw_catalog_get_status(catalog, backend, &status);
	metric_put(scrape, GW_DESCRIPTORS_ADOPTED, (double)status.adopted, labels);
	metric_put(scrape, GW_DESCRIPTORS_REFUSED, (double)status.refused, labels);
	for (size_t i = 0; i < GW_CATALOG_STATES; i++) {
		labels[1] = names[i];
		metric_put(scrape, GW_DESCRIPTORS_STATE, status.state == i, labels);
	}
}

/* The parts of a file that end; there are none where it is 0. */
static void
gw_telemetry_put_end(struct metric_scrape *scrape, const char *key, const char *part, int64_t end_s)
{
	if (end_s != 0) {
		metric_put(scrape, GW_TLS_ENDS, (double)end_s, (const char *[]){key, part});
	}
}

static void
gw_telemetry_collect_tls(struct metric_scrape *scrape, struct rpc_tls *tls)
{
	struct rpc_tls_expiry expiry;

	rpc_tls_get_expiry(tls, &expiry);
	gw_telemetry_put_end(scrape, "backendTlsCert", "certificate", expiry.own_s);
	gw_telemetry_put_end(scrape, "backendTlsCa", "certificate", expiry.trusted_s);
	gw_telemetry_put_end(scrape, "backendTlsCa", "revocations", expiry.revocations_s);
}

/* Of each method that changes something, before its first is lost: so that a rate sees that. */
static void
gw_telemetry_tell_unknown(struct metric_scrape *scrape, struct gw_catalog *catalog)
{
	struct gw_view *view = gw_catalog_view(catalog);

	for (size_t i = 0; i < view->count; i++) {
		const struct gw_offer *offer = view->offers[i];
		size_t count = offer == NULL ? 0 : schema_method_count(offer->schema);

		for (size_t n = 0; n < count; n++) {
			const struct schema_method *method = schema_method(offer->schema, n);
			struct gw_series *series = atomic_load(gw_offer_series(offer, method));

			if (method->binding_count > 0 && !method->no_side_effects) {
				metric_put(scrape, GW_RPC_UNKNOWN,
				    series == NULL ? 0 : (double)atomic_load(&series->unknown),
				    &method->name);
			}
		}
	}
	gw_view_release(&view);
}

static void
gw_telemetry_tell_budgets(struct metric_scrape *scrape, struct gw_budget *budgets)
{
	static const char *const names[GW_BUDGET_COUNT] = {
	    [GW_BUDGET_REQUESTS] = "requests", [GW_BUDGET_ANSWERS] = "answers"};

	for (size_t i = 0; i < GW_BUDGET_COUNT; i++) {
		metric_put(scrape, GW_HTTP_HELD, (double)atomic_load(&budgets[i].used), &names[i]);
		metric_put(scrape, GW_HTTP_HELD_LIMIT, (double)budgets[i].max, &names[i]);
	}
}

static void
gw_telemetry_collect(struct metric_scrape *scrape, void *closure)
{
	const struct gw_telemetry *gateway = closure;
	const struct gw_backends *backends = &gateway->api->backends;

	for (size_t i = 0; i < backends->count; i++) {
		gw_telemetry_tell_backend(scrape, &backends->list[i], gateway->api->in_flight_max);
		gw_telemetry_tell_offer(scrape, gateway->catalog, &backends->list[i]);
	}
	gw_telemetry_tell_unknown(scrape, gateway->catalog);
	gw_telemetry_tell_budgets(scrape, gateway->api->budgets);
	if (gateway->api->tls != NULL) {
		gw_telemetry_collect_tls(scrape, gateway->api->tls);
	}
}

static void
gw_telemetry_open_ended(struct gw_telemetry *gateway)
{
	static const char *const reasons[GW_CONN_END_COUNT] = {[GW_CONN_END_IDLE] = "idle",
	    [GW_CONN_END_HEAD] = "head",
	    [GW_CONN_END_BODY] = "body",
	    [GW_CONN_END_SEND] = "send",
	    [GW_CONN_END_UNREAD] = "unread",
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
    const struct gw_api *api, struct gw_catalog *catalog, struct error *error)
{
	struct gw_telemetry *opened = calloc(1, sizeof(*opened));

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
	opened->catalog = catalog;
	opened->telemetry = telemetry;
	opened->in_flight = metric_series(opened->set, GW_HTTP_IN_FLIGHT, NULL);
	opened->connections = metric_series(opened->set, GW_HTTP_CONNECTIONS, NULL);
	gw_telemetry_open_ended(opened);
	gw_series_init(&opened->series, opened->set);
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
	gw_series_fini(&closed->series);
	free(closed);
	*gateway = NULL;
}

struct trace_ratio
gw_telemetry_ratio(const struct gw_telemetry *gateway)
{
	return gateway->telemetry->ratio;
}

void
gw_telemetry_connections_limit(struct gw_telemetry *gateway, size_t limit)
{
	metric_add(metric_series(gateway->set, GW_HTTP_CONNECTIONS_LIMIT, NULL), (int64_t)limit);
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

struct gw_series *
gw_telemetry_series(struct gw_telemetry *gateway, const struct route *route)
{
	_Atomic(struct gw_series *) *place;
	struct gw_series *series;

	if (route == NULL) {
		return &gateway->series.other;
	}
	place = gw_offer_series(gw_view_offer(route), route->method);
	series = atomic_load_explicit(place, memory_order_acquire);
	if (series == NULL) {
		series = gw_series_find(&gateway->series, route->method->name);
		atomic_store_explicit(place, series, memory_order_release);
	}
	return series;
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
	if (request->found == NULL) {
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
	const char *verb = gw_verbs[gw_telemetry_verb(request->verb, request->verb_len)];
	int status = request->status == 0 ? GW_STATUS_CLIENT_LEFT : request->status;

	metric_observe(
	    gw_series_http(&gateway->series, gw_telemetry_series(gateway, request->found),
		request->route, verb, status),
	    request->end_ns - request->begin_ns);
	if (gateway->telemetry->exporter != NULL && request->trace != NULL &&
	    request->trace->sampled) {
		gw_telemetry_export(gateway, request, verb, status);
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
gw_telemetry_call_ended(struct gw_telemetry *gateway, struct gw_series *series,
    const struct error *error, int64_t took_ns)
{
	metric_observe(gw_series_call(&gateway->series, series, error->code), took_ns);
	if (error->reason != NULL && strcmp(error->reason, "OUTCOME_UNKNOWN") == 0) {
		atomic_fetch_add_explicit(&series->unknown, 1, memory_order_relaxed);
	}
}
