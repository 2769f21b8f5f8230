/*
 * What store.c needs from a store, and what the stores share. Only store*.c
 * include this.
 *
 * A store implements every operation of store.h, with the same promises, as a
 * row of functions. Its struct begins with a struct store, its connection's
 * struct with a struct store_conn.
 */
#ifndef ACCOUNTD_STORE_IMPL_H
#define ACCOUNTD_STORE_IMPL_H

#include <stdatomic.h>

#include "services/accountd/store.h"

#define STORE_REASON_UNAVAILABLE "STORE_UNAVAILABLE"
#define STORE_REASON_UNKNOWN     "OUTCOME_UNKNOWN"
#define STORE_REASON_FAILED      "STORE_FAILED"
#define STORE_REASON_DEADLINE    "DEADLINE"
#define STORE_REASON_SCHEMA      "SCHEMA_VERSION"

struct store_adoption;
struct store_migration;

/* How store_migrate.c brings a database up to date; conn is from conn_open. */
struct store_migrate_ops {
	const struct store_migration *rows;
	size_t count;

	/*
	 * Waits until no other process migrates, makes the table of migrations and
	 * gives the schema's version. What follows runs on this very connection.
	 */
	enum status_code (*lock)(struct store_conn *conn, struct store_adoption *adoption,
	    int64_t *version, struct error *error);

	/* Ends what lock began. With ok, what was done and not yet committed is kept. */
	enum status_code (*unlock)(struct store_conn *conn, bool ok, struct error *error);

	/* Runs the statements of script, each of which ends with ";\n". */
	enum status_code (*run)(struct store_conn *conn, const char *script, struct error *error);

	/* Records that the migration of that version was done. */
	enum status_code (*record)(
	    struct store_conn *conn, const struct store_migration *row, struct error *error);
};

struct store_ops {
	bool embedded;
	const struct store_migrate_ops *migrate;

	void (*close)(struct store *store);
	bool (*set_login)(struct store *store, const char *user, const char *password);
	struct store_conn *(*conn_open)(struct store *store);
	void (*conn_close)(struct store_conn *conn);
	bool (*conn_is_open)(const struct store_conn *conn);

	/* The schema's version, 0 where there is none. */
	enum status_code (*version)(
	    struct store_conn *conn, int64_t deadline_ns, int64_t *version, struct error *error);

	/*
	 * For a schema that is newer than known: gives the version that a
	 * program must know to run on it. The caller sets *needed to the
	 * version of the schema; it stays if nothing else was recorded.
	 */
	enum status_code (*needed)(struct store_conn *conn, int64_t deadline_ns, int known,
	    int64_t *needed, struct error *error);

	enum status_code (*ping)(struct store_conn *conn, int64_t deadline_ns, struct error *error);
	enum status_code (*check_tables)(
	    struct store_conn *conn, int64_t deadline_ns, struct error *error);

	/* With really, checks by a change: writes and removes the setting STORE_SETTING_CHECK. */
	enum status_code (*check_writes)(
	    struct store_conn *conn, int64_t deadline_ns, bool really, struct error *error);
	enum status_code (*page_key)(struct store_conn *conn, int64_t deadline_ns,
	    uint8_t key[STORE_PAGE_KEY_BYTES], struct error *error);
	enum status_code (*user_get)(struct store_conn *conn, int64_t deadline_ns,
	    const int64_t *ids, size_t count, struct arena *arena, struct user *rows,
	    struct error *error);
	enum status_code (*user_list)(struct store_conn *conn, int64_t deadline_ns,
	    const struct store_filter *filter, int64_t after_id, size_t limit, struct arena *arena,
	    struct user **rows, size_t *count, struct error *error);
	enum status_code (*user_write)(struct store_conn *conn, int64_t deadline_ns,
	    struct store_write *writes, size_t count, struct error *error);
};

struct store {
	const struct store_ops *ops;
	atomic_bool ahead; /* see store_is_ahead */
	void (*observe)(void *closure, const struct store_ended *ended);
	void *observe_closure;
	_Atomic(enum store_cause) refusal;
	atomic_uint conns[STORE_CONN_STATES]; /* how many are in each */
};

struct store_conn {
	const struct store_ops *ops;
	struct store *store;
	enum store_conn_state state;
	enum store_cause cause; /* set by an operation that ends UNAVAILABLE */
};

/* The row of table setting that check_writes makes. */
#define STORE_SETTING_CHECK "writeCheck"

/* Opens each kind of store; url is what follows "mysql" or "sqlite:". */
enum status_code store_mysql_open(
    struct store **store, const struct store_options *options, struct error *error);
enum status_code store_sqlite_open(struct store **store, const char *path, struct error *error);

/* What the steps of a migration may need beside the connection. */
struct store_adoption {
	void (*tell)(const char *line);
	bool (*hash)(const char *password, char *out, void *closure);
	void *closure;
	size_t unfit; /* users that store_tell_unfit found */
};

/* A line for people about how far the migration is. */
void store_tell(const struct store_adoption *adoption, const char *format, ...)
    __attribute__((format(printf, 2, 3)));

/*
 * Reports a user whose name or e-mail address no new user may have, and counts
 * it; only the first of them are reported. store_tell_all_unfit reports how
 * many there were. A name or address that is NULL is missing.
 */
void store_tell_unfit(
    struct store_adoption *adoption, int64_t id, const char *name, const char *email);
void store_tell_all_unfit(const struct store_adoption *adoption);

/*
 * One migration: SQL, or a function if SQL is not enough. Both must do no harm
 * when they run again after they were killed half-way.
 *
 * runs_from is the oldest version whose programs can run on the schema as it
 * is afterwards: version itself when they can't, the one before when they miss
 * nothing. It is recorded, so that programs that do not know the migration, as
 * after a rollback, know whether they may start.
 */
struct store_migration {
	int version, runs_from;
	const char *name;
	const unsigned char *sql; /* NULL: step */
	enum status_code (*step)(
	    struct store_conn *conn, struct store_adoption *adoption, struct error *error);
};

/* The errors that both stores return, with the same texts. */
enum status_code store_error_unavailable(struct error *error, const char *detail);
enum status_code store_error_unknown(struct error *error, const char *detail);
enum status_code store_error_deadline(struct error *error, const char *detail);
enum status_code store_error_failed(struct error *error, const char *detail);
enum status_code store_error_memory(struct error *error);

/* Sleeps before try number tries (from 0) of a write that met a conflict, not past the deadline. */
void store_back_off(unsigned tries, int64_t deadline_ns);

/* The stored hash of a user without a password; no password matches it. */
#define STORE_PASSWORD_UNUSABLE "$argon2id$unusable"

/*
 * The role of a row: a value that is not a role, which a widened column may
 * contain, becomes the one with the fewest rights.
 */
int32_t store_role(int64_t stored);

/*
 * The email key of each write, NULL for those without an address, in arena.
 * NULL without memory or when an address is no UTF-8.
 */
char **store_email_keys(const struct store_write *writes, size_t count, struct arena *arena);

/* Clears outcomes and assigned ids, before writes are done (again). */
void store_writes_reset(struct store_write *writes, size_t count);

#endif
