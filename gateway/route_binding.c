#include "gateway/route_binding.h"

#include <string.h>

#define STATUS_MESSAGE "mockvideo.rpc.v1.Status"

/* Why a binding is refused: static text, about one of its options. */
struct route_fault {
	const char *option;
	const char *problem;
};

typedef struct route_fault route_check_fn(struct route *route);

static struct route_fault
route_fault(const char *option, const char *problem)
{
	return (struct route_fault){option, problem};
}

static struct route_fault
route_no_fault(void)
{
	return (struct route_fault){NULL, NULL};
}

const char *
route_binding_segment(const char **path, size_t *len)
{
	const char *segment = *path;

	if (*segment == '\0') {
		return NULL;
	}
	*len = strcspn(++segment, "/");
	*path = segment + *len;
	return segment;
}

bool
route_binding_takes_any(const char *segment, size_t len)
{
	return (len == 1 && *segment == '*') || (len > 0 && *segment == '{');
}

static const struct schema_field *
route_field(const struct schema_message *message, const char *name)
{
	return schema_find_field(message, name, strlen(name));
}

static bool
route_is_list(const struct schema_field *field)
{
	return field != NULL && field->wire->label == PROTOBUF_C_LABEL_REPEATED &&
	       field->wire->type == PROTOBUF_C_TYPE_MESSAGE && !schema_field_is_map(field);
}

/* One value that is no message. */
static bool
route_is_scalar(const struct schema_field *field)
{
	return field != NULL && field->wire->label != PROTOBUF_C_LABEL_REPEATED &&
	       field->wire->type != PROTOBUF_C_TYPE_MESSAGE;
}

static bool
route_is_text(const struct schema_field *field)
{
	return route_is_scalar(field) && field->wire->type == PROTOBUF_C_TYPE_STRING &&
	       (field->wire->flags & PROTOBUF_C_FIELD_FLAG_ONEOF) == 0;
}

static bool
route_is_param(const struct route *route, const struct schema_field *field)
{
	for (size_t i = 0; i < route->param_count; i++) {
		if (route->params[i] == field) {
			return true;
		}
	}
	return false;
}

static struct route_fault
route_check_verb(struct route *route)
{
	static const char *const verbs[] = {"GET", "POST", "PUT", "PATCH", "DELETE"};

	for (size_t i = 0; i < sizeof(verbs) / sizeof(verbs[0]); i++) {
		if (strcmp(route->binding->verb, verbs[i]) == 0) {
			return route_no_fault();
		}
	}
	return route_fault("verb", "must be GET, POST, PUT, PATCH or DELETE");
}

static bool
route_is_literal(const char *segment, size_t len)
{
	if (len == 0 || strncmp(segment, ".", len) == 0 || strncmp(segment, "..", len) == 0) {
		return false;
	}
	for (size_t i = 0; i < len; i++) {
		char c = segment[i];

		if (!((c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') ||
			strchr("-._~!$&'(),;=:@", c) != NULL)) {
			return false;
		}
	}
	return true;
}

static const char *
route_read_param(struct route *route, const char *segment, size_t len)
{
	const struct schema_field *field = NULL;

	if (route->param_count == ROUTE_PARAMS_MAX) {
		return "has too many segments in braces";
	}
	if (*segment == '{') {
		if (len < 3 || segment[len - 1] != '}') {
			return "has a brace that is not closed";
		}
		field = schema_find_field(route->method->input, segment + 1, len - 2);
		if (!route_is_scalar(field)) {
			return "names what is no single value of the request";
		}
		if (route_is_param(route, field)) {
			return "names a field twice";
		}
	}
	route->params[route->param_count++] = field;
	return NULL;
}

static struct route_fault
route_check_path(struct route *route)
{
	const char *rest = route->binding->path;
	const char *segment;
	size_t len;

	if (*rest != '/') {
		return route_fault("path", "must begin with a slash");
	}
	if (strcmp(rest, "/") == 0) {
		return route_no_fault();
	}
	while ((segment = route_binding_segment(&rest, &len)) != NULL) {
		const char *problem = NULL;

		if (route_binding_takes_any(segment, len)) {
			problem = route_read_param(route, segment, len);
		} else if (!route_is_literal(segment, len)) {
			problem = "has an empty segment, or a character that has no place there";
		}
		if (problem != NULL) {
			return route_fault("path", problem);
		}
	}
	return route_no_fault();
}

static struct route_fault
route_check_body(struct route *route)
{
	const char *body = route->binding->body;
	const struct schema_field *field;

	if (*body == '\0') {
		return route_no_fault();
	}
	if (strcmp(route->binding->verb, "GET") == 0 ||
	    strcmp(route->binding->verb, "DELETE") == 0) {
		return route_fault("body", "has no meaning for this verb");
	}
	if (strcmp(body, "*") == 0) {
		route->body_is_all = true;
		return route_no_fault();
	}
	field = route_field(route->method->input, body);
	if (field == NULL || field->wire->type != PROTOBUF_C_TYPE_MESSAGE ||
	    field->wire->label == PROTOBUF_C_LABEL_REPEATED ||
	    (field->wire->flags & PROTOBUF_C_FIELD_FLAG_ONEOF) != 0) {
		return route_fault("body", "must be * or a field of the request that is a message");
	}
	route->body = field;
	return route_no_fault();
}

static struct route_fault
route_check_when(struct route *route)
{
	const Mockvideo__Rest__V1__HeaderCondition *when = route->binding->when;

	if (when == NULL) {
		return route_no_fault();
	}
	if (*when->name == '\0') {
		return route_fault("when.name", "must name a header");
	}
	for (const char *c = when->name; *c != '\0'; c++) {
		if (*c <= ' ' || *c >= 0x7f || strchr("\"(),/:;<=>?@[\\]{}", *c) != NULL) {
			return route_fault("when.name", "must be the name of a header");
		}
	}
	return route_no_fault();
}

static struct route_fault
route_check_answer(struct route *route)
{
	const Mockvideo__Rest__V1__HttpBinding *binding = route->binding;
	const char *problem;

	if (binding->success_status != 0 &&
	    (binding->success_status < 200 || binding->success_status > 299)) {
		return route_fault("success_status", "must be 200 to 299, or 0 for 200");
	}
	problem = schema_template_problem(route->method->output, binding->location);
	if (problem != NULL) {
		return route_fault("location", problem);
	}
	if (*binding->text != '\0') {
		route->text = route_field(route->method->output, binding->text);
		if (!route_is_text(route->text)) {
			return route_fault("text", "must be a string of the response");
		}
	}
	return route_no_fault();
}

/* The only list of a message besides its scalars, or NULL. */
static const struct schema_field *
route_only_list(const struct schema_message *message)
{
	const struct schema_field *list = NULL;

	for (size_t i = 0; i < message->field_count; i++) {
		const struct schema_field *field = &message->fields[i];

		if (field->wire->label == PROTOBUF_C_LABEL_REPEATED) {
			if (list != NULL || !route_is_list(field)) {
				return NULL;
			}
			list = field;
		}
	}
	return list;
}

static struct route_fault
route_check_pages(struct route *route)
{
	const struct schema_method *method = route->method;

	if (!route->binding->all_pages) {
		return route_no_fault();
	}
	if (strcmp(route->binding->verb, "GET") != 0 || !method->no_side_effects) {
		return route_fault("all_pages", "needs GET and a method without side effects");
	}
	route->pages = route_only_list(method->output);
	if (route->pages == NULL || route->text != NULL || route->binding->bulk != NULL) {
		return route_fault("all_pages", "needs a response with one list of messages");
	}
	route->page_size = route_field(method->input, "page_size");
	route->page_token = route_field(method->input, "page_token");
	route->next_page_token = route_field(method->output, "next_page_token");
	if (!route_is_scalar(route->page_size) || !route_is_text(route->page_token) ||
	    !route_is_text(route->next_page_token)) {
		return route_fault("all_pages",
		    "needs page_size and page_token in the request, and next_page_token in the "
		    "response");
	}
	return route_no_fault();
}

static bool
route_has_status(const struct schema_message *message)
{
	for (size_t i = 0; i < message->field_count; i++) {
		const ProtobufCFieldDescriptor *wire = message->fields[i].wire;

		if (wire->type == PROTOBUF_C_TYPE_MESSAGE &&
		    wire->label != PROTOBUF_C_LABEL_REPEATED &&
		    strcmp(schema_field_message(&message->fields[i])->wire.name, STATUS_MESSAGE) ==
			0) {
			return true;
		}
	}
	return false;
}

static struct route_fault
route_check_bulk(struct route *route)
{
	const Mockvideo__Rest__V1__Bulk *bulk = route->binding->bulk;

	if (bulk == NULL) {
		return route_no_fault();
	}
	if (!route->body_is_all) {
		return route_fault("bulk", "needs body \"*\"");
	}
	route->items = route_field(route->method->input, bulk->items);
	if (!route_is_list(route->items)) {
		return route_fault("bulk.items", "must be a list of messages of the request");
	}
	route->results = route_field(route->method->output, bulk->results);
	if (!route_is_list(route->results) ||
	    !route_has_status(schema_field_message(route->results))) {
		return route_fault("bulk.results",
		    "must be a list of the response, of messages with a " STATUS_MESSAGE);
	}
	if (bulk->failure_status < 400 || bulk->failure_status > 599) {
		return route_fault("bulk.failure_status", "must be 400 to 599");
	}
	return route_no_fault();
}

static struct route_fault
route_check_errors(struct route *route)
{
	for (size_t i = 0; i < route->method->error_count; i++) {
		const Mockvideo__Rest__V1__ErrorRule *rule = route->method->errors[i];

		if (*rule->reason == '\0' || rule->status < 400 || rule->status > 599) {
			return route_fault(
			    "error", "must have a reason and a status of 400 to 599");
		}
	}
	return route_no_fault();
}

enum status_code
route_binding_read(struct route *route, const struct schema_method *method,
    const Mockvideo__Rest__V1__HttpBinding *binding, struct error *error)
{
	static route_check_fn *const checks[] = {route_check_verb, route_check_path,
	    route_check_body, route_check_when, route_check_answer, route_check_pages,
	    route_check_bulk, route_check_errors};

	*route = (struct route){.method = method, .binding = binding};
	for (size_t i = 0; i < sizeof(checks) / sizeof(checks[0]); i++) {
		struct route_fault fault = checks[i](route);

		if (fault.problem != NULL) {
			return error_set(error, STATUS_INVALID_ARGUMENT, "INVALID_BINDING",
			    "%s, binding \"%s %s\": %s %s", method->name, binding->verb,
			    binding->path, fault.option, fault.problem);
		}
	}
	return STATUS_OK;
}

const struct schema_field *
route_query_field(const struct route *route, const char *name, size_t len)
{
	const struct schema_field *field = schema_find_field(route->method->input, name, len);

	if (route->body_is_all || !route_is_scalar(field) || route_is_param(route, field)) {
		return NULL;
	}
	return field;
}
