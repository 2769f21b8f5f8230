/*
 * Reads JSON into a message, one event of a parser after the other. Knows which
 * member a value is for, reports what does not fit, and stores what does.
 *
 * A reader is for one document and one thread.
 */
#ifndef COMMON_JSON_READER_H
#define COMMON_JSON_READER_H

#include "common/json/json.h"
#include "common/json/json_value.h"

enum json_frame_kind {
	JSON_FRAME_SKIPPED, /* its values are only checked to be JSON */
	JSON_FRAME_OBJECT,  /* an object, read into the message `into` */
	JSON_FRAME_ARRAY,   /* an array, read into the repeated field `list` */
	JSON_FRAME_MAP      /* an object, read into the map `list`; `into` is its last entry */
};

/* An object or array that is open. */
struct json_frame {
	enum json_frame_kind kind;
	const struct schema_message *type; /* of into, when OBJECT */
	ProtobufCMessage *into;
	const struct schema_field *field; /* what the next value is for; NULL: skip it */
	const char *name;                 /* of the current member, as the client spelled it */
	size_t name_len;

	const struct schema_field *list;
	ProtobufCMessage *list_of; /* the message that has it */
	size_t list_capacity;
	size_t index; /* of the next element */

	uint64_t *seen; /* a bit for each field of type that was named */
	size_t seen_words;
};

struct json_reader {
	const struct schema_message *type;
	struct arena *arena;
	struct error *error; /* gets a violation for all that does not fit */
	ProtobufCMessage *message;
	bool is_object; /* the whole document; false until it began */
	bool too_deep;
	bool no_memory;

	struct json_frame frames[JSON_DEPTH_MAX];
	size_t depth;
	bool told_all; /* error takes no more violations */
	bool patch;    /* a null in the outermost object stands for a field that is not given */
	union {
		uint64_t number;
		ProtobufCBinaryData bytes;
	} ignored; /* where values go that are checked and not kept */
};

/* A reader for messages of a type. False when there is no memory. */
bool json_reader_init(struct json_reader *reader, const struct schema_message *type,
    struct arena *arena, struct error *error);

/*
 * What the parser met. False when it must stop: too_deep or no_memory is set.
 * Texts are borrowed for the call.
 */
bool json_reader_value(
    struct json_reader *reader, enum json_kind kind, const char *text, size_t len);
bool json_reader_open_object(struct json_reader *reader);
bool json_reader_open_array(struct json_reader *reader);
bool json_reader_name(struct json_reader *reader, const char *name, size_t len);
bool json_reader_close(struct json_reader *reader);

/*
 * Notes in message that field is given; false when it is in a oneof of which
 * another member was given.
 */
bool json_reader_claim(ProtobufCMessage *message, const ProtobufCFieldDescriptor *field);

#endif
