#include "integration/stack.h"

#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include <cmocka.h>

#include "common/base/clock.h"

#define STACK_PATIENCE_NS (30000 * CLOCK_NS_PER_MS)

/* argv under construction; flags hold the text of those that vary. */
struct stack_command {
	const char *argv[PROCESS_ARGS_MAX];
	char flags[8][PATH_MAX + 64];
	unsigned argc;
	unsigned flag_count;
};

static void stack_arg(struct stack_command *command, const char *format, ...)
    __attribute__((format(printf, 2, 3)));

static void
stack_arg(struct stack_command *command, const char *format, ...)
{
	char *flag = command->flags[command->flag_count++];
	va_list args;

	assert_true(command->flag_count <= 8);
	va_start(args, format);
	vsnprintf(flag, sizeof(command->flags[0]), format, args);
	va_end(args);
	command->argv[command->argc++] = flag;
}

static void
stack_args(struct stack_command *command, const char *const *flags)
{
	for (; *flags != NULL; flags++) {
		command->argv[command->argc++] = *flags;
	}
}

static void
stack_write_secrets(const struct stack *stack)
{
	char path[PATH_MAX + 64];

	snprintf(path, sizeof(path), "%s/secrets", stack->dir);
	assert_int_equal(mkdir(path, 0700), 0);
	process_write_file(path, "dbuser", MARIADB_USER);
	process_write_file(path, "dbpassword", MARIADB_PASSWORD);
}

/* The flags that say where the store is. */
static void
stack_store_args(struct stack *stack, struct stack_command *command)
{
	if (stack->store == STACK_SQLITE) {
		stack_arg(command, "--store=sqlite:%s/accountd.db", stack->dir);
		return;
	}
	stack_arg(command, "--store=mysql");
	stack_arg(command, "--db-host=%s", MARIADB_HOST);
	stack_arg(command, "--db-port=%u", stack->mariadb.port);
	stack_arg(command, "--db-name=%s", MARIADB_DATABASE);
	stack_arg(command, "--secrets-dir=%s/secrets", stack->dir);
	stack_arg(command, "--db-connect-timeout-ms=20000"); /* tests share processors */
}

static void
stack_admin_arg(struct stack_command *command, unsigned port)
{
	if (port != 0) {
		stack_arg(command, "--admin-listen=127.0.0.1:%u", port);
	}
}

static const char *
stack_service(const struct stack *stack)
{
	return stack->service == NULL ? "accountd" : stack->service;
}

void
stack_migrate(struct stack *stack)
{
	struct stack_command command = {0};
	char out[8192];

	command.argv[command.argc++] = process_program(stack_service(stack));
	command.argv[command.argc++] = "migrate";
	stack_store_args(stack, &command);
	if (process_run(command.argv, out, sizeof(out)) != 0) {
		fail_msg("accountd migrate: %s", out);
	}
}

void
stack_accountd_url(const struct stack *stack, unsigned index, char url[STACK_URL_MAX])
{
	const char *host = stack->accountd_hosts[index];

	snprintf(url, STACK_URL_MAX, "%s%s:%u",
	    stack->accountd_scheme == NULL ? "tcp://" : stack->accountd_scheme,
	    host == NULL ? "127.0.0.1" : host, stack->accountd_ports[index]);
}

void
stack_start_accountd(struct stack *stack, unsigned index)
{
	struct stack_command command = {0};
	char program[PATH_MAX];
	char log[PATH_MAX + 32];
	char url[STACK_URL_MAX];

	snprintf(program, sizeof(program), "%s", process_program(stack_service(stack)));
	stack_args(&command, stack->accountd_wrapper);
	command.argv[command.argc++] = program;
	stack_accountd_url(stack, index, url);
	stack_arg(&command, "--listen=%s", url);
	stack_store_args(stack, &command);
	if (stack->service == NULL) {
		command.argv[command.argc++] = "--hash-mem-kib=8";
		command.argv[command.argc++] = "--hash-passes=1";
	}
	if (index == 0) {
		stack_admin_arg(&command, stack->accountd_admin_port);
	}
	stack_args(&command, stack->accountd_flags);
	snprintf(log, sizeof(log), "%s/accountd%u.log", stack->dir, index);
	process_start(&stack->accountd[index], command.argv, log);
}

/* The URLs of every accountd, with commas. */
static void
stack_backends(const struct stack *stack, char *backends, size_t size)
{
	char url[STACK_URL_MAX];

	*backends = '\0';
	for (unsigned i = 0; i < stack->accountd_count; i++) {
		size_t len = strlen(backends);

		stack_accountd_url(stack, i, url);
		snprintf(backends + len, size - len, "%s%s", i == 0 ? "" : ",", url);
	}
}

void
stack_start_gatewayd(struct stack *stack)
{
	struct stack_command command = {0};
	char program[PATH_MAX];
	char backends[256];
	char log[PATH_MAX + 32];

	stack_backends(stack, backends, sizeof(backends));
	snprintf(program, sizeof(program), "%s", process_program("gatewayd"));
	stack_args(&command, stack->gatewayd_wrapper);
	command.argv[command.argc++] = program;
	stack_arg(&command, "--listen=%s:%u",
	    stack->gatewayd_host == NULL ? "127.0.0.1" : stack->gatewayd_host, stack->port);
	stack_arg(&command, "--backends=%s", stack->backends == NULL ? backends : stack->backends);
	stack_admin_arg(&command, stack->gatewayd_admin_port);
	stack_args(&command, stack->gatewayd_flags);
	snprintf(log, sizeof(log), "%s/gatewayd.log", stack->dir);
	process_start(&stack->gatewayd, command.argv, log);
}

/* Fails the test, with what they logged, when a process has ended by itself. */
static void
stack_check_alive(struct stack *stack)
{
	for (unsigned i = 0; i < stack->accountd_count; i++) {
		if (stack->accountd[i].pid != 0 && !process_running(&stack->accountd[i])) {
			process_print_log(&stack->accountd[i]);
			fail_msg("accountd %u ended by itself", i);
		}
	}
	if (stack->gatewayd.pid != 0 && !process_running(&stack->gatewayd)) {
		process_print_log(&stack->gatewayd);
		fail_msg("gatewayd ended by itself");
	}
}

void
stack_await(struct stack *stack, const char *path, int status)
{
	int64_t deadline_ns = clock_now_ns() + STACK_PATIENCE_NS;
	struct http *http = http_new(stack->url);
	char line[256];
	int last;

	snprintf(line, sizeof(line), "GET %s", path);
	http_set_timeout(http, 5000);
	while ((last = http_send(http, line, NULL, NULL)->status) != status) {
		stack_check_alive(stack);
		if (clock_now_ns() > deadline_ns) {
			process_print_log(&stack->accountd[0]);
			process_print_log(&stack->gatewayd);
			fail_msg("%s answers %d, not %d", line, last, status);
		}
		nanosleep(&(struct timespec){.tv_nsec = 10 * CLOCK_NS_PER_MS}, NULL);
	}
	http_free(&http);
}

void
stack_start(struct stack *stack)
{
	process_make_dir(stack->dir);
	if (stack->accountd_count == 0) {
		stack->accountd_count = 1;
	}
	if (stack->store == STACK_MYSQL) {
		stack_write_secrets(stack);
		assert_true(mariadb_start(&stack->mariadb));
		assert_true(
		    stack->first_sql == NULL ||
		    mariadb_sql(&stack->mariadb, MARIADB_DATABASE, stack->first_sql, NULL, 0));
		stack_migrate(stack);
	}
	for (unsigned i = 0; i < stack->accountd_count; i++) {
		if (stack->accountd_ports[i] == 0) {
			stack->accountd_ports[i] = process_free_port();
		}
		stack_start_accountd(stack, i);
	}
	stack->port = process_free_port();
	snprintf(stack->url, sizeof(stack->url), "http://127.0.0.1:%u", stack->port);
	stack_start_gatewayd(stack);
	stack_await(stack, stack->await == NULL ? "/accountdhealth" : stack->await, 200);
}

/* cmocka does not count what fails in the teardown of a group, where stacks are stopped. */
static void
stack_exit_failed(void)
{
	fflush(NULL);
	_exit(1);
}

static void
stack_stop_process(struct process *process, const char *name)
{
	int status;

	if (process->pid == 0) {
		return;
	}
	status = process_stop(process);
	if (status != 0) {
		process_print_log(process);
		atexit(stack_exit_failed);
		fail_msg("%s ended with status %d", name, status);
	}
}

void
stack_stop(struct stack *stack)
{
	stack_stop_process(&stack->gatewayd, "gatewayd");
	for (unsigned i = 0; i < stack->accountd_count; i++) {
		stack_stop_process(&stack->accountd[i], "accountd");
	}
	stack_kill(stack);
}

void
stack_kill(struct stack *stack)
{
	if (stack->gatewayd.pid != 0) {
		process_signal(&stack->gatewayd, SIGKILL);
		process_wait_exit(&stack->gatewayd, 10);
	}
	for (unsigned i = 0; i < stack->accountd_count; i++) {
		if (stack->accountd[i].pid != 0) {
			process_signal(&stack->accountd[i], SIGKILL);
			process_wait_exit(&stack->accountd[i], 10);
		}
	}
	mariadb_stop(&stack->mariadb);
	if (stack->dir[0] != '\0') {
		process_remove_dir(stack->dir);
		stack->dir[0] = '\0';
	}
}
