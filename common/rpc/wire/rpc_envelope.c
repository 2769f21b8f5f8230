#include "common/rpc/wire/rpc_envelope.h"

#include <assert.h>
#include <string.h>

#include "common/base/arena.h"
#include "common/base/status.h"
#include "common/base/utf8.h"

#define ROW(name, number)                                                                          \
	static_assert((int)STATUS_##name == (int)MOCKVIDEO__RPC__V1__CODE__##name,                 \
	    "status.h and rpc.proto disagree on " #name);
STATUS_ROWS(ROW)
#undef ROW

/* Field numbers of rpc.proto. */
enum {
	RPC_BATCH_CALLS = 1,
	RPC_BATCH_CANCEL = 2,
	RPC_BATCH_REPLIES = 1,
	RPC_CALL_METHOD = 1,
	RPC_CALL_REQUEST = 2,
	RPC_CALL_TIMEOUT_MS = 3,
	RPC_CALL_METADATA = 4,
	RPC_METADATA_KEY = 1,
	RPC_METADATA_VALUE = 2,
	RPC_CANCEL_REQUEST_ID = 1,
	RPC_CANCEL_CALLS = 2,
	RPC_REPLY_METADATA = 3
};

static const struct rpc_span rpc_empty = {(const uint8_t *)"", 0};

/* What is answered when there is no memory for the true answer. */
static Mockvideo__Rpc__V1__Status rpc_status_no_memory = {
    PROTOBUF_C_MESSAGE_INIT(&mockvideo__rpc__v1__status__descriptor),
    .code = MOCKVIDEO__RPC__V1__CODE__RESOURCE_EXHAUSTED,
    .message = (char *)"the server is out of memory",
    .reason = (char *)"OUT_OF_MEMORY",
};

static bool
rpc_status_violations(
    Mockvideo__Rpc__V1__Status *status, struct arena *arena, const struct error *error)
{
	size_t count = error->violation_count;
	Mockvideo__Rpc__V1__Violation *rows = arena_calloc(arena, count, sizeof(*rows));

	status->violations = arena_calloc(arena, count, sizeof(*status->violations));
	if (rows == NULL || status->violations == NULL) {
		return false;
	}
	for (size_t i = 0; i < count; i++) {
		mockvideo__rpc__v1__violation__init(&rows[i]);
		rows[i].field = (char *)error->violations[i].field;
		rows[i].description = (char *)error->violations[i].description;
		status->violations[i] = &rows[i];
	}
	status->n_violations = count;
	return true;
}

Mockvideo__Rpc__V1__Status *
rpc_status_of_error(struct arena *arena, const struct error *error)
{
	Mockvideo__Rpc__V1__Status *status = arena_alloc(arena, sizeof(*status));

	if (status == NULL) {
		return &rpc_status_no_memory;
	}
	mockvideo__rpc__v1__status__init(status);
	status->code = (Mockvideo__Rpc__V1__Code)error->code;
	status->message = arena_strdup(arena, error->message);
	status->reason = (char *)(error->reason == NULL ? "" : error->reason);
	status->retry_after_ms = error->retry_after_ms;
	if (status->message == NULL || !rpc_status_violations(status, arena, error)) {
		return &rpc_status_no_memory;
	}
	return status;
}

static bool
rpc_error_violations(
    struct error *error, struct arena *arena, const Mockvideo__Rpc__V1__Status *status)
{
	error->violations = arena_calloc(arena, status->n_violations, sizeof(*error->violations));
	if (error->violations == NULL) {
		return false;
	}
	for (size_t i = 0; i < status->n_violations; i++) {
		struct violation *violation = &error->violations[i];

		violation->field = arena_strdup(arena, status->violations[i]->field);
		violation->description = arena_strdup(arena, status->violations[i]->description);
		if (violation->field == NULL || violation->description == NULL) {
			return false;
		}
		error->violation_count++;
	}
	return true;
}

bool
rpc_error_of_status(
    struct error *error, struct arena *arena, const Mockvideo__Rpc__V1__Status *status)
{
	bool known;

	if (status == NULL || status->code == MOCKVIDEO__RPC__V1__CODE__OK) {
		memset(error, 0, sizeof(*error));
		return true;
	}
	known = (unsigned)status->code <= STATUS_UNAUTHENTICATED;
	error_set(error, known ? (enum status_code)status->code : STATUS_UNKNOWN, NULL, "%s",
	    status->message);
	if (status->reason[0] != '\0') {
		error->reason = arena_strdup(arena, status->reason);
		if (error->reason == NULL) {
			return false;
		}
	}
	error->retry_after_ms = status->retry_after_ms;
	return rpc_error_violations(error, arena, status);
}

bool
rpc_batch_count(struct rpc_span batch, size_t *calls, size_t *cancels)
{
	struct rpc_field field;
	enum rpc_step step;

	*calls = *cancels = 0;
	while ((step = rpc_wire_next(&batch, &field)) == RPC_STEP_FOUND) {
		if (field.number > RPC_BATCH_CANCEL) {
			continue;
		}
		if (field.type != RPC_WIRE_BYTES) {
			return false;
		}
		++*(field.number == RPC_BATCH_CALLS ? calls : cancels);
	}
	return step == RPC_STEP_END;
}

static bool
rpc_text_is_name(struct rpc_span text)
{
	for (size_t i = 0; i < text.len; i++) {
		if (text.data[i] <= ' ' || text.data[i] > '~') {
			return false;
		}
	}
	return text.len <= RPC_METHOD_MAX_BYTES;
}

static bool
rpc_text_is_key(struct rpc_span text)
{
	for (size_t i = 0; i < text.len; i++) {
		uint8_t c = text.data[i];

		if (!((c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') || c == '-' || c == '_' ||
			c == '.')) {
			return false;
		}
	}
	return text.len > 0 && text.len <= RPC_METADATA_KEY_MAX_BYTES;
}

/* Reads a Metadata. False when malformed. */
static bool
rpc_metadata_read(struct rpc_span packed, struct rpc_metadata_view *view)
{
	struct rpc_field field;
	enum rpc_step step;

	view->key = view->value = rpc_empty;
	while ((step = rpc_wire_next(&packed, &field)) == RPC_STEP_FOUND) {
		if (field.number > RPC_METADATA_VALUE) {
			continue;
		}
		if (field.type != RPC_WIRE_BYTES) {
			return false;
		}
		*(field.number == RPC_METADATA_KEY ? &view->key : &view->value) = field.bytes;
	}
	return step == RPC_STEP_END;
}

/* rest is what stands in the Call behind the metadata. */
static bool
rpc_call_view_add_metadata(struct rpc_call_view *view, struct rpc_span packed, struct rpc_span rest)
{
	struct rpc_metadata_view metadata;

	if (!rpc_metadata_read(packed, &metadata)) {
		return false;
	}
	if (view->metadata_count < RPC_METADATA_KEPT) {
		view->metadata[view->metadata_count] = metadata;
		view->metadata_rest = rest;
	}
	if (++view->metadata_count > RPC_METADATA_MAX) {
		view->fault = "metadata has more than 64 entries";
	} else if (!rpc_text_is_key(metadata.key)) {
		view->fault = "a metadata key must be 1 to 128 of the characters a-z 0-9 - _ .";
	} else if (metadata.value.len > RPC_METADATA_VALUE_MAX_BYTES ||
		   !utf8_is_text(metadata.value.data, metadata.value.len)) {
		view->fault = "a metadata value must be UTF-8 without NUL, at most 8192 bytes";
	}
	return true;
}

/* Puts a field in its place in the view. False when it is of another type than it must be. */
static bool
rpc_call_view_add(struct rpc_call_view *view, const struct rpc_field *field, struct rpc_span rest)
{
	enum rpc_wire_type type =
	    field->number == RPC_CALL_TIMEOUT_MS ? RPC_WIRE_VARINT : RPC_WIRE_BYTES;

	if (field->number > RPC_CALL_METADATA) {
		return true;
	}
	if (field->type != type) {
		return false;
	}
	switch (field->number) {
	case RPC_CALL_METHOD: view->method = field->bytes; return true;
	case RPC_CALL_REQUEST: view->request = field->bytes; return true;
	case RPC_CALL_TIMEOUT_MS: view->timeout_ms = (uint32_t)field->value; return true;
	default: return rpc_call_view_add_metadata(view, field->bytes, rest);
	}
}

static bool
rpc_call_view_read(struct rpc_call_view *view, struct rpc_span packed)
{
	struct rpc_field field;
	enum rpc_step step;

	memset(view, 0, sizeof(*view));
	view->method = view->request = rpc_empty;
	while ((step = rpc_wire_next(&packed, &field)) == RPC_STEP_FOUND) {
		if (!rpc_call_view_add(view, &field, packed)) {
			return false;
		}
	}
	if (!rpc_text_is_name(view->method)) {
		view->fault = "method must be printable ASCII without blanks, at most 256 bytes";
	}
	return step == RPC_STEP_END;
}

/* Finds the next message that is held in the field of that number. */
static enum rpc_step
rpc_message_next(struct rpc_span *rest, uint32_t number, struct rpc_span *message)
{
	struct rpc_field field;
	enum rpc_step step;

	do {
		step = rpc_wire_next(rest, &field);
	} while (step == RPC_STEP_FOUND && field.number != number);
	if (step == RPC_STEP_FOUND && field.type != RPC_WIRE_BYTES) {
		return RPC_STEP_MALFORMED;
	}
	if (step == RPC_STEP_FOUND) {
		*message = field.bytes;
	}
	return step;
}

enum rpc_step
rpc_batch_next(struct rpc_span *batch, struct rpc_call_view *view)
{
	struct rpc_span packed;
	enum rpc_step step = rpc_message_next(batch, RPC_BATCH_CALLS, &packed);

	return step == RPC_STEP_FOUND && !rpc_call_view_read(view, packed) ? RPC_STEP_MALFORMED
									   : step;
}

enum rpc_step
rpc_batch_next_cancel(struct rpc_span *batch, struct rpc_cancel_view *view)
{
	struct rpc_span packed;
	struct rpc_field field;
	enum rpc_step step = rpc_message_next(batch, RPC_BATCH_CANCEL, &packed);

	if (step != RPC_STEP_FOUND) {
		return step;
	}
	*view = (struct rpc_cancel_view){.calls = rpc_empty};
	while ((step = rpc_wire_next(&packed, &field)) == RPC_STEP_FOUND) {
		if (field.number > RPC_CANCEL_CALLS) {
			continue;
		}
		if (field.type !=
		    (field.number == RPC_CANCEL_CALLS ? RPC_WIRE_BYTES : RPC_WIRE_FIXED32)) {
			return RPC_STEP_MALFORMED;
		}
		if (field.number == RPC_CANCEL_CALLS) {
			view->calls = field.bytes;
		} else {
			view->request_id = rpc_wire_fixed32(&field);
		}
	}
	return step == RPC_STEP_END ? RPC_STEP_FOUND : step;
}

struct rpc_span
rpc_call_view_metadata(const struct rpc_call_view *view, const char *name)
{
	struct rpc_span rest = view->metadata_rest;
	size_t len = strlen(name);

	for (size_t i = 0; i < view->metadata_count; i++) {
		struct rpc_metadata_view metadata;
		struct rpc_span packed;

		if (i < RPC_METADATA_KEPT) {
			metadata = view->metadata[i];
		} else if (rpc_message_next(&rest, RPC_CALL_METADATA, &packed) != RPC_STEP_FOUND ||
			   !rpc_metadata_read(packed, &metadata)) {
			break;
		}
		if (metadata.key.len == len && memcmp(metadata.key.data, name, len) == 0) {
			return metadata.value;
		}
	}
	return (struct rpc_span){NULL, 0};
}

static size_t
rpc_metadata_size(const struct rpc_metadata *metadata)
{
	return rpc_wire_bytes_size(RPC_METADATA_KEY, strlen(metadata->key)) +
	       rpc_wire_bytes_size(RPC_METADATA_VALUE, strlen(metadata->value));
}

size_t
rpc_call_size(const char *method, size_t request_len, const struct rpc_metadata *metadata,
    size_t metadata_count)
{
	size_t size = rpc_wire_bytes_size(RPC_CALL_METHOD, strlen(method)) +
		      rpc_wire_bytes_size(RPC_CALL_REQUEST, request_len);

	for (size_t i = 0; i < metadata_count; i++) {
		size += rpc_wire_bytes_size(RPC_CALL_METADATA, rpc_metadata_size(&metadata[i]));
	}
	return size;
}

uint8_t *
rpc_call_put(uint8_t *at, const char *method, size_t request_len,
    const struct rpc_metadata *metadata, size_t metadata_count)
{
	uint8_t *request;

	at = rpc_wire_put_bytes(at, RPC_CALL_METHOD, method, strlen(method));
	request = rpc_wire_put_head(at, RPC_CALL_REQUEST, request_len);
	at = request + request_len;
	for (size_t i = 0; i < metadata_count; i++) {
		const char *key = metadata[i].key;
		const char *value = metadata[i].value;

		at = rpc_wire_put_head(at, RPC_CALL_METADATA, rpc_metadata_size(&metadata[i]));
		at = rpc_wire_put_bytes(at, RPC_METADATA_KEY, key, strlen(key));
		at = rpc_wire_put_bytes(at, RPC_METADATA_VALUE, value, strlen(value));
	}
	return request;
}

struct rpc_span
rpc_call_seal(uint8_t *call, size_t len, uint32_t timeout_ms)
{
	uint8_t head[RPC_CALL_HEAD_MAX];
	uint8_t *end = rpc_wire_put_varint(call + len, RPC_CALL_TIMEOUT_MS, timeout_ms);
	size_t head_len =
	    (size_t)(rpc_wire_put_head(head, RPC_BATCH_CALLS, (size_t)(end - call)) - head);

	memcpy(call - head_len, head, head_len);
	return (struct rpc_span){call - head_len, head_len + (size_t)(end - call)};
}

size_t
rpc_cancel_put(uint8_t at[RPC_CANCEL_MAX], uint32_t request_id, size_t call)
{
	bool all = call == SIZE_MAX;
	uint8_t cancel[RPC_CANCEL_MAX];
	uint8_t *end = rpc_wire_put_fixed32(cancel, RPC_CANCEL_REQUEST_ID, request_id);

	if (!all) {
		end = rpc_wire_put_head(end, RPC_CANCEL_CALLS, rpc_wire_number_size(call));
		end = rpc_wire_put_number(end, call);
	}
	end = rpc_wire_put_bytes(at, RPC_BATCH_CANCEL, cancel, (size_t)(end - cancel));
	return (size_t)(end - at);
}

static bool
rpc_reply_view_read(struct rpc_reply_view *view, struct rpc_span packed)
{
	struct rpc_field field;
	enum rpc_step step;

	*view = (struct rpc_reply_view){.packed = packed, .response = rpc_empty};
	while ((step = rpc_wire_next(&packed, &field)) == RPC_STEP_FOUND) {
		if (field.number > RPC_REPLY_METADATA) {
			continue;
		}
		if (field.type != RPC_WIRE_BYTES) {
			return false;
		}
		switch (field.number) {
		case RPC_REPLY_STATUS: view->status = field.bytes; break;
		case RPC_REPLY_RESPONSE: view->response = field.bytes; break;
		default: view->metadata_count++; break;
		}
	}
	return step == RPC_STEP_END;
}

bool
rpc_replies_read(struct rpc_span batch, struct rpc_reply_view *views, size_t max, size_t *count)
{
	struct rpc_span packed;
	enum rpc_step step;

	*count = 0;
	while ((step = rpc_message_next(&batch, RPC_BATCH_REPLIES, &packed)) == RPC_STEP_FOUND) {
		if (*count == max || !rpc_reply_view_read(&views[*count], packed)) {
			return false;
		}
		++*count;
	}
	return step == RPC_STEP_END;
}

enum rpc_step
rpc_reply_metadata_next(struct rpc_span *rest, struct rpc_metadata_view *view)
{
	struct rpc_span packed;
	enum rpc_step step = rpc_message_next(rest, RPC_REPLY_METADATA, &packed);

	return step == RPC_STEP_FOUND && !rpc_metadata_read(packed, view) ? RPC_STEP_MALFORMED
									  : step;
}

size_t
rpc_reply_head(uint8_t head[RPC_REPLY_HEAD_MAX], enum rpc_reply_field field, size_t len)
{
	bool absent = field == RPC_REPLY_RESPONSE && len == 0;
	uint8_t *at = rpc_wire_put_head(
	    head, RPC_BATCH_REPLIES, absent ? 0 : rpc_wire_bytes_size(field, len));

	if (!absent) {
		at = rpc_wire_put_head(at, field, len);
	}
	return (size_t)(at - head);
}
