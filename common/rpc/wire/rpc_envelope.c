#include "common/rpc/wire/rpc_envelope.h"

#include <assert.h>
#include <string.h>

#include "common/arena.h"
#include "common/status.h"

#define ROW(name, number)                                                                          \
	static_assert((int)STATUS_##name == (int)MOCKVIDEO__RPC__V1__CODE__##name,                 \
	    "status.h and rpc.proto disagree on " #name);
STATUS_ROWS(ROW)
#undef ROW

enum rpc_wire_type {
	RPC_WIRE_VARINT = 0,
	RPC_WIRE_FIXED64 = 1,
	RPC_WIRE_BYTES = 2,
	RPC_WIRE_FIXED32 = 5
};

/* A field as it stands on the wire. */
struct rpc_field {
	uint32_t number;
	enum rpc_wire_type type;
	uint64_t value;        /* of RPC_WIRE_VARINT */
	struct rpc_span bytes; /* of RPC_WIRE_BYTES */
};

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

static void
rpc_error_violations(
    struct error *error, struct arena *arena, const Mockvideo__Rpc__V1__Status *status)
{
	error->violations = arena_calloc(arena, status->n_violations, sizeof(*error->violations));
	if (error->violations == NULL) {
		return;
	}
	for (size_t i = 0; i < status->n_violations; i++) {
		struct violation *violation = &error->violations[error->violation_count];

		violation->field = arena_strdup(arena, status->violations[i]->field);
		violation->description = arena_strdup(arena, status->violations[i]->description);
		if (violation->field != NULL && violation->description != NULL) {
			error->violation_count++;
		}
	}
}

void
rpc_error_of_status(
    struct error *error, struct arena *arena, const Mockvideo__Rpc__V1__Status *status)
{
	bool known;

	if (status == NULL || status->code == MOCKVIDEO__RPC__V1__CODE__OK) {
		memset(error, 0, sizeof(*error));
		return;
	}
	known = (unsigned)status->code <= STATUS_UNAUTHENTICATED;
	error_set(error, known ? (enum status_code)status->code : STATUS_UNKNOWN, NULL, "%s",
	    status->message);
	if (status->reason[0] != '\0') {
		error->reason = arena_strdup(arena, status->reason);
	}
	error->retry_after_ms = status->retry_after_ms;
	rpc_error_violations(error, arena, status);
}

const char *
rpc_metadata_get(Mockvideo__Rpc__V1__Metadata *const *metadata, size_t count, const char *key)
{
	for (size_t i = 0; i < count; i++) {
		if (strcmp(metadata[i]->key, key) == 0) {
			return metadata[i]->value;
		}
	}
	return NULL;
}

static bool
rpc_take(struct rpc_span *rest, uint64_t len, struct rpc_span *taken)
{
	if (len > rest->len) {
		return false;
	}
	taken->data = rest->data;
	taken->len = (size_t)len;
	rest->data += len;
	rest->len -= (size_t)len;
	return true;
}

static bool
rpc_take_varint(struct rpc_span *rest, uint64_t *value)
{
	*value = 0;
	for (size_t i = 0; i < 10 && i < rest->len; i++) {
		*value |= (uint64_t)(rest->data[i] & 0x7f) << (7 * i);
		if (rest->data[i] < 0x80) {
			rest->data += i + 1;
			rest->len -= i + 1;
			return true;
		}
	}
	return false;
}

static bool
rpc_take_value(struct rpc_span *rest, struct rpc_field *field)
{
	uint64_t len;

	switch (field->type) {
	case RPC_WIRE_VARINT: return rpc_take_varint(rest, &field->value);
	case RPC_WIRE_FIXED64: return rpc_take(rest, 8, &field->bytes);
	case RPC_WIRE_FIXED32: return rpc_take(rest, 4, &field->bytes);
	case RPC_WIRE_BYTES:
		return rpc_take_varint(rest, &len) && rpc_take(rest, len, &field->bytes);
	}
	return false;
}

static enum rpc_step
rpc_field_next(struct rpc_span *rest, struct rpc_field *field)
{
	uint64_t tag;

	if (rest->len == 0) {
		return RPC_STEP_END;
	}
	if (!rpc_take_varint(rest, &tag) || tag > UINT32_MAX || tag >> 3 == 0) {
		return RPC_STEP_MALFORMED;
	}
	field->number = (uint32_t)(tag >> 3);
	field->type = (enum rpc_wire_type)(tag & 7);
	return rpc_take_value(rest, field) ? RPC_STEP_FOUND : RPC_STEP_MALFORMED;
}

bool
rpc_batch_count(struct rpc_span batch, size_t *count)
{
	struct rpc_field field;
	enum rpc_step step;

	*count = 0;
	while ((step = rpc_field_next(&batch, &field)) == RPC_STEP_FOUND) {
		if (field.number == 1) {
			if (field.type != RPC_WIRE_BYTES) {
				return false;
			}
			++*count;
		}
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

/* Bytes that follow a first byte of a UTF-8 sequence, and the range of the second (RFC 3629). */
static size_t
rpc_utf8_follow(uint8_t first, uint8_t *low, uint8_t *high)
{
	*low = first == 0xe0 ? 0xa0 : first == 0xf0 ? 0x90 : 0x80;
	*high = first == 0xed ? 0x9f : first == 0xf4 ? 0x8f : 0xbf;
	return first < 0xe0 ? 1 : first < 0xf0 ? 2 : 3;
}

static bool
rpc_text_is_value(struct rpc_span text)
{
	size_t at = 0;

	while (at < text.len) {
		uint8_t first = text.data[at++];
		uint8_t low;
		uint8_t high;
		size_t follow;

		if (first == 0 || (first >= 0x80 && first < 0xc2) || first > 0xf4) {
			return false;
		}
		if (first < 0x80) {
			continue;
		}
		follow = rpc_utf8_follow(first, &low, &high);
		if (follow > text.len - at) {
			return false;
		}
		for (; follow > 0; follow--, low = 0x80, high = 0xbf) {
			if (text.data[at] < low || text.data[at] > high) {
				return false;
			}
			at++;
		}
	}
	return text.len <= RPC_METADATA_VALUE_MAX_BYTES;
}

/* Reads a Metadata. False when malformed. */
static bool
rpc_metadata_read(struct rpc_span packed, struct rpc_span *key, struct rpc_span *value)
{
	struct rpc_field field;
	enum rpc_step step;

	*key = *value = (struct rpc_span){(const uint8_t *)"", 0};
	while ((step = rpc_field_next(&packed, &field)) == RPC_STEP_FOUND) {
		if (field.number != 1 && field.number != 2) {
			continue;
		}
		if (field.type != RPC_WIRE_BYTES) {
			return false;
		}
		*(field.number == 1 ? key : value) = field.bytes;
	}
	return step == RPC_STEP_END;
}

static bool
rpc_call_view_add_metadata(struct rpc_call_view *view, struct rpc_span packed)
{
	struct rpc_span key;
	struct rpc_span value;

	if (!rpc_metadata_read(packed, &key, &value)) {
		return false;
	}
	if (++view->metadata_count > RPC_METADATA_MAX) {
		view->fault = "metadata has more than 64 entries";
	} else if (!rpc_text_is_key(key)) {
		view->fault = "a metadata key must be 1 to 128 of the characters a-z 0-9 - _ .";
	} else if (!rpc_text_is_value(value)) {
		view->fault = "a metadata value must be UTF-8 without NUL, at most 8192 bytes";
	}
	return true;
}

/* Puts a field in its place in the view. False when it is of another type than it must be. */
static bool
rpc_call_view_add(struct rpc_call_view *view, const struct rpc_field *field)
{
	enum rpc_wire_type type = field->number == 3 ? RPC_WIRE_VARINT : RPC_WIRE_BYTES;

	if (field->number > 4) {
		return true;
	}
	if (field->type != type) {
		return false;
	}
	switch (field->number) {
	case 1: view->method = field->bytes; return true;
	case 2: view->request = field->bytes; return true;
	case 3: view->timeout_ms = (uint32_t)field->value; return true;
	default: return rpc_call_view_add_metadata(view, field->bytes);
	}
}

static bool
rpc_call_view_read(struct rpc_call_view *view, struct rpc_span packed)
{
	static const struct rpc_span empty = {(const uint8_t *)"", 0};
	struct rpc_field field;
	enum rpc_step step;

	memset(view, 0, sizeof(*view));
	view->packed = packed;
	view->method = view->request = empty;
	while ((step = rpc_field_next(&packed, &field)) == RPC_STEP_FOUND) {
		if (!rpc_call_view_add(view, &field)) {
			return false;
		}
	}
	if (!rpc_text_is_name(view->method)) {
		view->fault = "method must be printable ASCII without blanks, at most 256 bytes";
	}
	return step == RPC_STEP_END;
}

enum rpc_step
rpc_batch_next(struct rpc_span *batch, struct rpc_call_view *view)
{
	struct rpc_field field;
	enum rpc_step step;

	while ((step = rpc_field_next(batch, &field)) == RPC_STEP_FOUND) {
		if (field.number == 1) {
			return field.type == RPC_WIRE_BYTES && rpc_call_view_read(view, field.bytes)
				   ? RPC_STEP_FOUND
				   : RPC_STEP_MALFORMED;
		}
	}
	return step;
}

struct rpc_span
rpc_call_view_metadata(const struct rpc_call_view *view, const char *name)
{
	struct rpc_span rest = view->packed;
	size_t len = strlen(name);
	struct rpc_field field;
	struct rpc_span key;
	struct rpc_span value;

	while (rpc_field_next(&rest, &field) == RPC_STEP_FOUND) {
		if (field.number == 4 && rpc_metadata_read(field.bytes, &key, &value) &&
		    key.len == len && memcmp(key.data, name, len) == 0) {
			return value;
		}
	}
	return (struct rpc_span){NULL, 0};
}

static size_t
rpc_varint_size(uint64_t value)
{
	size_t size = 1;

	while (value >= 0x80) {
		value >>= 7;
		size++;
	}
	return size;
}

static uint8_t *
rpc_put_varint(uint8_t *at, uint64_t value)
{
	while (value >= 0x80) {
		*at++ = (uint8_t)(value | 0x80);
		value >>= 7;
	}
	*at++ = (uint8_t)value;
	return at;
}

size_t
rpc_reply_head(uint8_t head[RPC_REPLY_HEAD_MAX], enum rpc_reply_field field, size_t len)
{
	bool absent = field == RPC_REPLY_RESPONSE && len == 0;
	uint8_t *at = head;

	*at++ = 1 << 3 | RPC_WIRE_BYTES;
	at = rpc_put_varint(at, absent ? 0 : 1 + rpc_varint_size(len) + len);
	if (!absent) {
		*at++ = (uint8_t)(field << 3 | RPC_WIRE_BYTES);
		at = rpc_put_varint(at, len);
	}
	return (size_t)(at - head);
}
