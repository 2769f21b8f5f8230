#include "integration/proxy.h"

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/random.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cmocka.h>

#define PROXY_LINKS_MAX    32
#define PROXY_BUFFER_BYTES 65536

/* Anything longer is no answer to a health call, which nobody would miss. */
#define PROXY_CUT_MIN_BYTES 30

/* PROXY_CHOP lets pass less than two to this power. */
#define PROXY_CHOP_BITS 16

/* The two ends of a link; what one sends, the other is sent. */
enum proxy_end {
	PROXY_CLIENT,
	PROXY_SERVER
};

/* What was read from an end and not yet written to the other. */
struct proxy_stream {
	size_t at;
	size_t len;
	char data[PROXY_BUFFER_BYTES];
};

struct proxy_link {
	bool used;
	int fds[2];                     /* by enum proxy_end; -1: lost */
	struct proxy_stream streams[2]; /* by the end that it is read from */
	size_t left[2];                 /* bytes of each end until PROXY_CHOP cuts it */
};

struct proxy {
	pthread_t thread;
	int listener;
	int wake; /* an eventfd: something below has changed */
	unsigned port;
	unsigned server_port;
	atomic_int mode;
	atomic_bool lose;
	atomic_uint cuts;
	atomic_bool stopping;
	struct proxy_link links[PROXY_LINKS_MAX]; /* of the thread, as they are all */
};

static void
proxy_close(int *fd)
{
	if (*fd >= 0) {
		close(*fd);
	}
	*fd = -1;
}

static void
proxy_link_close(struct proxy_link *link)
{
	proxy_close(&link->fds[PROXY_CLIENT]);
	proxy_close(&link->fds[PROXY_SERVER]);
	link->used = false;
}

static struct sockaddr_in
proxy_address(unsigned port)
{
	struct sockaddr_in address = {.sin_family = AF_INET, .sin_port = htons((uint16_t)port)};

	address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
	return address;
}

static int
proxy_connect(unsigned port)
{
	struct sockaddr_in address = proxy_address(port);
	int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);

	if (fd >= 0 && connect(fd, (struct sockaddr *)&address, sizeof(address)) != 0) {
		proxy_close(&fd);
	}
	return fd;
}

static void
proxy_prepare(int fd)
{
	int on = 1;

	setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof(on));
	fcntl(fd, F_SETFL, O_NONBLOCK);
}

/* From none to 64 KiB, and as often a few as many. */
static size_t
proxy_random_size(void)
{
	uint32_t random[2] = {0};

	(void)!getrandom(random, sizeof(random), 0);
	return random[0] % (1U << random[1] % (PROXY_CHOP_BITS + 1));
}

static void
proxy_accept(struct proxy *proxy)
{
	struct sockaddr_in peer;
	socklen_t len = sizeof(peer);
	int client = accept4(proxy->listener, (struct sockaddr *)&peer, &len, SOCK_CLOEXEC);
	struct proxy_link *link;
	size_t at = 0;

	while (proxy->links[at].used && at < PROXY_LINKS_MAX - 1) {
		at++;
	}
	link = &proxy->links[at];
	if (client < 0 || link->used || atomic_load(&proxy->mode) == PROXY_REFUSE) {
		proxy_close(&client);
		return;
	}
	link->fds[PROXY_CLIENT] = client;
	link->fds[PROXY_SERVER] = proxy_connect(proxy->server_port);
	link->used = true;
	if (link->fds[PROXY_SERVER] < 0) {
		proxy_link_close(link);
		return;
	}
	proxy_prepare(link->fds[PROXY_CLIENT]);
	proxy_prepare(link->fds[PROXY_SERVER]);
	link->streams[PROXY_CLIENT].len = link->streams[PROXY_SERVER].len = 0;
	link->left[PROXY_CLIENT] = proxy_random_size();
	link->left[PROXY_SERVER] = proxy_random_size();
}

/* Reads what an end sent; false when it has ended. */
static bool
proxy_read(struct proxy_link *link, enum proxy_end from)
{
	struct proxy_stream *stream = &link->streams[from];
	ssize_t len = recv(link->fds[from], stream->data, sizeof(stream->data), 0);

	if (len < 0) {
		return errno == EAGAIN || errno == EINTR;
	}
	stream->at = 0;
	stream->len = (size_t)len;
	return len > 0;
}

/* How many bytes of the stream go on, and whether the link ends after them. */
static size_t
proxy_portion(int mode, const struct proxy_link *link, enum proxy_end from, bool *cut)
{
	const struct proxy_stream *stream = &link->streams[from];
	size_t len = stream->len - stream->at;

	*cut = (mode == PROXY_CUT && from == PROXY_SERVER && len > PROXY_CUT_MIN_BYTES) ||
	       (mode == PROXY_CHOP && len >= link->left[from]);
	if (mode == PROXY_TRICKLE) {
		return 1;
	}
	return !*cut ? len : mode == PROXY_CUT ? stream->len / 2 : link->left[from];
}

/* Writes it to the other end, as the mode has it; false when the link is to end. */
static bool
proxy_write(struct proxy *proxy, struct proxy_link *link, enum proxy_end from)
{
	struct proxy_stream *stream = &link->streams[from];
	int mode = atomic_load(&proxy->mode);
	bool cut;
	size_t most = proxy_portion(mode, link, from, &cut);
	int to = link->fds[1 - from];
	ssize_t len;

	if (to < 0) {
		stream->len = 0;
		return true;
	}
	len = send(to, stream->data + stream->at, most, MSG_NOSIGNAL);
	if (len < 0) {
		return errno == EAGAIN || errno == EINTR;
	}
	stream->at += (size_t)len;
	link->left[from] -= mode == PROXY_CHOP ? (size_t)len : 0;
	cut = cut && (size_t)len == most;
	if (stream->at == stream->len) {
		stream->at = stream->len = 0;
	}
	atomic_fetch_add(&proxy->cuts, cut);
	if (cut && mode == PROXY_CUT) {
		atomic_store(&proxy->mode, PROXY_RELAY);
	}
	return !cut;
}

static void
proxy_link_move(struct proxy *proxy, struct proxy_link *link, const struct pollfd polls[2])
{
	for (enum proxy_end from = PROXY_CLIENT; from <= PROXY_SERVER; from++) {
		struct proxy_stream *stream = &link->streams[from];

		if (!link->used || link->fds[from] < 0) {
			continue;
		}
		if (stream->len == 0 && (polls[from].revents & (POLLIN | POLLHUP | POLLERR)) != 0 &&
		    !proxy_read(link, from)) {
			proxy_link_close(link);
			return;
		}
		if (stream->len > 0 && !proxy_write(proxy, link, from)) {
			proxy_link_close(link);
			return;
		}
	}
}

/* What is to be waited for of a link: what an end sends, or until the other takes it. */
static void
proxy_link_poll(const struct proxy *proxy, const struct proxy_link *link, struct pollfd polls[2])
{
	bool held = !link->used || atomic_load(&proxy->mode) == PROXY_HOLD;

	for (enum proxy_end end = PROXY_CLIENT; end <= PROXY_SERVER; end++) {
		bool reads = link->streams[end].len == 0;
		bool writes = link->streams[1 - end].len > 0;

		polls[end].fd = held ? -1 : link->fds[end];
		polls[end].events = (short)((reads ? POLLIN : 0) | (writes ? POLLOUT : 0));
		polls[end].revents = 0;
	}
}

static void
proxy_obey(struct proxy *proxy)
{
	bool lose = atomic_exchange(&proxy->lose, false);
	bool refuse = atomic_load(&proxy->mode) == PROXY_REFUSE;

	for (size_t i = 0; i < PROXY_LINKS_MAX; i++) {
		struct proxy_link *link = &proxy->links[i];

		if (link->used && refuse) {
			proxy_link_close(link);
		} else if (link->used && lose) {
			proxy_close(&link->fds[PROXY_SERVER]);
		}
	}
}

static void *
proxy_run(void *closure)
{
	struct proxy *proxy = closure;
	struct pollfd polls[2 + 2 * PROXY_LINKS_MAX];
	uint64_t woken;

	polls[0] = (struct pollfd){.fd = proxy->wake, .events = POLLIN};
	polls[1] = (struct pollfd){.fd = proxy->listener, .events = POLLIN};
	while (!atomic_load(&proxy->stopping)) {
		for (size_t i = 0; i < PROXY_LINKS_MAX; i++) {
			proxy_link_poll(proxy, &proxy->links[i], &polls[2 + 2 * i]);
		}
		poll(polls, sizeof(polls) / sizeof(polls[0]), -1);
		if ((polls[0].revents & POLLIN) != 0 &&
		    read(proxy->wake, &woken, sizeof(woken)) == sizeof(woken)) {
			proxy_obey(proxy);
			continue;
		}
		for (size_t i = 0; i < PROXY_LINKS_MAX; i++) {
			proxy_link_move(proxy, &proxy->links[i], &polls[2 + 2 * i]);
		}
		if ((polls[1].revents & POLLIN) != 0) {
			proxy_accept(proxy);
		}
	}
	return NULL;
}

struct proxy *
proxy_start(unsigned server_port)
{
	struct proxy *proxy = calloc(1, sizeof(*proxy));
	struct sockaddr_in address = proxy_address(0);
	socklen_t len = sizeof(address);

	assert_non_null(proxy);
	proxy->server_port = server_port;
	proxy->wake = eventfd(0, EFD_CLOEXEC);
	proxy->listener = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
	assert_true(proxy->wake >= 0 && proxy->listener >= 0);
	assert_int_equal(bind(proxy->listener, (struct sockaddr *)&address, len), 0);
	assert_int_equal(listen(proxy->listener, 64), 0);
	assert_int_equal(getsockname(proxy->listener, (struct sockaddr *)&address, &len), 0);
	proxy->port = ntohs(address.sin_port);
	assert_int_equal(pthread_create(&proxy->thread, NULL, proxy_run, proxy), 0);
	return proxy;
}

static void
proxy_wake(struct proxy *proxy)
{
	uint64_t one = 1;

	assert_int_equal(write(proxy->wake, &one, sizeof(one)), sizeof(one));
}

void
proxy_stop(struct proxy **proxy)
{
	struct proxy *stopped = *proxy;

	if (stopped == NULL) {
		return;
	}
	atomic_store(&stopped->stopping, true);
	proxy_wake(stopped);
	pthread_join(stopped->thread, NULL);
	for (size_t i = 0; i < PROXY_LINKS_MAX; i++) {
		if (stopped->links[i].used) {
			proxy_link_close(&stopped->links[i]);
		}
	}
	close(stopped->listener);
	close(stopped->wake);
	free(stopped);
	*proxy = NULL;
}

unsigned
proxy_port(const struct proxy *proxy)
{
	return proxy->port;
}

unsigned
proxy_cuts(const struct proxy *proxy)
{
	return atomic_load(&proxy->cuts);
}

void
proxy_set(struct proxy *proxy, enum proxy_mode mode)
{
	atomic_store(&proxy->mode, mode);
	proxy_wake(proxy);
}

void
proxy_lose(struct proxy *proxy)
{
	atomic_store(&proxy->lose, true);
	proxy_wake(proxy);
}
