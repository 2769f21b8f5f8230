/*
 * The user and password for connections to the database. They may change at any
 * time. Any thread.
 */
#ifndef COMMON_SQL_MYSQL_LOGIN_H
#define COMMON_SQL_MYSQL_LOGIN_H

#include <stdbool.h>

struct mysql_login;

/* The credentials of one connection. Its owner wipes and frees them with mysql_credentials_fini. */
struct mysql_credentials {
	char *user;
	char *password;
};

/* NULL is the empty text. Gives NULL without memory. */
struct mysql_login *mysql_login_new(const char *user, const char *password);

/* Wipes and frees it, and clears *login. NULL is fine. */
void mysql_login_free(struct mysql_login **login);

/* Sets the credentials for later connections. False without memory; then nothing has changed. */
bool mysql_login_set(struct mysql_login *login, const char *user, const char *password);

/* Gives a copy. False without memory; then nothing must be freed. */
bool mysql_login_get(struct mysql_login *login, struct mysql_credentials *credentials);
void mysql_credentials_fini(struct mysql_credentials *credentials);

#endif
