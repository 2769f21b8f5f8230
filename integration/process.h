/*
 * Programs that a test starts: run in the background, waited for, stopped,
 * their output kept in a file. Failures to start fail the running test.
 */
#ifndef INTEGRATION_PROCESS_H
#define INTEGRATION_PROCESS_H

#include <limits.h>
#include <stdbool.h>
#include <stddef.h>
#include <sys/types.h>

struct process {
	pid_t pid; /* 0: not running */
	char log[PATH_MAX];
};

#define PROCESS_ARGS_MAX 64

/*
 * The path of a program of the variant that this test was built as, such as
 * "accountd". Static memory of the calling thread.
 */
const char *process_program(const char *name);

/* Starts argv (NULL-terminated), its standard output and error in log. */
void process_start(struct process *process, const char *const *argv, const char *log);

/*
 * Waits until the process ends: its exit status, or 128 plus the signal that
 * killed it. Fails the test after timeout_s.
 */
int process_wait_exit(struct process *process, int timeout_s);

/* True while it runs; reaps it if it has ended by itself. */
bool process_running(struct process *process);

/* After SIGSTOP it returns when all threads of the process stand. */
void process_signal(struct process *process, int signal);

/* Waits until none of them (NULL-terminated) has used a processor for a while. */
void process_await_idle(struct process *const *processes);

/* The most memory that it ever held, in KiB (VmHWM), and what it holds now (VmRSS). */
long process_peak_kib(const struct process *process);
long process_memory_kib(const struct process *process);

/* Sends SIGTERM if it still runs and gives its exit status. */
int process_stop(struct process *process);

/* Runs argv to its end: exit status, and output into out (NUL-terminated). */
int process_run(const char *const *argv, char *out, size_t size);

/* The whole of a file, NUL-terminated, to be freed by the caller. */
char *process_read_file(const char *path);

/* Writes a file of a folder, below which name is; its path, in static memory until the next. */
const char *process_write_file(const char *dir, const char *name, const char *text);

/* Where the log ends now, for process_log_has and process_await_log. */
long process_log_mark(const struct process *process);

/* True when text stands in the log after mark. */
bool process_log_has(const struct process *process, long mark, const char *text);

/* Waits for that; fails the test after 30 s. */
void process_await_log(const struct process *process, long mark, const char *text);

/* Writes the last lines of the log to standard error, for a test that failed. */
void process_print_log(const struct process *process);

/* A TCP port on 127.0.0.1 that nobody listens on now. */
unsigned process_free_port(void);

/* A new folder for a test, by mkdtemp below TMPDIR; remove with process_remove_dir. */
void process_make_dir(char dir[PATH_MAX]);
void process_remove_dir(const char *dir);

#endif
