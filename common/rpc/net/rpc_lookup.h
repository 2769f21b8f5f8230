/*
 * Looks a name up like getaddrinfo, but nobody has to wait for a name server:
 * abandoning a look-up returns at once.
 */
#ifndef COMMON_RPC_LOOKUP_H
#define COMMON_RPC_LOOKUP_H

#include <stdbool.h>

struct addrinfo;
struct rpc_lookup;

/* addresses is borrowed; NULL: the name could not be looked up. In a thread of the look-up. */
typedef void rpc_lookup_fn(const struct addrinfo *addresses, void *closure);

/*
 * Begins to look up the addresses of host, for streams to port; both are copied.
 * found is called once, unless the look-up is closed before. False without
 * memory or a thread; *lookup is NULL then.
 */
bool rpc_lookup_open(struct rpc_lookup **lookup, const char *host, const char *port,
    rpc_lookup_fn *found, void *closure);

/*
 * Abandons the look-up if it has not ended, and clears *lookup. Waits for found
 * to return if it is running, but never for a name server; found is not called
 * afterwards. Not to be called in found. NULL is fine.
 */
void rpc_lookup_close(struct rpc_lookup **lookup);

#endif
