#include "common/json/json_value.h"

#include <ctype.h>
#include <math.h>
#include <sodium.h>
#include <stdlib.h>
#include <string.h>

#include "common/base/arena.h"
#include "common/base/utf8.h"

#define JSON_NUMBER_LOCAL_BYTES 64

const char json_value_no_memory[] = "needs more memory than a call may have";

static bool
json_value_is(const struct json_value *value, const char *text)
{
	return value->len == strlen(text) && memcmp(value->text, text, value->len) == 0;
}

/* Integers */

struct json_range {
	int64_t min;
	uint64_t max;
	const char *problem;
};

static const struct json_range json_int32 = {
    INT32_MIN, INT32_MAX, "must be from -2147483648 to 2147483647"};
static const struct json_range json_uint32 = {0, UINT32_MAX, "must be from 0 to 4294967295"};
static const struct json_range json_int64 = {
    INT64_MIN, INT64_MAX, "must be from -9223372036854775808 to 9223372036854775807"};
static const struct json_range json_uint64 = {
    0, UINT64_MAX, "must be from 0 to 18446744073709551615"};

/* The range of an integer type, NULL for other types. */
static const struct json_range *
json_value_range(ProtobufCType type)
{
	switch (type) {
	case PROTOBUF_C_TYPE_INT32:
	case PROTOBUF_C_TYPE_SINT32:
	case PROTOBUF_C_TYPE_SFIXED32:
	case PROTOBUF_C_TYPE_ENUM: return &json_int32;
	case PROTOBUF_C_TYPE_UINT32:
	case PROTOBUF_C_TYPE_FIXED32: return &json_uint32;
	case PROTOBUF_C_TYPE_INT64:
	case PROTOBUF_C_TYPE_SINT64:
	case PROTOBUF_C_TYPE_SFIXED64: return &json_int64;
	case PROTOBUF_C_TYPE_UINT64:
	case PROTOBUF_C_TYPE_FIXED64: return &json_uint64;
	default: return NULL;
	}
}

/* Sets *bits to the number in two's complement, whatever its type's size. */
static const char *
json_value_integer(const struct json_value *value, const struct json_range *range, uint64_t *bits)
{
	bool negative = value->len > 0 && value->text[0] == '-';
	uint64_t limit = negative ? -(uint64_t)range->min : range->max;
	uint64_t sum = 0;
	bool over = false;

	for (size_t i = negative; i < value->len; i++) {
		unsigned digit = (unsigned)value->text[i] - '0';

		if (digit > 9) {
			return "must be a whole number, without fraction or exponent";
		}
		over = over || sum > limit / 10 || digit > limit - sum * 10;
		if (!over) {
			sum = sum * 10 + digit;
		}
	}
	*bits = negative ? -sum : sum;
	return over ? range->problem : NULL;
}

static const char *
json_value_put_integer(const struct json_value *value, const struct json_range *range, void *place)
{
	const char *problem;
	uint64_t bits;
	uint32_t low;

	if (value->kind != JSON_NUMBER) {
		return "must be a whole number";
	}
	problem = json_value_integer(value, range, &bits);
	if (problem != NULL) {
		return problem;
	}
	low = (uint32_t)bits;
	if (range == &json_int32 || range == &json_uint32) {
		memcpy(place, &low, sizeof(low));
	} else {
		memcpy(place, &bits, sizeof(bits));
	}
	return NULL;
}

/* Other types */

static bool
json_value_is_special(const struct json_value *value)
{
	return json_value_is(value, "NaN") || json_value_is(value, "Infinity") ||
	       json_value_is(value, "-Infinity");
}

static const char *
json_value_put_float(
    const struct json_value *value, bool is_double, void *place, struct arena *arena)
{
	bool special = value->kind == JSON_STRING && json_value_is_special(value);
	char local[JSON_NUMBER_LOCAL_BYTES];
	char *text = local;

	if (value->kind != JSON_NUMBER && !special) {
		return "must be a number";
	}
	if (value->len >= sizeof(local)) {
		text = arena_strndup(arena, value->text, value->len);
		if (text == NULL) {
			return json_value_no_memory;
		}
	} else {
		memcpy(local, value->text, value->len);
		local[value->len] = '\0';
	}
	if (is_double) {
		double number = strtod(text, NULL);

		memcpy(place, &number, sizeof(number));
		return isinf(number) && !special ? "is out of the range of a double" : NULL;
	} else {
		float number = strtof(text, NULL);

		memcpy(place, &number, sizeof(number));
		return isinf(number) && !special ? "is out of the range of a float" : NULL;
	}
}

static const char *
json_value_put_bool(const struct json_value *value, void *place)
{
	protobuf_c_boolean truth = value->kind == JSON_BOOLEAN && json_value_is(value, "true");

	if (value->kind != JSON_BOOLEAN) {
		return "must be true or false";
	}
	memcpy(place, &truth, sizeof(truth));
	return NULL;
}

static const char *
json_value_put_string(const struct json_value *value, void *place, struct arena *arena)
{
	char *text;

	if (value->kind != JSON_STRING) {
		return "must be a string";
	}
	text = arena_strndup(arena, value->text, value->len);
	memcpy(place, &text, sizeof(text));
	return text == NULL ? json_value_no_memory : NULL;
}

/* Both alphabets are taken, with padding or without, as in the JSON mapping of proto3. */
static int
json_value_base64_variant(const char *text, size_t len)
{
	bool url = memchr(text, '-', len) != NULL || memchr(text, '_', len) != NULL;

	if (len > 0 && text[len - 1] == '=') {
		return url ? sodium_base64_VARIANT_URLSAFE : sodium_base64_VARIANT_ORIGINAL;
	}
	return url ? sodium_base64_VARIANT_URLSAFE_NO_PADDING
		   : sodium_base64_VARIANT_ORIGINAL_NO_PADDING;
}

static const char *
json_value_put_bytes(const struct json_value *value, void *place, struct arena *arena)
{
	ProtobufCBinaryData bytes = {0, NULL};

	if (value->kind != JSON_STRING) {
		return "must be a string in base64";
	}
	bytes.data = arena_alloc(arena, value->len + 1);
	if (bytes.data == NULL) {
		return json_value_no_memory;
	}
	if (value->len > 0 &&
	    sodium_base642bin(bytes.data, value->len, value->text, value->len, NULL, &bytes.len,
		NULL, json_value_base64_variant(value->text, value->len)) != 0) {
		return "must be a string in base64";
	}
	memcpy(place, &bytes, sizeof(bytes));
	return NULL;
}

const char *
json_value_put(const struct json_value *value, const ProtobufCFieldDescriptor *wire, void *place,
    struct arena *arena)
{
	const struct json_range *range = json_value_range(wire->type);

	if (value->kind == JSON_NULL) {
		return "must not be null";
	}
	if (range != NULL) {
		return json_value_put_integer(value, range, place);
	}
	switch (wire->type) {
	case PROTOBUF_C_TYPE_FLOAT: return json_value_put_float(value, false, place, arena);
	case PROTOBUF_C_TYPE_DOUBLE: return json_value_put_float(value, true, place, arena);
	case PROTOBUF_C_TYPE_BOOL: return json_value_put_bool(value, place);
	case PROTOBUF_C_TYPE_STRING: return json_value_put_string(value, place, arena);
	case PROTOBUF_C_TYPE_BYTES: return json_value_put_bytes(value, place, arena);
	default: return "must be an object";
	}
}

/* Plain text */

static size_t
json_text_digits(const char *text, size_t len, size_t at)
{
	while (at < len && isdigit((unsigned char)text[at])) {
		at++;
	}
	return at;
}

/* The grammar of RFC 8259 section 6. */
static bool
json_text_is_number(const char *text, size_t len)
{
	size_t start = len > 0 && text[0] == '-';
	size_t at = json_text_digits(text, len, start);

	if (at == start || (text[start] == '0' && at > start + 1)) {
		return false;
	}
	if (at < len && text[at] == '.') {
		start = at + 1;
		at = json_text_digits(text, len, start);
		if (at == start) {
			return false;
		}
	}
	if (at < len && (text[at] == 'e' || text[at] == 'E')) {
		start = at + 1;
		start += start < len && (text[start] == '+' || text[start] == '-');
		at = json_text_digits(text, len, start);
		if (at == start) {
			return false;
		}
	}
	return at == len;
}

static const char *
json_text_problem(const char *text, size_t len)
{
	for (size_t at = 0; at < len;) {
		size_t sequence = utf8_sequence_len(text + at, len - at);

		if (sequence == 0) {
			return "must be UTF-8";
		}
		if (text[at] == '\0') {
			return "must not have U+0000";
		}
		at += sequence;
	}
	return NULL;
}

const char *
json_value_of_text(
    struct json_value *value, const ProtobufCFieldDescriptor *wire, const char *text, size_t len)
{
	*value = (struct json_value){JSON_STRING, text, len};
	if (wire->type == PROTOBUF_C_TYPE_BOOL &&
	    (json_value_is(value, "true") || json_value_is(value, "false"))) {
		value->kind = JSON_BOOLEAN;
	}
	if (wire->type != PROTOBUF_C_TYPE_STRING && json_text_is_number(text, len)) {
		value->kind = wire->type == PROTOBUF_C_TYPE_BYTES ? JSON_STRING : JSON_NUMBER;
	}
	return json_text_problem(text, len);
}
