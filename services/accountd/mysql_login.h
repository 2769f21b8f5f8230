/*
 * The user and password that connections to the database are made with, which
 * may change while others are made. Any thread.
 */
#ifndef ACCOUNTD_MYSQL_LOGIN_H
#define ACCOUNTD_MYSQL_LOGIN_H

#include <stdbool.h>

struct mysql_login;

/* What one connection is made with. Its owner wipes and frees it by mysql_credentials_fini. */
struct mysql_credentials {
	char *user;
	char *password;
};

/* NULL is the empty text. Gives NULL without memory. */
struct mysql_login *mysql_login_new(const char *user, const char *password);

/* Wipes and frees it, and clears *login. NULL is fine. */
void mysql_login_free(struct mysql_login **login);

/* What connections are made with from now on. False without memory: nothing has changed then. */
bool mysql_login_set(struct mysql_login *login, const char *user, const char *password);

/* Gives a copy. False without memory; there is nothing to be freed then. */
bool mysql_login_get(struct mysql_login *login, struct mysql_credentials *credentials);
void mysql_credentials_fini(struct mysql_credentials *credentials);

#endif
