#include "common/rpc/net/rpc_fork.h"

#include <pthread.h>
#include <stdatomic.h>

static atomic_bool rpc_fork_is_child;

/* Runs in the child, in which the lock of anything may be held for ever: it only notes. */
static void
rpc_fork_note(void)
{
	atomic_store(&rpc_fork_is_child, true);
}

static void
rpc_fork_register(void)
{
	pthread_atfork(NULL, NULL, rpc_fork_note);
}

bool
rpc_fork_watch(void)
{
	static pthread_once_t once = PTHREAD_ONCE_INIT;

	pthread_once(&once, rpc_fork_register);
	return !rpc_forked();
}

bool
rpc_forked(void)
{
	return atomic_load_explicit(&rpc_fork_is_child, memory_order_relaxed);
}

enum status_code
rpc_fork_refuse(struct error *error)
{
	if (!rpc_forked()) {
		return error_set(error, STATUS_RESOURCE_EXHAUSTED, "OUT_OF_MEMORY", "no memory");
	}
	return error_set(error, STATUS_FAILED_PRECONDITION, "FORKED",
	    "this process was forked from one that had channels, whose threads it does not have: "
	    "call exec, or fork before the first channel is opened");
}
