/*
 * Response bodies, byte for byte, as the files in integration/golden hold
 * them. GOLDEN_UPDATE=1 in the environment writes them anew. The rows run in
 * order on an empty store.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/base/buf.h"
#include "integration/both.h"

#define ID "X-Request-Id: golden"

struct golden {
	const char *name; /* of the file, and of the test */
	const char *line;
	const char *headers;
	const char *body;
};

static const struct golden rows[] = {
    {"list_empty", "GET /users", ID, NULL},
    {"create", "POST /users", ID,
	"{\"accountid\":1,\"name\":\"mickey dolenz\",\"email\":\"mickeyd@gmail.com\",\"role\":1,"
	"\"password\":\"alksdf98423)*(&#\"}"},
    {"get", "GET /users/1", ID, NULL},
    {"replace", "PUT /users/1", ID,
	"{\"accountid\":1,\"id\":1,\"name\":\"Mickey\",\"email\":\"mickeyd@gmail.com\",\"role\":0,"
	"\"password\":\"p\"}"},
    {"bulk_create", "POST /users", ID "\nBulk-Request: true",
	"{\"users\":[{\"accountid\":1,\"name\":\"peter tork\",\"email\":\"petertd@gmail.com\","
	"\"role\":2,\"password\":\"p\"},{\"accountid\":2,\"name\":\"mama cass\",\"email\":"
	"\"mama@gmail.com\",\"role\":1,\"password\":\"p\"}]}"},
    {"list", "GET /users", ID, NULL},
    {"bulk_replace_unknown", "PUT /users", ID "\nBulk-Request: true",
	"{\"users\":[{\"accountid\":1,\"id\":2,\"name\":\"Peter\",\"email\":\"petertd@gmail.com\","
	"\"role\":2,\"password\":\"p\"},{\"accountid\":2,\"id\":77,\"name\":\"x\",\"email\":"
	"\"x@gmail.com\",\"role\":1,\"password\":\"p\"}]}"},
    {"bulk_create_failing", "POST /users", ID "\nBulk-Request: true",
	"{\"users\":[{\"accountid\":0,\"name\":\"\",\"email\":\"@\",\"role\":7,\"password\":\"\"},"
	"{\"accountid\":2,\"name\":\"mama cass\",\"email\":\"MAMA@gmail.com\",\"role\":1,"
	"\"password\":\"p\"}]}"},
    {"delete", "DELETE /users/1", ID, NULL},
    {"not_found", "GET /users/1", ID, NULL},
    {"duplicate", "POST /users", ID,
	"{\"accountid\":2,\"name\":\"mama cass\",\"email\":\"mama@gmail.com\",\"role\":1,"
	"\"password\":\"p\"}"},
    {"invalid_fields", "POST /users", ID,
	"{\"accountid\":0,\"id\":3,\"name\":\"\",\"email\":\"@\",\"role\":7,\"password\":\"\"}"},
    {"wrong_types", "POST /users", ID, "{\"accountid\":\"1\",\"name\":1,\"colour\":\"red\"}"},
    {"malformed", "POST /users", ID, "{\"accountid\":1,\n oops}"},
    {"bad_id", "GET /users/abc", ID, NULL},
    {"unknown_path", "GET /xxx", ID, NULL},
    {"wrong_verb", "DELETE /users", ID, NULL},
    {"wrong_bulk_header", "POST /users", ID "\nBulk-Request: maybe", "{}"},
    {"not_acceptable", "GET /users/2", ID "\nAccept: text/html", NULL},
    {"wrong_content_type", "POST /users", ID "\nContent-Type: text/xml", "<user/>"},
};

/* What a file holds: status line, the headers that matter, body. */
static void
golden_render(struct buf *out, const struct http_answer *answer)
{
	static const char *const headers[] = {"content-type", "location", "allow"};

	buf_printf(out, "%d\n", answer->status);
	for (size_t i = 0; i < sizeof(headers) / sizeof(headers[0]); i++) {
		const char *value = http_header(answer, headers[i]);

		if (value != NULL) {
			buf_printf(out, "%s: %s\n", headers[i], value);
		}
	}
	buf_printf(out, "\n%s\n", answer->body);
	buf_putc(out, '\0');
}

static void
body_is_golden(void **state)
{
	const struct golden *row = *state;
	struct buf got = {0};
	char path[256];
	char *want;

	golden_render(&got, http_send(both_http, row->line, row->headers, row->body));
	snprintf(path, sizeof(path), "integration/golden/%s.txt", row->name);
	if (getenv("GOLDEN_UPDATE") != NULL) {
		FILE *file = fopen(path, "w");

		assert_non_null(file);
		fputs(got.data, file);
		assert_int_equal(fclose(file), 0);
	}
	want = process_read_file(path);
	assert_string_equal(got.data, want);
	free(want);
	buf_fini(&got);
}

int
main(void)
{
	struct CMUnitTest tests[sizeof(rows) / sizeof(rows[0])];

	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		tests[i] = (struct CMUnitTest){.name = rows[i].name,
		    .test_func = body_is_golden,
		    .initial_state = (void *)(uintptr_t)&rows[i]};
	}
	return both_run(
	    &(struct suite){.tests = tests, .test_count = sizeof(tests) / sizeof(tests[0])});
}
