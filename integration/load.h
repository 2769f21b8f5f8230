/*
 * A load on the system: clients that read, replace and create users through a
 * gateway, and remember what they were told. Afterwards each write that was
 * acknowledged can be looked for, and each that was refused can be missed.
 *
 * A client has users of its own, which nobody else replaces: what it reads of
 * them must be what was acknowledged last, or a write of unknown outcome.
 */
#ifndef INTEGRATION_LOAD_H
#define INTEGRATION_LOAD_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct load;

enum load_kind {
	LOAD_READ,    /* GET, without side effects */
	LOAD_REPLACE, /* PUT, idempotent */
	LOAD_CREATE,  /* POST, neither; its X-Request-Id begins with LOAD_CREATE_ID */
	LOAD_KINDS
};

#define LOAD_CREATE_ID "create-"

/* A request that was answered with another status than 200 or 201, or not at all. */
struct load_failure {
	enum load_kind kind;
	int status;      /* 0: there was no answer */
	char reason[32]; /* of the problem document; WRONG_CONTENT: of a read's */
	int64_t begun_ns;
	int64_t ended_ns;
};

/* Creates the clients' users and starts that many threads. */
struct load *load_start(const char *url, unsigned clients);

/*
 * The same, but reads stand for replaces, which may be executed twice when a
 * connection is lost and the service lives on: the second time after the next.
 */
struct load *load_start_without_replaces(const char *url, unsigned clients);

/* Waits for so many more requests that succeed; fails the test after 30 s. */
void load_await(struct load *load, unsigned successes);

/* Waits until so many requests in all have failed; likewise. */
void load_await_failures(struct load *load, unsigned failures);

/* Ends the clients. All below is for a load that was stopped. */
void load_stop(struct load *load);

size_t load_failures(const struct load *load, const struct load_failure **failures);

/* How many failures are of the kind; status and reason 0 and NULL: any. */
unsigned load_count(const struct load *load, enum load_kind kind, int status, const char *reason);

/* The longest that a request took. */
double load_slowest_s(const struct load *load);

/* Writes what failed to standard error, summed up. */
void load_print(const struct load *load);

/* Fails the test if any request failed. */
void load_check_none_failed(const struct load *load);

/*
 * Reads all users and fails the test unless each acknowledged write is there,
 * none that was refused, and none twice.
 */
void load_check(const struct load *load);

/* Stops the load if need be, frees it and clears *load. NULL is fine. */
void load_free(struct load **load);

#endif
