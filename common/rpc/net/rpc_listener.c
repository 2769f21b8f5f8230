#include "common/rpc/net/rpc_listener.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "common/rpc/net/rpc_net_internal.h"
#include "common/rpc/net/rpc_transport.h"

#define RPC_LISTENER_BLANKS " \t\r\n"

/* Accepts of a URL that wait at a time: as many clients can come at once. */
#define RPC_ACCEPTS 8

/* What is waited after an accept that failed, as for want of descriptors. */
#define RPC_ACCEPT_PAUSE_MS 100

/*
 * One accept after the other:
 *
 *	ACCEPTING -> ACCEPTING ...
 *	    |  ^
 *	    v  |
 *	  PAUSING, or waiting for room
 */
struct rpc_accept {
	struct rpc_bound *bound;
	nng_aio *aio;
	nng_aio *pause;
	struct rpc_room_waiter waiter; /* with the pause's operation */
};

/* A URL. */
struct rpc_bound {
	struct rpc_bound *next;
	struct rpc_net *net;
	struct rpc_tls *tls; /* NULL: none */
	nng_stream_listener *stream;
	struct rpc_accept accepts[RPC_ACCEPTS];
};

struct rpc_listener {
	struct rpc_net *net;
	struct rpc_bound *first;
	char *url;
};

static void
rpc_accept_begin(struct rpc_accept *accept)
{
	if (rpc_room_ask(&accept->bound->net->room, &accept->waiter)) {
		nng_stream_listener_accept(accept->bound->stream, accept->aio);
	}
}

static void
rpc_accept_paused(void *closure)
{
	struct rpc_accept *accept = closure;

	if (nng_aio_result(accept->pause) == 0) {
		rpc_accept_begin(accept);
	}
}

static void
rpc_accept_failed(struct rpc_accept *accept, int result)
{
	enum rpc_cause cause = result == NNG_ENOFILES ? RPC_CAUSE_DESCRIPTORS
			       : result == NNG_ENOMEM ? RPC_CAUSE_NO_MEMORY
						      : RPC_CAUSE_UNREACHABLE;

	rpc_net_fault(accept->bound->net, "", cause, nng_strerror(result));
	nng_sleep_aio(RPC_ACCEPT_PAUSE_MS, accept->pause);
}

static void
rpc_accept_event(void *closure)
{
	struct rpc_accept *accept = closure;
	struct rpc_conn_options options = {.tls = accept->bound->tls};
	int result = nng_aio_result(accept->aio);

	if (result == NNG_ECLOSED || result == NNG_ECANCELED) {
		return;
	}
	if (result != 0) {
		rpc_accept_failed(accept, result);
		return;
	}
	options.stream = nng_aio_get_output(accept->aio, 0);
	(void)rpc_conn_start(accept->bound->net, &options);
	rpc_accept_begin(accept);
}

/* No callback runs or will when this returns: what is begun after a stop is not done. */
static void
rpc_bound_close(struct rpc_bound *bound)
{
	if (bound->stream != NULL) {
		nng_stream_listener_close(bound->stream);
	}
	for (size_t i = 0; i < RPC_ACCEPTS; i++) {
		nng_aio_stop(bound->accepts[i].pause);
		nng_aio_stop(bound->accepts[i].aio);
		rpc_room_leave(&bound->net->room, &bound->accepts[i].waiter);
		nng_aio_free(bound->accepts[i].pause);
		nng_aio_free(bound->accepts[i].aio);
	}
	nng_stream_listener_free(bound->stream);
	free(bound);
}

static char *
rpc_listener_trim(char *text)
{
	size_t len;

	text += strspn(text, RPC_LISTENER_BLANKS);
	len = strlen(text);
	while (len > 0 && strchr(RPC_LISTENER_BLANKS, text[len - 1]) != NULL) {
		len--;
	}
	text[len] = '\0';
	return text;
}

/* Behind the scheme, when it is that; or NULL. */
static const char *
rpc_listener_behind(const char *url, const char *scheme)
{
	size_t len = strlen(scheme);

	return strncmp(url, scheme, len) == 0 ? url + len : NULL;
}

/*
 * What NNG does not refuse by itself, or not well. It takes any file that
 * refuses to connect for a socket left behind, and removes it.
 */
static enum status_code
rpc_listener_check(const char *url, bool tls, struct error *error)
{
	const char *path = rpc_listener_behind(url, "ipc://");
	struct stat file;

	if (url[0] == '\0') {
		return error_set(error, STATUS_INVALID_ARGUMENT, "BAD_URL",
		    "the list of URLs to listen on has an empty entry");
	}
	if (path == NULL && rpc_listener_behind(url, "tcp://") == NULL &&
	    rpc_listener_behind(url, "tls+tcp://") == NULL) {
		return rpc_transport_error(error, NNG_EINVAL, "listen on", url);
	}
	if (!tls && rpc_listener_behind(url, "tls+tcp:") != NULL) {
		return error_set(error, STATUS_INVALID_ARGUMENT, "BAD_URL",
		    "cannot listen on %s: no certificate is configured", url);
	}
	if (path != NULL && lstat(path, &file) == 0 && !S_ISSOCK(file.st_mode)) {
		return error_set(error, STATUS_FAILED_PRECONDITION, "ADDRESS_IN_USE",
		    "cannot listen on %s: there is a file of that name that is no socket", url);
	}
	return STATUS_OK;
}

/* Adds what was bound to the list of it, with the true port. */
static int
rpc_listener_note(struct rpc_listener *listener, const char *url, nng_stream_listener *stream)
{
	const char *host = strstr(url, "://") + 3;
	const char *colon = strrchr(host, ':');
	char *list = NULL;
	int port;
	int len;

	if (nng_stream_listener_get_int(stream, NNG_OPT_TCP_BOUND_PORT, &port) != 0) {
		len = asprintf(&list, "%s%s%s", listener->url == NULL ? "" : listener->url,
		    listener->url == NULL ? "" : ",", url);
	} else {
		len = asprintf(&list, "%s%s%.*s:%d", listener->url == NULL ? "" : listener->url,
		    listener->url == NULL ? "" : ",",
		    colon == NULL ? (int)strlen(url) : (int)(colon - url), url, port);
	}
	if (len < 0) {
		return NNG_ENOMEM;
	}
	free(listener->url);
	listener->url = list;
	return 0;
}

static int
rpc_bound_alloc_accepts(struct rpc_bound *bound)
{
	int result = 0;

	for (size_t i = 0; i < RPC_ACCEPTS && result == 0; i++) {
		struct rpc_accept *accept = &bound->accepts[i];

		accept->bound = bound;
		result = nng_aio_alloc(&accept->aio, rpc_accept_event, accept);
		if (result == 0) {
			result = nng_aio_alloc(&accept->pause, rpc_accept_paused, accept);
			accept->waiter.aio = accept->pause;
		}
	}
	return result;
}

/* NNG knows TLS as another stream; here it is done on top of TCP. */
static int
rpc_bound_listen(struct rpc_bound *bound, const char *url)
{
	int result = rpc_bound_alloc_accepts(bound);

	if (result == 0) {
		result = nng_stream_listener_alloc(
		    &bound->stream, url + (bound->tls == NULL ? 0 : strlen("tls+")));
	}
	if (result != 0) {
		return result;
	}
	/* Both are unknown to ipc://, which does not need them. */
	(void)nng_stream_listener_set_bool(bound->stream, NNG_OPT_TCP_KEEPALIVE, true);
	(void)nng_stream_listener_set_bool(bound->stream, NNG_OPT_TCP_NODELAY, true);
	return nng_stream_listener_listen(bound->stream);
}

static enum status_code
rpc_listener_bind(
    struct rpc_listener *listener, const char *url, struct rpc_tls *tls, struct error *error)
{
	struct rpc_bound *bound = calloc(1, sizeof(*bound));
	int result = NNG_ENOMEM;

	if (bound != NULL) {
		bound->net = listener->net;
		bound->tls = rpc_listener_behind(url, "tls+") == NULL ? NULL : tls;
		result = rpc_bound_listen(bound, url);
	}
	if (result == 0) {
		result = rpc_listener_note(listener, url, bound->stream);
	}
	if (result != 0) {
		if (bound != NULL) {
			rpc_bound_close(bound);
		}
		return rpc_transport_error(error, result, "listen on", url);
	}
	bound->next = listener->first;
	listener->first = bound;
	return STATUS_OK;
}

/* The port in tcp://:PORT, where the host may also be a star, and in the same of tls+tcp; or NULL. */
static const char *
rpc_listener_every_port(const char *url)
{
	const char *host = rpc_listener_behind(url, "tcp://");

	if (host == NULL) {
		host = rpc_listener_behind(url, "tls+tcp://");
	}
	if (host == NULL) {
		return NULL;
	}
	host += *host == '*';
	return *host == ':' && strlen(host + 1) <= 5 ? host + 1 : NULL;
}

/*
 * Listens on every address, of which NNG takes those of IPv4 alone. A socket of
 * [::] has both families unless the system says otherwise (bindv6only), or
 * there is no IPv6: then another one has IPv4.
 */
static enum status_code
rpc_listener_bind_every(struct rpc_listener *listener, const char *url, const char *port,
    struct rpc_tls *tls, struct error *error)
{
	const char *scheme = rpc_listener_behind(url, "tls+") == NULL ? "tcp" : "tls+tcp";
	bool six, four;
	struct error tried;
	char address[64];

	snprintf(address, sizeof(address), "%s://[::]:%s", scheme, port);
	six = rpc_listener_bind(listener, address, tls, &tried) == STATUS_OK;
	if (!six && strcmp(tried.reason, "ADDRESS_IN_USE") == 0) {
		*error = tried;
		return tried.code;
	}
	port = six ? strrchr(listener->url, ':') + 1 : port; /* where it was 0, the one chosen */
	snprintf(address, sizeof(address), "%s://0.0.0.0:%s", scheme, port);
	four = rpc_listener_bind(listener, address, tls, &tried) == STATUS_OK;
	if (!six && !four) {
		*error = tried;
		return tried.code;
	}
	return STATUS_OK;
}

static enum status_code
rpc_listener_add(
    struct rpc_listener *listener, const char *url, struct rpc_tls *tls, struct error *error)
{
	enum status_code code = rpc_listener_check(url, tls != NULL, error);
	const char *port = rpc_listener_every_port(url);

	if (code != STATUS_OK) {
		return code;
	}
	return port == NULL ? rpc_listener_bind(listener, url, tls, error)
			    : rpc_listener_bind_every(listener, url, port, tls, error);
}

enum status_code
rpc_listener_open(struct rpc_listener **listener, struct rpc_net *net, const char *urls,
    struct rpc_tls *tls, struct error *error)
{
	struct rpc_listener *opened = calloc(1, sizeof(*opened));
	char *list = strdup(urls);
	char *rest = list;
	enum status_code code = STATUS_OK;

	*listener = NULL;
	if (opened == NULL || list == NULL) {
		free(opened);
		free(list);
		return error_set(error, STATUS_RESOURCE_EXHAUSTED, "OUT_OF_MEMORY", "no memory");
	}
	opened->net = net;
	while (rest != NULL && code == STATUS_OK) {
		code = rpc_listener_add(opened, rpc_listener_trim(strsep(&rest, ",")), tls, error);
	}
	free(list);
	if (code != STATUS_OK) {
		rpc_listener_close(&opened);
		return code;
	}
	for (struct rpc_bound *bound = opened->first; bound != NULL; bound = bound->next) {
		for (size_t i = 0; i < RPC_ACCEPTS; i++) {
			rpc_accept_begin(&bound->accepts[i]);
		}
	}
	*listener = opened;
	return STATUS_OK;
}

/* A URL may be bound for IPv4 and for IPv6. */
size_t
rpc_listener_descriptors(const char *urls)
{
	size_t count = 1;

	while ((urls = strchr(urls, ',')) != NULL) {
		urls++;
		count++;
	}
	return count * 2 * (1 + RPC_ACCEPTS) + RPC_ROOM_OPEN_MAX;
}

const char *
rpc_listener_url(const struct rpc_listener *listener)
{
	return listener->url;
}

void
rpc_listener_close(struct rpc_listener **listener)
{
	struct rpc_listener *closed = *listener;
	struct rpc_bound *bound;

	if (closed == NULL) {
		return;
	}
	while ((bound = closed->first) != NULL) {
		closed->first = bound->next;
		rpc_bound_close(bound);
	}
	free(closed->url);
	free(closed);
	*listener = NULL;
}
