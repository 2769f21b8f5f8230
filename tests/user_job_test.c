#include "services/accountd/user_job.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "common/base/arena.h"

static struct arena *arena;
static struct user_job job;
static struct error error;

/* Rows for requests, in memory that may be overwritten. */
static Account__V1__User rows[3];
static Account__V1__User *users[] = {&rows[0], &rows[1], &rows[2]};
static char passwords[3][8];

static int
setup(void **state)
{
	(void)state;
	arena = arena_new(0);
	memset(&job, 0, sizeof(job));
	for (size_t i = 0; i < 3; i++) {
		account__v1__user__init(&rows[i]);
		rows[i].account_id = 1;
		rows[i].name = (char *)(uintptr_t) "Ada";
		rows[i].email = (char *)(uintptr_t) "ada@example.com";
		rows[i].role_presence_case = ACCOUNT__V1__USER__ROLE_PRESENCE_ROLE;
		rows[i].password = strcpy(passwords[i], "secret");
	}
	return arena == NULL;
}

static int
teardown(void **state)
{
	(void)state;
	arena_free(&arena);
	return 0;
}

static bool
read_job(const ProtobufCMessage *request)
{
	return user_job_read(&job, request, 2, arena, &error);
}

static bool
read_create_users(size_t count)
{
	Account__V1__CreateUsersRequest request = ACCOUNT__V1__CREATE_USERS_REQUEST__INIT;

	request.n_users = count;
	request.users = users;
	return read_job(&request.base);
}

static void
a_creation_becomes_a_write(void **state)
{
	Account__V1__CreateUserRequest request = ACCOUNT__V1__CREATE_USER_REQUEST__INIT;

	(void)state;
	request.user = &rows[0];
	assert_true(read_job(&request.base));
	assert_false(job.bulk);
	assert_int_equal(job.write_count, 1);
	assert_int_equal(job.writes[0].verb, STORE_CREATE);
	assert_int_equal(job.writes[0].user.id, 0);
	assert_string_equal(job.writes[0].user.email, "ada@example.com");
	assert_string_equal(job.rows[0].message->password, "secret");
}

static void
a_replacement_has_the_id_of_the_request(void **state)
{
	Account__V1__ReplaceUserRequest request = ACCOUNT__V1__REPLACE_USER_REQUEST__INIT;

	(void)state;
	request.id = 7;
	request.user = &rows[0];
	assert_true(read_job(&request.base));
	assert_int_equal(job.writes[0].verb, STORE_REPLACE);
	assert_int_equal(job.writes[0].user.id, 7);
	rows[0].id = 8;
	memset(&job, 0, sizeof(job));
	assert_false(read_job(&request.base));
	assert_int_equal(error.violation_count, 1);
	assert_string_equal(error.violations[0].field, "user.id");
}

static void
a_deletion_needs_no_user(void **state)
{
	Account__V1__DeleteUserRequest request = ACCOUNT__V1__DELETE_USER_REQUEST__INIT;
	const ProtobufCMessage *answer;

	(void)state;
	request.id = 7;
	assert_true(read_job(&request.base));
	assert_int_equal(job.writes[0].verb, STORE_DELETE);
	assert_int_equal(job.writes[0].user.id, 7);
	answer = user_job_answer(&job, arena, &error);
	assert_ptr_equal(answer->descriptor, &account__v1__delete_user_response__descriptor);
}

static void
the_password_of_an_unsound_row_is_wiped_at_once(void **state)
{
	(void)state;
	rows[1].name = (char *)(uintptr_t) "";
	assert_true(read_create_users(2));
	assert_int_equal(job.write_count, 1);
	assert_string_equal(passwords[0], "secret");
	assert_string_equal(passwords[1], "");
	user_job_wipe(&job);
	assert_memory_equal(passwords[0], "\0\0\0\0\0\0\0", 7);
}

static void
the_passwords_of_a_bulk_of_too_many_can_be_wiped(void **state)
{
	(void)state;
	assert_false(read_create_users(3));
	assert_string_equal(error.reason, "TOO_MANY_ITEMS");
	user_job_wipe(&job);
	for (size_t i = 0; i < 3; i++) {
		assert_memory_equal(passwords[i], "\0\0\0\0\0\0\0", 7);
	}
}

static void
writes_are_the_sound_rows_in_order(void **state)
{
	(void)state;
	rows[0].account_id = 0;
	assert_true(read_create_users(2));
	assert_int_equal(job.row_count, 2);
	assert_int_equal(job.write_count, 1);
	assert_null(job.rows[0].write);
	assert_non_null(job.rows[0].fault);
	assert_ptr_equal(job.rows[1].write, &job.writes[0]);
}

static void
each_outcome_is_answered(void **state)
{
	static const struct {
		enum store_outcome outcome;
		enum status_code code;
	} cases[] = {{STORE_DONE, STATUS_OK}, {STORE_DUPLICATE, STATUS_ALREADY_EXISTS},
	    {STORE_NOT_FOUND, STATUS_NOT_FOUND}};
	Account__V1__CreateUserRequest request = ACCOUNT__V1__CREATE_USER_REQUEST__INIT;

	(void)state;
	request.user = &rows[0];
	assert_true(read_job(&request.base));
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		const Account__V1__User *answer;

		job.writes[0].outcome = cases[i].outcome;
		job.writes[0].user.id = 42;
		answer = (const void *)user_job_answer(&job, arena, &error);
		assert_int_equal(answer == NULL, cases[i].code != STATUS_OK);
		if (answer != NULL) {
			assert_int_equal(answer->id, 42);
			assert_string_equal(answer->password, "");
		} else {
			assert_int_equal(error.code, cases[i].code);
		}
	}
}

/* Whatever the limit of the arena, memory that runs out is an error and no crash. */
static void
a_request_beyond_the_memory_of_its_call_is_refused(void **state)
{
	unsigned refused = 0;
	unsigned answered = 0;

	(void)state;
	rows[1].name = (char *)(uintptr_t) "";
	for (size_t limit = 16; answered == 0; limit += 16) {
		arena_free(&arena);
		arena = arena_new(limit);
		memset(&job, 0, sizeof(job));
		if (!read_create_users(2) || user_job_answer(&job, arena, &error) == NULL) {
			assert_int_equal(error.code, STATUS_RESOURCE_EXHAUSTED);
			refused++;
		} else {
			answered++;
		}
		user_job_wipe(&job);
		strcpy(passwords[0], "secret");
		strcpy(passwords[1], "secret");
	}
	assert_true(refused > 5);
}

int
main(void)
{
#define CASE(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
	const struct CMUnitTest tests[] = {
	    CASE(a_creation_becomes_a_write),
	    CASE(a_replacement_has_the_id_of_the_request),
	    CASE(a_deletion_needs_no_user),
	    CASE(the_password_of_an_unsound_row_is_wiped_at_once),
	    CASE(the_passwords_of_a_bulk_of_too_many_can_be_wiped),
	    CASE(writes_are_the_sound_rows_in_order),
	    CASE(each_outcome_is_answered),
	    CASE(a_request_beyond_the_memory_of_its_call_is_refused),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
