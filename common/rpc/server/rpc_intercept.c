#include "common/rpc/server/rpc_server_internal.h"

static enum rpc_before
rpc_intercept_deadline(struct rpc_call *call, void *closure)
{
	(void)closure;
	return rpc_call_drop_expired(call) ? RPC_BEFORE_FAILED : RPC_BEFORE_PASS;
}

static enum rpc_before
rpc_intercept_principal(struct rpc_call *call, void *closure)
{
	const char *trusted = call->message->server->options.trusted;
	const char *refusal;
	struct error error;

	(void)closure;
	if (trusted == NULL || trusted[0] == '\0' || !rpc_call_has_metadata(call, "principal")) {
		return RPC_BEFORE_PASS;
	}
	refusal = rpc_conn_refusal(call->message->session->conn, trusted);
	if (refusal == NULL) {
		return RPC_BEFORE_PASS;
	}
	error_set(&error, STATUS_PERMISSION_DENIED, "PRINCIPAL_NOT_ALLOWED",
	    "this client may not say for whom a call is made: leave out the metadata principal");
	error_detail(&error, "the client is not trusted: %s", refusal);
	rpc_call_fail(call, &error);
	return RPC_BEFORE_FAILED;
}

static const struct rpc_interceptor rpc_intercept_own[] = {
    {"deadline", rpc_intercept_deadline, NULL, NULL},
    {"principal", rpc_intercept_principal, NULL, NULL},
};

#define RPC_INTERCEPT_OWN (sizeof(rpc_intercept_own) / sizeof(rpc_intercept_own[0]))

static void *
rpc_intercept_closure(const struct rpc_interceptor *row, const struct rpc_server_options *options)
{
	return row->closure == NULL ? options->observe_closure : row->closure;
}

/* A row that waits may have the call resumed, elsewhere, before it returns: the call knows how far it is. */
bool
rpc_intercept_before(struct rpc_call *call)
{
	const struct rpc_server_options *options = &call->message->server->options;
	size_t count = RPC_INTERCEPT_OWN + options->interceptor_count;
	size_t i;

	while ((i = call->intercepted) < count) {
		const struct rpc_interceptor *row =
		    i < RPC_INTERCEPT_OWN ? &rpc_intercept_own[i]
					  : &options->interceptors[i - RPC_INTERCEPT_OWN];

		call->intercepted++;
		if (row->before != NULL &&
		    row->before(call, rpc_intercept_closure(row, options)) != RPC_BEFORE_PASS) {
			return false;
		}
	}
	return true;
}

void
rpc_intercept_after(const struct rpc_call *call, const struct error *error)
{
	const struct rpc_server_options *options = &call->message->server->options;

	for (size_t i = options->interceptor_count; i-- > 0;) {
		const struct rpc_interceptor *row = &options->interceptors[i];

		if (row->after != NULL) {
			row->after(call, error, rpc_intercept_closure(row, options));
		}
	}
}
