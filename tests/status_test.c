#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "common/base/arena.h"
#include "common/base/status.h"
#include "common/base/utf8.h"
#include "mockvideo/rpc.pb-c.h"

#define STATUS_ASSERT(name, number)                                                                \
	_Static_assert((int)STATUS_##name == (int)MOCKVIDEO__RPC__V1__CODE__##name,                \
	    "differs from the enum Code of rpc.proto: " #name);
STATUS_ROWS(STATUS_ASSERT)

static const enum status_code codes[] = {
#define STATUS_CODE(name, number) STATUS_##name,
    STATUS_ROWS(STATUS_CODE)};

static void
the_rows_are_the_codes_of_the_wire(void **state)
{
	const ProtobufCEnumDescriptor *wire = &mockvideo__rpc__v1__code__descriptor;

	(void)state;
	assert_int_equal(sizeof(codes) / sizeof(codes[0]), wire->n_values);
	for (unsigned i = 0; i < wire->n_values; i++) {
		assert_int_equal(wire->values[i].value, codes[i]);
		assert_string_equal(wire->values[i].name, status_name(codes[i]));
	}
}

static void
a_number_that_is_no_code_is_unknown(void **state)
{
	volatile int number = 17;

	(void)state;
	assert_string_equal(status_name((enum status_code)number), "UNKNOWN");
}

static void
set_forgets_what_was_before(void **state)
{
	struct arena *arena = arena_new(0);
	struct error error = {0};

	(void)state;
	error_violation(&error, arena, "name", "must not be empty");
	error_detail(&error, "detail");
	error.retry_after_ms = 5;
	assert_int_equal(
	    error_set(&error, STATUS_NOT_FOUND, "NO_SUCH_USER", "there is no user %d", 7),
	    STATUS_NOT_FOUND);
	assert_int_equal(error.code, STATUS_NOT_FOUND);
	assert_string_equal(error.reason, "NO_SUCH_USER");
	assert_string_equal(error.message, "there is no user 7");
	assert_string_equal(error.detail, "");
	assert_int_equal(error.retry_after_ms, 0);
	assert_int_equal(error.violation_count, 0);
	arena_free(&arena);
}

static void
set_without_an_error_gives_the_code(void **state)
{
	(void)state;
	assert_int_equal(error_set(NULL, STATUS_ABORTED, NULL, "text"), STATUS_ABORTED);
	error_detail(NULL, "text");
}

static void
text_may_be_made_of_the_errors_own(void **state)
{
	struct error error;

	(void)state;
	memset(&error, 0xff, sizeof(error));
	error_set(&error, STATUS_INTERNAL, NULL, "disk full");
	error_set(&error, STATUS_UNAVAILABLE, NULL, "cannot write: %s", error.message);
	assert_string_equal(error.message, "cannot write: disk full");
	error_detail(&error, "one");
	error_detail(&error, "%s and two", error.detail);
	assert_string_equal(error.detail, "one and two");
}

static void
long_text_is_cut_between_characters(void **state)
{
	struct error error;
	char text[ERROR_TEXT_MAX * 2] = "";

	(void)state;
	for (size_t lead = 0; lead < 4; lead++) {
		size_t at = 0;
		size_t len;

		memset(text, 'x', lead);
		for (size_t i = lead; i + 4 < sizeof(text); i += 4) {
			memcpy(text + i, "\xf0\x9f\x98\x80", 5);
		}
		error_set(&error, STATUS_INTERNAL, NULL, "%s", text);
		len = strlen(error.message);
		assert_in_range(len, ERROR_TEXT_MAX - 4, ERROR_TEXT_MAX - 1);
		while (at < len) {
			size_t sequence = utf8_sequence_len(error.message + at, len - at);

			assert_int_not_equal(sequence, 0);
			at += sequence;
		}
	}
}

static void
invalid_utf8_becomes_question_marks(void **state)
{
	struct arena *arena = arena_new(0);
	struct error error = {0};

	(void)state;
	error_violation(&error, arena, "name", "not \xff\xfe");
	assert_string_equal(error.violations[0].description, "not ??");
	error_set(&error, STATUS_INTERNAL, NULL, "a\xc3(\xe2\x82");
	assert_string_equal(error.message, "a?(??");
	arena_free(&arena);
}

static void
a_first_violation_makes_an_invalid_argument(void **state)
{
	struct arena *arena = arena_new(0);
	struct error error = {0};
	char field[] = "email";

	(void)state;
	error_violation(&error, arena, field, "has %d characters", 300);
	field[0] = 'x';
	error_violation(&error, arena, "name", "must not be empty");
	assert_int_equal(error.code, STATUS_INVALID_ARGUMENT);
	assert_string_equal(error.reason, "INVALID_FIELDS");
	assert_int_equal(error.violation_count, 2);
	assert_string_equal(error.violations[0].field, "email");
	assert_string_equal(error.violations[0].description, "has 300 characters");
	assert_string_equal(error.violations[1].field, "name");
	arena_free(&arena);
}

static void
a_violation_leaves_an_error_what_it_was(void **state)
{
	struct arena *arena = arena_new(0);
	struct error error;

	(void)state;
	error_set(&error, STATUS_INVALID_ARGUMENT, "MALFORMED_JSON", "line 1");
	error_violation(&error, arena, "name", "must not be empty");
	assert_string_equal(error.reason, "MALFORMED_JSON");
	assert_string_equal(error.message, "line 1");
	assert_int_equal(error.violation_count, 1);
	arena_free(&arena);
}

static void
the_hundredth_violation_is_the_last(void **state)
{
	struct arena *arena = arena_new(0);
	struct error error = {0};

	(void)state;
	for (int i = 0; i < 150; i++) {
		error_violation(&error, arena, arena_printf(arena, "f%d", i), "is wrong");
	}
	assert_int_equal(error.violation_count, 100);
	assert_string_equal(error.violations[0].field, "f0");
	assert_string_equal(error.violations[63].field, "f63");
	assert_string_equal(error.violations[64].field, "f64");
	assert_string_equal(error.violations[99].field, "f99");
	arena_free(&arena);
}

static void
without_memory_a_violation_is_still_an_error(void **state)
{
	struct arena *arena = arena_new(32);
	struct error error = {0};

	(void)state;
	for (int i = 0; i < 3; i++) {
		error_violation(&error, arena, "a field with a long name", "is wrong");
	}
	assert_int_equal(error.code, STATUS_INVALID_ARGUMENT);
	assert_int_equal(error.violation_count, 0);
	arena_free(&arena);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(the_rows_are_the_codes_of_the_wire),
	    cmocka_unit_test(a_number_that_is_no_code_is_unknown),
	    cmocka_unit_test(set_forgets_what_was_before),
	    cmocka_unit_test(set_without_an_error_gives_the_code),
	    cmocka_unit_test(text_may_be_made_of_the_errors_own),
	    cmocka_unit_test(long_text_is_cut_between_characters),
	    cmocka_unit_test(invalid_utf8_becomes_question_marks),
	    cmocka_unit_test(a_first_violation_makes_an_invalid_argument),
	    cmocka_unit_test(a_violation_leaves_an_error_what_it_was),
	    cmocka_unit_test(the_hundredth_violation_is_the_last),
	    cmocka_unit_test(without_memory_a_violation_is_still_an_error),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
