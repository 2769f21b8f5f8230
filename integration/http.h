/* HTTP requests of a test, by libcurl. One http belongs to one thread. */
#ifndef INTEGRATION_HTTP_H
#define INTEGRATION_HTTP_H

#include <stdbool.h>
#include <stddef.h>

struct http;

struct http_answer {
	int status;    /* 0: no complete answer came */
	int curl_code; /* CURLcode: 0 when an answer came whole */
	char *headers; /* as they came, NUL-terminated */
	char *body;    /* NUL-terminated */
	size_t len;
	double seconds;
};

/* base is "http://127.0.0.1:5000". Fails the test without memory. */
struct http *http_new(const char *base);
void http_free(struct http **http);

/* HTTP/2 with prior knowledge from now on. */
void http_use_http2(struct http *http);

/* Gives up on an answer after this time; 0: after 60 s. */
void http_set_timeout(struct http *http, long timeout_ms);

/*
 * Sends "VERB /path" with headers (lines parted by \n, or NULL) and a body (or
 * NULL). A body gets Content-Type: application/json unless headers say another;
 * a header line "Content-Type:" sends none. The answer belongs to http until
 * its next request.
 */
const struct http_answer *http_send(
    struct http *http, const char *line, const char *headers, const char *body);

/* As http_send for a body that may hold any bytes. */
const struct http_answer *http_send_bytes(
    struct http *http, const char *line, const char *headers, const void *body, size_t len);

/* A copy of the value of a header of the answer in static memory, or NULL. */
const char *http_header(const struct http_answer *answer, const char *name);

#endif
