/*
 * The inside of sql.h: what the sources of this room share. Only they include
 * this.
 *
 * A kind of database implements what sql.h promises as a row of functions. Its
 * struct begins with a struct sql_db, its connection's struct with a struct
 * sql_conn.
 */
#ifndef COMMON_SQL_IMPL_H
#define COMMON_SQL_IMPL_H

#include <stdatomic.h>

#include "common/base/buf.h"
#include "common/sql/sql.h"

#define SQL_REASON_UNAVAILABLE "STORE_UNAVAILABLE"
#define SQL_REASON_UNKNOWN     "OUTCOME_UNKNOWN"
#define SQL_REASON_FAILED      "STORE_FAILED"
#define SQL_REASON_DEADLINE    "DEADLINE"
#define SQL_REASON_SCHEMA      "SCHEMA_VERSION"

struct sql_migrate_ops;

/* A function of the same name in sql.h says what each does, unless it is said here. */
struct sql_ops {
	enum sql_dialect dialect;
	const struct sql_migrate_ops *migrate;

	void (*close)(struct sql_db *db);
	bool (*set_login)(struct sql_db *db, const char *user, const char *password);
	struct sql_conn *(*conn_open)(struct sql_db *db);
	void (*conn_close)(struct sql_conn *conn);
	bool (*conn_is_open)(const struct sql_conn *conn);

	/*
	 * Connects if necessary, runs the step once and rolls back what it leaves
	 * open. Gives in *end whether sql_run may run it again. Sets conn->cause.
	 */
	enum status_code (*attempt)(struct sql_conn *conn, int64_t deadline_ns,
	    enum sql_end (*step)(struct sql_conn *conn, void *call), void *call, enum sql_end *end,
	    struct error *error);

	/* Fills error with what end means on this connection, and returns its status. */
	enum status_code (*error)(struct sql_conn *conn, enum sql_end end, struct error *error);

	enum sql_end (*text)(struct sql_conn *conn, const char *sql, size_t len);
	enum sql_end (*execute)(struct sql_conn *conn, unsigned slot, const char *sql, size_t len,
	    const struct sql_value *values, size_t count);
	bool (*next)(struct sql_conn *conn);
	enum sql_end (*ended)(struct sql_conn *conn);
	int64_t (*get_int)(struct sql_conn *conn, unsigned column);
	double (*get_real)(struct sql_conn *conn, unsigned column);
	const char *(*get_string)(struct sql_conn *conn, unsigned column, size_t *len);
	bool (*is_null)(struct sql_conn *conn, unsigned column);
	size_t (*row_count)(const struct sql_conn *conn);
	uint64_t (*affected)(const struct sql_conn *conn);
	uint64_t (*insert_id)(const struct sql_conn *conn);
	uint64_t (*id_step)(const struct sql_conn *conn);
	bool (*id_step_varies)(const struct sql_conn *conn);
	bool (*fits)(const struct sql_conn *conn, size_t bytes);
	size_t (*execute_bytes)(size_t sql_len, const struct sql_value *values, size_t count);
	void (*put_select)(struct sql_conn *conn, const char *before);

	enum sql_end (*begin)(struct sql_conn *conn);
	enum sql_end (*begin_read)(struct sql_conn *conn);
	enum sql_end (*alone)(struct sql_conn *conn);
	enum sql_end (*commit)(struct sql_conn *conn);
	void (*roll_back)(struct sql_conn *conn);

	/* Asks whether the database answers; a step. */
	enum sql_end (*ping)(struct sql_conn *conn, void *call);

	/* Tries a statement of struct sql_checks, without taking a lock that others wait for. */
	enum sql_end (*try_read)(struct sql_conn *conn, const char *sql);
	enum sql_end (*try_write)(struct sql_conn *conn, const char *sql);

	/* Whether the database as a whole can be written to, where no statement tells; or NULL. */
	enum sql_end (*try_database)(struct sql_conn *conn);
};

struct sql_db {
	const struct sql_ops *ops;
	atomic_uint slots;
	atomic_bool ahead; /* see sql_is_ahead */
	void (*observe)(void *closure, const struct sql_ended *ended);
	void *observe_closure;
	_Atomic(enum sql_cause) refusal;
	atomic_uint conns[SQL_CONN_STATES]; /* how many are in each */
	unsigned reconnects_max;            /* of one operation: as many as there are hosts */
};

struct sql_conn {
	const struct sql_ops *ops;
	struct sql_db *db;
	enum sql_conn_state state;
	int64_t deadline_ns;           /* of the operation that runs */
	bool writes;                   /* likewise: it is not ended for nobody */
	bool (*nobody)(void *closure); /* or NULL */
	void *nobody_closure;
	struct arena *scratch; /* of the operation that runs */
	struct buf sql;        /* the statement that is put together */

	/* What the attempt that runs has said. */
	enum sql_cause cause; /* set by one that ends UNAVAILABLE */
	bool no_memory;       /* why the step ended with SQL_FAILED; or */
	const char *why;      /* its own words; or NULL */
	bool changed;
};

/* Whether nobody waits for the operation that runs; see sql_set_nobody. */
bool sql_is_for_nobody(void *conn);

/* Opens each kind of database; path is what follows "sqlite:". */
enum status_code sql_mysql_open(
    struct sql_db **db, const struct sql_options *options, struct error *error);
enum status_code sql_sqlite_open(struct sql_db **db, const char *path, struct error *error);

/* The errors that all databases return, with the same texts. */
enum status_code sql_error_unavailable(struct error *error, const char *detail);
enum status_code sql_error_unknown(struct error *error, const char *detail);
enum status_code sql_error_deadline(struct error *error, const char *detail);

/* Sleeps before try number tries (from 0) after a conflict, not past the deadline. */
void sql_back_off(unsigned tries, int64_t deadline_ns);

#endif
