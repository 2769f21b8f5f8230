#include <math.h>
#include <sodium.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/base/buf.h"
#include "common/json/json.h"
#include "common/schema/schema_layout.h"

#define JSON_NUMBER_BYTES 32

static void json_write_value(struct buf *out, const ProtobufCFieldDescriptor *wire,
    const void *value, const struct json_bulk *bulk);

static const void *
json_write_member(const ProtobufCMessage *message, const ProtobufCFieldDescriptor *wire)
{
	return (const char *)message + wire->offset;
}

static size_t
json_write_count(const ProtobufCMessage *message, const ProtobufCFieldDescriptor *wire)
{
	return *(const size_t *)((const char *)message + wire->quantifier_offset);
}

/* Whether a field that need not be set is. */
static bool
json_write_is_set(const ProtobufCMessage *message, const ProtobufCFieldDescriptor *wire)
{
	if ((wire->flags & PROTOBUF_C_FIELD_FLAG_ONEOF) != 0) {
		return *(const uint32_t *)((const char *)message + wire->quantifier_offset) ==
		       wire->id;
	}
	return wire->type != PROTOBUF_C_TYPE_MESSAGE || wire->label == PROTOBUF_C_LABEL_REPEATED ||
	       *(ProtobufCMessage *const *)json_write_member(message, wire) != NULL;
}

/* Values */

/* The shortest of the texts that read back as the same number. */
static void
json_write_double(struct buf *out, double number, bool is_float)
{
	int precision = is_float ? 6 : 15;
	char text[JSON_NUMBER_BYTES];

	if (isnan(number)) {
		buf_puts(out, "\"NaN\"");
	} else if (isinf(number)) {
		buf_puts(out, number > 0 ? "\"Infinity\"" : "\"-Infinity\"");
	} else {
		do {
			snprintf(text, sizeof(text), "%.*g", precision++, number);
		} while (
		    is_float ? strtof(text, NULL) != (float)number : strtod(text, NULL) != number);
		buf_puts(out, text);
	}
}

static void
json_write_bytes(struct buf *out, const ProtobufCBinaryData *bytes)
{
	size_t room = sodium_base64_encoded_len(bytes->len, sodium_base64_VARIANT_ORIGINAL);

	buf_putc(out, '"');
	if (bytes->len > 0 && buf_reserve(out, room)) {
		sodium_bin2base64(out->data + out->len, room, bytes->data, bytes->len,
		    sodium_base64_VARIANT_ORIGINAL);
		out->len += room - 1;
	}
	buf_putc(out, '"');
}

static void
json_write_message_value(struct buf *out, const struct schema_message *type, const void *value,
    const struct json_bulk *bulk)
{
	const ProtobufCMessage *message = *(ProtobufCMessage *const *)value;

	/* An entry of a map can come from the wire without its value. */
	json_write(out, type, message == NULL ? type->initial : message, bulk);
}

static void
json_write_string(struct buf *out, const void *value)
{
	const char *text = *(const char *const *)value;

	if (text == NULL) {
		text = "";
	}
	buf_put_json_string(out, text, strlen(text));
}

static void
json_write_value(struct buf *out, const ProtobufCFieldDescriptor *wire, const void *value,
    const struct json_bulk *bulk)
{
	switch (wire->type) {
	case PROTOBUF_C_TYPE_INT32:
	case PROTOBUF_C_TYPE_SINT32:
	case PROTOBUF_C_TYPE_SFIXED32:
	case PROTOBUF_C_TYPE_ENUM: buf_put_int(out, *(const int32_t *)value); break;
	case PROTOBUF_C_TYPE_INT64:
	case PROTOBUF_C_TYPE_SINT64:
	case PROTOBUF_C_TYPE_SFIXED64: buf_put_int(out, *(const int64_t *)value); break;
	case PROTOBUF_C_TYPE_UINT32:
	case PROTOBUF_C_TYPE_FIXED32: buf_put_uint(out, *(const uint32_t *)value); break;
	case PROTOBUF_C_TYPE_UINT64:
	case PROTOBUF_C_TYPE_FIXED64: buf_put_uint(out, *(const uint64_t *)value); break;
	case PROTOBUF_C_TYPE_FLOAT:
		json_write_double(out, (double)*(const float *)value, true);
		break;
	case PROTOBUF_C_TYPE_DOUBLE: json_write_double(out, *(const double *)value, false); break;
	case PROTOBUF_C_TYPE_BOOL:
		buf_puts(out, *(const protobuf_c_boolean *)value ? "true" : "false");
		break;
	case PROTOBUF_C_TYPE_STRING: json_write_string(out, value); break;
	case PROTOBUF_C_TYPE_BYTES: json_write_bytes(out, value); break;
	case PROTOBUF_C_TYPE_MESSAGE:
		json_write_message_value(
		    out, (const struct schema_message *)wire->descriptor, value, bulk);
		break;
	}
}

/* Lists */

void
json_write_elements(struct buf *out, const struct schema_field *field,
    const ProtobufCMessage *message, const struct json_bulk *bulk)
{
	const ProtobufCFieldDescriptor *wire = field->wire;
	size_t count = json_write_count(message, wire);
	size_t size = schema_layout_size(wire->type);
	const char *element = *(const char *const *)json_write_member(message, wire);

	for (size_t i = 0; i < count; i++, element += size) {
		if (i > 0) {
			buf_putc(out, ',');
		}
		json_write_value(out, wire, element, bulk);
	}
}

/* Keys that are no strings become strings. */
static void
json_write_map_key(struct buf *out, const ProtobufCFieldDescriptor *wire, const void *key)
{
	if (wire->type == PROTOBUF_C_TYPE_STRING) {
		json_write_string(out, key);
		return;
	}
	buf_putc(out, '"');
	json_write_value(out, wire, key, NULL);
	buf_putc(out, '"');
}

static void
json_write_map(struct buf *out, const struct schema_field *field, const ProtobufCMessage *message,
    const struct json_bulk *bulk)
{
	const struct schema_message *type = schema_field_message(field);
	const ProtobufCFieldDescriptor *key = type->fields[0].wire;
	const ProtobufCFieldDescriptor *value = type->fields[1].wire;
	size_t count = json_write_count(message, field->wire);
	ProtobufCMessage *const *entries =
	    *(ProtobufCMessage *const *const *)json_write_member(message, field->wire);

	buf_putc(out, '{');
	for (size_t i = 0; i < count; i++) {
		if (i > 0) {
			buf_putc(out, ',');
		}
		json_write_map_key(out, key, json_write_member(entries[i], key));
		buf_putc(out, ':');
		json_write_value(out, value, json_write_member(entries[i], value), bulk);
	}
	buf_putc(out, '}');
}

static void
json_write_list(struct buf *out, const struct schema_field *field, const ProtobufCMessage *message,
    const struct json_bulk *bulk)
{
	if (schema_field_is_map(field)) {
		json_write_map(out, field, message, bulk);
		return;
	}
	buf_putc(out, '[');
	json_write_elements(out, field, message, bulk);
	buf_putc(out, ']');
}

/* Results of bulk requests */

/* Appends a string member of a message by its name in the .proto. */
static void
json_write_chars_of(struct buf *out, const ProtobufCMessage *message, const char *name)
{
	const ProtobufCFieldDescriptor *wire =
	    protobuf_c_message_descriptor_get_field_by_name(message->descriptor, name);
	const char *text;

	if (wire != NULL && wire->type == PROTOBUF_C_TYPE_STRING &&
	    wire->label == PROTOBUF_C_LABEL_NONE) {
		text = *(const char *const *)json_write_member(message, wire);
		buf_put_json_chars(out, text, strlen(text));
	}
}

/* The message, and after it each violation: "; email: must have one @". */
static void
json_write_errmsg(struct buf *out, const ProtobufCMessage *status)
{
	const ProtobufCFieldDescriptor *wire =
	    protobuf_c_message_descriptor_get_field_by_name(status->descriptor, "violations");
	ProtobufCMessage *const *violations;
	size_t count;

	json_write_chars_of(out, status, "message");
	if (wire == NULL || wire->type != PROTOBUF_C_TYPE_MESSAGE ||
	    wire->label != PROTOBUF_C_LABEL_REPEATED) {
		return;
	}
	violations = *(ProtobufCMessage *const *const *)json_write_member(status, wire);
	count = json_write_count(status, wire);
	for (size_t i = 0; i < count; i++) {
		buf_puts(out, i == 0 ? ": " : "; ");
		json_write_chars_of(out, violations[i], "field");
		buf_puts(out, ": ");
		json_write_chars_of(out, violations[i], "description");
	}
}

static void
json_write_status(struct buf *out, const ProtobufCMessage *status, const struct json_bulk *bulk)
{
	buf_puts(out, "\"httpstatus\":");
	buf_put_uint(
	    out, status == NULL ? bulk->success_status : bulk->http_status(status, bulk->closure));
	buf_puts(out, ",\"errmsg\":\"");
	if (status != NULL) {
		json_write_errmsg(out, status);
	}
	buf_putc(out, '"');
}

static bool
json_write_is_status(const struct schema_field *field, const struct json_bulk *bulk)
{
	return bulk != NULL && field->wire->type == PROTOBUF_C_TYPE_MESSAGE &&
	       field->wire->label == PROTOBUF_C_LABEL_NONE &&
	       schema_field_message(field) == bulk->status_type;
}

/* Objects */

/* The key's own comma is left out before the first member. */
static void
json_write_key(struct buf *out, const struct schema_field *field, bool first)
{
	buf_put(out, field->key + first, field->key_len - first);
}

/* Writes a template field; true when it could be filled. */
static bool
json_write_filled(struct buf *out, const struct schema_message *type,
    const struct schema_field *field, const ProtobufCMessage *message, bool first)
{
	size_t before = out->len;

	json_write_key(out, field, first);
	buf_putc(out, '"');
	if (!json_write_template(out, field->template, type, message)) {
		out->len = before;
		return false;
	}
	buf_putc(out, '"');
	return true;
}

void
json_write(struct buf *out, const struct schema_message *type, const ProtobufCMessage *message,
    const struct json_bulk *bulk)
{
	bool first = true;

	buf_putc(out, '{');
	for (size_t i = 0; i < type->field_count; i++) {
		const struct schema_field *field = &type->fields[i];
		const void *value = json_write_member(message, field->wire);

		if (field->input_only) {
			continue;
		}
		if (json_write_is_status(field, bulk)) {
			if (!first) {
				buf_putc(out, ',');
			}
			json_write_status(out, *(ProtobufCMessage *const *)value, bulk);
			first = false;
			continue;
		}
		if (field->template != NULL) {
			first = !json_write_filled(out, type, field, message, first) && first;
			continue;
		}
		if (!json_write_is_set(message, field->wire)) {
			continue;
		}
		json_write_key(out, field, first);
		if (field->wire->label == PROTOBUF_C_LABEL_REPEATED) {
			json_write_list(out, field, message, bulk);
		} else {
			json_write_value(out, field->wire, value, bulk);
		}
		first = false;
	}
	buf_putc(out, '}');
}

void
json_write_field(struct buf *out, const struct schema_field *field, const ProtobufCMessage *message)
{
	if (field->wire->label == PROTOBUF_C_LABEL_REPEATED) {
		json_write_list(out, field, message, NULL);
	} else if (json_write_is_set(message, field->wire)) {
		json_write_value(out, field->wire, json_write_member(message, field->wire), NULL);
	} else {
		buf_puts(out, "null");
	}
}

/* Templates */

static void
json_write_percent(struct buf *out, const char *text)
{
	static const char hex[] = "0123456789ABCDEF";

	for (; *text != '\0'; text++) {
		unsigned char c = (unsigned char)*text;

		if ((c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') ||
		    strchr("-._~", c) != NULL) {
			buf_putc(out, (char)c);
		} else {
			char escape[3] = {'%', hex[c >> 4], hex[c & 15]};

			buf_put(out, escape, sizeof(escape));
		}
	}
}

static bool
json_write_template_field(
    struct buf *out, const ProtobufCFieldDescriptor *wire, const ProtobufCMessage *message)
{
	const void *value = json_write_member(message, wire);
	const char *text;
	size_t before = out->len;

	if (!json_write_is_set(message, wire) || wire->label == PROTOBUF_C_LABEL_REPEATED) {
		return false;
	}
	switch (wire->type) {
	case PROTOBUF_C_TYPE_STRING:
		text = *(const char *const *)value;
		if (text == NULL || text[0] == '\0') {
			return false;
		}
		json_write_percent(out, text);
		return true;
	case PROTOBUF_C_TYPE_FLOAT:
	case PROTOBUF_C_TYPE_DOUBLE:
	case PROTOBUF_C_TYPE_BOOL:
	case PROTOBUF_C_TYPE_BYTES:
	case PROTOBUF_C_TYPE_MESSAGE: return false;
	default:
		json_write_value(out, wire, value, NULL);
		return !out->failed && out->data[before] != '-' && out->data[before] != '0';
	}
}

bool
json_write_template(struct buf *out, const char *template, const struct schema_message *type,
    const ProtobufCMessage *message)
{
	size_t before = out->len;
	const char *brace;

	while ((brace = strchr(template, '{')) != NULL) {
		const char *name = brace + 1;
		const char *end = strchr(name, '}');
		const struct schema_field *field =
		    end == NULL ? NULL : schema_find_field(type, name, (size_t)(end - name));

		buf_put(out, template, (size_t)(brace - template));
		if (field == NULL || !json_write_template_field(out, field->wire, message)) {
			out->len = before;
			return false;
		}
		template = end + 1;
	}
	buf_puts(out, template);
	return true;
}
