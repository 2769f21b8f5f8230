/*
 * Clients that send requests at random and know how each must be answered:
 * for users of their own by a model, for those of others by a board on which
 * every client writes what it was acknowledged. One client belongs to one
 * thread.
 */
#ifndef INTEGRATION_CLIENT_H
#define INTEGRATION_CLIENT_H

#include <pthread.h>
#include <stdatomic.h>

#include "integration/http.h"
#include "integration/model.h"

#define CLIENTS_MAX       48
#define CLIENT_DUPLICATE  "attempt to insert duplicate user"
#define CLIENT_ANY_STATUS (-1) /* the caller looks at it */

struct client {
	unsigned number; /* below CLIENTS_MAX */
	pthread_t thread;
	struct http *gateways[2]; /* each request goes by one of them */
	const struct http_answer *answer;
	struct model model;
	struct buf body; /* of the request */
	struct buf want; /* the body of the answer */
	unsigned requests;
	const char *job; /* what it does, for its fault */
	int64_t job_id;  /* the user that it made and then reads while others wait */
};

/* The first fault that a client sees, or empty, and the wish that all end, which follows it. */
extern char clients_fault[4096];
extern atomic_bool clients_stopping;

/* Forgets fault, wish and board. No client runs. */
void clients_reset(void);

void client_fault(struct client *client, const char *format, ...)
    __attribute__((format(printf, 2, 3)));

/*
 * Sends VERB /users, or /users/{id} unless that is 0, with client->body if it
 * holds anything. False, after a fault, when the answer has another status.
 */
bool client_send(
    struct client *client, const char *verb, int64_t id, const char *headers, int status);

/* Sends a request of any kind and checks the answer. */
void client_do(struct client *client);

#endif
