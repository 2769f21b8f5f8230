/*
 * For tests of the channel: a server of plain NNG, which answers each method
 * in its own way, well or badly, and counts. Any thread.
 *
 *	t/Echo      the request
 *	t/Metadata  the request's metadata, in the reply's
 *	t/Timeout   timeout_ms in decimal
 *	t/Fail      ALREADY_EXISTS with reason, violation and retry_after_ms
 *	t/Hold      waits for backend_release, then as t/Echo; so does its whole message
 *	t/Garbage   bytes that are no ReplyBatch
 *	t/Missing   a ReplyBatch without replies
 *	t/Surplus   a ReplyBatch with one reply too many
 *	t/One       a ReplyBatch of one reply, as t/Echo, for the whole message
 *	t/Refuse    one reply, INVALID_ARGUMENT, for the whole message
 *	t/Large     100000 bytes
 *
 * and Health/Check as it is told to. A message without calls gets EMPTY_BATCH, as
 * by a server that does not know cancels.
 */
#ifndef TESTS_RPC_BACKEND_H
#define TESTS_RPC_BACKEND_H

#include <stddef.h>

struct backend;

enum backend_health {
	BACKEND_SERVING,
	BACKEND_NOT_SERVING,
	BACKEND_MUTE,       /* no health call is answered */
	BACKEND_NO_SERVICE, /* UNIMPLEMENTED */
	BACKEND_SHUT_DOWN,  /* all calls are refused with SHUTTING_DOWN, health calls too */
	BACKEND_STUCK       /* nothing is answered any more */
};

/* What has come, health calls left out. */
struct backend_counts {
	size_t messages;
	size_t calls;
	size_t largest; /* message, in calls */
	size_t mixed;   /* messages whose calls have different requests */
	size_t cancels; /* in messages that hold no call, which are counted in nothing else */
};

/* Listens on url; with port 0 on a free one. NULL if that fails. */
struct backend *backend_open(const char *url);

/* The same with NNG's TLS, which is borrowed, for tls+tcp://; NULL: the same. */
struct nng_tls_config;
struct backend *backend_open_tls(const char *url, struct nng_tls_config *tls);

/* Closes all connections. NULL is fine. */
void backend_close(struct backend **backend);

const char *backend_url(const struct backend *backend);
void backend_set_health(struct backend *backend, enum backend_health health);

/* Answers what is held, and holds nothing any more. */
void backend_release(struct backend *backend);

struct backend_counts backend_counts(struct backend *backend);

/*
 * In a program of its own, which is killed and stopped by signals: main calls
 * backend_main first, which does not return in that program.
 */
struct backend_process {
	int pid;
	char url[64];
};

void backend_main(int argc, char **argv);

/* Starts this test's program as a backend on url; with port 0 on a free one. */
struct backend_process backend_process_start(const char *url);
void backend_process_signal(const struct backend_process *process, int number);

/* Kills it and waits for its end. */
void backend_process_kill(struct backend_process *process);

/*
 * Waits until so many calls have come, and the health call with which each
 * connection begins: 30 s at most. Then nothing more is on its way, if no more
 * is sent, and the backend can be closed. (NNG can hang when a connection is
 * closed just as a message comes in.)
 */
void backend_wait(struct backend *backend, size_t calls);

#endif
