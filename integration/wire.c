#include "integration/wire.h"

#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <unistd.h>

#include <cmocka.h>

int
wire_open(unsigned port)
{
	struct sockaddr_in address = {.sin_family = AF_INET,
	    .sin_port = htons((uint16_t)port),
	    .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
	const struct timeval patience = {.tv_sec = 30};
	const int on = 1;
	int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);

	assert_true(fd >= 0);
	setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof(patience));
	setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof(on));
	assert_int_equal(connect(fd, (struct sockaddr *)&address, sizeof(address)), 0);
	return fd;
}

void
wire_send(int fd, const void *bytes, size_t len)
{
	const char *at = bytes;
	ssize_t sent;

	while (len > 0 && (sent = send(fd, at, len, MSG_NOSIGNAL)) > 0) {
		at += sent;
		len -= (size_t)sent;
	}
}

void
wire_send_pieces(int fd, const void *bytes, size_t len, size_t piece)
{
	const char *at = bytes;

	while (len > 0) {
		size_t some = piece < len ? piece : len;

		wire_send(fd, at, some);
		at += some;
		len -= some;
	}
}

size_t
wire_await(int fd, const char *text, char *answer, size_t size)
{
	size_t len = 0;

	answer[0] = '\0';
	while (strstr(answer, text) == NULL) {
		ssize_t got = recv(fd, answer + len, size - 1 - len, 0);

		if (got <= 0) {
			fail_msg("no '%s' in: %s", text, answer);
		}
		len += (size_t)got;
		answer[len] = '\0';
	}
	return len;
}

size_t
wire_receive_all(int fd, char *answer, size_t size)
{
	size_t len = 0;
	ssize_t got;

	while ((got = recv(fd, answer + len, size - 1 - len, 0)) > 0) {
		len += (size_t)got;
	}
	answer[len] = '\0';
	if (got < 0) {
		fail_msg("%s after: %s", strerror(errno), answer);
	}
	assert_true(len < size - 1);
	close(fd);
	return len;
}

size_t
wire_exchange(unsigned port, const void *bytes, size_t len, char *answer, size_t size)
{
	int fd = wire_open(port);

	wire_send(fd, bytes, len);
	return wire_receive_all(fd, answer, size);
}

unsigned
wire_count(const char *answer, const char *text)
{
	unsigned count = 0;

	for (const char *at = answer; (at = strstr(at, text)) != NULL; at += strlen(text)) {
		count++;
	}
	return count;
}
