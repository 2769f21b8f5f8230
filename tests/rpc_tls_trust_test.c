/* Whom a server believes by which names of a certificate, and who has been revoked. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include <cmocka.h>

#include "tests/rpc_caller.h"
#include "tests/rpc_service.h"
#include "tests/rpc_tls_fixture.h"

#define HOUR_S    3600L
#define NAMES_MAX 3

static struct certificate_authority *authority;

/* Makes a call for somebody by a certificate; reason "": it is allowed. */
static void
expect_principal(const struct rpc_server *server, const char *client, const char *reason)
{
	struct rpc_tls *theirs = tls_must_open(false, client, "authority");
	struct rpc_channel *channel = tls_open_channel(server, theirs, NULL);
	const struct rpc_metadata metadata[] = {{"principal", "user:7"}};
	const struct rpc_request request = {.method = TLS_ECHO,
	    .timeout_ms = TLS_LONG_MS,
	    .metadata = metadata,
	    .metadata_count = 1};

	caller_wait_serving(channel, 1);
	caller_expect(caller_start_request(channel, &request),
	    reason[0] == '\0' ? STATUS_OK : STATUS_PERMISSION_DENIED, reason);
	rpc_channel_close(&channel);
	rpc_tls_close(&theirs);
}

static void
only_trusted_clients_may_say_for_whom_a_call_is(void **state)
{
	struct rpc_tls *own = tls_must_open(true, "server", "authority");
	struct rpc_server *server = tls_open_server(own, "gateway, client.example");

	(void)state;
	expect_principal(server, "client", "");
	expect_principal(server, "other", "PRINCIPAL_NOT_ALLOWED");
	rpc_server_close(&server);
	rpc_tls_close(&own);
}

static void
a_name_counts_as_a_whole_and_only_where_it_can_be_read_in_one_way(void **state)
{
	static const struct {
		const char *case_name;
		struct certificate_name common[NAMES_MAX];
		struct certificate_name alternatives[NAMES_MAX];
		bool allowed;
	} cases[] = {
	    {"a common name alone", {CERTIFICATE_NAME("gateway")}, {{0}}, true},
	    {"a longer common name", {CERTIFICATE_NAME("gateway2")}, {{0}}, false},
	    {"a part of a name", {CERTIFICATE_NAME("gate")}, {{0}}, false},
	    {"a blank as a name", {CERTIFICATE_NAME(" ")}, {{0}}, false},
	    {"a NUL in the common name", {CERTIFICATE_NAME("gateway\0evil")}, {{0}}, false},
	    {"a NUL after the common name", {CERTIFICATE_NAME("gateway\0")}, {{0}}, false},
	    {"two common names", {CERTIFICATE_NAME("gateway"), CERTIFICATE_NAME("evil")}, {{0}},
		false},
	    {"two common names, the second is trusted",
		{CERTIFICATE_NAME("evil"), CERTIFICATE_NAME("gateway")}, {{0}}, false},
	    {"no name at all", {{0}}, {{0}}, false},
	    {"a DNS name, without a common one", {{0}}, {CERTIFICATE_NAME("gateway")}, true},
	    {"the second DNS name", {{0}}, {CERTIFICATE_NAME("evil"), CERTIFICATE_NAME("gateway")},
		true},
	    {"a URI", {{0}}, {{"spiffe://mock/gateway", 21, true}}, true},
	    {"a DNS name before the common one", {CERTIFICATE_NAME("gateway")},
		{CERTIFICATE_NAME("evil")}, false},
	    {"a NUL in a DNS name", {{0}}, {CERTIFICATE_NAME("gateway\0evil")}, false},
	    {"a NUL in another DNS name", {{0}},
		{CERTIFICATE_NAME("gateway"), CERTIFICATE_NAME("a\0b")}, false},
	    {"a NUL in a URI", {{0}}, {{"spiffe://mock/gateway\0", 22, true}}, false},
	    {"a wildcard", {{0}}, {CERTIFICATE_NAME("*")}, false},
	};
	struct rpc_tls *own = tls_must_open(true, "server", "authority");
	struct rpc_server *server =
	    tls_open_server(own, " other ,\tgateway \t, ,spiffe://mock/gateway,");

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		print_message("%s\n", cases[i].case_name);
		certificate_issue_named(
		    authority, tls_dir, "named", cases[i].common, cases[i].alternatives, HOUR_S);
		expect_principal(server, "named", cases[i].allowed ? "" : "PRINCIPAL_NOT_ALLOWED");
	}
	rpc_server_close(&server);
	rpc_tls_close(&own);
}

/* Waits until side has refused the other for why. */
static void
expect_refused(struct tls_told *side, const char *client, const char *server_ca, const char *ca,
    const char *why)
{
	struct rpc_tls *own = tls_must_open(true, "server", server_ca);
	struct rpc_tls *theirs = tls_must_open(false, client, ca);
	struct rpc_server *server = tls_open_server(own, NULL);
	struct rpc_channel *channel = caller_channel(rpc_server_url(server),
	    (struct rpc_channel_options){.tls = theirs, .connect_timeout_ms = 1});

	tls_told_await(side, why);
	rpc_channel_close(&channel);
	rpc_server_close(&server);
	rpc_tls_close(&own);
	rpc_tls_close(&theirs);
}

static void
expect_accepted(const char *client, const char *server_ca)
{
	struct rpc_tls *own = tls_must_open(true, "server", server_ca);
	struct rpc_tls *theirs = tls_must_open(false, client, "authority");
	struct rpc_server *server = tls_open_server(own, NULL);
	struct rpc_channel *channel = tls_open_channel(server, theirs, NULL);

	caller_wait_serving(channel, 1);
	tls_expect_service(channel);
	rpc_channel_close(&channel);
	rpc_server_close(&server);
	rpc_tls_close(&own);
	rpc_tls_close(&theirs);
}

static void
a_client_that_was_revoked_is_refused(void **state)
{
	(void)state;
	certificate_authority_write(authority, tls_dir, "revoking");
	certificate_revoke(authority, tls_dir, "revoking", "client", HOUR_S);
	expect_refused(&tls_server_told, "client", "revoking", "authority", "certificate revoked");
	expect_accepted("other", "revoking");
}

static void
a_server_that_was_revoked_is_refused(void **state)
{
	(void)state;
	certificate_authority_write(authority, tls_dir, "revoking");
	certificate_revoke(authority, tls_dir, "revoking", "server", HOUR_S);
	expect_refused(&tls_client_told, "client", "authority", "revoking", "certificate revoked");
}

static void
the_first_end_of_all_that_is_trusted_is_told(void **state)
{
	struct certificate_authority *shorter =
	    certificate_authority_new_for(tls_dir, "shorter", 2 * HOUR_S);
	int64_t now_s = time(NULL);
	struct rpc_tls_expiry expiry;
	struct rpc_tls *tls;

	(void)state;
	certificate_authority_write(authority, tls_dir, "several");
	certificate_revoke(authority, tls_dir, "several", NULL, 9 * HOUR_S);
	certificate_revoke(shorter, tls_dir, "several", NULL, 5 * HOUR_S);
	certificate_authority_append(shorter, tls_dir, "several");
	tls = tls_must_open(false, NULL, "several");
	rpc_tls_get_expiry(tls, &expiry);
	assert_int_equal(expiry.own_s, 0);
	assert_in_range(expiry.trusted_s, now_s + HOUR_S, now_s + 2 * HOUR_S);
	assert_in_range(expiry.revocations_s, now_s + 4 * HOUR_S, now_s + 6 * HOUR_S);
	rpc_tls_close(&tls);
	certificate_authority_free(&shorter);
}

static void
a_list_of_revocations_that_has_ended_lets_nobody_in(void **state)
{
	(void)state;
	certificate_authority_write(authority, tls_dir, "ended");
	certificate_revoke(authority, tls_dir, "ended", NULL, -HOUR_S);
	expect_refused(&tls_server_told, "client", "ended", "authority", "CRL has expired");
}

static void
an_authority_without_a_list_among_some_with_one_lets_nobody_in(void **state)
{
	struct certificate_authority *stranger = certificate_authority_new(tls_dir, "stranger");

	(void)state;
	certificate_authority_write(authority, tls_dir, "mixed");
	certificate_revoke(stranger, tls_dir, "mixed", NULL, HOUR_S);
	expect_refused(
	    &tls_server_told, "client", "mixed", "authority", "unable to get certificate CRL");
	certificate_authority_free(&stranger);
}

static void
a_revocation_counts_once_the_file_is_read_again(void **state)
{
	struct rpc_tls *own;
	struct rpc_tls *theirs = tls_must_open(false, "client", "authority");
	struct rpc_server *server;
	struct rpc_channel *before;
	struct rpc_channel *after;

	(void)state;
	certificate_authority_write(authority, tls_dir, "later");
	own = tls_must_open(true, "server", "later");
	server = tls_open_server(own, NULL);
	before = tls_open_channel(server, theirs, NULL);
	caller_wait_serving(before, 1);
	certificate_revoke(authority, tls_dir, "later", "client", HOUR_S);
	assert_int_equal(rpc_tls_reload(own, NULL), STATUS_OK);
	after = caller_channel(rpc_server_url(server),
	    (struct rpc_channel_options){.tls = theirs, .connect_timeout_ms = 1});
	tls_told_await(&tls_server_told, "certificate revoked");
	tls_expect_service(before);
	rpc_channel_close(&before);
	rpc_channel_close(&after);
	rpc_server_close(&server);
	rpc_tls_close(&own);
	rpc_tls_close(&theirs);
}

/* Appends a text to a file with the authority and a list, and wants it refused for why. */
static void
expect_file_refused(const char *text, const char *why)
{
	char path[PATH_MAX];
	struct rpc_tls *tls;
	struct error error;
	FILE *file;

	certificate_authority_write(authority, tls_dir, "damaged");
	certificate_revoke(authority, tls_dir, "damaged", NULL, HOUR_S);
	file = fopen(tls_file(path, "damaged", "pem"), "ae");
	assert_non_null(file);
	fputs(text, file);
	assert_int_equal(fclose(file), 0);
	assert_int_equal(
	    tls_open(&tls, true, "server", "damaged", &error), STATUS_INVALID_ARGUMENT);
	if (strstr(error.message, why) == NULL) {
		fail_msg("\"%s\" does not say \"%s\"", error.message, why);
	}
}

static void
a_part_of_the_file_that_would_be_passed_over_is_refused(void **state)
{
	char path[PATH_MAX];
	struct rpc_tls *tls;
	struct error error;

	(void)state;
	expect_file_refused("-----BEGIN X509 CRL-----\nMIIB", "damaged.pem holds no");
	expect_file_refused("-----BEGIN X509 CRL-----\n!!\n-----END X509 CRL-----\n",
	    "damaged.pem holds no certificate in PEM format, or a damaged one");
	expect_file_refused("-----BEGIN X509 CRL-----\nMIIB\n-----END X509 CRL-----\n",
	    "damaged.pem holds no certificate in PEM format, or a damaged one");
	expect_file_refused("-----BEGIN CRL-----\nMIIB\n-----END CRL-----\n",
	    "damaged.pem holds a block \"CRL\": take it out");
	unlink(tls_file(path, "alone", "pem"));
	certificate_revoke(authority, tls_dir, "alone", NULL, HOUR_S);
	assert_int_equal(tls_open(&tls, true, "server", "alone", &error), STATUS_INVALID_ARGUMENT);
	assert_non_null(strstr(error.message, "alone.pem holds no certificate"));
}

static int
make_certificates(void **state)
{
	(void)state;
	assert_non_null(mkdtemp(tls_dir));
	atomic_store(&service_serving, true);
	authority = certificate_authority_new(tls_dir, "authority");
	certificate_issue(authority, tls_dir, "server", "server.example", HOUR_S);
	certificate_issue(authority, tls_dir, "client", "client.example", HOUR_S);
	certificate_issue(authority, tls_dir, "other", "other.example", HOUR_S);
	return 0;
}

static int
remove_certificates(void **state)
{
	char command[PATH_MAX];

	(void)state;
	certificate_authority_free(&authority);
	snprintf(command, sizeof(command), "rm -r '%s'", tls_dir);
	return system(command);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(only_trusted_clients_may_say_for_whom_a_call_is),
	    cmocka_unit_test(a_name_counts_as_a_whole_and_only_where_it_can_be_read_in_one_way),
	    cmocka_unit_test(a_client_that_was_revoked_is_refused),
	    cmocka_unit_test(a_server_that_was_revoked_is_refused),
	    cmocka_unit_test(the_first_end_of_all_that_is_trusted_is_told),
	    cmocka_unit_test(a_list_of_revocations_that_has_ended_lets_nobody_in),
	    cmocka_unit_test(an_authority_without_a_list_among_some_with_one_lets_nobody_in),
	    cmocka_unit_test(a_revocation_counts_once_the_file_is_read_again),
	    cmocka_unit_test(a_part_of_the_file_that_would_be_passed_over_is_refused),
	};
	int failed = cmocka_run_group_tests(tests, make_certificates, remove_certificates);

	rpc_fini();
	return failed;
}
