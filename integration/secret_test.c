/*
 * A password stays in the memory of neither program when its request has been
 * answered, however it came: all that they can write to is searched.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/types.h>
#include <time.h>

#include <cmocka.h>

#include "common/base/buf.h"
#include "integration/http.h"
#include "integration/suite.h"
#include "integration/zip.h"

#define GZIP      "Content-Encoding: gzip"
#define CHUNK     ((size_t)1 << 20)
#define RANGE_MAX ((uintptr_t)1 << 30) /* larger ones are a sanitizer's own */

static struct stack stack = {.store = STACK_SQLITE, .gatewayd_flags = {"--http2=true"}};
static uint8_t bytes[CHUNK];

/* How often the text is in what the process can write to. */
static unsigned
copies_in(const struct process *process, const char *text)
{
	size_t text_len = strlen(text);
	char path[64];
	char line[512];
	unsigned found = 0;
	FILE *memory;
	FILE *maps;

	snprintf(path, sizeof(path), "/proc/%d/mem", process->pid);
	memory = fopen(path, "re");
	snprintf(path, sizeof(path), "/proc/%d/maps", process->pid);
	maps = fopen(path, "re");
	assert_non_null(maps);
	assert_non_null(memory);
	setvbuf(memory, NULL, _IONBF, 0);
	while (fgets(line, sizeof(line), maps) != NULL) {
		uintptr_t from;
		uintptr_t to;
		char access[5];

		if (sscanf(line, "%lx-%lx %4s", &from, &to, access) != 3 || access[1] != 'w' ||
		    to - from >= RANGE_MAX) {
			continue;
		}
		while (from < to) {
			size_t len = to - from < CHUNK ? to - from : CHUNK;
			const uint8_t *at = bytes;

			if (fseeko(memory, (off_t)from, SEEK_SET) != 0 ||
			    fread(bytes, 1, len, memory) != len) {
				break;
			}
			while (
			    (at = memmem(at, (size_t)(bytes + len - at), text, text_len)) != NULL) {
				found++;
				at++;
			}
			from += len < CHUNK ? len : CHUNK - text_len + 1;
		}
	}
	fclose(memory);
	fclose(maps);
	return found;
}

/* A message that is being written when its call ends is overwritten when it is written. */
static void
await_no_copies(const char *how, const struct process *process, const char *name, const char *text)
{
	unsigned copies = 1;

	for (unsigned tries = 0; copies > 0 && tries < 100; tries++) {
		copies = copies_in(process, text);
		if (copies > 0) {
			nanosleep(&(struct timespec){.tv_nsec = 20000000}, NULL);
		}
	}
	if (copies > 0) {
		fail_msg(
		    "%s: %u copies of the password are in the memory of %s", how, copies, name);
	}
}

static void
await_forgotten(const char *how, const char *text)
{
	await_no_copies(how, &stack.gatewayd, "gatewayd", text);
	await_no_copies(how, &stack.accountd[0], "accountd", text);
}

static unsigned number;

/* A user as JSON with a password that was never used before, behind len bytes of others. */
static const char *
user(char *json, size_t size, const char *password, size_t padding)
{
	char name[201];

	memset(name, 'n', sizeof(name));
	name[padding < 200 ? padding + 1 : 200] = '\0';
	snprintf(json, size,
	    "{\"accountid\":1,\"name\":\"%s\",\"email\":\"user.%u@example.com\",\"role\":2,"
	    "\"password\":\"%s\"}",
	    name, ++number, password);
	return json;
}

static void
new_password(char password[33])
{
	for (size_t i = 0; i < 32; i++) {
		password[i] = (char)('a' + rand() % 26);
	}
	password[32] = '\0';
}

static void
send_user(struct http *http, const char *how, const char *headers, int status, const char *wrong)
{
	const struct http_answer *answer;
	struct buf zipped = {0};
	char password[33];
	char json[1024];

	new_password(password);
	user(json, sizeof(json), password, 20);
	if (wrong != NULL) {
		memcpy(strstr(json, "role"), wrong, strlen(wrong));
	}
	if (headers != NULL && strcmp(headers, GZIP) == 0) {
		zip(json, strlen(json), &zipped);
		answer = http_send_bytes(http, "POST /users", headers, zipped.data, zipped.len);
		buf_fini(&zipped);
	} else {
		answer = http_send(http, "POST /users", headers, json);
	}
	if (answer->status != status) {
		fail_msg("%s: answered %d (curl: %d)", how, answer->status, answer->curl_code);
	}
	await_forgotten(how, password);
}

static void
a_password_is_overwritten_in_both_programs(void **state)
{
	struct http *http = http_new(stack.url);
	struct http *http2[2]; /* libcurl cannot go on after the first request by prior knowledge */
	char password[33];
	char json[1024];

	(void)state;
	for (size_t i = 0; i < 2; i++) {
		http2[i] = http_new(stack.url);
		http_use_http2(http2[i]);
	}
	send_user(http, "created", NULL, 201, NULL);
	send_user(http, "refused", NULL, 400, "xole");
	send_user(http, "compressed", GZIP, 201, NULL);
	send_user(http, "refused and compressed", GZIP, 400, "xole");
	send_user(http, "chunked", "Transfer-Encoding: chunked", 201, NULL);
	send_user(http2[0], "HTTP/2", NULL, 201, NULL);
	send_user(http2[1], "refused on HTTP/2", NULL, 400, "xole");

	/* The search finds what is there: a password where none belongs. */
	new_password(password);
	snprintf(json, sizeof(json),
	    "{\"accountid\":1,\"name\":\"%s\",\"email\":\"u@example.com\",\"role\":2,"
	    "\"password\":\"x\"}",
	    password);
	assert_int_equal(http_send(http, "POST /users", NULL, json)->status, 201);
	assert_int_equal(http_send(http, "GET /users/4", NULL, NULL)->status, 200);
	assert_true(copies_in(&stack.gatewayd, password) > 0);
	http_free(&http);
	http_free(&http2[0]);
	http_free(&http2[1]);
}

/* With an escape, the parser puts it together in memory of its own. */
static void
an_escaped_password_is_overwritten_too(void **state)
{
	struct http *http = http_new(stack.url);
	char password[33];
	char escaped[64];
	char json[1024];

	(void)state;
	new_password(password);
	snprintf(escaped, sizeof(escaped), "\\u%04x%s", (unsigned)password[0], password + 1);
	assert_int_equal(
	    http_send(http, "POST /users", NULL, user(json, sizeof(json), escaped, 0))->status,
	    201);
	await_forgotten("escaped", password + 1);
	http_free(&http);
}

static void
passwords_of_a_bulk_are_overwritten(void **state)
{
	static char body[200000];
	struct http *http = http_new(stack.url);
	char passwords[200][33];
	char how[64];
	size_t len = (size_t)snprintf(body, sizeof(body), "{\"Users\":[");

	(void)state;
	for (size_t i = 0; i < 200; i++) {
		char json[1024];

		new_password(passwords[i]);
		len += (size_t)snprintf(body + len, sizeof(body) - len, "%s%s", i == 0 ? "" : ",",
		    user(json, sizeof(json), passwords[i], 190));
	}
	snprintf(body + len, sizeof(body) - len, "]}");
	assert_int_equal(http_send(http, "POST /users", "Bulk-Request: true", body)->status, 201);
	for (size_t i = 0; i < 200; i += 13) {
		snprintf(how, sizeof(how), "user %zu of a bulk", i);
		await_forgotten(how, passwords[i]);
	}
	http_free(&http);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(a_password_is_overwritten_in_both_programs),
	    cmocka_unit_test(an_escaped_password_is_overwritten_too),
	    cmocka_unit_test(passwords_of_a_bulk_are_overwritten),
	};

	return suite_run(&(struct suite){
	    .stack = &stack, .tests = tests, .test_count = sizeof(tests) / sizeof(tests[0])});
}
