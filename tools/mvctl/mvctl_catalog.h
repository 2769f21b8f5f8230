/*
 * All that a descriptor set names, with the comments of the .proto. Never
 * changes once it is made.
 */
#ifndef TOOLS_MVCTL_CATALOG_H
#define TOOLS_MVCTL_CATALOG_H

#include <stddef.h>
#include <stdint.h>

#include "google/protobuf/descriptor.pb-c.h"

struct arena;
struct mvctl_remote;

/* Bits, so that several can be asked for. */
enum mvctl_kind {
	MVCTL_SERVICE = 1,
	MVCTL_METHOD = 2,
	MVCTL_MESSAGE = 4,
	MVCTL_ENUM = 8,
	MVCTL_ANY = 15
};

/* Numbers of fields of descriptor.proto, of which the places of comments are made. */
enum mvctl_tag {
	MVCTL_TAG_MESSAGE_FIELD = 2,
	MVCTL_TAG_MESSAGE_NESTED = 3,
	MVCTL_TAG_MESSAGE_ENUM = 4,
	MVCTL_TAG_ENUM_VALUE = 2,
	MVCTL_TAG_SERVICE_METHOD = 2,
	MVCTL_TAG_FILE_MESSAGE = 4,
	MVCTL_TAG_FILE_ENUM = 5,
	MVCTL_TAG_FILE_SERVICE = 6
};

/* Twice the depth of messages in messages that are known. */
#define MVCTL_PLACE_MAX 32

/* Where something stands in a file: tag and index, from the outside in. */
struct mvctl_place {
	const Google__Protobuf__FileDescriptorProto *file;
	int32_t path[MVCTL_PLACE_MAX];
	size_t len;
};

struct mvctl_symbol {
	const char *name; /* "account.v1.UserService/GetUser" */
	enum mvctl_kind kind;
	struct mvctl_place place;
	union {
		const Google__Protobuf__ServiceDescriptorProto *service;
		const Google__Protobuf__MethodDescriptorProto *method;
		const Google__Protobuf__DescriptorProto *message;
		const Google__Protobuf__EnumDescriptorProto *enumeration;
	};
};

struct mvctl_catalog {
	struct mvctl_symbol *symbols; /* in the order of the files, what is within after it */
	size_t count;
};

/* Makes the catalog, in the remote's arena. Gives the exit status; on failure it was told why. */
int mvctl_catalog_make(struct mvctl_catalog *catalog, const struct mvctl_remote *remote);

const char *mvctl_kind_name(enum mvctl_kind kind);

/*
 * The symbol of one of the kinds, by its name; of a method with a dot for the
 * slash too. NULL when there is none.
 */
const struct mvctl_symbol *mvctl_catalog_find(
    const struct mvctl_catalog *catalog, unsigned kinds, const char *name);

/* Tells that there is none, and the names that may be meant. */
void mvctl_catalog_tell_unknown(
    const struct mvctl_catalog *catalog, unsigned kinds, const char *name);

/* The place of a part of what is at a place. What is too deep has no comments. */
struct mvctl_place mvctl_place_within(
    const struct mvctl_place *place, enum mvctl_tag tag, size_t index);

/* The comment before what is at a place, or "". */
const char *mvctl_place_comment(const struct mvctl_place *place);

#endif
