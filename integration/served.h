/* A service of the test's own process, on a real RPC server, and a gatewayd before it. */
#ifndef INTEGRATION_SERVED_H
#define INTEGRATION_SERVED_H

#include <limits.h>
#include <stddef.h>
#include <stdint.h>

#include "common/rpc/server/rpc_server.h"
#include "integration/http.h"
#include "integration/process.h"

/*
 * Answers methods on a port of 127.0.0.1 and says by reflection what the
 * descriptors of set do, if it is not NULL. Both are borrowed until
 * rpc_server_close. Fails the test when it can't.
 */
struct rpc_server *served_listen(unsigned port, const struct rpc_method *methods, size_t count,
    const uint8_t *set, size_t set_len);

struct served {
	struct rpc_server *server;
	struct process gatewayd;
	struct http *http; /* to the gateway, for the test's main thread */
	char dir[PATH_MAX];
};

/*
 * Starts both, gatewayd with a file of descriptors, and returns when a GET of
 * path is answered with 200.
 */
void served_open(struct served *served, const struct rpc_method *methods, size_t count,
    const char *descriptors, const char *path);

/* Stops both. Fails the test when gatewayd ends with another status than 0. */
void served_close(struct served *served);

#endif
