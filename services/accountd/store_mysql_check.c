/* Whether the database has what the statements name, and takes changes. */
#include <string.h>

#include "services/accountd/store_mysql.h"

/* Servers that are not ready, as a node of Galera, refuse reads too. */
#define STORE_MYSQL_NOT_READY 1047

/* What a layer before sharded servers says to a statement that it can't split. */
#define STORE_MYSQL_NOT_SUPPORTED 1235

/* Why the server failed a statement that another time it would do. Below 1000: of its files. */
static enum store_cause
store_mysql_cause_of_failure(const struct store_mysql_conn *conn)
{
	switch (mysql_conn_error(conn->db)) {
	case 1021: /* disk full */
	case 1114: /* table full */ return STORE_CAUSE_FULL;
	case 3:    /* error writing file */
	case 1030: /* error of the engine */
		return strstr(mysql_conn_error_text(conn->db), "No space left") != NULL
			   ? STORE_CAUSE_FULL
			   : STORE_CAUSE_NONE;
	case 1036: /* table is read only, as of an engine in recovery */
	case 1874: /* InnoDB is in read only mode */
	case 3989: /* schema is in read only mode */ return STORE_CAUSE_READ_ONLY;
	default: return STORE_CAUSE_NONE;
	}
}

enum store_cause
store_mysql_cause(const struct store_mysql_conn *conn, enum mysql_end end)
{
	switch (end) {
	case MYSQL_END_REFUSED:
		return mysql_conn_error(conn->db) == STORE_MYSQL_NOT_READY ? STORE_CAUSE_AWAY
									   : STORE_CAUSE_READ_ONLY;
	case MYSQL_END_UNREACHABLE:
	case MYSQL_END_LOST:
	case MYSQL_END_TIMEOUT: return STORE_CAUSE_AWAY;
	case MYSQL_END_FAILED:
		return conn->no_memory ? STORE_CAUSE_NONE : store_mysql_cause_of_failure(conn);
	case MYSQL_END_OK:
	case MYSQL_END_DUPLICATE:
	case MYSQL_END_CONFLICT: break;
	}
	return STORE_CAUSE_NONE;
}

/* What is not supported for no row at all says nothing of the others. */
static enum mysql_end
store_mysql_each(struct store_mysql_conn *conn, const char *const *texts, size_t count)
{
	enum mysql_end end = MYSQL_END_OK;

	for (size_t i = 0; i < count && end == MYSQL_END_OK; i++) {
		end = store_mysql_text(conn, texts[i]);
		if (end == MYSQL_END_FAILED &&
		    mysql_conn_error(conn->db) == STORE_MYSQL_NOT_SUPPORTED) {
			end = MYSQL_END_OK;
		}
	}
	return end;
}

static enum mysql_end
store_mysql_do_check_tables(struct store_mysql_conn *conn, void *call)
{
	static const char *const reads[] = {
	    "SELECT id, accountID, name, email, role, password, emailKey FROM user WHERE id = 0",
	    "SELECT value FROM setting WHERE name = 'pageKey'",
	};

	(void)call;
	return store_mysql_each(conn, reads, sizeof(reads) / sizeof(reads[0]));
}

enum status_code
store_mysql_check_tables(struct store_conn *base, int64_t deadline_ns, struct error *error)
{
	return store_mysql_run(
	    (struct store_mysql_conn *)base, deadline_ns, store_mysql_do_check_tables, NULL, error);
}

/* A server that is read-only refuses what would change nothing as well. */
static enum mysql_end
store_mysql_do_check_writes(struct store_mysql_conn *conn, void *call)
{
	static const char *const writes[] = {
	    "INSERT INTO user (accountID, name, email, emailKey, role, password)"
	    " SELECT accountID, name, email, emailKey, role, password FROM user WHERE FALSE",
	    "UPDATE user SET accountID = 0, name = '', email = '', emailKey = '', role = 0,"
	    " password = '' WHERE FALSE",
	    "DELETE FROM user WHERE FALSE",
	    "REPLACE INTO setting (name, value) VALUES ('" STORE_SETTING_CHECK
	    "', REPEAT('x', 1024))",
	    "DELETE FROM setting WHERE name = '" STORE_SETTING_CHECK "'",
	};
	const bool *really = call;

	return store_mysql_each(conn, writes, *really ? sizeof(writes) / sizeof(writes[0]) : 3);
}

enum status_code
store_mysql_check_writes(
    struct store_conn *base, int64_t deadline_ns, bool really, struct error *error)
{
	return store_mysql_run((struct store_mysql_conn *)base, deadline_ns,
	    store_mysql_do_check_writes, &really, error);
}

struct store_mysql_needed {
	int known;
	int64_t version;
};

/* Where the column is not there, nothing was recorded in it. */
static enum mysql_end
store_mysql_read_needed(struct store_mysql_conn *conn, void *call)
{
	struct store_mysql_needed *needed = call;
	struct mysql_row row;
	enum mysql_end end;

	buf_reset(&conn->sql);
	buf_printf(&conn->sql,
	    "SELECT MAX(COALESCE(runsFrom, version)) FROM schema_migration WHERE version > %d",
	    needed->known);
	end = store_mysql_built(conn);
	if (end == MYSQL_END_FAILED && mysql_conn_error(conn->db) == MYSQL_ERROR_NO_COLUMN) {
		return MYSQL_END_OK;
	}
	if (end != MYSQL_END_OK) {
		return end;
	}
	if (!mysql_conn_next_row(conn->db, &row)) {
		return store_mysql_cut(conn);
	}
	needed->version = store_mysql_number(&row, 0);
	return MYSQL_END_OK;
}

enum status_code
store_mysql_needed(
    struct store_conn *base, int64_t deadline_ns, int known, int64_t *needed, struct error *error)
{
	struct store_mysql_needed call = {known, *needed};
	enum status_code code = store_mysql_run(
	    (struct store_mysql_conn *)base, deadline_ns, store_mysql_read_needed, &call, error);

	*needed = call.version;
	return code;
}
