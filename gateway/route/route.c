#include "gateway/route/route.h"

#include <string.h>
#include <strings.h>

#include "common/base/arena.h"
#include "gateway/route/percent.h"
#include "gateway/route/route_tree.h"

/* A client's path, split. */
struct route_segments {
	struct route_text raw[ROUTE_SEGMENTS_MAX]; /* as sent */
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
route_split_next(const char **at, const char *end, struct route_text *raw,
    struct route_text *segment, struct arena *arena, struct error *error)
{
	const char *slash = memchr(*at, '/', (size_t)(end - *at));

	raw->data = *at;
	raw->len = (size_t)((slash == NULL ? end : slash) - *at);
	*segment = *raw;
	*at = slash == NULL ? end : slash;
	switch (percent_decode(&segment->data, &segment->len, PERCENT_SEGMENT, arena)) {
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
		struct route_text raw;
		struct route_text segment;
		enum route_result found;

		at++;
		found = route_split_next(&at, end, &raw, &segment, arena, error);
		if (found == ROUTE_MALFORMED) {
			return found;
		}
		if (found != ROUTE_FOUND || segments->count == ROUTE_SEGMENTS_MAX) {
			result = ROUTE_NOT_FOUND;
			continue;
		}
		segments->raw[segments->count] = raw;
		segments->list[segments->count++] = segment;
	}
	return result;
}

static const struct route_end *
route_end_of(const struct route_node *node, const struct route_text *verb)
{
	const struct route_end *end = node->ends;

	while (end != NULL && !route_end_is(end, verb->data, verb->len)) {
		end = end->next;
	}
	return end;
}

/* The resource of segments from index on, with a verb behind the last. */
static const struct route_end *
route_walk(const struct route_node *node, const struct route_segments *segments, size_t index,
    const struct route_text *verb)
{
	const struct route_text *segment = &segments->list[index];
	const struct route_end *end = NULL;

	if (index == segments->count) {
		end = route_end_of(node, verb);
	}
	for (const struct route_node *child = node->children; child != NULL && end == NULL;
	     child = child->next) {
		if (child->segment.kind == ROUTE_SEGMENT_REST) {
			end = route_end_of(child, verb);
		} else if (index < segments->count &&
			   (child->segment.kind == ROUTE_SEGMENT_ONE ||
			       (child->segment.len == segment->len &&
				   memcmp(child->segment.text, segment->data, segment->len) ==
				       0))) {
			end = route_walk(child, segments, index + 1, verb);
		}
	}
	return end;
}

/* The last segment without the colon and verb at its end; false when it has none. */
static bool
route_cut_verb(struct route_segments *segments, struct arena *arena, struct route_text *verb)
{
	struct route_text *raw;
	const char *colon;
	struct route_text cut;

	if (segments->count == 0) {
		return false;
	}
	raw = &segments->raw[segments->count - 1];
	colon = memrchr(raw->data, ':', raw->len);
	if (colon == NULL || colon == raw->data) {
		return false;
	}
	*verb = (struct route_text){colon + 1, raw->len - (size_t)(colon + 1 - raw->data)};
	cut = (struct route_text){raw->data, (size_t)(colon - raw->data)};
	*raw = cut;
	(void)percent_decode(&cut.data, &cut.len, PERCENT_SEGMENT, arena);
	segments->list[segments->count - 1] = cut;
	return true;
}

/* The resource of a path: with a verb at its end, or else with the colon as a part of it. */
static const struct route_end *
route_find_end(
    const struct route_table *table, struct route_segments *segments, struct arena *arena)
{
	static const struct route_text none = {NULL, 0};
	struct route_segments whole = *segments;
	const struct route_end *end = NULL;
	struct route_text verb;

	if (route_cut_verb(segments, arena, &verb)) {
		end = route_walk(&table->root, segments, 0, &verb);
	}
	if (end == NULL) {
		*segments = whole;
		end = route_walk(&table->root, segments, 0, &none);
	}
	return end;
}

/* What the path has for the variables of the route. False without memory. */
static bool
route_read_params(
    const struct route_segments *segments, struct arena *arena, struct route_match *match)
{
	const struct route_template *template = &match->route->template;

	for (size_t i = 0; i < template->variable_count; i++) {
		const struct route_variable *variable = &template->variables[i];
		size_t end = variable->first + variable->count;
		struct route_text *text = &match->params[i];

		if (variable->plain) {
			*text = segments->list[variable->first];
			continue;
		}
		if (template->segments[end - 1].kind == ROUTE_SEGMENT_REST) {
			end = segments->count;
		}
		*text = (struct route_text){"", 0};
		if (end > variable->first) {
			const struct route_text *last = &segments->raw[end - 1];

			text->data = segments->raw[variable->first].data;
			text->len = (size_t)(last->data + last->len - text->data);
		}
		if (percent_decode(&text->data, &text->len, PERCENT_SEGMENTS, arena) !=
		    PERCENT_DECODED) {
			return false;
		}
	}
	return true;
}

static bool
route_says(struct route_text value, const char *word)
{
	return value.len == strlen(word) && strncasecmp(value.data, word, value.len) == 0;
}

/* Of the bindings of a verb, the one whose condition holds, else the one without. */
static enum route_result
route_choose(const struct route_end *end, struct route_text verb,
    struct route_text (*header)(void *closure, const char *name), void *closure,
    struct route_match *match, struct error *error)
{
	const Mockvideo__Rest__V1__HeaderCondition *unmet = NULL;

	match->route = NULL;
	for (const struct route_entry *entry = end->entries; entry != NULL; entry = entry->next) {
		const Mockvideo__Rest__V1__HeaderCondition *when = entry->route.method->rule->when;
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
	bool options = route_text_is(verb, "OPTIONS");
	struct route_segments segments;
	enum route_result result = route_split(path, &segments, arena, error);
	const struct route_end *end;

	if (options && route_text_is(path, "*")) {
		*allow = table->allow;
		return ROUTE_WRONG_VERB;
	}
	if (result != ROUTE_FOUND) {
		return result;
	}
	end = route_find_end(table, &segments, arena);
	if (end == NULL) {
		return ROUTE_NOT_FOUND;
	}
	*allow = end->allow;
	if (route_text_is(verb, "HEAD")) {
		verb = (struct route_text){"GET", 3};
	}
	result = route_choose(end, verb, header, closure, match, error);
	if (result == ROUTE_WRONG_VERB && !options) {
		result =
		    route_choose(end, (struct route_text){"*", 1}, header, closure, match, error);
	}
	if (result == ROUTE_FOUND && !route_read_params(&segments, arena, match)) {
		return ROUTE_NOT_FOUND;
	}
	return result;
}
