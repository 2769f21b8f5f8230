/*
 * Many clients at random against a model of each: with calls that share
 * messages, queries and transactions, and without, on both stores. What a call
 * is answered is the same, and a write that was acknowledged is seen by all,
 * through either of two gateways.
 */
#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "common/base/clock.h"
#include "integration/both.h"
#include "integration/client.h"

#define CLIENTS 24
#define SECONDS 4
#define RACES   16
#define WAITING CLIENTS_MAX /* calls that wait together in the tests of sharing */

static bool sharing; /* false: one call a message, one a query */
static uint64_t seed;
static struct process second;
static char second_url[STACK_URL_MAX];

static struct client clients[WAITING];
static atomic_uint begun;
static atomic_uint race_wins[RACES];
static pthread_barrier_t barrier;

static void *
client_run(void *closure)
{
	struct client *client = closure;
	int64_t end_ns = clock_now_ns() + SECONDS * 1000 * CLOCK_NS_PER_MS;

	while (!atomic_load(&clients_stopping) && clock_now_ns() < end_ns) {
		client_do(client);
	}
	return NULL;
}

static void
clients_init(unsigned count)
{
	memset(clients, 0, sizeof(clients));
	for (unsigned i = 0; i < count; i++) {
		clients[i].number = i;
		clients[i].gateways[0] = http_new(both_stack.url);
		clients[i].gateways[1] = http_new(second_url);
		model_init(&clients[i].model, i, seed);
	}
	clients_reset();
	atomic_store(&begun, 0);
}

static void
clients_start(unsigned count, void *(*run)(void *))
{
	for (unsigned i = 0; i < count; i++) {
		assert_int_equal(pthread_create(&clients[i].thread, NULL, run, &clients[i]), 0);
	}
}

static void
clients_join(unsigned count)
{
	for (unsigned i = 0; i < count; i++) {
		pthread_join(clients[i].thread, NULL);
	}
}

static void
clients_fini(unsigned count)
{
	for (unsigned i = 0; i < count; i++) {
		http_free(&clients[i].gateways[0]);
		http_free(&clients[i].gateways[1]);
		buf_fini(&clients[i].body);
		buf_fini(&clients[i].want);
	}
	if (clients_fault[0] != '\0') {
		fail_msg("%s (SEED=%llu)", clients_fault, (unsigned long long)seed);
	}
}

static void
each_call_is_answered_as_its_model_expects(void **state)
{
	unsigned requests = 0;

	(void)state;
	clients_init(CLIENTS);
	clients_start(CLIENTS, client_run);
	clients_join(CLIENTS);
	for (unsigned i = 0; i < CLIENTS; i++) {
		requests += clients[i].requests;
	}
	clients_fini(CLIENTS);
	print_message("%u requests\n", requests);
	assert_true(requests > CLIENTS * 10);
}

/* An address that all want at once, by creations and by replacements in turn. */
static void
client_race(struct client *client, unsigned race, int64_t racer)
{
	bool create = race % 2 == 0;

	client->job = "a race";
	buf_reset(&client->body);
	buf_printf(&client->body,
	    "{\"accountid\":1,\"name\":\"c%u\",\"email\":\"%s%u@example.com\",\"role\":1,"
	    "\"password\":\"p\"}",
	    client->number, client->number % 2 == 0 ? "race" : "RACE", race);
	if (!client_send(
		client, create ? "POST" : "PUT", create ? 0 : racer, NULL, CLIENT_ANY_STATUS)) {
		return;
	}
	if (client->answer->status == (create ? 201 : 200)) {
		atomic_fetch_add(&race_wins[race], 1);
	} else if (client->answer->status != 400 ||
		   strstr(client->answer->body, CLIENT_DUPLICATE) == NULL) {
		client_fault(client, "%d %s", client->answer->status, client->answer->body);
	}
}

/* Whoever was answered must find the one that won. */
static void
client_see_winner(struct client *client, unsigned race)
{
	char line[64];
	const char *href;

	snprintf(line, sizeof(line), "GET /users?email=race%u%%40example.com", race);
	client->answer =
	    http_send(client->gateways[model_random(&client->model, 2)], line, NULL, NULL);
	href = strstr(client->answer->body, "\"href\"");
	if (client->answer->status != 200 || href == NULL || strstr(href + 1, "\"href\"") != NULL) {
		client_fault(client, "%s: %s", line, client->answer->body);
	}
}

static void *
client_run_races(void *closure)
{
	struct client *client = closure;
	const char *location = NULL;
	int64_t racer = 0;

	client->job = "a racer";
	buf_printf(&client->body,
	    "{\"accountid\":1,\"name\":\"r\",\"email\":\"racer%u@example.com\",\"role\":1,"
	    "\"password\":\"p\"}",
	    client->number);
	if (client_send(client, "POST", 0, NULL, 201)) {
		location = http_header(client->answer, "location");
		racer = location == NULL ? 0 : atoll(location + strlen("/users/"));
	}
	for (unsigned race = 0; race < RACES; race++) {
		pthread_barrier_wait(&barrier);
		client_race(client, race, racer);
		client_see_winner(client, race);
	}
	return NULL;
}

static void
one_of_those_who_want_an_address_at_once_gets_it(void **state)
{
	(void)state;
	for (unsigned race = 0; race < RACES; race++) {
		atomic_store(&race_wins[race], 0);
	}
	assert_int_equal(pthread_barrier_init(&barrier, NULL, CLIENTS), 0);
	clients_init(CLIENTS);
	clients_start(CLIENTS, client_run_races);
	clients_join(CLIENTS);
	clients_fini(CLIENTS);
	pthread_barrier_destroy(&barrier);
	for (unsigned race = 0; race < RACES; race++) {
		assert_int_equal(atomic_load(&race_wins[race]), 1);
	}
}

/* How often MariaDB has run a statement of that kind. */
static unsigned long
statements(const char *kind)
{
	char sql[64];
	char out[128];

	snprintf(sql, sizeof(sql), "SHOW GLOBAL STATUS LIKE '%s'", kind);
	assert_true(mariadb_sql(&both_stack.mariadb, NULL, sql, out, sizeof(out)));
	assert_non_null(strchr(out, '\t'));
	return strtoul(strchr(out, '\t') + 1, NULL, 10);
}

static void *
client_run_once(void *closure)
{
	struct client *client = closure;

	atomic_fetch_add(&begun, 1);
	if (client->job_id != 0) {
		client->job = "a read that waits";
		client_send(client, "GET", client->job_id, NULL, 200);
		return NULL;
	}
	client->job = "a creation that waits";
	buf_printf(&client->body,
	    "{\"accountid\":1,\"name\":\"w\",\"email\":\"waiting%u@example.com\",\"role\":1,"
	    "\"password\":\"p\"}",
	    client->number);
	if (client_send(client, "POST", 0, NULL, 201)) {
		client->job_id = atoll(http_header(client->answer, "location") + strlen("/users/"));
	}
	return NULL;
}

/* All send one request while the database hangs: the statements that these then take. */
static unsigned long
statements_of_calls_that_wait(const char *kind)
{
	unsigned long before = statements(kind);
	struct process *idle[] = {&both_stack.gatewayd, &second, &both_stack.accountd[0], NULL};

	atomic_store(&begun, 0);
	mariadb_pause(&both_stack.mariadb);
	clients_start(WAITING, client_run_once);
	while (atomic_load(&begun) < WAITING) {
		sched_yield();
	}
	process_await_idle(idle);
	mariadb_resume(&both_stack.mariadb);
	clients_join(WAITING);
	return statements(kind) - before;
}

static void
calls_that_wait_together_share_a_statement_unless_told_otherwise(void **state)
{
	unsigned long inserts;
	unsigned long selects;

	(void)state;
	if (both_stack.store != STACK_MYSQL) {
		skip();
	}
	clients_init(WAITING);
	inserts = statements_of_calls_that_wait("Com_insert");
	for (unsigned i = 0; i < WAITING; i++) {
		buf_reset(&clients[i].body);
	}
	selects = statements_of_calls_that_wait("Com_select");
	clients_fini(WAITING);
	print_message("%d calls: %lu INSERTs, %lu SELECTs\n", WAITING, inserts, selects);
	if (sharing) {
		assert_true(inserts <= WAITING / 2);
		assert_true(selects <= WAITING / 2);
	} else {
		assert_true(inserts >= WAITING);
		assert_true(selects >= WAITING);
	}
}

static void
the_second_gateway_stops_cleanly(void **state)
{
	(void)state;
	assert_int_equal(process_stop(&second), 0);
}

static void
configure(void)
{
	print_message("%s, SEED=%llu\n", sharing ? "calls share" : "each call by itself",
	    (unsigned long long)seed);
	both_stack.gatewayd_flags[0] = "--request-timeout-ms=60000";
	if (!sharing) {
		both_stack.gatewayd_flags[1] = "--batch-max-calls=1";
		both_stack.accountd_flags[0] = "--coalesce-max=1";
	}
}

static void
start_second(void)
{
	char log[PATH_MAX + 32];
	char listen[64];
	char backends[STACK_URL_MAX + 16];
	char url[STACK_URL_MAX];
	unsigned port = process_free_port();
	struct http *http;
	const char *argv[] = {process_program("gatewayd"), listen, backends,
	    both_stack.gatewayd_flags[0], both_stack.gatewayd_flags[1], NULL};

	stack_accountd_url(&both_stack, 0, url);
	snprintf(listen, sizeof(listen), "--listen=127.0.0.1:%u", port);
	snprintf(backends, sizeof(backends), "--backends=%s", url);
	snprintf(log, sizeof(log), "%s/gatewayd-second.log", both_stack.dir);
	process_start(&second, argv, log);
	snprintf(second_url, sizeof(second_url), "http://127.0.0.1:%u", port);
	http = http_new(second_url);
	while (http_send(http, "GET /accountdhealth", NULL, NULL)->status != 200) {
		assert_true(process_running(&second));
		nanosleep(&(struct timespec){.tv_nsec = 10 * CLOCK_NS_PER_MS}, NULL);
	}
	http_free(&http);
}

static const struct CMUnitTest tests[] = {
    cmocka_unit_test(each_call_is_answered_as_its_model_expects),
    cmocka_unit_test(one_of_those_who_want_an_address_at_once_gets_it),
    cmocka_unit_test(calls_that_wait_together_share_a_statement_unless_told_otherwise),
    cmocka_unit_test(the_second_gateway_stops_cleanly),
};

int
main(void)
{
	const struct suite both = {.configure = configure,
	    .prepare = start_second,
	    .tests = tests,
	    .test_count = sizeof(tests) / sizeof(tests[0])};
	const char *given = getenv("SEED");
	int failed;

	seed = given == NULL ? (uint64_t)clock_now_ns() : strtoull(given, NULL, 10);
	sharing = true;
	failed = both_run(&both);
	sharing = false;
	return both_run(&both) | failed;
}
