#include "common/rpc/net/rpc_conn.h"

#include <arpa/inet.h>
#include <assert.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/base/clock.h"
#include "common/rpc/net/rpc_net_internal.h"
#include "common/rpc/net/rpc_tls_session.h"

#define RPC_READ_MIN 2048

/* Connections that a thread has corked; further ones are written at once. */
#define RPC_CORKED_MAX 32

static _Thread_local struct {
	unsigned depth;
	size_t count;
	struct rpc_conn *conns[RPC_CORKED_MAX]; /* acquired */
} rpc_corked;

struct rpc_conn *
rpc_conn_acquire(struct rpc_conn *conn)
{
	atomic_fetch_add_explicit(&conn->users, 1, memory_order_relaxed);
	return conn;
}

bool
rpc_conn_try_acquire(struct rpc_conn *conn)
{
	unsigned users = atomic_load(&conn->users);

	while (users > 0 && !atomic_compare_exchange_weak(&conn->users, &users, users + 1)) {
	}
	return users > 0;
}

/*
 * Its operations have ended, but a callback of theirs may be running: the one
 * that calls this. So NNG frees them itself, once it has returned.
 */
void
rpc_conn_free(struct rpc_conn *conn)
{
	nng_aio_reap(conn->read_aio);
	nng_aio_reap(conn->write_aio);
	nng_aio_reap(conn->try_aio);
	pthread_mutex_destroy(&conn->lock);
	free(conn);
}

void
rpc_conn_release(struct rpc_conn **conn)
{
	struct rpc_conn *released = *conn;

	*conn = NULL;
	if (atomic_fetch_sub_explicit(&released->users, 1, memory_order_acq_rel) == 1) {
		rpc_net_released(released->net, released);
	}
}

void *
rpc_conn_user(const struct rpc_conn *conn)
{
	return conn->user;
}

void
rpc_conn_set_user(struct rpc_conn *conn, void *user)
{
	conn->user = user;
}

const char *
rpc_conn_peer(const struct rpc_conn *conn)
{
	return conn->peer;
}

const char *
rpc_conn_refusal(struct rpc_conn *conn, const char *list)
{
	const char *refusal = "it has shown no certificate";

	pthread_mutex_lock(&conn->lock);
	if (conn->tls != NULL) {
		refusal = rpc_tls_session_refusal(conn->tls, list);
	}
	pthread_mutex_unlock(&conn->lock);
	return refusal;
}

enum rpc_cause
rpc_conn_cause(int result)
{
	switch (result) {
	case NNG_ECLOSED:
	case NNG_ECANCELED: return RPC_CAUSE_LOCAL;
	case NNG_ECONNSHUT: return RPC_CAUSE_PEER;
	case NNG_ENOMEM: return RPC_CAUSE_NO_MEMORY;
	default: return RPC_CAUSE_LOST;
	}
}

/* One try, without waiting: a courtesy to the other end. With the lock. */
static void
rpc_conn_say_end(struct rpc_conn *conn)
{
	nng_iov iov;

	rpc_tls_session_end(conn->tls);
	iov.iov_len = rpc_tls_session_waiting(conn->tls, (uint8_t **)&iov.iov_buf);
	if (iov.iov_len > 0) {
		nng_aio_set_iov(conn->try_aio, 1, &iov);
		nng_stream_send(conn->stream, conn->try_aio);
		nng_aio_cancel(conn->try_aio);
		nng_aio_wait(conn->try_aio);
	}
}

void
rpc_conn_end_locked(struct rpc_conn *conn, enum rpc_cause cause, const char *text)
{
	if (conn->state >= RPC_CONN_CLOSING) {
		return;
	}
	conn->state = RPC_CONN_CLOSING;
	conn->cause = cause;
	snprintf(conn->end_text, sizeof(conn->end_text), "%s", text == NULL ? "" : text);
	if (conn->tls != NULL && !conn->writing) {
		rpc_conn_say_end(conn);
	}
	nng_stream_close(conn->stream);
	if (!conn->writing) {
		rpc_conn_wake_reader(conn);
	}
}

/* Held by itself, since whoever hears that it is closed may be about to let it go. */
void
rpc_conn_end(struct rpc_conn *conn, enum rpc_cause cause, const char *text)
{
	rpc_conn_acquire(conn);
	pthread_mutex_lock(&conn->lock);
	rpc_conn_end_locked(conn, cause, text);
	pthread_mutex_unlock(&conn->lock);
	rpc_conn_release(&conn);
}

void
rpc_conn_close(struct rpc_conn *conn, enum rpc_cause cause)
{
	rpc_conn_end(conn, cause, NULL);
}

/* Its memory, but for itself: someone may still have it. */
static void
rpc_conn_drop(struct rpc_conn *conn)
{
	struct rpc_buf *buf;

	rpc_budget_leave(&conn->net->partial, &conn->partial);
	rpc_budget_leave(&conn->net->unsent, &conn->unsent);
	pthread_mutex_lock(&conn->lock);
	while ((buf = conn->first) != NULL) {
		conn->first = buf->next;
		rpc_buf_free(&buf);
	}
	if (conn->unwritten) {
		conn->unwritten = false;
		rpc_net_unwritten(conn->net, false);
	}
	rpc_tls_session_free(&conn->tls);
	pthread_mutex_unlock(&conn->lock);
	rpc_block_release(&conn->block);
	nng_stream_free(conn->stream);
}

/* The last event, by who stopped last. */
static void
rpc_conn_finish(struct rpc_conn *conn)
{
	const struct rpc_net_events *events = &conn->net->events;
	void *closure = conn->net->options.closure;
	const struct rpc_end end = {conn->cause, conn->end_text, conn->begun};

	rpc_conn_drop(conn);
	rpc_net_ended(conn->net, conn);
	rpc_net_fault(conn->net, conn->peer, end.cause, end.text);
	if (conn->greeted && events->closed != NULL) {
		events->closed(conn, &end, closure);
	} else if (!conn->greeted && conn->dialer != NULL && events->unreached != NULL) {
		events->unreached(conn->user, &end, closure);
	}
	if (conn->dialer != NULL) {
		rpc_dialer_ended(conn->dialer, conn->greeted);
	}
	rpc_conn_release(&conn);
}

bool
rpc_conn_stop_reading(struct rpc_conn *conn)
{
	bool stop;
	bool last;

	pthread_mutex_lock(&conn->lock);
	stop = conn->state == RPC_CONN_CLOSING || !rpc_conn_may_read(conn, false);
	last = conn->state == RPC_CONN_CLOSING && !conn->writing;
	if (stop) {
		conn->reading = false;
	}
	if (last) {
		conn->state = RPC_CONN_CLOSED;
	}
	pthread_mutex_unlock(&conn->lock);
	if (last) {
		rpc_conn_finish(conn);
	}
	return stop;
}

void
rpc_conn_wake_reader(struct rpc_conn *conn)
{
	if (conn->reading || conn->state == RPC_CONN_CLOSED) {
		return;
	}
	conn->reading = true;
	if (nng_aio_begin(conn->read_aio)) {
		nng_aio_finish(conn->read_aio, 0);
	}
}

void
rpc_conn_skip(struct rpc_conn *conn, unsigned count)
{
	pthread_mutex_lock(&conn->lock);
	assert(conn->working >= count);
	conn->working -= count;
	if (conn->state == RPC_CONN_OPEN && rpc_conn_may_read(conn, true)) {
		rpc_conn_wake_reader(conn);
	}
	pthread_mutex_unlock(&conn->lock);
}

/* True when the connection will be written when this thread uncorks. */
static bool
rpc_conn_is_corked(struct rpc_conn *conn)
{
	if (rpc_corked.depth == 0) {
		return false;
	}
	for (size_t i = 0; i < rpc_corked.count; i++) {
		if (rpc_corked.conns[i] == conn) {
			return true;
		}
	}
	if (rpc_corked.count == RPC_CORKED_MAX) {
		return false;
	}
	rpc_corked.conns[rpc_corked.count++] = rpc_conn_acquire(conn);
	return true;
}

void
rpc_conn_cork(void)
{
	rpc_corked.depth++;
}

void
rpc_conn_uncork(void)
{
	assert(rpc_corked.depth > 0);
	if (--rpc_corked.depth > 0) {
		return;
	}
	for (size_t i = 0; i < rpc_corked.count; i++) {
		struct rpc_conn *conn = rpc_corked.conns[i];

		bool stalled;

		pthread_mutex_lock(&conn->lock);
		rpc_conn_write(conn);
		stalled = conn->stalled;
		pthread_mutex_unlock(&conn->lock);
		if (stalled) {
			rpc_conn_count_unsent(conn, false);
		}
		rpc_conn_release(&conn);
	}
	rpc_corked.count = 0;
}

/* Writes head and route right before the buffer's data. */
static void
rpc_conn_frame(
    const struct rpc_conn *conn, const uint8_t *route, size_t route_len, struct rpc_buf *buf)
{
	size_t head_len = rpc_head_len(conn->ipc);

	assert(route_len >= 4 && route_len <= RPC_ROUTE_MAX);
	memcpy(buf->data - route_len, route, route_len);
	rpc_head_write(buf->data - route_len - head_len, conn->ipc, route_len + buf->len);
	buf->head_len = head_len + route_len;
}

/* Queues the buffer and writes, unless somebody does or will. With the lock. */
static void
rpc_conn_put(struct rpc_conn *conn, struct rpc_buf *buf)
{
	rpc_conn_queue(conn, buf);
	if (!conn->unwritten) {
		conn->unwritten = true;
		rpc_net_unwritten(conn->net, true);
	}
	if (!rpc_conn_is_corked(conn)) {
		rpc_conn_write(conn);
	}
	if (conn->state == RPC_CONN_OPEN && rpc_conn_may_read(conn, true)) {
		rpc_conn_wake_reader(conn);
	}
}

bool
rpc_conn_send(struct rpc_conn *conn, const uint8_t *route, size_t route_len, struct rpc_buf *buf,
    uint64_t *number)
{
	bool open;
	bool stalled;

	rpc_conn_acquire(conn); /* see rpc_conn_end */
	rpc_conn_frame(conn, route, route_len, buf);
	pthread_mutex_lock(&conn->lock);
	if (conn->net->options.role == RPC_ROLE_REP) {
		assert(conn->working > 0);
		conn->working--;
	}
	open = conn->state == RPC_CONN_OPEN && !conn->unwritable;
	if (open) {
		buf->number = ++conn->taken;
		rpc_conn_put(conn, buf);
	}
	if (number != NULL) {
		*number = conn->taken;
	}
	stalled = conn->stalled;
	pthread_mutex_unlock(&conn->lock);
	if (!open) {
		rpc_buf_free(&buf);
	}
	if (stalled) {
		rpc_conn_count_unsent(conn, false);
	}
	rpc_conn_release(&conn);
	return open;
}

/* What is known of the other end. */
static void
rpc_conn_name_peer(struct rpc_conn *conn, const nng_sockaddr *from)
{
	const char *scheme = conn->tls == NULL ? "tcp" : "tls+tcp";
	char host[INET6_ADDRSTRLEN];

	switch (from->s_family) {
	case NNG_AF_INET:
		inet_ntop(AF_INET, &from->s_in.sa_addr, host, sizeof(host));
		snprintf(conn->peer, sizeof(conn->peer), "%s://%s:%u", scheme, host,
		    ntohs(from->s_in.sa_port));
		break;
	case NNG_AF_INET6:
		inet_ntop(AF_INET6, from->s_in6.sa_addr, host, sizeof(host));
		snprintf(conn->peer, sizeof(conn->peer), "%s://[%s]:%u", scheme, host,
		    ntohs(from->s_in6.sa_port));
		break;
	case NNG_AF_IPC:
		conn->ipc = true;
		snprintf(conn->peer, sizeof(conn->peer), "ipc://%.140s", from->s_ipc.sa_path);
		break;
	default: break;
	}
}

static struct rpc_conn *
rpc_conn_new(struct rpc_net *net, const struct rpc_conn_options *options)
{
	struct rpc_conn *conn = calloc(1, sizeof(*conn));

	if (conn == NULL) {
		return NULL;
	}
	conn->net = net;
	conn->dialer = options->dialer;
	conn->stream = options->stream;
	conn->user = options->user;
	atomic_init(&conn->users, 1);
	pthread_mutex_init(&conn->lock, NULL);
	conn->last = &conn->first;
	conn->read_size = RPC_READ_MIN;
	conn->read_deadline_ns =
	    clock_now_ns() + net->options.handshake_timeout_ms * CLOCK_NS_PER_MS;
	conn->partial.conn = conn->unsent.conn = conn;
	conn->state = RPC_CONN_GREETING;
	if (nng_aio_alloc(&conn->read_aio, rpc_conn_read_event, conn) == 0 &&
	    nng_aio_alloc(&conn->write_aio, rpc_conn_write_event, conn) == 0 &&
	    nng_aio_alloc(&conn->try_aio, NULL, NULL) == 0 &&
	    (conn->block = rpc_block_new(RPC_READ_MIN)) != NULL &&
	    (options->tls == NULL ||
		(conn->tls = rpc_tls_session_new(options->tls, options->tls_name)) != NULL)) {
		return conn;
	}
	rpc_tls_session_free(&conn->tls);
	rpc_block_release(&conn->block);
	rpc_conn_free(conn);
	return NULL;
}

enum rpc_cause
rpc_conn_start(struct rpc_net *net, const struct rpc_conn_options *options)
{
	struct rpc_conn *conn = rpc_conn_new(net, options);
	struct rpc_buf *greeting = rpc_buf_new(RPC_GREETING_BYTES);
	enum rpc_cause cause = RPC_CAUSE_NO_MEMORY;
	nng_sockaddr from = {.s_family = NNG_AF_UNSPEC};

	if (options->dialer == NULL) {
		rpc_room_take(&net->room);
	}
	if (conn != NULL) {
		(void)nng_stream_get_addr(options->stream, NNG_OPT_REMADDR, &from);
		rpc_conn_name_peer(conn, &from);
		cause = greeting == NULL ? cause : rpc_net_admit(net, conn, &from);
	}
	if (cause != RPC_STARTED) {
		rpc_net_fault(net, conn == NULL ? "" : conn->peer, cause, "");
		if (conn != NULL) {
			rpc_tls_session_free(&conn->tls);
			rpc_block_release(&conn->block);
			rpc_conn_free(conn);
		}
		rpc_buf_free(&greeting);
		nng_stream_free(options->stream);
		if (options->dialer == NULL) {
			rpc_room_give(&net->room);
		}
		return cause;
	}
	rpc_greeting_write(greeting->data, net->options.role);
	pthread_mutex_lock(&conn->lock);
	conn->reading = true;
	rpc_conn_queue(conn, greeting);
	rpc_conn_write(conn);
	pthread_mutex_unlock(&conn->lock);
	rpc_conn_read(conn);
	return RPC_STARTED;
}
