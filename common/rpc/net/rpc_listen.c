#include "common/rpc/net/rpc_listen.h"

#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>

#include "common/clock.h"
#include "common/rpc/net/rpc_tls_internal.h"
#include "common/rpc/net/rpc_transport.h"
#include "common/rpc/server/rpc_server.h"

#define RPC_LISTEN_BLANKS   " \t\r\n"
#define RPC_FLUSH_POLL_MS   2
#define RPC_RECV_MAX_FACTOR 2

static char *
rpc_listen_trim(char *text)
{
	size_t len;

	text += strspn(text, RPC_LISTEN_BLANKS);
	len = strlen(text);
	while (len > 0 && strchr(RPC_LISTEN_BLANKS, text[len - 1]) != NULL) {
		len--;
	}
	text[len] = '\0';
	return text;
}

/*
 * What NNG does not refuse by itself, or not well. It takes any file that
 * refuses to connect for a socket left behind, and removes it.
 */
static enum status_code
rpc_listen_check(const char *url, bool tls, struct error *error)
{
	struct stat file;

	if (url[0] == '\0') {
		return error_set(error, STATUS_INVALID_ARGUMENT, "BAD_URL",
		    "the list of URLs to listen on has an empty entry");
	}
	if (!tls && strncmp(url, "tls+tcp:", 8) == 0) {
		return error_set(error, STATUS_INVALID_ARGUMENT, "BAD_URL",
		    "cannot listen on %s: no certificate is configured", url);
	}
	if (strncmp(url, "ipc://", 6) == 0 && lstat(url + 6, &file) == 0 &&
	    !S_ISSOCK(file.st_mode)) {
		return error_set(error, STATUS_FAILED_PRECONDITION, "ADDRESS_IN_USE",
		    "cannot listen on %s: there is a file of that name that is no socket", url);
	}
	return STATUS_OK;
}

/* Adds what listener is bound to to the list *bound. */
static int
rpc_listen_note(nng_listener listener, char **bound)
{
	char *list = NULL;
	char *url;
	int result = nng_listener_get_string(listener, NNG_OPT_URL, &url);

	if (result != 0) {
		return result;
	}
	if (asprintf(&list, "%s%s%s", *bound == NULL ? "" : *bound, *bound == NULL ? "" : ",",
		url) < 0) {
		list = NULL;
		result = NNG_ENOMEM;
	}
	nng_strfree(url);
	free(*bound);
	*bound = list;
	return result;
}

static int
rpc_listen_configure(nng_listener listener, const char *url, struct rpc_tls *tls)
{
	nng_tls_config *config;
	int result;

	/* Both are unknown to ipc:// and inproc://, which do not need them. */
	(void)nng_listener_set_bool(listener, NNG_OPT_TCP_KEEPALIVE, true);
	(void)nng_listener_set_bool(listener, NNG_OPT_TCP_NODELAY, true);
	if (strncmp(url, "tls+tcp:", 8) != 0) {
		return 0;
	}
	result = rpc_tls_engine_config(&config, tls, true, NULL);
	if (result == 0) {
		result = nng_listener_set_ptr(listener, NNG_OPT_TLS_CONFIG, config);
		nng_tls_config_free(config);
	}
	return result;
}

static enum status_code
rpc_listen_address(
    nng_socket socket, const char *url, struct rpc_tls *tls, char **bound, struct error *error)
{
	nng_listener listener;
	int result;

	result = nng_listener_create(&listener, socket, url);
	if (result == 0) {
		result = rpc_listen_configure(listener, url, tls);
		if (result == 0) {
			result = nng_listener_start(listener, 0);
		}
		if (result == 0) {
			result = rpc_listen_note(listener, bound);
		}
		if (result != 0) {
			nng_listener_close(listener);
		}
	}
	return result == 0 ? STATUS_OK : rpc_transport_error(error, result, "listen on", url);
}

/* The port in tcp://:PORT, where the host may also be a star, and in the same of tls+tcp; or NULL. */
static const char *
rpc_listen_every_port(const char *url)
{
	const char *host = strncmp(url, "tcp://", 6) == 0        ? url + 6
			   : strncmp(url, "tls+tcp://", 10) == 0 ? url + 10
								 : "";

	host += *host == '*';
	return *host == ':' && strlen(host + 1) <= 5 ? host + 1 : NULL;
}

/*
 * Listens on every address, of which NNG takes those of IPv4 alone. A socket of
 * [::] has both families unless the system says otherwise (bindv6only), or
 * there is no IPv6: then another one has IPv4.
 */
static enum status_code
rpc_listen_every(nng_socket socket, const char *url, const char *port, struct rpc_tls *tls,
    char **bound, struct error *error)
{
	const char *scheme = strncmp(url, "tls", 3) == 0 ? "tls+tcp" : "tcp";
	bool six, four;
	struct error tried;
	char address[64];

	snprintf(address, sizeof(address), "%s://[::]:%s", scheme, port);
	six = rpc_listen_address(socket, address, tls, bound, &tried) == STATUS_OK;
	if (!six && strcmp(tried.reason, "ADDRESS_IN_USE") == 0) {
		*error = tried;
		return tried.code;
	}
	port = six ? strrchr(*bound, ':') + 1 : port; /* where it was 0, the one that was chosen */
	snprintf(address, sizeof(address), "%s://0.0.0.0:%s", scheme, port);
	four = rpc_listen_address(socket, address, tls, bound, &tried) == STATUS_OK;
	if (!six && !four) {
		*error = tried;
		return tried.code;
	}
	return STATUS_OK;
}

static enum status_code
rpc_listen_one(
    nng_socket socket, const char *url, struct rpc_tls *tls, char **bound, struct error *error)
{
	enum status_code code = rpc_listen_check(url, tls != NULL, error);
	const char *port = rpc_listen_every_port(url);

	if (code != STATUS_OK) {
		return code;
	}
	return port == NULL ? rpc_listen_address(socket, url, tls, bound, error)
			    : rpc_listen_every(socket, url, port, tls, bound, error);
}

enum status_code
rpc_listen(
    nng_socket socket, const struct rpc_server_options *options, char **url, struct error *error)
{
	char *list = strdup(options->listen);
	char *rest = list;
	enum status_code code = STATUS_OK;

	if (list == NULL) {
		return error_set(error, STATUS_RESOURCE_EXHAUSTED, "OUT_OF_MEMORY", "no memory");
	}
	(void)nng_socket_set_size(
	    socket, NNG_OPT_RECVMAXSZ, options->request_max_bytes * RPC_RECV_MAX_FACTOR);
	while (rest != NULL && code == STATUS_OK) {
		code = rpc_listen_one(
		    socket, rpc_listen_trim(strsep(&rest, ",")), options->tls, url, error);
	}
	free(list);
	return code;
}

static uint64_t
rpc_listen_stat(nng_stat *scope, const char *name)
{
	nng_stat *stat = nng_stat_find(scope, name);

	return stat == NULL ? 0 : nng_stat_value(stat);
}

/* True when each pipe of the socket has sent as many messages as it received. */
static bool
rpc_listen_flushed(nng_socket socket)
{
	uint64_t id = (uint64_t)nng_socket_id(socket);
	bool flushed = true;
	nng_stat *root;

	if (nng_stats_get(&root) != 0) {
		return false;
	}
	for (nng_stat *scope = nng_stat_child(root); scope != NULL; scope = nng_stat_next(scope)) {
		if (strcmp(nng_stat_name(scope), "pipe") == 0 &&
		    rpc_listen_stat(scope, "socket") == id) {
			flushed = flushed && rpc_listen_stat(scope, "tx_msgs") >=
						 rpc_listen_stat(scope, "rx_msgs");
		}
	}
	nng_stats_free(root);
	return flushed;
}

void
rpc_listen_flush(nng_socket socket, int limit_ms)
{
	static const struct timespec pause = {0, RPC_FLUSH_POLL_MS * CLOCK_NS_PER_MS};
	int64_t end_ns = clock_now_ns() + limit_ms * CLOCK_NS_PER_MS;

	while (!rpc_listen_flushed(socket) && clock_now_ns() < end_ns) {
		nanosleep(&pause, NULL);
	}
}
