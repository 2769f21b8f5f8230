#include "common/sql/mysql_conn_impl.h"

#include <errmsg.h>
#include <errno.h>
#include <limits.h>
#include <mysqld_error.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

#include "common/base/clock.h"
#include "common/sql/mysql_hosts.h"

#define MYSQL_NOBODY_MS 100 /* between looks whether somebody waits */
/* Of MySQL only, so not in MariaDB's header. */
#define ER_QUERY_TIMEOUT 3024
#define ER_CLIENT_IDLE   4031

struct mysql_conn *
mysql_conn_new(const struct mysql_target *target)
{
	struct mysql_conn *conn = calloc(1, sizeof(*conn));

	mysql_connect_start();
	if (conn != NULL) {
		conn->target = target;
	}
	return conn;
}

void
mysql_conn_free(struct mysql_conn **conn)
{
	if (*conn == NULL) {
		return;
	}
	mysql_conn_close(*conn);
	for (unsigned i = 0; i < SQL_COLUMNS_MAX; i++) {
		buf_fini(&(*conn)->wide[i]);
	}
	free((*conn)->slots);
	free(*conn);
	*conn = NULL;
}

bool
mysql_conn_is_open(const struct mysql_conn *conn)
{
	return conn->mysql != NULL;
}

void
mysql_conn_set_nobody(struct mysql_conn *conn, bool (*nobody)(void *closure), void *closure)
{
	conn->nobody = nobody;
	conn->nobody_closure = closure;
}

static bool
mysql_conn_is_for_nobody(const struct mysql_conn *conn)
{
	return conn->nobody != NULL && conn->nobody(conn->nobody_closure);
}

int
mysql_conn_wait(struct mysql_conn *conn, MYSQL *mysql, int status)
{
	struct pollfd fd = {.fd = mysql_get_socket(mysql)};
	int64_t left_ms;
	int64_t wait_ms;
	int ready;

	fd.events = (short)((status & MYSQL_WAIT_READ ? POLLIN : 0) |
			    (status & MYSQL_WAIT_WRITE ? POLLOUT : 0) |
			    (status & MYSQL_WAIT_EXCEPT ? POLLPRI : 0));
	do {
		left_ms = clock_left_ms(conn->deadline_ns);
		wait_ms = conn->nobody == NULL ? INT_MAX : MYSQL_NOBODY_MS;
		wait_ms = left_ms < wait_ms ? left_ms : wait_ms;
		ready = poll(&fd, 1, (int)wait_ms);
	} while ((ready < 0 && errno == EINTR) ||
		 (ready == 0 && wait_ms < left_ms && !mysql_conn_is_for_nobody(conn)));
	if (ready <= 0) {
		/* With TLS libmariadb takes no notice of the time, but of the end. */
		conn->timed_out = true;
		shutdown(fd.fd, SHUT_RDWR);
		return MYSQL_WAIT_TIMEOUT;
	}
	return (fd.revents & POLLIN ? MYSQL_WAIT_READ : 0) |
	       (fd.revents & POLLOUT ? MYSQL_WAIT_WRITE : 0) |
	       (fd.revents & POLLPRI ? MYSQL_WAIT_EXCEPT : 0) |
	       (fd.revents & (POLLERR | POLLHUP | POLLNVAL) ? status & ~MYSQL_WAIT_TIMEOUT : 0);
}

void
mysql_conn_note(struct mysql_conn *conn, unsigned number, const char *text)
{
	conn->error = number;
	snprintf(conn->error_text, sizeof(conn->error_text), "%s", text);
}

/* Numbers that libmariadb itself gives; the rest are the server's. */
static bool
mysql_is_client_error(unsigned number)
{
	return (number >= CR_MIN_ERROR && number <= CR_MAX_ERROR) ||
	       number >= CR_EVENT_CREATE_FAILED;
}

static enum sql_end
mysql_end_of(unsigned number)
{
	switch (number) {
	case ER_DUP_ENTRY:
	case ER_DUP_ENTRY_WITH_KEY_NAME: return SQL_DUPLICATE;
	case ER_LOCK_WAIT_TIMEOUT:
	case ER_LOCK_DEADLOCK:
	case ER_CHECKREAD: return SQL_CONFLICT;
	case ER_OPTION_PREVENTS_STATEMENT:
	case ER_READ_ONLY_MODE:
	case ER_CANT_EXECUTE_IN_READ_ONLY_TRANSACTION:
	case ER_UNKNOWN_COM_ERROR: return SQL_REFUSED;
	case ER_STATEMENT_TIMEOUT:
	case ER_QUERY_TIMEOUT: return SQL_TIMEOUT;
	case ER_SERVER_SHUTDOWN:
	case ER_QUERY_INTERRUPTED:
	case ER_CONNECTION_KILLED:
	case ER_CLIENT_IDLE: return SQL_LOST;
	default: return mysql_is_client_error(number) ? SQL_LOST : SQL_FAILED;
	}
}

/* Statements are closed after their connection, so that nothing is sent for them. */
void
mysql_conn_close(struct mysql_conn *conn)
{
	if (conn->mysql == NULL) {
		return;
	}
	if (conn->timed_out || mysql_is_client_error(conn->error)) {
		shutdown(mysql_get_socket(conn->mysql), SHUT_RDWR);
	}
	if (conn->result != NULL) {
		mysql_free_result(conn->result);
		conn->result = NULL;
	}
	mysql_close(conn->mysql);
	conn->mysql = NULL;
	conn->rows = NULL;
	if (conn->once != NULL) {
		mysql_stmt_close(conn->once);
		conn->once = NULL;
	}
	for (unsigned i = 0; i < conn->slot_count; i++) {
		if (conn->slots[i] != NULL) {
			mysql_stmt_close(conn->slots[i]);
			conn->slots[i] = NULL;
		}
	}
	conn->row_count = conn->rows_read = 0;
	conn->packet_max = 0;
}

/* The server may be at work on a statement still, for nobody. */
static void
mysql_conn_abandon(const struct mysql_conn *conn)
{
	if (conn->target->kill != NULL && conn->mysql != NULL && conn->place.identity[0] != '\0') {
		mysql_kill_ask(conn->target->kill, &conn->place, mysql_thread_id(conn->mysql));
	}
}

enum sql_end
mysql_conn_fail(struct mysql_conn *conn, unsigned number, const char *text)
{
	enum sql_end end = conn->timed_out ? SQL_TIMEOUT : mysql_end_of(number);

	mysql_conn_note(conn, number, text);
	if (conn->timed_out) {
		mysql_conn_abandon(conn);
	}
	if (end == SQL_REFUSED) {
		conn->host_at++;
	}
	if (end == SQL_REFUSED || end == SQL_LOST || end == SQL_TIMEOUT) {
		mysql_conn_close(conn);
	}
	return end;
}

/* Connects to a numeric address. A connection that could not be set up is none. */
static bool
mysql_conn_try_address(struct mysql_conn *conn, unsigned host, const char *address, unsigned port)
{
	conn->place = (struct mysql_place){.host = host, .port = port};
	snprintf(conn->place.address, sizeof(conn->place.address), "%s", address);
	if (!mysql_connect(conn, mysql_hosts_name(conn->target->hosts, host), address, port)) {
		return false;
	}
	if (mysql_session_set_up(conn) != SQL_OK) {
		mysql_conn_close(conn);
		return false;
	}
	return true;
}

/* Tries each address of one host, until limit_ns. */
static bool
mysql_conn_try_host(struct mysql_conn *conn, unsigned index, int64_t limit_ns)
{
	struct mysql_addresses addresses;
	int64_t deadline_ns = conn->deadline_ns;
	bool ok = false;

	conn->deadline_ns = limit_ns;
	conn->timed_out = false;
	if (!mysql_hosts_resolve(conn->target->hosts, index, limit_ns, &addresses)) {
		mysql_conn_note(conn, CR_UNKNOWN_HOST, addresses.why);
	}
	for (unsigned i = 0; i < addresses.count && !ok && !conn->timed_out; i++) {
		ok = mysql_conn_try_address(conn, index, addresses.text[i], addresses.port);
	}
	conn->deadline_ns = deadline_ns;
	conn->timed_out = false;
	return ok;
}

static enum sql_end
mysql_conn_connect_any(struct mysql_conn *conn)
{
	unsigned count = mysql_hosts_count(conn->target->hosts);
	unsigned first = conn->host_at % count;
	int64_t patience_ns = (int64_t)conn->target->connect_timeout_ms * CLOCK_NS_PER_MS;

	for (unsigned i = 0; i < count; i++) {
		int64_t now_ns = clock_now_ns();
		int64_t share_ns = (conn->deadline_ns - now_ns) / (count - i);

		if (share_ns <= 0) {
			break;
		}
		conn->host_at = (first + i) % count;
		if (mysql_conn_try_host(conn, conn->host_at,
			now_ns + (share_ns < patience_ns ? share_ns : patience_ns))) {
			return SQL_OK;
		}
	}
	conn->host_at = first;
	return clock_left_ms(conn->deadline_ns) == 0 ? SQL_TIMEOUT : SQL_UNREACHABLE;
}

enum sql_end
mysql_conn_open_at(struct mysql_conn *conn, const struct mysql_place *place, int64_t deadline_ns)
{
	conn->deadline_ns = deadline_ns;
	conn->timed_out = false;
	mysql_conn_note(conn, 0, "");
	if (!mysql_conn_try_address(conn, place->host, place->address, place->port)) {
		return SQL_UNREACHABLE;
	}
	if (strcmp(conn->place.identity, place->identity) != 0) {
		mysql_conn_note(conn, 0, "another server has the address");
		mysql_conn_close(conn);
		return SQL_FAILED;
	}
	return SQL_OK;
}

/* Between statements the server has nothing to say: if there is something, it is the end. */
static bool
mysql_conn_is_stale(struct mysql_conn *conn)
{
	struct pollfd fd = {.fd = mysql_get_socket(conn->mysql), .events = POLLIN};

	return poll(&fd, 1, 0) != 0;
}

enum sql_end
mysql_conn_open(struct mysql_conn *conn, int64_t deadline_ns)
{
	enum sql_end end;

	conn->deadline_ns = deadline_ns;
	conn->timed_out = false;
	conn->sent = false;
	mysql_conn_note(conn, 0, "");
	if (clock_left_ms(deadline_ns) == 0) {
		mysql_conn_note(conn, 0, "the deadline passed before the database was asked");
		return SQL_TIMEOUT;
	}
	if (conn->mysql != NULL && mysql_conn_is_stale(conn)) {
		conn->error = CR_SERVER_GONE_ERROR;
		mysql_conn_close(conn);
	}
	if (conn->mysql != NULL) {
		return SQL_OK;
	}
	end = mysql_conn_connect_any(conn);
	conn->sent = false;
	return end;
}

bool
mysql_conn_sent(const struct mysql_conn *conn)
{
	return conn->sent;
}

unsigned
mysql_conn_error(const struct mysql_conn *conn)
{
	return conn->error;
}

const char *
mysql_conn_error_text(const struct mysql_conn *conn)
{
	return conn->error_text;
}
