#include <stdlib.h>
#include <string.h>

#include "common/base/clock.h"
#include "common/rpc/server/rpc_server_internal.h"

/* When a client that was refused for want of memory is to come again. */
#define RPC_BUSY_RETRY_MS 1000

static enum status_code
rpc_message_malformed(struct error *error)
{
	return error_set(error, STATUS_INVALID_ARGUMENT, "MALFORMED_ENVELOPE",
	    "the message is no mockvideo.rpc.v1.CallBatch");
}

/* Counts what is in a message of allowed size. */
static enum status_code
rpc_message_count(
    struct rpc_message *message, struct rpc_span batch, size_t *cancels, struct error *error)
{
	size_t max = message->server->options.request_max_bytes;

	if (batch.len > max) {
		return error_set(error, STATUS_RESOURCE_EXHAUSTED, "MESSAGE_TOO_LARGE",
		    "a message may have at most %zu bytes", max);
	}
	return rpc_batch_count(batch, &message->call_count, cancels) ? STATUS_OK
								     : rpc_message_malformed(error);
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

/* Counts the memory of a request that is worked on; one alone has always room. */
static enum status_code
rpc_message_hold(struct rpc_message *message, struct error *error)
{
	size_t max = message->server->options.limits.working_max_bytes;
	size_t others = atomic_fetch_add(&message->server->working_bytes, message->frame.len);

	if (max == 0 || others == 0 || others + message->frame.len <= max) {
		return STATUS_OK;
	}
	atomic_fetch_sub(&message->server->working_bytes, message->frame.len);
	error_set(error, STATUS_RESOURCE_EXHAUSTED, "SERVER_BUSY",
	    "the server works on too many requests; the call was not executed");
	error->retry_after_ms = RPC_BUSY_RETRY_MS;
	return error->code;
}

/* Takes the calls of the message out of its bytes; on an error none is held. */
static enum status_code
rpc_message_take(struct rpc_message *message, struct rpc_span batch, struct error *error)
{
	struct rpc_server *server = message->server;
	enum status_code code;

	if (message->call_count == 0) {
		return error_set(
		    error, STATUS_INVALID_ARGUMENT, "EMPTY_BATCH", "the message holds no call");
	}
	if (message->call_count > server->options.batch_max_calls) {
		return error_set(error, STATUS_RESOURCE_EXHAUSTED, "BATCH_TOO_LARGE",
		    "a message may hold at most %u calls", server->options.batch_max_calls);
	}
	code = rpc_message_hold(message, error);
	if (code != STATUS_OK) {
		return code;
	}
	switch (rpc_server_take(server, &message->calls, message->call_count)) {
	case RPC_TAKING_DONE:
		if (rpc_message_read(message, batch)) {
			return STATUS_OK;
		}
		rpc_server_let_go(server, &message->calls);
		code = rpc_message_malformed(error);
		break;
	case RPC_TAKING_CLOSED:
		code = error_set(error, STATUS_UNAVAILABLE, "SHUTTING_DOWN",
		    "the server shuts down; the call was not executed");
		break;
	case RPC_TAKING_NO_MEMORY:
		code = error_set(error, STATUS_RESOURCE_EXHAUSTED, "OUT_OF_MEMORY",
		    "the server is out of memory");
		break;
	}
	atomic_fetch_sub(&server->working_bytes, message->frame.len);
	return code;
}

/* Takes buf; NULL, for lack of memory, ends the connection, so that the peer learns it at once. */
static void
rpc_message_reply(struct rpc_session *session, const struct rpc_frame *frame, struct rpc_buf *buf)
{
	if (buf == NULL) {
		rpc_conn_skip(session->conn, 1);
		rpc_conn_close(session->conn, RPC_CAUSE_NO_MEMORY);
		return;
	}
	(void)rpc_conn_send(session->conn, frame->route, frame->route_len, buf, NULL);
}

static void
rpc_message_refuse(const struct rpc_message *message, const struct error *error)
{
	Mockvideo__Rpc__V1__Status status = MOCKVIDEO__RPC__V1__STATUS__INIT;
	uint8_t head[RPC_REPLY_HEAD_MAX];
	struct rpc_buf *buf;
	size_t len;
	size_t head_len;

	status.code = (Mockvideo__Rpc__V1__Code)error->code;
	status.message = (char *)error->message;
	status.reason = (char *)error->reason;
	status.retry_after_ms = error->retry_after_ms;
	len = mockvideo__rpc__v1__status__get_packed_size(&status);
	head_len = rpc_reply_head(head, RPC_REPLY_STATUS, len);
	buf = rpc_buf_new(head_len + len);
	if (buf != NULL) {
		memcpy(buf->data, head, head_len);
		mockvideo__rpc__v1__status__pack(&status, buf->data + head_len);
	}
	rpc_message_reply(message->session, &message->frame, buf);
}

void
rpc_message_cancel(struct rpc_message *message, struct rpc_span places)
{
	bool all = places.len == 0;
	uint64_t place = 0;

	for (struct rpc_call *call = message->calls; all && call != NULL; call = call->next) {
		atomic_store_explicit(&call->cancelled, true, memory_order_relaxed);
	}
	while (rpc_wire_next_number(&places, &place) == RPC_STEP_FOUND) {
		struct rpc_call *call = message->calls;

		while (call != NULL && place-- > 0) {
			call = call->next;
		}
		if (call != NULL) {
			atomic_store_explicit(&call->cancelled, true, memory_order_relaxed);
		}
	}
}

/*
 * A message is found by its id, and by the way it came, if by devices. One that
 * is not found was answered already.
 */
static void
rpc_message_cancel_others(const struct rpc_message *message, struct rpc_span batch)
{
	const struct rpc_frame *frame = &message->frame;
	struct rpc_cancel_view view;
	struct rpc_message *other;

	pthread_mutex_lock(&message->session->lock);
	while (rpc_batch_next_cancel(&batch, &view) == RPC_STEP_FOUND) {
		TAILQ_FOREACH(other, &message->session->messages, link)
		{
			if (other->frame.id == view.request_id &&
			    other->frame.route_len == frame->route_len &&
			    memcmp(other->frame.route, frame->route, frame->route_len - 4) == 0) {
				rpc_message_cancel(other, view.calls);
			}
		}
	}
	pthread_mutex_unlock(&message->session->lock);
}

/* True when the calls of the message are to be started; else it has been dealt with. */
static bool
rpc_message_decode(struct rpc_message *message)
{
	struct rpc_span batch = {message->frame.body, message->frame.len};
	struct error error;
	size_t cancels = 0;
	enum status_code code = rpc_message_count(message, batch, &cancels, &error);

	if (code == STATUS_OK && cancels > 0) {
		rpc_message_cancel_others(message, batch);
		if (message->call_count == 0) {
			rpc_conn_skip(message->session->conn, 1);
			return false;
		}
	}
	if (code == STATUS_OK) {
		code = rpc_message_take(message, batch, &error);
	}
	if (code != STATUS_OK) {
		rpc_message_refuse(message, &error);
	}
	return code == STATUS_OK;
}

struct rpc_message *
rpc_message_receive(struct rpc_session *session, struct rpc_frame *frame)
{
	struct rpc_message *message = calloc(1, sizeof(*message));

	if (message == NULL) {
		rpc_message_reply(session, frame, NULL);
		rpc_block_release(&frame->block);
		return NULL;
	}
	message->server = session->server;
	message->session = session;
	message->frame = *frame;
	if (!rpc_message_decode(message)) {
		rpc_block_release(&message->frame.block);
		free(message);
		return NULL;
	}
	rpc_session_add(session, message);
	return message;
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
	message->reply = rpc_buf_new(size);
	if (message->reply == NULL) {
		return;
	}
	at = message->reply->data;
	for (call = message->calls; call != NULL; call = call->next) {
		memcpy(at, call->reply.data, call->reply.len);
		at += call->reply.len;
	}
}

void
rpc_message_finish(struct rpc_message *message)
{
	struct rpc_server *server = message->server;
	struct rpc_block *block = message->frame.block;
	struct rpc_call *calls = message->calls;

	rpc_message_assemble(message);
	rpc_session_remove(message->session, message);
	rpc_message_reply(message->session, &message->frame, message->reply);
	rpc_session_release(&message->session);
	atomic_fetch_sub(&server->working_bytes, message->frame.len);
	free(message);
	rpc_server_let_go(server, &calls); /* after it, the server may be freed */
	rpc_block_release(&block);
}

/* The decoder counts as one of those who have the message, until all calls are started. */
void
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
	while (call != NULL) {
		struct rpc_call *next = call->next;

		rpc_call_start(call);
		call = next;
	}
	if (atomic_fetch_sub_explicit(&message->left, 1, memory_order_acq_rel) == 1) {
		rpc_message_finish(message);
	}
}
