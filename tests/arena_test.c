#include <setjmp.h>
#include <stdalign.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "common/base/arena.h"

static int
setup(void **state)
{
	*state = arena_new(0);
	return *state == NULL ? -1 : 0;
}

static int
teardown(void **state)
{
	struct arena *arena = *state;

	arena_free(&arena);
	return arena == NULL ? 0 : -1;
}

static void
memory_is_aligned_for_any_type(void **state)
{
	for (size_t size = 0; size < 100; size++) {
		char *memory = arena_alloc(*state, size);

		assert_non_null(memory);
		assert_int_equal((uintptr_t)memory % alignof(max_align_t), 0);
		memset(memory, 0xff, size);
	}
}

static void
allocations_do_not_overlap(void **state)
{
	enum {
		COUNT = 2000
	};
	unsigned char *rows[COUNT];

	for (size_t i = 0; i < COUNT; i++) {
		rows[i] = arena_alloc(*state, 1 + i % 61);
		memset(rows[i], (int)(i & 0xff), 1 + i % 61);
	}
	for (size_t i = 0; i < COUNT; i++) {
		assert_int_equal(rows[i][0], i & 0xff);
		assert_int_equal(rows[i][i % 61], i & 0xff);
	}
}

static void
a_piece_larger_than_a_block_is_given(void **state)
{
	size_t size = 3 * 1024 * 1024;
	char *large = arena_alloc(*state, size);
	char *small = arena_alloc(*state, 16);

	assert_non_null(large);
	assert_non_null(small);
	memset(large, 1, size);
	memset(small, 2, 16);
	assert_int_equal(large[size - 1], 1);
}

static void
the_limit_counts_between_two_resets(void **state)
{
	struct arena *arena = arena_new(1024);

	(void)state;
	assert_non_null(arena_alloc(arena, 1000));
	assert_null(arena_alloc(arena, 100));
	assert_null(arena_calloc(arena, 10, 10));
	assert_null(arena_strdup(arena, "a text that is longer than what is left of the limit"));
	assert_non_null(arena_alloc(arena, 16));
	arena_reset(arena);
	assert_int_equal(arena_used(arena), 0);
	assert_non_null(arena_alloc(arena, 1024));
	assert_null(arena_alloc(arena, 1));
	arena_free(&arena);
}

static void
sizes_that_overflow_give_null(void **state)
{
	assert_null(arena_alloc(*state, SIZE_MAX));
	assert_null(arena_alloc(*state, SIZE_MAX - 64));
	assert_null(arena_calloc(*state, SIZE_MAX / 2, 3));
	assert_null(arena_strndup(*state, "", SIZE_MAX));
	assert_int_equal(arena_used(*state), 0);
}

static void
calloc_clears_memory_that_was_used_before(void **state)
{
	unsigned char *memory = arena_alloc(*state, 256);

	memset(memory, 0xff, 256);
	arena_reset(*state);
	memory = arena_calloc(*state, 64, 4);
	for (size_t i = 0; i < 256; i++) {
		assert_int_equal(memory[i], 0);
	}
	assert_non_null(arena_calloc(*state, 0, 0));
	assert_non_null(arena_calloc(*state, 5, 0));
}

static void
a_reset_arena_gives_the_same_block_again(void **state)
{
	void *first = arena_alloc(*state, 100);

	arena_alloc(*state, 100000);
	arena_reset(*state);
	assert_ptr_equal(arena_alloc(*state, 100), first);
}

static void
copies_end_with_nul_and_are_their_own(void **state)
{
	char source[] = "ab\0cd";
	char *copy = arena_strndup(*state, source, 5);

	source[0] = 'x';
	assert_memory_equal(copy, "ab\0cd", 6);
	assert_string_equal(arena_strndup(*state, NULL, 0), "");
	assert_string_equal(arena_strdup(*state, "text"), "text");
}

static void
printf_gives_text_of_any_length(void **state)
{
	char *text = arena_printf(*state, "%5000d|%s", 7, "end");

	assert_int_equal(strlen(text), 5004);
	assert_string_equal(text + 4999, "7|end");
}

static void
it_is_an_allocator_of_protobuf(void **state)
{
	ProtobufCAllocator *allocator = arena_protobuf(*state);
	char *memory = allocator->alloc(allocator->allocator_data, 40);

	assert_non_null(memory);
	assert_true(arena_used(*state) >= 40);
	allocator->free(allocator->allocator_data, memory);
	memset(memory, 1, 40);
}

static void
freeing_none_is_fine(void **state)
{
	struct arena *arena = NULL;

	(void)state;
	arena_free(&arena);
	assert_null(arena);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test_setup_teardown(memory_is_aligned_for_any_type, setup, teardown),
	    cmocka_unit_test_setup_teardown(allocations_do_not_overlap, setup, teardown),
	    cmocka_unit_test_setup_teardown(a_piece_larger_than_a_block_is_given, setup, teardown),
	    cmocka_unit_test(the_limit_counts_between_two_resets),
	    cmocka_unit_test_setup_teardown(sizes_that_overflow_give_null, setup, teardown),
	    cmocka_unit_test_setup_teardown(
		calloc_clears_memory_that_was_used_before, setup, teardown),
	    cmocka_unit_test_setup_teardown(
		a_reset_arena_gives_the_same_block_again, setup, teardown),
	    cmocka_unit_test_setup_teardown(copies_end_with_nul_and_are_their_own, setup, teardown),
	    cmocka_unit_test_setup_teardown(printf_gives_text_of_any_length, setup, teardown),
	    cmocka_unit_test_setup_teardown(it_is_an_allocator_of_protobuf, setup, teardown),
	    cmocka_unit_test(freeing_none_is_fine),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
