#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "common/base/arena.h"
#include "common/base/buf.h"
#include "gateway/route/route_binding.h"
#include "gateway/route/route_tree.h"

static enum status_code
route_no_memory(struct error *error)
{
	return error_set(error, STATUS_RESOURCE_EXHAUSTED, "OUT_OF_MEMORY",
	    "no memory for the routes; give the process more of it");
}

static bool
route_same_segment(const struct route_segment *a, const struct route_segment *b)
{
	return a->kind == b->kind && a->len == b->len &&
	       (a->len == 0 || memcmp(a->text, b->text, a->len) == 0);
}

static struct route_node *
route_add_node(
    struct route_table *table, struct route_node *parent, const struct route_segment *segment)
{
	struct route_node **place = &parent->children;
	struct route_node *node;

	while ((node = *place) != NULL && node->segment.kind <= segment->kind) {
		if (route_same_segment(&node->segment, segment)) {
			return node;
		}
		place = &node->next;
	}
	node = arena_calloc(table->arena, 1, sizeof(*node));
	if (node != NULL) {
		node->segment = *segment;
		node->next = *place;
		*place = node;
	}
	return node;
}

bool
route_end_is(const struct route_end *end, const char *verb, size_t len)
{
	return (end->verb == NULL) == (verb == NULL) && end->verb_len == len &&
	       (len == 0 || memcmp(end->verb, verb, len) == 0);
}

static struct route_end *
route_add_path(struct route_table *table, const struct route_template *template)
{
	struct route_node *node = &table->root;
	struct route_end *end;

	for (size_t i = 0; node != NULL && i < template->segment_count; i++) {
		node = route_add_node(table, node, &template->segments[i]);
	}
	if (node == NULL) {
		return NULL;
	}
	for (end = node->ends; end != NULL; end = end->next) {
		if (route_end_is(end, template->verb, template->verb_len)) {
			return end;
		}
	}
	end = arena_calloc(table->arena, 1, sizeof(*end));
	if (end != NULL) {
		end->verb = template->verb;
		end->verb_len = template->verb_len;
		end->next = node->ends;
		node->ends = end;
	}
	return end;
}

static bool
route_same_condition(const struct route *a, const struct route *b)
{
	const Mockvideo__Rest__V1__HeaderCondition *x = a->method->rule->when;
	const Mockvideo__Rest__V1__HeaderCondition *y = b->method->rule->when;

	if (x == NULL || y == NULL) {
		return x == y;
	}
	return strcasecmp(x->name, y->name) == 0 && !x->value == !y->value;
}

/* Whether a binding takes requests that are another owner's by that one's binding. */
static bool
route_takes_from(const struct route *route, const struct route *other)
{
	if (!route_template_overlaps(&route->template, &other->template)) {
		return false;
	}
	return !route_template_same(&route->template, &other->template) ||
	       strcmp(route->binding->verb, other->binding->verb) == 0 ||
	       strcmp(route->binding->verb, "*") == 0 || strcmp(other->binding->verb, "*") == 0;
}

static enum status_code
route_check_owners(const struct route_table *table, const struct route *route, struct error *error)
{
	const struct route_entry *entry = table->entries;

	while (entry != NULL &&
	       (entry->route.owner == route->owner || !route_takes_from(route, &entry->route))) {
		entry = entry->next_of_table;
	}
	return entry == NULL ? STATUS_OK
			     : error_set(error, STATUS_INVALID_ARGUMENT, "CONFLICTING_BINDING",
				   "%s, binding \"%s %s\": has paths of %s of another service, "
				   "binding \"%s %s\"; change one of them",
				   route->method->name, route->binding->verb, route->binding->path,
				   entry->route.method->name, entry->route.binding->verb,
				   entry->route.binding->path);
}

static enum status_code
route_add_entry(struct route_table *table, struct route_end *end, const struct route *route,
    struct error *error)
{
	struct route_entry **place = &end->entries;
	struct route_entry *entry;

	for (; (entry = *place) != NULL; place = &entry->next) {
		if (strcmp(entry->route.binding->verb, route->binding->verb) == 0 &&
		    route_same_condition(&entry->route, route)) {
			return error_set(error, STATUS_INVALID_ARGUMENT, "INVALID_BINDING",
			    "%s, binding \"%s %s\": %s has the same one; give one of them a "
			    "condition by when",
			    route->method->name, route->binding->verb, route->binding->path,
			    entry->route.method->name);
		}
	}
	entry = arena_calloc(table->arena, 1, sizeof(*entry));
	if (entry == NULL) {
		return route_no_memory(error);
	}
	entry->route = *route;
	*place = entry;
	entry->next_of_table = table->entries;
	table->entries = entry;
	return STATUS_OK;
}

static bool
route_has_verb(const struct route_entry *entry, const struct route_entry *end, const char *verb)
{
	for (; entry != end; entry = entry->next) {
		if (strcmp(entry->route.binding->verb, verb) == 0) {
			return true;
		}
	}
	return false;
}

static void
route_put_allow(struct buf *allow, const char *verb)
{
	if (strcmp(verb, "*") == 0) {
		buf_puts(allow, "GET, HEAD, POST, PUT, PATCH, DELETE, ");
	} else {
		buf_puts(allow, verb);
		buf_puts(allow, strcmp(verb, "GET") == 0 ? ", HEAD, " : ", ");
	}
}

/* Writes the Allow header of a resource: its verbs, and those that follow from them. */
static bool
route_set_allow(struct route_table *table, struct route_end *end)
{
	bool any = route_has_verb(end->entries, NULL, "*");
	struct buf allow = {0};

	for (const struct route_entry *entry = end->entries; entry != NULL; entry = entry->next) {
		const char *verb = entry->route.binding->verb;

		if (!route_has_verb(end->entries, entry, verb) &&
		    (!any || strcmp(verb, "*") == 0)) {
			route_put_allow(&allow, verb);
		}
	}
	buf_puts(&allow, "OPTIONS");
	if (!allow.failed) {
		end->allow = arena_strndup(table->arena, allow.data, allow.len);
	}
	buf_fini(&allow);
	return end->allow != NULL;
}

/* In the order that Allow has them; the last stands for all others. */
static const char *const route_usual_verbs[] = {"GET", "POST", "PUT", "PATCH", "DELETE", "*"};

#define ROUTE_USUAL_VERBS (sizeof(route_usual_verbs) / sizeof(route_usual_verbs[0]))

static bool
route_is_usual(const char *verb)
{
	size_t i = 0;

	while (i < ROUTE_USUAL_VERBS && strcmp(verb, route_usual_verbs[i]) != 0) {
		i++;
	}
	return i < ROUTE_USUAL_VERBS;
}

static bool
route_any_has_verb(const struct route_entry *entry, const struct route_entry *end, const char *verb)
{
	while (entry != end && strcmp(entry->route.binding->verb, verb) != 0) {
		entry = entry->next_of_table;
	}
	return entry != end;
}

/* The same for all resources together: usual verbs first, then those that services have made up. */
static bool
route_set_allow_of_all(struct route_table *table)
{
	bool any = route_any_has_verb(table->entries, NULL, "*");
	struct buf allow = {0};

	for (size_t i = 0; i < ROUTE_USUAL_VERBS; i++) {
		const char *verb = route_usual_verbs[i];

		if (any ? strcmp(verb, "*") == 0 : route_any_has_verb(table->entries, NULL, verb)) {
			route_put_allow(&allow, verb);
		}
	}
	for (const struct route_entry *entry = table->entries; entry != NULL;
	     entry = entry->next_of_table) {
		const char *verb = entry->route.binding->verb;

		if (!route_is_usual(verb) && !route_any_has_verb(table->entries, entry, verb)) {
			route_put_allow(&allow, verb);
		}
	}
	buf_puts(&allow, "OPTIONS");
	if (!allow.failed) {
		table->allow = arena_strndup(table->arena, allow.data, allow.len);
	}
	buf_fini(&allow);
	return table->allow != NULL;
}

static enum status_code
route_add(struct route_table *table, const void *owner, const struct schema_method *method,
    const struct schema_binding *binding, struct error *error)
{
	struct route route;
	struct route_end *end;
	enum status_code status = route_binding_read(&route, method, binding, error);

	route.owner = owner;
	if (status == STATUS_OK) {
		status = route_check_owners(table, &route, error);
	}
	if (status != STATUS_OK) {
		return status;
	}
	end = route_add_path(table, &route.template);
	if (end == NULL) {
		return route_no_memory(error);
	}
	status = route_add_entry(table, end, &route, error);
	if (status == STATUS_OK && !route_set_allow(table, end)) {
		return route_no_memory(error);
	}
	return status;
}

static enum status_code
route_add_source(struct route_table *table, const struct route_source *source, struct error *error)
{
	for (size_t i = 0; i < schema_method_count(source->schema); i++) {
		const struct schema_method *method = schema_method(source->schema, i);

		for (size_t n = 0; n < method->binding_count; n++) {
			enum status_code status =
			    route_add(table, source->owner, method, &method->bindings[n], error);

			if (status != STATUS_OK) {
				return status;
			}
		}
	}
	return STATUS_OK;
}

enum status_code
route_table_new(struct route_table **table, const struct route_source *sources, size_t count,
    struct error *error)
{
	enum status_code status = STATUS_OK;

	*table = calloc(1, sizeof(**table));
	if (*table == NULL || ((*table)->arena = arena_new(0)) == NULL) {
		status = route_no_memory(error);
	}
	for (size_t i = 0; status == STATUS_OK && i < count; i++) {
		status = route_add_source(*table, &sources[i], error);
	}
	if (status == STATUS_OK && !route_set_allow_of_all(*table)) {
		status = route_no_memory(error);
	}
	if (status != STATUS_OK) {
		route_table_free(table);
	}
	return status;
}

void
route_table_free(struct route_table **table)
{
	if (*table == NULL) {
		return;
	}
	arena_free(&(*table)->arena);
	free(*table);
	*table = NULL;
}
