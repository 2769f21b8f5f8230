#include "tests/collector.h"

#include <netinet/in.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#include <cmocka.h>

#include "common/base/clock.h"

#define COLLECTOR_HEAD_MAX   8192
#define COLLECTOR_PATIENCE_S 60

static void
collector_append(struct collector *collector, const char *text, size_t len)
{
	collector->bodies = realloc(collector->bodies, collector->len + len + 3);
	memcpy(collector->bodies + collector->len, text, len);
	collector->len += len;
}

/* Keeps a body as one more element of the array. */
static void
collector_keep(struct collector *collector, const char *head, const char *body, size_t len)
{
	pthread_mutex_lock(&collector->lock);
	if (collector->len > 0) {
		collector->len--; /* the bracket */
		collector_append(collector, ",", 1);
	} else {
		collector_append(collector, "[", 1);
	}
	collector_append(collector, body, len);
	collector_append(collector, "]", 1);
	collector->bodies[collector->len] = '\0';
	collector->requests++;
	collector->last_ns[1] = collector->last_ns[0];
	collector->last_ns[0] = clock_now_ns();
	collector->sound &= strncmp(head, "POST /v1/traces HTTP/1.1\r\n", 26) == 0 &&
			    strcasestr(head, "\r\ncontent-type: application/json\r\n") != NULL;
	pthread_cond_broadcast(&collector->changed);
	pthread_mutex_unlock(&collector->lock);
}

/* Reads the rest of a body of which got bytes are there; false when the client leaves. */
static bool
collector_read_body(int fd, char *body, size_t len, size_t got)
{
	while (got < len) {
		ssize_t n = recv(fd, body + got, len - got, 0);

		if (n <= 0) {
			return false;
		}
		got += (size_t)n;
	}
	return true;
}

/* Copies the answer that this request gets; false when it gets none. */
static bool
collector_choose(struct collector *collector, char answer[sizeof(collector->answer)])
{
	static const char taken[] = "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n{}";
	static const char refused[] = "HTTP/1.1 400 Bad Request\r\nContent-Length: 0\r\n\r\n";
	enum collector_mood mood;

	pthread_mutex_lock(&collector->lock);
	mood = collector->mood;
	strcpy(answer, mood == COLLECTOR_TAKES ? taken : mood == COLLECTOR_REFUSES ? refused : "");
	if (collector->answer_times > 0) {
		collector->answer_times--;
		mood = COLLECTOR_TAKES;
		strcpy(answer, collector->answer);
	}
	while (mood == COLLECTOR_HANGS && !collector->stopping) {
		pthread_cond_wait(&collector->changed, &collector->lock);
	}
	pthread_mutex_unlock(&collector->lock);
	return *answer != '\0';
}

/* Answers, or waits until the collector stops. */
static bool
collector_answer(struct collector *collector, int fd)
{
	char answer[sizeof(collector->answer)];

	return collector_choose(collector, answer) &&
	       send(fd, answer, strlen(answer), MSG_NOSIGNAL) > 0;
}

/* One request; false when the connection is at its end. */
static bool
collector_serve_one(struct collector *collector, int fd)
{
	char head[COLLECTOR_HEAD_MAX + 1];
	size_t got = 0;
	const char *length;
	char *body;
	char *end;
	size_t len;
	bool whole;

	do {
		ssize_t n = recv(fd, head + got, COLLECTOR_HEAD_MAX - got, 0);

		if (n <= 0) {
			return false;
		}
		got += (size_t)n;
		head[got] = '\0';
	} while ((end = strstr(head, "\r\n\r\n")) == NULL);
	end += 4;
	got -= (size_t)(end - head);
	length = strcasestr(head, "\r\ncontent-length:");
	len = length == NULL ? 0 : strtoul(strchr(length, ':') + 1, NULL, 10);
	body = calloc(1, len + 1);
	if (body == NULL || got > len) {
		free(body);
		return false;
	}
	memcpy(body, end, got);
	whole = collector_read_body(fd, body, len, got);
	if (whole) {
		collector_keep(collector, head, body, len);
	}
	free(body);
	return whole && collector_answer(collector, fd);
}

static void *
collector_serve(void *closure)
{
	struct collector_connection *connection = closure;

	while (collector_serve_one(connection->collector, connection->fd)) {
	}
	shutdown(connection->fd, SHUT_RDWR);
	return NULL;
}

static void *
collector_run(void *closure)
{
	struct collector *collector = closure;
	int fd;

	while (collector->connection_count < COLLECTOR_CONNECTIONS_MAX &&
	       (fd = accept(collector->listener, NULL, NULL)) >= 0) {
		struct collector_connection *connection =
		    &collector->connections[collector->connection_count];

		connection->collector = collector;
		connection->fd = fd;
		if (pthread_create(&connection->thread, NULL, collector_serve, connection) != 0) {
			close(fd);
			break;
		}
		collector->connection_count++;
	}
	return NULL;
}

void
collector_start(struct collector *collector, enum collector_mood mood)
{
	struct sockaddr_in address = {.sin_family = AF_INET};
	socklen_t len = sizeof(address);

	memset(collector, 0, sizeof(*collector));
	address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
	collector->listener = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
	assert_true(collector->listener >= 0);
	assert_int_equal(bind(collector->listener, (struct sockaddr *)&address, len), 0);
	assert_int_equal(listen(collector->listener, 16), 0);
	assert_int_equal(getsockname(collector->listener, (struct sockaddr *)&address, &len), 0);
	snprintf(collector->url, sizeof(collector->url), "http://127.0.0.1:%u/v1/traces",
	    ntohs(address.sin_port));
	pthread_mutex_init(&collector->lock, NULL);
	pthread_cond_init(&collector->changed, NULL);
	collector->mood = mood;
	collector->sound = true;
	assert_int_equal(pthread_create(&collector->thread, NULL, collector_run, collector), 0);
}

void
collector_set_mood(struct collector *collector, enum collector_mood mood)
{
	pthread_mutex_lock(&collector->lock);
	collector->mood = mood;
	pthread_mutex_unlock(&collector->lock);
}

void
collector_answer_with(
    struct collector *collector, unsigned times, const char *status, const char *body)
{
	pthread_mutex_lock(&collector->lock);
	collector->answer[0] = '\0';
	if (status != NULL) {
		assert_true(snprintf(collector->answer, sizeof(collector->answer),
				"HTTP/1.1 %s\r\nContent-Length: %zu\r\n\r\n%s", status,
				strlen(body), body) < (int)sizeof(collector->answer));
	}
	collector->answer_times = times;
	pthread_mutex_unlock(&collector->lock);
}

int64_t
collector_last_gap_ns(struct collector *collector)
{
	int64_t gap_ns;

	pthread_mutex_lock(&collector->lock);
	gap_ns = collector->last_ns[0] - collector->last_ns[1];
	pthread_mutex_unlock(&collector->lock);
	return gap_ns;
}

size_t
collector_requests(struct collector *collector)
{
	size_t requests;

	pthread_mutex_lock(&collector->lock);
	requests = collector->requests;
	pthread_mutex_unlock(&collector->lock);
	return requests;
}

static size_t
collector_count(const struct collector *collector, const char *text)
{
	const char *at = collector->bodies;
	size_t count = 0;

	while (at != NULL && (at = strstr(at, text)) != NULL) {
		at += strlen(text);
		count++;
	}
	return count;
}

/* Waits with the lock; text NULL: for requests. */
static void
collector_await(struct collector *collector, const char *text, size_t count)
{
	struct timespec until;
	size_t there;
	int result = 0;

	clock_gettime(CLOCK_REALTIME, &until);
	until.tv_sec += COLLECTOR_PATIENCE_S;
	while ((there = text == NULL ? collector->requests : collector_count(collector, text)) <
		   count &&
	       result == 0) {
		result = pthread_cond_timedwait(&collector->changed, &collector->lock, &until);
	}
	if (there < count) {
		fail_msg("the collector has %zu of %zu: %s", there, count,
		    collector->bodies == NULL ? "" : collector->bodies);
	}
}

void
collector_await_requests(struct collector *collector, size_t count)
{
	pthread_mutex_lock(&collector->lock);
	collector_await(collector, NULL, count);
	pthread_mutex_unlock(&collector->lock);
}

char *
collector_await_text(struct collector *collector, const char *text, size_t times)
{
	char *copy;

	pthread_mutex_lock(&collector->lock);
	collector_await(collector, text, times);
	assert_true(collector->sound);
	copy = strdup(collector->bodies);
	pthread_mutex_unlock(&collector->lock);
	assert_non_null(copy);
	return copy;
}

void
collector_stop(struct collector *collector)
{
	pthread_mutex_lock(&collector->lock);
	collector->stopping = true;
	pthread_cond_broadcast(&collector->changed);
	shutdown(collector->listener, SHUT_RDWR);
	pthread_mutex_unlock(&collector->lock);
	pthread_join(collector->thread, NULL);
	for (size_t i = 0; i < collector->connection_count; i++) {
		shutdown(collector->connections[i].fd, SHUT_RDWR);
		pthread_join(collector->connections[i].thread, NULL);
		close(collector->connections[i].fd);
	}
	close(collector->listener);
	free(collector->bodies);
	collector->bodies = NULL;
	pthread_cond_destroy(&collector->changed);
	pthread_mutex_destroy(&collector->lock);
}
