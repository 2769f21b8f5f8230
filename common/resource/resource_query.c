/* Binding methods to their messages; requests that read, and masks of those that change. */
#include <string.h>

#include "common/resource/resource_impl.h"
#include "common/resource/resource_job.h"
#include "common/resource/resource_page.h"
#include "google/protobuf/field_mask.pb-c.h"
#include "mockvideo/rpc.pb-c.h"

/* The one field of message with this name and type; NULL: there is none. */
static const ProtobufCFieldDescriptor *
resource_field_named(
    const ProtobufCMessageDescriptor *message, const char *name, ProtobufCType type)
{
	const ProtobufCFieldDescriptor *field =
	    protobuf_c_message_descriptor_get_field_by_name(message, name);

	return field == NULL || field->type != type || field->label == PROTOBUF_C_LABEL_REPEATED
		   ? NULL
		   : field;
}

/* The field whose type is this message, repeated or not. */
static const ProtobufCFieldDescriptor *
resource_field_of_type(const ProtobufCMessageDescriptor *message,
    const ProtobufCMessageDescriptor *type, bool repeated)
{
	for (unsigned i = 0; i < message->n_fields; i++) {
		const ProtobufCFieldDescriptor *field = &message->fields[i];

		if (field->type == PROTOBUF_C_TYPE_MESSAGE && field->descriptor == type &&
		    (field->label == PROTOBUF_C_LABEL_REPEATED) == repeated) {
			return field;
		}
	}
	return NULL;
}

/* {repeated {Status status, row}} */
static bool
resource_bind_results(struct resource_method *method)
{
	const ProtobufCMessageDescriptor *row = method->bound->resource->message;

	for (unsigned i = 0; i < method->output->n_fields; i++) {
		const ProtobufCFieldDescriptor *field = &method->output->fields[i];

		if (field->type != PROTOBUF_C_TYPE_MESSAGE ||
		    field->label != PROTOBUF_C_LABEL_REPEATED) {
			continue;
		}
		method->results = field;
		method->result_status = resource_field_of_type(
		    field->descriptor, &mockvideo__rpc__v1__status__descriptor, false);
		method->result_row = resource_field_of_type(field->descriptor, row, false);
		return method->result_status != NULL && method->result_row != NULL;
	}
	return false;
}

static bool
resource_bind_list(struct resource_method *method)
{
	const struct resource *resource = method->bound->resource;

	method->page_size = resource_field_named(method->input, "page_size", PROTOBUF_C_TYPE_INT32);
	method->page_token =
	    resource_field_named(method->input, "page_token", PROTOBUF_C_TYPE_STRING);
	method->next_page_token =
	    resource_field_named(method->output, "next_page_token", PROTOBUF_C_TYPE_STRING);
	for (size_t i = 0; i < resource->filter_count; i++) {
		method->filters[i] = protobuf_c_message_descriptor_get_field_by_name(
		    method->input, resource->filters[i].field);
		if (method->filters[i] == NULL ||
		    (method->filters[i]->flags & PROTOBUF_C_FIELD_FLAG_ONEOF) == 0 ||
		    (method->filters[i]->type != PROTOBUF_C_TYPE_STRING &&
			!resource_type_is_number(method->filters[i]->type))) {
			return false;
		}
	}
	return method->page_size != NULL && method->page_token != NULL && method->rows != NULL &&
	       method->next_page_token != NULL;
}

/* The repeated field of the key's name with an s: "ids". */
static const ProtobufCFieldDescriptor *
resource_field_ids(const struct resource_method *method)
{
	const ProtobufCMessageDescriptor *input = method->input;
	const char *key = method->bound->key->name;

	for (unsigned i = 0; i < input->n_fields; i++) {
		const ProtobufCFieldDescriptor *field = &input->fields[i];

		if (field->type == PROTOBUF_C_TYPE_INT64 &&
		    field->label == PROTOBUF_C_LABEL_REPEATED &&
		    strncmp(field->name, key, strlen(key)) == 0 &&
		    strcmp(field->name + strlen(key), "s") == 0) {
			return field;
		}
	}
	return NULL;
}

static bool
resource_bind_action(struct resource_method *method)
{
	const ProtobufCMessageDescriptor *row = method->bound->resource->message;
	bool bulk = resource_is_bulk(method->action);

	method->id =
	    resource_field_named(method->input, method->bound->key->name, PROTOBUF_C_TYPE_INT64);
	method->row = resource_field_of_type(method->input, row, bulk);
	method->ids = resource_field_ids(method);
	method->revision = resource_field_named(method->input, "revision", PROTOBUF_C_TYPE_INT64);
	method->mask =
	    resource_field_of_type(method->input, &google__protobuf__field_mask__descriptor, false);
	method->rows = resource_field_of_type(method->output, row, true);
	switch (method->action) {
	case RESOURCE_GET: return method->id != NULL && method->output == row;
	case RESOURCE_LIST: return resource_bind_list(method);
	case RESOURCE_CREATE_ONE: return method->row != NULL && method->output == row;
	case RESOURCE_REPLACE_ONE:
		return method->id != NULL && method->row != NULL && method->output == row;
	case RESOURCE_CREATE_MANY:
	case RESOURCE_REPLACE_MANY: return method->row != NULL && resource_bind_results(method);
	case RESOURCE_UPDATE_ONE:
		return method->id != NULL && method->row != NULL && method->mask != NULL &&
		       method->output == row && row->n_fields <= 64;
	case RESOURCE_DELETE_ONE: return method->id != NULL;
	case RESOURCE_DELETE_MANY: return method->ids != NULL;
	case RESOURCE_GET_MANY: return method->ids != NULL && method->rows != NULL;
	case RESOURCE_ACTIONS: break;
	}
	return false;
}

enum status_code
resource_method_bind(struct resource_method *method, struct resource_bound *bound,
    enum resource_action action, const ProtobufCMessageDescriptor *input,
    const ProtobufCMessageDescriptor *output, struct error *error)
{
	*method = (struct resource_method){
	    .bound = bound, .action = action, .input = input, .output = output};
	if (resource_bind_action(method)) {
		return STATUS_OK;
	}
	return error_set(error, STATUS_INTERNAL, "RESOURCE_TABLE",
	    "resource %s: the messages %s and %s lack a field that their method needs; see "
	    "enum resource_action",
	    bound->resource->name, input->name, output->name);
}

bool
resource_read_id(const struct resource_method *method, const ProtobufCMessage *request, int64_t *id,
    struct arena *arena, struct error *error)
{
	*id = resource_field_number(request, method->id);
	if (*id < 1) {
		*error = (struct error){0};
		error_violation(error, arena, method->id->name, "must be 1 or more");
	}
	return *id >= 1;
}

bool
resource_read_ids(const struct resource_method *method, const ProtobufCMessage *request, size_t max,
    const int64_t **ids, size_t *count, struct arena *arena, struct error *error)
{
	const char *at = (const char *)request;

	*error = (struct error){0};
	*count = *(const size_t *)(const void *)(at + method->ids->quantifier_offset);
	*ids = *(const int64_t *const *)(const void *)(at + method->ids->offset);
	if (*count == 0) {
		error_violation(error, arena, method->ids->name, "must not be empty");
	} else if (*count > max) {
		error_set(error, STATUS_INVALID_ARGUMENT, "TOO_MANY_ITEMS",
		    "%zu %s are more than the %zu that a request may have", *count,
		    method->ids->name, max);
		return false;
	}
	for (size_t i = 0; i < *count; i++) {
		if ((*ids)[i] < 1) {
			error_violation(
			    error, arena, method->ids->name, "number %zu must be 1 or more", i + 1);
		}
	}
	return error->code == STATUS_OK;
}

ProtobufCMessage *
resource_answer_ids(const struct resource_method *method, ProtobufCMessage **rows, size_t count,
    struct arena *arena)
{
	ProtobufCMessage *response = resource_message_new(method->output, arena);

	if (response != NULL) {
		resource_field_set_list(response, method->rows, rows, count);
	}
	return response;
}

enum status_code
resource_not_found(const struct resource_bound *bound, int64_t id, struct error *error)
{
	return error_set(error, STATUS_NOT_FOUND, bound->not_found, "%s %lld not found",
	    bound->resource->name, (long long)id);
}

/* Reads a filter, if it is given, and adds to error a value that lets no row pass, or all. */
static void
resource_read_filter(const struct resource_method *method, const ProtobufCMessage *request,
    size_t at, struct resource_filter_value *value, struct arena *arena, struct error *error)
{
	const struct resource_filter *filter = &method->bound->resource->filters[at];
	const ProtobufCFieldDescriptor *field = method->filters[at];

	value->given = resource_field_is_given(request, field);
	if (!value->given) {
		return;
	}
	if (field->type == PROTOBUF_C_TYPE_STRING) {
		value->text = resource_field_text(request, field);
		if (*value->text == '\0') {
			error_violation(error, arena, filter->name, "must not be empty");
		}
		return;
	}
	value->number = resource_field_number(request, field);
	if (value->number < filter->min || value->number > filter->max) {
		error_violation(error, arena, filter->name, "%s", filter->problem);
	}
}

/* Text that has a form of its own must have it in a filter too. */
static void
resource_check_filter(const struct resource_method *method, size_t at,
    const struct resource_filter_value *value, struct arena *arena, struct error *error)
{
	const struct resource_bound *bound = method->bound;
	const char *problem = NULL;

	if (value->given && value->text != NULL && *value->text != '\0') {
		problem = resource_form_problem(
		    &bound->resource->columns[bound->filter_columns[at]], value->text, arena);
	}
	if (problem != NULL) {
		error_violation(error, arena, bound->resource->filters[at].name, "%s", problem);
	}
}

bool
resource_read_query(const struct resource_method *method, const ProtobufCMessage *request,
    const uint8_t *page_key, struct resource_query *query, struct arena *arena, struct error *error)
{
	const struct resource *resource = method->bound->resource;
	int64_t page_size = resource_field_number(request, method->page_size);
	const char *token = resource_field_text(request, method->page_token);

	*error = (struct error){0};
	*query = (struct resource_query){.page_size = RESOURCE_PAGE_ROWS_MAX};
	for (size_t i = 0; i < resource->filter_count; i++) {
		resource_read_filter(method, request, i, &query->filters[i], arena, error);
		resource_check_filter(method, i, &query->filters[i], arena, error);
	}
	if (page_size < 0 || page_size > RESOURCE_PAGE_ROWS_MAX) {
		error_violation(error, arena, "page_size", "must be 1 to 1000");
	} else if (page_size > 0) {
		query->page_size = (size_t)page_size;
	}
	if (*token != '\0' &&
	    !resource_page_read(page_key, resource, query->filters, token, &query->after_id)) {
		error_violation(error, arena, "page_token",
		    "must be the next_page_token of a list with the same filters");
		error->reason = error->violation_count == 1 ? "INVALID_PAGE_TOKEN" : error->reason;
	}
	return error->code == STATUS_OK;
}

ProtobufCMessage *
resource_answer_query(const struct resource_method *method, const struct resource_query *query,
    const uint8_t *page_key, ProtobufCMessage **rows, size_t count, struct arena *arena)
{
	ProtobufCMessage *response = resource_message_new(method->output, arena);
	bool more = count > query->page_size;
	const char *token;

	if (response == NULL) {
		return NULL;
	}
	resource_field_set_list(response, method->rows, rows, more ? query->page_size : count);
	if (more) {
		token = resource_page_new(page_key, method->bound->resource, query->filters,
		    resource_id(method->bound, rows[query->page_size - 1]), arena);
		if (token == NULL) {
			return NULL;
		}
		resource_field_set_text(response, method->next_page_token, token);
	}
	return response;
}

/* Whether a field can be changed; *problem: why a mask must not have it. */
static bool
resource_is_changeable(
    const struct resource_bound *bound, const ProtobufCFieldDescriptor *field, const char **problem)
{
	*problem = field == NULL ? "is no field" : NULL;
	if (field != NULL && field == bound->secret) {
		return true;
	}
	for (size_t i = 0; i < bound->write_count && field != NULL; i++) {
		if (bound->write[i].field == field &&
		    (bound->write[i].column->flags & RESOURCE_FIXED) != 0) {
			*problem = "stays as it was created";
			return false;
		}
		if (bound->write[i].field == field) {
			return true;
		}
	}
	return false; /* what the service gives is ignored (AIP-203) */
}

/* All fields that a change may have. */
static uint64_t
resource_mask_all(const struct resource_bound *bound)
{
	const ProtobufCMessageDescriptor *type = bound->resource->message;
	uint64_t mask = 0;
	const char *problem;

	for (unsigned i = 0; i < type->n_fields; i++) {
		if (resource_is_changeable(bound, &type->fields[i], &problem)) {
			mask |= UINT64_C(1) << i;
		}
	}
	return mask;
}

/* Reads a path of a mask. */
static void
resource_read_mask_path(const struct resource_method *method, const char *path, uint64_t *mask,
    struct arena *arena, struct error *error)
{
	const struct resource_bound *bound = method->bound;
	const ProtobufCMessageDescriptor *type = bound->resource->message;
	const ProtobufCFieldDescriptor *field =
	    protobuf_c_message_descriptor_get_field_by_name(type, path);
	const char *problem = NULL;

	if (strcmp(path, "*") == 0) {
		*mask |= resource_mask_all(bound);
	} else if (resource_is_changeable(bound, field, &problem)) {
		*mask |= UINT64_C(1) << (field - type->fields);
	} else if (problem != NULL) {
		error_violation(error, arena, method->mask->name, "%s %s", path, problem);
	}
}

uint64_t
resource_read_mask(const struct resource_method *method, const ProtobufCMessage *request,
    struct arena *arena, struct error *error)
{
	const Google__Protobuf__FieldMask *given;
	uint64_t mask = 0;

	memcpy(&given, (const char *)request + method->mask->offset, sizeof(given));
	if (given == NULL) {
		return resource_mask_all(method->bound);
	}
	for (size_t i = 0; i < given->n_paths; i++) {
		resource_read_mask_path(method, given->paths[i], &mask, arena, error);
	}
	return mask;
}
