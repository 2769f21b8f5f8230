#include "common/rpc/server/rpc_server.h"

#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include <cmocka.h>

#include "common/rpc/net/rpc_transport.h"
#include "tests/rpc_peer.h"
#include "tests/rpc_service.h"

static int
health(struct peer *peer, const char *service)
{
	struct peer_call call = {.method = "mockvideo.rpc.v1.Health/Check", .text = service};
	Mockvideo__Rpc__V1__HealthCheckResponse *response;
	Mockvideo__Rpc__V1__ReplyBatch *batch;
	int status;

	peer_send(peer, &call, 1);
	batch = peer_receive(peer);
	if (batch->replies[0]->status != NULL) {
		status = -(int)batch->replies[0]->status->code;
	} else {
		response = mockvideo__rpc__v1__health_check_response__unpack(
		    NULL, batch->replies[0]->response.len, batch->replies[0]->response.data);
		assert_non_null(response);
		status = (int)response->status;
		mockvideo__rpc__v1__health_check_response__free_unpacked(response, NULL);
	}
	peer_free(batch);
	return status;
}

static void
health_follows_the_program_and_the_drain(void **state)
{
	struct peer *peer = service_connect(state);

	assert_int_equal(health(peer, ""), 1);
	assert_int_equal(health(peer, "test.v1.Test"), 1);
	assert_int_equal(health(peer, "test.v1.Tes"), -STATUS_NOT_FOUND);
	atomic_store(&service_serving, false);
	assert_int_equal(health(peer, ""), 2);
	assert_int_equal(health(peer, "test.v1.Test"), 2);
	atomic_store(&service_serving, true);
	assert_int_equal(health(peer, ""), 1);
	rpc_server_drain(*state);
	assert_int_equal(health(peer, ""), 2);
	service_ask(peer, PEER_CALL("test.v1.Test/Echo", "still"), 0, "still");
	peer_close(peer);
}

static void
reflection_gives_the_descriptors(void **state)
{
	struct peer *peer = service_connect(state);

	service_ask(peer, PEER_CALL("mockvideo.rpc.v1.Reflection/GetFileDescriptorSet", ""), 0,
	    "descriptors");
	peer_close(peer);
}

static void *
close_server(void *state)
{
	rpc_server_close(state);
	return NULL;
}

/* Echoes until the server, which is about to close, says so. */
static void
wait_for_shutdown(struct peer *peer)
{
	struct peer_call call = {.method = "test.v1.Test/Echo"};
	bool refused = false;

	while (!refused) {
		Mockvideo__Rpc__V1__ReplyBatch *batch;

		peer_send(peer, &call, 1);
		batch = peer_receive(peer);
		if (batch->replies[0]->status != NULL) {
			assert_string_equal(batch->replies[0]->status->reason, "SHUTTING_DOWN");
			assert_int_equal(batch->replies[0]->status->code, STATUS_UNAVAILABLE);
			refused = true;
		}
		peer_free(batch);
	}
}

static void
close_answers_what_was_started_and_refuses_the_rest(void **state)
{
	struct peer_call calls[] = {
	    {.method = "test.v1.Test/Hold"}, {.method = "test.v1.Test/Hold"}};
	struct peer *started = service_connect(state);
	struct peer *late = service_connect(state);
	Mockvideo__Rpc__V1__ReplyBatch *batch;
	pthread_t closer;

	peer_send(started, calls, 2);
	service_wait_for_held(2);
	assert_int_equal(pthread_create(&closer, NULL, close_server, state), 0);
	wait_for_shutdown(late);
	assert_int_equal(rpc_server_in_flight(*state), 2);
	service_answer(service_held.calls[1], "second");
	service_answer(service_held.calls[0], "first");
	batch = peer_receive(started);
	assert_int_equal(batch->n_replies, 2);
	assert_null(batch->replies[0]->status);
	peer_free(batch);
	pthread_join(closer, NULL);
	assert_null(*state);
	peer_close(started);
	peer_close(late);
}

static void
close_lets_a_large_reply_leave(void **state)
{
	struct peer_call call = {.method = "test.v1.Test/Hold"};
	struct peer *peer = service_connect(state);
	Mockvideo__Rpc__V1__ReplyBatch *batch;

	peer_send(peer, &call, 1);
	service_wait_for_held(1);
	service_answer_large(service_held.calls[0], NULL);
	rpc_server_close((struct rpc_server **)state);
	batch = peer_receive(peer);
	assert_int_equal(batch->n_replies, 1);
	assert_true(batch->replies[0]->response.len > SERVICE_LARGE_BYTES);
	peer_free(batch);
	peer_close(peer);
}

static void
a_client_that_leaves_does_no_harm(void **state)
{
	struct peer_call call = {.method = "test.v1.Test/Hold"};
	struct peer *peer = service_connect(state);

	peer_send(peer, &call, 1);
	service_wait_for_held(1);
	peer_close(peer);
	service_answer(service_held.calls[0], "nobody listens");
	peer = service_connect(state);
	service_ask(peer, PEER_CALL("test.v1.Test/Echo", "alive"), 0, "alive");
	peer_close(peer);
}

/* One alone is taken, however large; what comes beside it must fit. */
static void
requests_beyond_the_memory_for_them_are_refused(void **state)
{
	struct rpc_server_options options = service_options("tcp://127.0.0.1:0");
	static char text[2000];
	struct peer_call hold = {.method = "test.v1.Test/Hold", .text = text};
	struct rpc_server_stats stats;
	struct rpc_server *server;
	struct peer *first;
	struct peer *second;
	struct error error;

	(void)state;
	memset(text, 't', sizeof(text) - 1);
	options.limits.working_max_bytes = 1000;
	assert_int_equal(rpc_server_open(&server, &options, &error), STATUS_OK);
	first = peer_open(rpc_server_url(server));
	second = peer_open(rpc_server_url(server));
	peer_send(first, &hold, 1);
	service_wait_for_held(1);
	rpc_server_stats(server, &stats);
	assert_in_range(stats.working_bytes, 2000, 2100);
	peer_send(second, &hold, 1);
	peer_expect_refusal(peer_receive(second), STATUS_RESOURCE_EXHAUSTED, "SERVER_BUSY");
	service_answer(service_held.calls[0], "first");
	peer_free(peer_receive(first));
	service_ask(second, PEER_CALL("test.v1.Test/Echo", "now"), 0, "now");
	rpc_server_stats(server, &stats);
	assert_int_equal(stats.connections, 2);
	peer_close(first);
	peer_close(second);
	rpc_server_close(&server);
}

static void *
echo_much(void *url)
{
	static const char *const texts[] = {"a", "bb", "ccc"};
	struct peer_call calls[3];
	struct peer *peer = peer_open(url);

	for (int i = 0; i < 3; i++) {
		calls[i] = PEER_CALL("test.v1.Test/Echo", texts[i]);
	}
	for (int round = 0; round < 50; round++) {
		Mockvideo__Rpc__V1__ReplyBatch *batch;

		peer_send(peer, calls, 3);
		batch = peer_receive(peer);
		assert_int_equal(batch->n_replies, 3);
		for (int i = 0; i < 3; i++) {
			char *text = peer_text(batch->replies[i]);

			assert_string_equal(text, texts[i]);
			free(text);
		}
		peer_free(batch);
	}
	peer_close(peer);
	return NULL;
}

static void
clients_in_parallel_get_their_own_answers(void **state)
{
	pthread_t threads[64];

	for (int i = 0; i < 64; i++) {
		assert_int_equal(
		    pthread_create(&threads[i], NULL, echo_much, (void *)rpc_server_url(*state)),
		    0);
	}
	for (int i = 0; i < 64; i++) {
		pthread_join(threads[i], NULL);
	}
	assert_int_equal(atomic_load(&service_observed[STATUS_OK]), 64 * 50 * 3);
	assert_int_equal(rpc_server_in_flight(*state), 0);
}

/* Opening must fail with a message that holds each of the parts. */
static void
expect_no_listening(const char *listen, enum status_code code, const char *part)
{
	struct rpc_server_options options = service_options(listen);
	struct rpc_server *server = (struct rpc_server *)&options;
	struct error error;

	assert_int_equal(rpc_server_open(&server, &options, &error), code);
	assert_int_equal(error.code, code);
	assert_null(server);
	if (strstr(error.message, part) == NULL) {
		fail_msg("\"%s\" does not say \"%s\"", error.message, part);
	}
}

static void
a_url_that_can_not_be_bound_is_named_with_the_reason(void **state)
{
	char list[256];

	expect_no_listening(rpc_server_url(*state), STATUS_UNAVAILABLE, "Address in use");
	expect_no_listening(rpc_server_url(*state), STATUS_UNAVAILABLE, rpc_server_url(*state));
	snprintf(list, sizeof(list), "tcp://127.0.0.1:0 , %s", rpc_server_url(*state));
	expect_no_listening(list, STATUS_UNAVAILABLE, rpc_server_url(*state));
	expect_no_listening("carrier-pigeon://x", STATUS_INVALID_ARGUMENT, "carrier-pigeon://x");
	expect_no_listening("tcp://127.0.0.1:0,", STATUS_INVALID_ARGUMENT, "empty entry");
	expect_no_listening("", STATUS_INVALID_ARGUMENT, "empty entry");
	expect_no_listening("tls+tcp://127.0.0.1:0", STATUS_INVALID_ARGUMENT, "certificate");
}

static void
make_stale_socket(const char *path)
{
	struct sockaddr_un address = {.sun_family = AF_UNIX};
	int fd = socket(AF_UNIX, SOCK_STREAM, 0);

	snprintf(address.sun_path, sizeof(address.sun_path), "%s", path);
	assert_int_equal(bind(fd, (struct sockaddr *)&address, sizeof(address)), 0);
	close(fd);
}

static void
ipc_takes_over_a_stale_socket_but_no_other_file(void **state)
{
	char dir[] = "/tmp/rpc_server_test.XXXXXX";
	char path[64];
	char url[128];
	struct rpc_server *server;
	struct peer *peer;

	(void)state;
	assert_non_null(mkdtemp(dir));
	snprintf(path, sizeof(path), "%s/socket", dir);
	make_stale_socket(path);
	snprintf(url, sizeof(url), " ipc://%s ,\ttcp://127.0.0.1:0", path);
	server = service_open(url);
	for (char *rest = strdupa(rpc_server_url(server)), *one; (one = strsep(&rest, ","));) {
		peer = peer_open(one);
		service_ask(peer, PEER_CALL("test.v1.Test/Echo", one), 0, one);
		peer_close(peer);
	}
	expect_no_listening(strtok(url, " "), STATUS_UNAVAILABLE, "Address in use");
	rpc_server_close(&server);
	assert_int_equal(access(path, F_OK), -1);

	fclose(fopen(path, "w"));
	expect_no_listening(strtok(url, " "), STATUS_FAILED_PRECONDITION, "no socket");
	assert_int_equal(unlink(path), 0);
	assert_int_equal(rmdir(dir), 0);
}

#define CASE(name) cmocka_unit_test_setup_teardown(name, service_set_up, service_tear_down)

int
main(void)
{
	const struct CMUnitTest cases[] = {
	    CASE(health_follows_the_program_and_the_drain),
	    CASE(reflection_gives_the_descriptors),
	    CASE(close_answers_what_was_started_and_refuses_the_rest),
	    CASE(close_lets_a_large_reply_leave),
	    CASE(a_client_that_leaves_does_no_harm),
	    CASE(requests_beyond_the_memory_for_them_are_refused),
	    CASE(clients_in_parallel_get_their_own_answers),
	    CASE(a_url_that_can_not_be_bound_is_named_with_the_reason),
	    CASE(ipc_takes_over_a_stale_socket_but_no_other_file),
	};
	int failed = cmocka_run_group_tests(cases, NULL, NULL);

	rpc_fini();
	return failed;
}
