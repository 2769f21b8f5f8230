#include "integration/http.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include <cmocka.h>
#include <curl/curl.h>

#include "common/base/buf.h"

#define HTTP_TIMEOUT_MS 60000

struct http {
	CURL *curl;
	char base[128];
	long timeout_ms;
	long version;
	struct buf headers;
	struct buf body;
	struct http_answer answer;
};

static size_t
http_append(char *data, size_t size, size_t count, void *closure)
{
	buf_put(closure, data, size * count);
	return size * count;
}

struct http *
http_new(const char *base)
{
	struct http *http = calloc(1, sizeof(*http));

	assert_non_null(http);
	http->curl = curl_easy_init();
	assert_non_null(http->curl);
	snprintf(http->base, sizeof(http->base), "%s", base);
	http->timeout_ms = HTTP_TIMEOUT_MS;
	http->version = CURL_HTTP_VERSION_1_1;
	return http;
}

void
http_free(struct http **http)
{
	if (*http == NULL) {
		return;
	}
	curl_easy_cleanup((*http)->curl);
	buf_fini(&(*http)->headers);
	buf_fini(&(*http)->body);
	free(*http);
	*http = NULL;
}

void
http_use_http2(struct http *http)
{
	http->version = CURL_HTTP_VERSION_2_PRIOR_KNOWLEDGE;
}

void
http_set_timeout(struct http *http, long timeout_ms)
{
	http->timeout_ms = timeout_ms == 0 ? HTTP_TIMEOUT_MS : timeout_ms;
}

static struct curl_slist *
http_header_list(const char *headers, bool has_body)
{
	struct curl_slist *list = curl_slist_append(NULL, "Expect:");
	char *copy = strdup(headers == NULL ? "" : headers);
	char *rest = copy;
	bool typed = false;

	for (char *line; (line = strsep(&rest, "\n")) != NULL;) {
		if (*line != '\0') {
			list = curl_slist_append(list, line);
			typed |= strncasecmp(line, "Content-Type:", 13) == 0;
		}
	}
	if (has_body && !typed) {
		list = curl_slist_append(list, "Content-Type: application/json");
	}
	free(copy);
	return list;
}

static void
http_set_request(struct http *http, const char *line, const void *body, size_t len)
{
	char verb[16];
	char url[8192];
	const char *path = strchr(line, ' ');

	assert_non_null(path);
	snprintf(verb, sizeof(verb), "%.*s", (int)(path - line), line);
	snprintf(url, sizeof(url), "%s%s", http->base, path + 1);
	curl_easy_reset(http->curl);
	curl_easy_setopt(http->curl, CURLOPT_URL, url);
	curl_easy_setopt(http->curl, CURLOPT_PATH_AS_IS, 1L);
	curl_easy_setopt(http->curl, CURLOPT_NOSIGNAL, 1L);
	curl_easy_setopt(http->curl, CURLOPT_HTTP_VERSION, http->version);
	/* libcurl 7.88 can't use a connection of prior knowledge twice. */
	curl_easy_setopt(http->curl, CURLOPT_FORBID_REUSE,
	    http->version == CURL_HTTP_VERSION_2_PRIOR_KNOWLEDGE ? 1L : 0L);
	curl_easy_setopt(http->curl, CURLOPT_TIMEOUT_MS, http->timeout_ms);
	curl_easy_setopt(http->curl, CURLOPT_HEADERFUNCTION, http_append);
	curl_easy_setopt(http->curl, CURLOPT_HEADERDATA, &http->headers);
	curl_easy_setopt(http->curl, CURLOPT_WRITEFUNCTION, http_append);
	curl_easy_setopt(http->curl, CURLOPT_WRITEDATA, &http->body);
	if (body != NULL) {
		curl_easy_setopt(http->curl, CURLOPT_POSTFIELDSIZE, (long)len);
		curl_easy_setopt(http->curl, CURLOPT_POSTFIELDS, body);
	}
	if (strcmp(verb, "HEAD") == 0) {
		curl_easy_setopt(http->curl, CURLOPT_NOBODY, 1L);
	} else {
		curl_easy_setopt(http->curl, CURLOPT_CUSTOMREQUEST, verb);
	}
}

const struct http_answer *
http_send_bytes(
    struct http *http, const char *line, const char *headers, const void *body, size_t len)
{
	struct curl_slist *list = http_header_list(headers, body != NULL);
	long status = 0;

	buf_reset(&http->headers);
	buf_reset(&http->body);
	http_set_request(http, line, body, len);
	curl_easy_setopt(http->curl, CURLOPT_HTTPHEADER, list);
	http->answer.curl_code = (int)curl_easy_perform(http->curl);
	curl_easy_getinfo(http->curl, CURLINFO_RESPONSE_CODE, &status);
	curl_easy_getinfo(http->curl, CURLINFO_TOTAL_TIME, &http->answer.seconds);
	curl_slist_free_all(list);
	http->answer.len = http->body.len;
	buf_putc(&http->headers, '\0');
	buf_putc(&http->body, '\0');
	assert_false(http->headers.failed || http->body.failed);
	http->answer.status = (int)status;
	http->answer.headers = http->headers.data;
	http->answer.body = http->body.data;
	return &http->answer;
}

const struct http_answer *
http_send(struct http *http, const char *line, const char *headers, const char *body)
{
	return http_send_bytes(http, line, headers, body, body == NULL ? 0 : strlen(body));
}

const char *
http_header(const struct http_answer *answer, const char *name)
{
	static _Thread_local char value[1024];
	size_t len = strlen(name);
	const char *line = answer->headers;

	while (line != NULL && *line != '\0') {
		if (strncasecmp(line, name, len) == 0 && line[len] == ':') {
			line += len + 1;
			line += strspn(line, " ");
			snprintf(value, sizeof(value), "%.*s", (int)strcspn(line, "\r\n"), line);
			return value;
		}
		line = strchr(line, '\n');
		line = line == NULL ? NULL : line + 1;
	}
	return NULL;
}
