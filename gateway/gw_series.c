#include "gateway/gw_series.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "gateway/gw_metric.h"

void
gw_series_init(struct gw_series_list *list, struct metric_set *set)
{
	memset(list, 0, sizeof(*list));
	list->set = set;
	pthread_mutex_init(&list->lock, NULL);
}

static void
gw_series_free_http(const struct gw_series *method)
{
	struct gw_http_series *series = atomic_load(&method->http);

	while (series != NULL) {
		struct gw_http_series *next = series->next;

		free(series);
		series = next;
	}
}

void
gw_series_fini(struct gw_series_list *list)
{
	gw_series_free_http(&list->other);
	while (list->first != NULL) {
		struct gw_series *method = list->first;

		list->first = method->next;
		gw_series_free_http(method);
		free(method->method);
		free(method);
	}
	pthread_mutex_destroy(&list->lock);
}

static struct gw_series *
gw_series_add(struct gw_series_list *list, const char *method)
{
	struct gw_series *made = calloc(1, sizeof(*made));

	if (made == NULL || (made->method = strdup(method)) == NULL) {
		free(made);
		return &list->other;
	}
	made->next = list->first;
	list->first = made;
	return made;
}

struct gw_series *
gw_series_find(struct gw_series_list *list, const char *method)
{
	struct gw_series *found;

	pthread_mutex_lock(&list->lock);
	found = list->first;
	while (found != NULL && strcmp(found->method, method) != 0) {
		found = found->next;
	}
	if (found == NULL) {
		found = gw_series_add(list, method);
	}
	pthread_mutex_unlock(&list->lock);
	return found;
}

/* Adds to the list of the method, where another thread may just do the same: that harms nothing. */
static struct metric_series *
gw_series_add_http(const struct gw_series_list *list, struct gw_series *method, const char *route,
    const char *verb, int status)
{
	size_t len = strlen(route) + 1;
	struct gw_http_series *made = malloc(sizeof(*made) + len);
	char code[16];
	const char *labels[] = {route, verb, code};

	snprintf(code, sizeof(code), "%d", status);
	if (made == NULL) {
		return NULL;
	}
	*made = (struct gw_http_series){.route = memcpy(made + 1, route, len),
	    .verb = verb,
	    .status = status,
	    .series = metric_series(list->set, GW_HTTP_DURATION, labels)};
	made->next = atomic_load(&method->http);
	while (!atomic_compare_exchange_weak(&method->http, &made->next, made)) {
	}
	return made->series;
}

struct metric_series *
gw_series_http(const struct gw_series_list *list, struct gw_series *method, const char *route,
    const char *verb, int status)
{
	const struct gw_http_series *series = atomic_load(&method->http);

	for (; series != NULL; series = series->next) {
		if (series->status == status && series->verb == verb &&
		    strcmp(series->route, route) == 0) {
			return series->series;
		}
	}
	return gw_series_add_http(list, method, route, verb, status);
}

struct metric_series *
gw_series_call(const struct gw_series_list *list, struct gw_series *method, enum status_code code)
{
	unsigned its = (unsigned)code <= STATUS_UNAUTHENTICATED ? code : STATUS_UNKNOWN;
	_Atomic(struct metric_series *) *place = &method->calls[its];
	struct metric_series *series = atomic_load_explicit(place, memory_order_acquire);
	const char *labels[] = {
	    method->method == NULL ? "" : method->method, status_name((enum status_code)its)};

	if (series == NULL) {
		series = metric_series(list->set, GW_RPC_DURATION, labels);
		atomic_store_explicit(place, series, memory_order_release);
	}
	return series;
}
