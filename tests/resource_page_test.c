#include "common/resource/resource_page.h"

#include <setjmp.h>
#include <sodium.h>
#include <stdarg.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "common/base/arena.h"
#include "tests/specimen.h"

static const uint8_t key[RESOURCE_PAGE_KEY_BYTES] = {1, 2, 3};
static const struct resource_filter_value all[RESOURCE_FILTERS_MAX];

static struct arena *arena;

static int
setup(void **state)
{
	(void)state;
	arena = arena_new(0);
	return arena == NULL || sodium_init() < 0;
}

static int
teardown(void **state)
{
	(void)state;
	arena_free(&arena);
	return 0;
}

static void
a_token_gives_back_the_id(void **state)
{
	static const int64_t ids[] = {0, 1, 255, 256, INT32_MAX, INT64_MAX};

	(void)state;
	for (size_t i = 0; i < sizeof(ids) / sizeof(ids[0]); i++) {
		int64_t after_id = -1;

		assert_true(resource_page_read(key, &specimen_resource, all,
		    resource_page_new(key, &specimen_resource, all, ids[i], arena), &after_id));
		assert_int_equal(after_id, ids[i]);
	}
}

static void
a_token_needs_no_escaping_in_a_url(void **state)
{
	(void)state;
	for (int64_t id = 0; id < 100; id++) {
		const char *token = resource_page_new(key, &specimen_resource, all, id, arena);

		assert_int_equal(
		    strspn(token, "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"
				  "0123456789-_"),
		    strlen(token));
	}
}

static void
each_altered_character_is_noticed(void **state)
{
	char *token = resource_page_new(key, &specimen_resource, all, 42, arena);
	int64_t after_id;

	(void)state;
	for (char *at = token; *at != '\0'; at++) {
		char was = *at;

		*at = was == 'A' ? 'B' : 'A';
		assert_false(resource_page_read(key, &specimen_resource, all, token, &after_id));
		*at = was;
	}
	assert_true(resource_page_read(key, &specimen_resource, all, token, &after_id));
}

static void
what_is_no_token_is_refused(void **state)
{
	static const char *const tokens[] = {"", "A", "!", "MTIz", "\xff", "AQ==", " "};
	char *token = resource_page_new(key, &specimen_resource, all, 42, arena);
	int64_t after_id;

	(void)state;
	for (size_t i = 0; i < sizeof(tokens) / sizeof(tokens[0]); i++) {
		assert_false(
		    resource_page_read(key, &specimen_resource, all, tokens[i], &after_id));
	}
	assert_false(resource_page_read(
	    key, &specimen_resource, all, arena_printf(arena, "%sA", token), &after_id));
	assert_false(resource_page_read(key, &specimen_resource, all, token + 1, &after_id));
	token[strlen(token) - 1] = '\0';
	assert_false(resource_page_read(key, &specimen_resource, all, token, &after_id));
}

static void
a_token_of_other_filters_is_refused(void **state)
{
	static const struct resource_filter_value filters[][RESOURCE_FILTERS_MAX] = {{{0}},
	    {{.given = true, .text = "a"}}, {{.given = true, .text = "aa"}},
	    {{.given = true, .text = ""}}, {{0}, {.given = true, .text = "a"}},
	    {{.given = true, .text = "a"}, {.given = true, .text = "a"}},
	    {{0}, {0}, {.given = true, .number = 1}}, {{0}, {0}, {.given = true, .number = 0}},
	    {{0}, {0}, {0}, {.given = true, .number = 1}}};
	const size_t count = sizeof(filters) / sizeof(filters[0]);

	(void)state;
	for (size_t i = 0; i < count * count; i++) {
		const char *token =
		    resource_page_new(key, &specimen_resource, filters[i / count], 42, arena);
		int64_t after_id;

		assert_int_equal(resource_page_read(
				     key, &specimen_resource, filters[i % count], token, &after_id),
		    i / count == i % count);
	}
}

static void
a_token_of_another_resource_is_refused(void **state)
{
	struct resource other = specimen_resource;
	int64_t after_id;

	(void)state;
	other.name = "other";
	assert_false(resource_page_read(key, &specimen_resource, all,
	    resource_page_new(key, &other, all, 42, arena), &after_id));
}

static void
a_token_of_another_key_is_refused(void **state)
{
	static const uint8_t other[RESOURCE_PAGE_KEY_BYTES] = {1, 2, 4};
	int64_t after_id;

	(void)state;
	assert_false(resource_page_read(key, &specimen_resource, all,
	    resource_page_new(other, &specimen_resource, all, 42, arena), &after_id));
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(a_token_gives_back_the_id),
	    cmocka_unit_test(a_token_needs_no_escaping_in_a_url),
	    cmocka_unit_test(each_altered_character_is_noticed),
	    cmocka_unit_test(what_is_no_token_is_refused),
	    cmocka_unit_test(a_token_of_other_filters_is_refused),
	    cmocka_unit_test(a_token_of_another_resource_is_refused),
	    cmocka_unit_test(a_token_of_another_key_is_refused),
	};

	return cmocka_run_group_tests(tests, setup, teardown);
}
