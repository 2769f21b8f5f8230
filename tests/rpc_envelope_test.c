#include "common/rpc/wire/rpc_envelope.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "common/base/arena.h"
#include "common/base/status.h"

static int
set_up(void **state)
{
	*state = arena_new(0);
	return *state == NULL;
}

static int
tear_down(void **state)
{
	arena_free((struct arena **)state);
	return 0;
}

#define SPAN(literal) ((struct rpc_span){(const uint8_t *)(literal), sizeof(literal) - 1})

static struct rpc_span
span(const char *bytes, size_t len)
{
	return (struct rpc_span){(const uint8_t *)bytes, len};
}

static void
assert_span(struct rpc_span actual, const char *expected)
{
	assert_int_equal(actual.len, strlen(expected));
	assert_memory_equal(actual.data, expected, actual.len);
}

static void
an_error_survives_the_wire_without_its_detail(void **state)
{
	struct arena *arena = *state;
	struct error sent = {0};
	struct error received;

	error_violation(&sent, arena, "email", "must have an %s", "@");
	error_violation(&sent, arena, "name", "must not be empty");
	error_set(&received, STATUS_OK, NULL, "left over");
	sent.code = STATUS_FAILED_PRECONDITION;
	sent.reason = "SOME_REASON";
	sent.retry_after_ms = 77;
	error_detail(&sent, "secret");
	rpc_error_of_status(&received, arena, rpc_status_of_error(arena, &sent));
	assert_int_equal(received.code, STATUS_FAILED_PRECONDITION);
	assert_string_equal(received.reason, "SOME_REASON");
	assert_string_equal(received.message, sent.message);
	assert_string_equal(received.detail, "");
	assert_int_equal(received.retry_after_ms, 77);
	assert_int_equal(received.violation_count, 2);
	assert_string_equal(received.violations[0].field, "email");
	assert_string_equal(received.violations[0].description, "must have an @");
	assert_string_equal(received.violations[1].field, "name");
}

static void
no_status_and_one_of_code_ok_are_no_error(void **state)
{
	Mockvideo__Rpc__V1__Status status = MOCKVIDEO__RPC__V1__STATUS__INIT;
	struct error error;

	error_set(&error, STATUS_INTERNAL, "X", "left over");
	rpc_error_of_status(&error, *state, NULL);
	assert_int_equal(error.code, STATUS_OK);
	error_set(&error, STATUS_INTERNAL, "X", "left over");
	rpc_error_of_status(&error, *state, &status);
	assert_int_equal(error.code, STATUS_OK);
	assert_null(error.reason);
}

static void
a_code_that_is_none_is_unknown(void **state)
{
	Mockvideo__Rpc__V1__Status status = MOCKVIDEO__RPC__V1__STATUS__INIT;
	static const int codes[] = {17, -1, INT32_MAX};
	struct error error;

	for (size_t i = 0; i < 3; i++) {
		status.code = (Mockvideo__Rpc__V1__Code)codes[i];
		rpc_error_of_status(&error, *state, &status);
		assert_int_equal(error.code, STATUS_UNKNOWN);
		assert_null(error.reason);
	}
}

static void
an_arena_that_is_used_up_still_gives_a_status(void **state)
{
	struct error error;
	struct arena *small = arena_new(1);

	(void)state;
	assert_non_null(small);
	error_set(&error, STATUS_NOT_FOUND, "X", "not there");
	assert_string_equal(rpc_status_of_error(small, &error)->reason, "OUT_OF_MEMORY");
	arena_free(&small);
}

/* Two calls: the first with all fields and two metadata, the second empty. */
static struct rpc_span
pack_batch(struct arena *arena)
{
	Mockvideo__Rpc__V1__CallBatch batch = MOCKVIDEO__RPC__V1__CALL_BATCH__INIT;
	Mockvideo__Rpc__V1__Call full = MOCKVIDEO__RPC__V1__CALL__INIT;
	Mockvideo__Rpc__V1__Call empty = MOCKVIDEO__RPC__V1__CALL__INIT;
	Mockvideo__Rpc__V1__Metadata a = MOCKVIDEO__RPC__V1__METADATA__INIT;
	Mockvideo__Rpc__V1__Metadata b = MOCKVIDEO__RPC__V1__METADATA__INIT;
	uint8_t *bytes;

	a.key = (char *)"request-id";
	a.value = (char *)"";
	b.key = (char *)"principal";
	b.value = (char *)"\xc3\x98ster";
	full.method = (char *)"a.B/C";
	full.request.data = (uint8_t *)"\0\xff";
	full.request.len = 2;
	full.timeout_ms = UINT32_MAX;
	full.metadata = (Mockvideo__Rpc__V1__Metadata *[]){&a, &b};
	full.n_metadata = 2;
	batch.calls = (Mockvideo__Rpc__V1__Call *[]){&full, &empty};
	batch.n_calls = 2;
	bytes = arena_alloc(arena, mockvideo__rpc__v1__call_batch__get_packed_size(&batch));
	assert_non_null(bytes);
	return (struct rpc_span){bytes, mockvideo__rpc__v1__call_batch__pack(&batch, bytes)};
}

static void
a_batch_is_read_in_place(void **state)
{
	struct rpc_span batch = pack_batch(*state);
	struct rpc_call_view view;
	size_t count;
	size_t cancels;

	assert_true(rpc_batch_count(batch, &count, &cancels));
	assert_int_equal(count, 2);
	assert_int_equal(cancels, 0);
	assert_int_equal(rpc_batch_next(&batch, &view), RPC_STEP_FOUND);
	assert_null(view.fault);
	assert_span(view.method, "a.B/C");
	assert_int_equal(view.request.len, 2);
	assert_memory_equal(view.request.data, "\0\xff", 2);
	assert_int_equal(view.timeout_ms, UINT32_MAX);
	assert_int_equal(view.metadata_count, 2);
	assert_span(rpc_call_view_metadata(&view, "principal"), "\xc3\x98ster");
	assert_span(rpc_call_view_metadata(&view, "request-id"), "");
	assert_non_null(rpc_call_view_metadata(&view, "request-id").data);
	assert_null(rpc_call_view_metadata(&view, "request-i").data);
	assert_int_equal(rpc_batch_next(&batch, &view), RPC_STEP_FOUND);
	assert_span(view.method, "");
	assert_int_equal(view.request.len, 0);
	assert_int_equal(view.timeout_ms, 0);
	assert_int_equal(view.metadata_count, 0);
	assert_int_equal(rpc_batch_next(&batch, &view), RPC_STEP_END);
}

static void
fields_of_later_versions_are_passed_over(void **state)
{
	static const char batch[] = "\x7a\x01x"
				    "\x0a\x11\x28\x96\x01\x31"
				    "12345678"
				    "\x3d"
				    "1234"
				    "\x79"
				    "12345678";
	struct rpc_span rest = span(batch, sizeof(batch) - 1);
	struct rpc_call_view view;
	size_t count;
	size_t cancels;

	(void)state;
	assert_true(rpc_batch_count(rest, &count, &cancels));
	assert_int_equal(count, 1);
	assert_int_equal(rpc_batch_next(&rest, &view), RPC_STEP_FOUND);
	assert_span(view.method, "");
	assert_int_equal(rpc_batch_next(&rest, &view), RPC_STEP_END);
}

static void
of_a_field_that_is_repeated_the_last_counts(void **state)
{
	struct rpc_span batch = span("\x0a\x0a\x0a\x01x\x18\x01\x0a\x01y\x18\x02", 12);
	struct rpc_call_view view;

	(void)state;
	assert_int_equal(rpc_batch_next(&batch, &view), RPC_STEP_FOUND);
	assert_span(view.method, "y");
	assert_int_equal(view.timeout_ms, 2);
}

static bool
is_value(const char *bytes, size_t len)
{
	char call[32] = {
	    0x0a, (char)(len + 7), 0x22, (char)(len + 5), 0x0a, 1, 'k', 0x12, (char)len};
	struct rpc_span batch = span(call, len + 9);
	struct rpc_call_view view;

	memcpy(call + 9, bytes, len);
	assert_int_equal(rpc_batch_next(&batch, &view), RPC_STEP_FOUND);
	return view.fault == NULL;
}

static void
values_are_utf_8_without_nul(void **state)
{
	static const char *const good[] = {"", "a", "\x7f", "\xc2\x80", "\xdf\xbf", "\xe0\xa0\x80",
	    "\xed\x9f\xbf", "\xee\x80\x80", "\xef\xbf\xbf", "\xf0\x90\x80\x80", "\xf4\x8f\xbf\xbf"};
	static const char *const bad[] = {"\x80", "\xbf", "\xc0\x80", "\xc1\xbf", "\xc2", "\xc2 ",
	    "\xe0\x9f\xbf", "\xe1\x80", "\xe1\x80 ", "\xed\xa0\x80", "\xf0\x8f\xbf\xbf",
	    "\xf1\x80\x80", "\xf4\x90\x80\x80", "\xf5\x80\x80\x80", "\xfe", "\xff", "a\xc3"};

	(void)state;
	for (size_t i = 0; i < sizeof(good) / sizeof(good[0]); i++) {
		assert_true(is_value(good[i], strlen(good[i])));
	}
	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		assert_false(is_value(bad[i], strlen(bad[i])));
	}
	assert_false(is_value("a\0b", 3));
}

static void
a_packed_batch_is_what_protobuf_reads(void **state)
{
	static const struct rpc_metadata metadata[] = {{"request-id", "r-1"}, {"empty", ""}};
	static const struct {
		const char *method;
		size_t len;
		size_t metadata_count;
		uint32_t timeout_ms;
	} calls[] = {{"a.B/C", 7, 2, 1}, {"m", 300, 0, UINT32_MAX}};
	static const uint8_t request[300] = "request";
	uint8_t bytes[2 * 512];
	Mockvideo__Rpc__V1__CallBatch *batch;
	size_t len = 0;

	(void)state;
	for (size_t i = 0; i < 2; i++) {
		size_t size =
		    rpc_call_size(calls[i].method, calls[i].len, metadata, calls[i].metadata_count);
		uint8_t *memory = malloc(RPC_CALL_HEAD_MAX + size + RPC_CALL_TAIL_MAX);
		uint8_t *call = memory + RPC_CALL_HEAD_MAX;
		struct rpc_span sealed;

		memcpy(rpc_call_put(
			   call, calls[i].method, calls[i].len, metadata, calls[i].metadata_count),
		    request, calls[i].len);
		/* An attempt before, with another timeout, leaves nothing behind. */
		rpc_call_seal(call, size, UINT32_MAX);
		sealed = rpc_call_seal(call, size, calls[i].timeout_ms);
		assert_true(sealed.data >= memory);
		memcpy(bytes + len, sealed.data, sealed.len);
		len += sealed.len;
		free(memory);
	}
	batch = mockvideo__rpc__v1__call_batch__unpack(NULL, len, bytes);
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
	assert_int_equal(batch->calls[1]->request.len, sizeof(request));
	assert_memory_equal(batch->calls[1]->request.data, request, sizeof(request));
	assert_int_equal(batch->calls[1]->timeout_ms, UINT32_MAX);
	mockvideo__rpc__v1__call_batch__free_unpacked(batch, NULL);
}

static void
cancels_are_what_protobuf_reads(void **state)
{
	uint8_t bytes[3 * RPC_CANCEL_MAX];
	Mockvideo__Rpc__V1__CallBatch *batch;
	size_t len = 0;

	(void)state;
	len += rpc_cancel_put(bytes + len, 0x80000001, SIZE_MAX);
	len += rpc_cancel_put(bytes + len, 0xfedcba98, 0);
	len += rpc_cancel_put(bytes + len, 0xfedcba98, UINT32_MAX);
	batch = mockvideo__rpc__v1__call_batch__unpack(NULL, len, bytes);
	assert_non_null(batch);
	assert_int_equal(batch->n_calls, 0);
	assert_int_equal(batch->n_cancel, 3);
	assert_int_equal(batch->cancel[0]->request_id, 0x80000001);
	assert_int_equal(batch->cancel[0]->n_calls, 0);
	assert_int_equal(batch->cancel[1]->request_id, 0xfedcba98);
	assert_int_equal(batch->cancel[1]->n_calls, 1);
	assert_int_equal(batch->cancel[1]->calls[0], 0);
	assert_int_equal(batch->cancel[2]->calls[0], UINT32_MAX);
	mockvideo__rpc__v1__call_batch__free_unpacked(batch, NULL);
}

static void
cancels_are_read_in_place(void **state)
{
	/* A Cancel of calls 0 and 300, of a call, one of all of a message. */
	struct rpc_span batch = SPAN("\x12\x0a\x0d\x02\x00\x00\x80\x12\x03\x00\xac\x02"
				     "\x0a\x00"
				     "\x12\x05\x0d\x01\x00\x00\x80");
	struct rpc_cancel_view view;
	uint64_t call;
	size_t calls;
	size_t cancels;

	(void)state;
	assert_true(rpc_batch_count(batch, &calls, &cancels));
	assert_int_equal(calls, 1);
	assert_int_equal(cancels, 2);
	assert_int_equal(rpc_batch_next_cancel(&batch, &view), RPC_STEP_FOUND);
	assert_int_equal(view.request_id, 0x80000002);
	assert_int_equal(rpc_wire_next_number(&view.calls, &call), RPC_STEP_FOUND);
	assert_int_equal(call, 0);
	assert_int_equal(rpc_wire_next_number(&view.calls, &call), RPC_STEP_FOUND);
	assert_int_equal(call, 300);
	assert_int_equal(rpc_wire_next_number(&view.calls, &call), RPC_STEP_END);
	assert_int_equal(rpc_batch_next_cancel(&batch, &view), RPC_STEP_FOUND);
	assert_int_equal(view.request_id, 0x80000001);
	assert_int_equal(view.calls.len, 0);
	assert_int_equal(rpc_batch_next_cancel(&batch, &view), RPC_STEP_END);
	batch = SPAN("\x12\x02\x08\x01");
	assert_int_equal(rpc_batch_next_cancel(&batch, &view), RPC_STEP_MALFORMED);
	batch = SPAN("\x10\x01");
	assert_false(rpc_batch_count(batch, &calls, &cancels));
	assert_int_equal(rpc_batch_next_cancel(&batch, &view), RPC_STEP_MALFORMED);
}

static void
metadata_beyond_those_kept_are_found(void **state)
{
	static const char keys[] = "abcdefgh";
	uint8_t bytes[256];
	uint8_t *at = bytes + 2;
	struct rpc_span batch;
	struct rpc_call_view view;

	(void)state;
	for (size_t i = 0; keys[i] != '\0'; i++) {
		const uint8_t metadata[] = {
		    0x22, 6, 0x0a, 1, (uint8_t)keys[i], 0x12, 1, (uint8_t)(keys[i] - 'a' + 'A')};

		memcpy(at, metadata, sizeof(metadata));
		at += sizeof(metadata);
	}
	/* The first of a name counts, kept or not. */
	memcpy(at, "\x22\x06\x0a\x01h\x12\x01z", 8);
	at += 8;
	bytes[0] = 0x0a;
	bytes[1] = (uint8_t)(at - bytes - 2);
	batch = (struct rpc_span){bytes, (size_t)(at - bytes)};
	assert_int_equal(rpc_batch_next(&batch, &view), RPC_STEP_FOUND);
	assert_int_equal(view.metadata_count, 9);
	assert_span(rpc_call_view_metadata(&view, "a"), "A");
	assert_span(rpc_call_view_metadata(&view, "d"), "D");
	assert_span(rpc_call_view_metadata(&view, "e"), "E");
	assert_span(rpc_call_view_metadata(&view, "h"), "H");
	assert_null(rpc_call_view_metadata(&view, "i").data);
}

#define CASE(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

int
main(void)
{
	const struct CMUnitTest cases[] = {
	    CASE(an_error_survives_the_wire_without_its_detail),
	    CASE(no_status_and_one_of_code_ok_are_no_error),
	    CASE(a_code_that_is_none_is_unknown),
	    CASE(an_arena_that_is_used_up_still_gives_a_status),
	    CASE(a_batch_is_read_in_place),
	    CASE(fields_of_later_versions_are_passed_over),
	    CASE(of_a_field_that_is_repeated_the_last_counts),
	    CASE(values_are_utf_8_without_nul),
	    CASE(a_packed_batch_is_what_protobuf_reads),
	    CASE(cancels_are_what_protobuf_reads),
	    CASE(cancels_are_read_in_place),
	    CASE(metadata_beyond_those_kept_are_found),
	};

	return cmocka_run_group_tests(cases, NULL, NULL);
}
