/*
 * The admin ports of the running system, on MariaDB: what is counted, that it
 * is valid, readiness, and that no bytes harm them.
 */
#include <netinet/in.h>
#include <pthread.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cmocka.h>

#include "integration/scrape.h"
#include "integration/suite.h"

#define ROUTE(route, method, code)                                                                 \
	"mockvideo_http_request_duration_seconds_count{route=\"" route "\",method=\"" method       \
	"\",code=\"" code "\"}"
#define CALL(side, method, code)                                                                   \
	"mockvideo_rpc_" side                                                                      \
	"_call_duration_seconds_count{method=\"account.v1.UserService/" method "\",code=\"" code   \
	"\"}"
#define BACKEND "{backend=\"default\"}"
#define STORE(resource, operation)                                                                 \
	"mockvideo_store_operation_duration_seconds_count{resource=\"" resource                    \
	"\",operation=\"" operation "\",result=\"OK\"}"

static struct stack stack = {
    .store = STACK_MYSQL,
    .accountd_flags = {"--drain-ms=3000", "--queue-max=123", "--hash-queue-max=45",
	"--store-workers=1"},
    .gatewayd_flags = {"--drain-ms=30000", "--request-timeout-ms=30000", "--in-flight-max=678",
	"--connections-max=90"},
};
static struct http *http;
static struct http *gateway; /* admin ports */
static struct http *accountd;

/* A series and by how much it is to grow. */
struct growth {
	bool of_gateway;
	const char *series;
	double by;
	double before;
};

static void
note(struct growth *rows, size_t count)
{
	for (size_t i = 0; i < count; i++) {
		rows[i].before =
		    scrape_value(rows[i].of_gateway ? gateway : accountd, rows[i].series);
	}
}

static void
check(const struct growth *rows, size_t count)
{
	for (size_t i = 0; i < count; i++) {
		scrape_await(rows[i].of_gateway ? gateway : accountd, rows[i].series,
		    rows[i].before + rows[i].by);
	}
}

static void
send_and_expect(const char *line, const char *headers, const char *body, int status)
{
	assert_int_equal(http_send(http, line, headers, body)->status, status);
}

static void
the_text_is_valid(void **state)
{
	(void)state;
	if (!scrape_check(gateway) || !scrape_check(accountd)) {
		print_message("SKIPPED: no promtool (package prometheus)\n");
		skip();
	}
}

static void
requests_and_calls_are_counted_by_what_they_were(void **state)
{
	struct growth rows[] = {
	    {true, ROUTE("/users/{id}", "GET", "200"), 2, 0},
	    {true, ROUTE("/users/{id}", "GET", "404"), 1, 0},
	    {true, ROUTE("/users/{id}", "GET", "400"), 1, 0},
	    {true, ROUTE("/users", "POST", "201"), 1, 0},
	    {true, ROUTE("/users", "POST", "400"), 1, 0},
	    {true, ROUTE("/users", "GET", "200"), 1, 0},
	    {true, ROUTE("/healthz", "GET", "200"), 1, 0},
	    {true, ROUTE("none", "GET", "404"), 1, 0},
	    {true, ROUTE("none", "DELETE", "405"), 1, 0},
	    {true, ROUTE("none", "_OTHER", "405"), 1, 0},
	    {true, CALL("client", "GetUser", "OK"), 2, 0},
	    {true, CALL("client", "GetUser", "NOT_FOUND"), 1, 0},
	    {true, CALL("client", "CreateUser", "OK"), 1, 0},
	    {true, CALL("client", "CreateUser", "INVALID_ARGUMENT"), 1, 0},
	    {false, CALL("server", "GetUser", "OK"), 2, 0},
	    {false, CALL("server", "GetUser", "NOT_FOUND"), 1, 0},
	    {false, CALL("server", "CreateUser", "OK"), 1, 0},
	    {false, CALL("server", "ListUsers", "OK"), 1, 0},
	    {false, STORE("user", "get"), 3, 0},
	    {false, STORE("user", "create"), 1, 0},
	    {false, STORE("user", "list"), 1, 0},
	    {false, "mockvideo_store_operation_calls_sum{resource=\"user\",operation=\"get\"}", 3,
		0},
	    {false, "mockvideo_rpc_server_queue_seconds_count{kind=\"get\"}", 3, 0},
	    {false, "mockvideo_rpc_server_queue_seconds_count{kind=\"write\"}", 1, 0},
	    {false, "mockvideo_hash_duration_seconds_count", 1, 0},
	    {false, "mockvideo_hash_queue_seconds_count", 2, 0},
	};
	size_t count = sizeof(rows) / sizeof(rows[0]);
	const struct http_answer *answer;
	char line[64];

	(void)state;
	note(rows, count);
	answer = http_send(http, "POST /users", NULL,
	    "{\"accountid\":1,\"name\":\"n\",\"email\":\"counted@example.com\",\"role\":1,"
	    "\"password\":\"p\"}");
	assert_int_equal(answer->status, 201);
	snprintf(line, sizeof(line), "GET %s", http_header(answer, "location"));
	send_and_expect(line, NULL, NULL, 200);
	send_and_expect(line, NULL, NULL, 200);
	send_and_expect("GET /users/999999", NULL, NULL, 404);
	send_and_expect("GET /users/none", NULL, NULL, 400);
	send_and_expect("POST /users", NULL, "{\"accountid\":0}", 400);
	send_and_expect("GET /users", NULL, NULL, 200);
	send_and_expect("GET /healthz", NULL, NULL, 200);
	send_and_expect("GET /nowhere", NULL, NULL, 404);
	send_and_expect("DELETE /users", NULL, NULL, 405);
	send_and_expect("FROB /users", NULL, NULL, 405);
	check(rows, count);
}

static void
writes_are_counted_by_their_kind_and_bulks_as_one_call(void **state)
{
	struct growth rows[] = {
	    {false, STORE("user", "create"), 1, 0},
	    {false, STORE("user", "delete"), 1, 0},
	    {false, "mockvideo_store_operation_calls_count{resource=\"user\",operation=\"create\"}",
		1, 0},
	    {false, "mockvideo_store_operation_calls_sum{resource=\"user\",operation=\"create\"}",
		1, 0},
	    {false, "mockvideo_hash_duration_seconds_count", 2, 0},
	    {false, "mockvideo_rpc_server_queue_seconds_count{kind=\"bulk\"}", 1, 0},
	};
	size_t count = sizeof(rows) / sizeof(rows[0]);

	(void)state;
	note(rows, count);
	send_and_expect("POST /users", "Bulk-Request: true",
	    "{\"Users\":[{\"accountid\":1,\"name\":\"n\",\"email\":\"b1@example.com\",\"role\":1,"
	    "\"password\":\"p\"},{\"accountid\":1,\"name\":\"n\",\"email\":\"b2@example.com\","
	    "\"role\":1,\"password\":\"p\"}]}",
	    201);
	send_and_expect("DELETE /users/999999", NULL, NULL, 200);
	check(rows, count);
}

static void
what_was_done_together_adds_up(void **state)
{
	double calls;

	(void)state;
	calls = scrape_value(accountd, "mockvideo_rpc_server_batch_calls_sum");
	assert_true(calls >= scrape_value(accountd, CALL("server", "GetUser", "OK")));
	assert_true(scrape_value(gateway, "mockvideo_rpc_client_messages_calls_total" BACKEND) >=
		    scrape_value(gateway, "mockvideo_rpc_client_messages_total" BACKEND));
	assert_true(scrape_value(accountd, "mockvideo_store_up") == 1);
	assert_true(scrape_value(accountd, "mockvideo_store_connections{state=\"idle\"}") >= 1);
	assert_true(scrape_value(accountd, STORE("none", "check")) >= 1);
}

static void *
get_one(void *closure)
{
	struct http *own = http_new(stack.url);

	*(int *)closure = http_send(own, "GET /users/999999", NULL, NULL)->status;
	http_free(&own);
	return NULL;
}

static void
limits_are_told_beside_what_they_limit(void **state)
{
	static const char *const kinds[] = {"get", "list", "health", "write", "bulk"};
	char series[128];

	(void)state;
	for (size_t i = 0; i < sizeof(kinds) / sizeof(kinds[0]); i++) {
		snprintf(series, sizeof(series), "mockvideo_rpc_server_queue_limit{kind=\"%s\"}",
		    kinds[i]);
		assert_true(scrape_value(accountd, series) == 123);
		snprintf(series, sizeof(series), "mockvideo_rpc_server_queue_length{kind=\"%s\"}",
		    kinds[i]);
		scrape_value(accountd, series);
	}
	assert_true(scrape_value(accountd, "mockvideo_hash_queue_limit") == 45);
	assert_true(scrape_value(gateway,
			"mockvideo_rpc_client_calls_in_flight_limit{backend=\"default\"}") == 678);
	assert_true(scrape_value(gateway, "mockvideo_http_connections_limit") == 90);
	assert_true(scrape_value(gateway, "mockvideo_trace_queue_limit") == 0);
}

#define LOST(email)                                                                                \
	"{\"accountid\":1,\"name\":\"n\",\"email\":\"" email                                       \
	"@example.com\",\"role\":1,\"password\":\"p\"}"

static void *
create_one(void *closure)
{
	struct http *own = http_new(stack.url);

	*(int *)closure = http_send(own, "POST /users", NULL, LOST("lost"))->status;
	http_free(&own);
	return NULL;
}

#define UNKNOWN_CALLS                                                                              \
	"mockvideo_rpc_client_outcome_unknown_total{method=\"account.v1.UserService/CreateUser\"}"
#define UNKNOWN_WRITES                                                                             \
	"mockvideo_store_outcome_unknown_total{resource=\"user\",operation=\"create\"}"

static void
a_call_that_is_lost_with_its_service_is_counted_as_unknown(void **state)
{
	pthread_t thread;
	int status = 0;

	(void)state;
	assert_true(scrape_value(gateway, UNKNOWN_CALLS) == 0);
	process_signal(&stack.accountd[0], SIGSTOP);
	assert_int_equal(pthread_create(&thread, NULL, create_one, &status), 0);
	scrape_await(gateway, "mockvideo_rpc_client_calls_in_flight{backend=\"default\"}", 1);
	process_await_idle((struct process *const[]){&stack.gatewayd, NULL});
	process_signal(&stack.accountd[0], SIGKILL);
	pthread_join(thread, NULL);
	assert_int_equal(status, 503);
	scrape_await(gateway, UNKNOWN_CALLS, 1);
	process_wait_exit(&stack.accountd[0], 60);
	stack_start_accountd(&stack, 0);
	stack_await(&stack, "/accountdhealth", 200);
	scrape_await_ready(accountd, 200, "ready\n");
}

/*
 * The one worker is connected and has its statement prepared by the write before:
 * when nothing moves, it waits for the answer to it.
 */
static void
a_write_that_is_lost_with_the_database_is_counted_as_unknown(void **state)
{
	double before = scrape_value(gateway, UNKNOWN_CALLS);
	pthread_t thread;
	int status = 0;

	(void)state;
	assert_true(scrape_value(accountd, UNKNOWN_WRITES) == 0);
	send_and_expect("POST /users", NULL, LOST("there"), 201);
	mariadb_pause(&stack.mariadb);
	assert_int_equal(pthread_create(&thread, NULL, create_one, &status), 0);
	scrape_await(accountd, "mockvideo_rpc_server_calls_in_flight", 1);
	scrape_await(accountd, "mockvideo_store_connections{state=\"busy\"}", 2);
	process_await_idle((struct process *const[]){&stack.accountd[0], NULL});
	mariadb_kill(&stack.mariadb);
	pthread_join(thread, NULL);
	assert_int_equal(status, 503);
	scrape_await(accountd, UNKNOWN_WRITES, 1);
	scrape_await(gateway, UNKNOWN_CALLS, before + 1);
	assert_true(mariadb_start(&stack.mariadb));
	scrape_await_ready(accountd, 200, "ready\n");
	scrape_await_ready(gateway, 200, "ready\n");
}

static void
what_is_in_flight_is_told_until_it_has_ended(void **state)
{
	static const char in_flight[] = "mockvideo_http_requests_in_flight";
	static const char calls[] = "mockvideo_rpc_client_calls_in_flight" BACKEND;
	pthread_t thread;
	int status = 0;

	(void)state;
	scrape_await(gateway, in_flight, 0);
	process_signal(&stack.accountd[0], SIGSTOP);
	assert_int_equal(pthread_create(&thread, NULL, get_one, &status), 0);
	scrape_await(gateway, in_flight, 1);
	scrape_await(gateway, calls, 1);
	assert_true(scrape_value(gateway, "mockvideo_http_connections") >= 1);
	process_signal(&stack.accountd[0], SIGCONT);
	pthread_join(thread, NULL);
	assert_int_equal(status, 404);
	scrape_await(gateway, in_flight, 0);
	scrape_await(gateway, calls, 0);
	scrape_await(accountd, "mockvideo_rpc_server_calls_in_flight", 0);
	scrape_await(accountd, "mockvideo_rpc_server_queue_length{kind=\"get\"}", 0);
	scrape_await(accountd, "mockvideo_hash_queue_length", 0);
}

static void
readiness_follows_the_store(void **state)
{
	double closed;

	(void)state;
	scrape_await_ready(accountd, 200, "ready\n");
	scrape_await_ready(gateway, 200, "ready\n");
	mariadb_kill(&stack.mariadb);
	scrape_await_ready(accountd, 503, "the store does not answer\n");
	scrape_await(accountd, "mockvideo_store_up", 0);
	closed = scrape_value(accountd, "mockvideo_store_connections{state=\"closed\"}");
	assert_true(closed >= 1);
	scrape_await_ready(gateway, 503, "no backend serves\n");
	assert_int_equal(http_send(accountd, "GET /healthz", NULL, NULL)->status, 200);
	assert_true(mariadb_start(&stack.mariadb));
	scrape_await_ready(accountd, 200, "ready\n");
	scrape_await_ready(gateway, 200, "ready\n");
	scrape_await(accountd, "mockvideo_store_up", 1);
}

/* The series of an endpoint's state; static memory. */
static const char *
endpoint_state(const char *name)
{
	static char series[256];
	char url[STACK_URL_MAX];

	stack_accountd_url(&stack, 0, url);
	snprintf(series, sizeof(series),
	    "mockvideo_rpc_client_endpoint_state{backend=\"default\",endpoint=\"%s\",state=\"%s\"}",
	    url, name);
	return series;
}

static void
readiness_of_accountd_ends_with_the_drain_and_the_gateway_sees_it(void **state)
{
	(void)state;
	scrape_await(gateway, endpoint_state("serving"), 1);
	process_signal(&stack.accountd[0], SIGTERM);
	scrape_await_ready(accountd, 503, "draining\n");
	assert_int_equal(http_send(accountd, "GET /healthz", NULL, NULL)->status, 200);
	scrape_await(gateway, endpoint_state("not_serving"), 1);
	assert_true(scrape_value(gateway, endpoint_state("serving")) == 0);
	assert_int_equal(process_wait_exit(&stack.accountd[0], 60), 0);
	scrape_await(gateway, endpoint_state("connecting"), 1);
	scrape_await_ready(gateway, 503, "no backend serves\n");
	stack_start_accountd(&stack, 0);
	scrape_await(gateway, endpoint_state("serving"), 1);
	scrape_await_ready(gateway, 200, "ready\n");
}

static void
the_gateway_says_that_it_drains_while_a_request_is_in_flight(void **state)
{
	pthread_t thread;
	int status = 0;

	(void)state;
	process_signal(&stack.accountd[0], SIGSTOP);
	assert_int_equal(pthread_create(&thread, NULL, get_one, &status), 0);
	scrape_await(gateway, "mockvideo_http_requests_in_flight", 1);
	process_signal(&stack.gatewayd, SIGTERM);
	scrape_await_ready(gateway, 503, "draining\n");
	process_signal(&stack.accountd[0], SIGCONT);
	pthread_join(thread, NULL);
	assert_int_equal(status, 404);
	assert_int_equal(process_wait_exit(&stack.gatewayd, 60), 0);
	stack_start_gatewayd(&stack);
	stack_await(&stack, "/accountdhealth", 200);
}

static void throw(unsigned port, const void *bytes, size_t len)
{
	struct sockaddr_in address = {.sin_family = AF_INET, .sin_port = htons((uint16_t)port)};
	int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);

	address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
	assert_int_equal(connect(fd, (struct sockaddr *)&address, sizeof(address)), 0);
	(void)send(fd, bytes, len, MSG_NOSIGNAL);
	close(fd);
}

static void
garbage_on_an_admin_port_harms_nothing(void **state)
{
	const unsigned admin_ports[] = {stack.accountd_admin_port, stack.gatewayd_admin_port};
	static char bytes[100000];
	uint32_t seed = 7;

	(void)state;
	for (size_t i = 0; i < sizeof(bytes); i++) {
		seed = seed * 1664525 + 1013904223;
		bytes[i] = (char)(seed >> 24);
	}
	for (size_t port = 0; port < 2; port++) {
		for (size_t len = 1; len <= sizeof(bytes); len *= 7) {
			throw(admin_ports[port], bytes, len);
			throw(admin_ports[port], "GET /%41%00%zz HTTP/1.1\r\nHost: x\r\n\r\n", 35);
			throw(admin_ports[port], "GET /metrics HTTP/1.1\r\nHost: x\r\n\r\n",
			    len % 36);
		}
	}
	scrape_await_ready(accountd, 200, "ready\n");
	scrape_await_ready(gateway, 200, "ready\n");
	assert_true(process_running(&stack.accountd[0]));
	assert_true(process_running(&stack.gatewayd));
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(requests_and_calls_are_counted_by_what_they_were),
	    cmocka_unit_test(writes_are_counted_by_their_kind_and_bulks_as_one_call),
	    cmocka_unit_test(what_was_done_together_adds_up),
	    cmocka_unit_test(the_text_is_valid),
	    cmocka_unit_test(what_is_in_flight_is_told_until_it_has_ended),
	    cmocka_unit_test(limits_are_told_beside_what_they_limit),
	    cmocka_unit_test(a_call_that_is_lost_with_its_service_is_counted_as_unknown),
	    cmocka_unit_test(a_write_that_is_lost_with_the_database_is_counted_as_unknown),
	    cmocka_unit_test(garbage_on_an_admin_port_harms_nothing),
	    cmocka_unit_test(readiness_follows_the_store),
	    cmocka_unit_test(readiness_of_accountd_ends_with_the_drain_and_the_gateway_sees_it),
	    cmocka_unit_test(the_gateway_says_that_it_drains_while_a_request_is_in_flight),
	};

	return suite_run(&(struct suite){.stack = &stack,
	    .http = &http,
	    .gatewayd_admin = &gateway,
	    .accountd_admin = &accountd,
	    .tests = tests,
	    .test_count = sizeof(tests) / sizeof(tests[0])});
}
