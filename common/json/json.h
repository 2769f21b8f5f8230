/*
 * JSON to protobuf messages and back, by descriptors. As the JSON mapping of
 * proto3, but: 64-bit integers and enums are JSON numbers, unset scalars are
 * written, unknown members are refused.
 *
 * Any thread; results are in the arena given.
 */
#ifndef COMMON_JSON_H
#define COMMON_JSON_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "common/schema/schema.h"

#define JSON_DEPTH_MAX 32

struct arena;
struct buf;

/*
 * Reads a JSON object into a new message of a type, in arena. INVALID_ARGUMENT
 * otherwise: with reason MALFORMED_JSON and line and column in the message
 * for what is no JSON (RFC 8259), not UTF-8, deeper than JSON_DEPTH_MAX,
 * followed by more, or has U+0000; else with a violation for every member that
 * is unknown, double, null, of a wrong type or out of its type's range, named
 * by its path: "Users[3].name". RESOURCE_EXHAUSTED when arena is used up.
 * error is overwritten; its violations are in arena.
 */
enum status_code json_read(const struct schema_message *type, const char *text, size_t len,
    struct arena *arena, ProtobufCMessage **message, struct error *error);

/*
 * Reads a JSON merge patch (RFC 7396) as json_read reads an object, but with null
 * for members that are to be as if they were not given. Gives in *given, in
 * arena, the *count fields that it has, null or not, without those that are
 * only for answers. A member that is an object is given as a whole.
 */
enum status_code json_read_patch(const struct schema_message *type, const char *text, size_t len,
    struct arena *arena, ProtobufCMessage **message, const struct schema_field ***given,
    size_t *count, struct error *error);

/*
 * Reads a value that was given as plain text, in a path or a query, into
 * a scalar field of message, or appends it to a list of scalars. Adds a
 * violation, of name, to error when it does not fit; returns whether it did.
 * text need not be NUL-terminated.
 */
bool json_read_text(const struct schema_field *field, const char *name, const char *text,
    size_t len, struct arena *arena, ProtobufCMessage *message, struct error *error);

/* How results of a bulk request are written; see Bulk in rest.proto. */
struct json_bulk {
	const struct schema_message *status_type; /* mockvideo.rpc.v1.Status */
	uint32_t success_status;

	/* The HTTP status of a packed-and-unpacked Status of status_type. */
	uint32_t (*http_status)(const ProtobufCMessage *status, void *closure);
	void *closure;
};

/*
 * Appends message as a JSON object. bulk, which may be NULL, says how fields
 * of its status_type are written: as members httpstatus and errmsg.
 */
void json_write(struct buf *out, const struct schema_message *type, const ProtobufCMessage *message,
    const struct json_bulk *bulk);

/* Appends the value of a field as JSON, null for a message that is not there. */
void json_write_field(
    struct buf *out, const struct schema_field *field, const ProtobufCMessage *message);

/* Appends the elements of a repeated field, with commas between, without brackets. */
void json_write_elements(struct buf *out, const struct schema_field *field,
    const ProtobufCMessage *message, const struct json_bulk *bulk);

/*
 * Appends template with each {name} replaced by that field of message,
 * percent-encoded (RFC 3986). False, and out as it was, when a field is unset,
 * empty or not positive.
 */
bool json_write_template(struct buf *out, const char *template, const struct schema_message *type,
    const ProtobufCMessage *message);

#endif
