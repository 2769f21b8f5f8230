#include "integration/client.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "integration/json_get.h"

#define BULK_MAX 4

/* What all clients know of a user: written by its owner before and after each request. */
struct board_user {
	int64_t id;
	unsigned acknowledged; /* version */
	unsigned tried;
	bool deleted;
	bool deletion_tried;
};

static struct board_user board[CLIENTS_MAX][MODEL_USERS];
static pthread_mutex_t board_lock = PTHREAD_MUTEX_INITIALIZER; /* guards board */

atomic_bool clients_stopping;
char clients_fault[4096];
static pthread_mutex_t fault_lock = PTHREAD_MUTEX_INITIALIZER; /* guards clients_fault */

void
clients_reset(void)
{
	memset(board, 0, sizeof(board));
	clients_fault[0] = '\0';
	atomic_store(&clients_stopping, false);
}

void
client_fault(struct client *client, const char *format, ...)
{
	va_list args;
	size_t len;

	pthread_mutex_lock(&fault_lock);
	if (clients_fault[0] == '\0') {
		len = (size_t)snprintf(clients_fault, sizeof(clients_fault),
		    "client %u, request %u, %s: ", client->number, client->requests, client->job);
		va_start(args, format);
		vsnprintf(clients_fault + len, sizeof(clients_fault) - len, format, args);
		va_end(args);
	}
	pthread_mutex_unlock(&fault_lock);
	atomic_store(&clients_stopping, true);
}

/* Sends by one of the gateways; body is what client->body holds, if anything. */
bool
client_send(struct client *client, const char *verb, int64_t id, const char *headers, int status)
{
	struct http *http = client->gateways[model_random(&client->model, 2)];
	struct buf *body = &client->body;
	char line[64] = "";

	snprintf(line, sizeof(line), id == 0 ? "%s /users" : "%s /users/%lld", verb, (long long)id);
	client->requests++;
	client->answer =
	    http_send_bytes(http, line, headers, body->len == 0 ? NULL : body->data, body->len);
	if (client->answer->curl_code != 0 ||
	    (status != CLIENT_ANY_STATUS && client->answer->status != status)) {
		client_fault(client, "%s %.*s: %d (curl %d), not %d: %s", line, (int)body->len,
		    body->len == 0 ? "" : body->data, client->answer->status,
		    client->answer->curl_code, status, client->answer->body);
		return false;
	}
	return true;
}

/* The answer's body must be what client->want holds. */
static bool
client_check_body(struct client *client)
{
	buf_putc(&client->want, '\0');
	if (strcmp(client->answer->body, client->want.data) != 0) {
		client_fault(client, "%s instead of %s", client->answer->body, client->want.data);
		return false;
	}
	return true;
}

static struct board_user *
client_board(struct client *client, unsigned slot)
{
	return &board[client->number][slot];
}

/* Before a write of it is sent: others may see it from now on. */
static void
client_announce(struct client *client, const struct model_user *draft)
{
	pthread_mutex_lock(&board_lock);
	client_board(client, draft->slot)->tried = draft->version;
	pthread_mutex_unlock(&board_lock);
}

/* After it was acknowledged: others must see it from now on. */
static void
client_acknowledge(struct client *client, const struct model_user *draft)
{
	pthread_mutex_lock(&board_lock);
	*client_board(client, draft->slot) = (struct board_user){
	    .id = draft->id, .acknowledged = draft->version, .tried = draft->version};
	pthread_mutex_unlock(&board_lock);
	model_write(&client->model, draft);
}

static void
client_read_own(struct client *client)
{
	const struct model_user *user =
	    &client->model.users[model_random(&client->model, MODEL_USERS)];

	client->job = "a read of an own user";
	if (user->id != 0 &&
	    client_send(client, "GET", user->id, NULL, user->present ? 200 : 404) &&
	    user->present) {
		model_put_answer(&client->want, &client->model, user);
		client_check_body(client);
	}
}

/* Whether what was read of another's user may be, by the board before and after. */
static bool
client_may_see(const struct http_answer *answer, unsigned owner, unsigned slot,
    const struct board_user *before, const struct board_user *after)
{
	char name[64];
	const char *at;
	unsigned version;

	if (answer->status == 404) {
		return before->deleted || after->deletion_tried || after->id != before->id;
	}
	snprintf(name, sizeof(name), "\"name\":\"o%u s%u v", owner, slot);
	at = strstr(answer->body, name);
	if (answer->status != 200 || at == NULL || before->deleted) {
		return false;
	}
	version = (unsigned)strtoul(at + strlen(name), NULL, 10);
	return version >= before->acknowledged && version <= after->tried;
}

static void
client_read_other(struct client *client)
{
	unsigned owner = model_random(&client->model, CLIENTS_MAX);
	unsigned slot = model_random(&client->model, MODEL_USERS);
	struct board_user before;
	struct board_user after;

	client->job = "a read of another's user";
	pthread_mutex_lock(&board_lock);
	before = board[owner][slot];
	pthread_mutex_unlock(&board_lock);
	if (before.id == 0 || !client_send(client, "GET", before.id, NULL, CLIENT_ANY_STATUS)) {
		return;
	}
	pthread_mutex_lock(&board_lock);
	after = board[owner][slot];
	pthread_mutex_unlock(&board_lock);
	if (!client_may_see(client->answer, owner, slot, &before, &after)) {
		client_fault(client,
		    "user %lld of client %u was acknowledged as v%u%s and tried as v%u: %d %s",
		    (long long)before.id, owner, before.acknowledged,
		    before.deleted ? ", deleted" : "", after.tried, client->answer->status,
		    client->answer->body);
	}
}

static void
client_find(struct client *client)
{
	unsigned address = model_random(&client->model, MODEL_ADDRESSES);
	int slot = model_find_address(&client->model, address);
	char verb_path[128];

	client->job = "a list by address";
	snprintf(verb_path, sizeof(verb_path), "GET /users?email=own%u.address%u%%40EXAMPLE.com",
	    client->number, address);
	client->requests++;
	client->answer =
	    http_send(client->gateways[model_random(&client->model, 2)], verb_path, NULL, NULL);
	buf_puts(&client->want, "{\"Users\":[");
	if (slot >= 0) {
		model_put_answer(&client->want, &client->model, &client->model.users[slot]);
	}
	buf_puts(&client->want, "]}");
	client_check_body(client);
}

static void
client_create(struct client *client)
{
	int slot = model_find(&client->model, false);
	struct model_user draft;
	const char *location;
	int status;

	client->job = "a creation";
	if (slot < 0) {
		return;
	}
	draft = model_draft(&client->model, (unsigned)slot, true);
	status = model_create_status(&client->model, &draft);
	model_put_request(&client->body, &client->model, &draft, false);
	if (!client_send(client, "POST", 0, NULL, status)) {
		return;
	}
	if (status == 400) {
		if (strstr(client->answer->body, CLIENT_DUPLICATE) == NULL) {
			client_fault(client, "no duplicate: %s", client->answer->body);
		}
		return;
	}
	location = http_header(client->answer, "location");
	draft.id = location == NULL ? 0 : atoll(location + strlen("/users/"));
	model_put_answer(&client->want, &client->model, &draft);
	if (client_check_body(client)) {
		client_acknowledge(client, &draft);
	}
}

static void
client_replace(struct client *client)
{
	unsigned slot = model_random(&client->model, MODEL_USERS);
	const struct model_user *user = &client->model.users[slot];
	struct model_user draft = model_draft(&client->model, slot, user->present);
	int status = model_replace_status(&client->model, &draft);

	client->job = "a replacement";
	if (user->id == 0) {
		return;
	}
	if (status == 200) {
		client_announce(client, &draft);
	}
	model_put_request(&client->body, &client->model, &draft, false);
	if (!client_send(client, "PUT", user->id, NULL, status)) {
		return;
	}
	if (status == 200) {
		model_put_answer(&client->want, &client->model, &draft);
		if (client_check_body(client)) {
			client_acknowledge(client, &draft);
		}
	} else if (status == 400 && strstr(client->answer->body, CLIENT_DUPLICATE) == NULL) {
		client_fault(client, "no duplicate: %s", client->answer->body);
	}
}

static void
client_delete(struct client *client)
{
	unsigned slot = model_random(&client->model, MODEL_USERS);
	int64_t id = client->model.users[slot].id;

	client->job = "a deletion";
	if (id == 0) {
		return;
	}
	pthread_mutex_lock(&board_lock);
	client_board(client, slot)->deletion_tried = true;
	pthread_mutex_unlock(&board_lock);
	if (client_send(client, "DELETE", id, NULL, 200)) {
		pthread_mutex_lock(&board_lock);
		client_board(client, slot)->deleted = true;
		pthread_mutex_unlock(&board_lock);
		model_delete(&client->model, slot);
	}
}

/* What is wrong by itself must be told so among others that are right. */
static void
client_fail(struct client *client)
{
	int64_t id = client->model.users[model_random(&client->model, MODEL_USERS)].id;

	client->job = "a bad request";
	buf_printf(&client->body,
	    "{\"accountid\":0,\"name\":\"\",\"email\":\"own%u.address0@example.com\",\"role\":1,"
	    "\"password\":\"p\"}",
	    client->number);
	if (client_send(client, id == 0 ? "POST" : "PUT", id, NULL, 400) &&
	    strstr(client->answer->body, CLIENT_DUPLICATE) != NULL) {
		client_fault(client, "not a duplicate: %s", client->answer->body);
	}
}

/*
 * Drafts a bulk into client->body, each row as it must go after those before
 * it; gives how many rows there are.
 */
static unsigned
client_draft_bulk(struct client *client, bool create, struct model *model,
    struct model_user drafts[BULK_MAX], int statuses[BULK_MAX])
{
	unsigned count = 0;

	buf_puts(&client->body, "{\"Users\":[");
	for (unsigned slot = 0; slot < MODEL_USERS && count < BULK_MAX; slot++) {
		const struct model_user *user = &model->users[slot];
		struct model_user *draft = &drafts[count];

		if (create ? user->present : user->id == 0) {
			continue;
		}
		*draft = model_draft(model, slot, create || user->present);
		statuses[count] =
		    create ? model_create_status(model, draft) : model_replace_status(model, draft);
		buf_puts(&client->body, count == 0 ? "" : ",");
		model_put_request(&client->body, model, draft, !create);
		if (statuses[count] < 300) {
			model_write(model, draft);
		}
		if (!create && statuses[count] < 300) {
			client_announce(client, draft);
		}
		count++;
	}
	buf_puts(&client->body, "]}");
	return count;
}

static void
client_check_row(struct client *client, yajl_val row, struct model_user *draft, int status)
{
	int64_t id = json_int(row, "user.id");

	if (json_int(row, "httpstatus") != status ||
	    (status == 400 && strcmp(json_text(row, "errmsg"), CLIENT_DUPLICATE) != 0) ||
	    (status < 300 && (id < 1 || strcmp(json_text(row, "user.email"), draft->email) != 0))) {
		client_fault(client, "the row of %s, which must be %d: %s", draft->email, status,
		    client->answer->body);
	} else if (status < 300) {
		draft->id = id;
		client_acknowledge(client, draft);
	}
}

static void
client_bulk(struct client *client)
{
	bool create = model_random(&client->model, 2) == 0;
	struct model model = client->model;
	struct model_user drafts[BULK_MAX];
	int statuses[BULK_MAX];
	unsigned count = client_draft_bulk(client, create, &model, drafts, statuses);
	int status = create ? 201 : 200;
	yajl_val json;

	client->job = "a bulk";
	client->model.random = model.random;
	client->model.version = model.version;
	for (unsigned i = 0; i < count; i++) {
		status = statuses[i] < 300 ? status : 409;
	}
	if (count == 0 ||
	    !client_send(client, create ? "POST" : "PUT", 0, "Bulk-Request: true", status)) {
		return;
	}
	json = json_parse(client->answer->body);
	if (json_count(json, "results") != count) {
		client_fault(client, "not %u results: %s", count, client->answer->body);
		count = 0;
	}
	for (unsigned i = 0; i < count; i++) {
		char path[32];

		snprintf(path, sizeof(path), "results.%u", i);
		client_check_row(client, json_at(json, path), &drafts[i], statuses[i]);
	}
	yajl_tree_free(json);
}

void
client_do(struct client *client)
{
	static void (*const mix[])(struct client *) = {client_read_own, client_read_own,
	    client_read_other, client_read_other, client_find, client_create, client_create,
	    client_replace, client_replace, client_delete, client_fail, client_bulk};

	buf_reset(&client->body);
	buf_reset(&client->want);
	mix[model_random(&client->model, sizeof(mix) / sizeof(mix[0]))](client);
}
