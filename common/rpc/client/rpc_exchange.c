#include <stdlib.h>
#include <string.h>

#include "common/clock.h"
#include "common/rpc/client/rpc_channel_internal.h"
#include "common/rpc/wire/rpc_envelope.h"

/* So many messages that nobody waits for may be in flight to an endpoint. */
#define RPC_ABANDONED_MAX 64

/* What each message that was answered weighs beside the one after it. */
#define RPC_OF_LATE 0.9

static void rpc_exchange_event(void *closure);

static struct rpc_exchange *
rpc_exchange_new(struct rpc_endpoint *endpoint)
{
	size_t calls_max = endpoint->channel->options.batch_max_calls;
	struct rpc_exchange *exchange;

	exchange = calloc(1, sizeof(*exchange) + calls_max * sizeof(struct rpc_pending *));
	if (exchange == NULL) {
		return NULL;
	}
	exchange->endpoint = endpoint;
	exchange->views = calloc(calls_max, sizeof(*exchange->views));
	if (exchange->views == NULL || nng_aio_alloc(&exchange->send, NULL, NULL) != 0 ||
	    nng_aio_alloc(&exchange->receive, rpc_exchange_event, exchange) != 0) {
		rpc_exchange_free(&exchange);
	}
	return exchange;
}

void
rpc_exchange_free(struct rpc_exchange **exchange)
{
	if (*exchange == NULL) {
		return;
	}
	if ((*exchange)->open) {
		nng_ctx_close((*exchange)->ctx);
	}
	nng_aio_free((*exchange)->receive);
	nng_aio_free((*exchange)->send);
	free((*exchange)->views);
	free(*exchange);
	*exchange = NULL;
}

static struct rpc_exchange *
rpc_exchange_acquire(struct rpc_endpoint *endpoint)
{
	struct rpc_exchange *exchange = TAILQ_FIRST(&endpoint->spare);

	if (exchange == NULL) {
		exchange = rpc_exchange_new(endpoint);
		if (exchange == NULL) {
			return NULL;
		}
		TAILQ_INSERT_HEAD(&endpoint->spare, exchange, link);
	}
	if (!exchange->open && nng_ctx_open(&exchange->ctx, endpoint->socket) != 0) {
		return NULL;
	}
	exchange->open = true;
	return exchange;
}

static uint32_t
rpc_exchange_timeout_ms(const struct rpc_pending *call, int64_t now_ns)
{
	int64_t left_ms = (call->deadline_ns - now_ns) / CLOCK_NS_PER_MS;

	return left_ms < 1 ? 1 : left_ms > UINT32_MAX ? UINT32_MAX : (uint32_t)left_ms;
}

/* Packs the first count calls of the list, which take at most size bytes. */
static nng_msg *
rpc_exchange_pack(const struct rpc_pending_list *calls, size_t count, size_t size, int64_t now_ns)
{
	struct rpc_pending *call = TAILQ_FIRST(calls);
	nng_msg *message;
	uint8_t *start;
	uint8_t *at;

	if (nng_msg_alloc(&message, size) != 0) {
		return NULL;
	}
	start = at = nng_msg_body(message);
	for (size_t i = 0; i < count; i++, call = TAILQ_NEXT(call, link)) {
		struct rpc_span sealed = rpc_call_seal(call->memory + RPC_CALL_HEAD_MAX,
		    call->packed_len, rpc_exchange_timeout_ms(call, now_ns));

		memcpy(at, sealed.data, sealed.len);
		at += sealed.len;
	}
	nng_msg_chop(message, size - (size_t)(at - start));
	return message;
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

/* It counts for its group until its reply has come, or nobody waits for it any more. */
static void
rpc_exchange_join(struct rpc_exchange *exchange, struct rpc_group *group)
{
	exchange->group = group;
	exchange->counts = group != NULL;
	if (group != NULL) {
		group->queued -= exchange->count;
		group->in_flight++;
		group->in_flight_calls += exchange->count;
		group->sent_ns = exchange->sent_ns;
	}
}

static void
rpc_exchange_leave(struct rpc_exchange *exchange)
{
	if (exchange->counts) {
		exchange->group->in_flight--;
		exchange->group->in_flight_calls -= exchange->count;
		exchange->counts = false;
	}
}

bool
rpc_exchange_start(struct rpc_endpoint *endpoint, struct rpc_group *group,
    struct rpc_pending_list *calls, size_t calls_max, struct rpc_todo *todo)
{
	struct rpc_exchange *exchange = rpc_exchange_acquire(endpoint);
	nng_msg *message;
	size_t count;
	size_t size;

	count = rpc_exchange_measure(
	    calls, calls_max, endpoint->channel->options.batch_max_bytes, &size);
	if (exchange == NULL ||
	    (message = rpc_exchange_pack(calls, count, size, todo->now_ns)) == NULL) {
		return false;
	}
	rpc_exchange_take_calls(exchange, calls, count);
	TAILQ_REMOVE(&endpoint->spare, exchange, link);
	TAILQ_INSERT_TAIL(&endpoint->in_flight, exchange, link);
	exchange->sent_ns = todo->now_ns;
	rpc_exchange_join(exchange, group);
	nng_aio_set_msg(exchange->send, message);
	exchange->send_next = NULL;
	*todo->send_end = exchange;
	todo->send_end = &exchange->send_next;
	endpoint->channel->stats.messages++;
	endpoint->channel->stats.messages_calls += count;
	return true;
}

void
rpc_exchange_send(struct rpc_exchange *exchange)
{
	nng_ctx ctx = exchange->ctx;

	/* Once receive has begun, the exchange can end and begin another life. */
	nng_ctx_send(ctx, exchange->send);
	nng_ctx_recv(ctx, exchange->receive);
}

/*
 * Closing the context is the way to be rid of both operations in every state:
 * aborting one of them alone leaves the other one hanging.
 */
void
rpc_exchange_abort(struct rpc_exchange *exchange)
{
	if (exchange->open) {
		exchange->open = false;
		nng_ctx_close(exchange->ctx);
	}
}

static void
rpc_exchange_abort_oldest(struct rpc_endpoint *endpoint)
{
	struct rpc_exchange *exchange;

	TAILQ_FOREACH(exchange, &endpoint->in_flight, link)
	{
		if (exchange->abandoned && exchange->open) {
			rpc_exchange_abort(exchange);
			return;
		}
	}
}

void
rpc_exchange_abandon(struct rpc_exchange *exchange, struct rpc_todo *todo)
{
	struct rpc_endpoint *endpoint = exchange->endpoint;

	rpc_exchange_leave(exchange);
	exchange->abandoned = true;
	if (++endpoint->abandoned > RPC_ABANDONED_MAX) {
		rpc_exchange_abort_oldest(endpoint);
	}
	if (endpoint->removed) {
		rpc_resolver_sweep(endpoint->channel->resolver);
	}
	rpc_endpoint_flush(endpoint, todo);
}

/* Takes the exchange's calls out of it, for a reply that will not come. */
static void
rpc_exchange_lost(struct rpc_exchange *exchange, bool sent, struct rpc_todo *todo)
{
	for (size_t i = 0; i < exchange->count; i++) {
		struct rpc_pending *call = exchange->calls[i];

		if (call != NULL) {
			rpc_pending_detach(call);
			rpc_pending_lost(call, todo, sent);
		}
	}
}

/* What was to be sent, if it surely was not; else NULL. */
static bool
rpc_exchange_was_sent(struct rpc_exchange *exchange)
{
	nng_aio_wait(exchange->send);
	if (nng_aio_result(exchange->send) == 0) {
		return true;
	}
	if (nng_aio_get_msg(exchange->send) != NULL) {
		nng_msg_free(nng_aio_get_msg(exchange->send));
		nng_aio_set_msg(exchange->send, NULL);
	}
	return false;
}

static void
rpc_exchange_release(struct rpc_exchange *exchange, struct rpc_todo *todo)
{
	struct rpc_endpoint *endpoint = exchange->endpoint;

	TAILQ_REMOVE(&endpoint->in_flight, exchange, link);
	TAILQ_INSERT_HEAD(&endpoint->spare, exchange, link);
	rpc_exchange_leave(exchange);
	endpoint->abandoned -= exchange->abandoned;
	exchange->abandoned = false;
	rpc_endpoint_flush(endpoint, todo);
	if (endpoint->removed) {
		rpc_resolver_sweep(endpoint->channel->resolver);
	}
	if (TAILQ_EMPTY(&endpoint->in_flight)) {
		pthread_cond_broadcast(&endpoint->channel->idle);
	}
}

/* Notes how fast calls of the group are answered while there are some. */
static void
rpc_exchange_note_time(struct rpc_exchange *exchange, int64_t now_ns)
{
	struct rpc_group *group = exchange->group;
	int64_t since_ns;

	if (group == NULL) {
		return;
	}
	since_ns = exchange->sent_ns > group->answered_ns ? exchange->sent_ns : group->answered_ns;
	group->calls = group->calls * RPC_OF_LATE + (double)exchange->count;
	group->busy_ns = group->busy_ns * RPC_OF_LATE + (double)(now_ns - since_ns);
	group->answered_ns = now_ns;
}

/* The callback of receive: a reply has come, or none will. */
static void
rpc_exchange_event(void *closure)
{
	struct rpc_exchange *exchange = closure;
	struct rpc_endpoint *endpoint = exchange->endpoint;
	bool answered = nng_aio_result(exchange->receive) == 0;
	bool sent = rpc_exchange_was_sent(exchange);
	struct rpc_todo todo;

	rpc_channel_lock(endpoint->channel, &todo);
	if (answered) {
		nng_msg *message = nng_aio_get_msg(exchange->receive);

		nng_aio_set_msg(exchange->receive, NULL);
		endpoint->heard_ns = todo.now_ns;
		endpoint->timeouts = 0;
		rpc_exchange_note_time(exchange, todo.now_ns);
		rpc_reply_read(exchange, message, &todo);
	} else {
		rpc_exchange_lost(exchange, sent, &todo);
	}
	rpc_exchange_release(exchange, &todo);
	rpc_channel_unlock(&todo);
}
