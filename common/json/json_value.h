/*
 * A single value of a request, as JSON or a URL spells it, on its way into a
 * field of scalar type. Any thread.
 */
#ifndef COMMON_JSON_VALUE_H
#define COMMON_JSON_VALUE_H

#include <protobuf-c/protobuf-c.h>
#include <stdbool.h>
#include <stddef.h>

struct arena;

enum json_kind {
	JSON_NULL,
	JSON_BOOLEAN, /* text is "true" or "false" */
	JSON_NUMBER,  /* text is as RFC 8259 section 6 says */
	JSON_STRING,  /* text is what it says, unescaped: UTF-8 without U+0000 */
	JSON_COMPOUND /* an object or array; without text */
};

struct json_value {
	enum json_kind kind;
	const char *text;
	size_t len;
};

/*
 * The value that plain text, from a path or a query, is for a field. NULL, or
 * what the text must be.
 */
const char *json_value_of_text(
    struct json_value *value, const ProtobufCFieldDescriptor *wire, const char *text, size_t len);

/*
 * Puts a value at place, the memory of a field or of an element of a repeated
 * one, whose type is no message. Text and bytes are copied into arena. NULL,
 * or what the value must be ("must be a string"), or json_value_no_memory.
 */
const char *json_value_put(const struct json_value *value, const ProtobufCFieldDescriptor *wire,
    void *place, struct arena *arena);

extern const char json_value_no_memory[];

#endif
