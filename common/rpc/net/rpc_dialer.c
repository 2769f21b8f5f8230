#include "common/rpc/net/rpc_dialer.h"

#include <arpa/inet.h>
#include <netdb.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/base/clock.h"
#include "common/rpc/net/rpc_lookup.h"
#include "common/rpc/net/rpc_net_internal.h"
#include "common/rpc/net/rpc_transport.h"

#define RPC_BACKOFF_MIN_MS 50
#define RPC_BACKOFF_MAX_MS 1000

/* A connection that has lived for so long was a good one: the next is tried soon. */
#define RPC_GOOD_LIFE_NS (1000 * CLOCK_NS_PER_MS)

/* "tcp://[…]:65535" with an address. */
#define RPC_DIALER_URL_MAX (INET6_ADDRSTRLEN + 32)

/*
 *	LOOKING -> DIALING -> CONNECTED -> PAUSING -> LOOKING ...
 *	   `----------`--------------------^
 *
 * It goes from PAUSING to DIALING where the URL has an address. From each it
 * becomes IDLE when it is closing.
 */
enum rpc_dialer_state {
	RPC_DIALER_IDLE,
	RPC_DIALER_LOOKING, /* for the addresses of the name */
	RPC_DIALER_DIALING,
	RPC_DIALER_CONNECTED, /* a connection has it: its greeting may be missing yet */
	RPC_DIALER_PAUSING
};

struct rpc_dialer {
	struct rpc_net *net;
	struct rpc_tls *tls; /* NULL: none */
	char *tls_name;
	void *user;
	char *host; /* a name, which is looked up each time; NULL: the URL has an address */
	char *port;
	nng_aio *dial;
	nng_aio *pause;

	atomic_bool closing;

	pthread_mutex_t lock; /* guards all below; operations are begun with it */
	pthread_cond_t idle;
	enum rpc_dialer_state state;
	nng_stream_dialer *stream; /* NULL: no address is known yet */
	struct rpc_lookup *lookup;
	size_t failures; /* since a connection was made: each address has its turn */
	int backoff_ms;
	int64_t connected_ns;
};

static void rpc_dialer_found(const struct addrinfo *addresses, void *closure);
static void rpc_dialer_pause(struct rpc_dialer *dialer);

/* With the lock. */
static void
rpc_dialer_rest(struct rpc_dialer *dialer)
{
	dialer->state = RPC_DIALER_IDLE;
	pthread_cond_broadcast(&dialer->idle);
}

/* Dials, once the name has been looked up; with the lock. */
static void
rpc_dialer_dial(struct rpc_dialer *dialer)
{
	if (atomic_load(&dialer->closing)) {
		rpc_dialer_rest(dialer);
		return;
	}
	if (dialer->host == NULL) {
		dialer->state = RPC_DIALER_DIALING;
		nng_stream_dialer_dial(dialer->stream, dialer->dial);
		return;
	}
	/* The look-up before has called all that it calls: this does not wait. */
	rpc_lookup_close(&dialer->lookup);
	dialer->state = RPC_DIALER_LOOKING;
	if (!rpc_lookup_open(
		&dialer->lookup, dialer->host, dialer->port, rpc_dialer_found, dialer)) {
		rpc_dialer_pause(dialer);
	}
}

/* Dials after a pause; with the lock. */
static void
rpc_dialer_pause(struct rpc_dialer *dialer)
{
	int half_ms = dialer->backoff_ms / 2;

	if (atomic_load(&dialer->closing)) {
		rpc_dialer_dial(dialer);
		return;
	}
	dialer->state = RPC_DIALER_PAUSING;
	nng_sleep_aio(half_ms + (int)rpc_net_random(dialer->net, (uint64_t)half_ms), dialer->pause);
	dialer->backoff_ms = dialer->backoff_ms * 2 < RPC_BACKOFF_MAX_MS ? dialer->backoff_ms * 2
									 : RPC_BACKOFF_MAX_MS;
}

static void
rpc_dialer_paused(void *closure)
{
	struct rpc_dialer *dialer = closure;

	pthread_mutex_lock(&dialer->lock);
	rpc_dialer_dial(dialer);
	pthread_mutex_unlock(&dialer->lock);
}

bool
rpc_dialer_is_closing(const struct rpc_dialer *dialer)
{
	return atomic_load(&dialer->closing);
}

void
rpc_dialer_ended(struct rpc_dialer *dialer, bool opened)
{
	pthread_mutex_lock(&dialer->lock);
	if (opened && clock_now_ns() - dialer->connected_ns >= RPC_GOOD_LIFE_NS) {
		dialer->backoff_ms = RPC_BACKOFF_MIN_MS;
	}
	dialer->failures = opened ? 0 : dialer->failures + 1;
	rpc_dialer_pause(dialer);
	pthread_mutex_unlock(&dialer->lock);
}

static void
rpc_dialer_failed(struct rpc_dialer *dialer, enum rpc_cause cause, const char *text)
{
	const struct rpc_net_events *events = &dialer->net->events;
	const struct rpc_end end = {cause, text, 0};

	if (events->unreached != NULL && cause != RPC_CAUSE_LOCAL) {
		events->unreached(dialer->user, &end, dialer->net->options.closure);
	}
	rpc_dialer_ended(dialer, false);
}

static void
rpc_dialer_event(void *closure)
{
	struct rpc_dialer *dialer = closure;
	struct rpc_conn_options options = {.dialer = dialer,
	    .user = dialer->user,
	    .tls = dialer->tls,
	    .tls_name = dialer->tls_name};
	int result = nng_aio_result(dialer->dial);
	enum rpc_cause cause;

	if (result != 0) {
		rpc_dialer_failed(dialer,
		    result == NNG_ECLOSED || result == NNG_ECANCELED ? RPC_CAUSE_LOCAL
								     : RPC_CAUSE_UNREACHABLE,
		    nng_strerror(result));
		return;
	}
	options.stream = nng_aio_get_output(dialer->dial, 0);
	pthread_mutex_lock(&dialer->lock);
	dialer->state = RPC_DIALER_CONNECTED;
	dialer->connected_ns = clock_now_ns();
	pthread_mutex_unlock(&dialer->lock);
	cause = rpc_conn_start(dialer->net, &options);
	if (cause != RPC_STARTED) {
		rpc_dialer_failed(dialer, cause, "");
	}
}

static bool
rpc_dialer_is_address(const char *host)
{
	uint8_t address[sizeof(struct in6_addr)];

	return inet_pton(AF_INET, host, address) == 1 || inet_pton(AF_INET6, host, address) == 1;
}

static int
rpc_dialer_read_url(struct rpc_dialer *dialer, const char *url, const char *tls_name)
{
	nng_url *parts;
	int result = nng_url_parse(&parts, url);

	if (result != 0) {
		return result;
	}
	if (dialer->tls != NULL) {
		dialer->tls_name = strdup(tls_name == NULL ? parts->u_hostname : tls_name);
		result = dialer->tls_name == NULL ? NNG_ENOMEM : 0;
	}
	if (strstr(parts->u_scheme, "tcp") != NULL && parts->u_hostname[0] != '\0' &&
	    !rpc_dialer_is_address(parts->u_hostname)) {
		dialer->host = strdup(parts->u_hostname);
		dialer->port = strdup(parts->u_port);
		result = dialer->host == NULL || dialer->port == NULL ? NNG_ENOMEM : result;
	}
	nng_url_free(parts);
	return result;
}

static int
rpc_dialer_make_stream(nng_stream_dialer **stream, const char *url)
{
	int result = nng_stream_dialer_alloc(stream, url);

	if (result == 0) {
		/* Both are unknown to ipc://, which does not need them. */
		(void)nng_stream_dialer_set_bool(*stream, NNG_OPT_TCP_KEEPALIVE, true);
		(void)nng_stream_dialer_set_bool(*stream, NNG_OPT_TCP_NODELAY, true);
	}
	return result;
}

/* Makes the stream of one of the addresses, of each in turn. With the lock. */
static bool
rpc_dialer_choose(struct rpc_dialer *dialer, const struct addrinfo *addresses)
{
	const struct addrinfo *chosen = addresses;
	char url[RPC_DIALER_URL_MAX];
	char host[INET6_ADDRSTRLEN];
	nng_stream_dialer *stream;

	for (size_t i = 0; i < dialer->failures; i++) {
		chosen = chosen->ai_next == NULL ? addresses : chosen->ai_next;
	}
	if (getnameinfo(chosen->ai_addr, chosen->ai_addrlen, host, sizeof(host), NULL, 0,
		NI_NUMERICHOST) != 0) {
		return false;
	}
	snprintf(url, sizeof(url), chosen->ai_family == AF_INET6 ? "tcp://[%s]:%s" : "tcp://%s:%s",
	    host, dialer->port);
	if (rpc_dialer_make_stream(&stream, url) != 0) {
		return false;
	}
	if (dialer->stream != NULL) {
		nng_stream_dialer_free(dialer->stream);
	}
	dialer->stream = stream;
	return true;
}

/*
 * The callback of the look-up, which the dialer makes itself: NNG would wait for
 * the name server when it ends. The lock is the last thing that it touches.
 */
static void
rpc_dialer_found(const struct addrinfo *addresses, void *closure)
{
	struct rpc_dialer *dialer = closure;
	bool failed = false;

	pthread_mutex_lock(&dialer->lock);
	if (atomic_load(&dialer->closing)) {
		rpc_dialer_rest(dialer);
	} else if (addresses != NULL && rpc_dialer_choose(dialer, addresses)) {
		dialer->state = RPC_DIALER_DIALING;
		nng_stream_dialer_dial(dialer->stream, dialer->dial);
	} else {
		failed = true;
	}
	pthread_mutex_unlock(&dialer->lock);
	if (failed) {
		rpc_dialer_failed(dialer, RPC_CAUSE_UNREACHABLE, "the host's name is not known");
	}
}

/* NNG knows TLS as another stream; here it is done on top of TCP. */
static int
rpc_dialer_prepare(struct rpc_dialer *dialer, const struct rpc_dialer_options *options)
{
	bool tls = strncmp(options->url, "tls+", 4) == 0;
	int result;

	dialer->tls = tls ? options->tls : NULL;
	result = rpc_dialer_read_url(dialer, options->url, options->tls_name);
	if (result == 0 && dialer->host == NULL) {
		result = rpc_dialer_make_stream(
		    &dialer->stream, options->url + (tls ? strlen("tls+") : 0));
	}
	if (result == 0) {
		result = nng_aio_alloc(&dialer->dial, rpc_dialer_event, dialer);
	}
	if (result == 0) {
		result = nng_aio_alloc(&dialer->pause, rpc_dialer_paused, dialer);
	}
	if (result == 0) {
		nng_aio_set_timeout(dialer->dial, dialer->net->options.handshake_timeout_ms);
	}
	return result;
}

static void
rpc_dialer_free(struct rpc_dialer *dialer)
{
	nng_aio_free(dialer->pause);
	nng_aio_free(dialer->dial);
	if (dialer->stream != NULL) {
		nng_stream_dialer_free(dialer->stream);
	}
	pthread_cond_destroy(&dialer->idle);
	pthread_mutex_destroy(&dialer->lock);
	free(dialer->tls_name);
	free(dialer->host);
	free(dialer->port);
	free(dialer);
}

enum status_code
rpc_dialer_open(struct rpc_dialer **dialer, struct rpc_net *net,
    const struct rpc_dialer_options *options, struct error *error)
{
	struct rpc_dialer *opened;
	int result;

	*dialer = NULL;
	if (options->tls == NULL && strncmp(options->url, "tls+", 4) == 0) {
		return error_set(error, STATUS_INVALID_ARGUMENT, "BAD_URL",
		    "cannot connect to %s: no certificate of who is trusted is configured",
		    options->url);
	}
	opened = calloc(1, sizeof(*opened));
	if (opened == NULL) {
		return error_set(error, STATUS_RESOURCE_EXHAUSTED, "OUT_OF_MEMORY", "no memory");
	}
	opened->net = net;
	opened->user = options->user;
	opened->backoff_ms = RPC_BACKOFF_MIN_MS;
	pthread_mutex_init(&opened->lock, NULL);
	pthread_cond_init(&opened->idle, NULL);
	result = rpc_dialer_prepare(opened, options);
	if (result != 0) {
		rpc_dialer_free(opened);
		return rpc_transport_error(error, result, "connect to", options->url);
	}
	pthread_mutex_lock(&opened->lock);
	rpc_dialer_dial(opened);
	pthread_mutex_unlock(&opened->lock);
	*dialer = opened;
	return STATUS_OK;
}

void
rpc_dialer_close(struct rpc_dialer **dialer)
{
	struct rpc_dialer *closed = *dialer;
	struct rpc_lookup *lookup;

	if (closed == NULL) {
		return;
	}
	pthread_mutex_lock(&closed->lock);
	atomic_store(&closed->closing, true); /* from now on stream and lookup stay what they are */
	lookup = closed->lookup;
	pthread_mutex_unlock(&closed->lock);
	rpc_lookup_close(&lookup);
	if (closed->stream != NULL) {
		nng_stream_dialer_close(closed->stream);
	}
	nng_aio_cancel(closed->pause);
	rpc_net_close_dialed(closed->net, closed);
	pthread_mutex_lock(&closed->lock);
	if (closed->state == RPC_DIALER_LOOKING) {
		rpc_dialer_rest(closed); /* its look-up will not say what it finds */
	}
	while (closed->state != RPC_DIALER_IDLE) {
		pthread_cond_wait(&closed->idle, &closed->lock);
	}
	pthread_mutex_unlock(&closed->lock);
	rpc_dialer_free(closed);
	*dialer = NULL;
}
