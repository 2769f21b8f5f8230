/*
 * The inside of struct mysql_conn, for mysql_conn.c, which opens and closes,
 * mysql_connect.c and mysql_tls.c, which connect to one server,
 * mysql_session.c, which sets a session up, and mysql_stmt.c, which runs
 * statements. The one file that includes <mysql.h>.
 */
#ifndef COMMON_SQL_MYSQL_CONN_IMPL_H
#define COMMON_SQL_MYSQL_CONN_IMPL_H

#include <mysql.h>

#include "common/base/buf.h"
#include "common/sql/mysql_conn.h"
#include "common/sql/mysql_kill.h"
#include "common/sql/mysql_tls.h"

#define MYSQL_CELL_BYTES 4096
#define MYSQL_ERROR_MAX  512

struct mysql_conn {
	const struct mysql_target *target;
	unsigned host_at;         /* the host that is connected, or will be tried next */
	MYSQL *mysql;             /* NULL: closed */
	struct mysql_place place; /* the server that is connected */
	int64_t deadline_ns;
	bool (*nobody)(void *closure); /* or NULL */
	void *nobody_closure;
	bool timed_out;
	bool sent;
	uint64_t id_step;
	bool id_step_varies;
	uint64_t packet_max;

	MYSQL_RES *result;  /* of the last statement, or NULL */
	MYSQL_STMT *rows;   /* the last statement, if prepared and with rows, or NULL */
	MYSQL_STMT *once;   /* the last statement, if not to be kept, or NULL */
	MYSQL_STMT **slots; /* grows; those that are kept, or NULL */
	unsigned slot_count;
	size_t row_count, rows_read;
	unsigned columns;
	uint64_t affected, insert_id;

	unsigned error;
	char error_text[MYSQL_ERROR_MAX];

	MYSQL_BIND params[SQL_VALUES_MAX];
	unsigned long cell_len[SQL_COLUMNS_MAX];
	my_bool cell_null[SQL_COLUMNS_MAX];
	char cells[SQL_COLUMNS_MAX][MYSQL_CELL_BYTES];
	struct buf wide[SQL_COLUMNS_MAX]; /* what does not fit into cells */
};

/*
 * Waits for the events that libmariadb's suspended call waits for, and returns
 * those that occurred. After the deadline it tells the call to give up.
 */
int mysql_conn_wait(struct mysql_conn *conn, MYSQL *mysql, int status);

/* Starts libmariadb, once in the process. Any thread. */
void mysql_connect_start(void);

/*
 * Connects to address, which is a numeric address of the host name or a
 * socket's path, until the deadline. False: not connected, and the error is
 * recorded.
 */
bool mysql_connect(struct mysql_conn *conn, const char *name, const char *address, unsigned port);

/* Sets how libmariadb encrypts a new connection. */
void mysql_tls_set(MYSQL *mysql, const struct mysql_tls *tls);

/* Whether the server's first packet, with its head, is a greeting that offers TLS. */
bool mysql_tls_is_offered(const unsigned char *packet, size_t len);

/* Records what went wrong. */
void mysql_conn_note(struct mysql_conn *conn, unsigned number, const char *text);

/* Sets the session's variables and reads those that statements depend on; after connecting. */
enum sql_end mysql_session_set_up(struct mysql_conn *conn);

/* Records what went wrong with a statement and closes the connection if necessary. */
enum sql_end mysql_conn_fail(struct mysql_conn *conn, unsigned number, const char *text);

#endif
