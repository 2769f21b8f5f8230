#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "common/status.h"
#include "gateway/gw_guard.h"

#define HEAD_MAX 256

/* Checks a head in memory of just its size, so that a sanitizer notices reading past it. */
static int
check_bytes(const char *head, size_t len, struct error *error)
{
	char *copy = malloc(len == 0 ? 1 : len);
	int status;

	assert_non_null(copy);
	memcpy(copy, head, len);
	memset(error, 0, sizeof(*error));
	status = gw_guard_check(copy, len, HEAD_MAX, error);
	free(copy);
	return status;
}

static void
assert_passes(const char *head)
{
	struct error error;

	if (check_bytes(head, strlen(head), &error) != 0) {
		fail_msg("%s: %s", head, error.message);
	}
}

static void
assert_refused(const char *head, const char *why)
{
	struct error error;

	if (check_bytes(head, strlen(head), &error) != 400) {
		fail_msg("%s passes", head);
	}
	if (strstr(error.message, why) == NULL) {
		fail_msg("%s: no '%s' in: %s", head, why, error.message);
	}
}

static void
ordinary_requests_pass(void **state)
{
	(void)state;
	assert_passes("GET / HTTP/1.1\r\nHost: example.com:5000\r\n\r\n");
	assert_passes("GET / HTTP/1.1\r\nhost:[::1]:5000\r\naccept: */*\r\n\r\n");
	assert_passes("GET / HTTP/1.1\r\nHost:\r\n\r\n");
	assert_passes("POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 2\r\n\r\n{}");
	assert_passes("POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: Chunked\r\n\r\n{}");
	assert_passes("POST / HTTP/1.1\r\nHost: a\r\nContent-Length:\t 2 \t\r\n\r\n{}");
	assert_passes("GET / HTTP/1.1\r\nHost: a\r\nX-Name: \xc3\xa9\r\nX-Empty:\r\n\r\n");
}

static void
what_follows_the_head_is_not_looked_at(void **state)
{
	(void)state;
	assert_passes("POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 9\r\n\r\n\n folded\n");
}

static void
an_empty_line_before_the_request_passes(void **state)
{
	(void)state;
	assert_passes("\r\nGET / HTTP/1.1\r\nHost: a\r\n\r\n");
}

static void
http_1_0_needs_no_host(void **state)
{
	(void)state;
	assert_passes("GET / HTTP/1.0\r\n\r\n");
	assert_passes("GET / HTTP/1.0\r\nHost: a\r\n\r\n");
	assert_refused("GET / HTTP/1.0\r\nHost: a\r\nHost: a\r\n\r\n", "Host");
}

static void
host_is_there_once_and_is_a_host(void **state)
{
	(void)state;
	assert_refused("GET / HTTP/1.1\r\n\r\n", "no Host");
	assert_refused("GET / HTTP/1.1\r\nHost: a\r\nHost: b\r\n\r\n", "more than one Host");
	assert_refused("GET / HTTP/1.1\r\nHost: a\r\nhOST: a\r\n\r\n", "more than one Host");
	assert_refused("GET / HTTP/1.1\r\nHost: a/b\r\n\r\n", "Host");
	assert_refused("GET / HTTP/1.1\r\nHost: a b\r\n\r\n", "Host");
	assert_refused("GET / HTTP/1.1\r\nHost: a@b\r\n\r\n", "Host");
}

static void
two_ways_to_frame_the_body_are_refused(void **state)
{
	(void)state;
	assert_refused("POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 2\r\n"
		       "Transfer-Encoding: chunked\r\n\r\n",
	    "both");
	assert_refused("POST / HTTP/1.1\r\nTransfer-Encoding: chunked\r\nHost: a\r\n"
		       "Content-Length: 2\r\n\r\n",
	    "both");
}

static void
content_length_is_one_number(void **state)
{
	static const char *const values[] = {
	    "", "+2", "-2", "0x2", "2, 2", "2,3", "2 2", "two", "\"2\""};
	char head[128];

	(void)state;
	for (size_t i = 0; i < sizeof(values) / sizeof(values[0]); i++) {
		strcpy(head, "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: ");
		strcat(head, values[i]);
		strcat(head, "\r\n\r\n");
		assert_refused(head, "Content-Length");
	}
	assert_refused("POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 2\r\n"
		       "content-length: 3\r\n\r\n",
	    "more than one Content-Length");
	assert_refused("POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 2\r\n"
		       "Content-Length: 2\r\n\r\n",
	    "more than one Content-Length");
}

static void
transfer_encoding_is_chunked_alone(void **state)
{
	static const char *const values[] = {"gzip", "gzip, chunked", "chunked, chunked",
	    "chunked;x", "identity", "", "xchunked", "chunked\v"};
	char head[128];

	(void)state;
	for (size_t i = 0; i < sizeof(values) / sizeof(values[0]); i++) {
		strcpy(head, "POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: ");
		strcat(head, values[i]);
		strcat(head, "\r\n\r\n");
		assert_refused(head, "Transfer-Encoding");
	}
	assert_refused("POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n"
		       "Transfer-Encoding: chunked\r\n\r\n",
	    "Transfer-Encoding");
	assert_refused("POST / HTTP/1.0\r\nTransfer-Encoding: chunked\r\n\r\n", "HTTP/1.0");
}

static void
headers_folded_over_lines_are_refused(void **state)
{
	(void)state;
	assert_refused("GET / HTTP/1.1\r\nHost: a\r\nX-A: b\r\n c\r\n\r\n", "folded");
	assert_refused("GET / HTTP/1.1\r\n\tHost: a\r\n\r\n", "folded");
}

static void
a_blank_before_the_colon_is_refused(void **state)
{
	(void)state;
	assert_refused("POST / HTTP/1.1\r\nHost: a\r\nContent-Length : 2\r\n\r\n", "blank");
	assert_refused("GET / HTTP/1.1\r\nHost: a\r\n: b\r\n\r\n", "name");
	assert_refused("GET / HTTP/1.1\r\nHost: a\r\nno colon\r\n\r\n", "name");
}

static void
lines_end_with_both_characters(void **state)
{
	(void)state;
	assert_refused("GET / HTTP/1.1\nHost: a\n\n", "carriage return");
	assert_refused("GET / HTTP/1.1\r\nHost: a\nX: b\r\n\r\n", "carriage return");
	assert_refused("GET / HTTP/1.1\r\nHost: a\r\nX: b\rc\r\n\r\n", "carriage return");
	assert_refused("GET / HTTP/1.1\r\nHost: a\r\n", "does not end");
	assert_refused("GET / HTTP/1.1", "does not end");
	assert_refused("", "does not end");
}

static void
nul_is_in_no_header(void **state)
{
	static const char head[] = "GET / HTTP/1.1\r\nHost: a\r\nX: b\0c\r\n\r\n";
	static const char name[] = "GET / HTTP/1.1\r\nHost: a\r\nX\0: b\r\n\r\n";
	struct error error;

	(void)state;
	assert_int_equal(check_bytes(head, sizeof(head) - 1, &error), 400);
	assert_int_equal(check_bytes(name, sizeof(name) - 1, &error), 400);
}

static void
a_head_past_the_limit_is_431(void **state)
{
	char head[HEAD_MAX + 2] = "GET / HTTP/1.1\r\nHost: a\r\nX: ";
	struct error error;

	(void)state;
	memset(head + strlen(head), 'x', HEAD_MAX + 1 - strlen(head));
	memcpy(head + HEAD_MAX - 4, "\r\n\r\n", 4);
	assert_int_equal(check_bytes(head, HEAD_MAX, &error), 0);
	memcpy(head + HEAD_MAX - 4, "x\r\n\r\n", 5);
	assert_int_equal(check_bytes(head, HEAD_MAX + 1, &error), 431);
	assert_non_null(strstr(error.message, "256"));
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(ordinary_requests_pass),
	    cmocka_unit_test(what_follows_the_head_is_not_looked_at),
	    cmocka_unit_test(an_empty_line_before_the_request_passes),
	    cmocka_unit_test(http_1_0_needs_no_host),
	    cmocka_unit_test(host_is_there_once_and_is_a_host),
	    cmocka_unit_test(two_ways_to_frame_the_body_are_refused),
	    cmocka_unit_test(content_length_is_one_number),
	    cmocka_unit_test(transfer_encoding_is_chunked_alone),
	    cmocka_unit_test(headers_folded_over_lines_are_refused),
	    cmocka_unit_test(a_blank_before_the_colon_is_refused),
	    cmocka_unit_test(lines_end_with_both_characters),
	    cmocka_unit_test(nul_is_in_no_header),
	    cmocka_unit_test(a_head_past_the_limit_is_431),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
