/*
 * The services that the gateway offers, from a FileDescriptorSet: messages with
 * descriptors that protobuf-c can use for packing and unpacking, their JSON
 * names and rules, and methods with their HTTP bindings.
 *
 * Never changes after schema_new: any thread may read.
 */
#ifndef COMMON_SCHEMA_H
#define COMMON_SCHEMA_H

#include <protobuf-c/protobuf-c.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "common/base/status.h"
#include "google/api/http.pb-c.h"
#include "mockvideo/rest.pb-c.h"

struct arena;
struct schema;

/* A field, in the order in which the .proto declares it. */
struct schema_field {
	const ProtobufCFieldDescriptor *wire; /* name, number, type, offsets */
	const char *json_name;
	size_t json_name_len;
	const char *key; /* as in JSON after another member: ,"name": */
	size_t key_len;
	bool input_only;      /* read from requests, never written (AIP-203) */
	bool output_only;     /* ignored in requests */
	const char *template; /* FieldRule.template, or NULL */
};

/*
 * The first member makes a ProtobufCMessageDescriptor * of ours one of these.
 * It has no message_init, so messages are made by schema_message_new and not
 * by protobuf_c_message_init.
 */
struct schema_message {
	ProtobufCMessageDescriptor wire; /* wire.name is the full name */
	const struct schema_field *fields;
	size_t field_count;
	bool has_output_only;
	bool map_entry; /* the entries of a map: fields[0] is the key, fields[1] the value */
	const ProtobufCMessage *initial; /* a message with every field unset */
};

/* A way to reach a method over HTTP: google.api.HttpRule, whose words these are. */
struct schema_binding {
	const char *verb; /* "GET"; "*": any */
	const char *path;
	const char *body;
	const char *response_body;
};

struct schema_method {
	const char *name; /* "account.v1.UserService/GetUser" */
	const struct schema_message *input;
	const struct schema_message *output;
	bool no_side_effects; /* idempotency_level */
	unsigned call_flags;  /* enum rpc_request_flag, by the method's options */
	const struct schema_binding *bindings;
	size_t binding_count;
	const Mockvideo__Rest__V1__MethodRule *rule; /* never NULL */
	Mockvideo__Rest__V1__ErrorRule **errors;     /* of the method's service */
	size_t error_count;
};

/* Bindings of a method beside those that its .proto has. */
struct schema_rule {
	const char *selector; /* the method: "account.v1.UserService.GetUser" */
	const Google__Api__HttpRule *http;
	const char *place; /* where it stands, for errors */
};

/* Which parts of a set are compiled. */
struct schema_options {
	/*
	 * Returns whether the services of a proto package are compiled; those
	 * of other packages are skipped, and so are rules for them. NULL: all
	 * are.
	 */
	bool (*wants)(const char *package, void *closure);
	void *closure;
	const struct schema_rule *rules; /* borrowed for as long as the schema is there */
	size_t rule_count;
};

/*
 * The length of the package in a selector, which names a method; -1: the
 * selector cannot name one.
 */
ptrdiff_t schema_selector_package(const char *selector);

/*
 * Reads a packed FileDescriptorSet; options NULL: all of it. On failure *schema
 * is NULL and error says which file, message or method is at fault and why: a
 * set that is no set, a type that is missing, recursive messages, an
 * unsupported proto2 feature, a rule for a method that is not there.
 */
enum status_code schema_new(struct schema **schema, const uint8_t *set, size_t len,
    const struct schema_options *options, struct error *error);

/* Frees the schema and clears *schema. */
void schema_free(struct schema **schema);

size_t schema_method_count(const struct schema *schema);
const struct schema_method *schema_method(const struct schema *schema, size_t index);
const struct schema_method *schema_find_method(const struct schema *schema, const char *name);

/* By full name, "account.v1.User"; NULL when no method takes or gives it. */
const struct schema_message *schema_find_message(const struct schema *schema, const char *name);

/* A new message in arena with every field unset, or NULL when there is no room. */
ProtobufCMessage *schema_message_new(const struct schema_message *type, struct arena *arena);

/*
 * Unsets what only answers have (AIP-203), in message and not in those within.
 * Their memory stays where it was.
 */
void schema_drop_output_only(const struct schema_message *type, ProtobufCMessage *message);

/* By JSON name or by the name in the .proto; NULL when there is none. */
const struct schema_field *schema_find_field(
    const struct schema_message *message, const char *name, size_t len);

/*
 * What is wrong with a template such as "/users/{id}" for messages of a type,
 * or NULL: text that has no place in a URL, a brace left open, a name that is
 * no field, or a field that is no integer or string, or is not for answers.
 */
const char *schema_template_problem(const struct schema_message *message, const char *template);

/*
 * True when a field that is no list has its zero value in message and no
 * presence: what is packed of the message does not say that it was given.
 */
bool schema_field_is_lost(const struct schema_field *field, const ProtobufCMessage *message);
/* The path to a field in nested messages: the fields of the outer messages, then the field. */
#define SCHEMA_PATH_MAX 4

struct schema_path {
	const struct schema_field *fields[SCHEMA_PATH_MAX];
	size_t depth;
};

/* Finds "page.size". False when there is no such field, or a list or oneof is on the way. */
bool schema_find_path(
    const struct schema_message *message, const char *name, size_t len, struct schema_path *path);

/* The field that the path leads to. */
static inline const struct schema_field *
schema_path_leaf(const struct schema_path *path)
{
	return path->fields[path->depth - 1];
}

/*
 * The inner message that contains the field at the end of the path. Missing
 * messages on the path are created, in arena. NULL without memory.
 */
ProtobufCMessage *schema_path_reach(
    const struct schema_path *path, ProtobufCMessage *message, struct arena *arena);

/* Whether a field is a map; schema_field_message gives the type of its entries. */
bool schema_field_is_map(const struct schema_field *field);

/* The message type of a field of type message. */
static inline const struct schema_message *
schema_field_message(const struct schema_field *field)
{
	return (const struct schema_message *)field->wire->descriptor;
}

#endif
