/* mvctl, against a real accountd. */
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "integration/mvctl.h"

#define LINES 1000

static void
services_and_methods_are_listed(void **state)
{
	(void)state;
	assert_int_equal(MVCTL("list"), MVCTL_OK);
	mvctl_says("account.v1.UserService\n");
	mvctl_says("mockvideo.rpc.v1.Health\n");
	mvctl_says("mockvideo.rpc.v1.Reflection\n");
	mvctl_says_not("/");
	assert_int_equal(MVCTL("list", "account.v1.UserService"), MVCTL_OK);
	mvctl_says(MVCTL_GET "\n"
			     "account.v1.UserService/ListUsers\n" MVCTL_CREATE "\n");
	mvctl_says_not("Health/Check");
	assert_int_equal(MVCTL("list", "--all"), MVCTL_OK);
	mvctl_says("service account.v1.UserService\nmethod " MVCTL_GET "\n");
	mvctl_says("message account.v1.User\n");
	mvctl_says("enum account.v1.Role\n");
	mvctl_says("method mockvideo.rpc.v1.Health/Check\n");
}

static void
names_are_described_as_the_proto_has_them(void **state)
{
	(void)state;
	assert_int_equal(MVCTL("describe", "account.v1.UserService"), MVCTL_OK);
	mvctl_says("  // NOT_FOUND when there is none.\n"
		   "  rpc GetUser(account.v1.GetUserRequest) returns (account.v1.User) {\n"
		   "    option idempotency_level = NO_SIDE_EFFECTS;\n");
	mvctl_says("    option (google.api.http) = {get: \"/users/{id}\"};\n");
	mvctl_says("    option (mockvideo.method.v1.traits) = {pace: SLOW secret: true};\n");
	assert_int_equal(MVCTL("describe", "account.v1.User"), MVCTL_OK);
	mvctl_says("  int64 account_id = 1 [json_name = \"accountid\"];\n");
	mvctl_says("  oneof role_presence {\n    account.v1.Role role = 6;\n  }\n");
	mvctl_says("string password = 7 [(google.api.field_behavior) = INPUT_ONLY];\n");
	assert_int_equal(MVCTL("describe", "account.v1.Role"), MVCTL_OK);
	mvctl_says("enum account.v1.Role {\n"
		   "  // Does anything in its account.\n  ROLE_OWNER = 0;\n");
	assert_int_equal(MVCTL("describe", "account.v1.ListUsersResponse"), MVCTL_OK);
	mvctl_says("  repeated account.v1.User users = 1 [json_name = \"Users\"];\n");
}

static void
a_method_is_described_with_its_messages(void **state)
{
	(void)state;
	assert_int_equal(MVCTL("describe", "account.v1.UserService.GetUser"), MVCTL_OK);
	mvctl_says("rpc " MVCTL_GET "(");
	mvctl_says("message account.v1.GetUserRequest {\n  int64 id = 1;\n}\n");
	mvctl_says("message account.v1.User {\n");
}

static void
a_call_is_answered_in_json(void **state)
{
	(void)state;
	assert_int_equal(MVCTL("call", MVCTL_GET, "{\"id\":1}"), MVCTL_OK);
	assert_string_equal(mvctl_out,
	    "{\n  \"accountid\": 1,\n  \"href\": \"/users/1\",\n  \"id\": 1,\n"
	    "  \"name\": \"Ann {[\\\"]}\",\n  \"email\": \"ann@example.com\",\n"
	    "  \"role\": 1\n}\n");
	assert_int_equal(MVCTL("call", "--compact", MVCTL_GET, "{\"id\":1}"), MVCTL_OK);
	assert_string_equal(mvctl_out,
	    "{\"accountid\":1,\"href\":\"/users/1\",\"id\":1,\"name\":\"Ann {[\\\"]}\","
	    "\"email\":\"ann@example.com\",\"role\":1}\n");
	assert_int_equal(MVCTL("call", "account.v1.UserService.CheckHealth"), MVCTL_OK);
	mvctl_says("I'm Healthy!");
	assert_int_equal(MVCTL("call", "account.v1.UserService/ListUsers"), MVCTL_OK);
	mvctl_says("  \"Users\": [\n    {\n      \"accountid\": 1,\n");
	assert_int_equal(
	    MVCTL("call", "account.v1.UserService/DeleteUser", "{\"id\":99}"), MVCTL_OK);
	assert_string_equal(mvctl_out, "{}\n");
}

static void
a_request_comes_from_a_file_or_standard_input(void **state)
{
	(void)state;
	assert_int_equal(
	    MVCTL("call", MVCTL_GET, mvctl_file("request", "{\n\"id\": 1}\n")), MVCTL_OK);
	mvctl_says("ann@example.com");
	assert_int_equal(mvctl_bash("echo '{\"id\":1}' | $MVCTL call " MVCTL_GET " -"), MVCTL_OK);
	mvctl_says("ann@example.com");
	assert_int_equal(MVCTL("call", MVCTL_GET, "@/nowhere/at/all"), MVCTL_INPUT);
	mvctl_says("/nowhere/at/all");
	mvctl_says("No such file");
	assert_int_equal(MVCTL("call", MVCTL_GET, "@/tmp"), MVCTL_INPUT);
	mvctl_says("directory");
}

static void
an_error_gives_the_exit_status_and_all_that_it_says(void **state)
{
	(void)state;
	assert_int_equal(MVCTL("call", MVCTL_GET, "{\"id\":99}"), MVCTL_NOT_FOUND);
	mvctl_says(MVCTL_GET ": NOT_FOUND (USER_NOT_FOUND)");
	assert_int_equal(MVCTL("call", MVCTL_CREATE,
			     "{\"user\":{\"accountid\":1,\"name\":\"Ann\",\"role\":1,"
			     "\"email\":\"ANN@example.com\",\"password\":\"x\"}}"),
	    MVCTL_ALREADY_EXISTS);
	mvctl_says("DUPLICATE_EMAIL");
	mvctl_says("attempt to insert duplicate user");
	assert_int_equal(
	    MVCTL("call", MVCTL_CREATE, "{\"user\":{\"email\":\"ann\"}}"), MVCTL_INVALID_ARGUMENT);
	mvctl_says("\n  user.accountid: must be 1 to 2147483647\n");
	mvctl_says("\n  user.email: must have one @");
}

static void
a_request_that_does_not_fit_is_not_sent(void **state)
{
	(void)state;
	assert_int_equal(MVCTL("call", MVCTL_GET, "{\"id\":\"x\",\"idd\":1}"), MVCTL_DATA);
	mvctl_says("\n  id: must be a whole number\n");
	mvctl_says("\n  idd: ");
	assert_int_equal(MVCTL("call", MVCTL_GET, "{\"id\":\n 1,}"), MVCTL_DATA);
	mvctl_says("line 2, column 4: ");
	assert_int_equal(MVCTL("call", MVCTL_GET, ""), MVCTL_DATA);
	assert_int_equal(MVCTL("call", MVCTL_GET, "[]"), MVCTL_DATA);
}

static void
unknown_names_are_told_with_the_nearest(void **state)
{
	(void)state;
	assert_int_equal(MVCTL("call", "account.v1.UserService/GetUsr"), MVCTL_UNIMPLEMENTED);
	mvctl_says("there is no method 'account.v1.UserService/GetUsr'");
	mvctl_says("did you mean " MVCTL_GET "?");
	assert_int_equal(MVCTL("call", "listusers"), MVCTL_UNIMPLEMENTED);
	mvctl_says("did you mean account.v1.UserService/ListUsers?");
	assert_int_equal(MVCTL("list", "UserServce"), MVCTL_NOT_FOUND);
	mvctl_says("did you mean account.v1.UserService?");
	assert_int_equal(MVCTL("describe", "nothing.of.the.kind"), MVCTL_NOT_FOUND);
	mvctl_says("mvctl list --all");
}

static void
health_is_told_of_each_endpoint(void **state)
{
	char both[128];

	(void)state;
	assert_int_equal(MVCTL("health"), MVCTL_OK);
	mvctl_says(mvctl_endpoint);
	mvctl_says(" SERVING\n");
	assert_int_equal(MVCTL("health", "account.v1.UserService"), MVCTL_OK);
	assert_int_equal(MVCTL("health", "account.v1.Nobody"), MVCTL_NOT_FOUND);
	snprintf(both, sizeof(both), "%s,tcp://127.0.0.1:%u", mvctl_endpoint, process_free_port());
	assert_int_equal(MVCTL_AT(both, "health"), MVCTL_UNAVAILABLE);
	mvctl_says(" SERVING\n");
	mvctl_says(" UNAVAILABLE\n");
}

/* Stops accountd once, so that it drains for long. */
static void
health_is_not_serving_while_the_service_drains(void **state)
{
	char url[64];
	char flags[2][PATH_MAX + 64];
	char log[PATH_MAX + 16];
	char program[PATH_MAX];
	const char *argv[] = {program, flags[0], flags[1], "--drain-ms=60000", NULL};
	struct process draining = {0};

	(void)state;
	snprintf(url, sizeof(url), "tcp://127.0.0.1:%u", process_free_port());
	snprintf(program, sizeof(program), "%s", process_program("accountd"));
	snprintf(flags[0], sizeof(flags[0]), "--listen=%s", url);
	snprintf(flags[1], sizeof(flags[1]), "--store=sqlite:%s/draining.db", mvctl_stack.dir);
	snprintf(log, sizeof(log), "%s/draining.log", mvctl_stack.dir);
	process_start(&draining, argv, log);
	while (MVCTL_AT(url, "health") != MVCTL_OK) {
		assert_true(process_running(&draining));
	}
	process_signal(&draining, SIGTERM);
	while (MVCTL_AT(url, "health") == MVCTL_OK) {
		assert_true(process_running(&draining));
	}
	assert_int_equal(MVCTL_AT(url, "health"), MVCTL_UNAVAILABLE);
	mvctl_says(" NOT_SERVING\n");
	assert_int_equal(process_stop(&draining), 128 + SIGTERM);
}

/* A line for each id from 1; the user of id 1 is the only one. */
static void
a_batch_is_answered_line_by_line_in_order(void **state)
{
	static char lines[LINES * 32];
	size_t len = 0;
	char *line = mvctl_out;

	(void)state;
	for (int id = 1; id <= LINES; id++) {
		len += (size_t)snprintf(lines + len, sizeof(lines) - len,
		    id == 500 ? "{\"id\":\n" : "{\"id\":%d}\n", id);
	}
	assert_int_equal(
	    MVCTL("call", MVCTL_GET, "--batch", "--in-flight=200", mvctl_file("lines", lines)),
	    MVCTL_NOT_FOUND);
	for (int id = 1; id <= LINES; id++) {
		char expected[64];

		snprintf(
		    expected, sizeof(expected), id == 1 ? "\"id\":%d," : "user %d not found", id);
		line[strcspn(line, "\n")] = '\0';
		if (strstr(line, id == 500 ? "MALFORMED_JSON" : expected) == NULL) {
			fail_msg("line %d: %s", id, line);
		}
		line += strlen(line) + 1;
	}
	assert_string_equal(line, "mvctl: 999 of 1000 calls failed; the first, of line 2: "
				  "NOT_FOUND (USER_NOT_FOUND): user 2 not found\n");
}

static void
a_batch_answers_before_it_is_asked_more(void **state)
{
	(void)state;
	assert_int_equal(mvctl_bash("coproc $MVCTL call " MVCTL_GET " --batch\n"
				    "for i in 1 2 3; do\n"
				    "	echo '{\"id\":1}' >&${COPROC[1]}\n"
				    "	read -r answer <&${COPROC[0]}; echo \"$i $answer\"\n"
				    "done\n"
				    "eval \"exec ${COPROC[1]}>&-\"; wait $COPROC_PID"),
	    MVCTL_OK);
	mvctl_says("1 {\"accountid\":1,");
	mvctl_says("\n2 {\"accountid\":1,");
	mvctl_says("\n3 {\"accountid\":1,");
}

static void
a_batch_of_nothing_is_well(void **state)
{
	(void)state;
	assert_int_equal(MVCTL("call", MVCTL_GET, "--batch", "@/dev/null"), MVCTL_OK);
	assert_string_equal(mvctl_out, "");
}

static void
where_nobody_is_it_says_what_was_tried(void **state)
{
	char nowhere[64];

	(void)state;
	snprintf(nowhere, sizeof(nowhere), "tcp://127.0.0.1:%u", process_free_port());
	assert_int_equal(MVCTL_AT(nowhere, "list"), MVCTL_UNAVAILABLE);
	mvctl_says(nowhere);
	mvctl_says("MVCTL_ENDPOINT");
	assert_int_equal(MVCTL_AT(nowhere, "list", "--timeout", "50ms"), MVCTL_UNAVAILABLE);
	mvctl_says(nowhere);
}

static void
a_port_of_another_protocol_is_unreachable(void **state)
{
	char http[64];

	(void)state;
	snprintf(http, sizeof(http), "tcp://127.0.0.1:%u", mvctl_stack.port);
	assert_int_equal(MVCTL_AT(http, "list"), MVCTL_UNAVAILABLE);
	mvctl_says(http);
}

static void
the_endpoint_is_also_taken_from_the_environment(void **state)
{
	(void)state;
	assert_int_equal(mvctl_bash("$MVCTL list"), MVCTL_OK);
	mvctl_says("account.v1.UserService");
	assert_int_equal(mvctl_bash("MVCTL_ENDPOINT=nonsense $MVCTL list"), MVCTL_USAGE);
	mvctl_says("nonsense");
	mvctl_says("tcp://");
}

static void
metadata_travels_with_the_call(void **state)
{
	(void)state;
	assert_int_equal(
	    MVCTL("call", MVCTL_GET, "{\"id\":1}", "--metadata", "request-id=by-mvctl"), MVCTL_OK);
	process_await_log(&mvctl_stack.accountd[0], 0, "\"requestId\":\"by-mvctl\"");
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(services_and_methods_are_listed),
	    cmocka_unit_test(names_are_described_as_the_proto_has_them),
	    cmocka_unit_test(a_method_is_described_with_its_messages),
	    cmocka_unit_test(a_call_is_answered_in_json),
	    cmocka_unit_test(a_request_comes_from_a_file_or_standard_input),
	    cmocka_unit_test(an_error_gives_the_exit_status_and_all_that_it_says),
	    cmocka_unit_test(a_request_that_does_not_fit_is_not_sent),
	    cmocka_unit_test(unknown_names_are_told_with_the_nearest),
	    cmocka_unit_test(health_is_told_of_each_endpoint),
	    cmocka_unit_test(health_is_not_serving_while_the_service_drains),
	    cmocka_unit_test(a_batch_is_answered_line_by_line_in_order),
	    cmocka_unit_test(a_batch_answers_before_it_is_asked_more),
	    cmocka_unit_test(a_batch_of_nothing_is_well),
	    cmocka_unit_test(where_nobody_is_it_says_what_was_tried),
	    cmocka_unit_test(a_port_of_another_protocol_is_unreachable),
	    cmocka_unit_test(the_endpoint_is_also_taken_from_the_environment),
	    cmocka_unit_test(metadata_travels_with_the_call),
	};

	return mvctl_run_tests(tests, sizeof(tests) / sizeof(tests[0]));
}
