#include "gateway/gw_input.h"

#include <string.h>

#include "common/base/arena.h"
#include "common/base/buf.h"
#include "common/json/json.h"
#include "gateway/gw_api.h"
#include "gateway/gw_gzip.h"
#include "gateway/gw_media.h"
#include "gateway/route/percent.h"

/* Names of parameters are shown no longer than this. */
#define GW_NAME_SHOWN 100

static int
gw_input_no_memory(struct error *error)
{
	error_set(error, STATUS_RESOURCE_EXHAUSTED, "REQUEST_TOO_LARGE",
	    "the request takes more memory than one may; send it in parts");
	return 413;
}

/* The HTTP status of what reading JSON or text gave. */
static int
gw_input_status(struct error *error)
{
	switch (error->code) {
	case STATUS_OK: return 0;
	case STATUS_RESOURCE_EXHAUSTED: return gw_input_no_memory(error);
	default: return 400;
	}
}

/* Path and query */

/* What a client knows a field by: "page.size". */
static const char *
gw_input_name(const struct schema_path *path, struct arena *arena)
{
	const char *name = path->fields[0]->json_name;

	for (size_t i = 1; i < path->depth && name != NULL; i++) {
		name = arena_printf(arena, "%s.%s", name, path->fields[i]->json_name);
	}
	return name == NULL ? schema_path_leaf(path)->json_name : name;
}

static bool
gw_input_read_text(const struct schema_path *path, const struct route_text *text,
    struct arena *arena, ProtobufCMessage *message, struct error *error)
{
	message = schema_path_reach(path, message, arena);
	if (message == NULL) {
		gw_input_no_memory(error);
		return false;
	}
	return json_read_text(schema_path_leaf(path), gw_input_name(path, arena), text->data,
	    text->len, arena, message, error);
}

/* Reads what the path has for fields within the body, which is there by then, or for all others. */
static void
gw_input_read_path(const struct route_match *match, bool in_body, struct arena *arena,
    ProtobufCMessage *message, struct error *error)
{
	const struct route *route = match->route;

	for (size_t i = 0; i < route->template.variable_count; i++) {
		const struct schema_path *path = &route->params[i];

		if ((path->fields[0] == route->body) == in_body) {
			gw_input_read_text(path, &match->params[i], arena, message, error);
		}
	}
}

/* A parameter that was given. */
struct gw_query_seen {
	const struct gw_query_seen *next;
	struct schema_path path;
};

struct gw_query {
	const struct route *route;
	struct arena *arena;
	ProtobufCMessage *message;
	struct error *error;
	const struct gw_query_seen *seen; /* none twice, so no more than there are fields */
};

/*
 * A parameter that was given and can't be told from one left out would let
 * pass what it was to keep away. Paging has zero for "as if left out" (AIP-158).
 */
static void
gw_query_check_presence(const struct gw_query *query, const struct schema_path *path)
{
	const struct schema_field *field = schema_path_leaf(path);

	if (field != query->route->page_size && field != query->route->page_token &&
	    schema_field_is_lost(field, schema_path_reach(path, query->message, query->arena))) {
		error_violation(query->error, query->arena, gw_input_name(path, query->arena),
		    "must not be zero, false or empty, which would be as if it were not given: "
		    "leave it out");
	}
}

static bool
gw_query_saw(const struct gw_query *query, const struct schema_path *path)
{
	for (const struct gw_query_seen *seen = query->seen; seen != NULL; seen = seen->next) {
		if (seen->path.depth == path->depth &&
		    memcmp(seen->path.fields, path->fields,
			path->depth * sizeof(path->fields[0])) == 0) {
			return true;
		}
	}
	return false;
}

static void
gw_query_see(struct gw_query *query, const struct schema_path *path)
{
	struct gw_query_seen *seen = arena_alloc(query->arena, sizeof(*seen));

	if (seen == NULL) {
		gw_input_no_memory(query->error);
		return;
	}
	seen->path = *path;
	seen->next = query->seen;
	query->seen = seen;
}

static void
gw_query_read_value(struct gw_query *query, const struct route_text *name, struct route_text value)
{
	struct schema_path path;
	bool repeated;

	if (!route_query_field(query->route, name->data, name->len, &path)) {
		char *shown = arena_strndup(query->arena, name->data,
		    name->len < GW_NAME_SHOWN ? name->len : GW_NAME_SHOWN);

		error_violation(query->error, query->arena, shown == NULL ? "" : shown,
		    "is no query parameter of this resource");
		return;
	}
	repeated = schema_path_leaf(&path)->wire->label == PROTOBUF_C_LABEL_REPEATED;
	if (!gw_query_saw(query, &path)) {
		gw_query_see(query, &path);
	} else if (!repeated) {
		error_violation(query->error, query->arena, gw_input_name(&path, query->arena),
		    "must be given only once");
		return;
	}
	if (gw_input_read_text(&path, &value, query->arena, query->message, query->error)) {
		gw_query_check_presence(query, &path);
	}
}

/* Reads name=value. Gives 0 or the HTTP status. */
static int
gw_query_read_pair(struct gw_query *query, struct route_text pair)
{
	const char *equals = memchr(pair.data, '=', pair.len);
	struct route_text name = pair;
	struct route_text value = {pair.data + pair.len, 0};
	enum percent_result result;

	if (equals != NULL) {
		name.len = (size_t)(equals - pair.data);
		value = (struct route_text){equals + 1, pair.len - name.len - 1};
	}
	result = percent_decode(&name.data, &name.len, PERCENT_QUERY, query->arena);
	if (result == PERCENT_DECODED) {
		result = percent_decode(&value.data, &value.len, PERCENT_QUERY, query->arena);
	}
	switch (result) {
	case PERCENT_DECODED: gw_query_read_value(query, &name, value); return 0;
	case PERCENT_NO_MEMORY: return gw_input_no_memory(query->error);
	case PERCENT_BROKEN: break;
	}
	error_set(query->error, STATUS_INVALID_ARGUMENT, "MALFORMED_QUERY",
	    "the query has a %% that is not followed by two hexadecimal digits; write %%25 for "
	    "the character itself");
	return 400;
}

static int
gw_input_read_query(struct gw_query *query, struct route_text text)
{
	const char *at = text.data;
	const char *end = text.data + text.len;

	while (at < end) {
		const char *next = memchr(at, '&', (size_t)(end - at));
		size_t len = (size_t)((next == NULL ? end : next) - at);
		int status = 0;

		if (len > 0) {
			status = gw_query_read_pair(query, (struct route_text){at, len});
		}
		if (status != 0) {
			return status;
		}
		at += len + 1;
	}
	return 0;
}

static bool
gw_query_asks_for_page(const struct gw_query *query)
{
	const struct schema_path size = {{query->route->page_size}, 1};
	const struct schema_path token = {{query->route->page_token}, 1};

	return query->route->pages != NULL &&
	       (gw_query_saw(query, &size) || gw_query_saw(query, &token));
}

/* Body */

/* Whether the body's type is one that the route reads. */
static bool
gw_input_is_readable(const struct gw_input *input)
{
	const struct route_text *type = &input->content_type;

	return type->data != NULL &&
	       (gw_media_is_json(type->data, type->len) ||
		   (input->match->route->mask != NULL && gw_media_is_patch(type->data, type->len)));
}

static int
gw_input_unzip(const struct gw_input *input, size_t max_bytes, struct error *error)
{
	switch (gw_gzip_read(input->body.data, input->body.len, max_bytes, input->unzipped)) {
	case GW_GZIP_OK: return 0;
	case GW_GZIP_BROKEN:
		error_set(error, STATUS_INVALID_ARGUMENT, "MALFORMED_GZIP",
		    "the body is no gzip, as Content-Encoding says, or not all of it");
		return 400;
	case GW_GZIP_TOO_LARGE:
		error_set(error, STATUS_INVALID_ARGUMENT, "BODY_TOO_LARGE",
		    "the body may have at most %zu bytes when it is not compressed", max_bytes);
		return 413;
	case GW_GZIP_NO_MEMORY: break;
	}
	error_set(error, STATUS_UNAVAILABLE, "OUT_OF_MEMORY",
	    "the gateway is short of memory; try again later");
	return 503;
}

/* Checks the body and gives it as it was before it was compressed. */
static int
gw_input_body(const struct gw_input *input, const struct gw_api *api, struct route_text *body,
    struct error *error)
{
	size_t max_bytes = gw_api_body_max(api, input->match->route);
	int status;

	if (input->body.len == 0) {
		error_set(error, STATUS_INVALID_ARGUMENT, "MISSING_BODY",
		    "the request needs a body: a JSON object");
		return 400;
	}
	if (input->body.len > max_bytes) {
		error_set(error, STATUS_INVALID_ARGUMENT, "BODY_TOO_LARGE",
		    "the body may have at most %zu bytes", max_bytes);
		return 413;
	}
	if (!gw_input_is_readable(input)) {
		error_set(error, STATUS_INVALID_ARGUMENT, "UNSUPPORTED_MEDIA_TYPE",
		    "the body must be JSON in UTF-8, and Content-Type say " GW_MEDIA_JSON "%s",
		    input->match->route->mask == NULL ? "" : " or " GW_MEDIA_PATCH);
		return 415;
	}
	*body = input->body;
	if (input->unzipped == NULL) {
		return 0;
	}
	status = gw_input_unzip(input, max_bytes, error);
	*body = (struct route_text){input->unzipped->data, input->unzipped->len};
	return status;
}

static int
gw_input_check_items(const struct schema_field *items, const ProtobufCMessage *message,
    const struct gw_api *api, struct arena *arena, struct error *error)
{
	size_t count = *(const size_t *)((const char *)message + items->wire->quantifier_offset);

	if (count == 0) {
		error_violation(error, arena, items->json_name, "must have at least one element");
		return 400;
	}
	if (count > api->bulk_max_items) {
		error_set(error, STATUS_INVALID_ARGUMENT, "TOO_MANY_ITEMS",
		    "%s has %zu elements; at most %zu may be sent at once", items->json_name, count,
		    api->bulk_max_items);
		return 413;
	}
	return 0;
}

/* The whole message out of the body. */
static int
gw_input_read_all(const struct gw_input *input, const struct gw_api *api, struct arena *arena,
    ProtobufCMessage **message, struct error *error)
{
	const struct route *route = input->match->route;
	struct route_text text;
	int status = gw_input_body(input, api, &text, error);

	if (status != 0) {
		return status;
	}
	json_read(route->method->input, text.data, text.len, arena, message, error);
	status = gw_input_status(error);
	if (status == 0 && route->items != NULL) {
		status = gw_input_check_items(route->items, *message, api, arena, error);
	}
	return status;
}

/* Fills the FieldMask of message with the fields that a patch has. False without memory. */
static bool
gw_input_set_mask(const struct route *route, ProtobufCMessage *message,
    const struct schema_field *const *given, size_t count, struct arena *arena)
{
	const struct schema_message *type = schema_field_message(route->mask);
	ProtobufCMessage *mask = schema_message_new(type, arena);
	const char **paths = arena_calloc(arena, count + 1, sizeof(*paths));
	const ProtobufCFieldDescriptor *list = type->fields[0].wire;

	if (mask == NULL || paths == NULL) {
		return false;
	}
	for (size_t i = 0; i < count; i++) {
		paths[i] = given[i]->wire->name;
	}
	memcpy((char *)mask + list->quantifier_offset, &count, sizeof(count));
	memcpy((char *)mask + list->offset, &paths, sizeof(char **));
	memcpy((char *)message + route->mask->wire->offset, &mask, sizeof(mask));
	return true;
}

/* Reads a merge patch, whose members become the paths of the FieldMask. */
static int
gw_input_read_patch(const struct gw_input *input, const struct route_text *text,
    struct arena *arena, ProtobufCMessage *message, ProtobufCMessage **body, struct error *error)
{
	const struct route *route = input->match->route;
	const struct schema_field **given;
	size_t count;

	if (json_read_patch(schema_field_message(route->body), text->data, text->len, arena, body,
		&given, &count, error) == STATUS_OK &&
	    !gw_input_set_mask(route, message, given, count, arena)) {
		return gw_input_no_memory(error);
	}
	return gw_input_status(error);
}

static int
gw_input_read_body_field(const struct gw_input *input, const struct gw_api *api,
    struct arena *arena, ProtobufCMessage *message, struct error *error)
{
	const struct schema_field *field = input->match->route->body;
	ProtobufCMessage *body = NULL;
	struct route_text text;
	int status = gw_input_body(input, api, &text, error);

	if (status != 0) {
		return status;
	}
	if (input->match->route->mask != NULL) {
		status = gw_input_read_patch(input, &text, arena, message, &body, error);
	} else {
		json_read(schema_field_message(field), text.data, text.len, arena, &body, error);
		status = gw_input_status(error);
	}
	if (status == 0) {
		*(ProtobufCMessage **)((char *)message + field->wire->offset) = body;
	}
	return status;
}

int
gw_input_read(const struct gw_input *input, const struct gw_api *api, struct arena *arena,
    ProtobufCMessage **message, bool *page_given, struct error *error)
{
	const struct route *route = input->match->route;
	struct gw_query query = {.route = route, .arena = arena, .error = error};
	int status = 0;

	error->code = STATUS_OK;
	if (route->body_is_all) {
		status = gw_input_read_all(input, api, arena, message, error);
	} else {
		*message = schema_message_new(route->method->input, arena);
	}
	if (status != 0) {
		return status;
	}
	if (*message == NULL) {
		return gw_input_no_memory(error);
	}
	gw_input_read_path(input->match, false, arena, *message, error);
	query.message = *message;
	if (input->query.len > 0) {
		status = gw_input_read_query(&query, input->query);
	}
	*page_given = gw_query_asks_for_page(&query);
	if (status == 0) {
		status = gw_input_status(error);
	}
	if (status == 0 && route->body != NULL) {
		status = gw_input_read_body_field(input, api, arena, *message, error);
	}
	if (status == 0 && route->body != NULL) {
		gw_input_read_path(input->match, true, arena, *message, error);
		status = gw_input_status(error);
	}
	return status;
}
