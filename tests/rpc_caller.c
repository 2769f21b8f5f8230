#include "tests/rpc_caller.h"

#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include <cmocka.h>

struct caller {
	struct rpc_channel *channel;
	struct rpc_pending *pending;
	pthread_mutex_t lock; /* guards all below */
	pthread_cond_t ended;
	struct rpc_reply *reply;
	unsigned ends;
};

struct rpc_channel *
caller_channel(const char *urls, struct rpc_channel_options options)
{
	struct rpc_channel *channel;
	struct error error;

	options.endpoints = urls;
	if (rpc_channel_open(&channel, &options, &error) != STATUS_OK) {
		fail_msg("%s", error.message);
	}
	return channel;
}

void
caller_wait_serving(struct rpc_channel *channel, size_t endpoints)
{
	struct rpc_channel_stats stats;

	for (unsigned tries = 0; tries < 3000; tries++) {
		rpc_channel_get_stats(channel, &stats);
		if (stats.endpoints_serving == endpoints) {
			return;
		}
		nanosleep(&(struct timespec){.tv_nsec = 10000000}, NULL);
	}
	fail_msg("%zu endpoints are in the rotation, not %zu", stats.endpoints_serving, endpoints);
}

static void
caller_done(struct rpc_reply *reply, void *closure)
{
	struct caller *caller = closure;

	pthread_mutex_lock(&caller->lock);
	caller->reply = reply;
	caller->ends++;
	pthread_cond_signal(&caller->ended);
	pthread_mutex_unlock(&caller->lock);
}

struct caller *
caller_start_request(struct rpc_channel *channel, const struct rpc_request *request)
{
	struct caller *caller = calloc(1, sizeof(*caller));

	pthread_mutex_init(&caller->lock, NULL);
	pthread_cond_init(&caller->ended, NULL);
	caller->channel = channel;
	pthread_mutex_lock(&caller->lock);
	caller->pending = rpc_channel_call(channel, request, caller_done, caller);
	pthread_mutex_unlock(&caller->lock);
	assert_non_null(caller->pending);
	return caller;
}

struct caller *
caller_start(struct rpc_channel *channel, const char *method, const char *text, unsigned flags,
    uint32_t timeout_ms)
{
	static const struct rpc_metadata metadata[] = {
	    {"request-id", "r-1"}, {"traceparent", "00"}};
	const struct rpc_request request = {.method = method,
	    .data = (const uint8_t *)text,
	    .len = strlen(text),
	    .timeout_ms = timeout_ms,
	    .flags = flags,
	    .metadata = metadata,
	    .metadata_count = 2};

	return caller_start_request(channel, &request);
}

void
caller_cancel(struct caller *caller)
{
	pthread_mutex_lock(&caller->lock);
	if (caller->reply == NULL) {
		rpc_channel_cancel(caller->channel, caller->pending);
	}
	pthread_mutex_unlock(&caller->lock);
}

bool
caller_ended(struct caller *caller)
{
	bool ended;

	pthread_mutex_lock(&caller->lock);
	ended = caller->reply != NULL;
	pthread_mutex_unlock(&caller->lock);
	return ended;
}

const struct rpc_reply *
caller_wait(struct caller *caller)
{
	pthread_mutex_lock(&caller->lock);
	while (caller->reply == NULL) {
		pthread_cond_wait(&caller->ended, &caller->lock);
	}
	assert_int_equal(caller->ends, 1);
	pthread_mutex_unlock(&caller->lock);
	return caller->reply;
}

void
caller_free(struct caller **caller)
{
	rpc_reply_free(&(*caller)->reply);
	pthread_cond_destroy(&(*caller)->ended);
	pthread_mutex_destroy(&(*caller)->lock);
	free(*caller);
	*caller = NULL;
}

void
caller_expect(struct caller *caller, enum status_code code, const char *reason)
{
	const struct error *error = &caller_wait(caller)->error;

	assert_string_equal(status_name(error->code), status_name(code));
	assert_string_equal(error->reason == NULL ? "" : error->reason, reason);
	assert_true(code == STATUS_OK || error->message[0] != '\0');
	caller_free(&caller);
}

void
caller_expect_text(struct caller *caller, const char *text)
{
	const struct rpc_reply *reply = caller_wait(caller);

	assert_string_equal(status_name(reply->error.code), "OK");
	assert_int_equal(reply->len, strlen(text));
	assert_memory_equal(reply->response, text, reply->len);
	caller_free(&caller);
}
