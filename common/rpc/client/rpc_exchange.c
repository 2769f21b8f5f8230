#include <stdlib.h>
#include <string.h>

#include "common/base/arena.h"
#include "common/base/clock.h"
#include "common/rpc/client/rpc_channel_internal.h"
#include "common/rpc/wire/rpc_text.h"

#define RPC_ID_BIT UINT32_C(0x80000000)

/*
 * The id of messages that hold cancels: no exchange has it. Those that older
 * servers answer are answered in vain.
 */
#define RPC_ID_CANCEL UINT32_MAX

/* What each message that was answered weighs beside the one after it. */
#define RPC_OF_LATE 0.9

/* Sending. */

static struct rpc_exchange *
rpc_exchange_acquire(struct rpc_endpoint *endpoint)
{
	struct rpc_exchange *exchange = TAILQ_FIRST(&endpoint->spare);
	size_t calls_max = endpoint->channel->options.batch_max_calls;

	if (exchange != NULL) {
		TAILQ_REMOVE(&endpoint->spare, exchange, link);
		return exchange;
	}
	exchange = calloc(1, sizeof(*exchange) + calls_max * sizeof(struct rpc_pending *));
	if (exchange != NULL) {
		exchange->endpoint = endpoint;
	}
	return exchange;
}

static uint32_t
rpc_exchange_timeout_ms(const struct rpc_pending *call, int64_t now_ns)
{
	int64_t left_ms = (call->deadline_ns - now_ns) / CLOCK_NS_PER_MS;

	return left_ms < 1 ? 1 : left_ms > UINT32_MAX ? UINT32_MAX : (uint32_t)left_ms;
}

/* At most so many bytes of a message does the call take. */
static size_t
rpc_exchange_call_max(const struct rpc_pending *call)
{
	return RPC_CALL_HEAD_MAX + call->packed_len + RPC_CALL_TAIL_MAX;
}

/* How many calls from the first of the list on travel together, and what they take. */
static size_t
rpc_exchange_measure(
    const struct rpc_pending_list *calls, size_t calls_max, size_t bytes_max, size_t *size)
{
	const struct rpc_pending *call = TAILQ_FIRST(calls);
	size_t count = 0;

	*size = 0;
	do {
		*size += rpc_exchange_call_max(call);
		count++;
		call = TAILQ_NEXT(call, link);
	} while (
	    call != NULL && count < calls_max && *size + rpc_exchange_call_max(call) <= bytes_max);
	return count;
}

/* Puts the first count calls of the list together, which take at most size bytes. */
static struct rpc_buf *
rpc_exchange_pack(const struct rpc_pending_list *calls, size_t count, size_t size, int64_t now_ns)
{
	struct rpc_pending *call = TAILQ_FIRST(calls);
	struct rpc_buf *buf = rpc_buf_new(size);

	if (buf == NULL) {
		return NULL;
	}
	buf->len = 0;
	for (size_t i = 0; i < count; i++, call = TAILQ_NEXT(call, link)) {
		struct rpc_span sealed = rpc_call_seal(call->memory + RPC_CALL_HEAD_MAX,
		    call->packed_len, rpc_exchange_timeout_ms(call, now_ns));

		memcpy(buf->data + buf->len, sealed.data, sealed.len);
		buf->len += sealed.len;
		buf->secret = buf->secret || (call->flags & RPC_SECRET) != 0;
	}
	return buf;
}

/* Hands a message to the connection. Gives its number, UINT64_MAX when it was not taken. */
static uint64_t
rpc_exchange_send(
    struct rpc_endpoint *endpoint, uint32_t id, struct rpc_buf *buf, struct rpc_todo *todo)
{
	const uint8_t route[] = {
	    (uint8_t)(id >> 24), (uint8_t)(id >> 16), (uint8_t)(id >> 8), (uint8_t)id};
	uint64_t number;

	todo->sent = true;
	return rpc_conn_send(endpoint->conn, route, sizeof(route), buf, &number) ? number
										 : UINT64_MAX;
}

static void
rpc_exchange_take_calls(struct rpc_exchange *exchange, struct rpc_pending_list *calls, size_t count)
{
	for (size_t i = 0; i < count; i++) {
		struct rpc_pending *call = TAILQ_FIRST(calls);

		TAILQ_REMOVE(calls, call, link);
		call->state = RPC_PENDING_SENT;
		call->exchange = exchange;
		call->slot = i;
		exchange->calls[i] = call;
	}
	exchange->count = exchange->live = count;
}

/* It counts for its group until it ends. */
static void
rpc_exchange_join(struct rpc_exchange *exchange, struct rpc_group *group)
{
	exchange->group = group;
	if (group != NULL) {
		group->queued -= exchange->count;
		group->in_flight++;
		group->in_flight_calls += exchange->count;
		group->sent_ns = exchange->sent_ns;
	}
}

static uint32_t
rpc_exchange_next_id(struct rpc_endpoint *endpoint)
{
	endpoint->last_id = (endpoint->last_id + 1) | RPC_ID_BIT;
	if (endpoint->last_id == RPC_ID_CANCEL) {
		endpoint->last_id = RPC_ID_BIT;
	}
	return endpoint->last_id;
}

bool
rpc_exchange_start(struct rpc_endpoint *endpoint, struct rpc_group *group,
    struct rpc_pending_list *calls, size_t calls_max, struct rpc_todo *todo)
{
	struct rpc_channel_stats *stats = &endpoint->channel->stats;
	size_t size;
	size_t count = rpc_exchange_measure(
	    calls, calls_max, endpoint->channel->options.batch_max_bytes, &size);
	struct rpc_buf *buf = rpc_exchange_pack(calls, count, size, todo->now_ns);
	struct rpc_exchange *exchange = buf == NULL ? NULL : rpc_exchange_acquire(endpoint);

	if (exchange == NULL) {
		rpc_buf_free(&buf);
		return false;
	}
	rpc_exchange_take_calls(exchange, calls, count);
	exchange->sent_ns = todo->now_ns;
	exchange->id = rpc_exchange_next_id(endpoint);
	rpc_exchange_join(exchange, group);
	TAILQ_INSERT_TAIL(&endpoint->in_flight, exchange, link);
	LIST_INSERT_HEAD(&endpoint->buckets[exchange->id % RPC_BUCKETS], exchange, bucket_link);
	stats->messages++;
	stats->messages_calls += count;
	exchange->number = rpc_exchange_send(endpoint, exchange->id, buf, todo);
	return true;
}

struct rpc_exchange *
rpc_exchange_find(struct rpc_endpoint *endpoint, uint32_t id)
{
	struct rpc_exchange *exchange;

	LIST_FOREACH(exchange, &endpoint->buckets[id % RPC_BUCKETS], bucket_link)
	{
		if (exchange->id == id) {
			break;
		}
	}
	return exchange;
}

/* Ending. */

/* None of its calls waits for it any more. */
static void
rpc_exchange_end(struct rpc_exchange *exchange, struct rpc_todo *todo)
{
	struct rpc_endpoint *endpoint = exchange->endpoint;

	if (exchange->group != NULL) {
		exchange->group->in_flight--;
		exchange->group->in_flight_calls -= exchange->count;
	}
	LIST_REMOVE(exchange, bucket_link);
	TAILQ_REMOVE(&endpoint->in_flight, exchange, link);
	TAILQ_INSERT_HEAD(&endpoint->spare, exchange, link);
	rpc_endpoint_flush(endpoint, todo);
	if (endpoint->removed) {
		rpc_channel_kick(endpoint->channel); /* which may close it now */
	}
}

/* Tells the service of what it need not do; without memory it does it all the same. */
static void
rpc_exchange_cancel(struct rpc_exchange *exchange, size_t call, struct rpc_todo *todo)
{
	struct rpc_endpoint *endpoint = exchange->endpoint;
	struct rpc_buf *buf = endpoint->conn == NULL ? NULL : rpc_buf_new(RPC_CANCEL_MAX);

	if (buf != NULL) {
		buf->len = rpc_cancel_put(buf->data, exchange->id, call);
		rpc_exchange_send(endpoint, RPC_ID_CANCEL, buf, todo);
	}
}

void
rpc_exchange_abandon(struct rpc_exchange *exchange, size_t slot, bool tell, struct rpc_todo *todo)
{
	if (tell) {
		rpc_exchange_cancel(exchange, exchange->live == 0 ? SIZE_MAX : slot, todo);
	}
	if (exchange->live == 0) {
		rpc_exchange_end(exchange, todo);
	}
}

void
rpc_exchange_lost(struct rpc_exchange *exchange, bool sent, struct rpc_todo *todo)
{
	for (size_t i = 0; i < exchange->count; i++) {
		struct rpc_pending *call = exchange->calls[i];

		if (call != NULL) {
			rpc_pending_detach(call);
			rpc_pending_lost(call, todo, sent);
		}
	}
	rpc_exchange_end(exchange, todo);
}

/* The reply. */

/* How it went to make a struct rpc_reply of a Reply. */
enum rpc_filled {
	RPC_FILLED,
	RPC_FILLED_MALFORMED,
	RPC_FILLED_NO_MEMORY
};

static enum rpc_filled
rpc_exchange_fill_metadata(struct rpc_pending *pending, const struct rpc_reply_view *view)
{
	struct arena *arena = rpc_pending_arena(pending);
	struct rpc_metadata_view metadata;
	struct rpc_span rest = view->packed;
	struct rpc_metadata *list =
	    arena == NULL ? NULL : arena_calloc(arena, view->metadata_count, sizeof(*list));

	if (list == NULL) {
		return RPC_FILLED_NO_MEMORY;
	}
	for (size_t i = 0; i < view->metadata_count; i++) {
		if (rpc_reply_metadata_next(&rest, &metadata) != RPC_STEP_FOUND) {
			return RPC_FILLED_MALFORMED;
		}
		list[i].key = arena_strndup(arena, metadata.key.data, metadata.key.len);
		list[i].value = arena_strndup(arena, metadata.value.data, metadata.value.len);
		if (list[i].key == NULL || list[i].value == NULL) {
			return RPC_FILLED_NO_MEMORY;
		}
	}
	pending->reply.metadata = list;
	pending->reply.metadata_count = view->metadata_count;
	return RPC_FILLED;
}

static enum rpc_filled
rpc_exchange_fill_error(struct rpc_pending *pending, struct rpc_span packed)
{
	const ProtobufCMessageDescriptor *type = &mockvideo__rpc__v1__status__descriptor;
	struct arena *arena = rpc_pending_arena(pending);
	const ProtobufCFieldDescriptor *fault;
	Mockvideo__Rpc__V1__Status *status;

	if (!rpc_text_check(type, packed, &fault)) {
		return RPC_FILLED_MALFORMED;
	}
	if (arena == NULL) {
		return RPC_FILLED_NO_MEMORY;
	}
	status = mockvideo__rpc__v1__status__unpack(arena_protobuf(arena), packed.len, packed.data);
	/* It is well-formed, so what it lacks is memory. */
	return status != NULL && rpc_error_of_status(&pending->reply.error, arena, status)
		   ? RPC_FILLED
		   : RPC_FILLED_NO_MEMORY;
}

/* view NULL: the reply could not be read. shared: it is the only one for several calls. */
static enum rpc_filled
rpc_exchange_fill(struct rpc_pending *pending, const struct rpc_reply_view *view, bool shared,
    const struct rpc_frame *frame)
{
	enum rpc_filled filled = view == NULL ? RPC_FILLED_MALFORMED : RPC_FILLED;

	if (filled == RPC_FILLED && view->status.data != NULL) {
		filled = rpc_exchange_fill_error(pending, view->status);
	}
	if (filled == RPC_FILLED && view->metadata_count > 0) {
		filled = rpc_exchange_fill_metadata(pending, view);
	}
	if (filled == RPC_FILLED && pending->reply.error.code == STATUS_OK) {
		if (shared) {
			return RPC_FILLED_MALFORMED;
		}
		pending->reply.response = view->response.data;
		pending->reply.len = view->response.len;
		pending->block = rpc_block_acquire(frame->block);
	}
	return filled;
}

static bool
rpc_exchange_says(const struct rpc_reply *reply, enum status_code code, const char *reason)
{
	return reply->error.code == code && reply->error.reason != NULL &&
	       strcmp(reply->error.reason, reason) == 0;
}

/* An attempt failed, which says nothing of the one before it. */
static bool
rpc_exchange_leaves_open(const struct rpc_pending *pending)
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

/* Ends a call by its reply, or makes another attempt where the server refused it unexecuted. */
static void
rpc_exchange_answer(struct rpc_pending *pending, const struct rpc_reply_view *view, bool shared,
    const struct rpc_frame *frame, struct rpc_todo *todo)
{
	struct rpc_endpoint *endpoint = pending->endpoint;

	rpc_pending_detach(pending);
	rpc_pending_reset_reply(pending);
	switch (rpc_exchange_fill(pending, view, shared, frame)) {
	case RPC_FILLED: break;
	case RPC_FILLED_MALFORMED:
		rpc_pending_set_error(pending, STATUS_UNAVAILABLE, "MALFORMED_REPLY",
		    "the service gave an answer that can't be read");
		break;
	case RPC_FILLED_NO_MEMORY:
		rpc_pending_set_error(pending, STATUS_RESOURCE_EXHAUSTED, "OUT_OF_MEMORY",
		    "there is no memory for the answer");
		break;
	}
	if (rpc_exchange_says(&pending->reply, STATUS_UNAVAILABLE, "SHUTTING_DOWN")) {
		rpc_rotation_draining(endpoint);
		rpc_pending_lost(pending, todo, false);
	} else if (rpc_exchange_leaves_open(pending)) {
		rpc_pending_fail(pending, todo, STATUS_UNAVAILABLE, "OUTCOME_UNKNOWN",
		    "the connection was lost and another attempt failed; the call may have been "
		    "executed");
	} else {
		rpc_pending_end(pending, todo);
	}
}

/* Notes how fast calls of the group are answered while there are some. */
static void
rpc_exchange_note_time(const struct rpc_exchange *exchange, int64_t now_ns)
{
	struct rpc_group *group = exchange->group;
	int64_t since_ns;

	if (group == NULL || !group->slow) {
		return;
	}
	since_ns = exchange->sent_ns > group->answered_ns ? exchange->sent_ns : group->answered_ns;
	group->calls = group->calls * RPC_OF_LATE + (double)exchange->count;
	group->busy_ns = group->busy_ns * RPC_OF_LATE + (double)(now_ns - since_ns);
	group->answered_ns = now_ns;
}

void
rpc_exchange_answered(
    struct rpc_exchange *exchange, const struct rpc_frame *frame, struct rpc_todo *todo)
{
	const struct rpc_reply_view *views = exchange->endpoint->channel->views;
	size_t count;
	bool whole = rpc_replies_read((struct rpc_span){frame->body, frame->len},
	    exchange->endpoint->channel->views, exchange->count, &count);
	/* A message that is refused as a whole gets one reply, which is for each of its calls. */
	bool shared = whole && count == 1 && exchange->count > 1;

	whole = whole && count == exchange->count;
	rpc_exchange_note_time(exchange, todo->now_ns);
	for (size_t i = 0; i < exchange->count; i++) {
		if (exchange->calls[i] != NULL) {
			rpc_exchange_answer(exchange->calls[i],
			    shared  ? &views[0]
			    : whole ? &views[i]
				    : NULL,
			    shared, frame, todo);
		}
	}
	rpc_exchange_end(exchange, todo);
}
