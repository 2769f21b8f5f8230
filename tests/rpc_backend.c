#include "tests/rpc_backend.h"

#include <nng/nng.h>
#include <nng/protocol/reqrep0/rep.h>
#include <nng/supplemental/tls/tls.h>
#include <pthread.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "mockvideo/rpc.pb-c.h"

#define BACKEND_CONTEXTS  64
#define BACKEND_URL_MAX   256
#define BACKEND_CALLS_MAX 1024
#define BACKEND_WAIT_S    30
#define BACKEND_LARGE     100000

enum backend_state {
	BACKEND_RECEIVING,
	BACKEND_HELD,
	BACKEND_SENDING
};

struct backend_context {
	struct backend *backend;
	enum backend_state state;
	nng_ctx ctx;
	nng_aio *aio;
	nng_msg *held;
};

struct backend {
	nng_socket socket;
	char url[BACKEND_URL_MAX];
	struct backend_context contexts[BACKEND_CONTEXTS];
	pthread_mutex_t lock; /* guards all below and the states */
	pthread_cond_t changed;
	struct backend_counts counts;
	size_t probes;
	enum backend_health health;
	bool released;
};

/* A reply and what it points to. */
struct backend_reply {
	Mockvideo__Rpc__V1__Reply reply;
	Mockvideo__Rpc__V1__Status status;
	Mockvideo__Rpc__V1__Violation violation;
	Mockvideo__Rpc__V1__Violation *violations;
	char text[16];
	uint8_t serving[2];
};

static uint8_t backend_large[BACKEND_LARGE];

static bool
backend_is(const Mockvideo__Rpc__V1__Call *call, const char *method)
{
	return strcmp(call->method, method) == 0;
}

static bool
backend_has(const Mockvideo__Rpc__V1__CallBatch *batch, const char *method)
{
	for (size_t i = 0; i < batch->n_calls; i++) {
		if (backend_is(batch->calls[i], method)) {
			return true;
		}
	}
	return false;
}

static bool
backend_mixes(const Mockvideo__Rpc__V1__CallBatch *batch)
{
	const ProtobufCBinaryData *first = batch->n_calls == 0 ? NULL : &batch->calls[0]->request;

	for (size_t i = 1; i < batch->n_calls; i++) {
		const ProtobufCBinaryData *other = &batch->calls[i]->request;

		if (other->len != first->len ||
		    (first->len > 0 && memcmp(other->data, first->data, first->len) != 0)) {
			return true;
		}
	}
	return false;
}

static void
backend_fail(struct backend_reply *to, int code, const char *reason)
{
	mockvideo__rpc__v1__status__init(&to->status);
	to->status.code = (Mockvideo__Rpc__V1__Code)code;
	to->status.message = (char *)"as the test asked";
	to->status.reason = (char *)reason;
	to->reply.status = &to->status;
}

static void
backend_violate(struct backend_reply *to)
{
	mockvideo__rpc__v1__violation__init(&to->violation);
	to->violation.field = (char *)"email";
	to->violation.description = (char *)"is taken";
	to->violations = &to->violation;
	to->status.violations = &to->violations;
	to->status.n_violations = 1;
	to->status.retry_after_ms = 77;
}

static void
backend_check_health(struct backend_reply *to, enum backend_health health)
{
	if (health == BACKEND_NO_SERVICE) {
		backend_fail(to, MOCKVIDEO__RPC__V1__CODE__UNIMPLEMENTED, "UNKNOWN_METHOD");
		return;
	}
	to->serving[0] = 1 << 3;
	to->serving[1] = health == BACKEND_SERVING ? 1 : 2;
	to->reply.response = (ProtobufCBinaryData){2, to->serving};
}

static void
backend_answer(
    struct backend_reply *to, const Mockvideo__Rpc__V1__Call *call, enum backend_health health)
{
	mockvideo__rpc__v1__reply__init(&to->reply);
	if (health == BACKEND_SHUT_DOWN) {
		backend_fail(to, MOCKVIDEO__RPC__V1__CODE__UNAVAILABLE, "SHUTTING_DOWN");
	} else if (backend_is(call, "mockvideo.rpc.v1.Health/Check")) {
		backend_check_health(to, health);
	} else if (backend_is(call, "t/Metadata")) {
		to->reply.metadata = call->metadata;
		to->reply.n_metadata = call->n_metadata;
	} else if (backend_is(call, "t/Timeout")) {
		to->reply.response.len =
		    (size_t)snprintf(to->text, sizeof(to->text), "%u", (unsigned)call->timeout_ms);
		to->reply.response.data = (uint8_t *)to->text;
	} else if (backend_is(call, "t/Fail")) {
		backend_fail(to, MOCKVIDEO__RPC__V1__CODE__ALREADY_EXISTS, "DUPLICATE_EMAIL");
		backend_violate(to);
	} else if (backend_is(call, "t/Refuse")) {
		backend_fail(to, MOCKVIDEO__RPC__V1__CODE__INVALID_ARGUMENT, "REFUSED");
	} else if (backend_is(call, "t/Large")) {
		to->reply.response = (ProtobufCBinaryData){BACKEND_LARGE, backend_large};
	} else {
		to->reply.response = call->request;
	}
}

static nng_msg *
backend_pack(struct backend_reply *replies, size_t count)
{
	Mockvideo__Rpc__V1__ReplyBatch batch = MOCKVIDEO__RPC__V1__REPLY_BATCH__INIT;
	Mockvideo__Rpc__V1__Reply *list[BACKEND_CALLS_MAX];
	nng_msg *message;

	for (size_t i = 0; i < count; i++) {
		list[i] = &replies[i].reply;
	}
	batch.replies = list;
	batch.n_replies = count;
	if (nng_msg_alloc(&message, mockvideo__rpc__v1__reply_batch__get_packed_size(&batch)) !=
	    0) {
		abort();
	}
	mockvideo__rpc__v1__reply_batch__pack(&batch, nng_msg_body(message));
	return message;
}

static nng_msg *
backend_reply_to(const Mockvideo__Rpc__V1__CallBatch *batch, enum backend_health health)
{
	struct backend_reply *replies = calloc(batch->n_calls + 1, sizeof(*replies));
	size_t count = batch->n_calls;
	nng_msg *message;

	if (replies == NULL || count >= BACKEND_CALLS_MAX) {
		abort();
	}
	for (size_t i = 0; i < count; i++) {
		backend_answer(&replies[i], batch->calls[i], health);
	}
	mockvideo__rpc__v1__reply__init(&replies[count].reply);
	if (batch->n_calls == 0) {
		backend_fail(
		    &replies[0], MOCKVIDEO__RPC__V1__CODE__INVALID_ARGUMENT, "EMPTY_BATCH");
		count = 1;
	}
	if (backend_has(batch, "t/Refuse")) {
		backend_fail(&replies[0], MOCKVIDEO__RPC__V1__CODE__INVALID_ARGUMENT, "REFUSED");
		count = 1;
	}
	count = backend_has(batch, "t/One") ? 1 : count;
	count += backend_has(batch, "t/Surplus");
	message = backend_pack(replies, backend_has(batch, "t/Missing") ? 0 : count);
	if (backend_has(batch, "t/Garbage")) {
		nng_msg_clear(message);
		nng_msg_append(message, "\x0a\xff\xff\xff\x0fgarbage", 12);
	}
	free(replies);
	return message;
}

/* The reply to a message, or NULL when there is to be none for now. With the lock. */
static nng_msg *
backend_receive(struct backend *backend, nng_msg *message)
{
	Mockvideo__Rpc__V1__CallBatch *batch = mockvideo__rpc__v1__call_batch__unpack(
	    NULL, nng_msg_len(message), nng_msg_body(message));
	bool probe;
	nng_msg *reply = NULL;

	if (batch == NULL) {
		abort();
	}
	probe = backend_has(batch, "mockvideo.rpc.v1.Health/Check");
	backend->counts.mixed += backend_mixes(batch);
	if (probe) {
		backend->probes++;
	} else if (batch->n_calls == 0) {
		backend->counts.cancels += batch->n_cancel;
	} else {
		backend->counts.messages++;
		backend->counts.calls += batch->n_calls;
		if (batch->n_calls > backend->counts.largest) {
			backend->counts.largest = batch->n_calls;
		}
	}
	if (backend->health != BACKEND_STUCK && !(probe && backend->health == BACKEND_MUTE) &&
	    (backend->released || !backend_has(batch, "t/Hold"))) {
		reply = backend_reply_to(batch, backend->health);
	}
	mockvideo__rpc__v1__call_batch__free_unpacked(batch, NULL);
	return reply;
}

static void
backend_received(struct backend_context *context)
{
	struct backend *backend = context->backend;
	nng_msg *message = nng_aio_get_msg(context->aio);
	nng_msg *reply;

	nng_aio_set_msg(context->aio, NULL);
	pthread_mutex_lock(&backend->lock);
	reply = backend_receive(backend, message);
	context->state = reply == NULL ? BACKEND_HELD : BACKEND_SENDING;
	context->held = reply == NULL ? message : NULL;
	pthread_cond_broadcast(&backend->changed);
	pthread_mutex_unlock(&backend->lock);
	if (reply != NULL) {
		nng_msg_free(message);
		nng_aio_set_msg(context->aio, reply);
		nng_ctx_send(context->ctx, context->aio);
	}
}

static enum backend_state
backend_set_receiving(struct backend_context *context)
{
	enum backend_state before;

	pthread_mutex_lock(&context->backend->lock);
	before = context->state;
	context->state = BACKEND_RECEIVING;
	pthread_mutex_unlock(&context->backend->lock);
	return before;
}

static void
backend_event(void *closure)
{
	struct backend_context *context = closure;
	int result = nng_aio_result(context->aio);

	if (result == NNG_ECLOSED || result == NNG_ECANCELED) {
		return;
	}
	if (backend_set_receiving(context) == BACKEND_RECEIVING && result == 0) {
		backend_received(context);
		return;
	}
	if (result != 0 && nng_aio_get_msg(context->aio) != NULL) {
		nng_msg_free(nng_aio_get_msg(context->aio));
		nng_aio_set_msg(context->aio, NULL);
	}
	nng_ctx_recv(context->ctx, context->aio);
}

static bool
backend_listen(struct backend *backend, const char *url, nng_tls_config *tls)
{
	nng_listener listener;
	const char *scheme = tls == NULL ? "tcp" : "tls+tcp";
	nng_sockaddr address;

	snprintf(backend->url, sizeof(backend->url), "%s", url);
	if (nng_listener_create(&listener, backend->socket, url) != 0 ||
	    (tls != NULL && nng_listener_set_ptr(listener, NNG_OPT_TLS_CONFIG, tls) != 0) ||
	    nng_listener_start(listener, 0) != 0) {
		return false;
	}
	if (strncmp(url, "ipc://", 6) != 0 &&
	    nng_listener_get_addr(listener, NNG_OPT_LOCADDR, &address) == 0) {
		uint16_t port = address.s_in.sa_port;

		snprintf(backend->url, sizeof(backend->url), "%s://127.0.0.1:%u", scheme,
		    (unsigned)((port & 0xff) << 8 | port >> 8));
	}
	return true;
}

struct backend *
backend_open(const char *url)
{
	return backend_open_tls(url, NULL);
}

struct backend *
backend_open_tls(const char *url, struct nng_tls_config *tls)
{
	struct backend *backend = calloc(1, sizeof(*backend));

	if (backend == NULL || nng_rep0_open(&backend->socket) != 0) {
		abort();
	}
	pthread_mutex_init(&backend->lock, NULL);
	pthread_cond_init(&backend->changed, NULL);
	for (size_t i = 0; i < BACKEND_CONTEXTS; i++) {
		struct backend_context *context = &backend->contexts[i];

		context->backend = backend;
		if (nng_ctx_open(&context->ctx, backend->socket) != 0 ||
		    nng_aio_alloc(&context->aio, backend_event, context) != 0) {
			abort();
		}
		nng_ctx_recv(context->ctx, context->aio);
	}
	if (!backend_listen(backend, url, tls)) {
		backend_close(&backend);
	}
	return backend;
}

void
backend_close(struct backend **backend)
{
	struct backend *closed = *backend;

	if (closed == NULL) {
		return;
	}
	*backend = NULL;
	nng_close(closed->socket);
	for (size_t i = 0; i < BACKEND_CONTEXTS; i++) {
		struct backend_context *context = &closed->contexts[i];

		nng_aio_stop(context->aio);
		if (nng_aio_get_msg(context->aio) != NULL) {
			nng_msg_free(nng_aio_get_msg(context->aio));
		}
		nng_aio_free(context->aio);
		if (context->held != NULL) {
			nng_msg_free(context->held);
		}
	}
	pthread_cond_destroy(&closed->changed);
	pthread_mutex_destroy(&closed->lock);
	free(closed);
}

const char *
backend_url(const struct backend *backend)
{
	return backend->url;
}

void
backend_set_health(struct backend *backend, enum backend_health health)
{
	pthread_mutex_lock(&backend->lock);
	backend->health = health;
	pthread_mutex_unlock(&backend->lock);
}

void
backend_release(struct backend *backend)
{
	pthread_mutex_lock(&backend->lock);
	backend->released = true;
	for (size_t i = 0; i < BACKEND_CONTEXTS; i++) {
		struct backend_context *context = &backend->contexts[i];

		if (context->state == BACKEND_HELD) {
			Mockvideo__Rpc__V1__CallBatch *batch =
			    mockvideo__rpc__v1__call_batch__unpack(
				NULL, nng_msg_len(context->held), nng_msg_body(context->held));

			context->state = BACKEND_SENDING;
			nng_aio_set_msg(context->aio, backend_reply_to(batch, backend->health));
			nng_ctx_send(context->ctx, context->aio);
			mockvideo__rpc__v1__call_batch__free_unpacked(batch, NULL);
			nng_msg_free(context->held);
			context->held = NULL;
		}
	}
	pthread_mutex_unlock(&backend->lock);
}

struct backend_counts
backend_counts(struct backend *backend)
{
	struct backend_counts counts;

	pthread_mutex_lock(&backend->lock);
	counts = backend->counts;
	pthread_mutex_unlock(&backend->lock);
	return counts;
}

void
backend_wait(struct backend *backend, size_t calls)
{
	struct timespec until;

	clock_gettime(CLOCK_REALTIME, &until);
	until.tv_sec += BACKEND_WAIT_S;
	pthread_mutex_lock(&backend->lock);
	while (backend->counts.calls < calls || backend->probes == 0) {
		if (pthread_cond_timedwait(&backend->changed, &backend->lock, &until) != 0) {
			fprintf(stderr, "%s: waited too long for %zu calls, have %zu\n",
			    backend->url, calls, backend->counts.calls);
			abort();
		}
	}
	pthread_mutex_unlock(&backend->lock);
}
