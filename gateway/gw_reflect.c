#include "gateway/gw_reflect.h"

#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/base/clock.h"
#include "common/rpc/client/rpc_channel.h"
#include "common/telemetry/log.h"
#include "gateway/gw_api.h"
#include "gateway/gw_catalog.h"
#include "gateway/gw_server.h"
#include "gateway/gw_view.h"
#include "mockvideo/rpc.pb-c.h"

#define GW_REFLECT_METHOD     "mockvideo.rpc.v1.Reflection/GetFileDescriptorSet"
#define GW_REFLECT_TIMEOUT_MS 5000

/* So often is looked whether a service says something else. */
#define GW_REFLECT_TICK_MS 250

/* So often is one asked that says nothing of its descriptors in its health answers. */
#define GW_REFLECT_POLL_MS INT64_C(30000)

/* After a question without an answer the next one waits, from the one to the other. */
#define GW_REFLECT_RETRY_MIN_MS INT64_C(250)
#define GW_REFLECT_RETRY_MAX_MS INT64_C(30000)

/* What all endpoints of a service in the rotation say. */
struct gw_said {
	bool agreed;
	bool any; /* some endpoint is in the rotation */
	char digest[RPC_DIGEST_SIZE];
};

/* A service, and how far the talk with it is. */
struct gw_inquiry {
	struct gw_reflect *reflect;
	const struct gw_backend *backend;
	struct rpc_pending *pending; /* the question that is asked; NULL: none is */
	struct rpc_reply *reply;     /* its answer; guarded by the lock */
	struct gw_said said;         /* when it was asked */

	char got[RPC_DIGEST_SIZE];     /* of the set that the last answer had */
	char settled[RPC_DIGEST_SIZE]; /* what was said of that set, whatever became of it */
	int64_t answered_ns;           /* when; 0: there was no answer */
	unsigned failures;             /* in a row */
	int64_t next_ns;               /* not to be asked before */
};

struct gw_reflect {
	const struct gw_api *api;
	struct gw_catalog *catalog;
	struct gw_server *server;
	struct gw_view *published; /* what the server has */
	pthread_t thread;

	pthread_mutex_t lock; /* guards stopping, and the replies */
	pthread_cond_t changed;
	bool stopping;
	struct gw_inquiry inquiries[]; /* by the index of their backend */
};

/* A thread of the channel. */
static void
gw_reflect_replied(struct rpc_reply *reply, void *closure)
{
	struct gw_inquiry *inquiry = closure;
	struct gw_reflect *reflect = inquiry->reflect;

	pthread_mutex_lock(&reflect->lock);
	inquiry->reply = reply;
	pthread_cond_signal(&reflect->changed);
	pthread_mutex_unlock(&reflect->lock);
}

/* What is said */

static void
gw_reflect_hear(const struct rpc_endpoint_status *status, void *closure)
{
	struct gw_said *said = closure;

	if (status->state != RPC_ENDPOINT_SERVING) {
		return;
	}
	if (status->descriptors_digest == NULL ||
	    (said->any && strcmp(said->digest, status->descriptors_digest) != 0)) {
		said->agreed = false;
	} else {
		snprintf(said->digest, sizeof(said->digest), "%s", status->descriptors_digest);
	}
	said->any = true;
}

/* While a new version is rolled out, some say this and some that. */
static struct gw_said
gw_reflect_listen(const struct gw_backend *backend)
{
	struct gw_said said = {.agreed = true};

	rpc_channel_visit_endpoints(backend->channel, gw_reflect_hear, &said);
	said.agreed = said.agreed && said.any;
	return said;
}

/* Asking */

/* One that is away is asked as soon as it is back. */
static void
gw_reflect_back_off(struct gw_inquiry *inquiry)
{
	bool away = !gw_reflect_listen(inquiry->backend).any;
	int64_t ms = GW_REFLECT_RETRY_MIN_MS << (away ? 0 : inquiry->failures);

	if (ms >= GW_REFLECT_RETRY_MAX_MS) {
		ms = GW_REFLECT_RETRY_MAX_MS;
	} else if (!away) {
		inquiry->failures++;
	}
	inquiry->next_ns = clock_now_ns() + ms * CLOCK_NS_PER_MS;
}

/* The first question waits in the channel until somebody serves; later ones are for news. */
static bool
gw_reflect_is_due(const struct gw_inquiry *inquiry, const struct gw_catalog_status *status,
    const struct gw_said *said)
{
	int64_t now_ns = clock_now_ns();

	if (now_ns < inquiry->next_ns) {
		return false;
	}
	if (!status->known && inquiry->answered_ns == 0) {
		return true;
	}
	if (!said->agreed) {
		return false;
	}
	return said->digest[0] == '\0'
		   ? now_ns - inquiry->answered_ns >= GW_REFLECT_POLL_MS * CLOCK_NS_PER_MS
		   : strcmp(said->digest, inquiry->settled) != 0;
}

static void
gw_reflect_ask(struct gw_inquiry *inquiry)
{
	static const struct rpc_request request = {.method = GW_REFLECT_METHOD,
	    .timeout_ms = GW_REFLECT_TIMEOUT_MS,
	    .flags = RPC_NO_SIDE_EFFECTS | RPC_WAIT_FOR_READY};

	inquiry->pending =
	    rpc_channel_call(inquiry->backend->channel, &request, gw_reflect_replied, inquiry);
	if (inquiry->pending == NULL) {
		gw_reflect_back_off(inquiry);
	}
}

static void
gw_reflect_look(struct gw_inquiry *inquiry)
{
	struct gw_catalog *catalog = inquiry->reflect->catalog;
	struct gw_said said = gw_reflect_listen(inquiry->backend);
	struct gw_catalog_status status;

	if (inquiry->pending != NULL) {
		return;
	}
	gw_catalog_get_status(catalog, inquiry->backend, &status);
	if (status.known && said.agreed && strcmp(said.digest, status.digest) == 0) {
		if (status.state != GW_CATALOG_CURRENT) {
			gw_catalog_confirm(catalog, inquiry->backend);
		}
		inquiry->settled[0] = '\0';
		return;
	}
	if (gw_reflect_is_due(inquiry, &status, &said)) {
		inquiry->said = said;
		gw_reflect_ask(inquiry);
	}
}

/* Answers */

/* Those that were refused may go together with what the others have by now. */
static void
gw_reflect_ask_again(struct gw_reflect *reflect)
{
	for (size_t i = 0; i < reflect->api->backends.count; i++) {
		struct gw_catalog_status status;

		gw_catalog_get_status(reflect->catalog, &reflect->api->backends.list[i], &status);
		if (status.state == GW_CATALOG_REFUSED) {
			reflect->inquiries[i].settled[0] = '\0';
			reflect->inquiries[i].answered_ns = 0;
			reflect->inquiries[i].next_ns = 0;
		}
	}
}

static void
gw_reflect_refused(const struct gw_inquiry *inquiry, const struct error *error)
{
	log_error("descriptors of a service are refused", error,
	    (const struct log_field[]){LOG_STR("backend", gw_backend_name(inquiry->backend)),
		LOG_STR("digest", inquiry->got)},
	    2);
}

static enum status_code
gw_reflect_take(struct gw_inquiry *inquiry, const uint8_t *set, size_t len, struct error *error)
{
	struct gw_reflect *reflect = inquiry->reflect;
	struct gw_view *before = gw_catalog_view(reflect->catalog);
	struct gw_view *after;
	enum status_code status;

	rpc_digest(set, len, inquiry->got);
	status = gw_catalog_adopt(reflect->catalog, inquiry->backend, set, len, error);
	if (status == STATUS_INVALID_ARGUMENT) {
		gw_reflect_refused(inquiry, error);
	}
	after = gw_catalog_view(reflect->catalog);
	if (after != before) {
		gw_reflect_ask_again(reflect);
	}
	gw_view_release(&before);
	gw_view_release(&after);
	return status == STATUS_INVALID_ARGUMENT ? STATUS_OK : status;
}

/*
 * What came while endpoints disagreed may be from any of them: that is better than
 * nothing, and worse than what is known.
 */
static enum status_code
gw_reflect_weigh(struct gw_inquiry *inquiry, const uint8_t *set, size_t len, struct error *error)
{
	struct gw_said said = gw_reflect_listen(inquiry->backend);
	struct gw_catalog_status status;

	gw_catalog_get_status(inquiry->reflect->catalog, inquiry->backend, &status);
	if (status.known && (!said.agreed || strcmp(said.digest, inquiry->said.digest) != 0)) {
		return error_set(error, STATUS_ABORTED, "CHANGED", "it changes just now");
	}
	return gw_reflect_take(inquiry, set, len, error);
}

static enum status_code
gw_reflect_read(struct gw_inquiry *inquiry, const struct rpc_reply *reply, struct error *error)
{
	Mockvideo__Rpc__V1__GetFileDescriptorSetResponse *response;
	enum status_code status;

	if (reply->error.code != STATUS_OK) {
		*error = reply->error;
		return error->code;
	}
	response = mockvideo__rpc__v1__get_file_descriptor_set_response__unpack(
	    NULL, reply->len, reply->response);
	if (response == NULL) {
		return error_set(error, STATUS_UNAVAILABLE, "MALFORMED_REPLY",
		    "what it says of its descriptors can not be read");
	}
	status = gw_reflect_weigh(
	    inquiry, response->file_descriptor_set.data, response->file_descriptor_set.len, error);
	mockvideo__rpc__v1__get_file_descriptor_set_response__free_unpacked(response, NULL);
	return status;
}

/* Nobody being there is told by metrics and /readyz. */
static void
gw_reflect_failed(const struct gw_inquiry *inquiry, const struct error *error)
{
	if (error->code == STATUS_DEADLINE_EXCEEDED || error->code == STATUS_UNAVAILABLE ||
	    error->code == STATUS_CANCELLED || error->code == STATUS_ABORTED) {
		return;
	}
	log_error("a service can not be asked what it offers", error,
	    (const struct log_field[]){LOG_STR("backend", gw_backend_name(inquiry->backend))}, 1);
}

static void
gw_reflect_deal(struct gw_inquiry *inquiry, struct rpc_reply *reply)
{
	struct error error;

	inquiry->pending = NULL;
	if (gw_reflect_read(inquiry, reply, &error) == STATUS_OK) {
		memcpy(inquiry->settled, inquiry->said.agreed ? inquiry->said.digest : inquiry->got,
		    sizeof(inquiry->settled));
		inquiry->answered_ns = clock_now_ns();
		inquiry->failures = 0;
	} else {
		gw_reflect_failed(inquiry, &error);
		gw_reflect_back_off(inquiry);
	}
	rpc_reply_free(&reply);
}

/* Without memory it is tried again the next time. */
static void
gw_reflect_publish(struct gw_reflect *reflect)
{
	struct gw_view *view = gw_catalog_view(reflect->catalog);

	if (view != reflect->published && gw_server_publish(reflect->server, view)) {
		struct gw_view *before = reflect->published;

		reflect->published = view;
		view = before;
	}
	gw_view_release(&view);
}

/* The thread */

static struct rpc_reply *
gw_reflect_take_reply(struct gw_inquiry *inquiry)
{
	struct rpc_reply *reply;

	pthread_mutex_lock(&inquiry->reflect->lock);
	reply = inquiry->reply;
	inquiry->reply = NULL;
	pthread_mutex_unlock(&inquiry->reflect->lock);
	return reply;
}

static void
gw_reflect_turn(struct gw_reflect *reflect)
{
	for (size_t i = 0; i < reflect->api->backends.count; i++) {
		struct gw_inquiry *inquiry = &reflect->inquiries[i];
		struct rpc_reply *reply = gw_reflect_take_reply(inquiry);

		if (reply != NULL) {
			gw_reflect_deal(inquiry, reply);
		}
		gw_reflect_look(inquiry);
	}
	gw_reflect_publish(reflect);
}

static bool
gw_reflect_has_reply(const struct gw_reflect *reflect)
{
	for (size_t i = 0; i < reflect->api->backends.count; i++) {
		if (reflect->inquiries[i].reply != NULL) {
			return true;
		}
	}
	return false;
}

static void
gw_reflect_sleep(struct gw_reflect *reflect)
{
	int64_t until_ns = clock_now_ns() + GW_REFLECT_TICK_MS * CLOCK_NS_PER_MS;
	struct timespec until = {.tv_sec = until_ns / 1000000000, .tv_nsec = until_ns % 1000000000};

	pthread_mutex_lock(&reflect->lock);
	if (!reflect->stopping && !gw_reflect_has_reply(reflect)) {
		pthread_cond_timedwait(&reflect->changed, &reflect->lock, &until);
	}
	pthread_mutex_unlock(&reflect->lock);
}

static bool
gw_reflect_is_stopping(struct gw_reflect *reflect)
{
	bool stopping;

	pthread_mutex_lock(&reflect->lock);
	stopping = reflect->stopping;
	pthread_mutex_unlock(&reflect->lock);
	return stopping;
}

static void *
gw_reflect_run(void *closure)
{
	struct gw_reflect *reflect = closure;

	while (!gw_reflect_is_stopping(reflect)) {
		gw_reflect_turn(reflect);
		gw_reflect_sleep(reflect);
	}
	return NULL;
}

static void
gw_reflect_free(struct gw_reflect *reflect)
{
	gw_view_release(&reflect->published);
	pthread_cond_destroy(&reflect->changed);
	pthread_mutex_destroy(&reflect->lock);
	free(reflect);
}

static struct gw_reflect *
gw_reflect_new(const struct gw_api *api, struct gw_catalog *catalog, struct gw_server *server)
{
	size_t count = api->backends.count;
	struct gw_reflect *reflect =
	    calloc(1, sizeof(*reflect) + count * sizeof(reflect->inquiries[0]));
	pthread_condattr_t attributes;

	if (reflect == NULL) {
		return NULL;
	}
	reflect->api = api;
	reflect->catalog = catalog;
	reflect->server = server;
	reflect->published = gw_catalog_view(catalog);
	for (size_t i = 0; i < count; i++) {
		reflect->inquiries[i].reflect = reflect;
		reflect->inquiries[i].backend = &api->backends.list[i];
	}
	pthread_condattr_init(&attributes);
	pthread_condattr_setclock(&attributes, CLOCK_MONOTONIC);
	pthread_cond_init(&reflect->changed, &attributes);
	pthread_condattr_destroy(&attributes);
	pthread_mutex_init(&reflect->lock, NULL);
	return reflect;
}

enum status_code
gw_reflect_start(struct gw_reflect **reflect, const struct gw_api *api, struct gw_catalog *catalog,
    struct gw_server *server, struct error *error)
{
	*reflect = NULL;
	if (gw_catalog_is_pinned(catalog)) {
		return STATUS_OK;
	}
	*reflect = gw_reflect_new(api, catalog, server);
	if (*reflect != NULL &&
	    pthread_create(&(*reflect)->thread, NULL, gw_reflect_run, *reflect) == 0) {
		return STATUS_OK;
	}
	if (*reflect != NULL) {
		gw_reflect_free(*reflect);
		*reflect = NULL;
	}
	return error_set(error, STATUS_RESOURCE_EXHAUSTED, "OUT_OF_MEMORY",
	    "a thread cannot be started; raise the limits of memory and threads");
}

/* Gives up on the question that is asked: its answer comes at once. */
static void
gw_reflect_abandon(struct gw_inquiry *inquiry)
{
	struct gw_reflect *reflect = inquiry->reflect;

	if (inquiry->pending == NULL) {
		return;
	}
	pthread_mutex_lock(&reflect->lock);
	if (inquiry->reply == NULL) {
		rpc_channel_cancel(inquiry->backend->channel, inquiry->pending);
	}
	while (inquiry->reply == NULL) {
		pthread_cond_wait(&reflect->changed, &reflect->lock);
	}
	pthread_mutex_unlock(&reflect->lock);
	rpc_reply_free(&inquiry->reply);
}

void
gw_reflect_stop(struct gw_reflect **reflect)
{
	struct gw_reflect *stopped = *reflect;

	if (stopped == NULL) {
		return;
	}
	pthread_mutex_lock(&stopped->lock);
	stopped->stopping = true;
	pthread_cond_signal(&stopped->changed);
	pthread_mutex_unlock(&stopped->lock);
	pthread_join(stopped->thread, NULL);
	for (size_t i = 0; i < stopped->api->backends.count; i++) {
		gw_reflect_abandon(&stopped->inquiries[i]);
	}
	gw_reflect_free(stopped);
	*reflect = NULL;
}
