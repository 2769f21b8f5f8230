#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "common/rpc/wire/rpc_envelope.h"

#define SPAN(literal) ((struct rpc_span){(const uint8_t *)(literal), sizeof(literal) - 1})

static void
assert_span(struct rpc_span actual, const char *expected)
{
	assert_int_equal(actual.len, strlen(expected));
	assert_memory_equal(actual.data, expected, actual.len);
}

/* The reply of a head and len bytes, unpacked by protobuf-c, holds just those bytes. */
static void
expect_reply(enum rpc_reply_field field, size_t len)
{
	uint8_t *bytes = calloc(1, RPC_REPLY_HEAD_MAX + len + 1);
	Mockvideo__Rpc__V1__ReplyBatch *batch;
	size_t head_len;

	assert_non_null(bytes);
	head_len = rpc_reply_head(bytes, field, len);
	assert_true(head_len <= RPC_REPLY_HEAD_MAX);
	batch = mockvideo__rpc__v1__reply_batch__unpack(NULL, head_len + len, bytes);
	assert_non_null(batch);
	assert_int_equal(batch->n_replies, 1);
	assert_int_equal(batch->replies[0]->status != NULL, field == RPC_REPLY_STATUS);
	assert_int_equal(batch->replies[0]->response.len, field == RPC_REPLY_RESPONSE ? len : 0);
	mockvideo__rpc__v1__reply_batch__free_unpacked(batch, NULL);
	free(bytes);
}

static void
a_reply_is_put_together_of_head_and_message(void **state)
{
	static const size_t sizes[] = {
	    0, 1, 120, 125, 126, 127, 128, 129, 16379, 16383, 16384, 2097151, 2097152};

	(void)state;
	for (size_t i = 0; i < sizeof(sizes) / sizeof(sizes[0]); i++) {
		expect_reply(RPC_REPLY_RESPONSE, sizes[i]);
	}
	expect_reply(RPC_REPLY_STATUS, 0);
}

static void
replies_are_read_in_place(void **state)
{
	/* An OK with a response and metadata, a field that is unknown, an error. */
	struct rpc_span batch = SPAN("\x0a\x0c\x12\x02hi\x1a\x06\x0a\x01k\x12\x01v"
				     "\x18\x05"
				     "\x0a\x04\x0a\x02\x08\x05");
	struct rpc_reply_view views[2];
	struct rpc_metadata_view metadata;
	struct rpc_span rest;
	size_t count;

	(void)state;
	assert_true(rpc_replies_read(batch, views, 2, &count));
	assert_int_equal(count, 2);
	assert_null(views[0].status.data);
	assert_span(views[0].response, "hi");
	assert_int_equal(views[0].metadata_count, 1);
	rest = views[0].packed;
	assert_int_equal(rpc_reply_metadata_next(&rest, &metadata), RPC_STEP_FOUND);
	assert_span(metadata.key, "k");
	assert_span(metadata.value, "v");
	assert_int_equal(rpc_reply_metadata_next(&rest, &metadata), RPC_STEP_END);
	assert_int_equal(views[1].status.len, 2);
	assert_int_equal(views[1].response.len, 0);
	assert_non_null(views[1].response.data);
	assert_false(rpc_replies_read(batch, views, 1, &count));
}

static void
malformed_replies_are_told_apart(void **state)
{
	static const struct {
		const char *bytes;
		size_t len;
	} cases[] = {
#define ROW(literal) {literal, sizeof(literal) - 1}
	    ROW("\x0a"),                                         /* no length */
	    ROW("\x0a\x05\x12"),                                 /* shorter than it says */
	    ROW("\x0a\xff\xff\xff\xff\xff\xff\xff\xff\xff\x01"), /* as long as can be said */
	    ROW("\x0a\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff"), /* a number without an end */
	    ROW("\x08\x01"),                                     /* a reply that is a number */
	    ROW("\x0a\x02\x08\x01"),                             /* a status that is a number */
	    ROW("\x0a\x03\x12\x05z"),                            /* a response beyond its reply */
	    ROW("\x00"),                                         /* field 0 */
	    ROW("\x0b"),                                         /* a group */
	    ROW("\x0d\x01\x02"),                                 /* three bytes of four */
#undef ROW
	};

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		/* On the heap, so that a step too far is seen. */
		uint8_t *bytes = malloc(cases[i].len);
		struct rpc_span batch = {bytes, cases[i].len};
		struct rpc_reply_view view;
		size_t count;

		memcpy(bytes, cases[i].bytes, cases[i].len);
		if (rpc_replies_read(batch, &view, 1, &count)) {
			fail_msg("case %zu was not found to be malformed", i);
		}
		free(bytes);
	}
}

static void
malformed_metadata_is_found_when_it_is_read(void **state)
{
	struct rpc_span batch = SPAN("\x0a\x04\x1a\x02\x0a\x05");
	struct rpc_metadata_view metadata;
	struct rpc_reply_view view;
	size_t count;

	(void)state;
	assert_true(rpc_replies_read(batch, &view, 1, &count));
	assert_int_equal(view.metadata_count, 1);
	assert_int_equal(rpc_reply_metadata_next(&view.packed, &metadata), RPC_STEP_MALFORMED);
}

static void
any_bytes_are_read_within_their_bounds(void **state)
{
	unsigned seed = 1;

	(void)state;
	for (unsigned round = 0; round < 200000; round++) {
		size_t len = 1 + round % 40;
		uint8_t *bytes = malloc(len);
		struct rpc_reply_view views[20];
		struct rpc_metadata_view metadata;
		size_t count;

		for (size_t i = 0; i < len; i++) {
			seed = seed * 1103515245 + 12345;
			bytes[i] = (seed >> 16) % 4 == 0
				       ? (uint8_t)(seed >> 20)
				       : (uint8_t) "\x0a\x12\x1a\x02\x04\x08"[i % 6];
		}
		rpc_replies_read((struct rpc_span){bytes, len}, views, 20, &count);
		for (size_t i = 0; i < count; i++) {
			assert_in_range(views[i].packed.len, 0, len);
			assert_in_range(views[i].response.len, 0, len);
			while (rpc_reply_metadata_next(&views[i].packed, &metadata) ==
			       RPC_STEP_FOUND) {
				assert_in_range(metadata.key.len + metadata.value.len, 0, len);
			}
		}
		free(bytes);
	}
}

int
main(void)
{
	const struct CMUnitTest cases[] = {
	    cmocka_unit_test(a_reply_is_put_together_of_head_and_message),
	    cmocka_unit_test(replies_are_read_in_place),
	    cmocka_unit_test(malformed_replies_are_told_apart),
	    cmocka_unit_test(malformed_metadata_is_found_when_it_is_read),
	    cmocka_unit_test(any_bytes_are_read_within_their_bounds),
	};

	return cmocka_run_group_tests(cases, NULL, NULL);
}
