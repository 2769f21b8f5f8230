/* Starts, stops and deaths: what is in flight is answered, what was away comes back. */
#include <curl/curl.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "integration/both.h"
#include "integration/json_get.h"

#define CLIENTS 16

/* A client that reads and writes until it is told to stop. */
struct client {
	pthread_t thread;
	unsigned number;
	unsigned answers;
	unsigned unanswered; /* connections cut without an answer */
	unsigned wrong;      /* other statuses than those allowed */
};

static volatile bool clients_stop;
static bool allow_503;
static volatile unsigned clients_total;
static unsigned clients_round; /* so that each round's addresses are new */

static void
client_note(struct client *client, const struct http_answer *answer)
{
	if (answer->curl_code == 0) {
		client->answers++;
		__atomic_add_fetch(&clients_total, 1, __ATOMIC_RELAXED);
		if (answer->status >= 300 && !(allow_503 && answer->status == 503)) {
			client->wrong++;
			fprintf(stderr, "wrong: %d %s\n", answer->status, answer->body);
		}
	} else if (answer->curl_code != CURLE_COULDNT_CONNECT &&
		   answer->curl_code != CURLE_SEND_ERROR) {
		/* What could not be sent was no request; anything else was one. */
		client->unanswered++;
		fprintf(stderr, "unanswered: curl code %d\n", answer->curl_code);
	}
}

static void *
client_run(void *closure)
{
	struct client *client = closure;
	struct http *http = http_new(both_stack.url);
	char body[256];

	for (unsigned i = 0; !__atomic_load_n(&clients_stop, __ATOMIC_RELAXED); i++) {
		const struct http_answer *answer;

		snprintf(body, sizeof(body),
		    "{\"accountid\":1,\"name\":\"n\",\"email\":\"l%ur%un%u@example.com\","
		    "\"role\":1,\"password\":\"p\"}",
		    clients_round, client->number, i);
		answer = i % 2 == 0 ? http_send(http, "POST /users", NULL, body)
				    : http_send(http, "GET /users?page_size=5", NULL, NULL);
		client_note(client, answer);
		if (answer->curl_code == CURLE_COULDNT_CONNECT) {
			break;
		}
	}
	http_free(&http);
	return NULL;
}

static void
clients_start(struct client *clients)
{
	memset(clients, 0, CLIENTS * sizeof(*clients));
	clients_round++;
	__atomic_store_n(&clients_stop, false, __ATOMIC_RELAXED);
	__atomic_store_n(&clients_total, 0, __ATOMIC_RELAXED);
	for (unsigned i = 0; i < CLIENTS; i++) {
		clients[i].number = i;
		assert_int_equal(
		    pthread_create(&clients[i].thread, NULL, client_run, &clients[i]), 0);
	}
	while (__atomic_load_n(&clients_total, __ATOMIC_RELAXED) < CLIENTS) {
		sched_yield();
	}
}

static void
clients_join(struct client *clients)
{
	__atomic_store_n(&clients_stop, true, __ATOMIC_RELAXED);
	for (unsigned i = 0; i < CLIENTS; i++) {
		pthread_join(clients[i].thread, NULL);
	}
	for (unsigned i = 0; i < CLIENTS; i++) {
		assert_int_equal(clients[i].unanswered, 0);
		assert_int_equal(clients[i].wrong, 0);
	}
}

static void
gatewayd_answers_what_is_in_flight_and_exits_0(void **state)
{
	struct client clients[CLIENTS];

	(void)state;
	allow_503 = false;
	clients_start(clients);
	assert_int_equal(process_stop(&both_stack.gatewayd), 0);
	clients_join(clients);
	stack_start_gatewayd(&both_stack);
	stack_await(&both_stack, "/accountdhealth", 200);
}

static void
accountd_answers_what_is_in_flight_and_exits_0(void **state)
{
	struct client clients[CLIENTS];

	(void)state;
	allow_503 = true; /* once it is gone */
	clients_start(clients);
	assert_int_equal(process_stop(&both_stack.accountd[0]), 0);
	clients_join(clients);
	stack_await(&both_stack, "/accountdhealth", 503);
	stack_start_accountd(&both_stack, 0);
	stack_await(&both_stack, "/accountdhealth", 200);
}

static void
without_accountd_the_gateway_says_503_and_when_to_try_again(void **state)
{
	const struct http_answer *answer;

	(void)state;
	process_signal(&both_stack.accountd[0], SIGKILL);
	assert_int_equal(process_wait_exit(&both_stack.accountd[0], 10), 128 + SIGKILL);
	stack_await(&both_stack, "/accountdhealth", 503);
	answer = http_send(both_http, "GET /users/1", NULL, NULL);
	assert_int_equal(answer->status, 503);
	assert_true(atoi(http_header(answer, "retry-after")) >= 1);
	rule_check_problem(answer, 503);
	stack_start_accountd(&both_stack, 0);
	stack_await(&both_stack, "/accountdhealth", 200);
}

static void
acknowledged_users_survive_kill_9_of_accountd(void **state)
{
	const struct http_answer *answer = http_send(both_http, "POST /users", NULL,
	    "{\"accountid\":1,\"name\":\"Kept\",\"email\":\"kept@example.com\",\"role\":1,"
	    "\"password\":\"p\"}");
	char line[64];

	(void)state;
	assert_int_equal(answer->status, 201);
	snprintf(line, sizeof(line), "GET %s", http_header(answer, "location"));
	process_signal(&both_stack.accountd[0], SIGKILL);
	process_wait_exit(&both_stack.accountd[0], 10);
	stack_start_accountd(&both_stack, 0);
	stack_await(&both_stack, "/accountdhealth", 200);
	answer = http_send(both_http, line, NULL, NULL);
	assert_int_equal(answer->status, 200);
	assert_non_null(strstr(answer->body, "\"name\":\"Kept\""));
}

static void
the_database_may_go_and_come(void **state)
{
	const struct http_answer *answer;

	(void)state;
	if (both_stack.store != STACK_MYSQL) {
		skip();
	}
	mariadb_kill(&both_stack.mariadb);
	stack_await(&both_stack, "/accountdhealth", 503);
	answer = http_send(both_http, "GET /users/1", NULL, NULL);
	assert_int_equal(answer->status, 503);
	assert_non_null(http_header(answer, "retry-after"));
	rule_check_problem(answer, 503);
	assert_true(mariadb_start(&both_stack.mariadb));
	stack_await(&both_stack, "/accountdhealth", 200);
	assert_int_equal(http_send(both_http, "GET /users?page_size=1", NULL, NULL)->status, 200);
	assert_true(process_running(&both_stack.accountd[0]));
	assert_true(process_running(&both_stack.gatewayd));
}

static void
a_second_sigterm_ends_at_once(void **state)
{
	struct client clients[CLIENTS];
	int status;

	(void)state;
	allow_503 = true;
	clients_start(clients);
	process_signal(&both_stack.accountd[0], SIGTERM);
	process_signal(&both_stack.accountd[0], SIGTERM);
	status = process_wait_exit(&both_stack.accountd[0], 10);
	assert_true(status == 0 || status == 128 + SIGTERM);
	__atomic_store_n(&clients_stop, true, __ATOMIC_RELAXED);
	for (unsigned i = 0; i < CLIENTS; i++) {
		pthread_join(clients[i].thread, NULL);
	}
	stack_start_accountd(&both_stack, 0);
	stack_await(&both_stack, "/accountdhealth", 200);
}

static void
clients_that_leave_harm_nothing(void **state)
{
	struct http *http = http_new(both_stack.url);

	(void)state;
	for (int version = 1; version <= 2; version++) {
		if (version == 2) {
			http_use_http2(http);
		}
		for (long timeout_ms = 1; timeout_ms <= 12; timeout_ms++) {
			http_set_timeout(http, timeout_ms);
			http_send(http, "GET /users", NULL, NULL);
			http_send(http, "POST /users", NULL, "{\"accountid\":1}");
			http_send(http, "GET /accountdhealth", NULL, NULL);
		}
	}
	http_free(&http);
	assert_int_equal(http_send(both_http, "GET /accountdhealth", NULL, NULL)->status, 200);
	assert_true(process_running(&both_stack.gatewayd));
}

static void
configure(void)
{
	both_stack.gatewayd_flags[0] = "--http2=on";
	both_stack.gatewayd_flags[1] = "--request-timeout-ms=3000";
	both_stack.accountd_flags[0] = "--drain-ms=100";
}

static const struct CMUnitTest tests[] = {
    cmocka_unit_test(clients_that_leave_harm_nothing),
    cmocka_unit_test(gatewayd_answers_what_is_in_flight_and_exits_0),
    cmocka_unit_test(accountd_answers_what_is_in_flight_and_exits_0),
    cmocka_unit_test(without_accountd_the_gateway_says_503_and_when_to_try_again),
    cmocka_unit_test(acknowledged_users_survive_kill_9_of_accountd),
    cmocka_unit_test(a_second_sigterm_ends_at_once),
    cmocka_unit_test(the_database_may_go_and_come),
};

int
main(void)
{
	return both_run(&(struct suite){.configure = configure,
	    .tests = tests,
	    .test_count = sizeof(tests) / sizeof(tests[0])});
}
