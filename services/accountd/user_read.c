/* The way of a read: all that wait together share a query. */
#include <string.h>

#include "account/v1/user.pb-c.h"
#include "common/base/arena.h"
#include "services/accountd/page_token.h"
#include "services/accountd/user_message.h"
#include "services/accountd/user_service_impl.h"

#define PAGE_SIZE_MAX 1000

/* Whether a filter of a ListUsersRequest is given, whatever its value. */
#define LIST_GIVES(request, field, FIELD)                                                          \
	((request)->field##_presence_case ==                                                       \
	    ACCOUNT__V1__LIST_USERS_REQUEST__##FIELD##_PRESENCE_##FIELD)

static void
user_fail_no_memory(struct rpc_call *call)
{
	struct error error;

	error_set(&error, STATUS_RESOURCE_EXHAUSTED, "OUT_OF_MEMORY", "out of memory");
	rpc_call_fail(call, &error);
}

/* Keeps the calls whose request is sound, with their ids; gives how many. */
static size_t
user_get_prepare(struct rpc_call **calls, size_t count, int64_t *ids)
{
	size_t kept = 0;

	for (size_t i = 0; i < count; i++) {
		struct rpc_call *call = calls[i];
		const Account__V1__GetUserRequest *request = (const void *)rpc_call_request(call);
		struct error error = {0};

		if (request == NULL) {
			continue;
		}
		if (request->id < 1) {
			error_violation(&error, rpc_call_arena(call), "id", "must be 1 or more");
			rpc_call_fail(call, &error);
			continue;
		}
		ids[kept] = request->id;
		calls[kept++] = call;
	}
	return kept;
}

static void
user_get_answer(struct rpc_call *call, int64_t id, const struct user *row)
{
	struct error error;
	Account__V1__User *message;

	if (row->id == 0) {
		error_set(&error, STATUS_NOT_FOUND, "USER_NOT_FOUND", "user %lld not found",
		    (long long)id);
		rpc_call_fail(call, &error);
		return;
	}
	message = user_to_message(row, rpc_call_arena(call));
	if (message == NULL) {
		user_fail_no_memory(call);
		return;
	}
	rpc_call_finish(call, &message->base);
}

/* Rows are in the arena of the first call, which is therefore answered last. */
static void
user_get_gulp(struct service_worker *worker, struct rpc_call **calls, size_t count, int64_t *ids)
{
	struct arena *arena = rpc_call_arena(calls[0]);
	struct user *rows = arena_calloc(arena, count, sizeof(*rows));
	struct error error;

	if (rows == NULL) {
		error_set(&error, STATUS_RESOURCE_EXHAUSTED, "OUT_OF_MEMORY", "out of memory");
		service_fail_all(calls, count, &error);
		return;
	}
	user_share(worker, STORE_OPERATION_GET, count);
	if (store_user_get(service_worker_conn(worker), service_latest_deadline_ns(calls, count),
		ids, count, arena, rows, &error) != STATUS_OK) {
		service_fail_all(calls, count, &error);
		return;
	}
	rpc_call_cork();
	for (size_t i = count; i-- > 0;) {
		user_get_answer(calls[i], ids[i], &rows[i]);
	}
	rpc_call_uncork();
}

void
user_get_run(struct service_worker *worker, struct rpc_call **calls, size_t count)
{
	int64_t ids[SERVICE_COALESCE_MAX];

	if (!service_require_ready(service_worker_process(worker), calls, count)) {
		return;
	}
	count = user_get_prepare(calls, count, ids);
	if (count > 0) {
		user_get_gulp(worker, calls, count, ids);
	}
}

/*
 * The filters of a request; their strings are borrowed from it. Adds to error
 * those that are given with a value that lets no user pass, or all.
 */
static struct store_filter
user_list_filter(
    const Account__V1__ListUsersRequest *request, struct arena *arena, struct error *error)
{
	struct store_filter filter = {.role = USER_ROLE_NONE};

	if (LIST_GIVES(request, account_id, ACCOUNT_ID)) {
		filter.account_id = request->account_id;
		if (filter.account_id < 1 || filter.account_id > USER_ACCOUNT_ID_MAX) {
			error_violation(error, arena, "accountid", "must be 1 to 2147483647");
		}
	}
	if (LIST_GIVES(request, email, EMAIL)) {
		filter.email = request->email;
		if (*filter.email == '\0') {
			error_violation(error, arena, "email", "must not be empty");
		}
	}
	if (LIST_GIVES(request, role, ROLE)) {
		filter.role = (int32_t)request->role;
		if (filter.role < USER_ROLE_OWNER || filter.role > USER_ROLE_RESTRICTED) {
			error_violation(
			    error, arena, "role", "must be 0 (owner), 1 (admin) or 2 (restricted)");
		}
	}
	if (LIST_GIVES(request, name_prefix, NAME_PREFIX)) {
		filter.name_prefix = request->name_prefix;
		if (*filter.name_prefix == '\0') {
			error_violation(error, arena, "name_prefix", "must not be empty");
		}
	}
	return filter;
}

/* Adds what else is wrong with the request to error; reads the token into after_id. */
static void
user_list_check(const struct service_process *process, const Account__V1__ListUsersRequest *request,
    const struct store_filter *filter, int64_t *after_id, struct arena *arena, struct error *error)
{
	*after_id = 0;
	if (request->page_size < 0 || request->page_size > PAGE_SIZE_MAX) {
		error_violation(error, arena, "page_size", "must be 1 to 1000");
	}
	if (*request->page_token != '\0' &&
	    !page_token_read(service_page_key(process), filter, request->page_token, after_id)) {
		error_violation(error, arena, "page_token",
		    "must be the next_page_token of a list with the same filters");
		error->reason = error->violation_count == 1 ? "INVALID_PAGE_TOKEN" : error->reason;
	}
}

static void
user_list_answer(const struct service_process *process, struct rpc_call *call,
    const struct store_filter *filter, const struct user *rows, size_t count, size_t page_size)
{
	Account__V1__ListUsersResponse response = ACCOUNT__V1__LIST_USERS_RESPONSE__INIT;
	struct arena *arena = rpc_call_arena(call);

	response.n_users = count > page_size ? page_size : count;
	response.users = arena_calloc(arena, response.n_users, sizeof(*response.users));
	if (response.users == NULL) {
		user_fail_no_memory(call);
		return;
	}
	for (size_t i = 0; i < response.n_users; i++) {
		response.users[i] = user_to_message(&rows[i], arena);
		if (response.users[i] == NULL) {
			user_fail_no_memory(call);
			return;
		}
	}
	if (count > page_size) {
		response.next_page_token = page_token_new(
		    service_page_key(process), filter, rows[page_size - 1].id, arena);
		if (response.next_page_token == NULL) {
			user_fail_no_memory(call);
			return;
		}
	}
	rpc_call_finish(call, &response.base);
}

static void
user_list_one(struct service_worker *worker, struct rpc_call *call)
{
	const Account__V1__ListUsersRequest *request = (const void *)rpc_call_request(call);
	struct error error = {0};
	struct store_filter filter;
	struct user *rows;
	size_t page_size;
	size_t count;
	int64_t after_id;

	if (request == NULL) {
		return;
	}
	filter = user_list_filter(request, rpc_call_arena(call), &error);
	user_list_check(service_worker_process(worker), request, &filter, &after_id,
	    rpc_call_arena(call), &error);
	if (error.code != STATUS_OK) {
		rpc_call_fail(call, &error);
		return;
	}
	/* One row more than the page tells whether there is a next one. */
	user_share(worker, STORE_OPERATION_LIST, 1);
	page_size = request->page_size == 0 ? PAGE_SIZE_MAX : (size_t)request->page_size;
	if (store_user_list(service_worker_conn(worker), rpc_call_deadline_ns(call), &filter,
		after_id, page_size + 1, rpc_call_arena(call), &rows, &count,
		&error) != STATUS_OK) {
		rpc_call_fail(call, &error);
		return;
	}
	user_list_answer(service_worker_process(worker), call, &filter, rows, count, page_size);
}

void
user_list_run(struct service_worker *worker, struct rpc_call **calls, size_t count)
{

	if (!service_require_ready(service_worker_process(worker), calls, count)) {
		return;
	}
	for (size_t i = 0; i < count; i++) {
		user_list_one(worker, calls[i]);
	}
}

/* All who ask together share one look at the store. */
void
user_health_run(struct service_worker *worker, struct rpc_call **calls, size_t count)
{
	Account__V1__CheckHealthResponse response = ACCOUNT__V1__CHECK_HEALTH_RESPONSE__INIT;

	if (service_check_health(worker, calls, count)) {
		response.message = (char *)(uintptr_t) "I'm Healthy!";
		service_finish_all(calls, count, &response.base);
	}
}
