/*
 * Children of fork. NNG's threads, and with them all connections, belong to the
 * process that created them, and NNG aborts a process that uses it after a
 * fork. So callers of NNG check here first. Any thread.
 */
#ifndef COMMON_RPC_FORK_H
#define COMMON_RPC_FORK_H

#include <stdbool.h>

#include "common/base/status.h"

/*
 * To be called before NNG is used for the first time, and each time that more is
 * opened. False where that must not be: see rpc_forked.
 */
bool rpc_fork_watch(void);

/* True in a child that was forked after the first rpc_fork_watch, until it calls exec. */
bool rpc_forked(void);

/*
 * Fills error for something that could not be opened or called: because this is
 * such a child, or else because memory is missing. Returns the code.
 */
enum status_code rpc_fork_refuse(struct error *error);

#endif
