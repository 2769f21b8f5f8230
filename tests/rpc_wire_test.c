#include "common/rpc/wire/rpc_wire.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#define SPAN(literal) ((struct rpc_span){(const uint8_t *)(literal), sizeof(literal) - 1})

static void
fields_of_every_type_are_read(void **state)
{
	struct rpc_span rest = SPAN("\x08\x96\x01" /* field 1: 150 */
				    "\x11"
				    "12345678"             /* field 2: 64 bits */
				    "\x1a\x02hi"           /* field 3 */
				    "\x25\x01\x02\x03\x84" /* field 4: 32 bits */
				    "\xf8\xff\xff\xff\x0f\x00");
	struct rpc_field field;

	(void)state;
	assert_int_equal(rpc_wire_next(&rest, &field), RPC_STEP_FOUND);
	assert_int_equal(field.number, 1);
	assert_int_equal(field.type, RPC_WIRE_VARINT);
	assert_int_equal(field.value, 150);
	assert_int_equal(rpc_wire_next(&rest, &field), RPC_STEP_FOUND);
	assert_int_equal(field.type, RPC_WIRE_FIXED64);
	assert_int_equal(field.bytes.len, 8);
	assert_int_equal(rpc_wire_next(&rest, &field), RPC_STEP_FOUND);
	assert_int_equal(field.number, 3);
	assert_int_equal(field.bytes.len, 2);
	assert_memory_equal(field.bytes.data, "hi", 2);
	assert_int_equal(rpc_wire_next(&rest, &field), RPC_STEP_FOUND);
	assert_int_equal(field.type, RPC_WIRE_FIXED32);
	assert_int_equal(rpc_wire_fixed32(&field), 0x84030201);
	assert_int_equal(rpc_wire_next(&rest, &field), RPC_STEP_FOUND);
	assert_int_equal(field.number, (1u << 29) - 1);
	assert_int_equal(rpc_wire_next(&rest, &field), RPC_STEP_END);
}

static void
what_is_no_field_is_malformed(void **state)
{
	static const struct rpc_span cases[] = {
	    {(const uint8_t *)"\x08", 1},                             /* no value */
	    {(const uint8_t *)"\x08\x80", 2},                         /* without its end */
	    {(const uint8_t *)"\x0a\x02z", 3},                        /* shorter than it says */
	    {(const uint8_t *)"\x00\x01", 2},                         /* field 0 */
	    {(const uint8_t *)"\x0b\x0c", 2},                         /* a group */
	    {(const uint8_t *)"\x0e\x00", 2},                         /* a type that is none */
	    {(const uint8_t *)"\x0d\x01\x02\x03", 4},                 /* three bytes of four */
	    {(const uint8_t *)"\x09\x01\x02\x03\x04\x05\x06\x07", 8}, /* seven of eight */
	    {(const uint8_t *)"\x88\x80\x80\x80\x10\x00", 6},         /* a tag of 33 bits */
	    {(const uint8_t *)"\x08\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\x00", 12},
	};

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		/* On the heap, so that a step too far is seen. */
		uint8_t *bytes = malloc(cases[i].len);
		struct rpc_span rest = {bytes, cases[i].len};
		struct rpc_field field;

		memcpy(bytes, cases[i].data, cases[i].len);
		if (rpc_wire_next(&rest, &field) != RPC_STEP_MALFORMED) {
			fail_msg("case %zu was not found to be malformed", i);
		}
		free(bytes);
	}
}

/* What is written is read again, and is as long as its size was said to be. */
static void
expect_number(uint64_t value)
{
	uint8_t bytes[16];
	size_t len = (size_t)(rpc_wire_put_varint(bytes, 3, value) - bytes);
	struct rpc_span rest = {bytes, len};
	struct rpc_field field;

	assert_int_equal(len, 1 + rpc_wire_number_size(value));
	assert_int_equal(rpc_wire_next(&rest, &field), RPC_STEP_FOUND);
	assert_int_equal(field.number, 3);
	assert_true(field.value == value);
	assert_int_equal(rpc_wire_next(&rest, &field), RPC_STEP_END);
}

static void
numbers_are_written_as_they_are_read(void **state)
{
	(void)state;
	for (unsigned bit = 0; bit < 64; bit++) {
		expect_number(UINT64_C(1) << bit);
		expect_number((UINT64_C(1) << bit) - 1);
	}
	expect_number(UINT64_MAX);
}

static void
fields_are_written_as_they_are_read(void **state)
{
	static const uint32_t numbers[] = {1, 15, 16, 2047, 2048, (1u << 29) - 1};

	(void)state;
	for (size_t i = 0; i < sizeof(numbers) / sizeof(numbers[0]); i++) {
		static const uint8_t data[200];
		uint8_t bytes[300];
		uint8_t *end = rpc_wire_put_bytes(bytes, numbers[i], data, i * 40);
		struct rpc_span rest = {bytes, (size_t)(end - bytes)};
		struct rpc_field field;

		assert_int_equal(rest.len, rpc_wire_bytes_size(numbers[i], i * 40));
		end = rpc_wire_put_fixed32(end, numbers[i], 0xa1b2c3d4);
		rest.len = (size_t)(end - bytes);
		assert_int_equal(rpc_wire_next(&rest, &field), RPC_STEP_FOUND);
		assert_int_equal(field.number, numbers[i]);
		assert_int_equal(field.bytes.len, i * 40);
		assert_int_equal(rpc_wire_next(&rest, &field), RPC_STEP_FOUND);
		assert_int_equal(field.number, numbers[i]);
		assert_int_equal(rpc_wire_fixed32(&field), 0xa1b2c3d4);
		assert_int_equal(rpc_wire_next(&rest, &field), RPC_STEP_END);
	}
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(fields_of_every_type_are_read),
	    cmocka_unit_test(what_is_no_field_is_malformed),
	    cmocka_unit_test(numbers_are_written_as_they_are_read),
	    cmocka_unit_test(fields_are_written_as_they_are_read),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
