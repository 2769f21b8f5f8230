#include "services/accountd/user_text.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>
#include <utf8proc.h>

#define COUNT(array) (sizeof(array) / sizeof((array)[0]))

static const char *
name_problem(const char *text)
{
	static char problem[USER_TEXT_PROBLEM_BYTES];

	return user_text_is_name(text, problem) ? "" : problem;
}

static const char *
email_problem(const char *text)
{
	static char problem[USER_TEXT_PROBLEM_BYTES];

	return user_text_is_email(text, problem) ? "" : problem;
}

/* Text with a character in the midst of it. */
static const char *
with(const char *before, int32_t character, const char *after)
{
	static char text[64];
	utf8proc_uint8_t encoded[5] = {0};

	encoded[utf8proc_encode_char(character, encoded)] = 0;
	snprintf(text, sizeof(text), "%s%s%s", before, (const char *)encoded, after);
	return text;
}

static void
names_of_people_are_names(void **state)
{
	static const char *const names[] = {"x", "mickey dolenz", "O'Neil, Jr. <x@y>", " padded ",
	    "Zo\xc3\xab", "\xe6\x9d\x8e\xe5\xb0\x8f\xe9\xbe\x99", "Ada\xe2\x80\x8d\xf0\x9f\x98\x80",
	    "\xd7\xa9\xd7\x9c\xd7\x95\xd7\x9d", "a\xc2\xa0z"};

	(void)state;
	for (size_t i = 0; i < COUNT(names); i++) {
		assert_string_equal(name_problem(names[i]), "");
	}
}

static void
a_name_is_one_line_without_control_characters(void **state)
{
	static const int32_t bad[] = {
	    '\n', '\r', '\t', 1, 0x1b, 0x1f, 0x7f, 0x80, 0x85, 0x9f, 0x2028, 0x2029};

	(void)state;
	for (size_t i = 0; i < COUNT(bad); i++) {
		char code[16];

		snprintf(code, sizeof(code), "U+%04X:", (unsigned)bad[i]);
		assert_non_null(strstr(name_problem(with("Ada", bad[i], "L")), code));
		assert_non_null(strstr(name_problem(with("", bad[i], "")), code));
	}
}

static void
texts_have_1_to_255_characters(void **state)
{
	char text[4 * 256 + 1];
	char *end = text;

	(void)state;
	assert_string_equal(name_problem(NULL), "must have 1 to 255 characters");
	assert_string_equal(name_problem(""), "must have 1 to 255 characters");
	assert_string_equal(email_problem(NULL), "must have 1 to 255 characters");
	for (size_t i = 0; i < 255; i++) {
		end = stpcpy(end, "\xf0\x9f\x98\x80");
	}
	assert_string_equal(name_problem(text), "");
	strcpy(end, "x");
	assert_string_equal(name_problem(text), "must have 1 to 255 characters");
	memset(text, 'a', 255);
	strcpy(text + 253, "@b");
	assert_string_equal(email_problem(text), "");
	strcpy(text + 253, "@bc");
	assert_string_equal(email_problem(text), "must have 1 to 255 characters");
}

static void
text_that_is_no_utf_8_is_refused(void **state)
{
	(void)state;
	assert_string_equal(name_problem("a\xff"), "must be valid UTF-8");
	assert_string_equal(email_problem("a\xc3@b"), "must be valid UTF-8");
	assert_string_equal(email_problem("\xed\xa0\x80@b"), "must be valid UTF-8");
}

static void
mailboxes_of_the_rfcs_are_addresses(void **state)
{
	static const char *const good[] = {"a@b", "ada@example.com", "Ada.Lovelace@Example.COM",
	    "o'brien+tag@x-y.example", "!#$%&'*+-/=?^_`{|}~@example", "1@2",
	    "a@xn--bcher-kva.example", "\"a..b\"@example", "\"a\\\"b\"@example",
	    "\"(),:;<>[]\"@example", "a@[192.0.2.1]", "a@[IPv6:2001:db8::1]",
	    "a@[ipv6:::ffff:192.0.2.1]", "jos\xc3\xa9@ex\xc3\xa4mple.com", "e\xcc\x81@e\xcc\x81",
	    "gro\xc3\x9f@\xc3\x9f.example",
	    "\xe7\x94\xa8\xe6\x88\xb7@\xe4\xbe\x8b\xe5\xad\x90.\xe5\xb9\xbf\xe5\x91\x8a",
	    "\xe0\xa4\x85@\xe0\xa4\xa1\xe0\xa4\xbe", "\xf0\x9f\x8d\x8b@x",
	    "a@paral\xc2\xb7lel.example"};

	(void)state;
	for (size_t i = 0; i < COUNT(good); i++) {
		assert_string_equal(email_problem(good[i]), "");
	}
}

static void
an_address_has_one_at_with_something_on_both_sides(void **state)
{
	static const char *const bad[] = {
	    "ada", "@", "ada@", "@example.com", "a@b@c", "a@@b", "\"a@b\"@c"};

	(void)state;
	for (size_t i = 0; i < COUNT(bad); i++) {
		assert_string_equal(
		    email_problem(bad[i]), "must have one @ with something on both sides");
	}
}

static void
both_sides_of_the_at_have_their_grammar(void **state)
{
	static const char *const before[] = {".a@b", "a.@b", "a..b@c", ".@b", "a,b@c", "<a@b",
	    "a(x)@b", "a:b@c", "a;b@c", "a\\b@c", "\"@b", "\"a@b", "a\"@b", "\"a\"b\"@c",
	    "\"a\"b@c", "\"a\\\"@b", "[a]@b"};
	static const char *const after[] = {"a@.", "a@b.", "a@.b", "a@b..c", "a@-b", "a@b-",
	    "a@b-.c", "a@b.-c", "a@b_c", "a@b,c", "a@b>", "a@b/c", "a@[b", "a@b]", "a@[]",
	    "a@[192.0.2.256]", "a@[IPv6:192.0.2.1]", "a@[2001:db8::1]", "a@[IPv6:]", "a@\"b\"",
	    "a@b:25", "a@\xf0\x9f\x8d\x8b.example", "a@\xef\xbd\x82", "a@b\xe3\x80\x82x",
	    "a@\xcc\x81", "a@b.\xcc\x81"};

	(void)state;
	for (size_t i = 0; i < COUNT(before); i++) {
		assert_non_null(strstr(email_problem(before[i]), "must have before the @ "));
	}
	for (size_t i = 0; i < COUNT(after); i++) {
		assert_non_null(strstr(email_problem(after[i]), "must have after the @ a domain"));
	}
}

/* Control, white space, default-ignorable, unassigned, private: RFC 8264 bars each everywhere. */
static void
what_nobody_sees_is_in_no_address(void **state)
{
	static const int32_t bad[] = {1, '\t', '\n', '\r', ' ', 0x7f, 0x80, 0x85, 0xa0, 0xad, 0x34f,
	    0x378, 0x600, 0x61c, 0x115f, 0x1680, 0x180e, 0x2000, 0x200b, 0x200c, 0x200d, 0x200e,
	    0x2028, 0x2029, 0x202e, 0x2060, 0x2065, 0x2069, 0x3000, 0x3164, 0xe000, 0xfdd0, 0xfe0f,
	    0xfeff, 0xffa0, 0xfff9, 0xfffe, 0x1fffe, 0x50000, 0xe0001, 0xe0100, 0xf0000, 0x10ffff};

	(void)state;
	for (size_t i = 0; i < COUNT(bad); i++) {
		char code[16];

		snprintf(code, sizeof(code), "U+%04X:", (unsigned)bad[i]);
		assert_non_null(strstr(email_problem(with("", bad[i], "a@b")), code));
		assert_non_null(strstr(email_problem(with("a", bad[i], "b@c")), code));
		assert_non_null(strstr(email_problem(with("\"", bad[i], "\"@c")), code));
		assert_non_null(strstr(email_problem(with("a@b", bad[i], "c")), code));
		assert_non_null(strstr(email_problem(with("a@b", bad[i], "")), code));
	}
	assert_non_null(strstr(email_problem("a@b\r\nBcc: x"), "U+000D"));
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(names_of_people_are_names),
	    cmocka_unit_test(a_name_is_one_line_without_control_characters),
	    cmocka_unit_test(texts_have_1_to_255_characters),
	    cmocka_unit_test(text_that_is_no_utf_8_is_refused),
	    cmocka_unit_test(mailboxes_of_the_rfcs_are_addresses),
	    cmocka_unit_test(an_address_has_one_at_with_something_on_both_sides),
	    cmocka_unit_test(both_sides_of_the_at_have_their_grammar),
	    cmocka_unit_test(what_nobody_sees_is_in_no_address),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
