/*
 * Any bytes as a request: the envelope's reader must agree with protobuf-c
 * wherever both accept them. protobuf-c accepts more: tags of above 32 bits.
 */
#include <assert.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include "common/rpc/wire/rpc_envelope.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void
fuzz_bytes(struct rpc_span actual, const void *expected, size_t len)
{
	assert(actual.len == len);
	assert(len == 0 || memcmp(actual.data, expected, len) == 0);
}

/* The value of the first metadata of that key. */
static const char *
fuzz_metadata(const Mockvideo__Rpc__V1__Call *call, const char *key)
{
	size_t i = 0;

	while (strcmp(call->metadata[i]->key, key) != 0) {
		i++;
	}
	return call->metadata[i]->value;
}

/* What protobuf-c gives as text ends at its first NUL. */
static void
fuzz_call(const struct rpc_call_view *view, const Mockvideo__Rpc__V1__Call *call)
{
	fuzz_bytes(view->request, call->request.data, call->request.len);
	assert(view->timeout_ms == call->timeout_ms);
	assert(view->metadata_count == call->n_metadata);
	if (view->fault != NULL) {
		return;
	}
	fuzz_bytes(view->method, call->method, strlen(call->method));
	for (size_t i = 0; i < call->n_metadata; i++) {
		const char *key = call->metadata[i]->key;
		const char *value = fuzz_metadata(call, key);

		fuzz_bytes(rpc_call_view_metadata(view, key), value, strlen(value));
	}
}

static void
fuzz_cancels(struct rpc_span batch, const Mockvideo__Rpc__V1__CallBatch *expected)
{
	struct rpc_cancel_view view;
	uint64_t call;

	for (size_t i = 0; rpc_batch_next_cancel(&batch, &view) == RPC_STEP_FOUND; i++) {
		assert(expected == NULL || expected->cancel[i]->request_id == view.request_id);
		while (rpc_wire_next_number(&view.calls, &call) == RPC_STEP_FOUND) {
		}
	}
}

/* Reads the batch; expected, if any, is what it holds. */
static void
fuzz_read(struct rpc_span batch, const Mockvideo__Rpc__V1__CallBatch *expected)
{
	struct rpc_call_view view;
	enum rpc_step step;
	size_t count;
	size_t cancels;
	size_t found = 0;

	if (!rpc_batch_count(batch, &count, &cancels)) {
		return;
	}
	assert(expected == NULL || expected->n_calls == count);
	assert(expected == NULL || expected->n_cancel == cancels);
	fuzz_cancels(batch, expected);
	while ((step = rpc_batch_next(&batch, &view)) == RPC_STEP_FOUND) {
		if (expected != NULL) {
			fuzz_call(&view, expected->calls[found]);
		}
		found++;
		assert(found <= count);
	}
	assert(step == RPC_STEP_MALFORMED || found == count);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	Mockvideo__Rpc__V1__CallBatch *batch =
	    mockvideo__rpc__v1__call_batch__unpack(NULL, size, data);

	fuzz_read((struct rpc_span){data, size}, batch);
	mockvideo__rpc__v1__call_batch__free_unpacked(batch, NULL);
	return 0;
}
