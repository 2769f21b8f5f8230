/*
 * The requests of a resource's methods: what they ask for is read and checked,
 * then done by resource_get, _list or _write, then answered. The fields of the messages are
 * found by name and type, once, when the method is bound. Everything that is made
 * for a call is in the arena of its call. No I/O, no threads.
 */
#ifndef COMMON_RESOURCE_JOB_H
#define COMMON_RESOURCE_JOB_H

#include <protobuf-c/protobuf-c.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "common/resource/resource.h"

#define RESOURCE_PAGE_ROWS_MAX 1000

/* What a method does. Of its messages, by name and type: */
enum resource_action {
	RESOURCE_GET,  /* {id} -> row */
	RESOURCE_LIST, /* {page_size, page_token, filters} -> {repeated row, next_page_token} */
	RESOURCE_CREATE_ONE,   /* {row} -> row */
	RESOURCE_CREATE_MANY,  /* {repeated row} -> {repeated {Status status, row}} */
	RESOURCE_REPLACE_ONE,  /* {id, row} -> row */
	RESOURCE_REPLACE_MANY, /* {repeated row} -> {repeated {Status status, row}} */
	RESOURCE_DELETE_ONE,   /* {id, [revision]} -> {} */
	RESOURCE_UPDATE_ONE,   /* {id, row, FieldMask update_mask} -> row; AIP-134 */
	RESOURCE_GET_MANY,     /* {repeated id} -> {repeated row}; AIP-231 */
	RESOURCE_DELETE_MANY,  /* {repeated id} -> {}; AIP-235 */
	RESOURCE_ACTIONS
};

/* A method with its messages; to be set up by resource_method_bind. Any thread. */
struct resource_method {
	struct resource_bound *bound;
	enum resource_action action;
	const ProtobufCMessageDescriptor *input, *output;
	const ProtobufCFieldDescriptor *id, *row; /* of the input; row may be repeated */
	const ProtobufCFieldDescriptor *ids;      /* repeated: the key's name with an s */
	const ProtobufCFieldDescriptor *revision; /* or NULL */
	const ProtobufCFieldDescriptor *mask;
	const ProtobufCFieldDescriptor *page_size, *page_token;
	const ProtobufCFieldDescriptor *filters[RESOURCE_FILTERS_MAX];
	const ProtobufCFieldDescriptor *rows, *next_page_token; /* of the output */
	const ProtobufCFieldDescriptor *results, *result_status, *result_row;
};

/* Fails, naming the message, when a field that the action needs is missing: a mistake in the program. */
enum status_code resource_method_bind(struct resource_method *method, struct resource_bound *bound,
    enum resource_action action, const ProtobufCMessageDescriptor *input,
    const ProtobufCMessageDescriptor *output, struct error *error);

/* True for the actions whose requests have a list of rows. */
bool resource_is_bulk(enum resource_action action);

/* Get. Reads the id; false, with error, when it can be none. */
bool resource_read_id(const struct resource_method *method, const ProtobufCMessage *request,
    int64_t *id, struct arena *arena, struct error *error);

/*
 * The ids of a request for many, of which there are *count; false, with error, when
 * there are none, too many, or one can be none. Borrowed from the request.
 */
bool resource_read_ids(const struct resource_method *method, const ProtobufCMessage *request,
    size_t max, const int64_t **ids, size_t *count, struct arena *arena, struct error *error);

/* The response with the rows of a request for many. NULL without memory. */
ProtobufCMessage *resource_answer_ids(const struct resource_method *method, ProtobufCMessage **rows,
    size_t count, struct arena *arena);

/* The error of a row that is not there. */
enum status_code resource_not_found(
    const struct resource_bound *bound, int64_t id, struct error *error);

/* What a list asks for. Texts are borrowed from the request. */
struct resource_query {
	struct resource_filter_value filters[RESOURCE_FILTERS_MAX];
	int64_t after_id;
	size_t page_size;
};

/* Reads a list's request, with every fault of it in error; false then. page_key signs page tokens. */
bool resource_read_query(const struct resource_method *method, const ProtobufCMessage *request,
    const uint8_t *page_key, struct resource_query *query, struct arena *arena,
    struct error *error);

/*
 * The response with the page's rows, of which one more than page_size says that there is a
 * next page. NULL without memory.
 */
ProtobufCMessage *resource_answer_query(const struct resource_method *method,
    const struct resource_query *query, const uint8_t *page_key, ProtobufCMessage **rows,
    size_t count, struct arena *arena);

/* A row of a request that writes. */
struct resource_item {
	ProtobufCMessage *row; /* of the request; NULL for a deletion */
	int64_t id;
	struct error *fault;          /* NULL: the row is valid */
	struct resource_write *write; /* NULL: the row is not valid */
};

/*
 * A request that writes. A single call is a job with one row. A zeroed job is
 * valid; nothing was read into it.
 */
struct resource_job {
	const struct resource_method *method;
	struct resource_item *items;
	size_t item_count;
	struct resource_write *writes; /* one for each valid row, in their order */
	size_t write_count;

	/* Of every write: see struct resource_write. */
	int64_t revision;
	uint64_t mask;
	const char *prefix;
};

/*
 * Reads request, whose strings it borrows, into job, whatever that held, and
 * checks each row. False, with error, when the job cannot continue; for a bulk
 * request this happens only because of its size, since rows fail independently.
 * Secrets of invalid rows are overwritten; those of valid rows wait in
 * item->row, and who makes something of them sets item->write->secret.
 */
bool resource_job_read(struct resource_job *job, const struct resource_method *method,
    const ProtobufCMessage *request, size_t bulk_max_items, struct arena *arena,
    struct error *error);

/* Whether an update changes the secret. */
bool resource_job_has_secret(const struct resource_job *job);

/* Overwrites the secrets that are left. */
void resource_job_wipe(struct resource_job *job);

/*
 * Makes the response, in arena, when the writes have their outcomes. NULL, with
 * error, when the call fails: because of the outcome of its only row, or
 * without memory.
 */
const ProtobufCMessage *resource_job_answer(
    const struct resource_job *job, struct arena *arena, struct error *error);

#endif
