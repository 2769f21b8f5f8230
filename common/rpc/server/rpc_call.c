#include <assert.h>
#include <stdlib.h>
#include <string.h>

#include "common/base/arena.h"
#include "common/base/clock.h"
#include "common/rpc/server/rpc_server_internal.h"
#include "common/rpc/wire/rpc_text.h"

/*
 * What an input message may take in memory: so many times its bytes on the
 * wire, and something for the small ones. A row of two bytes can unpack to a
 * struct of hundreds.
 */
#define RPC_UNPACK_FACTOR     16
#define RPC_UNPACK_FREE_BYTES ((size_t)64 * 1024)

/* An allocator of protobuf-c on an arena, with a limit of its own. */
struct rpc_unpacker {
	ProtobufCAllocator allocator;
	struct arena *arena;
	size_t left_bytes;
};

static const struct error rpc_no_error;

/* What is observed of a call whose answer there was no memory for. */
static const struct error rpc_error_no_memory = {.code = STATUS_RESOURCE_EXHAUSTED,
    .reason = "OUT_OF_MEMORY",
    .message = "no memory for the answer"};

/* RESOURCE_EXHAUSTED "no memory for the answer" OUT_OF_MEMORY, as part of a packed ReplyBatch. */
static const char rpc_reply_no_memory[] = "\x0a\x2d\x0a\x2b\x08\x08"
					  "\x12\x18"
					  "no memory for the answer"
					  "\x1a\x0d"
					  "OUT_OF_MEMORY";

struct rpc_call *
rpc_call_new(size_t arena_max_bytes)
{
	struct rpc_call *call = calloc(1, sizeof(*call));

	if (call != NULL && (call->arena = arena_new(arena_max_bytes)) == NULL) {
		free(call);
		return NULL;
	}
	return call;
}

void
rpc_call_free(struct rpc_call **call)
{
	if (*call == NULL) {
		return;
	}
	arena_free(&(*call)->arena);
	free(*call);
	*call = NULL;
}

void
rpc_call_reset(struct rpc_call *call)
{
	struct arena *arena = call->arena;

	if (call->method != NULL && call->method->secret) {
		explicit_bzero((void *)(uintptr_t)call->view.request.data, call->view.request.len);
		arena_wipe(arena);
	}
	arena_reset(arena);
	memset(call, 0, sizeof(*call));
	call->arena = arena;
}

static int
rpc_method_compare(const void *key, const void *row)
{
	const struct rpc_span *name = key;
	const struct rpc_method *const *method = row;
	size_t len = strlen((*method)->name);
	int order = memcmp(name->data, (*method)->name, name->len < len ? name->len : len);

	return order != 0 ? order : (name->len > len) - (name->len < len);
}

/* The name is checked to be printable, so it can be told. */
static void
rpc_call_fail_unknown(struct rpc_call *call)
{
	struct error error;

	error_set(&error, STATUS_UNIMPLEMENTED, "UNKNOWN_METHOD", "there is no method \"%.*s\"",
	    (int)call->view.method.len, (const char *)call->view.method.data);
	rpc_call_fail(call, &error);
}

void
rpc_call_fail_cancelled(struct rpc_call *call)
{
	struct error error;

	error_set(&error, STATUS_CANCELLED, "CANCELLED",
	    "the client does not wait for it any more; the call was not executed");
	rpc_call_fail(call, &error);
}

/* Goes on with a call where its interceptors are. */
static void
rpc_call_go_on(struct rpc_call *call)
{
	void *closure = call->message->server->options.closure;
	const struct rpc_method *method = call->method;

	if (rpc_intercept_before(call)) {
		method->start(call, method->closure == NULL ? closure : method->closure);
	}
}

void
rpc_call_resume(struct rpc_call *call)
{
	if (rpc_call_cancelled(call)) {
		rpc_call_fail_cancelled(call);
	} else if (!rpc_call_drop_expired(call)) {
		rpc_call_go_on(call);
	}
}

void
rpc_call_start(struct rpc_call *call)
{
	const struct rpc_server *server = call->message->server;
	const struct rpc_method **method;
	struct error error;

	if (call->view.fault != NULL) {
		error_set(
		    &error, STATUS_INVALID_ARGUMENT, "MALFORMED_CALL", "%s", call->view.fault);
		rpc_call_fail(call, &error);
		return;
	}
	method = bsearch(&call->view.method, server->by_name, server->method_count,
	    sizeof(*server->by_name), rpc_method_compare);
	if (method == NULL) {
		rpc_call_fail_unknown(call);
		return;
	}
	call->method = *method;
	rpc_call_go_on(call);
}

const struct rpc_method *
rpc_call_method(const struct rpc_call *call)
{
	return call->method;
}

struct arena *
rpc_call_arena(struct rpc_call *call)
{
	return call->arena;
}

int64_t
rpc_call_deadline_ns(const struct rpc_call *call)
{
	return call->deadline_ns;
}

int64_t
rpc_call_received_ns(const struct rpc_call *call)
{
	return call->received_ns;
}

int64_t
rpc_call_waited_ns(const struct rpc_call *call)
{
	return call->waited ? call->waited_ns : -1;
}

/* data NULL: there is none. */
static struct rpc_span
rpc_call_find_metadata(const struct rpc_call *call, const char *key)
{
	return call->view.metadata_count > 0 && call->view.fault == NULL
		   ? rpc_call_view_metadata(&call->view, key)
		   : (struct rpc_span){NULL, 0};
}

bool
rpc_call_has_metadata(const struct rpc_call *call, const char *key)
{
	return rpc_call_find_metadata(call, key).data != NULL;
}

const char *
rpc_call_metadata(const struct rpc_call *call, const char *key)
{
	struct rpc_span value = rpc_call_find_metadata(call, key);

	return value.data == NULL ? NULL : arena_strndup(call->arena, value.data, value.len);
}

void *
rpc_call_server_closure(const struct rpc_call *call)
{
	return call->message->server->options.closure;
}

void *
rpc_call_data(const struct rpc_call *call)
{
	return call->data;
}

void
rpc_call_set_data(struct rpc_call *call, void *data)
{
	call->data = data;
}

static void *
rpc_unpacker_alloc(void *closure, size_t size)
{
	struct rpc_unpacker *unpacker = closure;

	if (size > unpacker->left_bytes) {
		return NULL;
	}
	unpacker->left_bytes -= size;
	return arena_alloc(unpacker->arena, size);
}

static void
rpc_unpacker_free(void *closure, void *pointer)
{
	(void)closure;
	(void)pointer;
}

/* Unpacks the request; false, with the error, when it is no message of its type. */
static bool
rpc_call_unpack(struct rpc_call *call, struct error *error)
{
	struct rpc_unpacker unpacker = {{rpc_unpacker_alloc, rpc_unpacker_free, &unpacker},
	    call->arena, RPC_UNPACK_FREE_BYTES + RPC_UNPACK_FACTOR * call->view.request.len};
	const struct rpc_span *packed = &call->view.request;
	const ProtobufCMessageDescriptor *type = call->method->input;
	const ProtobufCFieldDescriptor *fault;

	call->input =
	    protobuf_c_message_unpack(type, &unpacker.allocator, packed->len, packed->data);
	if (call->input == NULL) {
		error_set(error, STATUS_INVALID_ARGUMENT, "MALFORMED_REQUEST",
		    "request is not a valid or too large a message %s", type->name);
		return false;
	}
	if (rpc_text_check(type, *packed, &fault)) {
		return true;
	}
	if (fault != NULL) {
		error_violation(error, call->arena, fault->name,
		    "must be valid UTF-8 without the character U+0000");
	} else {
		error_set(error, STATUS_INVALID_ARGUMENT, "MALFORMED_REQUEST",
		    "request is not a valid message %s", type->name);
	}
	return false;
}

const ProtobufCMessage *
rpc_call_request(struct rpc_call *call)
{
	struct error error = {0};

	if (call->input == NULL && !rpc_call_unpack(call, &error)) {
		rpc_call_fail(call, &error);
		return NULL;
	}
	return call->input;
}

/*
 * Memory for a call's part of the reply. The part of an only call is the
 * reply message; others wait in the arena until they are put together.
 */
static uint8_t *
rpc_call_reply_alloc(struct rpc_call *call, size_t size)
{
	struct rpc_message *message = call->message;

	if (message->call_count > 1) {
		return arena_alloc(call->arena, size);
	}
	message->reply = rpc_buf_new(size);
	return message->reply == NULL ? NULL : message->reply->data;
}

/* False without memory: the call is answered with rpc_error_no_memory then. */
static bool
rpc_call_reply(struct rpc_call *call, enum rpc_reply_field field, const ProtobufCMessage *answer)
{
	uint8_t head[RPC_REPLY_HEAD_MAX];
	size_t len = protobuf_c_message_get_packed_size(answer);
	size_t head_len = rpc_reply_head(head, field, len);
	uint8_t *bytes = rpc_call_reply_alloc(call, head_len + len);

	if (bytes == NULL) {
		call->reply.data = (const uint8_t *)rpc_reply_no_memory;
		call->reply.len = sizeof(rpc_reply_no_memory) - 1;
		return false;
	}
	memcpy(bytes, head, head_len);
	protobuf_c_message_pack(answer, bytes + head_len);
	call->reply = (struct rpc_span){bytes, head_len + len};
	return true;
}

static void
rpc_call_end(struct rpc_call *call, const struct error *error)
{
	struct rpc_message *message = call->message;
	struct rpc_server *server = message->server;

	rpc_intercept_after(call, error);
	atomic_fetch_sub_explicit(&server->in_flight, 1, memory_order_relaxed);
	if (atomic_fetch_sub_explicit(&message->left, 1, memory_order_acq_rel) == 1) {
		rpc_message_finish(message);
	}
}

void
rpc_call_finish(struct rpc_call *call, const ProtobufCMessage *response)
{
	assert(response != NULL && response->descriptor == call->method->output);
	rpc_call_end(call, rpc_call_reply(call, RPC_REPLY_RESPONSE, response)
			       ? &rpc_no_error
			       : &rpc_error_no_memory);
}

void
rpc_call_fail(struct rpc_call *call, const struct error *error)
{
	const Mockvideo__Rpc__V1__Status *status = rpc_status_of_error(call->arena, error);
	bool told;

	assert(error->code != STATUS_OK);
	/* Without memory the status is another one than that of the error. */
	told = rpc_call_reply(call, RPC_REPLY_STATUS, &status->base) &&
	       (int)status->code == (int)error->code;
	rpc_call_end(call, told ? error : &rpc_error_no_memory);
}

bool
rpc_call_cancelled(const struct rpc_call *call)
{
	return atomic_load_explicit(&call->cancelled, memory_order_relaxed);
}

void
rpc_call_cork(void)
{
	rpc_conn_cork();
}

void
rpc_call_uncork(void)
{
	rpc_conn_uncork();
}

bool
rpc_call_drop_expired(struct rpc_call *call)
{
	struct error error;

	if (clock_now_ns() < call->deadline_ns) {
		return false;
	}
	error_set(&error, STATUS_DEADLINE_EXCEEDED, "EXPIRED_IN_QUEUE",
	    "the deadline passed before the work began");
	rpc_call_fail(call, &error);
	return true;
}
