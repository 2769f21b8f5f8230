#include "services/accountd/user_job.h"

#include <assert.h>
#include <string.h>

#include "common/base/arena.h"
#include "common/rpc/wire/rpc_envelope.h"
#include "services/accountd/password.h"
#include "services/accountd/user_message.h"

static enum status_code
user_job_no_memory(struct error *error)
{
	return error_set(error, STATUS_RESOURCE_EXHAUSTED, "OUT_OF_MEMORY",
	    "there is no memory for a request of this size");
}

/* Makes the rows; the message of a deletion's is NULL. */
static bool
user_job_take(struct user_job *job, Account__V1__User **users, size_t count, struct arena *arena,
    struct error *error)
{
	job->rows = arena_calloc(arena, count, sizeof(*job->rows));
	job->writes = arena_calloc(arena, count, sizeof(*job->writes));
	if (job->rows == NULL || job->writes == NULL) {
		user_job_no_memory(error);
		return false;
	}
	job->row_count = count;
	for (size_t i = 0; i < count; i++) {
		job->rows[i].message = users[i];
		job->rows[i].id = users[i] == NULL ? 0 : users[i]->id;
	}
	return true;
}

static bool
user_job_take_bulk(struct user_job *job, Account__V1__User **users, size_t count, size_t items_max,
    struct arena *arena, struct error *error)
{
	job->bulk = true;
	if (count == 0) {
		error_violation(error, arena, "Users", "must not be empty");
		return false;
	}
	if (!user_job_take(job, users, count, arena, error)) {
		return false;
	}
	if (count > items_max) {
		error_set(error, STATUS_INVALID_ARGUMENT, "TOO_MANY_ITEMS",
		    "%zu users are more than the %zu that a bulk request may have", count,
		    items_max);
		return false;
	}
	return true;
}

/* The ids of the path and of the body must agree; a fault of that is in error. */
static bool
user_job_take_one(struct user_job *job, int64_t id, Account__V1__User *user, struct arena *arena,
    struct error *error)
{
	if (job->verb != STORE_CREATE && id < 1) {
		error_violation(error, arena, "id", "must be 1 or more");
	}
	if (job->verb != STORE_DELETE && user == NULL) {
		error_violation(error, arena, "user", "is required");
		return false;
	}
	if (!user_job_take(job, &user, 1, arena, error)) {
		return false;
	}
	if (job->verb == STORE_REPLACE && user->id != 0 && user->id != id) {
		error_violation(error, arena, "user.id", "must be the id of the path, or left out");
	}
	if (job->verb == STORE_CREATE && user->id != 0) {
		error_violation(error, arena, "user.id", "must not be given: the service gives it");
	}
	job->rows[0].id = id;
	return true;
}

/* A row for each user of the request. */
static bool
user_job_take_request(struct user_job *job, const ProtobufCMessage *request, size_t items_max,
    struct arena *arena, struct error *error)
{
	if (request->descriptor == &account__v1__create_user_request__descriptor) {
		const Account__V1__CreateUserRequest *create = (const void *)request;

		return user_job_take_one(job, 0, create->user, arena, error);
	}
	if (request->descriptor == &account__v1__create_users_request__descriptor) {
		const Account__V1__CreateUsersRequest *create = (const void *)request;

		return user_job_take_bulk(
		    job, create->users, create->n_users, items_max, arena, error);
	}
	job->verb = STORE_REPLACE;
	if (request->descriptor == &account__v1__replace_user_request__descriptor) {
		const Account__V1__ReplaceUserRequest *replace = (const void *)request;

		return user_job_take_one(job, replace->id, replace->user, arena, error);
	}
	if (request->descriptor == &account__v1__replace_users_request__descriptor) {
		const Account__V1__ReplaceUsersRequest *replace = (const void *)request;

		return user_job_take_bulk(
		    job, replace->users, replace->n_users, items_max, arena, error);
	}
	assert(request->descriptor == &account__v1__delete_user_request__descriptor);
	job->verb = STORE_DELETE;
	return user_job_take_one(
	    job, ((const Account__V1__DeleteUserRequest *)request)->id, NULL, arena, error);
}

/* What a verb asks of the id of a user in a bulk request. */
static void
user_row_check_id(const struct user_job *job, const struct user_row *row, struct arena *arena,
    struct error *error)
{
	if (job->verb == STORE_CREATE && row->id != 0) {
		error_violation(error, arena, "id", "must not be given: the service gives it");
	} else if (job->verb == STORE_REPLACE && row->id < 1) {
		error_violation(error, arena, "id", "must be 1 or more");
	}
}

/* Adds the row's faults to error, which may have some of the request as a whole. */
static void
user_row_check(const struct user_job *job, const struct user_row *row, struct arena *arena,
    struct error *error)
{
	struct user user;

	if (job->bulk) {
		user_row_check_id(job, row, arena, error);
	}
	if (row->message != NULL) {
		user = user_of_message(row->message);
		user_check(&user, row->message->password, job->bulk ? "" : "user.", arena, error);
	}
}

static bool
user_row_refuse(struct user_row *row, const struct error *error, struct arena *arena)
{
	row->fault = arena_alloc(arena, sizeof(*row->fault));
	if (row->fault == NULL) {
		return false;
	}
	*row->fault = *error;
	password_wipe(row->message->password);
	return true;
}

static void
user_row_accept(struct user_job *job, struct user_row *row)
{
	row->write = &job->writes[job->write_count++];
	row->write->verb = job->verb;
	if (row->message != NULL) {
		row->write->user = user_of_message(row->message);
	}
	row->write->user.id = row->id;
}

/* Each row of a bulk request is sound or refused by itself. */
static bool
user_job_check_bulk(struct user_job *job, struct arena *arena, struct error *error)
{
	for (size_t i = 0; i < job->row_count; i++) {
		struct user_row *row = &job->rows[i];
		struct error fault = {0};

		user_row_check(job, row, arena, &fault);
		if (fault.code == STATUS_OK) {
			user_row_accept(job, row);
		} else if (!user_row_refuse(row, &fault, arena)) {
			user_job_no_memory(error);
			return false;
		}
	}
	return true;
}

bool
user_job_read(struct user_job *job, const ProtobufCMessage *request, size_t bulk_max_items,
    struct arena *arena, struct error *error)
{
	*error = (struct error){0};
	if (!user_job_take_request(job, request, bulk_max_items, arena, error)) {
		return false;
	}
	if (job->bulk) {
		return user_job_check_bulk(job, arena, error);
	}
	user_row_check(job, &job->rows[0], arena, error);
	if (error->code != STATUS_OK) {
		return false;
	}
	user_row_accept(job, &job->rows[0]);
	return true;
}

void
user_job_wipe(struct user_job *job)
{
	for (size_t i = 0; i < job->row_count; i++) {
		if (job->rows[i].message != NULL) {
			password_wipe(job->rows[i].message->password);
		}
	}
}

/* What a write's outcome is to the caller; STATUS_OK when it was done. */
static enum status_code
user_outcome_error(const struct store_write *write, struct error *error)
{
	switch (write->outcome) {
	case STORE_DONE: return STATUS_OK;
	case STORE_DUPLICATE:
		return error_set(error, STATUS_ALREADY_EXISTS, "DUPLICATE_EMAIL",
		    "attempt to insert duplicate user");
	case STORE_NOT_FOUND:
		return error_set(error, STATUS_NOT_FOUND, "USER_NOT_FOUND", "user %lld not found",
		    (long long)write->user.id);
	}
	return error_set(error, STATUS_INTERNAL, NULL, "internal error");
}

/* The result of a row: the user as it is now, or as it was sent. */
static Account__V1__BulkUserResult *
user_row_result(const struct user_job *job, const struct user_row *row, struct arena *arena)
{
	Account__V1__BulkUserResult *result = arena_alloc(arena, sizeof(*result));
	struct user user = user_of_message(row->message);
	const struct error *fault = row->fault;
	struct error error;

	if (result == NULL) {
		return NULL;
	}
	account__v1__bulk_user_result__init(result);
	if (fault == NULL && user_outcome_error(row->write, &error) != STATUS_OK) {
		fault = &error;
	}
	if (fault != NULL) {
		result->status = rpc_status_of_error(arena, fault);
		user.id = job->verb == STORE_CREATE ? -1 : row->id;
	} else {
		user = row->write->user;
	}
	result->user = user_to_message(&user, arena);
	return result->user == NULL ? NULL : result;
}

static const ProtobufCMessage *
user_job_answer_bulk(const struct user_job *job, struct arena *arena)
{
	Account__V1__BulkUsersResponse *response = arena_alloc(arena, sizeof(*response));

	if (response == NULL) {
		return NULL;
	}
	account__v1__bulk_users_response__init(response);
	response->n_results = job->row_count;
	response->results = arena_calloc(arena, job->row_count, sizeof(*response->results));
	if (response->results == NULL) {
		return NULL;
	}
	for (size_t i = 0; i < job->row_count; i++) {
		response->results[i] = user_row_result(job, &job->rows[i], arena);
		if (response->results[i] == NULL) {
			return NULL;
		}
	}
	return &response->base;
}

static const ProtobufCMessage *
user_job_answer_one(const struct user_job *job, struct arena *arena)
{
	static const Account__V1__DeleteUserResponse deleted =
	    ACCOUNT__V1__DELETE_USER_RESPONSE__INIT;
	const Account__V1__User *message;

	if (job->verb == STORE_DELETE) {
		return &deleted.base;
	}
	message = user_to_message(&job->writes[0].user, arena);
	return message == NULL ? NULL : &message->base;
}

const ProtobufCMessage *
user_job_answer(const struct user_job *job, struct arena *arena, struct error *error)
{
	const ProtobufCMessage *answer;

	if (!job->bulk && user_outcome_error(&job->writes[0], error) != STATUS_OK) {
		return NULL;
	}
	answer = job->bulk ? user_job_answer_bulk(job, arena) : user_job_answer_one(job, arena);
	if (answer == NULL) {
		error_set(error, STATUS_RESOURCE_EXHAUSTED, "OUT_OF_MEMORY",
		    "the request was done, but there is no memory for its answer");
	}
	return answer;
}
