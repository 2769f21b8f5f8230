#include <signal.h>
#include <spawn.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include "tests/rpc_backend.h"

static const char backend_flag[] = "--backend";

/* Serves until it is killed, or its parent ends. */
void
backend_main(int argc, char **argv)
{
	struct backend *backend;

	if (argc != 3 || strcmp(argv[1], backend_flag) != 0) {
		return;
	}
	prctl(PR_SET_PDEATHSIG, SIGKILL);
	backend = backend_open(argv[2]);
	if (backend == NULL) {
		exit(1);
	}
	puts(backend_url(backend));
	fflush(stdout);
	for (;;) {
		pause();
	}
}

struct backend_process
backend_process_start(const char *url)
{
	struct backend_process process;
	char *argv[] = {(char *)"backend", (char *)backend_flag, (char *)url, NULL};
	posix_spawn_file_actions_t actions;
	ssize_t len;
	int out[2];

	if (pipe(out) != 0) {
		abort();
	}
	posix_spawn_file_actions_init(&actions);
	posix_spawn_file_actions_adddup2(&actions, out[1], STDOUT_FILENO);
	posix_spawn_file_actions_addclose(&actions, out[0]);
	posix_spawn_file_actions_addclose(&actions, out[1]);
	if (posix_spawn(&process.pid, "/proc/self/exe", &actions, NULL, argv, environ) != 0) {
		abort();
	}
	posix_spawn_file_actions_destroy(&actions);
	close(out[1]);
	len = read(out[0], process.url, sizeof(process.url) - 1);
	close(out[0]);
	if (len <= 0) {
		fprintf(stderr, "no backend on %s\n", url);
		abort();
	}
	process.url[len] = '\0';
	process.url[strcspn(process.url, "\n")] = '\0';
	return process;
}

void
backend_process_signal(const struct backend_process *process, int number)
{
	kill(process->pid, number);
}

void
backend_process_kill(struct backend_process *process)
{
	kill(process->pid, SIGKILL);
	waitpid(process->pid, NULL, 0);
}
