#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

#include "common/base/process.h"

#if defined(__SANITIZE_ADDRESS__)
#define LEAK_CHECK 1
#else
#define LEAK_CHECK 0
#endif

/* In a child, where cmocka's asserts have nowhere to go. */
#define CHECK(condition)                                                                           \
	do {                                                                                       \
		if (!(condition)) {                                                                \
			dprintf(                                                                   \
			    STDERR_FILENO, "%s:%d: not so: %s\n", __FILE__, __LINE__, #condition); \
			_exit(99);                                                                 \
		}                                                                                  \
	} while (0)

/* Starts body in a process of its own, which a hang would not outlive. */
static pid_t
start(void (*body)(int ready), int *ready)
{
	int ends[2];
	pid_t pid;

	assert_int_equal(pipe(ends), 0);
	pid = fork();
	assert_true(pid >= 0);
	if (pid == 0) {
		close(ends[0]);
		alarm(30);
		body(ends[1]);
		_exit(0);
	}
	close(ends[1]);
	*ready = ends[0];
	return pid;
}

static void
wait_ready(int ready)
{
	char byte;

	assert_int_equal(read(ready, &byte, 1), 1);
	close(ready);
}

static void
assert_exit(pid_t pid, int status)
{
	int got;

	assert_int_equal(waitpid(pid, &got, 0), pid);
	assert_true(WIFEXITED(got));
	assert_int_equal(WEXITSTATUS(got), status);
}

static void
run(void (*body)(int ready))
{
	int ready;
	pid_t pid = start(body, &ready);

	assert_exit(pid, 0);
	close(ready);
}

static void
check_limits(int ready)
{
	struct rlimit files = {16, 64};
	struct rlimit core;

	(void)ready;
	CHECK(setrlimit(RLIMIT_NOFILE, &files) == 0);
	process_init();
	CHECK(getrlimit(RLIMIT_NOFILE, &files) == 0);
	CHECK(files.rlim_cur == 64 && files.rlim_max == 64);
	CHECK(prctl(PR_GET_NO_NEW_PRIVS, 0, 0, 0, 0) == 1);
	if (!LEAK_CHECK) {
		CHECK(getrlimit(RLIMIT_CORE, &core) == 0);
		CHECK(core.rlim_cur == 0 && core.rlim_max == 0);
		CHECK(prctl(PR_GET_DUMPABLE, 0, 0, 0, 0) == 0);
	}
}

static void
init_raises_files_and_drops_privileges_and_core_dumps(void **state)
{
	(void)state;
	run(check_limits);
}

static void
check_standard_files(int ready)
{
	(void)ready;
	close(0);
	close(1);
	close(2);
	process_init();
	for (int fd = 0; fd <= 2; fd++) {
		if (fcntl(fd, F_GETFD) < 0) {
			_exit(98);
		}
	}
	if (write(STDERR_FILENO, "x", 1) != 1) {
		_exit(97);
	}
}

static void
init_opens_standard_files_that_were_closed(void **state)
{
	(void)state;
	run(check_standard_files);
}

static void
check_broken_pipe(int ready)
{
	int ends[2];

	(void)ready;
	process_init();
	CHECK(pipe(ends) == 0);
	close(ends[0]);
	CHECK(write(ends[1], "x", 1) == -1);
	CHECK(errno == EPIPE);
}

static void
a_broken_pipe_is_an_error_and_no_death(void **state)
{
	(void)state;
	run(check_broken_pipe);
}

static void
check_events(int ready)
{
	(void)ready;
	process_init();
	CHECK(kill(getpid(), SIGHUP) == 0);
	CHECK(process_wait() == PROCESS_RELOAD);
	CHECK(kill(getpid(), SIGHUP) == 0);
	CHECK(process_wait() == PROCESS_RELOAD);
	CHECK(kill(getpid(), SIGTERM) == 0);
	CHECK(process_wait() == PROCESS_STOP);
	CHECK(kill(getpid(), SIGHUP) == 0);
}

static void
hup_reloads_and_term_stops(void **state)
{
	(void)state;
	run(check_events);
}

static void
check_interrupt(int ready)
{
	(void)ready;
	process_init();
	CHECK(kill(getpid(), SIGINT) == 0);
	CHECK(process_wait() == PROCESS_STOP);
}

static void
int_stops(void **state)
{
	(void)state;
	run(check_interrupt);
}

static void *
check_mask(void *closure)
{
	sigset_t blocked;

	(void)closure;
	CHECK(pthread_sigmask(SIG_SETMASK, NULL, &blocked) == 0);
	CHECK(sigismember(&blocked, SIGTERM) == 1);
	CHECK(sigismember(&blocked, SIGINT) == 1);
	CHECK(sigismember(&blocked, SIGHUP) == 1);
	return NULL;
}

static void
check_thread(int ready)
{
	pthread_t thread;

	(void)ready;
	process_init();
	CHECK(pthread_create(&thread, NULL, check_mask, NULL) == 0);
	CHECK(pthread_join(thread, NULL) == 0);
}

static void
threads_leave_the_signals_to_main(void **state)
{
	(void)state;
	run(check_thread);
}

static void
wait_and_then_stay(int ready)
{
	process_init();
	CHECK(write(ready, "1", 1) == 1);
	CHECK(process_wait() == PROCESS_STOP);
	CHECK(write(ready, "2", 1) == 1);
	for (;;) {
		pause();
	}
}

static void
assert_second_exits(int signal_number)
{
	int ready;
	pid_t pid = start(wait_and_then_stay, &ready);
	char byte;

	assert_int_equal(read(ready, &byte, 1), 1);
	assert_int_equal(kill(pid, SIGTERM), 0);
	wait_ready(ready);
	assert_int_equal(kill(pid, SIGHUP), 0);
	assert_int_equal(kill(pid, signal_number), 0);
	assert_exit(pid, 128 + signal_number);
}

static void
a_second_signal_to_stop_exits_at_once(void **state)
{
	(void)state;
	assert_second_exits(SIGTERM);
	assert_second_exits(SIGINT);
}

#define LAST_LINE "stopped: nothing was lost\n"

static void
work(int ready)
{
	process_init();
	process_let_signals_end(LAST_LINE, true);
	CHECK(dup2(ready, STDERR_FILENO) == STDERR_FILENO);
	CHECK(write(ready, "1", 1) == 1);
	for (;;) {
		pause();
	}
}

static void
work_under_nohup(int ready)
{
	signal(SIGHUP, SIG_IGN);
	work(ready);
}

static void
assert_last_line(int ready)
{
	char text[128] = "";
	ssize_t got, len = 0;

	while ((got = read(ready, text + len, sizeof(text) - 1 - (size_t)len)) > 0) {
		len += got;
	}
	close(ready);
	assert_string_equal(text, LAST_LINE);
}

static void
signals_end_work_that_can_be_cut_off(void **state)
{
	static const int signals[] = {SIGTERM, SIGINT, SIGHUP, SIGTERM};
	char byte;

	(void)state;
	for (int i = 0; i < 4; i++) {
		int ready;
		pid_t pid = start(i < 3 ? work : work_under_nohup, &ready);

		assert_int_equal(read(ready, &byte, 1), 1);
		if (i == 3) {
			assert_int_equal(kill(pid, SIGHUP), 0);
		}
		assert_int_equal(kill(pid, signals[i]), 0);
		assert_last_line(ready);
		assert_exit(pid, 128 + signals[i]);
	}
}

static void
check_keep(int ready)
{
	(void)ready;
	process_init();
	process_let_signals_end(LAST_LINE, false);
	CHECK(kill(getpid(), SIGHUP) == 0);
	process_keep_signals();
	CHECK(kill(getpid(), SIGTERM) == 0);
	CHECK(process_wait() == PROCESS_RELOAD);
	CHECK(process_wait() == PROCESS_STOP);
}

static void
afterwards_signals_are_waited_for_again(void **state)
{
	(void)state;
	run(check_keep);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(init_raises_files_and_drops_privileges_and_core_dumps),
	    cmocka_unit_test(init_opens_standard_files_that_were_closed),
	    cmocka_unit_test(a_broken_pipe_is_an_error_and_no_death),
	    cmocka_unit_test(hup_reloads_and_term_stops),
	    cmocka_unit_test(int_stops),
	    cmocka_unit_test(threads_leave_the_signals_to_main),
	    cmocka_unit_test(a_second_signal_to_stop_exits_at_once),
	    cmocka_unit_test(signals_end_work_that_can_be_cut_off),
	    cmocka_unit_test(afterwards_signals_are_waited_for_again),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
