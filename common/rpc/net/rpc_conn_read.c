#include <string.h>

#include "common/base/clock.h"
#include "common/rpc/net/rpc_net_internal.h"
#include "common/rpc/net/rpc_tls_session.h"

/* A block's size follows what reads bring, within these. */
#define RPC_BLOCK_MIN ((size_t)2 * 1024)
#define RPC_BLOCK_MAX ((size_t)16 * 1024)

/* Less room is not worth a read. */
#define RPC_ROOM_MIN 256

/* So many small reads in a row halve it. */
#define RPC_SMALL_READS 64

/* A block for a message that is larger than what came so far. */
#define RPC_BLOCK_GROWTH 4

/* Until what the other end had sent before it was gone has come. */
#define RPC_LAST_READ_MS 1000

/* Messages that are handed up at a time. */
#define RPC_FRAMES_MAX 64

/* What the reader does next. */
enum rpc_reading {
	RPC_READING_ON,     /* looks at what there is */
	RPC_READING_MORE,   /* needs more bytes */
	RPC_READING_NO_MORE /* has given the flag reading back */
};

bool
rpc_conn_may_read(const struct rpc_conn *conn, bool again)
{
	const struct rpc_net_options *options = &conn->net->options;
	unsigned work_max = again ? options->work_max / 2 : options->work_max - 1;
	size_t queued_max = again ? options->conn_unsent_bytes / 2 : options->conn_unsent_bytes;

	return (options->work_max == 0 || conn->working <= work_max) &&
	       (options->conn_unsent_bytes == 0 || conn->queued_bytes <= queued_max);
}

/* Gives the flag reading back, unless there is room again since that was decided. */
static enum rpc_reading
rpc_conn_stop(struct rpc_conn *conn)
{
	return rpc_conn_stop_reading(conn) ? RPC_READING_NO_MORE : RPC_READING_ON;
}

static enum rpc_reading
rpc_conn_fail(struct rpc_conn *conn, enum rpc_cause cause, const char *text)
{
	rpc_conn_end(conn, cause, text);
	return rpc_conn_stop(conn);
}

void
rpc_conn_count_partial(struct rpc_conn *conn, bool anew)
{
	struct rpc_conn *other;

	while ((other = rpc_budget_update(&conn->net->partial, &conn->partial, anew)) != NULL) {
		rpc_conn_close(other, RPC_CAUSE_PARTIAL_MEMORY);
		rpc_conn_release(&other);
		anew = false;
	}
}

/* What came so far of the message that is being read. */
static size_t
rpc_conn_partial(const struct rpc_conn *conn)
{
	return conn->block->filled - conn->at;
}

/* Puts what came so far into a block of its own. */
static bool
rpc_conn_move(struct rpc_conn *conn, size_t capacity)
{
	size_t partial = rpc_conn_partial(conn);
	struct rpc_block *block = rpc_block_new(capacity);

	if (block == NULL) {
		return false;
	}
	memcpy(block->data, conn->block->data + conn->at, partial);
	block->filled = partial;
	rpc_block_release(&conn->block);
	conn->block = block;
	conn->at = 0;
	return true;
}

/* A large message gets memory as its bytes come, never for the length that it has announced. */
static size_t
rpc_conn_next_capacity(const struct rpc_conn *conn)
{
	size_t partial = rpc_conn_partial(conn);
	size_t grown = RPC_BLOCK_GROWTH * (partial < RPC_BLOCK_MAX ? RPC_BLOCK_MAX : partial);

	return conn->wanted <= conn->read_size ? conn->read_size
	       : conn->wanted < grown          ? conn->wanted
					       : grown;
}

/* Makes room behind what came so far. */
static bool
rpc_conn_make_room(struct rpc_conn *conn)
{
	struct rpc_block *block = conn->block;
	size_t partial = rpc_conn_partial(conn);
	size_t wanted = conn->wanted > 0 ? conn->wanted : RPC_HEAD_MAX;
	size_t room = block->capacity - block->filled;

	if (partial == 0 && block->capacity == conn->read_size && rpc_block_is_alone(block)) {
		explicit_bzero(block->data, block->filled);
		block->filled = conn->at = 0;
		return true;
	}
	if (partial == 0 ? room >= RPC_ROOM_MIN && !rpc_block_is_alone(block)
			 : room > 0 && (conn->at == 0 || conn->at + wanted <= block->capacity)) {
		return true;
	}
	return rpc_conn_move(conn, rpc_conn_next_capacity(conn));
}

/* How large the next block is to be, by what a read has brought of what it could. */
static void
rpc_conn_follow_size(struct rpc_conn *conn, size_t len, size_t room)
{
	if (len == room && conn->read_size < RPC_BLOCK_MAX) {
		conn->read_size *= 2;
	} else if (len >= conn->read_size / 4) {
		conn->small_reads = 0;
	} else if (++conn->small_reads == RPC_SMALL_READS) {
		conn->small_reads = 0;
		conn->read_size /= conn->read_size > RPC_BLOCK_MIN ? 2 : 1;
	}
}

/* Milliseconds for the next read: for ever while nothing is owed. */
static nng_duration
rpc_conn_patience(struct rpc_conn *conn)
{
	int64_t left_ms;

	if (conn->greeted && rpc_conn_partial(conn) == 0) {
		conn->read_deadline_ns = CLOCK_NEVER_NS;
		return NNG_DURATION_INFINITE;
	}
	if (conn->greeted && (conn->fresh || conn->read_deadline_ns == CLOCK_NEVER_NS)) {
		conn->read_deadline_ns =
		    clock_now_ns() + conn->net->options.receive_timeout_ms * CLOCK_NS_PER_MS;
	}
	left_ms = clock_left_ms(conn->read_deadline_ns);
	return left_ms < 1 ? 1 : (nng_duration)left_ms;
}

/* Likewise, after a write has failed. */
static nng_duration
rpc_conn_last_patience(struct rpc_conn *conn)
{
	int64_t left_ms;

	if (conn->last_read_ns == 0) {
		conn->last_read_ns = clock_now_ns() + RPC_LAST_READ_MS * CLOCK_NS_PER_MS;
	}
	left_ms = clock_left_ms(conn->last_read_ns);
	return left_ms < 1 ? 1 : (nng_duration)left_ms;
}

/* What the message that is being read holds until it is whole. */
static void
rpc_conn_follow_partial(struct rpc_conn *conn)
{
	size_t bytes = rpc_conn_partial(conn) == 0 ? 0 : conn->block->capacity;

	if (bytes != atomic_load(&conn->partial.bytes) || (bytes > 0 && conn->fresh)) {
		atomic_store(&conn->partial.bytes, bytes);
		rpc_conn_count_partial(conn, conn->fresh);
	}
}

/* Waits for more bytes, unless it may not. */
static enum rpc_reading
rpc_conn_read_more(struct rpc_conn *conn)
{
	nng_iov room;
	nng_duration patience_ms;
	bool wait;

	if (!rpc_conn_make_room(conn)) {
		return rpc_conn_fail(conn, RPC_CAUSE_NO_MEMORY, NULL);
	}
	rpc_conn_follow_partial(conn);
	patience_ms = rpc_conn_patience(conn);
	conn->fresh = false;
	room.iov_buf = conn->block->data + conn->block->filled;
	room.iov_len = conn->block->capacity - conn->block->filled;

	pthread_mutex_lock(&conn->lock);
	if (conn->tls != NULL) {
		room.iov_len = rpc_tls_session_room(conn->tls, (uint8_t **)&room.iov_buf);
	}
	wait = conn->state < RPC_CONN_CLOSING && rpc_conn_may_read(conn, false);
	if (wait && conn->unwritable) {
		patience_ms = rpc_conn_last_patience(conn);
	}
	if (wait) {
		nng_aio_set_timeout(conn->read_aio, patience_ms);
		nng_aio_set_iov(conn->read_aio, 1, &room);
		nng_stream_recv(conn->stream, conn->read_aio);
	}
	pthread_mutex_unlock(&conn->lock);
	return wait ? RPC_READING_NO_MORE : rpc_conn_stop(conn);
}

/* Reads what TLS has for the block. The handshake may want to send something for that. */
static enum rpc_reading
rpc_conn_decrypt(struct rpc_conn *conn)
{
	enum rpc_tls_step step = RPC_TLS_WAIT;
	size_t got = 0;
	const char *fault = "";

	if (!rpc_conn_make_room(conn)) {
		return rpc_conn_fail(conn, RPC_CAUSE_NO_MEMORY, NULL);
	}
	pthread_mutex_lock(&conn->lock);
	if (conn->state < RPC_CONN_CLOSING) {
		step = rpc_tls_session_read(conn->tls, conn->block->data + conn->block->filled,
		    conn->block->capacity - conn->block->filled, &got);
		fault = rpc_tls_session_fault(conn->tls);
		if (step != RPC_TLS_FAILED) {
			rpc_conn_write(conn);
		}
	}
	pthread_mutex_unlock(&conn->lock);
	switch (step) {
	case RPC_TLS_DONE: conn->block->filled += got; return RPC_READING_ON;
	case RPC_TLS_WAIT: return RPC_READING_MORE;
	case RPC_TLS_CLOSED: return rpc_conn_fail(conn, RPC_CAUSE_PEER, NULL);
	case RPC_TLS_FAILED: break;
	}
	return rpc_conn_fail(conn, RPC_CAUSE_TLS, fault);
}

static enum rpc_reading
rpc_conn_greet(struct rpc_conn *conn)
{
	const struct rpc_net *net = conn->net;
	bool open;

	if (rpc_conn_partial(conn) < RPC_GREETING_BYTES) {
		return RPC_READING_MORE;
	}
	if (!rpc_greeting_fits(conn->block->data + conn->at, net->options.role)) {
		return rpc_conn_fail(conn, RPC_CAUSE_GREETING, NULL);
	}
	pthread_mutex_lock(&conn->lock);
	open = conn->state == RPC_CONN_GREETING;
	if (open) {
		conn->state = RPC_CONN_OPEN;
	}
	pthread_mutex_unlock(&conn->lock);
	if (!open) {
		return rpc_conn_stop(conn);
	}
	conn->greeted = true;
	conn->fresh = true;
	conn->at += RPC_GREETING_BYTES;
	rpc_net_greeted(conn->net, conn);
	if (net->events.opened != NULL) {
		net->events.opened(conn, net->options.closure);
	}
	return RPC_READING_ON;
}

/* Reads the head of the message that comes next, if that is there. False, with the cause. */
static bool
rpc_conn_read_head(struct rpc_conn *conn, enum rpc_cause *cause)
{
	size_t head_len = rpc_head_len(conn->ipc);
	uint64_t len;

	if (conn->wanted > 0 || rpc_conn_partial(conn) < head_len) {
		return true;
	}
	if (!rpc_head_read(conn->block->data + conn->at, conn->ipc, &len)) {
		*cause = RPC_CAUSE_FRAMING;
		return false;
	}
	if (len > conn->net->options.message_max_bytes) {
		*cause = RPC_CAUSE_TOO_LONG;
		return false;
	}
	conn->wanted = head_len + (size_t)len;
	return true;
}

/* Takes whole messages out of the block, at most max. False, with the cause, at one that is none. */
static bool
rpc_conn_take(struct rpc_conn *conn, struct rpc_frame *frames, unsigned max, unsigned *count,
    enum rpc_cause *cause)
{
	size_t head_len = rpc_head_len(conn->ipc);

	*count = 0;
	while (*count < max) {
		struct rpc_frame *frame = &frames[*count];

		if (!rpc_conn_read_head(conn, cause)) {
			return false;
		}
		if (conn->wanted == 0 || rpc_conn_partial(conn) < conn->wanted) {
			return true;
		}
		if (!rpc_frame_read(frame, conn->net->options.role,
			conn->block->data + conn->at + head_len, conn->wanted - head_len)) {
			*cause = RPC_CAUSE_NO_ID;
			return false;
		}
		frame->block = rpc_block_acquire(conn->block);
		conn->at += conn->wanted;
		conn->wanted = 0;
		conn->fresh = true;
		++*count;
	}
	return true;
}

/* How many messages may be handed up; 0: none, or it has ended. */
static unsigned
rpc_conn_allowance(struct rpc_conn *conn)
{
	unsigned work_max = conn->net->options.work_max;
	unsigned allowance = RPC_FRAMES_MAX;

	pthread_mutex_lock(&conn->lock);
	if (conn->state != RPC_CONN_OPEN || !rpc_conn_may_read(conn, false)) {
		allowance = 0;
	} else if (work_max > 0 && work_max - conn->working < allowance) {
		allowance = work_max - conn->working;
	}
	pthread_mutex_unlock(&conn->lock);
	return allowance;
}

static void
rpc_conn_give(struct rpc_conn *conn, struct rpc_frame *frames, unsigned count)
{
	const struct rpc_net *net = conn->net;

	if (net->options.role == RPC_ROLE_REP) {
		pthread_mutex_lock(&conn->lock);
		conn->working += count;
		pthread_mutex_unlock(&conn->lock);
	}
	net->events.received(conn, frames, count, net->options.closure);
}

static enum rpc_reading
rpc_conn_hand_up(struct rpc_conn *conn)
{
	struct rpc_frame frames[RPC_FRAMES_MAX];
	unsigned max = rpc_conn_allowance(conn);
	enum rpc_cause cause;
	unsigned count;
	bool good;

	if (max == 0) {
		return rpc_conn_stop(conn);
	}
	good = rpc_conn_take(conn, frames, max, &count, &cause);
	if (count > 0) {
		rpc_conn_give(conn, frames, count);
	}
	if (!good) {
		return rpc_conn_fail(conn, cause, NULL);
	}
	return count == max ? RPC_READING_ON : RPC_READING_MORE;
}

void
rpc_conn_read(struct rpc_conn *conn)
{
	enum rpc_reading next = RPC_READING_ON;

	while (next != RPC_READING_NO_MORE) {
		next = conn->greeted ? rpc_conn_hand_up(conn) : rpc_conn_greet(conn);
		if (next == RPC_READING_MORE && conn->tls != NULL) {
			next = rpc_conn_decrypt(conn);
		}
		if (next == RPC_READING_MORE) {
			next = rpc_conn_read_more(conn);
		}
	}
}

/* Bytes have come: none when the reader was woken. */
static void
rpc_conn_came(struct rpc_conn *conn, size_t len)
{
	struct rpc_block *block = conn->block;

	if (len == 0) {
		conn->fresh = true;
		return;
	}
	conn->hung_up = false;
	if (conn->tls != NULL) {
		pthread_mutex_lock(&conn->lock);
		rpc_tls_session_put(conn->tls, len);
		pthread_mutex_unlock(&conn->lock);
		return;
	}
	rpc_conn_follow_size(conn, len, block->capacity - block->filled);
	block->filled += len;
}

/*
 * A read has failed. True when it is to be repeated: its time was not over (NNG
 * can apply a timeout to the operation after the one it was for), a write has
 * failed meanwhile, or the other end has hung up, upon which NNG ends a read
 * before it takes what had come.
 */
static bool
rpc_conn_read_failed(struct rpc_conn *conn, int result)
{
	if (result == NNG_ETIMEDOUT && conn->last_read_ns > 0 &&
	    clock_now_ns() >= conn->last_read_ns) {
		rpc_conn_end(conn, RPC_CAUSE_LOST, NULL);
		return false;
	}
	if (result == NNG_ETIMEDOUT && clock_now_ns() >= conn->read_deadline_ns) {
		rpc_conn_end(conn,
		    conn->greeted ? RPC_CAUSE_RECEIVE_TIMEOUT : RPC_CAUSE_HANDSHAKE_TIMEOUT, NULL);
		return false;
	}
	if (result == NNG_ETIMEDOUT || result == NNG_ECANCELED) {
		return true;
	}
	if (result == NNG_ECONNSHUT && !conn->hung_up) {
		conn->hung_up = true;
		return true;
	}
	rpc_conn_end(conn, rpc_conn_cause(result), nng_strerror(result));
	return false;
}

void
rpc_conn_read_event(void *closure)
{
	struct rpc_conn *conn = closure;
	int result = nng_aio_result(conn->read_aio);

	if (result == 0) {
		rpc_conn_came(conn, nng_aio_count(conn->read_aio));
	} else if (!rpc_conn_read_failed(conn, result)) {
		(void)rpc_conn_stop(conn);
		return;
	}
	rpc_conn_read(conn);
}
