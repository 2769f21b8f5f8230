#include "integration/process.h"

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <ftw.h>
#include <netinet/in.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/random.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include <cmocka.h>

#include "common/base/clock.h"

/* Below the range from which the system gives ports to outgoing connections. */
#define PORT_FIRST      20000
#define PORT_COUNT      12000

#define IDLE_LOOKS      60

#define LOG_TAIL_BYTES  4000
#define LOG_PATIENCE_NS (30000 * CLOCK_NS_PER_MS)

static void
process_pause(void)
{
	nanosleep(&(struct timespec){.tv_nsec = 5 * CLOCK_NS_PER_MS}, NULL);
}

const char *
process_program(const char *name)
{
	static _Thread_local char path[PATH_MAX];
	char self[PATH_MAX];
	ssize_t len = readlink("/proc/self/exe", self, sizeof(self) - 1);
	char *slash;

	assert_true(len > 0);
	self[len] = '\0';
	for (int up = 0; up < 2; up++) {
		slash = strrchr(self, '/');
		assert_non_null(slash);
		*slash = '\0';
	}
	assert_true(snprintf(path, sizeof(path), "%s/%s", self, name) < (int)sizeof(path));
	return path;
}

/* Of the child: never returns. */
static void
process_exec(const char *const *argv, const char *log)
{
	int fd = open(log, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0600);
	sigset_t none;

	prctl(PR_SET_PDEATHSIG, SIGKILL);
	setenv("MOCKVIDEO_ADMIN_LISTEN", "off", 1); /* a flag says otherwise */
	sigemptyset(&none);
	sigprocmask(SIG_SETMASK, &none, NULL);
	if (fd >= 0 && dup2(fd, STDOUT_FILENO) >= 0 && dup2(fd, STDERR_FILENO) >= 0) {
		execvp(argv[0], (char *const *)(uintptr_t)argv);
	}
	dprintf(STDERR_FILENO, "%s: %s\n", argv[0], strerror(errno));
	_exit(127);
}

void
process_start(struct process *process, const char *const *argv, const char *log)
{
	assert_true(
	    snprintf(process->log, sizeof(process->log), "%s", log) < (int)sizeof(process->log));
	process->pid = fork();
	assert_true(process->pid >= 0);
	if (process->pid == 0) {
		process_exec(argv, log);
	}
}

/* The exit status if the process has ended, else -1. */
static int
process_reap(struct process *process)
{
	int status;
	pid_t pid = waitpid(process->pid, &status, WNOHANG);

	assert_true(pid >= 0);
	if (pid == 0) {
		return -1;
	}
	process->pid = 0;
	return WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
}

int
process_wait_exit(struct process *process, int timeout_s)
{
	int64_t deadline_ns = clock_now_ns() + timeout_s * 1000 * CLOCK_NS_PER_MS;
	int status;

	while ((status = process_reap(process)) < 0) {
		if (clock_now_ns() > deadline_ns) {
			process_print_log(process);
			fail_msg("process %d did not end in %d s", process->pid, timeout_s);
		}
		process_pause();
	}
	return status;
}

bool
process_running(struct process *process)
{
	return process->pid != 0 && process_reap(process) < 0;
}

void
process_signal(struct process *process, int signal)
{
	siginfo_t info;

	assert_true(process->pid > 0);
	assert_int_equal(kill(process->pid, signal), 0);
	if (signal == SIGSTOP) {
		assert_int_equal(
		    waitid(P_PID, (id_t)process->pid, &info, WSTOPPED | WEXITED | WNOWAIT), 0);
	}
}

/* Clock ticks that it has run, on any processor. */
static unsigned long
process_ticks(const struct process *process)
{
	char path[64];
	char *text;
	char *at;
	unsigned long user = 0;
	unsigned long system = 0;

	snprintf(path, sizeof(path), "/proc/%d/stat", process->pid);
	text = process_read_file(path);
	at = strrchr(text, ')');
	if (at != NULL) {
		sscanf(at, ") %*c %*d %*d %*d %*d %*d %*u %*u %*u %*u %*u %lu %lu", &user, &system);
	}
	free(text);
	return user + system;
}

void
process_await_idle(struct process *const *processes)
{
	int64_t deadline_ns = clock_now_ns() + LOG_PATIENCE_NS;
	unsigned long last = 0;

	for (int looks = 0; looks < IDLE_LOOKS; looks++) {
		unsigned long ticks = 0;

		for (size_t i = 0; processes[i] != NULL; i++) {
			ticks += process_ticks(processes[i]);
		}
		/* The odd tick is a timer's or a probe's. */
		if (ticks > last + 1) {
			looks = 0;
			last = ticks;
		}
		if (clock_now_ns() > deadline_ns) {
			fail_msg("process %d and others never rest", processes[0]->pid);
		}
		process_pause();
	}
}

static long
read_status_kib(const struct process *process, const char *key)
{
	char path[64];
	char *text;
	char *at;
	long kib;

	snprintf(path, sizeof(path), "/proc/%d/status", process->pid);
	text = process_read_file(path);
	at = strstr(text, key);
	assert_non_null(at);
	kib = strtol(at + strlen(key), NULL, 10);
	free(text);
	return kib;
}

long
process_peak_kib(const struct process *process)
{
	return read_status_kib(process, "VmHWM:");
}

long
process_memory_kib(const struct process *process)
{
	return read_status_kib(process, "VmRSS:");
}

int
process_stop(struct process *process)
{
	process_signal(process, SIGTERM);
	return process_wait_exit(process, 60);
}

int
process_run(const char *const *argv, char *out, size_t size)
{
	struct process process;
	char dir[PATH_MAX];
	char log[PATH_MAX + 8];
	char *text;
	int status;

	process_make_dir(dir);
	snprintf(log, sizeof(log), "%s/out", dir);
	process_start(&process, argv, log);
	status = process_wait_exit(&process, 120);
	text = process_read_file(log);
	snprintf(out, size, "%s", text);
	free(text);
	process_remove_dir(dir);
	return status;
}

char *
process_read_file(const char *path)
{
	FILE *file = fopen(path, "r");
	char *text = NULL;
	size_t size = 0;

	if (file == NULL || getdelim(&text, &size, '\0', file) < 0) {
		free(text);
		text = strdup("");
	}
	if (file != NULL) {
		fclose(file);
	}
	assert_non_null(text);
	return text;
}

const char *
process_write_file(const char *dir, const char *name, const char *text)
{
	static char path[PATH_MAX + 64];
	FILE *file;

	snprintf(path, sizeof(path), "%s/%s", dir, name);
	file = fopen(path, "we");
	assert_non_null(file);
	fputs(text, file);
	assert_int_equal(fclose(file), 0);
	return path;
}

long
process_log_mark(const struct process *process)
{
	struct stat file;

	return stat(process->log, &file) == 0 ? (long)file.st_size : 0;
}

bool
process_log_has(const struct process *process, long mark, const char *text)
{
	FILE *file = fopen(process->log, "r");
	char *line = NULL;
	size_t size = 0;
	bool found = false;

	assert_non_null(file);
	assert_int_equal(fseek(file, mark, SEEK_SET), 0);
	while (!found && getline(&line, &size, file) >= 0) {
		found = strstr(line, text) != NULL;
	}
	free(line);
	fclose(file);
	return found;
}

void
process_await_log(const struct process *process, long mark, const char *text)
{
	int64_t deadline_ns = clock_now_ns() + LOG_PATIENCE_NS;

	while (!process_log_has(process, mark, text)) {
		if (clock_now_ns() > deadline_ns) {
			process_print_log(process);
			fail_msg("%s does not say %s", process->log, text);
		}
		process_pause();
	}
}

void
process_print_log(const struct process *process)
{
	char *text = process_read_file(process->log);
	size_t len = strlen(text);

	fprintf(stderr, "--- end of %s\n%s\n---\n", process->log,
	    len > LOG_TAIL_BYTES ? text + len - LOG_TAIL_BYTES : text);
	free(text);
}

static bool
process_port_is_free(unsigned port)
{
	struct sockaddr_in address = {.sin_family = AF_INET, .sin_port = htons((uint16_t)port)};
	int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
	bool bound;

	assert_true(fd >= 0);
	address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
	bound = bind(fd, (struct sockaddr *)&address, sizeof(address)) == 0;
	close(fd);
	return bound;
}

unsigned
process_free_port(void)
{
	unsigned port;

	do {
		assert_int_equal(getrandom(&port, sizeof(port), 0), sizeof(port));
		port = PORT_FIRST + port % PORT_COUNT;
	} while (!process_port_is_free(port));
	return port;
}

void
process_make_dir(char dir[PATH_MAX])
{
	const char *parent = getenv("TMPDIR");

	snprintf(dir, PATH_MAX, "%s/mv-XXXXXX", parent == NULL ? "/tmp" : parent);
	assert_non_null(mkdtemp(dir));
}

static int
process_remove_one(const char *path, const struct stat *stat, int type, struct FTW *walk)
{
	(void)stat;
	(void)type;
	(void)walk;
	return remove(path);
}

void
process_remove_dir(const char *dir)
{
	nftw(dir, process_remove_one, 16, FTW_DEPTH | FTW_PHYS);
}
