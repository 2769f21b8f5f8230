#include "common/trace_export.h"

#include <assert.h>
#include <curl/curl.h>
#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "common/buf.h"
#include "common/clock.h"
#include "common/log.h"
#include "common/trace_otlp.h"

/* Spans of a message, and how long the first of them waits for others. */
#define TRACE_BATCH_MAX 512
#define TRACE_GATHER_MS 1000

/* How long the collector may take for a message, and for all of them at the end. */
#define TRACE_POST_MS  5000
#define TRACE_FLUSH_MS 1000

/* After a failure the next message waits; twice as long after the next. */
#define TRACE_BACK_OFF_MS     500
#define TRACE_BACK_OFF_MAX_MS 16000

struct trace_exporter {
	struct trace_exporter_options options;
	pthread_t thread;
	CURL *curl; /* the thread's own, as are the next four */
	struct curl_slist *headers;
	struct trace_span *batch;
	struct buf body;
	bool told; /* that the collector does not take spans */
	atomic_uint_fast64_t exported, failed, dropped;
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

static size_t
trace_ignore_answer(char *data, size_t size, size_t count, void *closure)
{
	(void)data;
	(void)closure;
	return size * count;
}

/* Called by libcurl about once a second and more often; ends what takes too long at the end. */
static int
trace_check_time(
    void *closure, curl_off_t down_total, curl_off_t down, curl_off_t up_total, curl_off_t up)
{
	const struct trace_exporter *exporter = closure;

	(void)down_total;
	(void)down;
	(void)up_total;
	(void)up;
	return clock_now_ns() > atomic_load(&exporter->flush_end_ns);
}

static bool
trace_post(struct trace_exporter *exporter, size_t count)
{
	int64_t left_ms = clock_left_ms(atomic_load(&exporter->flush_end_ns));
	long status = 0;

	buf_reset(&exporter->body);
	trace_otlp_write(
	    &exporter->body, &exporter->options, exporter->batch, count, trace_unix_offset_ns());
	if (exporter->body.failed || left_ms == 0) {
		return false;
	}
	curl_easy_setopt(exporter->curl, CURLOPT_TIMEOUT_MS,
	    (long)(left_ms < TRACE_POST_MS ? left_ms : TRACE_POST_MS));
	curl_easy_setopt(exporter->curl, CURLOPT_POSTFIELDS, exporter->body.data);
	curl_easy_setopt(
	    exporter->curl, CURLOPT_POSTFIELDSIZE_LARGE, (curl_off_t)exporter->body.len);
	return curl_easy_perform(exporter->curl) == CURLE_OK &&
	       curl_easy_getinfo(exporter->curl, CURLINFO_RESPONSE_CODE, &status) == CURLE_OK &&
	       status >= 200 && status < 300;
}

/* Logs what is new. */
static void
trace_tell(struct trace_exporter *exporter, bool taken)
{
	if (taken && exporter->told) {
		log_info("the collector takes spans again");
	} else if (!taken && !exporter->told) {
		log_warn("the collector does not take spans: they are lost",
		    LOG_STR("endpoint", exporter->options.endpoint));
	}
	exporter->told = !taken;
}

static void *
trace_run(void *closure)
{
	struct trace_exporter *exporter = closure;
	int64_t back_off_ms = TRACE_BACK_OFF_MS;
	size_t count;

	pthread_setname_np(pthread_self(), "trace");
	while ((count = trace_take(exporter)) > 0) {
		bool taken = trace_post(exporter, count);

		atomic_fetch_add(taken ? &exporter->exported : &exporter->failed, count);
		trace_tell(exporter, taken);
		if (taken) {
			back_off_ms = TRACE_BACK_OFF_MS;
			continue;
		}
		pthread_mutex_lock(&exporter->lock);
		trace_wait(exporter, SIZE_MAX, back_off_ms);
		pthread_mutex_unlock(&exporter->lock);
		back_off_ms = back_off_ms * 2 < TRACE_BACK_OFF_MAX_MS ? back_off_ms * 2
								      : TRACE_BACK_OFF_MAX_MS;
	}
	return NULL;
}

static void
trace_exporter_free(struct trace_exporter *exporter)
{
	curl_slist_free_all(exporter->headers);
	curl_easy_cleanup(exporter->curl);
	curl_global_cleanup();
	pthread_cond_destroy(&exporter->wake);
	pthread_mutex_destroy(&exporter->lock);
	buf_fini(&exporter->body);
	free(exporter->batch);
	free(exporter->queue);
	free((char *)exporter->options.endpoint);
	free(exporter);
}

static bool
trace_exporter_set_up_curl(struct trace_exporter *exporter)
{
	struct curl_slist *headers = curl_slist_append(NULL, "Content-Type: application/json");
	CURL *curl = curl_easy_init();

	exporter->curl = curl;
	exporter->headers = headers == NULL ? NULL : curl_slist_append(headers, "Expect:");
	return exporter->headers != NULL && curl != NULL &&
	       curl_easy_setopt(curl, CURLOPT_URL, exporter->options.endpoint) == CURLE_OK &&
	       curl_easy_setopt(curl, CURLOPT_HTTPHEADER, exporter->headers) == CURLE_OK &&
	       curl_easy_setopt(curl, CURLOPT_NOSIGNAL, 1L) == CURLE_OK &&
	       curl_easy_setopt(curl, CURLOPT_WRITEFUNCTION, trace_ignore_answer) == CURLE_OK &&
	       curl_easy_setopt(curl, CURLOPT_XFERINFOFUNCTION, trace_check_time) == CURLE_OK &&
	       curl_easy_setopt(curl, CURLOPT_XFERINFODATA, exporter) == CURLE_OK &&
	       curl_easy_setopt(curl, CURLOPT_NOPROGRESS, 0L) == CURLE_OK;
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
	curl_global_init(CURL_GLOBAL_DEFAULT);
	pthread_condattr_init(&monotonic);
	pthread_condattr_setclock(&monotonic, CLOCK_MONOTONIC);
	pthread_cond_init(&exporter->wake, &monotonic);
	pthread_condattr_destroy(&monotonic);
	pthread_mutex_init(&exporter->lock, NULL);
	atomic_init(&exporter->flush_end_ns, CLOCK_NEVER_NS);
	exporter->options = *options;
	exporter->options.endpoint = strdup(options->endpoint);
	exporter->queue = calloc(options->queue_max, sizeof(*exporter->queue));
	exporter->batch = calloc(TRACE_BATCH_MAX, sizeof(*exporter->batch));
	if (exporter->options.endpoint == NULL || exporter->queue == NULL ||
	    exporter->batch == NULL || !trace_exporter_set_up_curl(exporter)) {
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
trace_export_get_stats(const struct trace_exporter *exporter, struct trace_export_stats *stats)
{
	memset(stats, 0, sizeof(*stats));
	if (exporter != NULL) {
		stats->exported = atomic_load(&exporter->exported);
		stats->failed = atomic_load(&exporter->failed);
		stats->dropped = atomic_load(&exporter->dropped);
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
