/*
 * The path of a binding, parsed by the grammar of google.api.http (see
 * google/api/http.proto). Any thread.
 */
#ifndef GATEWAY_ROUTE_TEMPLATE_H
#define GATEWAY_ROUTE_TEMPLATE_H

#include <stdbool.h>
#include <stddef.h>

/* Longer paths are those of no resource. */
#define ROUTE_SEGMENTS_MAX 32
#define ROUTE_PARAMS_MAX   8

enum route_segment_kind {
	ROUTE_SEGMENT_LITERAL,
	ROUTE_SEGMENT_ONE,  /* "*": any one segment */
	ROUTE_SEGMENT_REST, /* "**": all that are left, or none */
};

struct route_segment {
	enum route_segment_kind kind;
	const char *text; /* of a literal, borrowed from the path */
	size_t len;
};

/* {name=shelves/\*}: a run of segments that is the value of a field. */
struct route_variable {
	const char *field; /* "book.name", borrowed from the path */
	size_t len;
	size_t first; /* of the segments */
	size_t count;
	bool plain; /* {name}, {name=*}: one segment, all of whose escapes are decoded */
};

struct route_template {
	struct route_segment segments[ROUTE_SEGMENTS_MAX];
	size_t segment_count;
	struct route_variable variables[ROUTE_PARAMS_MAX];
	size_t variable_count;
	const char *verb; /* behind the colon at the end; NULL: none */
	size_t verb_len;
};

/* Reads a path. NULL, or what is wrong with it: "must begin with a slash". */
const char *route_template_read(struct route_template *template, const char *path);

/* Whether both match the same paths; the names of variables do not matter. */
bool route_template_same(const struct route_template *a, const struct route_template *b);

/* Whether some path matches both. */
bool route_template_overlaps(const struct route_template *a, const struct route_template *b);

#endif
