/*
 * The time of a round trip between two processes by NNG request-reply over TCP
 * on 127.0.0.1, one at a time: the floor under a call from gatewayd to accountd.
 *
 *	bench_echo SECONDS
 *
 * Prints p50_us=TIME.
 */
#include <nng/nng.h>
#include <nng/protocol/reqrep0/rep.h>
#include <nng/protocol/reqrep0/req.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <unistd.h>

#include "common/base/clock.h"

#define ECHO_BYTES     96 /* as a call of GetUser */
#define ECHO_TIMES_MAX 1000000

static void
echo_check(int result, const char *what)
{
	if (result != 0) {
		fprintf(stderr, "bench_echo: %s: %s\n", what, nng_strerror(result));
		exit(1);
	}
}

/* Answers each message with itself, for ever. Writes its port to fd first. */
static void
echo_serve(int fd)
{
	nng_socket socket;
	nng_listener listener;
	nng_sockaddr address;
	nng_msg *message;

	prctl(PR_SET_PDEATHSIG, SIGKILL);
	echo_check(nng_rep0_open(&socket), "open");
	echo_check(nng_listen(socket, "tcp://127.0.0.1:0", &listener, 0), "listen");
	echo_check(nng_listener_get_addr(listener, NNG_OPT_LOCADDR, &address), "address");
	if (write(fd, &address.s_in.sa_port, sizeof(address.s_in.sa_port)) < 0) {
		exit(1);
	}
	for (;;) {
		echo_check(nng_recvmsg(socket, &message, 0), "receive");
		echo_check(nng_sendmsg(socket, message, 0), "send");
	}
}

static int64_t
echo_once(nng_socket socket)
{
	int64_t begin_ns = clock_now_ns();
	nng_msg *message;

	echo_check(nng_msg_alloc(&message, ECHO_BYTES), "memory");
	memset(nng_msg_body(message), 'x', ECHO_BYTES);
	echo_check(nng_sendmsg(socket, message, 0), "send");
	echo_check(nng_recvmsg(socket, &message, 0), "receive");
	nng_msg_free(message);
	return clock_now_ns() - begin_ns;
}

static int
echo_compare(const void *a, const void *b)
{
	int64_t first = *(const int64_t *)a;
	int64_t second = *(const int64_t *)b;

	return (first > second) - (first < second);
}

static void
echo_measure(double seconds, unsigned port)
{
	int64_t *times_ns = calloc(ECHO_TIMES_MAX, sizeof(*times_ns));
	int64_t end_ns = clock_now_ns() + (int64_t)(seconds * 1e9);
	nng_socket socket;
	size_t count = 0;
	char url[64];

	if (times_ns == NULL) {
		echo_check(NNG_ENOMEM, "times");
	}
	snprintf(url, sizeof(url), "tcp://127.0.0.1:%u", port);
	echo_check(nng_req0_open(&socket), "open");
	echo_check(nng_dial(socket, url, NULL, 0), "connect");
	echo_once(socket);
	do {
		times_ns[count++] = echo_once(socket);
	} while (count < ECHO_TIMES_MAX && clock_now_ns() < end_ns);
	qsort(times_ns, count, sizeof(*times_ns), echo_compare);
	printf("p50_us=%.1f\n", (double)times_ns[count / 2] / 1000);
	free(times_ns);
	nng_close(socket);
}

int
main(int argc, char **argv)
{
	double seconds = argc == 2 ? atof(argv[1]) : 0;
	uint16_t port;
	int fds[2];
	pid_t server;

	if (seconds <= 0) {
		fprintf(stderr, "usage: bench_echo SECONDS\n");
		return 2;
	}
	/* NNG does not survive a fork: the server is one before it is used. */
	if (pipe(fds) != 0 || (server = fork()) < 0) {
		perror("bench_echo");
		return 1;
	}
	if (server == 0) {
		echo_serve(fds[1]);
	}
	close(fds[1]);
	if (read(fds[0], &port, sizeof(port)) != (ssize_t)sizeof(port)) {
		fprintf(stderr, "bench_echo: the server did not start\n");
		return 1;
	}
	echo_measure(seconds, __builtin_bswap16(port));
	kill(server, SIGKILL);
	return 0;
}
