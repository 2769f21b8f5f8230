/* What both sides of the RPC layer share of NNG, the transport. */
#ifndef COMMON_RPC_TRANSPORT_H
#define COMMON_RPC_TRANSPORT_H

#include <stdbool.h>
#include <stdint.h>

#include "common/status.h"

#ifdef __cplusplus
extern "C" {
#endif

/*
 * Fills error for a result of NNG that is not 0, about doing something to a
 * URL: rpc_transport_error(error, rv, "listen on", url) reads as "cannot
 * listen on tcp://…: Address in use". Returns the code.
 */
enum status_code rpc_transport_error(
    struct error *error, int result, const char *action, const char *url);

/*
 * Closes a socket of NNG (its id). False when NNG has not done so within two
 * seconds: NNG 1.5 can wait for ever for a connection that it closes between
 * the length and the rest of a message. The socket is then left behind, with
 * all that belongs to it, and must not be used or freed; rpc_fini does nothing.
 */
bool rpc_transport_close(uint32_t socket);

/*
 * Ends NNG's threads and frees what it holds, at the end of main, when every
 * server and channel is closed. None can be opened after it. In a child of fork,
 * whose threads these are not, it does nothing.
 */
void rpc_fini(void);

#ifdef __cplusplus
}
#endif

#endif
