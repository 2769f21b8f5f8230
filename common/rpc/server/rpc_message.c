#include <string.h>

#include "common/clock.h"
#include "common/rpc/server/rpc_server_internal.h"

/* A peer that does not read its replies for so long loses its connection. */
#define RPC_SEND_TIMEOUT_MS 5000

/* Moves the message, which was RECEIVING, to WORKING unless the server closes. */
static bool
rpc_message_begin(struct rpc_message *message)
{
	struct rpc_server *server = message->server;
	bool closing;

	pthread_mutex_lock(&server->lock);
	closing = server->closing;
	if (!closing) {
		server->working++;
		message->state = RPC_MESSAGE_WORKING;
	}
	pthread_mutex_unlock(&server->lock);
	return !closing;
}

static enum status_code
rpc_message_check(struct rpc_message *message, struct rpc_span batch, struct error *error)
{
	const struct rpc_server_options *options = &message->server->options;
	size_t cancels;

	if (batch.len > options->request_max_bytes) {
		return error_set(error, STATUS_RESOURCE_EXHAUSTED, "MESSAGE_TOO_LARGE",
		    "a message may have at most %zu bytes", options->request_max_bytes);
	}
	if (!rpc_batch_count(batch, &message->call_count, &cancels)) {
		return error_set(error, STATUS_INVALID_ARGUMENT, "MALFORMED_ENVELOPE",
		    "the message is no mockvideo.rpc.v1.CallBatch");
	}
	if (message->call_count == 0) {
		return error_set(
		    error, STATUS_INVALID_ARGUMENT, "EMPTY_BATCH", "the message holds no call");
	}
	if (message->call_count > options->batch_max_calls) {
		return error_set(error, STATUS_RESOURCE_EXHAUSTED, "BATCH_TOO_LARGE",
		    "a message may hold at most %u calls", options->batch_max_calls);
	}
	return STATUS_OK;
}

static int64_t
rpc_message_deadline(const struct rpc_server_options *options, uint32_t timeout_ms, int64_t now_ns)
{
	if (timeout_ms == 0) {
		timeout_ms = options->default_timeout_ms;
	}
	if (timeout_ms > options->timeout_max_ms) {
		timeout_ms = options->timeout_max_ms;
	}
	return now_ns + timeout_ms * CLOCK_NS_PER_MS;
}

/* Reads every call before the first is started. */
static bool
rpc_message_read(struct rpc_message *message, struct rpc_span batch)
{
	const struct rpc_server_options *options = &message->server->options;
	int64_t now_ns = clock_now_ns();
	struct rpc_call *call;

	for (call = message->calls; call != NULL; call = call->next) {
		if (rpc_batch_next(&batch, &call->view) != RPC_STEP_FOUND) {
			return false;
		}
		call->message = message;
		call->received_ns = now_ns;
		call->deadline_ns = rpc_message_deadline(options, call->view.timeout_ms, now_ns);
	}
	return true;
}

/* Takes the calls of the message out of its bytes; on an error none is held. */
static enum status_code
rpc_message_decode(struct rpc_message *message, struct error *error)
{
	struct rpc_server *server = message->server;
	struct rpc_span batch = {nng_msg_body(message->request), nng_msg_len(message->request)};
	enum status_code code = rpc_message_check(message, batch, error);

	if (code != STATUS_OK) {
		return code;
	}
	if (!rpc_server_acquire(server, &message->calls, message->call_count)) {
		code = error_set(error, STATUS_RESOURCE_EXHAUSTED, "OUT_OF_MEMORY",
		    "the server is out of memory");
	} else if (!rpc_message_read(message, batch)) {
		code = error_set(error, STATUS_INVALID_ARGUMENT, "MALFORMED_ENVELOPE",
		    "the message is no mockvideo.rpc.v1.CallBatch");
	} else if (!rpc_message_begin(message)) {
		code = error_set(error, STATUS_UNAVAILABLE, "SHUTTING_DOWN",
		    "the server shuts down; the call was not executed");
	}
	if (code != STATUS_OK) {
		rpc_server_release(server, &message->calls);
	}
	return code;
}

/* Puts the parts of all calls together, unless the reply is there already. */
static void
rpc_message_assemble(struct rpc_message *message)
{
	const struct rpc_call *call;
	size_t size = 0;
	uint8_t *at;

	if (message->reply != NULL) {
		return;
	}
	for (call = message->calls; call != NULL; call = call->next) {
		size += call->reply.len;
	}
	if (nng_msg_alloc(&message->reply, size) != 0) {
		return;
	}
	at = nng_msg_body(message->reply);
	for (call = message->calls; call != NULL; call = call->next) {
		memcpy(at, call->reply.data, call->reply.len);
		at += call->reply.len;
	}
}

/* Without a reply, for lack of memory, the peer at least learns it at once. */
static void
rpc_message_send(struct rpc_message *message)
{
	nng_msg_free(message->request);
	message->request = NULL;
	if (message->reply == NULL) {
		nng_pipe_close(message->pipe);
		rpc_message_receive(message);
		return;
	}
	message->state = RPC_MESSAGE_SENDING;
	nng_aio_set_msg(message->aio, message->reply);
	message->reply = NULL;
	nng_aio_set_timeout(message->aio, RPC_SEND_TIMEOUT_MS);
	nng_ctx_send(message->ctx, message->aio);
}

void
rpc_message_finish(struct rpc_message *message)
{
	struct rpc_server *server = message->server;

	rpc_message_assemble(message);
	rpc_server_release(server, &message->calls);
	rpc_message_send(message);

	/* Only now: close may free the server as soon as it knows. */
	pthread_mutex_lock(&server->lock);
	if (--server->working == 0) {
		pthread_cond_broadcast(&server->idle);
	}
	pthread_mutex_unlock(&server->lock);
}

static void
rpc_message_refuse(struct rpc_message *message, const struct error *error)
{
	Mockvideo__Rpc__V1__Status status = MOCKVIDEO__RPC__V1__STATUS__INIT;
	uint8_t head[RPC_REPLY_HEAD_MAX];
	size_t len;
	size_t head_len;
	uint8_t *at;

	status.code = (Mockvideo__Rpc__V1__Code)error->code;
	status.message = (char *)error->message;
	status.reason = (char *)error->reason;
	len = mockvideo__rpc__v1__status__get_packed_size(&status);
	head_len = rpc_reply_head(head, RPC_REPLY_STATUS, len);
	if (nng_msg_alloc(&message->reply, head_len + len) == 0) {
		at = nng_msg_body(message->reply);
		memcpy(at, head, head_len);
		mockvideo__rpc__v1__status__pack(&status, at + head_len);
	}
	rpc_message_send(message);
}

/* The decoder counts as one of those who have the message, until all calls are started. */
static void
rpc_message_start(struct rpc_message *message)
{
	struct rpc_server *server = message->server;
	struct rpc_call *call = message->calls;

	if (server->options.observe_message != NULL) {
		server->options.observe_message(
		    message->call_count, server->options.observe_closure);
	}
	atomic_store_explicit(&message->left, message->call_count + 1, memory_order_relaxed);
	atomic_fetch_add_explicit(&server->in_flight, message->call_count, memory_order_relaxed);
	atomic_store(&message->starting, server->options.started != NULL);
	while (call != NULL) {
		struct rpc_call *next = call->next;

		rpc_call_start(call);
		call = next;
	}
	if (server->options.started != NULL) {
		atomic_store(&message->starting, false);
		server->options.started(server->options.closure);
	}
	if (atomic_fetch_sub_explicit(&message->left, 1, memory_order_acq_rel) == 1) {
		rpc_message_finish(message);
	}
}

void
rpc_message_receive(struct rpc_message *message)
{
	message->state = RPC_MESSAGE_RECEIVING;
	nng_aio_set_timeout(message->aio, NNG_DURATION_INFINITE);
	nng_ctx_recv(message->ctx, message->aio);
}

static void
rpc_message_received(struct rpc_message *message)
{
	struct error error;

	message->request = nng_aio_get_msg(message->aio);
	nng_aio_set_msg(message->aio, NULL);
	message->pipe = nng_msg_get_pipe(message->request);
	if (rpc_message_decode(message, &error) == STATUS_OK) {
		rpc_message_start(message);
	} else {
		rpc_message_refuse(message, &error);
	}
}

/* On failure the reply is still ours. */
static void
rpc_message_sent(struct rpc_message *message, int result)
{
	nng_msg *reply = nng_aio_get_msg(message->aio);

	if (result != 0 && reply != NULL) {
		nng_aio_set_msg(message->aio, NULL);
		nng_msg_free(reply);
		nng_pipe_close(message->pipe);
	}
	rpc_message_receive(message);
}

void
rpc_message_event(void *closure)
{
	struct rpc_message *message = closure;
	int result = nng_aio_result(message->aio);

	if (result == NNG_ECLOSED || result == NNG_ECANCELED) {
		message->state = RPC_MESSAGE_CLOSED;
	} else if (message->state == RPC_MESSAGE_SENDING) {
		rpc_message_sent(message, result);
	} else if (result == 0) {
		rpc_message_received(message);
	} else {
		rpc_message_receive(message);
	}
}
