#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "common/base/status.h"
#include "common/telemetry/trace.h"

#define PARENT "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"

static struct trace_ratio
ratio_of(const char *text)
{
	struct trace_ratio ratio;
	struct error error;

	assert_true(trace_ratio_read(&ratio, "traceSampleRatio", text, &error));
	return ratio;
}

static void
a_traceparent_is_gone_on_with_in_a_new_span(void **state)
{
	char text[TRACE_PARENT_LEN + 1];
	struct trace first;
	struct trace second;

	(void)state;
	assert_true(trace_continue(&first, PARENT, strlen(PARENT)));
	assert_true(trace_continue(&second, PARENT, strlen(PARENT)));
	assert_true(first.sampled);
	trace_write_hex(first.parent, TRACE_SPAN_BYTES, text);
	assert_string_equal(text, "b7ad6b7169203331");
	trace_write_parent(&first, text);
	assert_memory_equal(text, PARENT, 36);
	assert_memory_not_equal(text + 36, &PARENT[36], TRACE_SPAN_LEN);
	assert_string_equal(text + 52, "-01");
	assert_memory_not_equal(first.span, second.span, TRACE_SPAN_BYTES);
}

static void
who_does_not_sample_is_followed(void **state)
{
	const char *parent = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-00";
	char text[TRACE_PARENT_LEN + 1];
	struct trace trace;

	(void)state;
	assert_true(trace_continue(&trace, parent, strlen(parent)));
	assert_false(trace.sampled);
	trace_write_parent(&trace, text);
	assert_string_equal(text + 52, "-00");
	parent = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-fe";
	assert_true(trace_continue(&trace, parent, strlen(parent)));
	assert_false(trace.sampled);
}

static void
a_later_version_is_read_as_far_as_it_is_known(void **state)
{
	const char *later = "cc-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01-what-else";
	struct trace trace;

	(void)state;
	assert_true(trace_continue(&trace, later, strlen(later)));
	assert_true(trace_continue(&trace, later, TRACE_PARENT_LEN));
	assert_false(
	    trace_continue(&trace, "cc-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01.", 56));
}

static void
other_text_is_no_traceparent(void **state)
{
	static const char *const bad[] = {"", "00", "garbage",
	    "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-0",
	    "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01-more",
	    "00-0AF7651916CD43DD8448EB211C80319C-b7ad6b7169203331-01",
	    "00-00000000000000000000000000000000-b7ad6b7169203331-01",
	    "00-0af7651916cd43dd8448eb211c80319c-0000000000000000-01",
	    "ff-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01",
	    "00_0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01",
	    "00-0af7651916cd43dd8448eb211c80319c_b7ad6b7169203331-01",
	    "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331_01",
	    "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-0x",
	    "0x-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"};
	struct trace trace;

	(void)state;
	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		if (trace_continue(&trace, bad[i], strlen(bad[i]))) {
			fail_msg("taken: %s", bad[i]);
		}
	}
}

static void
a_trace_that_begins_has_no_parent_and_is_well_formed(void **state)
{
	static const uint8_t none[TRACE_ID_BYTES];
	char text[TRACE_PARENT_LEN + 1];
	struct trace trace;
	struct trace other;

	(void)state;
	trace_begin(&trace, ratio_of("1"));
	trace_begin(&other, ratio_of("1"));
	assert_memory_equal(trace.parent, none, TRACE_SPAN_BYTES);
	assert_memory_not_equal(trace.id, other.id, TRACE_ID_BYTES);
	trace_write_parent(&trace, text);
	assert_int_equal(strlen(text), TRACE_PARENT_LEN);
	assert_true(trace_continue(&other, text, TRACE_PARENT_LEN));
	assert_memory_equal(other.id, trace.id, TRACE_ID_BYTES);
	assert_memory_equal(other.parent, trace.span, TRACE_SPAN_BYTES);
}

static unsigned
sampled_of_10000(const char *ratio)
{
	unsigned sampled = 0;

	for (int i = 0; i < 10000; i++) {
		struct trace trace;

		trace_begin(&trace, ratio_of(ratio));
		sampled += trace.sampled;
	}
	return sampled;
}

/* Of the third the standard deviation is 43: it is ten of them wide. */
static void
the_ratio_decides_how_many_are_sampled(void **state)
{
	(void)state;
	assert_int_equal(sampled_of_10000("0"), 0);
	assert_int_equal(sampled_of_10000("1"), 10000);
	assert_in_range(sampled_of_10000("0.25"), 2070, 2930);
}

static void
a_ratio_is_a_number_from_0_to_1(void **state)
{
	static const char *const bad[] = {
	    "", "-0.5", "1.1", "2", "1%", "0.1x", "nan", "inf", ".", "0x1", "1e-3", " 1"};
	struct trace_ratio ratio;
	struct error error;

	(void)state;
	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		assert_false(trace_ratio_read(&ratio, "traceSampleRatio", bad[i], &error));
		assert_non_null(strstr(error.message, "traceSampleRatio"));
		assert_non_null(strstr(error.message, bad[i]));
	}
}

static void
a_tracestate_is_passed_on_when_it_is_short_and_printable(void **state)
{
	char text[TRACE_STATE_MAX + 2];

	(void)state;
	memset(text, 'a', sizeof(text));
	assert_true(trace_state_is_sound("congo=t61rcWkgMzE,rojo=00f067aa0ba902b7", 39));
	assert_true(trace_state_is_sound(text, TRACE_STATE_MAX));
	assert_false(trace_state_is_sound(text, TRACE_STATE_MAX + 1));
	assert_false(trace_state_is_sound("", 0));
	assert_false(trace_state_is_sound("a=\xff", 3));
	assert_false(trace_state_is_sound("a=\0b", 4));
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(a_traceparent_is_gone_on_with_in_a_new_span),
	    cmocka_unit_test(who_does_not_sample_is_followed),
	    cmocka_unit_test(a_later_version_is_read_as_far_as_it_is_known),
	    cmocka_unit_test(other_text_is_no_traceparent),
	    cmocka_unit_test(a_trace_that_begins_has_no_parent_and_is_well_formed),
	    cmocka_unit_test(the_ratio_decides_how_many_are_sampled),
	    cmocka_unit_test(a_ratio_is_a_number_from_0_to_1),
	    cmocka_unit_test(a_tracestate_is_passed_on_when_it_is_short_and_printable),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
