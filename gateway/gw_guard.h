/*
 * The HTTP/1 framing guard. Refuses requests of which another server on the
 * way may have read another end (RFC 9112 sections 2.2, 3.2, 5.1, 5.2, 6):
 * the HTTP library takes them, and hides from handlers what they look like.
 * Any thread.
 */
#ifndef GATEWAY_GW_GUARD_H
#define GATEWAY_GW_GUARD_H

#include <stddef.h>

struct error;

/*
 * Looks at the head of a request that the library could parse: input begins
 * with it and may go on. Gives 0, or the HTTP status to refuse with, 400 or
 * 431, for which error says why; the connection must be closed then.
 */
int gw_guard_check(const char *input, size_t len, size_t head_max_bytes, struct error *error);

#endif
