#include "common/telemetry/trace_post.h"

#include <curl/curl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <yajl/yajl_tree.h>

#include "common/base/buf.h"
#include "common/base/clock.h"

/* What is read of an answer: the rest is of no use. */
#define TRACE_ANSWER_MAX 16384

struct trace_post {
	CURL *curl;
	struct curl_slist *headers;
	const atomic_int_fast64_t *end_ns;
	struct buf answer;
	char error[CURL_ERROR_SIZE];
};

static size_t
trace_post_read(char *data, size_t size, size_t count, void *closure)
{
	struct trace_post *post = closure;
	size_t len = size * count;
	size_t room = TRACE_ANSWER_MAX - post->answer.len;

	buf_put(&post->answer, data, len < room ? len : room);
	return len;
}

/* Called by libcurl about once a second and more often; ends what takes too long at the end. */
static int
trace_post_check_time(
    void *closure, curl_off_t down_total, curl_off_t down, curl_off_t up_total, curl_off_t up)
{
	const struct trace_post *post = closure;

	(void)down_total;
	(void)down;
	(void)up_total;
	(void)up;
	return clock_now_ns() > atomic_load(post->end_ns);
}

static bool
trace_post_set_up(struct trace_post *post, const char *endpoint)
{
	struct curl_slist *headers = curl_slist_append(NULL, "Content-Type: application/json");
	CURL *curl = curl_easy_init();

	post->curl = curl;
	post->headers = headers == NULL ? NULL : curl_slist_append(headers, "Expect:");
	return post->headers != NULL && curl != NULL &&
	       curl_easy_setopt(curl, CURLOPT_URL, endpoint) == CURLE_OK &&
	       curl_easy_setopt(curl, CURLOPT_HTTPHEADER, post->headers) == CURLE_OK &&
	       curl_easy_setopt(curl, CURLOPT_NOSIGNAL, 1L) == CURLE_OK &&
	       curl_easy_setopt(curl, CURLOPT_ERRORBUFFER, post->error) == CURLE_OK &&
	       curl_easy_setopt(curl, CURLOPT_WRITEFUNCTION, trace_post_read) == CURLE_OK &&
	       curl_easy_setopt(curl, CURLOPT_WRITEDATA, post) == CURLE_OK &&
	       curl_easy_setopt(curl, CURLOPT_XFERINFOFUNCTION, trace_post_check_time) ==
		   CURLE_OK &&
	       curl_easy_setopt(curl, CURLOPT_XFERINFODATA, post) == CURLE_OK &&
	       curl_easy_setopt(curl, CURLOPT_NOPROGRESS, 0L) == CURLE_OK;
}

struct trace_post *
trace_post_new(const char *endpoint, const atomic_int_fast64_t *end_ns)
{
	struct trace_post *post = calloc(1, sizeof(*post));

	if (post == NULL) {
		return NULL;
	}
	curl_global_init(CURL_GLOBAL_DEFAULT);
	post->end_ns = end_ns;
	if (!trace_post_set_up(post, endpoint)) {
		trace_post_free(&post);
	}
	return post;
}

void
trace_post_free(struct trace_post **post)
{
	if (*post == NULL) {
		return;
	}
	curl_slist_free_all((*post)->headers);
	curl_easy_cleanup((*post)->curl);
	curl_global_cleanup();
	buf_fini(&(*post)->answer);
	free(*post);
	*post = NULL;
}

/* Whether OTLP lets the same message be sent again after this status. */
static enum trace_outcome
trace_post_judge(long status)
{
	switch (status) {
	case 429:
	case 502:
	case 503:
	case 504: return TRACE_AGAIN;
	default: return status >= 200 && status < 300 ? TRACE_TAKEN : TRACE_REFUSED;
	}
}

static void
trace_post_take_text(yajl_val json, const char *key, struct trace_answer *answer)
{
	yajl_val text = yajl_tree_get(json, (const char *[]){key, NULL}, yajl_t_string);

	if (text != NULL) {
		snprintf(answer->why, sizeof(answer->why), "%s", YAJL_GET_STRING(text));
	}
}

/* A 64-bit integer, which JSON of protobuf has as a string, and may have as a number. */
static int64_t
trace_post_integer(yajl_val json, const char *key)
{
	yajl_val value = yajl_tree_get(json, (const char *[]){key, NULL}, yajl_t_any);
	const char *text = YAJL_IS_STRING(value)   ? YAJL_GET_STRING(value)
			   : YAJL_IS_NUMBER(value) ? YAJL_GET_NUMBER(value)
						   : "0";

	return strtoll(text, NULL, 10);
}

/* An answer that is no JSON says no more than its status. */
static void
trace_post_read_answer(struct trace_post *post, struct trace_answer *answer)
{
	yajl_val json;
	yajl_val partial;

	buf_putc(&post->answer, '\0');
	json = post->answer.failed ? NULL : yajl_tree_parse(post->answer.data, NULL, 0);
	if (answer->outcome != TRACE_TAKEN) {
		trace_post_take_text(json, "message", answer);
	} else if ((partial = yajl_tree_get(
			json, (const char *[]){"partialSuccess", NULL}, yajl_t_object)) != NULL) {
		answer->rejected = trace_post_integer(partial, "rejectedSpans");
		trace_post_take_text(partial, "errorMessage", answer);
	}
	yajl_tree_free(json);
}

void
trace_post_send(struct trace_post *post, const char *body, size_t len, int64_t timeout_ms,
    struct trace_answer *answer)
{
	curl_off_t after_s = 0;
	CURLcode result;

	memset(answer, 0, sizeof(*answer));
	buf_reset(&post->answer);
	post->error[0] = '\0';
	curl_easy_setopt(post->curl, CURLOPT_TIMEOUT_MS, (long)timeout_ms);
	curl_easy_setopt(post->curl, CURLOPT_POSTFIELDS, body);
	curl_easy_setopt(post->curl, CURLOPT_POSTFIELDSIZE_LARGE, (curl_off_t)len);
	result = curl_easy_perform(post->curl);
	if (result != CURLE_OK) {
		answer->outcome = TRACE_AGAIN;
		snprintf(answer->why, sizeof(answer->why), "%s",
		    post->error[0] == '\0' ? curl_easy_strerror(result) : post->error);
		return;
	}
	curl_easy_getinfo(post->curl, CURLINFO_RESPONSE_CODE, &answer->status);
	curl_easy_getinfo(post->curl, CURLINFO_RETRY_AFTER, &after_s);
	answer->outcome = trace_post_judge(answer->status);
	answer->after_ms =
	    after_s > INT32_MAX ? INT64_C(1000) * INT32_MAX : 1000 * (int64_t)after_s;
	trace_post_read_answer(post, answer);
}
