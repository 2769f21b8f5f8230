#include "gateway/route/route_template.h"

#include <ctype.h>
#include <string.h>

/* Where the reading of a path is. */
struct route_parser {
	struct route_template *template;
	const char *at;
	bool rest; /* "**" was read: no segment may follow */
};

/* What RFC 3986 has for segments as they are, without the colon, which begins the verb. */
static bool
route_is_literal(char c)
{
	return isalnum((unsigned char)c) || (c != '\0' && strchr("-._~!$&'(),;@+", c) != NULL);
}

static size_t
route_literal_len(const char *text)
{
	size_t len = 0;

	while (route_is_literal(text[len])) {
		len++;
	}
	return len;
}

/* No client can send these two: they are resolved before a path is sent (RFC 3986, 5.2.4). */
static bool
route_is_dots(const char *text, size_t len)
{
	return (len == 1 || len == 2) && strncmp(text, "..", len) == 0;
}

static const char *
route_add_segment(
    struct route_parser *parser, enum route_segment_kind kind, const char *text, size_t len)
{
	struct route_template *template = parser->template;

	if (parser->rest) {
		return "has segments behind **, which must be the last";
	}
	if (template->segment_count == ROUTE_SEGMENTS_MAX) {
		return "has more than 32 segments";
	}
	parser->rest = kind == ROUTE_SEGMENT_REST;
	template->segments[template->segment_count++] = (struct route_segment){kind, text, len};
	return NULL;
}

/* A segment that is no variable. */
static const char *
route_read_segment(struct route_parser *parser)
{
	const char *text = parser->at;
	size_t len = strspn(text, "*");

	if (len > 2) {
		return "has more than two stars in a row";
	}
	if (len > 0) {
		parser->at += len;
		return route_add_segment(
		    parser, len == 1 ? ROUTE_SEGMENT_ONE : ROUTE_SEGMENT_REST, NULL, 0);
	}
	len = route_literal_len(text);
	if (len == 0 || route_is_dots(text, len)) {
		return "has an empty segment, or a character that has no place there";
	}
	parser->at += len;
	return route_add_segment(parser, ROUTE_SEGMENT_LITERAL, text, len);
}

/* The segments of a variable, behind its equals sign. */
static const char *
route_read_variable_segments(struct route_parser *parser)
{
	const char *problem;

	if (*parser->at == '{') {
		return "has a variable within a variable";
	}
	while ((problem = route_read_segment(parser)) == NULL && *parser->at == '/') {
		parser->at++;
		if (*parser->at == '{') {
			return "has a variable within a variable";
		}
	}
	return problem;
}

static const char *
route_read_field(struct route_parser *parser, struct route_variable *variable)
{
	const char *at = parser->at;
	bool word = false;

	variable->field = at;
	for (; isalnum((unsigned char)*at) || *at == '_' || *at == '-' || (*at == '.' && word);
	     at++) {
		word = *at != '.';
	}
	variable->len = (size_t)(at - parser->at);
	parser->at = at;
	return word ? NULL : "has a variable without the name of a field";
}

static const char *
route_read_variable(struct route_parser *parser)
{
	struct route_template *template = parser->template;
	struct route_variable *variable = &template->variables[template->variable_count];
	const char *problem;

	if (template->variable_count == ROUTE_PARAMS_MAX) {
		return "has more than 8 variables";
	}
	parser->at++;
	problem = route_read_field(parser, variable);
	if (problem != NULL) {
		return problem;
	}
	variable->first = template->segment_count;
	if (*parser->at == '=') {
		parser->at++;
		problem = route_read_variable_segments(parser);
	} else {
		problem = route_add_segment(parser, ROUTE_SEGMENT_ONE, NULL, 0);
	}
	if (problem != NULL) {
		return problem;
	}
	if (*parser->at != '}') {
		return "has a brace that is not closed";
	}
	parser->at++;
	variable->count = template->segment_count - variable->first;
	variable->plain =
	    variable->count == 1 && template->segments[variable->first].kind == ROUTE_SEGMENT_ONE;
	template->variable_count++;
	return NULL;
}

static const char *
route_read_verb(struct route_parser *parser)
{
	size_t len;

	if (*parser->at == '\0') {
		return NULL;
	}
	len = *parser->at == ':' ? route_literal_len(parser->at + 1) : 0;
	if (len == 0 || parser->at[1 + len] != '\0') {
		return "has an empty segment, or a character that has no place there";
	}
	parser->template->verb = parser->at + 1;
	parser->template->verb_len = len;
	return NULL;
}

const char *
route_template_read(struct route_template *template, const char *path)
{
	struct route_parser parser = {.template = template, .at = path};
	const char *problem = NULL;

	memset(template, 0, sizeof(*template));
	if (*path != '/') {
		return "must begin with a slash";
	}
	if (strcmp(path, "/") == 0) {
		return NULL;
	}
	while (problem == NULL && *parser.at == '/') {
		parser.at++;
		problem =
		    *parser.at == '{' ? route_read_variable(&parser) : route_read_segment(&parser);
	}
	return problem == NULL ? route_read_verb(&parser) : problem;
}

static bool
route_same_text(const char *a, size_t a_len, const char *b, size_t b_len)
{
	return a_len == b_len && (a_len == 0 || memcmp(a, b, a_len) == 0);
}

static bool
route_same_verb(const struct route_template *a, const struct route_template *b)
{
	return (a->verb == NULL) == (b->verb == NULL) &&
	       route_same_text(a->verb, a->verb_len, b->verb, b->verb_len);
}

bool
route_template_same(const struct route_template *a, const struct route_template *b)
{
	if (a->segment_count != b->segment_count || !route_same_verb(a, b)) {
		return false;
	}
	for (size_t i = 0; i < a->segment_count; i++) {
		const struct route_segment *x = &a->segments[i];
		const struct route_segment *y = &b->segments[i];

		if (x->kind != y->kind || !route_same_text(x->text, x->len, y->text, y->len)) {
			return false;
		}
	}
	return true;
}

/* Whether the segments end in one that takes all that are left. */
static bool
route_is_open(const struct route_template *template, size_t index)
{
	return index < template->segment_count &&
	       template->segments[index].kind == ROUTE_SEGMENT_REST;
}

bool
route_template_overlaps(const struct route_template *a, const struct route_template *b)
{
	if (!route_same_verb(a, b)) {
		return false;
	}
	for (size_t i = 0;; i++) {
		const struct route_segment *x = &a->segments[i];
		const struct route_segment *y = &b->segments[i];

		if (route_is_open(a, i) || route_is_open(b, i)) {
			return true;
		}
		if (i == a->segment_count || i == b->segment_count) {
			return a->segment_count == b->segment_count;
		}
		if (x->kind == ROUTE_SEGMENT_LITERAL && y->kind == ROUTE_SEGMENT_LITERAL &&
		    !route_same_text(x->text, x->len, y->text, y->len)) {
			return false;
		}
	}
}
