/* Connecting to one server: within the deadline, encrypted as it was asked for. */
#include <errmsg.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <mysqld_error.h>
#include <poll.h>
#include <pthread.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>

#include "common/base/clock.h"
#include "common/sql/mysql_conn_impl.h"
#include "common/sql/mysql_hosts.h"
#include "common/sql/mysql_login.h"

/* Room for libmariadb's coroutine. */
#define MYSQL_STACK_BYTES ((size_t)256 * 1024)

/* How long the farewell to a server may take. */
#define MYSQL_FAREWELL_MS 1000

/* Exported by libmariadb, and in none of its headers; mode is 0 for what was read. */
int ma_pvio_register_callback(
    my_bool add, void (*callback)(int mode, MYSQL *mysql, const unsigned char *data, size_t len));

/* A connection that is being made. */
struct mysql_attempt {
	struct mysql_conn *conn;
	MYSQL *mysql;
	bool tcp;
	const char *name;             /* of the host, which its certificate must be for */
	char host[MYSQL_NAME_LENGTH]; /* what libmariadb connects to, and then compares with */
	bool greeted;
	bool offered; /* the server offers TLS */
	bool refused; /* which we ask for, and it does not */
};

/* That of this thread, for what libmariadb calls. */
static _Thread_local struct mysql_attempt *mysql_attempt;

/*
 * Called with all that libmariadb reads. What is done when the greeting has
 * come, which it gives no other occasion for:
 *
 * - It reads and writes TLS as the socket is, and that would wait without end:
 *   from now on the socket does not.
 * - It would go on without TLS where the server offers none, and send the
 *   password's proof, or the password, in the clear: so the connection ends.
 * - It compares the certificate's names with the host that it was given. That
 *   was an address, as it would resolve a name without a deadline. It has not
 *   looked at it since it connected, and copies it after this.
 */
static void
mysql_attempt_read(int mode, MYSQL *mysql, const unsigned char *data, size_t len)
{
	struct mysql_attempt *attempt = mysql_attempt;
	enum sql_tls tls;
	int fd;

	if (mode != 0 || attempt == NULL || attempt->mysql != mysql || attempt->greeted ||
	    !attempt->tcp || len > SSIZE_MAX) {
		return;
	}
	attempt->greeted = true;
	attempt->offered = mysql_tls_is_offered(data, len);
	tls = attempt->conn->target->tls->mode;
	if (tls == SQL_TLS_OFF) {
		return;
	}
	fd = mysql_get_socket(mysql);
	fcntl(fd, F_SETFL, fcntl(fd, F_GETFL) | O_NONBLOCK);
	snprintf(attempt->host, sizeof(attempt->host), "%s", attempt->name);
	if (!attempt->offered && tls >= SQL_TLS_REQUIRED) {
		attempt->refused = true;
		shutdown(fd, SHUT_RDWR);
	}
}

/* Called where libmariadb waits by itself: for the handshake of TLS, and for the farewell. */
static int
mysql_attempt_wait(my_socket handle, my_bool is_read, int timeout)
{
	struct mysql_attempt *attempt = mysql_attempt;
	struct pollfd fd = {.fd = handle, .events = is_read ? POLLIN : POLLOUT};
	int64_t until_ns = attempt != NULL ? attempt->conn->deadline_ns
					   : clock_now_ns() + MYSQL_FAREWELL_MS * CLOCK_NS_PER_MS;
	int ready;

	(void)timeout;
	do {
		int64_t left_ms = clock_left_ms(until_ns);

		ready = poll(&fd, 1, left_ms > INT_MAX ? INT_MAX : (int)left_ms);
	} while (ready < 0 && errno == EINTR);
	if (ready == 0 && attempt != NULL) {
		attempt->conn->timed_out = true;
	}
	return ready;
}

static void
mysql_library_start(void)
{
	mysql_library_init(0, NULL, NULL);
	ma_pvio_register_callback(1, mysql_attempt_read);
}

void
mysql_connect_start(void)
{
	static pthread_once_t once = PTHREAD_ONCE_INIT;

	pthread_once(&once, mysql_library_start);
}

static void
mysql_attempt_options(const struct mysql_attempt *attempt)
{
	enum mysql_protocol_type protocol =
	    attempt->tcp ? MYSQL_PROTOCOL_TCP : MYSQL_PROTOCOL_SOCKET;
	MYSQL *mysql = attempt->mysql;
	size_t stack_bytes = MYSQL_STACK_BYTES;
	unsigned write_timeout_s = MYSQL_FAREWELL_MS / 1000;
	unsigned local_infile = 0;

	mysql_options(mysql, MYSQL_OPT_NONBLOCK, &stack_bytes);
	mysql_options(mysql, MYSQL_OPT_WRITE_TIMEOUT, &write_timeout_s);
	mysql_options(mysql, MYSQL_SET_CHARSET_NAME, "utf8mb4");
	mysql_options(mysql, MYSQL_OPT_LOCAL_INFILE, &local_infile);
	mysql_options(mysql, MYSQL_OPT_PROTOCOL, &protocol);
	if (attempt->tcp && attempt->conn->target->tls->mode != SQL_TLS_OFF) {
		mysql_options(
		    mysql, MARIADB_OPT_IO_WAIT, (const void *)(uintptr_t)mysql_attempt_wait);
		mysql_tls_set(mysql, attempt->conn->target->tls);
	}
}

/* Says what libmariadb's error does not: that it is, or may be, about TLS. */
static void
mysql_attempt_note(const struct mysql_attempt *attempt)
{
	struct mysql_conn *conn = attempt->conn;
	bool encrypted = attempt->offered && conn->target->tls->mode != SQL_TLS_OFF;
	unsigned number = mysql_errno(attempt->mysql);
	const char *text = mysql_error(attempt->mysql);
	char longer[MYSQL_ERROR_MAX];

	if (attempt->refused) {
		mysql_conn_note(conn, CR_SSL_CONNECTION_ERROR,
		    "the server offers no TLS, which dbTls asks for");
		return;
	}
	if (number == ER_ACCESS_DENIED_ERROR && attempt->tcp && !encrypted) {
		snprintf(longer, sizeof(longer),
		    "%.300s; or it is let in by TLS alone, and this connection had none: see dbTls",
		    text);
		text = longer;
	} else if (number == CR_SSL_CONNECTION_ERROR && strstr(text, "Validation of") != NULL) {
		snprintf(longer, sizeof(longer),
		    "TLS/SSL error: the server's certificate is not for '%.255s'", attempt->name);
		text = longer;
	}
	mysql_conn_note(conn, number, text);
}

static bool
mysql_attempt_run(struct mysql_attempt *attempt, unsigned port, const char *path)
{
	struct mysql_conn *conn = attempt->conn;
	MYSQL *connected = NULL;
	struct mysql_credentials as;
	int status;

	if (!mysql_login_get(conn->target->login, &as)) {
		mysql_conn_note(conn, CR_OUT_OF_MEMORY, "out of memory");
		return false;
	}
	mysql_attempt = attempt;
	status = mysql_real_connect_start(&connected, attempt->mysql,
	    path == NULL ? attempt->host : NULL, as.user, as.password, conn->target->database, port,
	    path, CLIENT_FOUND_ROWS);
	while (status != 0) {
		status = mysql_real_connect_cont(
		    &connected, attempt->mysql, mysql_conn_wait(conn, attempt->mysql, status));
	}
	mysql_attempt = NULL;
	mysql_credentials_fini(&as);
	if (connected != NULL && attempt->tcp && conn->target->tls->mode >= SQL_TLS_REQUIRED &&
	    mysql_get_ssl_cipher(connected) == NULL) {
		attempt->refused = true;
	}
	if (connected == NULL || attempt->refused) {
		mysql_attempt_note(attempt);
		return false;
	}
	return true;
}

bool
mysql_connect(struct mysql_conn *conn, const char *name, const char *address, unsigned port)
{
	struct mysql_attempt attempt = {
	    .conn = conn, .mysql = mysql_init(NULL), .tcp = address[0] != '/', .name = name};

	if (attempt.mysql == NULL) {
		mysql_conn_note(conn, CR_OUT_OF_MEMORY, "out of memory");
		return false;
	}
	snprintf(attempt.host, sizeof(attempt.host), "%s", address);
	mysql_attempt_options(&attempt);
	if (!mysql_attempt_run(&attempt, port, attempt.tcp ? NULL : address)) {
		mysql_close(attempt.mysql);
		return false;
	}
	conn->mysql = attempt.mysql;
	return true;
}
