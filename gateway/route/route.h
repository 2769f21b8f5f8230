/*
 * Which method a request is for: a tree of path segments, built from the
 * bindings of schemas. Never changes after route_table_new: any thread.
 */
#ifndef GATEWAY_ROUTE_H
#define GATEWAY_ROUTE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "common/schema/schema.h"
#include "gateway/route/route_template.h"

struct arena;
struct route_table;

/* A binding, with all that it names looked up. */
struct route {
	const void *owner; /* of the route_source that the method is of */
	const struct schema_method *method;
	const struct schema_binding *binding;
	struct route_template template;              /* of binding->path */
	struct schema_path params[ROUTE_PARAMS_MAX]; /* of template.variables */
	const struct schema_field *body; /* NULL: none, or whole request when body_is_all */
	bool body_is_all;
	const struct schema_field *mask; /* of the input: the FieldMask of a PATCH; or NULL */
	const struct schema_field *response_body;   /* of the output; NULL: all of it */
	const struct schema_field *text;            /* of the output, or NULL */
	const struct schema_field *pages;           /* the list of the output, when all_pages */
	const struct schema_field *page_size;       /* of the input, when all_pages */
	const struct schema_field *page_token;      /* likewise */
	const struct schema_field *next_page_token; /* of the output, when all_pages */
	const struct schema_field *items;           /* of the input, when bulk */
	const struct schema_field *results;         /* of the output, when bulk */
	const struct schema_field *status;          /* of the results: how each has ended */
	const struct schema_field *status_code;     /* of that status */
	const struct schema_field *status_reason;   /* likewise */
};

/* A schema whose methods can be found, and its owner: no two schemas have the same owner. */
struct route_source {
	const struct schema *schema;
	const void *owner;
};

struct route_text {
	const char *data;
	size_t len;
};

struct route_match {
	const struct route *route;
	struct route_text params[ROUTE_PARAMS_MAX]; /* decoded; for route->params[i] */
};

enum route_result {
	ROUTE_FOUND,
	ROUTE_NOT_FOUND,      /* 404 */
	ROUTE_MALFORMED,      /* 400: error says what is wrong with the path */
	ROUTE_WRONG_VERB,     /* 405; *allow is the value of the Allow header */
	ROUTE_WRONG_CONDITION /* 400: error names the header */
};

/*
 * Builds the table. INVALID_ARGUMENT, with the method and the option in the
 * message, when a binding names a field that is not there or of a type that
 * does not fit, or when two bindings are the same. Between owners there is more
 * that may not be: bindings of one verb and path whatever their conditions, and
 * paths of which one hides a part of the other, as /users/me of /users/{id}.
 * Reason CONFLICTING_BINDING then, and both methods in the message.
 */
enum status_code route_table_new(struct route_table **table, const struct route_source *sources,
    size_t count, struct error *error);
void route_table_free(struct route_table **table);

/*
 * Finds the binding for a verb and a path (without its query). header gives
 * the value of a request header, or data NULL. Decoded text is in arena.
 * HEAD finds what GET does. OPTIONS finds nothing, but the verbs of the path, or
 * those of all paths for the path *: ROUTE_WRONG_VERB. match, allow and error are filled as the result
 * says; *allow is borrowed from the table, and filled whenever the path is
 * that of a resource.
 *
 * A slash at the end is ignored. No path has other empty segments, or segments
 * that are . or .. . Escapes are decoded after the path is split; %2F stays in
 * the text of a variable with several segments. If several bindings match, the
 * one that is literal for longer from the beginning of the path is found.
 */
enum route_result route_find(const struct route_table *table, struct route_text verb,
    struct route_text path, struct route_text (*header)(void *closure, const char *name),
    void *closure, struct arena *arena, struct route_match *match, const char **allow,
    struct error *error);

/*
 * Finds the field of the input that a query parameter is for, "page_size" or
 * "page.size", by its JSON name or its name in the .proto: a scalar, or a list of
 * such, that is bound neither by the path nor by the body. False when there is
 * none.
 */
bool route_query_field(
    const struct route *route, const char *name, size_t len, struct schema_path *path);

#endif
