#include "common/telemetry/trace_export.h"

#include <assert.h>
#include <curl/curl.h>
#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "common/base/buf.h"
#include "common/base/clock.h"
#include "common/telemetry/log.h"
#include "common/telemetry/log_limit.h"
#include "common/telemetry/trace_otlp.h"
#include "common/telemetry/trace_post.h"

/* Spans of a message, and how long the first of them waits for others. */
#define TRACE_BATCH_MAX 512
#define TRACE_GATHER_MS 1000

/* How long the collector may take for a message, and for all of them at the end. */
#define TRACE_POST_MS  5000
#define TRACE_FLUSH_MS 1000

/* How long a message is sent again and again, while others wait. */
#define TRACE_RETRY_MS INT64_C(60000)

/* After a failure the next message or try waits; twice as long after the next. */
#define TRACE_BACK_OFF_MS     500
#define TRACE_BACK_OFF_MAX_MS 16000

/* What the log says of the collector; zeroed: that it takes spans. */
struct trace_told {
	bool untaken;
	bool lost; /* rather than to be sent again */
	long status;
};

struct trace_exporter {
	struct trace_exporter_options options;
	pthread_t thread;
	struct trace_post *post; /* the thread's own, as are the next five */
	struct trace_span *batch;
	struct buf body;
	int64_t back_off_ms;
	struct trace_told told;
	struct log_limit partial;
	atomic_uint_fast64_t exported, rejected, failed, dropped;
	atomic_int_fast64_t flush_end_ns; /* CLOCK_NEVER_NS until it stops */

	pthread_mutex_t lock; /* guards all below */
	pthread_cond_t wake;
	struct trace_span *queue; /* a ring of queue_max */
	size_t first, count;
	bool stopping;
};

bool
trace_check_endpoint(const char *endpoint, struct error *error)
{
	CURLU *url = *endpoint == '\0' ? NULL : curl_url();
	char *scheme = NULL;
	bool sound;

	if (*endpoint == '\0') {
		return true;
	}
	sound = url != NULL && curl_url_set(url, CURLUPART_URL, endpoint, 0) == CURLUE_OK &&
		curl_url_get(url, CURLUPART_SCHEME, &scheme, 0) == CURLUE_OK &&
		(strcmp(scheme, "http") == 0 || strcmp(scheme, "https") == 0);
	curl_free(scheme);
	curl_url_cleanup(url);
	if (!sound) {
		error_set(error, STATUS_INVALID_ARGUMENT, "INVALID_URL",
		    "otlpEndpoint \"%s\" is no URL of a collector: write one as "
		    "http://localhost:4318/v1/traces",
		    endpoint);
	}
	return sound;
}

static struct trace_attribute *
trace_span_add(struct trace_span *span, const char *key)
{
	struct trace_attribute *attribute = &span->attributes[span->attribute_count++];

	assert(span->attribute_count <= TRACE_SPAN_ATTRIBUTES_MAX);
	attribute->key = key;
	return attribute;
}

void
trace_span_add_text(struct trace_span *span, const char *key, const char *text, size_t len)
{
	struct trace_attribute *attribute = trace_span_add(span, key);

	len = len < TRACE_SPAN_TEXT_MAX ? len : TRACE_SPAN_TEXT_MAX - 1;
	memcpy(attribute->text, text, len);
	attribute->text[len] = '\0';
	attribute->is_number = false;
}

void
trace_span_add_number(struct trace_span *span, const char *key, int64_t number)
{
	struct trace_attribute *attribute = trace_span_add(span, key);

	attribute->number = number;
	attribute->is_number = true;
}

void
trace_export(struct trace_exporter *exporter, const struct trace_span *span)
{
	size_t max;

	if (exporter == NULL) {
		return;
	}
	max = exporter->options.queue_max;
	pthread_mutex_lock(&exporter->lock);
	if (exporter->count < max) {
		exporter->queue[(exporter->first + exporter->count) % max] = *span;
		exporter->count++;
		if (exporter->count == 1 || exporter->count == TRACE_BATCH_MAX) {
			pthread_cond_signal(&exporter->wake);
		}
	} else {
		atomic_fetch_add(&exporter->dropped, 1);
	}
	pthread_mutex_unlock(&exporter->lock);
}

/* Waits, with the lock, until enough spans are there, the time is over or the exporter stops. */
static void
trace_wait(struct trace_exporter *exporter, size_t enough, int64_t ms)
{
	int64_t until_ns = clock_now_ns() + ms * CLOCK_NS_PER_MS;
	const struct timespec until = {
	    .tv_sec = until_ns / 1000000000, .tv_nsec = until_ns % 1000000000};

	while (!exporter->stopping && exporter->count < enough && clock_now_ns() < until_ns) {
		pthread_cond_timedwait(&exporter->wake, &exporter->lock, &until);
	}
}

/* Takes what is to be sent next into the batch. 0 at the end. */
static size_t
trace_take(struct trace_exporter *exporter)
{
	size_t count;

	pthread_mutex_lock(&exporter->lock);
	while (exporter->count == 0 && !exporter->stopping) {
		pthread_cond_wait(&exporter->wake, &exporter->lock);
	}
	trace_wait(exporter, TRACE_BATCH_MAX, TRACE_GATHER_MS);
	for (count = 0; count < TRACE_BATCH_MAX && exporter->count > 0; count++) {
		exporter->batch[count] = exporter->queue[exporter->first];
		exporter->first = (exporter->first + 1) % exporter->options.queue_max;
		exporter->count--;
	}
	pthread_mutex_unlock(&exporter->lock);
	return count;
}

static int64_t
trace_unix_offset_ns(void)
{
	struct timespec now;

	clock_gettime(CLOCK_REALTIME, &now);
	return (int64_t)now.tv_sec * 1000000000 + now.tv_nsec - clock_now_ns();
}

/* Sends the message of the body once. */
static void
trace_try(struct trace_exporter *exporter, struct trace_answer *answer)
{
	int64_t left_ms = clock_left_ms(atomic_load(&exporter->flush_end_ns));

	if (exporter->body.failed || left_ms == 0) {
		*answer = (struct trace_answer){.outcome = TRACE_REFUSED};
		snprintf(answer->why, sizeof(answer->why), "%s",
		    left_ms == 0 ? "the exporter stops" : "no memory");
		return;
	}
	trace_post_send(exporter->post, exporter->body.data, exporter->body.len,
	    left_ms < TRACE_POST_MS ? left_ms : TRACE_POST_MS, answer);
}

/* Logs what is new: another status, or that spans are lost. */
static void
trace_tell(struct trace_exporter *exporter, const struct trace_answer *answer, bool lost)
{
	const struct log_field fields[] = {LOG_STR("endpoint", exporter->options.endpoint),
	    LOG_INT("status", answer->status),
	    LOG_STR("error", answer->why[0] == '\0' ? NULL : answer->why)};
	const struct trace_told now = {
	    .untaken = answer->outcome != TRACE_TAKEN, .lost = lost, .status = answer->status};

	if (now.untaken == exporter->told.untaken && now.lost == exporter->told.lost &&
	    (!now.untaken || now.status == exporter->told.status)) {
		return;
	}
	exporter->told = now;
	if (!now.untaken) {
		log_info("the collector takes spans again");
	} else {
		log_write(LOG_WARN,
		    lost ? "the collector does not take spans: they are lost"
			 : "the collector does not take spans now: they are sent again",
		    fields, sizeof(fields) / sizeof(fields[0]));
	}
}

/* The collector took the message, but perhaps not each of its spans. */
static void
trace_count_taken(struct trace_exporter *exporter, size_t count, const struct trace_answer *answer)
{
	uint64_t rejected = answer->rejected < 0                 ? 0
			    : (uint64_t)answer->rejected > count ? count
								 : (uint64_t)answer->rejected;
	uint64_t left_out;

	atomic_fetch_add(&exporter->exported, count - rejected);
	atomic_fetch_add(&exporter->rejected, rejected);
	if ((rejected > 0 || answer->why[0] != '\0') &&
	    log_limit_pass(&exporter->partial, clock_now_ns(), &left_out)) {
		log_warn(rejected > 0 ? "the collector took a part of the spans alone"
				      : "the collector warns about the spans that it took",
		    LOG_STR("endpoint", exporter->options.endpoint),
		    LOG_INT("status", answer->status), LOG_INT("rejected", (int64_t)rejected),
		    LOG_STR("error", answer->why), LOG_INT("leftOut", (int64_t)left_out));
	}
}

/* How long to wait after a failure: as the collector says, or twice as long as before, in part by chance. */
static int64_t
trace_pause_ms(struct trace_exporter *exporter, const struct trace_answer *answer)
{
	int64_t back_off_ms = exporter->back_off_ms;
	int64_t pause_ms = back_off_ms / 2 + clock_now_ns() % (back_off_ms / 2 + 1);

	exporter->back_off_ms =
	    back_off_ms * 2 < TRACE_BACK_OFF_MAX_MS ? back_off_ms * 2 : TRACE_BACK_OFF_MAX_MS;
	return answer->after_ms > pause_ms ? answer->after_ms : pause_ms;
}

/* Waits before the next message or try; false when the exporter stops. */
static bool
trace_pause(struct trace_exporter *exporter, int64_t pause_ms)
{
	bool stopping;

	pthread_mutex_lock(&exporter->lock);
	trace_wait(exporter, SIZE_MAX, pause_ms);
	stopping = exporter->stopping;
	pthread_mutex_unlock(&exporter->lock);
	return !stopping;
}

/*
 * Sends the message of the body until it is taken, refused, or has been tried
 * for long enough: once more when the exporter stops meanwhile. Gives how long
 * the next message is to wait.
 */
static int64_t
trace_try_again(struct trace_exporter *exporter, struct trace_answer *answer)
{
	int64_t give_up_ns = clock_now_ns() + TRACE_RETRY_MS * CLOCK_NS_PER_MS;
	bool last = false;

	for (;;) {
		int64_t pause_ms;

		trace_try(exporter, answer);
		if (answer->outcome == TRACE_TAKEN) {
			exporter->back_off_ms = TRACE_BACK_OFF_MS;
			return 0;
		}
		pause_ms = trace_pause_ms(exporter, answer);
		if (answer->outcome == TRACE_REFUSED || last ||
		    clock_now_ns() + pause_ms * CLOCK_NS_PER_MS > give_up_ns) {
			return pause_ms < TRACE_RETRY_MS ? pause_ms : TRACE_RETRY_MS;
		}
		trace_tell(exporter, answer, false);
		last = !trace_pause(exporter, pause_ms);
	}
}

static void
trace_send(struct trace_exporter *exporter, size_t count)
{
	struct trace_answer answer;
	int64_t pause_ms;

	buf_reset(&exporter->body);
	trace_otlp_write(
	    &exporter->body, &exporter->options, exporter->batch, count, trace_unix_offset_ns());
	pause_ms = trace_try_again(exporter, &answer);
	trace_tell(exporter, &answer, answer.outcome != TRACE_TAKEN);
	if (answer.outcome == TRACE_TAKEN) {
		trace_count_taken(exporter, count, &answer);
	} else {
		atomic_fetch_add(&exporter->failed, count);
		trace_pause(exporter, pause_ms);
	}
}

static void *
trace_run(void *closure)
{
	struct trace_exporter *exporter = closure;
	size_t count;

	pthread_setname_np(pthread_self(), "trace");
	while ((count = trace_take(exporter)) > 0) {
		trace_send(exporter, count);
	}
	return NULL;
}

static void
trace_exporter_free(struct trace_exporter *exporter)
{
	trace_post_free(&exporter->post);
	pthread_cond_destroy(&exporter->wake);
	pthread_mutex_destroy(&exporter->lock);
	buf_fini(&exporter->body);
	free(exporter->batch);
	free(exporter->queue);
	free((char *)exporter->options.endpoint);
	free(exporter);
}

/* Gives an exporter without its thread, or NULL. */
static struct trace_exporter *
trace_exporter_new(const struct trace_exporter_options *options)
{
	struct trace_exporter *exporter = calloc(1, sizeof(*exporter));
	pthread_condattr_t monotonic;

	if (exporter == NULL) {
		return NULL;
	}
	pthread_condattr_init(&monotonic);
	pthread_condattr_setclock(&monotonic, CLOCK_MONOTONIC);
	pthread_cond_init(&exporter->wake, &monotonic);
	pthread_condattr_destroy(&monotonic);
	pthread_mutex_init(&exporter->lock, NULL);
	atomic_init(&exporter->flush_end_ns, CLOCK_NEVER_NS);
	exporter->options = *options;
	exporter->back_off_ms = TRACE_BACK_OFF_MS;
	exporter->options.endpoint = strdup(options->endpoint);
	exporter->queue = calloc(options->queue_max, sizeof(*exporter->queue));
	exporter->batch = calloc(TRACE_BATCH_MAX, sizeof(*exporter->batch));
	if (exporter->options.endpoint == NULL || exporter->queue == NULL ||
	    exporter->batch == NULL ||
	    (exporter->post =
		    trace_post_new(exporter->options.endpoint, &exporter->flush_end_ns)) == NULL) {
		trace_exporter_free(exporter);
		return NULL;
	}
	return exporter;
}

enum status_code
trace_exporter_start(struct trace_exporter **exporter, const struct trace_exporter_options *options,
    struct error *error)
{
	sigset_t all;
	sigset_t before;
	int result;

	*exporter = NULL;
	if (*options->endpoint == '\0') {
		return STATUS_OK;
	}
	*exporter = trace_exporter_new(options);
	if (*exporter == NULL) {
		return error_set(error, STATUS_RESOURCE_EXHAUSTED, "OUT_OF_MEMORY", "no memory");
	}
	sigfillset(&all);
	pthread_sigmask(SIG_SETMASK, &all, &before);
	result = pthread_create(&(*exporter)->thread, NULL, trace_run, *exporter);
	pthread_sigmask(SIG_SETMASK, &before, NULL);
	if (result != 0) {
		trace_exporter_free(*exporter);
		*exporter = NULL;
		return error_set(error, STATUS_RESOURCE_EXHAUSTED, "NO_THREAD",
		    "cannot start a thread to export spans: %s", strerror(result));
	}
	return STATUS_OK;
}

void
trace_export_get_stats(struct trace_exporter *exporter, struct trace_export_stats *stats)
{
	memset(stats, 0, sizeof(*stats));
	if (exporter != NULL) {
		stats->exported = atomic_load(&exporter->exported);
		stats->rejected = atomic_load(&exporter->rejected);
		stats->failed = atomic_load(&exporter->failed);
		stats->dropped = atomic_load(&exporter->dropped);
		stats->limit = exporter->options.queue_max;
		pthread_mutex_lock(&exporter->lock);
		stats->waiting = exporter->count;
		pthread_mutex_unlock(&exporter->lock);
	}
}

void
trace_exporter_stop(struct trace_exporter **exporter)
{
	struct trace_exporter *stopped = *exporter;

	if (stopped == NULL) {
		return;
	}
	atomic_store(&stopped->flush_end_ns, clock_now_ns() + TRACE_FLUSH_MS * CLOCK_NS_PER_MS);
	pthread_mutex_lock(&stopped->lock);
	stopped->stopping = true;
	pthread_cond_signal(&stopped->wake);
	pthread_mutex_unlock(&stopped->lock);
	pthread_join(stopped->thread, NULL);
	trace_exporter_free(stopped);
	*exporter = NULL;
}
