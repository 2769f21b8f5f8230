/*
 * The series that are counted by method, found by numbers instead of texts. A
 * method is identified by its name and never removed, so that its counts
 * continue when the descriptors of its service are replaced. Any thread.
 */
#ifndef GATEWAY_GW_SERIES_H
#define GATEWAY_GW_SERIES_H

#include <pthread.h>
#include <stdatomic.h>
#include <stddef.h>

#include "common/base/status.h"
#include "common/telemetry/metric.h"

/* Requests of a route, in the list of its method. */
struct gw_http_series {
	struct gw_http_series *next;
	const char *route; /* a copy */
	const char *verb;  /* static */
	int status;
	struct metric_series *series;
};

/* What is kept for a method. */
struct gw_series {
	struct gw_series *next;
	char *method;
	_Atomic(struct gw_http_series *) http;
	_Atomic(struct metric_series *) calls[STATUS_UNAUTHENTICATED + 1];
	atomic_ullong unknown; /* calls whose outcome nobody knows */
};

struct gw_series_list {
	struct metric_set *set;
	struct gw_series other; /* of requests without a method; also used when memory is missing */
	pthread_mutex_t lock;   /* guards first */
	struct gw_series *first;
};

void gw_series_init(struct gw_series_list *list, struct metric_set *set);
void gw_series_fini(struct gw_series_list *list);

/* The series of a method; made when the method is new. */
struct gw_series *gw_series_find(struct gw_series_list *list, const char *method);

/* The series of requests with a route, verb (static) and status. NULL without memory. */
struct metric_series *gw_series_http(const struct gw_series_list *list, struct gw_series *method,
    const char *route, const char *verb, int status);

/* The series of calls that ended with a code. NULL without memory. */
struct metric_series *gw_series_call(
    const struct gw_series_list *list, struct gw_series *method, enum status_code code);

#endif
