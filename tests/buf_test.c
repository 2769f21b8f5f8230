#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "common/base/buf.h"

static void
assert_buf(const struct buf *buf, const char *text)
{
	assert_false(buf->failed);
	assert_int_equal(buf->len, strlen(text));
	assert_memory_equal(buf->data, text, buf->len);
}

static void
assert_json(const char *text, size_t len, const char *json)
{
	struct buf buf = {0};

	buf_put_json_string(&buf, text, len);
	assert_buf(&buf, json);
	buf_fini(&buf);
}

static void
what_is_put_is_appended(void **state)
{
	struct buf buf = {0};

	(void)state;
	buf_put(&buf, "ab", 2);
	buf_put(&buf, NULL, 0);
	buf_puts(&buf, "cd");
	buf_putc(&buf, 'e');
	buf_printf(&buf, "-%s-%d", "f", 7);
	assert_buf(&buf, "abcde-f-7");
	buf_reset(&buf);
	buf_puts(&buf, "again");
	assert_buf(&buf, "again");
	buf_fini(&buf);
	assert_null(buf.data);
}

static void
it_grows_and_keeps_what_it_has(void **state)
{
	struct buf buf = {0};

	(void)state;
	for (int i = 0; i < 100000; i++) {
		buf_putc(&buf, (char)('a' + i % 26));
	}
	buf_printf(&buf, "%70000d", 1);
	assert_int_equal(buf.len, 170000);
	for (int i = 0; i < 100000; i++) {
		assert_int_equal(buf.data[i], 'a' + i % 26);
	}
	assert_int_equal(buf.data[169999], '1');
	buf_fini(&buf);
}

static void
numbers_are_written_to_their_limits(void **state)
{
	struct buf buf = {0};

	(void)state;
	buf_put_int(&buf, INT64_MIN);
	buf_putc(&buf, ' ');
	buf_put_int(&buf, INT64_MAX);
	buf_putc(&buf, ' ');
	buf_put_int(&buf, 0);
	buf_putc(&buf, ' ');
	buf_put_uint(&buf, UINT64_MAX);
	assert_buf(&buf, "-9223372036854775808 9223372036854775807 0 18446744073709551615");
	buf_fini(&buf);
}

static void
without_memory_it_fails_once_and_for_all(void **state)
{
	struct buf buf = {0};

	(void)state;
	buf_puts(&buf, "kept");
	assert_false(buf_reserve(&buf, SIZE_MAX - 10));
	assert_true(buf.failed);
	buf_puts(&buf, "lost");
	buf_printf(&buf, "lost");
	assert_int_equal(buf.len, 4);
	assert_true(buf.failed);
	buf_reset(&buf);
	buf_puts(&buf, "new");
	assert_buf(&buf, "new");
	buf_fini(&buf);
}

static void
json_escapes_what_it_must(void **state)
{
	(void)state;
	assert_json("", 0, "\"\"");
	assert_json("plain /text~", 12, "\"plain /text~\"");
	assert_json("\"\\\n\r\t", 5, "\"\\\"\\\\\\n\\r\\t\"");
	assert_json("\0\x01\x1f\x7f", 4, "\"\\u0000\\u0001\\u001f\\u007f\"");
}

static void
json_keeps_valid_utf8(void **state)
{
	const char *text = "\xc2\x80\xdf\xbf\xe0\xa0\x80\xed\x9f\xbf\xee\x80\x80\xef\xbf\xbf"
			   "\xf0\x90\x80\x80\xf4\x8f\xbf\xbf";
	struct buf expected = {0};

	(void)state;
	buf_printf(&expected, "\"%s\"", text);
	buf_putc(&expected, '\0');
	assert_json(text, strlen(text), expected.data);
	buf_fini(&expected);
}

static void
json_replaces_each_invalid_byte(void **state)
{
	static const char *const invalid[] = {
	    "\x80",             /* a continuation alone */
	    "\xff",             /* no first byte */
	    "\xc1\xbf",         /* longer than need be */
	    "\xe0\x9f\xbf",     /* the same of three */
	    "\xf0\x8f\xbf\xbf", /* the same of four */
	    "\xed\xa0\x80",     /* a surrogate */
	    "\xf4\x90\x80\x80", /* over U+10FFFF */
	    "\xf5\x80\x80\x80",
	    "\xe2\x82", /* cut off at the end */
	    "\xf0\x9f\x98",
	    "\xc3",
	};

	(void)state;
	for (size_t i = 0; i < sizeof(invalid) / sizeof(invalid[0]); i++) {
		struct buf expected = {0};

		buf_putc(&expected, '"');
		for (size_t n = strlen(invalid[i]); n > 0; n--) {
			buf_puts(&expected, "\xef\xbf\xbd");
		}
		buf_put(&expected, "\"", 2);
		assert_json(invalid[i], strlen(invalid[i]), expected.data);
		buf_fini(&expected);
	}
	assert_json("a\xe2\x82z", 4, "\"a\xef\xbf\xbd\xef\xbf\xbdz\"");
}

static void
json_chars_come_without_quotes(void **state)
{
	struct buf buf = {0};

	(void)state;
	buf_put_json_chars(&buf, "a\"b", 3);
	assert_buf(&buf, "a\\\"b");
	buf_fini(&buf);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(what_is_put_is_appended),
	    cmocka_unit_test(it_grows_and_keeps_what_it_has),
	    cmocka_unit_test(numbers_are_written_to_their_limits),
	    cmocka_unit_test(without_memory_it_fails_once_and_for_all),
	    cmocka_unit_test(json_escapes_what_it_must),
	    cmocka_unit_test(json_keeps_valid_utf8),
	    cmocka_unit_test(json_replaces_each_invalid_byte),
	    cmocka_unit_test(json_chars_come_without_quotes),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
