/*
 * account.v1.UserService: its methods, and the threads that do their work.
 *
 * A read is queued for the store's workers, which answer all waiting reads with
 * one query. A write is READ and HASHED by the hasher, then WRITTEN by the
 * store's workers, all waiting writes in one transaction. A bulk call has its
 * own transaction. user_read.c and user_write.c contain the two paths.
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

/* The maximum of coalesce_max. */
#define USER_COALESCE_MAX 1024

struct user_service_options {
	struct sql_db *store; /* borrowed */
	unsigned store_workers;
	unsigned bulk_workers_max; /* bulk calls written at a time; one worker is left for others */
	size_t queue_max;          /* waiting calls of a kind */
	size_t
	    coalesce_max; /* maximum number of calls in one query or transaction; 1: no sharing */
	unsigned hash_threads;
	size_t hash_queue_max; /* calls whose passwords are yet to be hashed */
	struct password_cost cost;
	size_t bulk_max_items;

	/* For metrics; all may be NULL, observers must not block. */
	struct metric_series *hash_ns;      /* time to hash a password */
	struct metric_series *hash_wait_ns; /* time that it waits for this */
	/* Called before a store operation, with the number of calls that share it. */
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
 * user_service_serving: true while reads can be answered: the store answers and
 * has the tables that are read. user_service_problem: NULL then, else static
 * text that says why not. Neither blocks.
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

/* Limits of the queues: calls beyond them are refused. */
size_t user_service_queue_max(const struct user_service *service);
size_t user_service_hashing_max(const struct user_service *service);

/* Finishes the calls that it has, joins the threads and clears *service. NULL is fine. */
void user_service_stop(struct user_service **service);

#endif
