#include "common/rpc/wire/rpc_text.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "mockvideo/rpc.pb-c.h"

/* A Status: code 3, message, and violations within. */
#define STATUS_TYPE (&mockvideo__rpc__v1__status__descriptor)

/* The name of the first field whose text is at fault; empty where there is none. */
static const char *
fault(const ProtobufCMessageDescriptor *type, const char *bytes, size_t len)
{
	const ProtobufCFieldDescriptor *field;
	struct rpc_span packed = {(const uint8_t *)bytes, len};

	if (rpc_text_check(type, packed, &field)) {
		return "";
	}
	return field == NULL ? "malformed" : field->name;
}

#define FAULT(type, bytes) fault((type), (bytes), sizeof(bytes) - 1)

static void
utf_8_passes(void **state)
{
	(void)state;
	assert_string_equal(FAULT(STATUS_TYPE, ""), "");
	assert_string_equal(FAULT(STATUS_TYPE, "\x08\x03\x12\x04"
					       "a\xc3\xa4"
					       "b"),
	    "");
	assert_string_equal(FAULT(STATUS_TYPE, "\x12\x00"), "");
}

static void
a_null_character_is_a_fault(void **state)
{
	(void)state;
	assert_string_equal(FAULT(STATUS_TYPE, "\x12\x03"
					       "a\x00"
					       "b"),
	    "message");
	assert_string_equal(FAULT(STATUS_TYPE, "\x12\x01\x00"), "message");
}

static void
invalid_utf_8_is_a_fault(void **state)
{
	(void)state;
	assert_string_equal(FAULT(STATUS_TYPE, "\x1a\x02"
					       "a\xff"),
	    "reason");
	assert_string_equal(FAULT(STATUS_TYPE, "\x1a\x03\xed\xa0\x80"), "reason");
}

static void
text_of_messages_within_is_read(void **state)
{
	(void)state;
	assert_string_equal(FAULT(STATUS_TYPE, "\x22\x03\x12\x01\xff"), "description");
	assert_string_equal(FAULT(STATUS_TYPE, "\x22\x03\x12\x01"
					       "x"
					       "\x22\x03\x0a\x01\x00"),
	    "field");
}

static void
bytes_and_unknown_fields_are_no_text(void **state)
{
	(void)state;
	assert_string_equal(FAULT(&mockvideo__rpc__v1__reply__descriptor, "\x12\x02\x00\xff"), "");
	assert_string_equal(FAULT(STATUS_TYPE, "\xfa\x01\x02\x00\xff"), "");
}

/* Each cut is in memory of its own length, so that a read past its end is seen. */
static void
what_is_no_message_is_not_read_past_its_end(void **state)
{
	static const char whole[] = "\x09"
				    "12345678"
				    "\x0d"
				    "1234"
				    "\x22\x85\x00\x12\x03"
				    "abc";
	static const char broken[] = "\x12\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\x01";

	(void)state;
	for (size_t len = 0; len < sizeof(whole); len++) {
		char *cut = test_malloc(len == 0 ? 1 : len);

		memcpy(cut, whole, len);
		assert_string_equal(fault(STATUS_TYPE, cut, len),
		    len == 0 || len == 9 || len == 14 || len == 22 ? "" : "malformed");
		test_free(cut);
	}
	assert_string_equal(FAULT(STATUS_TYPE, broken), "malformed");
	assert_string_equal(FAULT(STATUS_TYPE, "\x0b\x0c"), "malformed");
	/* protobuf-c cuts a tag of 33 bits to field 2; the text behind it would pass unread. */
	assert_string_equal(
	    FAULT(STATUS_TYPE, "\x92\x80\x80\x80\x10\x00\x12\x01\x00"), "malformed");
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(utf_8_passes),
	    cmocka_unit_test(a_null_character_is_a_fault),
	    cmocka_unit_test(invalid_utf_8_is_a_fault),
	    cmocka_unit_test(text_of_messages_within_is_read),
	    cmocka_unit_test(bytes_and_unknown_fields_are_no_text),
	    cmocka_unit_test(what_is_no_message_is_not_read_past_its_end),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
