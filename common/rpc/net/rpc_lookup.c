#include "common/rpc/net/rpc_lookup.h"

#include <netdb.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

/*
 * getaddrinfo cannot be interrupted, so its thread is one that nobody joins. The
 * look-up belongs to that thread and to its user; who leaves it last frees it.
 */
struct rpc_lookup {
	char *host;
	char *port;
	rpc_lookup_fn *found;
	void *closure;

	pthread_mutex_t lock; /* guards all below */
	pthread_cond_t told;
	unsigned users;
	bool closed;
	bool telling; /* found is being called */
};

static void
rpc_lookup_free(struct rpc_lookup *lookup)
{
	pthread_cond_destroy(&lookup->told);
	pthread_mutex_destroy(&lookup->lock);
	free(lookup->host);
	free(lookup->port);
	free(lookup);
}

/* With the lock, which is released. */
static void
rpc_lookup_leave(struct rpc_lookup *lookup)
{
	bool last = --lookup->users == 0;

	pthread_mutex_unlock(&lookup->lock);
	if (last) {
		rpc_lookup_free(lookup);
	}
}

static void *
rpc_lookup_run(void *closure)
{
	const struct addrinfo hints = {.ai_socktype = SOCK_STREAM, .ai_flags = AI_ADDRCONFIG};
	struct rpc_lookup *lookup = closure;
	struct addrinfo *addresses;

	if (getaddrinfo(lookup->host, lookup->port, &hints, &addresses) != 0) {
		addresses = NULL;
	}
	pthread_mutex_lock(&lookup->lock);
	if (!lookup->closed) {
		lookup->telling = true;
		pthread_mutex_unlock(&lookup->lock);
		lookup->found(addresses, lookup->closure);
		pthread_mutex_lock(&lookup->lock);
		lookup->telling = false;
		pthread_cond_signal(&lookup->told);
	}
	rpc_lookup_leave(lookup);
	if (addresses != NULL) {
		freeaddrinfo(addresses);
	}
	return NULL;
}

static bool
rpc_lookup_start(struct rpc_lookup *lookup)
{
	pthread_attr_t attributes;
	pthread_t thread;
	bool started;

	if (pthread_attr_init(&attributes) != 0) {
		return false;
	}
	pthread_attr_setdetachstate(&attributes, PTHREAD_CREATE_DETACHED);
	started = pthread_create(&thread, &attributes, rpc_lookup_run, lookup) == 0;
	pthread_attr_destroy(&attributes);
	return started;
}

bool
rpc_lookup_open(struct rpc_lookup **lookup, const char *host, const char *port,
    rpc_lookup_fn *found, void *closure)
{
	struct rpc_lookup *opened = calloc(1, sizeof(*opened));

	*lookup = NULL;
	if (opened == NULL) {
		return false;
	}
	pthread_mutex_init(&opened->lock, NULL);
	pthread_cond_init(&opened->told, NULL);
	opened->host = strdup(host);
	opened->port = strdup(port);
	opened->found = found;
	opened->closure = closure;
	opened->users = 2;
	if (opened->host == NULL || opened->port == NULL || !rpc_lookup_start(opened)) {
		rpc_lookup_free(opened);
		return false;
	}
	*lookup = opened;
	return true;
}

void
rpc_lookup_close(struct rpc_lookup **lookup)
{
	struct rpc_lookup *closed = *lookup;

	*lookup = NULL;
	if (closed == NULL) {
		return;
	}
	pthread_mutex_lock(&closed->lock);
	closed->closed = true;
	while (closed->telling) {
		pthread_cond_wait(&closed->told, &closed->lock);
	}
	rpc_lookup_leave(closed);
}
