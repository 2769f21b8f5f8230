#include "common/rpc/server/rpc_server.h"

#include <assert.h>
#include <nng/nng.h>
#include <nng/protocol/reqrep0/rep.h>
#include <stdlib.h>
#include <string.h>

#include "common/rpc/net/rpc_listen.h"
#include "common/rpc/net/rpc_transport.h"
#include "common/rpc/server/rpc_server_internal.h"

/* Spare calls that are kept; each holds an arena's first block. */
#define RPC_SPARE_CALLS_MAX 1024

/* A call's memory, whatever its method does. */
#define RPC_ARENA_FACTOR    16
#define RPC_ARENA_MIN_BYTES ((size_t)16 * 1024 * 1024)

/* What close allows to the replies that are still in the transport. */
#define RPC_FLUSH_MS 500

bool
rpc_server_acquire(struct rpc_server *server, struct rpc_call **calls, size_t count)
{
	size_t taken = 0;
	struct rpc_call **end = calls;

	pthread_mutex_lock(&server->lock);
	*calls = server->spare;
	while (taken < count && *end != NULL) {
		end = &(*end)->next;
		taken++;
	}
	server->spare = *end;
	server->spare_count -= taken;
	pthread_mutex_unlock(&server->lock);
	while (taken < count && (*end = rpc_call_new(server->arena_max_bytes)) != NULL) {
		end = &(*end)->next;
		taken++;
	}
	*end = NULL;
	return taken == count;
}

void
rpc_server_release(struct rpc_server *server, struct rpc_call **calls)
{
	struct rpc_call *call;

	for (call = *calls; call != NULL; call = call->next) {
		struct rpc_call *next = call->next;

		rpc_call_reset(call);
		call->next = next;
	}
	pthread_mutex_lock(&server->lock);
	while ((call = *calls) != NULL && server->spare_count < RPC_SPARE_CALLS_MAX) {
		*calls = call->next;
		call->next = server->spare;
		server->spare = call;
		server->spare_count++;
	}
	pthread_mutex_unlock(&server->lock);
	while ((call = *calls) != NULL) {
		*calls = call->next;
		rpc_call_free(&call);
	}
}

static int
rpc_method_order(const void *left, const void *right)
{
	const struct rpc_method *const *a = left;
	const struct rpc_method *const *b = right;

	return strcmp((*a)->name, (*b)->name);
}

static enum status_code
rpc_server_index_methods(struct rpc_server *server, struct error *error)
{
	const struct rpc_server_options *options = &server->options;
	size_t builtin_count;
	const struct rpc_method *builtin = rpc_builtin_methods(&builtin_count);
	size_t count = options->method_count + builtin_count;

	server->methods = calloc(count, sizeof(*server->methods));
	if (server->methods == NULL) {
		return error_set(error, STATUS_RESOURCE_EXHAUSTED, "OUT_OF_MEMORY", "no memory");
	}
	for (size_t i = 0; i < count; i++) {
		server->methods[i] =
		    i < builtin_count ? &builtin[i] : &options->methods[i - builtin_count];
	}
	qsort(server->methods, count, sizeof(*server->methods), rpc_method_order);
	for (size_t i = 1; i < count; i++) {
		assert(strcmp(server->methods[i - 1]->name, server->methods[i]->name) != 0);
	}
	server->method_count = count;
	return STATUS_OK;
}

static enum status_code
rpc_server_open_messages(struct rpc_server *server, struct error *error)
{
	server->messages = calloc(server->options.messages_max, sizeof(*server->messages));
	if (server->messages == NULL) {
		return error_set(error, STATUS_RESOURCE_EXHAUSTED, "OUT_OF_MEMORY", "no memory");
	}
	for (unsigned i = 0; i < server->options.messages_max; i++) {
		struct rpc_message *message = &server->messages[i];
		int result = nng_ctx_open(&message->ctx, server->socket);

		message->server = server;
		if (result == 0) {
			result = nng_aio_alloc(&message->aio, rpc_message_event, message);
		}
		if (result != 0) {
			return error_set(error, STATUS_RESOURCE_EXHAUSTED, "TRANSPORT",
			    "cannot open the contexts of the RPC server: %s", nng_strerror(result));
		}
	}
	return STATUS_OK;
}

/* Frees all but the socket, which is closed: no callback begins any more. */
static void
rpc_server_free(struct rpc_server *server)
{
	struct rpc_call *call;

	for (unsigned i = 0; server->messages != NULL && i < server->options.messages_max; i++) {
		nng_aio *aio = server->messages[i].aio;

		if (aio == NULL) {
			continue;
		}
		nng_aio_stop(aio);
		if (nng_aio_get_msg(aio) != NULL) {
			nng_msg_free(nng_aio_get_msg(aio));
		}
		nng_aio_free(aio);
	}
	while ((call = server->spare) != NULL) {
		server->spare = call->next;
		rpc_call_free(&call);
	}
	pthread_cond_destroy(&server->idle);
	pthread_mutex_destroy(&server->lock);
	free(server->messages);
	free(server->methods);
	free(server->url);
	free(server);
}

enum status_code
rpc_server_open(
    struct rpc_server **server, const struct rpc_server_options *options, struct error *error)
{
	struct rpc_server *opened = calloc(1, sizeof(*opened));
	enum status_code code;
	int result;

	*server = NULL;
	assert(options->messages_max > 0 && options->batch_max_calls > 0);
	if (opened == NULL) {
		return error_set(error, STATUS_RESOURCE_EXHAUSTED, "OUT_OF_MEMORY", "no memory");
	}
	opened->options = *options;
	opened->arena_max_bytes = options->request_max_bytes * RPC_ARENA_FACTOR;
	if (opened->arena_max_bytes < RPC_ARENA_MIN_BYTES) {
		opened->arena_max_bytes = RPC_ARENA_MIN_BYTES;
	}
	pthread_mutex_init(&opened->lock, NULL);
	pthread_cond_init(&opened->idle, NULL);
	result = nng_rep0_open(&opened->socket);
	if (result != 0) {
		code = rpc_transport_error(error, result, "open a socket for", options->listen);
		goto free_server;
	}
	code = rpc_server_index_methods(opened, error);
	if (code == STATUS_OK) {
		code = rpc_server_open_messages(opened, error);
	}
	if (code == STATUS_OK) {
		code = rpc_listen(opened->socket, options, &opened->url, error);
	}
	if (code != STATUS_OK) {
		goto close_socket;
	}
	for (unsigned i = 0; i < options->messages_max; i++) {
		rpc_message_receive(&opened->messages[i]);
	}
	*server = opened;
	return STATUS_OK;

close_socket:
	nng_close(opened->socket);
free_server:
	rpc_server_free(opened);
	return code;
}

const char *
rpc_server_url(const struct rpc_server *server)
{
	return server->url;
}

void
rpc_server_drain(struct rpc_server *server)
{
	atomic_store(&server->draining, true);
}

size_t
rpc_server_in_flight(const struct rpc_server *server)
{
	return atomic_load_explicit(&server->in_flight, memory_order_relaxed);
}

void
rpc_server_close(struct rpc_server **server)
{
	struct rpc_server *closed = *server;

	if (closed == NULL) {
		return;
	}
	rpc_server_drain(closed);
	pthread_mutex_lock(&closed->lock);
	closed->closing = true;
	while (closed->working > 0) {
		pthread_cond_wait(&closed->idle, &closed->lock);
	}
	pthread_mutex_unlock(&closed->lock);
	rpc_listen_flush(closed->socket, RPC_FLUSH_MS);
	*server = NULL;
	if (rpc_transport_close(closed->socket.id)) {
		rpc_server_free(closed);
	}
}
