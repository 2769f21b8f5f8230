/* TLS to the database: who it is is looked at as was asked for, and every wait still has an end. */
#include <arpa/inet.h>
#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cmocka.h>

#include "common/sql/mysql_conn.h"
#include "common/sql/mysql_hosts.h"
#include "common/sql/mysql_login.h"
#include "common/sql/mysql_tls.h"
#include "tests/certificate.h"
#include "tests/store_server.h"

#define DAY_S 86400L

static struct store_server at;
static char dir[] = "/tmp/mockvideo-tls-XXXXXX";
static struct certificate_authority *authority, *stranger;

/* A path in the folder of certificates; in one of four buffers that take turns. */
static const char *
path_of(const char *name)
{
	static char paths[4][64];
	static unsigned turn;
	char *path = paths[turn++ % 4];

	snprintf(path, sizeof(paths[0]), "%s/%s", dir, name);
	return name[0] == '\0' ? "" : path;
}

/* A connection as it was asked for, and what became of it. */
struct wanted {
	enum sql_tls mode;
	const char *host, *ca, *cert, *user; /* cert is also the name of its key */
	const char *fault;                   /* in the error; NULL: it succeeds */
	bool encrypted;
};

/* Connects and, if that succeeds, asks the server how it sees the connection. */
static enum sql_end
connect_as(
    const struct wanted *wanted, unsigned port, int64_t deadline_ns, char *cipher, char *fault)
{
	static const char ask[] = "SHOW SESSION STATUS LIKE 'Ssl_cipher'";
	char key[32];
	struct error error;
	struct mysql_hosts *hosts = mysql_hosts_new(wanted->host, port, &error);
	struct mysql_login *login = mysql_login_new(wanted->user, MARIADB_PASSWORD);
	struct mysql_tls tls;
	const struct mysql_target target = {.hosts = hosts,
	    .database = "",
	    .login = login,
	    .tls = &tls,
	    .connect_timeout_ms = 60000};
	struct mysql_conn *conn = mysql_conn_new(&target);
	struct mysql_row row;
	enum sql_end end;

	snprintf(key, sizeof(key), "%.20s.key", wanted->cert);
	tls = (struct mysql_tls){wanted->mode, path_of(wanted->ca), path_of(wanted->cert),
	    path_of(wanted->cert[0] == '\0' ? "" : key)};
	end = mysql_conn_open(conn, deadline_ns);
	snprintf(fault, ERROR_TEXT_MAX, "%u %.480s", mysql_conn_error(conn),
	    mysql_conn_error_text(conn));
	if (end == SQL_OK) {
		assert_int_equal(mysql_conn_query(conn, ask, strlen(ask)), SQL_OK);
		assert_true(mysql_conn_next_row(conn, &row));
		snprintf(cipher, 64, "%s", row.text[1]);
	}
	mysql_conn_free(&conn);
	mysql_login_free(&login);
	mysql_hosts_free(&hosts);
	return end;
}

static void
expect(const struct wanted *wanted, unsigned port)
{
	char cipher[64] = "", fault[ERROR_TEXT_MAX];
	enum sql_end end = connect_as(wanted, port, store_suite_soon(), cipher, fault);

	if ((end == SQL_OK) != (wanted->fault == NULL) ||
	    (wanted->fault != NULL && strstr(fault, wanted->fault) == NULL)) {
		fail_msg(
		    "mode %d to %s as %s: %s", wanted->mode, wanted->host, wanted->user, fault);
	}
	assert_int_equal(cipher[0] != '\0', wanted->encrypted);
}

#define EXPECT_ALL(rows, port)                                                                     \
	for (size_t i = 0; i < sizeof(rows) / sizeof((rows)[0]); i++) {                            \
		expect(&(rows)[i], port);                                                          \
	}

/* Issues the server's certificate anew; it takes it for connections to come. */
static void
certify(struct certificate_authority *by, const char *name, long valid_s)
{
	const struct certificate_name names[] = {{name, strlen(name), false}, {NULL, 0, false}};

	certificate_issue_named(by, dir, "server", names, names, valid_s);
	assert_true(mariadb_sql(&at.mariadb, NULL, "FLUSH SSL", NULL, 0));
}

static void
each_mode_looks_at_what_it_says(void **state)
{
	static const struct wanted rows[] = {
	    {SQL_TLS_OFF, "localhost", "", "", MARIADB_USER, NULL, false},
	    {SQL_TLS_PREFERRED, "localhost", "", "", MARIADB_USER, NULL, true},
	    {SQL_TLS_REQUIRED, "127.0.0.1", "", "", MARIADB_USER, NULL, true},
	    {SQL_TLS_VERIFY_CA, "127.0.0.1", "good.pem", "", MARIADB_USER, NULL, true},
	    {SQL_TLS_VERIFY, "localhost", "good.pem", "", MARIADB_USER, NULL, true},
	    {SQL_TLS_VERIFY_CA, "127.0.0.1", "wrong.pem", "", MARIADB_USER, "certificate", false},
	    {SQL_TLS_VERIFY, "localhost", "wrong.pem", "", MARIADB_USER, "certificate", false},
	    {SQL_TLS_VERIFY, "localhost", "", "", MARIADB_USER, "certificate", false},
	    {SQL_TLS_VERIFY, "127.0.0.1", "good.pem", "", MARIADB_USER, "not for '127.0.0.1'",
		false},
	    {SQL_TLS_VERIFY, "localhost", "absent.pem", "", MARIADB_USER, "2026", false},
	};

	(void)state;
	EXPECT_ALL(rows, at.mariadb.port)
}

static void
a_certificate_that_has_ended_or_is_for_another_is_refused(void **state)
{
	static const struct wanted ended = {
	    SQL_TLS_VERIFY, "localhost", "good.pem", "", MARIADB_USER, "expired", false};
	static const struct wanted ended_too = {
	    SQL_TLS_VERIFY_CA, "localhost", "good.pem", "", MARIADB_USER, "expired", false};
	static const struct wanted other = {SQL_TLS_VERIFY, "localhost", "good.pem", "",
	    MARIADB_USER, "not for 'localhost'", false};
	static const struct wanted address = {
	    SQL_TLS_VERIFY, "127.0.0.1", "good.pem", "", MARIADB_USER, NULL, true};

	(void)state;
	certify(authority, "localhost", -60);
	expect(&ended, at.mariadb.port);
	expect(&ended_too, at.mariadb.port);
	certify(authority, "db.example", DAY_S);
	expect(&other, at.mariadb.port);
	certificate_issue(authority, dir, "server", "db.example", DAY_S);
	assert_true(mariadb_sql(&at.mariadb, NULL, "FLUSH SSL", NULL, 0));
	expect(&address, at.mariadb.port);
	certify(authority, "localhost", DAY_S);
}

static void
a_revoked_certificate_is_refused(void **state)
{
	struct wanted wanted = {
	    SQL_TLS_VERIFY, "localhost", "revoking.pem", "", MARIADB_USER, NULL, true};

	(void)state;
	certificate_authority_write(authority, dir, "revoking");
	certificate_revoke(authority, dir, "revoking", NULL, DAY_S);
	expect(&wanted, at.mariadb.port);
	certificate_authority_write(authority, dir, "revoking");
	certificate_revoke(authority, dir, "revoking", "server", DAY_S);
	wanted.fault = "revoked";
	wanted.encrypted = false;
	expect(&wanted, at.mariadb.port);
	wanted.mode = SQL_TLS_VERIFY_CA;
	expect(&wanted, at.mariadb.port);
}

static void
the_client_shows_its_certificate(void **state)
{
	static const struct wanted rows[] = {
	    {SQL_TLS_REQUIRED, "localhost", "", "client.pem", "certified", NULL, true},
	    {SQL_TLS_REQUIRED, "localhost", "", "", "certified", "1045", false},
	};

	(void)state;
	certificate_issue(authority, dir, "client", "client", DAY_S);
	assert_int_equal(rename(path_of("client.key"), path_of("client.pem.key")), 0);
	EXPECT_ALL(rows, at.mariadb.port)
}

/* MariaDB says of both what it says of a wrong password. */
static void
what_is_about_tls_is_said_to_be(void **state)
{
	static const struct wanted user = {
	    SQL_TLS_OFF, "localhost", "", "", "encrypted", "let in by TLS alone", false};
	static const struct wanted server = {
	    SQL_TLS_OFF, "localhost", "", "", MARIADB_USER, "let in by TLS alone", false};
	static const struct wanted well = {
	    SQL_TLS_PREFERRED, "localhost", "", "", "encrypted", NULL, true};

	(void)state;
	expect(&user, at.mariadb.port);
	assert_true(
	    mariadb_sql(&at.mariadb, NULL, "SET GLOBAL require_secure_transport = 1", NULL, 0));
	expect(&server, at.mariadb.port);
	expect(&well, at.mariadb.port);
	assert_true(
	    mariadb_sql(&at.mariadb, NULL, "SET GLOBAL require_secure_transport = 0", NULL, 0));
}

static void
a_server_without_tls_gets_no_password_where_it_must_have_it(void **state)
{
	static const struct wanted rows[] = {
	    {SQL_TLS_PREFERRED, "localhost", "", "", MARIADB_USER, NULL, false},
	    {SQL_TLS_REQUIRED, "localhost", "", "", MARIADB_USER, "offers no TLS", false},
	    {SQL_TLS_VERIFY_CA, "localhost", "good.pem", "", MARIADB_USER, "offers no TLS", false},
	    {SQL_TLS_VERIFY, "localhost", "good.pem", "", MARIADB_USER, "offers no TLS", false},
	};
	struct mariadb plain = {.flags = {"--skip-ssl", "--general-log=1", "--log-output=TABLE"}};
	char out[64];

	(void)state;
	assert_true(mariadb_start(&plain));
	EXPECT_ALL(rows, plain.port)
	/* Who comes as far as the password is logged: the first alone. */
	assert_true(mariadb_sql(&plain, NULL,
	    "SELECT COUNT(*) FROM mysql.general_log WHERE command_type = 'Connect' AND argument "
	    "LIKE "
	    "'" MARIADB_USER "%'",
	    out, sizeof(out)));
	assert_string_equal(out, "1\n");
	mariadb_stop(&plain);
}

static void
files_are_read_for_each_connection(void **state)
{
	struct wanted wanted = {
	    SQL_TLS_VERIFY, "localhost", "ca.pem", "", MARIADB_USER, "certificate", false};

	(void)state;
	certificate_authority_write(stranger, dir, "ca");
	expect(&wanted, at.mariadb.port);
	certificate_authority_write(authority, dir, "ca");
	wanted.fault = NULL;
	wanted.encrypted = true;
	expect(&wanted, at.mariadb.port);
}

/* Greets as a server with TLS does, and then says nothing. */
static int
listen_and_greet(unsigned *port)
{
	struct sockaddr_in address = {
	    .sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
	socklen_t len = sizeof(address);
	int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);

	assert_int_equal(bind(fd, (struct sockaddr *)&address, len), 0);
	assert_int_equal(getsockname(fd, (struct sockaddr *)&address, &len), 0);
	assert_int_equal(listen(fd, 1), 0);
	*port = ntohs(address.sin_port);
	return fd;
}

static void *
greet(void *closure)
{
	static const unsigned char greeting[] = "\x49\0\0\0\x0a"
						"8.0.0\0"
						"\x01\0\0\0"
						"12345678\0"
						"\xff\xff\xff\x02\0\xff\xc7\x15"
						"\0\0\0\0\0\0\0\0\0\0"
						"123456789012\0"
						"mysql_native_password";
	int *fd = closure;
	int accepted = accept(*fd, NULL, NULL);

	(void)!send(accepted, greeting, sizeof(greeting), MSG_NOSIGNAL);
	*fd = accepted;
	return NULL;
}

static void
a_handshake_ends_at_its_deadline(void **state)
{
	static const struct wanted wanted = {
	    SQL_TLS_REQUIRED, "127.0.0.1", "", "", MARIADB_USER, "", false};
	char cipher[64], fault[ERROR_TEXT_MAX];
	unsigned port;
	int listener = listen_and_greet(&port);
	int fd = listener;
	pthread_t thread;
	int64_t start_ns;

	(void)state;
	assert_int_equal(pthread_create(&thread, NULL, greet, &fd), 0);
	start_ns = clock_now_ns();
	assert_int_equal(
	    connect_as(&wanted, port, store_server_in_ms(500), cipher, fault), SQL_TIMEOUT);
	assert_true(clock_now_ns() - start_ns >= 490 * CLOCK_NS_PER_MS);
	pthread_join(thread, NULL);
	close(fd);
	close(listener);
}

/* A store by TLS, whose connections may take long where many are made at once. */
static struct sql_options
options_by_tls(void)
{
	struct sql_options options = store_server_options(&at, "localhost");

	options.tls = SQL_TLS_VERIFY;
	options.tls_ca_file = path_of("good.pem");
	options.connect_timeout_ms = 60000;
	return options;
}

static void
statements_end_at_their_deadline(void **state)
{
	const struct sql_options options = options_by_tls();
	struct store_write writes[] = {
	    store_suite_create("a", "a@x"), store_suite_create("b", "b@x")};
	struct sql_db *store;
	struct sql_conn *conn;

	(void)state;
	store = store_suite_open(&options);
	conn = sql_conn_open(store);
	store_suite_assert_ok(sql_ping(conn, store_suite_soon(), &at.error), &at.error);
	mariadb_pause(&at.mariadb);
	assert_int_equal(
	    sql_ping(conn, store_server_in_ms(300), &at.error), STATUS_DEADLINE_EXCEEDED);
	assert_int_equal(store_user_write(conn, store_server_in_ms(300), writes, 2, &at.error),
	    STATUS_DEADLINE_EXCEEDED);
	mariadb_resume(&at.mariadb);
	store_suite_assert_ok(
	    store_user_write(conn, store_suite_soon(), writes, 2, &at.error), &at.error);
	mariadb_kill(&at.mariadb);
	assert_int_equal(sql_ping(conn, store_suite_soon(), &at.error), STATUS_UNAVAILABLE);
	assert_true(mariadb_start(&at.mariadb));
	store_suite_assert_ok(sql_ping(conn, store_suite_soon(), &at.error), &at.error);
	sql_conn_close(&conn);
	sql_close(&store);
}

static void
files_that_do_not_go_with_the_mode_are_refused(void **state)
{
	static const struct {
		enum sql_tls mode;
		const char *ca, *cert, *key, *words;
	} rows[] = {
	    {SQL_TLS_VERIFY_CA, "", "", "", "dbTls=verify-ca needs dbTlsCa"},
	    {SQL_TLS_REQUIRED, "x", "", "", "dbTls=verify"},
	    {SQL_TLS_PREFERRED, "x", "", "", "dbTls=verify"},
	    {SQL_TLS_OFF, "", "x", "x", "dbTls=off"},
	    {SQL_TLS_REQUIRED, "", "x", "", "dbTlsKey"},
	    {SQL_TLS_REQUIRED, "", "", "x", "dbTlsCert"},
	};

	(void)state;
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		struct sql_options options = store_server_options(&at, "localhost");
		struct sql_db *store;

		options.tls = rows[i].mode;
		options.tls_ca_file = rows[i].ca;
		options.tls_cert_file = rows[i].cert;
		options.tls_key_file = rows[i].key;
		assert_int_equal(store_open(&store, &options, &at.error), STATUS_INVALID_ARGUMENT);
		assert_null(store);
		assert_non_null(strstr(at.error.message, rows[i].words));
	}
}

static void
suite_sql(const char *sql)
{
	store_server_sql(&at, sql);
}

static bool
start_server(void)
{
	static char cert[96], key[96], ca[96];

	snprintf(cert, sizeof(cert), "--ssl-cert=%s", path_of("server.pem"));
	snprintf(key, sizeof(key), "--ssl-key=%s", path_of("server.key"));
	snprintf(ca, sizeof(ca), "--ssl-ca=%s", path_of("good.pem"));
	at.mariadb.flags[0] = cert;
	at.mariadb.flags[1] = key;
	at.mariadb.flags[2] = ca;
	return mariadb_start(&at.mariadb) &&
	       mariadb_sql(&at.mariadb, NULL,
		   "CREATE USER encrypted@'%' IDENTIFIED BY '" MARIADB_PASSWORD "' REQUIRE SSL;"
		   "CREATE USER certified@'%' IDENTIFIED BY '" MARIADB_PASSWORD "' REQUIRE X509",
		   NULL, 0);
}

static int
set_up(void **state)
{
	const struct certificate_name names[] = {CERTIFICATE_NAME("localhost"), {NULL, 0, false}};

	(void)state;
	authority = certificate_authority_new(dir, "good");
	stranger = certificate_authority_new(dir, "wrong");
	certificate_issue_named(authority, dir, "server", names, names, DAY_S);
	assert_true(start_server());
	return 0;
}

static int
tear_down(void **state)
{
	(void)state;
	certificate_authority_free(&authority);
	certificate_authority_free(&stranger);
	return 0;
}

int
main(void)
{
	const struct CMUnitTest cases[] = {
	    cmocka_unit_test(each_mode_looks_at_what_it_says),
	    cmocka_unit_test(a_certificate_that_has_ended_or_is_for_another_is_refused),
	    cmocka_unit_test(a_revoked_certificate_is_refused),
	    cmocka_unit_test(the_client_shows_its_certificate),
	    cmocka_unit_test(what_is_about_tls_is_said_to_be),
	    cmocka_unit_test(a_server_without_tls_gets_no_password_where_it_must_have_it),
	    cmocka_unit_test(files_are_read_for_each_connection),
	    cmocka_unit_test(a_handshake_ends_at_its_deadline),
	    cmocka_unit_test(statements_end_at_their_deadline),
	    cmocka_unit_test(files_that_do_not_go_with_the_mode_are_refused),
	};
	struct store_suite suite = {.sql = suite_sql};
	char command[64];
	int failed;

	if (mkdtemp(dir) == NULL) {
		perror(dir);
		return 1;
	}
	failed = cmocka_run_group_tests_name("tls", cases, set_up, tear_down);
	if (at.mariadb.pid > 0) {
		suite.options = options_by_tls();
		failed += store_suite_run(&suite);
	}
	mariadb_stop(&at.mariadb);
	snprintf(command, sizeof(command), "rm -rf %s", dir);
	return system(command) != 0 || failed != 0;
}
