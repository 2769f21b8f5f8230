/* The way of a write: checked and hashed by the hasher, then written by a store worker. */
#include <string.h>

#include "common/base/arena.h"
#include "services/accountd/hasher.h"
#include "services/accountd/user_job.h"
#include "services/accountd/user_service_impl.h"

/* What is known of a call that writes; the call's data, in its arena. */
struct user_write {
	struct hasher_task task;
	struct user_service *service;
	struct rpc_call *call;
	struct user_job job;
};

/* Fails a call at any point of its way, and leaves no clear text behind. */
static void
user_write_fail(struct user_write *write, const struct error *error)
{
	user_job_wipe(&write->job);
	rpc_call_fail(write->call, error);
}

/* Reads and checks the request. False: the call has been failed. */
static bool
user_write_read(struct user_write *write)
{
	const ProtobufCMessage *request = rpc_call_request(write->call);
	struct error error;

	if (request == NULL) {
		return false;
	}
	if (user_job_read(&write->job, request, write->service->bulk_max_items,
		rpc_call_arena(write->call), &error)) {
		return true;
	}
	user_write_fail(write, &error);
	return false;
}

/* Lists the passwords of the sound rows for the hasher. False without memory. */
static bool
user_write_list_passwords(struct user_write *write)
{
	struct arena *arena = rpc_call_arena(write->call);
	struct user_job *job = &write->job;
	struct hasher_item *items = arena_calloc(arena, job->write_count, sizeof(*items));
	char *hashes = arena_calloc(arena, job->write_count, PASSWORD_HASH_BYTES);

	if (items == NULL || hashes == NULL) {
		return false;
	}
	write->task.items = items;
	for (size_t i = 0; i < job->row_count; i++) {
		struct user_row *row = &job->rows[i];

		if (row->write != NULL) {
			*items++ = (struct hasher_item){row->message->password, hashes};
			row->write->user.password_hash = hashes;
			hashes += PASSWORD_HASH_BYTES;
		}
	}
	write->task.count = job->write_count;
	return true;
}

static bool
user_write_begin(struct hasher_task *task)
{
	struct user_write *write = (struct user_write *)task;
	struct error error;

	if (!user_write_read(write)) {
		return false;
	}
	if (!user_write_list_passwords(write)) {
		error_set(&error, STATUS_RESOURCE_EXHAUSTED, "OUT_OF_MEMORY",
		    "there is no memory for a request of this size");
		user_write_fail(write, &error);
		return false;
	}
	return true;
}

static void
user_write_hashed(struct hasher_task *task, const struct error *error)
{
	struct user_write *write = (struct user_write *)task;

	if (error != NULL) {
		user_write_fail(write, error);
	} else {
		service_start_queued(write->call, NULL);
	}
}

/* Gives the call what user_write.c keeps of it. False: the call has been failed. */
static bool
user_write_attach(struct rpc_call *call)
{
	struct user_write *write = arena_calloc(rpc_call_arena(call), 1, sizeof(*write));
	struct error error;

	if (write == NULL) {
		error_set(&error, STATUS_RESOURCE_EXHAUSTED, "OUT_OF_MEMORY", "out of memory");
		rpc_call_fail(call, &error);
		return false;
	}
	write->task.deadline_ns = rpc_call_deadline_ns(call);
	write->task.begin = user_write_begin;
	write->task.end = user_write_hashed;
	write->service = service_state(service_of_call(call));
	write->call = call;
	rpc_call_set_data(call, write);
	return true;
}

void
user_start_hashed(struct rpc_call *call, void *closure)
{
	struct user_write *write;
	struct error error;

	(void)closure;
	if (!service_require_ready(service_of_call(call), &call, 1) || !user_write_attach(call)) {
		return;
	}
	write = rpc_call_data(call);
	if (hasher_submit(write->service->hasher, &write->task, &error) != STATUS_OK) {
		rpc_call_fail(call, &error);
	}
}

/* Answers each call, with its own part of the writes of all. */
static void
user_write_answer(struct rpc_call **calls, size_t count, const struct store_write *writes)
{
	rpc_call_cork();
	for (size_t i = 0; i < count; i++) {
		struct user_write *write = rpc_call_data(calls[i]);
		struct user_job *job = &write->job;
		const ProtobufCMessage *answer;
		struct error error;

		if (writes != job->writes) {
			memcpy(job->writes, writes, job->write_count * sizeof(*writes));
		}
		writes += job->write_count;
		answer = user_job_answer(job, rpc_call_arena(calls[i]), &error);
		if (answer != NULL) {
			rpc_call_finish(calls[i], answer);
		} else {
			rpc_call_fail(calls[i], &error);
		}
	}
	rpc_call_uncork();
}

/*
 * The writes of all calls, one after the other, in the arena of the last call,
 * which is answered last. NULL without memory.
 */
static struct store_write *
user_write_gather(struct rpc_call **calls, size_t count, size_t *total)
{
	struct store_write *writes;
	struct store_write *at;

	*total = 0;
	for (size_t i = 0; i < count; i++) {
		*total += ((struct user_write *)rpc_call_data(calls[i]))->job.write_count;
	}
	if (count == 1) {
		return ((struct user_write *)rpc_call_data(calls[0]))->job.writes;
	}
	at = writes = arena_calloc(rpc_call_arena(calls[count - 1]), *total, sizeof(*writes));
	for (size_t i = 0; i < count && writes != NULL; i++) {
		const struct user_job *job = &((struct user_write *)rpc_call_data(calls[i]))->job;

		memcpy(at, job->writes, job->write_count * sizeof(*at));
		at += job->write_count;
	}
	return writes;
}

/* Tells how many calls share the transaction, those of each kind by themselves. */
static void
user_write_share(const struct service_worker *worker, struct rpc_call **calls, size_t count)
{
	size_t of[STORE_OPERATIONS] = {0};

	for (size_t i = 0; i < count; i++) {
		const struct user_job *job = &((struct user_write *)rpc_call_data(calls[i]))->job;

		if (job->write_count > 0) {
			of[store_operation_of(job->writes[0].verb)]++;
		}
	}
	user_share(worker, STORE_OPERATION_CREATE, of[STORE_OPERATION_CREATE]);
	user_share(worker, STORE_OPERATION_REPLACE, of[STORE_OPERATION_REPLACE]);
	user_share(worker, STORE_OPERATION_DELETE, of[STORE_OPERATION_DELETE]);
}

/* Does all writes of all calls in one transaction and answers. */
static void
user_write_together(struct service_worker *worker, struct rpc_call **calls, size_t count)
{
	struct store_write *writes;
	struct error error;
	size_t total;

	writes = user_write_gather(calls, count, &total);
	if (writes == NULL) {
		error_set(&error, STATUS_RESOURCE_EXHAUSTED, "OUT_OF_MEMORY", "out of memory");
		service_fail_all(calls, count, &error);
		return;
	}
	user_write_share(worker, calls, count);
	switch (store_user_write(service_worker_conn(worker),
	    service_latest_deadline_ns(calls, count), writes, total, &error)) {
	case STATUS_OK: user_write_answer(calls, count, writes); return;
	case STATUS_INTERNAL:
		/* Nothing was done. What one call did wrong is not to fail the others. */
		if (count > 1) {
			for (size_t i = 0; i < count; i++) {
				user_write_together(worker, &calls[i], 1);
			}
			return;
		}
		break;
	default: break;
	}
	service_fail_all(calls, count, &error);
}

void
user_write_run(struct service_worker *worker, struct rpc_call **calls, size_t count)
{
	size_t kept = 0;

	for (size_t i = 0; i < count; i++) {
		/* A deletion has no password and comes here as it was received. */
		if (rpc_call_data(calls[i]) != NULL ||
		    (service_require_ready(service_worker_process(worker), &calls[i], 1) &&
			user_write_attach(calls[i]) && user_write_read(rpc_call_data(calls[i])))) {
			calls[kept++] = calls[i];
		}
	}
	if (kept > 0) {
		user_write_together(worker, calls, kept);
	}
}
