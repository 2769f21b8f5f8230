#include <stdalign.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>
#include <yajl/yajl_parse.h>

#include "common/base/arena.h"
#include "common/base/utf8.h"
#include "common/json/json.h"
#include "common/json/json_reader.h"
#include "common/schema/schema_layout.h"

#define JSON_REASON_MALFORMED "MALFORMED_JSON"
#define JSON_REASON_FIELDS    "INVALID_FIELDS"

/* Text that is no JSON */

/* Columns count characters, both begin with 1. */
static enum status_code
json_malformed(
    struct error *error, const char *text, size_t at, const char *problem, size_t problem_len)
{
	size_t line = 1;
	size_t column = 1;

	for (size_t i = 0; i < at; i++) {
		if (text[i] == '\n') {
			line++;
			column = 1;
		} else if (((unsigned char)text[i] & 0xc0) != 0x80) {
			column++;
		}
	}
	return error_set(error, STATUS_INVALID_ARGUMENT, JSON_REASON_MALFORMED,
	    "line %zu, column %zu: %.*s", line, column, (int)problem_len, problem);
}

/* The code unit of an escape \uXXXX, or -1 when there is none at text. */
static int32_t
json_escape(const char *text, size_t left)
{
	char digits[5] = {0};
	if (left < 6 || text[0] != '\\' || text[1] != 'u') {
		return -1;
	}
	memcpy(digits, text + 2, 4);
	if (strspn(digits, "0123456789abcdefABCDEF") != 4) {
		return -1;
	}
	return (int32_t)strtol(digits, NULL, 16);
}

/* What is wrong with the escape at text, and how long it is otherwise. */
static const char *
json_escape_problem(const char *text, size_t left, size_t *len)
{
	int32_t unit = json_escape(text, left);
	int32_t low;

	*len = unit < 0 ? 2 : 6;
	if (unit == 0) {
		return "U+0000 is not allowed";
	}
	if (unit < 0xd800 || unit > 0xdfff) {
		return NULL;
	}
	low = json_escape(text + 6, left - 6);
	*len = 12;
	if (unit > 0xdbff || low < 0xdc00 || low > 0xdfff) {
		return "half of a surrogate pair, which is no character";
	}
	return NULL;
}

/*
 * Finds what the parser lets pass: it takes over-long UTF-8 and surrogates, and
 * makes a question mark of half a pair of escapes. Backslashes outside of
 * strings are left for it to refuse.
 */
static const char *
json_text_fault(const char *text, size_t len, size_t *at)
{
	size_t step;

	for (*at = 0; *at < len; *at += step) {
		const char *here = text + *at;

		step = 1;
		if (*here == '\\') {
			const char *problem = json_escape_problem(here, len - *at, &step);

			if (problem != NULL) {
				return problem;
			}
		} else if (*here == '\0') {
			return "U+0000 is not allowed";
		} else if ((unsigned char)*here >= 0x80) {
			step = utf8_sequence_len(here, len - *at);
			if (step == 0) {
				return "not UTF-8";
			}
		}
	}
	return NULL;
}

/*
 * The parser. It puts strings with escapes together in memory of its own; as one of
 * them may be a password, that is overwritten before it is freed.
 */

/* Stands before what the parser is given. */
struct json_memory {
	alignas(max_align_t) size_t size;
};

static void *
json_alloc(void *closure, size_t size)
{
	struct json_memory *memory = malloc(sizeof(*memory) + size);

	(void)closure;
	if (memory == NULL) {
		return NULL;
	}
	memory->size = size;
	return memory + 1;
}

static void
json_free(void *closure, void *bytes)
{
	struct json_memory *memory;

	(void)closure;
	if (bytes != NULL) {
		memory = (struct json_memory *)bytes - 1;
		explicit_bzero(bytes, memory->size);
		free(memory);
	}
}

static void *
json_realloc(void *closure, void *bytes, size_t size)
{
	const struct json_memory *memory;
	void *grown = json_alloc(closure, size);

	if (grown != NULL && bytes != NULL) {
		memory = (struct json_memory *)bytes - 1;
		memcpy(grown, bytes, memory->size < size ? memory->size : size);
		json_free(closure, bytes);
	}
	return grown;
}

static int
json_on_null(void *reader)
{
	return json_reader_value(reader, JSON_NULL, NULL, 0);
}

static int
json_on_boolean(void *reader, int truth)
{
	const char *text = truth ? "true" : "false";

	return json_reader_value(reader, JSON_BOOLEAN, text, strlen(text));
}

static int
json_on_number(void *reader, const char *text, size_t len)
{
	return json_reader_value(reader, JSON_NUMBER, text, len);
}

static int
json_on_string(void *reader, const unsigned char *text, size_t len)
{
	return json_reader_value(reader, JSON_STRING, (const char *)text, len);
}

static int
json_on_start_map(void *reader)
{
	return json_reader_open_object(reader);
}

static int
json_on_map_key(void *reader, const unsigned char *name, size_t len)
{
	return json_reader_name(reader, (const char *)name, len);
}

static int
json_on_start_array(void *reader)
{
	return json_reader_open_array(reader);
}

static int
json_on_end(void *reader)
{
	return json_reader_close(reader);
}

static const yajl_callbacks json_callbacks = {
    .yajl_null = json_on_null,
    .yajl_boolean = json_on_boolean,
    .yajl_number = json_on_number,
    .yajl_string = json_on_string,
    .yajl_start_map = json_on_start_map,
    .yajl_map_key = json_on_map_key,
    .yajl_end_map = json_on_end,
    .yajl_start_array = json_on_start_array,
    .yajl_end_array = json_on_end,
};

/* What the parser says, without its "parse error: " and the line end. */
static enum status_code
json_syntax_error(yajl_handle parser, const char *text, size_t at, struct error *error)
{
	unsigned char *says = yajl_get_error(parser, 0, (const unsigned char *)text, 0);
	const char *problem = says == NULL ? "not JSON" : (const char *)says;
	const char *colon = strstr(problem, "error: ");

	if (colon != NULL) {
		problem = colon + strlen("error: ");
	}
	json_malformed(error, text, at, problem, strcspn(problem, "\n"));
	if (says != NULL) {
		yajl_free_error(parser, says);
	}
	return error->code;
}

static enum status_code
json_no_memory(struct error *error)
{
	return error_set(error, STATUS_RESOURCE_EXHAUSTED, NULL,
	    "the body needs more memory than a call may have: send less at once");
}

static enum status_code
json_parse(struct json_reader *reader, yajl_handle parser, const char *text, size_t len)
{
	yajl_status status = yajl_parse(parser, (const unsigned char *)text, len);
	size_t at = yajl_get_bytes_consumed(parser);

	if (status == yajl_status_ok) {
		at = len + 1;
		status = yajl_complete_parse(parser);
	}
	if (reader->no_memory) {
		return json_no_memory(reader->error);
	}
	at -= at > 0;
	if (reader->too_deep) {
		static const char problem[] = "nested deeper than 32 levels";

		return json_malformed(reader->error, text, at, problem, strlen(problem));
	}
	if (status != yajl_status_ok) {
		return json_syntax_error(parser, text, at, reader->error);
	}
	if (!reader->is_object) {
		return error_set(reader->error, STATUS_INVALID_ARGUMENT, JSON_REASON_FIELDS,
		    "the body must be a JSON object");
	}
	return reader->error->code;
}

/* Reads with a reader that is zeroed but for what says how. */
static enum status_code
json_read_by(struct json_reader *reader, const struct schema_message *type, const char *text,
    size_t len, struct arena *arena, ProtobufCMessage **message, struct error *error)
{
	yajl_alloc_funcs memory = {json_alloc, json_realloc, json_free, NULL};
	bool patch = reader->patch;
	const char *problem;
	yajl_handle parser;
	size_t at;

	*message = NULL;
	memset(error, 0, sizeof(*error));
	problem = json_text_fault(text, len, &at);
	if (problem != NULL) {
		return json_malformed(error, text, at, problem, strlen(problem));
	}
	for (at = 0; at < len && strchr(" \t\r\n", text[at]) != NULL; at++) {
	}
	if (at == len) {
		return error_set(error, STATUS_INVALID_ARGUMENT, JSON_REASON_MALFORMED,
		    "the body is empty: send a JSON object");
	}
	if (!json_reader_init(reader, type, arena, error) ||
	    (parser = yajl_alloc(&json_callbacks, &memory, reader)) == NULL) {
		return json_no_memory(error);
	}
	reader->patch = patch;
	if (json_parse(reader, parser, text, len) == STATUS_OK) {
		*message = reader->message;
	}
	yajl_free(parser);
	return error->code;
}

enum status_code
json_read(const struct schema_message *type, const char *text, size_t len, struct arena *arena,
    ProtobufCMessage **message, struct error *error)
{
	struct json_reader reader = {.patch = false};

	return json_read_by(&reader, type, text, len, arena, message, error);
}

/* The fields that the outermost object named. False without memory. */
static bool
json_list_given(const struct json_reader *reader, struct arena *arena,
    const struct schema_field ***given, size_t *count)
{
	const struct schema_message *type = reader->type;
	const uint64_t *seen = reader->frames[0].seen;

	*count = 0;
	*given = arena_calloc(arena, type->field_count + 1, sizeof(**given));
	for (size_t i = 0; i < type->field_count && *given != NULL; i++) {
		const struct schema_field *field = &type->fields[i];

		if ((seen[i / 64] >> i % 64 & 1) != 0 && field->template == NULL &&
		    !field->output_only) {
			(*given)[(*count)++] = field;
		}
	}
	return *given != NULL;
}

enum status_code
json_read_patch(const struct schema_message *type, const char *text, size_t len,
    struct arena *arena, ProtobufCMessage **message, const struct schema_field ***given,
    size_t *count, struct error *error)
{
	struct json_reader reader = {.patch = true};
	enum status_code code = json_read_by(&reader, type, text, len, arena, message, error);

	if (code == STATUS_OK && !json_list_given(&reader, arena, given, count)) {
		code = json_no_memory(error);
	}
	return code;
}

/* Room for one more element of a list, which grows when its count is a power of two. */
static void *
json_read_append(
    const ProtobufCFieldDescriptor *wire, ProtobufCMessage *message, struct arena *arena)
{
	size_t *count = (size_t *)((char *)message + wire->quantifier_offset);
	char **elements = (char **)((char *)message + wire->offset);
	size_t size = schema_layout_size(wire->type);
	char *larger;

	if ((*count & (*count - 1)) == 0) {
		larger = arena_calloc(arena, *count == 0 ? 1 : 2 * *count, size);
		if (larger == NULL) {
			return NULL;
		}
		if (*count > 0) {
			memcpy(larger, *elements, *count * size);
		}
		*elements = larger;
	}
	return *elements + (*count)++ * size;
}

bool
json_read_text(const struct schema_field *field, const char *name, const char *text, size_t len,
    struct arena *arena, ProtobufCMessage *message, struct error *error)
{
	const ProtobufCFieldDescriptor *wire = field->wire;
	struct json_value value;
	const char *problem = json_value_of_text(&value, wire, text, len);
	bool repeated = wire->label == PROTOBUF_C_LABEL_REPEATED;
	void *place = (char *)message + wire->offset;

	if (problem == NULL && !json_reader_claim(message, wire)) {
		problem = "excludes another parameter that is given too";
	}
	if (problem == NULL && repeated) {
		place = json_read_append(wire, message, arena);
		problem = place == NULL ? json_value_no_memory : NULL;
	}
	if (problem == NULL) {
		problem = json_value_put(&value, wire, place, arena);
	}
	if (problem == json_value_no_memory) {
		json_no_memory(error);
	} else if (problem != NULL) {
		error_violation(error, arena, name, "%s", problem);
	}
	return problem == NULL;
}
