/* The list of endpoints that a channel is given. */
#ifndef COMMON_RPC_URL_H
#define COMMON_RPC_URL_H

#include <stdbool.h>
#include <stddef.h>

#include "common/base/status.h"

struct rpc_url {
	char *text; /* as it was given, without blanks around */
	char *host; /* of dns:///host:port; NULL: the URL is an address */
	char *port;
};

struct rpc_urls {
	struct rpc_url *list;
	size_t count;
};

/*
 * Reads URLs with commas between. On failure error names the URL, what is
 * wrong and what would be right, and *urls is empty.
 */
enum status_code rpc_urls_init(struct rpc_urls *urls, const char *text, struct error *error);
void rpc_urls_fini(struct rpc_urls *urls);

#endif
