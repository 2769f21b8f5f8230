#include "common/schema/schema_http.h"

#include <string.h>

#include "common/base/arena.h"
#include "common/schema/schema_option.h"

static const Mockvideo__Rest__V1__MethodRule schema_http_no_rule =
    MOCKVIDEO__REST__V1__METHOD_RULE__INIT;

static bool
schema_http_fault(
    const struct schema_method *method, const char *what, const char *why, struct error *error)
{
	error_set(error, STATUS_INVALID_ARGUMENT, "BAD_DESCRIPTORS", "%s: %s %s", method->name,
	    what, why);
	return false;
}

/* The verb and path of a rule; false when it has none. */
static bool
schema_http_pattern(const Google__Api__HttpRule *rule, struct schema_binding *binding)
{
	switch (rule->pattern_case) {
	case GOOGLE__API__HTTP_RULE__PATTERN_GET:
		binding->verb = "GET";
		binding->path = rule->get;
		return true;
	case GOOGLE__API__HTTP_RULE__PATTERN_PUT:
		binding->verb = "PUT";
		binding->path = rule->put;
		return true;
	case GOOGLE__API__HTTP_RULE__PATTERN_POST:
		binding->verb = "POST";
		binding->path = rule->post;
		return true;
	case GOOGLE__API__HTTP_RULE__PATTERN_DELETE:
		binding->verb = "DELETE";
		binding->path = rule->delete_;
		return true;
	case GOOGLE__API__HTTP_RULE__PATTERN_PATCH:
		binding->verb = "PATCH";
		binding->path = rule->patch;
		return true;
	case GOOGLE__API__HTTP_RULE__PATTERN_CUSTOM:
		binding->verb = rule->custom->kind;
		binding->path = rule->custom->path;
		return true;
	case GOOGLE__API__HTTP_RULE__PATTERN__NOT_SET:
	case _GOOGLE__API__HTTP_RULE__PATTERN__CASE_IS_INT_SIZE: break;
	}
	return false;
}

static bool
schema_http_put(struct schema_method *method, struct schema_binding *bindings,
    const Google__Api__HttpRule *rule, const char *what, struct error *error)
{
	struct schema_binding *binding = &bindings[method->binding_count];

	if (!schema_http_pattern(rule, binding)) {
		return schema_http_fault(method, what,
		    "has no verb: give it get, put, post, delete, patch or custom", error);
	}
	binding->body = rule->body;
	binding->response_body = rule->response_body;
	method->binding_count++;
	return true;
}

bool
schema_http_add(struct schema_method *method, const Google__Api__HttpRule *rule, const char *what,
    struct arena *arena, struct error *error)
{
	struct schema_binding *bindings = arena_calloc(
	    arena, method->binding_count + 1 + rule->n_additional_bindings, sizeof(*bindings));

	if (bindings == NULL) {
		return schema_http_fault(method, what, "takes more memory than there is", error);
	}
	if (method->binding_count > 0) {
		memcpy(bindings, method->bindings, method->binding_count * sizeof(*bindings));
	}
	method->bindings = bindings;
	if (!schema_http_put(method, bindings, rule, what, error)) {
		return false;
	}
	for (size_t i = 0; i < rule->n_additional_bindings; i++) {
		const Google__Api__HttpRule *further = rule->additional_bindings[i];

		if (further->n_additional_bindings > 0) {
			return schema_http_fault(method, what,
			    "has additional_bindings within additional_bindings", error);
		}
		if (!schema_http_put(method, bindings, further, what, error)) {
			return false;
		}
	}
	return true;
}

bool
schema_http_read(struct schema_method *method, const Google__Protobuf__MethodOptions *options,
    struct arena *arena, struct error *error)
{
	const ProtobufCMessage *base = options == NULL ? NULL : &options->base;
	ProtobufCMessage *rule;
	ProtobufCMessage *http;

	if (!schema_option_one(base, SCHEMA_OPTION_METHOD,
		&mockvideo__rest__v1__method_rule__descriptor, arena, &rule)) {
		return schema_http_fault(
		    method, "its option (mockvideo.rest.v1.method)", "can't be read", error);
	}
	method->rule =
	    rule == NULL ? &schema_http_no_rule : (const Mockvideo__Rest__V1__MethodRule *)rule;
	if (!schema_option_one(
		base, SCHEMA_OPTION_HTTP, &google__api__http_rule__descriptor, arena, &http)) {
		return schema_http_fault(
		    method, "its option (google.api.http)", "can't be read", error);
	}
	return http == NULL || schema_http_add(method, (const Google__Api__HttpRule *)http,
				   "its option (google.api.http)", arena, error);
}
