#include "common/sql/mysql_login.h"

#include <pthread.h>
#include <stdlib.h>
#include <string.h>

struct mysql_login {
	pthread_mutex_t lock; /* guards all below */
	struct mysql_credentials credentials;
};

static bool
mysql_credentials_init(
    struct mysql_credentials *credentials, const char *user, const char *password)
{
	credentials->user = strdup(user == NULL ? "" : user);
	credentials->password = strdup(password == NULL ? "" : password);
	if (credentials->user == NULL || credentials->password == NULL) {
		mysql_credentials_fini(credentials);
		return false;
	}
	return true;
}

void
mysql_credentials_fini(struct mysql_credentials *credentials)
{
	if (credentials->password != NULL) {
		explicit_bzero(credentials->password, strlen(credentials->password));
	}
	free(credentials->user);
	free(credentials->password);
	credentials->user = credentials->password = NULL;
}

struct mysql_login *
mysql_login_new(const char *user, const char *password)
{
	struct mysql_login *login = calloc(1, sizeof(*login));

	if (login == NULL || !mysql_credentials_init(&login->credentials, user, password)) {
		free(login);
		return NULL;
	}
	pthread_mutex_init(&login->lock, NULL);
	return login;
}

void
mysql_login_free(struct mysql_login **login)
{
	if (*login == NULL) {
		return;
	}
	mysql_credentials_fini(&(*login)->credentials);
	pthread_mutex_destroy(&(*login)->lock);
	free(*login);
	*login = NULL;
}

bool
mysql_login_set(struct mysql_login *login, const char *user, const char *password)
{
	struct mysql_credentials fresh;
	struct mysql_credentials old;

	if (!mysql_credentials_init(&fresh, user, password)) {
		return false;
	}
	pthread_mutex_lock(&login->lock);
	old = login->credentials;
	login->credentials = fresh;
	pthread_mutex_unlock(&login->lock);
	mysql_credentials_fini(&old);
	return true;
}

bool
mysql_login_get(struct mysql_login *login, struct mysql_credentials *credentials)
{
	bool copied;

	pthread_mutex_lock(&login->lock);
	copied = mysql_credentials_init(
	    credentials, login->credentials.user, login->credentials.password);
	pthread_mutex_unlock(&login->lock);
	return copied;
}
