/*
 * What can be seen to be wrong without connecting is refused by --check-config
 * and by a start alike, and a start that is refused has touched nothing.
 */
#include <netinet/in.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include <cmocka.h>

#include "integration/process.h"
#include "tests/certificate.h"

#define FLAGS_MAX 8
#define HOUR_S    3600L

/* A path of 108 bytes, which is one more than a socket's may have. */
#define LONG_PATH                                                                                  \
	"/tmp/aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa"                                  \
	"aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa"

static char dir[PATH_MAX];
static char out[65536];

/* Runs a program in dir with flags, and last unless it is NULL. */
static int
run(const char *program, const char *const *flags, const char *last)
{
	const char *argv[FLAGS_MAX + 8] = {"sh", "-c", "cd \"$0\" && exec \"$@\"", dir, NULL};
	char path[PATH_MAX];
	size_t argc = 4;

	assert_non_null(realpath(process_program(program), path));
	argv[argc++] = path;
	while (*flags != NULL) {
		argv[argc++] = *flags++;
	}
	argv[argc] = last;
	return process_run(argv, out, sizeof(out));
}

static bool
exists(const char *name)
{
	char path[PATH_MAX + 64];
	struct stat file;

	snprintf(path, sizeof(path), "%s/%s", dir, name);
	return lstat(path, &file) == 0;
}

struct refusal {
	const char *program;
	const char *flags[FLAGS_MAX];
	const char *says;
};

static const struct refusal refusals[] = {
    {"accountd", {"--store=postgres"}, "store 'postgres' is not known"},
    {"accountd", {"--store=sqlite:nowhere/users.db"}, "folder 'nowhere'"},
    {"accountd", {"--store=mysql", "--db-host=a:0"}, "database host 'a'"},
    {"accountd", {"--store=mysql", "--db-host=" LONG_PATH}, "at most 107 bytes"},
    {"accountd", {"--store=mysql", "--db-tls=verify", "--db-tls-ca=absent.pem"}, "absent.pem"},
    {"accountd", {"--store=mysql", "--db-tls=verify-ca"}, "needs dbTlsCa"},
    {"accountd", {"--store=mysql", "--db-tls=required", "--db-tls-cert=accountd.pem"}, "dbTlsKey"},
    {"accountd",
	{"--store=mysql", "--db-tls=required", "--db-tls-cert=accountd.pem",
	    "--db-tls-key=authority.pem"},
	"authority.pem"},
    {"accountd", {"--listen=foo"},
	"listen \"foo\": it must begin with tcp:// tls+tcp:// or ipc://"},
    {"accountd", {"--listen=inproc://a"}, "it must begin with"},
    {"accountd", {"--listen=tcp://127.0.0.1"}, "listen \"127.0.0.1\" is no address"},
    {"accountd", {"--listen=tcp://127.0.0.1:70000"}, "is no address"},
    {"accountd", {"--listen=tcp://256.0.0.1:7001"}, "is no address of this machine"},
    {"accountd", {"--listen=tcp://127.0.0.1:7001/x"}, "is no address"},
    {"accountd", {"--listen=ipc://"}, "has 1 to 107 bytes, this one 0"},
    {"accountd", {"--listen=ipc://" LONG_PATH}, "has 1 to 107 bytes, this one 108"},
    {"accountd", {"--listen=ipc://nowhere/socket"}, "its folder cannot be written to: No such"},
    {"accountd", {"--listen=ipc://accountd.pem"}, "a file of that name that is no socket"},
    {"accountd", {"--listen=tcp://127.0.0.1:0, "}, "listen has an empty entry"},
    {"accountd", {"--listen=tcp://:7011,tcp://127.0.0.1:7011"}, "are the same place"},
    {"accountd", {"--listen=ipc://a,ipc://a"}, "are the same place"},
    {"accountd", {"--listen=tcp://:7002", "--admin-listen=127.0.0.1:7002"},
	"and adminListen are the same address"},
    {"accountd", {"--port=7002", "--admin-listen=127.0.0.1:7002"},
	"and adminListen are the same address"},
    {"accountd", {"--listen=tls+tcp://127.0.0.1:0"}, "set tlsCert and tlsKey"},
    {"accountd", {"--tls-cert=accountd.pem"}, "tlsCert needs tlsKey"},
    {"accountd", {"--tls-key=accountd.key"}, "tlsKey needs tlsCert"},
    {"accountd", {"--tls-client-ca=authority.pem"}, "tlsClientCa needs tlsCert and tlsKey"},
    {"accountd", {"--tls-trusted=gateway"}, "tlsTrusted needs tlsClientCa"},
    {"accountd",
	{"--tls-trusted=a, ,b", "--tls-client-ca=authority.pem", "--tls-cert=accountd.pem",
	    "--tls-key=accountd.key"},
	"tlsTrusted has an empty entry"},
    {"accountd", {"--tls-cert=nowhere.pem", "--tls-key=accountd.key"},
	"nowhere.pem cannot be read"},
    {"accountd", {"--tls-cert=accountd.pem", "--tls-key=nowhere.key"},
	"nowhere.key cannot be read"},
    {"accountd", {"--tls-cert=accountd.pem", "--tls-key=other.key"},
	"other.key holds no private key of the certificate"},
    {"accountd",
	{"--tls-cert=accountd.pem", "--tls-key=accountd.key", "--tls-client-ca=accountd.key"},
	"accountd.key holds a block \"PRIVATE KEY\""},
    {"accountd", {"frobnicate"}, "there is no command frobnicate"},
    {"gatewayd", {"--listen=127.0.0.1:5001", "--admin-listen=127.0.0.1:5001"},
	"listen and adminListen are the same address"},
    {"gatewayd", {"--port=5001", "--admin-listen=127.0.0.1:5001"},
	"listen and adminListen are the same address"},
    {"gatewayd", {"--admin-listen=nowhere"}, "adminListen \"nowhere\" is no address"},
    {"gatewayd", {"--backends=foo"}, "endpoint \"foo\""},
    {"gatewayd", {"--backends=ipc://" LONG_PATH}, "at most 107 bytes, this one 108"},
    {"gatewayd", {"--backends=tls+tcp://a:1"}, "needs backendTlsCa"},
    {"gatewayd", {"--backend-tls-ca=nowhere.pem"}, "nowhere.pem cannot be read"},
    {"gatewayd", {"--backend-tls-cert=accountd.pem"}, "backendTlsCert and backendTlsKey belong"},
    {"gatewayd", {"--backend-tls-cert=accountd.pem", "--backend-tls-key=accountd.key"},
	"backendTlsCert needs backendTlsCa"},
    {"gatewayd", {"--cors-origins=https://a.example,https://b.example/"},
	"corsOrigins has \"https://b.example/\": it must end with the host or the port"},
    {"gatewayd", {"--cors-origins=*,https://a.example"}, "* stands for all origins"},
    {"gatewayd", {"--backend-tls-name=a"}, "backendTlsName needs backendTlsCa"},
    {"gatewayd",
	{"--backend-tls-ca=authority.pem", "--backend-tls-cert=accountd.pem",
	    "--backend-tls-key=other.key"},
	"other.key holds no private key of the certificate"},
    {"gatewayd", {"--descriptors=nowhere.pb"}, "descriptors nowhere.pb: No such file"},
    {"gatewayd", {"--descriptors=accountd.pem"}, "not a FileDescriptorSet"},
    {"gatewayd", {"--descriptor-cache=accountd.pem"},
	"descriptorCache accountd.pem: Not a directory"},
    {"gatewayd", {"--descriptor-cache=no/where"}, "descriptorCache no/where: No such file"},
    {"gatewayd", {"--backends=a..b=tcp://a:1"}, "must be a URL, or a proto package with its URL"},
};

static void
expect_refused(const struct refusal *refusal, const char *last)
{
	int status = run(refusal->program, refusal->flags, last);

	if (status != 2 || strstr(out, refusal->says) == NULL) {
		fail_msg("%s %s %s: exit status %d, no \"%s\" in: %s", refusal->program,
		    refusal->flags[0], last == NULL ? "" : last, status, refusal->says, out);
	}
}

static void
what_is_wrong_is_refused_by_the_check_and_by_the_start(void **state)
{
	(void)state;
	for (size_t i = 0; i < sizeof(refusals) / sizeof(refusals[0]); i++) {
		expect_refused(&refusals[i], "--check-config");
		expect_refused(&refusals[i], NULL);
		assert_false(exists("accountd.db"));
	}
}

static void
what_is_right_is_taken_by_the_check(void **state)
{
	static const struct refusal cases[] = {
	    {"accountd", {NULL}, ""},
	    {"accountd", {"--listen=tcp://:7001,tcp://[::1]:0,tcp://*:7003,ipc://socket"}, ""},
	    {"accountd",
		{"--listen=tls+tcp://127.0.0.1:7001", "--tls-cert=accountd.pem",
		    "--tls-key=accountd.key", "--tls-client-ca=authority.pem"},
		""},
	    {"accountd", {"--listen=tcp://127.0.0.2:7002", "--admin-listen=127.0.0.1:7002"}, ""},
	    {"accountd", {"--listen=tcp://:7002", "--admin-listen=off"}, ""},
	    {"accountd", {"--listen=foo", "--port=7001"}, ""},
	    {"accountd", {"--store=mysql", "--db-host=a,b:3307,/run/mysqld/mysqld.sock"}, ""},
	    {"accountd",
		{"migrate", "--store=mysql", "--db-tls=verify", "--db-tls-ca=authority.pem",
		    "--db-tls-cert=accountd.pem", "--db-tls-key=accountd.key"},
		""},
	    {"accountd", {"migrate", "--listen=foo", "--tls-cert=a", "--tls-key=b"}, ""},
	    {"gatewayd", {NULL}, ""},
	    {"gatewayd", {"--backends=dns:///a:1,tls+tcp://b:1", "--backend-tls-ca=authority.pem"},
		""},
	};

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		if (run(cases[i].program, cases[i].flags, "--check-config") != 0) {
			fail_msg("%s %s: %s", cases[i].program, cases[i].flags[0], out);
		}
	}
	assert_false(exists("accountd.db"));
	assert_false(exists("socket"));
}

static void
each_fault_is_told(void **state)
{
	static const char *const flags[] = {"--store=postgres", "--listen=foo", NULL};

	(void)state;
	assert_int_equal(run("accountd", flags, "--check-config"), 2);
	assert_non_null(strstr(out, "postgres"));
	assert_non_null(strstr(out, "\"foo\""));
}

/* A socket that listens on a free port of 127.0.0.1, which is written. */
static int
take_port(unsigned *port)
{
	struct sockaddr_in name = {
	    .sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
	socklen_t len = sizeof(name);
	int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);

	assert_int_equal(bind(fd, (const struct sockaddr *)&name, sizeof(name)), 0);
	assert_int_equal(listen(fd, 8), 0);
	assert_int_equal(getsockname(fd, (struct sockaddr *)&name, &len), 0);
	*port = ntohs(name.sin_port);
	return fd;
}

static void
expect_taken(const char *const *flags, const char *says)
{
	assert_int_equal(run("accountd", flags, NULL), 1);
	if (strstr(out, says) == NULL) {
		fail_msg("no \"%s\" in: %s", says, out);
	}
	assert_false(exists("accountd.db"));
}

static void
an_address_that_is_taken_leaves_the_store_alone(void **state)
{
	char listen_flag[64];
	char admin_flag[64];
	const char *const listening[] = {listen_flag, "--admin-listen=off", NULL};
	const char *const administering[] = {"--listen=tcp://127.0.0.1:0", admin_flag, NULL};
	unsigned port;
	int fd = take_port(&port);

	(void)state;
	snprintf(listen_flag, sizeof(listen_flag), "--listen=tcp://127.0.0.1:%u", port);
	snprintf(admin_flag, sizeof(admin_flag), "--admin-listen=127.0.0.1:%u", port);
	expect_taken(listening, "Address already in use");
	expect_taken(administering, "which is adminListen: Address already in use");
	close(fd);
}

static void
a_socket_that_is_served_leaves_the_store_alone(void **state)
{
	static const char *const flags[] = {"--listen=ipc://served", "--admin-listen=off", NULL};
	struct sockaddr_un name = {.sun_family = AF_UNIX};
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);

	(void)state;
	assert_true(snprintf(name.sun_path, sizeof(name.sun_path), "%.90s/served", dir) > 0);
	assert_int_equal(bind(fd, (const struct sockaddr *)&name, sizeof(name)), 0);
	assert_int_equal(listen(fd, 8), 0);
	expect_taken(flags, "cannot listen on ipc://served: another process does");
	assert_true(exists("served"));
	close(fd);
}

static int
make_dir(void **state)
{
	struct certificate_authority *authority;

	(void)state;
	process_make_dir(dir);
	authority = certificate_authority_new(dir, "authority");
	certificate_issue(authority, dir, "accountd", "accountd.test", HOUR_S);
	certificate_issue(authority, dir, "other", "other.test", HOUR_S);
	certificate_authority_free(&authority);
	return 0;
}

static int
remove_dir(void **state)
{
	(void)state;
	process_remove_dir(dir);
	return 0;
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(what_is_wrong_is_refused_by_the_check_and_by_the_start),
	    cmocka_unit_test(what_is_right_is_taken_by_the_check),
	    cmocka_unit_test(each_fault_is_told),
	    cmocka_unit_test(an_address_that_is_taken_leaves_the_store_alone),
	    cmocka_unit_test(a_socket_that_is_served_leaves_the_store_alone),
	};

	return cmocka_run_group_tests(tests, make_dir, remove_dir);
}
