/* Bulk calls, lists, and what happens while passwords are hashed. */
#include "services/accountd/user_service.h"

#include <sched.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "tests/user_fixture.h"

#define BULK_MAX 300

static struct user_fixture at;

static int
setup(void **state)
{
	(void)state;
	user_fixture_open(&at, NULL);
	return 0;
}

/* Hashes that take long, and a queue that one call fills. */
static int
setup_slow(void **state)
{
	static const char *const flags[] = {
	    "--hash-mem-kib=8192", "--hash-passes=8", "--hash-queue-max=1", NULL};

	(void)state;
	user_fixture_open(&at, flags);
	return 0;
}

static int
teardown(void **state)
{
	(void)state;
	user_fixture_close(&at);
	return 0;
}

/* A bulk request, of which the rows may be changed before it is sent. */
struct bulk {
	Account__V1__User rows[BULK_MAX + 1];
	Account__V1__User *users[BULK_MAX + 1];
	char emails[BULK_MAX + 1][48];
	Account__V1__CreateUsersRequest create;
	Account__V1__ReplaceUsersRequest replace;
	Mockvideo__Rpc__V1__ReplyBatch *batch;
	Account__V1__BulkUsersResponse *response;
};

static struct bulk bulk;

static void
bulk_init(size_t count)
{
	memset(&bulk, 0, sizeof(bulk));
	for (size_t i = 0; i < count; i++) {
		snprintf(bulk.emails[i], sizeof(bulk.emails[i]), "user%zu@example.com", i);
		bulk.rows[i] = user_sample("Ada", bulk.emails[i]);
		bulk.users[i] = &bulk.rows[i];
	}
	account__v1__create_users_request__init(&bulk.create);
	account__v1__replace_users_request__init(&bulk.replace);
	bulk.create.n_users = bulk.replace.n_users = count;
	bulk.create.users = bulk.replace.users = bulk.users;
}

static void
bulk_ask(const char *method, const ProtobufCMessage *request)
{
	bulk.batch = user_ask(&at, method, request);
	bulk.response =
	    user_response(bulk.batch->replies[0], &account__v1__bulk_users_response__descriptor);
	assert_int_equal(bulk.response->n_results, bulk.create.n_users);
}

static void
bulk_free(void)
{
	account__v1__bulk_users_response__free_unpacked(bulk.response, NULL);
	peer_free(bulk.batch);
}

/* Checks how row i ended ("" for well) and gives its user. */
static const Account__V1__User *
bulk_row(size_t i, const char *reason)
{
	const Account__V1__BulkUserResult *result = bulk.response->results[i];

	assert_string_equal(result->status == NULL ? "" : result->status->reason, reason);
	assert_non_null(result->user);
	assert_string_equal(result->user->password, "");
	return result->user;
}

static void
bulk_create_answers_each_row_in_order(void **state)
{
	(void)state;
	bulk_init(BULK_MAX);
	bulk_ask("CreateUsers", &bulk.create.base);
	for (size_t i = 0; i < BULK_MAX; i++) {
		const Account__V1__User *user = bulk_row(i, "");
		Account__V1__User *got = user_get(&at, user->id);

		assert_string_equal(user->email, bulk.emails[i]);
		assert_string_equal(got->email, bulk.emails[i]);
		account__v1__user__free_unpacked(got, NULL);
	}
	bulk_free();
}

static void
rows_of_a_bulk_create_fail_alone(void **state)
{
	int64_t there = user_create(&at, "Eve", "eve@example.com");

	(void)state;
	bulk_init(8);
	bulk.rows[1].email = (char *)(uintptr_t) "EVE@example.com";
	bulk.rows[2].email = (char *)(uintptr_t) "no address";
	bulk.rows[2].account_id = 0;
	bulk.rows[4].email = bulk.emails[3];
	bulk.rows[5].id = 9;
	bulk.rows[6].name = (char *)(uintptr_t) "A\xe2\x80\xa8";
	bulk.rows[6].email = (char *)(uintptr_t) "a@b\r\nBcc: x";
	bulk_ask("CreateUsers", &bulk.create.base);
	assert_true(bulk_row(0, "")->id > there);
	assert_int_equal(bulk_row(1, "DUPLICATE_EMAIL")->id, -1);
	assert_string_equal(
	    bulk.response->results[1]->status->message, "attempt to insert duplicate user");
	assert_string_equal(bulk_row(1, "DUPLICATE_EMAIL")->email, "EVE@example.com");
	assert_int_equal(bulk_row(2, "INVALID_FIELDS")->id, -1);
	assert_string_equal(user_violations(bulk.response->results[2]->status), "accountid,email");
	assert_true(bulk_row(3, "")->id > there);
	assert_int_equal(bulk_row(4, "DUPLICATE_EMAIL")->id, -1);
	assert_int_equal(bulk_row(5, "INVALID_FIELDS")->id, -1);
	assert_string_equal(user_violations(bulk.response->results[5]->status), "id");
	assert_int_equal(bulk_row(6, "INVALID_FIELDS")->id, -1);
	assert_string_equal(user_violations(bulk.response->results[6]->status), "name,email");
	assert_true(bulk_row(7, "")->id > there);
	bulk_free();
}

static void
a_bulk_create_of_unsound_rows_alone_is_answered(void **state)
{
	(void)state;
	bulk_init(2);
	bulk.rows[0].name = bulk.rows[1].name = (char *)(uintptr_t) "";
	bulk_ask("CreateUsers", &bulk.create.base);
	assert_int_equal(bulk_row(0, "INVALID_FIELDS")->id, -1);
	assert_int_equal(bulk_row(1, "INVALID_FIELDS")->id, -1);
	bulk_free();
}

static void
rows_of_a_bulk_replace_fail_alone(void **state)
{
	int64_t id = user_create(&at, "Eve", "eve@example.com");
	Account__V1__User *user;

	(void)state;
	bulk_init(5);
	bulk.rows[0].id = id;
	bulk.rows[1].id = id + 1000;
	bulk.rows[3].id = id;
	bulk.rows[3].name = (char *)(uintptr_t) "Last";
	bulk.rows[4].id = id;
	bulk.rows[4].email = (char *)(uintptr_t) "eve@example.com ";
	bulk_ask("ReplaceUsers", &bulk.replace.base);
	assert_int_equal(bulk_row(0, "")->id, id);
	assert_int_equal(bulk_row(1, "USER_NOT_FOUND")->id, id + 1000);
	assert_int_equal(bulk_row(2, "INVALID_FIELDS")->id, 0);
	assert_string_equal(user_violations(bulk.response->results[2]->status), "id");
	assert_int_equal(bulk_row(3, "")->id, id);
	assert_int_equal(bulk_row(4, "INVALID_FIELDS")->id, id);
	assert_string_equal(user_violations(bulk.response->results[4]->status), "email");
	bulk_free();

	user = user_get(&at, id);
	assert_string_equal(user->name, "Last");
	assert_string_equal(user->email, bulk.emails[3]);
	account__v1__user__free_unpacked(user, NULL);
}

static void
an_empty_bulk_is_refused(void **state)
{
	(void)state;
	bulk_init(0);
	user_expect_violations(user_ask(&at, "CreateUsers", &bulk.create.base), "Users");
	user_expect_violations(user_ask(&at, "ReplaceUsers", &bulk.replace.base), "Users");
}

static void
a_bulk_of_too_many_is_refused_as_a_whole(void **state)
{
	(void)state;
	bulk_init(BULK_MAX + 1);
	user_expect(user_ask(&at, "CreateUsers", &bulk.create.base), STATUS_INVALID_ARGUMENT,
	    "TOO_MANY_ITEMS", "301 users are more than the 300 that a bulk request may have");
	assert_null(user_get(&at, 1));
}

/* Gives a filter of a ListUsersRequest. */
#define LIST_BY(request, field, FIELD, value)                                                      \
	((request).field##_presence_case =                                                         \
		ACCOUNT__V1__LIST_USERS_REQUEST__##FIELD##_PRESENCE_##FIELD,                       \
	    (request).field = (value))

static Account__V1__ListUsersResponse *
list(const Account__V1__ListUsersRequest *request)
{
	Mockvideo__Rpc__V1__ReplyBatch *batch = user_ask(&at, "ListUsers", &request->base);
	Account__V1__ListUsersResponse *response =
	    user_response(batch->replies[0], &account__v1__list_users_response__descriptor);

	peer_free(batch);
	return response;
}

static void
fill(size_t count)
{
	bulk_init(count);
	for (size_t i = 0; i < count; i++) {
		bulk.rows[i].account_id = 1 + (int64_t)(i % 2);
	}
	bulk_ask("CreateUsers", &bulk.create.base);
	bulk_free();
}

static void
pages_hold_every_user_once(void **state)
{
	Account__V1__ListUsersRequest request = ACCOUNT__V1__LIST_USERS_REQUEST__INIT;
	Account__V1__ListUsersResponse *page;
	char token[128] = "";
	int64_t last = 0;
	size_t seen = 0;
	size_t pages = 0;

	(void)state;
	fill(25);
	request.page_size = 10;
	request.page_token = token;
	do {
		page = list(&request);
		for (size_t i = 0; i < page->n_users; i++) {
			assert_true(page->users[i]->id > last);
			last = page->users[i]->id;
		}
		seen += page->n_users;
		pages++;
		snprintf(token, sizeof(token), "%s", page->next_page_token);
		account__v1__list_users_response__free_unpacked(page, NULL);
	} while (token[0] != '\0');
	assert_int_equal(seen, 25);
	assert_int_equal(pages, 3);
}

static void
a_page_that_ends_with_the_last_user_has_no_token(void **state)
{
	Account__V1__ListUsersRequest request = ACCOUNT__V1__LIST_USERS_REQUEST__INIT;
	Account__V1__ListUsersResponse *page;

	(void)state;
	fill(10);
	request.page_size = 10;
	page = list(&request);
	assert_int_equal(page->n_users, 10);
	assert_string_equal(page->next_page_token, "");
	account__v1__list_users_response__free_unpacked(page, NULL);
}

static void
a_page_token_of_another_list_is_refused(void **state)
{
	Account__V1__ListUsersRequest request = ACCOUNT__V1__LIST_USERS_REQUEST__INIT;
	Account__V1__ListUsersResponse *page;
	Mockvideo__Rpc__V1__ReplyBatch *batch;

	(void)state;
	fill(4);
	request.page_size = 1;
	LIST_BY(request, account_id, ACCOUNT_ID, 1);
	page = list(&request);
	request.page_token = page->next_page_token;
	request.account_id = 2;
	batch = user_ask(&at, "ListUsers", &request.base);
	assert_non_null(batch->replies[0]->status);
	assert_string_equal(batch->replies[0]->status->reason, "INVALID_PAGE_TOKEN");
	user_expect_violations(batch, "page_token");
	account__v1__list_users_response__free_unpacked(page, NULL);
}

static void
filters_choose_users(void **state)
{
	Account__V1__ListUsersRequest by_account = ACCOUNT__V1__LIST_USERS_REQUEST__INIT;
	Account__V1__ListUsersRequest by_email = ACCOUNT__V1__LIST_USERS_REQUEST__INIT;
	Account__V1__ListUsersRequest by_role = ACCOUNT__V1__LIST_USERS_REQUEST__INIT;
	Account__V1__ListUsersRequest by_name = ACCOUNT__V1__LIST_USERS_REQUEST__INIT;
	struct {
		const Account__V1__ListUsersRequest *request;
		size_t count;
	} cases[] = {{&by_account, 5}, {&by_email, 1}, {&by_role, 0}, {&by_name, 10}};

	(void)state;
	fill(10);
	LIST_BY(by_account, account_id, ACCOUNT_ID, 2);
	LIST_BY(by_email, email, EMAIL, (char *)(uintptr_t) "USER3@example.com");
	LIST_BY(by_role, role, ROLE, ACCOUNT__V1__ROLE__ROLE_OWNER);
	LIST_BY(by_name, name_prefix, NAME_PREFIX, (char *)(uintptr_t) "Ad");
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		Account__V1__ListUsersResponse *page = list(cases[i].request);

		assert_int_equal(page->n_users, cases[i].count);
		account__v1__list_users_response__free_unpacked(page, NULL);
	}
}

static void
every_fault_of_a_list_is_told_at_once(void **state)
{
	Account__V1__ListUsersRequest request = ACCOUNT__V1__LIST_USERS_REQUEST__INIT;

	(void)state;
	request.page_size = 1001;
	LIST_BY(request, account_id, ACCOUNT_ID, -1);
	LIST_BY(request, role, ROLE, (Account__V1__Role)-1);
	request.page_token = (char *)(uintptr_t) "made up";
	user_expect_violations(
	    user_ask(&at, "ListUsers", &request.base), "accountid,role,page_size,page_token");
}

/* What was given is known on the wire even when it is zero or empty. */
static void
a_filter_with_its_zero_value_is_refused(void **state)
{
	Account__V1__ListUsersRequest request = ACCOUNT__V1__LIST_USERS_REQUEST__INIT;
	char nothing[] = "";

	(void)state;
	fill(1);
	LIST_BY(request, account_id, ACCOUNT_ID, 0);
	user_expect_violations(user_ask(&at, "ListUsers", &request.base), "accountid");
	LIST_BY(request, email, EMAIL, nothing);
	LIST_BY(request, name_prefix, NAME_PREFIX, nothing);
	user_expect_violations(
	    user_ask(&at, "ListUsers", &request.base), "accountid,email,name_prefix");
}

/*
 * The bulk would be hashed for far longer than its deadline, so it is there
 * while the other calls are made, and ends unexecuted.
 */
static void
reads_are_answered_while_passwords_are_hashed(void **state)
{
	struct peer *other = peer_open(rpc_server_url(service_process_server(at.base.process)));
	Account__V1__CreateUserRequest create = ACCOUNT__V1__CREATE_USER_REQUEST__INIT;
	Account__V1__User user = user_sample("Ada", "ada@example.com");
	const struct user_call call = {"CreateUsers", &bulk.create.base, 1500};
	Mockvideo__Rpc__V1__ReplyBatch *batch;

	(void)state;
	bulk_init(BULK_MAX);
	user_send(other, &call, 1);
	while (rpc_server_in_flight(service_process_server(at.base.process)) == 0) {
		sched_yield();
	}
	assert_null(user_get(&at, 1));
	create.user = &user;
	batch = user_ask(&at, "CreateUser", &create.base);
	assert_true(batch->replies[0]->status->retry_after_ms >= 1000);
	user_expect(batch, STATUS_RESOURCE_EXHAUSTED, "QUEUE_FULL",
	    "the server has too many passwords to hash; nothing was done");
	assert_int_equal(rpc_server_in_flight(service_process_server(at.base.process)), 1);

	user_expect(peer_receive(other), STATUS_DEADLINE_EXCEEDED, "EXPIRED_IN_QUEUE",
	    "the deadline passed before the passwords were hashed; nothing was done");
	assert_null(user_get(&at, 1));
	peer_close(other);
}

int
main(void)
{
#define CASE(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
	const struct CMUnitTest tests[] = {
	    CASE(bulk_create_answers_each_row_in_order),
	    CASE(rows_of_a_bulk_create_fail_alone),
	    CASE(a_bulk_create_of_unsound_rows_alone_is_answered),
	    CASE(rows_of_a_bulk_replace_fail_alone),
	    CASE(an_empty_bulk_is_refused),
	    CASE(a_bulk_of_too_many_is_refused_as_a_whole),
	    CASE(pages_hold_every_user_once),
	    CASE(a_page_that_ends_with_the_last_user_has_no_token),
	    CASE(a_page_token_of_another_list_is_refused),
	    CASE(filters_choose_users),
	    CASE(every_fault_of_a_list_is_told_at_once),
	    CASE(a_filter_with_its_zero_value_is_refused),
	    cmocka_unit_test_setup_teardown(
		reads_are_answered_while_passwords_are_hashed, setup_slow, teardown),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
