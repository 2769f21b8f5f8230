/*
 * Connections between gatewayd and accountd that end after a random number of
 * bytes in either direction, all the time and under load, by TCP and by TLS.
 * Afterwards nothing is held that was not held before. SOAK_SECONDS in the
 * environment says how long this takes in all.
 */
#include <pthread.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include <cmocka.h>

#include "common/base/clock.h"
#include "integration/load.h"
#include "integration/proxy.h"
#include "integration/scrape.h"
#include "integration/stack.h"
#include "tests/certificate.h"

#define SECONDS     30
#define CLIENTS     16
#define PROXIES     8
#define TURN        50 /* requests that succeed */
#define ALL_EACH    32 /* turns */
#define DEADLINE_MS 1000
#define EXIT_MS     1000
#define SLACK_MS    1000        /* for a machine that is busy with other tests */
#define HEAP_KIB    1024        /* more than before: what connections and threads keep for reuse */
#define MARGIN_KIB  (16 * 1024) /* the same of resident memory, of which malloc keeps some */
#define FLAGS       8
#define PULSE_MS    10

/* The sanitizers keep for a while what was freed, and slow down an exit. */
#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
#define SANITIZED true
#else
#define SANITIZED false
#endif

/* One of the two programs, and what it held when only health was asked for. */
struct observed {
	const char *name;
	struct process *process;
	unsigned port; /* of its administration */
	struct http *admin;
	double descriptors;
	double heap_kib;
	double resident_kib;
};

static struct stack stack;
static struct proxy *proxies[PROXIES];
static struct load *load;
static char backends[PROXIES * STACK_URL_MAX];
static char dir[PATH_MAX];
static char texts[FLAGS][PATH_MAX + 32];
static size_t text_count;
static pthread_t pulse;
static atomic_bool pulse_stopping;
static int64_t pulse_late_ms; /* of the thread while it runs */
static struct observed accountd = {.name = "accountd", .process = &stack.accountd[0]};
static struct observed gatewayd = {.name = "gatewayd", .process = &stack.gatewayd};

/* Sleeps again and again, to learn for how long the machine gave no time to anybody. */
static void *
pulse_run(void *closure)
{
	(void)closure;
	while (!atomic_load(&pulse_stopping)) {
		int64_t begun_ns = clock_now_ns();
		int64_t late_ms;

		nanosleep(&(struct timespec){.tv_nsec = PULSE_MS * CLOCK_NS_PER_MS}, NULL);
		late_ms = (clock_now_ns() - begun_ns) / CLOCK_NS_PER_MS - PULSE_MS;
		if (late_ms > pulse_late_ms) {
			pulse_late_ms = late_ms;
		}
	}
	return NULL;
}

static void
pulse_start(void)
{
	pulse_late_ms = 0;
	atomic_store(&pulse_stopping, false);
	assert_int_equal(pthread_create(&pulse, NULL, pulse_run, NULL), 0);
}

static void
pulse_stop(void)
{
	atomic_store(&pulse_stopping, true);
	pthread_join(pulse, NULL);
}

static void
set_proxies(enum proxy_mode mode)
{
	for (unsigned i = 0; i < PROXIES; i++) {
		proxy_set(proxies[i], mode);
	}
}

/* Two of the connections are cut, others serve; now and then all of them are cut. */
static void
take_turn(unsigned turn)
{
	for (unsigned i = 0; i < PROXIES; i++) {
		bool cut = turn % ALL_EACH == 0 || i == turn % PROXIES || i == turn / 2 % PROXIES;

		proxy_set(proxies[i], cut ? PROXY_CHOP : PROXY_RELAY);
	}
}

static unsigned
count_cuts(void)
{
	unsigned cuts = 0;

	for (unsigned i = 0; i < PROXIES; i++) {
		cuts += proxy_cuts(proxies[i]);
	}
	return cuts;
}

/* Each request was answered, by its deadline, and nothing that was acknowledged is missing. */
static void
check_load(void)
{
	const struct load_failure *failures;
	size_t count = load_failures(load, &failures);

	for (size_t i = 0; i < count; i++) {
		if (failures[i].status != 503 && failures[i].status != 504) {
			fail_msg("%d %s", failures[i].status, failures[i].reason);
		}
	}
	print_message(
	    "slowest answer %.0f ms, a sleep was late by %lld ms, %zu refused or unknown\n",
	    load_slowest_s(load) * 1000, (long long)pulse_late_ms, count);
	assert_true(
	    load_slowest_s(load) * 1000 < (double)(DEADLINE_MS + SLACK_MS + 2 * pulse_late_ms));
	load_check(load);
}

/* Reads and creates, while connections are cut, for so long. */
static void
soak(double seconds)
{
	int64_t end_ns = clock_now_ns() + (int64_t)(seconds * 1e9);
	unsigned cuts = count_cuts();
	unsigned turn = 0;

	load = load_start_without_replaces(stack.url, CLIENTS);
	pulse_start();
	while (clock_now_ns() < end_ns) {
		take_turn(turn++);
		load_await(load, TURN);
	}
	load_stop(load);
	pulse_stop();
	set_proxies(PROXY_RELAY);
	stack_await(&stack, "/accountdhealth", 200);
	print_message("%.0f s: %u connections cut, at least %u requests done; ", seconds,
	    count_cuts() - cuts, turn * TURN);
	check_load();
	load_free(&load);
	assert_true(count_cuts() - cuts > (unsigned)seconds);
}

static void
await_nothing_held(void)
{
	static const char *const held[] = {"incomplete", "working", "unsent"};
	char series[96];

	for (size_t i = 0; i < sizeof(held) / sizeof(held[0]); i++) {
		snprintf(series, sizeof(series), "mockvideo_rpc_server_held_bytes{what=\"%s\"}",
		    held[i]);
		scrape_await(accountd.admin, series, 0);
	}
	scrape_await(accountd.admin, "mockvideo_rpc_server_connections", PROXIES);
}

static void
observe(struct observed *observed)
{
	observed->descriptors = scrape_value(observed->admin, "process_open_fds");
	observed->heap_kib = scrape_value(observed->admin, "process_heap_bytes") / 1024;
	observed->resident_kib =
	    scrape_value(observed->admin, "process_resident_memory_bytes") / 1024;
}

static void
compare(const struct observed *before)
{
	int64_t end_ns = clock_now_ns() + 30000 * CLOCK_NS_PER_MS;
	struct observed now = *before;

	do { /* NNG closes descriptors in a thread of its own */
		observe(&now);
	} while (now.descriptors > before->descriptors && clock_now_ns() < end_ns);
	print_message("%s: %.0f descriptors, %.0f before; heap %.0f KiB, %.0f before; resident "
		      "%.0f KiB, %.0f before\n",
	    now.name, now.descriptors, before->descriptors, now.heap_kib, before->heap_kib,
	    now.resident_kib, before->resident_kib);
	assert_true(now.descriptors <= before->descriptors);
	if (!SANITIZED) {
		assert_true(now.heap_kib < before->heap_kib + HEAP_KIB);
		assert_true(now.resident_kib < before->resident_kib + MARGIN_KIB);
	}
}

static void
expect_exit(struct observed *observed)
{
	int64_t begun_ns = clock_now_ns();
	int64_t ms;

	process_signal(observed->process, SIGTERM);
	assert_int_equal(process_wait_exit(observed->process, 60), 0);
	ms = (clock_now_ns() - begun_ns) / CLOCK_NS_PER_MS;
	print_message("%s ends after %lld ms\n", observed->name, (long long)ms);
	if (!SANITIZED) {
		assert_true(ms < EXIT_MS + SLACK_MS);
	}
}

static double
seconds_of_each(void)
{
	const char *wanted = getenv("SOAK_SECONDS");

	return (wanted == NULL ? SECONDS : strtod(wanted, NULL)) / 2;
}

/* The first part shows what the programs hold at such a load. */
static void
connections_that_are_cut_anywhere_leave_nothing(void **state)
{
	(void)state;
	soak(seconds_of_each() / 4);
	await_nothing_held();
	observe(&accountd);
	observe(&gatewayd);
	soak(seconds_of_each() * 3 / 4);
	await_nothing_held();
	compare(&accountd);
	compare(&gatewayd);
}

/* No thread is stuck: each is waited for at the end. */
static void
programs_end_at_once_while_connections_are_cut(void **state)
{
	(void)state;
	load = load_start_without_replaces(stack.url, CLIENTS);
	set_proxies(PROXY_CHOP);
	load_await(load, 100);
	expect_exit(&accountd);
	expect_exit(&gatewayd);
	load_free(&load);
}

/* A flag with a file of the folder, or with a port. */
static const char *flag(const char *format, ...) __attribute__((format(printf, 1, 2)));

static const char *
flag(const char *format, ...)
{
	char *text = texts[text_count++];
	va_list args;

	assert_true(text_count <= FLAGS);
	va_start(args, format);
	vsnprintf(text, sizeof(texts[0]), format, args);
	va_end(args);
	return text;
}

static void
set_flags(bool tls)
{
	const char **of_accountd = stack.accountd_flags;
	const char **of_gatewayd = stack.gatewayd_flags;

	text_count = 0;
	*of_accountd++ = "--drain-ms=0";
	*of_accountd++ = flag("--admin-listen=127.0.0.1:%u", accountd.port);
	*of_gatewayd++ = "--drain-ms=0";
	*of_gatewayd++ = "--request-timeout-ms=1000";
	*of_gatewayd++ = flag("--admin-listen=127.0.0.1:%u", gatewayd.port);
	if (tls) {
		stack.accountd_scheme = "tls+tcp://";
		*of_accountd++ = flag("--tls-cert=%s/peer.pem", dir);
		*of_accountd++ = flag("--tls-key=%s/peer.key", dir);
		*of_accountd++ = flag("--tls-client-ca=%s/authority.pem", dir);
		*of_gatewayd++ = flag("--backend-tls-cert=%s/peer.pem", dir);
		*of_gatewayd++ = flag("--backend-tls-key=%s/peer.key", dir);
		*of_gatewayd++ = flag("--backend-tls-ca=%s/authority.pem", dir);
	}
}

static void
open_admin(struct observed *observed)
{
	char url[STACK_URL_MAX];

	snprintf(url, sizeof(url), "http://127.0.0.1:%u", observed->port);
	observed->admin = http_new(url);
}

static void
set_up(bool tls)
{
	size_t len = 0;

	stack =
	    (struct stack){.store = STACK_MYSQL}; /* which keeps no pages in accountd's memory */
	accountd.port = process_free_port();
	gatewayd.port = process_free_port();
	stack.accountd_ports[0] = process_free_port();
	set_flags(tls);
	for (unsigned i = 0; i < PROXIES; i++) {
		proxies[i] = proxy_start(stack.accountd_ports[0]);
		len +=
		    (size_t)snprintf(backends + len, sizeof(backends) - len, "%s%s://127.0.0.1:%u",
			i == 0 ? "" : ",", tls ? "tls+tcp" : "tcp", proxy_port(proxies[i]));
	}
	stack.backends = backends;
	stack_start(&stack);
	open_admin(&accountd);
	open_admin(&gatewayd);
}

static int
start_by_tcp(void **state)
{
	(void)state;
	set_up(false);
	return 0;
}

static int
start_by_tls(void **state)
{
	struct certificate_authority *authority;

	(void)state;
	process_make_dir(dir);
	authority = certificate_authority_new(dir, "authority");
	certificate_issue(authority, dir, "peer", "peer.test", 24 * 3600);
	certificate_authority_free(&authority);
	set_up(true);
	return 0;
}

static int
stop(void **state)
{
	(void)state;
	load_free(&load);
	http_free(&accountd.admin);
	http_free(&gatewayd.admin);
	stack_stop(&stack);
	for (unsigned i = 0; i < PROXIES; i++) {
		proxy_stop(&proxies[i]);
	}
	if (dir[0] != '\0') {
		process_remove_dir(dir);
	}
	return 0;
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(connections_that_are_cut_anywhere_leave_nothing),
	    cmocka_unit_test(programs_end_at_once_while_connections_are_cut),
	};
	int failed = cmocka_run_group_tests(tests, start_by_tcp, stop);

	stack_kill(&stack);
	failed += cmocka_run_group_tests(tests, start_by_tls, stop);
	stack_kill(&stack);
	return failed;
}
