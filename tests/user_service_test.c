#include "services/accountd/user_service.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "tests/user_fixture.h"

static struct user_fixture at;

static int
setup(void **state)
{
	(void)state;
	user_fixture_open(&at, NULL);
	return 0;
}

static int
teardown(void **state)
{
	(void)state;
	user_fixture_close(&at);
	return 0;
}

static Mockvideo__Rpc__V1__ReplyBatch *
create(Account__V1__User *user)
{
	Account__V1__CreateUserRequest request = ACCOUNT__V1__CREATE_USER_REQUEST__INIT;

	request.user = user;
	return user_ask(&at, "CreateUser", &request.base);
}

static Mockvideo__Rpc__V1__ReplyBatch *
replace(int64_t id, Account__V1__User *user)
{
	Account__V1__ReplaceUserRequest request = ACCOUNT__V1__REPLACE_USER_REQUEST__INIT;

	request.id = id;
	request.user = user;
	return user_ask(&at, "ReplaceUser", &request.base);
}

static void
a_created_user_is_read_back_without_its_password(void **state)
{
	int64_t id = user_create(&at, "Ada", "Ada@Example.com");
	Account__V1__User *user = user_get(&at, id);

	(void)state;
	assert_int_equal(user->id, id);
	assert_int_equal(user->account_id, 1);
	assert_string_equal(user->name, "Ada");
	assert_string_equal(user->email, "Ada@Example.com");
	assert_int_equal(user->role_presence_case, ACCOUNT__V1__USER__ROLE_PRESENCE_ROLE);
	assert_int_equal(user->role, ACCOUNT__V1__ROLE__ROLE_RESTRICTED);
	assert_string_equal(user->password, "");
	account__v1__user__free_unpacked(user, NULL);
}

/* True when a file of the store has the text. */
static bool
stored(const char *file, const char *text)
{
	char path[128];
	size_t len;
	char *bytes = malloc(1 << 20);
	FILE *in;
	bool found;

	snprintf(path, sizeof(path), "%s/%s", at.base.dir, file);
	in = fopen(path, "r");
	assert_non_null(bytes);
	len = in == NULL ? 0 : fread(bytes, 1, 1 << 20, in);
	found = memmem(bytes, len, text, strlen(text)) != NULL;
	if (in != NULL) {
		fclose(in);
	}
	free(bytes);
	return found;
}

static void
the_store_has_a_hash_and_no_clear_text(void **state)
{
	(void)state;
	user_create(&at, "Ada", "ada@example.com");
	assert_true(stored("db", "$argon2id$v=19$m=8,t=1,p=1$") ||
		    stored("db-wal", "$argon2id$v=19$m=8,t=1,p=1$"));
	assert_false(stored("db", "clear text") || stored("db-wal", "clear text"));
}

static void
get_of_an_unknown_id_is_not_found(void **state)
{
	Account__V1__GetUserRequest request = ACCOUNT__V1__GET_USER_REQUEST__INIT;

	(void)state;
	request.id = 7;
	user_expect(user_ask(&at, "GetUser", &request.base), STATUS_NOT_FOUND, "USER_NOT_FOUND",
	    "user 7 not found");
}

static void
ids_below_1_are_refused(void **state)
{
	Account__V1__GetUserRequest get = ACCOUNT__V1__GET_USER_REQUEST__INIT;
	Account__V1__DeleteUserRequest delete = ACCOUNT__V1__DELETE_USER_REQUEST__INIT;
	Account__V1__User user = user_sample("Ada", "ada@example.com");

	(void)state;
	user_expect_violations(user_ask(&at, "GetUser", &get.base), "id");
	user_expect_violations(user_ask(&at, "DeleteUser", &delete.base), "id");
	user_expect_violations(replace(-1, &user), "id");
}

static void
every_fault_of_a_user_is_told_at_once(void **state)
{
	Account__V1__User none = ACCOUNT__V1__USER__INIT;

	(void)state;
	none.id = 3;
	user_expect_violations(
	    create(&none), "user.id,user.accountid,user.name,user.email,user.role,user.password");
	user_expect_violations(replace(4, &none),
	    "user.id,user.accountid,user.name,user.email,user.role,user.password");
	user_expect_violations(create(NULL), "user");
	user_expect_violations(replace(0, NULL), "id,user");
}

static void
an_address_in_other_case_is_a_duplicate(void **state)
{
	Account__V1__User user = user_sample("Eve", "ADA@example.COM");

	(void)state;
	user_create(&at, "Ada", "ada@example.com");
	user_expect(create(&user), STATUS_ALREADY_EXISTS, "DUPLICATE_EMAIL",
	    "attempt to insert duplicate user");
}

static void
replace_changes_every_field(void **state)
{
	int64_t id = user_create(&at, "Ada", "ada@example.com");
	Account__V1__User user = user_sample("Countess", "lovelace@example.com");
	Mockvideo__Rpc__V1__ReplyBatch *batch;
	Account__V1__User *answer;

	(void)state;
	user.account_id = 2;
	user.role = ACCOUNT__V1__ROLE__ROLE_OWNER;
	user.id = id;
	batch = replace(id, &user);
	answer = user_response(batch->replies[0], &account__v1__user__descriptor);
	assert_int_equal(answer->id, id);
	assert_string_equal(answer->name, "Countess");
	assert_string_equal(answer->password, "");
	account__v1__user__free_unpacked(answer, NULL);
	peer_free(batch);

	answer = user_get(&at, id);
	assert_int_equal(answer->account_id, 2);
	assert_string_equal(answer->email, "lovelace@example.com");
	assert_int_equal(answer->role, ACCOUNT__V1__ROLE__ROLE_OWNER);
	account__v1__user__free_unpacked(answer, NULL);
}

static void
replace_of_what_is_not_there_is_not_found(void **state)
{
	Account__V1__User user = user_sample("Ada", "ada@example.com");

	(void)state;
	user_expect(replace(12, &user), STATUS_NOT_FOUND, "USER_NOT_FOUND", "user 12 not found");
}

static void
replace_by_the_address_of_another_is_a_duplicate(void **state)
{
	Account__V1__User user = user_sample("Eve", "ada@example.com");
	int64_t id;

	(void)state;
	user_create(&at, "Ada", "ada@example.com");
	id = user_create(&at, "Eve", "eve@example.com");
	user_expect(replace(id, &user), STATUS_ALREADY_EXISTS, "DUPLICATE_EMAIL",
	    "attempt to insert duplicate user");
}

static void
delete_is_well_whether_the_user_was_there_or_not(void **state)
{
	Account__V1__DeleteUserRequest request = ACCOUNT__V1__DELETE_USER_REQUEST__INIT;

	(void)state;
	request.id = user_create(&at, "Ada", "ada@example.com");
	for (int i = 0; i < 2; i++) {
		Mockvideo__Rpc__V1__ReplyBatch *batch = user_ask(&at, "DeleteUser", &request.base);

		assert_null(batch->replies[0]->status);
		peer_free(batch);
		assert_null(user_get(&at, request.id));
	}
}

#define GETS 200

/* More than coalesce_max, so that several workers and several batches answer. */
static void
gets_that_wait_together_are_answered_each(void **state)
{
	Account__V1__GetUserRequest requests[GETS];
	struct user_call calls[GETS];
	Mockvideo__Rpc__V1__ReplyBatch *batch;
	int64_t id = user_create(&at, "Ada", "ada@example.com");

	(void)state;
	for (size_t i = 0; i < GETS; i++) {
		account__v1__get_user_request__init(&requests[i]);
		requests[i].id = i % 3 == 0 ? id : i % 3 == 1 ? 1000 + (int64_t)i : 0;
		calls[i] = (struct user_call){"GetUser", &requests[i].base, 0};
	}
	user_send(at.peer, calls, GETS);
	batch = peer_receive(at.peer);
	assert_int_equal(batch->n_replies, GETS);
	for (size_t i = 0; i < GETS; i++) {
		const Mockvideo__Rpc__V1__Reply *reply = batch->replies[i];
		char message[32];

		snprintf(message, sizeof(message), "user %zu not found", 1000 + i);
		if (i % 3 == 0) {
			Account__V1__User *user =
			    user_response(reply, &account__v1__user__descriptor);

			assert_int_equal(user->id, id);
			account__v1__user__free_unpacked(user, NULL);
		} else if (i % 3 == 1) {
			assert_string_equal(reply->status->message, message);
		} else {
			assert_string_equal(user_violations(reply->status), "id");
		}
	}
	peer_free(batch);
}

#define CREATES 40

/* Every fourth has the address of the one before it. */
static void
writes_that_wait_together_succeed_or_fail_each(void **state)
{
	Account__V1__CreateUserRequest requests[CREATES];
	Account__V1__User users[CREATES];
	struct user_call calls[CREATES];
	char emails[CREATES][48];
	Mockvideo__Rpc__V1__ReplyBatch *batch;
	unsigned pairs_failed = 0;

	(void)state;
	for (size_t i = 0; i < CREATES; i++) {
		snprintf(
		    emails[i], sizeof(emails[i]), "user%zu@example.com", i % 4 == 3 ? i - 1 : i);
		users[i] = user_sample("Ada", emails[i]);
		account__v1__create_user_request__init(&requests[i]);
		requests[i].user = &users[i];
		calls[i] = (struct user_call){"CreateUser", &requests[i].base, 0};
	}
	user_send(at.peer, calls, CREATES);
	batch = peer_receive(at.peer);
	for (size_t i = 0; i < CREATES; i++) {
		const Mockvideo__Rpc__V1__Status *status = batch->replies[i]->status;

		assert_true(i % 4 > 1 || status == NULL);
		pairs_failed += status != NULL;
		assert_true(status == NULL || strcmp(status->reason, "DUPLICATE_EMAIL") == 0);
	}
	assert_int_equal(pairs_failed, CREATES / 4);
	peer_free(batch);
}

static void
a_string_with_a_null_character_or_bad_utf_8_is_refused(void **state)
{
	/* CreateUserRequest{user: {name: …}} */
	static const uint8_t with_null[] = {0x0a, 5, 0x22, 3, 'a', 0, 'b'};
	static const uint8_t no_utf_8[] = {0x0a, 4, 0x22, 2, 'a', 0xff};
	const ProtobufCMessageUnknownField fields[] = {
	    {1, PROTOBUF_C_WIRE_TYPE_LENGTH_PREFIXED, sizeof(with_null) - 1,
		(uint8_t *)(uintptr_t)(with_null + 1)},
	    {1, PROTOBUF_C_WIRE_TYPE_LENGTH_PREFIXED, sizeof(no_utf_8) - 1,
		(uint8_t *)(uintptr_t)(no_utf_8 + 1)}};

	(void)state;
	for (size_t i = 0; i < 2; i++) {
		Account__V1__CreateUserRequest request = ACCOUNT__V1__CREATE_USER_REQUEST__INIT;

		request.base.n_unknown_fields = 1;
		request.base.unknown_fields = (ProtobufCMessageUnknownField *)(uintptr_t)&fields[i];
		user_expect_violations(user_ask(&at, "CreateUser", &request.base), "name");
	}
}

static void
health_answers_when_the_store_does(void **state)
{
	Account__V1__CheckHealthRequest request = ACCOUNT__V1__CHECK_HEALTH_REQUEST__INIT;
	Mockvideo__Rpc__V1__ReplyBatch *batch = user_ask(&at, "CheckHealth", &request.base);
	Account__V1__CheckHealthResponse *response =
	    user_response(batch->replies[0], &account__v1__check_health_response__descriptor);

	(void)state;
	assert_string_equal(response->message, "I'm Healthy!");
	account__v1__check_health_response__free_unpacked(response, NULL);
	peer_free(batch);
}

static void
without_a_schema_all_is_unavailable_until_it_is_there(void **state)
{
	Account__V1__CheckHealthRequest health = ACCOUNT__V1__CHECK_HEALTH_REQUEST__INIT;
	Account__V1__GetUserRequest get = ACCOUNT__V1__GET_USER_REQUEST__INIT;
	Account__V1__User user = user_sample("Ada", "ada@example.com");
	const char *message = "the database is not available: nothing was done, try again";

	(void)state;
	user_fixture_start(&at);
	assert_non_null(service_process_unready(at.base.process));
	user_expect(create(&user), STATUS_UNAVAILABLE, "STORE_UNAVAILABLE", message);
	user_expect(
	    user_ask(&at, "GetUser", &get.base), STATUS_UNAVAILABLE, "STORE_UNAVAILABLE", message);
	user_expect(user_ask(&at, "CheckHealth", &health.base), STATUS_UNAVAILABLE,
	    "STORE_UNAVAILABLE", message);

	user_fixture_migrate(&at);
	user_create(&at, "Ada", "ada@example.com");
}

int
main(void)
{
#define CASE(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
	const struct CMUnitTest tests[] = {
	    CASE(a_created_user_is_read_back_without_its_password),
	    CASE(the_store_has_a_hash_and_no_clear_text),
	    CASE(get_of_an_unknown_id_is_not_found),
	    CASE(ids_below_1_are_refused),
	    CASE(every_fault_of_a_user_is_told_at_once),
	    CASE(an_address_in_other_case_is_a_duplicate),
	    CASE(replace_changes_every_field),
	    CASE(replace_of_what_is_not_there_is_not_found),
	    CASE(replace_by_the_address_of_another_is_a_duplicate),
	    CASE(delete_is_well_whether_the_user_was_there_or_not),
	    CASE(gets_that_wait_together_are_answered_each),
	    CASE(writes_that_wait_together_succeed_or_fail_each),
	    CASE(a_string_with_a_null_character_or_bad_utf_8_is_refused),
	    CASE(health_answers_when_the_store_does),
	    cmocka_unit_test_teardown(
		without_a_schema_all_is_unavailable_until_it_is_there, teardown),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
