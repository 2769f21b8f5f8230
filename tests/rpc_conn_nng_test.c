/* NNG's own REQ and REP sockets at the other end, in both roles, by each transport. */
#include <nng/nng.h>
#include <nng/protocol/reqrep0/rep.h>
#include <nng/protocol/reqrep0/req.h>
#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "common/rpc/net/rpc_tls.h"
#include "common/rpc/net/rpc_transport.h"
#include "tests/certificate.h"
#include "tests/nng_tls.h"
#include "tests/rpc_side.h"

#define ID 0x80000000

static char dir[] = "/tmp/rpc_conn_nng_test.XXXXXX";

static const size_t sizes[] = {0, 1, 1000, 16384, 100000, 3000000};

#define SIZES (sizeof(sizes) / sizeof(sizes[0]))

static void
file_path(char path[128], const char *name)
{
	snprintf(path, 128, "%s/%s", dir, name);
}

static struct rpc_tls *
open_tls(bool server)
{
	char ca[128];
	char cert[128];
	char key[128];
	const struct rpc_tls_options options = {
	    .server = server, .ca_file = ca, .cert_file = cert, .key_file = key};
	struct rpc_tls *tls;
	struct error error;

	file_path(ca, "authority.pem");
	file_path(cert, "peer.pem");
	file_path(key, "peer.key");
	if (rpc_tls_open(&tls, &options, &error) != STATUS_OK) {
		fail_msg("%s", error.message);
	}
	return tls;
}

/* A REQ of NNG asks, one after the other. */
static void
nng_asks(const char *url)
{
	bool tls = strncmp(url, "tls", 3) == 0;
	nng_tls_config *config = tls ? nng_tls_new(dir, "peer", NNG_TLS_MODE_CLIENT) : NULL;
	nng_dialer dialer;
	nng_socket req;

	assert_int_equal(nng_req0_open(&req), 0);
	assert_int_equal(nng_socket_set_ms(req, NNG_OPT_RECVTIMEO, 30000), 0);
	assert_int_equal(nng_socket_set_size(req, NNG_OPT_RECVMAXSZ, 0), 0);
	assert_int_equal(nng_dialer_create(&dialer, req, url), 0);
	if (tls) {
		assert_int_equal(nng_dialer_set_ptr(dialer, NNG_OPT_TLS_CONFIG, config), 0);
	}
	assert_int_equal(nng_dialer_start(dialer, 0), 0);
	for (size_t i = 0; i < SIZES; i++) {
		uint8_t *bytes = malloc(sizes[i] + 1);
		nng_msg *reply;

		memset(bytes, (int)i, sizes[i]);
		assert_int_equal(nng_send(req, bytes, sizes[i], 0), 0);
		assert_int_equal(nng_recvmsg(req, &reply, 0), 0);
		assert_int_equal(nng_msg_len(reply), sizes[i]);
		assert_memory_equal(nng_msg_body(reply), bytes, sizes[i]);
		nng_msg_free(reply);
		free(bytes);
	}
	nng_close(req);
	if (tls) {
		nng_tls_config_free(config);
	}
}

static void
nng_asks_us(const char *at)
{
	bool tls = strncmp(at, "tls", 3) == 0;
	struct rpc_tls *ours = tls ? open_tls(true) : NULL;
	struct side *rep = side_open(RPC_ROLE_REP, NULL);
	const char *url = side_listen(rep, at, ours);

	nng_asks(url);
	nng_asks(url);
	side_await_closed(rep, 2);
	assert_int_equal(rep->count, 2 * SIZES);
	side_close(&rep);
	rpc_tls_close(&ours);
}

static void *
nng_echo(void *closure)
{
	nng_socket rep = *(nng_socket *)closure;
	nng_msg *msg;

	while (nng_recvmsg(rep, &msg, 0) == 0) {
		if (nng_sendmsg(rep, msg, 0) != 0) {
			nng_msg_free(msg);
		}
	}
	return NULL;
}

static void
we_ask_nng(const char *at)
{
	bool tls = strncmp(at, "tls", 3) == 0;
	nng_tls_config *config = tls ? nng_tls_new(dir, "peer", NNG_TLS_MODE_SERVER) : NULL;
	struct rpc_tls *ours = tls ? open_tls(false) : NULL;
	struct side *req = side_open(RPC_ROLE_REQ, NULL);
	nng_listener listener;
	pthread_t thread;
	nng_socket rep;
	char *url;

	assert_int_equal(nng_rep0_open(&rep), 0);
	assert_int_equal(nng_socket_set_size(rep, NNG_OPT_RECVMAXSZ, 0), 0);
	assert_int_equal(nng_listener_create(&listener, rep, at), 0);
	if (tls) {
		assert_int_equal(nng_listener_set_ptr(listener, NNG_OPT_TLS_CONFIG, config), 0);
	}
	assert_int_equal(nng_listener_start(listener, 0), 0);
	assert_int_equal(nng_listener_get_string(listener, NNG_OPT_URL, &url), 0);
	pthread_create(&thread, NULL, nng_echo, &rep);
	side_dial(req, url, ours);
	side_await_opened(req, 1);
	for (size_t i = 0; i < SIZES; i++) {
		assert_true(side_ask(req, ID + (uint32_t)i, sizes[i], (uint8_t)i, NULL));
		side_expect(req, i, ID + (uint32_t)i, sizes[i], (uint8_t)i);
	}
	side_close(&req);
	nng_close(rep);
	pthread_join(thread, NULL);
	nng_strfree(url);
	rpc_tls_close(&ours);
	if (tls) {
		nng_tls_config_free(config);
	}
}

static const char *
ipc_url(void)
{
	static char url[128];

	snprintf(url, sizeof(url), "ipc://%s/socket", dir);
	return url;
}

static void
a_req_of_nng_is_answered_by_tcp(void **state)
{
	(void)state;
	nng_asks_us("tcp://127.0.0.1:0");
}

static void
a_req_of_nng_is_answered_by_ipc(void **state)
{
	(void)state;
	nng_asks_us(ipc_url());
}

static void
a_req_of_nng_is_answered_by_tls(void **state)
{
	(void)state;
	nng_asks_us("tls+tcp://127.0.0.1:0");
}

static void
a_rep_of_nng_answers_by_tcp(void **state)
{
	(void)state;
	we_ask_nng("tcp://127.0.0.1:0");
}

static void
a_rep_of_nng_answers_by_ipc(void **state)
{
	(void)state;
	we_ask_nng(ipc_url());
}

static void
a_rep_of_nng_answers_by_tls(void **state)
{
	(void)state;
	we_ask_nng("tls+tcp://127.0.0.1:0");
}

static void *
nng_forward(void *closure)
{
	nng_socket *sockets = closure;

	(void)nng_device(sockets[0], sockets[1]);
	return NULL;
}

/* A device stands between a REQ of NNG and us, which adds a hop to the route. */
static void
a_req_of_nng_is_answered_through_a_device(void **state)
{
	struct side *rep = side_open(RPC_ROLE_REP, NULL);
	const char *url = side_listen(rep, "tcp://127.0.0.1:0", NULL);
	nng_socket sockets[2];
	pthread_t thread;

	(void)state;
	assert_int_equal(nng_rep0_open_raw(&sockets[0]), 0);
	assert_int_equal(nng_req0_open_raw(&sockets[1]), 0);
	assert_int_equal(nng_socket_set_size(sockets[0], NNG_OPT_RECVMAXSZ, 0), 0);
	assert_int_equal(nng_socket_set_size(sockets[1], NNG_OPT_RECVMAXSZ, 0), 0);
	assert_int_equal(nng_listen(sockets[0], "inproc://device", NULL, 0), 0);
	assert_int_equal(nng_dial(sockets[1], url, NULL, 0), 0);
	pthread_create(&thread, NULL, nng_forward, sockets);
	nng_asks("inproc://device");
	assert_int_equal(rep->messages[0].route_len, 8);
	nng_close(sockets[0]);
	nng_close(sockets[1]);
	pthread_join(thread, NULL);
	side_close(&rep);
}

/* All at once, and each is answered. */
static void
two_hundred_connect_by_tls_at_once(void **state)
{
	struct rpc_tls *server = open_tls(true);
	struct rpc_tls *client = open_tls(false);
	struct side *rep = side_open(RPC_ROLE_REP, NULL);
	struct side *req = side_open(RPC_ROLE_REQ, NULL);
	const char *url = side_listen(rep, "tls+tcp://127.0.0.1:0", server);
	const struct rpc_dialer_options options = {.url = url, .tls = client};
	struct rpc_dialer *dialers[200];
	struct error error;

	(void)state;
	for (size_t i = 0; i < 200; i++) {
		assert_int_equal(
		    rpc_dialer_open(&dialers[i], req->net, &options, &error), STATUS_OK);
	}
	side_await_opened(req, 200);
	side_await_opened(rep, 200);
	assert_int_equal(req->closed, 0);
	assert_int_equal(req->unreached, 0);
	assert_true(side_ask(req, ID, 100, 'q', NULL));
	side_expect(req, 0, ID, 100, 'q');
	for (size_t i = 0; i < 200; i++) {
		rpc_dialer_close(&dialers[i]);
	}
	assert_int_equal(req->closed, 200);
	side_close(&req);
	side_close(&rep);
	rpc_tls_close(&server);
	rpc_tls_close(&client);
}

/* A ClientHello that stops after seven bytes, and one that goes on with nonsense. */
static void
a_tls_handshake_that_is_none_ends_in_time(void **state)
{
	struct rpc_net_options options = side_options(RPC_ROLE_REP);
	struct rpc_tls *server = open_tls(true);
	struct side *rep;
	const char *url;
	int fd;

	(void)state;
	options.handshake_timeout_ms = 300;
	rep = side_open(RPC_ROLE_REP, &options);
	url = side_listen(rep, "tls+tcp://127.0.0.1:0", server);
	fd = bare_connect(url);
	bare_send(fd, "\x16\x03\x01\x02\0\x01\0", 7);
	side_await_fault(rep, RPC_CAUSE_HANDSHAKE_TIMEOUT, 1);
	bare_expect_end(fd);
	fd = bare_connect(url);
	bare_send(fd, "GET / HTTP/1.1\r\n\r\n", 18);
	side_await_fault(rep, RPC_CAUSE_TLS, 1);
	close(fd);
	side_await_stat(rep, side_connections, 0);
	assert_int_equal(rep->opened, 0);
	side_close(&rep);
	rpc_tls_close(&server);
}

static void
large_messages_pass_both_ways_at_once_by_tls(void **state)
{
	struct rpc_tls *server = open_tls(true);
	struct rpc_tls *client = open_tls(false);
	struct side *rep = side_open(RPC_ROLE_REP, NULL);
	struct side *req = side_open(RPC_ROLE_REQ, NULL);

	(void)state;
	side_dial(req, side_listen(rep, "tls+tcp://127.0.0.1:0", server), client);
	side_await_opened(req, 1);
	for (uint32_t i = 0; i < 100; i++) {
		assert_true(side_ask(req, ID + i, i % 10 == 0 ? 1000000 : i, (uint8_t)i, NULL));
	}
	for (uint32_t i = 0; i < 100; i++) {
		side_expect(req, i, ID + i, i % 10 == 0 ? 1000000 : i, (uint8_t)i);
	}
	assert_true(rpc_net_drain(req->net, 30000));
	side_close(&rep);
	side_await_closed(req, 1);
	assert_int_equal(req->cause, RPC_CAUSE_PEER);
	side_close(&req);
	rpc_tls_close(&server);
	rpc_tls_close(&client);
}

static int
make_certificates(void **state)
{
	struct certificate_authority *authority;

	(void)state;
	assert_non_null(mkdtemp(dir));
	authority = certificate_authority_new(dir, "authority");
	certificate_issue(authority, dir, "peer", "peer", 3600);
	certificate_authority_free(&authority);
	return 0;
}

static int
remove_certificates(void **state)
{
	static const char *const names[] = {"authority.pem", "peer.pem", "peer.key"};
	char path[128];

	(void)state;
	for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
		file_path(path, names[i]);
		(void)unlink(path);
	}
	return rmdir(dir);
}

int
main(void)
{
	const struct CMUnitTest cases[] = {
	    cmocka_unit_test(a_req_of_nng_is_answered_by_tcp),
	    cmocka_unit_test(a_req_of_nng_is_answered_by_ipc),
	    cmocka_unit_test(a_req_of_nng_is_answered_by_tls),
	    cmocka_unit_test(a_rep_of_nng_answers_by_tcp),
	    cmocka_unit_test(a_rep_of_nng_answers_by_ipc),
	    cmocka_unit_test(a_rep_of_nng_answers_by_tls),
	    cmocka_unit_test(a_req_of_nng_is_answered_through_a_device),
	    cmocka_unit_test(two_hundred_connect_by_tls_at_once),
	    cmocka_unit_test(a_tls_handshake_that_is_none_ends_in_time),
	    cmocka_unit_test(large_messages_pass_both_ways_at_once_by_tls),
	};
	int failed = cmocka_run_group_tests(cases, make_certificates, remove_certificates);

	rpc_fini();
	return failed;
}
