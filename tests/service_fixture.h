/* For tests: a service in this process, on an empty embedded database, behind a real socket. */
#ifndef TESTS_SERVICE_FIXTURE_H
#define TESTS_SERVICE_FIXTURE_H

#include "common/service/service_process.h"
#include "common/service/service_start.h"
#include "tests/rpc_peer.h"

#define SERVICE_FIXTURE_FLAGS_MAX 24

struct service_fixture {
	char dir[64]; /* with the database, "db" */
	char store[96];
	char *argv[SERVICE_FIXTURE_FLAGS_MAX];
	struct service_program program;
	struct conf *conf;
	struct service_process *process;
	struct peer *peer; /* a client */
};

/*
 * Starts the service with flags, NULL-terminated and borrowed, and waits until it
 * serves; fails the test when it can't. flags may be NULL.
 */
void service_fixture_open(
    struct service_fixture *at, const struct service *service, const char *const *flags);

/* The same in parts: the service is opened; its schema is made; it is started. */
void service_fixture_prepare(
    struct service_fixture *at, const struct service *service, const char *const *flags);
void service_fixture_migrate(struct service_fixture *at);
void service_fixture_start(struct service_fixture *at);
void service_fixture_await_serving(struct service_fixture *at);

/* Stops what was started and removes the database. */
void service_fixture_close(struct service_fixture *at);

#endif
