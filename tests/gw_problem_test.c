#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "common/base/arena.h"
#include "common/base/buf.h"
#include "common/schema/schema.h"
#include "gateway/gw_problem.h"
#include "tests/schema_file.h"

static const char *
write_problem(struct buf *out, int status, const struct error *error, const char *body_field)
{
	const char path[] = "/users/\"7\"";
	const struct gw_problem problem = {.status = status,
	    .error = error,
	    .body_field = body_field,
	    .path = path,
	    .path_len = sizeof(path) - 1,
	    .request_id = "abc-1"};

	buf_reset(out);
	gw_problem_write(out, &problem);
	buf_putc(out, '\0');
	assert_false(out->failed);
	return out->data;
}

static void
a_problem_has_all_its_members(void **state)
{
	struct buf out = {0};
	struct error error;

	(void)state;
	error_set(&error, STATUS_NOT_FOUND, "USER_NOT_FOUND", "there is no user \"7\"");
	assert_string_equal(write_problem(&out, 404, &error, NULL),
	    "{\"type\":\"about:blank\",\"title\":\"Not Found\",\"status\":404,"
	    "\"detail\":\"there is no user \\\"7\\\"\",\"instance\":\"/users/\\\"7\\\"\","
	    "\"code\":\"NOT_FOUND\",\"reason\":\"USER_NOT_FOUND\",\"requestId\":\"abc-1\"}");
	buf_fini(&out);
}

static void
what_the_error_leaves_out_is_filled_in(void **state)
{
	struct error error = {.code = STATUS_UNIMPLEMENTED};
	struct buf out = {0};
	const char *text;

	(void)state;
	text = write_problem(&out, 501, &error, NULL);
	assert_non_null(strstr(text, "\"detail\":\"Not Implemented\""));
	assert_non_null(strstr(text, "\"reason\":\"UNIMPLEMENTED\""));
	buf_fini(&out);
}

static void
violations_are_named_without_the_field_of_the_body(void **state)
{
	struct arena *arena = arena_new(0);
	struct error error = {0};
	struct buf out = {0};
	const char *text;

	(void)state;
	assert_non_null(arena);
	error_violation(&error, arena, "user.email", "must have one @");
	error_violation(&error, arena, "username", "must not be there");
	error_violation(&error, arena, "user", "must be given");
	text = write_problem(&out, 400, &error, "user");
	assert_non_null(
	    strstr(text, "\"errors\":[{\"field\":\"email\",\"detail\":\"must have one @\"},"
			 "{\"field\":\"username\",\"detail\":\"must not be there\"},"
			 "{\"field\":\"user\",\"detail\":\"must be given\"}]}"));
	assert_non_null(strstr(
	    text, ": email must have one @; username must not be there; user must be given\""));
	text = write_problem(&out, 400, &error, NULL);
	assert_non_null(strstr(text, "\"field\":\"user.email\""));
	buf_fini(&out);
	arena_free(&arena);
}

static void
the_detail_counts_violations_past_the_fifth(void **state)
{
	struct arena *arena = arena_new(0);
	struct error error = {0};
	struct buf out = {0};
	const char *text;

	(void)state;
	assert_non_null(arena);
	for (int i = 0; i < 8; i++) {
		error_violation(&error, arena, "f", "is wrong");
	}
	text = write_problem(&out, 400, &error, NULL);
	assert_non_null(strstr(text, "f is wrong; and 3 more\""));
	buf_fini(&out);
	arena_free(&arena);
}

static void
a_500_shows_nothing_of_the_inside(void **state)
{
	struct arena *arena = arena_new(0);
	struct error error;
	struct buf out = {0};
	const char *text;

	(void)state;
	assert_non_null(arena);
	error_set(&error, STATUS_INTERNAL, "SQL_SYNTAX", "near SELECT secret");
	error_violation(&error, arena, "secret", "leaks");
	text = write_problem(&out, 500, &error, NULL);
	assert_null(strstr(text, "secret"));
	assert_null(strstr(text, "SQL"));
	assert_non_null(strstr(text, "\"reason\":\"INTERNAL\""));
	assert_non_null(strstr(text, "\"code\":\"INTERNAL\""));
	buf_fini(&out);
	arena_free(&arena);
}

static void
every_code_has_a_status_with_a_title(void **state)
{
	(void)state;
#define CHECK(name, number)                                                                        \
	{                                                                                          \
		int status = gw_problem_status_of_code(STATUS_##name);                             \
		assert_true(status == 200 ? number == 0 : status >= 400 && status <= 599);         \
		assert_string_not_equal(gw_problem_title(status), "Server Error");                 \
		assert_string_not_equal(gw_problem_title(status), "Client Error");                 \
	}
	STATUS_ROWS(CHECK)
#undef CHECK
	assert_int_equal(gw_problem_status_of_code((enum status_code)77), 500);
}

static void
a_service_may_give_a_reason_another_status(void **state)
{
	struct schema *schema = schema_file_load(SCHEMA_FILE_MOCKVIDEO);
	const struct schema_method *method =
	    schema_find_method(schema, "account.v1.UserService/CreateUser");

	(void)state;
	assert_int_equal(gw_problem_status(method, STATUS_ALREADY_EXISTS, "DUPLICATE_EMAIL"), 400);
	assert_int_equal(gw_problem_status(method, STATUS_ALREADY_EXISTS, "OTHER"), 409);
	assert_int_equal(gw_problem_status(method, STATUS_ALREADY_EXISTS, NULL), 409);
	schema_free(&schema);
}

static void
retry_after_is_in_whole_seconds_and_at_least_one(void **state)
{
	struct error error = {.code = STATUS_UNAVAILABLE};

	(void)state;
	assert_int_equal(gw_problem_retry_after_s(503, &error), 1);
	error.retry_after_ms = 1000;
	assert_int_equal(gw_problem_retry_after_s(429, &error), 1);
	error.retry_after_ms = 1001;
	assert_int_equal(gw_problem_retry_after_s(503, &error), 2);
	error.retry_after_ms = UINT32_MAX;
	assert_int_equal(gw_problem_retry_after_s(503, &error), 4294968);
	assert_int_equal(gw_problem_retry_after_s(404, &error), 0);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(a_problem_has_all_its_members),
	    cmocka_unit_test(what_the_error_leaves_out_is_filled_in),
	    cmocka_unit_test(violations_are_named_without_the_field_of_the_body),
	    cmocka_unit_test(the_detail_counts_violations_past_the_fifth),
	    cmocka_unit_test(a_500_shows_nothing_of_the_inside),
	    cmocka_unit_test(every_code_has_a_status_with_a_title),
	    cmocka_unit_test(a_service_may_give_a_reason_another_status),
	    cmocka_unit_test(retry_after_is_in_whole_seconds_and_at_least_one),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
