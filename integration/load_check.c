#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "integration/json_get.h"
#include "integration/load_impl.h"

/* A user as it is listed. */
struct load_row {
	const char *email;
	const char *name;
	int64_t id;
};

struct load_rows {
	yajl_val root;
	struct load_row *list; /* by address */
	size_t count;
	size_t found; /* so many were looked for and found */
	size_t ours;  /* so many are the load's */
};

static int
load_row_order(const void *a, const void *b)
{
	return strcmp(((const struct load_row *)a)->email, ((const struct load_row *)b)->email);
}

static void
load_row_take(struct load_row *row, yajl_val user)
{
	for (size_t i = 0; i < user->u.object.len; i++) {
		const char *key = user->u.object.keys[i];
		yajl_val value = user->u.object.values[i];

		if (strcmp(key, "email") == 0) {
			row->email = YAJL_GET_STRING(value);
		} else if (strcmp(key, "name") == 0) {
			row->name = YAJL_GET_STRING(value);
		} else if (strcmp(key, "id") == 0) {
			row->id = YAJL_GET_INTEGER(value);
		}
	}
	assert_true(row->email != NULL && row->name != NULL && row->id > 0);
}

static void
load_rows_read(struct load_rows *rows, const struct load *load)
{
	struct http *http = http_new(load->url);
	const struct http_answer *answer = http_send(http, "GET /users", NULL, NULL);
	yajl_val users;

	assert_int_equal(answer->curl_code, 0);
	assert_int_equal(answer->status, 200);
	rows->root = json_parse(answer->body);
	users = json_at(rows->root, "Users");
	rows->count = users->u.array.len;
	rows->list = calloc(rows->count + 1, sizeof(*rows->list));
	assert_non_null(rows->list);
	for (size_t i = 0; i < rows->count; i++) {
		load_row_take(&rows->list[i], users->u.array.values[i]);
		rows->ours += load_email_is_ours(load, rows->list[i].email);
	}
	qsort(rows->list, rows->count, sizeof(*rows->list), load_row_order);
	for (size_t i = 1; i < rows->count; i++) {
		assert_string_not_equal(rows->list[i - 1].email, rows->list[i].email);
	}
	http_free(&http);
}

static const struct load_row *
load_rows_find(struct load_rows *rows, const struct load_client *client, char kind, size_t number)
{
	struct load_row key = {0};
	const struct load_row *row;
	char email[LOAD_EMAIL_MAX];

	load_email(email, client, kind, number);
	key.email = email;
	row = bsearch(&key, rows->list, rows->count, sizeof(*rows->list), load_row_order);
	rows->found += row != NULL;
	return row;
}

static void
load_check_user(struct load_rows *rows, const struct load_client *client, unsigned index)
{
	const struct load_row *row = load_rows_find(rows, client, 'o', index);
	const struct load_user *user = &client->users[index];

	assert_non_null(row);
	assert_int_equal(row->id, user->id);
	if (!load_may_have(user, (unsigned)strtoul(row->name + 1, NULL, 10))) {
		fail_msg("%s: acknowledged was v%u, there is %s", row->email, user->acknowledged,
		    row->name);
	}
}

static void
load_check_create(struct load_rows *rows, const struct load_client *client, size_t index)
{
	const struct load_row *row = load_rows_find(rows, client, 'c', index);
	const struct load_create *create = &client->creates[index];

	switch (create->outcome) {
	case LOAD_DONE:
		assert_non_null(row);
		assert_int_equal(row->id, create->id);
		break;
	case LOAD_REFUSED: assert_null(row); break;
	case LOAD_UNKNOWN: break;
	}
}

void
load_check(const struct load *load)
{
	struct load_rows rows = {0};

	for (size_t i = 0; i < load->failure_count; i++) {
		assert_string_not_equal(load->failures[i].reason, "WRONG_CONTENT");
	}
	load_rows_read(&rows, load);
	for (unsigned i = 0; i < load->client_count; i++) {
		const struct load_client *client = &load->clients[i];

		for (unsigned j = 0; j < LOAD_USERS; j++) {
			load_check_user(&rows, client, j);
		}
		for (size_t j = 0; j < client->create_count; j++) {
			load_check_create(&rows, client, j);
		}
	}
	assert_int_equal(rows.found, rows.ours);
	free(rows.list);
	yajl_tree_free(rows.root);
}
