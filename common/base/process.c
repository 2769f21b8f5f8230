#include "common/base/process.h"

#include <fcntl.h>
#include <pthread.h>
#include <signal.h>
#include <stdbool.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <unistd.h>

#if defined(__SANITIZE_ADDRESS__)
#define PROCESS_LEAK_CHECK 1
#elif defined(__has_feature)
#if __has_feature(address_sanitizer) || __has_feature(leak_sanitizer)
#define PROCESS_LEAK_CHECK 1
#endif
#endif

static void
process_signal_set(sigset_t *set, bool with_hup)
{
	sigemptyset(set);
	sigaddset(set, SIGTERM);
	sigaddset(set, SIGINT);
	if (with_hup) {
		sigaddset(set, SIGHUP);
	}
}

static void
process_open_standard_files(void)
{
	int fd;

	do {
		fd = open("/dev/null", O_RDWR);
	} while (fd >= 0 && fd <= STDERR_FILENO);
	if (fd >= 0) {
		close(fd);
	}
}

static void
process_raise_open_files(void)
{
	struct rlimit limit;

	if (getrlimit(RLIMIT_NOFILE, &limit) == 0) {
		limit.rlim_cur = limit.rlim_max;
		setrlimit(RLIMIT_NOFILE, &limit);
	}
}

/* The limit alone would not do: a core_pattern with a pipe is not bound by it. */
static void
process_protect_memory(void)
{
#ifndef PROCESS_LEAK_CHECK
	setrlimit(RLIMIT_CORE, &(struct rlimit){0, 0});
	prctl(PR_SET_DUMPABLE, 0, 0, 0, 0);
#endif
}

void
process_init(void)
{
	sigset_t set;

	process_signal_set(&set, true);
	pthread_sigmask(SIG_BLOCK, &set, NULL);
	signal(SIGPIPE, SIG_IGN);
	signal(SIGXFSZ, SIG_IGN); /* a file at its limit is an error like a full disk */
	process_open_standard_files();
	process_raise_open_files();
	process_protect_memory();
	prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0);
}

/* What the handler writes; set while it is not installed. */
static const char *process_last_line;

static void
process_exit_now(int number)
{
	if (process_last_line != NULL) {
		(void)!write(STDERR_FILENO, process_last_line, strlen(process_last_line));
	}
	_exit(128 + number);
}

/*
 * A handler, as the first process of a container, which a daemon may be, is
 * not ended by a signal's default action.
 */
static void
process_exit_on_next(const char *line, bool with_hup)
{
	struct sigaction action = {.sa_handler = process_exit_now};
	sigset_t set;

	process_last_line = line;
	sigaction(SIGTERM, &action, NULL);
	sigaction(SIGINT, &action, NULL);
	if (with_hup) {
		sigaction(SIGHUP, &action, NULL);
	}
	process_signal_set(&set, with_hup);
	pthread_sigmask(SIG_UNBLOCK, &set, NULL);
}

void
process_let_signals_end(const char *line, bool hangup)
{
	struct sigaction before;

	sigaction(SIGHUP, NULL, &before);
	process_exit_on_next(line, hangup && before.sa_handler != SIG_IGN);
}

void
process_keep_signals(void)
{
	sigset_t set;

	process_signal_set(&set, true);
	pthread_sigmask(SIG_BLOCK, &set, NULL);
}

enum process_event
process_wait(void)
{
	sigset_t set;
	int number;

	process_signal_set(&set, true);
	do {
		number = sigwaitinfo(&set, NULL);
	} while (number < 0);
	if (number == SIGHUP) {
		return PROCESS_RELOAD;
	}
	process_exit_on_next(NULL, false);
	return PROCESS_STOP;
}
