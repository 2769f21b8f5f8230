#include "integration/load.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include <cmocka.h>

#include "common/base/clock.h"
#include "integration/load_impl.h"

#define LOAD_MIX         8 /* requests of a round: one creates, three replace, four read */
#define LOAD_PAUSE_MS    1 /* between two requests of a client */
#define LOAD_GIVE_UP_MS  20000
#define LOAD_PATIENCE_NS (30000 * CLOCK_NS_PER_MS)

static void
load_pause(long ms)
{
	nanosleep(&(struct timespec){.tv_nsec = ms * CLOCK_NS_PER_MS}, NULL);
}

/* An array that is grown when its count reaches a power of two. */
static void *
load_grow(void *array, size_t count, size_t size)
{
	if (count == 0 || (count & (count - 1)) == 0) {
		array = reallocarray(array, count == 0 ? 1 : count * 2, size);
	}
	assert_non_null(array);
	return array;
}

static void
load_read_reason(const struct http_answer *answer, char *reason, size_t size)
{
	static const char member[] = "\"reason\":\"";
	const char *at = strstr(answer->body, member);

	*reason = '\0';
	if (at != NULL) {
		at += sizeof(member) - 1;
		snprintf(reason, size, "%.*s", (int)strcspn(at, "\""), at);
	}
}

static void
load_fail(struct load *load, const struct load_failure *failure)
{
	pthread_mutex_lock(&load->lock);
	load->failures =
	    load_grow(load->failures, load->failure_count, sizeof(struct load_failure));
	load->failures[load->failure_count++] = *failure;
	atomic_fetch_add(&load->failed, 1);
	pthread_mutex_unlock(&load->lock);
}

/* Makes a request and notes how it ended. */
static enum load_outcome
load_send(struct load_client *client, enum load_kind kind, const char *line, const char *headers,
    const char *body)
{
	struct load_failure failure = {.kind = kind, .begun_ns = clock_now_ns()};
	const struct http_answer *answer = http_send(client->http, line, headers, body);
	bool whole = answer->curl_code == 0;

	client->answer = answer;
	if (answer->seconds > client->slowest_s) {
		client->slowest_s = answer->seconds;
	}
	if (whole && (answer->status == 200 || answer->status == 201)) {
		atomic_fetch_add(&client->load->successes, 1);
		return LOAD_DONE;
	}
	failure.status = whole ? answer->status : 0;
	failure.ended_ns = clock_now_ns();
	load_read_reason(answer, failure.reason, sizeof(failure.reason));
	load_fail(client->load, &failure);
	return whole && strcmp(failure.reason, "OUTCOME_UNKNOWN") != 0 ? LOAD_REFUSED
								       : LOAD_UNKNOWN;
}

static void
load_user_body(char *body, size_t size, const char *name, const char *email)
{
	snprintf(body, size,
	    "{\"accountid\":1,\"name\":\"%s\",\"email\":\"%s\",\"role\":1,\"password\":\"p\"}",
	    name, email);
}

void
load_email(char email[LOAD_EMAIL_MAX], const struct load_client *client, char kind, size_t number)
{
	snprintf(email, LOAD_EMAIL_MAX, "%u.%c%u.%zu@load.example", client->load->number, kind,
	    client->number, number);
}

bool
load_email_is_ours(const struct load *load, const char *email)
{
	char *end;

	return strtoul(email, &end, 10) == load->number && *end == '.' &&
	       strstr(email, "@load.example") != NULL;
}

static int64_t
load_answered_id(const char *body)
{
	const char *at = strstr(body, "\"id\":");

	return at == NULL ? 0 : strtoll(at + 5, NULL, 10);
}

bool
load_may_have(const struct load_user *user, unsigned number)
{
	return number == user->acknowledged ||
	       (number <= user->tried && user->outcomes[number] == LOAD_UNKNOWN);
}

/* The number in the name of a user's JSON, or one that no user has. */
static unsigned
load_name_number(const char *body)
{
	const char *at = strstr(body, "\"name\":\"v");

	return at == NULL ? UINT32_MAX : (unsigned)strtoul(at + 9, NULL, 10);
}

static void
load_read(struct load_client *client, const struct load_user *user)
{
	struct load_failure failure = {LOAD_READ, 200, "WRONG_CONTENT", clock_now_ns(), 0};
	const char *body;
	char line[64];

	snprintf(line, sizeof(line), "GET /users/%lld", (long long)user->id);
	if (load_send(client, LOAD_READ, line, NULL, NULL) != LOAD_DONE) {
		return;
	}
	body = client->answer->body;
	if (load_answered_id(body) != user->id || !load_may_have(user, load_name_number(body))) {
		fprintf(stderr, "acknowledged was v%u, read: %s\n", user->acknowledged, body);
		failure.ended_ns = clock_now_ns();
		load_fail(client->load, &failure);
	}
}

static void
load_replace(struct load_client *client, unsigned index)
{
	struct load_user *user = &client->users[index];
	unsigned number = ++user->tried;
	char line[64];
	char name[32];
	char email[LOAD_EMAIL_MAX];
	char body[256];

	user->outcomes = load_grow(user->outcomes, number, sizeof(*user->outcomes));
	snprintf(line, sizeof(line), "PUT /users/%lld", (long long)user->id);
	snprintf(name, sizeof(name), "v%u", number);
	load_email(email, client, 'o', index);
	load_user_body(body, sizeof(body), name, email);
	user->outcomes[number] = load_send(client, LOAD_REPLACE, line, NULL, body);
	if (user->outcomes[number] == LOAD_DONE) {
		user->acknowledged = number;
	}
}

static void
load_create(struct load_client *client)
{
	struct load_create *create;
	char headers[64];
	char email[LOAD_EMAIL_MAX];
	char body[256];

	client->creates = load_grow(client->creates, client->create_count, sizeof(*create));
	create = &client->creates[client->create_count];
	load_email(email, client, 'c', client->create_count);
	load_user_body(body, sizeof(body), "v0", email);
	snprintf(headers, sizeof(headers), "X-Request-Id: " LOAD_CREATE_ID "%u-%u-%zu",
	    client->load->number, client->number, client->create_count);
	create->outcome = load_send(client, LOAD_CREATE, "POST /users", headers, body);
	create->id = create->outcome == LOAD_DONE ? load_answered_id(client->answer->body) : 0;
	client->create_count++;
}

static void *
load_run(void *closure)
{
	struct load_client *client = closure;

	for (unsigned i = client->number; !atomic_load(&client->load->stopping); i++) {
		unsigned index = i / LOAD_MIX % LOAD_USERS;

		if (i % LOAD_MIX == 0) {
			load_create(client);
		} else if (i % 2 == 1 && i % LOAD_MIX != 1 && !client->load->without_replaces) {
			load_replace(client, index);
		} else {
			load_read(client, &client->users[index]);
		}
		load_pause(LOAD_PAUSE_MS);
	}
	return NULL;
}

/* Its users, with the name v0. */
static void
load_client_init(struct load_client *client, struct load *load, unsigned number)
{
	client->load = load;
	client->number = number;
	client->http = http_new(load->url);
	http_set_timeout(client->http, LOAD_GIVE_UP_MS);
	for (unsigned i = 0; i < LOAD_USERS; i++) {
		struct load_user *user = &client->users[i];
		const struct http_answer *answer;
		char email[LOAD_EMAIL_MAX];
		char body[256];

		load_email(email, client, 'o', i);
		load_user_body(body, sizeof(body), "v0", email);
		answer = http_send(client->http, "POST /users", NULL, body);
		assert_int_equal(answer->status, 201);
		user->id = load_answered_id(answer->body);
		user->outcomes = calloc(1, sizeof(*user->outcomes));
		assert_non_null(user->outcomes);
	}
}

static struct load *
load_begin(const char *url, unsigned clients, bool without_replaces)
{
	static unsigned loads;
	struct load *load = calloc(1, sizeof(*load));

	assert_non_null(load);
	load->number = ++loads;
	load->without_replaces = without_replaces;
	load->clients = calloc(clients, sizeof(*load->clients));
	assert_non_null(load->clients);
	snprintf(load->url, sizeof(load->url), "%s", url);
	pthread_mutex_init(&load->lock, NULL);
	for (; load->client_count < clients; load->client_count++) {
		load_client_init(&load->clients[load->client_count], load, load->client_count);
	}
	for (unsigned i = 0; i < clients; i++) {
		struct load_client *client = &load->clients[i];

		assert_int_equal(pthread_create(&client->thread, NULL, load_run, client), 0);
	}
	return load;
}

struct load *
load_start(const char *url, unsigned clients)
{
	return load_begin(url, clients, false);
}

struct load *
load_start_without_replaces(const char *url, unsigned clients)
{
	return load_begin(url, clients, true);
}

/* Waits until the counter is at target. */
static void
load_await_count(struct load *load, const atomic_uint *counter, unsigned target)
{
	int64_t deadline_ns = clock_now_ns() + LOAD_PATIENCE_NS;

	while (atomic_load(counter) < target) {
		if (clock_now_ns() > deadline_ns) {
			load_stop(load);
			load_print(load);
			fail_msg("in 30 s there came %u, not %u", atomic_load(counter), target);
		}
		load_pause(2);
	}
}

void
load_await(struct load *load, unsigned successes)
{
	load_await_count(load, &load->successes, atomic_load(&load->successes) + successes);
}

void
load_await_failures(struct load *load, unsigned failures)
{
	load_await_count(load, &load->failed, failures);
}

void
load_stop(struct load *load)
{
	if (load->stopped) {
		return;
	}
	atomic_store(&load->stopping, true);
	for (unsigned i = 0; i < load->client_count; i++) {
		pthread_join(load->clients[i].thread, NULL);
	}
	load->stopped = true;
}

size_t
load_failures(const struct load *load, const struct load_failure **failures)
{
	*failures = load->failures;
	return load->failure_count;
}

unsigned
load_count(const struct load *load, enum load_kind kind, int status, const char *reason)
{
	unsigned count = 0;

	for (size_t i = 0; i < load->failure_count; i++) {
		const struct load_failure *failure = &load->failures[i];

		count += failure->kind == kind && (status == 0 || failure->status == status) &&
			 (reason == NULL || strcmp(failure->reason, reason) == 0);
	}
	return count;
}

void
load_check_none_failed(const struct load *load)
{
	assert_int_equal(load->failure_count, 0);
}

double
load_slowest_s(const struct load *load)
{
	double slowest_s = 0;

	for (unsigned i = 0; i < load->client_count; i++) {
		if (load->clients[i].slowest_s > slowest_s) {
			slowest_s = load->clients[i].slowest_s;
		}
	}
	return slowest_s;
}

/* True when a failure before this one is of its sort. */
static bool
load_printed(const struct load *load, size_t index)
{
	const struct load_failure *failure = &load->failures[index];

	for (size_t i = 0; i < index; i++) {
		if (load->failures[i].kind == failure->kind &&
		    load->failures[i].status == failure->status &&
		    strcmp(load->failures[i].reason, failure->reason) == 0) {
			return true;
		}
	}
	return false;
}

void
load_print(const struct load *load)
{
	static const char *const kinds[LOAD_KINDS] = {"reads", "replacements", "creations"};

	fprintf(stderr, "load: %u succeeded, %zu failed, the slowest took %.3f s\n",
	    atomic_load(&load->successes), load->failure_count, load_slowest_s(load));
	for (size_t i = 0; i < load->failure_count; i++) {
		const struct load_failure *failure = &load->failures[i];

		if (!load_printed(load, i)) {
			fprintf(stderr, "load: %u %s failed with %d %s\n",
			    load_count(load, failure->kind, failure->status, failure->reason),
			    kinds[failure->kind], failure->status, failure->reason);
		}
	}
}

void
load_free(struct load **load)
{
	struct load *freed = *load;

	if (freed == NULL) {
		return;
	}
	load_stop(freed);
	for (unsigned i = 0; i < freed->client_count; i++) {
		struct load_client *client = &freed->clients[i];

		for (unsigned j = 0; j < LOAD_USERS; j++) {
			free(client->users[j].outcomes);
		}
		free(client->creates);
		http_free(&client->http);
	}
	pthread_mutex_destroy(&freed->lock);
	free(freed->clients);
	free(freed->failures);
	free(freed);
	*load = NULL;
}
