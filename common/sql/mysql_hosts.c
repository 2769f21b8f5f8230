#include "common/sql/mysql_hosts.h"

#include <arpa/inet.h>
#include <netdb.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/un.h>
#include <time.h>

#include "common/base/status.h"

#define MYSQL_PATH_MAX (sizeof(((struct sockaddr_un *)NULL)->sun_path) - 1)

struct mysql_host {
	const char *name;
	unsigned port;
};

struct mysql_hosts {
	char *text; /* the names point into it */
	struct mysql_host rows[MYSQL_HOSTS_MAX];
	unsigned count;
};

/*
 * A question to the resolver, which can't be told to hurry: a thread asks, and
 * whoever of thread and asker is last frees it.
 */
struct mysql_lookup {
	pthread_mutex_t lock; /* guards what follows */
	pthread_cond_t answered;
	bool done;
	bool given_up;
	struct mysql_addresses addresses;
	char name[MYSQL_NAME_LENGTH];
};

static bool
mysql_port_parse(const char *text, unsigned *port)
{
	char *end;
	unsigned long number = strtoul(text, &end, 10);

	*port = (unsigned)number;
	return *text >= '0' && *text <= '9' && *end == '\0' && number > 0 && number <= UINT16_MAX;
}

/* "host", "host:port", "[v6]", "[v6]:port", a bare IPv6 address or a path. */
static bool
mysql_host_parse(struct mysql_host *host, char *text, unsigned port)
{
	char *colon = strrchr(text, ':');
	char *bracket = text[0] == '[' ? strchr(text, ']') : NULL;

	host->name = text;
	host->port = port;
	if (text[0] == '/') {
		return true;
	}
	if (bracket != NULL) {
		*bracket = '\0';
		host->name = text + 1;
		colon = bracket[1] == ':' ? bracket + 1 : NULL;
	} else if (colon != strchr(text, ':')) {
		colon = NULL;
	}
	if (colon == NULL) {
		return true;
	}
	*colon = '\0';
	return mysql_port_parse(colon + 1, &host->port);
}

static bool
mysql_hosts_parse(struct mysql_hosts *hosts, unsigned port, struct error *error)
{
	char *rest = hosts->text;
	char *word;

	while ((word = strsep(&rest, ", ")) != NULL) {
		if (*word == '\0') {
			continue;
		}
		if (hosts->count == MYSQL_HOSTS_MAX) {
			error_set(error, STATUS_INVALID_ARGUMENT, "STORE_HOST",
			    "more than %d database hosts are named", MYSQL_HOSTS_MAX);
			return false;
		}
		if (word[0] == '/' && strlen(word) > MYSQL_PATH_MAX) {
			error_set(error, STATUS_INVALID_ARGUMENT, "STORE_HOST",
			    "database host '%.200s': the path of a socket has at most %zu bytes",
			    word, MYSQL_PATH_MAX);
			return false;
		}
		if (!mysql_host_parse(&hosts->rows[hosts->count++], word, port)) {
			error_set(error, STATUS_INVALID_ARGUMENT, "STORE_HOST",
			    "database host '%.200s': its port is no number from 1 to 65535", word);
			return false;
		}
	}
	if (hosts->count == 0) {
		hosts->rows[hosts->count++] = (struct mysql_host){"127.0.0.1", port};
	}
	return true;
}

struct mysql_hosts *
mysql_hosts_new(const char *list, unsigned port, struct error *error)
{
	struct mysql_hosts *hosts = calloc(1, sizeof(*hosts));

	if (hosts == NULL || (hosts->text = strdup(list == NULL ? "" : list)) == NULL) {
		free(hosts);
		error_set(error, STATUS_RESOURCE_EXHAUSTED, "MEMORY", "out of memory");
		return NULL;
	}
	if (!mysql_hosts_parse(hosts, port, error)) {
		mysql_hosts_free(&hosts);
	}
	return hosts;
}

void
mysql_hosts_free(struct mysql_hosts **hosts)
{
	if (*hosts != NULL) {
		free((*hosts)->text);
		free(*hosts);
		*hosts = NULL;
	}
}

unsigned
mysql_hosts_count(const struct mysql_hosts *hosts)
{
	return hosts->count;
}

const char *
mysql_hosts_name(const struct mysql_hosts *hosts, unsigned index)
{
	return hosts->rows[index].name;
}

static void
mysql_lookup_free(struct mysql_lookup *lookup)
{
	pthread_cond_destroy(&lookup->answered);
	pthread_mutex_destroy(&lookup->lock);
	free(lookup);
}

static void
mysql_lookup_resolve(const char *name, struct mysql_addresses *addresses)
{
	struct addrinfo hints = {.ai_socktype = SOCK_STREAM};
	struct addrinfo *list;
	int failure = getaddrinfo(name, NULL, &hints, &list);

	if (failure != 0) {
		snprintf(addresses->why, sizeof(addresses->why), "host '%.60s': %.50s", name,
		    gai_strerror(failure));
		return;
	}
	for (struct addrinfo *at = list; at != NULL && addresses->count < MYSQL_ADDRESSES_MAX;
	     at = at->ai_next) {
		if (getnameinfo(at->ai_addr, at->ai_addrlen, addresses->text[addresses->count],
			MYSQL_ADDRESS_LENGTH, NULL, 0, NI_NUMERICHOST) == 0) {
			addresses->count++;
		}
	}
	freeaddrinfo(list);
}

static void *
mysql_lookup_run(void *closure)
{
	struct mysql_lookup *lookup = closure;
	struct mysql_addresses addresses = {.count = 0};
	bool given_up;

	mysql_lookup_resolve(lookup->name, &addresses);
	pthread_mutex_lock(&lookup->lock);
	lookup->addresses = addresses;
	lookup->done = true;
	given_up = lookup->given_up;
	pthread_cond_signal(&lookup->answered);
	pthread_mutex_unlock(&lookup->lock);
	if (given_up) {
		mysql_lookup_free(lookup);
	}
	return NULL;
}

static struct mysql_lookup *
mysql_lookup_start(const char *name)
{
	struct mysql_lookup *lookup = calloc(1, sizeof(*lookup));
	pthread_condattr_t clock;
	sigset_t all, before;
	pthread_t thread;
	int failure;

	if (lookup == NULL) {
		return NULL;
	}
	snprintf(lookup->name, sizeof(lookup->name), "%s", name);
	pthread_condattr_init(&clock);
	pthread_condattr_setclock(&clock, CLOCK_MONOTONIC);
	pthread_mutex_init(&lookup->lock, NULL);
	pthread_cond_init(&lookup->answered, &clock);
	pthread_condattr_destroy(&clock);
	sigfillset(&all);
	pthread_sigmask(SIG_SETMASK, &all, &before);
	failure = pthread_create(&thread, NULL, mysql_lookup_run, lookup);
	pthread_sigmask(SIG_SETMASK, &before, NULL);
	if (failure != 0) {
		mysql_lookup_free(lookup);
		return NULL;
	}
	pthread_detach(thread);
	return lookup;
}

static void
mysql_lookup_await(
    struct mysql_lookup *lookup, int64_t deadline_ns, struct mysql_addresses *addresses)
{
	struct timespec until = {deadline_ns / 1000000000, deadline_ns % 1000000000};
	bool done;

	pthread_mutex_lock(&lookup->lock);
	while (!lookup->done &&
	       pthread_cond_timedwait(&lookup->answered, &lookup->lock, &until) == 0) {
	}
	done = lookup->done;
	lookup->given_up = !done;
	if (done) {
		*addresses = lookup->addresses;
	}
	pthread_mutex_unlock(&lookup->lock);
	if (done) {
		mysql_lookup_free(lookup);
	} else {
		snprintf(
		    addresses->why, sizeof(addresses->why), "the name was not resolved in time");
	}
}

static bool
mysql_host_is_numeric(const char *name)
{
	struct in6_addr address;

	return name[0] == '/' || inet_pton(AF_INET, name, &address) == 1 ||
	       inet_pton(AF_INET6, name, &address) == 1;
}

bool
mysql_hosts_resolve(const struct mysql_hosts *hosts, unsigned index, int64_t deadline_ns,
    struct mysql_addresses *addresses)
{
	const struct mysql_host *host = &hosts->rows[index];
	struct mysql_lookup *lookup;

	memset(addresses, 0, sizeof(*addresses));
	if (mysql_host_is_numeric(host->name)) {
		snprintf(addresses->text[0], MYSQL_ADDRESS_LENGTH, "%s", host->name);
		addresses->count = 1;
	} else if ((lookup = mysql_lookup_start(host->name)) == NULL) {
		snprintf(addresses->why, sizeof(addresses->why), "no thread to resolve the name");
	} else {
		mysql_lookup_await(lookup, deadline_ns, addresses);
	}
	addresses->port = host->port;
	return addresses->count > 0;
}
