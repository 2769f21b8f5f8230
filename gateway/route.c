#include "gateway/route.h"

#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "common/arena.h"
#include "common/buf.h"
#include "gateway/percent.h"
#include "gateway/route_binding.h"

/* Longer paths are those of no resource. */
#define ROUTE_SEGMENTS_MAX 32

struct route_entry {
	struct route route;
	struct route_entry *next; /* in the order of the .proto */
};

/* A segment of paths. Literal ones come before the one that takes any text. */
struct route_node {
	const char *text; /* NULL: takes any */
	size_t len;
	struct route_node *next; /* of the same parent */
	struct route_node *children;
	struct route_entry *entries;
	const char *allow; /* NULL: no resource ends here */
};

struct route_table {
	struct arena *arena;
	struct route_node root;
};

static enum status_code
route_no_memory(struct error *error)
{
	return error_set(error, STATUS_RESOURCE_EXHAUSTED, "OUT_OF_MEMORY",
	    "no memory for the routes; give the process more of it");
}

/* Building */

static struct route_node *
route_add_node(struct route_table *table, struct route_node *parent, const char *text, size_t len)
{
	bool any = route_binding_takes_any(text, len);
	struct route_node **place = &parent->children;
	struct route_node *node;

	while ((node = *place) != NULL && node->text != NULL) {
		if (!any && node->len == len && memcmp(node->text, text, len) == 0) {
			return node;
		}
		place = &node->next;
	}
	if (any && node != NULL) {
		return node;
	}
	node = arena_calloc(table->arena, 1, sizeof(*node));
	if (node != NULL) {
		node->text = any ? NULL : text;
		node->len = len;
		node->next = *place;
		*place = node;
	}
	return node;
}

static struct route_node *
route_add_path(struct route_table *table, const char *path)
{
	struct route_node *node = &table->root;
	const char *segment;
	size_t len;

	if (strcmp(path, "/") == 0) {
		return node;
	}
	while (node != NULL && (segment = route_binding_segment(&path, &len)) != NULL) {
		node = route_add_node(table, node, segment, len);
	}
	return node;
}

static bool
route_same_condition(const struct route *a, const struct route *b)
{
	const Mockvideo__Rest__V1__HeaderCondition *x = a->binding->when;
	const Mockvideo__Rest__V1__HeaderCondition *y = b->binding->when;

	if (x == NULL || y == NULL) {
		return x == y;
	}
	return strcasecmp(x->name, y->name) == 0 && !x->value == !y->value;
}

static enum status_code
route_add_entry(struct route_table *table, struct route_node *node, const struct route *route,
    struct error *error)
{
	struct route_entry **place = &node->entries;
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

/* Writes the Allow header of a resource: its verbs, and those that follow from them. */
static bool
route_set_allow(struct route_table *table, struct route_node *node)
{
	struct buf allow = {0};

	for (const struct route_entry *entry = node->entries; entry != NULL; entry = entry->next) {
		const char *verb = entry->route.binding->verb;

		if (!route_has_verb(node->entries, entry, verb)) {
			buf_puts(&allow, verb);
			buf_puts(&allow, strcmp(verb, "GET") == 0 ? ", HEAD, " : ", ");
		}
	}
	buf_puts(&allow, "OPTIONS");
	if (!allow.failed) {
		node->allow = arena_strndup(table->arena, allow.data, allow.len);
	}
	buf_fini(&allow);
	return node->allow != NULL;
}

static enum status_code
route_add(struct route_table *table, const struct schema_method *method,
    const Mockvideo__Rest__V1__HttpBinding *binding, struct error *error)
{
	struct route route;
	struct route_node *node;
	enum status_code status = route_binding_read(&route, method, binding, error);

	if (status != STATUS_OK) {
		return status;
	}
	node = route_add_path(table, binding->path);
	if (node == NULL) {
		return route_no_memory(error);
	}
	status = route_add_entry(table, node, &route, error);
	if (status == STATUS_OK && !route_set_allow(table, node)) {
		return route_no_memory(error);
	}
	return status;
}

static enum status_code
route_add_all(struct route_table *table, const struct schema *schema, struct error *error)
{
	for (size_t i = 0; i < schema_method_count(schema); i++) {
		const struct schema_method *method = schema_method(schema, i);

		for (size_t n = 0; n < method->binding_count; n++) {
			enum status_code status =
			    route_add(table, method, method->bindings[n], error);

			if (status != STATUS_OK) {
				return status;
			}
		}
	}
	return STATUS_OK;
}

enum status_code
route_table_new(struct route_table **table, const struct schema *schema, struct error *error)
{
	enum status_code status = STATUS_RESOURCE_EXHAUSTED;

	*table = calloc(1, sizeof(**table));
	if (*table != NULL && ((*table)->arena = arena_new(0)) != NULL) {
		status = route_add_all(*table, schema, error);
	} else {
		route_no_memory(error);
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

/* Finding */

struct route_segments {
	struct route_text list[ROUTE_SEGMENTS_MAX];
	size_t count;
};

static bool
route_text_is(struct route_text text, const char *other)
{
	return text.len == strlen(other) && memcmp(text.data, other, text.len) == 0;
}

/* Takes the segment that begins at *at, behind its slash, off the path. */
static enum route_result
route_split_next(const char **at, const char *end, struct route_text *segment, struct arena *arena,
    struct error *error)
{
	const char *slash = memchr(*at, '/', (size_t)(end - *at));

	segment->data = *at;
	segment->len = (size_t)((slash == NULL ? end : slash) - *at);
	*at = slash == NULL ? end : slash;
	switch (percent_decode(&segment->data, &segment->len, false, arena)) {
	case PERCENT_DECODED: break;
	case PERCENT_BROKEN:
		error_set(error, STATUS_INVALID_ARGUMENT, "MALFORMED_PATH",
		    "the path has a %% that is not followed by two hexadecimal digits; write "
		    "%%25 for the character itself");
		return ROUTE_MALFORMED;
	case PERCENT_NO_MEMORY: return ROUTE_NOT_FOUND;
	}
	if (segment->len == 0 || route_text_is(*segment, ".") || route_text_is(*segment, "..")) {
		return ROUTE_NOT_FOUND;
	}
	return ROUTE_FOUND;
}

/* All of a path is looked at: a broken escape anywhere makes it malformed. */
static enum route_result
route_split(struct route_text path, struct route_segments *segments, struct arena *arena,
    struct error *error)
{
	const char *at = path.data;
	const char *end = path.data + path.len;
	enum route_result result = ROUTE_FOUND;

	segments->count = 0;
	if (path.len == 0 || *at != '/') {
		return ROUTE_NOT_FOUND;
	}
	while (end - at > 1) {
		struct route_text segment;
		enum route_result found;

		at++;
		found = route_split_next(&at, end, &segment, arena, error);
		if (found == ROUTE_MALFORMED) {
			return found;
		}
		if (found != ROUTE_FOUND || segments->count == ROUTE_SEGMENTS_MAX) {
			result = ROUTE_NOT_FOUND;
			continue;
		}
		segments->list[segments->count++] = segment;
	}
	return result;
}

/* The resource of segments from index on; their texts for {name} and * go into match. */
static const struct route_node *
route_walk(const struct route_node *node, const struct route_segments *segments, size_t index,
    size_t param, struct route_match *match)
{
	const struct route_text *segment = &segments->list[index];

	if (index == segments->count) {
		return node->allow == NULL ? NULL : node;
	}
	for (const struct route_node *child = node->children; child != NULL; child = child->next) {
		const struct route_node *found;
		bool any = child->text == NULL;

		if (!any && (child->len != segment->len ||
				memcmp(child->text, segment->data, segment->len) != 0)) {
			continue;
		}
		found = route_walk(child, segments, index + 1, param + any, match);
		if (found != NULL) {
			if (any) {
				match->params[param] = *segment;
			}
			return found;
		}
	}
	return NULL;
}

static bool
route_says(struct route_text value, const char *word)
{
	return value.len == strlen(word) && strncasecmp(value.data, word, value.len) == 0;
}

/* Of the bindings of a verb, the one whose condition holds, else the one without. */
static enum route_result
route_choose(const struct route_node *node, struct route_text verb,
    struct route_text (*header)(void *closure, const char *name), void *closure,
    struct route_match *match, struct error *error)
{
	const Mockvideo__Rest__V1__HeaderCondition *unmet = NULL;

	match->route = NULL;
	for (const struct route_entry *entry = node->entries; entry != NULL; entry = entry->next) {
		const Mockvideo__Rest__V1__HeaderCondition *when = entry->route.binding->when;
		struct route_text value;

		if (!route_text_is(verb, entry->route.binding->verb)) {
			continue;
		}
		if (when == NULL) {
			match->route = &entry->route;
			continue;
		}
		value = header(closure, when->name);
		if (value.data != NULL && !route_says(value, "true") &&
		    !route_says(value, "false")) {
			error_set(error, STATUS_INVALID_ARGUMENT, "INVALID_HEADER",
			    "the header %s must be true or false, and there only once", when->name);
			return ROUTE_WRONG_CONDITION;
		}
		if (value.data != NULL && route_says(value, when->value ? "true" : "false")) {
			match->route = &entry->route;
			return ROUTE_FOUND;
		}
		unmet = when;
	}
	if (match->route != NULL) {
		return ROUTE_FOUND;
	}
	if (unmet == NULL) {
		return ROUTE_WRONG_VERB;
	}
	error_set(error, STATUS_INVALID_ARGUMENT, "MISSING_HEADER",
	    "%.*s of this resource needs the header %s: %s", (int)verb.len, verb.data, unmet->name,
	    unmet->value ? "true" : "false");
	return ROUTE_WRONG_CONDITION;
}

enum route_result
route_find(const struct route_table *table, struct route_text verb, struct route_text path,
    struct route_text (*header)(void *closure, const char *name), void *closure,
    struct arena *arena, struct route_match *match, const char **allow, struct error *error)
{
	struct route_segments segments;
	enum route_result result = route_split(path, &segments, arena, error);
	const struct route_node *node;

	if (result != ROUTE_FOUND) {
		return result;
	}
	node = route_walk(&table->root, &segments, 0, 0, match);
	if (node == NULL) {
		return ROUTE_NOT_FOUND;
	}
	*allow = node->allow;
	if (route_text_is(verb, "HEAD")) {
		verb = (struct route_text){"GET", 3};
	}
	return route_choose(node, verb, header, closure, match, error);
}
