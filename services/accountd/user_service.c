#include "services/accountd/user_service.h"

#include <sodium.h>
#include <stdlib.h>
#include <unistd.h>

#include "account/v1/user.pb-c.h"
#include "common/telemetry/log.h"
#include "services/accountd/accountd_conf.h"
#include "services/accountd/accountd_metric.h"
#include "services/accountd/user_service_impl.h"
#include "services/accountd/user_store.h"

#define HASH_THREADS_MAX 4

_Static_assert((int)STORE_OPERATION_GET == SERVICE_OPERATION_GET &&
		   (int)STORE_OPERATION_LIST == SERVICE_OPERATION_LIST &&
		   (int)STORE_OPERATION_CREATE == SERVICE_OPERATION_CREATE &&
		   (int)STORE_OPERATION_REPLACE == SERVICE_OPERATION_REPLACE &&
		   (int)STORE_OPERATION_DELETE == SERVICE_OPERATION_DELETE,
    "the operations of the store are those of services");

/* What is done with users. */
#define USER_OPERATIONS                                                                            \
	(1U << SERVICE_OPERATION_GET | 1U << SERVICE_OPERATION_LIST |                              \
	    1U << SERVICE_OPERATION_CREATE | 1U << SERVICE_OPERATION_REPLACE |                     \
	    1U << SERVICE_OPERATION_DELETE)

#define METHOD(its_name, input_type, output_type, its_kind, its_run, its_start, has_secret)        \
	{                                                                                          \
		.name = "account.v1.UserService/" its_name,                                        \
		.input = &account__v1__##input_type##__descriptor,                                 \
		.output = &account__v1__##output_type##__descriptor, .kind = its_kind,             \
		.run = its_run, .start = its_start, .secret = has_secret                           \
	}

const struct service_method user_service_methods[USER_SERVICE_METHODS] = {
    METHOD("GetUser", get_user_request, user, SERVICE_KIND_GET, user_get_run, NULL, false),
    METHOD("ListUsers", list_users_request, list_users_response, SERVICE_KIND_LIST, user_list_run,
	NULL, false),
    METHOD("CreateUser", create_user_request, user, SERVICE_KIND_WRITE, user_write_run,
	user_start_hashed, true),
    METHOD("CreateUsers", create_users_request, bulk_users_response, SERVICE_KIND_BULK,
	user_write_run, user_start_hashed, true),
    METHOD("ReplaceUser", replace_user_request, user, SERVICE_KIND_WRITE, user_write_run,
	user_start_hashed, true),
    METHOD("ReplaceUsers", replace_users_request, bulk_users_response, SERVICE_KIND_BULK,
	user_write_run, user_start_hashed, true),
    METHOD("DeleteUser", delete_user_request, delete_user_response, SERVICE_KIND_WRITE,
	user_write_run, NULL, false),
    METHOD("CheckHealth", check_health_request, check_health_response, SERVICE_KIND_HEALTH,
	user_health_run, service_start_health, false),
};

void
user_share(const struct service_worker *worker, enum store_operation operation, size_t calls)
{
	service_share(service_worker_process(worker), USER_STORE_RESOURCE,
	    (enum service_operation)operation, calls);
}

struct password_cost
user_service_cost(const struct conf *conf)
{
	return (struct password_cost){(size_t)conf_int(conf, ACCOUNTD_HASH_MEM_KIB),
	    (unsigned)conf_int(conf, ACCOUNTD_HASH_PASSES)};
}

enum status_code
user_service_open(struct service_process *process, struct error *error)
{
	const struct conf *conf = service_process_conf(process);
	struct user_service *service;

	if (sodium_init() < 0) {
		return error_set(
		    error, STATUS_INTERNAL, "NO_LIBSODIUM", "libsodium does not start");
	}
	service = calloc(1, sizeof(*service));
	if (service == NULL ||
	    !service_add_resource(process, USER_STORE_RESOURCE, USER_OPERATIONS) ||
	    !service_add_checks(process, &store_checks)) {
		free(service);
		return error_set(error, STATUS_RESOURCE_EXHAUSTED, "OUT_OF_MEMORY", "no memory");
	}
	service->cost = user_service_cost(conf);
	service->bulk_max_items = (size_t)conf_int(conf, SERVICE_CONF_BULK_MAX_ITEMS);
	service->hash_queue_max = (size_t)conf_int(conf, ACCOUNTD_HASH_QUEUE_MAX);
	store_reserve(service_db(process));
	service_set_state(process, service);
	return STATUS_OK;
}

static bool
user_service_hash(const char *password, char *out, void *cost)
{
	return password_hash(password, cost, out);
}

void *
user_service_migration(struct service_process *process, void (*tell)(const char *line))
{
	struct user_service *service = service_state(process);

	service->adoption = (struct store_adoption){.tell = tell,
	    .hash = user_service_hash,
	    .closure = &service->cost,
	    .slots = sql_slots(service_db(process), STORE_ADOPT_SLOTS)};
	return &service->adoption;
}

static unsigned
user_service_hash_threads(const struct conf *conf)
{
	int64_t threads = conf_int(conf, ACCOUNTD_HASH_THREADS);
	long processors = sysconf(_SC_NPROCESSORS_ONLN);

	if (threads == 0) {
		threads = processors < 1 ? 1 : processors;
		threads = threads > HASH_THREADS_MAX ? HASH_THREADS_MAX : threads;
	}
	return (unsigned)threads;
}

static void
user_service_warn_of_cost(const struct password_cost *cost)
{
	if (cost->mem_kib < PASSWORD_MEM_KIB || cost->passes < PASSWORD_PASSES) {
		log_warn("passwords are hashed at a lower cost than is safe",
		    LOG_INT("hashMemKib", (int64_t)cost->mem_kib),
		    LOG_INT("hashPasses", cost->passes));
	}
}

enum status_code
user_service_start(struct service_process *process, struct error *error)
{
	struct user_service *service = service_state(process);
	const struct hasher_options options = {
	    .threads = user_service_hash_threads(service_process_conf(process)),
	    .queue_max = service->hash_queue_max,
	    .cost = service->cost,
	    .hash_ns = service_series(process, ACCOUNTD_HASH_DURATION, NULL),
	    .wait_ns = service_series(process, ACCOUNTD_HASH_QUEUE, NULL)};

	user_service_warn_of_cost(&service->cost);
	return hasher_start(&service->hasher, &options, error);
}

void
user_service_collect(struct metric_scrape *scrape, void *state)
{
	struct user_service *service = state;

	metric_put(
	    scrape, ACCOUNTD_HASH_QUEUE_LENGTH, (double)hasher_queued(service->hasher), NULL);
	metric_put(scrape, ACCOUNTD_HASH_QUEUE_LIMIT, (double)service->hash_queue_max, NULL);
}

void
user_service_stop(struct service_process *process)
{
	hasher_stop(&((struct user_service *)service_state(process))->hasher);
}

void
user_service_close(struct service_process *process)
{
	free(service_state(process));
}
