#include <stdlib.h>
#include <string.h>

#include "common/arena.h"
#include "common/rpc/client/rpc_channel_internal.h"
#include "common/rpc/net/rpc_fork.h"

/* An arena that has served a reply larger than this is not kept for the next. */
#define RPC_REPLY_ARENA_KEEP_BYTES 4096

static struct arena *
rpc_reply_arena(struct rpc_pending *pending)
{
	if (pending->arena == NULL) {
		/* The reply's size is limited already; texts and metadata take but a few times it. */
		pending->arena = arena_new(0);
	}
	return pending->arena;
}

static void
rpc_reply_body_release(struct rpc_reply_body *body)
{
	if (atomic_fetch_sub_explicit(&body->users, 1, memory_order_acq_rel) == 1) {
		nng_msg_free(body->message);
		free(body);
	}
}

void
rpc_reply_reset(struct rpc_pending *pending)
{
	struct rpc_reply *reply = &pending->reply;

	if (pending->body != NULL) {
		rpc_reply_body_release(pending->body);
		pending->body = NULL;
	}
	if (pending->arena != NULL && arena_used(pending->arena) > RPC_REPLY_ARENA_KEEP_BYTES) {
		arena_free(&pending->arena);
	} else if (pending->arena != NULL) {
		arena_reset(pending->arena);
	}
	/* Not all of the error, whose texts are large. */
	reply->error.code = STATUS_OK;
	reply->error.reason = NULL;
	reply->error.message[0] = reply->error.detail[0] = '\0';
	reply->error.retry_after_ms = 0;
	reply->error.violations = NULL;
	reply->error.violation_count = 0;
	reply->response = NULL;
	reply->len = 0;
	reply->metadata = NULL;
	reply->metadata_count = 0;
}

void
rpc_reply_set_error(
    struct rpc_pending *pending, enum status_code code, const char *reason, const char *message)
{
	rpc_reply_reset(pending);
	error_set(&pending->reply.error, code, reason, "%s", message);
}

static bool
rpc_reply_fill_metadata(struct rpc_pending *pending, const struct rpc_reply_view *view)
{
	struct arena *arena = rpc_reply_arena(pending);
	struct rpc_metadata_view metadata;
	struct rpc_metadata *list;
	struct rpc_span rest = view->packed;

	if (arena == NULL ||
	    (list = arena_calloc(arena, view->metadata_count, sizeof(*list))) == NULL) {
		return false;
	}
	for (size_t i = 0; i < view->metadata_count; i++) {
		if (rpc_reply_metadata_next(&rest, &metadata) != RPC_STEP_FOUND) {
			return false;
		}
		list[i].key = arena_strndup(arena, metadata.key.data, metadata.key.len);
		list[i].value = arena_strndup(arena, metadata.value.data, metadata.value.len);
		if (list[i].key == NULL || list[i].value == NULL) {
			return false;
		}
	}
	pending->reply.metadata = list;
	pending->reply.metadata_count = view->metadata_count;
	return true;
}

static bool
rpc_reply_fill_error(struct rpc_pending *pending, struct rpc_span packed)
{
	struct arena *arena = rpc_reply_arena(pending);
	Mockvideo__Rpc__V1__Status *status;

	if (arena == NULL) {
		return false;
	}
	status = mockvideo__rpc__v1__status__unpack(arena_protobuf(arena), packed.len, packed.data);
	if (status == NULL) {
		return false;
	}
	rpc_error_of_status(&pending->reply.error, arena, status);
	return true;
}

static void
rpc_reply_malformed(struct rpc_pending *pending)
{
	rpc_reply_set_error(pending, STATUS_UNAVAILABLE, "MALFORMED_REPLY",
	    "the service gave an answer that can't be read");
}

/*
 * Fills in a call's reply by what it was answered, the bytes of which body
 * holds. body NULL: the answer can only be an error.
 */
static void
rpc_reply_fill(
    struct rpc_pending *pending, const struct rpc_reply_view *view, struct rpc_reply_body *body)
{
	if ((view->status.data != NULL && !rpc_reply_fill_error(pending, view->status)) ||
	    (view->metadata_count > 0 && !rpc_reply_fill_metadata(pending, view))) {
		rpc_reply_malformed(pending);
		return;
	}
	if (pending->reply.error.code == STATUS_OK && body == NULL) {
		rpc_reply_malformed(pending);
	} else if (pending->reply.error.code == STATUS_OK) {
		pending->reply.response = view->response.data;
		pending->reply.len = view->response.len;
		pending->body = body;
		atomic_fetch_add_explicit(&body->users, 1, memory_order_relaxed);
	}
}

/* The server says itself that it did not execute the call, and why. */
static bool
rpc_reply_shutting_down(const struct rpc_reply *reply)
{
	return reply->error.code == STATUS_UNAVAILABLE && reply->error.reason != NULL &&
	       strcmp(reply->error.reason, "SHUTTING_DOWN") == 0;
}

/* An attempt failed, which says nothing of the one before it. */
static bool
rpc_reply_leaves_open(const struct rpc_pending *pending)
{
	if (!pending->was_sent || (pending->flags & RPC_NO_SIDE_EFFECTS) != 0) {
		return false;
	}
	switch (pending->reply.error.code) {
	case STATUS_CANCELLED:
	case STATUS_UNKNOWN:
	case STATUS_DEADLINE_EXCEEDED:
	case STATUS_RESOURCE_EXHAUSTED:
	case STATUS_ABORTED:
	case STATUS_INTERNAL:
	case STATUS_UNAVAILABLE: return true;
	case STATUS_OK:
	case STATUS_INVALID_ARGUMENT:
	case STATUS_NOT_FOUND:
	case STATUS_ALREADY_EXISTS:
	case STATUS_PERMISSION_DENIED:
	case STATUS_FAILED_PRECONDITION:
	case STATUS_OUT_OF_RANGE:
	case STATUS_UNIMPLEMENTED:
	case STATUS_DATA_LOSS:
	case STATUS_UNAUTHENTICATED: break;
	}
	return false;
}

/* Ends the call in a slot. view NULL: its answer can't be read. */
static void
rpc_reply_answer(struct rpc_exchange *exchange, size_t slot, const struct rpc_reply_view *view,
    struct rpc_reply_body *body, struct rpc_todo *todo)
{
	struct rpc_pending *pending = exchange->calls[slot];

	if (pending == NULL) {
		return;
	}
	rpc_pending_detach(pending);
	rpc_reply_reset(pending);
	if (view == NULL) {
		rpc_reply_malformed(pending);
	} else {
		rpc_reply_fill(pending, view, body);
	}
	if (rpc_reply_shutting_down(&pending->reply)) {
		rpc_probe_draining(exchange->endpoint);
		rpc_pending_lost(pending, todo, false);
	} else if (rpc_reply_leaves_open(pending)) {
		rpc_pending_fail(pending, todo, STATUS_UNAVAILABLE, "OUTCOME_UNKNOWN",
		    "the connection was lost and another attempt failed; the call may have been "
		    "executed");
	} else {
		rpc_pending_end(pending, todo);
	}
}

static void
rpc_reply_read_each(struct rpc_exchange *exchange, struct rpc_span batch,
    struct rpc_reply_body *body, struct rpc_todo *todo)
{
	const struct rpc_reply_view *views = exchange->views;
	size_t count;
	bool whole = rpc_replies_read(batch, exchange->views, exchange->count, &count);
	/* A message that is refused as a whole gets one reply, which is for each of its calls. */
	bool refused = whole && count == 1 && exchange->count > 1;

	for (size_t i = 0; i < exchange->count; i++) {
		const struct rpc_reply_view *view = refused                             ? views
						    : whole && count == exchange->count ? &views[i]
											: NULL;

		rpc_reply_answer(exchange, i, view, refused ? NULL : body, todo);
	}
}

void
rpc_reply_read(struct rpc_exchange *exchange, nng_msg *message, struct rpc_todo *todo)
{
	struct rpc_span batch = {nng_msg_body(message), nng_msg_len(message)};
	struct rpc_reply_body *body = malloc(sizeof(*body));

	if (body == NULL) {
		for (size_t i = 0; i < exchange->count; i++) {
			if (exchange->calls[i] != NULL) {
				struct rpc_pending *pending = exchange->calls[i];

				rpc_pending_detach(pending);
				rpc_pending_fail(pending, todo, STATUS_RESOURCE_EXHAUSTED,
				    "OUT_OF_MEMORY", "there is no memory for the answer");
			}
		}
		nng_msg_free(message);
		return;
	}
	atomic_init(&body->users, 1);
	body->message = message;
	rpc_reply_read_each(exchange, batch, body, todo);
	rpc_reply_body_release(body);
}

void
rpc_reply_free(struct rpc_reply **reply)
{
	if (*reply != NULL && !rpc_forked()) {
		rpc_pending_release((*reply)->owner);
	}
	*reply = NULL;
}
