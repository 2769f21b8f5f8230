/* Any text as a page token: refused, unless it is one that the service made. */
#include <assert.h>
#include <stdlib.h>
#include <string.h>

#include "common/base/arena.h"
#include "common/resource/resource_page.h"
#include "tests/specimen.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static const uint8_t key[RESOURCE_PAGE_KEY_BYTES] = {1, 2, 3};
	static const struct resource_filter_value none[RESOURCE_FILTERS_MAX];
	struct arena *arena = arena_new(0);
	char *token = arena_strndup(arena, data, size);
	int64_t after_id = 0;

	assert(token != NULL);
	if (resource_page_read(key, &specimen_resource, none, token, &after_id)) {
		char *again = resource_page_new(key, &specimen_resource, none, after_id, arena);

		assert(again != NULL && strcmp(again, token) == 0);
	}
	arena_free(&arena);
	return 0;
}
