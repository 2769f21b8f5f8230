/*
 * NNG's own sockets at the other end of a whole channel and of a whole server, by
 * each transport. What passes below them is tested in rpc_conn_nng_test.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "tests/nng_tls.h"
#include "tests/rpc_backend.h"
#include "tests/rpc_caller.h"
#include "tests/rpc_service.h"
#include "tests/rpc_tls_fixture.h"

#define CALLS   64
#define LONG_MS 30000

/* Where one end listens; with a port of its own, or in the folder of certificates. */
static const char *
place(const char *scheme)
{
	static char url[PATH_MAX + 16];

	if (strcmp(scheme, "ipc") == 0) {
		snprintf(url, sizeof(url), "ipc://%s/socket", tls_dir);
	} else {
		snprintf(url, sizeof(url), "%s://127.0.0.1:0", scheme);
	}
	return url;
}

/* Calls of all sorts by a channel, many at a time. */
static void
call_everything(struct rpc_channel *channel)
{
	struct caller *callers[CALLS];
	char text[16];

	for (unsigned i = 0; i < CALLS; i++) {
		snprintf(text, sizeof(text), "%u", i);
		callers[i] = caller_start(channel, "t/Echo", text, 0, LONG_MS);
	}
	for (unsigned i = 0; i < CALLS; i++) {
		snprintf(text, sizeof(text), "%u", i);
		caller_expect_text(callers[i], text);
	}
	caller_expect(caller_start(channel, "t/Fail", "", 0, LONG_MS), STATUS_ALREADY_EXISTS,
	    "DUPLICATE_EMAIL");
	callers[0] = caller_start(channel, "t/Large", "", 0, LONG_MS);
	assert_int_equal(caller_wait(callers[0])->len, 100000);
	caller_free(&callers[0]);
}

static void
a_channel_calls(const char *scheme)
{
	bool by_tls = strncmp(scheme, "tls", 3) == 0;
	nng_tls_config *theirs = by_tls ? nng_tls_new(tls_dir, "peer", NNG_TLS_MODE_SERVER) : NULL;
	struct rpc_tls *ours = by_tls ? tls_must_open(false, "peer", "authority") : NULL;
	struct backend *backend = backend_open_tls(place(scheme), theirs);
	struct rpc_channel *channel;

	assert_non_null(backend);
	channel = caller_channel(backend_url(backend),
	    (struct rpc_channel_options){.tls = ours, .connect_timeout_ms = LONG_MS});
	caller_wait_serving(channel, 1);
	call_everything(channel);
	backend_wait(backend, CALLS + 2);
	rpc_channel_close(&channel);
	backend_close(&backend);
	rpc_tls_close(&ours);
	if (by_tls) {
		nng_tls_config_free(theirs);
	}
}

static void
a_socket_calls(const char *scheme)
{
	bool by_tls = strncmp(scheme, "tls", 3) == 0;
	nng_tls_config *theirs = by_tls ? nng_tls_new(tls_dir, "peer", NNG_TLS_MODE_CLIENT) : NULL;
	struct rpc_tls *ours = by_tls ? tls_must_open(true, "peer", "authority") : NULL;
	struct rpc_server_options options = service_options(place(scheme));
	struct peer_call calls[SERVICE_BATCH_MAX_CALLS];
	Mockvideo__Rpc__V1__ReplyBatch *batch;
	struct rpc_server *server;
	struct error error;
	struct peer *peer;

	options.tls = ours;
	assert_int_equal(rpc_server_open(&server, &options, &error), STATUS_OK);
	peer = peer_open_tls(rpc_server_url(server), theirs);
	for (unsigned i = 0; i < CALLS; i++) {
		service_ask(peer, PEER_CALL("test.v1.Test/Echo", "one"), STATUS_OK, "one");
	}
	service_ask(
	    peer, PEER_CALL("test.v1.Test/None", ""), STATUS_UNIMPLEMENTED, "UNKNOWN_METHOD");
	for (unsigned i = 0; i < SERVICE_BATCH_MAX_CALLS; i++) {
		calls[i] = PEER_CALL("test.v1.Test/Echo", "of many");
	}
	peer_send(peer, calls, SERVICE_BATCH_MAX_CALLS);
	batch = peer_receive(peer);
	assert_int_equal(batch->n_replies, SERVICE_BATCH_MAX_CALLS);
	for (unsigned i = 0; i < SERVICE_BATCH_MAX_CALLS; i++) {
		char *text = peer_text(batch->replies[i]);

		assert_string_equal(text, "of many");
		free(text);
	}
	peer_free(batch);
	peer_close(peer);
	rpc_server_close(&server);
	rpc_tls_close(&ours);
	if (by_tls) {
		nng_tls_config_free(theirs);
	}
}

static void
a_channel_calls_a_rep_socket_of_nng_by_tcp(void **state)
{
	(void)state;
	a_channel_calls("tcp");
}

static void
a_channel_calls_a_rep_socket_of_nng_by_ipc(void **state)
{
	(void)state;
	a_channel_calls("ipc");
}

static void
a_channel_calls_a_rep_socket_of_nng_by_tls(void **state)
{
	(void)state;
	a_channel_calls("tls+tcp");
}

static void
a_req_socket_of_nng_calls_a_server_by_tcp(void **state)
{
	(void)state;
	a_socket_calls("tcp");
}

static void
a_req_socket_of_nng_calls_a_server_by_ipc(void **state)
{
	(void)state;
	a_socket_calls("ipc");
}

static void
a_req_socket_of_nng_calls_a_server_by_tls(void **state)
{
	(void)state;
	a_socket_calls("tls+tcp");
}

static int
make_certificates(void **state)
{
	struct certificate_authority *authority;

	(void)state;
	assert_non_null(mkdtemp(tls_dir));
	atomic_store(&service_serving, true);
	authority = certificate_authority_new(tls_dir, "authority");
	certificate_issue(authority, tls_dir, "peer", "peer.example", 3600);
	certificate_authority_free(&authority);
	return 0;
}

static int
remove_certificates(void **state)
{
	static const char *const suffixes[][2] = {
	    {"authority", "pem"}, {"peer", "pem"}, {"peer", "key"}};
	char path[PATH_MAX];

	(void)state;
	for (size_t i = 0; i < sizeof(suffixes) / sizeof(suffixes[0]); i++) {
		(void)unlink(tls_file(path, suffixes[i][0], suffixes[i][1]));
	}
	return rmdir(tls_dir);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(a_channel_calls_a_rep_socket_of_nng_by_tcp),
	    cmocka_unit_test(a_channel_calls_a_rep_socket_of_nng_by_ipc),
	    cmocka_unit_test(a_channel_calls_a_rep_socket_of_nng_by_tls),
	    cmocka_unit_test(a_req_socket_of_nng_calls_a_server_by_tcp),
	    cmocka_unit_test(a_req_socket_of_nng_calls_a_server_by_ipc),
	    cmocka_unit_test(a_req_socket_of_nng_calls_a_server_by_tls),
	};
	int failed = cmocka_run_group_tests(tests, make_certificates, remove_certificates);

	rpc_fini();
	return failed;
}
