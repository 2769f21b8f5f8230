/*
 * Loads an HTTP/1.1 server on 127.0.0.1 at a fixed rate, whatever it answers,
 * or as fast as it answers, and tells the answers by their status: what wrk
 * does not do. One thread.
 *
 *	bench_load --port=PORT --kind=get|create --seconds=S --connections=N
 *	           [--rate=REQUESTS] [--users=N]
 *
 * get reads one of users 1 to N at random, create makes a user with an address
 * that no other has. Prints one line of KEY=VALUE:
 *
 *	rps             answered 2xx before the end, a second
 *	p50_ms p99_ms   of these, from the request's last byte to the answer's; p50_us
 *	count           answers
 *	sent            requests
 *	unsent          that were due, but every connection waited for an answer
 *	ok              answered 2xx, also after the end
 *	refused         answered 429; refused_p99_ms, refused_max_ms
 *	other           answered otherwise, or no HTTP at all
 *	broken          connection lost while an answer was awaited
 *	unanswered      two seconds after the end
 */
#include <arpa/inet.h>
#include <errno.h>
#include <getopt.h>
#include <netinet/tcp.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/random.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#include "common/base/clock.h"

#define LOAD_ANSWER_MAX_BYTES 16384
#define LOAD_PATIENCE_NS      (2000 * CLOCK_NS_PER_MS)
#define LOAD_TICK_MS          1 /* how often a fixed rate is looked after */
#define LOAD_EVENTS           256

struct load_options {
	unsigned port;
	bool create;
	double seconds;
	unsigned connections;
	double rate; /* 0: as fast as it answers */
	unsigned users;
};

/* On the free list or awaiting an answer. */
struct load_conn {
	int fd;
	int64_t sent_ns; /* 0: free */
	size_t len;
	char answer[LOAD_ANSWER_MAX_BYTES + 1];
	struct load_conn *next;
};

struct load_times {
	uint32_t *us;
	size_t count, size;
};

struct load {
	struct load_options options;
	int epoll;
	struct load_conn *conns, *free;
	uint64_t random;
	unsigned tag; /* of this process, for addresses of its own */
	int64_t begin_ns, end_ns;
	uint64_t sent, unsent, in_time, other, broken, awaited;
	struct load_times ok, refused;
};

static void
load_fail(const char *what)
{
	fprintf(stderr, "bench_load: %s: %s\n", what, strerror(errno));
	exit(1);
}

static void
load_times_add(struct load_times *times, int64_t ns)
{
	if (times->count == times->size) {
		times->size = times->size == 0 ? 65536 : times->size * 2;
		times->us = realloc(times->us, times->size * sizeof(*times->us));
		if (times->us == NULL) {
			load_fail("memory for times");
		}
	}
	times->us[times->count++] = (uint32_t)(ns / 1000);
}

static int
load_times_compare(const void *a, const void *b)
{
	uint32_t first = *(const uint32_t *)a;
	uint32_t second = *(const uint32_t *)b;

	return (first > second) - (first < second);
}

/* Sorts; then load_times_ms gives the time that so large a share does not exceed. */
static void
load_times_sort(struct load_times *times)
{
	if (times->count > 0) {
		qsort(times->us, times->count, sizeof(*times->us), load_times_compare);
	}
}

static double
load_times_ms(const struct load_times *times, double share)
{
	size_t last = times->count == 0 ? 0 : times->count - 1;

	return times->count == 0 ? 0 : times->us[(size_t)((double)last * share)] / 1000.0;
}

/* xorshift64* */
static uint64_t
load_random(struct load *load)
{
	load->random ^= load->random >> 12;
	load->random ^= load->random << 25;
	load->random ^= load->random >> 27;
	return load->random * UINT64_C(2685821657736338717) >> 11;
}

static void
load_conn_open(struct load *load, struct load_conn *conn)
{
	struct sockaddr_in address = {
	    .sin_family = AF_INET, .sin_port = htons((uint16_t)load->options.port)};
	struct epoll_event event = {.events = EPOLLIN, .data.ptr = conn};
	int on = 1;

	inet_pton(AF_INET, "127.0.0.1", &address.sin_addr);
	conn->fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
	if (conn->fd < 0 || connect(conn->fd, (struct sockaddr *)&address, sizeof(address)) != 0) {
		load_fail("connect");
	}
	setsockopt(conn->fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof(on));
	if (epoll_ctl(load->epoll, EPOLL_CTL_ADD, conn->fd, &event) != 0) {
		load_fail("epoll_ctl");
	}
}

static void
load_conn_free(struct load *load, struct load_conn *conn)
{
	conn->sent_ns = 0;
	conn->len = 0;
	conn->next = load->free;
	load->free = conn;
}

/* The server has closed it, or what it sends can not be understood. */
static void
load_conn_reopen(struct load *load, struct load_conn *conn)
{
	bool awaited = conn->sent_ns != 0;

	close(conn->fd);
	load_conn_open(load, conn);
	if (awaited) {
		load->awaited--;
		load_conn_free(load, conn);
	}
}

static int
load_write_request(struct load *load, char *request, size_t size)
{
	unsigned long long number = load->sent;
	char body[256];
	int len;

	if (!load->options.create) {
		return snprintf(request, size, "GET /users/%u HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n",
		    (unsigned)(load_random(load) % load->options.users) + 1);
	}
	len = snprintf(body, sizeof(body),
	    "{\"accountid\":1,\"name\":\"Load %llu\",\"email\":\"load.%u.%llu@example.com\","
	    "\"role\":2,\"password\":\"secret %llu\"}",
	    number, load->tag, number, number);
	return snprintf(request, size,
	    "POST /users HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Type: application/json\r\n"
	    "Content-Length: %d\r\n\r\n%s",
	    len, body);
}

static void
load_send(struct load *load)
{
	struct load_conn *conn = load->free;
	char request[512];
	int len = load_write_request(load, request, sizeof(request));

	load->free = conn->next;
	load->sent++;
	load->awaited++;
	conn->sent_ns = clock_now_ns();
	if (send(conn->fd, request, (size_t)len, MSG_NOSIGNAL) != len) {
		load->broken++;
		load_conn_reopen(load, conn);
	}
}

/* Sends what is due by now. */
static void
load_send_due(struct load *load, int64_t now_ns)
{
	double due = (double)(now_ns - load->begin_ns) / 1e9 * load->options.rate;

	if (load->options.rate == 0) {
		while (load->free != NULL) {
			load_send(load);
		}
		return;
	}
	while ((double)(load->sent + load->unsent) < due) {
		if (load->free != NULL) {
			load_send(load);
		} else {
			load->unsent++;
		}
	}
}

/* The length of the whole answer; 0: not known yet, -1: this is no answer. */
static ssize_t
load_answer_length(const struct load_conn *conn)
{
	const char *end = strstr(conn->answer, "\r\n\r\n");
	const char *length = strcasestr(conn->answer, "\r\nContent-Length:");

	if (end == NULL) {
		return conn->len == LOAD_ANSWER_MAX_BYTES ? -1 : 0;
	}
	if (strncmp(conn->answer, "HTTP/1.1 ", 9) != 0 || length == NULL || length > end) {
		return -1;
	}
	return end + 4 - conn->answer + strtol(length + 17, NULL, 10);
}

static void
load_answered(struct load *load, struct load_conn *conn)
{
	int status = atoi(conn->answer + 9);
	int64_t now_ns = clock_now_ns();

	if (status >= 200 && status <= 299) {
		load_times_add(&load->ok, now_ns - conn->sent_ns);
		load->in_time += now_ns <= load->end_ns;
	} else if (status == 429) {
		load_times_add(&load->refused, now_ns - conn->sent_ns);
	} else {
		load->other++;
	}
	load->awaited--;
	load_conn_free(load, conn);
}

static void
load_receive(struct load *load, struct load_conn *conn)
{
	ssize_t got = recv(
	    conn->fd, conn->answer + conn->len, LOAD_ANSWER_MAX_BYTES - conn->len, MSG_DONTWAIT);
	ssize_t length;

	if (got < 0 && (errno == EAGAIN || errno == EINTR)) {
		return;
	}
	if (got <= 0) {
		load->broken += conn->sent_ns != 0;
		load_conn_reopen(load, conn);
		return;
	}
	conn->len += (size_t)got;
	conn->answer[conn->len] = '\0';
	length = load_answer_length(conn);
	if (conn->sent_ns == 0 || length < 0 || length > LOAD_ANSWER_MAX_BYTES ||
	    (length > 0 && (size_t)length < conn->len)) {
		load->other++;
		load_conn_reopen(load, conn);
	} else if (length > 0 && (size_t)length == conn->len) {
		load_answered(load, conn);
	}
}

static void
load_run(struct load *load)
{
	struct epoll_event events[LOAD_EVENTS];
	int64_t now_ns;

	load->begin_ns = clock_now_ns();
	load->end_ns = load->begin_ns + (int64_t)(load->options.seconds * 1e9);
	while ((now_ns = clock_now_ns()) < load->end_ns ||
	       (load->awaited > 0 && now_ns < load->end_ns + LOAD_PATIENCE_NS)) {
		int count;

		if (now_ns < load->end_ns) {
			load_send_due(load, now_ns);
		}
		count = epoll_wait(load->epoll, events, LOAD_EVENTS, LOAD_TICK_MS);
		for (int i = 0; i < count; i++) {
			load_receive(load, events[i].data.ptr);
		}
	}
}

static void
load_report(struct load *load)
{
	load_times_sort(&load->ok);
	load_times_sort(&load->refused);
	printf("rps=%.1f p50_ms=%.3f p99_ms=%.3f", (double)load->in_time / load->options.seconds,
	    load_times_ms(&load->ok, 0.5), load_times_ms(&load->ok, 0.99));
	printf(" p50_us=%.1f count=%llu", load_times_ms(&load->ok, 0.5) * 1000,
	    (unsigned long long)(load->ok.count + load->refused.count + load->other));
	printf(" sent=%llu unsent=%llu ok=%zu refused=%zu", (unsigned long long)load->sent,
	    (unsigned long long)load->unsent, load->ok.count, load->refused.count);
	printf(" refused_p99_ms=%.3f refused_max_ms=%.3f", load_times_ms(&load->refused, 0.99),
	    load_times_ms(&load->refused, 1));
	printf(" other=%llu broken=%llu unanswered=%llu\n", (unsigned long long)load->other,
	    (unsigned long long)load->broken, (unsigned long long)load->awaited);
}

/* False: there is an unknown option, or one is missing. */
static bool
load_read_options(struct load_options *options, int argc, char **argv)
{
	static const struct option known[] = {{"port", required_argument, NULL, 'p'},
	    {"kind", required_argument, NULL, 'k'}, {"seconds", required_argument, NULL, 's'},
	    {"connections", required_argument, NULL, 'c'}, {"rate", required_argument, NULL, 'r'},
	    {"users", required_argument, NULL, 'u'}, {NULL, 0, NULL, 0}};
	bool kind = false;
	int option;

	*options = (struct load_options){.users = 1};
	while ((option = getopt_long(argc, argv, "", known, NULL)) != -1) {
		switch (option) {
		case 'p': options->port = (unsigned)atoi(optarg); break;
		case 's': options->seconds = atof(optarg); break;
		case 'c': options->connections = (unsigned)atoi(optarg); break;
		case 'r': options->rate = atof(optarg); break;
		case 'u': options->users = (unsigned)atoi(optarg); break;
		case 'k':
			options->create = strcmp(optarg, "create") == 0;
			kind = options->create || strcmp(optarg, "get") == 0;
			break;
		default: return false;
		}
	}
	return kind && optind == argc && options->port > 0 && options->seconds > 0 &&
	       options->connections > 0 && options->rate >= 0 && options->users > 0;
}

int
main(int argc, char **argv)
{
	struct load load = {0};

	if (!load_read_options(&load.options, argc, argv)) {
		fprintf(stderr, "usage: bench_load --port=PORT --kind=get|create --seconds=S "
				"--connections=N [--rate=REQUESTS] [--users=N]\n");
		return 2;
	}
	load.epoll = epoll_create1(EPOLL_CLOEXEC);
	load.conns = calloc(load.options.connections, sizeof(*load.conns));
	if (load.epoll < 0 || load.conns == NULL ||
	    getrandom(&load.tag, sizeof(load.tag), 0) != (ssize_t)sizeof(load.tag)) {
		load_fail("start");
	}
	load.random = load.tag | 1;
	for (unsigned i = 0; i < load.options.connections; i++) {
		load_conn_open(&load, &load.conns[i]);
		load_conn_free(&load, &load.conns[i]);
	}
	load_run(&load);
	load_report(&load);
	free(load.ok.us);
	free(load.refused.us);
	free(load.conns);
	return 0;
}
