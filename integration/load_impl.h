/* The inside of a load, for load.c, which runs it, and load_check.c. */
#ifndef INTEGRATION_LOAD_IMPL_H
#define INTEGRATION_LOAD_IMPL_H

#include <pthread.h>
#include <stdatomic.h>

#include "integration/http.h"
#include "integration/load.h"

#define LOAD_USERS 4 /* of each client */

enum load_outcome {
	LOAD_DONE,
	LOAD_REFUSED, /* the answer says that it was not done */
	LOAD_UNKNOWN
};

/* A user that its client replaces with the names v1, v2 and so on. */
struct load_user {
	int64_t id;
	unsigned tried;
	unsigned acknowledged;
	enum load_outcome *outcomes; /* by number; grows with tried */
};

struct load_create {
	int64_t id; /* 0 unless done */
	enum load_outcome outcome;
};

struct load_client {
	struct load *load;
	unsigned number;
	pthread_t thread;
	struct http *http;
	const struct http_answer *answer; /* to what it sent last */
	struct load_user users[LOAD_USERS];
	struct load_create *creates;
	size_t create_count;
	double slowest_s;
};

struct load {
	char url[128];
	unsigned number; /* of this load among those of the program */
	unsigned client_count;
	bool without_replaces;
	struct load_client *clients;
	atomic_bool stopping;
	bool stopped;
	atomic_uint successes;
	atomic_uint failed;
	pthread_mutex_t lock; /* guards failures and their count */
	struct load_failure *failures;
	size_t failure_count;
};

#define LOAD_EMAIL_MAX 64

/* The address of a user: 'o', one of a client's own, or 'c', one that it created. */
void load_email(
    char email[LOAD_EMAIL_MAX], const struct load_client *client, char kind, size_t number);

/* True when the address belongs to a user of this load. */
bool load_email_is_ours(const struct load *load, const char *email);

/* True when the user may have the name of that number now. */
bool load_may_have(const struct load_user *user, unsigned number);

#endif
