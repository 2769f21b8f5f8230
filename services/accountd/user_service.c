#include "services/accountd/user_service.h"

#include <sodium.h>
#include <stdlib.h>
#include <unistd.h>

#include "account/v1/user.pb-c.h"
#include "common/base/arena.h"
#include "common/telemetry/log.h"
#include "services/accountd/accountd_adopt.h"
#include "services/accountd/accountd_conf.h"
#include "services/accountd/accountd_metric.h"
#include "services/accountd/hasher.h"
#include "services/accountd/user.h"

#define HASH_THREADS_MAX 4

/* The state of the service. */
struct user_service {
	struct password_cost cost;
	size_t hash_queue_max;
	struct hasher *hasher;
	struct accountd_adoption adoption;
};

/* A call whose passwords are hashed; in its arena. */
struct user_hashing {
	struct hasher_task task;
	struct rpc_call *call;
};

/* Lists the passwords of the sound rows for the hasher. False without memory. */
static bool
user_list_passwords(struct user_hashing *hashing, const struct resource_job *job)
{
	struct arena *arena = rpc_call_arena(hashing->call);
	struct hasher_item *items = arena_calloc(arena, job->write_count, sizeof(*items));
	char *hashes = arena_calloc(arena, job->write_count, PASSWORD_HASH_BYTES);

	if (items == NULL || hashes == NULL) {
		return false;
	}
	hashing->task.items = items;
	hashing->task.count = job->write_count;
	for (size_t i = 0; i < job->write_count; i++) {
		Account__V1__User *user = (void *)job->writes[i].row;

		items[i] = (struct hasher_item){user->password, hashes};
		job->writes[i].secret = hashes;
		hashes += PASSWORD_HASH_BYTES;
	}
	return true;
}

static void
user_fail_no_memory(struct rpc_call *call)
{
	struct error error;

	error_set(&error, STATUS_RESOURCE_EXHAUSTED, "OUT_OF_MEMORY",
	    "there is no memory for a request of this size");
	service_resource_fail(call, &error);
}

/* An update may leave the password as it is. */
static bool
user_has_passwords(const struct resource_job *job)
{
	return job->write_count == 0 || job->writes[0].verb != RESOURCE_UPDATE ||
	       resource_job_has_secret(job);
}

static bool
user_begin(struct hasher_task *task)
{
	struct user_hashing *hashing = (struct user_hashing *)task;
	const struct resource_job *job = service_resource_read(hashing->call);

	if (job == NULL) {
		return false;
	}
	if (!user_has_passwords(job)) {
		service_start_queued(hashing->call, NULL);
		return false;
	}
	if (!user_list_passwords(hashing, job)) {
		user_fail_no_memory(hashing->call);
		return false;
	}
	return true;
}

static void
user_hashed(struct hasher_task *task, const struct error *error)
{
	struct user_hashing *hashing = (struct user_hashing *)task;

	if (error != NULL) {
		service_resource_fail(hashing->call, error);
	} else {
		service_start_queued(hashing->call, NULL);
	}
}

static void
user_start_hashed(struct rpc_call *call, void *closure)
{
	struct user_service *service = service_state(service_of_call(call));
	struct user_hashing *hashing;
	struct error error;

	(void)closure;
	if (!service_require_ready(service_of_call(call), &call, 1)) {
		return;
	}
	hashing = arena_calloc(rpc_call_arena(call), 1, sizeof(*hashing));
	if (hashing == NULL) {
		user_fail_no_memory(call);
		return;
	}
	hashing->task.deadline_ns = rpc_call_deadline_ns(call);
	hashing->task.begin = user_begin;
	hashing->task.end = user_hashed;
	hashing->call = call;
	if (hasher_submit(service->hasher, &hashing->task, &error) != STATUS_OK) {
		rpc_call_fail(call, &error);
	}
}

static void
user_health_run(struct service_worker *worker, struct rpc_call **calls, size_t count)
{
	Account__V1__CheckHealthResponse response = ACCOUNT__V1__CHECK_HEALTH_RESPONSE__INIT;

	response.message = (char *)(uintptr_t) "I'm Healthy!";
	if (service_check_health(worker, calls, count)) {
		service_finish_all(calls, count, &response.base);
	}
}

#define USER_METHOD(its_name, what, input_type, output_type)                                       \
	.name = "account.v1.UserService/" its_name, .action = what,                                \
	.input = &account__v1__##input_type##__descriptor,                                         \
	.output = &account__v1__##output_type##__descriptor

static const struct service_resource_method user_methods[] = {
    {USER_METHOD("GetUser", RESOURCE_GET, get_user_request, user)},
    {USER_METHOD("ListUsers", RESOURCE_LIST, list_users_request, list_users_response)},
    {USER_METHOD("CreateUser", RESOURCE_CREATE_ONE, create_user_request, user), .secret = true,
	.start = user_start_hashed},
    {USER_METHOD("CreateUsers", RESOURCE_CREATE_MANY, create_users_request, bulk_users_response),
	.secret = true, .start = user_start_hashed},
    {USER_METHOD("ReplaceUser", RESOURCE_REPLACE_ONE, replace_user_request, user), .secret = true,
	.start = user_start_hashed},
    {USER_METHOD("ReplaceUsers", RESOURCE_REPLACE_MANY, replace_users_request, bulk_users_response),
	.secret = true, .start = user_start_hashed},
    {USER_METHOD("UpdateUser", RESOURCE_UPDATE_ONE, update_user_request, user), .secret = true,
	.start = user_start_hashed},
    {USER_METHOD("DeleteUser", RESOURCE_DELETE_ONE, delete_user_request, delete_user_response)},
};

const struct service_resource user_service_users = {
    .resource = &user_resource,
    .methods = user_methods,
    .method_count = sizeof(user_methods) / sizeof(user_methods[0]),
};

const struct service_method user_service_health = {
    .name = "account.v1.UserService/CheckHealth",
    .input = &account__v1__check_health_request__descriptor,
    .output = &account__v1__check_health_response__descriptor,
    .kind = SERVICE_KIND_HEALTH,
    .run = user_health_run,
    .start = service_start_health,
};

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
	if (service == NULL) {
		return error_set(error, STATUS_RESOURCE_EXHAUSTED, "OUT_OF_MEMORY", "no memory");
	}
	service->cost = user_service_cost(conf);
	service->hash_queue_max = (size_t)conf_int(conf, ACCOUNTD_HASH_QUEUE_MAX);
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

	service->adoption = (struct accountd_adoption){.tell = tell,
	    .hash = user_service_hash,
	    .closure = &service->cost,
	    .slots = sql_slots(service_db(process), ACCOUNTD_ADOPT_SLOTS)};
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
