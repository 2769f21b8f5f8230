/* Any bytes as the path of a request: found or refused, without harm. */
#include <assert.h>
#include <stdlib.h>
#include <string.h>

#include "common/base/arena.h"
#include "gateway/route/route.h"
#include "tests/schema_file.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static struct route_text
path_fuzz_header(void *closure, const char *name)
{
	(void)closure, (void)name;
	return (struct route_text){"true", 4};
}

static void
path_fuzz_find(const struct route_table *table, const char *verb, struct route_text path)
{
	struct arena *arena = arena_new(0);
	struct route_match match;
	struct schema_path field;
	const char *allow = NULL;
	struct error error = {0};

	switch (route_find(table, (struct route_text){verb, strlen(verb)}, path, path_fuzz_header,
	    NULL, arena, &match, &allow, &error)) {
	case ROUTE_FOUND:
		assert(match.route != NULL);
		for (size_t i = 0; i < match.route->template.variable_count; i++) {
			assert(match.params[i].len <= path.len);
		}
		assert(!route_query_field(match.route, path.data, path.len, &field) ||
		       field.depth > 0);
		break;
	case ROUTE_MALFORMED:
	case ROUTE_WRONG_CONDITION: assert(error.message[0] != '\0'); break;
	case ROUTE_WRONG_VERB: assert(allow != NULL); break;
	case ROUTE_NOT_FOUND: break;
	}
	arena_free(&arena);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static struct schema *schema;
	static struct route_table *table;
	struct route_text path = {(const char *)data, size};
	struct error error = {0};

	if (table == NULL) {
		schema = schema_file_load(SCHEMA_FILE_TOY);
		assert(route_table_new(&table, &(struct route_source){schema, NULL}, 1, &error) ==
		       STATUS_OK);
	}
	path_fuzz_find(table, "GET", path);
	path_fuzz_find(table, "POST", path);
	return 0;
}
