/* What networks do to the connection between gatewayd and accountd. */
#include <dirent.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "common/base/clock.h"
#include "integration/json_get.h"
#include "integration/proxy.h"
#include "integration/stack.h"

#define DEADLINE_MS 1000
#define SLACK_MS    1000 /* for a machine that is busy with other tests */

static struct stack stack;
static struct http *http;
static struct proxy *proxy;
static struct process holder; /* of the network namespace */
static char namespace_dir[PATH_MAX];
static char subnet[16];
static char enter[64];
static char backends[2 * STACK_URL_MAX];
static unsigned emails;
static unsigned gatewayd_sockets;
static unsigned accountd_sockets;

/* Creates a user with an address of its own, which is number emails. */
static const struct http_answer *
create(void)
{
	char body[256];

	snprintf(body, sizeof(body),
	    "{\"accountid\":1,\"name\":\"n\",\"email\":\"%u@network.example\",\"role\":1,"
	    "\"password\":\"p\"}",
	    ++emails);
	return http_send(http, "POST /users", NULL, body);
}

/* How many users have the address of the last one created. */
static size_t
count_created(void)
{
	const struct http_answer *answer;
	char line[64];
	size_t count;
	yajl_val root;

	snprintf(line, sizeof(line), "GET /users?email=%u@network.example", emails);
	answer = http_send(http, line, NULL, NULL);
	assert_int_equal(answer->status, 200);
	root = json_parse(answer->body);
	count = json_count(root, "Users");
	yajl_tree_free(root);
	return count;
}

static void
expect(const struct http_answer *answer, int status, const char *reason)
{
	assert_int_equal(answer->curl_code, 0);
	if (answer->status != status || strstr(answer->body, reason) == NULL) {
		fail_msg("%d %s, not %d %s", answer->status, answer->body, status, reason);
	}
}

/* Neither before its time nor long after it. */
static void
expect_deadline(const struct http_answer *answer, const char *reason)
{
	expect(answer, 504, reason);
	assert_true(answer->seconds * 1000 > DEADLINE_MS - 100);
	assert_true(answer->seconds * 1000 < DEADLINE_MS + SLACK_MS);
}

static unsigned
count_sockets(const struct process *process)
{
	char path[64];
	char target[16];
	struct dirent *entry;
	unsigned count = 0;
	DIR *dir;

	snprintf(path, sizeof(path), "/proc/%d/fd", process->pid);
	dir = opendir(path);
	assert_non_null(dir);
	while ((entry = readdir(dir)) != NULL) {
		ssize_t len = readlinkat(dirfd(dir), entry->d_name, target, sizeof(target));

		count += len > 7 && memcmp(target, "socket:", 7) == 0;
	}
	closedir(dir);
	return count;
}

/* All is well: remembers what the processes hold then. */
static void
expect_well(void)
{
	stack_await(&stack, "/accountdhealth", 200);
	expect(http_send(http, "GET /accountdhealth", NULL, NULL), 200, "");
	gatewayd_sockets = count_sockets(&stack.gatewayd);
	accountd_sockets = count_sockets(&stack.accountd[0]);
}

/* All is well again: nothing died, and what was broken was cleared away. */
static void
expect_recovery(void)
{
	int64_t deadline_ns = clock_now_ns() + 30000 * CLOCK_NS_PER_MS;

	stack_await(&stack, "/accountdhealth", 200);
	expect(create(), 201, "");
	assert_int_equal(count_created(), 1);
	while (count_sockets(&stack.gatewayd) > gatewayd_sockets ||
	       count_sockets(&stack.accountd[0]) > accountd_sockets) {
		assert_true(clock_now_ns() < deadline_ns);
		nanosleep(&(struct timespec){.tv_nsec = 10 * CLOCK_NS_PER_MS}, NULL);
	}
}

static void
messages_may_come_byte_by_byte(void **state)
{
	(void)state;
	expect_well();
	proxy_set(proxy, PROXY_TRICKLE);
	for (unsigned i = 0; i < 20; i++) {
		expect(create(), 201, "");
		assert_int_equal(count_created(), 1);
	}
	expect(http_send(http, "GET /users", NULL, NULL), 200, "@network.example");
	proxy_set(proxy, PROXY_RELAY);
	expect_recovery();
}

static void
a_read_whose_reply_is_cut_is_made_again(void **state)
{
	(void)state;
	expect_well();
	expect(create(), 201, "");
	proxy_set(proxy, PROXY_CUT);
	assert_int_equal(count_created(), 1);
	expect_recovery();
}

static void
a_creation_whose_reply_is_cut_is_not_made_again(void **state)
{
	(void)state;
	expect_well();
	proxy_set(proxy, PROXY_CUT);
	expect(create(), 503, "\"reason\":\"OUTCOME_UNKNOWN\"");
	stack_await(&stack, "/accountdhealth", 200);
	assert_int_equal(count_created(), 1);
	expect_recovery();
}

static void
in_a_black_hole_requests_end_at_their_deadline(void **state)
{
	(void)state;
	expect_well();
	proxy_set(proxy, PROXY_HOLD);
	expect_deadline(http_send(http, "GET /users/1", NULL, NULL), "\"reason\":\"NOT_ANSWERED\"");
	expect_deadline(create(), "\"reason\":\"OUTCOME_UNKNOWN\"");
	proxy_set(proxy, PROXY_RELAY);
	stack_await(&stack, "/accountdhealth", 200);
	assert_true(count_created() <= 1);
	expect_recovery();
}

static void
a_half_open_connection_is_given_up_for_a_new_one(void **state)
{
	(void)state;
	expect_well();
	proxy_lose(proxy);
	expect_deadline(http_send(http, "GET /users/1", NULL, NULL), "\"reason\":\"NOT_ANSWERED\"");
	expect_recovery();
}

static void
a_refused_connection_fails_requests_at_once(void **state)
{
	const struct http_answer *answer;
	(void)state;
	expect_well();
	proxy_set(proxy, PROXY_REFUSE);
	stack_await(&stack, "/accountdhealth", 503);
	answer = http_send(http, "GET /users/1", NULL, NULL);
	expect(answer, 503, "\"reason\":\"NO_ENDPOINT\"");
	assert_non_null(http_header(answer, "retry-after"));
	assert_true(answer->seconds * 1000 < DEADLINE_MS);
	expect(create(), 503, "\"reason\":\"NO_ENDPOINT\"");
	proxy_set(proxy, PROXY_RELAY);
	stack_await(&stack, "/accountdhealth", 200);
	assert_int_equal(count_created(), 0);
	expect_recovery();
}

static void
a_black_hole_beside_one_that_answers_fails_no_read(void **state)
{
	(void)state;
	for (unsigned i = 0; i < 500; i++) {
		if (i == 100) {
			proxy_set(proxy, PROXY_HOLD);
		}
		expect(http_send(http, "GET /users?page_size=1", NULL, NULL), 200, "");
	}
	proxy_set(proxy, PROXY_RELAY);
	assert_true(process_running(&stack.gatewayd));
}

static bool run(const char *format, ...) __attribute__((format(printf, 1, 2)));

/* Runs a shell's command line; true when it succeeds. */
static bool
run(const char *format, ...)
{
	char command[1024];
	const char *argv[] = {"sh", "-c", command, NULL};
	char out[1024];
	va_list args;

	va_start(args, format);
	vsnprintf(command, sizeof(command), format, args);
	va_end(args);
	return process_run(argv, out, sizeof(out)) == 0;
}

/*
 * A network of two: a namespace, which ends with the process that holds it,
 * and a pair of virtual interfaces.
 */
static bool
make_namespace(void)
{
	const char *argv[] = {"unshare", "--net", "sleep", "infinity", NULL};
	char log[PATH_MAX + 8];

	process_make_dir(namespace_dir);
	snprintf(log, sizeof(log), "%s/log", namespace_dir);
	process_start(&holder, argv, log);
	snprintf(subnet, sizeof(subnet), "10.%d.%d", 64 + holder.pid / 256 % 128, holder.pid % 256);
	snprintf(enter, sizeof(enter), "--net=/proc/%d/ns/net", holder.pid);
	return run("until [ \"$(readlink /proc/%d/ns/net)\" != \"$(readlink /proc/self/ns/net)\" ];"
		   " do kill -0 %d || exit 1; done",
		   holder.pid, holder.pid) &&
	       run("ip link add mv%d type veth peer name eth0 netns %d", holder.pid, holder.pid) &&
	       run("ip addr add %s.1/24 dev mv%d && ip link set mv%d up", subnet, holder.pid,
		   holder.pid) &&
	       run("nsenter %s sh -c 'ip addr add %s.2/24 dev eth0 && ip link set eth0 up'", enter,
		   subnet);
}

static void
end_namespace(void)
{
	if (holder.pid != 0) {
		process_signal(&holder, SIGKILL);
		process_wait_exit(&holder, 10);
	}
	if (namespace_dir[0] != '\0') {
		process_remove_dir(namespace_dir);
		namespace_dir[0] = '\0';
	}
}

/* Packets to accountd go to a machine that is not there, and are lost. */
static void
drop_packets(bool drop)
{
	assert_true(
	    run(drop ? "ip neigh replace %s.2 lladdr 02:00:00:00:00:01 dev mv%d nud permanent"
		     : "ip neigh del %s.2 dev mv%d",
		subnet, holder.pid));
}

static void
dropped_packets_hold_no_request_past_its_deadline(void **state)
{
	(void)state;
	if (holder.pid == 0) {
		skip();
	}
	expect_well();
	drop_packets(true);
	expect_deadline(http_send(http, "GET /users/1", NULL, NULL), "\"reason\":\"NOT_ANSWERED\"");
	expect_deadline(create(), "\"reason\":\"OUTCOME_UNKNOWN\"");
	drop_packets(false);
	stack_await(&stack, "/accountdhealth", 200);
	assert_true(count_created() <= 1);
	expect_recovery();
}

static int
start_apart(void **state)
{
	static char host[32];

	(void)state;
	if (!make_namespace()) {
		print_message("SKIPPED: this user can make no network namespace\n");
		end_namespace();
		return 0;
	}
	memset(&stack, 0, sizeof(stack));
	snprintf(host, sizeof(host), "%s.2", subnet);
	stack.accountd_hosts[0] = host;
	stack.accountd_wrapper[0] = "nsenter";
	stack.accountd_wrapper[1] = enter;
	stack.gatewayd_flags[0] = "--request-timeout-ms=1000";
	stack_start(&stack);
	http = http_new(stack.url);
	return 0;
}

static void
set_up(unsigned accountd_count)
{
	memset(&stack, 0, sizeof(stack));
	stack.accountd_count = accountd_count;
	stack.gatewayd_flags[0] = "--request-timeout-ms=1000";
	for (unsigned i = 0; i < accountd_count; i++) {
		stack.accountd_ports[i] = process_free_port();
	}
	proxy = proxy_start(stack.accountd_ports[0]);
	snprintf(backends, sizeof(backends), "tcp://127.0.0.1:%u", proxy_port(proxy));
	if (accountd_count == 2) {
		size_t len = strlen(backends);

		snprintf(backends + len, sizeof(backends) - len, ",tcp://127.0.0.1:%u",
		    stack.accountd_ports[1]);
	}
	stack.backends = backends;
	stack_start(&stack);
	http = http_new(stack.url);
}

static int
start_one(void **state)
{
	(void)state;
	set_up(1);
	return 0;
}

static int
start_two(void **state)
{
	(void)state;
	set_up(2);
	return 0;
}

static int
stop(void **state)
{
	(void)state;
	http_free(&http);
	stack_stop(&stack);
	proxy_stop(&proxy);
	end_namespace();
	return 0;
}

int
main(void)
{
	const struct CMUnitTest one[] = {
	    cmocka_unit_test(messages_may_come_byte_by_byte),
	    cmocka_unit_test(a_read_whose_reply_is_cut_is_made_again),
	    cmocka_unit_test(a_creation_whose_reply_is_cut_is_not_made_again),
	    cmocka_unit_test(in_a_black_hole_requests_end_at_their_deadline),
	    cmocka_unit_test(a_half_open_connection_is_given_up_for_a_new_one),
	    cmocka_unit_test(a_refused_connection_fails_requests_at_once),
	};
	const struct CMUnitTest two[] = {
	    cmocka_unit_test(a_black_hole_beside_one_that_answers_fails_no_read),
	};
	const struct CMUnitTest apart[] = {
	    cmocka_unit_test(dropped_packets_hold_no_request_past_its_deadline),
	};
	int failed = cmocka_run_group_tests(one, start_one, stop);

	stack_kill(&stack);
	failed += cmocka_run_group_tests(two, start_two, stop);
	stack_kill(&stack);
	failed += cmocka_run_group_tests(apart, start_apart, stop);
	stack_kill(&stack);
	end_namespace();
	return failed;
}
