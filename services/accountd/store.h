/*
 * Where users are kept. A store is a database, shared by all threads; a
 * store_conn is a connection to it and belongs to one thread. Two
 * implementations, one behaviour: store_mysql.c and store_sqlite.c.
 *
 * Every operation has a deadline (on clock_now_ns) and ends with
 *
 *	OK                  done and, if a write, committed and durable
 *	UNAVAILABLE         not done: the database is away, or refuses it now: see
 *	                    enum store_cause. Reason STORE_UNAVAILABLE
 *	UNAVAILABLE         with reason OUTCOME_UNKNOWN: a commit was sent and not answered
 *	DEADLINE_EXCEEDED   not done in time
 *	RESOURCE_EXHAUSTED  the rows do not fit the arena, or there is no memory
 *	INTERNAL            a statement failed; error's detail has the database's words
 *
 * A connection that broke is opened anew by the next operation. Deadlocks and
 * lock timeouts are retried inside, until the deadline.
 */
#ifndef ACCOUNTD_STORE_H
#define ACCOUNTD_STORE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "common/status.h"
#include "services/accountd/user.h"

struct arena;
struct store;
struct store_conn;

#define STORE_PAGE_KEY_BYTES 32

/* How connections to a database by TCP are encrypted. */
enum store_tls {
	STORE_TLS_OFF,
	STORE_TLS_PREFERRED, /* if the server offers it */
	STORE_TLS_REQUIRED,  /* whoever the server is */
	STORE_TLS_VERIFY_CA, /* its certificate is of the authority */
	STORE_TLS_VERIFY     /* and for the name of the host that is connected to */
};

struct store_options {
	const char *url;  /* "mysql" or "sqlite:PATH" */
	const char *host; /* the rest is for mysql */
	unsigned port;
	const char *database;
	const char *user;
	const char *password;
	uint32_t connect_timeout_ms;
	enum store_tls tls;
	const char *tls_ca_file; /* PEM files; NULL or empty: none */
	const char *tls_cert_file;
	const char *tls_key_file;
};

/* Rows to be listed; what is NULL or -1 (account_id: 0) was not given: every row passes. */
struct store_filter {
	int64_t account_id;
	const char *email;
	int32_t role;
	const char *name_prefix; /* compared by bytes */
};

/* Kinds of operations, for metrics; a transaction of several kinds is one of each. */
enum store_operation {
	STORE_OPERATION_GET,
	STORE_OPERATION_LIST,
	STORE_OPERATION_CREATE,
	STORE_OPERATION_REPLACE,
	STORE_OPERATION_DELETE,
	STORE_OPERATION_CHECK
};

enum store_verb {
	STORE_CREATE,
	STORE_REPLACE,
	STORE_DELETE
};

/* The kind of operation that a write with this verb is. */
enum store_operation store_operation_of(enum store_verb verb);

enum store_outcome {
	STORE_DONE,
	STORE_DUPLICATE, /* the e-mail address is another user's */
	STORE_NOT_FOUND  /* of STORE_REPLACE only: DELETE of nothing is done */
};

/*
 * One write of a transaction. Where user.password_hash is NULL, STORE_CREATE
 * stores one that no password fits and STORE_REPLACE keeps what is stored.
 */
struct store_write {
	enum store_verb verb;
	struct user user; /* user.id is given by STORE_CREATE when done */
	enum store_outcome outcome;
};

/*
 * Makes a store known; does not connect yet. options is copied. The error
 * names a wrong url, host or path and what would be right.
 */
enum status_code store_open(
    struct store **store, const struct store_options *options, struct error *error);

/* Why an operation ended UNAVAILABLE, or why the store refuses changes. */
enum store_cause {
	STORE_CAUSE_NONE,
	STORE_CAUSE_AWAY,      /* it can't be reached, or the connection broke */
	STORE_CAUSE_READ_ONLY, /* as a replica is, or a file system after an error */
	STORE_CAUSE_FULL,      /* there is no room left */
	STORE_CAUSE_IO,        /* its file can't be read or written */
	STORE_CAUSE_FAILED,    /* a statement that any change needs fails; not UNAVAILABLE */
	STORE_CAUSES
};

/* "away", "read_only" and so on; "none". */
const char *store_cause_name(enum store_cause cause);

/* An operation that has ended. */
struct store_ended {
	enum store_operation operation;
	enum status_code code;
	enum store_cause cause;    /* where code is UNAVAILABLE */
	const struct error *error; /* NULL when code is OK, or when nobody asked for it */
	int64_t took_ns;
};

/*
 * Has observe called at the end of each operation on users and each ping, by
 * the thread that made it; it must not block. To be set before the first
 * connection is opened.
 */
void store_set_observer(struct store *store,
    void (*observe)(void *closure, const struct store_ended *ended), void *closure);

/* Where a connection to the database stands. */
enum store_conn_state {
	STORE_CONN_CLOSED, /* before its first operation, and while the database is away */
	STORE_CONN_IDLE,
	STORE_CONN_BUSY,
	STORE_CONN_STATES
};

/* Connections of the store that are in a state. Any thread. */
unsigned store_conns_in(const struct store *store, enum store_conn_state state);

/* Frees the store and clears *store; its connections must be closed. */
void store_close(struct store **store);

/*
 * What connections are made with from now on; those that are open stay. False
 * without memory: nothing has changed then. Nothing for the embedded store. Any
 * thread.
 */
bool store_set_login(struct store *store, const char *user, const char *password);

/* Gives a connection, which connects when first used; NULL without memory. */
struct store_conn *store_conn_open(struct store *store);
void store_conn_close(struct store_conn **conn);

/* True for the embedded store, which migrates by itself at start. */
bool store_is_embedded(const struct store *store);

/*
 * Brings the schema up to date, one process at a time, and adopts a database
 * of the original. tell is called with a line for people at each step.
 * hash gives the hash of a clear-text password in a buffer of crypto_pwhash_STRBYTES.
 */
enum status_code store_migrate(struct store *store, void (*tell)(const char *line),
    bool (*hash)(const char *password, char *out, void *closure), void *closure,
    struct error *error);

/*
 * FAILED_PRECONDITION, with a message that names the command to run, when the
 * schema is older than this program needs, or newer than it knows and not one
 * of those on which the version before can still run.
 */
enum status_code store_check_schema(
    struct store_conn *conn, int64_t deadline_ns, struct error *error);

/* True when the schema was seen to be newer than this program, and to fit. Any thread. */
bool store_is_ahead(const struct store *store);

/* OK when the database answers. */
enum status_code store_ping(struct store_conn *conn, int64_t deadline_ns, struct error *error);

/*
 * OK when the tables have what the statements of this program read; INTERNAL,
 * with the database's words in detail, when a table or column is missing.
 */
enum status_code store_check_tables(
    struct store_conn *conn, int64_t deadline_ns, struct error *error);

/*
 * OK when the store takes changes: nothing in it is changed to see that, but
 * while store_refusal has a cause, a row of the service's own is written and
 * removed. The statuses are those of a write.
 */
enum status_code store_check_writes(
    struct store_conn *conn, int64_t deadline_ns, struct error *error);

/*
 * Why the store refuses changes, though it may answer reads; STORE_CAUSE_NONE
 * when the last change, or the last store_check_writes, went well. Any thread.
 */
enum store_cause store_refusal(const struct store *store);

/* The secret by which page tokens are signed: the same for all who share the database. */
enum status_code store_page_key(struct store_conn *conn, int64_t deadline_ns,
    uint8_t key[STORE_PAGE_KEY_BYTES], struct error *error);

/*
 * Reads users by id: rows[i] is the user with ids[i], strings in arena, or has
 * id 0 where there is none. ids may repeat.
 */
enum status_code store_user_get(struct store_conn *conn, int64_t deadline_ns, const int64_t *ids,
    size_t count, struct arena *arena, struct user *rows, struct error *error);

/*
 * Reads the first limit users that pass filter with an id over after_id, by
 * id, into *rows in arena, and their number into *count.
 */
enum status_code store_user_list(struct store_conn *conn, int64_t deadline_ns,
    const struct store_filter *filter, int64_t after_id, size_t limit, struct arena *arena,
    struct user **rows, size_t *count, struct error *error);

/*
 * Does all writes in one transaction, in order. Each has an outcome of its
 * own: one that is DUPLICATE or NOT_FOUND leaves the others. On another
 * status than OK none of them is done (but see OUTCOME_UNKNOWN).
 */
enum status_code store_user_write(struct store_conn *conn, int64_t deadline_ns,
    struct store_write *writes, size_t count, struct error *error);

#endif
