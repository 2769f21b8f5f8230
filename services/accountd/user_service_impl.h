/* What user_service.c, user_read.c and user_write.c share. */
#ifndef ACCOUNTD_USER_SERVICE_IMPL_H
#define ACCOUNTD_USER_SERVICE_IMPL_H

#include "services/accountd/hasher.h"
#include "services/accountd/store.h"
#include "services/accountd/store_adopt.h"
#include "services/accountd/user_service.h"

/* The state of the service. */
struct user_service {
	struct password_cost cost;
	size_t bulk_max_items;
	size_t hash_queue_max; /* calls whose passwords are yet to be hashed */
	struct store_adoption adoption;
	struct hasher *hasher; /* from start to stop */
};

/* The start of methods whose requests have passwords: queued for the hasher first. */
void user_start_hashed(struct rpc_call *call, void *closure);

/* The work of the methods. */
void user_get_run(struct service_worker *worker, struct rpc_call **calls, size_t count);
void user_list_run(struct service_worker *worker, struct rpc_call **calls, size_t count);
void user_health_run(struct service_worker *worker, struct rpc_call **calls, size_t count);
void user_write_run(struct service_worker *worker, struct rpc_call **calls, size_t count);

/* Reports how many calls share an operation. */
void user_share(const struct service_worker *worker, enum store_operation operation, size_t calls);

#endif
