#include "services/accountd/user_service.h"

#include <assert.h>
#include <stdlib.h>

#include "account/v1/user.pb-c.h"
#include "services/accountd/hasher.h"
#include "services/accountd/user_service_impl.h"

#define USER_RETRY_AFTER_MS 1000

_Static_assert(USER_KINDS == USER_KIND_COUNT, "user_service.h has each kind");

static const char *const user_kind_names[USER_KIND_COUNT] = {[USER_KIND_GET] = "get",
    [USER_KIND_LIST] = "list",
    [USER_KIND_HEALTH] = "health",
    [USER_KIND_WRITE] = "write",
    [USER_KIND_BULK] = "bulk"};

const char *
user_service_kind_name(unsigned kind)
{
	return user_kind_names[kind];
}

size_t
user_service_queued(struct user_service *service, unsigned kind)
{
	return rpc_pool_queued(service->workers, kind);
}

size_t
user_service_hashing(struct user_service *service)
{
	return hasher_queued(service->hasher);
}

size_t
user_service_queue_max(const struct user_service *service)
{
	return service->options.queue_max;
}

size_t
user_service_hashing_max(const struct user_service *service)
{
	return service->options.hash_queue_max;
}

void
user_share(const struct user_service *service, enum store_operation operation, size_t calls)
{
	if (service->options.observe_shared != NULL && calls > 0) {
		service->options.observe_shared(service->options.observe_closure, operation, calls);
	}
}

void
user_fail_all(struct rpc_call **calls, size_t count, const struct error *error)
{
	rpc_call_cork();
	for (size_t i = 0; i < count; i++) {
		rpc_call_fail(calls[i], error);
	}
	rpc_call_uncork();
}

static void
user_fail_unavailable(struct rpc_call **calls, size_t count)
{
	struct error error;

	error_set(&error, STATUS_UNAVAILABLE, "STORE_UNAVAILABLE",
	    "the database is not available: nothing was done, try again");
	error.retry_after_ms = USER_RETRY_AFTER_MS;
	user_fail_all(calls, count, &error);
}

void
user_start_queued(struct rpc_call *call, void *closure)
{
	struct user_service *service = closure;

	rpc_pool_submit(service->workers, rpc_call_method(call)->kind, call);
}

/* A store that is away, stands still or lacks its tables is no reason to wait for a worker. */
void
user_start_health(struct rpc_call *call, void *closure)
{
	struct user_service *service = closure;

	if (sql_watch_serving(service->watch)) {
		user_start_queued(call, closure);
	} else {
		user_fail_unavailable(&call, 1);
	}
}

#define METHOD(its_name, input_type, output_type, start_fn, its_kind, has_secret)                  \
	{                                                                                          \
		.name = "account.v1.UserService/" its_name,                                        \
		.input = &account__v1__##input_type##__descriptor,                                 \
		.output = &account__v1__##output_type##__descriptor, .start = start_fn,            \
		.kind = its_kind, .secret = has_secret                                             \
	}

static const struct rpc_method user_methods[] = {
    METHOD("GetUser", get_user_request, user, user_start_queued, USER_KIND_GET, false),
    METHOD("ListUsers", list_users_request, list_users_response, user_start_queued, USER_KIND_LIST,
	false),
    METHOD("CreateUser", create_user_request, user, user_start_hashed, USER_KIND_WRITE, true),
    METHOD("CreateUsers", create_users_request, bulk_users_response, user_start_hashed,
	USER_KIND_BULK, true),
    METHOD("ReplaceUser", replace_user_request, user, user_start_hashed, USER_KIND_WRITE, true),
    METHOD("ReplaceUsers", replace_users_request, bulk_users_response, user_start_hashed,
	USER_KIND_BULK, true),
    METHOD("DeleteUser", delete_user_request, delete_user_response, user_start_queued,
	USER_KIND_WRITE, false),
    METHOD("CheckHealth", check_health_request, check_health_response, user_start_health,
	USER_KIND_HEALTH, false),
};

const struct rpc_method *
user_service_methods(size_t *count)
{
	*count = sizeof(user_methods) / sizeof(user_methods[0]);
	return user_methods;
}

int64_t
user_latest_deadline_ns(struct rpc_call **calls, size_t count)
{
	int64_t latest_ns = 0;

	for (size_t i = 0; i < count; i++) {
		int64_t deadline_ns = rpc_call_deadline_ns(calls[i]);

		latest_ns = deadline_ns > latest_ns ? deadline_ns : latest_ns;
	}
	return latest_ns;
}

bool
user_require_ready(struct user_service *service, struct rpc_call **calls, size_t count)
{
	if (sql_watch_ready(service->watch)) {
		return true;
	}
	user_fail_unavailable(calls, count);
	return false;
}

/* A thread of the pool takes the next worker, which is the service's to free. */
static void *
user_worker_take(void *closure)
{
	struct user_service *service = closure;

	return &service->worker_list[atomic_fetch_add(&service->workers_taken, 1)];
}

static bool
user_service_open_workers(struct user_service *service)
{
	unsigned count = service->options.store_workers;

	service->worker_list = calloc(count, sizeof(*service->worker_list));
	for (unsigned i = 0; i < count && service->worker_list != NULL; i++) {
		service->worker_list[i].service = service;
		service->worker_list[i].conn = sql_conn_open(service->options.store);
		if (service->worker_list[i].conn == NULL) {
			return false;
		}
	}
	return service->worker_list != NULL;
}

static void
user_service_close_workers(struct user_service *service)
{
	for (unsigned i = 0; i < service->options.store_workers; i++) {
		if (service->worker_list != NULL) {
			sql_conn_close(&service->worker_list[i].conn);
		}
	}
	free(service->worker_list);
}

/* SQLite has one writer at a time: more workers would but wait for each other. */
static unsigned
user_bulk_workers(const struct user_service_options *options)
{
	unsigned most = options->store_workers > 1 ? options->store_workers - 1 : 1;

	if (sql_is_embedded(options->store)) {
		return 1;
	}
	return options->bulk_workers_max < most ? options->bulk_workers_max : most;
}

static enum status_code
user_service_start_workers(struct user_service *service, struct error *error)
{
	const struct user_service_options *options = &service->options;
	unsigned writers = sql_is_embedded(options->store) ? 1 : 0;
	size_t queue = options->queue_max;
	size_t batch = options->coalesce_max;
	const struct rpc_kind kinds[USER_KIND_COUNT] = {
	    [USER_KIND_GET] = {user_kind_names[USER_KIND_GET], queue, batch, 0, user_get_run},
	    [USER_KIND_LIST] = {user_kind_names[USER_KIND_LIST], queue, 1, 0, user_list_run},
	    [USER_KIND_HEALTH] = {user_kind_names[USER_KIND_HEALTH], queue, batch, 1,
		user_health_run},
	    [USER_KIND_WRITE] = {user_kind_names[USER_KIND_WRITE], queue, batch, writers,
		user_write_run},
	    [USER_KIND_BULK] = {user_kind_names[USER_KIND_BULK], queue, 1,
		user_bulk_workers(options), user_write_run},
	};
	const struct rpc_pool_options workers = {"store", options->store_workers, kinds,
	    USER_KIND_COUNT, user_worker_take, NULL, service};

	if (!user_service_open_workers(service)) {
		return error_set(error, STATUS_RESOURCE_EXHAUSTED, "OUT_OF_MEMORY", "no memory");
	}
	return rpc_pool_start(&service->workers, &workers, error);
}

enum status_code
user_service_start(
    struct user_service **service, const struct user_service_options *options, struct error *error)
{
	const struct hasher_options hashing = {.threads = options->hash_threads,
	    .queue_max = options->hash_queue_max,
	    .cost = options->cost,
	    .hash_ns = options->hash_ns,
	    .wait_ns = options->hash_wait_ns};
	const struct sql_watch_options watch = {.db = options->store,
	    .schema = &store_schema,
	    .checks = store_checks,
	    .secret_name = STORE_PAGE_KEY_NAME,
	    .secret_bytes = STORE_PAGE_KEY_BYTES};
	struct user_service *started = calloc(1, sizeof(*started));
	enum status_code status;

	*service = NULL;
	assert(options->coalesce_max >= 1 && options->coalesce_max <= USER_COALESCE_MAX);
	if (started == NULL) {
		return error_set(error, STATUS_RESOURCE_EXHAUSTED, "OUT_OF_MEMORY", "no memory");
	}
	started->options = *options;
	status = sql_watch_start(&started->watch, &watch, error);
	if (status == STATUS_OK) {
		status = user_service_start_workers(started, error);
	}
	if (status == STATUS_OK) {
		status = hasher_start(&started->hasher, &hashing, error);
	}
	if (status != STATUS_OK) {
		user_service_stop(&started);
	}
	*service = started;
	return status;
}

void
user_service_started(void *closure)
{
	rpc_pool_started(((struct user_service *)closure)->workers);
}

bool
user_service_serving(void *closure)
{
	return user_service_problem(closure) == NULL;
}

const char *
user_service_problem(const struct user_service *service)
{
	return sql_watch_problem(service->watch);
}

bool
user_service_writing(const struct user_service *service)
{
	return sql_refusal(service->options.store) == SQL_CAUSE_NONE;
}

void
user_service_stop(struct user_service **service)
{
	if (*service == NULL) {
		return;
	}
	hasher_stop(&(*service)->hasher);
	rpc_pool_stop(&(*service)->workers);
	sql_watch_stop(&(*service)->watch);
	user_service_close_workers(*service);
	free(*service);
	*service = NULL;
}
