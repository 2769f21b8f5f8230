/* Any text as a page token: refused, unless it is one that the service made. */
#include <assert.h>
#include <stdlib.h>
#include <string.h>

#include "common/base/arena.h"
#include "services/accountd/page_token.h"
#include "services/accountd/store.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static const uint8_t key[STORE_PAGE_KEY_BYTES] = {1, 2, 3};
	const struct store_filter filter = {.role = -1};
	struct arena *arena = arena_new(0);
	char *token = arena_strndup(arena, data, size);
	int64_t after_id = 0;

	assert(token != NULL);
	if (page_token_read(key, &filter, token, &after_id)) {
		char *again = page_token_new(key, &filter, after_id, arena);

		assert(again != NULL && strcmp(again, token) == 0);
	}
	arena_free(&arena);
	return 0;
}
