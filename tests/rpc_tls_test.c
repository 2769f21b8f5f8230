/* A server and channels that meet by TLS, with certificates of both sides. */
#include <limits.h>
#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include <cmocka.h>

#include "common/rpc/net/rpc_tls.h"
#include "common/rpc/net/rpc_transport.h"
#include "common/rpc/server/rpc_server.h"
#include "tests/certificate.h"
#include "tests/rpc_caller.h"
#include "tests/rpc_service.h"

#define HOUR_S  3600L
#define ECHO    "test.v1.Test/Echo"
#define LONG_MS 30000

static char dir[] = "/tmp/rpc_tls_test.XXXXXX";
static struct certificate_authority *authority;
static struct certificate_authority *stranger;

/* Why a side could not connect, as it was told. */
struct told {
	pthread_mutex_t lock;
	pthread_cond_t changed;
	char why[128];
	unsigned count;
};

#define TOLD_INIT                                                                                  \
	{                                                                                          \
		.lock = PTHREAD_MUTEX_INITIALIZER, .changed = PTHREAD_COND_INITIALIZER             \
	}

static struct told server_told = TOLD_INIT;
static struct told client_told = TOLD_INIT;

static void
told_why(const char *why, void *closure)
{
	struct told *told = closure;

	pthread_mutex_lock(&told->lock);
	snprintf(told->why, sizeof(told->why), "%s", why);
	told->count++;
	pthread_cond_broadcast(&told->changed);
	pthread_mutex_unlock(&told->lock);
}

static void
told_forget(struct told *told)
{
	pthread_mutex_lock(&told->lock);
	told->count = 0;
	pthread_mutex_unlock(&told->lock);
}

static void
told_await(struct told *told, const char *why)
{
	pthread_mutex_lock(&told->lock);
	while (told->count == 0) {
		pthread_cond_wait(&told->changed, &told->lock);
	}
	if (strstr(told->why, why) == NULL) {
		fail_msg("refused for \"%s\", not \"%s\"", told->why, why);
	}
	pthread_mutex_unlock(&told->lock);
}

static const char *
file(char path[PATH_MAX], const char *name, const char *suffix)
{
	snprintf(path, PATH_MAX, "%s/%s.%s", dir, name, suffix);
	return path;
}

/* own NULL: no certificate; trusted NULL: nobody is. */
static enum status_code
open_tls(
    struct rpc_tls **tls, bool server, const char *own, const char *trusted, struct error *error)
{
	char ca[PATH_MAX];
	char cert[PATH_MAX];
	char key[PATH_MAX];
	const struct rpc_tls_options options = {.server = server,
	    .ca_file = trusted == NULL ? NULL : file(ca, trusted, "pem"),
	    .cert_file = own == NULL ? NULL : file(cert, own, "pem"),
	    .key_file = own == NULL ? NULL : file(key, own, "key"),
	    .failed = told_why,
	    .closure = server ? &server_told : &client_told};

	told_forget(options.closure);

	return rpc_tls_open(tls, &options, error);
}

static struct rpc_tls *
must_open_tls(bool server, const char *own, const char *trusted)
{
	struct rpc_tls *tls;
	struct error error;

	if (open_tls(&tls, server, own, trusted, &error) != STATUS_OK) {
		fail_msg("%s", error.message);
	}
	return tls;
}

static struct rpc_server *
open_server(struct rpc_tls *tls, const char *trusted)
{
	struct rpc_server_options options = service_options("tls+tcp://127.0.0.1:0");
	struct rpc_server *server;
	struct error error;

	options.tls = tls;
	options.trusted = trusted;
	if (rpc_server_open(&server, &options, &error) != STATUS_OK) {
		fail_msg("%s", error.message);
	}
	return server;
}

static struct rpc_channel *
open_channel(const struct rpc_server *server, struct rpc_tls *tls, const char *name)
{
	return caller_channel(rpc_server_url(server),
	    (struct rpc_channel_options){
		.tls = tls, .tls_name = name, .connect_timeout_ms = LONG_MS});
}

/* A call without what it needs to be answered, whose refusal tells that it came to the service. */
static void
expect_service(struct rpc_channel *channel)
{
	caller_expect(caller_start(channel, "test.v1.Test/Nothing", "", 0, LONG_MS),
	    STATUS_UNIMPLEMENTED, "UNKNOWN_METHOD");
}

static void
both_sides_show_their_certificates(void **state)
{
	struct rpc_tls *own = must_open_tls(true, "server", "authority");
	struct rpc_tls *theirs = must_open_tls(false, "client", "authority");
	struct rpc_server *server = open_server(own, NULL);
	struct rpc_channel *channel = open_channel(server, theirs, NULL);

	(void)state;
	caller_wait_serving(channel, 1);
	expect_service(channel);
	assert_true(rpc_tls_expires_s(own) > time(NULL));
	assert_true(rpc_tls_expires_s(own) <= time(NULL) + HOUR_S);
	rpc_channel_close(&channel);
	rpc_server_close(&server);
	rpc_tls_close(&own);
	rpc_tls_close(&theirs);
}

/* Waits until the server has refused it, and checks what the caller is told. */
static void
expect_refusal(const char *client, const char *server_why, const char *client_why)
{
	struct rpc_tls *own = must_open_tls(true, "server", "authority");
	struct rpc_tls *theirs = must_open_tls(false, client, "authority");
	struct rpc_server *server = open_server(own, NULL);
	struct rpc_channel *channel = caller_channel(rpc_server_url(server),
	    (struct rpc_channel_options){.tls = theirs, .connect_timeout_ms = 1});
	struct caller *caller;
	const struct rpc_reply *reply;

	told_await(&server_told, server_why);
	told_await(&client_told, client_why);
	caller = caller_start(channel, ECHO, "", 0, LONG_MS);
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
	struct rpc_tls *own = must_open_tls(true, server_name, NULL);
	struct rpc_tls *theirs = must_open_tls(false, NULL, "authority");
	struct rpc_server *server = open_server(own, NULL);
	struct rpc_channel *channel = caller_channel(rpc_server_url(server),
	    (struct rpc_channel_options){.tls = theirs, .tls_name = name, .connect_timeout_ms = 1});
	struct caller *caller;

	told_await(&client_told, why);
	caller = caller_start(channel, ECHO, "", 0, LONG_MS);
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
	struct rpc_tls *own = must_open_tls(true, "renewed", "authority");
	struct rpc_tls *theirs = must_open_tls(false, "client", "authority");
	struct rpc_server *server = open_server(own, NULL);
	struct rpc_channel *before = open_channel(server, theirs, "first.example");
	struct rpc_channel *after;

	(void)state;
	caller_wait_serving(before, 1);
	certificate_issue(authority, dir, "renewed", "second.example", HOUR_S);
	assert_int_equal(rpc_tls_reload(own, NULL), STATUS_OK);
	expect_service(before);
	after = open_channel(server, theirs, "second.example");
	caller_wait_serving(after, 1);
	expect_service(after);
	expect_service(before);
	rpc_channel_close(&before);
	rpc_channel_close(&after);
	rpc_server_close(&server);
	rpc_tls_close(&own);
	rpc_tls_close(&theirs);
	certificate_issue(authority, dir, "renewed", "first.example", HOUR_S);
}

static void
expect_principal(
    const struct rpc_server *server, const char *client, enum status_code code, const char *reason)
{
	struct rpc_tls *theirs = must_open_tls(false, client, "authority");
	struct rpc_channel *channel = open_channel(server, theirs, NULL);
	const struct rpc_metadata metadata[] = {{"principal", "user:7"}};
	const struct rpc_request request = {
	    .method = ECHO, .timeout_ms = LONG_MS, .metadata = metadata, .metadata_count = 1};

	caller_wait_serving(channel, 1);
	caller_expect(caller_start_request(channel, &request), code, reason);
	rpc_channel_close(&channel);
	rpc_tls_close(&theirs);
}

static void
only_trusted_subjects_may_say_for_whom_a_call_is(void **state)
{
	struct rpc_tls *own = must_open_tls(true, "server", "authority");
	struct rpc_server *server = open_server(own, "gateway, client.example");

	(void)state;
	expect_principal(server, "client", STATUS_OK, "");
	expect_principal(server, "other", STATUS_PERMISSION_DENIED, "PRINCIPAL_NOT_ALLOWED");
	rpc_server_close(&server);
	rpc_tls_close(&own);
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
	};
	char path[PATH_MAX];
	char to[PATH_MAX];

	(void)state;
	fclose(fopen(file(path, "empty", "pem"), "we"));
	fclose(fopen(file(path, "empty", "key"), "we"));
	certificate_issue(authority, dir, "mixed", "mixed.example", HOUR_S);
	unlink(file(path, "mixed", "key"));
	assert_int_equal(symlink(file(to, "server", "key"), path), 0);
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct rpc_tls *tls;
		struct error error;

		assert_int_equal(open_tls(&tls, true, cases[i].own, cases[i].trusted, &error),
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
	struct rpc_tls *own = must_open_tls(true, "renewed", "authority");
	struct rpc_tls *theirs = must_open_tls(false, "client", "authority");
	struct rpc_server *server = open_server(own, NULL);
	struct rpc_channel *channel;
	struct error error;
	char path[PATH_MAX];

	(void)state;
	unlink(file(path, "renewed", "key"));
	assert_int_equal(rpc_tls_reload(own, &error), STATUS_INVALID_ARGUMENT);
	assert_non_null(strstr(error.message, "renewed.key cannot be read"));
	channel = open_channel(server, theirs, NULL);
	caller_wait_serving(channel, 1);
	expect_service(channel);
	rpc_channel_close(&channel);
	rpc_server_close(&server);
	rpc_tls_close(&own);
	rpc_tls_close(&theirs);
	certificate_issue(authority, dir, "renewed", "first.example", HOUR_S);
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
	assert_int_equal(open_tls(&tls, false, "client", NULL, &error), STATUS_INVALID_ARGUMENT);
}

static int
make_certificates(void **state)
{
	(void)state;
	assert_non_null(mkdtemp(dir));
	atomic_store(&service_serving, true);
	authority = certificate_authority_new(dir, "authority");
	stranger = certificate_authority_new(dir, "stranger");
	certificate_issue(authority, dir, "server", "server.example", HOUR_S);
	certificate_issue(authority, dir, "renewed", "first.example", HOUR_S);
	certificate_issue(authority, dir, "client", "client.example", HOUR_S);
	certificate_issue(authority, dir, "other", "other.example", HOUR_S);
	certificate_issue(authority, dir, "expired", "client.example", -HOUR_S);
	certificate_issue(stranger, dir, "foreign", "client.example", HOUR_S);
	return 0;
}

static int
remove_certificates(void **state)
{
	char command[PATH_MAX];

	(void)state;
	certificate_authority_free(&authority);
	certificate_authority_free(&stranger);
	snprintf(command, sizeof(command), "rm -r '%s'", dir);
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
	    cmocka_unit_test(only_trusted_subjects_may_say_for_whom_a_call_is),
	    cmocka_unit_test(files_that_are_no_certificates_are_named),
	    cmocka_unit_test(a_reload_that_fails_changes_nothing),
	    cmocka_unit_test(without_trust_nothing_is_dialled),
	};
	int failed = cmocka_run_group_tests(tests, make_certificates, remove_certificates);

	rpc_fini();
	return failed;
}
