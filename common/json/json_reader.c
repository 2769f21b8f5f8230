#include "common/json/json_reader.h"

#include <stdlib.h>
#include <string.h>

#include "common/base/arena.h"
#include "common/base/buf.h"
#include "common/schema/schema_layout.h"

#define JSON_LIST_FIRST     4
#define JSON_NAME_SHOWN_MAX 64 /* bytes of a member's name in a violation */

/* Violations */

/* Cut between characters. */
static void
json_put_name(struct buf *path, const char *name, size_t len)
{
	if (len > JSON_NAME_SHOWN_MAX) {
		len = JSON_NAME_SHOWN_MAX;
		while (len > 0 && ((unsigned char)name[len] & 0xc0) == 0x80) {
			len--;
		}
		buf_put(path, name, len);
		buf_puts(path, "…");
		return;
	}
	buf_put(path, name, len);
}

/* The place of the current value, or of the member `name` of the innermost object. */
static void
json_put_path(struct buf *path, const struct json_reader *reader, const char *name, size_t len)
{
	for (size_t i = 0; i < reader->depth; i++) {
		const struct json_frame *frame = &reader->frames[i];
		bool last = name != NULL && i + 1 == reader->depth;

		switch (frame->kind) {
		case JSON_FRAME_OBJECT:
			if (i > 0) {
				buf_putc(path, '.');
			}
			json_put_name(
			    path, last ? name : frame->name, last ? len : frame->name_len);
			break;
		case JSON_FRAME_ARRAY: buf_printf(path, "[%zu]", frame->index - 1); break;
		case JSON_FRAME_MAP:
			buf_puts(path, "[\"");
			json_put_name(
			    path, last ? name : frame->name, last ? len : frame->name_len);
			buf_puts(path, "\"]");
			break;
		case JSON_FRAME_SKIPPED: break;
		}
	}
}

static void
json_violation(struct json_reader *reader, const char *name, size_t len, const char *problem)
{
	size_t told = reader->error->violation_count;
	struct buf path = {0};

	if (problem == json_value_no_memory) {
		reader->no_memory = true;
	}
	if (reader->told_all || reader->no_memory) {
		return;
	}
	json_put_path(&path, reader, name, len);
	buf_putc(&path, '\0');
	if (path.failed) {
		reader->no_memory = true;
	} else {
		error_violation(reader->error, reader->arena, path.data, "%s", problem);
		reader->told_all = reader->error->violation_count == told;
	}
	buf_fini(&path);
}

/* Frames */

static struct json_frame *
json_top(struct json_reader *reader)
{
	return reader->depth == 0 ? NULL : &reader->frames[reader->depth - 1];
}

static void *
json_member(ProtobufCMessage *message, const ProtobufCFieldDescriptor *wire)
{
	return (char *)message + wire->offset;
}

/* Memory of a new last element of a repeated field: capacity doubles, so that n take O(n). */
static void *
json_list_append(struct json_reader *reader, struct json_frame *frame)
{
	const ProtobufCFieldDescriptor *wire = frame->list->wire;
	size_t *count = (size_t *)((char *)frame->list_of + wire->quantifier_offset);
	char **elements = json_member(frame->list_of, wire);
	size_t size = schema_layout_size(wire->type);

	if (*count == frame->list_capacity) {
		size_t capacity = *count == 0 ? JSON_LIST_FIRST : *count * 2;
		char *larger = arena_calloc(reader->arena, capacity, size);

		if (larger == NULL) {
			reader->no_memory = true;
			return NULL;
		}
		if (*count > 0) {
			memcpy(larger, *elements, *count * size);
		}
		*elements = larger;
		frame->list_capacity = capacity;
	}
	return *elements + (*count)++ * size;
}

/* Where the next value of frame goes; NULL when there is no memory. */
static void *
json_place(struct json_reader *reader, struct json_frame *frame)
{
	if (frame->kind == JSON_FRAME_ARRAY) {
		return json_list_append(reader, frame);
	}
	if (frame->field->template != NULL) {
		return &reader->ignored;
	}
	return json_member(frame->into, frame->field->wire);
}

static ProtobufCMessage *
json_new_message(struct json_reader *reader, const struct schema_message *type, void *place)
{
	ProtobufCMessage *message = NULL;

	if (place != NULL) {
		message = schema_message_new(type, reader->arena);
		memcpy(place, &message, sizeof(message));
		reader->no_memory = reader->no_memory || message == NULL;
	}
	return message;
}

static void
json_frame_object(struct json_reader *reader, struct json_frame *frame,
    const struct schema_message *type, ProtobufCMessage *message)
{
	size_t words = (type->field_count + 63) / 64;

	if (message == NULL) {
		return;
	}
	if (words > frame->seen_words) {
		frame->seen = arena_alloc(reader->arena, words * sizeof(*frame->seen));
		frame->seen_words = frame->seen == NULL ? 0 : words;
		if (frame->seen == NULL) {
			reader->no_memory = true;
			return;
		}
	}
	if (words > 0) {
		memset(frame->seen, 0, words * sizeof(*frame->seen));
	}
	frame->kind = JSON_FRAME_OBJECT;
	frame->type = type;
	frame->into = message;
	frame->field = NULL;
}

static void
json_frame_list(struct json_frame *frame, enum json_frame_kind kind,
    const struct schema_field *list, ProtobufCMessage *of)
{
	frame->kind = kind;
	frame->list = list;
	frame->list_of = of;
	frame->list_capacity = 0;
	frame->index = 0;
	frame->type = NULL;
	frame->into = NULL;
	frame->field = kind == JSON_FRAME_ARRAY ? list : NULL;
}

/* The frame whose next value is to be kept, or NULL; counts the value. */
static struct json_frame *
json_next(struct json_reader *reader)
{
	struct json_frame *frame = json_top(reader);

	if (frame == NULL || frame->kind == JSON_FRAME_SKIPPED) {
		return NULL;
	}
	frame->index += frame->kind == JSON_FRAME_ARRAY;
	return frame->field == NULL ? NULL : frame;
}

/* A whole list is due, not an element of one. */
static bool
json_wants_list(const struct json_frame *frame)
{
	return frame->field->wire->label == PROTOBUF_C_LABEL_REPEATED &&
	       frame->kind != JSON_FRAME_ARRAY;
}

static const char *
json_list_problem(const struct json_frame *frame, enum json_kind kind)
{
	if (kind == JSON_NULL) {
		return "must not be null";
	}
	return schema_field_is_map(frame->field) ? "must be an object" : "must be an array";
}

/* Takes back what json_reader_claim noted. */
static void
json_reader_unclaim(ProtobufCMessage *message, const ProtobufCFieldDescriptor *field)
{
	if ((field->flags & PROTOBUF_C_FIELD_FLAG_ONEOF) != 0) {
		*(uint32_t *)((char *)message + field->quantifier_offset) = 0;
	}
}

/* Events */

bool
json_reader_value(struct json_reader *reader, enum json_kind kind, const char *text, size_t len)
{
	struct json_value value = {kind, text, len};
	struct json_frame *frame = json_next(reader);
	const char *problem;
	void *place;

	if (frame == NULL) {
		return true;
	}
	if (kind == JSON_NULL && reader->patch && reader->depth == 1) {
		json_reader_unclaim(frame->into, frame->field->wire);
		return true;
	}
	if (json_wants_list(frame)) {
		problem = json_list_problem(frame, kind);
	} else {
		place = json_place(reader, frame);
		problem = place == NULL
			      ? json_value_no_memory
			      : json_value_put(&value, frame->field->wire, place, reader->arena);
	}
	if (problem != NULL) {
		json_violation(reader, NULL, 0, problem);
	}
	return !reader->no_memory;
}

/* Opens a frame, which is skipped until the caller makes more of it. */
static struct json_frame *
json_push(struct json_reader *reader)
{
	struct json_frame *frame;

	if (reader->depth == JSON_DEPTH_MAX) {
		reader->too_deep = true;
		return NULL;
	}
	frame = &reader->frames[reader->depth++];
	frame->kind = JSON_FRAME_SKIPPED;
	return frame;
}

/* A violation of the value that began with the frame on top. */
static void
json_violation_below(struct json_reader *reader, const char *problem)
{
	reader->depth--;
	json_violation(reader, NULL, 0, problem);
	reader->depth++;
}

bool
json_reader_open_object(struct json_reader *reader)
{
	bool whole = reader->depth == 0;
	struct json_frame *parent = json_next(reader);
	struct json_frame *frame = json_push(reader);
	static const struct json_value object = {JSON_COMPOUND, NULL, 0};

	if (frame == NULL) {
		return false;
	}
	if (whole) {
		reader->is_object = true;
		json_frame_object(reader, frame, reader->type, reader->message);
	} else if (parent == NULL) {
		return true;
	} else if (json_wants_list(parent)) {
		if (schema_field_is_map(parent->field)) {
			json_frame_list(frame, JSON_FRAME_MAP, parent->field, parent->into);
		} else {
			json_violation_below(reader, json_list_problem(parent, JSON_COMPOUND));
		}
	} else if (parent->field->wire->type == PROTOBUF_C_TYPE_MESSAGE) {
		const struct schema_message *type = schema_field_message(parent->field);

		json_frame_object(reader, frame, type,
		    json_new_message(reader, type, json_place(reader, parent)));
	} else {
		json_violation_below(reader,
		    json_value_put(&object, parent->field->wire, &reader->ignored, reader->arena));
	}
	return !reader->no_memory;
}

bool
json_reader_open_array(struct json_reader *reader)
{
	struct json_frame *parent = json_next(reader);
	struct json_frame *frame = json_push(reader);
	static const struct json_value array = {JSON_COMPOUND, NULL, 0};

	if (frame == NULL) {
		return false;
	}
	if (parent == NULL) {
		return true;
	}
	if (!json_wants_list(parent)) {
		json_violation_below(reader,
		    json_value_put(&array, parent->field->wire, &reader->ignored, reader->arena));
	} else if (schema_field_is_map(parent->field)) {
		json_violation_below(reader, "must be an object");
	} else {
		json_frame_list(frame, JSON_FRAME_ARRAY, parent->field, parent->into);
	}
	return !reader->no_memory;
}

bool
json_reader_claim(ProtobufCMessage *message, const ProtobufCFieldDescriptor *field)
{
	uint32_t *which = (uint32_t *)((char *)message + field->quantifier_offset);

	if ((field->flags & PROTOBUF_C_FIELD_FLAG_ONEOF) == 0) {
		return true;
	}
	if (*which != 0 && *which != field->id) {
		return false;
	}
	*which = field->id;
	return true;
}

static void
json_object_key(struct json_reader *reader, struct json_frame *frame, const char *name, size_t len)
{
	const struct schema_field *field = schema_find_field(frame->type, name, len);
	size_t index;

	frame->field = NULL;
	if (field == NULL) {
		json_violation(reader, name, len, "is not known here");
		return;
	}
	frame->name = memcmp(field->json_name, name, len) == 0 && field->json_name_len == len
			  ? field->json_name
			  : field->wire->name;
	frame->name_len = len;
	index = (size_t)(field - frame->type->fields);
	if ((frame->seen[index / 64] >> index % 64 & 1) != 0) {
		json_violation(reader, name, len, "is given twice");
		return;
	}
	frame->seen[index / 64] |= UINT64_C(1) << index % 64;
	if (!json_reader_claim(frame->into, field->wire)) {
		json_violation(reader, name, len, "excludes another member that is given too");
		return;
	}
	frame->field = field;
}

/* A key of a map makes an entry, whose value comes next. */
static void
json_map_key(struct json_reader *reader, struct json_frame *frame, const char *name, size_t len)
{
	const struct schema_message *type = schema_field_message(frame->list);
	struct json_value key;
	const char *problem;

	frame->field = NULL;
	frame->name = arena_strndup(reader->arena, name, len);
	frame->name_len = len;
	frame->into = json_new_message(reader, type, json_list_append(reader, frame));
	if (frame->into == NULL || frame->name == NULL) {
		reader->no_memory = true;
		return;
	}
	problem = json_value_of_text(&key, type->fields[0].wire, name, len);
	if (problem == NULL) {
		problem = json_value_put(&key, type->fields[0].wire,
		    json_member(frame->into, type->fields[0].wire), reader->arena);
	}
	if (problem != NULL) {
		json_violation(reader, name, len, problem);
		return;
	}
	frame->field = &type->fields[1];
}

bool
json_reader_name(struct json_reader *reader, const char *name, size_t len)
{
	struct json_frame *frame = json_top(reader);

	if (frame->kind == JSON_FRAME_OBJECT) {
		json_object_key(reader, frame, name, len);
	} else if (frame->kind == JSON_FRAME_MAP) {
		json_map_key(reader, frame, name, len);
	}
	return !reader->no_memory;
}

static int
json_compare_entries(const void *a, const void *b)
{
	const ProtobufCMessage *left = *(ProtobufCMessage *const *)a;
	const ProtobufCMessage *right = *(ProtobufCMessage *const *)b;
	const ProtobufCFieldDescriptor *key = left->descriptor->fields;
	const char *left_key = (const char *)left + key->offset;
	const char *right_key = (const char *)right + key->offset;

	if (key->type == PROTOBUF_C_TYPE_STRING) {
		return strcmp(*(const char *const *)left_key, *(const char *const *)right_key);
	}
	return memcmp(left_key, right_key, schema_layout_size(key->type));
}

/* Looks for keys that are given twice, once all are there. */
static void
json_check_keys(struct json_reader *reader, const struct json_frame *map)
{
	size_t count = *(size_t *)((char *)map->list_of + map->list->wire->quantifier_offset);
	ProtobufCMessage **entries;
	ProtobufCMessage **sorted;

	if (count < 2) {
		return;
	}
	entries = *(ProtobufCMessage ***)json_member(map->list_of, map->list->wire);
	sorted = arena_calloc(reader->arena, count, sizeof(*sorted));
	if (sorted == NULL) {
		reader->no_memory = true;
		return;
	}
	memcpy(sorted, entries, count * sizeof(*sorted));
	qsort(sorted, count, sizeof(*sorted), json_compare_entries);
	for (size_t i = 1; i < count; i++) {
		if (json_compare_entries(&sorted[i - 1], &sorted[i]) == 0) {
			json_violation(reader, NULL, 0, "has a key twice");
			return;
		}
	}
}

bool
json_reader_close(struct json_reader *reader)
{
	const struct json_frame *frame = json_top(reader);

	reader->depth--;
	if (frame->kind == JSON_FRAME_OBJECT && frame->type->has_output_only) {
		schema_drop_output_only(frame->type, frame->into);
	}
	if (frame->kind == JSON_FRAME_MAP) {
		json_check_keys(reader, frame);
	}
	return !reader->no_memory;
}

bool
json_reader_init(struct json_reader *reader, const struct schema_message *type, struct arena *arena,
    struct error *error)
{
	memset(reader, 0, sizeof(*reader));
	reader->type = type;
	reader->arena = arena;
	reader->error = error;
	reader->message = schema_message_new(type, arena);
	return reader->message != NULL;
}
