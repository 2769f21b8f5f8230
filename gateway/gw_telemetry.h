/*
 * What the gateway reports about itself, beside its log: metrics of requests, of
 * calls to services and of the channel, and a span for each request whose trace
 * is sampled. Any thread.
 */
#ifndef GATEWAY_GW_TELEMETRY_H
#define GATEWAY_GW_TELEMETRY_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "common/base/status.h"
#include "common/telemetry/trace.h"

struct gw_api;
struct gw_catalog;
struct gw_series;
struct gw_telemetry;
struct route;
struct telemetry;

/* The route of a request that matches none. */
#define GW_ROUTE_NONE "none"

/* Begins to report; telemetry, api and catalog are borrowed until gw_telemetry_close. */
enum status_code gw_telemetry_open(struct gw_telemetry **gateway, struct telemetry *telemetry,
    const struct gw_api *api, struct gw_catalog *catalog, struct error *error);

/* Nobody may use it any more, and no scrape calls it. Clears *gateway. NULL is fine. */
void gw_telemetry_close(struct gw_telemetry **gateway);

/* The share of traces that are sampled of those that begin here. */
struct trace_ratio gw_telemetry_ratio(const struct gw_telemetry *gateway);

/* Records the limit of connections; called once. */
void gw_telemetry_connections_limit(struct gw_telemetry *gateway, size_t limit);

/* Counts current connections and requests: change is 1 or -1. */
void gw_telemetry_connection(struct gw_telemetry *gateway, int change);
void gw_telemetry_in_flight(struct gw_telemetry *gateway, int change);

/* Why the gateway ends a connection, when its client does not. */
enum gw_conn_end {
	GW_CONN_END_IDLE,   /* for idleTimeoutMs */
	GW_CONN_END_HEAD,   /* unfinished after headerTimeoutMs */
	GW_CONN_END_BODY,   /* unfinished after bodyTimeoutMs */
	GW_CONN_END_SEND,   /* its client took nothing for sendTimeoutMs */
	GW_CONN_END_UNREAD, /* its client read slowly, and others needed the memory of its answers */
	GW_CONN_END_RESETS,  /* too many of its streams were reset */
	GW_CONN_END_ROOM,    /* idle, and a new one needed room */
	GW_CONN_END_FULL,    /* refused: no room, and none was idle */
	GW_CONN_END_ADDRESS, /* refused: its address has too many */
	GW_CONN_END_COUNT
};

/* Counts a connection that is ended for a reason. */
void gw_telemetry_connection_ended(struct gw_telemetry *gateway, enum gw_conn_end why);

/* A request that has ended. */
struct gw_telemetry_request {
	const struct route *found; /* NULL: none was */
	const char *route;         /* template of the path, or GW_ROUTE_NONE */
	const char *verb;          /* as the client sent it */
	size_t verb_len;
	int status;                /* 0: the client left before the answer */
	const struct trace *trace; /* NULL: it has none */
	int64_t begin_ns, end_ns;
};

void gw_telemetry_request_ended(
    struct gw_telemetry *gateway, const struct gw_telemetry_request *request);

/*
 * Whether a request that was not served may be logged now, and how many were
 * left out since the last line with that reason: there may be very many.
 */
bool gw_telemetry_may_log(
    struct gw_telemetry *gateway, const struct error *error, uint64_t *left_out);

/* The series for the method of a route, which may be freed earlier; NULL: of no method. */
struct gw_series *gw_telemetry_series(struct gw_telemetry *gateway, const struct route *route);

/* Counts a call to a service that has ended, with its error. */
void gw_telemetry_call_ended(struct gw_telemetry *gateway, struct gw_series *series,
    const struct error *error, int64_t took_ns);

#endif
