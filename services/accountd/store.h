/*
 * Where users are kept. A store is a database, shared by all threads. A
 * store_conn is a connection to it and belongs to one thread. There are two
 * implementations with the same behaviour: store_mysql.c and store_sqlite.c.
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
 * The next operation reopens a connection that broke. Deadlocks and lock
 * timeouts are retried internally, until the deadline.
 */
#ifndef ACCOUNTD_STORE_H
#define ACCOUNTD_STORE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "common/base/status.h"
#include "services/accountd/user.h"

struct arena;
struct store;
struct store_conn;

#define STORE_PAGE_KEY_BYTES 32

/* How connections to a database by TCP are encrypted. */
enum store_tls {
	STORE_TLS_OFF,
	STORE_TLS_PREFERRED, /* if the server offers it */
	STORE_TLS_REQUIRED,  /* without checking who the server is */
	STORE_TLS_VERIFY_CA, /* its certificate is signed by the authority */
	STORE_TLS_VERIFY     /* and contains the name of the host */
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

/*
 * Which rows to list. A member that is NULL or -1 (account_id: 0) is not set
 * and lets every row pass.
 */
struct store_filter {
	int64_t account_id;
	const char *email;
	int32_t role;
	const char *name_prefix; /* compared by bytes */
};

/* Kinds of operations, for metrics; a transaction of several kinds counts once for each. */
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
	STORE_DUPLICATE, /* another user has the e-mail address */
	STORE_NOT_FOUND  /* of STORE_REPLACE only; deleting a missing user is STORE_DONE */
};

/*
 * One write of a transaction. If user.password_hash is NULL, STORE_CREATE
 * stores one that no password matches, and STORE_REPLACE keeps the stored one.
 */
struct store_write {
	enum store_verb verb;
	struct user user; /* STORE_CREATE sets user.id when it is done */
	enum store_outcome outcome;
};

/*
 * Creates a store; does not connect yet. options is copied. The error names a
 * wrong url, host or path and what would be right.
 */
enum status_code store_open(
    struct store **store, const struct store_options *options, struct error *error);

/* Why an operation ended UNAVAILABLE, or why the store refuses changes. */
enum store_cause {
	STORE_CAUSE_NONE,
	STORE_CAUSE_AWAY,      /* it can't be reached, or the connection broke */
	STORE_CAUSE_READ_ONLY, /* for example a replica, or a file system after an error */
	STORE_CAUSE_FULL,      /* no space is left */
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
	const struct error *error; /* NULL when code is OK, or when the caller did not request it */
	int64_t took_ns;
};

/*
 * Makes each operation on users and each ping call observe at its end, in the
 * thread of the operation; observe must not block. To be set before the first
 * connection is opened.
 */
void store_set_observer(struct store *store,
    void (*observe)(void *closure, const struct store_ended *ended), void *closure);

/* The state of a connection to the database. */
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
 * Sets the credentials for later connections; open ones stay. False without
 * memory; then nothing has changed. Does nothing for the embedded store. Any
 * thread.
 */
bool store_set_login(struct store *store, const char *user, const char *password);

/* Gives a connection, which connects when first used; NULL without memory. */
struct store_conn *store_conn_open(struct store *store);
void store_conn_close(struct store_conn **conn);

/* True for the embedded store, which migrates automatically at the start. */
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
 * OK when the store accepts changes. Normally this is checked without a change;
 * while store_refusal has a cause, a row of the service is written and removed.
 * The statuses are those of a write.
 */
enum status_code store_check_writes(
    struct store_conn *conn, int64_t deadline_ns, struct error *error);

/*
 * Why the store refuses changes, although it may answer reads; STORE_CAUSE_NONE
 * when the last change, or the last store_check_writes, succeeded. Any thread.
 */
enum store_cause store_refusal(const struct store *store);

/* The secret that signs page tokens; all instances that share the database have the same. */
enum status_code store_page_key(struct store_conn *conn, int64_t deadline_ns,
    uint8_t key[STORE_PAGE_KEY_BYTES], struct error *error);

/*
 * Reads users by id: rows[i] is the user with ids[i], with strings in arena, or
 * has id 0 if there is no such user. ids may repeat.
 */
enum status_code store_user_get(struct store_conn *conn, int64_t deadline_ns, const int64_t *ids,
    size_t count, struct arena *arena, struct user *rows, struct error *error);

/*
 * Reads the first limit users, in the order of ids, that pass filter and have
 * an id greater than after_id, into *rows in arena, and their number into
 * *count.
 */
enum status_code store_user_list(struct store_conn *conn, int64_t deadline_ns,
    const struct store_filter *filter, int64_t after_id, size_t limit, struct arena *arena,
    struct user **rows, size_t *count, struct error *error);

/*
 * Does all writes in one transaction, in order. Each has its own outcome: one
 * that is DUPLICATE or NOT_FOUND does not affect the others. If the status is
 * not OK, none of them is done (but see OUTCOME_UNKNOWN).
 */
enum status_code store_user_write(struct store_conn *conn, int64_t deadline_ns,
    struct store_write *writes, size_t count, struct error *error);

#endif
