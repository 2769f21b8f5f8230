#include "common/rpc/server/rpc_server.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

#include "common/rpc/server/rpc_server_internal.h"

/* Spare calls that are kept; each holds an arena's first block. */
#define RPC_SPARE_CALLS_MAX 1024

/* A call's memory, whatever its method does. */
#define RPC_ARENA_FACTOR    16
#define RPC_ARENA_MIN_BYTES ((size_t)16 * 1024 * 1024)

/* What close allows to replies that are not written yet. */
#define RPC_FLUSH_MS 500

/* A message of up to so many times request_max_bytes is read, to be refused by a reply. */
#define RPC_REFUSED_FACTOR 2

/* Replies of one connection that wait to be read: no more is read from it meanwhile. */
#define RPC_CONN_UNSENT_BYTES    ((size_t)1024 * 1024)

#define RPC_HANDSHAKE_TIMEOUT_MS 10000
#define RPC_RECEIVE_TIMEOUT_MS   30000
#define RPC_SEND_TIMEOUT_MS      10000

/* Takes count of the spare calls, as far as there are, and gives how many. */
static size_t
rpc_server_take_spare(struct rpc_server *server, struct rpc_call **calls, size_t count)
{
	struct rpc_call **end = calls;
	size_t taken = 0;

	*calls = server->spare;
	while (taken < count && *end != NULL) {
		end = &(*end)->next;
		taken++;
	}
	server->spare = *end;
	server->spare_count -= taken;
	*end = NULL;
	return taken;
}

enum rpc_taking
rpc_server_take(struct rpc_server *server, struct rpc_call **calls, size_t count)
{
	size_t taken = 0;
	bool closing;

	pthread_mutex_lock(&server->lock);
	closing = server->closing;
	if (!closing) {
		server->working++;
		taken = rpc_server_take_spare(server, calls, count);
	}
	pthread_mutex_unlock(&server->lock);
	if (closing) {
		return RPC_TAKING_CLOSED;
	}
	while (taken < count) {
		struct rpc_call *call = rpc_call_new(server->arena_max_bytes);

		if (call == NULL) {
			rpc_server_let_go(server, calls);
			return RPC_TAKING_NO_MEMORY;
		}
		call->next = *calls;
		*calls = call;
		taken++;
	}
	return RPC_TAKING_DONE;
}

void
rpc_server_let_go(struct rpc_server *server, struct rpc_call **calls)
{
	struct rpc_call *rest = *calls;
	struct rpc_call *call;

	*calls = NULL;
	for (call = rest; call != NULL; call = call->next) {
		struct rpc_call *next = call->next;

		rpc_call_reset(call);
		call->next = next;
	}
	pthread_mutex_lock(&server->lock);
	while ((call = rest) != NULL && server->spare_count < RPC_SPARE_CALLS_MAX) {
		rest = call->next;
		call->next = server->spare;
		server->spare = call;
		server->spare_count++;
	}
	if (--server->working == 0) {
		pthread_cond_broadcast(&server->idle);
	}
	pthread_mutex_unlock(&server->lock);
	while ((call = rest) != NULL) {
		rest = call->next;
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

size_t
rpc_server_slots(const struct rpc_server_options *options)
{
	size_t builtin_count;

	(void)rpc_builtin_methods(&builtin_count);
	return options->method_count + builtin_count;
}

/* Copies the rows, with their slots: the server's own come after those of its user. */
static enum status_code
rpc_server_index_methods(struct rpc_server *server, struct error *error)
{
	const struct rpc_server_options *options = &server->options;
	size_t own = options->method_count;
	size_t builtin_count;
	const struct rpc_method *builtin = rpc_builtin_methods(&builtin_count);
	size_t count = own + builtin_count;

	server->methods = calloc(count, sizeof(*server->methods));
	server->by_name = calloc(count, sizeof(*server->by_name));
	if (server->methods == NULL || server->by_name == NULL) {
		return error_set(error, STATUS_RESOURCE_EXHAUSTED, "OUT_OF_MEMORY", "no memory");
	}
	for (size_t i = 0; i < count; i++) {
		server->methods[i] = i < own ? options->methods[i] : builtin[i - own];
		server->methods[i].slot = (unsigned)i;
		server->by_name[i] = &server->methods[i];
	}
	qsort(server->by_name, count, sizeof(*server->by_name), rpc_method_order);
	for (size_t i = 1; i < count; i++) {
		assert(strcmp(server->by_name[i - 1]->name, server->by_name[i]->name) != 0);
	}
	server->method_count = count;
	return STATUS_OK;
}

static struct rpc_net_options
rpc_server_net_options(struct rpc_server *server)
{
	const struct rpc_server_limits *limits = &server->options.limits;

	return (struct rpc_net_options){.role = RPC_ROLE_REP,
	    .events = &rpc_session_events,
	    .closure = server,
	    .message_max_bytes = server->options.request_max_bytes * RPC_REFUSED_FACTOR,
	    .partial_max_bytes = limits->partial_max_bytes,
	    .unsent_max_bytes = limits->unsent_max_bytes,
	    .connections_max = limits->connections_max,
	    .address_max = limits->address_max,
	    .work_max = server->options.messages_max,
	    .conn_unsent_bytes = RPC_CONN_UNSENT_BYTES,
	    .handshake_timeout_ms = limits->handshake_timeout_ms > 0 ? limits->handshake_timeout_ms
								     : RPC_HANDSHAKE_TIMEOUT_MS,
	    .receive_timeout_ms = limits->receive_timeout_ms > 0 ? limits->receive_timeout_ms
								 : RPC_RECEIVE_TIMEOUT_MS,
	    .send_timeout_ms =
		limits->send_timeout_ms > 0 ? limits->send_timeout_ms : RPC_SEND_TIMEOUT_MS};
}

static void
rpc_server_free(struct rpc_server *server)
{
	struct rpc_call *call;

	while ((call = server->spare) != NULL) {
		server->spare = call->next;
		rpc_call_free(&call);
	}
	pthread_cond_destroy(&server->idle);
	pthread_mutex_destroy(&server->lock);
	free(server->by_name);
	free(server->methods);
	free(server);
}

enum status_code
rpc_server_open(
    struct rpc_server **server, const struct rpc_server_options *options, struct error *error)
{
	struct rpc_server *opened = calloc(1, sizeof(*opened));
	struct rpc_net_options net;
	enum status_code code;

	*server = NULL;
	assert(options->messages_max > 0 && options->batch_max_calls > 0);
	if (opened == NULL) {
		return error_set(error, STATUS_RESOURCE_EXHAUSTED, "OUT_OF_MEMORY", "no memory");
	}
	opened->options = *options;
	rpc_digest(options->descriptor_set, options->descriptor_set_len, opened->digest);
	opened->arena_max_bytes = options->request_max_bytes * RPC_ARENA_FACTOR;
	if (opened->arena_max_bytes < RPC_ARENA_MIN_BYTES) {
		opened->arena_max_bytes = RPC_ARENA_MIN_BYTES;
	}
	pthread_mutex_init(&opened->lock, NULL);
	pthread_cond_init(&opened->idle, NULL);
	net = rpc_server_net_options(opened);
	code = rpc_server_index_methods(opened, error);
	if (code == STATUS_OK) {
		code = rpc_net_open(&opened->net, &net, error);
	}
	if (code == STATUS_OK) {
		code = rpc_listener_open(
		    &opened->listener, opened->net, options->listen, options->tls, error);
	}
	if (code != STATUS_OK) {
		rpc_net_close(&opened->net);
		rpc_server_free(opened);
		return code;
	}
	*server = opened;
	return STATUS_OK;
}

const char *
rpc_server_url(const struct rpc_server *server)
{
	return rpc_listener_url(server->listener);
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
rpc_server_stats(struct rpc_server *server, struct rpc_server_stats *stats)
{
	struct rpc_net_stats net;

	rpc_net_stats(server->net, &net);
	*stats = (struct rpc_server_stats){.connections = net.connections,
	    .partial_bytes = net.partial_bytes,
	    .working_bytes = atomic_load(&server->working_bytes),
	    .unsent_bytes = net.unsent_bytes};
}

void
rpc_server_close(struct rpc_server **server)
{
	struct rpc_server *closed = *server;

	if (closed == NULL) {
		return;
	}
	rpc_server_drain(closed);
	rpc_listener_close(&closed->listener);
	pthread_mutex_lock(&closed->lock);
	closed->closing = true;
	while (closed->working > 0) {
		pthread_cond_wait(&closed->idle, &closed->lock);
	}
	pthread_mutex_unlock(&closed->lock);
	(void)rpc_net_drain(closed->net, RPC_FLUSH_MS);
	rpc_net_close(&closed->net);
	rpc_server_free(closed);
	*server = NULL;
}
