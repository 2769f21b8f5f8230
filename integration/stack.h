/*
 * The whole system as a test runs it: a database, accountd and gatewayd, real
 * processes on free ports of 127.0.0.1, in a folder of their own.
 */
#ifndef INTEGRATION_STACK_H
#define INTEGRATION_STACK_H

#include <limits.h>
#include <stdbool.h>

#include "integration/http.h"
#include "integration/process.h"
#include "tests/mariadb.h"

#define STACK_ACCOUNTD_MAX 3
#define STACK_FLAGS_MAX    16
#define STACK_WRAPPER_MAX  8
#define STACK_URL_MAX      64

enum stack_store {
	STACK_SQLITE,
	STACK_MYSQL
};

struct stack {
	/* Set before stack_start; the rest belongs to the stack. */
	enum stack_store store;
	const char *service; /* what is started as accountd; NULL: accountd */
	const char *await; /* the path that answers 200 when all is ready; NULL: /accountdhealth */
	unsigned accountd_count;                     /* 0 means 1 */
	const char *accountd_flags[STACK_FLAGS_MAX]; /* added to its own, NULL-terminated */
	const char *gatewayd_flags[STACK_FLAGS_MAX];
	const char *first_sql; /* run in the empty MariaDB before the migration, or NULL */
	const char *accountd_hosts[STACK_ACCOUNTD_MAX]; /* NULL: 127.0.0.1 */
	const char *gatewayd_host;                      /* likewise */
	const char *accountd_scheme;                    /* NULL: tcp:// */
	unsigned accountd_ports[STACK_ACCOUNTD_MAX];    /* 0: a free one, written here */
	unsigned accountd_admin_port;                   /* of the first; 0: the flags say it */
	unsigned gatewayd_admin_port;                   /* likewise */
	const char *backends; /* gatewayd's; NULL: the URL of each accountd */
	const char *accountd_wrapper[STACK_WRAPPER_MAX]; /* goes before its command */
	const char *gatewayd_wrapper[STACK_WRAPPER_MAX];

	char dir[PATH_MAX];
	struct mariadb mariadb;
	struct process accountd[STACK_ACCOUNTD_MAX];
	struct process gatewayd;
	unsigned port;
	char url[STACK_URL_MAX];
};

/* Starts everything and returns when /accountdhealth answers 200. */
void stack_start(struct stack *stack);

/* Runs accountd migrate on the stack's store; fails the test when that fails. */
void stack_migrate(struct stack *stack);

/*
 * Stops everything by SIGTERM and removes the folder. Fails the test, and the
 * program, when accountd or gatewayd ends with another status than 0, as after
 * a leak.
 */
void stack_stop(struct stack *stack);

/* Kills everything, for the teardown of a test that failed. */
void stack_kill(struct stack *stack);

/* The URL on which an accountd answers calls. */
void stack_accountd_url(const struct stack *stack, unsigned index, char url[STACK_URL_MAX]);

/* Starts one accountd (again), on the port it had. */
void stack_start_accountd(struct stack *stack, unsigned index);

/* Starts gatewayd (again), on the port it had. */
void stack_start_gatewayd(struct stack *stack);

/* Waits until a GET of path is answered with status; fails the test after 30 s. */
void stack_await(struct stack *stack, const char *path, int status);

#endif
