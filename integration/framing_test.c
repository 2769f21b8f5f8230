/*
 * Raw HTTP/1 to the gateway's port, with and without HTTP/2 on it: where a request
 * ends, what is refused, and that no answer comes from the HTTP library itself.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "integration/scrape.h"
#include "integration/suite.h"
#include "integration/wire.h"

#define ANSWER_MAX 65536
#define BODY_MAX   (1024 * 1024) /* of gatewayd, if it is no bulk */
#define HEAD_MAX   65536

#define HEAD                                                                                       \
	"POST /users HTTP/1.1\r\nHost: a\r\nContent-Type: application/json\r\nX-Request-Id: "      \
	"mine\r\n"
#define CHUNKED HEAD "Transfer-Encoding: chunked\r\n\r\n"
#define GET     "GET /users HTTP/1.1\r\nHost: a\r\n\r\n"
#define LAST    "GET /users/999 HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n"

static struct stack stack = {.store = STACK_SQLITE, .gatewayd_flags = {"--access-log"}};
static struct http *http;
static struct http *admin;
static char answer[ANSWER_MAX];

static void
exchange_pieces(const char *bytes, size_t len, size_t piece)
{
	int fd = wire_open(stack.port);

	wire_send_pieces(fd, bytes, len, piece);
	wire_receive_all(fd, answer, sizeof(answer));
}

/* One answer, a problem document with an id, after which the connection was closed. */
static void
assert_one_problem(const char *what, int status)
{
	char line[64];

	snprintf(line, sizeof(line), "HTTP/1.1 %d ", status);
	if (strncmp(answer, line, strlen(line)) != 0 || wire_count(answer, "\r\nDate: ") != 1) {
		fail_msg("%s: %s", what, answer);
	}
	assert_non_null(strstr(answer, "\r\ncontent-type: application/problem+json\r\n"));
	assert_non_null(strstr(answer, "\r\nX-Request-Id: "));
	assert_non_null(strstr(answer, "\r\nConnection: close\r\n"));
	snprintf(line, sizeof(line), "\"status\":%d,\"detail\":\"", status);
	assert_non_null(strstr(answer, line));
	assert_non_null(strstr(answer, "\"requestId\":\""));
}

/* What another server on the way may take for the body of the first request, and h2o took for its end. */
static void
a_request_hidden_in_broken_chunks_is_not_answered(void **state)
{
	static const char *const bodies[] = {
	    "0x2\r\n\n" GET,
	    "2xyz\r\n{}\r\n0\r\n\r\n" GET,
	    "2\n{}\n0\n\n" GET,
	    "2\r\n{}\n0\r\n\r\n" GET,
	    "2\r\n{}\r\r\n0\r\n\r\n" GET,
	    "2\r\n{}\r\n0\n\r\n" GET,
	    "2\r\n{}\r\n0\r\n\n" GET,
	    "2\r\n{}\r\n0\r\n\r\r\n" GET,
	    "2\r\n{}\r\n0 \r\n\r\n" GET,
	    "2 \r\n{}\r\n0\r\n\r\n" GET,
	    "+2\r\n{}\r\n0\r\n\r\n" GET,
	    "-0\r\n\r\n" GET,
	    "\r\n\r\n" GET,
	    "2;\n{}\r\n0\r\n\r\n" GET,
	    "2;a=\"\n\"\r\n{}\r\n0\r\n\r\n" GET,
	    "2;a\rb\r\n{}\r\n0\r\n\r\n" GET,
	    "00000000000000002\r\n{}\r\n0\r\n\r\n" GET,
	    "2\r\n{}\r\n0\r\nX: y\n\r\n" GET,
	    "2\r\n{}\r\n0\r\n folded\r\n\r\n" GET,
	    "2\r\n{}\r\n0\r\n" GET,
	    "1\r\n{}\r\n0\r\n\r\n" GET,
	};

	(void)state;
	for (size_t i = 0; i < sizeof(bodies) / sizeof(bodies[0]); i++) {
		char bytes[1024];
		int len = snprintf(bytes, sizeof(bytes), CHUNKED "%s", bodies[i]);

		for (size_t piece = 1; piece <= sizeof(bytes); piece += sizeof(bytes) / 4 - 1) {
			exchange_pieces(bytes, (size_t)len, piece);
			assert_one_problem(bodies[i], 400);
			assert_non_null(strstr(answer, "\r\nX-Request-Id: mine\r\n"));
			assert_non_null(strstr(answer, "\"reason\":\"MALFORMED_REQUEST\""));
		}
	}
	assert_string_equal(http_send(http, "GET /users", NULL, NULL)->body, "{\"Users\":[]}");
}

static int
write_user(char *user, size_t size, int number)
{
	return snprintf(user, size,
	    "{\"accountid\":1,\"name\":\"n\",\"email\":\"e%d@x\",\"role\":1,\"password\":\"p\"}",
	    number);
}

/* How a client writes chunks. */
struct dialect {
	size_t chunk;          /* bytes of a chunk */
	int digits;            /* at least, of its size */
	bool capitals;         /* in them */
	const char *extension; /* of each chunk but the last */
	const char *end;       /* the last chunk and what follows it */
};

/* .NET writes capital digits, Java small ones, some pad them; the other ways are allowed. */
static const struct dialect dialects[] = {
    {4096, 1, true, "", "0\r\n\r\n"},
    {4096, 1, false, "", "0\r\n\r\n"},
    {1, 1, true, "", "0\r\n\r\n"},
    {7, 8, false, "", "00000000\r\n\r\n"},
    {11, 1, false, ";name=\"a \\\" ; value\" ; other", "0;last\r\n\r\n"},
    {12, 1, false, "", "0\r\nX-Checksum: 1\r\nX-Other:\r\n\r\n"},
};

static size_t
write_chunks(char *bytes, const char *body, const struct dialect *dialect)
{
	size_t body_len = strlen(body);
	char *at = bytes;

	for (size_t done = 0; done < body_len; done += dialect->chunk) {
		size_t some = dialect->chunk < body_len - done ? dialect->chunk : body_len - done;

		at += dialect->capitals ? sprintf(at, "%0*zX", dialect->digits, some)
					: sprintf(at, "%0*zx", dialect->digits, some);
		at += sprintf(at, "%s\r\n%.*s\r\n", dialect->extension, (int)some, body + done);
	}
	return (size_t)(at - bytes) + (size_t)sprintf(at, "%s", dialect->end);
}

static void
bodies_in_chunks_are_read_and_the_connection_goes_on(void **state)
{
	(void)state;
	for (size_t i = 0; i < sizeof(dialects) / sizeof(dialects[0]); i++) {
		char user[256];
		char bytes[4096] = CHUNKED;
		size_t len = strlen(bytes);

		write_user(user, sizeof(user), (int)i);
		len += write_chunks(bytes + len, user, &dialects[i]);
		len += (size_t)sprintf(bytes + len, LAST);
		exchange_pieces(bytes, len, i + 1);
		if (strncmp(answer, "HTTP/1.1 201 ", 13) != 0) {
			fail_msg("%s: %s", bytes, answer);
		}
		assert_non_null(strstr(answer, "\r\nConnection: keep-alive\r\n"));
		assert_int_equal(wire_count(answer, "HTTP/1.1 "), 2);
		assert_non_null(strstr(answer, "user 999 not found"));
	}
}

static void
a_limit_of_chunks_is_that_of_the_body(void **state)
{
	static char bytes[2 * BODY_MAX];
	int head = snprintf(bytes, sizeof(bytes), CHUNKED "%x\r\n", BODY_MAX);
	size_t len = (size_t)head + BODY_MAX;

	(void)state;
	memset(bytes + head, ' ', BODY_MAX);
	len += (size_t)sprintf(bytes + len, "\r\n1\r\n{\r\n0\r\n\r\n");
	wire_exchange(stack.port, bytes, len, answer, sizeof(answer));
	assert_one_problem("a byte more than the limit", 413);
	len = (size_t)head + BODY_MAX;
	len += (size_t)sprintf(bytes + len, "\r\n0\r\n\r\n" LAST);
	wire_exchange(stack.port, bytes, len, answer, sizeof(answer));
	assert_int_equal(strncmp(answer, "HTTP/1.1 400 ", 13), 0);
	assert_non_null(strstr(answer, "user 999 not found"));
}

/* RFC 9110 section 7.6.1. */
static void
connection_is_a_list(void **state)
{
	static const struct {
		const char *request;
		bool goes_on;
	} rows[] = {
	    {"GET /users/999 HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n", false},
	    {"GET /users/999 HTTP/1.1\r\nHost: a\r\nConnection: keep-alive, close\r\n\r\n", false},
	    {"GET /users/999 HTTP/1.1\r\nHost: a\r\nConnection: keep-alive\r\nConnection: "
	     "Close\r\n\r\n",
		false},
	    {"GET /users/999 HTTP/1.1\r\nHost: a\r\nConnection: TE\r\n\r\n", true},
	    {"GET /users/999 HTTP/1.1\r\nHost: a\r\nConnection: Upgrade, HTTP2-Settings\r\n"
	     "Upgrade: h2c\r\nHTTP2-Settings: AAEAAEAAAAIAAAABAAMAAABkAAQBAAAAAAUAAEAA\r\n\r\n",
		true},
	    {"GET /users/999 HTTP/1.0\r\n\r\n", false},
	    {"GET /users/999 HTTP/1.0\r\nConnection: TE, keep-alive\r\n\r\n", true},
	};

	(void)state;
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		char bytes[512];
		int len = snprintf(bytes, sizeof(bytes), "%s" LAST, rows[i].request);

		wire_exchange(stack.port, bytes, (size_t)len, answer, sizeof(answer));
		if (wire_count(answer, "HTTP/1.1 404 ") != (rows[i].goes_on ? 2 : 1) ||
		    (strstr(answer, "\r\nConnection: keep-alive\r\n") != NULL) != rows[i].goes_on) {
			fail_msg("%s: %s", rows[i].request, answer);
		}
	}
}

static void
requests_that_come_together_are_answered_in_turn(void **state)
{
	char user[256];
	char bytes[2048];
	int len;

	(void)state;
	write_user(user, sizeof(user), 7);
	len = snprintf(bytes, sizeof(bytes),
	    GET HEAD "Content-Length: %zu\r\n\r\n%s\r\n" CHUNKED "2\r\n{}\r\n0\r\n\r\n" LAST,
	    strlen(user), user);
	for (size_t piece = 1; piece <= sizeof(bytes); piece += 97) {
		const char *at = answer;

		exchange_pieces(bytes, (size_t)len, piece);
		at = strstr(at, "HTTP/1.1 200 ");
		assert_non_null(at);
		at = strstr(at, piece == 1 ? "HTTP/1.1 201 " : "insert duplicate user");
		assert_non_null(at);
		at = strstr(at, "HTTP/1.1 400 ");
		assert_non_null(at);
		assert_non_null(strstr(at, "user 999 not found"));
		assert_int_equal(wire_count(answer, "HTTP/1.1 "), 4);
	}
}

/* Requests, of which the library would answer some by itself, each with its status. */

struct refusal {
	const char *what;
	const char *before; /* then so many times part, then after */
	size_t count;
	const char *part;
	const char *after;
	int status;
	const char *reason;
};

static const struct refusal refusals[] = {
    {"101 headers", "GET /users HTTP/1.1\r\nHost: a\r\n", 100, "X: y\r\n", "\r\n", 431,
	"TOO_MANY_HEADERS"},
    {"a cookie of 600 KB", "GET /users HTTP/1.1\r\nHost: a\r\nCookie: ", 600000, "c", "\r\n\r\n",
	431, "HEAD_TOO_LARGE"},
    {"a target of 600 KB", "GET /users?email=", 600000, "c", " HTTP/1.1\r\nHost: a\r\n\r\n", 414,
	"TARGET_TOO_LONG"},
    {"a line without an end", "", 600000, "c", "", 414, "TARGET_TOO_LONG"},
    {"a blank before the colon", "GET /users HTTP/1.1\r\nHost: a\r\nX-A : b\r\n\r\n", 0, "", "",
	400, "MALFORMED_REQUEST"},
    {"a blank in the target", "GET /a b HTTP/1.1\r\nHost: a\r\n\r\n", 0, "", "", 400,
	"MALFORMED_REQUEST"},
    {"a control character", "GET /users HTTP/1.1\r\nHost: a\r\nX: \x01\r\n\r\n", 0, "", "", 400,
	"MALFORMED_REQUEST"},
    {"no version", "GET /users\r\n\r\n", 0, "", "", 400, "MALFORMED_REQUEST"},
    {"a version that is not spoken", "GET / HTTP/2.0\r\nHost: a\r\n\r\n", 0, "", "", 505,
	"UNKNOWN_VERSION"},
    {"TLS to a port without it", "\x16\x03\x01\x02\n", 0, "", "", 400, "MALFORMED_REQUEST"},
    {"a length of 18 digits", HEAD "Content-Length: 999999999999999999\r\n\r\n", 0, "", "", 413,
	"BODY_TOO_LARGE"},
    {"a length of 20 digits", HEAD "Content-Length: 99999999999999999999\r\n\r\n", 0, "", "", 400,
	"MALFORMED_REQUEST"},
    {"an unknown expectation", HEAD "Expect: more\r\nContent-Length: 2\r\n\r\n{}", 0, "", "", 417,
	"UNKNOWN_EXPECTATION"},
};

static double
counted(const char *method, int status)
{
	char series[256];

	snprintf(series, sizeof(series),
	    "mockvideo_http_request_duration_seconds_count{route=\"none\",method=\"%s\",code=\"%"
	    "d\"}",
	    method, status);
	return scrape_value(admin, series);
}

static size_t
write_refused(char *bytes, const struct refusal *refusal)
{
	size_t len = (size_t)sprintf(bytes, "%s", refusal->before);

	for (size_t i = 0; i < refusal->count; i++) {
		len += (size_t)sprintf(bytes + len, "%s", refusal->part);
	}
	return len + (size_t)sprintf(bytes + len, "%s", refusal->after);
}

static void
every_refusal_is_a_problem_that_is_logged_and_counted(void **state)
{
	static char bytes[1024 * 1024];

	(void)state;
	for (size_t i = 0; i < sizeof(refusals) / sizeof(refusals[0]); i++) {
		const struct refusal *refusal = &refusals[i];
		size_t len = write_refused(bytes, refusal);
		const char *methods[] = {"GET", "POST", "_OTHER"};
		long mark = process_log_mark(&stack.gatewayd);
		double before = 0;
		double after = 0;
		char logged[128];

		for (int m = 0; m < 3; m++) {
			before += counted(methods[m], refusal->status);
		}
		wire_exchange(stack.port, bytes, len, answer, sizeof(answer));
		assert_one_problem(refusal->what, refusal->status);
		snprintf(logged, sizeof(logged), "\"reason\":\"%s\"", refusal->reason);
		if (strstr(answer, logged) == NULL) {
			fail_msg("%s: %s", refusal->what, answer);
		}
		snprintf(logged, sizeof(logged), "\"status\":%d", refusal->status);
		process_await_log(&stack.gatewayd, mark, logged);
		for (int m = 0; m < 3; m++) {
			after += counted(methods[m], refusal->status);
		}
		assert_true(after == before + 1);
	}
}

/* RFC 9110 section 10.1.1. */

static void
a_body_that_is_too_large_is_not_invited(void **state)
{
	static const char *const heads[] = {
	    HEAD "Expect: 100-continue\r\nContent-Length: 1048577\r\n\r\n",
	    HEAD "Bulk-Request: false\r\nExpect: 100-continue\r\nContent-Length: 1048577\r\n\r\n",
	    HEAD "Bulk-Request: true\r\nExpect: 100-continue\r\nContent-Length: 33554433\r\n\r\n",
	};

	(void)state;
	for (size_t i = 0; i < sizeof(heads) / sizeof(heads[0]); i++) {
		wire_exchange(stack.port, heads[i], strlen(heads[i]), answer, sizeof(answer));
		assert_one_problem(heads[i], 413);
	}
}

/* Waits for the invitation, then sends the body, and the last request. */
static void
assert_invited(const char *head, const char *body)
{
	int fd = wire_open(stack.port);

	wire_send(fd, head, strlen(head));
	wire_await(fd, "\r\n\r\n", answer, sizeof(answer));
	assert_string_equal(answer, "HTTP/1.1 100 Continue\r\n\r\n");
	wire_send(fd, body, strlen(body));
	wire_send(fd, LAST, strlen(LAST));
	wire_receive_all(fd, answer, sizeof(answer));
	assert_int_equal(strncmp(answer, "HTTP/1.1 201 ", 13), 0);
	assert_non_null(strstr(answer, "user 999 not found"));
}

static void
a_body_that_fits_is_invited(void **state)
{
	static const char bulk[] =
	    HEAD "Bulk-Request: true\r\nExpect: 100-continue\r\nContent-Length: 1048577\r\n\r\n";
	char user[256];
	char head[512];
	char body[1024];
	int fd = wire_open(stack.port);

	(void)state;
	write_user(user, sizeof(user), 20);
	snprintf(head, sizeof(head), HEAD "Expect: 100-continue\r\nContent-Length: %zu\r\n\r\n",
	    strlen(user));
	assert_invited(head, user);
	write_user(user, sizeof(user), 21);
	write_chunks(body, user, &dialects[0]);
	assert_invited(HEAD "eXPECT:100-Continue\r\nTransfer-Encoding: chunked\r\n\r\n", body);
	wire_send(fd, bulk, strlen(bulk));
	wire_await(fd, "HTTP/1.1 100 Continue\r\n\r\n", answer, sizeof(answer));
	close(fd);
}

/* Nobody is invited who has not waited, or cannot be. */
static void
a_body_that_is_there_is_not_invited(void **state)
{
	static const char *const requests[] = {
	    HEAD "Expect: 100-continue\r\nContent-Length: 2\r\n\r\n{}",
	    ("POST /users HTTP/1.0\r\nExpect: 100-continue\r\nContent-Type: application/json\r\n"
	     "Connection: keep-alive\r\nContent-Length: 2\r\n\r\n{}"),
	    "GET /users?role=7 HTTP/1.1\r\nHost: a\r\nExpect: 100-continue\r\n\r\n",
	};

	(void)state;
	for (size_t i = 0; i < sizeof(requests) / sizeof(requests[0]); i++) {
		char bytes[512];
		int len = snprintf(bytes, sizeof(bytes), "%s" LAST, requests[i]);

		wire_exchange(stack.port, bytes, (size_t)len, answer, sizeof(answer));
		assert_int_equal(strncmp(answer, "HTTP/1.1 400 ", 13), 0);
		assert_int_equal(wire_count(answer, "HTTP/1.1 "), 2);
	}
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(a_request_hidden_in_broken_chunks_is_not_answered),
	    cmocka_unit_test(bodies_in_chunks_are_read_and_the_connection_goes_on),
	    cmocka_unit_test(a_limit_of_chunks_is_that_of_the_body),
	    cmocka_unit_test(connection_is_a_list),
	    cmocka_unit_test(requests_that_come_together_are_answered_in_turn),
	    cmocka_unit_test(every_refusal_is_a_problem_that_is_logged_and_counted),
	    cmocka_unit_test(a_body_that_is_too_large_is_not_invited),
	    cmocka_unit_test(a_body_that_fits_is_invited),
	    cmocka_unit_test(a_body_that_is_there_is_not_invited),
	};
	struct suite suite = {.name = "HTTP/1 alone",
	    .stack = &stack,
	    .http = &http,
	    .gatewayd_admin = &admin,
	    .tests = tests,
	    .test_count = sizeof(tests) / sizeof(tests[0])};
	int failed = suite_run(&suite);

	suite.name = "HTTP/1 beside HTTP/2";
	stack.gatewayd_flags[1] = "--http2=true";
	return failed + suite_run(&suite);
}
