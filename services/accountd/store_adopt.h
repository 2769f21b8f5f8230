/*
 * The steps of migrations that turn a database of the original, which is
 * MySQL's, into ours where SQL is not enough. They are as struct sql_migration
 * says; their closure is a struct store_adoption.
 */
#ifndef ACCOUNTD_STORE_ADOPT_H
#define ACCOUNTD_STORE_ADOPT_H

#include "common/sql/sql_migrate.h"

/* Statements that stay prepared, from slots on. */
enum store_adopt_slot {
	STORE_ADOPT_KEY,
	STORE_ADOPT_PASSWORD,
	STORE_ADOPT_SLOTS
};

struct store_adoption {
	void (*tell)(const char *line);                               /* or NULL */
	bool (*hash)(const char *password, char *out, void *closure); /* see store_migrate */
	void *closure;
	unsigned slots;
	size_t unfit; /* users with what no new user may have */
};

/* Fills the keys of e-mail addresses and makes them unique, or tells whose are the same. */
enum status_code store_adopt_emails(struct sql_conn *conn, void *adoption, struct error *error);

/* Drops the original's own key of e-mail addresses. */
enum status_code store_adopt_key(struct sql_conn *conn, void *adoption, struct error *error);

/* Hashes the passwords that are stored as they were typed. */
enum status_code store_adopt_passwords(struct sql_conn *conn, void *adoption, struct error *error);

#endif
