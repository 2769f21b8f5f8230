#include <string.h>

#include "common/base/clock.h"
#include "common/rpc/net/rpc_net_internal.h"
#include "common/rpc/net/rpc_tls_session.h"

/* NNG takes so many pieces for one write. */
#define RPC_WRITE_PIECES 8

/* Writes of one thread in a row; then NNG's thread goes on, so that no sender works for all. */
#define RPC_WRITE_ROUNDS 32

void
rpc_conn_queue(struct rpc_conn *conn, struct rpc_buf *buf)
{
	buf->next = NULL;
	*conn->last = buf;
	conn->last = &buf->next;
	conn->queued_bytes += buf->capacity;
}

/* Counts bytes of the first buffers as written, and frees those that are whole. */
static void
rpc_conn_advance(struct rpc_conn *conn, size_t len)
{
	while (len > 0) {
		struct rpc_buf *buf = conn->first;
		size_t left = buf->head_len + buf->len - conn->written;

		conn->begun = buf->number;
		if (len < left) {
			conn->written += len;
			return;
		}
		len -= left;
		conn->written = 0;
		conn->first = buf->next;
		if (conn->first == NULL) {
			conn->last = &conn->first;
		}
		conn->queued_bytes -= buf->capacity;
		rpc_buf_free(&buf);
	}
}

static unsigned
rpc_conn_gather_plain(struct rpc_conn *conn, nng_iov *pieces)
{
	size_t skip = conn->written;
	unsigned count = 0;

	for (struct rpc_buf *buf = conn->first; buf != NULL && count < RPC_WRITE_PIECES;
	     buf = buf->next) {
		pieces[count].iov_buf = buf->data - buf->head_len + skip;
		pieces[count].iov_len = buf->head_len + buf->len - skip;
		skip = 0;
		count++;
	}
	return count;
}

/*
 * Encrypts as much as there is room for; what is encrypted counts as written. A
 * message is begun when OpenSSL has seen it, which may have kept some.
 */
static unsigned
rpc_conn_gather_tls(struct rpc_conn *conn, nng_iov *pieces)
{
	enum rpc_tls_step step = RPC_TLS_DONE;

	while (conn->first != NULL && step == RPC_TLS_DONE) {
		struct rpc_buf *buf = conn->first;
		size_t put;

		conn->begun = buf->number;
		step = rpc_tls_session_write(conn->tls, buf->data - buf->head_len + conn->written,
		    buf->head_len + buf->len - conn->written, &put);
		if (step == RPC_TLS_DONE) {
			rpc_conn_advance(conn, put);
		}
	}
	if (step == RPC_TLS_FAILED || step == RPC_TLS_CLOSED) {
		conn->writing = false; /* so that the other end is told why */
		rpc_conn_end_locked(conn, RPC_CAUSE_TLS, rpc_tls_session_fault(conn->tls));
		conn->writing = true;
		return 0;
	}
	pieces[0].iov_len = rpc_tls_session_waiting(conn->tls, (uint8_t **)&pieces[0].iov_buf);
	return pieces[0].iov_len > 0;
}

/*
 * A write has failed, since the other end has gone. It may have sent replies
 * before, as a server that stops: they are read before the connection ends. A
 * read in flight is cancelled, so that the next one has its time limited.
 * Requests need not be read, as they can't be replied to.
 */
static void
rpc_conn_write_failed(struct rpc_conn *conn, int result)
{
	if (conn->net->options.role == RPC_ROLE_REP || !conn->reading) {
		rpc_conn_end_locked(conn, rpc_conn_cause(result), nng_strerror(result));
	} else if (conn->state < RPC_CONN_CLOSING) {
		conn->unwritable = true;
		nng_aio_cancel(conn->read_aio);
	}
}

static unsigned
rpc_conn_gather(struct rpc_conn *conn, nng_iov *pieces)
{
	if (conn->state >= RPC_CONN_CLOSING || conn->unwritable) {
		return 0;
	}
	return conn->tls == NULL ? rpc_conn_gather_plain(conn, pieces)
				 : rpc_conn_gather_tls(conn, pieces);
}

static void
rpc_conn_wrote(struct rpc_conn *conn, size_t len)
{
	if (conn->tls == NULL) {
		rpc_conn_advance(conn, len);
	} else {
		rpc_tls_session_left(conn->tls, len);
	}
}

/*
 * Writes what the stream takes at once, in this thread: without a callback NNG
 * finishes an operation in the call. One that would have to wait is cancelled,
 * NNG_ECANCELED then, and has written nothing. It is harmless after a close.
 */
static int
rpc_conn_try(struct rpc_conn *conn, const nng_iov *pieces, unsigned count, size_t *len)
{
	nng_aio_set_iov(conn->try_aio, count, pieces);
	nng_stream_send(conn->stream, conn->try_aio);
	nng_aio_cancel(conn->try_aio);
	nng_aio_wait(conn->try_aio);
	*len = nng_aio_count(conn->try_aio);
	return nng_aio_result(conn->try_aio);
}

/* NNG writes as soon as there is room, and calls rpc_conn_write_event. */
static void
rpc_conn_write_later(struct rpc_conn *conn, const nng_iov *pieces, unsigned count)
{
	int timeout_ms = conn->net->options.send_timeout_ms;

	rpc_conn_acquire(conn);
	conn->stalled = true;
	conn->write_deadline_ns = clock_now_ns() + timeout_ms * CLOCK_NS_PER_MS;
	nng_aio_set_timeout(conn->write_aio, timeout_ms);
	nng_aio_set_iov(conn->write_aio, count, pieces);
	nng_stream_send(conn->stream, conn->write_aio);
}

static void
rpc_conn_stop_writing(struct rpc_conn *conn)
{
	conn->writing = false;
	conn->stalled = false;
	if (conn->unwritten &&
	    (conn->first == NULL || conn->state >= RPC_CONN_CLOSING || conn->unwritable)) {
		conn->unwritten = false;
		rpc_net_unwritten(conn->net, false);
	}
	if (conn->state >= RPC_CONN_CLOSING) {
		rpc_conn_wake_reader(conn);
	} else if (conn->state == RPC_CONN_OPEN && rpc_conn_may_read(conn, true)) {
		rpc_conn_wake_reader(conn);
	}
}

/* With the flag writing. */
static void
rpc_conn_write_on(struct rpc_conn *conn)
{
	nng_iov pieces[RPC_WRITE_PIECES];
	unsigned rounds = 0;
	unsigned count;

	while ((count = rpc_conn_gather(conn, pieces)) > 0) {
		int result = NNG_ECANCELED;
		size_t len;

		if (rounds++ < RPC_WRITE_ROUNDS) {
			pthread_mutex_unlock(&conn->lock);
			result = rpc_conn_try(conn, pieces, count, &len);
			pthread_mutex_lock(&conn->lock);
		}
		if (result == 0) {
			rpc_conn_wrote(conn, len);
		} else if (conn->state >= RPC_CONN_CLOSING) {
			break;
		} else if (result == NNG_ECANCELED) {
			rpc_conn_write_later(conn, pieces, count);
			return;
		} else {
			rpc_conn_write_failed(conn, result);
		}
	}
	rpc_conn_stop_writing(conn);
}

void
rpc_conn_write(struct rpc_conn *conn)
{
	if (!conn->writing && conn->state < RPC_CONN_CLOSING && !conn->unwritable) {
		conn->writing = true;
		rpc_conn_write_on(conn);
	}
}

void
rpc_conn_write_event(void *closure)
{
	struct rpc_conn *conn = closure;
	int result = nng_aio_result(conn->write_aio);

	pthread_mutex_lock(&conn->lock);
	if (result == 0) {
		rpc_conn_wrote(conn, nng_aio_count(conn->write_aio));
	} else if (result != NNG_ETIMEDOUT) {
		rpc_conn_write_failed(conn, result);
	} else if (clock_now_ns() >= conn->write_deadline_ns) {
		rpc_conn_end_locked(conn, RPC_CAUSE_SEND_TIMEOUT, NULL);
	}
	rpc_conn_write_on(conn);
	pthread_mutex_unlock(&conn->lock);
	rpc_conn_count_unsent(conn, result == 0);
	rpc_conn_release(&conn);
}

void
rpc_conn_count_unsent(struct rpc_conn *conn, bool anew)
{
	struct rpc_conn *other;

	pthread_mutex_lock(&conn->lock);
	atomic_store(&conn->unsent.bytes, conn->stalled ? conn->queued_bytes : 0);
	pthread_mutex_unlock(&conn->lock);
	while ((other = rpc_budget_update(&conn->net->unsent, &conn->unsent, anew)) != NULL) {
		rpc_conn_close(other, RPC_CAUSE_UNSENT_MEMORY);
		rpc_conn_release(&other);
		anew = false;
	}
}
