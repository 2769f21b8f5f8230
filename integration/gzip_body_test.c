/*
 * Requests whose bodies are compressed by gzip: read as if they were not, within
 * limits that count what they were, by HTTP/1 and HTTP/2.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "common/base/buf.h"
#include "integration/suite.h"
#include "integration/zip.h"

#define BODY_MAX 2000
#define BULK_MAX 100000
#define GZIP     "Content-Encoding: gzip"
#define BULK     "Bulk-Request: true\n"

static struct stack stack = {.store = STACK_SQLITE,
    .gatewayd_flags = {"--http2=on", "--body-max-bytes=2000", "--bulk-body-max-bytes=100000"}};
static struct http *clients[2]; /* HTTP/1 and HTTP/2 */
static unsigned number;

/* A user, and blanks behind it up to len bytes. */
static void
put_user(struct buf *json, size_t len)
{
	buf_printf(json,
	    "{\"accountid\":1,\"name\":\"n\",\"email\":\"zipped.%u@example.com\",\"role\":1,"
	    "\"password\":\"p\"}",
	    ++number);
	while (json->len < len) {
		buf_putc(json, ' ');
	}
}

static const struct http_answer *
send_zipped(struct http *http, const char *line, const char *headers, const struct buf *json)
{
	const struct http_answer *answer;
	struct buf zipped = {0};

	zip(json->data, json->len, &zipped);
	answer = http_send_bytes(http, line, headers, zipped.data, zipped.len);
	buf_fini(&zipped);
	return answer;
}

static size_t
users(void)
{
	const struct http_answer *answer = http_send(clients[0], "GET /users", NULL, NULL);
	const char *at = answer->body;
	size_t count = 0;

	assert_int_equal(answer->status, 200);
	for (; (at = strstr(at, "\"email\":\"zipped.")) != NULL; at++) {
		count++;
	}
	return count;
}

static void
a_compressed_user_is_created(void **state)
{
	static const char *const headers[] = {GZIP, "content-encoding: GZip",
	    "Content-Encoding: x-gzip", GZIP "\nContent-Encoding: identity",
	    GZIP "\nTransfer-Encoding: chunked"};
	size_t before = users();
	size_t sent = 0;

	(void)state;
	for (size_t i = 0; i < 2 * sizeof(headers) / sizeof(headers[0]); i++) {
		const struct http_answer *answer;
		struct buf json = {0};

		if (i % 2 == 1 && strstr(headers[i / 2], "chunked") != NULL) {
			continue; /* HTTP/2 has no such thing */
		}
		put_user(&json, 0);
		answer = send_zipped(clients[i % 2], "POST /users", headers[i / 2], &json);
		if (answer->status != 201) {
			fail_msg("%s: %d %s", headers[i / 2], answer->status, answer->body);
		}
		buf_fini(&json);
		sent++;
	}
	assert_int_equal(users(), before + sent);
}

static void
a_compressed_patch_is_done(void **state)
{
	struct buf json = {0};

	(void)state;
	buf_puts(&json, "{\"name\":\"patched\"}");
	assert_int_equal(send_zipped(clients[0], "PATCH /users/1", GZIP, &json)->status, 200);
	assert_non_null(strstr(
	    http_send(clients[0], "GET /users/1", NULL, NULL)->body, "\"name\":\"patched\""));
	buf_fini(&json);
}

static void
a_compressed_bulk_is_created(void **state)
{
	size_t before = users();
	const struct http_answer *answer;
	struct buf json = {0};

	(void)state;
	for (int i = 0; i < 300; i++) {
		buf_puts(&json, i == 0 ? "{\"Users\":[" : ",");
		put_user(&json, 0);
	}
	buf_puts(&json, "]}");
	assert_true(json.len > BODY_MAX && json.len < BULK_MAX);
	answer = send_zipped(clients[0], "POST /users", BULK GZIP, &json);
	assert_int_equal(answer->status, 201);
	assert_int_equal(users(), before + 300);
	buf_fini(&json);
}

static void
the_limits_count_what_the_body_was(void **state)
{
	static const struct {
		size_t len;
		const char *headers;
		int status;
	} rows[] = {
	    {BODY_MAX, GZIP, 201},
	    {BODY_MAX + 1, GZIP, 413},
	    {100 * BODY_MAX, GZIP, 413},
	    {BULK_MAX, GZIP, 413},
	    {BULK_MAX, BULK GZIP, 400}, /* a user is no list of users */
	    {BULK_MAX + 1, BULK GZIP, 413},
	    {100 * BULK_MAX, BULK GZIP, 413},
	};

	(void)state;
	for (size_t i = 0; i < 2 * sizeof(rows) / sizeof(rows[0]); i++) {
		const struct http_answer *answer;
		size_t before = users();
		struct buf json = {0};

		put_user(&json, rows[i / 2].len);
		answer = send_zipped(clients[i % 2], "POST /users", rows[i / 2].headers, &json);
		if (answer->status != rows[i / 2].status) {
			fail_msg("%zu bytes: %d %s", rows[i / 2].len, answer->status, answer->body);
		}
		if (answer->status == 413) {
			rule_check_problem(answer, 413);
			assert_non_null(strstr(answer->body, "\"reason\":\"BODY_TOO_LARGE\""));
		}
		assert_int_equal(users(), before + (rows[i / 2].status == 201));
		buf_fini(&json);
	}
}

static void
expect_broken(const void *data, size_t len)
{
	for (size_t i = 0; i < 2; i++) {
		const struct http_answer *answer =
		    http_send_bytes(clients[i], "POST /users", GZIP, data, len);

		assert_int_equal(answer->status, 400);
		rule_check_problem(answer, 400);
		assert_non_null(strstr(answer->body, "\"reason\":\"MALFORMED_GZIP\""));
	}
}

static void
what_is_no_gzip_is_400(void **state)
{
	size_t before = users();
	struct buf json = {0};
	struct buf zipped = {0};

	(void)state;
	put_user(&json, 0);
	expect_broken(json.data, json.len);
	zip(json.data, json.len, &zipped);
	expect_broken(zipped.data, zipped.len - 1);
	expect_broken(zipped.data, zipped.len / 2);
	expect_broken(zipped.data, 1);
	zipped.data[zipped.len - 6] ^= 1; /* of the checksum */
	expect_broken(zipped.data, zipped.len);
	zipped.data[zipped.len - 6] ^= 1;
	buf_putc(&zipped, ' ');
	expect_broken(zipped.data, zipped.len);
	assert_int_equal(users(), before);
	buf_fini(&json);
	buf_fini(&zipped);
}

static void
a_body_that_is_none_or_no_json_is_400(void **state)
{
	struct buf none = {0};
	struct buf text = {0};
	const struct http_answer *answer;

	(void)state;
	buf_puts(&text, "{\"accountid\":1,");
	assert_int_equal(send_zipped(clients[0], "POST /users", GZIP, &none)->status, 400);
	assert_int_equal(send_zipped(clients[0], "POST /users", GZIP, &text)->status, 400);
	answer = http_send(clients[0], "POST /users", GZIP, "");
	assert_int_equal(answer->status, 400);
	assert_non_null(strstr(answer->body, "\"reason\":\"MISSING_BODY\""));
	buf_fini(&text);
}

static void
other_codings_are_415(void **state)
{
	static const char *const headers[] = {"Content-Encoding: br", "Content-Encoding: deflate",
	    "Content-Encoding: gzip, gzip", GZIP "\n" GZIP, "Content-Encoding: gzip;q=1",
	    "Content-Encoding;"};
	size_t before = users();

	(void)state;
	for (size_t i = 0; i < 2 * sizeof(headers) / sizeof(headers[0]); i++) {
		const struct http_answer *answer;
		struct buf json = {0};

		put_user(&json, 0);
		answer = send_zipped(clients[i % 2], "POST /users", headers[i / 2], &json);
		if (answer->status != 415) {
			fail_msg("%s: %d %s", headers[i / 2], answer->status, answer->body);
		}
		assert_string_equal(http_header(answer, "accept-encoding"), "gzip, identity");
		buf_fini(&json);
	}
	assert_int_equal(users(), before);
}

static void
prepare(void)
{
	clients[0] = http_new(stack.url);
	clients[1] = http_new(stack.url);
	http_use_http2(clients[1]);
}

static void
finish(void)
{
	http_free(&clients[0]);
	http_free(&clients[1]);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(a_compressed_user_is_created),
	    cmocka_unit_test(a_compressed_patch_is_done),
	    cmocka_unit_test(a_compressed_bulk_is_created),
	    cmocka_unit_test(the_limits_count_what_the_body_was),
	    cmocka_unit_test(what_is_no_gzip_is_400),
	    cmocka_unit_test(a_body_that_is_none_or_no_json_is_400),
	    cmocka_unit_test(other_codings_are_415),
	};

	return suite_run(&(struct suite){.name = "compressed requests",
		   .stack = &stack,
		   .prepare = prepare,
		   .finish = finish,
		   .tests = tests,
		   .test_count = sizeof(tests) / sizeof(tests[0])}) != 0;
}
