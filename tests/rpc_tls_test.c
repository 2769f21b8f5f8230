/* A server and channels that meet by TLS, with certificates of both sides. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include <cmocka.h>

#include "tests/rpc_caller.h"
#include "tests/rpc_service.h"
#include "tests/rpc_tls_fixture.h"

#define HOUR_S 3600L

static struct certificate_authority *authority;
static struct certificate_authority *stranger;

static void
both_sides_show_their_certificates(void **state)
{
	time_t now_s = time(NULL);
	struct rpc_tls *own = tls_must_open(true, "server", "authority");
	struct rpc_tls *theirs = tls_must_open(false, "client", "authority");
	struct rpc_server *server = tls_open_server(own, NULL);
	struct rpc_channel *channel = tls_open_channel(server, theirs, NULL);
	struct rpc_tls_expiry expiry;

	(void)state;
	caller_wait_serving(channel, 1);
	tls_expect_service(channel);
	rpc_tls_get_expiry(own, &expiry);
	assert_in_range(expiry.own_s, now_s, now_s + HOUR_S);
	assert_in_range(expiry.trusted_s, now_s + 23 * HOUR_S, now_s + 24 * HOUR_S);
	assert_int_equal(expiry.revocations_s, 0);
	rpc_channel_close(&channel);
	rpc_server_close(&server);
	rpc_tls_close(&own);
	rpc_tls_close(&theirs);
}

/* Waits until the server has refused it, and checks what the caller is told. */
static void
expect_refusal(const char *client, const char *server_why, const char *client_why)
{
	struct rpc_tls *own = tls_must_open(true, "server", "authority");
	struct rpc_tls *theirs = tls_must_open(false, client, "authority");
	struct rpc_server *server = tls_open_server(own, NULL);
	struct rpc_channel *channel = caller_channel(rpc_server_url(server),
	    (struct rpc_channel_options){.tls = theirs, .connect_timeout_ms = 1});
	struct caller *caller;
	const struct rpc_reply *reply;

	tls_told_await(&tls_server_told, server_why);
	tls_told_await(&tls_client_told, client_why);
	caller = caller_start(channel, TLS_ECHO, "", 0, TLS_LONG_MS);
	reply = caller_wait(caller);
	assert_int_equal(reply->error.code, STATUS_UNAVAILABLE);
	assert_string_equal(reply->error.reason, "NO_ENDPOINT");
	caller_free(&caller);
	rpc_channel_close(&channel);
	rpc_server_close(&server);
	rpc_tls_close(&own);
	rpc_tls_close(&theirs);
}

static void
a_client_without_a_certificate_is_refused(void **state)
{
	(void)state;
	expect_refusal(NULL, "peer did not return a certificate", "certificate required");
}

static void
a_client_whose_certificate_has_expired_is_refused(void **state)
{
	(void)state;
	expect_refusal("expired", "certificate has expired", "certificate expired");
}

static void
a_client_of_another_authority_is_refused(void **state)
{
	(void)state;
	expect_refusal("foreign", "unable to get local issuer certificate", "unknown ca");
}

/* The client refuses; the server learns of it by an alert. */
static void
expect_server_refused(const char *server_name, const char *name, const char *why)
{
	struct rpc_tls *own = tls_must_open(true, server_name, NULL);
	struct rpc_tls *theirs = tls_must_open(false, NULL, "authority");
	struct rpc_server *server = tls_open_server(own, NULL);
	struct rpc_channel *channel = caller_channel(rpc_server_url(server),
	    (struct rpc_channel_options){.tls = theirs, .tls_name = name, .connect_timeout_ms = 1});
	struct caller *caller;

	tls_told_await(&tls_client_told, why);
	caller = caller_start(channel, TLS_ECHO, "", 0, TLS_LONG_MS);
	assert_non_null(strstr(caller_wait(caller)->error.detail, why));
	caller_free(&caller);
	rpc_channel_close(&channel);
	rpc_server_close(&server);
	rpc_tls_close(&own);
	rpc_tls_close(&theirs);
}

static void
a_server_of_another_authority_is_refused(void **state)
{
	(void)state;
	expect_server_refused("foreign", NULL, "unable to get local issuer certificate");
}

static void
a_server_of_another_name_is_refused(void **state)
{
	(void)state;
	expect_server_refused("server", "else.example", "hostname mismatch");
}

static void
certificates_are_read_again_while_calls_are_made(void **state)
{
	struct rpc_tls *own = tls_must_open(true, "renewed", "authority");
	struct rpc_tls *theirs = tls_must_open(false, "client", "authority");
	struct rpc_server *server = tls_open_server(own, NULL);
	struct rpc_channel *before = tls_open_channel(server, theirs, "first.example");
	struct rpc_channel *after;

	(void)state;
	caller_wait_serving(before, 1);
	certificate_issue(authority, tls_dir, "renewed", "second.example", HOUR_S);
	assert_int_equal(rpc_tls_reload(own, NULL), STATUS_OK);
	tls_expect_service(before);
	after = tls_open_channel(server, theirs, "second.example");
	caller_wait_serving(after, 1);
	tls_expect_service(after);
	tls_expect_service(before);
	rpc_channel_close(&before);
	rpc_channel_close(&after);
	rpc_server_close(&server);
	rpc_tls_close(&own);
	rpc_tls_close(&theirs);
	certificate_issue(authority, tls_dir, "renewed", "first.example", HOUR_S);
}

static void
files_that_are_no_certificates_are_named(void **state)
{
	static const struct {
		const char *own;
		const char *trusted;
		const char *text;
	} cases[] = {
	    {"missing", "authority", "missing.pem cannot be read: No such file"},
	    {"empty", "authority", "empty.pem holds no certificate in PEM format"},
	    {"server", "missing", "missing.pem cannot be read"},
	    {"server", "empty", "empty.pem holds no certificate in PEM format"},
	    {"mixed", "authority", "mixed.key holds no private key of the certificate"},
	    {NULL, "authority", "listening by TLS needs a certificate"},
	    {"fifo", "authority", "fifo.pem is no regular file"},
	    {"server", "fifo", "fifo.pem is no regular file"},
	};
	char path[PATH_MAX];
	char to[PATH_MAX];

	(void)state;
	fclose(fopen(tls_file(path, "empty", "pem"), "we"));
	fclose(fopen(tls_file(path, "empty", "key"), "we"));
	certificate_issue(authority, tls_dir, "mixed", "mixed.example", HOUR_S);
	assert_int_equal(mkfifo(tls_file(path, "fifo", "pem"), 0600), 0);
	unlink(tls_file(path, "mixed", "key"));
	assert_int_equal(symlink(tls_file(to, "server", "key"), path), 0);
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct rpc_tls *tls;
		struct error error;

		assert_int_equal(tls_open(&tls, true, cases[i].own, cases[i].trusted, &error),
		    STATUS_INVALID_ARGUMENT);
		assert_null(tls);
		if (strstr(error.message, cases[i].text) == NULL) {
			fail_msg("\"%s\" does not say \"%s\"", error.message, cases[i].text);
		}
	}
}

static void
a_reload_that_fails_changes_nothing(void **state)
{
	struct rpc_tls *own = tls_must_open(true, "renewed", "authority");
	struct rpc_tls *theirs = tls_must_open(false, "client", "authority");
	struct rpc_server *server = tls_open_server(own, NULL);
	struct rpc_channel *channel;
	struct error error;
	char path[PATH_MAX];

	(void)state;
	unlink(tls_file(path, "renewed", "key"));
	assert_int_equal(rpc_tls_reload(own, &error), STATUS_INVALID_ARGUMENT);
	assert_non_null(strstr(error.message, "renewed.key cannot be read"));
	channel = tls_open_channel(server, theirs, NULL);
	caller_wait_serving(channel, 1);
	tls_expect_service(channel);
	rpc_channel_close(&channel);
	rpc_server_close(&server);
	rpc_tls_close(&own);
	rpc_tls_close(&theirs);
	certificate_issue(authority, tls_dir, "renewed", "first.example", HOUR_S);
}

static void
without_trust_nothing_is_dialled(void **state)
{
	struct rpc_channel *channel;
	struct rpc_tls *tls;
	struct error error;

	(void)state;
	assert_int_equal(
	    rpc_channel_open(&channel,
		&(struct rpc_channel_options){.endpoints = "tls+tcp://127.0.0.1:1"}, &error),
	    STATUS_INVALID_ARGUMENT);
	assert_non_null(strstr(error.message, "no certificate of who is trusted"));
	assert_int_equal(tls_open(&tls, false, "client", NULL, &error), STATUS_INVALID_ARGUMENT);
}

static int
make_certificates(void **state)
{
	(void)state;
	assert_non_null(mkdtemp(tls_dir));
	atomic_store(&service_serving, true);
	authority = certificate_authority_new(tls_dir, "authority");
	stranger = certificate_authority_new(tls_dir, "stranger");
	certificate_issue(authority, tls_dir, "server", "server.example", HOUR_S);
	certificate_issue(authority, tls_dir, "renewed", "first.example", HOUR_S);
	certificate_issue(authority, tls_dir, "client", "client.example", HOUR_S);
	certificate_issue(authority, tls_dir, "expired", "client.example", -HOUR_S);
	certificate_issue(stranger, tls_dir, "foreign", "client.example", HOUR_S);
	return 0;
}

static int
remove_certificates(void **state)
{
	char command[PATH_MAX];

	(void)state;
	certificate_authority_free(&authority);
	certificate_authority_free(&stranger);
	snprintf(command, sizeof(command), "rm -r '%s'", tls_dir);
	return system(command);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(both_sides_show_their_certificates),
	    cmocka_unit_test(a_client_without_a_certificate_is_refused),
	    cmocka_unit_test(a_client_whose_certificate_has_expired_is_refused),
	    cmocka_unit_test(a_client_of_another_authority_is_refused),
	    cmocka_unit_test(a_server_of_another_authority_is_refused),
	    cmocka_unit_test(a_server_of_another_name_is_refused),
	    cmocka_unit_test(certificates_are_read_again_while_calls_are_made),
	    cmocka_unit_test(files_that_are_no_certificates_are_named),
	    cmocka_unit_test(a_reload_that_fails_changes_nothing),
	    cmocka_unit_test(without_trust_nothing_is_dialled),
	};
	int failed = cmocka_run_group_tests(tests, make_certificates, remove_certificates);

	rpc_fini();
	return failed;
}
