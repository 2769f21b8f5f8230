#include <pthread.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include <cmocka.h>

#include "common/rpc/client/rpc_channel.h"
#include "common/rpc/net/rpc_transport.h"
#include "tests/rpc_backend.h"
#include "tests/rpc_caller.h"

#define READ     RPC_NO_SIDE_EFFECTS
#define WRITE    0
#define LONG_MS  30000
#define ANY_PORT "tcp://127.0.0.1:0"

/* Options with which no health call comes between. */
static const struct rpc_channel_options quiet = {
    .probe_interval_ms = 3600000, .batch_stall_ms = LONG_MS};

/* Two backends and a channel to both. */
struct pair {
	struct backend *backends[2];
	struct rpc_channel *channel;
};

static struct pair
pair_open(struct rpc_channel_options options)
{
	struct pair pair;
	char urls[256];

	pair.backends[0] = backend_open(ANY_PORT);
	pair.backends[1] = backend_open(ANY_PORT);
	snprintf(urls, sizeof(urls), "%s, %s", backend_url(pair.backends[0]),
	    backend_url(pair.backends[1]));
	pair.channel = caller_channel(urls, options);
	caller_wait_serving(pair.channel, 2);
	return pair;
}

static void
pair_close(struct pair *pair)
{
	rpc_channel_close(&pair->channel);
	backend_close(&pair->backends[0]);
	backend_close(&pair->backends[1]);
}

/* Closes the backend and opens another one in its place. */
static void
replace(struct backend **backend)
{
	char url[64];

	snprintf(url, sizeof(url), "%s", backend_url(*backend));
	backend_close(backend);
	*backend = backend_open(url);
	assert_non_null(*backend);
}

static void
a_write_whose_connection_is_lost_has_an_unknown_outcome_and_is_not_repeated(void **state)
{
	struct backend *backend = backend_open(ANY_PORT);
	struct rpc_channel *channel = caller_channel(backend_url(backend), quiet);
	struct caller *lost = caller_start(channel, "t/Hold", "", WRITE, LONG_MS);

	(void)state;
	backend_wait(backend, 1);
	replace(&backend);
	caller_expect(lost, STATUS_UNAVAILABLE, "OUTCOME_UNKNOWN");
	caller_expect_text(
	    caller_start(channel, "t/Echo", "next", RPC_WAIT_FOR_READY, LONG_MS), "next");
	assert_int_equal(backend_counts(backend).calls, 1);
	rpc_channel_close(&channel);
	backend_close(&backend);
}

/* Three writes in a message, of which one may be repeated: each ends by itself. */
static void
each_write_of_a_lost_message_has_its_own_end(void **state)
{
	struct backend *backend = backend_open(ANY_PORT);
	struct rpc_channel_options options = quiet;
	struct rpc_channel *channel;
	struct caller *callers[4];

	(void)state;
	options.batch_in_flight = 1;
	channel = caller_channel(backend_url(backend), options);
	callers[0] = caller_start(channel, "t/Hold", "first", WRITE, LONG_MS);
	backend_wait(backend, 1);
	callers[1] = caller_start(channel, "t/Hold", "a", WRITE, LONG_MS);
	callers[2] = caller_start(channel, "t/Hold", "b", RPC_IDEMPOTENT, LONG_MS);
	callers[3] = caller_start(channel, "t/Hold", "c", WRITE, LONG_MS);
	caller_cancel(callers[0]); /* the others leave, in one message */
	caller_expect(callers[0], STATUS_CANCELLED, "CANCELLED");
	backend_wait(backend, 4);
	assert_int_equal(backend_counts(backend).messages, 2);
	replace(&backend);
	caller_expect(callers[1], STATUS_UNAVAILABLE, "OUTCOME_UNKNOWN");
	caller_expect(callers[3], STATUS_UNAVAILABLE, "OUTCOME_UNKNOWN");
	backend_wait(backend, 1);
	backend_release(backend);
	caller_expect_text(callers[2], "b");
	assert_int_equal(backend_counts(backend).calls, 1);
	rpc_channel_close(&channel);
	backend_close(&backend);
}

static void
calls_that_may_be_repeated_are_retried_when_the_endpoint_is_back(void **state)
{
	static const unsigned flags[] = {RPC_NO_SIDE_EFFECTS, RPC_IDEMPOTENT};

	(void)state;
	for (size_t i = 0; i < 2; i++) {
		struct backend *backend = backend_open(ANY_PORT);
		struct rpc_channel *channel = caller_channel(backend_url(backend), quiet);
		struct caller *caller = caller_start(channel, "t/Hold", "again", flags[i], LONG_MS);

		backend_wait(backend, 1);
		replace(&backend);
		backend_wait(backend, 1);
		backend_release(backend);
		caller_expect_text(caller, "again");
		assert_int_equal(backend_counts(backend).calls, 1);
		rpc_channel_close(&channel);
		backend_close(&backend);
	}
}

static void
a_read_whose_connection_is_lost_is_made_at_another_endpoint(void **state)
{
	struct pair pair = pair_open(quiet);
	struct caller *caller = caller_start(pair.channel, "t/Hold", "moved", READ, LONG_MS);
	size_t first;

	(void)state;
	while (
	    backend_counts(pair.backends[0]).calls + backend_counts(pair.backends[1]).calls == 0) {
		nanosleep(&(struct timespec){.tv_nsec = 1000000}, NULL);
	}
	first = backend_counts(pair.backends[1]).calls;
	backend_wait(pair.backends[first], 1);
	backend_close(&pair.backends[first]);
	backend_wait(pair.backends[!first], 1);
	backend_release(pair.backends[!first]);
	caller_expect_text(caller, "moved");
	pair_close(&pair);
}

static void
retries_end_with_their_budget(void **state)
{
	struct rpc_channel_options options = quiet;
	struct backend *backend = backend_open(ANY_PORT);
	struct rpc_channel_stats stats;
	struct rpc_channel *channel;
	struct caller *caller;

	(void)state;
	options.in_flight_max = 1;
	channel = caller_channel(backend_url(backend), options);
	caller = caller_start(channel, "t/Hold", "", READ, LONG_MS);
	backend_wait(backend, 1);
	replace(&backend);
	backend_wait(backend, 1);
	replace(&backend);
	caller_expect(caller, STATUS_UNAVAILABLE, "NOT_ANSWERED");
	rpc_channel_get_stats(channel, &stats);
	assert_int_equal(stats.retries, 1);
	assert_int_equal(stats.retries_refused, 1);
	rpc_channel_close(&channel);
	backend_close(&backend);
}

static void
a_read_that_takes_long_is_tried_at_another_endpoint(void **state)
{
	struct rpc_channel_options options = quiet;
	struct backend_counts counts;
	struct pair pair;

	(void)state;
	options.attempt_timeout_ms = 20;
	pair = pair_open(options);
	backend_set_health(pair.backends[0], BACKEND_STUCK);
	for (size_t i = 0; i < 20; i++) {
		caller_expect_text(
		    caller_start(pair.channel, "t/Echo", "quick", READ, LONG_MS), "quick");
	}
	assert_int_equal(backend_counts(pair.backends[1]).calls, 20);
	/* What was sent to the other one, and is not waited for any more, is taken back. */
	do {
		counts = backend_counts(pair.backends[0]);
	} while (counts.cancels < counts.calls);
	pair_close(&pair);
}

static void
writes_refused_by_a_backend_that_shuts_down_are_made_at_another(void **state)
{
	struct pair pair = pair_open(quiet);

	(void)state;
	backend_set_health(pair.backends[0], BACKEND_SHUT_DOWN);
	for (size_t i = 0; i < 20; i++) {
		caller_expect_text(caller_start(pair.channel, "t/Echo", "w", WRITE, LONG_MS), "w");
	}
	assert_int_equal(backend_counts(pair.backends[1]).calls, 20);
	assert_in_range(backend_counts(pair.backends[0]).calls, 0, 1);
	pair_close(&pair);
}

static void
an_endpoint_that_is_not_serving_gets_no_calls_while_another_is(void **state)
{
	struct pair pair = pair_open((struct rpc_channel_options){.probe_interval_ms = 20});

	(void)state;
	backend_set_health(pair.backends[0], BACKEND_NOT_SERVING);
	caller_wait_serving(pair.channel, 1);
	for (size_t i = 0; i < 30; i++) {
		caller_expect_text(caller_start(pair.channel, "t/Echo", "w", WRITE, LONG_MS), "w");
	}
	assert_int_equal(backend_counts(pair.backends[0]).calls, 0);
	backend_set_health(pair.backends[1], BACKEND_NOT_SERVING);
	caller_wait_serving(pair.channel, 0);
	assert_false(rpc_channel_ready(pair.channel));
	caller_expect_text(caller_start(pair.channel, "t/Echo", "try", WRITE, LONG_MS), "try");
	backend_set_health(pair.backends[0], BACKEND_SERVING);
	backend_set_health(pair.backends[1], BACKEND_NO_SERVICE);
	caller_wait_serving(pair.channel, 2);
	pair_close(&pair);
}

static void
an_endpoint_that_does_not_answer_is_ejected_until_it_does(void **state)
{
	struct pair pair = pair_open((struct rpc_channel_options){.probe_interval_ms = 20});
	struct rpc_channel_stats stats;

	(void)state;
	backend_set_health(pair.backends[0], BACKEND_MUTE);
	caller_wait_serving(pair.channel, 1);
	rpc_channel_get_stats(pair.channel, &stats);
	assert_int_equal(stats.ejections, 1);
	assert_int_equal(stats.endpoints_connected, 2);
	for (size_t i = 0; i < 30; i++) {
		caller_expect_text(caller_start(pair.channel, "t/Echo", "w", WRITE, LONG_MS), "w");
	}
	assert_int_equal(backend_counts(pair.backends[0]).calls, 0);
	backend_set_health(pair.backends[0], BACKEND_SERVING);
	caller_wait_serving(pair.channel, 2);
	pair_close(&pair);
}

/* Threads that make calls until they are told to stop, and what became of them. */
struct load {
	struct rpc_channel *channel;
	pthread_t threads[4];
	unsigned flags;
	pthread_mutex_t lock; /* guards all below */
	pthread_cond_t more;
	bool stop;
	size_t ended;
	size_t ok;
	size_t unavailable;
	size_t other;
};

static bool
load_count(struct load *load, enum status_code code)
{
	bool stop;

	pthread_mutex_lock(&load->lock);
	load->ended++;
	load->ok += code == STATUS_OK;
	load->unavailable += code == STATUS_UNAVAILABLE;
	load->other += code != STATUS_OK && code != STATUS_UNAVAILABLE;
	stop = load->stop;
	pthread_cond_signal(&load->more);
	pthread_mutex_unlock(&load->lock);
	return !stop;
}

static void *
load_run(void *closure)
{
	struct load *load = closure;
	struct caller *window[8];
	unsigned slot = 0;
	enum status_code code;

	for (size_t i = 0; i < 8; i++) {
		window[i] = caller_start(load->channel, "t/Echo", "x", load->flags, 5000);
	}
	do {
		code = caller_wait(window[slot])->error.code;
		caller_free(&window[slot]);
		window[slot] = caller_start(load->channel, "t/Echo", "x", load->flags, 5000);
		slot = (slot + 1) % 8;
	} while (load_count(load, code));
	for (size_t i = 0; i < 8; i++) {
		code = caller_wait(window[i])->error.code;
		load_count(load, code);
		caller_free(&window[i]);
	}
	return NULL;
}

static void
load_start(struct load *load, struct rpc_channel *channel, unsigned flags)
{
	memset(load, 0, sizeof(*load));
	load->channel = channel;
	load->flags = flags;
	pthread_mutex_init(&load->lock, NULL);
	pthread_cond_init(&load->more, NULL);
	for (size_t i = 0; i < 4; i++) {
		assert_int_equal(pthread_create(&load->threads[i], NULL, load_run, load), 0);
	}
}

static void
load_wait(struct load *load, size_t more)
{
	pthread_mutex_lock(&load->lock);
	more += load->ended;
	while (load->ended < more) {
		pthread_cond_wait(&load->more, &load->lock);
	}
	pthread_mutex_unlock(&load->lock);
}

static void
load_stop(struct load *load)
{
	pthread_mutex_lock(&load->lock);
	load->stop = true;
	pthread_mutex_unlock(&load->lock);
	for (size_t i = 0; i < 4; i++) {
		pthread_join(load->threads[i], NULL);
	}
}

/* Two backends that are processes, and a channel to both. */
struct processes {
	struct backend_process list[2];
	struct rpc_channel *channel;
};

static struct processes
processes_open(void)
{
	struct processes processes;
	char urls[256];

	processes.list[0] = backend_process_start(ANY_PORT);
	processes.list[1] = backend_process_start(ANY_PORT);
	snprintf(urls, sizeof(urls), "%s,%s", processes.list[0].url, processes.list[1].url);
	processes.channel = caller_channel(urls, (struct rpc_channel_options){0});
	caller_wait_serving(processes.channel, 2);
	return processes;
}

static void
processes_close(struct processes *processes)
{
	rpc_channel_close(&processes->channel);
	backend_process_kill(&processes->list[0]);
	backend_process_kill(&processes->list[1]);
}

static void
restart_each_once(struct processes *processes, struct load *load)
{
	for (size_t i = 0; i < 2; i++) {
		struct backend_process *process = &processes->list[i];

		load_wait(load, 200);
		backend_process_kill(process);
		load_wait(load, 200);
		*process = backend_process_start(process->url);
		caller_wait_serving(processes->channel, 2);
	}
	load_wait(load, 200);
}

static void
killing_a_backend_fails_no_read(void **state)
{
	struct processes processes = processes_open();
	struct load load;

	(void)state;
	load_start(&load, processes.channel, READ);
	restart_each_once(&processes, &load);
	load_stop(&load);
	assert_int_equal(load.ok, load.ended);
	processes_close(&processes);
}

static void
killing_a_backend_fails_only_the_writes_in_flight_to_it(void **state)
{
	struct processes processes = processes_open();
	struct load load;

	(void)state;
	load_start(&load, processes.channel, WRITE);
	restart_each_once(&processes, &load);
	load_stop(&load);
	assert_int_equal(load.other, 0);
	assert_in_range(load.unavailable, 0, 2 * 32);
	assert_int_equal(load.ok + load.unavailable, load.ended);
	processes_close(&processes);
}

static void
a_stopped_backend_fails_no_read_and_comes_back(void **state)
{
	struct processes processes = processes_open();
	struct load load;

	(void)state;
	load_start(&load, processes.channel, READ);
	load_wait(&load, 200);
	backend_process_signal(&processes.list[0], SIGSTOP);
	caller_wait_serving(processes.channel, 1);
	load_wait(&load, 200);
	backend_process_signal(&processes.list[0], SIGCONT);
	caller_wait_serving(processes.channel, 2);
	load_wait(&load, 200);
	load_stop(&load);
	assert_int_equal(load.ok, load.ended);
	processes_close(&processes);
}

static void
a_stopped_backend_gets_no_writes_once_it_is_ejected(void **state)
{
	struct processes processes = processes_open();

	(void)state;
	for (size_t i = 0; i < 4; i++) {
		caller_expect_text(caller_start(processes.channel, "t/Echo", "w", WRITE, 0), "w");
	}
	backend_process_signal(&processes.list[0], SIGSTOP);
	caller_wait_serving(processes.channel, 1);
	for (size_t i = 0; i < 50; i++) {
		caller_expect_text(caller_start(processes.channel, "t/Echo", "w", WRITE, 0), "w");
	}
	backend_process_signal(&processes.list[0], SIGCONT);
	caller_wait_serving(processes.channel, 2);
	processes_close(&processes);
}

int
main(int argc, char **argv)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(
		a_write_whose_connection_is_lost_has_an_unknown_outcome_and_is_not_repeated),
	    cmocka_unit_test(each_write_of_a_lost_message_has_its_own_end),
	    cmocka_unit_test(calls_that_may_be_repeated_are_retried_when_the_endpoint_is_back),
	    cmocka_unit_test(a_read_whose_connection_is_lost_is_made_at_another_endpoint),
	    cmocka_unit_test(retries_end_with_their_budget),
	    cmocka_unit_test(a_read_that_takes_long_is_tried_at_another_endpoint),
	    cmocka_unit_test(writes_refused_by_a_backend_that_shuts_down_are_made_at_another),
	    cmocka_unit_test(an_endpoint_that_is_not_serving_gets_no_calls_while_another_is),
	    cmocka_unit_test(an_endpoint_that_does_not_answer_is_ejected_until_it_does),
	    cmocka_unit_test(killing_a_backend_fails_no_read),
	    cmocka_unit_test(killing_a_backend_fails_only_the_writes_in_flight_to_it),
	    cmocka_unit_test(a_stopped_backend_fails_no_read_and_comes_back),
	    cmocka_unit_test(a_stopped_backend_gets_no_writes_once_it_is_ejected),
	};
	int failed;

	backend_main(argc, argv);
	failed = cmocka_run_group_tests(tests, NULL, NULL);
	rpc_fini();
	return failed;
}
