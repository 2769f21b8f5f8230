/* gatewayd, accountd and mvctl with certificates of both sides, which are renewed under load. */
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

#include <cmocka.h>

#include "integration/load.h"
#include "integration/scrape.h"
#include "integration/suite.h"
#include "tests/certificate.h"

#define CLIENTS 8
#define HOUR_S  3600L
#define GET     "account.v1.UserService/GetUser"

static char dir[PATH_MAX];
static char texts[STACK_FLAGS_MAX][PATH_MAX + 32];
static unsigned text_count;
static struct certificate_authority *authority;
static struct certificate_authority *stranger;
static struct stack stack = {.store = STACK_SQLITE, .accountd_scheme = "tls+tcp://"};
static struct http *admin; /* of the gateway */
static char out[4096];

/* A flag with a file of the certificates, for as long as the program runs. */
static const char *
flag(const char *name, const char *file)
{
	char *text = texts[text_count++];

	assert_true(text_count <= STACK_FLAGS_MAX);
	snprintf(text, sizeof(texts[0]), "--%s=%s/%s", name, dir, file);
	return text;
}

/* Asks accountd for user 1; own NULL: without a certificate. Gives mvctl's exit status. */
static int
ask(const char *own, const char *name, const char *metadata)
{
	char url[STACK_URL_MAX];
	char ca[PATH_MAX + 16];
	char cert[PATH_MAX + 32];
	char key[PATH_MAX + 32];
	const char *argv[20] = {process_program("mvctl"), "--timeout=5s", "--tls-ca", ca,
	    "--tls-name", name, "--endpoint", url};
	size_t argc = 8;

	stack_accountd_url(&stack, 0, url);
	snprintf(ca, sizeof(ca), "%s/authority.pem", dir);
	if (own != NULL) {
		snprintf(cert, sizeof(cert), "--tls-cert=%s/%s.pem", dir, own);
		snprintf(key, sizeof(key), "--tls-key=%s/%s.key", dir, own);
		argv[argc++] = cert;
		argv[argc++] = key;
	}
	if (metadata != NULL) {
		argv[argc++] = "--metadata";
		argv[argc++] = metadata;
	}
	argv[argc++] = "call";
	argv[argc++] = GET;
	argv[argc++] = "{\"id\":987654321}";
	return process_run(argv, out, sizeof(out));
}

static void
expect(int status, int wanted, const char *text)
{
	if (status != wanted || strstr(out, text) == NULL) {
		fail_msg("exit status %d, not %d with \"%s\": %s", status, wanted, text, out);
	}
}

#define NOT_FOUND         5
#define PERMISSION_DENIED 7
#define UNAVAILABLE       14

static void
who_shows_a_certificate_is_answered(void **state)
{
	(void)state;
	expect(ask("gateway", "accountd.test", NULL), NOT_FOUND, "NOT_FOUND");
}

static void
who_shows_none_or_a_wrong_one_is_refused_and_told_why(void **state)
{
	long mark = process_log_mark(&stack.accountd[0]);

	(void)state;
	expect(ask(NULL, "accountd.test", NULL), UNAVAILABLE, "certificate required");
	expect(ask("expired", "accountd.test", NULL), UNAVAILABLE, "certificate expired");
	expect(ask("foreign", "accountd.test", NULL), UNAVAILABLE, "unknown ca");
	expect(ask("gateway", "else.test", NULL), UNAVAILABLE, "hostname mismatch");
	process_await_log(&stack.accountd[0], mark, "\"reason\":\"tls\"");
	process_await_log(
	    &stack.accountd[0], mark, "\"detail\":\"peer did not return a certificate\"");
}

static void
only_the_gateway_may_say_for_whom_it_calls(void **state)
{
	long mark = process_log_mark(&stack.accountd[0]);

	(void)state;
	expect(ask("gateway", "accountd.test", "principal=user:1"), NOT_FOUND, "NOT_FOUND");
	expect(ask("other", "accountd.test", "principal=user:1"), PERMISSION_DENIED,
	    "PRINCIPAL_NOT_ALLOWED");
	process_await_log(
	    &stack.accountd[0], mark, "no name in its certificate is listed as trusted");
	expect(ask("other", "accountd.test", NULL), NOT_FOUND, "NOT_FOUND");
}

/* Both sides change at once, and then all connections. */
static void
certificates_are_renewed_without_a_failed_call(void **state)
{
	struct load *load = load_start(stack.url, CLIENTS);
	long mark = process_log_mark(&stack.accountd[0]);
	long gateway_mark = process_log_mark(&stack.gatewayd);

	(void)state;
	load_await(load, 200);
	certificate_issue(authority, dir, "accountd", "renewed.test", HOUR_S);
	certificate_issue(authority, dir, "gateway", "gateway.test", HOUR_S);
	process_signal(&stack.accountd[0], SIGHUP);
	process_signal(&stack.gatewayd, SIGHUP);
	process_await_log(&stack.accountd[0], mark, "certificates are read again");
	process_await_log(&stack.gatewayd, gateway_mark, "certificates are read again");
	load_await(load, 200);
	expect(ask("gateway", "renewed.test", NULL), NOT_FOUND, "NOT_FOUND");
	expect(ask("gateway", "accountd.test", NULL), UNAVAILABLE, "hostname mismatch");
	load_await(load, 200);
	load_stop(load);
	load_print(load);
	load_check_none_failed(load);
	load_check(load);
	load_free(&load);
	certificate_issue(authority, dir, "accountd", "accountd.test", HOUR_S);
	mark = process_log_mark(&stack.accountd[0]);
	process_signal(&stack.accountd[0], SIGHUP);
	process_await_log(&stack.accountd[0], mark, "certificates are read again");
}

/* Whether a series of the gateway is a time within the next day and a minute. */
static bool
ends_within_a_day(const char *series)
{
	double end_s = scrape_value(admin, series);

	return end_s > (double)time(NULL) && end_s <= (double)time(NULL) + 86460;
}

#define ENDS(key) "mockvideo_tls_ends_timestamp_seconds{key=\"" key "\",part=\"certificate\"}"

static void
the_gateway_tells_when_its_certificates_end(void **state)
{
	(void)state;
	assert_true(ends_within_a_day(ENDS("backendTlsCert")));
	assert_true(ends_within_a_day(ENDS("backendTlsCa")));
}

static void
a_file_that_is_no_certificate_changes_nothing(void **state)
{
	long mark = process_log_mark(&stack.accountd[0]);

	(void)state;
	process_write_file(dir, "accountd.pem", "no certificate\n");
	process_signal(&stack.accountd[0], SIGHUP);
	process_await_log(
	    &stack.accountd[0], mark, "configuration and certificates stay as they were");
	process_await_log(&stack.accountd[0], mark, "accountd.pem holds no certificate");
	expect(ask("gateway", "accountd.test", NULL), NOT_FOUND, "NOT_FOUND");
	certificate_issue(authority, dir, "accountd", "accountd.test", HOUR_S);
}

static void
a_start_without_its_certificate_says_what_is_missing(void **state)
{
	char store[PATH_MAX + 32];
	const char *argv[] = {
	    process_program("accountd"), "--listen=tls+tcp://127.0.0.1:0", "--store", store, NULL};

	(void)state;
	snprintf(store, sizeof(store), "sqlite:%s/other.db", dir);
	expect(process_run(argv, out, sizeof(out)), 2, "no certificate is configured");
}

static void
configure(void)
{
	size_t i = 0;

	process_make_dir(dir);
	authority = certificate_authority_new(dir, "authority");
	stranger = certificate_authority_new(dir, "stranger");
	certificate_issue(authority, dir, "accountd", "accountd.test", HOUR_S);
	certificate_issue(authority, dir, "gateway", "gateway.test", HOUR_S);
	certificate_issue(authority, dir, "other", "other.test", HOUR_S);
	certificate_issue(authority, dir, "expired", "gateway.test", -HOUR_S);
	certificate_issue(stranger, dir, "foreign", "gateway.test", HOUR_S);
	stack.accountd_flags[i++] = flag("tls-cert", "accountd.pem");
	stack.accountd_flags[i++] = flag("tls-key", "accountd.key");
	stack.accountd_flags[i++] = flag("tls-client-ca", "authority.pem");
	stack.accountd_flags[i++] = "--tls-trusted= someone.test ,gateway.test ";
	stack.accountd_flags[i++] = "--log-level=debug";
	i = 0;
	stack.gatewayd_flags[i++] = flag("backend-tls-ca", "authority.pem");
	stack.gatewayd_flags[i++] = flag("backend-tls-cert", "gateway.pem");
	stack.gatewayd_flags[i++] = flag("backend-tls-key", "gateway.key");
}

static void
finish(void)
{
	process_remove_dir(dir);
	certificate_authority_free(&authority);
	certificate_authority_free(&stranger);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(who_shows_a_certificate_is_answered),
	    cmocka_unit_test(who_shows_none_or_a_wrong_one_is_refused_and_told_why),
	    cmocka_unit_test(only_the_gateway_may_say_for_whom_it_calls),
	    cmocka_unit_test(certificates_are_renewed_without_a_failed_call),
	    cmocka_unit_test(the_gateway_tells_when_its_certificates_end),
	    cmocka_unit_test(a_file_that_is_no_certificate_changes_nothing),
	    cmocka_unit_test(a_start_without_its_certificate_says_what_is_missing),
	};

	return suite_run(&(struct suite){.stack = &stack,
	    .gatewayd_admin = &admin,
	    .configure = configure,
	    .finish = finish,
	    .tests = tests,
	    .test_count = sizeof(tests) / sizeof(tests[0])});
}
