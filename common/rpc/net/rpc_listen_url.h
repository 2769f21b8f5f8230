/*
 * The list of URLs that a server is to listen on, as far as it can be looked at
 * without listening.
 */
#ifndef COMMON_RPC_LISTEN_URL_H
#define COMMON_RPC_LISTEN_URL_H

#include <stdbool.h>

#include "common/base/address.h"
#include "common/base/status.h"

#define RPC_LISTEN_URL_MAX 1024

struct rpc_listen_url {
	char text[RPC_LISTEN_URL_MAX + 1]; /* without blanks around it */
	bool tls;
	const char *path;       /* of ipc://, in text; NULL: it has an address */
	struct address address; /* of tcp:// and tls+tcp:// */
};

/*
 * Reads the first URL of a list with commas between, and moves *list to the
 * rest; to NULL behind the last. On failure error names the URL, which is of
 * the configuration's key listen, what is wrong and what would be right: a
 * scheme that is none, a host that is not of this machine, a path that is too
 * long for a socket, whose folder is missing, or where there is another file.
 */
enum status_code rpc_listen_url_next(
    struct rpc_listen_url *url, const char **list, struct error *error);

/* Whether url is free now: nobody listens there, and this process may. Leaves nothing behind. */
enum status_code rpc_listen_url_probe(const struct rpc_listen_url *url, struct error *error);

#endif
