#include "tests/rpc_side.h"

#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <poll.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <time.h>
#include <unistd.h>

#include <cmocka.h>

#include "common/base/clock.h"

#define SIDE_PATIENCE_S 30

struct rpc_net_options
side_options(enum rpc_role role)
{
	return (struct rpc_net_options){.role = role,
	    .message_max_bytes = (size_t)64 * 1024 * 1024,
	    .handshake_timeout_ms = 30000,
	    .receive_timeout_ms = 30000,
	    .send_timeout_ms = 30000};
}

static void
side_opened(struct rpc_conn *conn, void *closure)
{
	struct side *side = closure;

	pthread_mutex_lock(&side->lock);
	if (side->conn != NULL) {
		rpc_conn_release(&side->conn);
	}
	side->conn = side->closing ? NULL : rpc_conn_acquire(conn);
	side->opened++;
	pthread_cond_broadcast(&side->changed);
	pthread_mutex_unlock(&side->lock);
}

static void
side_remember(struct side *side, struct rpc_conn *conn, const struct rpc_frame *frame)
{
	struct side_message *message;

	pthread_mutex_lock(&side->lock);
	message = &side->messages[side->count % SIDE_MESSAGES_MAX];
	free(message->body);
	if (message->conn != NULL) {
		rpc_conn_release(&message->conn);
	}
	*message = (struct side_message){.id = frame->id, .route_len = frame->route_len};
	message->conn = side->closing ? NULL : rpc_conn_acquire(conn);
	memcpy(message->route, frame->route, frame->route_len);
	message->body = malloc(frame->len + 1);
	memcpy(message->body, frame->body, frame->len);
	message->len = frame->len;
	message->answered = side->echo;
	side->count++;
	pthread_cond_broadcast(&side->changed);
	pthread_mutex_unlock(&side->lock);
}

static void
side_echo(struct rpc_conn *conn, const struct rpc_frame *frame)
{
	struct rpc_buf *buf = rpc_buf_new(frame->len);

	memcpy(buf->data, frame->body, frame->len);
	rpc_conn_send(conn, frame->route, frame->route_len, buf, NULL);
}

static void
side_received(struct rpc_conn *conn, struct rpc_frame *frames, size_t count, void *closure)
{
	struct side *side = closure;

	atomic_fetch_add(&side->batches, 1);
	for (size_t i = 0; i < count; i++) {
		side_hook *hook = side->hook;

		if (hook != NULL) {
			hook(side, conn);
		}
		side_remember(side, conn, &frames[i]);
		if (side->echo) {
			side_echo(conn, &frames[i]);
		}
		rpc_block_release(&frames[i].block);
	}
}

static void
side_ended(struct side *side, atomic_uint *counter, const struct rpc_end *end)
{
	pthread_mutex_lock(&side->lock);
	++*counter;
	side->cause = end->cause;
	snprintf(side->text, sizeof(side->text), "%s", end->text);
	side->begun = end->begun;
	pthread_cond_broadcast(&side->changed);
	pthread_mutex_unlock(&side->lock);
}

static void
side_closed(struct rpc_conn *conn, const struct rpc_end *end, void *closure)
{
	struct side *side = closure;

	(void)conn;
	side_ended(side, &side->closed, end);
}

static void
side_unreached(void *user, const struct rpc_end *end, void *closure)
{
	struct side *side = closure;

	(void)user;
	side_ended(side, &side->unreached, end);
}

static void
side_faulted(const char *peer, enum rpc_cause cause, const char *text, void *closure)
{
	struct side *side = closure;

	(void)text;
	pthread_mutex_lock(&side->lock);
	side->faults[cause]++;
	snprintf(side->peer, sizeof(side->peer), "%s", peer);
	pthread_cond_broadcast(&side->changed);
	pthread_mutex_unlock(&side->lock);
}

static const struct rpc_net_events side_events = {
    .opened = side_opened,
    .received = side_received,
    .closed = side_closed,
    .unreached = side_unreached,
    .faulted = side_faulted,
};

struct side *
side_open(enum rpc_role role, const struct rpc_net_options *options)
{
	struct side *side = calloc(1, sizeof(*side));
	struct rpc_net_options own = options == NULL ? side_options(role) : *options;
	struct error error;

	assert_non_null(side);
	own.events = &side_events;
	own.closure = side;
	side->echo = role == RPC_ROLE_REP;
	pthread_mutex_init(&side->lock, NULL);
	pthread_cond_init(&side->changed, NULL);
	assert_int_equal(rpc_net_open(&side->net, &own, &error), STATUS_OK);
	return side;
}

void
side_close(struct side **side)
{
	struct side *closed = *side;

	rpc_listener_close(&closed->listener);
	rpc_dialer_close(&closed->dialer);
	pthread_mutex_lock(&closed->lock);
	closed->closing = true;
	if (closed->conn != NULL) {
		rpc_conn_release(&closed->conn);
	}
	for (size_t i = 0; i < SIDE_MESSAGES_MAX; i++) {
		free(closed->messages[i].body);
		if (closed->messages[i].conn != NULL) {
			rpc_conn_release(&closed->messages[i].conn);
		}
	}
	memset(closed->messages, 0, sizeof(closed->messages));
	pthread_mutex_unlock(&closed->lock);
	rpc_net_close(&closed->net);
	assert_null(closed->net);
	for (size_t i = 0; i < SIDE_MESSAGES_MAX; i++) {
		free(closed->messages[i].body);
	}
	pthread_cond_destroy(&closed->changed);
	pthread_mutex_destroy(&closed->lock);
	free(closed);
	*side = NULL;
}

const char *
side_listen(struct side *side, const char *url, struct rpc_tls *tls)
{
	struct error error;

	if (rpc_listener_open(&side->listener, side->net, url, tls, &error) != STATUS_OK) {
		fail_msg("%s", error.message);
	}
	return rpc_listener_url(side->listener);
}

void
side_dial(struct side *side, const char *url, struct rpc_tls *tls)
{
	const struct rpc_dialer_options options = {.url = url, .tls = tls, .user = side};
	struct error error;

	if (rpc_dialer_open(&side->dialer, side->net, &options, &error) != STATUS_OK) {
		fail_msg("%s", error.message);
	}
}

/* With the lock. */
static void
side_wait(struct side *side, const char *for_what)
{
	struct timespec until;

	clock_gettime(CLOCK_REALTIME, &until);
	until.tv_sec += SIDE_PATIENCE_S;
	if (pthread_cond_timedwait(&side->changed, &side->lock, &until) == ETIMEDOUT) {
		pthread_mutex_unlock(&side->lock);
		fail_msg("waited for %s in vain", for_what);
	}
}

static void
side_await(struct side *side, const atomic_uint *counter, unsigned count, const char *for_what)
{
	pthread_mutex_lock(&side->lock);
	while (*counter < count) {
		side_wait(side, for_what);
	}
	pthread_mutex_unlock(&side->lock);
}

void
side_await_opened(struct side *side, unsigned count)
{
	side_await(side, &side->opened, count, "a connection");
}

void
side_await_closed(struct side *side, unsigned count)
{
	side_await(side, &side->closed, count, "the end of a connection");
}

void
side_await_unreached(struct side *side, unsigned count)
{
	side_await(side, &side->unreached, count, "an attempt that fails");
}

void
side_await_fault(struct side *side, enum rpc_cause cause, unsigned count)
{
	side_await(side, &side->faults[cause], count, rpc_cause_name(cause));
}

void
side_await_messages(struct side *side, size_t count)
{
	pthread_mutex_lock(&side->lock);
	while (side->count < count) {
		side_wait(side, "a message");
	}
	pthread_mutex_unlock(&side->lock);
}

void
side_await_stat(struct side *side, size_t (*stat)(struct side *side), size_t value)
{
	static const struct timespec pause = {0, CLOCK_NS_PER_MS};
	int64_t end_ns = clock_now_ns() + SIDE_PATIENCE_S * 1000 * CLOCK_NS_PER_MS;

	while (stat(side) != value) {
		if (clock_now_ns() > end_ns) {
			fail_msg("waited for %zu in vain; it is %zu", value, stat(side));
		}
		nanosleep(&pause, NULL);
	}
}

size_t
side_connections(struct side *side)
{
	struct rpc_net_stats stats;

	rpc_net_stats(side->net, &stats);
	return stats.connections;
}

size_t
side_partial_bytes(struct side *side)
{
	struct rpc_net_stats stats;

	rpc_net_stats(side->net, &stats);
	return stats.partial_bytes;
}

bool
side_ask(struct side *side, uint32_t id, size_t len, uint8_t fill, uint64_t *number)
{
	const uint32_t route = htonl(id);
	struct rpc_buf *buf = rpc_buf_new(len);
	struct rpc_conn *conn;
	bool sent;

	memset(buf->data, fill, len);
	pthread_mutex_lock(&side->lock);
	conn = rpc_conn_acquire(side->conn);
	pthread_mutex_unlock(&side->lock);
	sent = rpc_conn_send(conn, (const uint8_t *)&route, sizeof(route), buf, number);
	rpc_conn_release(&conn);
	return sent;
}

bool
side_answer(struct side *side, size_t at, size_t len)
{
	struct rpc_buf *buf = rpc_buf_new(len);
	struct side_message *message = &side->messages[at];

	memset(buf->data, 'r', len);
	pthread_mutex_lock(&side->lock);
	assert_false(message->answered);
	message->answered = true;
	pthread_mutex_unlock(&side->lock);
	return rpc_conn_send(message->conn, message->route, message->route_len, buf, NULL);
}

void
side_expect(struct side *side, size_t at, uint32_t id, size_t len, uint8_t fill)
{
	const struct side_message *message = &side->messages[at % SIDE_MESSAGES_MAX];

	side_await_messages(side, at + 1);
	assert_int_equal(message->id, id);
	assert_int_equal(message->len, len);
	for (size_t i = 0; i < len; i++) {
		if (message->body[i] != fill) {
			fail_msg("byte %zu of message %zu is %u", i, at, message->body[i]);
		}
	}
}

static void
bare_set_patience(int fd)
{
	const struct timeval patience = {.tv_sec = SIDE_PATIENCE_S};

	assert_int_equal(setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof(patience)), 0);
	assert_int_equal(setsockopt(fd, SOL_SOCKET, SO_SNDTIMEO, &patience, sizeof(patience)), 0);
}

int
bare_connect(const char *url)
{
	struct sockaddr_in four = {.sin_family = AF_INET};
	struct sockaddr_un local = {.sun_family = AF_UNIX};
	int fd;

	if (strncmp(url, "ipc://", 6) == 0) {
		strncpy(local.sun_path, url + 6, sizeof(local.sun_path) - 1);
		fd = socket(AF_UNIX, SOCK_STREAM, 0);
		assert_int_equal(connect(fd, (struct sockaddr *)&local, sizeof(local)), 0);
	} else {
		four.sin_port = htons((uint16_t)atoi(strrchr(url, ':') + 1));
		four.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
		fd = socket(AF_INET, SOCK_STREAM, 0);
		assert_int_equal(connect(fd, (struct sockaddr *)&four, sizeof(four)), 0);
	}
	bare_set_patience(fd);
	return fd;
}

int
bare_listen(char url[64])
{
	struct sockaddr_in four = {.sin_family = AF_INET};
	socklen_t len = sizeof(four);
	int fd = socket(AF_INET, SOCK_STREAM, 0);

	four.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
	assert_int_equal(bind(fd, (struct sockaddr *)&four, sizeof(four)), 0);
	assert_int_equal(listen(fd, 16), 0);
	assert_int_equal(getsockname(fd, (struct sockaddr *)&four, &len), 0);
	snprintf(url, 64, "tcp://127.0.0.1:%u", ntohs(four.sin_port));
	bare_set_patience(fd);
	return fd;
}

int
bare_accept(int fd)
{
	int accepted = accept(fd, NULL, NULL);

	assert_true(accepted >= 0);
	bare_set_patience(accepted);
	return accepted;
}

void
bare_send(int fd, const void *bytes, size_t len)
{
	const uint8_t *at = bytes;

	while (len > 0) {
		ssize_t sent = send(fd, at, len, MSG_NOSIGNAL);

		if (sent <= 0) {
			fail_msg("cannot send: %s", strerror(errno));
		}
		at += sent;
		len -= (size_t)sent;
	}
}

void
bare_greet(int fd, enum rpc_role role)
{
	const uint8_t own[] = {0, 'S', 'P', 0, 0, (uint8_t)role, 0, 0};
	const uint8_t other[] = {
	    0, 'S', 'P', 0, 0, role == RPC_ROLE_REQ ? RPC_ROLE_REP : RPC_ROLE_REQ, 0, 0};

	bare_send(fd, own, sizeof(own));
	bare_expect(fd, other, sizeof(other));
}

static uint8_t *
bare_receive(int fd, size_t len)
{
	uint8_t *got = malloc(len + 1);
	size_t at = 0;

	while (at < len) {
		ssize_t came = recv(fd, got + at, len - at, 0);

		if (came <= 0) {
			fail_msg("%zu bytes of %zu came, then %s", at, len,
			    came == 0 ? "the end" : strerror(errno));
		}
		at += (size_t)came;
	}
	return got;
}

void
bare_expect(int fd, const void *bytes, size_t len)
{
	uint8_t *got = bare_receive(fd, len);

	assert_memory_equal(got, bytes, len);
	free(got);
}

void
bare_skip(int fd)
{
	uint8_t *head = bare_receive(fd, 8);
	size_t len = 0;

	for (size_t i = 0; i < 8; i++) {
		len = len << 8 | head[i];
	}
	free(head);
	free(bare_receive(fd, len));
}

void
bare_expect_end(int fd)
{
	char byte;
	ssize_t came = recv(fd, &byte, 1, 0);

	if (came > 0 || (came < 0 && errno != ECONNRESET)) {
		fail_msg("the connection was not ended, but: %s",
		    came > 0 ? "a byte came" : strerror(errno));
	}
	close(fd);
}
