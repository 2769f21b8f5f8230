#include "gateway/gw_rules.h"

#include <errno.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <yaml.h>

#include "common/base/arena.h"
#include "common/base/spelling.h"
#include "google/api/http.pb-c.h"

#define GW_RULES_SERVICE "google.api.Service"

struct gw_rules_reader {
	const char *path;
	yaml_document_t document;
	struct arena *arena;
	struct error *error;
	struct schema_rule *list;
	size_t count;
};

/* A key of a mapping, as protobuf's JSON spells it too; read is NULL for what changes nothing. */
struct gw_rules_key {
	const char *name;
	const char *json_name; /* NULL: the same */
	bool (*read)(struct gw_rules_reader *reader, yaml_node_t *value, void *closure);
};

/* A rule that is being read. */
struct gw_rules_rule {
	Google__Api__HttpRule *http;
	char *selector;
};

__attribute__((format(printf, 3, 4))) static bool
gw_rules_fault(struct gw_rules_reader *reader, const yaml_node_t *at, const char *format, ...)
{
	char text[ERROR_TEXT_MAX];
	va_list arguments;

	va_start(arguments, format);
	vsnprintf(text, sizeof(text), format, arguments);
	va_end(arguments);
	error_set(reader->error, STATUS_INVALID_ARGUMENT, "BAD_RULES", "httpRules %s:%zu: %s",
	    reader->path, at == NULL ? 1 : at->start_mark.line + 1, text);
	return false;
}

static bool
gw_rules_no_memory(struct gw_rules_reader *reader)
{
	error_set(reader->error, STATUS_RESOURCE_EXHAUSTED, "OUT_OF_MEMORY",
	    "no memory for the rules of httpRules");
	return false;
}

/* Values */

static bool
gw_rules_read_text(struct gw_rules_reader *reader, const yaml_node_t *value, char **text)
{
	const char *bytes = (const char *)value->data.scalar.value;

	if (value->type != YAML_SCALAR_NODE || strlen(bytes) != value->data.scalar.length) {
		return gw_rules_fault(reader, value, "must be text");
	}
	*text = arena_strdup(reader->arena, bytes);
	return *text != NULL || gw_rules_no_memory(reader);
}

static bool
gw_rules_read_key(struct gw_rules_reader *reader, const yaml_node_t *key,
    const struct gw_rules_key *keys, const struct gw_rules_key **found)
{
	const struct gw_rules_key *nearest = keys;
	unsigned distance = SPELLING_FAR;
	char *name;

	if (!gw_rules_read_text(reader, key, &name)) {
		return false;
	}
	for (*found = keys; (*found)->name != NULL; (*found)++) {
		unsigned here = spelling_distance(name, strlen(name), (*found)->name);

		if (strcmp(name, (*found)->name) == 0 ||
		    ((*found)->json_name != NULL && strcmp(name, (*found)->json_name) == 0)) {
			return true;
		}
		if (here < distance) {
			distance = here;
			nearest = *found;
		}
	}
	return distance < SPELLING_FAR
		   ? gw_rules_fault(
			 reader, key, "%s is not known here; did you mean %s?", name, nearest->name)
		   : gw_rules_fault(reader, key,
			 "%s is not known here, and what it says would be lost; take it out", name);
}

#define GW_RULES_KEYS_MAX 32

/* Reads a mapping by the table of its keys, which ends with an empty row. */
static bool
gw_rules_read_mapping(struct gw_rules_reader *reader, yaml_node_t *node,
    const struct gw_rules_key *keys, void *closure)
{
	bool seen[GW_RULES_KEYS_MAX] = {false};

	if (node->type != YAML_MAPPING_NODE) {
		return gw_rules_fault(reader, node, "must be a mapping of keys to values");
	}
	for (const yaml_node_pair_t *pair = node->data.mapping.pairs.start;
	     pair < node->data.mapping.pairs.top; pair++) {
		const yaml_node_t *key = yaml_document_get_node(&reader->document, pair->key);
		yaml_node_t *value = yaml_document_get_node(&reader->document, pair->value);
		const struct gw_rules_key *found;

		if (!gw_rules_read_key(reader, key, keys, &found)) {
			return false;
		}
		if (seen[found - keys]) {
			return gw_rules_fault(
			    reader, key, "%s is there twice; leave one out", found->name);
		}
		seen[found - keys] = true;
		if (found->read != NULL && !found->read(reader, value, closure)) {
			return false;
		}
	}
	return true;
}

/* Bindings */

static bool
gw_rules_set_path(struct gw_rules_reader *reader, const yaml_node_t *value, void *closure,
    Google__Api__HttpRule__PatternCase pattern)
{
	Google__Api__HttpRule *http = ((struct gw_rules_rule *)closure)->http;

	if (http->pattern_case != GOOGLE__API__HTTP_RULE__PATTERN__NOT_SET) {
		return gw_rules_fault(reader, value,
		    "the binding has two verbs; put the second into additional_bindings");
	}
	http->pattern_case = pattern;
	return gw_rules_read_text(reader, value, &http->get); /* all of the union are strings */
}

#define GW_RULES_VERB(name, pattern)                                                               \
	static bool gw_rules_read_##name(                                                          \
	    struct gw_rules_reader *reader, yaml_node_t *value, void *closure)                     \
	{                                                                                          \
		return gw_rules_set_path(                                                          \
		    reader, value, closure, GOOGLE__API__HTTP_RULE__PATTERN_##pattern);            \
	}

GW_RULES_VERB(get, GET)
GW_RULES_VERB(put, PUT)
GW_RULES_VERB(post, POST)
GW_RULES_VERB(delete, DELETE)
GW_RULES_VERB(patch, PATCH)

static bool
gw_rules_read_kind(struct gw_rules_reader *reader, yaml_node_t *value, void *closure)
{
	return gw_rules_read_text(
	    reader, value, &((Google__Api__CustomHttpPattern *)closure)->kind);
}

static bool
gw_rules_read_path(struct gw_rules_reader *reader, yaml_node_t *value, void *closure)
{
	return gw_rules_read_text(
	    reader, value, &((Google__Api__CustomHttpPattern *)closure)->path);
}

static bool
gw_rules_read_custom(struct gw_rules_reader *reader, yaml_node_t *value, void *closure)
{
	static const struct gw_rules_key keys[] = {
	    {"kind", NULL, gw_rules_read_kind}, {"path", NULL, gw_rules_read_path}, {0}};
	Google__Api__HttpRule *http = ((struct gw_rules_rule *)closure)->http;
	Google__Api__CustomHttpPattern *custom = arena_alloc(reader->arena, sizeof(*custom));

	if (custom == NULL) {
		return gw_rules_no_memory(reader);
	}
	if (http->pattern_case != GOOGLE__API__HTTP_RULE__PATTERN__NOT_SET) {
		return gw_rules_fault(reader, value,
		    "the binding has two verbs; put the second into additional_bindings");
	}
	google__api__custom_http_pattern__init(custom);
	http->pattern_case = GOOGLE__API__HTTP_RULE__PATTERN_CUSTOM;
	http->custom = custom;
	return gw_rules_read_mapping(reader, value, keys, custom);
}

static bool
gw_rules_read_body(struct gw_rules_reader *reader, yaml_node_t *value, void *closure)
{
	return gw_rules_read_text(reader, value, &((struct gw_rules_rule *)closure)->http->body);
}

static bool
gw_rules_read_response_body(struct gw_rules_reader *reader, yaml_node_t *value, void *closure)
{
	return gw_rules_read_text(
	    reader, value, &((struct gw_rules_rule *)closure)->http->response_body);
}

static bool gw_rules_read_additional(
    struct gw_rules_reader *reader, yaml_node_t *value, void *closure);

static bool
gw_rules_read_selector(struct gw_rules_reader *reader, yaml_node_t *value, void *closure)
{
	return gw_rules_read_text(reader, value, &((struct gw_rules_rule *)closure)->selector);
}

#define GW_RULES_BINDING_KEYS                                                                      \
	{"get", NULL, gw_rules_read_get}, {"put", NULL, gw_rules_read_put},                        \
	    {"post", NULL, gw_rules_read_post}, {"delete", NULL, gw_rules_read_delete},            \
	    {"patch", NULL, gw_rules_read_patch}, {"custom", NULL, gw_rules_read_custom},          \
	    {"body", NULL, gw_rules_read_body},                                                    \
	{                                                                                          \
		"response_body", "responseBody", gw_rules_read_response_body                       \
	}

/* Reads a binding, with the keys of a rule or without those that only a rule has. */
static bool
gw_rules_read_binding(struct gw_rules_reader *reader, yaml_node_t *node,
    const struct gw_rules_key *keys, struct gw_rules_rule *rule)
{
	rule->http = arena_alloc(reader->arena, sizeof(*rule->http));
	if (rule->http == NULL) {
		return gw_rules_no_memory(reader);
	}
	google__api__http_rule__init(rule->http);
	if (!gw_rules_read_mapping(reader, node, keys, rule)) {
		return false;
	}
	return rule->http->pattern_case != GOOGLE__API__HTTP_RULE__PATTERN__NOT_SET ||
	       gw_rules_fault(reader, node,
		   "the binding has no verb: give it get, put, post, delete, patch or custom");
}

/* The nodes of a sequence, and their number. */
static bool
gw_rules_sequence(struct gw_rules_reader *reader, const yaml_node_t *node,
    const yaml_node_item_t **items, size_t *count)
{
	*items = NULL;
	*count = 0;
	if (node->type != YAML_SEQUENCE_NODE) {
		return gw_rules_fault(reader, node, "must be a list");
	}
	*items = node->data.sequence.items.start;
	*count = (size_t)(node->data.sequence.items.top - *items);
	return true;
}

static bool
gw_rules_read_additional(struct gw_rules_reader *reader, yaml_node_t *value, void *closure)
{
	static const struct gw_rules_key keys[] = {GW_RULES_BINDING_KEYS, {0}};
	Google__Api__HttpRule *http = ((struct gw_rules_rule *)closure)->http;
	const yaml_node_item_t *items;
	size_t count;

	if (!gw_rules_sequence(reader, value, &items, &count)) {
		return false;
	}
	http->additional_bindings =
	    arena_calloc(reader->arena, count, sizeof(*http->additional_bindings));
	if (http->additional_bindings == NULL) {
		return gw_rules_no_memory(reader);
	}
	for (size_t i = 0; i < count; i++) {
		struct gw_rules_rule further = {NULL, NULL};

		if (!gw_rules_read_binding(reader,
			yaml_document_get_node(&reader->document, items[i]), keys, &further)) {
			return false;
		}
		http->additional_bindings[http->n_additional_bindings++] = further.http;
	}
	return true;
}

/* Rules */

static bool
gw_rules_read_rule(struct gw_rules_reader *reader, yaml_node_t *node)
{
	static const struct gw_rules_key keys[] = {{"selector", NULL, gw_rules_read_selector},
	    {"additional_bindings", "additionalBindings", gw_rules_read_additional},
	    GW_RULES_BINDING_KEYS, {0}};
	struct schema_rule *rule = &reader->list[reader->count];
	struct gw_rules_rule read = {NULL, NULL};

	if (!gw_rules_read_binding(reader, node, keys, &read)) {
		return false;
	}
	if (read.selector == NULL) {
		return gw_rules_fault(
		    reader, node, "the rule has no selector: the method, as pkg.Service.Method");
	}
	rule->selector = read.selector;
	rule->http = read.http;
	rule->place = arena_printf(
	    reader->arena, "httpRules %s:%zu", reader->path, node->start_mark.line + 1);
	reader->count++;
	return rule->place != NULL || gw_rules_no_memory(reader);
}

static bool
gw_rules_read_rules(struct gw_rules_reader *reader, yaml_node_t *value, void *closure)
{
	const yaml_node_item_t *items;
	size_t count;

	(void)closure;
	if (!gw_rules_sequence(reader, value, &items, &count)) {
		return false;
	}
	reader->list = arena_calloc(reader->arena, count, sizeof(*reader->list));
	if (reader->list == NULL) {
		return gw_rules_no_memory(reader);
	}
	while (reader->count < count) {
		if (!gw_rules_read_rule(
			reader, yaml_document_get_node(&reader->document, items[reader->count]))) {
			return false;
		}
	}
	return true;
}

static bool
gw_rules_read_decoding(struct gw_rules_reader *reader, yaml_node_t *value, void *closure)
{
	char *text;

	(void)closure;
	if (!gw_rules_read_text(reader, value, &text)) {
		return false;
	}
	return strcmp(text, "false") == 0 ||
	       gw_rules_fault(reader, value,
		   "fully_decode_reserved_expansion can only be false: %%2F stays in variables of "
		   "several segments");
}

static bool
gw_rules_read_http(struct gw_rules_reader *reader, yaml_node_t *value, void *closure)
{
	static const struct gw_rules_key keys[] = {{"rules", NULL, gw_rules_read_rules},
	    {"fully_decode_reserved_expansion", "fullyDecodeReservedExpansion",
		gw_rules_read_decoding},
	    {0}};

	(void)closure;
	return gw_rules_read_mapping(reader, value, keys, NULL);
}

static bool
gw_rules_read_type(struct gw_rules_reader *reader, yaml_node_t *value, void *closure)
{
	char *text;

	(void)closure;
	return gw_rules_read_text(reader, value, &text) &&
	       (strcmp(text, GW_RULES_SERVICE) == 0 ||
		   gw_rules_fault(reader, value, "type must be " GW_RULES_SERVICE));
}

/* File */

static bool
gw_rules_read_document(struct gw_rules_reader *reader)
{
	static const struct gw_rules_key keys[] = {{"type", NULL, gw_rules_read_type},
	    {"http", NULL, gw_rules_read_http}, {"config_version", "configVersion", NULL},
	    {"name", NULL, NULL}, {"title", NULL, NULL}, {"documentation", NULL, NULL}, {0}};
	yaml_node_t *root = yaml_document_get_root_node(&reader->document);

	if (root == NULL) {
		return gw_rules_fault(reader, NULL, "has nothing in it");
	}
	return gw_rules_read_mapping(reader, root, keys, NULL);
}

static bool
gw_rules_malformed(struct gw_rules_reader *reader, const yaml_parser_t *parser)
{
	error_set(reader->error, STATUS_INVALID_ARGUMENT, "BAD_RULES",
	    "httpRules %s:%zu: is no YAML: %s", reader->path, parser->problem_mark.line + 1,
	    parser->problem == NULL ? "cannot be read" : parser->problem);
	return false;
}

/* Whether there is nothing behind the document. */
static bool
gw_rules_check_end(struct gw_rules_reader *reader, yaml_parser_t *parser)
{
	yaml_document_t next;
	const yaml_node_t *root;
	bool last;

	if (!yaml_parser_load(parser, &next)) {
		return gw_rules_malformed(reader, parser);
	}
	root = yaml_document_get_root_node(&next);
	last = root == NULL || gw_rules_fault(reader, root, "has more than one document");
	yaml_document_delete(&next);
	return last;
}

static bool
gw_rules_parse(struct gw_rules_reader *reader, FILE *file)
{
	yaml_parser_t parser;
	bool well;

	if (!yaml_parser_initialize(&parser)) {
		return gw_rules_no_memory(reader);
	}
	yaml_parser_set_input_file(&parser, file);
	well = yaml_parser_load(&parser, &reader->document) != 0;
	if (!well) {
		gw_rules_malformed(reader, &parser);
	} else {
		well = gw_rules_read_document(reader) && gw_rules_check_end(reader, &parser);
		yaml_document_delete(&reader->document);
	}
	yaml_parser_delete(&parser);
	return well;
}

enum status_code
gw_rules_read(struct gw_rules *rules, const char *path, struct error *error)
{
	struct gw_rules_reader reader = {.path = path, .error = error};
	bool well;
	FILE *file;

	memset(rules, 0, sizeof(*rules));
	if (*path == '\0') {
		return STATUS_OK;
	}
	file = fopen(path, "re");
	if (file == NULL) {
		return error_set(error, STATUS_INVALID_ARGUMENT, "BAD_RULES", "httpRules %s: %s",
		    path, strerror(errno));
	}
	rules->arena = reader.arena = arena_new(0);
	well = reader.arena != NULL ? gw_rules_parse(&reader, file) : gw_rules_no_memory(&reader);
	fclose(file);
	if (!well) {
		gw_rules_fini(rules);
		return error->code;
	}
	rules->list = reader.list;
	rules->count = reader.count;
	return STATUS_OK;
}

void
gw_rules_fini(struct gw_rules *rules)
{
	arena_free(&rules->arena);
	memset(rules, 0, sizeof(*rules));
}
