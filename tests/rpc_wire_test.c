#include "common/rpc/wire/rpc_wire.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "common/rpc/client/rpc_channel.h"

#define SPAN(literal) ((struct rpc_span){(const uint8_t *)(literal), sizeof(literal) - 1})

static const struct rpc_metadata metadata[] = {{"request-id", "r-1"}, {"empty", ""}};

static void
a_packed_batch_is_what_protobuf_reads(void **state)
{
	static char long_request[300];
	const struct rpc_request requests[] = {
	    {.method = "a.B/C",
		.data = (const uint8_t *)"request",
		.len = 7,
		.metadata = metadata,
		.metadata_count = 2},
	    {.method = "m", .data = (const uint8_t *)long_request, .len = sizeof(long_request)},
	};
	static const uint32_t timeouts[] = {1, UINT32_MAX};
	uint8_t bytes[2 * 512];
	uint8_t *end = bytes;
	Mockvideo__Rpc__V1__CallBatch *batch;

	(void)state;
	for (size_t i = 0; i < 2; i++) {
		size_t size = rpc_request_size(&requests[i]);
		uint8_t *packed = malloc(size);
		uint8_t *start = end;

		rpc_request_pack(&requests[i], packed);
		end = rpc_batch_put(start, packed, size, timeouts[i]);
		assert_in_range(end - start, size + 1, size + RPC_CALL_FRAME_MAX);
		free(packed);
	}
	batch = mockvideo__rpc__v1__call_batch__unpack(NULL, (size_t)(end - bytes), bytes);
	assert_non_null(batch);
	assert_int_equal(batch->n_calls, 2);
	assert_string_equal(batch->calls[0]->method, "a.B/C");
	assert_int_equal(batch->calls[0]->request.len, 7);
	assert_memory_equal(batch->calls[0]->request.data, "request", 7);
	assert_int_equal(batch->calls[0]->timeout_ms, 1);
	assert_int_equal(batch->calls[0]->n_metadata, 2);
	assert_string_equal(batch->calls[0]->metadata[0]->key, "request-id");
	assert_string_equal(batch->calls[0]->metadata[0]->value, "r-1");
	assert_string_equal(batch->calls[0]->metadata[1]->value, "");
	assert_int_equal(batch->calls[1]->request.len, sizeof(long_request));
	assert_int_equal(batch->calls[1]->timeout_ms, UINT32_MAX);
	mockvideo__rpc__v1__call_batch__free_unpacked(batch, NULL);
}

static void
replies_are_read_in_place(void **state)
{
	/* An OK with a response and metadata, a field that is unknown, an error. */
	struct rpc_span batch = SPAN("\x0a\x0c\x12\x02hi\x1a\x06\x0a\x01k\x12\x01v"
				     "\x18\x05"
				     "\x0a\x04\x0a\x02\x08\x05");
	struct rpc_reply_view view;
	struct rpc_span rest;
	struct rpc_span key;
	struct rpc_span value;

	(void)state;
	assert_int_equal(rpc_reply_next(&batch, &view), RPC_STEP_FOUND);
	assert_null(view.status.data);
	assert_int_equal(view.response.len, 2);
	assert_memory_equal(view.response.data, "hi", 2);
	assert_int_equal(view.metadata_count, 1);
	rest = view.packed;
	assert_int_equal(rpc_reply_metadata_next(&rest, &key, &value), RPC_STEP_FOUND);
	assert_int_equal(key.len, 1);
	assert_memory_equal(key.data, "k", 1);
	assert_memory_equal(value.data, "v", 1);
	assert_int_equal(rpc_reply_metadata_next(&rest, &key, &value), RPC_STEP_END);
	assert_int_equal(rpc_reply_next(&batch, &view), RPC_STEP_FOUND);
	assert_int_equal(view.status.len, 2);
	assert_int_equal(view.response.len, 0);
	assert_non_null(view.response.data);
	assert_int_equal(rpc_reply_next(&batch, &view), RPC_STEP_END);
}

static void
malformed_replies_are_told_apart(void **state)
{
	static const struct {
		const char *bytes;
		size_t len;
	} cases[] = {
#define CASE(literal) {literal, sizeof(literal) - 1}
	    CASE("\x0a"),                                         /* no length */
	    CASE("\x0a\x05\x12"),                                 /* shorter than it says */
	    CASE("\x0a\xff\xff\xff\xff\xff\xff\xff\xff\xff\x01"), /* as long as can be said */
	    CASE("\x0a\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff"), /* a number without an end */
	    CASE("\x08\x01"),                                     /* a reply that is a number */
	    CASE("\x0a\x02\x08\x01"),                             /* a status that is a number */
	    CASE("\x0a\x03\x12\x05z"),                            /* a response beyond its reply */
	    CASE("\x00"),                                         /* field 0 */
	    CASE("\x0b"),                                         /* a group */
	    CASE("\x0d\x01\x02"),                                 /* three bytes of four */
#undef CASE
	};

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		/* On the heap, so that a step too far is seen. */
		uint8_t *bytes = malloc(cases[i].len);
		struct rpc_span batch = {bytes, cases[i].len};
		struct rpc_reply_view view;

		memcpy(bytes, cases[i].bytes, cases[i].len);
		if (rpc_reply_next(&batch, &view) != RPC_STEP_MALFORMED) {
			fail_msg("case %zu was not found to be malformed", i);
		}
		free(bytes);
	}
}

static void
malformed_metadata_is_found_when_it_is_read(void **state)
{
	struct rpc_span batch = SPAN("\x0a\x04\x1a\x02\x0a\x05");
	struct rpc_reply_view view;
	struct rpc_span key;
	struct rpc_span value;

	(void)state;
	assert_int_equal(rpc_reply_next(&batch, &view), RPC_STEP_FOUND);
	assert_int_equal(view.metadata_count, 1);
	assert_int_equal(rpc_reply_metadata_next(&view.packed, &key, &value), RPC_STEP_MALFORMED);
}

static void
any_bytes_are_read_within_their_bounds(void **state)
{
	unsigned seed = 1;

	(void)state;
	for (unsigned round = 0; round < 200000; round++) {
		size_t len = 1 + round % 40;
		uint8_t *bytes = malloc(len);
		struct rpc_span batch = {bytes, len};
		struct rpc_reply_view view;

		for (size_t i = 0; i < len; i++) {
			seed = seed * 1103515245 + 12345;
			bytes[i] = (seed >> 16) % 4 == 0
				       ? (uint8_t)(seed >> 20)
				       : (uint8_t) "\x0a\x12\x1a\x02\x04\x08"[i % 6];
		}
		while (rpc_reply_next(&batch, &view) == RPC_STEP_FOUND) {
			struct rpc_span key;
			struct rpc_span value;

			assert_in_range(view.packed.len, 0, len);
			assert_in_range(view.response.len, 0, len);
			while (
			    rpc_reply_metadata_next(&view.packed, &key, &value) == RPC_STEP_FOUND) {
				assert_in_range(key.len + value.len, 0, len);
			}
		}
		free(bytes);
	}
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(a_packed_batch_is_what_protobuf_reads),
	    cmocka_unit_test(replies_are_read_in_place),
	    cmocka_unit_test(malformed_replies_are_told_apart),
	    cmocka_unit_test(malformed_metadata_is_found_when_it_is_read),
	    cmocka_unit_test(any_bytes_are_read_within_their_bounds),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
