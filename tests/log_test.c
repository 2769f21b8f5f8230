#include <errno.h>
#include <fcntl.h>
#include <math.h>
#include <pthread.h>
#include <regex.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cmocka.h>
#include <yajl/yajl_tree.h>

#include "common/base/status.h"
#include "common/telemetry/log.h"
#include "tests/redirect.h"

#define TEXT_MAX (4 * 1024 * 1024)

static int
setup(void **state)
{
	*state = tmpfile();
	if (*state == NULL || fcntl(fileno(*state), F_SETFL, O_APPEND) < 0) {
		return -1;
	}
	log_open("logtest", LOG_INFO);
	return 0;
}

static int
teardown(void **state)
{
	redirect_end();
	return fclose(*state);
}

/* What was logged into file, to be freed. */
static char *
logged(FILE *file)
{
	char *text = calloc(1, TEXT_MAX);

	assert_non_null(text);
	assert_true(pread(fileno(file), text, TEXT_MAX - 1, 0) >= 0);
	return text;
}

static yajl_val
parse(const char *line)
{
	char why[256];
	yajl_val json = yajl_tree_parse(line, why, sizeof(why));

	if (json == NULL) {
		fail_msg("%s: %s", line, why);
	}
	return json;
}

static yajl_val
member(yajl_val json, const char *name, yajl_type type)
{
	const char *path[] = {name, NULL};

	return yajl_tree_get(json, path, type);
}

static void
assert_member(yajl_val json, const char *name, const char *text)
{
	yajl_val value = member(json, name, yajl_t_string);

	assert_non_null(value);
	assert_string_equal(YAJL_GET_STRING(value), text);
}

static void
assert_matches(const char *text, const char *pattern)
{
	regex_t regex;

	assert_int_equal(regcomp(&regex, pattern, REG_EXTENDED | REG_NOSUB), 0);
	if (regexec(&regex, text, 0, NULL, 0) != 0) {
		fail_msg("%s does not match %s", text, pattern);
	}
	regfree(&regex);
}

static void
a_line_says_when_what_and_who(void **state)
{
	char pattern[512];
	char *text;

	redirect_begin(fileno(*state));
	log_info("user created", LOG_INT("userId", 42), LOG_STR("requestId", "7f3a"));
	redirect_end();
	text = logged(*state);
	snprintf(pattern, sizeof(pattern),
	    "^\\{\"time\":\"[0-9]{4}-[01][0-9]-[0-3][0-9]T[0-2][0-9]:[0-5][0-9]:[0-6][0-9]"
	    "\\.[0-9]{3}Z\",\"level\":\"info\",\"program\":\"logtest\",\"pid\":%d,"
	    "\"message\":\"user created\",\"userId\":42,\"requestId\":\"7f3a\"\\}\n$",
	    (int)getpid());
	assert_matches(text, pattern);
	free(text);
}

static void
fields_are_of_their_types(void **state)
{
	yajl_val json;
	char *text;

	redirect_begin(fileno(*state));
	log_warn("types", LOG_INT("least", INT64_MIN), LOG_DOUBLE("half", 0.5),
	    LOG_DOUBLE("none", NAN), LOG_BOOL("yes", true), LOG_BOOL("no", false),
	    LOG_STRN("part", "abcdef", 3), LOG_STR("left", NULL));
	redirect_end();
	text = logged(*state);
	json = parse(text);
	assert_true(YAJL_GET_INTEGER(member(json, "least", yajl_t_number)) == INT64_MIN);
	assert_true(YAJL_GET_DOUBLE(member(json, "half", yajl_t_number)) == 0.5);
	assert_non_null(member(json, "none", yajl_t_null));
	assert_non_null(member(json, "yes", yajl_t_true));
	assert_non_null(member(json, "no", yajl_t_false));
	assert_member(json, "part", "abc");
	assert_null(member(json, "left", yajl_t_any));
	assert_member(json, "level", "warn");
	yajl_tree_free(json);
	free(text);
}

static void
no_field_can_end_its_line(void **state)
{
	const char *hostile = "x\"}\n{\"level\":\"fatal\",\"message\":\"\x1b[2J\\\xff";
	yajl_val json;
	char *text;

	redirect_begin(fileno(*state));
	log_info("hostile", LOG_STR("text", hostile));
	redirect_end();
	text = logged(*state);
	assert_ptr_equal(strchr(text, '\n'), text + strlen(text) - 1);
	assert_null(strchr(text, 0x1b));
	json = parse(text);
	assert_member(
	    json, "text", "x\"}\n{\"level\":\"fatal\",\"message\":\"\x1b[2J\\\xef\xbf\xbd");
	assert_member(json, "level", "info");
	yajl_tree_free(json);
	free(text);
}

static void
lines_under_the_level_are_left_out(void **state)
{
	char *text;

	redirect_begin(fileno(*state));
	log_debug("debug 1");
	log_set_level(LOG_DEBUG);
	log_debug("debug 2");
	log_set_level(LOG_ERROR);
	log_warn("warn 3");
	log_write(LOG_INFO, "info 4", NULL, 0);
	log_err("error 5");
	log_set_level(LOG_PANIC);
	log_error("error 6", &(struct error){0}, NULL, 0);
	redirect_end();
	assert_true(log_enabled(LOG_PANIC) && !log_enabled(LOG_FATAL));
	text = logged(*state);
	assert_null(strstr(text, "debug 1"));
	assert_non_null(strstr(text, "debug 2"));
	assert_null(strstr(text, "warn 3"));
	assert_null(strstr(text, "info 4"));
	assert_non_null(strstr(text, "error 5"));
	assert_null(strstr(text, "error 6"));
	free(text);
}

static void
arguments_of_a_line_left_out_are_not_evaluated(void **state)
{
	(void)state;
	log_debug("nothing", LOG_INT("n", (fail(), 1)));
}

static void
level_names_are_in_the_order_of_their_numbers(void **state)
{
	(void)state;
	assert_string_equal(log_level_names[LOG_PANIC], "panic");
	assert_string_equal(log_level_names[LOG_INFO], "info");
	assert_string_equal(log_level_names[LOG_TRACE], "trace");
	assert_null(log_level_names[LOG_TRACE + 1]);
}

static void
an_error_tells_its_parts_after_the_fields(void **state)
{
	const struct log_field fields[] = {LOG_STR("method", "GetUser")};
	struct error error;
	yajl_val json;
	char *text;

	error_set(&error, STATUS_UNAVAILABLE, "STORE_UNAVAILABLE", "try again");
	error_detail(&error, "connect: refused");
	redirect_begin(fileno(*state));
	log_error("call failed", &error, fields, 1);
	redirect_end();
	text = logged(*state);
	json = parse(text);
	assert_member(json, "message", "call failed");
	assert_member(json, "method", "GetUser");
	assert_member(json, "code", "UNAVAILABLE");
	assert_member(json, "reason", "STORE_UNAVAILABLE");
	assert_member(json, "error", "try again");
	assert_member(json, "detail", "connect: refused");
	yajl_tree_free(json);
	free(text);
}

static void
an_error_without_reason_and_detail_leaves_them_out(void **state)
{
	struct error error;
	yajl_val json;
	char *text;

	error_set(&error, STATUS_INTERNAL, NULL, "broken");
	redirect_begin(fileno(*state));
	log_error("call failed", &error, NULL, 0);
	redirect_end();
	text = logged(*state);
	json = parse(text);
	assert_member(json, "error", "broken");
	assert_null(member(json, "reason", yajl_t_any));
	assert_null(member(json, "detail", yajl_t_any));
	yajl_tree_free(json);
	free(text);
}

/* A socket that keeps apart what was written apart shows each write. */
static void
a_line_is_one_write(void **state)
{
	char line[8192];
	int ends[2];
	ssize_t len;

	(void)state;
	assert_int_equal(socketpair(AF_UNIX, SOCK_DGRAM, 0, ends), 0);
	redirect_begin(ends[1]);
	log_info("first", LOG_STR("text", "some"));
	log_info("second");
	redirect_end();
	for (int i = 0; i < 2; i++) {
		len = recv(ends[0], line, sizeof(line) - 1, MSG_DONTWAIT);
		line[len > 0 ? len : 0] = '\0';
		assert_non_null(strstr(line, i == 0 ? "first" : "second"));
		assert_ptr_equal(strchr(line, '\n'), line + len - 1);
	}
	assert_int_equal(recv(ends[0], line, sizeof(line), MSG_DONTWAIT), -1);
	close(ends[0]);
	close(ends[1]);
}

enum {
	THREADS = 8,
	LINES = 300
};

static void *
write_lines(void *closure)
{
	for (int i = 0; i < LINES; i++) {
		log_info("line", LOG_INT("thread", (intptr_t)closure), LOG_INT("number", i));
	}
	return NULL;
}

static void
lines_of_threads_do_not_mix(void **state)
{
	int next[THREADS] = {0};
	pthread_t threads[THREADS];
	char *text;
	char *rest;

	redirect_begin(fileno(*state));
	for (intptr_t i = 0; i < THREADS; i++) {
		assert_int_equal(pthread_create(&threads[i], NULL, write_lines, (void *)i), 0);
	}
	for (int i = 0; i < THREADS; i++) {
		pthread_join(threads[i], NULL);
	}
	redirect_end();
	text = logged(*state);
	for (char *line = strtok_r(text, "\n", &rest); line; line = strtok_r(NULL, "\n", &rest)) {
		yajl_val json = parse(line);
		long long thread = YAJL_GET_INTEGER(member(json, "thread", yajl_t_number));

		assert_in_range(thread, 0, THREADS - 1);
		assert_int_equal(
		    YAJL_GET_INTEGER(member(json, "number", yajl_t_number)), next[thread]);
		next[thread]++;
		yajl_tree_free(json);
	}
	for (int i = 0; i < THREADS; i++) {
		assert_int_equal(next[i], LINES);
	}
	free(text);
}

/* Reads all that comes, little by little. */
static void *
read_slowly(void *closure)
{
	int fd = *(int *)closure;
	char *text = calloc(1, TEXT_MAX);
	size_t len = 0;
	ssize_t got;

	while (text != NULL && (got = read(fd, text + len, 100)) > 0) {
		len += (size_t)got;
	}
	return text;
}

static void
a_line_larger_than_the_pipe_arrives_whole(void **state)
{
	static char large[100001];
	pthread_t reader;
	yajl_val json;
	int ends[2];
	void *text;

	(void)state;
	memset(large, 'x', sizeof(large) - 1);
	assert_int_equal(pipe(ends), 0);
	assert_true(fcntl(ends[1], F_SETPIPE_SZ, 4096) >= 0);
	assert_true(fcntl(ends[1], F_SETFL, O_NONBLOCK) >= 0);
	assert_int_equal(pthread_create(&reader, NULL, read_slowly, &ends[0]), 0);
	redirect_begin(ends[1]);
	log_info("large", LOG_STR("text", large));
	redirect_end();
	close(ends[1]);
	assert_int_equal(pthread_join(reader, &text), 0);
	close(ends[0]);
	json = parse(text);
	assert_member(json, "text", large);
	yajl_tree_free(json);
	free(text);
}

static void
empty_pipe(int fd)
{
	char bytes[4096];

	while (read(fd, bytes, sizeof(bytes)) > 0) {
	}
}

static void
a_reader_that_stops_reading_costs_lines_that_are_counted(void **state)
{
	char text[4096] = "";
	int ends[2];

	(void)state;
	assert_int_equal(pipe2(ends, O_NONBLOCK), 0);
	while (write(ends[1], text, sizeof(text)) > 0) {
	}
	assert_true(fcntl(ends[1], F_SETFL, 0) >= 0);
	redirect_begin(ends[1]);
	alarm(30); /* ends the test where a line would wait forever */
	for (int i = 0; i < 1000; i++) {
		log_info("lost");
	}
	alarm(0);
	empty_pipe(ends[0]);
	log_info("back again");
	redirect_end();
	assert_true(read(ends[0], text, sizeof(text) - 1) > 0);
	assert_null(strstr(text, "lost"));
	assert_non_null(strstr(text, "\"lines\":1000}"));
	assert_non_null(strstr(text, "back again"));
	assert_true(strstr(text, "\"lines\"") < strstr(text, "back again"));
	close(ends[0]);
	close(ends[1]);
}

static void
durations_are_milliseconds_with_three_places(void **state)
{
	char *text;

	redirect_begin(fileno(*state));
	log_info("slow", LOG_MS("none", 0), LOG_MS("some", 1002999), LOG_MS("long", 61000040000));
	redirect_end();
	text = logged(*state);
	assert_non_null(strstr(text, ",\"none\":0.000,\"some\":1.002,\"long\":61000.040}"));
	free(text);
}

static void
lines_are_counted_by_level(void **state)
{
	struct log_stats before;
	struct log_stats after;

	log_get_stats(&before);
	redirect_begin(fileno(*state));
	log_info("one");
	log_warn("two");
	log_warn("three");
	log_debug("left out");
	redirect_end();
	log_get_stats(&after);
	assert_int_equal(after.lines[LOG_INFO] - before.lines[LOG_INFO], 1);
	assert_int_equal(after.lines[LOG_WARN] - before.lines[LOG_WARN], 2);
	assert_int_equal(after.lines[LOG_DEBUG], before.lines[LOG_DEBUG]);
	assert_int_equal(after.dropped, before.dropped);
}

static void
a_line_leaves_errno_alone(void **state)
{
	int ends[2];

	(void)state;
	assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM, 0, ends), 0);
	redirect_begin(ends[0]);
	close(ends[1]);
	errno = ENOTTY;
	log_info("to nobody");
	redirect_end();
	assert_int_equal(errno, ENOTTY);
	close(ends[0]);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test_setup_teardown(a_line_says_when_what_and_who, setup, teardown),
	    cmocka_unit_test_setup_teardown(fields_are_of_their_types, setup, teardown),
	    cmocka_unit_test_setup_teardown(no_field_can_end_its_line, setup, teardown),
	    cmocka_unit_test_setup_teardown(lines_under_the_level_are_left_out, setup, teardown),
	    cmocka_unit_test_setup_teardown(
		arguments_of_a_line_left_out_are_not_evaluated, setup, teardown),
	    cmocka_unit_test_setup_teardown(
		level_names_are_in_the_order_of_their_numbers, setup, teardown),
	    cmocka_unit_test_setup_teardown(
		an_error_tells_its_parts_after_the_fields, setup, teardown),
	    cmocka_unit_test_setup_teardown(
		an_error_without_reason_and_detail_leaves_them_out, setup, teardown),
	    cmocka_unit_test_setup_teardown(a_line_is_one_write, setup, teardown),
	    cmocka_unit_test_setup_teardown(lines_of_threads_do_not_mix, setup, teardown),
	    cmocka_unit_test_setup_teardown(
		a_line_larger_than_the_pipe_arrives_whole, setup, teardown),
	    cmocka_unit_test_setup_teardown(
		a_reader_that_stops_reading_costs_lines_that_are_counted, setup, teardown),
	    cmocka_unit_test_setup_teardown(a_line_leaves_errno_alone, setup, teardown),
	    cmocka_unit_test_setup_teardown(
		durations_are_milliseconds_with_three_places, setup, teardown),
	    cmocka_unit_test_setup_teardown(lines_are_counted_by_level, setup, teardown),
	};

	signal(SIGPIPE, SIG_IGN);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
