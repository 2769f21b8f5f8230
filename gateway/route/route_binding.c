#include "gateway/route/route_binding.h"

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
route_same_path(const struct schema_path *a, const struct schema_path *b)
{
	return a->depth == b->depth &&
	       memcmp(a->fields, b->fields, a->depth * sizeof(a->fields[0])) == 0;
}

static bool
route_is_param(const struct route *route, const struct schema_path *path, size_t count)
{
	for (size_t i = 0; i < count; i++) {
		if (route_same_path(&route->params[i], path)) {
			return true;
		}
	}
	return false;
}

static bool
route_is_verb(const char *verb)
{
	static const char *const others[] = {"HEAD", "OPTIONS", "CONNECT", "TRACE"};

	for (size_t i = 0; i < sizeof(others) / sizeof(others[0]); i++) {
		if (strcmp(verb, others[i]) == 0) {
			return false;
		}
	}
	if (strcmp(verb, "*") == 0) {
		return true;
	}
	return *verb != '\0' && strspn(verb, "ABCDEFGHIJKLMNOPQRSTUVWXYZ-") == strlen(verb);
}

static struct route_fault
route_check_verb(struct route *route)
{
	if (!route_is_verb(route->binding->verb)) {
		return route_fault("custom.kind", "must be a verb in upper case, or * for any; "
						  "HEAD and OPTIONS follow from others");
	}
	return route_no_fault();
}

static struct route_fault
route_check_path(struct route *route)
{
	struct route_template *template = &route->template;
	const char *problem = route_template_read(template, route->binding->path);

	if (problem != NULL) {
		return route_fault("path", problem);
	}
	for (size_t i = 0; i < template->variable_count; i++) {
		const struct route_variable *variable = &template->variables[i];
		struct schema_path *path = &route->params[i];

		if (!schema_find_path(route->method->input, variable->field, variable->len, path) ||
		    !route_is_scalar(schema_path_leaf(path))) {
			return route_fault("path", "names what is no single value of the request");
		}
		if (!variable->plain &&
		    schema_path_leaf(path)->wire->type != PROTOBUF_C_TYPE_STRING) {
			return route_fault("path", "has several segments for what is no string");
		}
		if (route_is_param(route, path, i)) {
			return route_fault("path", "names a field twice");
		}
	}
	return route_no_fault();
}

/* The field that says which fields a PATCH has (AIP-134), or NULL. */
static const struct schema_field *
route_find_mask(const struct schema_message *input)
{
	for (size_t i = 0; i < input->field_count; i++) {
		const struct schema_field *field = &input->fields[i];

		if (field->wire->type == PROTOBUF_C_TYPE_MESSAGE &&
		    field->wire->label != PROTOBUF_C_LABEL_REPEATED &&
		    strcmp(schema_field_message(field)->wire.name, "google.protobuf.FieldMask") ==
			0) {
			return field;
		}
	}
	return NULL;
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
	if (strcmp(route->binding->verb, "PATCH") == 0) {
		route->mask = route_find_mask(route->method->input);
	}
	return route_no_fault();
}

static struct route_fault
route_check_response_body(struct route *route)
{
	const Mockvideo__Rest__V1__MethodRule *rule = route->method->rule;
	const char *name = route->binding->response_body;

	if (*name == '\0') {
		return route_no_fault();
	}
	route->response_body = route_field(route->method->output, name);
	if (route->response_body == NULL || route->response_body->input_only) {
		return route_fault("response_body", "must be a field of the response");
	}
	if (rule->all_pages || rule->bulk != NULL || *rule->text != '\0') {
		return route_fault("response_body", "excludes all_pages, bulk and text");
	}
	return route_no_fault();
}

static struct route_fault
route_check_when(struct route *route)
{
	const Mockvideo__Rest__V1__HeaderCondition *when = route->method->rule->when;

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
	const Mockvideo__Rest__V1__MethodRule *rule = route->method->rule;
	const char *problem;

	if (rule->success_status != 0 &&
	    (rule->success_status < 200 || rule->success_status > 299)) {
		return route_fault("success_status", "must be 200 to 299, or 0 for 200");
	}
	problem = schema_template_problem(route->method->output, rule->location);
	if (problem != NULL) {
		return route_fault("location", problem);
	}
	if (*rule->text != '\0') {
		route->text = route_field(route->method->output, rule->text);
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

	if (!route->method->rule->all_pages) {
		return route_no_fault();
	}
	if (strcmp(route->binding->verb, "GET") != 0 || !method->no_side_effects) {
		return route_fault("all_pages", "needs GET and a method without side effects");
	}
	route->pages = route_only_list(method->output);
	if (route->pages == NULL || route->text != NULL || route->method->rule->bulk != NULL) {
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

/* The field of a message that says how what it is about has ended, or NULL. */
static const struct schema_field *
route_status_field(const struct schema_message *message)
{
	for (size_t i = 0; i < message->field_count; i++) {
		const ProtobufCFieldDescriptor *wire = message->fields[i].wire;

		if (wire->type == PROTOBUF_C_TYPE_MESSAGE && wire->label == PROTOBUF_C_LABEL_NONE &&
		    strcmp(schema_field_message(&message->fields[i])->wire.name, STATUS_MESSAGE) ==
			0) {
			return &message->fields[i];
		}
	}
	return NULL;
}

/* Looks up what is read of the results. False when one is not as rpc.proto has it. */
static bool
route_find_status(struct route *route)
{
	const struct schema_message *status;

	route->status = route_status_field(schema_field_message(route->results));
	if (route->status == NULL) {
		return false;
	}
	status = schema_field_message(route->status);
	route->status_code = route_field(status, "code");
	route->status_reason = route_field(status, "reason");
	return route_is_scalar(route->status_code) &&
	       route->status_code->wire->type == PROTOBUF_C_TYPE_ENUM &&
	       route_is_text(route->status_reason);
}

static struct route_fault
route_check_bulk(struct route *route)
{
	const Mockvideo__Rest__V1__Bulk *bulk = route->method->rule->bulk;

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
	if (!route_is_list(route->results) || !route_find_status(route)) {
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
    const struct schema_binding *binding, struct error *error)
{
	static route_check_fn *const checks[] = {route_check_verb, route_check_path,
	    route_check_body, route_check_response_body, route_check_when, route_check_answer,
	    route_check_pages, route_check_bulk, route_check_errors};

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

bool
route_query_field(const struct route *route, const char *name, size_t len, struct schema_path *path)
{
	const struct schema_field *leaf;

	if (route->body_is_all || !schema_find_path(route->method->input, name, len, path)) {
		return false;
	}
	leaf = schema_path_leaf(path);
	return leaf->wire->type != PROTOBUF_C_TYPE_MESSAGE && path->fields[0] != route->body &&
	       !route_is_param(route, path, route->template.variable_count);
}
