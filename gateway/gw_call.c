#include "gateway/gw_call.h"

#include <stdlib.h>

#include "common/base/clock.h"
#include "common/rpc/client/rpc_channel.h"
#include "gateway/gw_api.h"
#include "gateway/gw_offer.h"
#include "gateway/gw_request.h"
#include "gateway/gw_telemetry.h"
#include "gateway/gw_view.h"

struct gw_call {
	h2o_multithread_message_t message; /* the first member: the post to the loop */
	struct gw_call *next;              /* posted with this one; of the same loop */
	LIST_ENTRY(gw_call) link;          /* of loop->calls */
	struct gw_loop *loop;
	struct gw_request *request;  /* NULL: abandoned. Thread of the loop. */
	struct rpc_pending *pending; /* likewise */
	int64_t begin_ns;
	struct rpc_reply *reply; /* this and the next are set before the call is posted */
	int64_t end_ns;
	struct rpc_channel *channel;
	struct gw_series *series;

	pthread_mutex_t lock; /* guards ended, and keeps pending valid while it is false */
	bool ended;
};

/* Calls of one loop that have ended, and that this thread of the channel has yet to post. */
static _Thread_local struct {
	struct gw_call *first;
	struct gw_call *last;
} gw_call_ended;

void
gw_call_delivered(void *closure)
{
	struct gw_call *first = gw_call_ended.first;
	struct gw_loop *loop;

	(void)closure;
	if (first == NULL) {
		return;
	}
	gw_call_ended.first = NULL;
	loop = first->loop;
	atomic_fetch_add(&loop->posting, 1);
	h2o_multithread_send_message(&loop->replies, &first->message);
	atomic_fetch_sub(&loop->posting, 1);
}

/* A thread of the channel. */
static void
gw_call_done(struct rpc_reply *reply, void *closure)
{
	struct gw_call *call = closure;

	call->reply = reply;
	call->end_ns = clock_now_ns();
	pthread_mutex_lock(&call->lock);
	call->ended = true;
	pthread_mutex_unlock(&call->lock);
	if (gw_call_ended.first != NULL && gw_call_ended.first->loop != call->loop) {
		gw_call_delivered(NULL);
	}
	if (gw_call_ended.first == NULL) {
		gw_call_ended.first = call;
	} else {
		gw_call_ended.last->next = call;
	}
	gw_call_ended.last = call;
}

static void
gw_call_free(struct gw_call *call)
{
	rpc_reply_free(&call->reply);
	pthread_mutex_destroy(&call->lock);
	free(call);
}

static struct rpc_request
gw_call_request(const struct gw_request *request, const struct rpc_metadata *metadata, size_t count)
{
	const struct route *route = request->match.route;
	const struct gw_backend *backend = gw_view_offer(route)->backend;
	uint32_t timeout_ms = route->method->rule->timeout_ms;

	return (struct rpc_request){.method = route->method->name,
	    .timeout_ms =
		timeout_ms == 0 ? request->loop->options.api->request_timeout_ms : timeout_ms,
	    .flags = route->method->call_flags,
	    .metadata = metadata,
	    .metadata_count = count,
	    .cork = &request->loop->corks[backend->index]};
}

struct gw_call *
gw_call_start(struct gw_request *request, const ProtobufCMessage *message, const struct buf *packed)
{
	char traceparent[TRACE_PARENT_LEN + 1];
	const struct rpc_metadata metadata[] = {{"request-id", request->id},
	    {"traceparent", traceparent}, {"tracestate", request->tracestate}};
	struct rpc_request wanted =
	    gw_call_request(request, metadata, request->tracestate == NULL ? 2 : 3);
	struct gw_loop *loop = request->loop;
	struct gw_call *call = loop->state == GW_LOOP_CUT ? NULL : calloc(1, sizeof(*call));

	if (call == NULL) {
		return NULL;
	}
	trace_write_parent(&request->trace, traceparent);
	wanted.message = message;
	if (message == NULL) {
		wanted.data = (const uint8_t *)packed->data;
		wanted.len = packed->len;
	}
	pthread_mutex_init(&call->lock, NULL);
	call->loop = loop;
	call->request = request;
	call->channel = gw_view_offer(request->match.route)->backend->channel;
	call->series = gw_telemetry_series(loop->options.telemetry, request->match.route);
	call->begin_ns = clock_now_ns();
	call->pending = rpc_channel_call(call->channel, &wanted, gw_call_done, call);
	if (call->pending == NULL) {
		gw_call_free(call);
		return NULL;
	}
	LIST_INSERT_HEAD(&loop->calls, call, link);
	return call;
}

void
gw_call_cancel(struct gw_call *call)
{
	pthread_mutex_lock(&call->lock);
	if (!call->ended) {
		rpc_channel_cancel(call->channel, call->pending);
	}
	pthread_mutex_unlock(&call->lock);
}

void
gw_call_abandon(struct gw_call **call)
{
	if (*call == NULL) {
		return;
	}
	(*call)->request = NULL;
	gw_call_cancel(*call);
	*call = NULL;
}

void
gw_call_cancel_all(struct gw_loop *loop)
{
	struct gw_call *call;

	LIST_FOREACH(call, &loop->calls, link)
	{
		gw_call_cancel(call);
	}
}

static void
gw_call_receive_one(struct gw_call *call)
{
	LIST_REMOVE(call, link);
	gw_telemetry_call_ended(call->loop->options.telemetry, call->series, &call->reply->error,
	    call->end_ns - call->begin_ns);
	if (call->request != NULL) {
		call->request->backend_ns += call->end_ns - call->begin_ns;
		gw_request_replied(call->request, call->reply);
	}
	gw_call_free(call);
}

void
gw_call_receive(h2o_multithread_receiver_t *receiver, h2o_linklist_t *messages)
{
	(void)receiver;
	while (!h2o_linklist_is_empty(messages)) {
		struct gw_call *call = (struct gw_call *)messages->next;

		h2o_linklist_unlink(&call->message.link);
		while (call != NULL) {
			struct gw_call *next = call->next;

			gw_call_receive_one(call);
			call = next;
		}
	}
}
