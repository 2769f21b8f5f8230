/*
 * What a daemon sets up with the operating system: signals, limits, and fewer
 * privileges. Called by main, in the main thread.
 */
#ifndef COMMON_PROCESS_H
#define COMMON_PROCESS_H

#include <stdbool.h>

enum process_event {
	PROCESS_STOP,  /* SIGTERM or SIGINT: finish what runs, then exit */
	PROCESS_RELOAD /* SIGHUP: read the configuration again */
};

/*
 * To be called first, before any thread is started and any file is opened:
 *
 * - SIGTERM, SIGINT and SIGHUP are blocked in this thread and so in all that
 *   are started from it; they wait for process_wait. SIGPIPE and SIGXFSZ are ignored.
 * - Descriptors 0 to 2 are open: on /dev/null where they were closed, so
 *   that no log line ends up in a socket.
 * - The limit of open files is raised as far as it may be.
 * - No program run from this one can gain privileges, and the memory, which
 *   holds secrets, is written to no core dump and read by no debugger of the
 *   same user. Builds with AddressSanitizer leave the latter out, whose leak
 *   check is such a debugger.
 *
 * What the platform refuses is skipped: none of it is necessary to serve.
 */
void process_init(void);

/*
 * Waits for the next event. Once PROCESS_STOP was returned, a further SIGTERM
 * or SIGINT ends the process at once, with status 128 plus its number, and
 * SIGHUP has no effect.
 */
enum process_event process_wait(void);

/*
 * From now on SIGTERM and SIGINT end the process at once, with status 128 plus
 * the number; with hangup so does SIGHUP, unless it was ignored when the
 * process was started, as by nohup. line, which is borrowed, is written to
 * standard error before; NULL: nothing. For work that can be cut off at any
 * point. Threads that are started meanwhile must block the signals themselves.
 */
void process_let_signals_end(const char *line, bool hangup);

/* Lets signals wait for process_wait again. */
void process_keep_signals(void);

#endif
