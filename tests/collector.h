/*
 * A collector of spans for tests: an HTTP server on a free port of 127.0.0.1,
 * in a thread, that keeps the bodies it is sent. Failures of its own fail the
 * running test.
 */
#ifndef TESTS_COLLECTOR_H
#define TESTS_COLLECTOR_H

#include <pthread.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum collector_mood {
	COLLECTOR_TAKES,   /* answers 200 */
	COLLECTOR_REFUSES, /* answers 400 */
	COLLECTOR_HANGS    /* reads and never answers */
};

#define COLLECTOR_CONNECTIONS_MAX 64

struct collector;

/* A connection, which has a thread. */
struct collector_connection {
	struct collector *collector;
	pthread_t thread;
	int fd;
};

struct collector {
	char url[64]; /* for otlpEndpoint */
	int listener;
	pthread_t thread; /* accepts */
	struct collector_connection connections[COLLECTOR_CONNECTIONS_MAX];
	size_t connection_count; /* ever accepted; the accepting thread's */

	pthread_mutex_t lock; /* guards all below */
	pthread_cond_t changed;
	enum collector_mood mood;
	char answer[1024]; /* given instead of that of the mood, so many times */
	unsigned answer_times;
	size_t requests;
	int64_t last_ns[2]; /* when the last two came, the later one first */
	char *bodies;       /* all of them as a JSON array, NUL-terminated */
	size_t len;
	bool sound; /* each was a POST of JSON to /v1/traces */
	bool stopping;
};

void collector_start(struct collector *collector, enum collector_mood mood);

/* Changes how it answers from the next request on; what hangs goes on hanging. */
void collector_set_mood(struct collector *collector, enum collector_mood mood);

/*
 * Answers the next requests, so many times, by a status with headers ("503 Gone
 * \r\nRetry-After: 1") and a body; status NULL: by closing the connection.
 */
void collector_answer_with(
    struct collector *collector, unsigned times, const char *status, const char *body);

/* The time between the last two requests. */
int64_t collector_last_gap_ns(struct collector *collector);

/* How many requests have come whole. */
size_t collector_requests(struct collector *collector);

/* Waits, for a minute at most, until so many requests came whole, of all clients. */
void collector_await_requests(struct collector *collector, size_t count);

/* Likewise until text stands in the bodies so many times; gives a copy of them to be freed. */
char *collector_await_text(struct collector *collector, const char *text, size_t times);

/* Ends the server and frees what it has. */
void collector_stop(struct collector *collector);

#endif
