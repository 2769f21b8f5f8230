/* The tree of a route_table: route_table.c builds it, route.c searches it. */
#ifndef GATEWAY_ROUTE_TREE_H
#define GATEWAY_ROUTE_TREE_H

#include "gateway/route/route.h"

struct route_entry {
	struct route route;
	struct route_entry *next; /* in the order of the .proto */
	struct route_entry *next_of_table;
};

/* A resource: what a path ends in, with the verb behind its colon. */
struct route_end {
	const char *verb; /* NULL: none */
	size_t verb_len;
	struct route_end *next; /* of the same node */
	struct route_entry *entries;
	const char *allow;
};

/* A segment of paths. Literal ones come first, then that for any one, then that for the rest. */
struct route_node {
	struct route_segment segment;
	struct route_node *next; /* of the same parent */
	struct route_node *children;
	struct route_end *ends;
};

struct route_table {
	struct arena *arena;
	struct route_node root;
	struct route_entry *entries;
	const char *allow; /* the verbs of all */
};

/* Whether a resource is that of a verb behind a colon; verb NULL: of none. */
bool route_end_is(const struct route_end *end, const char *verb, size_t len);

#endif
