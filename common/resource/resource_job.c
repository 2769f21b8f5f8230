#include "common/resource/resource_job.h"

#include <assert.h>
#include <stdio.h>
#include <string.h>

#include "common/resource/resource_impl.h"
#include "common/rpc/wire/rpc_envelope.h"

static enum status_code
resource_no_memory(struct error *error)
{
	return error_set(error, STATUS_RESOURCE_EXHAUSTED, "OUT_OF_MEMORY",
	    "there is no memory for a request of this size");
}

static enum resource_verb
resource_verb_of(enum resource_action action)
{
	switch (action) {
	case RESOURCE_CREATE_ONE:
	case RESOURCE_CREATE_MANY: return RESOURCE_CREATE;
	case RESOURCE_REPLACE_ONE:
	case RESOURCE_REPLACE_MANY: return RESOURCE_REPLACE;
	case RESOURCE_UPDATE_ONE: return RESOURCE_UPDATE;
	case RESOURCE_DELETE_ONE:
	case RESOURCE_DELETE_MANY: return RESOURCE_DELETE;
	case RESOURCE_GET:
	case RESOURCE_GET_MANY:
	case RESOURCE_LIST:
	case RESOURCE_ACTIONS: break;
	}
	assert(!"an action that writes");
	return RESOURCE_DELETE;
}

bool
resource_is_bulk(enum resource_action action)
{
	return action == RESOURCE_CREATE_MANY || action == RESOURCE_REPLACE_MANY;
}

/* Adds a fault of a field of the row: of a single call's by its path in the request. */
static void
resource_fault(const struct resource_method *method, const char *field, const char *description,
    struct arena *arena, struct error *error)
{
	char path[128];

	snprintf(path, sizeof(path), "%s%s%s",
	    resource_is_bulk(method->action) ? "" : method->row->name,
	    resource_is_bulk(method->action) ? "" : ".", field);
	error_violation(error, arena, path, "%s", description);
}

static bool
resource_job_make_items(
    struct resource_job *job, size_t count, struct arena *arena, struct error *error)
{
	job->items = arena_calloc(arena, count, sizeof(*job->items));
	job->writes = arena_calloc(arena, count, sizeof(*job->writes));
	if (job->items == NULL || job->writes == NULL) {
		resource_no_memory(error);
		return false;
	}
	job->item_count = count;
	return true;
}

/* Makes the items; the row of a deletion's is NULL. */
static bool
resource_job_take(struct resource_job *job, ProtobufCMessage *const *rows, size_t count,
    struct arena *arena, struct error *error)
{
	const struct resource_bound *bound = job->method->bound;

	if (!resource_job_make_items(job, count, arena, error)) {
		return false;
	}
	for (size_t i = 0; i < count; i++) {
		job->items[i].row = rows[i];
		job->items[i].id = rows[i] == NULL ? 0 : resource_id(bound, rows[i]);
	}
	return true;
}

static bool
resource_job_take_many(struct resource_job *job, const ProtobufCMessage *request, size_t items_max,
    struct arena *arena, struct error *error)
{
	const struct resource *resource = job->method->bound->resource;
	const ProtobufCFieldDescriptor *field = job->method->row;
	const char *at = (const char *)request;
	size_t count = *(const size_t *)(const void *)(at + field->quantifier_offset);
	ProtobufCMessage *const *rows =
	    *(ProtobufCMessage *const *const *)(const void *)(at + field->offset);

	if (count == 0) {
		error_violation(error, arena, resource->items, "must not be empty");
		return false;
	}
	if (!resource_job_take(job, rows, count, arena, error)) {
		return false;
	}
	if (count > items_max) {
		error_set(error, STATUS_INVALID_ARGUMENT, "TOO_MANY_ITEMS",
		    "%zu %s are more than the %zu that a bulk request may have", count, field->name,
		    items_max);
		return false;
	}
	return true;
}

/* The row of a single request, or NULL. */
static ProtobufCMessage *
resource_row_of(const struct resource_method *method, const ProtobufCMessage *request)
{
	return method->row == NULL
		   ? NULL
		   : *(ProtobufCMessage *const *)(const void *)((const char *)request +
								method->row->offset);
}

/* The revision that the row must have stands in the row itself (AIP-154), or in a deletion's request. */
static void
resource_job_take_revision(struct resource_job *job, const ProtobufCMessage *request)
{
	const struct resource_method *method = job->method;

	if (job->items[0].row != NULL && method->bound->revision_field != NULL) {
		job->revision =
		    resource_field_number(job->items[0].row, method->bound->revision_field);
	} else if (job->items[0].row == NULL && method->revision != NULL) {
		job->revision = resource_field_number(request, method->revision);
	}
}

/* The ids of the path and of the body must agree; a fault of that is in error. */
static bool
resource_job_take_one(struct resource_job *job, const ProtobufCMessage *request,
    struct arena *arena, struct error *error)
{
	const struct resource_method *method = job->method;
	enum resource_verb verb = resource_verb_of(method->action);
	const char *key = method->bound->key->name;
	ProtobufCMessage *row = resource_row_of(method, request);
	int64_t id = method->id == NULL ? 0 : resource_field_number(request, method->id);
	int64_t its;

	if (verb != RESOURCE_CREATE && id < 1) {
		error_violation(error, arena, method->id->name, "must be 1 or more");
	}
	if (verb != RESOURCE_DELETE && row == NULL) {
		error_violation(error, arena, method->row->name, "is required");
		return false;
	}
	if (!resource_job_take(job, &row, 1, arena, error)) {
		return false;
	}
	its = job->items[0].id;
	if ((verb == RESOURCE_REPLACE || verb == RESOURCE_UPDATE) && its != 0 && its != id) {
		resource_fault(
		    method, key, "must be the id of the path, or left out", arena, error);
	}
	if (verb == RESOURCE_CREATE && its != 0) {
		resource_fault(
		    method, key, "must not be given: the service gives it", arena, error);
	}
	job->items[0].id = id;
	resource_job_take_revision(job, request);
	if (verb == RESOURCE_UPDATE) {
		job->mask = resource_read_mask(method, request, arena, error);
	}
	return true;
}

/* What a verb asks of the id of a row in a bulk request. */
static void
resource_check_id(const struct resource_job *job, const struct resource_item *item,
    struct arena *arena, struct error *error)
{
	enum resource_verb verb = resource_verb_of(job->method->action);
	const char *key = job->method->bound->key->name;

	if (verb == RESOURCE_CREATE && item->id != 0) {
		error_violation(error, arena, key, "must not be given: the service gives it");
	} else if (verb == RESOURCE_REPLACE && item->id < 1) {
		error_violation(error, arena, key, "must be 1 or more");
	}
}

/* Adds the row's faults to error, which may have some of the request as a whole. */
static void
resource_item_check(const struct resource_job *job, const struct resource_item *item,
    struct arena *arena, struct error *error)
{
	const struct resource_method *method = job->method;
	const struct resource *resource = method->bound->resource;
	char prefix[128] = "";

	if (resource_is_bulk(method->action)) {
		resource_check_id(job, item, arena, error);
	}
	if (method->action == RESOURCE_UPDATE_ONE) {
		resource_check_secret(
		    method->bound, item->row, job->mask, job->prefix, arena, error);
		return; /* the rest is checked when the whole row is known */
	}
	if (item->row == NULL) {
		return;
	}
	if (!resource_is_bulk(method->action)) {
		snprintf(prefix, sizeof(prefix), "%s.", method->row->name);
	}
	resource_check_columns(method->bound, item->row, prefix, arena, error);
	if (resource->check != NULL) {
		resource->check(item->row, resource_verb_of(method->action), prefix, arena, error);
	}
}

static bool
resource_item_refuse(const struct resource_job *job, struct resource_item *item,
    const struct error *error, struct arena *arena)
{
	item->fault = arena_alloc(arena, sizeof(*item->fault));
	if (item->fault == NULL) {
		return false;
	}
	*item->fault = *error;
	resource_wipe(job->method->bound, item->row);
	return true;
}

static void
resource_item_accept(struct resource_job *job, struct resource_item *item, struct arena *arena)
{
	item->write = &job->writes[job->write_count++];
	item->write->verb = resource_verb_of(job->method->action);
	item->write->row = item->row;
	item->write->id = item->id;
	item->write->revision = job->revision;
	item->write->mask = job->mask;
	item->write->prefix = job->prefix;
	item->write->arena = arena;
}

/* A deletion of many, which are all or none done. */
static bool
resource_job_read_ids(struct resource_job *job, const ProtobufCMessage *request, size_t items_max,
    struct arena *arena, struct error *error)
{
	const int64_t *ids;
	size_t count;

	if (!resource_read_ids(job->method, request, items_max, &ids, &count, arena, error)) {
		return false;
	}
	if (!resource_job_make_items(job, count, arena, error)) {
		return false;
	}
	for (size_t i = 0; i < count; i++) {
		job->items[i].id = ids[i];
		resource_item_accept(job, &job->items[i], arena);
	}
	return true;
}

/* Each row of a bulk request is sound or refused by itself. */
static bool
resource_job_check_many(struct resource_job *job, struct arena *arena, struct error *error)
{
	for (size_t i = 0; i < job->item_count; i++) {
		struct resource_item *item = &job->items[i];
		struct error fault = {0};

		resource_item_check(job, item, arena, &fault);
		if (fault.code == STATUS_OK) {
			resource_item_accept(job, item, arena);
		} else if (!resource_item_refuse(job, item, &fault, arena)) {
			resource_no_memory(error);
			return false;
		}
	}
	return true;
}

bool
resource_job_read(struct resource_job *job, const struct resource_method *method,
    const ProtobufCMessage *request, size_t bulk_max_items, struct arena *arena,
    struct error *error)
{
	*error = (struct error){0};
	*job = (struct resource_job){.method = method, .prefix = ""};
	if (method->action == RESOURCE_DELETE_MANY) {
		return resource_job_read_ids(job, request, bulk_max_items, arena, error);
	}
	if (resource_is_bulk(method->action)) {
		return resource_job_take_many(job, request, bulk_max_items, arena, error) &&
		       resource_job_check_many(job, arena, error);
	}
	if (method->row != NULL) {
		job->prefix = arena_printf(arena, "%s.", method->row->name);
	}
	if (job->prefix == NULL) {
		resource_no_memory(error);
		return false;
	}
	if (!resource_job_take_one(job, request, arena, error)) {
		return false;
	}
	resource_item_check(job, &job->items[0], arena, error);
	if (error->code != STATUS_OK) {
		return false;
	}
	resource_item_accept(job, &job->items[0], arena);
	return true;
}

bool
resource_job_has_secret(const struct resource_job *job)
{
	const struct resource_bound *bound = job->method->bound;

	return bound->secret != NULL && resource_mask_has(bound, job->mask, bound->secret);
}

void
resource_job_wipe(struct resource_job *job)
{
	for (size_t i = 0; i < job->item_count; i++) {
		resource_wipe(job->method->bound, job->items[i].row);
	}
}

/* What a write's outcome is to the caller; STATUS_OK when it was done. */
static enum status_code
resource_outcome_error(
    const struct resource_bound *bound, const struct resource_write *write, struct error *error)
{
	switch (write->outcome) {
	case RESOURCE_DONE: return STATUS_OK;
	case RESOURCE_DUPLICATE:
		return error_set(error, STATUS_ALREADY_EXISTS,
		    write->broken == NULL ? "DUPLICATE" : write->broken->reason, "%s",
		    write->broken == NULL ? "there is such a row already" : write->broken->message);
	case RESOURCE_NOT_FOUND: return resource_not_found(bound, write->id, error);
	case RESOURCE_CHANGED:
		return error_set(error, STATUS_ABORTED, "REVISION_MISMATCH",
		    "%s %lld has another revision: read it again", bound->resource->name,
		    (long long)write->id);
	case RESOURCE_REFUSED: *error = *write->fault; return error->code;
	}
	return error_set(error, STATUS_INTERNAL, NULL, "internal error");
}

/* Tells the revision that a row has after its change. */
static void
resource_set_revision(
    const struct resource_bound *bound, ProtobufCMessage *row, const struct resource_write *write)
{
	if (row != NULL && bound->revision_field != NULL) {
		resource_field_set_number(row, bound->revision_field, write->revision_now);
	}
}

/* The result of a row: the row as it is now, or as it was sent. */
static ProtobufCMessage *
resource_item_result(
    const struct resource_job *job, const struct resource_item *item, struct arena *arena)
{
	const struct resource_method *method = job->method;
	ProtobufCMessage *result = resource_message_new(
	    (const ProtobufCMessageDescriptor *)method->results->descriptor, arena);
	const struct error *fault = item->fault;
	struct error error;
	void *status = NULL;
	void *row;
	int64_t id = item->write == NULL ? item->id : item->write->id;

	if (result == NULL) {
		return NULL;
	}
	if (fault == NULL &&
	    resource_outcome_error(method->bound, item->write, &error) != STATUS_OK) {
		fault = &error;
	}
	if (fault != NULL) {
		status = rpc_status_of_error(arena, fault);
		id = resource_verb_of(method->action) == RESOURCE_CREATE ? -1 : item->id;
	}
	row = resource_answer(method->bound, item->row, id, arena);
	if (fault == NULL) {
		resource_set_revision(method->bound, row, item->write);
	}
	memcpy((char *)result + method->result_status->offset, &status, sizeof(status));
	memcpy((char *)result + method->result_row->offset, &row, sizeof(row));
	return row == NULL || (fault != NULL && status == NULL) ? NULL : result;
}

static const ProtobufCMessage *
resource_job_answer_many(const struct resource_job *job, struct arena *arena)
{
	ProtobufCMessage *response = resource_message_new(job->method->output, arena);
	ProtobufCMessage **results = arena_calloc(arena, job->item_count, sizeof(*results));

	if (response == NULL || results == NULL) {
		return NULL;
	}
	for (size_t i = 0; i < job->item_count; i++) {
		results[i] = resource_item_result(job, &job->items[i], arena);
		if (results[i] == NULL) {
			return NULL;
		}
	}
	resource_field_set_list(response, job->method->results, results, job->item_count);
	return response;
}

static const ProtobufCMessage *
resource_job_answer_one(const struct resource_job *job, struct arena *arena)
{
	const struct resource_write *write = &job->writes[0];
	ProtobufCMessage *answer;

	if (write->verb == RESOURCE_DELETE) {
		return resource_message_new(job->method->output, arena);
	}
	answer = resource_answer(job->method->bound,
	    write->now != NULL ? write->now : job->items[0].row, write->id, arena);
	resource_set_revision(job->method->bound, answer, write);
	return answer;
}

const ProtobufCMessage *
resource_job_answer(const struct resource_job *job, struct arena *arena, struct error *error)
{
	bool bulk = resource_is_bulk(job->method->action);
	const ProtobufCMessage *answer;

	if (!bulk &&
	    resource_outcome_error(job->method->bound, &job->writes[0], error) != STATUS_OK) {
		return NULL;
	}
	answer = bulk ? resource_job_answer_many(job, arena) : resource_job_answer_one(job, arena);
	if (answer == NULL) {
		error_set(error, STATUS_RESOURCE_EXHAUSTED, "OUT_OF_MEMORY",
		    "the request was done, but there is no memory for its answer");
	}
	return answer;
}
