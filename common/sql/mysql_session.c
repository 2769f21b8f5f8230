/* What a connection sets for itself, and what it must know of its server. */
#include <mysqld_error.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/sql/mysql_conn_impl.h"

/*
 * A session starts with the server's globals, which belong to whoever runs the
 * server. So each variable is set that can change what one of our statements
 * does or gives, even where the default would be right. Left to the server are
 * those that only cost time or memory or that are logged, those of statements
 * that we do not use, and those that an ordinary user may not set
 * (binlog_format, sql_log_bin, enforce_storage_engine, innodb_strict_mode of
 * MySQL).
 *
 * - The waits for locks are short: the server gives up soon after we do, and
 *   within the deadline we ask again.
 * - max_join_size switches sql_big_selects off, so that is set after it.
 * - old_mode is a number, as under EMPTY_STRING_IS_NULL '' would be NULL.
 * - idle_transaction_timeout: a process that stands still amid a transaction
 *   keeps its locks from all others, unless the server ends its connection.
 *   MySQL has no such setting.
 * - wait_timeout: a connection that the server closes while we use it leaves
 *   us without knowing whether a write was done.
 * - max_sort_length: keys of e-mail addresses have up to 3072 bytes.
 * - wsrep_dirty_reads: a node that has lost its cluster gives old rows.
 */
#define MYSQL_SESSION_ROWS(ANY, MARIADB, MYSQL)                                                    \
	ANY("sql_mode = 'STRICT_ALL_TABLES,NO_ENGINE_SUBSTITUTION,ERROR_FOR_DIVISION_BY_ZERO'")    \
	ANY("completion_type = 0")                                                                 \
	ANY("character_set_client = utf8mb4")                                                      \
	ANY("character_set_results = utf8mb4")                                                     \
	ANY("collation_connection = utf8mb4_bin")                                                  \
	ANY("time_zone = '+00:00'")                                                                \
	ANY("sql_select_limit = 18446744073709551615")                                             \
	ANY("max_join_size = 18446744073709551615")                                                \
	ANY("sql_big_selects = 1")                                                                 \
	ANY("sql_safe_updates = 0")                                                                \
	ANY("sql_auto_is_null = 0")                                                                \
	ANY("foreign_key_checks = 1")                                                              \
	ANY("unique_checks = 1")                                                                   \
	ANY("default_storage_engine = InnoDB")                                                     \
	ANY("group_concat_max_len = 1048576")                                                      \
	ANY("max_sort_length = 4096")                                                              \
	ANY("lock_wait_timeout = 1")                                                               \
	ANY("innodb_lock_wait_timeout = 1")                                                        \
	ANY("wait_timeout = 28800")                                                                \
	ANY("net_read_timeout = 30")                                                               \
	ANY("net_write_timeout = 60")                                                              \
	MARIADB("100000", "tx_isolation = 'READ-COMMITTED'")                                       \
	MARIADB("100000", "tx_read_only = 0")                                                      \
	MARIADB("100000", "old_mode = 0")                                                          \
	MARIADB("100000", "query_cache_type = 0")                                                  \
	MARIADB("100101", "max_statement_time = 0")                                                \
	MARIADB("100101", "wsrep_dirty_reads = 0")                                                 \
	MARIADB("100101", "wsrep_osu_method = 'TOI'")                                              \
	MARIADB("100201", "check_constraint_checks = 1")                                           \
	MARIADB("100301", "idle_transaction_timeout = 1")                                          \
	MARIADB("100307", "alter_algorithm = 'DEFAULT'")                                           \
	MARIADB("100502", "sql_if_exists = 0")                                                     \
	MYSQL("50720", "transaction_isolation = 'READ-COMMITTED'")                                 \
	MYSQL("50720", "transaction_read_only = 0")                                                \
	MYSQL("50720", "max_execution_time = 0")

/* MariaDB passes over comments of MySQL from 5.7 on, and MySQL over those of MariaDB. */
#define MYSQL_SESSION_ANY(set)        ", " set
#define MYSQL_SESSION_MARIADB(v, set) " /*M!" v " , " set " */"
#define MYSQL_SESSION_MYSQL(v, set)   " /*!" v " , " set " */"
#define MYSQL_SESSION_ROW(set)        "SET SESSION " set,
#define MYSQL_SESSION_GUARDED(v, set) "SET SESSION " set,

static const char mysql_session[] = "SET SESSION autocommit = 1" MYSQL_SESSION_ROWS(
    MYSQL_SESSION_ANY, MYSQL_SESSION_MARIADB, MYSQL_SESSION_MYSQL);

static const char *const mysql_session_rows[] = {"SET SESSION autocommit = 1",
    "SET SESSION TRANSACTION ISOLATION LEVEL READ COMMITTED, READ WRITE",
    MYSQL_SESSION_ROWS(MYSQL_SESSION_ROW, MYSQL_SESSION_GUARDED, MYSQL_SESSION_GUARDED)};

static const char mysql_session_facts[] =
    "SHOW SESSION VARIABLES WHERE Variable_name IN"
    " ('auto_increment_increment', 'max_allowed_packet', 'wsrep_on',"
    " 'hostname', 'port', 'server_id', 'server_uid', 'server_uuid')";

/* One by one: what a server has no variable for, it does not do. */
static enum sql_end
mysql_session_set_rows(struct mysql_conn *conn)
{
	enum sql_end end = SQL_OK;

	for (size_t i = 0; i < sizeof(mysql_session_rows) / sizeof(mysql_session_rows[0]); i++) {
		const char *sql = mysql_session_rows[i];

		end = mysql_conn_query(conn, sql, strlen(sql));
		if (end == SQL_FAILED && conn->error == ER_UNKNOWN_SYSTEM_VARIABLE) {
			end = SQL_OK;
		}
		if (end != SQL_OK) {
			break;
		}
	}
	return end;
}

/* One statement for all, unless the server lacks a variable that its like have. */
static enum sql_end
mysql_session_set(struct mysql_conn *conn)
{
	enum sql_end end = mysql_conn_query(conn, mysql_session, sizeof(mysql_session) - 1);

	return end == SQL_FAILED && conn->error == ER_UNKNOWN_SYSTEM_VARIABLE
		   ? mysql_session_set_rows(conn)
		   : end;
}

/* Variables come in the same order each time, so that equal servers' are equal. */
static void
mysql_session_note_identity(struct mysql_place *place, const struct mysql_row *row)
{
	size_t len = strlen(place->identity);

	snprintf(place->identity + len, sizeof(place->identity) - len, "%s=%s ", row->text[0],
	    row->text[1]);
}

static void
mysql_session_note_fact(struct mysql_conn *conn, const struct mysql_row *row)
{
	if (row->text[0] == NULL || row->text[1] == NULL) {
		return;
	}
	if (strcmp(row->text[0], "auto_increment_increment") == 0) {
		conn->id_step = strtoull(row->text[1], NULL, 10);
	} else if (strcmp(row->text[0], "max_allowed_packet") == 0) {
		conn->packet_max = strtoull(row->text[1], NULL, 10);
	} else if (strcmp(row->text[0], "wsrep_on") == 0) {
		conn->id_step_varies = strcmp(row->text[1], "ON") == 0;
	} else {
		mysql_session_note_identity(&conn->place, row);
	}
}

enum sql_end
mysql_session_set_up(struct mysql_conn *conn)
{
	enum sql_end end = mysql_session_set(conn);
	struct mysql_row row;

	conn->id_step = conn->packet_max = 0;
	conn->id_step_varies = false; /* no row: no Galera */
	conn->place.identity[0] = '\0';
	if (end == SQL_OK) {
		end = mysql_conn_query(conn, mysql_session_facts, sizeof(mysql_session_facts) - 1);
	}
	if (end != SQL_OK) {
		return end;
	}
	while (mysql_conn_next_row(conn, &row)) {
		mysql_session_note_fact(conn, &row);
	}
	return conn->id_step > 0 && conn->packet_max > 0
		   ? SQL_OK
		   : mysql_conn_fail(conn, 0, "the server does not tell its variables");
}
