#include "common/rpc/net/rpc_transport.h"

#include <errno.h>
#include <nng/nng.h>
#include <pthread.h>
#include <semaphore.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

#include "common/rpc/net/rpc_fork.h"

enum status_code
rpc_transport_error(struct error *error, int result, const char *action, const char *url)
{
	enum status_code code = STATUS_UNAVAILABLE;
	const char *reason = "TRANSPORT";

	switch (result) {
	case NNG_EADDRINUSE: reason = "ADDRESS_IN_USE"; break;
	case NNG_EINVAL:
	case NNG_EADDRINVAL:
	case NNG_ENOTSUP:
		code = STATUS_INVALID_ARGUMENT;
		reason = "BAD_URL";
		break;
	case NNG_EPERM: code = STATUS_PERMISSION_DENIED; break;
	case NNG_ENOMEM:
	case NNG_ENOFILES: code = STATUS_RESOURCE_EXHAUSTED; break;
	default: break;
	}
	return error_set(error, code, reason, "cannot %s %s: %s%s", action, url,
	    nng_strerror(result),
	    code == STATUS_INVALID_ARGUMENT ? "; a URL is tcp://HOST:PORT or ipc://PATH" : "");
}

/* A socket that is being closed; left behind with its thread when that takes too long. */
struct rpc_closing {
	nng_socket socket;
	sem_t done;
};

#define RPC_CLOSE_PATIENCE_S 2

/* True once a socket was left behind. */
static atomic_bool rpc_transport_stuck;

static void *
rpc_transport_close_run(void *closure)
{
	struct rpc_closing *closing = closure;

	nng_close(closing->socket);
	sem_post(&closing->done);
	return NULL;
}

static bool
rpc_transport_await(struct rpc_closing *closing)
{
	struct timespec until;
	int result;

	clock_gettime(CLOCK_MONOTONIC, &until);
	until.tv_sec += RPC_CLOSE_PATIENCE_S;
	while ((result = sem_clockwait(&closing->done, CLOCK_MONOTONIC, &until)) != 0 &&
	       errno == EINTR) {
	}
	return result == 0;
}

bool
rpc_transport_close(uint32_t socket)
{
	struct rpc_closing *closing = calloc(1, sizeof(*closing));
	pthread_t thread;

	if (closing == NULL) {
		nng_close((nng_socket){socket});
		return true;
	}
	closing->socket.id = socket;
	sem_init(&closing->done, 0, 0);
	if (pthread_create(&thread, NULL, rpc_transport_close_run, closing) != 0) {
		nng_close(closing->socket);
	} else if (rpc_transport_await(closing)) {
		pthread_join(thread, NULL);
	} else {
		pthread_detach(thread);
		atomic_store(&rpc_transport_stuck, true);
		return false;
	}
	sem_destroy(&closing->done);
	free(closing);
	return true;
}

void
rpc_fini(void)
{
	if (!atomic_load(&rpc_transport_stuck) && !rpc_forked()) {
		nng_fini();
	}
}

static bool
rpc_transport_is_dead(int fd)
{
	int type;
	socklen_t len = sizeof(type);

	return (errno == EPIPE || errno == ECONNRESET || errno == ETIMEDOUT) &&
	       getsockopt(fd, SOL_SOCKET, SO_TYPE, &type, &len) == 0 && type == SOCK_STREAM;
}

/*
 * Takes the place of the C library's for the whole program, NNG included:
 * what is sent on a connection that is dead is lost, as if the connection had
 * died a moment later, and who receives on it learns that it is dead.
 *
 * NNG 1.5 closes a connection when sending fails. If it has just read the
 * length of a message then, the receive of the rest is never begun and so
 * never ends, and the one thread that clears connections away waits for it
 * for ever: nothing reconnects any more and no socket can be closed. An end
 * that is found by receiving does not have that fault.
 */
ssize_t
sendmsg(int fd, const struct msghdr *message, int flags)
{
	ssize_t sent = syscall(SYS_sendmsg, fd, message, flags);

	if (sent < 0 && rpc_transport_is_dead(fd)) {
		sent = 0;
		for (size_t i = 0; i < message->msg_iovlen; i++) {
			sent += (ssize_t)message->msg_iov[i].iov_len;
		}
	}
	return sent;
}
