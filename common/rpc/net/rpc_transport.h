/* What both sides of the RPC layer share of NNG, the transport. */
#ifndef COMMON_RPC_TRANSPORT_H
#define COMMON_RPC_TRANSPORT_H

#include "common/base/status.h"

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
 * Ends NNG's threads and frees what it holds, at the end of main, when every
 * server and channel is closed. None can be opened after it. In a child of fork,
 * whose threads these are not, it does nothing.
 */
void rpc_fini(void);

#ifdef __cplusplus
}
#endif

#endif
