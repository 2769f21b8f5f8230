/*
 * For tests: users as plain structs, through the engine of common/resource, so
 * that a case says in a line what it writes and reads.
 */
#ifndef TESTS_USER_STORE_H
#define TESTS_USER_STORE_H

#include "common/resource/resource.h"
#include "common/sql/sql_watch.h"
#include "services/accountd/accountd_adopt.h"
#include "services/accountd/accountd_schema.h"
#include "services/accountd/user.h"

struct arena;

enum user_role {
	USER_ROLE_NONE = -1, /* not given */
	USER_ROLE_OWNER = 0,
	USER_ROLE_ADMIN = 1,
	USER_ROLE_RESTRICTED = 2
};

/* Strings are borrowed; those that were read are in an arena. */
struct user {
	int64_t id;
	int64_t account_id;
	const char *name;
	const char *email;
	int32_t role;
	const char *password_hash; /* NULL in users that were read */
};

/* What the service asks of the database, and the setting that signs page tokens. */
extern struct sql_checks store_checks;

#define STORE_PAGE_KEY_NAME  "pageKey"
#define STORE_PAGE_KEY_BYTES 32

/* sql_open, for connections that the operations below run on. */
enum status_code store_open(
    struct sql_db **store, const struct sql_options *options, struct error *error);

/*
 * sql_migrate, which adopts a database of the original. hash gives the hash of
 * a clear-text password in a buffer of crypto_pwhash_STRBYTES.
 */
enum status_code store_migrate(struct sql_db *store, void (*tell)(const char *line),
    bool (*hash)(const char *password, char *out, void *closure), void *closure,
    struct error *error);

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

enum store_verb {
	STORE_CREATE = RESOURCE_CREATE,
	STORE_REPLACE = RESOURCE_REPLACE,
	STORE_DELETE = RESOURCE_DELETE
};

enum store_outcome {
	STORE_DONE = RESOURCE_DONE,
	STORE_DUPLICATE = RESOURCE_DUPLICATE, /* another user has the e-mail address */
	STORE_NOT_FOUND = RESOURCE_NOT_FOUND  /* of STORE_REPLACE only */
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
 * Reads users by id: rows[i] is the user with ids[i], with strings in arena, or
 * has id 0 if there is no such user. ids may repeat. RESOURCE_EXHAUSTED if the
 * rows do not fit the arena, as below.
 */
enum status_code store_user_get(struct sql_conn *conn, int64_t deadline_ns, const int64_t *ids,
    size_t count, struct arena *arena, struct user *rows, struct error *error);

/*
 * Reads the first limit users, in the order of ids, that pass filter and have
 * an id greater than after_id, into *rows in arena, and their number into
 * *count.
 */
enum status_code store_user_list(struct sql_conn *conn, int64_t deadline_ns,
    const struct store_filter *filter, int64_t after_id, size_t limit, struct arena *arena,
    struct user **rows, size_t *count, struct error *error);

/*
 * Does all writes in one transaction, in order. Each has its own outcome: one
 * that is DUPLICATE or NOT_FOUND does not affect the others. If the status is
 * not OK, none of them is done (but see OUTCOME_UNKNOWN).
 */
enum status_code store_user_write(struct sql_conn *conn, int64_t deadline_ns,
    struct store_write *writes, size_t count, struct error *error);

#endif
