/*
 * account.v1.UserService: its methods, and the threads that do their work.
 *
 * A read is queued for the store's workers, which answer all that wait by one
 * query. A write is READ and HASHED by the hasher, then WRITTEN by the store's
 * workers, all that wait in one transaction. A bulk call is a transaction by
 * itself. user_read.c and user_write.c hold the two ways.
 */
#ifndef ACCOUNTD_USER_SERVICE_H
#define ACCOUNTD_USER_SERVICE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "common/rpc/server/rpc_server.h"
#include "services/accountd/password.h"
#include "services/accountd/store.h"

struct metric_series;
struct user_service;

/* The most that coalesce_max may be. */
#define USER_COALESCE_MAX 1024

struct user_service_options {
	struct store *store; /* borrowed */
	unsigned store_workers;
	unsigned bulk_workers_max; /* bulk calls written at a time; one worker is left for others */
	size_t queue_max;          /* waiting calls of a kind */
	size_t coalesce_max;       /* calls of one query or transaction; 1: each by itself */
	unsigned hash_threads;
	size_t hash_queue_max; /* calls whose passwords are yet to be hashed */
	struct password_cost cost;
	size_t bulk_max_items;

	/* For metrics; all may be NULL, observers must not block. */
	struct metric_series *hash_ns;      /* what a password takes to be hashed */
	struct metric_series *hash_wait_ns; /* what it waits for that */
	/* A store operation is about to be done for so many calls. */
	void (*observe_shared)(void *closure, enum store_operation operation, size_t calls);
	void *observe_closure;
};

/* Starts the threads; they wait for the store if it is away. */
enum status_code user_service_start(
    struct user_service **service, const struct user_service_options *options, struct error *error);

/* The rows for rpc_server_options; their closure is the service. */
const struct rpc_method *user_service_methods(size_t *count);

/* For rpc_server_options.started. */
void user_service_started(void *service);

/*
 * True while reads can be answered: the store answers and has the tables that
 * are read. problem: NULL then, else why not, as static text. Neither blocks.
 */
bool user_service_serving(void *service);
const char *user_service_problem(const struct user_service *service);

/* False while the store refuses changes, though it may answer reads. Never blocks. */
bool user_service_writing(const struct user_service *service);

/* Queues of the store's workers, by the kind of their methods. */
#define USER_KINDS 5

/* "get", and so on, for kind below USER_KINDS. */
const char *user_service_kind_name(unsigned kind);

/* Calls that wait for the store, of one kind, and for their passwords to be hashed. Any thread. */
size_t user_service_queued(struct user_service *service, unsigned kind);
size_t user_service_hashing(struct user_service *service);

/* Finishes the calls it has, joins the threads and clears *service. NULL is fine. */
void user_service_stop(struct user_service **service);

#endif
