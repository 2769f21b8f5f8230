#include "gateway/gw_view.h"

#include <stdlib.h>
#include <string.h>

#include "gateway/gw_offer.h"

static enum status_code
gw_view_no_memory(struct error *error)
{
	return error_set(error, STATUS_RESOURCE_EXHAUSTED, "OUT_OF_MEMORY", "no memory");
}

static enum status_code
gw_view_make_routes(struct gw_view *view, struct error *error)
{
	struct route_source *sources = calloc(view->count, sizeof(*sources));
	enum status_code status = STATUS_RESOURCE_EXHAUSTED;
	size_t count = 0;

	if (sources == NULL) {
		return gw_view_no_memory(error);
	}
	for (size_t i = 0; i < view->count; i++) {
		if (view->offers[i] != NULL) {
			sources[count++] =
			    (struct route_source){view->offers[i]->schema, view->offers[i]};
		}
	}
	status = route_table_new(&view->routes, sources, count, error);
	free(sources);
	return status;
}

/* Whether a binding is for what the gateway answers itself. */
static bool
gw_view_is_health(const struct schema_binding *binding)
{
	struct route_template health;
	struct route_template template;

	(void)route_template_read(&health, GW_VIEW_HEALTH_PATH);
	return (strcmp(binding->verb, "GET") == 0 || strcmp(binding->verb, "*") == 0) &&
	       route_template_read(&template, binding->path) == NULL &&
	       route_template_same(&template, &health);
}

/* A variable may have the text of the gateway's own path: then it is never asked for. */
static enum status_code
gw_view_check_method(const struct schema_method *method, struct error *error)
{
	for (size_t i = 0; i < method->binding_count; i++) {
		const struct schema_binding *binding = &method->bindings[i];

		if (gw_view_is_health(binding)) {
			return error_set(error, STATUS_INVALID_ARGUMENT, "CONFLICTING_BINDING",
			    "%s, binding \"%s %s\": the gateway answers this path itself; change "
			    "it",
			    method->name, binding->verb, binding->path);
		}
	}
	return STATUS_OK;
}

static enum status_code
gw_view_check(const struct gw_view *view, struct error *error)
{
	for (size_t i = 0; i < view->count; i++) {
		const struct schema *schema =
		    view->offers[i] == NULL ? NULL : view->offers[i]->schema;

		for (size_t n = 0; schema != NULL && n < schema_method_count(schema); n++) {
			if (gw_view_check_method(schema_method(schema, n), error) != STATUS_OK) {
				return error->code;
			}
		}
	}
	return STATUS_OK;
}

enum status_code
gw_view_new(
    struct gw_view **view, struct gw_offer *const *offers, size_t count, struct error *error)
{
	enum status_code status;

	*view = calloc(1, sizeof(**view) + count * sizeof((*view)->offers[0]));
	if (*view == NULL) {
		return gw_view_no_memory(error);
	}
	atomic_init(&(*view)->holders, 1);
	(*view)->count = count;
	(*view)->complete = true;
	for (size_t i = 0; i < count; i++) {
		(*view)->complete = (*view)->complete && offers[i] != NULL;
		(*view)->offers[i] = gw_offer_acquire(offers[i]);
	}
	status = gw_view_make_routes(*view, error);
	if (status == STATUS_OK) {
		status = gw_view_check(*view, error);
	}
	if (status != STATUS_OK) {
		gw_view_release(view);
	}
	return status;
}

struct gw_view *
gw_view_acquire(struct gw_view *view)
{
	atomic_fetch_add(&view->holders, 1);
	return view;
}

void
gw_view_release(struct gw_view **view)
{
	struct gw_view *released = *view;

	*view = NULL;
	if (released == NULL || atomic_fetch_sub(&released->holders, 1) > 1) {
		return;
	}
	route_table_free(&released->routes);
	for (size_t i = 0; i < released->count; i++) {
		gw_offer_release(&released->offers[i]);
	}
	free(released);
}
