/* Many clients posting bulks at once: every row accounted for. */
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/base/buf.h"
#include "integration/both.h"
#include "integration/json_get.h"

#define CLIENTS 64
#define ROWS    100
#define SHARED  5 /* rows of each bulk whose address every client sends */

struct client {
	pthread_t thread;
	unsigned number;
	int status;
	char *body;
};

static void
put_user(struct buf *out, unsigned client, unsigned row)
{
	if (row < SHARED) {
		buf_printf(out,
		    "{\"accountid\":1,\"name\":\"c%u r%u\",\"email\":\"shared%u@example.com\","
		    "\"role\":1,\"password\":\"p\"}",
		    client, row, row);
	} else {
		buf_printf(out,
		    "{\"accountid\":1,\"name\":\"c%u r%u\",\"email\":\"c%ur%u@example.com\","
		    "\"role\":1,\"password\":\"p\"}",
		    client, row, client, row);
	}
}

static void *
client_run(void *closure)
{
	struct client *client = closure;
	struct http *http = http_new(both_stack.url);
	const struct http_answer *answer;
	struct buf body = {0};

	buf_puts(&body, "{\"Users\":[");
	for (unsigned row = 0; row < ROWS; row++) {
		if (row > 0) {
			buf_putc(&body, ',');
		}
		put_user(&body, client->number, row);
	}
	buf_puts(&body, "]}");
	http_set_timeout(http, 120000);
	answer = http_send_bytes(http, "POST /users", "Bulk-Request: true", body.data, body.len);
	client->status = answer->status;
	client->body = strdup(answer->body);
	buf_fini(&body);
	http_free(&http);
	return NULL;
}

/* Checks a client's rows, in request order; gives how many it created. */
static size_t
check_client(const struct client *client, yajl_val listed, bool *shared)
{
	yajl_val json = json_parse(client->body);
	size_t created = 0;

	assert_int_equal(json_count(json, "results"), ROWS);
	for (unsigned row = 0; row < ROWS; row++) {
		yajl_val result;
		char path[64];
		char name[32];
		long long id;

		snprintf(path, sizeof(path), "results.%u", row);
		snprintf(name, sizeof(name), "c%u r%u", client->number, row);
		result = json_at(json, path);
		id = json_int(result, "user.id");
		assert_string_equal(json_text(result, "user.name"), name);
		if (json_int(result, "httpstatus") == 400) {
			assert_true(row < SHARED);
			assert_int_equal(id, -1);
			continue;
		}
		assert_int_equal(json_int(result, "httpstatus"), 201);
		if (row < SHARED) {
			assert_false(shared[row]);
			shared[row] = true;
		}
		snprintf(path, sizeof(path), "%lld", id);
		assert_string_equal(json_text(json_at(listed, path), "name"), name);
		created++;
	}
	yajl_tree_free(json);
	return created;
}

/* {"Users":[…]} as {"<id>":{…}}, for looking up by id. */
static char *
by_id(const char *list, size_t *count)
{
	yajl_val json = json_parse(list);
	struct buf out = {0};

	*count = json_count(json, "Users");
	buf_putc(&out, '{');
	for (size_t i = 0; i < *count; i++) {
		yajl_val user = json_at(json, "Users")->u.array.values[i];
		const char *name = json_text(user, "name");

		buf_printf(&out, "%s\"%lld\":{\"name\":", i == 0 ? "" : ",", json_int(user, "id"));
		buf_put_json_string(&out, name, strlen(name));
		buf_putc(&out, '}');
	}
	buf_putc(&out, '}');
	buf_putc(&out, '\0');
	yajl_tree_free(json);
	return out.data;
}

static void
rows_of_parallel_bulks_are_all_accounted_for(void **state)
{
	struct client *clients = calloc(CLIENTS, sizeof(*clients));
	bool shared[SHARED] = {false};
	size_t created = 0;
	size_t count;
	yajl_val listed;
	char *map;

	(void)state;
	assert_non_null(clients);
	for (unsigned i = 0; i < CLIENTS; i++) {
		clients[i].number = i;
		assert_int_equal(
		    pthread_create(&clients[i].thread, NULL, client_run, &clients[i]), 0);
	}
	for (unsigned i = 0; i < CLIENTS; i++) {
		pthread_join(clients[i].thread, NULL);
	}
	map = by_id(http_send(both_http, "GET /users", NULL, NULL)->body, &count);
	listed = json_parse(map);
	for (unsigned i = 0; i < CLIENTS; i++) {
		assert_true(clients[i].status == 201 || clients[i].status == 409);
		created += check_client(&clients[i], listed, shared);
		free(clients[i].body);
	}
	assert_int_equal(created, CLIENTS * (ROWS - SHARED) + SHARED);
	assert_int_equal(count, created);
	yajl_tree_free(listed);
	free(map);
	free(clients);
}

static const struct CMUnitTest tests[] = {
    cmocka_unit_test(rows_of_parallel_bulks_are_all_accounted_for),
};

int
main(void)
{
	return both_run(
	    &(struct suite){.tests = tests, .test_count = sizeof(tests) / sizeof(tests[0])});
}
