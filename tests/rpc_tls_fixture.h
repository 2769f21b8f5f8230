/*
 * For tests of TLS: servers and channels by the certificates of a folder, and
 * why they could not meet. Failures fail the running test.
 */
#ifndef TESTS_RPC_TLS_FIXTURE_H
#define TESTS_RPC_TLS_FIXTURE_H

#include <limits.h>
#include <pthread.h>
#include <stdbool.h>

#include "common/rpc/net/rpc_tls.h"
#include "common/rpc/net/rpc_transport.h"
#include "common/rpc/server/rpc_server.h"
#include "tests/certificate.h"

#define TLS_ECHO    "test.v1.Test/Echo"
#define TLS_LONG_MS 30000

/* Where the certificates are: a template for mkdtemp, then the folder. */
extern char tls_dir[];

/* Why a side could not connect, as it was told. */
struct tls_told {
	pthread_mutex_t lock;
	pthread_cond_t changed;
	char why[128];
	unsigned count;
};

extern struct tls_told tls_server_told;
extern struct tls_told tls_client_told;

/* Waits until a failure is reported to a side since tls_open, and checks that it is this one. */
void tls_told_await(struct tls_told *told, const char *why);

/* Writes the path of DIR/NAME.SUFFIX, and gives it. */
const char *tls_file(char path[PATH_MAX], const char *name, const char *suffix);

/*
 * Opens a side with the certificates of these names. own NULL: it has none;
 * trusted NULL: it trusts nobody.
 */
enum status_code tls_open(
    struct rpc_tls **tls, bool server, const char *own, const char *trusted, struct error *error);
struct rpc_tls *tls_must_open(bool server, const char *own, const char *trusted);

/* A server on a port of its own; trusted as in its options. */
struct rpc_server *tls_open_server(struct rpc_tls *tls, const char *trusted);

/* A channel to server, which expects name in its certificate; NULL: the host. */
struct rpc_channel *tls_open_channel(
    const struct rpc_server *server, struct rpc_tls *tls, const char *name);

/* Makes a call whose refusal tells that it came to the service. */
void tls_expect_service(struct rpc_channel *channel);

#endif
