/* What user_service.c, user_read.c and user_write.c share. */
#ifndef ACCOUNTD_USER_SERVICE_IMPL_H
#define ACCOUNTD_USER_SERVICE_IMPL_H

#include <stdatomic.h>

#include "common/rpc/server/rpc_pool.h"
#include "services/accountd/store.h"
#include "services/accountd/user_service.h"

struct hasher;
struct sql_watch;

/* Queues of the store's workers. */
enum user_kind {
	USER_KIND_GET,
	USER_KIND_LIST,
	USER_KIND_HEALTH,
	USER_KIND_WRITE,
	USER_KIND_BULK,
	USER_KIND_COUNT
};

/* What belongs to one store worker. */
struct user_worker {
	struct user_service *service;
	struct sql_conn *conn;
};

struct user_service {
	struct user_service_options options;
	struct sql_watch *watch;
	struct rpc_pool *workers;
	struct hasher *hasher;
	struct user_worker *worker_list; /* store_workers of them */
	atomic_uint workers_taken;
};

/*
 * Starts of methods: queued for the store's workers, or for the hasher first;
 * health is refused at once while the store does not answer.
 */
void user_start_queued(struct rpc_call *call, void *service);
void user_start_hashed(struct rpc_call *call, void *service);
void user_start_health(struct rpc_call *call, void *service);

/* The work of each kind, for rpc_kind. */
void user_get_run(void *worker, struct rpc_call **calls, size_t count);
void user_list_run(void *worker, struct rpc_call **calls, size_t count);
void user_health_run(void *worker, struct rpc_call **calls, size_t count);
void user_write_run(void *worker, struct rpc_call **calls, size_t count);

/* Fails each call with the error. */
void user_fail_all(struct rpc_call **calls, size_t count, const struct error *error);

/* The latest deadline of the calls: the deadline of a query for all of them. */
int64_t user_latest_deadline_ns(struct rpc_call **calls, size_t count);

/* Reports how many calls share an operation. */
void user_share(const struct user_service *service, enum store_operation operation, size_t calls);

/* If the store has not been available since the start, fails all calls and returns false. */
bool user_require_ready(struct user_service *service, struct rpc_call **calls, size_t count);

#endif
