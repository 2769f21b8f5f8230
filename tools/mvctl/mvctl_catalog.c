#include "tools/mvctl/mvctl_catalog.h"

#include <stdbool.h>
#include <string.h>

#include "common/base/arena.h"
#include "common/base/spelling.h"
#include "tools/mvctl/mvctl_options.h"
#include "tools/mvctl/mvctl_remote.h"
#include "tools/mvctl/mvctl_report.h"

#define MVCTL_SUGGESTIONS_MAX 3

/* The catalog under construction. */
struct mvctl_making {
	struct mvctl_catalog *catalog;
	struct arena *arena;
	bool unnamed;
	bool no_memory;
};

/* Counting, so that the symbols can be in one piece */

static size_t
mvctl_count_messages(Google__Protobuf__DescriptorProto *const *messages, size_t count)
{
	size_t sum = count;

	for (size_t i = 0; i < count; i++) {
		sum += messages[i]->n_enum_type;
		sum += mvctl_count_messages(messages[i]->nested_type, messages[i]->n_nested_type);
	}
	return sum;
}

static size_t
mvctl_count(const Google__Protobuf__FileDescriptorSet *set)
{
	size_t sum = 0;

	for (size_t i = 0; i < set->n_file; i++) {
		const Google__Protobuf__FileDescriptorProto *file = set->file[i];

		sum += file->n_service + file->n_enum_type;
		for (size_t j = 0; j < file->n_service; j++) {
			sum += file->service[j]->n_method;
		}
		sum += mvctl_count_messages(file->message_type, file->n_message_type);
	}
	return sum;
}

/* Places */

struct mvctl_place
mvctl_place_within(const struct mvctl_place *place, enum mvctl_tag tag, size_t index)
{
	struct mvctl_place within = *place;

	if (place->len + 2 <= MVCTL_PLACE_MAX) {
		within.path[within.len++] = (int32_t)tag;
		within.path[within.len++] = (int32_t)index;
	} else {
		within.file = NULL;
	}
	return within;
}

const char *
mvctl_place_comment(const struct mvctl_place *place)
{
	const Google__Protobuf__SourceCodeInfo *info =
	    place->file == NULL ? NULL : place->file->source_code_info;

	for (size_t i = 0; info != NULL && i < info->n_location; i++) {
		const Google__Protobuf__SourceCodeInfo__Location *location = info->location[i];

		if (location->leading_comments != NULL && location->n_path == place->len &&
		    memcmp(location->path, place->path, place->len * sizeof(*place->path)) == 0) {
			return location->leading_comments;
		}
	}
	return "";
}

/* Symbols */

/* Gives a symbol without its descriptor; NULL, and making says why, when there is none. */
static struct mvctl_symbol *
mvctl_add(struct mvctl_making *making, enum mvctl_kind kind, const char *scope, const char *name,
    struct mvctl_place place)
{
	struct mvctl_symbol *symbol = &making->catalog->symbols[making->catalog->count];
	const char *separator = scope[0] == '\0' ? "" : kind == MVCTL_METHOD ? "/" : ".";

	if (name == NULL) {
		making->unnamed = true;
		return NULL;
	}
	symbol->name = arena_printf(making->arena, "%s%s%s", scope, separator, name);
	if (symbol->name == NULL) {
		making->no_memory = true;
		return NULL;
	}
	symbol->kind = kind;
	symbol->place = place;
	making->catalog->count++;
	return symbol;
}

static void
mvctl_add_enum(struct mvctl_making *making, const Google__Protobuf__EnumDescriptorProto *proto,
    const char *scope, struct mvctl_place place)
{
	struct mvctl_symbol *symbol = mvctl_add(making, MVCTL_ENUM, scope, proto->name, place);

	if (symbol != NULL) {
		symbol->enumeration = proto;
	}
}

static void
mvctl_add_message(struct mvctl_making *making, const Google__Protobuf__DescriptorProto *proto,
    const char *scope, struct mvctl_place place)
{
	struct mvctl_symbol *symbol = mvctl_add(making, MVCTL_MESSAGE, scope, proto->name, place);

	if (symbol == NULL) {
		return;
	}
	symbol->message = proto;
	for (size_t i = 0; i < proto->n_enum_type; i++) {
		mvctl_add_enum(making, proto->enum_type[i], symbol->name,
		    mvctl_place_within(&place, MVCTL_TAG_MESSAGE_ENUM, i));
	}
	for (size_t i = 0; i < proto->n_nested_type; i++) {
		mvctl_add_message(making, proto->nested_type[i], symbol->name,
		    mvctl_place_within(&place, MVCTL_TAG_MESSAGE_NESTED, i));
	}
}

static void
mvctl_add_service(struct mvctl_making *making,
    const Google__Protobuf__ServiceDescriptorProto *proto, const char *scope,
    struct mvctl_place place)
{
	struct mvctl_symbol *symbol = mvctl_add(making, MVCTL_SERVICE, scope, proto->name, place);

	if (symbol == NULL) {
		return;
	}
	symbol->service = proto;
	for (size_t i = 0; i < proto->n_method; i++) {
		struct mvctl_symbol *method =
		    mvctl_add(making, MVCTL_METHOD, symbol->name, proto->method[i]->name,
			mvctl_place_within(&place, MVCTL_TAG_SERVICE_METHOD, i));

		if (method != NULL) {
			method->method = proto->method[i];
		}
	}
}

static void
mvctl_add_file(struct mvctl_making *making, const Google__Protobuf__FileDescriptorProto *file)
{
	const struct mvctl_place place = {.file = file};
	const char *package = file->package == NULL ? "" : file->package;

	for (size_t i = 0; i < file->n_service; i++) {
		mvctl_add_service(making, file->service[i], package,
		    mvctl_place_within(&place, MVCTL_TAG_FILE_SERVICE, i));
	}
	for (size_t i = 0; i < file->n_message_type; i++) {
		mvctl_add_message(making, file->message_type[i], package,
		    mvctl_place_within(&place, MVCTL_TAG_FILE_MESSAGE, i));
	}
	for (size_t i = 0; i < file->n_enum_type; i++) {
		mvctl_add_enum(making, file->enum_type[i], package,
		    mvctl_place_within(&place, MVCTL_TAG_FILE_ENUM, i));
	}
}

int
mvctl_catalog_make(struct mvctl_catalog *catalog, const struct mvctl_remote *remote)
{
	struct mvctl_making making = {.catalog = catalog, .arena = remote->arena};
	struct error error;

	catalog->count = 0;
	catalog->symbols =
	    arena_calloc(remote->arena, mvctl_count(remote->set), sizeof(*catalog->symbols));
	if (catalog->symbols == NULL) {
		return mvctl_no_memory();
	}
	for (size_t i = 0; i < remote->set->n_file; i++) {
		mvctl_add_file(&making, remote->set->file[i]);
	}
	if (making.no_memory) {
		return mvctl_no_memory();
	}
	if (making.unnamed) {
		error_set(&error, STATUS_UNAVAILABLE, "MALFORMED_REPLY",
		    "in what the service says of itself something has no name");
		return mvctl_tell_call("reflection", &error, remote->options->endpoints);
	}
	return MVCTL_EXIT_OK;
}

/* Names */

const char *
mvctl_kind_name(enum mvctl_kind kind)
{
	switch (kind) {
	case MVCTL_SERVICE: return "service";
	case MVCTL_METHOD: return "method";
	case MVCTL_MESSAGE: return "message";
	case MVCTL_ENUM: return "enum";
	case MVCTL_ANY: break;
	}
	return "name";
}

/* Whether two names differ at most in the dot that one has for the other's slash. */
static bool
mvctl_same_name(const char *known, const char *name)
{
	while (*known == *name || (*known == '/' && *name == '.')) {
		if (*known == '\0') {
			return true;
		}
		known++;
		name++;
	}
	return false;
}

const struct mvctl_symbol *
mvctl_catalog_find(const struct mvctl_catalog *catalog, unsigned kinds, const char *name)
{
	name += name[0] == '.' || name[0] == '/';
	for (size_t i = 0; i < catalog->count; i++) {
		const struct mvctl_symbol *symbol = &catalog->symbols[i];

		if ((symbol->kind & kinds) != 0 && mvctl_same_name(symbol->name, name)) {
			return symbol;
		}
	}
	return NULL;
}

/* How far name is from what was known: without its package, or part of it, is near. */
static unsigned
mvctl_distance(const char *name, const char *known)
{
	unsigned nearest = spelling_distance(name, strlen(name), known);

	for (const char *part = strpbrk(known, "./"); part != NULL; part = strpbrk(part, "./")) {
		unsigned distance = spelling_distance(name, strlen(name), ++part);

		nearest = distance < nearest ? distance : nearest;
	}
	return nearest;
}

void
mvctl_catalog_tell_unknown(const struct mvctl_catalog *catalog, unsigned kinds, const char *name)
{
	unsigned told = 0;

	mvctl_warn("there is no %s '%s'", mvctl_kind_name((enum mvctl_kind)kinds), name);
	for (unsigned distance = 0; distance < SPELLING_FAR; distance++) {
		for (size_t i = 0; i < catalog->count && told < MVCTL_SUGGESTIONS_MAX; i++) {
			const struct mvctl_symbol *symbol = &catalog->symbols[i];

			if ((symbol->kind & kinds) != 0 &&
			    mvctl_distance(name, symbol->name) == distance) {
				fputs(told++ == 0 ? "  did you mean " : ", ", stderr);
				mvctl_print(stderr, symbol->name);
			}
		}
	}
	fputs(told > 0 ? "?\n" : "  mvctl list --all prints all names\n", stderr);
}
