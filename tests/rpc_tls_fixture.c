#include "tests/rpc_tls_fixture.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "tests/rpc_caller.h"
#include "tests/rpc_service.h"

char tls_dir[] = "/tmp/rpc_tls_test.XXXXXX";

#define TLS_TOLD_INIT                                                                              \
	{                                                                                          \
		.lock = PTHREAD_MUTEX_INITIALIZER, .changed = PTHREAD_COND_INITIALIZER             \
	}

struct tls_told tls_server_told = TLS_TOLD_INIT;
struct tls_told tls_client_told = TLS_TOLD_INIT;

static void
tls_told_why(const char *why, void *closure)
{
	struct tls_told *told = closure;

	pthread_mutex_lock(&told->lock);
	snprintf(told->why, sizeof(told->why), "%s", why);
	told->count++;
	pthread_cond_broadcast(&told->changed);
	pthread_mutex_unlock(&told->lock);
}

static void
tls_told_forget(struct tls_told *told)
{
	pthread_mutex_lock(&told->lock);
	told->count = 0;
	pthread_mutex_unlock(&told->lock);
}

void
tls_told_await(struct tls_told *told, const char *why)
{
	pthread_mutex_lock(&told->lock);
	while (told->count == 0) {
		pthread_cond_wait(&told->changed, &told->lock);
	}
	if (strstr(told->why, why) == NULL) {
		fail_msg("refused for \"%s\", not \"%s\"", told->why, why);
	}
	pthread_mutex_unlock(&told->lock);
}

const char *
tls_file(char path[PATH_MAX], const char *name, const char *suffix)
{
	snprintf(path, PATH_MAX, "%s/%s.%s", tls_dir, name, suffix);
	return path;
}

enum status_code
tls_open(
    struct rpc_tls **tls, bool server, const char *own, const char *trusted, struct error *error)
{
	char ca[PATH_MAX];
	char cert[PATH_MAX];
	char key[PATH_MAX];
	const struct rpc_tls_options options = {.server = server,
	    .ca_file = trusted == NULL ? NULL : tls_file(ca, trusted, "pem"),
	    .cert_file = own == NULL ? NULL : tls_file(cert, own, "pem"),
	    .key_file = own == NULL ? NULL : tls_file(key, own, "key"),
	    .failed = tls_told_why,
	    .closure = server ? &tls_server_told : &tls_client_told};

	tls_told_forget(options.closure);
	return rpc_tls_open(tls, &options, error);
}

struct rpc_tls *
tls_must_open(bool server, const char *own, const char *trusted)
{
	struct rpc_tls *tls;
	struct error error;

	if (tls_open(&tls, server, own, trusted, &error) != STATUS_OK) {
		fail_msg("%s", error.message);
	}
	return tls;
}

struct rpc_server *
tls_open_server(struct rpc_tls *tls, const char *trusted)
{
	struct rpc_server_options options = service_options("tls+tcp://127.0.0.1:0");
	struct rpc_server *server;
	struct error error;

	options.tls = tls;
	options.trusted = trusted;
	if (rpc_server_open(&server, &options, &error) != STATUS_OK) {
		fail_msg("%s", error.message);
	}
	return server;
}

struct rpc_channel *
tls_open_channel(const struct rpc_server *server, struct rpc_tls *tls, const char *name)
{
	return caller_channel(rpc_server_url(server),
	    (struct rpc_channel_options){
		.tls = tls, .tls_name = name, .connect_timeout_ms = TLS_LONG_MS});
}

void
tls_expect_service(struct rpc_channel *channel)
{
	caller_expect(caller_start(channel, "test.v1.Test/Nothing", "", 0, TLS_LONG_MS),
	    STATUS_UNIMPLEMENTED, "UNKNOWN_METHOD");
}
