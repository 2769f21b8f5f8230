#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "common/base/status.h"
#include "gateway/gw_guard.h"

#define HEAD_MAX 256
#define BODY_MAX 1000

/* What the guard made of some bytes. */
struct outcome {
	struct gw_guard guard;
	enum gw_guard_result result;
	char *bytes; /* as it left them */
	size_t len;
	int status; /* 0 when it is not refused */
	struct error error;
};

/*
 * Feeds the guard so many bytes at a time, until it has an opinion. They are kept
 * in memory of just their size, so that a sanitizer notices reading past it.
 */
static void
feed(struct outcome *outcome, const char *bytes, size_t len, size_t piece)
{
	memset(outcome, 0, sizeof(*outcome));
	gw_guard_init(&outcome->guard, HEAD_MAX);
	outcome->result = GW_GUARD_UNFINISHED;
	for (size_t fed = 0; fed < len && outcome->result == GW_GUARD_UNFINISHED;) {
		size_t more = piece < len - fed ? piece : len - fed;

		outcome->bytes = realloc(outcome->bytes, outcome->len + more);
		assert_non_null(outcome->bytes);
		memcpy(outcome->bytes + outcome->len, bytes + fed, more);
		outcome->len += more;
		fed += more;
		outcome->result = gw_guard_read(&outcome->guard, outcome->bytes, &outcome->len);
		if (outcome->result == GW_GUARD_HEAD) {
			outcome->guard.body_max_bytes = BODY_MAX;
			outcome->result =
			    gw_guard_read(&outcome->guard, outcome->bytes, &outcome->len);
		}
	}
	outcome->status = gw_guard_explain(&outcome->guard, &outcome->error);
}

/* The status that the bytes are refused with, which must not depend on their pieces. */
static int
check_bytes(const char *bytes, size_t len, struct error *error)
{
	int status = -1;

	for (size_t piece = 1; piece <= len; piece++) {
		struct outcome outcome;

		feed(&outcome, bytes, len, piece);
		assert_true((outcome.result == GW_GUARD_REFUSED) == (outcome.status != 0));
		if (outcome.status == 0) {
			assert_int_equal(outcome.result, GW_GUARD_WHOLE);
		}
		if (status >= 0) {
			assert_int_equal(outcome.status, status);
			assert_string_equal(outcome.error.message, error->message);
		}
		status = outcome.status;
		*error = outcome.error;
		free(outcome.bytes);
	}
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
assert_refused_as(const char *head, int status, const char *why)
{
	struct error error;

	if (check_bytes(head, strlen(head), &error) != status) {
		fail_msg("%s is not refused with %d", head, status);
	}
	if (strstr(error.message, why) == NULL) {
		fail_msg("%s: no '%s' in: %s", head, why, error.message);
	}
}

static void
assert_refused(const char *head, const char *why)
{
	assert_refused_as(head, 400, why);
}

/* However they come, they are no request yet, and nothing is wrong with them. */
static void
assert_unfinished(const char *bytes)
{
	for (size_t piece = 1; piece <= strlen(bytes); piece++) {
		struct outcome outcome;

		feed(&outcome, bytes, strlen(bytes), piece);
		assert_int_equal(outcome.result, GW_GUARD_UNFINISHED);
		assert_int_equal(outcome.status, 0);
		free(outcome.bytes);
	}
}

/* Of sent, the library gets given; rest is what belongs to the next request. */
static void
assert_becomes(const char *sent, const char *given, const char *rest)
{
	for (size_t piece = 1; piece <= strlen(sent); piece++) {
		size_t left = strlen(rest) < piece ? strlen(rest) : piece - 1;
		struct outcome outcome;

		feed(&outcome, sent, strlen(sent), piece);
		assert_int_equal(outcome.result, GW_GUARD_WHOLE);
		assert_int_equal(outcome.guard.size, strlen(given));
		assert_memory_equal(outcome.bytes, given, strlen(given));
		assert_true(outcome.len - strlen(given) <= left);
		assert_memory_equal(
		    outcome.bytes + strlen(given), rest, outcome.len - strlen(given));
		free(outcome.bytes);
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
	assert_passes(
	    "POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: Chunked\r\n\r\n2\r\n{}\r\n0\r\n\r\n");
	assert_becomes("POST / HTTP/1.1\r\nHost: a\r\nContent-Length:\t 2 \t\r\n\r\n{}",
	    "POST / HTTP/1.1\r\nHost: a\r\nContent-Length:\t   2\r\n\r\n{}", "");
	assert_passes("GET / HTTP/1.1\r\nHost: a\r\nX-Name: \xc3\xa9\r\nX-Empty:\r\n\r\n");
}

static void
the_end_of_a_body_is_that_of_the_request(void **state)
{
	(void)state;
	assert_becomes("POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 2\r\n\r\n{}GET /",
	    "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 2\r\n\r\n{}", "GET /");
	assert_becomes(
	    "GET / HTTP/1.1\r\nHost: a\r\n\r\nGET /", "GET / HTTP/1.1\r\nHost: a\r\n\r\n", "GET /");
	assert_unfinished("POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 2\r\n\r\n{");
}

static void
chunks_become_a_body_with_a_length(void **state)
{
	(void)state;
	assert_becomes("POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding:chunked\r\n\r\n"
		       "1;a=b\r\n{\r\n01\r\n}\r\n0\r\nX-T: 1\r\n\r\nGET /",
	    "POST / HTTP/1.1\r\nHost: a\r\nContent-Length:         2\r\n\r\n{}", "GET /");
	assert_becomes("POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding:chunked\r\n\r\n0\r\n\r\n",
	    "POST / HTTP/1.1\r\nHost: a\r\nContent-Length:         0\r\n\r\n", "");
	assert_unfinished(
	    "POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding:chunked\r\n\r\n2\r\n{}\r\n0\r\n\r");
	assert_refused("POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n0x2\r\n",
	    "no extension");
}

static void
an_expectation_is_taken_out(void **state)
{
	static const char waiting[] = "POST / HTTP/1.1\r\nHost: a\r\nExpect: 100-continue\r\n"
				      "Content-Length: 2\r\n\r\n";
	struct outcome outcome;

	(void)state;
	assert_becomes("POST / HTTP/1.1\r\nHost: a\r\nEXPECT: 100-Continue\r\n"
		       "Transfer-Encoding:chunked\r\n\r\n2\r\n{}\r\n0\r\n\r\n",
	    "POST / HTTP/1.1\r\nHost: a\r\nContent-Length:         2\r\n\r\n{}", "");
	assert_becomes("POST / HTTP/1.0\r\nContent-Length: 2\r\nExpect: anything\r\n\r\n{}",
	    "POST / HTTP/1.0\r\nContent-Length: 2\r\n\r\n{}", "");
	assert_refused_as("POST / HTTP/1.1\r\nHost: a\r\nExpect: money\r\n\r\n", 417, "Expect");
	feed(&outcome, waiting, strlen(waiting), strlen(waiting));
	assert_int_equal(outcome.result, GW_GUARD_UNFINISHED);
	assert_true(outcome.guard.expects_continue);
	assert_int_equal(gw_guard_missing(&outcome.guard, outcome.len), 2);
	free(outcome.bytes);
}

static void
a_body_past_the_limit_is_413(void **state)
{
	(void)state;
	assert_refused_as(
	    "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 1001\r\n\r\n", 413, "1000");
	assert_refused_as(
	    "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 9999999999999999999\r\n\r\n", 413,
	    "1000");
	assert_refused_as(
	    "POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n3e9\r\n", 413, "1000");
	assert_unfinished(
	    "POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n3e8\r\n");
}

static void
assert_persistent(const char *head, bool persistent)
{
	struct outcome outcome;

	feed(&outcome, head, strlen(head), strlen(head));
	assert_int_equal(outcome.result, GW_GUARD_WHOLE);
	if (outcome.guard.persistent != persistent) {
		fail_msg("%s: %d", head, outcome.guard.persistent);
	}
	free(outcome.bytes);
}

/* RFC 9110 section 7.6.1, RFC 9112 section 9.3. */
static void
connection_is_a_list_in_which_close_counts(void **state)
{
	(void)state;
	assert_persistent("GET / HTTP/1.1\r\nHost: a\r\n\r\n", true);
	assert_persistent("GET / HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n", false);
	assert_persistent(
	    "GET / HTTP/1.1\r\nHost: a\r\nConnection: keep-alive, Close\r\n\r\n", false);
	assert_persistent(
	    "GET / HTTP/1.1\r\nHost: a\r\nConnection: close,keep-alive\r\n\r\n", false);
	assert_persistent("GET / HTTP/1.1\r\nHost: a\r\nConnection: keep-alive\r\n"
			  "Connection: , close ,\r\n\r\n",
	    false);
	assert_persistent("GET / HTTP/1.1\r\nHost: a\r\nConnection: TE\r\n\r\n", true);
	assert_persistent(
	    "GET / HTTP/1.1\r\nHost: a\r\nConnection: Upgrade, HTTP2-Settings\r\n\r\n", true);
	assert_persistent("GET / HTTP/1.1\r\nHost: a\r\nConnection: closed, x close\r\n\r\n", true);
	assert_persistent("GET / HTTP/1.0\r\n\r\n", false);
	assert_persistent("GET / HTTP/1.0\r\nConnection: TE, Keep-Alive\r\n\r\n", true);
	assert_persistent("GET / HTTP/1.0\r\nConnection: keep-alive, close\r\n\r\n", false);
}

static void
the_request_line_is_three_words(void **state)
{
	(void)state;
	assert_passes("GET / HTTP/1.2\r\nHost: a\r\n\r\n");
	assert_refused("GET\r\n\r\n", "first line");
	assert_refused("GET /\r\n\r\n", "first line");
	assert_refused("GET / \r\n\r\n", "first line");
	assert_refused("GET  / HTTP/1.1\r\nHost: a\r\n\r\n", "first line");
	assert_refused("GET / HTTP/1.1 \r\nHost: a\r\n\r\n", "first line");
	assert_refused("GET /a b HTTP/1.1\r\nHost: a\r\n\r\n", "first line");
	assert_refused("GET / http/1.1\r\nHost: a\r\n\r\n", "first line");
	assert_refused("GET / HTTP/1.10\r\nHost: a\r\n\r\n", "first line");
	assert_refused(" GET / HTTP/1.1\r\nHost: a\r\n\r\n", "first line");
	assert_refused("G(T / HTTP/1.1\r\nHost: a\r\n\r\n", "first line");
	assert_refused("GET /\x01 HTTP/1.1\r\nHost: a\r\n\r\n", "control");
	assert_refused("\r\n\r\nGET / HTTP/1.1\r\nHost: a\r\n\r\n", "first line");
	assert_refused_as("PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", 505, "HTTP/1.1");
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
	    "", "+2", "-2", "0x2", "2, 2", "2,3", "2 2", "two", "\"2\"", "00000000000000000002"};
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
	static const char *const values[] = {
	    "gzip", "gzip, chunked", "chunked, chunked", "chunked;x", "identity", "", "xchunked"};
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
	assert_refused(
	    "POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\v\r\n\r\n", "control");
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
	assert_refused("GET / HTTP/1.1\nHost: a\n\n", "CR and LF");
	assert_refused("GET / HTTP/1.1\r\nHost: a\nX: b\r\n\r\n", "CR and LF");
	assert_refused("GET / HTTP/1.1\r\nHost: a\r\nX: b\rc\r\n\r\n", "CR and LF");
	assert_refused("GET / HTTP/1.1\r\nHost: a\r\n\n", "CR and LF");
	assert_unfinished("GET / HTTP/1.1\r\nHost: a\r\n");
	assert_unfinished("GET / HTTP/1.1\r\nHost: a\r\n\r");
	assert_unfinished("GET / HTTP/1.1");
}

static void
control_characters_are_in_no_header(void **state)
{
	static const char head[] = "GET / HTTP/1.1\r\nHost: a\r\nX: b\0c\r\n\r\n";
	static const char name[] = "GET / HTTP/1.1\r\nHost: a\r\nX\0: b\r\n\r\n";
	struct error error;

	(void)state;
	assert_int_equal(check_bytes(head, sizeof(head) - 1, &error), 400);
	assert_int_equal(check_bytes(name, sizeof(name) - 1, &error), 400);
	assert_refused("GET / HTTP/1.1\r\nHost: a\r\nX: b\x1b[1m\r\n\r\n", "control");
	assert_refused("GET / HTTP/1.1\r\nHost: a\r\nX: \x7f\r\n\r\n", "control");
	assert_passes("GET / HTTP/1.1\r\nHost: a\r\nX: b\tc\r\n\r\n");
}

static void
a_head_past_the_limit_is_431(void **state)
{
	char head[HEAD_MAX + 2] = "GET / HTTP/1.1\r\nHost: a\r\nX: ";
	struct error error;

	(void)state;
	memset(head + strlen(head), 'x', HEAD_MAX + 1 - strlen(head));
	assert_refused_as(head, 431, "256");
	memcpy(head + HEAD_MAX - 4, "\r\n\r\n", 4);
	assert_int_equal(check_bytes(head, HEAD_MAX, &error), 0);
	memcpy(head + HEAD_MAX - 4, "x\r\n\r\n", 5);
	assert_int_equal(check_bytes(head, HEAD_MAX + 1, &error), 431);
	assert_non_null(strstr(error.message, "256"));
}

static void
a_request_line_past_the_limit_is_414(void **state)
{
	char line[HEAD_MAX + 3] = "GET /";

	(void)state;
	memset(line + strlen(line), 'x', HEAD_MAX + 1 - strlen(line));
	assert_refused_as(line, 414, "256");
	memcpy(line + HEAD_MAX - 9, " HTTP/1.1\r\n", 11);
	assert_refused_as(line, 414, "256");
}

static void
more_than_100_headers_are_431(void **state)
{
	struct gw_guard guard;
	char head[1024] = "GET / HTTP/1.1\r\nHost: a\r\n";
	size_t len;

	(void)state;
	for (int i = 0; i < GW_GUARD_HEADERS_MAX - 1; i++) {
		strcat(head, "A:b\r\n");
	}
	len = strlen(head);
	gw_guard_init(&guard, sizeof(head));
	assert_int_equal(gw_guard_read(&guard, head, &len), GW_GUARD_UNFINISHED);
	strcat(head, "A:b\r\n");
	len = strlen(head);
	assert_int_equal(gw_guard_read(&guard, head, &len), GW_GUARD_REFUSED);
	assert_int_equal(guard.refusal, GW_GUARD_TOO_MANY_HEADERS);
}

static void
a_header_is_found_by_its_name_if_it_is_there_once(void **state)
{
	static const char head[] = "POST / HTTP/1.1\r\nHost: a\r\nBulk-Request:  true \r\n"
				   "X: 1\r\nx: 2\r\n\r\n";
	struct outcome outcome;
	struct gw_line value;

	(void)state;
	feed(&outcome, head, strlen(head), strlen(head));
	value = gw_guard_header(&outcome.guard, outcome.bytes, "bulk-request");
	assert_int_equal(value.len, 4);
	assert_memory_equal(value.data, "true", 4);
	value = gw_guard_header(&outcome.guard, outcome.bytes, "x");
	assert_non_null(value.data);
	assert_int_equal(value.len, 0);
	assert_null(gw_guard_header(&outcome.guard, outcome.bytes, "y").data);
	free(outcome.bytes);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(ordinary_requests_pass),
	    cmocka_unit_test(the_end_of_a_body_is_that_of_the_request),
	    cmocka_unit_test(chunks_become_a_body_with_a_length),
	    cmocka_unit_test(an_expectation_is_taken_out),
	    cmocka_unit_test(a_body_past_the_limit_is_413),
	    cmocka_unit_test(connection_is_a_list_in_which_close_counts),
	    cmocka_unit_test(the_request_line_is_three_words),
	    cmocka_unit_test(an_empty_line_before_the_request_passes),
	    cmocka_unit_test(http_1_0_needs_no_host),
	    cmocka_unit_test(host_is_there_once_and_is_a_host),
	    cmocka_unit_test(two_ways_to_frame_the_body_are_refused),
	    cmocka_unit_test(content_length_is_one_number),
	    cmocka_unit_test(transfer_encoding_is_chunked_alone),
	    cmocka_unit_test(headers_folded_over_lines_are_refused),
	    cmocka_unit_test(a_blank_before_the_colon_is_refused),
	    cmocka_unit_test(lines_end_with_both_characters),
	    cmocka_unit_test(control_characters_are_in_no_header),
	    cmocka_unit_test(a_head_past_the_limit_is_431),
	    cmocka_unit_test(a_request_line_past_the_limit_is_414),
	    cmocka_unit_test(more_than_100_headers_are_431),
	    cmocka_unit_test(a_header_is_found_by_its_name_if_it_is_there_once),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
