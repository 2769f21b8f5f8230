/*
 * The steps of migrations that turn a database of the original, which is
 * MySQL's, into ours where SQL is not enough. They are as struct sql_migration
 * says; their closure is a struct accountd_adoption.
 */
#ifndef ACCOUNTD_ADOPT_H
#define ACCOUNTD_ADOPT_H

#include "common/sql/sql_migrate.h"

/* Statements that stay prepared, from slots on. */
enum accountd_adopt_slot {
	ACCOUNTD_ADOPT_KEY,
	ACCOUNTD_ADOPT_PASSWORD,
	ACCOUNTD_ADOPT_SLOTS
};

struct accountd_adoption {
	void (*tell)(const char *line);                               /* or NULL */
	bool (*hash)(const char *password, char *out, void *closure); /* in PASSWORD_HASH_BYTES */
	void *closure;
	unsigned slots;
	size_t unfit; /* users with what no new user may have */
};

/* Fills the keys of e-mail addresses and makes them unique, or tells whose are the same. */
enum status_code accountd_adopt_emails(struct sql_conn *conn, void *adoption, struct error *error);

/* Drops the original's own key of e-mail addresses. */
enum status_code accountd_adopt_key(struct sql_conn *conn, void *adoption, struct error *error);

/* Hashes the passwords that are stored as they were typed. */
enum status_code accountd_adopt_passwords(
    struct sql_conn *conn, void *adoption, struct error *error);

#endif
