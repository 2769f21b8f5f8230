/*
 * gatewayd finds accountd by a name: those that appear get their share, those
 * that leave get no more calls, and no request notices. The name stands in a
 * hosts file of gatewayd's own.
 */
#include <arpa/inet.h>
#include <netinet/in.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#include <cmocka.h>

#include "common/base/clock.h"
#include "integration/load.h"
#include "integration/suite.h"

#define CLIENTS    8
#define NAME       "accountd.test"
#define SILENT     "127.0.0.53"
#define ROUND      400 /* requests */
#define ROUNDS_MAX 200

static char dir[PATH_MAX];
static char hosts[PATH_MAX + 8];
static char bind_hosts[2 * PATH_MAX];
static char backends[STACK_URL_MAX];
static struct stack stack = {
    .store = STACK_MYSQL,
    .accountd_count = 3,
    .accountd_flags = {"--log-level=debug"},
    .accountd_hosts = {"127.0.0.1", "127.0.0.2", "127.0.0.3"},
    .gatewayd_flags = {"--resolve-interval-ms=200"},
    .backends = backends,
};
static struct load *load;

/* In one write to the file itself, which gatewayd has mounted. */
static void
write_hosts(bool first, bool second, bool third)
{
	const bool named[] = {first, second, third};
	char text[256] = "";

	for (size_t i = 0; i < 3; i++) {
		if (named[i]) {
			size_t len = strlen(text);

			snprintf(text + len, sizeof(text) - len, "%s " NAME "\n",
			    stack.accountd_hosts[i]);
		}
	}
	process_write_file(dir, "hosts", text);
}

/* How many calls each answers while the gateway answers ROUND requests. */
static void
count_round(unsigned counts[3])
{
	char *texts[3];
	long marks[3];

	for (unsigned i = 0; i < 3; i++) {
		marks[i] = process_log_mark(&stack.accountd[i]);
	}
	load_await(load, ROUND);
	for (unsigned i = 0; i < 3; i++) {
		counts[i] = 0;
		texts[i] = process_read_file(stack.accountd[i].log);
		for (const char *at = texts[i] + marks[i];
		     (at = strstr(at, "\"method\":\"account.v1.UserService/")) != NULL; at++) {
			counts[i]++;
		}
		free(texts[i]);
	}
}

/* Until those that are named, and only those, answer calls, each a fair part of them. */
static void
await_shares(bool first, bool second, bool third)
{
	const bool named[] = {first, second, third};
	unsigned counts[3];

	for (unsigned round = 0; round < ROUNDS_MAX; round++) {
		bool fair = true;

		count_round(counts);
		for (unsigned i = 0; i < 3; i++) {
			fair &= named[i] ? counts[i] > ROUND / 10 : counts[i] == 0;
		}
		if (fair) {
			print_message("%u, %u and %u calls\n", counts[0], counts[1], counts[2]);
			return;
		}
	}
	fail_msg("%u, %u and %u calls", counts[0], counts[1], counts[2]);
}

static void
those_that_are_named_get_the_calls(void **state)
{
	(void)state;
	load = load_start(stack.url, CLIENTS);
	await_shares(true, true, false);
	write_hosts(true, true, true);
	await_shares(true, true, true);
	write_hosts(false, true, true);
	await_shares(false, true, true);
	write_hosts(false, false, false); /* a name that is not found changes nothing */
	await_shares(false, true, true);
	assert_int_equal(process_stop(&stack.accountd[0]), 0);
	load_stop(load);
	load_print(load);
	load_check_none_failed(load);
	load_check(load);
}

/* The port of name servers at an address of the loopback, where nobody answers. */
static int
open_silent_name_server(void)
{
	struct sockaddr_in address = {.sin_family = AF_INET, .sin_port = htons(53)};
	int fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	struct timeval patience = {.tv_sec = 30};

	assert_true(fd >= 0);
	assert_int_equal(inet_pton(AF_INET, SILENT, &address.sin_addr), 1);
	assert_int_equal(setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof(patience)), 0);
	if (bind(fd, (struct sockaddr *)&address, sizeof(address)) != 0) {
		fail_msg("no name server can be at " SILENT);
	}
	return fd;
}

/* gatewayd stops while it looks names up, which would take minutes. */
static void
a_silent_name_server_delays_no_stop(void **state)
{
	static const char resolver[] = "nameserver " SILENT "\noptions timeout:30 attempts:5\n";
	char script[3 * PATH_MAX];
	char listen[64];
	char log[PATH_MAX + 16];
	char question[512];
	const char *argv[] = {"unshare", "--mount", "sh", "-c", script, process_program("gatewayd"),
	    listen, "--backends=dns:///silent.test:1,tcp://mute.test:2", "--admin-listen=off",
	    NULL};
	struct process gatewayd = {0};
	int fd = open_silent_name_server();

	(void)state;
	snprintf(log, sizeof(log), "%s/silent.log", dir);
	snprintf(listen, sizeof(listen), "--listen=127.0.0.1:%u", process_free_port());
	snprintf(script, sizeof(script),
	    "mount --bind '%s' /etc/resolv.conf && mount --bind '%s' /etc/hosts && exec \"$0\" "
	    "\"$@\"",
	    process_write_file(dir, "resolv.conf", resolver), hosts);
	process_start(&gatewayd, argv, log);
	assert_true(recv(fd, question, sizeof(question), 0) > 0);
	process_signal(&gatewayd, SIGTERM);
	assert_int_equal(process_wait_exit(&gatewayd, 60), 0);
	close(fd);
}

static void
configure(void)
{
	unsigned port = process_free_port();

	process_make_dir(dir);
	snprintf(hosts, sizeof(hosts), "%s/hosts", dir);
	write_hosts(true, true, false);
	snprintf(bind_hosts, sizeof(bind_hosts),
	    "mount --bind '%s' /etc/hosts && exec \"$0\" \"$@\"", hosts);
	stack.gatewayd_wrapper[0] = "unshare";
	stack.gatewayd_wrapper[1] = "--mount";
	stack.gatewayd_wrapper[2] = "sh";
	stack.gatewayd_wrapper[3] = "-c";
	stack.gatewayd_wrapper[4] = bind_hosts;
	for (unsigned i = 0; i < 3; i++) {
		stack.accountd_ports[i] = port;
	}
	snprintf(backends, sizeof(backends), "dns:///" NAME ":%u", port);
}

static void
finish(void)
{
	load_free(&load);
	process_remove_dir(dir);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(those_that_are_named_get_the_calls),
	    cmocka_unit_test(a_silent_name_server_delays_no_stop),
	};

	if (system("unshare --mount mount --bind /etc/hosts /etc/hosts 2>/dev/null") != 0) {
		puts("1..0 # SKIP a hosts file of its own needs root and mount namespaces");
		return 0;
	}
	return suite_run(&(struct suite){.stack = &stack,
	    .configure = configure,
	    .finish = finish,
	    .tests = tests,
	    .test_count = sizeof(tests) / sizeof(tests[0])});
}
